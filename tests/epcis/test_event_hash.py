"""The CBV event hash: the vectors of both implementations, and what may and may not change it (EPCIS.md, Event hash)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.base.check_digits import gs1_check_digit
from ledger.base.errors import Code, FormError
from ledger.epcis.document import Document, Form, Shape, read_document
from ledger.epcis.event_hash import Mode, event_hashes, prehashes
from ledger.epcis.hashed_values import _link, spelled

FORMS = {".json": Form.JSON, ".jsonld": Form.JSON, ".xml": Form.XML}
CONTEXT = {"ext": "https://ns.example.com/ext/", "bare": "https://ns.example.com/bare"}

EVENT: dict[str, Any] = {
    "type": "ObjectEvent",
    "eventTime": "2026-03-04T11:00:30.25+01:00",
    "eventTimeZoneOffset": "+01:00",
    "epcList": ["https://example.com/01/09521234000013/21/2", "urn:epc:id:sgtin:9521234.000001.1"],
    "quantityList": [{"epcClass": "urn:epc:class:lgtin:9521234.000002.L7", "quantity": 12.5, "uom": "KGM"}],
    "action": "OBSERVE",
    "bizStep": "shipping",
    "disposition": "urn:epcglobal:cbv:disp:in_transit",
    "persistentDisposition": {"set": ["completeness_verified", "conformant"], "unset": ["unknown"]},
    "readPoint": {"id": "urn:epc:id:sgln:9521234.00001.0", "ext:dock": "4"},
    "bizLocation": {"id": "https://id.gs1.org/414/9521234000020"},
    "bizTransactionList": [{"type": "po", "bizTransaction": "urn:epcglobal:cbv:bt:9521234000013:4"}],
    "sourceList": [{"type": "possessing_party", "source": "urn:epc:id:pgln:9521234.00000"}],
    "destinationList": [{"type": "possessing_party", "destination": "urn:epc:id:pgln:9521235.00000"}],
    "sensorElementList": [
        {
            "sensorMetadata": {"time": "2026-03-04T10:00:00Z", "deviceID": "urn:epc:id:giai:9521234.7"},
            "sensorReport": [
                {"type": "Temperature", "value": 26.10, "uom": "CEL", "ext:probe": "outer"},
                {"type": "Angle", "component": "latitude", "value": -0.5, "booleanValue": True},
            ],
        }
    ],
    "ilmd": {"ext:batch": "L7", "cbvmda:lotNumber": "L7"},
    "ext:list": [{"ext:b": 2, "ext:a": [1, 3]}, "plain"],
    "bare:word": "cbv:BizStep-packing",
}


def document(event: dict[str, Any] | str, context: Any = CONTEXT) -> Document:
    """A document of one event."""
    text = event if isinstance(event, str) else json.dumps(event)
    return Document(json.dumps(context).encode(), (text.encode(),), Form.JSON, "2.0", Shape.DOCUMENT, {})


def prehash(event: dict[str, Any] | str, mode: Mode, context: Any = CONTEXT) -> str:
    (text,) = prehashes(document(event, context), mode)
    return text


def _vectors(shared_data: Path, form: Form) -> list[dict[str, Any]]:
    vectors = json.loads((shared_data / "epcis" / "event_hash_vectors.json").read_text())
    return [vector for vector in vectors if FORMS[Path(vector["file"]).suffix] is form]


def _differing(shared_data: Path, vectors: list[dict[str, Any]], mode: Mode) -> list[str]:
    """The vectors of which we compute another hash."""
    read: dict[str, list[str]] = {}
    for file in {vector["file"] for vector in vectors}:
        body = (shared_data / "epcis" / file).read_bytes()
        read[file] = list(event_hashes(read_document(body, FORMS[Path(file).suffix]), mode))
    return [
        f"{vector['file']}#{vector['index']}"
        for vector in vectors
        if read[vector["file"]][vector["index"]] != vector["hash"]
    ]


def test_reference_mode_reproduces_every_json_vector(shared_data: Path) -> None:
    vectors = _vectors(shared_data, Form.JSON)
    assert sum(vector["official"] for vector in vectors) == 26
    assert _differing(shared_data, vectors, Mode.REFERENCE) == []


# What XML says beside its values is not carried into events: types of XML Schema, and that a value is nil. A time in no form
# of XML Schema, and words of EPCIS 2.1, are read by the reference.
XML_ONLY = (
    "ErrorDeclarationAndCorrectiveEvent.xml", "event_with_identical_hash_id_", "_all_possible_fields.xml",
    "ObjectEvent_with_invalid_eventTime_format.xml", "queryDocument.xml",
)  # fmt: skip
# These are refused as documents, three for the order of their fields alone.
JUMBLED = ("JumbledFieldsOrder.xml", "ObjectEvent_with_wrong_element_order.xml")
UNREADABLE = (
    *JUMBLED,
    "ObjectEvent_with_unknown_element.xml",
    "QueryDocument_with_invalid_eventType.xml",
)


def _readable(vectors: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [vector for vector in vectors if not vector["file"].endswith(UNREADABLE)]


def test_reference_mode_reproduces_the_xml_vectors(shared_data: Path) -> None:
    vectors = _readable(_vectors(shared_data, Form.XML))
    official = [vector for vector in vectors if vector["official"]]
    assert len(official) == 27
    assert _differing(shared_data, official, Mode.REFERENCE) == []
    differing = _differing(shared_data, vectors, Mode.REFERENCE)
    assert [name for name in differing if not any(part in name for part in XML_ONLY)] == []
    assert len(vectors) - len(differing) == 103


@pytest.mark.parametrize(("form", "count"), [(Form.JSON, 35), (Form.XML, 58)])
def test_standard_mode_reproduces_what_both_implementations_agree_on(
    shared_data: Path, form: Form, count: int
) -> None:
    agreed = [vector for vector in _readable(_vectors(shared_data, form)) if vector["agree_openepcis_java"]]
    assert len(agreed) == count
    assert _differing(shared_data, agreed, Mode.STANDARD) == []


def test_the_order_of_xml_elements_does_not_show(shared_data: Path) -> None:
    """Three documents have fields in an order that no schema allows; read as EPCIS 1.2, where none is judged."""
    jumbled = [vector for vector in _vectors(shared_data, Form.XML) if vector["file"].endswith(JUMBLED)]
    assert len(jumbled) == 3
    for vector in jumbled:
        body = (shared_data / "epcis" / vector["file"]).read_bytes()
        older = body.replace(b"xsd:2", b"xsd:1").replace(b'schemaVersion="2.0"', b'schemaVersion="1.2"')
        read = read_document(older, Form.XML)
        assert list(event_hashes(read, Mode.REFERENCE)) == [vector["hash"]]
        if vector["agree_openepcis_java"]:
            assert list(event_hashes(read, Mode.STANDARD)) == [vector["hash"]]


def test_standard_mode_gives_one_hash_to_an_event_in_xml_and_in_json(shared_data: Path) -> None:
    """The documents of OpenEPCIS that stand there in both forms; the namespace of master data has a colon in JSON only."""
    folder = shared_data / "epcis" / "openepcis" / "2.0" / "EPCIS"
    compared = 0
    for xml in sorted((folder / "XML").rglob("*.xml")):
        twin = folder / "JSON" / xml.relative_to(folder / "XML").with_suffix(".json")
        if xml.parent.name in {"Invalid", "Queries"} or xml.name in JUMBLED or not twin.exists():
            continue
        of_xml, of_json = (
            [
                text.replace("cbv:mda:}", "cbv:mda}")
                for text in prehashes(read_document(file.read_bytes(), form), Mode.STANDARD)
            ]
            for file, form in ((xml, Form.XML), (twin, Form.JSON))
        )
        assert of_xml == of_json, xml.name
        compared += 1
    assert compared == 32


def test_what_a_document_says_to_ignore_is_ignored_by_the_reference_only() -> None:
    event = {"type": "X", "ext:kept": 1, "ext:gone": 2}
    read = document(event)._replace(frame={"repository:ignoreFields": {"ext:gone": ""}})
    assert list(prehashes(read, Mode.REFERENCE)) == [prehash({"type": "X", "ext:kept": 1}, Mode.REFERENCE)]
    assert list(prehashes(read, Mode.STANDARD)) == [prehash(event, Mode.STANDARD)]


@pytest.mark.parametrize(
    ("name", "expected"),
    # The three worked examples of the algorithm's authors, as they publish them for the ratified CBV 2.0. Their second
    # one spells the GS1 Web Vocabulary as the context of EPCIS 2.1 will; that of 2.0.0 says https://gs1.org/voc/.
    [
        ("", "6ae96341e0acc6d7a261364751f60e68278a81cdf51da0abb6b4e617014e39d7"),
        ("2", "271565c346ae2fb28c4583c4dca4ab4772d465eb4e0b6e548d77d8b49377d95c"),
        ("3", "3ae14c02c4bdc220cc31942cf804f6845eb8dec96ba6483391c92a9b165f9329"),
    ],
)
def test_standard_mode_gives_what_is_published_for_the_ratified_text(
    shared_data: Path, name: str, expected: str
) -> None:
    file = shared_data / "epcis" / "eventhash" / "examples" / f"ReferenceEventHashAlgorithm{name}.jsonld"
    (text,) = prehashes(read_document(file.read_bytes(), Form.JSON), Mode.STANDARD)
    respelled = text.replace("https://gs1.org/voc/", "https://ref.gs1.org/voc/")
    assert hashlib.sha256(respelled.encode()).hexdigest() == expected


def test_the_two_strings_of_one_event() -> None:
    common = (
        "eventType=ObjectEventeventTime=2026-03-04T10:00:30.250ZeventTimeZoneOffset=+01:00"
        "epcListepc=https://id.gs1.org/01/09521234000013/21/1epc=https://id.gs1.org/01/09521234000013/21/2"
        "quantityListquantityElementepcClass=https://id.gs1.org/01/09521234000020/10/L7quantity=12.5uom=KGM"
        "action=OBSERVEbizStep=https://ref.gs1.org/cbv/BizStep-shipping"
        "disposition=https://ref.gs1.org/cbv/Disp-in_transit"
        "persistentDispositionset=https://ref.gs1.org/cbv/Disp-completeness_verified"
        "set=https://ref.gs1.org/cbv/Disp-conformantunset=https://ref.gs1.org/cbv/Disp-unknown"
        "readPointid=https://id.gs1.org/414/9521234000013"
    )
    transactions = (
        "bizTransactionListtype=https://ref.gs1.org/cbv/BTT-po"
        "bizTransaction=urn:epcglobal:cbv:bt:9521234000013:4"
    )
    source = "sourceListtype=https://ref.gs1.org/cbv/SDT-possessing_partysource=https://id.gs1.org/417/9521234000006"
    destination = (
        "destinationListtype=https://ref.gs1.org/cbv/SDT-possessing_party"
        "destination=https://id.gs1.org/417/9521235000005"
    )
    sensors = (
        "sensorElementsensorMetadatatime=2026-03-04T10:00:00.000ZdeviceID=https://id.gs1.org/8004/95212347"
        "sensorReporttype=https://gs1.org/voc/Anglevalue=-0.5component=https://ref.gs1.org/cbv/Comp-latitude"
        "booleanValue={true}sensorReporttype=https://gs1.org/voc/Temperaturevalue=26.1uom=CEL"
    )
    place = "bizLocationid=https://id.gs1.org/414/9521234000020"
    ext, bare = "{https://ns.example.com/ext/}", "{https://ns.example.com/bare}"
    list_names = f"{ext}list=plain{ext}list{ext}a=1{ext}a=3{ext}b=2"
    assert prehash(EVENT, Mode.STANDARD) == (
        common + place + transactions + source + destination + sensors.replace("{true}", "true")
        + f"ilmd{ext}batch=L7{{urn:epcglobal:cbv:mda:}}lotNumber=L7"
        + f"readPoint{ext}dock=4sensorElementsensorReport{ext}probe=outer"
        + f"{bare}word=https://ref.gs1.org/cbv/BizStep-packing{list_names}"
    )  # fmt: skip
    assert prehash(EVENT, Mode.REFERENCE) == (
        common + f"{ext}dock=4" + place + "sensorElementList" + sensors.replace("{true}", "True") + f"{ext}probe=outer"
        + transactions + destination + f"ilmdcbvmda:lotNumber=L7{ext}batch=L7" + source
        + f"{bare}word=cbv:BizStep-packing" + list_names
    )  # fmt: skip


# ---- what does not change it -------------------------------------------------------------------------------------


def _shuffled(value: Any, draw: Any) -> Any:
    """The same with members and list elements in another order."""
    if isinstance(value, dict):
        return {name: _shuffled(value[name], draw) for name in draw(st.permutations(sorted(value)))}
    if isinstance(value, list):
        return [_shuffled(value[place], draw) for place in draw(st.permutations(range(len(value))))]
    return value


@given(st.data(), st.sampled_from(Mode), st.sampled_from([None, 1, 4]))
def test_order_and_white_space_do_not_show(data: st.DataObject, mode: Mode, indent: int | None) -> None:
    text = json.dumps(_shuffled(EVENT, data.draw), indent=indent, ensure_ascii=data.draw(st.booleans()))
    assert prehash(text, mode) == prehash(EVENT, mode)


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(
    ("field", "one", "other"),
    [
        ("eventTime", "2026-03-04T11:00:30+01:00", "2026-03-04T10:00:30.000Z"),
        ("eventTime", "2026-12-31T23:59:59.9996-00:30", "2027-01-01T00:30:00Z"),
        ("bizStep", "shipping", "https://ref.gs1.org/cbv/BizStep-shipping"),
        ("bizStep", " shipping\n", "urn:epcglobal:cbv:bizstep:shipping"),
        ("epcList", ["urn:epc:id:sscc:9521234.1234567891"], ["http://x.example/a/sscc/195212342345678916?a=b"]),
        ("epcList", ["urn:epc:id:sgtin:9521234.000001.a%2Fb'"], ["https://id.gs1.org/01/9521234000013/ser/a%2fb%27"]),
        ("parentID", "urn:epc:id:giai:9521234.7", "HTTPS://ID.GS1.ORG/giai/95212347"),
        ("quantityList", [{"quantity": 1.50}], [{"quantity": "+01.5"}]),
        ("quantityList", [{"quantity": 1e3}], [{"quantity": 1000}]),
        ("readPoint", {"id": "urn:epc:id:sgln:9521234.00001.0"}, "https://id.gs1.org/414/9521234000013"),
        ("ext:a", 5, "5.0"),
        ("ext:a", ["x"], "x"),
        ("ext:a", {"ext:b": "1", "rdfs:comment": "said"}, {"ext:b": "1"}),
        ("eventID", "urn:uuid:1", "urn:uuid:2"),
        ("recordTime", "2026-03-04T10:00:30Z", "2026-03-05T10:00:30Z"),
        ("errorDeclaration", {"declarationTime": "2026-03-04T10:00:30Z"}, None),
        ("epcList", [], None),
    ],
)  # fmt: skip
def test_spellings_of_the_same_do_not_show(mode: Mode, field: str, one: Any, other: Any) -> None:
    first, second = EVENT | {field: one}, EVENT | {field: other}
    if other is None:
        del second[field]
    assert prehash(first, mode) == prehash(second, mode)


def test_a_prefix_is_what_it_stands_for() -> None:
    renamed = {name.replace("ext:", "x:"): value for name, value in EVENT.items()}
    renamed |= {"readPoint": {"id": "urn:epc:id:sgln:9521234.00001.0", "x:dock": "4"}}
    renamed |= {"ilmd": {"x:batch": "L7", "cbvmda:lotNumber": "L7"}}
    renamed["x:list"] = [{"x:b": 2, "x:a": [1, 3]}, "plain"]
    renamed["sensorElementList"] = json.loads(json.dumps(EVENT["sensorElementList"]).replace("ext:", "x:"))
    context = [CONTEXT | {"ext": "https://other.example/"}, {"x": {"@id": CONTEXT["ext"]}}]
    for mode in Mode:
        assert prehash(renamed, mode, context) == prehash(EVENT, mode)
        own = renamed | {"@context": {"x": CONTEXT["ext"]}}
        assert prehash(own, mode) == prehash(EVENT, mode)


# ---- what does ----------------------------------------------------------------------------------------------------


def _leaves(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The place of every value that is no object and no list."""
    if isinstance(value, dict):
        return [place for name, member in value.items() for place in _leaves(member, (*path, name))]
    if isinstance(value, list):
        return [place for index, member in enumerate(value) for place in _leaves(member, (*path, index))]
    return [path]


