"""Events and queries drawn from small pools, so that they meet (`tests.index.reference`); the same seed draws the same."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from ledger.trade.identifiers import canonical

PREFIXES = {
    "ex": "https://example.org/terms/",
    "my": "https://example.org/other#",
    "epcis": "https://ref.gs1.org/epcis/",
    "cbv": "https://ref.gs1.org/cbv/",
    "gs1": "https://gs1.org/voc/",
    "cbvmda": "urn:epcglobal:cbv:mda:",
    "custody": "https://custody-ledger.org/ns/",
}
CONTEXT = {name: PREFIXES[name] for name in ("ex", "my")}

URNS = (
    "urn:epc:id:sgtin:9521234.000101.1", "urn:epc:id:sgtin:9521234.000101.2", "urn:epc:id:sgtin:9521234.100101.1",
    "urn:epc:id:sgtin:9521234.000102.1", "urn:epc:id:sgtin:9521321.000101.1", "urn:epc:id:sscc:9521234.0123456789",
    "urn:epc:id:sscc:9521234.1123456789", "urn:epc:id:grai:9521234.00001.A1", "urn:epc:id:giai:9521234.77",
    "urn:epc:id:gid:95100000.12345.400", "urn:epc:id:bic:CSQU3054383", "urn:epc:id:itip:9521234.000101.01.02.7",
    "urn:epc:id:upui:9521234.000101.AB", "urn:epc:id:cpi:9521234.PART1.9", "urn:epc:id:gdti:9521234.00001.8",
)  # fmt: skip
URN_OF = {canonical(urn).text: urn for urn in URNS}
EPCS = (*URNS, *URN_OF, "https://example.com/01/09521234001010/21/1", "https://example.org/things/1")
PATTERNS = (
    "urn:epc:idpat:sgtin:9521234.000101.*", "urn:epc:idpat:sgtin:9521234.*.*", "urn:epc:idpat:sgtin:*.*.*",
    "urn:epc:idpat:sscc:9521234.*", "urn:epc:idpat:grai:9521234.00001.*", "urn:epc:idpat:grai:9521234.*.*",
    "urn:epc:idpat:giai:9521234.*", "urn:epc:idpat:gid:95100000.*.*", "urn:epc:idpat:gid:95100000.12345.*",
    "urn:epc:idpat:itip:9521234.000101.01.02.*", "urn:epc:idpat:itip:9521234.*.*.*.*", "urn:epc:idpat:upui:9521234.*.*",
    "urn:epc:idpat:cpi:9521234.PART1.*", "urn:epc:idpat:cpi:9521234.*.*", "urn:epc:idpat:gdti:9521234.00001.*",
)  # fmt: skip
CLASSES = (
    "urn:epc:idpat:sgtin:9521234.000101.*", "https://id.gs1.org/01/09521234001010", "urn:epc:class:lgtin:9521234.000101.L1",
    "https://id.gs1.org/01/09521234001010/10/L1", "https://id.gs1.org/01/09521234001010/10/L2",
)  # fmt: skip
STEPS = ("shipping", "urn:epcglobal:cbv:bizstep:shipping", "https://ref.gs1.org/cbv/BizStep-receiving", "cbv:BizStep-receiving", "ex:step")  # fmt: skip
DISPOSITIONS = (
    "active",
    "urn:epcglobal:cbv:disp:active",
    "https://ref.gs1.org/cbv/Disp-damaged",
    "damaged",
    "ex:odd",
)
PLACES = (
    "urn:epc:id:sgln:9521234.00001.0", "urn:epc:id:sgln:9521234.00001.7", "https://id.gs1.org/414/9521234000013",
    "https://id.gs1.org/414/9521234000013/254/7", "https://id.gs1.org/414/9521234000020", "https://example.org/places/1",
)  # fmt: skip
PARTIES = (
    "urn:epc:id:pgln:9521234.00001",
    "https://id.gs1.org/417/9521234000013",
    "https://id.gs1.org/417/9521234000020",
)
PARTY_TYPES = ("owning_party", "possessing_party", "urn:epcglobal:cbv:sdt:owning_party", "ex:agent")
DOCUMENTS = (
    "urn:epcglobal:cbv:bt:9521234000013:A1",
    "https://id.gs1.org/253/9521234000013A1",
    "https://example.org/po/1",
)
DOCUMENT_TYPES = ("po", "urn:epcglobal:cbv:btt:po", "inv", "ex:kind")
NUMBERS = (0, 1, -1, 0.5, 12.5, 100, 1e2, 212, 32, 500, 1000, 18, 5, 1e-3, -0.25, 99999999999999999)
NUMBER_TEXTS = (
    "0",
    "1",
    "-1",
    "0.50",
    "12.5",
    "100",
    "1e2",
    "0.001",
    "-2.5e-1",
    "99999999999999999",
    "100000000000000000",
)
TIMES = (
    "2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00.500Z", "2025-12-31T23:59:59.999-05:00",
    "2026-06-01T12:00:00.123456Z",
)  # fmt: skip
TEXTS = (
    "a",
    "A",
    "ab",
    "",
    "é",
    "x|y"[0],
    "007",
    *NUMBER_TEXTS[:6],
    *TIMES[:3],
    "long " * 80,
    "long " * 79 + "other",
    "nul\0",
)
UNITS = ("KGM", "GRM", "CEL", "FAH", "KMH", "MTS", "XYZ")
FIELDS = ("ex:one", "ex:two", "my:one")
IDS = ("urn:uuid:0000-1", "urn:uuid:0000-2", "ni:///sha-256;aa?ver=CBV2.0")
HEXES = ("0AFF", "00")
REASONS = ("incorrect_data", "urn:epcglobal:cbv:er:incorrect_data", "did_not_occur")
MEASUREMENTS = ("Temperature", "https://gs1.org/voc/Temperature", "gs1:Mass", "ex:Shine")

Draw = random.Random
Maker = Callable[[Draw], Any]


def event(draw: Draw) -> dict[str, Any]:
    """One event; what the ledger would refuse of it (an identifier twice) the index need not mind."""
    kind = draw.choice(tuple(_TYPES))
    found = _extensions(draw) | {"type": kind, "eventTime": draw.choice(TIMES)}
    found |= _members(draw, {name: _LISTS[name] for name in _TYPES[kind]}, 0.7)
    if kind != "TransformationEvent":
        found["action"] = draw.choice(("ADD", "OBSERVE", "DELETE"))
    return found | _members(draw, _COMMON, 0.4)


def query(draw: Draw) -> dict[str, Any]:
    """One query of up to three restrictions."""
    found = dict(draw.choice(_RESTRICTIONS)(draw) for _ in range(draw.choice((0, 1, 1, 1, 2, 3))))
    if draw.random() < 0.5:
        found["orderBy"] = draw.choice(("eventTime", "recordTime", "quantity", _field(draw), _field(draw)))
        if draw.random() < 0.5:
            found["orderDirection"] = draw.choice(("ASC", "DESC"))
        if draw.random() < 0.3:
            return found | {"eventCountLimit": draw.randint(1, 8)}
    return found | ({"maxEventCount": draw.randint(1, 8)} if draw.random() < 0.1 else {})


# ---- events


def _of(pool: tuple[Any, ...]) -> Maker:
    return lambda draw: draw.choice(pool)


def _some(pool: tuple[Any, ...], most: int = 2) -> Maker:
    return lambda draw: [draw.choice(pool) for _ in range(draw.randint(1, most))]


def _listed(make: Maker, most: int = 2) -> Maker:
    return lambda draw: [make(draw) for _ in range(draw.randint(1, most))]


def _members(draw: Draw, optional: dict[str, Maker], chance: float) -> dict[str, Any]:
    return {name: make(draw) for name, make in optional.items() if draw.random() < chance}


def _plain(draw: Draw) -> Any:
    return draw.choice((*TEXTS, *NUMBERS, True, False))


def _value(draw: Draw, depth: int = 3) -> Any:
    sort = draw.random()
    if depth and sort < 0.25:
        return [_value(draw, depth - 1) for _ in range(draw.randint(0, 2))]
    if depth and sort < 0.5:
        return {draw.choice(FIELDS): _value(draw, depth - 1) for _ in range(draw.randint(0, 2))}
    return None if sort > 0.95 else _plain(draw)


def _extensions(draw: Draw) -> dict[str, Any]:
    return {draw.choice(FIELDS): _value(draw) for _ in range(draw.choice((0, 1, 1, 2)))}


def _part(required: dict[str, Maker], optional: dict[str, Maker]) -> Maker:
    return lambda draw: (
        _extensions(draw)
        | {name: make(draw) for name, make in required.items()}
        | _members(draw, optional, 0.4)
    )


def _typed(member: str, pool: tuple[str, ...], types: tuple[str, ...]) -> Maker:
    return _listed(lambda draw: {member: draw.choice(pool)} | _members(draw, {"type": _of(types)}, 0.8))


_MEASURES = ("value", "minValue", "maxValue", "meanValue", "sDev", "percValue")
_quantity: Maker = lambda draw: (
    {"epcClass": draw.choice(CLASSES)} | _members(draw, {"quantity": _of(NUMBERS), "uom": _of(UNITS)}, 0.7)
)
_report = _part(
    {},
    dict.fromkeys((*_MEASURES, "percRank"), _of(NUMBERS))
    | {
        "uom": _of(UNITS), "type": _of(MEASUREMENTS), "time": _of(TIMES), "deviceID": _of(EPCS), "stringValue": _of(TEXTS),
        "hexBinaryValue": _of(HEXES), "booleanValue": _of((True, False)), "uriValue": _of(PLACES),
        "microorganism": _of(PLACES), "chemicalSubstance": _of(PLACES),
    },
)  # fmt: skip
_metadata = _part(
    {},
    dict.fromkeys(("time", "startTime", "endTime"), _of(TIMES))
    | dict.fromkeys(("deviceID", "dataProcessingMethod", "bizRules"), _of(EPCS)),
)
_place = _part({"id": _of(PLACES)}, {})
_COMMON: dict[str, Maker] = {
    "eventID": _of(IDS),
    "bizStep": _of(STEPS),
    "disposition": _of(DISPOSITIONS),
    "persistentDisposition": lambda draw: _members(
        draw, {"set": _some(DISPOSITIONS), "unset": _some(DISPOSITIONS)}, 0.7
    ),
    "readPoint": _place,
    "bizLocation": _place,
    "bizTransactionList": _typed("bizTransaction", DOCUMENTS, DOCUMENT_TYPES),
    "sourceList": _typed("source", PARTIES, PARTY_TYPES),
    "destinationList": _typed("destination", PARTIES, PARTY_TYPES),
    "ilmd": _extensions,
    "errorDeclaration": _part(
        {"declarationTime": _of(TIMES)}, {"reason": _of(REASONS), "correctiveEventIDs": _some(IDS)}
    ),
    "sensorElementList": _listed(_part({"sensorReport": _listed(_report)}, {"sensorMetadata": _metadata})),
}
_TYPES = {
    "ObjectEvent": ("epcList", "quantityList"),
    "AggregationEvent": ("parentID", "childEPCs", "childQuantityList"),
    "AssociationEvent": ("parentID", "childEPCs", "childQuantityList"),
    "TransactionEvent": ("parentID", "epcList", "quantityList"),
    "TransformationEvent": (
        "inputEPCList",
        "outputEPCList",
        "inputQuantityList",
        "outputQuantityList",
        "transformationID",
    ),
}
_LISTS: dict[str, Maker] = {
    "parentID": _of(EPCS),
    "transformationID": _of(EPCS),
    **dict.fromkeys(("epcList", "childEPCs", "inputEPCList", "outputEPCList"), _some(EPCS, 3)),
    **dict.fromkeys(
        ("quantityList", "childQuantityList", "inputQuantityList", "outputQuantityList"), _listed(_quantity)
    ),
}

# ---- queries

_SCOPES = (
    "", "", "ILMD_", "ERROR_DECLARATION_", "SENSORELEMENT_", "SENSORMETADATA_", "SENSORREPORT_", "readPoint_", "bizLocation_",
)  # fmt: skip
_COMPARISONS = ("EQ", "GT", "GE", "LT", "LE")
_SENSED = ("EQ_deviceID", "EQ_dataProcessingMethod", "EQ_bizRules")
_PARAMETERS: dict[str, Maker] = {
    "eventType": _some(tuple(_TYPES)),
    "EQ_action": _some(("ADD", "OBSERVE", "DELETE")),
    "EQ_bizStep": _some(STEPS),
    **dict.fromkeys(
        ("EQ_disposition", "EQ_persistentDisposition_set", "EQ_persistentDisposition_unset"),
        _some(DISPOSITIONS),
    ),
    **dict.fromkeys(("EQ_readPoint", "EQ_bizLocation", "WD_readPoint", "WD_bizLocation"), _some(PLACES)),
    **dict.fromkeys(("EQ_eventID", "EQ_correctiveEventID"), _some(IDS)),
    "EQ_errorReason": _some(REASONS),
    **dict.fromkeys(("EQ_transformationID", *_SENSED), _some(EPCS, 3)),
    **dict.fromkeys(("EQ_uriValue", "EQ_microorganism", "EQ_chemicalSubstance"), _some(PLACES)),
    "EQ_type": _some(MEASUREMENTS),
    "EQ_stringValue": _some(TEXTS, 3),
    "EQ_hexBinaryValue": _some(HEXES),
    "EQ_booleanValue": _of((True, False)),
    **{f"EQ_{end}_{kind}": _some(PARTIES) for end in ("source", "destination") for kind in PARTY_TYPES},
    **{f"EQ_bizTransaction_{kind}": _some(DOCUMENTS) for kind in DOCUMENT_TYPES},
    "EXISTS_errorDeclaration": _of((None, True)),
    "EXISTS_sensorElementList": _of((None, True)),
    **{
        f"{verb}_{name}": _of(TIMES)
        for verb in ("GE", "LT")
        for name in ("eventTime", "recordTime", "time", "startTime", "endTime", "errorDeclarationTime")
    },
}
_MATCHED: dict[str, Maker] = {
    **dict.fromkeys(
        ("MATCH_epc", "MATCH_parentID", "MATCH_inputEPC", "MATCH_outputEPC", "MATCH_anyEPC"),
        _some((*EPCS, *2 * PATTERNS)),
    ),
    **dict.fromkeys(
        ("MATCH_epcClass", "MATCH_inputEPCClass", "MATCH_outputEPCClass", "MATCH_anyEPCClass"), _some(CLASSES)
    ),
}


def _known(draw: Draw) -> tuple[str, Any]:
    name = draw.choice(tuple(_PARAMETERS))
    return name, _PARAMETERS[name](draw)


def _matched(draw: Draw) -> tuple[str, Any]:
    name = draw.choice(tuple(_MATCHED))
    return name, _MATCHED[name](draw)


def _measured(draw: Draw) -> tuple[str, Any]:
    verb, name = draw.choice(_COMPARISONS), draw.choice(("quantity", "quantity", "percRank", *_MEASURES))
    unit = "" if name == "percRank" else draw.choice(("", *(f"_{unit}" for unit in UNITS)))
    return f"{verb}_{name}{unit}", (_some(NUMBERS) if verb == "EQ" else _of(NUMBERS))(draw)


def _field(draw: Draw) -> str:
    return draw.choice(("", "INNER_")) + draw.choice(_SCOPES) + draw.choice(FIELDS)


def _extended(draw: Draw) -> tuple[str, Any]:
    verb = draw.choice((*_COMPARISONS, "EXISTS"))
    if verb == "EQ":
        value = draw.choice((_some(TEXTS, 3), _of(NUMBERS), _of(TIMES)))(draw)
    else:
        value = None if verb == "EXISTS" else draw.choice((*NUMBERS, *NUMBER_TEXTS, *TIMES))
    return f"{verb}_{_field(draw)}", value


_RESTRICTIONS = (_known, _known, _matched, _extended, _extended, _measured)
