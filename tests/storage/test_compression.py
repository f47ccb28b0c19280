"""Frames hold what was packed, and nothing else is taken for one."""

from __future__ import annotations

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from ledger.base.errors import Code, StorageError
from node.storage.compression import Compressor
from tests.bench.load import event_of


@given(st.binary(max_size=3_000))
def test_what_was_packed_comes_back(data: bytes) -> None:
    both = Compressor()
    assert both.unpack(both.pack(data), len(data)) == data
    assert both.unpack_alone(both.pack_alone(data), len(data)) == data


def test_an_event_alone_takes_less_than_half() -> None:
    event = event_of(1, is_first=True)
    assert 2 * len(Compressor().pack_alone(event)) < len(event)


def test_what_is_no_frame_or_too_long_is_damage() -> None:
    both = Compressor()
    frame = both.pack(bytes(1_000))
    unsized = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(1_000))
    for wrong in (b"", b"\0", frame[:-1], frame[4:], unsized):
        with pytest.raises(StorageError) as refused:
            both.unpack(wrong, 1_000)
        assert refused.value.code == Code.DAMAGED
    with pytest.raises(StorageError):
        both.unpack(frame, 999)
    with pytest.raises(StorageError):
        both.unpack(both.pack_alone(event_of(1, is_first=True)), 10_000)
