"""EPCIS.md, Forms: identifiers as URNs and as Digital Links, and what is left as it was."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given

from ledger.epcis.spelling import EpcFormat, respelled, spelled, urn_of
from ledger.trade.identifiers import canonical
from tests.epcis.generated import ANYTHING

with warnings.catch_warnings():  # its source has escapes that newer Pythons warn of
    warnings.simplefilter("ignore")
    from epcpy import epc_schemes

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/identifiers.json").read_text())["spellings"]


def seven(_digits: str) -> int:
    return 7


def unknown(_digits: str) -> None:
    return None


PAIRS = [
    ("urn:epc:id:sgtin:9521234.012345.A%2F1", "https://id.gs1.org/01/09521234123453/21/A%2F1"),
    ("urn:epc:id:sgtin:9521234.112345.(1)!", "https://id.gs1.org/01/19521234123450/21/%281%29%21"),
    ("urn:epc:class:lgtin:9521234.012345.L7", "https://id.gs1.org/01/09521234123453/10/L7"),
    ("urn:epc:idpat:sgtin:9521234.012345.*", "https://id.gs1.org/01/09521234123453"),
    ("urn:epc:id:upui:9521234.012345.51qIgY%3C%3C", "https://id.gs1.org/01/09521234123453/235/51qIgY%3C%3C"),
    ("urn:epc:id:sscc:9521234.1000000001", "https://id.gs1.org/00/195212340000000010"),
    ("urn:epc:id:sgln:9521234.00001.0", "https://id.gs1.org/414/9521234000013"),
    ("urn:epc:id:sgln:9521234.00001.A7", "https://id.gs1.org/414/9521234000013/254/A7"),
    ("urn:epc:id:pgln:9521234.00001", "https://id.gs1.org/417/9521234000013"),
    ("urn:epc:id:grai:9521234.00001.77", "https://id.gs1.org/8003/0952123400001377"),
    ("urn:epc:idpat:grai:9521234.00001.*", "https://id.gs1.org/8003/09521234000013"),
    ("urn:epc:id:giai:9521234.A-1", "https://id.gs1.org/8004/9521234A-1"),
    ("urn:epc:id:gdti:9521234.00001.9", "https://id.gs1.org/253/95212340000139"),
    ("urn:epc:id:sgcn:9521234.00001.9", "https://id.gs1.org/255/95212340000139"),
    ("urn:epc:id:ginc:9521234.XY", "https://id.gs1.org/401/9521234XY"),
    ("urn:epc:id:gsin:9521234.000000001", "https://id.gs1.org/402/95212340000000013"),
    ("urn:epc:id:gsrn:9521234.0000000001", "https://id.gs1.org/8018/952123400000000017"),
    ("urn:epc:id:gsrnp:9521234.0000000001", "https://id.gs1.org/8017/952123400000000017"),
    ("urn:epc:id:itip:9521234.012345.01.02.7", "https://id.gs1.org/8006/095212341234530102/21/7"),
    ("urn:epc:idpat:itip:9521234.012345.01.02.*", "https://id.gs1.org/8006/095212341234530102"),
    ("urn:epc:id:cpi:9521234.PA%2F2.7", "https://id.gs1.org/8010/9521234PA%2F2/8011/7"),
    ("urn:epc:idpat:cpi:9521234.PA.*", "https://id.gs1.org/8010/9521234PA"),
]


@pytest.mark.parametrize(("urn", "link"), PAIRS)
def test_each_key_has_both_spellings(urn: str, link: str) -> None:
    assert spelled(urn, EpcFormat.DIGITAL_LINK, unknown) == link
    assert spelled(link, EpcFormat.URN, seven) == urn
    assert spelled(link.replace("id.gs1.org", "wine.example/products"), EpcFormat.URN, seven) == urn
    assert spelled(link, EpcFormat.DIGITAL_LINK, seven) == link
    assert spelled(urn, EpcFormat.URN, seven) == urn


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://wine.example/cask/7",
        "https://wine.example/01/09521234123453/21/A",  # the link of a host of its own is a Digital Link already
        "https://id.gs1.org/8013/9521234ABCDE2Z",  # a model number: no EPC
        "https://id.gs1.org/415/9521234000013/8020/7",
        "https://id.gs1.org/01/09521234123457/21/A",  # wrong check digit
        "https://id.gs1.org/01/09521234123453/10/L7/21/A",  # says the lot besides
        "https://id.gs1.org/01/09521234123453/21/A?17=271231",
        "https://id.gs1.org/01/09521234123453/21/A#front",
        "https://id.gs1.org/8018/952123400000000017/8019/1",
        "https://id.gs1.org/8004/12345",  # shorter than the prefix would be
        "urn:epc:id:gid:95100000.12345.400",
        "urn:epc:id:sgtin:9521234.012345",
        "urn:epcglobal:cbv:bt:9521234000006:4711",
        "urn:uuid:5f0c1f1e-8a51-4f5e-9a0e-0f6a2f2f0001",
    ],
)  # fmt: skip
def test_what_has_no_other_spelling_is_left(text: str) -> None:
    for wanted in EpcFormat:
        if "wine.example/01" not in text or wanted is not EpcFormat.URN:
            assert spelled(text, wanted, seven) == text


@pytest.mark.parametrize("length", [None, 0, 5, 13, 100, -7])
def test_without_a_prefix_that_can_be_one_nothing_is_guessed(length: int | None) -> None:
    link = "https://id.gs1.org/01/09521234123453/21/A"
    assert spelled(link, EpcFormat.URN, lambda _digits: length) == link


def test_the_prefix_is_asked_for_by_the_digits_that_grants_are_kept_by() -> None:
    asked: list[str] = []

    def nine(digits: str) -> int:
        asked.append(digits)
        return 9

    assert (
        spelled("https://id.gs1.org/00/195212340000000010", EpcFormat.URN, nine)
        == "urn:epc:id:sscc:952123400.10000001"
    )
    assert asked == ["952123400000"]


def test_every_identifier_of_the_vectors_survives_both_ways() -> None:
    """Whatever is spelt anew names the same; and a URN comes back from the link it became."""
    there = back = 0
    for vector in VECTORS:
        uri = vector["uri"]
        for length in (6, 7, 9, 12):
            for wanted in EpcFormat:
                other = spelled(uri, wanted, lambda _digits, length=length: length)  # type: ignore[misc]
                assert other == uri or canonical(other).text == vector["text"], (uri, other)
                there += other != uri
        found = canonical(uri) if uri else None
        if found is not None and uri[:8] == "urn:epc:" and found.text.startswith("https://id.gs1.org/"):
            length = len(uri.split(":", 4)[4].partition(".")[0])
            assert urn_of(found, length) is not None, uri
            back += 1
    assert there == 175
    assert back == 27


EVENT: dict[str, Any] = {
    "type": "TransformationEvent",
    "eventID": "https://id.gs1.org/01/09521234123453/21/A",
    "inputEPCList": ["urn:epc:id:sgtin:9521234.012345.1", "urn:uuid:5f0c1f1e-8a51-4f5e-9a0e-0f6a2f2f0001"],
    "outputQuantityList": [{"epcClass": "urn:epc:class:lgtin:9521234.012345.L7", "uom": "KGM"}],
    "transformationID": "urn:epc:id:gdti:9521234.00001.9",
    "readPoint": {"id": "urn:epc:id:sgln:9521234.00001.0", "wine:row": "urn:epc:id:sgln:9521234.00001.0"},
    "bizTransactionList": [{"type": "po", "bizTransaction": "urn:epc:id:gdti:9521234.00001.9"}],
    "sourceList": [{"type": "location", "source": "urn:epc:id:sgln:9521234.00001.0"}],
    "sensorElementList": [
        {"sensorMetadata": {"deviceID": "urn:epc:id:giai:9521234.A-1"}, "sensorReport": [{"deviceID": "urn:epc:id:giai:9521234.A-1"}]}
    ],
    "ilmd": {"wine:of": "urn:epc:id:sgtin:9521234.012345.1"},
}  # fmt: skip


def test_identifiers_of_an_event_are_spelt_and_nothing_else() -> None:
    before = json.dumps(EVENT)
    links = respelled(EVENT, EpcFormat.DIGITAL_LINK, unknown)
    assert json.dumps(EVENT) == before
    assert links == EVENT | {
        "inputEPCList": ["https://id.gs1.org/01/09521234123453/21/1", EVENT["inputEPCList"][1]],
        "outputQuantityList": [{"epcClass": "https://id.gs1.org/01/09521234123453/10/L7", "uom": "KGM"}],
        "transformationID": "https://id.gs1.org/253/95212340000139",
        "readPoint": {"id": "https://id.gs1.org/414/9521234000013", "wine:row": "urn:epc:id:sgln:9521234.00001.0"},
        "bizTransactionList": [{"type": "po", "bizTransaction": "https://id.gs1.org/253/95212340000139"}],
        "sourceList": [{"type": "location", "source": "https://id.gs1.org/414/9521234000013"}],
        "sensorElementList": [
            {"sensorMetadata": {"deviceID": "https://id.gs1.org/8004/9521234A-1"},
             "sensorReport": [{"deviceID": "https://id.gs1.org/8004/9521234A-1"}]}
        ],
    }  # fmt: skip
    assert list(links) == list(EVENT)
    assert respelled(links, EpcFormat.URN, seven) == EVENT
    assert respelled(links, EpcFormat.URN, unknown) is links
    assert respelled(EVENT, EpcFormat.AS_WRITTEN, seven) is EVENT
    assert respelled(EVENT, EpcFormat.NO_PREFERENCE, seven) is EVENT


@given(event=ANYTHING)
def test_any_value_at_all_is_taken(event: dict[str, Any]) -> None:
    for wanted in EpcFormat:
        assert list(respelled(event, wanted, seven)) == list(event)


@pytest.mark.parametrize(("urn", "link"), [pair for pair in PAIRS if ":idpat:" not in pair[0]])
def test_another_reader_of_urns_finds_the_same_key(urn: str, link: str) -> None:
    scheme = getattr(epc_schemes, urn.split(":")[3].upper())
    element_string = scheme.from_epc_uri(urn).gs1_element_string()
    parts = [unquote(part) for part in link.removeprefix("https://id.gs1.org/").split("/")]
    said = "".join(f"({code}){value}" for code, value in zip(parts[::2], parts[1::2], strict=True))
    assert element_string.removesuffix("(254)0") == said
