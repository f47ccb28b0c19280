"""What an event says, however it is written: the value by which two spellings of one event are compared (EPCIS.md, Forms).

Members by their full name, numbers by value, standard words bare, times by instant; an empty list is none, and one URI is
a list of one where the standard lets it be either.
"""

from __future__ import annotations

import re
from datetime import datetime
from fractions import Fraction
from typing import Any

from ledger.epcis.document import Document
from ledger.epcis.vocabulary import (
    COMPONENT,
    DISPOSITION,
    ERROR_REASON,
    MEASUREMENT,
    PARTY_TYPE,
    SENSOR_ALERT,
    STEP,
    TRANSACTION_TYPE,
)
from ledger.epcis.xml.names import STANDARD_PREFIXES, UNRESOLVED
from ledger.trade.slices import Number, parse

_WORDS = {
    "bizStep": STEP, "disposition": DISPOSITION, "set": DISPOSITION, "unset": DISPOSITION, "reason": ERROR_REASON,
    "component": COMPONENT, "exception": SENSOR_ALERT,
    "bizTransactionList/type": TRANSACTION_TYPE, "sourceList/type": PARTY_TYPE, "destinationList/type": PARTY_TYPE,
    "sensorReport/type": MEASUREMENT,
}  # fmt: skip
_TIMES = frozenset({"eventTime", "recordTime", "declarationTime", "time", "startTime", "endTime"})
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)")


def meanings(document: Document) -> list[Any]:
    """Every event of a document."""
    context = None if document.context is None else parse(document.context, 100_000)
    return [meaning(parse(event, 1_000_000), context) for event in document.events]


def meaning(event: dict[str, Any], context: Any = None) -> Any:
    """One event under the context of its document."""
    prefixes = _prefixes(event.get("@context"), _prefixes(context, dict(STANDARD_PREFIXES)))
    return _object({name: value for name, value in event.items() if name != "@context"}, prefixes, "")


def _prefixes(context: Any, known: dict[str, str]) -> dict[str, str]:
    known = dict(known)
    for part in context if isinstance(context, list) else [context]:
        if isinstance(part, dict):
            known |= {name: uri for name, uri in part.items() if isinstance(uri, str)}
    return known


def _object(value: dict[str, Any], prefixes: dict[str, str], holder: str) -> dict[str, Any]:
    found = {}
    for name, member in value.items():
        prefix, colon, local = name.partition(":")
        full = f"{prefixes.get(prefix, UNRESOLVED + prefix)} {local}" if colon else name
        said = _value(member, prefixes, holder, name)
        if said != [] or colon:
            found[full] = said
    if not holder and isinstance(found.get("certificationInfo"), str):
        found["certificationInfo"] = [found["certificationInfo"]]
    return found


def _value(value: Any, prefixes: dict[str, str], holder: str, name: str) -> Any:
    if isinstance(value, Number):
        return Fraction(value.text)
    if isinstance(value, dict):
        return _object(value, prefixes, name)
    if isinstance(value, list):
        return [_value(one, prefixes, holder, name) for one in value]
    if isinstance(value, str):
        words = _WORDS.get(f"{holder}/{name}") or _WORDS.get(name)
        if words is not None:
            return words.bare(value)
        match = _TIME.fullmatch(value) if name in _TIMES else None
        if match is not None:
            return datetime.fromisoformat(match[1] + match[3].replace("Z", "+00:00")), Fraction(
                f"0.{match[2] or 0}"
            )
    return value
