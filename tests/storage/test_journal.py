"""A large flush in rounds: whatever interrupts it, the tables are of one block when they are opened again."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ledger.base.errors import Code, StorageError
from node.storage import state_store
from node.storage.filesystem import RealFileSystem
from node.storage.journal import PATH, Journal
from node.storage.lmdb_backend import LmdbBackend
from node.storage.packing import PackedBackend
from node.storage.state_store import StateStore
from tests.storage.memory_backend import MemoryBackend
from tests.storage.memory_files import MemoryFileSystem

TABLES = ("records", "links")


class CutError(Exception):
    """The power goes."""


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_store, "ROUND_CHANGES", 10)


def files_with_folder() -> MemoryFileSystem:
    files = MemoryFileSystem()
    files.make_folder("state")
    return files


def opened(files: MemoryFileSystem, backend: MemoryBackend) -> StateStore:
    return StateStore(PackedBackend(backend, ("records",)), TABLES, Journal(files))


def block(store: StateStore, height: int, draw: random.Random, changes: int) -> None:
    """Some keys of both tables set to what tells the height, some removed."""
    store.begin()
    for table in map(store.table, TABLES):
        for _ in range(changes):
            name = draw.randrange(60).to_bytes(4, "big")
            if draw.random() < 0.2:
                table.delete(name)
            else:
                table.put(name, b"%d of %d" % (draw.randrange(10**9), height))
    store.commit(height)


def held(store: StateStore) -> dict[str, dict[bytes, bytes]]:
    return {name: dict(store.table(name).range()) for name in TABLES}


def on_disk(backend: MemoryBackend) -> tuple[int | None, dict[str, dict[bytes, bytes]]]:
    store = StateStore(PackedBackend(backend, ("records",)), TABLES)
    return store.height, held(store)


def test_a_flush_interrupted_anywhere_is_done_or_was_never_begun() -> None:
    """Power lost at any operation of the disk, or between any two steps; then the same again while it is opened."""
    ends: set[str] = set()
    half = 0
    for seed in range(400):
        draw = random.Random(seed)
        files, backend = files_with_folder(), MemoryBackend()
        store = opened(files, backend)
        block(store, 1, draw, 40)
        assert store.flush(1)
        before = held(store)
        block(store, 2, draw, 40)
        after = held(store)
        left = draw.randrange(60)

        def step(operation: str = "step", path: str = "") -> None:
            nonlocal left
            del path
            left -= operation not in {"read", "open"}
            if left < 0:
                raise CutError

        files.fault = step
        end = "done"
        try:
            flush = store.begin_flush(2)
            assert flush is not None
            is_another = True
            while is_another:
                while flush.step(7):
                    step()
                    assert held(store) == after
                flush.write()
                step()
                is_another = flush.finish()
                assert held(store) == after
        except CutError:
            end = "cut"
        files = files.crash(draw.randrange)
        backend.crash()
        height, state = on_disk(backend)
        half += (height, state) not in ((1, before), (2, after))
        if draw.random() < 0.5:
            left = draw.randrange(6)
            files.fault = step
            try:
                opened(files, backend)
            except CutError:
                files = files.crash(draw.randrange)
                backend.crash()
            files.fault = lambda _operation, _path: None
        again = opened(files, backend)
        assert (again.height, held(again)) in ((1, before), (2, after))
        assert not files.exists(PATH)
        if end == "done":
            assert again.height == 2
        ends.add(f"{end} at {again.height}")
    assert ends == {"done at 2", "cut at 1", "cut at 2"}
    assert half > 50, "the tables alone were of no block"


def test_a_round_that_fails_leaves_all_as_it_was_and_the_next_flush_has_it() -> None:
    files, backend = files_with_folder(), MemoryBackend()
    draw = random.Random(1)
    store = opened(files, backend)
    block(store, 1, draw, 40)
    assert store.flush(1)
    block(store, 2, draw, 40)
    expected = held(store)
    flush = store.begin_flush(2)
    assert flush is not None
    for _ in range(3):
        while flush.step():
            pass
        flush.write()
        assert flush.finish()
    backend.full = True
    with pytest.raises(StorageError) as refused:
        flush.whole()
    assert refused.value.code == Code.DISK_FULL
    assert held(store) == expected
    assert store.durable_height == 1
    backend.full = False
    assert held(opened(files.crash(), backend)) == expected, "the journal stayed"
    block(store, 3, draw, 2)
    expected = held(store)
    assert store.flush(3)
    assert on_disk(backend) == (3, expected)


def test_a_journal_of_another_height_is_let_go_of_and_a_rotten_one_refused() -> None:
    files, backend = files_with_folder(), MemoryBackend()
    journal = Journal(files)
    store = opened(files, backend)
    block(store, 4, random.Random(1), 3)
    assert store.flush(4)
    expected = held(store)
    for base in (3, 5):
        journal.begin()
        journal.add("records", [(b"a", b"stale")])
        journal.seal(base, 6)
        again = opened(files, backend)
        assert (again.height, held(again)) == (4, expected)
    for place in (3, 12, 20, 26, 40):
        journal.begin()
        journal.add("records", [(b"a", b"what was to be written")])
        journal.seal(4, 6)
        files.names[PATH].content[place] ^= 1
        if place == 3:
            assert opened(files, backend).height == 4, "it is of another height then"
            continue
        with pytest.raises(StorageError) as refused:
            opened(files, backend)
        assert refused.value.code == Code.DAMAGED
    del files.names[PATH].content[20:]
    with pytest.raises(StorageError) as refused:
        opened(files, backend)
    assert refused.value.code == Code.DAMAGED


def test_rounds_keep_the_file_of_tables_small(tmp_path: Path) -> None:
    """Keys drawn at random touch nearly every page: in one change the file has as many to spare, in rounds a part of them."""
    sizes = []
    for name, rounds in (("one", 1), ("rounds", 8)):
        folder = tmp_path / name
        (folder / "state").mkdir(parents=True)
        backend = LmdbBackend(folder / "state", bytes(32), TABLES)
        store = StateStore(backend, TABLES, Journal(RealFileSystem(folder)) if rounds > 1 else None)
        draw = random.Random(2)
        for height in range(1, 7):
            store.begin()
            for _ in range(3_000):
                store.table("records").put(draw.randbytes(32), draw.randbytes(150))
            store.commit(height)
            assert store.flush(height)
        count = len(list(store.table("records").range()))
        assert count == 18_000
        store.close()
        sizes.append((folder / "state" / "data.mdb").stat().st_size)
    assert sizes[1] < 0.75 * sizes[0]
