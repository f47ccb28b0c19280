"""How an event is written as the one string that a CBV event hash is taken of (EPCIS.md, Event hash; CBV 2.0 §8.9.2).

Fields stand in a fixed order, names and spelled values follow each other without separators, unordered siblings are
sorted by code point. `Mode` names the two ways in use; where they part stands in the tables at the end of this module
and where `is_reference` is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final

from ledger.base.errors import Code, FormError
from ledger.epcis.hashed_values import BLANKS, NUMERAL_STARTS, numeral, spelled, utc
from ledger.trade.vocabulary import CBV_NAMESPACE, EPCIS_NAMESPACE, MASTER_DATA_NAMESPACE


class Mode(StrEnum):
    """Which of the two strings is meant."""

    REFERENCE = "reference"
    """As the reference implementation of the algorithm's authors writes it."""
    STANDARD = "standard"
    """As the text of CBV 2.0 says, and OpenEPCIS writes it."""


_GS1_WORDS: Final = "https://gs1.org/voc/"
_CURIES: Final = {"gs1": _GS1_WORDS, "cbv": CBV_NAMESPACE}
_BUILT_IN: Final = {
    **_CURIES,
    "epcis": EPCIS_NAMESPACE,
    "cbvmda": MASTER_DATA_NAMESPACE,
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "owl": "http://www.w3.org/2002/07/owl#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "dcterms": "http://purl.org/dc/terms/",
}  # of the EPCIS context
_COMMENTS: Final = frozenset({"#text", "rdfs:comment", "comment", "@context"})
_NEVER: Final = _COMMENTS | {"type", "eventID", "recordTime", "errorDeclaration"}


def _each(value: Any) -> list[Any]:
    return value if type(value) is list else [value]


def _is_namespaced(text: str) -> bool:
    """Whether the reference takes a name for an extension: its namespace ends in a slash."""
    return text[:1] == "{" and "/}" in text[: text.find("=")]


