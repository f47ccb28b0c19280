from __future__ import annotations

import random
from pathlib import Path

import pytest

from ledger.base.errors import Code, StorageError, UnavailableError
from node.storage.block_store import BlockStore, StoredBlock
from node.storage.filesystem import RealFileSystem
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
