"""Over all shared examples and over anything made of them: what the standard's JSON Schema refuses, the check finds.

It refuses every example that its author lists as invalid, and takes all others but for those listed with the custody rule
they break. The schema knows less than the check (without formats 6 of the 15 documents listed as invalid pass it) and no
grades, hence no equality.
"""

from __future__ import annotations

import copy
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epcis_examples.examples import Example, Fate, examples
from ledger.base.errors import FormError
from ledger.epcis.check import check_document
from ledger.epcis.document import Form
from ledger.epcis.findings import Finding, Grade
from tests.epcis import official

# Values of every kind and of many forms, at the edges of the rules: formats, words, namespaces, types.
VALUES: list[Any] = [
    None, True, 0, -1, 1.5, "", "foo", "foo:bar", "x:", ":", "1:x", "a b:c", "http://a b", "http://a/%zz", "http://a#b#c",
    "http://host:8x/", "http://h/[x]", "http://h/|", "a://b@c@d", "a:<b>", "a:b\n", "é:x", "a:é", [], {}, [""],
    ["foo:a", "foo:a"], [{}], [[]], {"id": "x"}, {"id": "x:y"}, {"@id": "x:y"}, "2026-01-01T00:00:00Z", "2026-01-01",
    "2026-13-01T00:00:00Z", "2026-01-01T00:00:00", "2026-02-30T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:60Z",
    "+02:00", "+14:30", "-14:00", "+13:60", "02:00", "Z", "ADD", "OBSERVE", "DELETE", "shipping", "in_transit", "po",
    "owning_party", "x", "Temperature", "ALARM_CONDITION", "did_not_occur", "urn:epcglobal:cbv:bizstep:shipping",
    "https://ns.gs1.org/cbv/BizStep-shipping", "https://ref.gs1.org/cbv/BizStep-shipping", "cbv:BizStep-none",
    "https://gs1.org/voc/Temperature", "http://www.gs1.org/voc/Temperature", "gs1:Temperature", "KGM", "kgm", "KGMX", "ab1",
    "0x1", "ObjectEvent", "AggregationEvent", "TransformationEvent", "TransactionEvent", "AssociationEvent", "EPCISDocument",
    "EPCISQueryDocument", "ex:Event", "2.0", "2.", "v2", "urn:uuid:1", "ni:///sha-256;aa", "mailto:a@b",
]  # fmt: skip
NAMES = ("foo", "a:", "@id", "@type", "@graph", "http://x/y", "ex:y", "é")
Path_ = tuple[str | int, ...]


@pytest.fixture(scope="module")
def schema(shared_data: Path) -> Any:
    return official.schema(shared_data)


@pytest.fixture(scope="module")
def others(shared_data: Path) -> list[Example]:
    return [one for one in examples(shared_data / "epcis") if one.fate is not Fate.ASKED]


@pytest.fixture(scope="module")
def valid(others: list[Example], schema: Any) -> list[Any]:
    """The JSON examples that the schema accepts, read."""
    read = [json.loads(one.data) for one in others if one.form is Form.JSON]
    return [document for document in read if schema.is_valid(document)]


def found_in(data: bytes, form: Form = Form.JSON) -> list[Finding]:
    try:
        return check_document(data, form)[1]
    except FormError as error:
        return [Finding("", error.message, "", error.code)]


def test_every_example_is_judged_as_its_author_says(others: list[Example], schema: Any) -> None:
    counted: Counter[str] = Counter()
    wrong = []
    for one in others:
        found = found_in(one.data, one.form)
        refused = [str(finding) for finding in found if finding.grade is Grade.REFUSED]
        if bool(refused) is (one.fate is Fate.CAPTURED):
            wrong.append((one.name, refused[:3]))
        if one.form is Form.JSON and not found and not schema.is_valid(json.loads(one.data)):
            wrong.append((one.name, ["the schema refuses it, and nothing was found"]))
        noted = "with notices" if found and not refused else ""
        counted[f"{one.form.name} {one.fate} {noted}".strip()] += 1
    assert wrong == []
    assert counted == {
        "JSON captured": 76, "JSON captured with notices": 24, "JSON refused": 11, "JSON against the rules": 2,
        "XML captured": 83, "XML captured with notices": 1, "XML refused": 7, "XML against the rules": 4,
    }  # fmt: skip


INVALID = {
    "Combination_of_events_with_missing_mandatory_fields": ["0/action", "1/eventTimeZoneOffset", "1/action"],
    "Combination_of_multiple_invalid_fields": [
        "0/bizStep", "1/disposition", "2/sourceList/0/type", "3/ilmd/materialType", "4/eventTime", "4/action",
    ],
    "Combination_of_non_standard_bizStep_and_disposition": ["0/bizStep", "1/disposition"],
    "ObjectEvent_with_ilmd_field_without_namespace": ["0/ilmd/materialType"],
    "ObjectEvent_with_invalid_certificationInfo": ["0/certificationInfo/0", "0/certificationInfo/1"],
    "ObjectEvent_with_invalid_eventTime_format": ["0/eventTime"],
    "ObjectEvent_with_non_standard_bizStep": ["0/bizStep"],
    "ObjectEvent_with_non_standard_disposition": ["0/disposition"],
    "ObjectEvent_without_identifier_list": ["0"],
}  # fmt: skip


def test_every_fault_of_the_invalid_examples_is_named_at_its_place(others: list[Example]) -> None:
    folder = "openepcis/2.0/EPCIS/JSON/Capture/Invalid/"
    found = {
        one.name.removeprefix(folder).removesuffix(".json"): [
            finding.place.removeprefix("/epcisBody/eventList/") for finding in found_in(one.data)
        ]
        for one in others
        if one.name.startswith(folder)
    }
    assert found == INVALID | {"EPCISDocument_without_context": ["/@context"]}


def paths_in(value: Any, path: Path_ = ()) -> list[Path_]:
    """The path of every value inside `value`, itself left out."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, member in pairs for found in [(*path, key), *paths_in(member, (*path, key))]]


def at(value: Any, path: Path_) -> Any:
    for key in path:
        value = value[key]
    return value


def alter(data: st.DataObject, document: Any, names: list[str]) -> None:
    """Alter one value of a document in place."""
    paths = paths_in(document)
    path = data.draw(st.sampled_from(paths))
    around, key = at(document, path[:-1]), path[-1]
    how = data.draw(st.sampled_from(["drop", "replace", "rename", "add", "repeat", "move"]))
    if how == "drop":
        del around[key]
    elif how == "replace":
        around[key] = copy.deepcopy(data.draw(st.sampled_from(VALUES)))
    elif how == "rename" and isinstance(around, dict):
        around[data.draw(st.sampled_from(names))] = around.pop(key)
    elif how == "add" and isinstance(around, dict):
        around[data.draw(st.sampled_from(names))] = copy.deepcopy(data.draw(st.sampled_from(VALUES)))
    elif how == "repeat" and isinstance(around, list):
        around.append(copy.deepcopy(around[int(key)]))
    else:
        around[key] = copy.deepcopy(at(document, data.draw(st.sampled_from(paths))))


@settings(max_examples=400)
@given(data=st.data())
def test_what_the_schema_refuses_is_found(data: st.DataObject, schema: Any, valid: list[Any]) -> None:
    document = copy.deepcopy(data.draw(st.sampled_from(valid)))
    names = sorted({key for path in paths_in(document) for key in path if isinstance(key, str)} | set(NAMES))
    for _ in range(data.draw(st.integers(1, 2))):
        alter(data, document, names)
    if not schema.is_valid(document):
        assert found_in(json.dumps(document).encode())