def _with(value: Any, path: tuple[str | int, ...], change: Any) -> Any:
    """A copy whose value at `path` is `change` of what it was; without it where `change` is None."""
    copy: Any = json.loads(json.dumps(value))
    inner = copy
    for step in path[:-1]:
        inner = inner[step]
    if change is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = change(inner[path[-1]])
    return copy


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, str) and value[:2] == "20":
        return value.replace("2026", "2025")
    return value + (1 if isinstance(value, int | float) else "9")


@pytest.mark.parametrize("mode", Mode)
def test_every_value_and_every_field_shows(mode: Mode) -> None:
    hashes = {prehash(EVENT, mode)}
    places = _leaves(EVENT)
    for place in places:
        hashes.add(prehash(_with(EVENT, place, _other), mode))
        if place != ("type",):
            hashes.add(prehash(_with(EVENT, place, None), mode))
    assert len(hashes) == 2 * len(places)


@given(
    st.integers(-(10**18), 10**18), st.integers(-(10**18), 10**18), st.integers(-30, 30), st.integers(-30, 30)
)
def test_numbers_hash_alike_where_they_are_equal(left: int, right: int, up: int, down: int) -> None:
    texts = [
        json.dumps({"type": "X", "ext:n": 0}).replace("0", f"{n}e{e}") for n, e in ((left, up), (right, down))
    ]
    is_equal = left * 10 ** (up + 30) == right * 10 ** (down + 30)
    assert (prehash(texts[0], Mode.STANDARD) == prehash(texts[1], Mode.STANDARD)) is is_equal


