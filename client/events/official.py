"""Events of authorities: holds, releases, permits, rulings (CUSTODY_RULES rows 21, 22, 27, 29).

Whether the signer is entitled to them is judged in execution; the form is the same for everybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from client.events.draft import Circumstances, Draft, check_some, drafted, listed, spelled_time
from client.spelling import Thing
from ledger.base.errors import Code, FormError
from ledger.trade.identifiers import Identifier

MEASURES: Final = ("detain", "seize")


def hold(
    at: Circumstances, things: Sequence[Thing], *, case: str, basis: str = "", measure: str = "detain"
) -> Draft:
    """Row 21: detain or seize things under a case and a legal basis."""
    if measure not in MEASURES:
        raise FormError(Code.MALFORMED, f"expected {' or '.join(MEASURES)}, got {measure!a}")
    return _measured(at, things, measure, case, basis, {"bizStep": "holding"})


def release(at: Circumstances, things: Sequence[Thing], *, case: str, basis: str = "") -> Draft:
    """Row 22: lift the hold of that case."""
    return _measured(at, things, "release", case, basis, {})


def permit(
    at: Circumstances,
    things: Sequence[Thing],
    *,
    case: str,
    legs: Sequence[tuple[Identifier, Identifier]],
    until_ms: int,
    basis: str = "",
) -> Draft:
    """Row 29: let held things move along ordered legs (sender, receiver), each once, until a time, under `at.seals`."""
    extra = {
        "custody:legs": [
            {"custody:from": sender.text, "custody:to": receiver.text} for sender, receiver in legs
        ],
        "custody:until": spelled_time(until_ms),
    }
    return _measured(at, things, "permit", case, basis, extra)


def _measured(
    at: Circumstances, things: Sequence[Thing], measure: str, case: str, basis: str, extra: dict[str, Any]
) -> Draft:
    check_some(things, "what the act is about")
    return drafted(
        "ObjectEvent",
        at,
        {
            "action": "OBSERVE",
            **extra,
            **listed(things, "epcList", "quantityList"),
            "custody:measure": measure,
            "custody:case": case,
            "custody:basis": basis or None,
        },
    )


def confirm(at: Circumstances, things: Sequence[Thing], *, event_hash: bytes) -> Draft:
    """Row 27: confirm a taking or a claim, or rule that a contradiction holds, naming the event's hash (32 bytes)."""
    return _ruled(at, things, "confirm", event_hash)


def dismiss(at: Circumstances, things: Sequence[Thing], *, event_hash: bytes) -> Draft:
    """Row 27: dismiss a claim or a contradiction, naming the event's hash (32 bytes)."""
    return _ruled(at, things, "dismiss", event_hash)


def _ruled(at: Circumstances, things: Sequence[Thing], word: str, event_hash: bytes) -> Draft:
    check_some(things, "what the act is about")
    return drafted(
        "ObjectEvent",
        at,
        {
            "action": "OBSERVE",
            **listed(things, "epcList", "quantityList"),
            "custody:ruling": word,
            "custody:cites": event_hash.hex(),
        },
    )
