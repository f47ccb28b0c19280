"""Events as this repository answers with them (EPCIS.md "Query").

An event goes out as a copy of its author's, with `recordTime` (the block's time) and, where the author gave none, `eventID`. What
the ledger knows of it stands beside it under `https://custody-ledger.org/answer/`, under the prefix `ledger`, or `ledger2`, `ledger3` ... where
an author uses that; what authors put there themselves is left out:

    ledger:proof           where the bundle is that proves it (ask there for application/vnd.custody.bundle)
    ledger:eventHash       what the chain commits to; ledger:height the block
    ledger:organisation    whose signature it is under
    ledger:applied         whether all it says came to hold; ledger:outcome one word for each subject (RULES.md)
    ledger:bytes           restricted, erased or missing, or unreadable (no event, whatever its author signed): told by its
                           extract (`extracts`)
    ledger:corrects        of an error declaration: the event it is about; ledger:correctedBy of that event: the declarations

These are an answer's words and no part of what an author signs: the namespace is not the one of custody terms, so an answer that is
captured again elsewhere says nothing about custody by them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from ledger.base.errors import FormError
from ledger.base.limits import EVENT_BYTES
from ledger.trade.extract.context import Prefixes, prefixes_of
from ledger.trade.slices import Number, parse
from ledger.trade.statement import Action
from node.gateway.epcis.documents import joined_contexts
from node.gateway.epcis.extracts import event_of
from node.gateway.epcis.negotiation import ANSWER_NAMESPACE
from node.gateway.epcis.raw_path import ROOT
from node.gateway.rendering import outcome_json, time_text
from node.index.index import IndexedEvent, Position
from node.index.reading import DERIVED_ID, State

PREFIX: Final = "ledger"
_PREFIXES: Final = re.compile(rb'"(%s[0-9]*)[":]' % PREFIX.encode())
_ESCAPED: Final = re.compile(rb"\\u00([3-7][0-9A-Fa-f])")
_FIRST: Final = ("type", "eventID", "eventTime", "eventTimeZoneOffset", "recordTime")


Respell = Callable[[dict[str, Any]], dict[str, Any]]
"""An event with its identifiers spelt as somebody wants them."""


def _as_written(event: dict[str, Any]) -> dict[str, Any]:
    return event


class Shown(NamedTuple):
    """Events ready to be written, and the context that their document is to have."""

    events: list[dict[str, Any]]
    context: list[Any]
    checkpoint: dict[str, Any]
    """Members of the document: what it is valid at."""
    start: str
    """What names of ours begin with in it."""


def shown(
    events: Sequence[IndexedEvent],
    corrections: Mapping[int, Sequence[IndexedEvent]],
    position: Position,
    respell: Respell = _as_written,
) -> Shown:
    """Events as they are answered. `corrections`: by sequence, the events that declare one to be in error."""
    prefix = _free_prefix(events)
    start = f"{prefix}:"
    ours = {prefix: ANSWER_NAMESPACE}
    read = [(one, _members(one)) for one in events]
    context, apart = joined_contexts((one.context for one, members in read if members is not None), ours)
    copies = []
    for one, members in read:
        copy = respell(_copy(one, members, start))
        told = _told(one, corrections.get(one.sequence, ()), is_readable=members is not None)
        copy |= {start + name: value for name, value in told.items()}
        own = apart.get(one.context) if one.context is not None and members is not None else None
        if own is not None:
            copy["@context"] = [*own, *_listed(copy.get("@context"))]
        copies.append({name: copy[name] for name in _FIRST if name in copy} | copy)
    checkpoint = {
        f"{start}height": position.height,
        f"{start}headerHash": position.header_hash.hex(),
        f"{start}time": time_text(position.time_ms),
    }
    return Shown(copies, context, checkpoint, start)


def checkpoint_headers(position: Position) -> dict[str, str]:
    """The headers that say which block an answer is valid at."""
    return {
        "Custody-Height": str(position.height),
        "Custody-Header-Hash": position.header_hash.hex(),
        "Custody-Time": time_text(position.time_ms) or "",
    }


def event_address(event_id: str) -> str:
    """Where an event is, and its bundle."""
    return f"{ROOT}/events/{quote(event_id, safe='')}"


def _members(one: IndexedEvent) -> dict[str, Any] | None:
    """The author's members, less such as claim to be the node's; None where there are no bytes, or none that are an event.

    Admission refuses such bytes. A validator of ill will passes them on all the same, and they must spoil no answer.
    """
    if one.event is None:
        return None
    try:
        members = parse(one.event, EVENT_BYTES)
        if type(members) is not dict or type(members.get("type")) is not str:
            return None
        prefixes = prefixes_of(one.context)
        if "@context" in members:
            prefixes = prefixes.extended(members["@context"])
    except FormError:
        return None
    return {name: value for name, value in members.items() if not _is_ours(name, prefixes)}


def _copy(one: IndexedEvent, members: dict[str, Any] | None, start: str) -> dict[str, Any]:
    """The author's members, or those of the extract, with id and block time."""
    copy = event_of(one.item, start) if members is None else members
    if type(copy.get("eventID")) is not str:
        copy["eventID"] = one.event_id
    return copy | {"recordTime": time_text(one.record_time_ms)}


def _told(one: IndexedEvent, corrections: Sequence[IndexedEvent], *, is_readable: bool) -> dict[str, Any]:
    named = DERIVED_ID + one.event_hash.hex()
    told: dict[str, Any] = {
        "proof": event_address(named),
        "eventHash": one.event_hash.hex(),
        "height": Number(str(one.height)),
        "organisation": one.organisation,
        "applied": one.is_applied,
        "outcome": [outcome_json(code)["name"] for code in one.outcomes],
    }
    if one.state is not State.SHOWN:
        told["bytes"] = State(one.state).name.lower()
    elif not is_readable:
        told["bytes"] = "unreadable"
    said = one.item.statement
    if said.action == Action.CORRECT and said.cites is not None:
        told["corrects"] = DERIVED_ID + said.cites.hex()
    if corrections:
        told["correctedBy"] = [DERIVED_ID + other.event_hash.hex() for other in corrections]
    return told


def _free_prefix(events: Sequence[IndexedEvent]) -> str:
    """What our members begin with: our prefix, or with the first number behind it that makes it none of any author's."""
    texts = {text for one in events for text in (one.context, one.event) if text is not None}
    used = {match for text in texts for match in _PREFIXES.findall(_unescaped(text))}
    return next(
        one
        for number in count(1)
        if (one := PREFIX + (str(number) if number > 1 else "")).encode() not in used
    )


def _unescaped(text: bytes) -> bytes:
    """JSON text in which letters and digits stand as themselves."""
    return _ESCAPED.sub(lambda match: bytes((int(match[1], 16),)), text) if b"\\u00" in text else text


def _is_ours(name: str, prefixes: Prefixes) -> bool:
    """Whether a member's name means one of the node's words."""
    return prefixes.expanded(name if ":" in name else f"{name}:").startswith(ANSWER_NAMESPACE)


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if type(value) is list else [value]
