"""Large documents: the same slices as the strict reader's, read in pieces of any size."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.capture import document
from client.capture.document import events_from, survey
from ledger.base.errors import Code, CustodyError, FormError
from ledger.trade.slices import document_slices
from tests.client.capture.stage import HEAD, TAIL, event, write_document

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(st.sampled_from('ab"\\[]{}:,é \n'), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
_EVENTS = st.lists(
    st.dictionaries(st.sampled_from(["type", "eventList", "@context"]), _VALUES, max_size=3),
    min_size=1,
    max_size=5,
)


@pytest.fixture(params=[1, 7, 1_048_576])
def piece(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How much is read at a time."""
    monkeypatch.setattr(document, "PIECE_BYTES", request.param)
    return int(request.param)


@given(
    events=_EVENTS,
    frame=st.dictionaries(st.sampled_from(["a", "epcisHeader"]), _VALUES, max_size=2),
    data=st.data(),
)
def test_any_document_gives_the_strict_readers_slices(
    tmp_path_factory: pytest.TempPathFactory, events: Any, frame: Any, data: Any
) -> None:
    body = data.draw(
        st.sampled_from(
            [
                events,
                {**frame, "epcisBody": {"eventList": events}},
                {"epcisBody": {"eventList": events}, **frame, "@context": "https://example.org"},
                {**frame, "eventList": events},
                {
                    "epcisBody": {"queryResults": {"queryName": "a", "resultsBody": {"eventList": events}}},
                    **frame,
                },
            ]
        )
    )
    text = json.dumps(
        body, indent=data.draw(st.sampled_from([None, 1])), ensure_ascii=data.draw(st.booleans())
    ).encode()
    path = tmp_path_factory.mktemp("drawn") / "document.json"
    path.write_bytes(text)
    expected = document_slices(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(document, "PIECE_BYTES", data.draw(st.integers(1, 40)))
        surveyed = survey(path)
        found = list(events_from(path, surveyed.first))
    assert [one.event for one in found] == list(expected.events)
    assert [text[one.start : one.end] for one in found] == list(expected.events)
    assert (surveyed.context, surveyed.events) == (expected.context, len(expected.events))
    assert (surveyed.digest, surveyed.size) == (hashlib.sha256(text).digest(), len(text))


@pytest.mark.usefixtures("piece")
def test_reading_goes_on_behind_any_event(tmp_path: Path) -> None:
    path = write_document(tmp_path / "a.json", [event(number) for number in range(9)])
    everything = list(events_from(path, survey(path).first))
    for place, one in enumerate(everything):
        assert list(events_from(path, one.end)) == everything[place + 1 :]


@pytest.mark.usefixtures("piece")
@pytest.mark.parametrize(
    "text",
    [
        HEAD + event(1) + event(2) + TAIL,
        HEAD + event(1) + "," + TAIL,
        HEAD + "," + event(1) + TAIL,
        HEAD + event(1) + ", 7" + TAIL,
        HEAD + TAIL,
        HEAD + event(1),
        HEAD + event(1)[:-1],
        HEAD + event(1) + "]}",
        HEAD + event(1) + TAIL + "x",
        HEAD + event(1) + '],"eventList":[]}}',
        HEAD.replace('"@context"', '"@context":1,"@context"') + event(1) + TAIL,
        HEAD.replace('"type"', '"epcisBody":{},"type"') + event(1) + TAIL,
        event(1),
        '"a text [',
        "",
        '{"epcisBody":{"eventList":{}}}',
        '{"eventList":[' + event(1) + '],"epcisBody":{"eventList":[' + event(2) + "]}}",
        HEAD + event(1) + '],"queryResults":{"resultsBody":{"eventList":[' + event(2) + "]}}}}",
    ],
)
def test_what_is_no_document_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(FormError) as refused:
        survey(path)
    assert refused.value.code in (Code.MALFORMED, Code.DUPLICATE_KEY)


def test_xml_is_sent_elsewhere_and_a_missing_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(" <EPCISDocument/>")
    with pytest.raises(FormError, match="custody submit"):
        survey(path)
    with pytest.raises(CustodyError, match="No such file"):
        survey(tmp_path / "none")


def test_no_event_or_frame_grows_beyond_its_cap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "PIECE_BYTES", 1_000)
    monkeypatch.setattr(document, "EVENT_BYTES", 5_000)
    monkeypatch.setattr(document, "FRAME_BYTES", 5_000)
    path = tmp_path / "a.json"
    path.write_text(HEAD + event(1) + ',{"a":"' + "b" * 10_000 + '"}' + TAIL)
    with pytest.raises(FormError, match="events of at most 5000 bytes"):
        survey(path)
    path.write_text(HEAD + event(1) + "]}" + " " * 10_000 + "}")
    with pytest.raises(FormError, match="behind the events"):
        survey(path)
    path.write_text(" " * 10_000 + HEAD + event(1) + TAIL)
    with pytest.raises(FormError, match="begins in the first 5000 bytes"):
        survey(path)