class Writer:
    """Writes pre-hash strings under one context.

    Methods that write a standard field take `later`, to which they add what it holds beside its own fields and may not
    stand there; `event` puts it where the mode wants it.
    """

    def __init__(
        self, mode: Mode, namespaces: Mapping[str, str], *, is_xml: bool, ignored: frozenset[str]
    ) -> None:
        self._is_reference = mode is Mode.REFERENCE
        self._is_of_json = self._is_reference and not is_xml
        all_names = {**_BUILT_IN, **namespaces}
        self._names: Mapping[str, str] = namespaces if self._is_of_json else all_names
        self._prefixes: Mapping[str, str] = _CURIES if self._is_reference and is_xml else self._names
        self._layout = _LAYOUT[mode]
        self._sorted = _SORTED[mode]
        self._left_out = _LEFT_OUT[mode] | ignored

    def event(self, event: Mapping[str, Any]) -> str:
        """The string of one event."""
        kind = event.get("type")
        if not isinstance(kind, str):
            raise FormError(Code.MALFORMED, "expected an event with a type, got one without")
        later: list[str] = []
        out = ["eventType=", kind.strip(BLANKS)]
        for name, write in self._layout.items():
            value = event.get(name)
            if value is not None:
                out.append(write(self, name, value, later))
        rest = []
        for name, value in event.items():
            if name in self._sorted:
                rest.append(self._sorted[name](self, name, value, later))
            elif name not in self._layout and name not in self._left_out:
                rest += self._named(name, value)
        if self._is_reference:
            out += sorted(rest + later)
        else:
            out += later
            out += sorted(rest)
        return "".join(out)

    # ---- standard fields -------------------------------------------------------------------------------------

    def plain(self, name: str, value: Any, later: list[str], base: str = "") -> str:
        """Siblings of one name: one value, or each of a list; bare words stand behind `base`."""
        if type(value) is str:
            text = self._worded(value, base)
            return f"{name}={text}" if text else ""
        texts = []
        for one in value if type(value) is list else [value]:
            if type(one) is dict or type(one) is list:
                later += self._named(name, one)
            elif text := self._worded(one, base):
                texts.append(f"{name}={text}")
        return "".join(sorted(texts))

    def moment(self, name: str, value: Any, later: list[str]) -> str:
        """A time, in UTC to the millisecond."""
        if type(value) is not str:
            return self.plain(name, value, later)
        return f"{name}={utc(value, half_even=self._is_reference)}"

    def dispositions(self, name: str, value: Any, later: list[str]) -> str:
        """The persistent disposition: what is set, then what is unset."""
        return self._headed(name, [self._inside(value, _DISPOSITIONS, later, name)])

    def place(self, name: str, value: Any, later: list[str]) -> str:
        """Read point or business location."""
        if type(value) is not dict:
            value = {"id": value}
        return self._headed(name, [self._inside(value, _PLACE, later, name)])

    def epcs(self, name: str, value: Any, later: list[str]) -> str:
        """A list of instances."""
        return self._headed(name, [self.plain("epc", value, later)])

    def quantities(self, name: str, value: Any, later: list[str]) -> str:
        """A list of quantity elements."""
        beside: list[str] = []
        texts = [
            self._headed("quantityElement", [self._inside(one, _QUANTITY, beside, "quantityElement")])
            for one in _each(value)
        ]
        self._put_off(name, beside, later)
        return self._headed(name, sorted(texts))

    def typed(self, name: str, value: Any, _later: list[str]) -> str:
        """Business transactions, sources or destinations, each behind its type."""
        element, base = name.removesuffix("List"), _TYPED[name]
        texts = []
        for one in _each(value):
            if type(one) is not dict:
                texts += self._named(element, one)
                continue
            none: list[str] = []
            text = self.plain("type", one.get("type", ""), none, base)
            text += self.plain(element, one.get(element, ""), none)
            extra = (self._named(key, each) for key, each in one.items() if key not in {"type", element})
            texts.append(text + "".join(sorted(none + [each for some in extra for each in some])))
        return self._headed(name, sorted(texts))

    def sensors(self, name: str, value: Any, later: list[str]) -> str:
        """The sensor elements: metadata and reports of each."""
        texts: list[str] = []
        beside: list[str] = []
        for one in _each(value):
            own: list[str] = []
            inside = self._inside(one, _SENSOR, own, None)
            texts.append(self._headed("sensorElement", [inside]))
            self._put_off("sensorElement", own, beside)
        if self._is_reference:
            self._put_off(name, beside, later)
            return self._headed(name, sorted(texts))
        later += sorted(beside)
        return "".join(sorted(texts))

    def objects(self, name: str, value: Any, _later: list[str]) -> str:
        """Instance and lot master data: extensions, behind the field's name."""
        return "".join(sorted(self._named(name, value)))

    # ---- what these are made of ------------------------------------------------------------------------------

    def reports(self, name: str, value: Any, later: list[str]) -> str:
        """Sensor reports, or sensor metadata."""
        fields = _METADATA if name == "sensorMetadata" else _REPORT
        return "".join(
            sorted(self._headed(name, [self._inside(one, fields, later, name)]) for one in _each(value))
        )

    def _inside(self, value: Any, fields: _Fields, later: list[str], name: str | None) -> str:
        """The fields of an object in their order, and its extensions where the reference leaves them.

        `name` heads what is put off; None where the caller heads it.
        """
        if type(value) is not dict:
            value = {"": value}
        beside: list[str] = []
        out = []
        for field, write in fields.items():
            member = value.get(field)
            if member is not None:
                out.append(write(self, field, member, beside))
        if len(value) > len(out):  # beside its own fields
            extensions = [
                text
                for key, member in value.items()
                if key not in fields and key not in _COMMENTS
                for text in self._named(key, member)
            ]
            if self._is_reference:
                count = sum(len(member) if type(member) is list else 1 for member in value.values())
                inline = sorted(text for text in extensions if count > 1 and _is_namespaced(text))
                extensions = [text for text in extensions if count <= 1 or not _is_namespaced(text)]
                out += inline
            beside += extensions
        if name is None:
            later += beside
        else:
            self._put_off(name, beside, later)
        return "".join(out)

    @staticmethod
    def _headed(name: str, texts: list[str]) -> str:
        """`name` before what it holds; nothing where it holds nothing."""
        text = "".join(texts)
        return name + text if text else ""

    @staticmethod
    def _put_off(name: str, texts: list[str], later: list[str]) -> None:
        if texts:
            later.append(name + "".join(sorted(texts)))

    def _named(self, name: str, value: Any) -> list[str]:
        """An extension, with all it holds: one string for each of its values."""
        prefix, colon, local = name.partition(":")
        if colon and prefix in self._names:
            name = f"{{{self._names[prefix]}}}{local}"
        if self._is_of_json and name.endswith("List"):
            texts = [self._extension(name.removesuffix("List"), one) for one in _each(value)]
            return [name + "".join(sorted(texts))] if texts else []
        return [self._extension(name, one) for one in _each(value)]

    def _extension(self, name: str, value: Any) -> str:
        if type(value) is dict:
            text = self._value(value.get("#text", ""))
            children = [
                each
                for key, member in value.items()
                if key not in _COMMENTS
                for each in self._named(key, member)
            ]
            return (f"{name}={text}" if text else name) + "".join(sorted(children))
        if type(value) is list:
            return name + "".join(sorted(self._extension("", one) for one in value))
        text = self._value(value)
        return f"{name}={text}" if text else name

    def _worded(self, value: Any, base: str) -> str:
        text = self._value(value)
        return base + text if base and text and ":" not in text else text

    def _value(self, value: Any) -> str:
        """A value of JSON that is no object and no array; numbers come as text."""
        if type(value) is str:
            text = value.strip(BLANKS)
            if text[:1] in NUMERAL_STARTS:
                return numeral(text, as_binary=self._is_reference)
            prefix, colon, rest = text.partition(":")
            if colon and prefix in self._prefixes and rest[:2] != "//":
                text = self._prefixes[prefix] + rest
            return spelled(text)
        if self._is_of_json:
            return str(value)  # as Python spells them: True, False, None
        return "" if value is None else "true" if value else "false"


