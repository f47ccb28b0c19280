"""A custody event as EPCIS 2.0 JSON, before anybody signed it (EXTRACT.md §4 to §7).

A `Draft` is bytes already: what is shown, hashed and signed is the same slice, and nothing is serialised a second time.
Identifiers are written in their canonical spelling, so the bytes say what the extract says. Events that use custody
terms travel with a context that names those prefixes, so that any JSON-LD reader understands them.

Invariant: a Draft that exists has an extract; a builder's mistake is an error before it is a signature.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final, NamedTuple

from client.spelling import Thing
from ledger.base.errors import Code, FormError
from ledger.trade.extract import extract
from ledger.trade.identifiers import Identifier, Kind
from ledger.trade.statement import Action, Extract, Openness, Quantity
from ledger.trade.vocabulary import EXTENSION_NAMESPACE, MASTER_DATA_NAMESPACE

CONTEXT: Final = json.dumps(
    [
        "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld",
        {"custody": EXTENSION_NAMESPACE, "cbvmda": MASTER_DATA_NAMESPACE},
    ],
    separators=(",", ":"),
).encode()

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CLASSES: Final = (Kind.CLASS, Kind.LOT, Kind.PATTERN)


class Circumstances(NamedTuple):
    """When and where, said of every event: a claim of its author."""

    time_ms: int
    offset_minutes: int = 0
    place: Identifier | None = None
    """The read point."""
    location: Identifier | None = None
    """The business location."""
    documents: tuple[Identifier, ...] = ()
    """Documents mentioned without binding."""
    seals: tuple[str, ...] = ()
    """Seal numbers seen, as on record."""
    other_seals: tuple[str, ...] = ()
    """Seal numbers seen that differ from those on record."""
    new_seals: tuple[str, ...] = ()
    """Seal numbers put on in the place of those on record."""
    disposition: str | None = None


class Draft(NamedTuple):
    """An event's bytes, its document's context (None: EPCIS's own), and what they come to."""

    event: bytes
    context: bytes | None
    extract: Extract

    @property
    def action(self) -> Action:
        """What the event's form says was done."""
        return Action(self.extract.statement.action)

    def with_openness(self, openness: Openness) -> Draft:
        """The same event, its bytes travelling with it or kept back."""
        statement = self.extract.statement._replace(openness=int(openness))
        return self._replace(extract=self.extract._replace(statement=statement))


def draft_of(event: bytes, context: bytes | None = None) -> Draft:
    """A draft of bytes that exist; FormError where they are no custody event."""
    return Draft(event, context, extract(event, context))


def drafted(event_type: str, at: Circumstances, members: Mapping[str, Any]) -> Draft:
    """The draft of an event of `event_type` in the given circumstances; members that are None or empty are left out."""
    fields: dict[str, Any] = {
        "type": event_type,
        "eventTime": spelled_time(at.time_ms, at.offset_minutes),
        "eventTimeZoneOffset": _spelled_offset(at.offset_minutes),
        "disposition": at.disposition,
        "readPoint": None if at.place is None else {"id": at.place.text},
        "bizLocation": None if at.location is None else {"id": at.location.text},
        "bizTransactionList": [mention(document) for document in at.documents],
        "custody:seal": list(at.seals),
        "custody:otherSeal": list(at.other_seals),
        "custody:reseal": list(at.new_seals),
    }
    fields |= {name: value for name, value in members.items() if value is not None}
    kept = {name: value for name, value in fields.items() if value is not None and value not in ([], {})}
    event = _json(kept).encode()
    needs_context = b'"custody:' in event or b'"cbvmda:' in event
    return draft_of(event, CONTEXT if needs_context else None)


def check_some(things: Sequence[Thing], what: str) -> None:
    """FormError where there are no things; `what` says of what."""
    if not things:
        raise FormError(Code.MALFORMED, f"expected at least one identifier of {what}, got none")


def listed(things: Iterable[Thing], instances: str, classes: str) -> dict[str, Any]:
    """Things as an EPC list and a quantity list under the given names."""
    found: dict[str, list[Any]] = {instances: [], classes: []}
    for one in things:
        if one.quantity is None and one.identifier.kind not in _CLASSES:
            found[instances].append(one.identifier.text)
        else:
            found[classes].append(quantified(one))
    return dict(found)


def either(one: Thing) -> Any:
    """A thing as an identifier, or as a quantity element where it is a class or lot."""
    return (
        one.identifier.text
        if one.quantity is None and one.identifier.kind not in _CLASSES
        else quantified(one)
    )


def quantified(one: Thing) -> dict[str, Any]:
    """A thing as an EPCIS quantity element."""
    element: dict[str, Any] = {"epcClass": one.identifier.text}
    if one.quantity is not None:
        element["quantity"] = _number(one.quantity)
        if one.quantity.unit:
            element["uom"] = one.quantity.unit
    return element


class _Digits(str):
    """A JSON number, written exactly as its digits stand: no quantity is ever a float."""

    __slots__ = ()


def _number(quantity: Quantity) -> _Digits:
    if not quantity.scale:
        return _Digits(quantity.amount)
    digits = str(quantity.amount).rjust(quantity.scale + 1, "0")
    return _Digits(f"{digits[: -quantity.scale]}.{digits[-quantity.scale :]}")


def _json(value: Any) -> str:
    if isinstance(value, _Digits):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{_json(member)}" for name, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_json(element) for element in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def mention(document: Identifier) -> dict[str, str]:
    """A document as an EPCIS business transaction."""
    kind = next((kind for stem, kind in _TRANSACTION_TYPES.items() if document.text.startswith(stem)), None)
    typed = {} if kind is None else {"type": kind}
    return {**typed, "bizTransaction": document.text}


_TRANSACTION_TYPES: Final = {
    "urn:custody:doc:mrn:": "custody:mrn",
    "urn:custody:doc:ucr:": "custody:ucr",
    "urn:custody:doc:bol:": "bol",
    "urn:custody:seal:": "custody:seal",
}


def side(kind: str, party: Identifier | None) -> list[dict[str, str]] | None:
    """A source or destination list naming who possesses; None without a party."""
    return None if party is None else [{"type": "possessing_party", kind: party.text}]


def spelled_time(time_ms: int, offset_minutes: int = 0) -> str:
    """Unix milliseconds as an xsd:dateTimeStamp at the given offset from UTC; FormError outside the years 1 to 9999."""
    zone = timezone(timedelta(minutes=offset_minutes))
    try:
        at = (_EPOCH + timedelta(milliseconds=time_ms)).astimezone(zone)
    except OverflowError:
        raise FormError(Code.BAD_TIME, f"expected a time in the years 1 to 9999, got {time_ms} ms") from None
    return at.isoformat(timespec="milliseconds")


def _spelled_offset(offset_minutes: int) -> str:
    sign, minutes = ("-", -offset_minutes) if offset_minutes < 0 else ("+", offset_minutes)
    return f"{sign}{minutes // 60:02}:{minutes % 60:02}"
