from __future__ import annotations

import random
from pathlib import Path

import pytest

from ledger.base.encoding import encode
from ledger.base.errors import Code, FormError, StorageError
from node.storage.filesystem import RealFileSystem
from node.storage.lmdb_backend import LmdbBackend
from node.storage.payload_store import GROUP_BYTES, INDEX_TABLES, Payload, PayloadStore
from node.storage.segments import SegmentLog
from tests.bench.load import event_of
from tests.storage.memory_backend import MemoryBackend
from tests.storage.memory_files import MemoryFileSystem

NETWORK = bytes(range(32))


def payload(number: int, readers: tuple[str, ...] | None = None) -> Payload:
    draw = random.Random(number)
    return Payload(
        draw.randbytes(32), draw.randbytes(16), b"<event %d>" % number * 9, draw.randbytes(32), readers
    )


def open_store(files: MemoryFileSystem, index: MemoryBackend | None = None) -> PayloadStore:
    return PayloadStore(files, index or MemoryBackend(), NETWORK, segment_bytes=4096)


def test_events_and_contexts_come_back(tmp_path: Path) -> None:
    def opened() -> PayloadStore:
        return PayloadStore(
            RealFileSystem(tmp_path),
            LmdbBackend(tmp_path / "payload" / "index", NETWORK, INDEX_TABLES),
            NETWORK,
        )

    store = opened()
    for number in range(50):
        assert store.put(payload(number, None if number % 2 else ("maker", "customs")))
    assert not store.put(payload(7))
    assert store.put_context(bytes(32), b'{"ex": "https://example.org/"}')
    assert not store.put_context(bytes(32), b"another")
    store.close()
    store = opened()
    for number in range(50):
        assert store.get(payload(number).event_hash) == payload(
            number, None if number % 2 else ("maker", "customs")
        )
    assert store.get_context(bytes(32)) == b'{"ex": "https://example.org/"}'
    assert store.get(bytes(32)) is None
    assert store.get_context(bytes(31) + b"\1") is None
    store.close()


def test_restricted_events_name_their_readers() -> None:
    assert payload(1).is_readable_by("anyone")
    assert payload(1, ("maker",)).is_readable_by("maker")
    assert not payload(1, ("maker",)).is_readable_by("anyone")
    assert not payload(1, ()).is_readable_by("maker")


def test_erased_bytes_and_salt_are_nowhere_on_the_disk() -> None:
    files = MemoryFileSystem()
    store = open_store(files)
    for number in range(100):
        store.put(payload(number))
    store.sync()
    gone = payload(3)
    assert store.erase(gone.event_hash)
    assert not store.erase(gone.event_hash)
    assert store.get(gone.event_hash) is None
    assert store.is_erased(gone.event_hash)
    assert not store.is_erased(payload(4).event_hash)
    assert not store.put(gone), "what was erased never comes back"
    disk = b"".join(inode.durable for inode in files.names.values())
    assert gone.salt not in disk
    assert gone.event[:16] not in disk
    assert payload(4).salt in disk
    again = open_store(files.crash())
    assert again.is_erased(gone.event_hash)
    assert again.get(payload(4).event_hash) == payload(4)


def test_an_erasure_may_come_before_the_bytes() -> None:
    files = MemoryFileSystem()
    store = open_store(files)
    assert not store.erase(payload(1).event_hash)
    assert not store.put(payload(1))
    assert open_store(files.crash()).is_erased(payload(1).event_hash)


def test_an_erasure_interrupted_at_any_point_is_finished_or_never_was() -> None:
    finished = set()
    for seed in range(150):
        draw = random.Random(seed)
        files = MemoryFileSystem()
        store = open_store(files)
        for number in range(draw.randrange(1, 60)):
            store.put(payload(number))
        if draw.random() < 0.5:
            store.sync()
        gone = payload(0)
        left = draw.randrange(8)

        def fault(operation: str, path: str) -> None:
            nonlocal left
            if operation in {"write", "sync"}:
                left -= 1
                if left < 0:
                    raise OSError(5, "power is going")

        files.fault = fault
        try:
            store.erase(gone.event_hash)
            done = True
        except StorageError:
            done = False
        after = files.crash(draw.randrange)
        again = open_store(after)
        assert again.get(gone.event_hash) in (None, gone)
        if done:
            assert again.is_erased(gone.event_hash)
        if again.is_erased(gone.event_hash):
            assert all(gone.salt not in inode.durable for inode in after.names.values())
        finished.add((done, again.is_erased(gone.event_hash)))
    assert finished == {(True, True), (False, True), (False, False)}


