"""What an event can be asked for: its facets, read off its JSON (EPCIS 2.0 §8.2.7.1; EPCIS.md, Index).

A facet is a name and a key (`node.index.values`). Identifiers are canonical as on the ledger, words of the CBV bare, prefixes
of extension names expanded by the event's @context. The bytes were checked before they came to stand on the ledger, so the
fast reader is used; what is of no use to a query here is passed over and refused nowhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from ledger.base.errors import Code, FormError
from ledger.epcis.vocabulary import (
    DISPOSITION,
    ERROR_REASON,
    MEASUREMENT,
    PARTY_TYPE,
    STEP,
    TRANSACTION_TYPE,
    Vocabulary,
)
from ledger.trade.extract.context import Prefixes, prefixes_of
from ledger.trade.identifiers import canonical, document
from ledger.trade.vocabulary import EPCIS_NAMESPACE, TRANSACTION_TYPE_NAMES
from node.index.units import measured
from node.index.values import is_number, number_key, read_time, text_key, time_key, typed_keys

FACETS_PER_EVENT: Final = 20_000
"""Of an event that says more only so much is searched for; the largest event of the ledger's own says some thousand things."""
DEPTH: Final = 32
HAS: Final = "0"
"""The key of an extension field that is there and has no plain value."""
_MARK: Final = ""

# Which list of an event is searched under which name: instances, then classes with quantities.
_INSTANCES: Final = {
    "epcList": "epc",
    "childEPCs": "epc",
    "inputEPCList": "inputEPC",
    "outputEPCList": "outputEPC",
}
_CLASSES: Final = {
    "quantityList": "epcClass",
    "childQuantityList": "epcClass",
    "inputQuantityList": "inputEPCClass",
    "outputQuantityList": "outputEPCClass",
}
_PLAIN: Final = {"type", "action"}
_IDENTIFIERS: Final = {"parentID", "transformationID"}
_PLACES: Final = {"readPoint", "bizLocation"}
_PARTIES: Final = {"sourceList": "source", "destinationList": "destination"}
_SENSOR_TIMES: Final = {"time", "startTime", "endTime"}
SENSOR_URIS: Final = {
    "deviceID", "dataProcessingMethod", "microorganism", "chemicalSubstance", "bizRules", "uriValue",
}  # fmt: skip
SENSOR_TEXTS: Final = {"stringValue", "hexBinaryValue"}
SENSOR_NUMBERS: Final = {"value", "minValue", "maxValue", "meanValue", "sDev", "percValue"}
_SENSOR_STANDARD: Final = (
    _SENSOR_TIMES | SENSOR_URIS | SENSOR_TEXTS | SENSOR_NUMBERS
    | {"type", "exception", "uom", "percRank", "booleanValue", "component", "coordinateReferenceSystem", "deviceMetadata",
       "rawData", "sensorMetadata", "sensorReport"}
)  # fmt: skip
_EVENT_STANDARD: Final = (
    _INSTANCES.keys() | _CLASSES.keys() | _PLAIN | _PLACES | _PARTIES.keys()
    | {"@context", "bizStep", "disposition", "eventID", "eventTime", "recordTime", "eventTimeZoneOffset", "persistentDisposition", "parentID",
       "bizTransactionList", "transformationID", "ilmd", "errorDeclaration", "sensorElementList", "certificationInfo", "id"}
)  # fmt: skip
_ERROR_STANDARD: Final = {"declarationTime", "reason", "correctiveEventIDs", "@context", "id"}

WORDS: Final[Mapping[str, Vocabulary]] = {
    "bizStep": STEP,
    "disposition": DISPOSITION,
    "persistentDisposition_set": DISPOSITION,
    "persistentDisposition_unset": DISPOSITION,
    "errorReason": ERROR_REASON,
    "sensorType": MEASUREMENT,
}
"""Facets whose keys are words of the CBV, bare; what is no word of it stands as it is."""
_EPCIS_NAMESPACES: Final = (EPCIS_NAMESPACE, "https://ns.gs1.org/epcis/")

Facet = tuple[str, str]


class Derived(NamedTuple):
    """What the index keeps of an event's bytes."""

    event_id: str | None
    """The author's as a key, None where there is none."""
    facets: frozenset[Facet]


class Number(str):
    """A number's digits, as they are written."""

    __slots__ = ()


