"""The reader accepts exactly strict JSON, keeps the author's bytes, and refuses everything else with its offset."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger.base.errors import Code, FormError
from ledger.base.limits import CONTEXT_BYTES, DOCUMENT_BYTES, EVENT_BYTES, JSON_DEPTH
from ledger.trade.slices import Number, Slices, document_slices, parse, read_exactly
from tests.bench.load import event_of

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def plain(value: Any) -> Any:
    """A value with each Number as Python reads it."""
    if type(value) is Number:
        return json.loads(value.text)
    if type(value) is dict:
        return {key: plain(member) for key, member in value.items()}
    return [plain(element) for element in value] if type(value) is list else value


def code_of(data: bytes, most: int = EVENT_BYTES) -> Code:
    with pytest.raises(FormError) as refused:
        parse(data, most)
    return refused.value.code


@given(json_values, st.booleans(), st.sampled_from([None, 1]))
def test_reads_what_a_stock_writer_writes(value: Any, ascii_only: bool, indent: int | None) -> None:
    try:
        data = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    except UnicodeEncodeError:
        return
    assert plain(parse(data, len(data))) == value


@given(st.binary(max_size=40) | st.text('{}[]",:\\u0dD8eE+-.truefalsn \t\n', max_size=30).map(str.encode))
def test_never_reads_what_a_stock_reader_refuses(data: bytes) -> None:
    try:
        value = parse(data, 40)
    except FormError:
        return
    assert plain(value) == json.loads(data.decode())
    assert data == data.strip()


PIECES = st.sampled_from(
    (
        "{", "}", "[", "]", ",", ":", '"a"', '"b"', '""', '"a":', '"b":', '"\\u0061":', '"\x7f"', '"\t"', " ", "\n", "1", "-0", "01",
        "1.5e3", "1.", "12345678901234567", "123456789012345678", "1234567890123456789", "NaN", "-Infinity", "true", "null", "nul",
        "\ufeff", "\u0661", "é", "[" * 32, "]" * 32, '{"a":1}', '{"a":[1,{"b":null}]}',
    )
)  # fmt: skip


def said(read: Callable[[bytes], Any], data: bytes) -> Any:
    try:
        return repr(read(data))  # tells 1 from True, and the order of members
    except FormError as error:
        return error.code, error.message


@given(
    st.lists(PIECES, max_size=12).map("".join).map(str.encode)
    | st.binary(max_size=12)
    | json_values.map(json.dumps).map(str.encode)
)
@example(b'{"a":1,"a":1}')
@example(b"[" * JSON_DEPTH + b"]" * JSON_DEPTH)
@example(b"[" * (JSON_DEPTH + 1) + b"]" * (JSON_DEPTH + 1))
@example(b"1234567890123456789")
@example(b'{"a":NaN}')
@example(b'"\\ud800"')
@example(b" 1")
@example(b"1 ")
def test_the_stock_scanner_never_answers_otherwise_than_the_own_reader(data: bytes) -> None:
    assert said(lambda one: parse(one, EVENT_BYTES), data) == said(read_exactly, data)


@given(st.integers(0, 699), st.integers(0, 127))
def test_nor_does_it_on_an_event_with_a_changed_byte(place: int, value: int) -> None:
    data = bytearray(event_of(7, is_first=True))
    data[place % len(data)] = value
    assert said(lambda one: parse(one, EVENT_BYTES), bytes(data)) == said(read_exactly, bytes(data))


DOCUMENT = b'{"@context":["a",{"b":1.5}],"epcisBody":{"eventList":[%s, {"c":[[null]]}]},"id":"d"}' % event_of(
    7, is_first=True
)


@given(st.integers(0, len(DOCUMENT) - 1), st.integers(0, 255) | st.sampled_from(b'"[]{},:\\'))
@example(0, DOCUMENT[0])
def test_nor_does_it_on_a_document_with_a_changed_byte(place: int, value: int) -> None:
    data = DOCUMENT[:place] + bytes([value]) + DOCUMENT[place + 1 :]
    found = said(document_slices, data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ledger.trade.slices._Reader._skimmed", lambda *_: None)
        assert found == said(document_slices, data)


@pytest.mark.parametrize("levels", [JSON_DEPTH - 4, JSON_DEPTH - 3, JSON_DEPTH - 2, 100_000])
def test_events_of_a_document_nest_as_deep_by_either_reader(levels: int) -> None:
    data = b'{"epcisBody":{"eventList":[{"a":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}]}}"
    found = said(document_slices, data)
    assert (type(found) is str) == (levels <= JSON_DEPTH - 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ledger.trade.slices._Reader._skimmed", lambda *_: None)
        assert found == said(document_slices, data)


@pytest.mark.parametrize(
    "text",
    ["-0", "0", "10", "1.50", "1e3", "1E-3", "-12.5e+2", "123456789012345678"],
)
def test_numbers_stay_as_written(text: str) -> None:
    assert parse(text.encode(), 40) == Number(text)


@pytest.mark.parametrize(
    "text",
    ["", " 1", "1 ", "01", "+1", "1.", ".5", "1e", "NaN", "Infinity", "-Infinity", "-", "0x1", "tru", "True", "'a'", "[1,]",
     "[1 2]", "[", "[1", "{", '{"a"}', '{"a":}', '{"a":1,}', '{"a":1', "{1:2}", '{a:1}', '"a', '"\\x"', '"\\u12"', '"\\u12g4"',
     '"\n"', '"\x00"', "1 2", "{}{}", "//", "[1]]", "\ufeff1", '"\\', "nullx", ","],
)  # fmt: skip
def test_what_is_no_json_is_malformed(text: str) -> None:
    assert code_of(text.encode()) is Code.MALFORMED


@pytest.mark.parametrize(
    "data",
    [b'"\xff"', b'"\xc0\xaf"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xe2\x82"', b"\xff\xfe1\x00"],
)
def test_ill_formed_utf8_is_malformed(data: bytes) -> None:
    assert code_of(data) is Code.MALFORMED


def test_surrogates_come_in_pairs() -> None:
    assert parse(b'"\\ud83d\\ude00"', 40) == "\U0001f600"
    for text in (b'"\\ud83d"', b'"\\ude00"', b'"\\ude00\\ud83d"', b'"\\ud83d\\u0041"', b'{"\\ud800":1}'):
        assert code_of(text) is Code.MALFORMED


def test_short_escapes() -> None:
    assert parse(rb'"\"\\\/\b\f\n\r\t\u00e9\u0000"', 60) == '"\\/\b\f\n\r\t\u00e9\0'


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"\\u0061":2}',
        b'{"b":{"":1,"":2}}',
        b'{"a":"x","a":"x"}',
        b'{"a":1,"a":"x"}',
        b'{"\\u0061":"x", "a" : "x" }',
        b'{"a":"x","b":1,"a":"x","c":"y"}',
    ],
)
def test_a_member_stands_once(data: bytes) -> None:
    assert code_of(data) is Code.DUPLICATE_KEY


def test_depth_is_capped() -> None:
    deepest = b"[" * JSON_DEPTH + b"]" * JSON_DEPTH
    assert parse(deepest, 100) is not None
    assert code_of(b"[" + deepest + b"]") is Code.TOO_DEEP
    assert code_of(b'{"a":' * 100_000) is Code.TOO_DEEP


def test_sizes_are_capped() -> None:
    assert code_of(b'"abc"', 4) is Code.TOO_LARGE
    assert code_of(b"1234567890123456789") is Code.TOO_LARGE
    assert code_of(b"0.123456789012345678") is Code.TOO_LARGE
    assert code_of(b"1" * 5000) is Code.TOO_LARGE
    assert code_of(b"1e" + b"0" * 40) is Code.TOO_LARGE


def test_errors_name_the_offset() -> None:
    with pytest.raises(FormError, match=r"expected a comma or \} at offset 7, got b'x' \[malformed\]"):
        parse(b'{"a":1 x'[:8], 40)
    with pytest.raises(FormError, match=r"got the end of the bytes"):
        parse(b'{"a":1', 40)


# --- documents

EVENT = b'{ "type" : "ObjectEvent",\n "x": [1.50, "\\u00e9"] }'


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (b'{"@context": ["c"] , "epcisBody":{"eventList":[%b , %b]}}', (b'["c"]', 2)),
        (b'{"epcisBody":{"eventList":[ %b]}, "@context" :"c"}\n', (b'"c"', 1)),
        (b'{"epcisBody":{"eventList":[%b]}}', (None, 1)),
        (b'{"@context":{}, "epcisBody":{"queryResults":{"queryName":"q","resultsBody":{"eventList":[%b]}}}}', (b"{}", 1)),
        (b'{"@context":"c","eventList":[%b]}', (b'"c"', 1)),
        (b" [%b,%b]\t", (None, 2)),
        (b"\n%b ", (None, 1)),
        (b'{"epcisHeader":{"eventList":[1]},"epcisBody":{"eventList":[%b],"@context":1}}', (None, 1)),
    ],
)  # fmt: skip
def test_slices_of_documents(document: bytes, expected: tuple[bytes | None, int]) -> None:
    context, count = expected
    slices = document_slices(document.replace(b"%b", EVENT))
    assert slices[:2] == (context, (EVENT,) * count)


def test_what_frames_the_slices_is_told_without_them() -> None:
    document = b'{"@context":["c"],"id":"a:b","epcisBody":{"x":1,"eventList":[%b , %b]}}'.replace(
        b"%b", EVENT
    )
    frame = {"@context": None, "id": "a:b", "epcisBody": {"x": Number("1"), "eventList": [None, None]}}
    assert document_slices(document) == Slices(b'["c"]', (EVENT, EVENT), frame)
    assert document_slices(b"[%b]" % EVENT).frame == [None]
    assert document_slices(EVENT).frame is None


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b'{"epcisBody":{"eventList":[]}}', Code.MALFORMED),
        (b'{"epcisBody":{}}', Code.MALFORMED),
        (b'{"epcisBody":[{}]}', Code.MALFORMED),
        (b'{"epcisBody":{"eventList":{"type":"ObjectEvent"}}}', Code.MALFORMED),
        (b'{"epcisBody":{"eventList":["ObjectEvent"]}}', Code.MALFORMED),
        (b"[]", Code.MALFORMED),
        (b"[[{}]]", Code.MALFORMED),
        (b'"ObjectEvent"', Code.MALFORMED),
        (b"{}{}", Code.MALFORMED),
        (b'{"a":1,"a":2}', Code.DUPLICATE_KEY),
        (b'{"epcisBody":{"eventList":[{"a":1,"a":1}]}}', Code.DUPLICATE_KEY),
        (b'{"type":"ObjectEvent","x":"%b"}' % (b"x" * EVENT_BYTES), Code.TOO_LARGE),
        (b'{"@context":"%b","epcisBody":{"eventList":[{}]}}' % (b"x" * CONTEXT_BYTES), Code.TOO_LARGE),
        (b" " * (DOCUMENT_BYTES + 1), Code.TOO_LARGE),
    ],
    ids=range(14),
)
def test_documents_that_are_refused(document: bytes, code: Code) -> None:
    with pytest.raises(FormError) as refused:
        document_slices(document)
    assert refused.value.code is code


def test_real_documents_keep_their_bytes(shared_data: Path) -> None:
    count = 0
    for path in sorted((shared_data / "epcis").rglob("*.json*")):
        if "schema" in path.parts or path.name == "event_hash_vectors.json":
            continue
        data = path.read_bytes()
        slices = document_slices(data)
        document = json.loads(data)
        assert slices.context is None or plain(parse(slices.context, CONTEXT_BYTES)) == document["@context"]
        for event in slices.events:
            assert event in data
            assert plain(parse(event, EVENT_BYTES)) == json.loads(event)
            count += 1
    assert count > 150
