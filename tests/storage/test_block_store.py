from __future__ import annotations

import contextlib
import random
import struct
from pathlib import Path

import pytest

from ledger.base.errors import Code, StorageError, UnavailableError
from node.storage.block_store import BlockStore, StoredBlock, clear_blocks
from node.storage.filesystem import RealFileSystem
from node.storage.segments import SegmentLog
from tests.storage.memory_files import MemoryFileSystem

NETWORK = bytes(range(32))


def block(height: int) -> StoredBlock:
    draw = random.Random(height)
    certificate = draw.randbytes(193) if height % 3 else b""
    return StoredBlock(
        height, draw.randbytes(150), draw.randbytes(300), certificate, draw.randbytes(draw.randrange(900))
    )


def test_blocks_come_back_as_they_were(tmp_path: Path) -> None:
    files = RealFileSystem(tmp_path)
    store = BlockStore(files, NETWORK, segment_bytes=8192)
    assert (store.first_height, store.last_height, store.synced_height) == (None, None, None)
    for height in range(1, 101):
        store.append(block(height))
    assert store.synced_height is None
    assert store.get(100) == block(100), "readable before it is durable"
    store.close()
    again = BlockStore(files, NETWORK, segment_bytes=8192)
    assert (again.first_height, again.last_height, again.synced_height) == (1, 100, 100)
    assert list(again.blocks(1, 101)) == [block(height) for height in range(1, 101)]
    assert 100 in again
    assert 0 not in again
    assert 101 not in again
    again.close()


def test_heights_have_no_gap() -> None:
    store = BlockStore(MemoryFileSystem(), NETWORK)
    store.append(block(7))
    for height in (7, 9, 6):
        with pytest.raises(StorageError):
            store.append(block(height))
    store.append(block(8))
    assert store.last_height == 8


def test_an_absent_height_is_named() -> None:
    store = BlockStore(MemoryFileSystem(), NETWORK)
    with pytest.raises(UnavailableError) as caught:
        store.get(1)
    assert caught.value.code is Code.UNKNOWN_BLOCK
    store.append(block(5))
    with pytest.raises(UnavailableError, match=r"5 \.\. 5"):
        store.get(6)


def test_a_crash_loses_only_what_was_not_synced() -> None:
    for seed in range(60):
        draw = random.Random(seed)
        files = MemoryFileSystem()
        store = BlockStore(files, NETWORK, segment_bytes=4096)
        for height in range(1, draw.randrange(2, 30)):
            store.append(block(height))
            if draw.random() < 0.2:
                store.sync()
        synced = store.synced_height or 0
        again = BlockStore(files.crash(draw.randrange), NETWORK, segment_bytes=4096)
        last = again.last_height or 0
        assert last >= synced
        assert list(again.blocks(1, last + 1)) == [block(height) for height in range(1, last + 1)]
        again.append(block(last + 1))


def test_pruning_keeps_at_least_what_was_asked_for() -> None:
    files = MemoryFileSystem()
    store = BlockStore(files, NETWORK, segment_bytes=4096)
    for height in range(1, 61):
        store.append(block(height))
    store.sync()
    store.prune_before(40)
    first = store.first_height
    assert first is not None
    assert 1 < first <= 40
    assert list(store.blocks(first, 61)) == [block(height) for height in range(first, 61)]
    again = BlockStore(files.crash(), NETWORK, segment_bytes=4096)
    assert again.first_height == first
    again.prune_before(1000)
    assert again.last_height == 60


def test_a_block_whose_bytes_rotted_is_refused_by_its_height() -> None:
    files = MemoryFileSystem()
    store = BlockStore(files, NETWORK, segment_bytes=1024)
    for height in range(1, 10):
        store.append(block(height))
    store.sync()
    files.names["chain/blocks-00000001.seg"].content[600] ^= 4
    again = BlockStore(files, NETWORK, segment_bytes=1024)
    refused: dict[int, StorageError] = {}
    for height in range(1, 10):
        try:
            again.get(height)
        except StorageError as error:
            refused[height] = error
    ((height, found),) = refused.items()
    assert found.code is Code.DAMAGED
    assert f"(block {height})" in found.message
    assert "blocks-00000001.seg" in found.message


def test_a_rotten_first_block_is_refused_at_opening_since_all_heights_rest_on_it() -> None:
    files = MemoryFileSystem()
    store = BlockStore(files, NETWORK, segment_bytes=1024)
    for height in range(1, 10):
        store.append(block(height))
    store.sync()
    files.names["chain/blocks-00000000.seg"].content[95] ^= 4
    with pytest.raises(StorageError, match=r"byte 72 of chain/blocks-00000000\.seg") as caught:
        BlockStore(files, NETWORK, segment_bytes=1024)
    assert "the first block kept" in caught.value.message


