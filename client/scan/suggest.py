"""What a person with a scanner may record of a subject next (CUSTODY_RULES, the table of rules).

A suggestion is a command line to complete, with the reason for it. It rests on what a gateway says of the subject now;
without one it can only list what is common. It decides nothing: the rules do, when the event is executed.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from client.scan.reading import Reading
from ledger.trade.identifiers import Identifier, Kind, canonical, gln_of
from ledger.trade.identifiers.alphabet import percent_decoded
from ledger.trade.identifiers.gs1 import ROOT

_CONTAINER: Final = "urn:epc:id:bic:"
_DOCUMENT: Final = "urn:custody:doc:"
_SEAL: Final = "urn:custody:seal:"
_PARENTS: Final = frozenset({Kind.CONTAINER, Kind.LOGISTIC_UNIT})


class Suggestion(NamedTuple):
    """A command to complete, and why."""

    command: str
    reason: str


class Known(NamedTuple):
    """What a gateway said of a subject: `record` None where nothing is recorded of it."""

    record: Mapping[str, Any] | None
    time_ms: int = 0


def typed(identifier: Identifier) -> str:
    """An identifier as it is typed on a command line: brackets, a container's number, a word and a number, else its URI."""
    text = identifier.text
    if text.startswith(ROOT):
        parts = [percent_decoded(part) or "" for part in text.removeprefix(ROOT).split("/")]
        if not any("(" in part or ")" in part for part in parts):
            return "".join(f"({code}){value}" for code, value in zip(parts[::2], parts[1::2], strict=True))
    if text.startswith(_CONTAINER):
        return text.removeprefix(_CONTAINER)
    for prefix, word in ((_DOCUMENT, ""), (_SEAL, "seal:")):
        if text.startswith(prefix):
            return word + (percent_decoded(text.removeprefix(prefix)) or "")
    return text


def suggestions(reading: Reading, known: Known | None, me: str | None) -> list[Suggestion]:
    """What may be recorded next, the likeliest first; `known` None where no gateway was asked, `me` the own organisation."""
    identifier = reading.identifier
    if identifier.kind in _NO_THINGS:
        return _NO_THINGS[identifier.kind](identifier)
    # Of a class or lot, how much is meant has to be said; one stands for it.
    is_counted = identifier.kind in (Kind.CLASS, Kind.LOT)
    thing = shlex.quote(typed(identifier) + ("=1" if is_counted else ""))
    if known is not None and known.record is not None and not is_counted:
        return _of_known(identifier, thing, known.record, known.time_ms, me)
    return _of_unknown(reading, thing, is_new=known is not None and known.record is None)


def _record(line: str, reason: str) -> Suggestion:
    return Suggestion(f"custody record {line}", reason)


def _trace(identifier: Identifier, reason: str) -> Suggestion:
    return Suggestion(f"custody trace {shlex.quote(typed(identifier))}", reason)


def _of_unknown(reading: Reading, thing: str, *, is_new: bool) -> list[Suggestion]:
    kind = reading.identifier.kind
    found = []
    if kind in _PARENTS:
        found.append(_record(f"pack {thing} THING", "where goods go into it"))
    if kind is not Kind.CONTAINER:
        lot = dict(reading.beside).get("10")
        batch = f" --lot {shlex.quote(lot)}" if lot and kind is Kind.ITEM else ""
        found.append(
            _record(f"make {thing}{batch}", "nothing is recorded of it" if is_new else "where it is new")
        )
    found.append(_record(f"accept {thing} --from MEMBER", "where somebody hands it over to you"))
    if not is_new:
        found.append(_record(f"offer {thing} --to MEMBER", "where you hold it"))
    return found


