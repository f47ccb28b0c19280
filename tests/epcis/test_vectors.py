"""The examples of the standard and of a tool's author: each XML reads, and reads as the JSON that says the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ledger.base.errors import FormError
from ledger.epcis.document import Document, Form, read_document
from ledger.epcis.xml.reader import read_poll
from tests.epcis.meaning import meanings

# Files of the valid sets that are refused all the same, and why.
REFUSED = {
    "openepcis/2.0/EPCIS/XML/Capture/Documents/JumbledFieldsOrder.xml": "line 8, .*expected <eventTime>, got <disposition>",
    "openepcis/2.0/EPCIS/XML/Query/JumbledFieldsOrder.xml": "line 8, .*expected <eventTime>, got <disposition>",
    # No events: master data has a document of its own, and a capture job is an answer.
    "gs1/XML/CBV/CBV-11.4-2020-06-16a.xml": "line 8: expected .*got <EPCISMasterDataDocument>",
    "gs1/XML/CaptureJob/Example-CaptureJobRunning.xml": "line 6: expected .*got <EPCISCaptureJob>",
    "gs1/XML/CaptureJob/Example-CaptureJobSuccess.xml": "line 6: expected .*got <EPCISCaptureJob>",
    "openepcis/2.0/EPCIS/XML/Query/Queries/SimpleEventQuery.xml": "expected at least one event",
}
# Of these the reader judges the form only; what their values must be is judged by `ledger.epcis.check`.
BAD_VALUES = {"openepcis/2.0/EPCIS/XML/Capture/Invalid/ObjectEvent_with_invalid_eventTime_format.xml"}

# Where XML and JSON of the same name do not say the same, and what it is that differs: the documents, not the reading.
DIFFERENT = {
    "Capture/Documents/Combination_of_different_event": {"declarationTime"},  # +01:00 in one, Z in the other
    "Capture/Documents/epcisDocWithAllGS1Keys": {"epcList"},  # one SSCC as URN and as Digital Link
    "Capture/Documents/epcisDocWithSensorComponent": {"epcList", "id"},  # other identifiers
    "Capture/Documents/TransactionEvent_with_userExtensions": {
        "type"
    },  # EffectiveDoseRate: no word of the standard
    "Capture/Events/TransformationEvent": {"declarationTime"},
    "Query/Combination_of_different_event": {"declarationTime"},
    "Query/ObjectEventWithAllPossibleFields": {"deviceMetadata", "rawData"},
    "Query/TransactionEvent_with_userExtensions": {"type"},
    "Query/queryDocument": {"epcList", "id"},
}
OTHER_NAMES = {"TransformationEvent_with_errorDeclaration": "TransformationEvent_with_error_declaration"}


@pytest.fixture(scope="module")
def epcis(shared_data: Path) -> Path:
    return shared_data / "epcis"


def xml(path: Path) -> Document:
    return read_document(path.read_bytes(), Form.XML)


def test_every_valid_example_in_xml_is_read_and_every_invalid_one_refused(epcis: Path) -> None:
    read = 0
    for path in sorted(epcis.rglob("*.xml")):
        name = path.relative_to(epcis).as_posix()
        if name in REFUSED or ("/Invalid/" in name and name not in BAD_VALUES):
            with pytest.raises(FormError, match=REFUSED.get(name, "^(line [1-9]|expected)")):
                xml(path)
        else:
            assert xml(path).events, name
            read += 1
    assert read == 87


def differences(left: Any, right: Any, name: str = "") -> set[str]:
    """The names of the members that differ."""
    if isinstance(left, dict) and isinstance(right, dict):
        names = left.keys() | right.keys()
        return set().union(*(differences(left.get(one), right.get(one), one) for one in names))
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        return set().union(*(differences(*both, name) for both in zip(left, right, strict=True)))
    return set() if left == right else {name}


def test_an_example_in_xml_says_what_its_json_says(epcis: Path) -> None:
    compared = 0
    base = epcis / "openepcis/2.0/EPCIS"
    pairs = {
        path.relative_to(base / "XML").with_suffix("").as_posix(): path
        for path in (base / "XML").rglob("*.xml")
        if "Invalid" not in path.parts
        and "Queries" not in path.parts
        and path.name != "JumbledFieldsOrder.xml"
    }
    for name, path in sorted(pairs.items()):
        stem = OTHER_NAMES.get(path.stem, path.stem)
        twin = (base / "JSON" / name).with_name(f"{stem}.json")
        if twin.exists():
            found = differences(meanings(xml(path)), meanings(read_document(twin.read_bytes(), Form.JSON)))
            assert found == DIFFERENT.get(name, set()), name
            compared += 1
    assert compared == 33
    for path in sorted((epcis / "eventhash/examples").glob("*.xml")):
        twin = path.with_suffix(".jsonld")
        if twin.exists():
            assert meanings(xml(path)) == meanings(read_document(twin.read_bytes(), Form.JSON)), path.name
            compared += 1
    assert compared == 39


def test_the_query_example_is_read(epcis: Path) -> None:
    folder = epcis / "openepcis/2.0/EPCIS/XML/Query"
    poll = read_poll((folder / "Queries/SimpleEventQuery.xml").read_bytes())
    assert poll.query_name == "SimpleEventQuery"
    assert poll.parameters["eventType"] == ["ObjectEvent", "AggregationEvent"]
    assert poll.parameters["GE_eventTime"] == "2026-01-01T00:00:00+01:00"
    for name in (
        "Queries/Invalid/Query_without_queryName.xml",
        "Invalid/QueryDocument_with_missing_value.xml",
    ):
        with pytest.raises(FormError, match=r"line [0-9]+, /EPCISQueryDocument/EPCISBody/Poll"):
            read_poll((folder / name).read_bytes())
