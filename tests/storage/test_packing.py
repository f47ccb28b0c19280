"""Records packed on the disk: what is read is what was written, through every way of reading, and damage is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledger.base.encoding import encode
from ledger.base.errors import Code, StorageError
from ledger.trade.record import EMPTY, Chain, Record
from node.storage.compression import RecordCompressor
from node.storage.packing import VALUE_BYTES, PackedBackend
from node.storage.state_store import Kept, StateStore
from tests.storage.memory_backend import MemoryBackend

TABLES = ("records", "links")


def key(number: int) -> bytes:
    return bytes((number,)) * 4


MADE = encode(Record(status=1, origin=2, maker="maker", custodian="maker", links=Chain(1, bytes(range(32)))))
VALUES = {
    key(1): b"",
    key(2): encode(EMPTY),
    key(3): MADE,
    key(4): bytes(range(256)) * 12,
    key(5): b"x" * VALUE_BYTES,
}


@pytest.fixture
def inner() -> MemoryBackend:
    return MemoryBackend()


@pytest.fixture
def store(inner: MemoryBackend) -> Iterator[StateStore]:
    made = StateStore(PackedBackend(inner, ("records",)), TABLES)
    made.begin()
    for table in TABLES:
        made.table(table).changes().update(VALUES)
    made.commit(1)
    assert made.flush(1)
    yield made
    made.close()


def test_what_was_packed_is_read_back_by_key_by_range_by_group_and_at_leisure(store: StateStore) -> None:
    for name in TABLES:
        table = store.table(name)
        assert {one: table.get(one) for one in VALUES} == VALUES
        assert table.get(key(6)) is None
        assert dict(table.range()) == VALUES
        assert dict(table.range(key(2), key(4), reverse=True)) == {
            one: VALUES[one] for one in (key(2), key(3))
        }
        assert dict(table.group(8, 3)) == {key(3): MADE}
        assert dict(store.keep(name).read()) == VALUES


def test_what_is_kept_as_it_was_is_what_was_written(store: StateStore) -> None:
    kept: Kept = store.keep("records")
    store.begin()
    store.table("records").changes().update(dict.fromkeys(VALUES, b"other"))
    store.commit(2)
    assert store.flush(2)
    assert dict(kept.read()) == VALUES
    assert store.table("records").get(key(3)) == b"other"


def test_a_value_is_removed_and_installed(store: StateStore, inner: MemoryBackend) -> None:
    store.begin()
    store.table("records").delete(key(3))
    store.commit(2)
    assert store.flush(2)
    assert store.table("records").get(key(3)) is None
    assert key(3) not in inner.tables["records"]
    store_of_records = [("records", [(key(3), MADE)])]
    for _ in store.install(store_of_records, 7):
        pass
    assert dict(store.table("records").range()) == {key(3): MADE}


def test_only_the_tables_named_are_packed_and_a_record_takes_half(
    store: StateStore, inner: MemoryBackend
) -> None:
    assert store.table("links").get(key(3)) == inner.tables["links"][key(3)] == MADE
    assert len(inner.tables["records"][key(3)]) < len(MADE) // 2


def test_a_frame_that_is_none_or_too_large_is_damaged() -> None:
    packed = RecordCompressor()
    assert packed.unpack(packed.pack(MADE), len(MADE)) == MADE
    for frame, most in (
        (packed.pack(MADE), len(MADE) - 1),
        (b"", 100),
        (MADE, 1000),
        (packed.pack(MADE)[:-3], 1000),
    ):
        with pytest.raises(StorageError) as refused:
            packed.unpack(frame, most)
        assert refused.value.code == Code.DAMAGED
