"""EPCIS.md, Forms: what EPCIS XML comes to, and what is refused of it, with the line and the way."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.base import limits
from ledger.base.errors import Code, FormError
from ledger.epcis.document import Form, Shape, read_document
from ledger.epcis.xml.grammar import EVENTS, Element
from ledger.epcis.xml.reader import read_poll
from ledger.trade.extract import extract
from tests.epcis.xml_samples import DOCUMENTS, EVENT, FORMER, FULL, POLL, RESULTS


def events(data: bytes) -> list[Any]:
    return [json.loads(event) for event in read_document(data, Form.XML).events]


def lone(inner: str, **namespaces: str) -> bytes:
    declared = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in namespaces.items())
    return (
        f"<AssociationEvent{declared}><eventTime>2026-03-01T09:10:00Z</eventTime><eventTimeZoneOffset>+00:00</eventTimeZoneOffset>"
        f"<parentID>urn:a:b</parentID><childEPCs><epc>urn:a:c</epc></childEPCs><action>ADD</action>{inner}</AssociationEvent>"
    ).encode()


def member(inner: str, **namespaces: str) -> Any:
    """What the one foreign member of an event comes to."""
    return list(events(lone(inner, w="https://wine.example/", **namespaces))[0].values())[-1]


# --- what is read


def test_every_element_of_the_standard_has_its_place_in_json() -> None:
    document = read_document(FULL, Form.XML)
    first, *others = (json.loads(event) for event in document.events)
    assert (document.version, document.shape) == ("2.0", Shape.DOCUMENT)
    assert [event["type"] for event in others] == [
        "AggregationEvent", "TransactionEvent", "TransformationEvent", "AssociationEvent",
    ]  # fmt: skip
    assert list(first)[:9] == [
        "type", "eventTime", "recordTime", "eventTimeZoneOffset", "eventID", "errorDeclaration", "certificationInfo", "epcList", "action",
    ]  # fmt: skip
    assert first["errorDeclaration"] == {
        "declarationTime": "2026-03-02T09:00:00Z", "reason": "incorrect_data",
        "correctiveEventIDs": ["urn:uuid:5f0c1f1e-8a51-4f5e-9a0e-0f6a2f2f0002"], "wine:by": "the cellarer",
    }  # fmt: skip
    assert (first["bizStep"], first["disposition"]) == ("commissioning", "active")
    assert first["readPoint"] == {"id": "urn:epc:id:sgln:9521234.00001.7", "wine:row": "3"}
    assert first["bizTransactionList"] == [
        {"type": "po", "bizTransaction": "urn:epcglobal:cbv:bt:9521234000006:4711"},
        {"bizTransaction": "https://orders.example/4711"},
    ]
    assert first["quantityList"] == [
        {"epcClass": "urn:epc:class:lgtin:9521234.012345.L7", "quantity": 12.5, "uom": "LTR"},
        {"epcClass": "urn:epc:class:lgtin:9521234.012345.L8"},
    ]
    assert first["destinationList"][0]["type"] == "https://wine.example/terms/merchant"
    assert first["sensorElementList"][0]["sensorReport"] == [
        {"type": "Temperature", "value": -15.0, "uom": "CEL", "component": "x", "booleanValue": True, "stringValue": " cold ",
         "exception": "ALARM_CONDITION", "wine:cask": "7"},
        {"type": "https://wine.example/terms/Tannin", "minValue": 0.5, "maxValue": 3},
    ]  # fmt: skip
    assert first["persistentDisposition"] == {
        "unset": ["completeness_inferred"],
        "set": ["completeness_verified"],
    }
    assert first["ilmd"] == {
        "cbvmda:lotNumber": "L7", "wine:grape": ["palomino", "moscatel"],
        "wine:alcohol": {"measurementUnitCode": "P1", "rdf:value": "15.0"},
    }  # fmt: skip
    assert first["wine:label"] == {"@value": "Fino", "@language": "es"}
    assert first["wine:tasting"] == {"note": "dry", "wine:score": "91"}
    assert first["custody:count"] == 2
    assert document.frame["epcisHeader"]["epcisMasterData"]["vocabularyList"][0]["vocabularyElementList"][
        0
    ] == {
        "id": "urn:epc:id:sgln:9521234.00001.0",
        "attributes": [
            {"id": "urn:epcglobal:cbv:mda#name", "attribute": "Cellar of Jerez"},
            {"id": "urn:epcglobal:cbv:mda#address", "attribute": {"wine:street": "Calle 1"}},
        ],
        "children": ["urn:epc:id:sgln:9521234.00001.1"],
    }
    assert (document.frame["sender"], document.frame["receiver"]) == (
        "urn:epc:id:pgln:9521234.00000", "urn:epc:id:pgln:9525678.00000",
    )  # fmt: skip


def test_namespaces_become_a_context_that_redefines_nothing() -> None:
    document = read_document(FULL, Form.XML)
    context = json.loads(document.context or b"")
    assert context[0] == "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"
    first = json.loads(document.events[0])
    marks = {name: value for name, value in first.items() if name.endswith(":mark")}
    meant = {context[1][name.partition(":")[0]]: value for name, value in marks.items()}
    assert meant == {
        "https://other.example/": "a", "https://kinds.example/": "b", "https://default.example/": "", "https://second.example/": "c",
    }  # fmt: skip
    assert context[1]["wine"] == "https://wine.example/terms/"
    assert not {"other", "type", "cbvmda"} & context[1].keys()
    # What the extractor takes from a context, it takes from this one.
    extract(document.events[1], document.context)


@pytest.mark.parametrize("prefix", ["cbv", "epcis", "custody", "urn", "http", "shipping", "id"])
def test_a_prefix_that_means_something_else_here_is_renamed(prefix: str) -> None:
    document = read_document(
        lone(f"<{prefix}:a>b</{prefix}:a>", **{prefix: "https://wine.example/"}), Form.XML
    )
    assert json.loads(document.context or b"")[1] == {f"{prefix}2": "https://wine.example/"}
    assert json.loads(document.events[0])[f"{prefix}2:a"] == "b"
    extract(document.events[0], document.context)


def test_former_versions_are_opened_and_their_order_is_not_judged() -> None:
    document = read_document(FORMER, Form.XML)
    assert document.version == "1.2"
    first, quantity, _, association = events(FORMER)
    assert first["eventID"] == "urn:uuid:5f0c1f1e-8a51-4f5e-9a0e-0f6a2f2f0003"
    assert first["ilmd"] == {"wine:grape": "palomino"}
    assert first["sensorElementList"] == [{"sensorReport": [{"type": "Temperature", "value": 7}]}]
    assert quantity == {
        "type": "ObjectEvent", "eventTime": "2016-03-01T09:10:00Z", "eventTimeZoneOffset": "+00:00", "bizStep": "stocking",
        "action": "OBSERVE", "quantityList": [{"epcClass": "urn:epc:idpat:sgtin:9521234.012345.*", "quantity": 100}],
    }  # fmt: skip
    assert association["childEPCs"] == ["urn:epc:id:giai:9521234.77"]
    assert events(FORMER.replace(b"epcis:xsd:1", b"epcis:xsd:2")) == events(FORMER)
    assert events(FORMER.replace(b' schemaVersion="1.2"', b"")) == events(FORMER)


def test_results_and_a_lone_event() -> None:
    results = read_document(RESULTS, Form.XML)
    assert results.shape is Shape.QUERY_DOCUMENT
    assert results.frame["epcisBody"]["queryResults"]["subscriptionID"] == "cellar"
    event = read_document(EVENT, Form.XML)
    assert (event.shape, event.frame) == (Shape.EVENT, {})
    assert events(EVENT)[0]["ns:label"] == "Fino"


def test_elements_may_stand_in_the_namespace_of_the_document_and_in_another_encoding() -> None:
    text = RESULTS.decode()
    qualified = re.sub(r"<(/?)(?!epcisq:)([A-Za-z])", r"<\1e:\2", text).replace(
        "xmlns:epcisq", 'xmlns:e="urn:epcglobal:epcis:xsd:2" xmlns:epcisq'
    )
    assert events(qualified.encode()) == events(RESULTS)
    assert events(text.encode("utf-16")) == events(RESULTS)
    latin = '<?xml version="1.0" encoding="ISO-8859-1"?>' + lone("<w:a>é</w:a>", w="u").decode()
    assert events(latin.encode("latin-1"))[0]["w:a"] == "é"


@pytest.mark.parametrize(
    ("inner", "value"),
    [
        ("<w:a> b </w:a>", "b"),
        ("<w:a/>", ""),
        ("<w:a><![CDATA[<b>]]>&amp;c</w:a>", "<b>&c"),
        ("<w:a>b</w:a><w:a/><w:a><w:c>d</w:c></w:a>", ["b", "", {"w:c": "d"}]),
        ("<w:a>b<w:c>d</w:c>e</w:a>", {"w:c": "d", "rdf:value": "be"}),
        ('<w:a w:b="c" d="e">f</w:a>', {"w:b": "c", "d": "e", "rdf:value": "f"}),
        ('<w:a xml:lang="es" xml:space="preserve"> b </w:a>', {"@value": " b ", "@language": "es"}),
        ('<w:a xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:type="xsd:integer">7</w:a>', "7"),
        ('<w:a c:kind="number">+07.50</w:a>', {"c:kind": "number", "rdf:value": "+07.50"}),
        ('<w:a custody:kind="number">+07.50</w:a>', 7.5),
        ('<w:a custody:kind="boolean">0</w:a>', False),
        ('<w:a custody:kind="null"/>', None),
        ('<w:a custody:kind="array">b</w:a>', ["b"]),
        ('<w:a custody:kind="array">b</w:a><w:a>c</w:a>', ["b", "c"]),
        ('<w:a>b</w:a><w:a custody:kind="array">c</w:a>', ["b", "c"]),
        ('<w:a>b</w:a><w:a>c</w:a><w:a custody:kind="array">d</w:a>', ["b", "c", "d"]),
        ("<extension><w:a>b</w:a></extension><w:a>c</w:a><extension><w:a>d</w:a></extension>", ["b", "c", "d"]),
        ('<w:a custody:kind="json">{"b":[1,null]}</w:a>', {"b": [1, None]}),
        ("<custody:legs><custody:from>a</custody:from></custody:legs>", [{"custody:from": "a"}]),
    ],
)  # fmt: skip
def test_what_is_foreign_is_carried_whole(inner: str, value: Any) -> None:
    assert member(inner, custody="https://custody-ledger.org/ns/", c="https://wine.example/c/") == value


def test_a_poll_is_a_name_and_its_parameters() -> None:
    assert read_poll(POLL) == (
        "SimpleEventQuery",
        {
            "EQ_action": ["ADD", "OBSERVE"],
            "GE_eventTime": "2026-03-01T00:00:00Z",
            "EXISTS_errorDeclaration": None,
        },
    )


def test_master_data_is_no_event_but_stays_in_the_frame() -> None:
    assert (
        read_document(FULL, Form.XML).frame["epcisHeader"]["sbdh:StandardBusinessDocumentHeader"][
            "sbdh:HeaderVersion"
        ]
        == "1.0"
    )


# --- what is refused


def altered(old: str, new: str, data: bytes = FULL) -> bytes:
    assert old.encode() in data
    return data.replace(old.encode(), new.encode(), 1)


REFUSED = {
    "an unknown element": (altered("<action>ADD</action>", "<action>ADD</action><colour>red</colour>"),
        "line 51, /EPCISDocument/EPCISBody/EventList/ObjectEvent (event 1): expected <bizStep> or .* got <colour>"),
    "another order": (altered("<action>ADD</action>", "").replace(b"<bizLocation>", b"<action>ADD</action><bizLocation>", 1),
        "ObjectEvent (event 1): expected <action>, got <bizStep>"),
    "a step back": (altered("<bizLocation>", "<action>ADD</action><bizLocation>"), "expected <bizLocation> or .* got <action>"),
    "a missing member": (altered("<eventTimeZoneOffset>+01:00</eventTimeZoneOffset>", ""), "expected <eventTimeZoneOffset>, got <eventID>"),
    "a missing last member": (altered("<action>OBSERVE</action>", ""), "TransactionEvent (event 3): expected <action>, got none"),
    "a member twice": (altered("<baseExtension><eventID>", "<baseExtension><eventID/><eventID>", FORMER), "expected <eventID> once"),
    "a member again in a wrapper": (altered("</ilmd>", "</ilmd><extension><action>ADD</action></extension>"), "expected <action> once"),
    "a foreign element first": (altered("<eventTime>", "<wine:a/><eventTime>"), "expected <eventTime>, got <a>"),
    "a foreign element where none may be": (altered("<uom>LTR</uom>", "<wine:a/>"), "quantityElement.*got <a>"),
    "a foreign element in between": (altered("<bizStep>", "<wine:a/><bizStep>"), "expected an element of another namespace, got <bizStep>"),
    "a foreign attribute": (altered('<bizTransaction type=', '<bizTransaction wine:a="b" type='), "of <bizTransaction>, got one"),
    "text among elements": (altered("<epcList>", "<epcList>two"), "expected elements only, got text 'two'"),
    "text in an event": (altered("<action>ADD", "two<action>ADD"), "got text 'two'"),
    "elements in text": (altered("<action>ADD", "<action><a/>ADD"), "ObjectEvent/action (event 1): expected text only, got <a>"),
    "another item": (altered("<epc>urn:epc:id:sgtin:9521234.012345.1</epc>", "<id>a</id>"), "epcList (event 1): expected <epc>, got <id>"),
    "no item": (altered("<bizTransactionList><bizTransaction type=\"urn:epcglobal:cbv:btt:po\">https://orders.example/4711</bizTransaction>",
        "<bizTransactionList>"), "expected at least one <bizTransaction>, got none"),
    "an attribute": (altered('<bizTransaction type=', '<bizTransaction kind='), "expected no attribute 'kind' of <bizTransaction>"),
    "a missing attribute": (altered('<source type="urn:epcglobal:cbv:sdt:owning_party">', "<source>"), "expected the attribute type of <source>"),
    "no number": (altered("+012.50", "many"), "quantity (event 1): expected a number, got 'many'"),
    "no finite number": (altered('value="-1.5e1"', 'value="INF"'), "expected a number, got 'INF'"),
    "a long number": (altered("+012.50", "1" * 19), "at most 18 digits"),
    "no boolean": (altered('booleanValue="1"', 'booleanValue="yes"'), "expected true or false, got 'yes'"),
    "no event": (altered("<TransactionEvent>", "<TastingEvent>").replace(b"</TransactionEvent>", b"</TastingEvent>"),
        "EventList (event 3): expected an event .*, got <TastingEvent>"),
    "an event of 1.x": (altered("urn:epcglobal:epcis:xsd:1", "urn:epcglobal:epcis:xsd:2", FORMER).replace(b'"1.2"', b'"2.0"'),
        "got <QuantityEvent>"),
    "no event list": (altered("EventList>", "Events>").replace(b"</EventList>", b"</Events>"), "EPCISBody: expected <EventList>, got <Events>"),
    "no events": (re.sub(rb"<EventList>.*</EventList>", b"<EventList/>", FULL, flags=re.DOTALL), "expected at least one event, got none"),
    "no body": (re.sub(rb"<EPCISBody>.*</EPCISBody>", b"", FULL, flags=re.DOTALL), "/EPCISDocument: expected <EPCISBody>, got none"),
    "another root": (b"<Shipment/>", "line 1: expected EPCISDocument, EPCISQueryDocument or an event, got <Shipment>"),
    "a root of another namespace": (b'<EPCISDocument xmlns="https://wine.example/"/>', "got <EPCISDocument>"),
    "a poll": (POLL, "expected at least one event"),
    "another version": (altered('schemaVersion="2.0"', 'schemaVersion="3.0"'), "expected schemaVersion 2.0, 1.2, 1.1 or 1.0, got '3.0'"),
    "a mark that is none": (lone('<w:a custody:kind="set"/>', w="u", custody="https://custody-ledger.org/ns/"), "expected a kind of value"),
    "a marked number that is none": (lone('<w:a custody:kind="number">x</w:a>', w="u", custody="https://custody-ledger.org/ns/"), "a number"),
    "JSON that is none": (lone('<w:a custody:kind="json">{</w:a>', w="u", custody="https://custody-ledger.org/ns/"), "member name"),
    "an event as JSON that is none": (re.sub(rb"<EventList>.*</EventList>",
        b"<EventList><extension><custody:event>[]</custody:event></extension></EventList>", FULL, flags=re.DOTALL), "an event as a JSON object"),
    "not well-formed": (FULL[:-30], "expected well-formed XML, got"),
    "nothing": (b"", "expected well-formed XML"),
    "an unknown entity": (lone("<w:a>&b;</w:a>", w="u"), "undefined entity"),
    "an unbound prefix": (lone("<v:a/>"), "unbound prefix"),
    "an encoding": (b'<?xml version="1.0" encoding="windows-1252"?><a/>', "UTF-8, UTF-16, US-ASCII or ISO-8859-1, got 'windows-1252'"),
    "entities": (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "declares no document type and no entities"),
    "a foreign document type": (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "declares no document type"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_refused_at_its_place(name: str) -> None:
    data, message = REFUSED[name]
    with pytest.raises(FormError, match=re.escape(message).replace(r"\.\*", ".*")):
        read_document(data, Form.XML)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (lone("<w:a>" * limits.XML_DEPTH + "</w:a>" * limits.XML_DEPTH, w="u"), Code.TOO_DEEP),
        (FULL.replace(b"<EPCISHeader>", b"<EPCISHeader>" + b"<wine:a>" * limits.XML_DEPTH + b"</wine:a>" * limits.XML_DEPTH), Code.TOO_DEEP),
        (lone("<w:a><w:b/><w:b>" * 20 + "</w:b></w:a>" * 20, w="u"), Code.TOO_DEEP),
        (lone("<w:a " + " ".join(f'a{n}=""' for n in range(limits.XML_ATTRIBUTES + 1)) + "/>", w="u"), Code.TOO_LARGE),
        (lone("".join(f"<w:a{n}/>" for n in range(limits.XML_NAMES)), w="u"), Code.TOO_LARGE),
        (lone("".join(f'<w:a xmlns:w="u{n}{"x" * 490}"/>' for n in range(70)), w="u"), Code.TOO_LARGE),
        (lone("<w:a/>", w="u" * (limits.IDENTIFIER_BYTES + 1)), Code.TOO_LARGE),
        (lone("<w:a>" + "x" * limits.EVENT_BYTES + "</w:a>", w="u"), Code.TOO_LARGE),
        (b"<a b='" + b"x" * 2 * limits.XML_TOKEN_BYTES + b"'/>", Code.TOO_LARGE),
        (b"<!--" + b"x" * 2 * limits.XML_TOKEN_BYTES + b"--><a/>", Code.TOO_LARGE),
        (b" " * (limits.DOCUMENT_BYTES + 1), Code.TOO_LARGE),
    ],
    ids=["depth", "a deep header", "arrays", "attributes", "names", "namespaces", "a namespace", "an event", "a tag", "a comment", "a document"],
)  # fmt: skip
def test_what_is_too_much_is_refused(data: bytes, code: Code) -> None:
    with pytest.raises(FormError) as refused:
        read_document(data, Form.XML)
    assert refused.value.code is code


def test_a_poll_names_each_parameter_once() -> None:
    with pytest.raises(FormError, match="expected each parameter once") as refused:
        read_poll(POLL.replace(b"GE_eventTime", b"EQ_action"))
    assert refused.value.code is Code.DUPLICATE_KEY
    with pytest.raises(FormError, match="with <Poll> in it"):
        read_poll(RESULTS)
    with pytest.raises(FormError, match="with <Poll> in it"):
        read_poll(EVENT)


@given(data=st.binary(max_size=200), place=st.integers(0, 10_000), of=st.sampled_from([*DOCUMENTS, POLL]))
def test_any_bytes_anywhere_are_read_or_refused(data: bytes, place: int, of: bytes) -> None:
    for mixed in (data, of[: place % len(of)] + data, of[: place % len(of)] + data + of[place % len(of) :]):
        for read in (lambda body: read_document(body, Form.XML), read_poll):
            with suppress(FormError):
                read(mixed)


def test_the_tables_name_each_child_once() -> None:
    seen: set[str] = set()

    def check(element: Element, way: str) -> None:
        names = [member.name for member in element.members] + [
            member.name for member in element.attributes.values()
        ]
        assert len(set(names)) == len(names), way
        assert len(element.places) == len(element.members), way
        seen.add(way)
        for inner in element.members:
            check(inner.element, f"{way}/{inner.element.name}")

    for name, element in EVENTS.items():
        check(element, name)
    assert len(seen) > 150