def derive(event: bytes, context: bytes | None) -> Derived:
    """The facets of an event. FormError where the bytes are no event at all: then nobody can search them."""
    try:
        members = _decode(event.decode("utf-8"))
    except (ValueError, RecursionError):
        raise FormError(Code.MALFORMED, "expected an event in JSON, got other bytes") from None
    if not isinstance(members, dict):
        raise FormError(Code.MALFORMED, "expected an event to be an object")
    prefixes = prefixes_of(context)
    if "@context" in members:
        prefixes = prefixes.extended(members["@context"])
    found = set[Facet]()
    for facet in _Reading(members, prefixes).facets():
        found.add(facet)
        if len(found) >= FACETS_PER_EVENT:
            break
    event_id = members.get("eventID")
    own = text_key(event_id) if isinstance(event_id, str) and event_id else None
    return Derived(own, frozenset(found))


_decode: Final = json.JSONDecoder(parse_float=Number, parse_int=Number).decode


def extension(scope: str, name: str) -> str:
    """The facet of an extension field; `scope` as in parameter names, `INNER_` before it for a field further inside."""
    return f"{scope}:{name}"


class _Reading:
    """One event being read."""

    def __init__(self, members: dict[str, Any], prefixes: Prefixes) -> None:
        self._members = members
        self._expanded = prefixes.expanded

    def facets(self) -> Iterator[Facet]:
        for name, value in self._members.items():
            if value is None:
                continue
            if name not in _EVENT_STANDARD:
                yield from self._extension("", name, value)
            elif name in _INSTANCES:
                for one in _texts(value):
                    yield from self._identifier(_INSTANCES[name], one)
            elif name in _CLASSES:
                yield from self._quantities(_CLASSES[name], value)
            else:
                yield from self._standard(name, value)

    def _standard(self, name: str, value: Any) -> Iterator[Facet]:
        """A member that every event may have, other than a list of objects."""
        if name in _PLAIN and isinstance(value, str):
            yield name, text_key(value if name == "action" else bare_type(self._expanded(value)))
        elif name in ("bizStep", "disposition"):
            yield from self._word(name, value)
        elif name in _IDENTIFIERS:
            yield from self._identifier(name, value)
        elif name in _PARTIES:
            yield from self._parties(_PARTIES[name], value)
        elif name == "bizTransactionList":
            yield from self._documents(value)
        elif name == "sensorElementList":
            yield from self._sensors(value)
        elif isinstance(value, dict):
            yield from self._part(name, value)

    def _part(self, name: str, value: dict[str, Any]) -> Iterator[Facet]:
        """A member that is an object."""
        if name in _PLACES:
            yield from self._place(name, value)
        elif name == "persistentDisposition":
            for change in ("set", "unset"):
                for one in _texts(value.get(change)):
                    yield from self._word(f"persistentDisposition_{change}", one)
        elif name == "ilmd":
            for inner, member in value.items():
                yield from self._extension("ILMD_", inner, member)
        elif name == "errorDeclaration":
            yield from self._error(value)

    # ---- plain members

    def _word(self, facet: str, value: Any) -> Iterator[Facet]:
        if isinstance(value, str) and value:
            yield facet, text_key(WORDS[facet].bare(self._expanded(value)))

    def _identifier(self, facet: str, value: Any) -> Iterator[Facet]:
        if isinstance(value, str) and value:
            yield facet, canonical(self._expanded(value)).text

    def _time(self, facet: str, value: Any) -> Iterator[Facet]:
        at_ms = read_time(value) if isinstance(value, str) else None
        if at_ms is not None:
            yield facet, time_key(at_ms)

    def _quantities(self, facet: str, value: Any) -> Iterator[Facet]:
        for element in _objects(value):
            yield from self._identifier(facet, element.get("epcClass"))
            amount, unit = element.get("quantity"), element.get("uom")
            if isinstance(amount, str) and is_number(amount):
                yield "quantity", number_key(amount)
                if isinstance(unit, str):
                    yield measured("quantity", unit, amount)

    def _place(self, facet: str, value: dict[str, Any]) -> Iterator[Facet]:
        yield from self._identifier(facet, value.get("id"))
        for name, member in value.items():
            if name != "id":
                yield from self._extension(f"{facet}_", name, member)

    def _parties(self, end: str, value: Any) -> Iterator[Facet]:
        for element in _objects(value):
            kind = element.get("type")
            word = PARTY_TYPE.bare(self._expanded(kind)) if isinstance(kind, str) else ""
            yield from self._identifier(f"{end}_{word}", element.get(end))

    def _documents(self, value: Any) -> Iterator[Facet]:
        for element in _objects(value):
            kind, name = element.get("type"), element.get("bizTransaction")
            if isinstance(name, str) and name:
                of = self._expanded(kind) if isinstance(kind, str) else ""
                yield document_facet(of, self._expanded(name))

    def _error(self, value: dict[str, Any]) -> Iterator[Facet]:
        yield "errorDeclaration", _MARK
        yield from self._time("errorDeclarationTime", value.get("declarationTime"))
        yield from self._word("errorReason", value.get("reason"))
        for one in _texts(value.get("correctiveEventIDs")):
            yield "correctiveEventID", text_key(one)
        for name, member in value.items():
            if name not in _ERROR_STANDARD:
                yield from self._extension("ERROR_DECLARATION_", name, member)

    # ---- sensors

    def _sensors(self, value: Any) -> Iterator[Facet]:
        for element in _objects(value):
            yield "sensorElementList", _MARK
            metadata = element.get("sensorMetadata")
            if isinstance(metadata, dict):
                yield from self._readings("SENSORMETADATA_", metadata)
            for report in _objects(element.get("sensorReport")):
                yield from self._readings("SENSORREPORT_", report)
            for name, member in element.items():
                if name not in _SENSOR_STANDARD:
                    yield from self._extension("SENSORELEMENT_", name, member)

    def _readings(self, scope: str, members: dict[str, Any]) -> Iterator[Facet]:
        unit = members.get("uom")
        for name, value in members.items():
            if name not in _SENSOR_STANDARD:
                yield from self._extension(scope, name, value)
            elif name in SENSOR_NUMBERS:
                if isinstance(value, str) and is_number(value):
                    yield measured(name, unit, value) if isinstance(unit, str) else (name, number_key(value))
            elif name in SENSOR_URIS:
                yield from self._identifier(name, value)
            elif name in _SENSOR_TIMES:
                yield from self._time(name, value)
            elif name in SENSOR_TEXTS and isinstance(value, str):
                yield name, text_key(value)
            elif name == "percRank" and isinstance(value, str) and is_number(value):
                yield name, number_key(value)
            elif name == "booleanValue" and isinstance(value, bool):
                yield name, "true" if value else "false"
            elif name == "type":
                yield from self._word("sensorType", value)

    # ---- extensions

    def _extension(self, scope: str, name: str, value: Any) -> Iterator[Facet]:
        """A field at the top of `scope`, and all fields further inside it."""
        if name[:1] == "@" or value is None:
            return
        facet = extension(scope, self._expanded(name))
        yield from self._plain(facet, value)
        yield from self._inner(f"INNER_{scope}", value, DEPTH)

    def _plain(self, facet: str, value: Any) -> Iterator[Facet]:
        is_bare = True
        for one in value if isinstance(value, list) else [value]:
            for key in self._keys(one):
                is_bare = False
                yield facet, key
        if is_bare and value is not None:
            yield facet, HAS

    def _keys(self, value: Any) -> tuple[str, ...]:
        if isinstance(value, dict):
            value = value.get("@value", value.get("@id"))
        if isinstance(value, bool):
            value = "true" if value else "false"
        return typed_keys(value) if isinstance(value, str) else ()

    def _inner(self, scope: str, value: Any, depth: int) -> Iterator[Facet]:
        if depth == 0:
            return
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, list):
                yield from self._inner(scope, one, depth - 1)
            elif isinstance(one, dict):
                for name, member in one.items():
                    if name[:1] != "@" and member is not None:
                        yield from self._plain(extension(scope, self._expanded(name)), member)
                        yield from self._inner(scope, member, depth - 1)


def document_facet(kind: str, name: str) -> Facet:
    """The facet of a business transaction, its type and name with prefixes expanded; `kind` is "" where it has none."""
    try:
        key = document(TRANSACTION_TYPE_NAMES.get(kind, ""), name).text
    except FormError:
        key = text_key(name)
    return f"bizTransaction_{TRANSACTION_TYPE.bare(kind)}", key


def bare_type(name: str) -> str:
    """The short name of an event type of EPCIS; another text unchanged."""
    for namespace in _EPCIS_NAMESPACES:
        if name.startswith(namespace):
            return name[len(namespace) :] or name
    return name


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str) and one] if isinstance(value, list) else []


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