def test_who_stands_in_a_group_with_an_erased_event_stays_whatever_interrupts() -> None:
    moved = 0
    for seed in range(150):
        draw = random.Random(seed)
        files, index = MemoryFileSystem(), MemoryBackend()
        store = open_store(files, index)
        shown = [payload(number, ("maker",) if number % 2 else None) for number in range(6)]
        for one in shown:
            store.put(one)
        store.sync()
        if draw.random() < 0.5:
            store.write_index(least_bytes=0)
        gone = draw.sample(shown, draw.randrange(1, 7))
        left = draw.randrange(9)

        def fault(operation: str, path: str) -> None:
            nonlocal left
            if operation in {"write", "sync"}:
                left -= 1
                if left < 0:
                    raise OSError(5, "power is going")

        files.fault = fault
        try:
            for one in gone[1:]:
                store.erase(one.event_hash)
            assert store.erase_all([gone[0].event_hash, *(one.event_hash for one in gone[1:])]) == 1
        except StorageError:
            pass
        after = files.crash(draw.randrange)
        again = open_store(after, index)
        for one in shown:
            found = again.get(one.event_hash)
            assert found == one or (one in gone and found is None and again.is_erased(one.event_hash))
            moved += found is not None and again.is_erased(gone[0].event_hash)
        assert not any(one.salt in _disk(after) for one in gone if again.is_erased(one.event_hash))
    assert moved > 50


def test_events_of_one_sync_stand_together_and_take_a_quarter() -> None:
    """Read before they are in the log, from the group, and after a start; one too large stands alone."""
    files = MemoryFileSystem()
    store = PayloadStore(files, MemoryBackend(), NETWORK)
    shown = [payload(number)._replace(event=event_of(number, is_first=True)) for number in range(200)]
    large = payload(1000)._replace(event=bytes(GROUP_BYTES + 1))
    for one in (*shown[:50], large, *shown[50:]):
        assert store.put(one)
        assert not store.put(one)
        assert store.get(one.event_hash) == one
    assert len(_disk(files)) == 0 or shown[199].salt not in _disk(files)
    store.sync()
    assert [store.get(one.event_hash) for one in shown] == shown
    assert len(_disk(files)) < sum(len(one.event) for one in shown) / 4
    again = PayloadStore(files.crash(), MemoryBackend(), NETWORK)
    for one in (large, *shown[::-7]):
        assert again.get(one.event_hash) == one


def test_an_erasure_torn_across_sectors_is_finished_at_the_next_start() -> None:
    """Half the body overwritten reads as damage a tombstone explains; the other half must not stay for good."""
    torn = 0
    for seed in range(60):
        files = MemoryFileSystem()
        store = open_store(files)
        sectors = [random.Random(number).randbytes(512) for number in range(200, 205)]  # nothing to pack
        gone = payload(0)._replace(event=b"".join(sectors))
        store.put(gone)
        store.sync()
        syncs = 0

        def fault(operation: str, path: str) -> None:
            nonlocal syncs
            syncs += operation == "sync"
            if syncs == 2:  # the tombstone is durable, the zeros are written
                raise OSError(5, "power is going")

        files.fault = fault
        with pytest.raises(StorageError):
            store.erase(gone.event_hash)
        after = files.crash(random.Random(seed).randrange)
        torn += 0 < sum(sector[:16] in _disk(after) for sector in sectors) < len(sectors)
        again = open_store(after)
        assert again.is_erased(gone.event_hash)
        assert not [sector for sector in sectors if sector[:16] in _disk(after)]
    assert torn > 20


