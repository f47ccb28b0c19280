"""The grammar of EPCIS XML, once: the reader and the writer are driven by these tables (EPCIS.md, Forms; EPCIS 2.0 §9.5).

Each element says what it holds (its kind), its children in the order the standard puts them, which of them must be
there, and what its value is called and looks like in JSON. Only the names and the order are the standard's; the tables
are complete for events, their documents, master data in a header, query results and queries.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final, NamedTuple

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


class Kind(Enum):
    """What an element or an attribute holds."""

    TEXT = "text"
    """Text; space around it means nothing."""
    STRING = "string"
    """Text whose spaces count."""
    NUMBER = "number"
    DECIMAL = "decimal"
    """A number without an exponent."""
    BOOLEAN = "boolean"
    TIME = "time"
    """Text; a time without seconds is given them."""
    OBJECT = "object"
    """Attributes and child elements, each a member."""
    LIST = "list"
    """One child element, any number of times: an array."""
    PAIR = "pair"
    """Text and one attribute: an object of two members, the text under `members[0]`."""
    EVENTS = "events"
    """Any of the event elements, in any order."""
    VALUE = "value"
    """A query parameter: text, or an array of `string` elements."""


class Element(NamedTuple):
    """One element of the standard, or one attribute."""

    name: str
    kind: Kind
    vocabulary: Vocabulary | None = None
    attributes: Mapping[str, Member] = {}
    members: tuple[Member, ...] = ()
    places: Mapping[str, int] = {}
    """Where each child stands in `members`, by its element name."""
    is_open: bool = False
    """May hold elements and attributes of other namespaces."""
    is_ordered: bool = True
    prefix: str = ""
    """Of the few elements that stand in a namespace: what the writer declares for it."""


class Member(NamedTuple):
    """An element as a child, or an attribute: what it is called in JSON, and how often it may occur."""

    element: Element
    name: str
    is_needed: bool = False
    is_repeated: bool = False
    """Occurs any number of times; always an array in JSON."""
    within: str | None = None
    """The element that the writer puts around it; the reader opens it wherever it is met."""
    is_nil: bool = False
    """Said to have no value where it has none and something follows it."""


WRAPPERS: Final = frozenset({"extension", "baseExtension"})
"""What EPCIS 1.x, and some who write 2.0, put around members that came later. They mean nothing."""
DRAFT_NAMES: Final = {"sensorMetaData": "sensorMetadata"}
"""Names that members of 2.0 had while they were drafts, inside 1.x documents; examples of the standard have them."""


def _element(
    name: str,
    kind: Kind,
    *members: Member,
    attributes: Mapping[str, Member] = {},
    is_open: bool = False,
    is_ordered: bool = True,
) -> Element:
    places = {member.element.name: place for place, member in enumerate(members)}
    return Element(name, kind, None, attributes, members, places, is_open, is_ordered)


def _text(name: str, vocabulary: Vocabulary | None = None) -> Element:
    return Element(name, Kind.TEXT, vocabulary)


def _time(name: str) -> Element:
    return Element(name, Kind.TIME)


def _open(name: str, *members: Member, is_ordered: bool = True, **attributes: Member) -> Element:
    return _element(name, Kind.OBJECT, *members, attributes=attributes, is_open=True, is_ordered=is_ordered)


def _list(name: str, item: Element, *, is_needed: bool = False) -> Element:
    """A list of `item`; `is_needed` where the standard wants at least one."""
    return _element(name, Kind.LIST, Member(item, item.name, is_needed))


def _pair(name: str, attribute: str, vocabulary: Vocabulary, *, is_needed: bool) -> Element:
    held = Member(_text(attribute, vocabulary), attribute, is_needed)
    return _element(name, Kind.PAIR, Member(_text(name), name), attributes={attribute: held})


def _may(element: Element, *, is_repeated: bool = False) -> Member:
    return Member(element, element.name, is_repeated=is_repeated)


def _must(element: Element, *, is_repeated: bool = False) -> Member:
    return Member(element, element.name, is_needed=True, is_repeated=is_repeated)


def _attributes(*elements: Element) -> dict[str, Member]:
    return {element.name: _may(element) for element in elements}


def _texts(*names: str) -> tuple[Element, ...]:
    return tuple(_text(name) for name in names)


def _numbers(*names: str) -> tuple[Element, ...]:
    return tuple(Element(name, Kind.NUMBER) for name in names)


# --- what events are made of (EPCIS 2.0 §7.3, §9.5)

_ACTION: Final = _must(_text("action"))
_STEP: Final = _may(_text("bizStep", STEP))
_DISPOSITION: Final = _may(_text("disposition", DISPOSITION))
_ID: Final = _must(_text("id"))
_READ_POINT: Final = _may(_open("readPoint", _ID))
_LOCATION: Final = _may(_open("bizLocation", _ID))
_TRANSACTIONS: Final = _list(
    "bizTransactionList", _pair("bizTransaction", "type", TRANSACTION_TYPE, is_needed=False), is_needed=True
)
_SOURCES: Final = _may(
    _list("sourceList", _pair("source", "type", PARTY_TYPE, is_needed=True), is_needed=True)
)
_DESTINATIONS: Final = _may(
    _list("destinationList", _pair("destination", "type", PARTY_TYPE, is_needed=True), is_needed=True)
)
_PERSISTENT: Final = _may(
    _element(
        "persistentDisposition", Kind.OBJECT,
        _may(_text("unset", DISPOSITION), is_repeated=True), _may(_text("set", DISPOSITION), is_repeated=True),
    )
)  # fmt: skip
_QUANTITY: Final = _element(
    "quantityElement", Kind.OBJECT, _must(_text("epcClass")), Member(Element("quantity", Kind.DECIMAL), "quantity", is_nil=True), _may(_text("uom")),
)  # fmt: skip
_METADATA: Final = _element(
    "sensorMetadata", Kind.OBJECT, is_open=True,
    attributes=_attributes(*_texts(
        "time", "deviceID", "deviceMetadata", "rawData", "startTime", "endTime", "bizRules", "dataProcessingMethod",
    )),
)  # fmt: skip
_REPORT: Final = _element(
    "sensorReport", Kind.OBJECT, is_open=True,
    attributes=_attributes(
        _text("type", MEASUREMENT), *_numbers("value"), _text("component", COMPONENT), Element("stringValue", Kind.STRING),
        Element("booleanValue", Kind.BOOLEAN), *_texts("hexBinaryValue", "uriValue", "uom"),
        *_numbers("minValue", "maxValue", "sDev"), *_texts("chemicalSubstance", "microorganism", "deviceID"),
        *_texts("deviceMetadata", "rawData", "time"), *_numbers("meanValue", "percRank", "percValue"),
        *_texts("dataProcessingMethod", "coordinateReferenceSystem", "bizRules"), _text("exception", SENSOR_ALERT),
    ),
)  # fmt: skip
_SENSORS: Final = _may(
    _list(
        "sensorElementList",
        _open("sensorElement", _may(_METADATA), _must(_REPORT, is_repeated=True)),
        is_needed=True,
    )
)
_ILMD: Final = _may(_open("ilmd"))
_ERROR: Final = _may(
    _open(
        "errorDeclaration", _must(_time("declarationTime")), _may(_text("reason", ERROR_REASON)),
        _may(_list("correctiveEventIDs", _text("correctiveEventID"))), is_ordered=False,
    )
)  # fmt: skip
_BASE: Final = (
    _must(_time("eventTime")), _may(_time("recordTime")), _must(_text("eventTimeZoneOffset")), _may(_text("eventID")),
    _ERROR, _may(_text("certificationInfo")),
)  # fmt: skip


def _epcs(name: str) -> Member:
    return _may(_list(name, _text("epc")))


def _quantities(name: str) -> Member:
    return _may(_list(name, _QUANTITY))


def _event(name: str, *members: Member) -> Element:
    return _element(name, Kind.OBJECT, *_BASE, *members, is_open=True)


_WHERE: Final = (_STEP, _DISPOSITION, _READ_POINT, _LOCATION)

EVENTS: Final[Mapping[str, Element]] = {
    event.name: event
    for event in (
        _event("ObjectEvent", _epcs("epcList"), _ACTION, *_WHERE, _may(_TRANSACTIONS), _quantities("quantityList"),
               _SOURCES, _DESTINATIONS, _SENSORS, _PERSISTENT, _ILMD),
        _event("AggregationEvent", _may(_text("parentID")), _epcs("childEPCs"), _ACTION, *_WHERE, _may(_TRANSACTIONS),
               _quantities("childQuantityList"), _SOURCES, _DESTINATIONS, _SENSORS, _PERSISTENT),
        _event("TransactionEvent", _must(_TRANSACTIONS), _may(_text("parentID")), _epcs("epcList"), _ACTION, *_WHERE,
               _quantities("quantityList"), _SOURCES, _DESTINATIONS, _SENSORS, _PERSISTENT),
        _event("TransformationEvent", _epcs("inputEPCList"), _quantities("inputQuantityList"), _epcs("outputEPCList"),
               _quantities("outputQuantityList"), _may(_text("transformationID")), *_WHERE, _may(_TRANSACTIONS),
               _SOURCES, _DESTINATIONS, _SENSORS, _PERSISTENT, _ILMD),
        _event("AssociationEvent", _must(_text("parentID")), _epcs("childEPCs"), _quantities("childQuantityList"),
               _ACTION, *_WHERE, _may(_TRANSACTIONS), _SOURCES, _DESTINATIONS, _SENSORS, _PERSISTENT),
    )
}  # fmt: skip
# EPCIS 1.x only: an ObjectEvent of one quantity that was observed, and that is what it is read as (EPCIS 1.2 §7.4.4).
QUANTITY_EVENT: Final = _event(
    "QuantityEvent",
    _must(_text("epcClass")),
    _must(Element("quantity", Kind.DECIMAL)),
    *_WHERE,
    _may(_TRANSACTIONS),
)

# --- documents (EPCIS 2.0 §9.3, §9.4, §9.7)

_VOCABULARY_ELEMENT: Final = _open(
    "VocabularyElement",
    Member(
        _element(
            "attribute", Kind.PAIR, Member(_text("attribute"), "attribute"), is_open=True,
            attributes={"id": _ID},
        ),
        "attributes", is_repeated=True,
    ),
    _may(_list("children", _text("id"))),
    id=_ID,
)  # fmt: skip
_VOCABULARIES: Final = _list(
    "VocabularyList",
    _open(
        "Vocabulary",
        Member(_list("VocabularyElementList", _VOCABULARY_ELEMENT, is_needed=True), "vocabularyElementList"),
        type=_must(_text("type")),
    ),
)
HEADER: Final = Member(
    _open(
        "EPCISHeader",
        Member(
            _open("EPCISMasterData", Member(_VOCABULARIES, "vocabularyList")), "epcisMasterData", within="extension"
        ),
        is_ordered=False,
    ),
    "epcisHeader",
)  # fmt: skip
EVENT_LIST: Final = Member(Element("EventList", Kind.EVENTS), "eventList")
# The name of the query is asked for by the schema and left out by many.
_RESULTS_MEMBERS: Final = (
    _may(_text("queryName")), _may(_text("subscriptionID")),
    _must(_open("resultsBody", EVENT_LIST._replace(is_needed=True))),
)  # fmt: skip
RESULTS_MEMBERS: Final = tuple(member.name for member in _RESULTS_MEMBERS)
RESULTS: Final = Member(_open("QueryResults", *_RESULTS_MEMBERS)._replace(prefix="epcisq"), "queryResults")
POLL: Final = Member(
    _element(
        "Poll", Kind.OBJECT, _must(_text("queryName")),
        _must(_list("params", _element(
            "param", Kind.OBJECT, _must(_text("name")), _must(Element("value", Kind.VALUE)),
        ))),
    )._replace(prefix="epcisq"),
    "poll",
)  # fmt: skip


def _document(name: str, *members: Member) -> Element:
    said = {"schemaVersion": _may(_text("schemaVersion")), "creationDate": _may(_text("creationDate"))}
    return _element(name, Kind.OBJECT, HEADER, *members, attributes=said, is_open=True, is_ordered=False)


DOCUMENT: Final = _document(
    "EPCISDocument",
    Member(_open("EPCISBody", EVENT_LIST._replace(is_needed=True)), "epcisBody", is_needed=True),
)
QUERY_DOCUMENT: Final = _document(
    "EPCISQueryDocument", Member(_open("EPCISBody", RESULTS, POLL, is_ordered=False), "epcisBody"),
    *(member._replace(is_needed=False) for member in _RESULTS_MEMBERS),
)  # fmt: skip

NAMESPACE: Final = "urn:epcglobal:epcis:xsd:2"
QUERY_NAMESPACE: Final = "urn:epcglobal:epcis-query:xsd:2"
FORMER_NAMESPACES: Final = frozenset({"urn:epcglobal:epcis:xsd:1", "urn:epcglobal:epcis-query:xsd:1"})
NAMESPACES: Final = FORMER_NAMESPACES | {NAMESPACE, QUERY_NAMESPACE}
HEADER_NAMESPACE: Final = "http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeader"