def _of_known(
    identifier: Identifier, thing: str, record: Mapping[str, Any], time_ms: int, me: str | None
) -> list[Suggestion]:
    status, custodian = str(record.get("status")), record.get("custodian")
    if status in ("consumed", "ended"):
        return [_trace(identifier, f"its life is over: {status}")]
    found = _of_holds(identifier, thing, record, me)
    parent = record.get("parent")
    if isinstance(parent, str):
        outer = typed(canonical(parent))
        found.append(_record(f"unpack {shlex.quote(outer)} {thing}", f"it is inside {outer}"))
        found.append(
            Suggestion(f"custody scan {shlex.quote(outer)}", "custody passes with what it is inside of")
        )
        return found
    seals = ", ".join(str(seal) for seal in record.get("seals") or ())
    compare = f"; compare the seals on record: {seals}" if seals else ""
    offered = _of_offer(thing, record.get("offer"), time_ms, me, compare)
    found += offered
    if custodian is None:
        found.append(_record(f"accept {thing}", f"nobody holds it on the ledger{compare}"))
    elif custodian == me:
        if not offered:
            found.append(_record(f"offer {thing} --to MEMBER", "you hold it"))
        inside = f"pack {thing} THING" if identifier.kind in _PARENTS else f"pack PARENT {thing}"
        found.append(_record(inside, "you hold it"))
    elif me is not None and not offered:
        reason = f"{custodian} holds it and offers it to nobody{compare}"
        found.append(_record(f"accept {thing} --from {_word(custodian)}", reason))
    if not any(one.command.startswith("custody record observe") for one in found):
        found.append(_record(f"observe {thing}", "where it is only seen"))
    return found


def _of_holds(
    identifier: Identifier, thing: str, record: Mapping[str, Any], me: str | None
) -> list[Suggestion]:
    found = []
    for hold in record.get("holds") or ():
        authority, case = str(hold.get("authority")), str(hold.get("case"))
        if authority == me:
            found.append(_record(f"release {thing} --case {shlex.quote(case)}", "you hold it back"))
        else:
            found.append(
                _trace(identifier, f"held by {authority}, case {case}: it moves with their permit only")
            )
    return found


def _of_offer(thing: str, offer: Any, time_ms: int, me: str | None, compare: str) -> list[Suggestion]:
    if not isinstance(offer, dict) or int(offer.get("lapse_ms") or 0) <= time_ms:
        return []
    offerer, receiver = str(offer.get("offerer")), offer.get("receiver")
    if me is not None and offerer == me:
        return [
            _record(f"withdraw {thing}", f"you offer it to {receiver or 'anyone'}, and nobody took it yet")
        ]
    if receiver is None or receiver == me or me is None:
        to = "you" if receiver is not None and receiver == me else receiver or "anyone"
        return [
            _record(f"accept {thing} --from {_word(offerer)}", f"{offerer} offers it to {to}{compare}"),
            _record(f"reject {thing}", f"{offerer} offers it to {to}"),
        ]
    return [_record(f"observe {thing}", f"{offerer} offers it to {receiver}, not to you")]


def _word(text: object) -> str:
    return shlex.quote(str(text))


def _of_place(identifier: Identifier) -> list[Suggestion]:
    gln = gln_of(identifier.text)
    where = shlex.quote(gln if gln is not None and "/254/" not in identifier.text else identifier.text)
    return [_record(f"observe THING --place {where}", "it is a place: where something is seen")]


def _of_party(identifier: Identifier) -> list[Suggestion]:
    gln = shlex.quote(gln_of(identifier.text) or identifier.text)
    return [_record(f"offer THING --to {gln}", "it is a party: to whom something is handed over")]


def _of_document(identifier: Identifier) -> list[Suggestion]:
    name = shlex.quote(typed(identifier))
    return [
        _record(f"bind THING --under {name}", "it is a document: what goods travel under"),
        _trace(identifier, "what was recorded of it"),
    ]


def _of_seal(identifier: Identifier) -> list[Suggestion]:
    number = shlex.quote(identifier.text.removeprefix(_SEAL))
    return [_record(f"observe THING --seal {number}", "it is a seal: on what it is seen")]


def _of_nothing(_identifier: Identifier) -> list[Suggestion]:
    return []


_NO_THINGS: Final = {
    Kind.PLACE: _of_place,
    Kind.PARTY: _of_party,
    Kind.DOCUMENT: _of_document,
    Kind.SEAL: _of_seal,
    Kind.PERSON: _of_nothing,
    Kind.PATTERN: _of_nothing,
}