@given(st.integers(-(10**30), 10**30), st.floats(1e-12, 1e15).map(lambda value: float(f"{value:.12g}")))
def test_reference_mode_writes_numbers_as_the_reference_does(whole: int, fraction: float) -> None:
    """Which reads doubles, and writes integers where they are whole."""
    expected = [str(int(float(whole))), str(int(fraction)) if fraction.is_integer() else str(fraction)]
    texts = prehash({"type": "X", "ext:n": [str(whole), repr(fraction)]}, Mode.REFERENCE)
    assert texts == "eventType=X" + "".join(sorted(f"{{https://ns.example.com/ext/}}n={n}" for n in expected))


@pytest.mark.parametrize(
    ("fraction", "standard", "reference"),
    [("0005", "001", "000"), ("0015", "002", "002"), ("0004999", "000", "000"), ("9995", "000", "000")],
)
def test_digits_beyond_the_millisecond_are_rounded(fraction: str, standard: str, reference: str) -> None:
    event = {"type": "X", "eventTime": f"2026-01-01T00:00:00.{fraction}Z"}
    assert prehash(event, Mode.STANDARD)[-4:-1] == standard
    assert prehash(event, Mode.REFERENCE)[-4:-1] == reference


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-30T00:00:00Z",
        "9999-12-31T23:59:59.9999Z",
        "0001-01-01T00:00:00+01:00",
        "2026-01-01",
        "",
        "24",
    ],
)
def test_what_is_no_time_stays(text: str) -> None:
    assert prehash({"type": "X", "eventTime": text}, Mode.STANDARD) == f"eventType=XeventTime={text}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "https://id.gs1.org/8006/095212340000130102/10/L1",
            "https://id.gs1.org/8006/095212340000130102/10/L1",
        ),
        (
            "https://x.example/8006/095212340000130102/10/L1/21/7",
            "https://id.gs1.org/8006/095212340000130102/21/7",
        ),
        ("https://x.example/01/09521234000013/22/V/10/L/21/7", "https://id.gs1.org/01/09521234000013/21/7"),
        ("https://x.example/8018/952123400000000017/8019/3", "https://id.gs1.org/8018/952123400000000017"),
        ("https://x.example/415/9521234000013/8020/77", "https://x.example/415/9521234000013/8020/77"),
        (
            "https://x.example/gtin/9521234000014/lot/L%27%2f?x=1#y",
            "https://id.gs1.org/01/09521234000014/10/L'%2F",
        ),
        ("https://x.example/414/9521234000013/254/0", "https://id.gs1.org/414/9521234000013"),
        ("https://x.example/01/09521234000013/99/1", "https://x.example/01/09521234000013/99/1"),
        ("https://x.example/01/09521234000013/21/%zz", "https://x.example/01/09521234000013/21/%zz"),
        ("urn:epc:id:bic:CSQU3054383", "urn:epc:id:bic:CSQU3054383"),
        ("urn:epcglobal:cbv:bt:9521234000013:po-1", "urn:epcglobal:cbv:bt:9521234000013:po-1"),
        ("https://example.com/a?b=c#d", "https://example.com/a?b=c#d"),
    ],
)
def test_identifiers_become_constrained_canonical_links(text: str, expected: str) -> None:
    assert (
        prehash({"type": "X", "ext:a": text}, Mode.STANDARD) == f"eventType=X{{{CONTEXT['ext']}}}a={expected}"
    )


