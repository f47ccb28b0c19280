"""EPCIS queries answered the slow way, from EPCIS 2.0 §8.2.7.1 and not from the index: every event is looked at as JSON.

Shares with the index nothing but the ledger's canonical identifiers. Numbers are fractions, times are `datetime`s.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from fractions import Fraction
from typing import Any, NamedTuple

from ledger.trade.identifiers import canonical, document

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "EQ": lambda left, right: left == right,
    "GT": lambda left, right: left > right,
    "GE": lambda left, right: left >= right,
    "LT": lambda left, right: left < right,
    "LE": lambda left, right: left <= right,
}
KNOWN = {
    "@context", "type", "action", "eventID", "eventTime", "eventTimeZoneOffset", "recordTime", "epcList", "childEPCs",
    "inputEPCList", "outputEPCList", "quantityList", "childQuantityList", "inputQuantityList", "outputQuantityList",
    "parentID", "bizStep", "disposition", "persistentDisposition", "readPoint", "bizLocation", "bizTransactionList",
    "sourceList", "destinationList", "transformationID", "ilmd", "errorDeclaration", "sensorElementList",
}  # fmt: skip
KNOWN_SENSOR = {
    "time", "startTime", "endTime", "deviceID", "dataProcessingMethod", "bizRules", "type", "value", "minValue", "maxValue",
    "meanValue", "sDev", "percValue", "percRank", "uom", "component", "stringValue", "booleanValue", "hexBinaryValue",
    "uriValue", "microorganism", "chemicalSubstance", "sensorMetadata", "sensorReport",
}  # fmt: skip
MEASURES = "quantity|value|minValue|maxValue|meanValue|sDev|percValue"
EPC_LISTS = {
    "epc": ("epcList", "childEPCs"),
    "parentID": (),
    "inputEPC": ("inputEPCList",),
    "outputEPC": ("outputEPCList",),
}
CLASS_LISTS = {
    "epcClass": ("quantityList", "childQuantityList"),
    "inputEPCClass": ("inputQuantityList",),
    "outputEPCClass": ("outputQuantityList",),
}
QUANTITY_LISTS = ("quantityList", "childQuantityList", "inputQuantityList", "outputQuantityList")


class Known(NamedTuple):
    """An event as the reference has it."""

    sequence: int
    members: dict[str, Any]
    record_time_ms: int
    derived_id: str


class Reference:
    """All events, and the prefixes of their context and of the queries'."""

    def __init__(self, events: list[Known], prefixes: Mapping[str, str], urns: Mapping[str, str]) -> None:
        """`urns`: the EPC URN of each canonical identifier that occurs, for patterns."""
        self.events = events
        self.prefixes = prefixes
        self.urns = urns

    def answer(self, query: Mapping[str, Any]) -> list[int] | None:
        """The sequences that a query finds, in order; None where there are more than maxEventCount."""
        controls = ("orderBy", "orderDirection", "eventCountLimit", "maxEventCount")
        wanted = [(name, value) for name, value in query.items() if name not in controls]
        found = [event for event in self.events if all(self.holds(event, *one) for one in wanted)]
        if len(found) > query.get("maxEventCount", len(found)):
            return None
        if "orderBy" in query:
            found = self.sorted(found, query["orderBy"], query.get("orderDirection", "DESC") == "DESC")
        return [event.sequence for event in found[: query.get("eventCountLimit")]]

    def sorted(self, found: list[Known], field: str, is_descending: bool) -> list[Known]:
        keyed = [(self.sort_value(event, field), event) for event in found]
        having = [(value, event.sequence, event) for value, event in keyed if value is not None]
        lacking = [event for value, event in keyed if value is None]
        having.sort(key=lambda one: one[:2], reverse=is_descending)
        lacking.sort(key=lambda event: event.sequence, reverse=is_descending)
        return [event for _, _, event in having] + lacking

    def sort_value(self, event: Known, field: str) -> Any:
        if field == "eventTime":
            return moment(event.members["eventTime"])
        if field == "recordTime":
            return event.record_time_ms
        if field == "quantity":
            return min((number for number, _ in quantities(event)), default=None)
        return min((rank(text) for text in self.field_texts(event, field)), default=None)

    def holds(self, event: Known, name: str, value: Any) -> bool:
        """Whether one parameter holds for one event."""
        values = [text_of(one) for one in (value if isinstance(value, list) else [value])]
        members = event.members
        if name == "eventType":
            return members["type"] in values
        if name == "EQ_eventID":
            return members.get("eventID", event.derived_id) in values or event.derived_id in values
        if name == "EQ_action":
            return members.get("action") in values
        if name in ("EQ_bizStep", "EQ_disposition"):
            word = members.get(name[3:])
            return word is not None and self.bare(word) in map(self.bare, values)
        if name.startswith("EQ_persistentDisposition_"):
            words = members.get("persistentDisposition", {}).get(name.rpartition("_")[2], [])
            return not set(map(self.bare, words)).isdisjoint(map(self.bare, values))
        match = re.fullmatch(r"(GE|LT)_(eventTime|recordTime)", name)
        if match:
            mine = moment(members["eventTime"]) if match[2] == "eventTime" else event.record_time_ms
            bound: Any = moment(values[0])
            return OPERATORS[match[1]](
                mine, bound if match[2] == "eventTime" else round(bound.timestamp() * 1000)
            )
        match = re.fullmatch(r"(EQ|WD)_(readPoint|bizLocation)", name)
        if match:
            return self.is_at(members.get(match[2], {}).get("id"), values, is_within=match[1] == "WD")
        if name == "EQ_transformationID":
            return "transformationID" in members and self.is_one(members["transformationID"], values)
        return self.holds_list(event, name, values)

    def holds_list(self, event: Known, name: str, values: list[str]) -> bool:
        members = event.members
        if name.startswith("MATCH_"):
            return any(self.matches(one, values) for one in self.named(members, name[6:]))
        match = re.fullmatch(r"EQ_(source|destination)_(.+)", name)
        if match:
            parties = members.get(f"{match[1]}List", [])
            return any(
                self.bare(one.get("type", "")) == self.bare(match[2]) and self.is_one(one[match[1]], values)
                for one in parties
            )
        match = re.fullmatch(r"EQ_bizTransaction_(.+)", name)
        if match:
            kind = self.bare(match[1])
            mine = [
                document(kind, one["bizTransaction"]).text
                for one in members.get("bizTransactionList", [])
                if self.bare(one.get("type", "")) == kind
            ]
            return not set(mine).isdisjoint(document(kind, value).text for value in values)
        match = re.fullmatch(rf"(EQ|GT|GE|LT|LE)_({MEASURES})(?:_([A-Z0-9]{{2,4}}))?", name)
        if match:
            known = quantities(event) if match[2] == "quantity" else readings(event, match[2])
            return any(
                self.measures(match[1], mine, (Fraction(value), match[3]), is_any=match[2] == "quantity")
                for mine in known
                for value in values
            )
        return self.holds_part(event, name, values)

    def measures(
        self,
        verb: str,
        mine: tuple[Fraction, str | None],
        asked: tuple[Fraction, str | None],
        *,
        is_any: bool,
    ) -> bool:
        """Whether an amount with its unit compares so with what is asked; quantities of any unit where none is asked for."""
        if asked[1] is None:
            return (is_any or mine[1] is None) and OPERATORS[verb](mine[0], asked[0])
        if mine[1] is None:
            return False
        kind, amount = in_common(mine[0], mine[1])
        wanted, bound = in_common(asked[0], asked[1])
        return kind == wanted and OPERATORS[verb](amount, bound)

    def holds_part(self, event: Known, name: str, values: list[str]) -> bool:
        declaration = event.members.get("errorDeclaration")
        if name == "EXISTS_errorDeclaration":
            return declaration is not None
        if name == "EXISTS_sensorElementList":
            return bool(event.members.get("sensorElementList"))
        if name == "EQ_errorReason":
            return declaration is not None and self.bare(declaration.get("reason", "")) in map(
                self.bare, values
            )
        if name == "EQ_correctiveEventID":
            return declaration is not None and not set(declaration.get("correctiveEventIDs", [])).isdisjoint(
                values
            )
        match = re.fullmatch(r"(GE|LT)_errorDeclarationTime", name)
        if match:
            return declaration is not None and OPERATORS[match[1]](
                moment(declaration["declarationTime"]), moment(values[0])
            )
        return self.holds_sensor(event, name, values)

    def holds_sensor(self, event: Known, name: str, values: list[str]) -> bool:
        match = re.fullmatch(r"(GE|LT)_(time|startTime|endTime)", name)
        if match:
            mine = [moment(one) for one in sensed(event, match[2])]
            return any(OPERATORS[match[1]](one, moment(values[0])) for one in mine)
        if name == "EQ_type":
            return not set(map(self.bare, sensed(event, "type"))).isdisjoint(map(self.bare, values))
        if name in ("EQ_stringValue", "EQ_hexBinaryValue", "EQ_booleanValue"):
            return not {text_of(one) for one in sensed(event, name[3:])}.isdisjoint(values)
        match = re.fullmatch(r"(EQ|GT|GE|LT|LE)_percRank", name)
        if match:
            return any(
                OPERATORS[match[1]](Fraction(text_of(one)), Fraction(value))
                for one in sensed(event, "percRank")
                for value in values
            )
        if name[3:] in (
            "deviceID",
            "dataProcessingMethod",
            "bizRules",
            "uriValue",
            "microorganism",
            "chemicalSubstance",
        ):
            return any(self.is_one(one, values) for one in sensed(event, name[3:]))
        return self.holds_extension(event, name, values)

    def holds_extension(self, event: Known, name: str, values: list[str]) -> bool:
        verb, _, field = name.partition("_")
        if verb == "EXISTS":
            return any(True for _ in self.fields(event, field))
        mine = list(self.field_texts(event, field))
        if verb == "EQ":
            return any(same(one, value) for one in mine for value in values)
        return any(compares(verb, one, values[0]) for one in mine)

    # ---- what is in an event

    def named(self, members: dict[str, Any], what: str) -> Iterator[str]:
        for kind in EPC_LISTS if what == "anyEPC" else (what,):
            for name in EPC_LISTS.get(kind, ()):
                yield from members.get(name, [])
            if kind == "parentID" and "parentID" in members:
                yield members["parentID"]
        for kind in CLASS_LISTS if what == "anyEPCClass" else (what,):
            for name in CLASS_LISTS.get(kind, ()):
                yield from (element["epcClass"] for element in members.get(name, []))

    def matches(self, mine: str, values: list[str]) -> bool:
        return any(
            self.matches_pattern(mine, value)
            if value.startswith("urn:epc:idpat:")
            else self.is_one(mine, [value])
            for value in values
        )

    def matches_pattern(self, mine: str, pattern: str) -> bool:
        text = canonical(self.expanded(mine)).text
        if text == canonical(pattern).text:
            return True
        urn = self.urns.get(text, text)
        if not urn.startswith("urn:epc:id:"):
            return False
        scheme, fields = pattern.removeprefix("urn:epc:idpat:").split(":")
        mine_scheme, mine_fields = urn.removeprefix("urn:epc:id:").split(":", 1)
        wanted = fields.split(".")
        own = mine_fields.split(".", len(wanted) - 1)
        return scheme == mine_scheme and all(
            one in ("*", other) for one, other in zip(wanted, own, strict=True)
        )

    def is_one(self, mine: str, values: list[str]) -> bool:
        return canonical(self.expanded(mine)).text in {
            canonical(self.expanded(value)).text for value in values
        }

    def is_at(self, mine: str | None, values: list[str], *, is_within: bool) -> bool:
        if mine is None:
            return False
        text = canonical(self.expanded(mine)).text
        whole = text.partition("/254/")[0]
        wanted = {canonical(self.expanded(value)).text for value in values}
        return text in wanted or (is_within and whole in wanted)

    def bare(self, word: str) -> str:
        word = self.expanded(word)
        match = re.fullmatch(
            r"urn:epcglobal:cbv:(?:bizstep|disp|btt|sdt|er):(.+)|https://ref\.gs1\.org/cbv/(?:BizStep|Disp|BTT|SDT|ER)-(.+)"
            r"|https://gs1\.org/voc/(.+)",
            word,
        )
        return word if match is None else match[1] or match[2] or match[3]

    def expanded(self, text: str) -> str:
        prefix, colon, rest = text.partition(":")
        return self.prefixes[prefix] + rest if colon and prefix in self.prefixes else text

    # ---- extension fields

    def fields(self, event: Known, field: str) -> Iterator[Any]:
        """The values of an extension field, of the part and at the depth that its name says."""
        is_inner = field.startswith("INNER_")
        field = field.removeprefix("INNER_")
        members = event.members
        part = re.match(
            r"(ILMD|ERROR_DECLARATION|SENSORELEMENT|SENSORMETADATA|SENSORREPORT|readPoint|bizLocation)_",
            field,
        )
        name = self.expanded(field[part.end() :] if part else field)
        for extensions in self.extensions(members, part[1] if part else ""):
            for key, value in extensions.items():
                if not is_inner and self.expanded(key) == name and value is not None:
                    yield value
                if is_inner:
                    yield from self.inside(value, name)

    def inside(self, value: Any, name: str) -> Iterator[Any]:
        if isinstance(value, list):
            for one in value:
                yield from self.inside(one, name)
        elif isinstance(value, dict):
            for key, member in value.items():
                if self.expanded(key) == name and member is not None:
                    yield member
                yield from self.inside(member, name)

    def extensions(self, members: dict[str, Any], part: str) -> Iterator[dict[str, Any]]:
        if part == "":
            yield without(members, KNOWN)
        elif part == "ILMD":
            yield members.get("ilmd", {})
        elif part == "ERROR_DECLARATION":
            yield without(
                members.get("errorDeclaration", {}), {"declarationTime", "reason", "correctiveEventIDs"}
            )
        elif part in ("readPoint", "bizLocation"):
            yield without(members.get(part, {}), {"id"})
        for element in members.get("sensorElementList", []):
            if part == "SENSORELEMENT":
                yield without(element, KNOWN_SENSOR)
            if part == "SENSORMETADATA":
                yield without(element.get("sensorMetadata", {}), KNOWN_SENSOR)
            if part == "SENSORREPORT":
                yield from (without(report, KNOWN_SENSOR) for report in element.get("sensorReport", []))

    def field_texts(self, event: Known, field: str) -> Iterator[str]:
        for value in self.fields(event, field):
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, str | int | float | Fraction):
                    yield text_of(one)


