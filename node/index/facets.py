"""What an event can be asked for: its facets, read off its JSON (EPCIS 2.0 §8.2.7.1; EPCIS.md, Index).

A facet is a name and a key (`node.index.values`). Identifiers are canonical as on the ledger, words of the CBV bare, prefixes
of extension names expanded by the event's @context. The bytes were checked before they came to stand on the ledger, so the
fast reader is used; what is of no use to a query here is passed over and refused nowhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
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
from node.index.values import (
    TEXT_CHARACTERS,
    is_number,
    number_key,
    read_time,
    text_key,
    time_key,
    typed_keys,
)

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
_WITHOUT_FACETS: Final = {
    "@context",
    "eventID",
    "eventTime",
    "recordTime",
    "eventTimeZoneOffset",
    "certificationInfo",
    "id",
}
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
    reading = _Reading(members, prefixes)
    reading.read()
    event_id = members.get("eventID")
    own = text_key(event_id) if isinstance(event_id, str) and event_id else None
    return Derived(own, frozenset(reading.found))


_decode: Final = json.JSONDecoder(parse_float=Number, parse_int=Number).decode


def extension(scope: str, name: str) -> str:
    """The facet of an extension field; `scope` as in parameter names, `INNER_` before it for a field further inside."""
    return f"{scope}:{name}"


class _FullError(Exception):
    """An event says more than is searched for."""


class _Reading:
    """One event being read. Each method adds to `found` what its part of the event says."""

    def __init__(self, members: dict[str, Any], prefixes: Prefixes) -> None:
        self.found: set[Facet] = set()
        self._members = members
        self._expanded = prefixes.expanded

    def read(self) -> None:
        """All of it, or as much as an event is searched for."""
        with suppress(_FullError):
            for name, value in self._members.items():
                if value is None:
                    continue
                part = _PARTS.get(name)
                if part is not None:
                    part(self, name, value)
                elif name not in _WITHOUT_FACETS:
                    self._extension("", name, value)

    def _add(self, name: str, key: str) -> None:
        self.found.add((name, key))
        if len(self.found) >= FACETS_PER_EVENT:
            raise _FullError

    def instances(self, name: str, value: Any) -> None:
        for one in _texts(value):
            self.identifier(_INSTANCES[name], one)

    def classes(self, name: str, value: Any) -> None:
        facet = _CLASSES[name]
        for element in _objects(value):
            self.identifier(facet, element.get("epcClass"))
            amount, unit = element.get("quantity"), element.get("uom")
            if isinstance(amount, str) and is_number(amount):
                self._add("quantity", number_key(amount))
                if isinstance(unit, str):
                    self._add(*measured("quantity", unit, amount))

    def type(self, name: str, value: Any) -> None:
        if isinstance(value, str):
            self._add(name, text_key(bare_type(self._expanded(value))))

    def action(self, name: str, value: Any) -> None:
        if isinstance(value, str):
            self._add(name, text_key(value))

    def dispositions(self, name: str, value: Any) -> None:
        if isinstance(value, dict):
            for change in ("set", "unset"):
                for one in _texts(value.get(change)):
                    self.word(f"{name}_{change}", one)

    def instance_data(self, _: str, value: Any) -> None:
        if isinstance(value, dict):
            for inner, member in value.items():
                self._extension("ILMD_", inner, member)

    # ---- plain members

    def word(self, facet: str, value: Any) -> None:
        if isinstance(value, str) and value:
            self._add(facet, text_key(WORDS[facet].bare(self._expanded(value))))

    def identifier(self, facet: str, value: Any) -> None:
        if isinstance(value, str) and value:
            self._add(facet, canonical(self._expanded(value)).text)

    def _time(self, facet: str, value: Any) -> None:
        at_ms = read_time(value) if isinstance(value, str) else None
        if at_ms is not None:
            self._add(facet, time_key(at_ms))

    def place(self, facet: str, value: Any) -> None:
        if not isinstance(value, dict):
            return
        self.identifier(facet, value.get("id"))
        for name, member in value.items():
            if name != "id":
                self._extension(f"{facet}_", name, member)

    def parties(self, name: str, value: Any) -> None:
        end = _PARTIES[name]
        for element in _objects(value):
            kind = element.get("type")
            word = PARTY_TYPE.bare(self._expanded(kind)) if isinstance(kind, str) else ""
            self.identifier(f"{end}_{word}", element.get(end))

    def documents(self, _: str, value: Any) -> None:
        for element in _objects(value):
            kind, name = element.get("type"), element.get("bizTransaction")
            if isinstance(name, str) and name:
                of = self._expanded(kind) if isinstance(kind, str) else ""
                self._add(*document_facet(of, self._expanded(name)))

    def error(self, _: str, value: Any) -> None:
        if not isinstance(value, dict):
            return
        self._add("errorDeclaration", _MARK)
        self._time("errorDeclarationTime", value.get("declarationTime"))
        self.word("errorReason", value.get("reason"))
        for one in _texts(value.get("correctiveEventIDs")):
            self._add("correctiveEventID", text_key(one))
        for name, member in value.items():
            if name not in _ERROR_STANDARD:
                self._extension("ERROR_DECLARATION_", name, member)

    # ---- sensors

    def sensors(self, _: str, value: Any) -> None:
        for element in _objects(value):
            self._add("sensorElementList", _MARK)
            metadata = element.get("sensorMetadata")
            if isinstance(metadata, dict):
                self._readings("SENSORMETADATA_", metadata)
            for report in _objects(element.get("sensorReport")):
                self._readings("SENSORREPORT_", report)
            for name, member in element.items():
                if name not in _SENSOR_STANDARD:
                    self._extension("SENSORELEMENT_", name, member)

    def _readings(self, scope: str, members: dict[str, Any]) -> None:
        unit = members.get("uom")
        for name, value in members.items():
            if name not in _SENSOR_STANDARD:
                self._extension(scope, name, value)
            elif name in SENSOR_NUMBERS:
                if isinstance(value, str) and is_number(value):
                    self._add(
                        *(measured(name, unit, value) if isinstance(unit, str) else (name, number_key(value)))
                    )
            elif name in SENSOR_URIS:
                self.identifier(name, value)
            elif name in _SENSOR_TIMES:
                self._time(name, value)
            elif name in SENSOR_TEXTS and isinstance(value, str):
                self._add(name, text_key(value))
            elif name == "percRank" and isinstance(value, str) and is_number(value):
                self._add(name, number_key(value))
            elif name == "booleanValue" and isinstance(value, bool):
                self._add(name, "true" if value else "false")
            elif name == "type":
                self.word("sensorType", value)

    # ---- extensions

    def _extension(self, scope: str, name: str, value: Any) -> None:
        """A field at the top of `scope`, and all fields further inside it."""
        if name[:1] == "@" or value is None:
            return
        facet = extension(scope, self._expanded(name))
        self._plain(facet, value)
        self._inner(f"INNER_{scope}", value, DEPTH)

    def _plain(self, facet: str, value: Any) -> None:
        is_bare = True
        for one in value if isinstance(value, list) else [value]:
            for key in self._keys(one):
                is_bare = False
                self._add(facet, key)
        if is_bare and value is not None:
            self._add(facet, HAS)

    def _keys(self, value: Any) -> tuple[str, ...]:
        if isinstance(value, dict):
            value = value.get("@value", value.get("@id"))
        if isinstance(value, bool):
            value = "true" if value else "false"
        return typed_keys(value) if isinstance(value, str) else ()

    def _inner(self, scope: str, value: Any, depth: int) -> None:
        if depth == 0:
            return
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, list):
                self._inner(scope, one, depth - 1)
            elif isinstance(one, dict):
                for name, member in one.items():
                    if name[:1] != "@" and member is not None:
                        self._plain(extension(scope, self._expanded(name)), member)
                        self._inner(scope, member, depth - 1)


_PARTS: Final[Mapping[str, Callable[[_Reading, str, Any], None]]] = {
    **dict.fromkeys(_INSTANCES, _Reading.instances),
    **dict.fromkeys(_CLASSES, _Reading.classes),
    **dict.fromkeys(_PARTIES, _Reading.parties),
    **dict.fromkeys(("bizStep", "disposition"), _Reading.word),
    **dict.fromkeys(("parentID", "transformationID"), _Reading.identifier),
    **dict.fromkeys(("readPoint", "bizLocation"), _Reading.place),
    "type": _Reading.type,
    "action": _Reading.action,
    "bizTransactionList": _Reading.documents,
    "sensorElementList": _Reading.sensors,
    "persistentDisposition": _Reading.dispositions,
    "ilmd": _Reading.instance_data,
    "errorDeclaration": _Reading.error,
}
"""How each standard member of an event is read."""


def document_facet(kind: str, name: str) -> Facet:
    """The facet of a business transaction, its type and name with prefixes expanded; `kind` is "" where it has none."""
    is_short = len(kind) + len(name) <= TEXT_CHARACTERS
    return _remembered_document(kind, name) if is_short else _document(kind, name)


def _document(kind: str, name: str) -> Facet:
    try:
        key = document(TRANSACTION_TYPE_NAMES.get(kind, ""), name).text
    except FormError:
        key = text_key(name)
    return f"bizTransaction_{TRANSACTION_TYPE.bare(kind)}", key


# Remembered is what prefixes were expanded to, never the prefixes: each may be under a context of its own, of tens of thousands
# of bytes. Nor is a long text: an event or a query may have one of a million characters.
_remembered_document: Final = lru_cache(maxsize=4_096)(_document)


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
