"""Each rule of the check refuses what breaks it, at its place and for its reason, and nothing else."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from ledger.base.errors import Code, FormError
from ledger.base.limits import FINDINGS
from ledger.epcis.check import check_document, check_event, examine, frame_findings
from ledger.epcis.document import Form, read_document
from ledger.epcis.findings import Finding, Grade
from ledger.trade.extract import extract

EPCIS = "https://ref.gs1.org/standards/epcis/epcis-context.jsonld"
CONTEXT = [EPCIS, {"ex": "https://example.org/terms/"}]
ITEM = "urn:epc:id:sgtin:9521141.012345.2017"
OTHER = "urn:epc:id:sgtin:9521141.012345.2018"
PALLET = "urn:epc:id:sscc:9521141.0123456789"
WHEAT = "urn:epc:class:lgtin:9521141.012345.L1"
DOCK = {"id": "urn:epc:id:sgln:9521141.12345.7"}
SENSED = {
    "sensorMetadata": {"time": "2026-03-01T09:00:00Z"},
    "sensorReport": [{"type": "Temperature", "value": 4.5}],
}


def event_of(kind: str, **members: Any) -> dict[str, Any]:
    common = {"type": kind, "eventTime": "2026-03-01T10:00:00.000+01:00", "eventTimeZoneOffset": "+01:00"}
    about: dict[str, dict[str, Any]] = {
        "ObjectEvent": {"action": "ADD", "epcList": [ITEM]},
        "AggregationEvent": {"action": "ADD", "parentID": PALLET, "childEPCs": [ITEM]},
        "AssociationEvent": {"action": "ADD", "parentID": PALLET, "childEPCs": [ITEM]},
        "TransactionEvent": {
            "action": "ADD", "epcList": [ITEM], "bizTransactionList": [{"type": "po", "bizTransaction": "urn:x-acme:po:7"}],
        },
        "TransformationEvent": {"inputEPCList": [ITEM], "outputEPCList": [OTHER]},
    }  # fmt: skip
    made = common | about[kind] | members
    return {name: value for name, value in made.items() if value is not Ellipsis}


def document_of(*events: dict[str, Any], **members: Any) -> dict[str, Any]:
    made = {
        "@context": CONTEXT,
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2026-03-01T12:00:00Z",
        "epcisBody": {"eventList": list(events) or [event_of("ObjectEvent")]},
    } | members
    return {name: value for name, value in made.items() if value is not Ellipsis}


def findings(document: Any) -> list[Finding]:
    return check_document(json.dumps(document).encode(), Form.JSON)[1]


def found_in(event: dict[str, Any]) -> list[Finding]:
    return check_event(json.dumps(event).encode(), json.dumps(CONTEXT).encode())


FULL = {
    "recordTime": "2026-03-01T10:00:01Z",
    "eventID": "urn:uuid:4f4d9c3c-6f0b-4d0a-9a35-0ab1e0f1a5b1",
    "certificationInfo": ["https://example.org/certificates/1"],
    "bizStep": "inspecting",
    "disposition": "https://ref.gs1.org/cbv/Disp-active",
    "persistentDisposition": {"set": ["completeness_verified"], "unset": ["cbv:Disp-completeness_inferred"]},
    "readPoint": DOCK,
    "bizLocation": DOCK | {"ex:gate": 7},
    "bizTransactionList": [{"bizTransaction": "urn:x-acme:po:8"}],
    "sourceList": [{"type": "possessing_party", "source": "urn:epc:id:pgln:9521141.00001"}],
    "destinationList": [{"type": "ex:lessee", "destination": "urn:epc:id:pgln:9521141.00002"}],
    "sensorElementList": [SENSED],
    "ex:note": {"anything": [1, None, {"goes": True}]},
}


@pytest.mark.parametrize(
    "kind", ["ObjectEvent", "AggregationEvent", "AssociationEvent", "TransactionEvent", "TransformationEvent"]
)
def test_accepts_each_type_of_event_lean_and_full(kind: str) -> None:
    assert findings(document_of(event_of(kind), event_of(kind, **FULL))) == []


REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    # what every event must have, and its forms
    ("ObjectEvent", {"type": ...}, "/type", "one of ObjectEvent"),
    ("ObjectEvent", {"type": "QuantityEvent"}, "/type", "one of ObjectEvent"),
    ("ObjectEvent", {"eventTime": ...}, "/eventTime", "mandatory"),
    ("ObjectEvent", {"eventTime": "01-03-2026"}, "/eventTime", "a time with its zone"),
    ("ObjectEvent", {"eventTime": "2026-03-01T10:00:00"}, "/eventTime", "a time with its zone"),
    ("ObjectEvent", {"eventTime": "2026-02-29T10:00:00Z"}, "/eventTime", "a time with its zone"),
    ("ObjectEvent", {"recordTime": "now"}, "/recordTime", "a time with its zone"),
    ("ObjectEvent", {"eventTimeZoneOffset": ...}, "/eventTimeZoneOffset", "mandatory"),
    ("ObjectEvent", {"eventTimeZoneOffset": "+14:30"}, "/eventTimeZoneOffset", "an offset from UTC"),
    ("ObjectEvent", {"eventTimeZoneOffset": "Z"}, "/eventTimeZoneOffset", "an offset from UTC"),
    ("ObjectEvent", {"action": ...}, "/action", "mandatory"),
    ("ObjectEvent", {"action": "CREATE"}, "/action", "ADD or OBSERVE or DELETE"),
    ("ObjectEvent", {"eventID": "event 7"}, "/eventID", "a URI"),
    ("ObjectEvent", {"eventID": "urn:uuid:7"}, "/eventID", "a UUID"),
    ("ObjectEvent", {"eventID": "ni:///sha-256;abc?ver=CBV2.0"}, "/eventID", "an event hash"),
    ("ObjectEvent", {"certificationInfo": [{"ex:agency": "A"}]}, "/certificationInfo/0", "a URI"),
    ("ObjectEvent", {"certificationInfo": ""}, "/certificationInfo", "a URI"),
    # what it is about
    ("ObjectEvent", {"epcList": ...}, "", "epcList or quantityList"),
    ("ObjectEvent", {"epcList": ..., "quantityList": []}, "", "epcList or quantityList"),
    ("ObjectEvent", {"epcList": ["2017"]}, "/epcList/0", "a URI"),
    ("ObjectEvent", {"epcList": [ITEM, ITEM]}, "/epcList/1", "each value once"),
    ("ObjectEvent", {"epcList": None}, "/epcList", "an array"),
    ("ObjectEvent", {"parentID": PALLET}, "/parentID", "an extension in a namespace"),
    ("AggregationEvent", {"childEPCs": []}, "", "childEPCs or childQuantityList"),
    ("AssociationEvent", {"parentID": ...}, "/parentID", "mandatory"),
    ("TransactionEvent", {"bizTransactionList": []}, "/bizTransactionList", "at least 1 value"),
    ("TransactionEvent", {"epcList": ...}, "", "epcList or quantityList"),
    ("TransformationEvent", {"outputEPCList": ...}, "", "inputs and outputs, or a transformationID"),
    ("TransformationEvent", {"inputEPCList": [], "outputEPCList": [], "transformationID": "urn:x:1"}, "", "beside the trans"),
    ("ObjectEvent", {"ilmd": {"lot": "L"}}, "/ilmd/lot", "an extension in a namespace"),
    ("ObjectEvent", {"ilmd": {"other:lot": "L"}}, "/ilmd/other:lot", "bind the prefix 'other'"),
    ("AggregationEvent", {"ilmd": {"ex:lot": "L"}}, "/ilmd", "an extension in a namespace"),
    # quantities
    ("ObjectEvent", {"quantityList": [{"quantity": 1}]}, "/quantityList/0/epcClass", "mandatory"),
    ("ObjectEvent", {"quantityList": [{"epcClass": WHEAT, "quantity": "1"}]}, "/quantityList/0/quantity", "a number"),
    ("ObjectEvent", {"quantityList": [{"epcClass": WHEAT, "uom": "kg"}]}, "/quantityList/0/uom", "Recommendation 20"),
    # words
    ("ObjectEvent", {"bizStep": "transforming"}, "/bizStep", "a business step of the CBV"),
    ("ObjectEvent", {"bizStep": "https://ref.gs1.org/cbv/Disp-active"}, "/bizStep", "a business step of the CBV"),
    ("ObjectEvent", {"bizStep": "urn:epcglobal:cbv:disp:active"}, "/bizStep", "a business step of the CBV"),
    ("ObjectEvent", {"disposition": "https://ns.gs1.org/cbv/BizStep-packing"}, "/disposition", "a disposition of the CBV"),
    ("ObjectEvent", {"disposition": "in_transport"}, "/disposition", "a disposition of the CBV"),
    ("ObjectEvent", {"persistentDisposition": {}}, "/persistentDisposition", "set or unset"),
    ("ObjectEvent", {"persistentDisposition": {"set": []}}, "/persistentDisposition/set", "at least 1 value"),
    ("ObjectEvent", {"persistentDisposition": {"set": ["gone"]}}, "/persistentDisposition/set/0", "a disposition"),
    ("ObjectEvent", {"sourceList": [{"type": "place", "source": "urn:x:1"}]}, "/sourceList/0/type", "source or destination"),
    ("ObjectEvent", {"sourceList": [{"source": "urn:x:1"}]}, "/sourceList/0/type", "mandatory"),
    ("ObjectEvent", {"destinationList": [{"type": "location"}]}, "/destinationList/0/destination", "mandatory"),
    ("ObjectEvent", {"bizTransactionList": [{"type": "tax", "bizTransaction": "urn:x:1"}]}, "/bizTransactionList/0/type",
     "business transaction type"),
    ("ObjectEvent", {"errorDeclaration": {"reason": "did_not_occur"}}, "/errorDeclaration/declarationTime", "mandatory"),
    ("ObjectEvent", {"errorDeclaration": {"declarationTime": "2026-03-02T00:00:00Z", "reason": "oops"}},
     "/errorDeclaration/reason", "error reason"),
    # places and names
    ("ObjectEvent", {"readPoint": "urn:x:1"}, "/readPoint", "an object"),
    ("ObjectEvent", {"readPoint": {}}, "/readPoint/id", "mandatory"),
    ("ObjectEvent", {"bizLocation": {"id": "dock 7"}}, "/bizLocation/id", "a URI"),
    ("ObjectEvent", {"sensorElementList": [7]}, "/sensorElementList/0", "an object"),
    ("ObjectEvent", {"other:note": "x"}, "/other:note", "bind the prefix 'other'"),
    # sensors
    ("ObjectEvent", {"sensorElementList": [{}]}, "/sensorElementList/0/sensorReport", "mandatory"),
    ("ObjectEvent", {"sensorElementList": [{"sensorReport": []}]}, "/sensorElementList/0/sensorReport", "at least 1"),
    ("ObjectEvent", {"sensorElementList": [SENSED | {"sensorMetadata": {"startTime": "2026-03-02T00:00:00Z",
     "endTime": "2026-03-01T00:00:00Z"}}]}, "/sensorElementList/0/sensorMetadata/endTime", "an end at or after"),
    *(
        ("ObjectEvent", {"sensorElementList": [{"sensorReport": [{"type": "Mass", name: value}]}]},
         f"/sensorElementList/0/sensorReport/0/{name}", expected)
        for name, value, expected in [
            ("component", "w", "a component"), ("microorganism", "germ", "a URI"), ("chemicalSubstance", "salt", "a URI"),
            ("coordinateReferenceSystem", "WGS84", "a URI"), ("uriValue", "x", "a URI"), ("deviceID", "7", "a URI"),
            ("type", 7, "a measurement type"), ("exception", "on fire", "a sensor alert type"),
            ("stringValue", 7, "text"), ("uom", 7, "text"), ("booleanValue", "true", "true or false"),
            ("hexBinaryValue", "0x1F", "hexadecimal digits"), ("time", "noon", "a time with its zone"),
            *((name, "much", "a number") for name in ("value", "minValue", "maxValue", "meanValue", "sDev")),
        ]
    ),
    ("ObjectEvent", {"bizStep": 7}, "/bizStep", "a business step of the CBV"),
    ("ObjectEvent", {"ilmd": []}, "/ilmd", "an object"),
    ("ObjectEvent", {"bizTransactionList": [{"bizTransaction": "7"}]}, "/bizTransactionList/0/bizTransaction", "a URI"),
    ("ObjectEvent", {"errorDeclaration": {"declarationTime": "late"}}, "/errorDeclaration/declarationTime", "a time with"),
    ("ObjectEvent", {"errorDeclaration": {"declarationTime": "2026-03-02T00:00:00Z", "correctiveEventIDs": ["7"]}},
     "/errorDeclaration/correctiveEventIDs/0", "a URI"),
    ("ObjectEvent", {"persistentDisposition": {"set": ["active", "active"]}}, "/persistentDisposition/set/1", "once"),
    ("ObjectEvent", {"persistentDisposition": {"unset": ["active", "active"]}}, "/persistentDisposition/unset/1", "once"),
    ("TransformationEvent", {"inputEPCList": [ITEM, ITEM]}, "/inputEPCList/1", "each value once"),
    ("TransformationEvent", {"outputEPCList": [ITEM, ITEM]}, "/outputEPCList/1", "each value once"),
    ("TransformationEvent", {"transformationID": "7"}, "/transformationID", "a URI"),
    ("ObjectEvent", {"@id": "urn:x:1"}, "/@id", "an extension in a namespace"),
    # what only the extractor refuses
    ("ObjectEvent", {"epcList": [ITEM, "https://id.gs1.org/01/09521141123454/21/2017"]}, "", "each identifier once"),
    ("ObjectEvent", {"quantityList": [{"epcClass": WHEAT, "quantity": -1}]}, "/quantityList", "zero or more"),
    ("ObjectEvent", {"action": "OBSERVE", "custody:count": "two"}, "/custody:count", "a whole number"),
    ("AggregationEvent", {"parentID": ...}, "/parentID", "the parent of an AggregationEvent"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "members", "place", "expected"), REFUSED)
def test_refuses_at_its_place_for_its_reason(
    kind: str, members: dict[str, Any], place: str, expected: str
) -> None:
    found = found_in(event_of(kind, **members))
    assert [(finding.place, finding.grade) for finding in found] == [(place, Grade.REFUSED)], [
        str(finding) for finding in found
    ]
    assert expected in found[0].expected
    assert f"{found[0]}".startswith(f"{place or '(document)'}: expected ")


NOTED: list[tuple[str, dict[str, Any], str, str]] = [
    ("TransformationEvent", {"action": "ADD"}, "/action", "no action in a TransformationEvent"),
    ("ObjectEvent", {"bizStep": "urn:epcglobal:cbv:bizstep:shipping"}, "/bizStep", "bare word"),
    ("ObjectEvent", {"disposition": "https://ns.gs1.org/cbv/Disp-active"}, "/disposition", "bare word"),
    ("ObjectEvent", {"bizStep": "cbv:BizStep-of_a_later_cbv"}, "/bizStep", "a business step of the CBV"),
    ("ObjectEvent", {"disposition": "urn:epcglobal:cbv:disp:sold"}, "/disposition", "a disposition of the CBV"),
    ("ObjectEvent", {"action": "OBSERVE", "ilmd": {"ex:lot": "L"}}, "/ilmd", "only with action ADD"),
    ("ObjectEvent", {"certificationInfo": "Certificate 7"}, "/certificationInfo", "a URI"),
    ("ObjectEvent", {"_comment": "x"}, "/_comment", "an extension in a namespace"),
    ("ObjectEvent", {"readPoint": DOCK | {"gate": 7}}, "/readPoint/gate", "an extension in a namespace"),
    ("ObjectEvent", {"quantityList": [{"epcClass": WHEAT, "ex:a": 1}]}, "/quantityList/0/ex:a", "no member beside"),
    *(
        ("ObjectEvent", {"sensorElementList": [{"sensorReport": [report]}]}, f"/sensorElementList/0/sensorReport/0/{name}",
         expected)
        for report, name, expected in [
            ({"value": 1}, "type", "mandatory in JSON"),
            ({"type": "Warmth"}, "type", "a measurement type of the CBV"),
            ({"type": "https://gs1.org/voc/Mass"}, "type", "bare word"),
            ({"type": "Mass", "exception": "FIRE"}, "exception", "a sensor alert type of the CBV"),
            ({"type": "Mass", "percRank": 50}, "percValue", "beside percRank"),
            ({"type": "Mass", "percValue": 50}, "percRank", "beside percValue"),
            *(({"type": "Mass", name: "-1.5e3"}, name, "a number, not a text")
              for name in ("value", "minValue", "maxValue", "meanValue", "sDev")),
        ]
    ),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "members", "place", "expected"), NOTED)
def test_notes_what_can_be_read_in_one_way_and_takes_it(
    kind: str, members: dict[str, Any], place: str, expected: str
) -> None:
    found = found_in(event_of(kind, **members))
    assert [(finding.place, finding.grade) for finding in found] == [(place, Grade.NOTED)], [
        str(finding) for finding in found
    ]
    assert expected in found[0].expected


def test_words_in_the_namespace_of_others_and_names_under_bound_prefixes_pass() -> None:
    event = event_of(
        "ObjectEvent",
        bizStep="ex:polishing",
        disposition="urn:x-acme:disp:shiny",
        **{"https://example.org/a": 1},
    )
    assert found_in(event | {"ex:a": 1, "gs1:b": 2, "dcterms:c": 3}) == []


def test_an_unknown_context_may_bind_any_prefix_and_is_never_fetched() -> None:
    event = event_of("ObjectEvent", **{"other:note": "x"})
    context = [*CONTEXT, "https://example.org/context.jsonld"]
    assert findings(document_of(event, **{"@context": context})) == []
    assert [finding.place for finding in findings(document_of(event))] == [
        "/epcisBody/eventList/0/other:note"
    ]


@pytest.mark.parametrize(
    ("members", "place"),
    [
        ({"@context": ...}, "/@context"),
        ({"@context": 7}, "/@context"),
        ({"@context": [EPCIS, EPCIS]}, "/@context/1"),
        ({"@context": [EPCIS, {"a": "b:"}, {"a": "b:"}]}, "/@context/2"),
        ({"@context": [EPCIS, {"bizStep": "https://example.org/step"}]}, "/@context"),
        ({"@context": [EPCIS, {"cbv": "https://example.org/cbv/"}]}, "/@context"),
        ({"type": "EPCISQueryDocument"}, "/type"),
        ({"type": ...}, "/type"),
        ({"schemaVersion": ...}, "/schemaVersion"),
        ({"schemaVersion": "two"}, "/schemaVersion"),
        ({"schemaVersion": "1.2"}, "/schemaVersion"),
        ({"creationDate": ...}, "/creationDate"),
        ({"creationDate": "today"}, "/creationDate"),
        ({"id": "no uri"}, "/id"),
        ({"sender": 7}, "/sender"),
        ({"comment": "x"}, "/comment"),
        ({"instanceIdentifier": 7}, "/instanceIdentifier"),
        ({"receiver": 7}, "/receiver"),
        ({"epcisBody": {"eventList": [event_of("ObjectEvent")], "@context": {}}}, "/epcisBody/@context"),
        ({"epcisHeader": {"masterData": {}}}, "/epcisHeader/masterData"),
        ({"epcisHeader": {"epcisMasterData": {"vocabularyList": [{}]}}}, "/epcisHeader/epcisMasterData/vocabularyList/0/type"),
    ],
)  # fmt: skip
def test_refuses_a_document_around_its_events(members: dict[str, Any], place: str) -> None:
    assert [finding.place for finding in findings(document_of(**members))] == [place]


def test_a_query_document_may_be_captured_and_has_rules_of_its_own() -> None:
    event = event_of("ObjectEvent")
    body = {"queryResults": {"queryName": "SimpleEventQuery", "resultsBody": {"eventList": [event]}}}
    document = document_of(type="EPCISQueryDocument", epcisBody=body)
    assert findings(document) == []
    broken = copy.deepcopy(document) | {"sender": "urn:x:1"}
    broken["epcisBody"]["queryResults"]["resultsBody"]["eventList"][0]["bizStep"] = "x"
    del broken["epcisBody"]["queryResults"]["queryName"]
    assert [finding.place for finding in findings(broken)] == [
        "/epcisBody/queryResults/queryName",
        "/sender",
        "/epcisBody/queryResults/resultsBody/eventList/0/bizStep",
    ]


@pytest.mark.parametrize(
    ("vocabulary", "place"),
    [
        ({"type": "7"}, "/type"),
        ({"vocabularyElementList": [{}]}, "/vocabularyElementList/0/id"),
        ({"vocabularyElementList": [{"id": "7"}]}, "/vocabularyElementList/0/id"),
        ({"vocabularyElementList": [{"id": "urn:x:1", "children": ["7"]}]}, "/vocabularyElementList/0/children/0"),
        ({"vocabularyElementList": [{"id": "urn:x:1", "attributes": [{"id": "urn:x:2", "attribute": True}]}]},
         "/vocabularyElementList/0/attributes/0/attribute"),
    ],
)  # fmt: skip
def test_refuses_master_data_of_the_wrong_form(vocabulary: dict[str, Any], place: str) -> None:
    master = {"vocabularyList": [{"type": "urn:epcglobal:epcis:vtype:Location"} | vocabulary]}
    whole = document_of(epcisHeader={"epcisMasterData": master})
    around = "/epcisHeader/epcisMasterData/vocabularyList/0"
    assert [finding.place for finding in findings(whole)] == [around + place]


@pytest.mark.parametrize(
    ("results", "place"),
    [({"queryName": 7}, "/queryName"), ({"subscriptionID": 7}, "/subscriptionID"), ({"note": 7}, "/note")],
)
def test_refuses_query_results_of_the_wrong_form(results: dict[str, Any], place: str) -> None:
    results = {
        "queryName": "SimpleEventQuery",
        "resultsBody": {"eventList": [event_of("ObjectEvent")]},
    } | results
    document = document_of(type="EPCISQueryDocument", epcisBody={"queryResults": results})
    assert [finding.place for finding in findings(document)] == ["/epcisBody/queryResults" + place]


def test_an_event_alone_has_a_context_of_its_own() -> None:
    event = event_of("ObjectEvent", **{"ex:note": 1})
    assert findings({"@context": CONTEXT} | event) == []
    assert [finding.place for finding in findings(event)] == ["/@context", "/ex:note"]
    assert [
        finding.place for finding in findings([{"@context": CONTEXT} | event, event_of("ObjectEvent")])
    ] == ["/1/@context"]
    assert [finding.place for finding in findings({"@context": [EPCIS, 7]} | event)] == ["/@context/1"]
    redefined = {"@context": [EPCIS, {"action": "https://example.org/"}]} | event_of("ObjectEvent")
    assert [finding.code for finding in findings(redefined)] == [Code.CONTEXT_REDEFINES]


def test_an_event_id_is_one_events_and_that_of_its_correction() -> None:
    first = event_of("ObjectEvent", eventID="urn:x-acme:event:1")
    second = event_of("ObjectEvent", eventID="urn:x-acme:event:1", epcList=[OTHER])
    declared = first | {"errorDeclaration": {"declarationTime": "2026-03-02T00:00:00Z"}}
    assert findings(document_of(first, first, declared)) == []
    assert [finding.place for finding in findings(document_of(first, second))] == [
        "/epcisBody/eventList/1/eventID"
    ]


def test_a_sensor_report_of_an_xml_document_may_leave_out_what_it_measured() -> None:
    event = json.dumps(
        event_of("ObjectEvent", sensorElementList=[{"sensorReport": [{"stringValue": "x"}]}])
    ).encode()
    context = json.dumps(CONTEXT).encode()
    assert check_event(event, context, Form.XML) == []
    assert len(check_event(event, context, Form.JSON)) == 1


def test_names_no_more_findings_than_anybody_would_read() -> None:
    events = [event_of("ObjectEvent", bizStep="x", disposition="y") for _ in range(FINDINGS)]
    assert len(findings(document_of(*events))) == FINDINGS


def test_many_notices_hide_no_refusal() -> None:
    event = event_of("ObjectEvent", **{f"_{number}": 1 for number in range(2 * FINDINGS)}, bizStep="x")
    found = findings(document_of(event))
    assert [finding.grade for finding in found] == [Grade.NOTED] * FINDINGS + [Grade.REFUSED]


def test_what_is_refused_has_no_extract_and_what_is_noted_has() -> None:
    events = [event_of("ObjectEvent", _comment="x"), event_of("ObjectEvent", bizStep="x", _comment="x")]
    document = read_document(json.dumps(document_of(*events)).encode(), Form.JSON)
    good, bad = examine(document)
    assert good.extract == extract(good.event, document.context)
    assert (good.place, len(good.refusals), len(good.notices)) == ("/epcisBody/eventList/0", 0, 1)
    assert bad.extract is None
    assert (len(bad.refusals), len(bad.notices), bad.members["bizStep"]) == (1, 1, "x")


def test_under_a_context_that_cannot_be_used_nothing_is_extracted() -> None:
    whole = document_of(**{"@context": [EPCIS, {"action": "https://example.org/"}]})
    document = read_document(json.dumps(whole).encode(), Form.JSON)
    assert [finding.place for finding in frame_findings(document)] == ["/@context"]
    assert [(one.extract, one.findings) for one in examine(document)] == [(None, ())]


def test_an_events_own_context_redefines_nothing() -> None:
    for own in ({"action": "https://example.org/"}, {"cbv": "https://example.org/"}, {"ex": "epcis:action"}):
        (finding,) = found_in(event_of("ObjectEvent", **{"@context": own}))
        assert (finding.place, finding.code) == ("/@context", Code.CONTEXT_REDEFINES)


def test_codes_say_what_kind_of_fault_it_is() -> None:
    assert found_in(event_of("ObjectEvent", eventTime="x"))[0].code is Code.BAD_TIME
    assert found_in(event_of("ObjectEvent", epcList=[ITEM, ITEM]))[0].code is Code.DUPLICATE_SUBJECT
    assert found_in(event_of("ObjectEvent", bizStep="x"))[0].code is Code.MALFORMED
    assert findings(document_of(schemaVersion="1.2"))[0].code is Code.UNSUPPORTED_VERSION


def test_a_place_is_a_json_pointer() -> None:
    assert found_in(event_of("ObjectEvent", **{"a/b~c": 1}))[0].place == "/a~1b~0c"


def test_what_cannot_be_read_is_an_error() -> None:
    with pytest.raises(FormError):
        check_document(b"{", Form.JSON)
    assert len(check_event(b"[1]", None)) == 1
    assert len(check_event(b'{"type":', None)) == 1