@given(
    st.text("0123456789", min_size=13, max_size=13),
    st.integers(5, 13),
    st.text("0aZ-.%2F'", min_size=0, max_size=22),
)
def test_the_short_way_of_items_is_the_long_one(digits: str, cut: int, serial: str) -> None:
    for text in (
        f"urn:epc:id:sgtin:{digits[:cut]}.{digits[cut:]}.{serial}",
        f"https://id.gs1.org/01/{digits}{gs1_check_digit(digits)}/21/{serial}",
        f"https://id.gs1.org/01/{digits}0/21/{serial}",
    ):
        assert spelled(text) == _link(text)


def test_odd_shapes_are_written_and_not_refused() -> None:
    odd = {
        "type": "X", "epcList": "urn:x:1", "quantityList": ["few", {"ext:a": None}], "sensorElementList": {"value": 1},
        "bizTransactionList": ["urn:x:2", {"bizTransaction": "urn:x:3", "ext:a": 1}], "deviceID": [[1, [2]], {}],
        "eventTime": 4, "readPoint": {"ext:only": 1}, "ext:tailList": ["a", "b"], "bizStep": {"ext:a": True},
    }  # fmt: skip
    ext = f"{{{CONTEXT['ext']}}}"
    assert prehash(odd, Mode.STANDARD) == (
        "eventType=XeventTime=4epcListepc=urn:x:1bizTransactionListbizTransaction=urn:x:2bizTransaction=urn:x:3"
        f"{ext}a=1quantityListquantityElement=fewquantityElement{ext}abizStep{ext}a=true"
        f"readPoint{ext}only=1"
        f"sensorElementvalue=1deviceIDdeviceID=1=2{ext}tailList=a{ext}tailList=b"
    )
    assert f"{ext}tailList{ext}tail=a{ext}tail=b" in prehash(odd, Mode.REFERENCE)


@pytest.mark.parametrize(
    "event", ['{"eventTime":"2026-01-01T00:00:00Z"}', '{"type":null}', '{"type":["ObjectEvent"]}']
)
def test_an_event_without_a_type_has_no_hash(event: str) -> None:
    with pytest.raises(FormError, match="an event with a type") as refused:
        prehash(event, Mode.STANDARD)
    assert refused.value.code is Code.MALFORMED
