"""Events of a handover: one side offers, the other answers (CUSTODY_RULES rows 9 to 18)."""

from __future__ import annotations

from collections.abc import Sequence

from client.events.draft import Circumstances, Draft, check_some, drafted, either, listed, side, spelled_time
from client.spelling import Thing
from ledger.base.errors import Code, FormError
from ledger.trade.identifiers import Identifier


def offer(
    at: Circumstances,
    things: Sequence[Thing],
    to: Identifier,
    *,
    sender: Identifier | None = None,
    lapses_ms: int | None = None,
    count: int | None = None,
) -> Draft:
    """Row 10: offer things, with all that is inside them, to a named party until a time."""
    return _offered(at, things, to, sender, lapses_ms, count)


def open_offer(
    at: Circumstances,
    things: Sequence[Thing],
    *,
    sender: Identifier | None = None,
    lapses_ms: int | None = None,
    count: int | None = None,
) -> Draft:
    """Row 11: offer things to whoever takes them; the offerer confirms later."""
    return _offered(at, things, None, sender, lapses_ms, count)


def _offered(
    at: Circumstances,
    things: Sequence[Thing],
    to: Identifier | None,
    sender: Identifier | None,
    lapses_ms: int | None,
    count: int | None,
) -> Draft:
    check_some(things, "what is handed over")
    return drafted(
        "ObjectEvent",
        at if at.disposition is not None else at._replace(disposition="in_transit"),
        {
            "action": "OBSERVE",
            "bizStep": "shipping",
            **listed(things, "epcList", "quantityList"),
            "sourceList": side("source", sender),
            "destinationList": side("destination", to),
            "custody:lapses": None if lapses_ms is None else spelled_time(lapses_ms),
            "custody:count": count,
        },
    )


def accept(
    at: Circumstances,
    things: Sequence[Thing],
    *,
    sender: Identifier | None = None,
    receiver: Identifier | None = None,
    missing: Sequence[Thing] = (),
    damaged: bool = False,
    count: int | None = None,
    contents: Sequence[Thing] = (),
) -> Draft:
    """Rows 12 to 15, and 9 with `contents`: receive things, saying what did not come and in what state the rest did.

    `contents` are what was found inside the one thing received. Without an offer the event is a claim: the same bytes.
    """
    check_some(things, "what is handed over")
    members = {
        "action": "OBSERVE",
        "bizStep": "receiving",
        "sourceList": side("source", sender),
        "destinationList": side("destination", receiver),
        "custody:missing": [either(one) for one in missing],
        "custody:count": count,
    }
    at = at._replace(disposition="damaged") if damaged else at
    if not contents:
        return drafted("ObjectEvent", at, {**members, **listed(things, "epcList", "quantityList")})
    if len(things) != 1 or things[0].quantity is not None:
        raise FormError(Code.MALFORMED, f"expected contents of one unit received, got {len(things)} things")
    parent = {"parentID": things[0].identifier.text}
    return drafted(
        "AggregationEvent", at, {**parent, **members, **listed(contents, "childEPCs", "childQuantityList")}
    )


def reject(at: Circumstances, things: Sequence[Thing]) -> Draft:
    """Row 18: the receiver named refuses an offer."""
    return _answered(at, things, "reject")


def dispute(at: Circumstances, things: Sequence[Thing]) -> Draft:
    """Row 18: either side of a handover contests it."""
    return _answered(at, things, "dispute")


def _answered(at: Circumstances, things: Sequence[Thing], word: str) -> Draft:
    check_some(things, "what is handed over")
    members = {"action": "OBSERVE", **listed(things, "epcList", "quantityList"), "custody:handover": word}
    return drafted("ObjectEvent", at, members)


def withdraw(at: Circumstances, things: Sequence[Thing]) -> Draft:
    """Row 17: the offerer takes an unanswered offer back, or voids a taking it has not confirmed."""
    check_some(things, "what is handed over")
    members = {"action": "OBSERVE", "bizStep": "void_shipping", **listed(things, "epcList", "quantityList")}
    return drafted("ObjectEvent", at, members)
