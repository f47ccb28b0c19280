from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.base.errors import Code, FormError
from node.transport.connection import Counters, Lane, Outbox
from node.transport.framing import FrameReader, encode_header

CAPS = {16: 1000, 17: 10, 18: 0}
FRAMES = st.lists(
    st.tuples(st.just(16), st.binary(max_size=1000)) | st.tuples(st.just(17), st.binary(max_size=10)),
    max_size=8,
)


@given(FRAMES, st.lists(st.integers(1, 50), min_size=1))
def test_frames_come_back_however_the_bytes_are_cut(frames: list[tuple[int, bytes]], cuts: list[int]) -> None:
    stream = b"".join(encode_header(kind, len(body)) + body for kind, body in frames)
    reader = FrameReader(CAPS)
    found: list[tuple[int, bytes]] = []
    at, turn = 0, 0
    while at < len(stream):
        size = cuts[turn % len(cuts)]
        found += reader.feed(stream[at : at + size])
        at, turn = at + size, turn + 1
    assert found == frames
    assert reader.held_bytes == 0


def test_the_bytes_of_a_frame() -> None:
    assert encode_header(17, 3) + b"abc" == bytes.fromhex("00000003 11 616263")
    assert FrameReader(CAPS).feed(bytes.fromhex("00000000 12")) == [(18, b"")]


def test_a_kind_or_a_length_too_much_is_refused_before_a_byte_of_it_is_held() -> None:
    for header, code in (
        (encode_header(99, 1), Code.MALFORMED),
        (encode_header(17, 11), Code.TOO_LARGE),
        (encode_header(16, 0xFFFFFFFF), Code.TOO_LARGE),
    ):
        with pytest.raises(FormError) as caught:
            FrameReader(CAPS).feed(header)
        assert caught.value.code is code


def drain(outbox: Outbox) -> list[bytes]:
    pieces = []
    while outbox:
        pieces += outbox.take(1)[1::2]
    return pieces


def test_urgent_frames_overtake_bulk_ones() -> None:
    outbox = Outbox(1000, 1000, Counters())
    outbox.put(17, b"bulk", Lane.BULK)
    outbox.put(16, b"vote 1", Lane.URGENT)
    outbox.put(16, b"vote 2", Lane.URGENT)
    assert drain(outbox) == [b"vote 1", b"vote 2", b"bulk"]
    assert outbox.urgent_bytes == outbox.bulk_bytes == 0


def test_a_full_urgent_lane_drops_the_oldest_and_a_full_bulk_lane_the_newest() -> None:
    counters = Counters()
    outbox = Outbox(100, 100, counters)
    assert all(outbox.put(16, b"%020d" % number, Lane.URGENT) for number in range(10))
    assert drain(outbox) == [b"%020d" % number for number in range(6, 10)]
    assert [outbox.put(17, b"%020d" % number, Lane.BULK) for number in range(6)] == [True] * 4 + [False] * 2
    assert drain(outbox) == [b"%020d" % number for number in range(4)]
    assert not outbox.put(16, bytes(96), Lane.URGENT)
    assert (counters.dropped_urgent, counters.dropped_bulk) == (7, 2)


@given(st.lists(st.tuples(st.sampled_from(Lane), st.integers(0, 60)), max_size=60))
def test_an_outbox_never_holds_more_than_its_caps(puts: list[tuple[Lane, int]]) -> None:
    outbox = Outbox(100, 150, Counters())
    for lane, size in puts:
        outbox.put(16, bytes(size), lane)
        assert outbox.urgent_bytes <= 100
        assert outbox.bulk_bytes <= 150
    drain(outbox)
    assert outbox.urgent_bytes == outbox.bulk_bytes == 0
