"""Strategies of EPCIS events as JSON values: every member of the grammar, and extensions of any shape."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from ledger.epcis.vocabulary import (
    COMPONENT,
    DISPOSITION,
    ERROR_REASON,
    MEASUREMENT,
    PARTY_TYPE,
    SENSOR_ALERT,
    STEP,
    TRANSACTION_TYPE,
    Vocabulary,
)
from ledger.trade.slices import Number

CONTEXT = [
    "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld",
    {"wine": "https://wine.example/terms/", "cask": "urn:example:cask:"},
]
URIS = st.sampled_from(
    [
        "urn:epc:id:sgtin:9521234.012345.1", "https://id.gs1.org/01/09521234123457/21/A%2F1", "https://x.example/a?b=1&c=<d>",
        "urn:epc:class:lgtin:9521234.012345.L7", "ni:///sha-256;77?ver=CBV2.0", "wine:grape/7", "http://x.example/é",
    ]
)  # fmt: skip
TIMES = st.sampled_from(
    ["2026-03-01T09:00:00Z", "2026-03-01T09:00:00.250+01:00", "2026-12-31T23:59:59.999999-11:30"]
)
INTEGERS = st.integers(-(10**17), 10**17).map(lambda whole: Number(str(whole)))
DECIMALS = st.tuples(st.integers(-(10**8), 10**8), st.integers(0, 8)).map(
    lambda parts: Number(f"{parts[0]}.{parts[1]}")
)
EXPONENTS = st.tuples(st.integers(-999, 999), st.integers(-9, 9)).map(
    lambda parts: Number(f"{parts[0]}e{parts[1]}")
)
NUMBERS = st.one_of(INTEGERS, DECIMALS, EXPONENTS)
# What XML treats in a way of its own is drawn often.
TEXTS = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12),
    st.sampled_from(["", " ", "\t a\r\nb ", "]]>", "<&>\"'", "\u0001", "\ufffe", "\x85\u2028", "true", "1", "wine:red", "{}", "\U0001f347"]),
)  # fmt: skip


def words(vocabulary: Vocabulary) -> st.SearchStrategy[str]:
    listed = sorted(vocabulary.words)
    return st.one_of(st.sampled_from(listed), st.just("https://wine.example/terms/own"))


NAMES = st.sampled_from(["wine:label", "wine:grape", "cask:wood", "note", "value", "type", "unknown:term"])
ODD_NAMES = st.sampled_from(
    ["@id", "a b", "", "wine:a/b", "https://x.example/y", "xml:a", "1a", "wine:größe", "epcis:x", "@value"]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(TEXTS, NUMBERS, st.booleans(), st.none()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(NAMES, inner, max_size=3),
        st.dictionaries(st.one_of(NAMES, ODD_NAMES), inner, max_size=2),
        st.fixed_dictionaries({"@value": TEXTS, "@language": st.sampled_from(["es", "de-AT"])}),
    ),
    max_leaves=8,
)
EXTENSIONS = st.dictionaries(
    st.sampled_from(["wine:label", "wine:grape", "cask:wood", "unknown:term"]), VALUES, max_size=3
)
ATTRIBUTES = st.dictionaries(st.sampled_from(["wine:cask", "unknown:term"]), TEXTS, max_size=2)


def some(needed: dict[str, Any], optional: dict[str, Any], *more: st.SearchStrategy[dict[str, Any]]) -> Any:
    """Objects with what is needed, some of what is optional, and the members of others."""
    own = st.fixed_dictionaries(needed, optional=optional)
    return st.tuples(own, *more).map(
        lambda parts: {name: value for part in parts for name, value in part.items()}
    )


def pairs(name: str, kind: Vocabulary, *, is_typed: bool) -> Any:
    typed = {"type": words(kind)}
    pair = some({name: URIS, **(typed if is_typed else {})}, {} if is_typed else typed)
    return st.lists(pair, min_size=1, max_size=3)


EPCS = st.lists(URIS, max_size=3)
QUANTITIES = st.lists(some({"epcClass": URIS}, {"quantity": NUMBERS, "uom": st.just("KGM")}), max_size=2)
PLACES = some({"id": URIS}, {}, EXTENSIONS)
REPORTS = some(
    {"type": words(MEASUREMENT)},
    {
        "exception": words(SENSOR_ALERT), "component": words(COMPONENT), "value": NUMBERS, "minValue": NUMBERS, "sDev": NUMBERS,
        "stringValue": TEXTS, "booleanValue": st.booleans(), "hexBinaryValue": st.just("f0"), "uriValue": URIS, "uom": st.just("CEL"),
        "time": TIMES, "deviceID": URIS, "bizRules": URIS, "coordinateReferenceSystem": URIS,
    },
    ATTRIBUTES,
)  # fmt: skip
SENSORS = st.lists(
    some(
        {"sensorReport": st.lists(REPORTS, min_size=1, max_size=2)},
        {"sensorMetadata": some({}, {"time": TIMES, "startTime": TIMES, "rawData": URIS}, ATTRIBUTES)},
        EXTENSIONS,
    ),
    min_size=1, max_size=2,
)  # fmt: skip
DISPOSITIONS = st.lists(words(DISPOSITION), min_size=1, max_size=2)
BASE = {
    "recordTime": TIMES, "eventID": URIS, "certificationInfo": st.one_of(URIS, st.lists(URIS, min_size=1, max_size=2)),
    "errorDeclaration": some({"declarationTime": TIMES}, {"reason": words(ERROR_REASON), "correctiveEventIDs": EPCS}, EXTENSIONS),
    "bizStep": words(STEP), "disposition": words(DISPOSITION), "readPoint": PLACES, "bizLocation": PLACES,
    "sourceList": pairs("source", PARTY_TYPE, is_typed=True), "destinationList": pairs("destination", PARTY_TYPE, is_typed=True),
    "sensorElementList": SENSORS, "persistentDisposition": some({}, {"set": DISPOSITIONS, "unset": DISPOSITIONS}),
}  # fmt: skip
TRANSACTIONS = pairs("bizTransaction", TRANSACTION_TYPE, is_typed=False)
ACTION = {"action": st.sampled_from(["ADD", "OBSERVE", "DELETE"])}


def event(kind: str, needed: dict[str, Any], optional: dict[str, Any]) -> Any:
    always = {"type": st.just(kind), "eventTime": TIMES, "eventTimeZoneOffset": st.just("+01:00")}
    return some(always | needed, BASE | optional, EXTENSIONS)


EVENTS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    event("ObjectEvent", ACTION, {"epcList": EPCS, "quantityList": QUANTITIES, "bizTransactionList": TRANSACTIONS,
                                  "ilmd": EXTENSIONS}),
    event("AggregationEvent", ACTION, {"parentID": URIS, "childEPCs": EPCS, "childQuantityList": QUANTITIES,
                                       "bizTransactionList": TRANSACTIONS}),
    event("TransactionEvent", ACTION | {"bizTransactionList": TRANSACTIONS},
          {"parentID": URIS, "epcList": EPCS, "quantityList": QUANTITIES}),
    event("TransformationEvent", {}, {"inputEPCList": EPCS, "inputQuantityList": QUANTITIES, "outputEPCList": EPCS,
                                      "outputQuantityList": QUANTITIES, "transformationID": URIS,
                                      "bizTransactionList": TRANSACTIONS, "ilmd": EXTENSIONS}),
    event("AssociationEvent", ACTION | {"parentID": URIS}, {"childEPCs": EPCS, "childQuantityList": QUANTITIES,
                                                           "bizTransactionList": TRANSACTIONS}),
)  # fmt: skip
# Not even an event: the writer must say it all the same.
ANYTHING = st.one_of(
    EVENTS,
    st.dictionaries(
        st.one_of(NAMES, ODD_NAMES, st.sampled_from(["type", "eventTime", "epcList", "ilmd"])),
        VALUES,
        max_size=4,
    ),
)
