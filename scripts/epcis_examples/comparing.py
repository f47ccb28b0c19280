"""Whether two events are the same as EPCIS: the same members with the same values, however they are spelt.

Names are compared as what they stand for under their contexts, numbers as numbers, texts as they stand or as what they stand
for. What an answer adds is left out: the time of recording, an eventID where the author gave none, and the ledger's own members.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from ledger.trade.extract.context import Prefixes, prefixes_of

OURS: Final = "https://custody-ledger.org/answer/"


def read_event(text: bytes) -> dict[str, Any]:
    """An event with its numbers as they are written."""
    return dict(json.loads(text, parse_float=Decimal, parse_int=Decimal))


def expanded(told: tuple[bytes, bytes | None]) -> dict[str, Any]:
    """The members of an event by what their names stand for."""
    event = read_event(told[0])
    return _members(event, _in_force(event, told[1]))


def difference(author: tuple[bytes, bytes | None], answer: tuple[bytes, bytes | None]) -> str | None:
    """Where an answered event first differs from its author's, None if nowhere. Each is an event and its document's context."""
    event, answered = read_event(author[0]), read_event(answer[0])
    here, there = _in_force(event, author[1]), _in_force(answered, answer[1])
    expected = _members(event, here)
    came = {name: value for name, value in _members(answered, there).items() if not name.startswith(OURS)}
    for each in (expected, came):
        each.pop("recordTime", None)
    if "eventID" not in expected:
        came.pop("eventID", None)
    return _differ(expected, came, here, there, "")


def _in_force(event: Mapping[str, Any], context: bytes | None) -> Prefixes:
    prefixes = prefixes_of(context)
    own = event.get("@context")
    return prefixes if own is None else prefixes.extended(own)


def _members(value: Mapping[str, Any], prefixes: Prefixes) -> dict[str, Any]:
    return {
        prefixes.expanded(name) if ":" in name else name: member
        for name, member in value.items()
        if name != "@context"
    }


def _differ(one: Any, other: Any, here: Prefixes, there: Prefixes, place: str) -> str | None:
    if isinstance(one, dict) and isinstance(other, dict):
        ours, theirs = _members(one, here), _members(other, there)
        if ours.keys() != theirs.keys():
            odd = min(ours.keys() ^ theirs.keys())
            return f"{place}/{odd}"
        pairs = [(name, ours[name], theirs[name]) for name in ours]
    elif isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            return f"{place} ({len(one)} and {len(other)} values)"
        pairs = [(f"{number}", *both) for number, both in enumerate(zip(one, other, strict=True))]
    else:
        return None if _is_same(one, other, here, there) else place
    found = (_differ(mine, theirs, here, there, f"{place}/{name}") for name, mine, theirs in pairs)
    return next((one for one in found if one is not None), None)


def _is_same(one: Any, other: Any, here: Prefixes, there: Prefixes) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one == other or here.expanded(one) == there.expanded(other)
    return type(one) is type(other) and bool(one == other)
