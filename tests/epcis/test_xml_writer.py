"""EPCIS.md, Forms: JSON written as XML is valid by the standard's schemas, and read again is the same value."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from ledger.base.errors import FormError
from ledger.epcis.document import Document, Form, read_document
from ledger.epcis.json_text import json_text
from ledger.epcis.vocabulary import CbvFormat
from ledger.epcis.xml.reader import read_poll
from ledger.epcis.xml.writer import document_xml, poll_xml
from ledger.trade.slices import Number, parse
from tests.epcis.generated import ANYTHING, CONTEXT, EVENTS, TEXTS
from tests.epcis.meaning import meaning, meanings
from tests.epcis.xml_samples import DOCUMENTS, FULL, POLL

Check = Callable[[bytes], str]
CREATED = "2026-03-01T10:00:00.000Z"


@pytest.fixture(scope="module")
def faults(shared_data: Path) -> Check:
    """What the official schema finds wrong in a document; empty where nothing is."""
    folder = shared_data / "epcis/schema/XSD"
    schemas = {
        f"{{urn:epcglobal:{kind}:xsd:2}}": etree.XMLSchema(etree.parse(folder / f"EPCglobal-{kind}-2_0.xsd"))
        for kind in ("epcis", "epcis-query")
    }

    def check(data: bytes) -> str:
        root = etree.fromstring(data)
        schema = schemas[root.tag[: root.tag.index("}") + 1]]
        return "" if schema.validate(root) else "; ".join(str(error) for error in schema.error_log)

    return check


def answer(events: list[Any], context: Any = None, **more: Any) -> dict[str, Any]:
    results = {"queryName": "SimpleEventQuery", "resultsBody": {"eventList": events}}
    framing = {
        "@context": context,
        "type": "EPCISQueryDocument",
        "schemaVersion": "2.0",
        "creationDate": CREATED,
    }
    return framing | more | {"epcisBody": {"queryResults": results}}


def capture(events: list[Any], context: Any = None, **more: Any) -> dict[str, Any]:
    framing = {"@context": context, "type": "EPCISDocument", "schemaVersion": "2.0", "creationDate": CREATED}
    return framing | more | {"epcisBody": {"eventList": events}}


def values(document: Document) -> tuple[list[Any], Any]:
    context = None if document.context is None else parse(document.context, 100_000)
    return [parse(event, 1_000_000) for event in document.events], context


def back(data: bytes) -> Document:
    return read_document(data, Form.XML)


# Events of the examples with a time that the schema refuses; XML says them as they are.
WRONG_TIMES = {"Combination_of_multiple_invalid_fields", "ObjectEvent_with_invalid_eventTime_format"}  # fmt: skip


def test_every_example_is_written_read_again_and_valid(shared_data: Path, faults: Check) -> None:
    written = 0
    base = shared_data / "epcis"
    for path in sorted([*base.rglob("*.json*"), *base.rglob("*.xml")]):
        if "schema" in path.parts or "Queries" in path.parts or path.name == "event_hash_vectors.json":
            continue
        try:
            document = read_document(path.read_bytes(), Form.XML if path.suffix == ".xml" else Form.JSON)
        except FormError:
            continue  # tests/epcis/test_vectors.py says which
        events, context = values(document)
        for value in (answer(events, context), capture(events, context)):
            data = document_xml(value)
            assert meanings(back(data)) == meanings(document), path
            if faults(data):
                assert path.stem in WRONG_TIMES, path
                assert "is not a valid value of the atomic type" in faults(data)
            written += 1
    assert written == 400


def test_what_is_in_xml_already_comes_back_as_it_was() -> None:
    for data in DOCUMENTS:
        document = back(data)
        events, context = values(document)
        again = back(document_xml(capture(events, context) | document.frame | {"epcisBody": {"eventList": events}}
                                  if document.frame.get("type") == "EPCISDocument" else capture(events, context)))  # fmt: skip
        assert [parse(event, 1_000_000) for event in again.events] == events
        assert again.context == document.context


def test_the_header_comes_back(faults: Check) -> None:
    document = back(FULL)
    events, context = values(document)
    data = document_xml(document.frame | {"@context": context, "epcisBody": {"eventList": events}})
    assert back(data).frame == document.frame
    assert document.frame["sender"] == "urn:epc:id:pgln:9521234.00000"
    assert document.frame["instanceIdentifier"] == "cellar-77"
    assert faults(data) == ""


def test_sender_and_receiver_become_a_standard_header(faults: Check) -> None:
    said = {
        "sender": "urn:epc:id:pgln:9521234.00000",
        "receiver": "urn:epc:id:pgln:9525678.00000",
        "instanceIdentifier": "77",
    }
    data = document_xml(capture([], **said))
    assert b"<sbdh:Receiver><sbdh:Identifier>urn:epc:id:pgln:9525678.00000<" in data
    assert faults(data) == ""


EVENT: dict[str, Any] = {
    "type": "ObjectEvent", "eventTime": "2026-03-01T09:00:00Z", "eventTimeZoneOffset": "+00:00", "action": "OBSERVE",
}  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "step", "kind"),
    [
        (CbvFormat.NO_PREFERENCE, "urn:epcglobal:cbv:bizstep:shipping", "urn:epcglobal:cbv:bizstep:loading"),
        (CbvFormat.URN, "urn:epcglobal:cbv:bizstep:shipping", "urn:epcglobal:cbv:bizstep:loading"),
        (
            CbvFormat.WEB,
            "https://ref.gs1.org/cbv/BizStep-shipping",
            "https://ref.gs1.org/cbv/BizStep-loading",
        ),
        (
            CbvFormat.AS_WRITTEN,
            "urn:epcglobal:cbv:bizstep:shipping",
            "https://ns.gs1.org/cbv/BizStep-loading",
        ),
    ],
)
def test_words_are_spelt_as_asked(wanted: CbvFormat, step: str, kind: str) -> None:
    events = [EVENT | {"bizStep": "shipping"}, EVENT | {"bizStep": "https://ns.gs1.org/cbv/BizStep-loading"}]
    data = document_xml(capture(events), wanted).decode()
    assert f"<bizStep>{step}</bizStep>" in data
    assert f"<bizStep>{kind}</bizStep>" in data
    assert "<bizStep>own</bizStep>" in document_xml(capture([EVENT | {"bizStep": "own"}]), wanted).decode()


@pytest.mark.parametrize(
    "event",
    [
        EVENT | {"certificationInfo": ["https://a.example/1", "https://a.example/2"]},
        EVENT | {"eventID": "a\u0001b"},
        EVENT | {"comment": "no member of the standard"},
        EVENT | {"bizStep": None},
        EVENT | {"type": "cellar:TastingEvent"},
        EVENT | {"cellar:a/b": "c"},
        {"type": ["ObjectEvent"]},
        {},
    ],
)
def test_an_event_that_xml_cannot_say_stands_in_it_as_json(event: dict[str, Any], faults: Check) -> None:
    data = document_xml(
        answer([event, EVENT], ["https://x.example/context.jsonld", {"cellar": "https://cellar.example/"}])
    )
    assert b"<custody:event>" in data
    assert values(back(data))[0] == [event, EVENT]
    assert values(back(data))[1][:2] == [
        "https://x.example/context.jsonld",
        {"cellar": "https://cellar.example/"},
    ]
    assert faults(data) == ""


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a", b"<w:a>a</w:a>"),
        ("", b"<w:a></w:a>"),
        (" a", b'<w:a xml:space="preserve"> a</w:a>'),
        ("\u0001", b'<w:a custody:kind="json">"\\u0001"</w:a>'),
        (Number("1.50"), b'<w:a custody:kind="number">1.50</w:a>'),
        (True, b'<w:a custody:kind="boolean">true</w:a>'),
        (None, b'<w:a custody:kind="null"/>'),
        (["a", "b"], b"<w:a>a</w:a><w:a>b</w:a>"),
        (["a"], b'<w:a custody:kind="array">a</w:a>'),
        ([], b'<w:a custody:kind="json">[]</w:a>'),
        ([Number("1")], b'<w:a custody:kind="json">[1]</w:a>'),
        ([["a"], "b"], b'<w:a custody:kind="json">[["a"],"b"]</w:a>'),
        ({"w:b": "c", "d": "e"}, b"<w:a><w:b>c</w:b><d>e</d></w:a>"),
        ({"@value": "uva", "@language": "es"}, b'<w:a xml:lang="es">uva</w:a>'),
        ({"@id": "x"}, b'<w:a custody:kind="json">{"@id":"x"}</w:a>'),
        ({}, b'<w:a custody:kind="json">{}</w:a>'),
    ],
)
def test_values_of_others(value: Any, written: bytes) -> None:
    data = document_xml(capture([EVENT | {"w:a": value}], {"w": "https://wine.example/"}))
    assert written in data
    assert values(back(data))[0] == [EVENT | {"w:a": value}]


@pytest.mark.parametrize(
    "context",
    [
        None,
        CONTEXT,
        {"wine": {"@id": "https://wine.example/terms/", "@prefix": True}},
        ["https://x.example/context.jsonld", {"wine": "https://wine.example/terms/"}],
        [{"wine": "https://wine.example/terms/", "wine:age": {"@type": "xsd:integer"}}],
    ],
)
def test_a_context_that_is_more_than_namespaces_is_carried(context: Any) -> None:
    events = [
        EVENT | {"wine:age": Number("7")},
        EVENT | {"@context": {"wine": "urn:other:"}, "wine:age": Number("8")},
    ]
    again, said = values(back(document_xml(capture(events, context))))
    assert [meaning(one, said) for one in again] == [meaning(one, context) for one in events]
    if context is not None and context is not CONTEXT:
        assert context in (said, said[: len(context)], said[0])


@pytest.mark.parametrize(
    "more",
    [
        {"quantityList": [{"epcClass": "urn:a:b", "quantity": Number("1e-20")}]},
        {"quantityList": [{"epcClass": "urn:a:b", "quantity": Number("12e30")}]},
        {"quantityList": [{"epcClass": "urn:a:b", "quantity": Number("-1.25E2"), "uom": "KGM"}]},
        {"x:bizStep": "a"},
        {"y:type": "b"},
    ],
)
def test_what_would_be_read_otherwise_is_said_otherwise(more: dict[str, Any], faults: Check) -> None:
    context = {"x": "urn:epcglobal:epcis:xsd:2", "y": "http://www.w3.org/2001/XMLSchema-instance"}
    data = document_xml(answer([EVENT | more], context))
    assert meanings(back(data)) == [meaning(EVENT | more, context)]
    assert faults(data) == ""


@pytest.mark.parametrize(
    "more", [{"bizStep": "wine:crushing"}, {"cask:a": "wine:b"}, {"cask:a": {"@id": "b", "wine:c": "d"}}]
)
def test_a_prefix_that_only_values_need_is_kept(more: dict[str, Any]) -> None:
    events, context = values(back(document_xml(answer([EVENT | more], CONTEXT))))
    assert events == [EVENT | more]
    assert context == CONTEXT


def test_a_prefix_that_nobody_explains_is_not_explained(faults: Check) -> None:
    data = document_xml(answer([EVENT | {"unheard:a": "b"}]))
    events, context = values(back(data))
    assert events == [EVENT | {"unheard:a": "b"}]
    assert context == ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"]
    assert faults(data) == ""


def test_a_list_that_xml_cannot_have_empty_is_none(faults: Check) -> None:
    data = document_xml(answer([EVENT | {"sourceList": [], "epcList": []}]))
    assert values(back(data))[0] == [EVENT | {"epcList": []}]
    assert faults(data) == ""


@given(events=st.lists(EVENTS, max_size=3))
def test_generated_events_come_back(events: list[dict[str, Any]]) -> None:
    document = back(document_xml(capture([EVENT, *events], CONTEXT)))
    again, context = values(document)
    assert [meaning(one, context) for one in again] == [meaning(one, CONTEXT) for one in [EVENT, *events]]


@given(
    events=st.lists(ANYTHING, max_size=2), context=st.sampled_from([None, CONTEXT, ["https://x.example/c"]])
)
def test_any_values_at_all_come_back(events: list[dict[str, Any]], context: Any) -> None:
    data = document_xml(answer([EVENT, *events], context))
    again, said = values(back(data))
    assert [meaning(one, said) for one in again] == [meaning(one, context) for one in [EVENT, *events]]
    for event in again:
        json.loads(json_text(event))


def test_generated_events_are_valid_by_the_schema(faults: Check) -> None:
    @given(event=EVENTS)
    def check(event: dict[str, Any]) -> None:
        assert faults(document_xml(answer([event], CONTEXT))) == ""

    check()


def test_a_query_comes_back(faults: Check) -> None:
    poll = read_poll(POLL)
    data = poll_xml(poll.query_name, poll.parameters, CREATED)
    assert read_poll(data) == poll
    assert faults(data) == ""


@given(
    name=TEXTS,
    parameters=st.dictionaries(TEXTS, st.one_of(st.none(), TEXTS, st.lists(TEXTS, max_size=2)), max_size=3),
)
def test_generated_queries_come_back(name: str, parameters: dict[str, Any]) -> None:
    try:
        data = poll_xml(name, parameters, CREATED)
    except FormError:
        return
    assert read_poll(data) == (name, parameters)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"type": "EPCISDocument"},
        capture([]) | {"epcisBody": {"eventList": [1]}},
        answer([]) | {"epcisBody": {}},
    ],
)
def test_what_is_no_document_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(FormError):
        document_xml(value)
