"""What a `@context` may be in an EPCIS document (EPCIS 2.0 §10.1; EPCIS.md, What is refused), and whether it is known wholly.

No context is ever fetched. EPCIS's own is built in; any other address may bind prefixes that nobody here can know, so
that under it a name with an unknown prefix is taken to be in a namespace. What a context may not redefine is the
extractor's to say (EXTRACT.md §3).
"""

from __future__ import annotations

import re
from typing import Any, Final

from ledger.epcis.findings import Findings, Place, shown
from ledger.epcis.values import is_uri
from ledger.trade.slices import Number

_EPCIS_OWN: Final = re.compile(
    r"https?://(?:ref\.gs1\.org/standards/epcis/(?:[0-9.]+/)?|gs1\.github\.io/EPCIS/)epcis-context\.jsonld"
)


def check_context(findings: Findings, value: Any, place: Place) -> None:
    """An address, an object, or an array of both in which each stands once."""
    if type(value) is not list:
        return _check_part(findings, value, place)
    seen = set()
    for position, part in enumerate(value):
        _check_part(findings, part, (place, position))
        same = _comparable(part)
        if same in seen:
            findings.add((place, position), "each part of a context once", "one again")
        seen.add(same)
    return None


def is_open(value: Any) -> bool:
    """Whether a context names an address whose terms are not known here."""
    parts = value if type(value) is list else [value]
    return any(type(part) is str and _EPCIS_OWN.fullmatch(part) is None for part in parts)


def _check_part(findings: Findings, value: Any, place: Place) -> None:
    if type(value) is not dict and (type(value) is not str or not is_uri(value)):
        findings.add(place, "the address of a context or an object", shown(value))


def _comparable(value: Any) -> Any:
    """A value that is equal to another's where JSON holds the two for equal, and can stand in a set."""
    if type(value) is dict:
        return "{", tuple(sorted((name, _comparable(member)) for name, member in value.items()))
    if type(value) is list:
        return "[", tuple(_comparable(member) for member in value)
    return (type(value).__name__, value.text if type(value) is Number else value)