def heads(first: int, end: int) -> list[StoredBlock]:
    return [block(height)._replace(body=b"") for height in range(first, end)]


def test_a_pruned_block_keeps_its_head_and_says_that_it_is_pruned() -> None:
    files = MemoryFileSystem()
    store = BlockStore(files, NETWORK, segment_bytes=4096)
    for height in range(1, 61):
        store.append(block(height))
    store.sync()
    for keep in (20, 21, 45):
        store.prune_before(keep)
        first = store.first_height or 0
        assert 1 < first <= keep
        again = BlockStore(files.crash(), NETWORK, segment_bytes=4096)
        for opened in (store, again):
            assert (opened.first_head, opened.first_height, opened.last_height) == (1, first, 60)
            assert [opened.head(height) for height in range(1, 61)] == heads(1, 61)
            assert list(opened.blocks(first, 61)) == [block(height) for height in range(first, 61)]
            with pytest.raises(UnavailableError) as caught:
                opened.get(first - 1)
            assert caught.value.code is Code.PRUNED


def test_a_crash_while_pruning_loses_neither_head_nor_block() -> None:
    for stop in range(40):
        files = MemoryFileSystem()
        store = BlockStore(files, NETWORK, segment_bytes=2048)
        for height in range(1, 31):
            store.append(block(height))
        store.sync()
        left = [stop]

        def fail(operation: str, path: str, left: list[int] = left) -> None:
            if operation != "read":
                left[0] -= 1
                if left[0] < 0:
                    raise OSError(5, "power cut")

        files.fault = fail
        with contextlib.suppress(StorageError):
            store.prune_before(25)
        draw = random.Random(stop)
        again = BlockStore(files.crash(draw.randrange), NETWORK, segment_bytes=2048)
        assert [again.head(height) for height in range(1, 31)] == heads(1, 31)
        again.prune_before(25)
        again.append(block(31))
        assert [again.head(height) for height in range(1, 32)] == heads(1, 32)


def test_a_store_may_begin_with_heads_only() -> None:
    files = MemoryFileSystem()
    store = BlockStore(files, NETWORK)
    store.append_heads(heads(70, 90))
    assert (store.first_head, store.first_height, store.last_height, store.synced_height) == (
        70,
        None,
        89,
        89,
    )
    with pytest.raises(StorageError):
        store.append(block(91))
    store.append(block(90))
    store.sync()
    again = BlockStore(files.crash(), NETWORK)
    assert (again.first_head, again.first_height, again.last_height) == (70, 90, 90)
    assert 89 not in again
    again.close()
    clear_blocks(files)
    assert BlockStore(files, NETWORK).last_height is None


def test_blocks_that_do_not_join_their_heads_are_refused() -> None:
    files = MemoryFileSystem()
    store = BlockStore(files, NETWORK, folder="chain")
    store.append_heads(heads(1, 5))
    other = BlockStore(files, NETWORK, folder="other")
    other.append(block(6))
    other.sync()
    files.names["chain/blocks-00000000.seg"] = files.names["other/blocks-00000000.seg"]
    with pytest.raises(StorageError, match="begin at 5"):
        BlockStore(files, NETWORK)


def test_bodies_are_packed_where_that_is_shorter_and_read_as_older_versions_wrote_them() -> None:
    files = MemoryFileSystem()
    log = SegmentLog(files, "chain", "blocks", NETWORK)
    plain = block(1)._replace(body=b"a body as it came" * 9)
    parts = (plain.header, plain.outcome, plain.certificate)
    log.append(struct.pack(">QIII", 1, *map(len, parts)) + b"".join(parts) + plain.body)
    log.sync()
    log.close()
    store = BlockStore(files, NETWORK)
    long, short = (
        block(2)._replace(body=bytes(100_000)),
        block(3)._replace(body=random.Random(1).randbytes(50)),
    )
    store.append(long)
    store.append(short)
    store.sync()
    assert sum(len(inode.durable) for inode in files.names.values()) < 5_000
    again = BlockStore(files, NETWORK)
    assert list(again.blocks(1, 4)) == [plain, long, short]
    assert [again.head(height) for height in (1, 2, 3)] == [
        b._replace(body=b"") for b in (plain, long, short)
    ]
