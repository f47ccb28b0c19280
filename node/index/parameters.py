"""Queries out of URLs and JSON (EPCIS 2.0 §8.2.7.1 SimpleEventQuery; the REST binding's query schema; EPCIS.md, Index).

In a URL several values of one parameter are separated by `|`, or the parameter is repeated; in JSON they are an array. What
is not a parameter, or not a value of it, is refused by the parameter's name: a misspelt restriction must not widen an answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from ledger.base.errors import Code, FormError
from ledger.epcis.vocabulary import PARTY_TYPE
from ledger.trade.extract.context import Prefixes, prefixes_of
from ledger.trade.identifiers import canonical
from ledger.trade.slices import Number
from node.index.facets import (
    SENSOR_NUMBERS,
    SENSOR_TEXTS,
    SENSOR_URIS,
    WORDS,
    bare_type,
    document_facet,
    extension,
)
from node.index.matching import matches
from node.index.query import (
    EVENT_TIME,
    RECORD_TIME,
    AnyOf,
    Bound,
    Comparison,
    Condition,
    EventQuery,
    Exists,
    Matches,
    Order,
    Pattern,
    Test,
    TimeBound,
)
from node.index.units import measured
from node.index.values import NUMBER, TIME, is_number, number_key, read_time, text_key, time_key, typed_keys

PARAMETERS_MOST: Final = 64
VALUES_MOST: Final = 1_000
PATTERNS_MOST: Final = 20
COUNT_MOST: Final = 2**53
ACTIONS: Final = ("ADD", "OBSERVE", "DELETE")

_WORDS: Final = {"EQ_type" if name == "sensorType" else f"EQ_{name}": name for name in WORDS}
_IDENTIFIERS: Final = {
    "EQ_readPoint": "readPoint",
    "EQ_bizLocation": "bizLocation",
    "EQ_transformationID": "transformationID",
} | {f"EQ_{name}": name for name in SENSOR_URIS}
_TEXTS: Final = {"EQ_correctiveEventID": "correctiveEventID"} | {f"EQ_{name}": name for name in SENSOR_TEXTS}
_EPCS: Final = ("epc", "parentID", "inputEPC", "outputEPC")
_CLASSES: Final = ("epcClass", "inputEPCClass", "outputEPCClass")
_MATCHES: Final = {f"MATCH_{name}": (name,) for name in (*_EPCS, *_CLASSES)} | {
    "MATCH_anyEPC": _EPCS,
    "MATCH_anyEPCClass": _CLASSES,
}
_WITHIN: Final = {"WD_readPoint": "readPoint", "WD_bizLocation": "bizLocation"}
_EXISTS: Final = {
    "EXISTS_errorDeclaration": "errorDeclaration",
    "EXISTS_sensorElementList": "sensorElementList",
}
_TIMES: Final = {
    "startTime": "startTime",
    "endTime": "endTime",
    "time": "time",
    "errorDeclarationTime": "errorDeclarationTime",
    "errorDeclaration_Time": "errorDeclarationTime",
}
_TYPED: Final = {
    "EQ_source_": "source",
    "EQ_destination_": "destination",
    "EQ_bizTransaction_": "bizTransaction",
}
_COMPARED: Final = re.compile(r"(EQ|GT|GE|LT|LE)_(.+)", re.DOTALL)
_MEASURED: Final = re.compile(
    rf"(quantity|percRank|{'|'.join(sorted(SENSOR_NUMBERS))})(?:_([A-Z0-9]{{2,4}}))?"
)
_SCOPE: Final = r"(?:INNER_)?(?:ILMD_|ERROR_DECLARATION_|SENSORELEMENT_|SENSORMETADATA_|SENSORREPORT_|readPoint_|bizLocation_)?"
_FIELD: Final = re.compile(rf"({_SCOPE})([^:]+:.+)", re.DOTALL)
_EXTENSION: Final = re.compile(rf"(EQ|GT|GE|LT|LE|EXISTS)_({_SCOPE})([^:]+:.+)", re.DOTALL)
_ATTRIBUTE: Final = re.compile(r"HASATTR_.+|(?:EQATTR|EQ_ATTR)_.+_.+", re.DOTALL)
_GLN: Final = re.compile(r"https://id\.gs1\.org/414/[0-9]{13}")


class _Parameter(NamedTuple):
    """One parameter: its name, its values as texts, and what else it takes to read them."""

    name: str
    values: tuple[str, ...]
    prefixes: Prefixes

    def wrong(self, expected: str, came: Any = None) -> FormError:
        shown = self.values if came is None else came
        return FormError(Code.MALFORMED, f"{self.name[:96]}: expected {expected}, got {f'{shown!a}'[:96]}")

    def one(self) -> str:
        if len(self.values) != 1:
            raise self.wrong("one value")
        return self.values[0]

    def time(self) -> int:
        at_ms = read_time(self.one())
        if at_ms is None:
            raise self.wrong("a time with its zone, as 2026-04-19T13:35:18.250-05:00")
        return at_ms

    def expanded(self) -> tuple[str, ...]:
        if not self.values or not all(self.values):
            raise self.wrong("at least one value, none of them empty")
        return tuple(self.prefixes.expanded(value) for value in self.values)

    def identifiers(self) -> tuple[str, ...]:
        return tuple(canonical(value).text for value in self.expanded())

    def words(self, facet: str) -> tuple[str, ...]:
        return tuple(text_key(WORDS[facet].bare(value)) for value in self.expanded())

    def is_set(self) -> bool:
        """A flag: anything but a plain no."""
        return self.values not in (("false",), ("0",))

    def condition(self, test: Test, *facets: str) -> Condition:
        return Condition(self.name, facets, test)


def query_from_url(parameters: Sequence[tuple[str, str]], context: bytes | None = None) -> EventQuery:
    """The query that the parameters of a URL are, page size and token taken out; `context`: an `@context` for prefixes.

    FormError malformed names the parameter that is wrong.
    """
    found: dict[str, list[str]] = {}
    for name, value in parameters:
        found.setdefault(name, []).extend(value.split("|"))
    return _query(found, prefixes_of(context))


def query_from_json(query: Any, context: Any = None) -> EventQuery:
    """The query in the `query` member of a query definition, or in a body of its own, as any JSON reader gives it.

    `context`: the value of an `@context` that stands around it. FormError malformed, context_redefines.
    """
    if not isinstance(query, Mapping):
        raise FormError(
            Code.MALFORMED, f"query: expected an object of query parameters, got {f'{query!a}'[:64]}"
        )
    prefixes = prefixes_of(None)
    for part in (context, query.get("@context")):
        if part is not None:
            prefixes = prefixes.extended(part)
    found = {}
    for name, value in query.items():
        if name != "@context":
            many = value if isinstance(value, list) else [value]
            found[str(name)] = [_scalar(name, one) for one in many]
    return _query(found, prefixes)


def _scalar(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Number):
        return value.text
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    raise FormError(Code.MALFORMED, f"{str(name)[:96]}: expected plain values, got {f'{value!a}'[:64]}")


def _query(parameters: Mapping[str, list[str]], prefixes: Prefixes) -> EventQuery:
    if len(parameters) > PARAMETERS_MOST:
        raise FormError(
            Code.TOO_LARGE, f"query: expected at most {PARAMETERS_MOST} parameters, got {len(parameters)}"
        )
    conditions: list[Condition] = []
    times: list[TimeBound] = []
    ids: list[tuple[str, ...]] = []
    rest: dict[str, _Parameter] = {}
    for name, values in parameters.items():
        parameter = _Parameter(name, tuple(dict.fromkeys(values)), prefixes)
        if len(values) > VALUES_MOST:
            raise parameter.wrong(f"at most {VALUES_MOST} values", len(values))
        if name in _CONTROLS:
            rest[name] = parameter
        elif name[3:] in (EVENT_TIME, RECORD_TIME) and name[:3] in ("GE_", "LT_"):
            times.append(TimeBound(name[3:], Comparison(name[:2]), parameter.time()))
        elif name == "EQ_eventID":
            parameter.expanded()
            ids.append(parameter.values)
        else:
            condition = _condition(parameter)
            if condition is not None:
                conditions.append(condition)
    order, limit, most = _controls(rest, prefixes)
    return EventQuery(tuple(conditions), tuple(times), tuple(ids), order, limit, most)


# ---- restrictions


def _condition(parameter: _Parameter) -> Condition | None:
    """What a parameter restricts events to, None where it is a flag that is not set."""
    name = parameter.name
    for read in (_standard, _matched, _typed, _compared, _extended):
        condition = read(parameter)
        if condition is not None:
            return condition
    if name in _EXISTS or (name.startswith("EXISTS_") and _EXTENSION.fullmatch(name)):
        return None
    if _ATTRIBUTE.fullmatch(name):  # there is no master data on the ledger, so no attribute that could match
        return parameter.condition(AnyOf(parameter.values), name)
    raise FormError(Code.MALFORMED, f"expected a parameter of SimpleEventQuery, got {name[:96]!a}")


def _standard(parameter: _Parameter) -> Condition | None:
    name = parameter.name
    if name == "eventType":
        return parameter.condition(
            AnyOf(tuple(text_key(bare_type(one)) for one in parameter.expanded())), "type"
        )
    if name == "EQ_action":
        if not parameter.values or not set(parameter.values).issubset(ACTIONS):
            raise parameter.wrong(" or ".join(ACTIONS))
        return parameter.condition(AnyOf(parameter.values), "action")
    if name == "EQ_booleanValue":
        if parameter.one() not in ("true", "false"):
            raise parameter.wrong("true or false")
        return parameter.condition(AnyOf(parameter.values), "booleanValue")
    if name in _WORDS:
        return parameter.condition(AnyOf(parameter.words(_WORDS[name])), _WORDS[name])
    if name in _IDENTIFIERS:
        return parameter.condition(AnyOf(parameter.identifiers()), _IDENTIFIERS[name])
    if name in _TEXTS:
        return parameter.condition(AnyOf(tuple(text_key(value) for value in parameter.values)), _TEXTS[name])
    if name in _EXISTS and parameter.is_set():
        return parameter.condition(Exists(), _EXISTS[name])
    return None


def _matched(parameter: _Parameter) -> Condition | None:
    if parameter.name in _MATCHES:
        found = matches(parameter.name, parameter.expanded())
        if len(found.patterns) > PATTERNS_MOST:
            raise parameter.wrong(f"at most {PATTERNS_MOST} patterns", len(found.patterns))
        return parameter.condition(found, *_MATCHES[parameter.name])
    if parameter.name in _WITHIN:
        keys = parameter.identifiers()
        # An extension names a spot within the location that its GLN identifies; no other descent is known here.
        inside = tuple(f"{key}/254/" for key in keys if _GLN.fullmatch(key))
        if len(inside) > 10 * PATTERNS_MOST:
            raise parameter.wrong(f"at most {10 * PATTERNS_MOST} locations", len(inside))
        return parameter.condition(
            Matches(keys, (Pattern(inside),) if inside else ()), _WITHIN[parameter.name]
        )
    return None


def _typed(parameter: _Parameter) -> Condition | None:
    """Sources, destinations and business transactions of one type."""
    for start, facet in _TYPED.items():
        if parameter.name.startswith(start):
            kind = parameter.prefixes.expanded(parameter.name[len(start) :])
            if facet != "bizTransaction":
                return parameter.condition(AnyOf(parameter.identifiers()), f"{facet}_{PARTY_TYPE.bare(kind)}")
            named = [document_facet(kind, value) for value in parameter.expanded()]
            return parameter.condition(AnyOf(tuple(key for _, key in named)), named[0][0])
    return None


def _compared(parameter: _Parameter) -> Condition | None:
    """Quantities, sensor values and times."""
    match = _COMPARED.fullmatch(parameter.name)
    if match is None:
        return None
    verb, field = match[1], match[2]
    amount = _MEASURED.fullmatch(field)
    if amount is not None:
        return _amount(parameter, verb, *amount.groups())
    if field in _TIMES and verb in ("GE", "LT"):
        return parameter.condition(Bound(Comparison(verb), time_key(parameter.time())), _TIMES[field])
    return None


def _amount(parameter: _Parameter, verb: str, name: str, unit: str | None) -> Condition:
    values = parameter.values if verb == "EQ" else (parameter.one(),)
    if name == "percRank" and unit is not None:
        raise parameter.wrong("no unit")
    if not values or not all(is_number(value) for value in values):
        raise parameter.wrong("a number")
    found = [(name, number_key(value)) if unit is None else measured(name, unit, value) for value in values]
    keys = tuple(dict.fromkeys(key for _, key in found))
    return parameter.condition(AnyOf(keys) if verb == "EQ" else Bound(Comparison(verb), keys[0]), found[0][0])


def _extended(parameter: _Parameter) -> Condition | None:
    """Extension fields, of an event or of one of its parts, at its top or (INNER) at any depth below."""
    match = _EXTENSION.fullmatch(parameter.name)
    if match is None:
        return None
    verb, facet = match[1], extension(match[2], parameter.prefixes.expanded(match[3]))
    if verb == "EXISTS":
        return parameter.condition(Exists(), facet) if parameter.is_set() else None
    if verb == "EQ":
        if not parameter.values:
            raise parameter.wrong("at least one value")
        keys = (key for value in parameter.values for key in typed_keys(value))
        return parameter.condition(AnyOf(tuple(dict.fromkeys(keys))), facet)
    value = parameter.one()
    if is_number(value):
        return parameter.condition(Bound(Comparison(verb), number_key(value), NUMBER), facet)
    at_ms = read_time(value)
    if at_ms is None:
        raise parameter.wrong("a number or a time")
    return parameter.condition(Bound(Comparison(verb), time_key(at_ms), TIME), facet)


# ---- order and limits


def _controls(
    found: Mapping[str, _Parameter], prefixes: Prefixes
) -> tuple[Order | None, int | None, int | None]:
    direction = found["orderDirection"].one() if "orderDirection" in found else "DESC"
    if direction not in ("ASC", "DESC"):
        raise found["orderDirection"].wrong("ASC or DESC")
    order = None
    if "orderBy" in found:
        order = Order(_order_field(found["orderBy"], prefixes), direction == "DESC")
    limit = _count(found.get("eventCountLimit"))
    most = _count(found.get("maxEventCount"))
    if limit is not None and most is not None:
        raise found["maxEventCount"].wrong("either eventCountLimit or maxEventCount")
    if limit is not None and order is None:
        raise found["eventCountLimit"].wrong("eventCountLimit only together with orderBy")
    return order, limit, most


def _order_field(parameter: _Parameter, prefixes: Prefixes) -> str:
    name = parameter.one()
    if name in (EVENT_TIME, RECORD_TIME) or name == "quantity":
        return name
    match = _FIELD.fullmatch(name)
    if match is None:
        raise parameter.wrong("eventTime, recordTime or the qualified name of an extension field")
    return extension(match[1], prefixes.expanded(match[2]))


def _count(parameter: _Parameter | None) -> int | None:
    if parameter is None:
        return None
    text = parameter.one()
    if not (text.isascii() and text.isdigit()) or len(text) > 16 or not 1 <= int(text) <= COUNT_MOST:
        raise parameter.wrong("a whole number from 1 on")
    return int(text)


_CONTROLS: Final = frozenset({"orderBy", "orderDirection", "eventCountLimit", "maxEventCount"})
