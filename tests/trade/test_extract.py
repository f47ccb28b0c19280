"""What the extractor reads, in every spelling, and what it refuses to overlook."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.base.encoding import decode, encode
from ledger.base.errors import Code, FormError
from ledger.base.limits import DOCUMENTS_PER_EVENT, SUBJECTS_PER_EVENT
from ledger.trade.extract import extract, persons_in
from ledger.trade.extract.context import prefixes_of
from ledger.trade.extract.fields import scaled, time_ms
from ledger.trade.identifiers import Kind, canonical
from ledger.trade.slices import Number, document_slices
from ledger.trade.statement import (
    Action,
    Extract,
    Flag,
    Openness,
    Quantity,
    Role,
    Subject,
    statement_from_wire,
    subject_from_wire,
)
from ledger.trade.vocabulary import DISPOSITIONS, STEPS, TRANSACTION_TYPE_NAMES, Disposition, Step

NAMESPACE = "https://custody-ledger.org/ns/"
ITEM = "https://id.gs1.org/01/09521141012345/21/2017"
CASE = "https://id.gs1.org/00/095211410000000175"
PALLET = "https://id.gs1.org/00/195211410000000189"
PARTY = "https://id.gs1.org/417/9521234000013"
LOT = "https://id.gs1.org/01/09521141012345/10/L77"
CAPTURED = {"eventTime": "2026-04-19T13:35:18Z", "eventTimeZoneOffset": "-05:00"}
PLACE = {"id": "https://id.gs1.org/414/9521141000021"}


def thing(action: Any = "OBSERVE", step: Any = None, **more: Any) -> dict[str, Any]:
    return {"type": "ObjectEvent", "action": action, "bizStep": step, "epcList": [ITEM], **CAPTURED} | more


def read(members: dict[str, Any], context: Any = None) -> Extract:
    slice_of_context = None if context is None else json.dumps(context).encode()
    return extract(json.dumps(members).encode(), slice_of_context)


def code_of(members: dict[str, Any], context: Any = None) -> Code:
    with pytest.raises(FormError) as refused:
        read(members, context)
    return refused.value.code


# --- real documents


def test_the_published_examples_go_through(shared_data: Path) -> None:
    counts: dict[str, int] = {}
    for folder in ("gs1/JSON", "dpp"):
        for path in sorted((shared_data / "epcis" / folder).rglob("*.jsonld")):
            slices = document_slices(path.read_bytes())
            for event in slices.events:
                found = extract(event, slices.context)
                again = decode(encode(found), max_bytes=1_000_000)
                assert statement_from_wire(again[0]) == found.statement
                assert tuple(subject_from_wire(subject) for subject in again[1]) == found.subjects
                assert found.subjects
                name = Action(found.statement.action).name
                counts[name] = counts.get(name, 0) + 1
    assert sum(counts.values()) >= 70
    assert {
        "MAKE",
        "TRANSFORM",
        "PACK",
        "UNPACK_ALL",
        "OFFER",
        "ACCEPT",
        "BIND",
        "END",
        "CORRECT",
    } <= counts.keys()


def test_other_valid_documents_go_through_but_for_a_subject_twice(shared_data: Path) -> None:
    refused: dict[str, Code] = {}
    for path in sorted((shared_data / "epcis" / "openepcis" / "2.0").rglob("*.json")):
        if "Invalid" in path.parts or "Queries" in path.parts:
            continue
        slices = document_slices(path.read_bytes())
        for event in slices.events:
            try:
                extract(event, slices.context)
            except FormError as error:
                refused[path.name] = error.code
    assert refused == {"epcisDocWithAllGS1Keys.json": Code.DUPLICATE_SUBJECT}


def test_invalid_documents_are_refused_where_custody_could_be_misread(shared_data: Path) -> None:
    folder = shared_data / "epcis" / "openepcis" / "2.0" / "EPCIS" / "JSON" / "Capture" / "Invalid"
    expected = {
        "Combination_of_events_with_missing_mandatory_fields.json": Code.MALFORMED,
        "ObjectEvent_with_invalid_eventTime_format.json": Code.BAD_TIME,
        "ObjectEvent_without_identifier_list.json": Code.MALFORMED,
    }
    for name, code in expected.items():
        slices = document_slices((folder / name).read_bytes())
        codes = []
        for event in slices.events:
            with pytest.raises(FormError) as refused:
                extract(event, slices.context)
            codes.append(refused.value.code)
        assert set(codes) == {code}


# --- one meaning in every spelling


@pytest.mark.parametrize("word", ["shipping", "receiving", "holding", "commissioning", "void_shipping"])
def test_a_step_in_every_spelling(word: str) -> None:
    spellings = [word, f"urn:epcglobal:cbv:bizstep:{word}", f"https://ref.gs1.org/cbv/BizStep-{word}"]
    spellings += [f"cbv:BizStep-{word}", f"https://ns.gs1.org/cbv/BizStep-{word}"]
    found = {read(thing("ADD", spelling)) for spelling in spellings}
    assert len(found) == 1
    assert found.pop().statement.step == Step[word.upper()]
    for other in (
        word.upper(),
        f"urn:epcglobal:cbv:disp:{word}",
        f"https://example.com/BizStep-{word}",
        f" {word}",
    ):
        statement = read(thing("ADD", other)).statement
        assert (statement.step, statement.action, statement.flags) == (0, Action.OBSERVE, Flag.UNKNOWN_STEP)


def test_the_tables_are_whole() -> None:
    assert len(STEPS) == 4 * (len(Step) - 1) == 4 * 41
    assert len(DISPOSITIONS) == 4 * (len(Disposition) - 1) == 4 * 33
    assert len(set(STEPS.values())) == 41
    assert len(TRANSACTION_TYPE_NAMES) == 4 * 13 + 4


def test_the_words_are_those_of_the_published_context(shared_data: Path) -> None:
    folder = shared_data / "epcis" / "schema" / "JSON-LD-Context"
    for name, table in (("bizstep", STEPS), ("disposition", DISPOSITIONS)):
        context = json.loads((folder / f"cbv-context-{name}.jsonld").read_text())["@context"]
        words = {key for key in context if key[0] != "@" and key != "cbv"}
        assert words == {word for word in table if ":" not in word}
        for word in words:
            assert table[context[word].replace("cbv:", "https://ref.gs1.org/cbv/")] == table[word]


@given(
    order=st.permutations(
        list(thing("ADD", "shipping", destinationList=[{"type": "owning_party", "destination": PARTY}]))
    ),
    indent=st.sampled_from([None, 0, 3]),
    ascii_only=st.booleans(),
)
def test_the_order_and_spacing_of_members_say_nothing(
    order: list[str], indent: int | None, ascii_only: bool
) -> None:
    members = thing("ADD", "shipping", destinationList=[{"type": "owning_party", "destination": PARTY}])
    jumbled = {name: members[name] for name in order} | {"ex:note": "\u00e9"}
    event = json.dumps(jumbled, indent=indent, ensure_ascii=ascii_only).encode()
    assert extract(event, None) == read(members)


def test_openness_is_copied() -> None:
    event = json.dumps(thing()).encode()
    assert extract(event, None).statement.openness == Openness.OPEN
    assert extract(event, None, openness=Openness.RESTRICTED).statement.openness == Openness.RESTRICTED


def test_another_extractor_version_is_refused() -> None:
    with pytest.raises(FormError) as refused:
        extract(b"{}", None, 2)
    assert refused.value.code is Code.UNSUPPORTED_VERSION


# --- times


@given(
    st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)),  # noqa: DTZ001
    st.integers(-14 * 60, 14 * 60),
    st.integers(0, 12),
)
def test_times_are_exact(moment: datetime, offset: int, decimals: int) -> None:
    zone = timezone(timedelta(minutes=offset))
    fraction = f"{moment.microsecond:06d}000000"[:decimals]
    sign, minutes = ("-" if offset < 0 else "+"), abs(offset)
    text = moment.strftime("%m-%dT%H:%M:%S") + (f".{fraction}" if fraction else "")
    text = f"{moment.year:04d}-{text}{sign}{minutes // 60:02d}:{minutes % 60:02d}"
    whole = moment.replace(microsecond=0, tzinfo=zone) - datetime(1970, 1, 1, tzinfo=UTC)
    assert time_ms(text, "eventTime") == whole // timedelta(milliseconds=1) + int(f"{fraction}000"[:3])


@pytest.mark.parametrize(
    "text",
    ["", "2026-04-19", "2026-04-19T13:35:18", "2026-04-19T13:35Z", "2026-04-19 13:35:18Z", "2026-04-19T13:35:18z",
     "2026-04-19T24:00:00Z", "2026-04-19T13:60:18Z", "2026-12-31T23:59:60Z", "2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z",
     "2026-04-31T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "0000-01-01T00:00:00Z",
     "2026-04-19T13:35:18.Z", "2026-04-19T13:35:18.1234567890123Z", "2026-04-19T13:35:18+15:00", "2026-04-19T13:35:18+14:01",
     "2026-04-19T13:35:18+0500", "2026-04-19T13:35:18+05:60", "12026-04-19T13:35:18Z", "-2026-04-19T13:35:18Z",
     "\u0662026-04-19T13:35:18Z", "2026-04-19T13:35:18Z\n", "22-07-2026"],
)  # fmt: skip
def test_what_is_no_time(text: str) -> None:
    assert code_of(thing(eventTime=text)) is Code.BAD_TIME


def test_leap_days() -> None:
    day = 86_400_000
    assert time_ms("2000-03-01T00:00:00Z", "t") - time_ms("2000-02-29T00:00:00Z", "t") == day
    assert time_ms("1969-12-31T23:59:59.999Z", "t") == -1


@pytest.mark.parametrize("offset", [None, "", "01:00", "+25:00", "+1:00", 1])
def test_the_zone_is_needed_beside_the_time(offset: Any) -> None:
    assert code_of(thing(eventTimeZoneOffset=offset)) in (Code.BAD_TIME, Code.MALFORMED)


# --- quantities


@given(st.decimals(0, 10**11, places=6), st.integers(-3, 3))
def test_quantities_are_exact_and_least(number: Decimal, exponent: int) -> None:
    exact = number.scaleb(exponent)
    for text in (f"{number:f}e{exponent}", f"{exact:f}"):
        if sum(one in "0123456789" for one in text) > 18:
            continue
        try:
            amount, scale = scaled(Number(text), "quantity")
        except FormError:
            assert exact != exact.quantize(Decimal(10) ** -6) or exact * 10**6 > 10**18
            continue
        assert Decimal(amount).scaleb(-scale) == exact
        assert scale == 0 or amount % 10


@pytest.mark.parametrize(
    "text", ["-1", "-0.5", "1e-7", "1e99", "0.1234567", "1e1000", "999999999999999999e1", "1e37"]
)
def test_quantities_out_of_range(text: str) -> None:
    with pytest.raises(FormError):
        scaled(Number(text), "quantity")


@pytest.mark.parametrize("text", ["0", "-0", "0.000000000", "0e99", "-0.0e-9"])
def test_zero_is_one_number(text: str) -> None:
    assert scaled(Number(text), "quantity") == (0, 0)


@pytest.mark.parametrize(
    "element", [{"quantity": "5"}, {"quantity": True}, {"uom": "kgm", "quantity": 1}, {"uom": "KILOGRAMS"}]
)
def test_what_is_no_quantity(element: dict[str, Any]) -> None:
    assert code_of(thing(quantityList=[{"epcClass": LOT} | element])) is Code.MALFORMED


def test_a_class_may_be_mentioned_without_a_quantity() -> None:
    found = read(thing(epcList=[], quantityList=[{"epcClass": LOT, "uom": "KGM"}]))
    assert found.subjects == (Subject(Role.OBJECT, LOT, None),)


# --- what a context may say


@pytest.mark.parametrize(
    "context",
    [
        "https://example.com/context.jsonld",
        ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld", {"cbvmda": "http://example.com/cbvmda/"}],
        {"cbv": "https://ref.gs1.org/cbv/", "epcis": "https://ref.gs1.org/epcis/", "custody": NAMESPACE, "ours": NAMESPACE},
        {"rail": "urn:gs1:epcisapp:rail:", "rail:count": {"@type": "xsd:integer"}, "rail:x": None, "gone": None},
        [{"a": "https://a.example/"}, {"b": "a:b/", "b:c": "a:d"}, {"note": {"@id": "b:note", "@type": "@id"}}],
        {"@version": Number("1.1").text, "@protected": True, "@language": "de"},
        [],
    ],
)  # fmt: skip
def test_contexts_that_only_add(context: Any) -> None:
    assert read(thing(step="storing"), context) == read(thing(step="storing"))
    assert read(thing(step="storing", **{"@context": context})) == read(thing(step="storing"))


@pytest.mark.parametrize(
    "context",
    [
        None, 7, [7], [["https://example.com"]],
        {"@vocab": "https://example.com/"}, {"@base": "https://example.com/"}, {"@import": "https://example.com/"},
        {"@propagate": False}, {"": "https://example.com/"}, {"ObjectEvent": "https://example.com/Event"},
        {"shipping": "cbv:BizStep-receiving"}, {"damaged": "cbv:Disp-active"}, {"bol": "cbv:BTT-po"},
        {"possessing_party": "cbv:SDT-location"}, {"bizTransaction": {"@id": "@type"}}, {"type": "@type"},
        {"https": "https://example.com/"}, {"ni": "https://example.com/"}, {"geo": "x:"},
        {"epcis": "https://example.com/"}, {"cbv": "https://ref.gs1.org/cbv"}, {"custody": None},
        {"custody": {"@id": NAMESPACE + "x/"}}, {"kind": "@type"}, {"kind": {"@id": "@type"}},
        {"list": "epcis:epcList"}, {"list": {"@id": "https://ref.gs1.org/epcis/epcList"}}, {"hold": NAMESPACE + "measure"},
        {"a": NAMESPACE, "hold": "a:measure"}, {"a": NAMESPACE, "a:measure": "https://example.com/"},
        {"a": "https://example.com/", "a:b": "custody:measure"}, {"back": {"@reverse": "epcis:childEPCs"}},
        {"a": "b:", "b": "a:"}, {"a": "a:a"}, {"a": 7}, {"a": {"@id": 7}}, {"a": "https://example.com/" + "x" * 500},
    ],
)  # fmt: skip
def test_contexts_that_redefine(context: Any) -> None:
    if context is not None:
        assert code_of(thing(), context) is Code.CONTEXT_REDEFINES
    assert code_of(thing(**{"@context": context})) is Code.CONTEXT_REDEFINES


def test_prefixes_of_the_event_go_before_those_of_the_document() -> None:
    document, event = {"x": "https://document.example/"}, {"x": "https://event.example/"}
    assert read(thing(epcList=["x:7"]), document).subjects[0].identifier == "https://document.example/7"
    both = read(thing(epcList=["x:7"], **{"@context": event}), document)
    assert both.subjects[0].identifier == "https://event.example/7"
    cleared = read(thing(epcList=["x:7"], **{"@context": {"x": None}}), document)
    assert cleared.subjects[0].identifier == "x:7"
    assert prefixes_of(None).expanded("x:7") == "x:7"
    assert prefixes_of(b'{"x":"https://e/"}').expanded("x://7") == "x://7"


def test_an_inner_context_is_refused_where_it_could_change_what_is_read() -> None:
    inner = {"@context": {"x": "https://example.com/"}}
    for field in ("readPoint", "bizLocation", "errorDeclaration", "ilmd", "persistentDisposition"):
        event = thing("ADD", "receiving", **{field: inner}) if field != "ilmd" else thing("ADD", ilmd=inner)
        assert code_of(event) is Code.CONTEXT_REDEFINES
    for field in ("bizTransactionList", "destinationList", "quantityList"):
        assert code_of(thing(**{field: [inner]})) is Code.CONTEXT_REDEFINES


@pytest.mark.parametrize("key", ["@type", "@id", "@graph"])
def test_keywords_at_the_event_are_refused(key: str) -> None:
    assert code_of(thing(**{key: "ObjectEvent"})) is Code.CONTEXT_REDEFINES


# --- custody terms


def test_a_custody_term_under_two_names_is_refused() -> None:
    assert code_of(thing(**{"custody:seal": "A1", NAMESPACE + "seal": "A2"})) is Code.DUPLICATE_KEY
    assert read(thing(**{NAMESPACE + "seal": "A1"})).statement.seals == ("A1",)
    assert read(thing(**{"custody:seal": None})).statement.seals == ()


@pytest.mark.parametrize(
    "terms",
    [
        {"seal": 7}, {"seal": []}, {"seal": ["A1", "a1"]}, {"seal": ["A1"] * 9}, {"seal": [7]}, {"seal": "A#1"},
        {"seal": "A1", "reseal": "A2"}, {"count": -1}, {"count": 1.5}, {"count": "3"}, {"unheard": 1}, {"original": "5f" * 32},
        {"measure": "detain", "case": "two words"}, {"measure": "detain", "case": 7}, {"measure": "detain", "case": "x" * 257},
        {"measure": ["detain"], "case": "1"}, {"case": "1"}, {"legs": []}, {"lapses": "2026-05-01T00:00:00Z"}, {"cites": "5f" * 32},
        {"samples": [ITEM]}, {"missing": [CASE]}, {"handover": "accept"}, {"ruling": "confirm", "cites": "5F" * 32},
        {"ruling": "confirm", "cites": "5f" * 31}, {"ruling": "confirm", "cites": 7}, {"ruling": "confirm", "handover": "reject"},
    ],
)  # fmt: skip
def test_custody_terms_that_say_nothing_clear_are_refused(terms: dict[str, Any]) -> None:
    members = thing(step="holding", **{f"custody:{name}": value for name, value in terms.items()})
    assert code_of(members) in (Code.MALFORMED, Code.TOO_LARGE, Code.BAD_IDENTIFIER)


@pytest.mark.parametrize("action", ["ADD", "DELETE"])
@pytest.mark.parametrize("term", [{"custody:measure": "release", "custody:case": "1"}, {"custody:handover": "reject"},
                                  {"custody:ruling": "dismiss", "custody:cites": "5f" * 32}])  # fmt: skip
def test_official_acts_only_observe(action: str, term: dict[str, str]) -> None:
    assert code_of(thing(action, **term)) is Code.MALFORMED


def test_measures_are_about_objects_named_alone() -> None:
    nested = {"type": "AggregationEvent", "parentID": PALLET, "childEPCs": [CASE]}
    assert (
        code_of(thing(step="holding", **nested, **{"custody:measure": "detain", "custody:case": "1"}))
        is Code.MALFORMED
    )
    assert (
        code_of(thing(epcList=[], readPoint=PLACE, **{"custody:measure": "release", "custody:case": "1"}))
        is Code.MALFORMED
    )


PERMIT: dict[str, Any] = {
    "measure": "permit",
    "case": "T1",
    "until": "2026-05-03T12:00:00Z",
    "legs": [{"custody:from": PARTY, "custody:to": PARTY}],
}


@pytest.mark.parametrize(
    "change",
    [
        {"until": None}, {"until": "tomorrow"}, {"until": 7}, {"until": "1969-05-03T12:00:00Z"}, {"legs": None}, {"legs": []},
        {"legs": PERMIT["legs"] * 9}, {"legs": ["x"]}, {"legs": [{"custody:from": PARTY}]}, {"legs": [{"from": PARTY, "to": PARTY}]},
        {"legs": [{"custody:from": PARTY, "custody:to": PARTY, "custody:by": PARTY}]}, {"seal": ["A1", "A2"]}, {"reseal": "A1"},
        {"case": None},
    ],
)  # fmt: skip
def test_permits_are_whole(change: dict[str, Any]) -> None:
    assert (
        read(thing(**{f"custody:{name}": value for name, value in PERMIT.items()})).statement.permit
        is not None
    )
    assert code_of(thing(**{f"custody:{name}": value for name, value in (PERMIT | change).items()})) in (
        Code.MALFORMED,
        Code.BAD_TIME,
    )


def test_counts_need_one_holder() -> None:
    assert read(thing(epcList=[CASE], **{"custody:count": 12})).subjects[0].quantity == Quantity(12, 0, "")
    assert code_of(thing(epcList=[CASE, PALLET], **{"custody:count": 12})) is Code.MALFORMED
    for wrong in (-1, "3", True, [3]):
        assert code_of(thing(epcList=[CASE], **{"custody:count": wrong})) is Code.MALFORMED
    wrong_lists: tuple[Any, ...] = (ITEM, [], [7])
    for wrong in wrong_lists:
        assert code_of(thing(step="receiving", **{"custody:missing": wrong})) is Code.MALFORMED
    lot = [{"epcClass": LOT, "quantity": 3}]
    assert code_of(thing(epcList=[], quantityList=lot, **{"custody:count": 12})) is Code.MALFORMED


# --- subjects


def test_a_correction_is_about_exactly_what_its_original_was() -> None:
    declared = {
        "errorDeclaration": {"declarationTime": "2026-04-20T08:00:00Z", "custody:original": "5f" * 32}
    }
    originals = [
        thing("ADD", ilmd={"cbvmda:lotNumber": "L77"}),
        thing(step="receiving", **{"custody:missing": [CASE], "custody:otherSeal": "A1"}),
        thing(step="sampling", **{"custody:samples": [CASE]}),
        thing(step="holding", **{"custody:measure": "detain", "custody:case": "1"}),
        thing(type="AggregationEvent", parentID=PALLET, childEPCs=[CASE], action="DELETE"),
        thing(
            "ADD", type="TransactionEvent", bizTransactionList=[{"type": "bol", "bizTransaction": "MAEU1"}]
        ),
    ]
    for original in originals:
        found, correction = read(original), read(original | declared)
        assert correction.subjects == found.subjects
        assert correction.statement.action == Action.CORRECT
        assert correction.statement.cites == bytes([0x5F]) * 32
        assert correction.statement.measure is None


@pytest.mark.parametrize(
    "declaration",
    [{}, {"declarationTime": "yesterday"}, {"declarationTime": 7}, {"declarationTime": "2026-04-20T08:00:00Z", "custody:original": "x"},
     {"declarationTime": "2026-04-20T08:00:00Z", "custody:seal": "x"}, [], "x"],
)  # fmt: skip
def test_error_declarations_are_whole(declaration: Any) -> None:
    assert code_of(thing(errorDeclaration=declaration)) in (Code.BAD_TIME, Code.MALFORMED)


def test_an_event_about_nothing_is_about_its_place() -> None:
    for members in (
        thing(step="shipping", epcList=[], readPoint=PLACE),
        thing("DELETE", epcList=[], bizLocation=PLACE),
        {"type": "TransformationEvent", "readPoint": PLACE, **CAPTURED},
        {"type": "TransactionEvent", "action": "OBSERVE", "readPoint": PLACE, **CAPTURED},
        {"type": "AggregationEvent", "action": "OBSERVE", "readPoint": PLACE, **CAPTURED},
    ):
        found = read(members)
        assert found.statement.action == Action.OBSERVE
        assert found.subjects == (Subject(Role.PLACE, PLACE["id"], None),)
    assert code_of(thing(epcList=[])) is Code.MALFORMED
    assert code_of(thing(epcList=[], readPoint={"ex:id": "x"})) is Code.MALFORMED


def test_the_read_point_goes_before_the_location() -> None:
    other = {"id": "geo:51.26,4.40"}
    assert read(thing(readPoint=other, bizLocation=PLACE)).statement.place == "geo:51.26,4.40"
    assert read(thing(readPoint=None, bizLocation=PLACE)).statement.place == PLACE["id"]
    assert read(thing()).statement.place is None


def test_a_lot_named_in_the_event_is_not_named_again() -> None:
    members = thing("ADD", ilmd={"cbvmda:lotNumber": "L77"}, quantityList=[{"epcClass": LOT, "quantity": 5}])
    assert [subject.role for subject in read(members).subjects] == [Role.OBJECT, Role.OBJECT]
    for ilmd in ({"cbvmda:lotNumber": 7}, {"cbvmda:lotNumber": "no lot"}, {"lotNumber": "L77"}, {}):
        assert len(read(thing("ADD", ilmd=ilmd)).subjects) == 1
    assert len(read(thing("ADD", epcList=[CASE], ilmd={"cbvmda:lotNumber": "L77"})).subjects) == 1
    assert len(read(thing("OBSERVE", ilmd={"cbvmda:lotNumber": "L77"})).subjects) == 1


def test_serials_of_several_lots_name_none() -> None:
    link = "https://example.com/01/09521141012345/10/{}/21/{}"
    for lots, named in ((("L77", "L77"), LOT), (("L77", "L78"), None)):
        found = read(thing("ADD", epcList=[link.format(lot, number) for number, lot in enumerate(lots)]))
        assert [subject.identifier for subject in found.subjects if subject.role == Role.LOT] == (
            [named] if named else []
        )
    assert len(read(thing("ADD", epcList=[link.format("L77", 1), ITEM])).subjects) == 2


def test_numbers_of_subjects_and_documents_are_capped() -> None:
    serials = [f"urn:epc:id:sgtin:9521141.001234.{number}" for number in range(SUBJECTS_PER_EVENT + 1)]
    assert len(read(thing(epcList=serials[1:])).subjects) == SUBJECTS_PER_EVENT
    assert code_of(thing(epcList=serials)) is Code.TOO_LARGE
    documents = [
        {"bizTransaction": f"https://example.com/{number}"} for number in range(DOCUMENTS_PER_EVENT + 1)
    ]
    assert len(read(thing(bizTransactionList=documents[1:])).statement.documents) == DOCUMENTS_PER_EVENT
    assert code_of(thing(bizTransactionList=documents)) is Code.TOO_LARGE


def test_persons_are_found_wherever_they_stand() -> None:
    person = "urn:epc:id:gsrn:9521141.0000000001"
    text = canonical(person).text
    assert canonical(person).kind is Kind.PERSON
    party = [{"type": "owning_party", "source": person, "destination": person}]
    legs = [{"custody:from": person, "custody:to": PARTY}]
    events = [
        thing(epcList=[person]),
        thing(sourceList=party),
        thing(destinationList=party),
        thing(readPoint={"id": person}),
        thing(bizTransactionList=[{"type": "pedigree", "bizTransaction": person}]),
        thing(**{f"custody:{name}": value for name, value in (PERMIT | {"legs": legs}).items()}),
        {"type": "TransformationEvent", "inputEPCList": [ITEM], "transformationID": person, **CAPTURED},
    ]
    for members in events:
        assert persons_in(read(members)) == (text,)
    assert persons_in(read(thing())) == ()


@pytest.mark.parametrize(
    "change",
    [
        {"type": None}, {"type": ["ObjectEvent"]}, {"type": "epcis:ObjectEvent"}, {"action": None}, {"action": "add"}, {"action": 7},
        {"bizStep": 7}, {"disposition": ["active"]}, {"epcList": ITEM}, {"epcList": [7]}, {"epcList": [{"id": ITEM}]},
        {"quantityList": [ITEM]}, {"quantityList": [{}]}, {"destinationList": {}}, {"destinationList": ["x"]}, {"readPoint": "x"},
        {"readPoint": {"id": 7}}, {"bizTransactionList": [{"type": "po"}]}, {"bizTransactionList": [{"bizTransaction": 7}]},
        {"sourceList": [{"type": "owning_party", "source": 7}]}, {"ilmd": []},
        {"persistentDisposition": {"set": [7]}, "bizStep": "receiving"}, {"persistentDisposition": [], "bizStep": "receiving"},
        {"type": "AggregationEvent", "parentID": 7}, {"type": "AggregationEvent", "action": "ADD", "childEPCs": [ITEM]},
    ],
)  # fmt: skip
def test_fields_of_the_wrong_form(change: dict[str, Any]) -> None:
    assert code_of(thing("ADD") | change) is Code.MALFORMED


def test_lists_of_another_event_type_are_no_part_of_it() -> None:
    found = read(thing(childEPCs=[CASE], parentID=PALLET, inputEPCList=[CASE], transformationID="urn:uuid:1"))
    assert [subject.identifier for subject in found.subjects] == [ITEM]
    assert found.statement.transformation is None


def test_a_party_that_only_mentions_is_no_recipient() -> None:
    located = [{"type": "location", "destination": PARTY}, {"type": "https://example.com/x", "destination": PARTY},
               {"destination": PARTY}, {"type": "owning_party"}]  # fmt: skip
    assert read(thing(step="departing", destinationList=located)).statement.action == Action.OBSERVE
    same = [
        {"type": "owning_party", "destination": PARTY},
        {"type": "owning_party", "destination": "urn:epc:id:pgln:9521234.00001"},
    ]
    assert read(thing(step="departing", destinationList=same)).statement.counterparty == PARTY
