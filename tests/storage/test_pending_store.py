from __future__ import annotations

import random

import pytest

from ledger.base.errors import StorageError
from node.storage.pending_store import PendingStore
from tests.storage.memory_files import MemoryFileSystem

NETWORK = bytes(range(32))
BATCH, BLOCK = 1, 2


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_entries_survive_once_synced_and_keep_their_order() -> None:
    files = MemoryFileSystem()
    store = PendingStore(files, NETWORK)
    for number in range(10):
        store.put(BATCH, key(number), b"batch %d" % number)
        store.put(BLOCK, key(number), b"block %d" % number)
    assert store.get(BATCH, key(3)) == b"batch 3"
    store.sync()
    store.put(BATCH, key(99), b"never synced")
    again = PendingStore(files.crash(), NETWORK)
    assert list(again.keys(BATCH)) == [key(number) for number in range(10)]
    assert again.get(BLOCK, key(7)) == b"block 7"
    assert again.get(BATCH, key(99)) is None
    assert (BATCH, key(1)) in again
    assert (BATCH, key(99)) not in again


def test_the_first_bytes_of_a_name_stay() -> None:
    store = PendingStore(MemoryFileSystem(), NETWORK)
    store.put(BATCH, key(1), b"first")
    store.put(BATCH, key(1), b"second")
    assert store.get(BATCH, key(1)) == b"first"


def test_space_comes_back_and_nothing_that_lives_is_lost() -> None:
    files = MemoryFileSystem()
    store = PendingStore(files, NETWORK, segment_bytes=4096)
    stuck = key(10**6)
    store.put(BATCH, stuck, b"nobody ever orders this")
    for number in range(2_000):
        store.put(BATCH, key(number), bytes(200))
        store.forget(BATCH, [key(number)])
        if number % 20 == 0:
            store.sync()
            store.collect()
            assert files.used() < 8 * 4096
            assert store.get(BATCH, stuck) == b"nobody ever orders this"
    store.sync()
    again = PendingStore(files.crash(), NETWORK, segment_bytes=4096)
    assert list(again.keys(BATCH)) == [stuck]


def test_random_lives_against_a_dictionary_with_crashes() -> None:
    for seed in range(40):
        draw = random.Random(seed)
        files = MemoryFileSystem()
        store = PendingStore(files, NETWORK, segment_bytes=2048)
        model: dict[bytes, bytes] = {}
        synced: dict[bytes, bytes] = {}
        forgotten: set[bytes] = set()
        for step in range(200):
            choice = draw.random()
            if choice < 0.5:
                data = draw.randbytes(draw.randrange(200))
                model[key(step)] = data
                store.put(BATCH, key(step), data)
            elif choice < 0.75 and model:
                gone = draw.sample(sorted(model), k=min(len(model), 3))
                store.forget(BATCH, gone)
                for name in gone:
                    model.pop(name)
                    synced.pop(name, None)
                    forgotten.add(name)
            elif choice < 0.9:
                store.sync()
                synced = dict(model)
                store.collect()
            else:
                files = files.crash(draw.randrange)
                store = PendingStore(files, NETWORK, segment_bytes=2048)
                found = {name: store.get(BATCH, name) or b"" for name in store.keys(BATCH)}
                assert synced.items() <= found.items()
                for name, data in found.items():
                    assert name in forgotten or model[name] == data
                model = dict(found)
                synced = dict(found)


def test_a_key_of_another_size_is_refused() -> None:
    with pytest.raises(StorageError):
        PendingStore(MemoryFileSystem(), NETWORK).put(BATCH, b"short", b"")
