"""An event like one before gives what `extract` gives, whatever is put where they differ."""

from __future__ import annotations

import json
from functools import cache
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.base.errors import Code, CustodyError
from ledger.trade.extract import Alike, extract
from ledger.trade.extract.event import members_of
from ledger.trade.statement import EXTRACTOR_VERSION, Extract, Openness
from tests.bench.load import event_of

ITEM = "https://id.gs1.org/01/09521141012345/21/2017"
OTHER = "https://id.gs1.org/01/09521141012345/21/2018"
TIME = "2026-04-19T13:35:18Z"

EVENT: dict[str, Any] = {
    "type": "ObjectEvent", "eventID": "urn:uuid:1", "eventTime": TIME, "eventTimeZoneOffset": "-05:00", "action": "ADD",
    "bizStep": "commissioning", "epcList": [ITEM],
}  # fmt: skip
FORMS: tuple[dict[str, Any], ...] = (
    {},
    {"action": "OBSERVE", "bizStep": "inspecting"},
    {"action": "DELETE", "bizStep": "destroying"},
    {"action": "OBSERVE", "bizStep": "sampling"},
    {"ilmd": {"cbvmda:lotNumber": "L 7"}},
    {"ilmd": {"cbvmda:lotNumber": "L7"}},
    {"ilmd": {"cbvmda:lotNumber": "ä"}},
    {"bizTransactionList": [{"type": "po", "bizTransaction": ITEM}]},
    {"quantityList": [{"epcClass": OTHER}]},
    {"custody:count": 3, "action": "OBSERVE", "bizStep": "shipping"},
    {"custody:missing": [OTHER], "action": "OBSERVE", "bizStep": "receiving"},
    {"errorDeclaration": {"declarationTime": TIME}},
    {"sensorElementList": [{"eventID": "x", "epcList": [ITEM], "eventTime": TIME}]},
    {"note": "eventID"},
    {"note": "a \\ b", "text": "ü"},
    {"@context": {"https": "urn:x:"}},
    {"@context": {"ex": "https://example.com/"}, "ex:note": {"eventTime": TIME}},
    {"type": "AggregationEvent", "parentID": OTHER, "childEPCs": [ITEM]},
    {"type": "TransactionEvent", "bizTransactionList": [{"type": "po", "bizTransaction": "urn:x:1"}]},
)
WITHOUT = ((), ("eventID",), ("eventTime",), ("epcList",), ("bizStep",))
IDS: tuple[Any, ...] = (
    "urn:uuid:1",
    "urn:uuid:2",
    "",
    "a b",
    "ä",
    'a"b',
    "a\\b",
    "\x7f",
    "eventTime",
    ITEM,
    "{",
    None,
)
TIMES: tuple[Any, ...] = (
    TIME, "2026-04-19T13:35:18.250-05:00", "2024-02-29T00:00:00Z", "2023-02-29T00:00:00Z", "yesterday", "", "٢", 7, None,
)  # fmt: skip
EPCS: tuple[Any, ...] = (
    [ITEM], [OTHER], [ITEM[:-4]], [ITEM + "a-Z"], [ITEM + "." * 2], [ITEM + "1" * 16], [ITEM + "1" * 17], [ITEM + "%2F"],
    [ITEM, OTHER], [], None, ["https://id.gs1.org/01/09521141012346/21/2017"], ["https://id.gs1.org/01/09521141012352/21/2017"],
    ["https://example.com/01/09521141012345/21/2017"], ["urn:epc:id:sgtin:9521141.001234.2017"], [ITEM + '"'], [ITEM + "ä"],
    ["https://id.gs1.org/8006/095211410123450102/21/2017"], [ITEM + "?10=L7"], [7], ITEM, ["urn:x:" + ITEM],
    ["https://a.bc/01/09521141012345/21/20171234567"], ["https://a.bc/01/09521141012345/21/20171234568"],
)  # fmt: skip
ids, times, epcs = st.sampled_from(IDS) | st.text(max_size=5), st.sampled_from(TIMES), st.sampled_from(EPCS)
values = st.tuples(ids, times, epcs)
spelling = st.sampled_from(((",", ":"), (", ", ": "), (" ,\n", "\t: ")))
event = st.tuples(st.sampled_from(FORMS), st.sampled_from(WITHOUT), values, spelling, st.booleans())


def spelled(drawn: tuple[Any, ...]) -> bytes:
    form, without, (known, time, epc), separators, is_first = drawn
    own = {"eventID": known, "eventTime": time, "epcList": epc}
    members = form | EVENT | form | own if is_first else EVENT | form | own
    members = {name: value for name, value in members.items() if name not in without}
    return json.dumps(members, separators=separators, ensure_ascii=False).encode()