def _disk(files: MemoryFileSystem) -> bytes:
    return b"".join(inode.durable for inode in files.names.values())


def test_the_index_is_brought_up_to_date_from_where_it_was_written() -> None:
    files = MemoryFileSystem()
    index = MemoryBackend()
    store = PayloadStore(files, index, NETWORK, segment_bytes=4096)
    for number in range(40):
        store.put(payload(number))
        if number == 20:
            store.write_index(least_bytes=0)
    store.erase(payload(5).event_hash)
    store.erase(payload(30).event_hash)
    after = files.crash()
    again = PayloadStore(after, index, NETWORK, segment_bytes=4096)
    for number in range(40):
        expected = None if number in {5, 30} else payload(number)
        assert again.get(payload(number).event_hash) == expected
    again.close()
    last = PayloadStore(after, index, NETWORK, segment_bytes=4096)
    assert last.is_erased(payload(30).event_hash)
    assert last.get(payload(39).event_hash) == payload(39)


def test_damage_that_no_erasure_explains_is_refused() -> None:
    files = MemoryFileSystem()
    store = open_store(files)
    for number in range(10):
        store.put(payload(number))
        store.sync()
    files.names["payload/payload-00000000.seg"].content[300] ^= 1
    with pytest.raises(StorageError) as caught:
        open_store(files)
    assert caught.value.code is Code.DAMAGED


def test_what_is_not_a_payload_is_refused() -> None:
    store = open_store(MemoryFileSystem())
    good = payload(1)
    for bad in (
        good._replace(event_hash=b"short"),
        good._replace(salt=bytes(65)),
        good._replace(event=bytes(1_000_001)),
        good._replace(context_hash=b""),
        good._replace(readers=("a b",)),
    ):
        with pytest.raises(FormError):
            store.put(bad)
    with pytest.raises(FormError):
        store.put_context(bytes(32), bytes(65_537))


def test_restricted_bytes_are_read_by_those_named_and_open_ones_by_all() -> None:
    store = open_store(MemoryFileSystem())
    opened, closed = payload(1), payload(2)._replace(readers=("carrier", "maker"))
    store.put(opened)
    store.put(closed)
    assert store.get_for(opened.event_hash, None) == store.get_for(opened.event_hash, "rival") == opened
    assert store.get_for(closed.event_hash, "carrier") == closed
    assert store.get_for(closed.event_hash, "rival") is None
    assert store.get_for(closed.event_hash, None) is None
    assert store.get_for(bytes(32), "carrier") is None


def test_events_of_older_versions_are_read_and_erased_and_new_ones_take_half() -> None:
    files = MemoryFileSystem()
    old = payload(1, ("maker",))._replace(context_hash=bytes(range(32)))
    new = payload(2)._replace(event=event_of(2, is_first=True))
    log = SegmentLog(files, "payload", "payload", NETWORK, erasable=True)
    log.append(encode((1, *old)))
    log.sync()
    log.close()
    store = open_store(files)
    before = len(_disk(files))
    store.put(new)
    store.sync()
    assert len(_disk(files)) - before < len(encode((1, *new))) / 2
    again = open_store(files)
    assert (again.get(old.event_hash), again.get(new.event_hash)) == (old, new)
    assert again.erase(old.event_hash)
    assert old.salt not in _disk(files)
    assert again.get(old.event_hash) is None


def test_a_place_that_has_a_record_of_another_kind_is_damage() -> None:
    store = open_store(MemoryFileSystem())
    shown = payload(1)
    store.put(shown)
    store.put_context(bytes(32), b"context")
    store._events.put(bytes(32), store._contexts.get(bytes(32)) or b"")
    store._contexts.put(shown.event_hash, store._events.get(shown.event_hash) or b"")
    for read in (lambda: store.get(bytes(32)), lambda: store.get_context(shown.event_hash)):
        with pytest.raises(StorageError) as refused:
            read()
        assert refused.value.code is Code.DAMAGED
