"""Which members an event may, must and must not have (EPCIS 2.0 §7.3, §7.4; EPCIS.md, What is refused): one table per event type.

The tables say what the standard's JSON Schema says of events, and what it cannot say: that words in CBV's namespaces are
CBV's, that an extension's prefix is bound, and what belongs together in a sensor report. `persistentDisposition` stands in
every type of event: of the standard's artefacts the XSD allows it everywhere, and one model serves both forms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from ledger.base.errors import FormError
from ledger.epcis import vocabulary
from ledger.epcis.findings import Place, Reading
from ledger.epcis.values import (
    Rule,
    cbv_word,
    certificate,
    event_id,
    extension_only,
    gs1_word,
    hex_binary,
    list_of,
    measured,
    no_other,
    number,
    object_of,
    offset,
    one_of,
    one_or_list_of,
    text,
    time,
    truth,
    unit,
    uri,
)
from ledger.trade.extract.fields import time_ms

_BIZ_STEP: Final = cbv_word("business step", vocabulary.STEP)
_DISPOSITION: Final = cbv_word("disposition", vocabulary.DISPOSITION)
_PARTY: Final = cbv_word("source or destination type", vocabulary.PARTY_TYPE)


def _judged_elsewhere(_reading: Reading, _value: Any, _place: Place, _key: str | int) -> None:
    """`type` and `@context` are read before the table is chosen."""


# --- what is inside members


def _set_or_unset(reading: Reading, value: dict[str, Any], here: Place) -> None:
    if "set" not in value and "unset" not in value:
        reading.findings.add(here, "set or unset", "neither")


def _in_order(reading: Reading, value: dict[str, Any], here: Place) -> None:
    """A period does not end before it starts; times that are none are found by their own rule."""
    start, end = value.get("startTime"), value.get("endTime")
    if type(start) is not str or type(end) is not str:
        return
    try:
        is_reversed = time_ms(start, "startTime") > time_ms(end, "endTime")
    except FormError:
        return
    if is_reversed:
        reading.findings.add((here, "endTime"), f"an end at or after {start}", end)


def _whole_report(reading: Reading, value: dict[str, Any], here: Place) -> None:
    """A percentile is a rank and its value; what is measured is said in JSON always, and optional in XML."""
    if "type" not in value and not reading.is_xml:
        reading.findings.note((here, "type"), "type, which is mandatory in JSON", "nothing")
    for name, other in (("percRank", "percValue"), ("percValue", "percRank")):
        if name in value and other not in value:
            reading.findings.note((here, other), f"{other} beside {name}", "nothing")


_LOCATION: Final = object_of({"id": uri}, ("id",))
_QUANTITIES: Final = list_of(
    object_of({"epcClass": uri, "quantity": number, "uom": unit}, ("epcClass",), others=no_other)
)
_DEVICE: Final[dict[str, Rule]] = {
    "time": time, "deviceID": uri, "deviceMetadata": uri, "rawData": uri, "dataProcessingMethod": uri, "bizRules": uri,
}  # fmt: skip
_REPORT: Final[dict[str, Rule]] = {
    **_DEVICE,
    "type": gs1_word("measurement type", vocabulary.MEASUREMENT),
    "exception": gs1_word("sensor alert type", vocabulary.SENSOR_ALERT),
    "component": cbv_word("component", vocabulary.COMPONENT),
    "microorganism": uri, "chemicalSubstance": uri, "coordinateReferenceSystem": uri, "uriValue": uri,
    "stringValue": text, "booleanValue": truth, "hexBinaryValue": hex_binary, "uom": text,
    "value": measured, "minValue": measured, "maxValue": measured, "meanValue": measured, "sDev": measured,
    "percRank": measured, "percValue": measured,
}  # fmt: skip
_SENSOR_ELEMENT: Final = object_of(
    {
        "sensorMetadata": object_of({**_DEVICE, "startTime": time, "endTime": time}, also=_in_order),
        "sensorReport": list_of(object_of(_REPORT, also=_whole_report), least=1),
    },
    ("sensorReport",),
)
_ERROR_DECLARATION: Final = object_of(
    {
        "declarationTime": time,
        "reason": cbv_word("error reason", vocabulary.ERROR_REASON),
        "correctiveEventIDs": list_of(event_id),
    },
    ("declarationTime",),
)
_TRANSACTION: Final = object_of(
    {
        "type": cbv_word("business transaction type", vocabulary.TRANSACTION_TYPE),
        "bizTransaction": uri,
    },
    ("bizTransaction",),
    others=no_other,
)
_TRANSACTIONS: Final = list_of(_TRANSACTION)
_ILMD: Final = object_of({}, others=extension_only)


def _no_action(reading: Reading, value: Any, place: Place, key: str | int) -> None:
    """A transformation has one meaning, whatever action it is given."""
    reading.noted(place, key, "no action in a TransformationEvent", value)


# --- the members of every event, and those of all types but for what they are about

_EVENT: Final[dict[str, Rule]] = {
    "@context": _judged_elsewhere,
    "type": _judged_elsewhere,
    "eventTime": time,
    "recordTime": time,
    "eventTimeZoneOffset": offset,
    "eventID": event_id,
    "certificationInfo": one_or_list_of(certificate),
    "errorDeclaration": _ERROR_DECLARATION,
    "bizStep": _BIZ_STEP,
    "disposition": _DISPOSITION,
    "persistentDisposition": object_of(
        {"set": list_of(_DISPOSITION, least=1, is_set=True), "unset": list_of(_DISPOSITION, least=1, is_set=True)},
        others=no_other,
        also=_set_or_unset,
    ),
    "readPoint": _LOCATION,
    "bizLocation": _LOCATION,
    "bizTransactionList": _TRANSACTIONS,
    "sourceList": list_of(object_of({"type": _PARTY, "source": uri}, ("type", "source"), others=no_other)),
    "destinationList": list_of(
        object_of({"type": _PARTY, "destination": uri}, ("type", "destination"), others=no_other)
    ),
    "sensorElementList": list_of(_SENSOR_ELEMENT),
}  # fmt: skip
_ALWAYS: Final = ("eventTime", "eventTimeZoneOffset")
_ACTION: Final[dict[str, Rule]] = {"action": one_of("ADD", "OBSERVE", "DELETE")}
_NESTING: Final[dict[str, Rule]] = {
    **_EVENT, **_ACTION, "parentID": uri, "childEPCs": list_of(uri), "childQuantityList": _QUANTITIES,
}  # fmt: skip


# --- what an event must be about


def _has(event: dict[str, Any], *names: str) -> bool:
    """Whether one of these lists has a value."""
    return any(type(event.get(name)) is list and event[name] for name in names)


def _object(reading: Reading, event: dict[str, Any], here: Place) -> None:
    is_sensed = _has(event, "sensorElementList") and "readPoint" in event
    if not ("epcList" in event or _has(event, "quantityList") or is_sensed):
        reading.findings.add(
            here, "epcList or quantityList, or sensor elements at a read point", "an event about nothing"
        )
    if "ilmd" in event and event.get("action") in ("OBSERVE", "DELETE"):
        reading.findings.note((here, "ilmd"), "ilmd only with action ADD", f"{event['action']}")


def _nesting(reading: Reading, event: dict[str, Any], here: Place) -> None:
    if event.get("action") != "DELETE" and not _has(event, "childEPCs", "childQuantityList"):
        reading.findings.add(
            here, "childEPCs or childQuantityList, unless the action is DELETE", "an event without children"
        )


def _transaction(reading: Reading, event: dict[str, Any], here: Place) -> None:
    if event.get("action") != "DELETE" and "epcList" not in event and not _has(event, "quantityList"):
        reading.findings.add(
            here, "epcList or quantityList, unless the action is DELETE", "an event about nothing"
        )


def _transformation(reading: Reading, event: dict[str, Any], here: Place) -> None:
    has_inputs = _has(event, "inputEPCList", "inputQuantityList")
    has_outputs = _has(event, "outputEPCList", "outputQuantityList")
    if has_inputs and has_outputs:
        return
    if "transformationID" not in event:
        reading.findings.add(here, "inputs and outputs, or a transformationID", "neither")
    elif not has_inputs and not has_outputs:
        reading.findings.add(here, "inputs or outputs beside the transformationID", "none")


class EventType(NamedTuple):
    """The table of one type of event."""

    members: Mapping[str, Rule]
    needed: tuple[str, ...]
    about: Callable[[Reading, dict[str, Any], Place], None]


EVENT_TYPES: Final[Mapping[str, EventType]] = {
    "ObjectEvent": EventType(
        {
            **_EVENT, **_ACTION, "epcList": list_of(uri, is_set=True), "quantityList": _QUANTITIES, "ilmd": _ILMD,
        },
        (*_ALWAYS, "action"),
        _object,
    ),
    "AggregationEvent": EventType(_NESTING, (*_ALWAYS, "action"), _nesting),
    "AssociationEvent": EventType(_NESTING, (*_ALWAYS, "action", "parentID"), _nesting),
    "TransactionEvent": EventType(
        {
            **_EVENT, **_ACTION, "bizTransactionList": list_of(_TRANSACTION, least=1), "parentID": uri,
            "epcList": list_of(uri), "quantityList": _QUANTITIES,
        },
        (*_ALWAYS, "action", "bizTransactionList"),
        _transaction,
    ),
    "TransformationEvent": EventType(
        {
            **_EVENT, "action": _no_action, "inputEPCList": list_of(uri, is_set=True), "inputQuantityList": _QUANTITIES,
            "outputEPCList": list_of(uri, is_set=True), "outputQuantityList": _QUANTITIES, "transformationID": uri,
            "ilmd": _ILMD,
        },
        _ALWAYS,
        _transformation,
    ),
}  # fmt: skip