def outcome(read: Any, *given: Any) -> Any:
    try:
        found: Extract = read(*given)
    except CustodyError as error:
        return error.code, str(error)
    return (
        found,
        type(found.statement),
        [type(value) for value in found.statement],
        [type(s) for s in found.subjects],
    )


contexts = st.sampled_from((None, b'"https://example.com/x"', b'{"ex":"https://id.gs1.org/01/"}'))


@given(st.lists(st.tuples(event, contexts, st.sampled_from(Openness)), max_size=12))
def test_events_alike_give_what_each_gives_alone(drawn: list[tuple[Any, ...]]) -> None:
    alike = Alike()
    for one, context, openness in drawn:
        asked = spelled(one), context, EXTRACTOR_VERSION, openness
        assert outcome(alike.extract, *asked) == outcome(extract, *asked)


@pytest.mark.parametrize("is_first", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_events_of_one_form_give_what_each_gives_alone(form: dict[str, Any], is_first: bool) -> None:
    plain = IDS[0], TIME, [ITEM]
    changed = [(known, *plain[1:]) for known in IDS] + [(IDS[0], time, [ITEM]) for time in TIMES]
    changed += [(*plain[:2], epc) for epc in EPCS]
    events = [
        spelled((form, (), one, (" ,\n", "\t: ") if is_first else (",", ":"), is_first)) for one in changed
    ]
    for seed in events:
        for event in events:
            alike = Alike()
            outcome(alike.extract, seed, None, EXTRACTOR_VERSION)
            assert outcome(alike.extract, event, None, EXTRACTOR_VERSION) == expected(
                event, None, EXTRACTOR_VERSION
            )


def test_an_escape_is_no_end_of_a_text() -> None:
    plain = spelled(({}, (), ("urn:uuid:1", TIME, [ITEM]), (",", ":"), False))
    escaped = spelled(({}, (), ('urn"uuid:1', TIME, [ITEM]), (",", ":"), False))
    for seed, event in (
        (plain, plain.replace(b"urn:uuid:1", b"urn:uuid:1\\")),
        (escaped, escaped.replace(b"\\", b"")),
    ):
        alike = Alike()
        alike.extract(seed, None, EXTRACTOR_VERSION)
        assert outcome(alike.extract, event, None, EXTRACTOR_VERSION)[0] == Code.MALFORMED


@cache
def expected(*asked: Any) -> Any:
    """What the event gives alone."""
    return outcome(extract, *asked)


@pytest.mark.parametrize("context", [None, b'"https://example.com/x"', b'{"@vocab":7}'])
@pytest.mark.parametrize("openness", Openness)
def test_the_context_and_the_openness_are_of_the_event(context: bytes | None, openness: Openness) -> None:
    alike, event = Alike(), event_of(1, is_first=True)
    for asked in (
        (event, None, 1, Openness.OPEN),
        (event, context, 1, openness),
        (event, context, 2, openness),
    ):
        assert outcome(alike.extract, *asked) == outcome(extract, *asked)


@given(st.data())
def test_a_byte_changed_anywhere_is_seen(data: st.DataObject) -> None:
    alike, plain = Alike(), event_of(1, is_first=True)
    alike.extract(plain, None, EXTRACTOR_VERSION)
    place, byte = data.draw(st.integers(0, len(plain) - 1)), data.draw(st.integers(0, 255))
    changed = plain[:place] + bytes([byte]) + plain[place + data.draw(st.integers(0, 2)) :]
    asked = changed, None, EXTRACTOR_VERSION
    assert outcome(alike.extract, *asked) == outcome(extract, *asked)


@pytest.mark.parametrize("form", FORMS[:3])
def test_only_the_first_of_a_form_is_read_as_json(form: dict[str, Any]) -> None:
    alike = Alike()
    drawn = [(f"urn:uuid:{n}", f"2026-04-19T13:35:{n:02}Z", [f"{ITEM}{n}"]) for n in range(9)]
    with patch("ledger.trade.extract.alike.members_of", wraps=members_of) as read:
        for one in drawn:
            alike.extract(spelled((form, (), one, (",", ":"), True)), None, EXTRACTOR_VERSION)
    assert read.call_count == 1


def test_forms_are_forgotten_when_others_come() -> None:
    alike = Alike()
    for number in range(20):
        alike.extract(
            spelled(({"note": str(number)}, (), ("a", TIME, [ITEM]), (",", ":"), False)),
            None,
            EXTRACTOR_VERSION,
        )
    assert len(alike._forms) == 8