def without(members: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if name not in names}


def text_of(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def moment(text: str) -> datetime:
    """To the millisecond, as the ledger keeps times."""
    found = datetime.fromisoformat(text)
    return found.replace(microsecond=found.microsecond // 1000 * 1000)


def sensed(event: Known, name: str) -> list[Any]:
    """Every value of a member of sensor metadata and reports."""
    found = []
    for element in event.members.get("sensorElementList", []):
        parts = [element.get("sensorMetadata", {}), *element.get("sensorReport", [])]
        found += [part[name] for part in parts if name in part]
    return found


def in_common(amount: Fraction, unit: str) -> tuple[str, Fraction]:
    """An amount in kilograms, kelvins or metres per second; of another unit as it is."""
    match unit:
        case "KGM" | "GRM":
            return "mass", amount / (1000 if unit == "GRM" else 1)
        case "CEL":
            return "temperature", amount + Fraction("273.15")
        case "FAH":
            return "temperature", (amount - 32) * 5 / 9 + Fraction("273.15")
        case "KMH":
            return "speed", amount * 1000 / 3600
        case "MTS":
            return "speed", amount
    return unit, amount


def quantities(event: Known) -> list[tuple[Fraction, str | None]]:
    elements = [element for name in QUANTITY_LISTS for element in event.members.get(name, [])]
    return [(Fraction(str(one["quantity"])), one.get("uom")) for one in elements if "quantity" in one]


def readings(event: Known, name: str) -> list[tuple[Fraction, str | None]]:
    reports = [
        report
        for element in event.members.get("sensorElementList", [])
        for report in element.get("sensorReport", [])
    ]
    return [(Fraction(str(one[name])), one.get("uom")) for one in reports if name in one]


def number_in(text: str) -> Fraction | None:
    return Fraction(text) if re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", text) else None


def time_in(text: str) -> datetime | None:
    return (
        moment(text)
        if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", text)
        else None
    )


def same(mine: str, value: str) -> bool:
    """Equal as texts, or as numbers, or as times."""
    if mine == value:
        return True
    for read in (number_in, time_in):
        left, right = read(mine), read(value)
        if left is not None and left == right:
            return True
    return False


def compares(verb: str, mine: str, value: str) -> bool:
    for read in (number_in, time_in):
        left, right = read(mine), read(value)
        if left is not None and right is not None:
            return bool(OPERATORS[verb](left, right))
    return False


def rank(text: str) -> tuple[int, Any]:
    """Numbers, then times, then texts by their UTF-8."""
    number, at = number_in(text), time_in(text)
    if number is not None:
        return 1, number
    return (2, at) if at is not None else (3, text.encode())