_Write = Callable[[Writer, str, Any, list[str]], str]
_Fields = Mapping[str, _Write]


def _worded(base: str) -> _Write:
    """A field whose bare words stand for terms that begin with `base` (CBV 2.0 §8.9.2, rule 16)."""

    def write(writer: Writer, name: str, value: Any, later: list[str]) -> str:
        return writer.plain(name, value, later, base)

    return write


_plain: Final = Writer.plain
_moment: Final = Writer.moment
_GS1_WORD: Final = _worded(_GS1_WORDS)
_DISPOSITION: Final = _worded(CBV_NAMESPACE + "Disp-")
_DISPOSITIONS: Final[_Fields] = {"set": _DISPOSITION, "unset": _DISPOSITION}
_PLACE: Final[_Fields] = {"id": _plain}
_QUANTITY: Final[_Fields] = dict.fromkeys(("epcClass", "quantity", "uom"), _plain)
_METADATA: Final[_Fields] = dict.fromkeys(("time", "startTime", "endTime"), _moment) | dict.fromkeys(
    ("deviceID", "deviceMetadata", "rawData", "dataProcessingMethod", "bizRules"), _plain
)
_REPORT: Final[_Fields] = {
    "type": _GS1_WORD, "exception": _GS1_WORD, "deviceID": _plain, "deviceMetadata": _plain, "rawData": _plain,
    "dataProcessingMethod": _plain, "time": _moment, "microorganism": _plain, "chemicalSubstance": _plain,
    "value": _plain, "component": _worded(CBV_NAMESPACE + "Comp-"), "stringValue": _plain, "booleanValue": _plain,
    "hexBinaryValue": _plain, "uriValue": _plain, "minValue": _plain, "maxValue": _plain, "meanValue": _plain,
    "sDev": _plain, "percRank": _plain, "percValue": _plain, "uom": _plain, "coordinateReferenceSystem": _plain,
}  # fmt: skip
_SENSOR: Final[_Fields] = {"sensorMetadata": Writer.reports, "sensorReport": Writer.reports}
_PARTIES: Final = CBV_NAMESPACE + "SDT-"
_TYPED: Final = {
    "bizTransactionList": CBV_NAMESPACE + "BTT-", "sourceList": _PARTIES, "destinationList": _PARTIES,
}  # fmt: skip

# The canonical order of CBV 2.0 §8.9.2, where the two modes share it.
_WHEN: Final[_Fields] = {"eventTime": _moment, "eventTimeZoneOffset": _plain}
_COMMON: Final[_Fields] = {
    "epcList": Writer.epcs, "inputEPCList": Writer.epcs, "childEPCs": Writer.epcs,
    "quantityList": Writer.quantities, "childQuantityList": Writer.quantities,
    "inputQuantityList": Writer.quantities, "outputEPCList": Writer.epcs, "outputQuantityList": Writer.quantities,
    "action": _plain, "transformationID": _plain, "bizStep": _worded(CBV_NAMESPACE + "BizStep-"),
    "disposition": _DISPOSITION, "persistentDisposition": Writer.dispositions, "readPoint": Writer.place,
    "bizLocation": Writer.place,
}  # fmt: skip
_WHY: Final[_Fields] = dict.fromkeys(_TYPED, Writer.typed)
_LAYOUT: Final[Mapping[Mode, _Fields]] = {
    Mode.REFERENCE: {
        **_WHEN,
        "certificationInfo": _plain,
        "parentID": _plain,
        **_COMMON,
        "sensorElementList": Writer.sensors,
    },
    Mode.STANDARD: {
        **_WHEN,
        "epcList": Writer.epcs,
        "parentID": _plain,
        **_COMMON,
        **_WHY,
        "sensorElementList": Writer.sensors,
        "ilmd": Writer.objects,
    },
}
# Fields that stand among the extensions, in the order of their strings.
_SORTED: Final[Mapping[Mode, _Fields]] = {Mode.REFERENCE: _WHY, Mode.STANDARD: {}}
_LEFT_OUT: Final[Mapping[Mode, frozenset[str]]] = {
    Mode.REFERENCE: _NEVER,
    Mode.STANDARD: _NEVER | {"certificationInfo"},
}
