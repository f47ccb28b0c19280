from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import lmdb
import pytest

from ledger.base.errors import Code, StorageError
from node.storage.lmdb_backend import LmdbBackend
from node.storage.state_store import Backend, StateStore
from tests.storage.memory_backend import MemoryBackend

NETWORK = bytes(range(32))
TABLES = ("records", "links")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=["memory", "lmdb"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    opened: Backend = (
        MemoryBackend()
        if request.param == "memory"
        else LmdbBackend(tmp_path / "state", NETWORK, TABLES, map_bytes=1 << 20)
    )
    yield opened
    opened.close()


def key(number: int) -> bytes:
    return b"k%05d" % number


def test_random_blocks_undone_committed_and_flushed_against_a_dictionary(backend: Backend) -> None:
    draw = random.Random(11)
    store = StateStore(backend, TABLES)
    final: dict[bytes, bytes] = {}
    stack: list[dict[bytes, bytes]] = []
    table = store.table("records")
    height = 0
    for _ in range(1_500):
        choice = draw.random()
        current = stack[-1] if stack else final
        if choice < 0.1 and len(stack) < 4:
            store.begin()
            stack.append(dict(current))
        elif choice < 0.6 and stack:
            number = draw.randrange(700)
            if draw.random() < 0.3:
                table.delete(key(number))
                stack[-1].pop(key(number), None)
            else:
                value = draw.randbytes(draw.randrange(60))
                table.put(key(number), value)
                stack[-1][key(number)] = value
        elif choice < 0.65 and stack:
            store.undo()
            stack.pop()
        elif choice < 0.75 and stack:
            height += draw.randrange(1, 3)
            store.commit(height)
            final = stack.pop(0)
        elif choice < 0.8:
            store.flush(height)
            assert store.durable_height == store.height
        current = stack[-1] if stack else final
        number = draw.randrange(700)
        assert table.get(key(number)) == current.get(key(number))
        assert table.get_committed(key(number)) == final.get(key(number))
        if draw.random() < 0.1:
            low, high = sorted((key(draw.randrange(700)), key(draw.randrange(700))))
            expected = sorted((k, v) for k, v in current.items() if low <= k < high)
            assert list(table.range(low, high)) == expected
            assert list(table.range(low, high, reverse=True)) == expected[::-1]
            assert list(table.range()) == sorted(current.items())
            assert list(table.prefix(b"k001")) == sorted(
                (k, v) for k, v in current.items() if k[:4] == b"k001"
            )
            assert list(table.range(reverse=True)) == sorted(current.items())[::-1]
    while stack:
        store.undo()
        stack.pop()
    store.flush(height)
    again = StateStore(backend, TABLES)
    assert again.height == height
    assert list(again.table("records").range()) == sorted(final.items())


def test_after_a_crash_the_state_is_that_of_the_last_flush(tmp_path: Path) -> None:
    backend = LmdbBackend(tmp_path, NETWORK, TABLES)
    store = StateStore(backend, TABLES)
    for height in range(1, 6):
        store.begin()
        store.table("records").put(b"height", b"%d" % height)
        store.table("links").put(key(height), b"link")
        store.commit(height)
        if height == 3:
            assert store.flush(3)
    backend.close()  # nothing flushed since height 3
    again = StateStore(LmdbBackend(tmp_path, NETWORK, TABLES), TABLES)
    assert again.height == again.durable_height == 3
    assert again.table("records").get(b"height") == b"3"
    assert [k for k, _ in again.table("links").range()] == [key(1), key(2), key(3)]
    again.close()


def test_the_state_never_runs_ahead_of_the_block_log(backend: Backend) -> None:
    store = StateStore(backend, TABLES)
    store.begin()
    store.table("records").put(b"a", b"1")
    store.commit(5)
    assert not store.flush(None)
    assert not store.flush(4)
    assert store.durable_height is None
    assert store.flush(5)
    assert not store.flush(5), "nothing is left to write"


def test_a_full_disk_changes_nothing_and_the_flush_works_later() -> None:
    backend = MemoryBackend()
    store = StateStore(backend, TABLES)
    store.begin()
    store.table("records").put(b"a", b"1")
    store.table("records").put(b"b", b"1")
    store.commit(1)
    backend.full = True
    flush = store.begin_flush(1)
    assert flush is not None
    store.begin()
    store.table("records").put(b"a", b"2")
    store.commit(2)
    flush.step()
    flush.write()
    with pytest.raises(StorageError) as caught:
        flush.finish()
    assert caught.value.code is Code.DISK_FULL
    assert (store.table("records").get(b"a"), store.table("records").get(b"b")) == (b"2", b"1")
    assert store.durable_height is None
    backend.full = False
    assert store.flush(2)
    assert (backend.get("records", b"a"), backend.get("records", b"b")) == (b"2", b"1")


def test_a_real_full_disk(tmp_path: Path) -> None:
    program = f"""
import resource, sys
from pathlib import Path
from ledger.base.errors import StorageError
from node.storage.lmdb_backend import LmdbBackend
from node.storage.state_store import StateStore
store = StateStore(LmdbBackend(Path({str(tmp_path)!r}), bytes(32), ("records",)), ("records",))
def block(height, count):
    store.begin()
    for number in range(count):
        store.table("records").put(b"%d %d" % (height, number), bytes(1000))
    store.commit(height)
block(1, 10); store.flush(1)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
block(2, 1000)
try: store.flush(2); print("no error")
except StorageError as error: print(error.code)
print(store.height, store.durable_height, store.table("records").get(b"2 7") == bytes(1000))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(store.flush(2), store.durable_height)
store.close()
again = StateStore(LmdbBackend(Path({str(tmp_path)!r}), bytes(32), ("records",)), ("records",))
print(again.height, len(list(again.table("records").range())))
"""
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert answer.stdout.splitlines() == ["disk_full", "2 1 True", "True 2", "2 1010"], answer.stderr


def test_the_map_grows_while_staging_and_while_writing(tmp_path: Path) -> None:
    backend = LmdbBackend(tmp_path, NETWORK, TABLES, map_bytes=256 * 1024)
    store = StateStore(backend, TABLES)
    for height in range(1, 30):
        store.begin()
        for number in range(draw_count(height)):
            store.table("links").put(key(height * 1000 + number), bytes(300))
        store.commit(height)
        store.flush(height)
    assert backend.map_bytes > 1 << 20
    assert len(list(store.table("links").range())) == sum(draw_count(height) for height in range(1, 30))
    store.close()


def draw_count(height: int) -> int:
    return 37 * height % 400


def test_a_map_that_is_full_only_when_written_grows_when_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = LmdbBackend(tmp_path, NETWORK, TABLES, map_bytes=1 << 20)
    store = StateStore(backend, TABLES)
    store.begin()
    store.table("links").put(b"a", b"1")
    store.commit(1)
    commit = backend._commit
    calls = 0

    def full_twice() -> None:
        nonlocal calls
        calls += 1
        if calls <= 2:
            raise lmdb.MapFullError("full")
        commit()

    monkeypatch.setattr(backend, "_commit", full_twice)
    assert store.flush(1)
    assert backend.map_bytes == 4 << 20
    assert backend.get("links", b"a") == b"1"
    store.close()
    again = StateStore(LmdbBackend(tmp_path, NETWORK, TABLES), TABLES)
    assert again.height == 1
    again.close()


def test_a_change_that_fails_while_staged_changes_nothing(tmp_path: Path) -> None:
    store = StateStore(LmdbBackend(tmp_path, NETWORK, TABLES), TABLES)
    store.begin()
    store.table("records").put(b"a", b"1")
    store.commit(1)
    store.flush(1)
    store.begin()
    store.table("records").put(b"a", b"2")
    store.table("records").put(bytes(600), b"a key too long for the tables")
    store.commit(2)
    with pytest.raises(StorageError):
        store.flush(2)
    assert (store.height, store.durable_height) == (2, 1)
    assert store.table("records").get(b"a") == b"2"
    store.close()
    again = StateStore(LmdbBackend(tmp_path, NETWORK, TABLES), TABLES)
    assert again.table("records").get(b"a") == b"1"
    again.close()


def test_reads_go_on_while_another_thread_writes(tmp_path: Path) -> None:
    store = StateStore(LmdbBackend(tmp_path, NETWORK, TABLES), TABLES)
    table = store.table("records")
    model: dict[bytes, bytes] = {}
    draw = random.Random(3)
    for height in range(1, 25):
        store.begin()
        for _ in range(200):
            name, value = key(draw.randrange(2_000)), draw.randbytes(40)
            table.put(name, value)
            model[name] = value
        store.commit(height)
        flush = store.begin_flush(height)
        assert flush is not None
        while flush.step(50):
            assert table.get(key(7)) == model.get(key(7))
        writer = threading.Thread(target=flush.write)
        writer.start()
        for name in draw.sample(sorted(model), 100):
            assert table.get(name) == model[name]
        writer.join()
        flush.finish()
    assert list(table.range()) == sorted(model.items())
    store.close()


def test_a_killed_process_leaves_a_whole_state(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from node.storage.lmdb_backend import LmdbBackend
from node.storage.state_store import StateStore
store = StateStore(LmdbBackend(Path({str(tmp_path)!r}), bytes(32), ("records",)), ("records",))
height = 0
while True:
    height += 1
    store.begin()
    for number in range(200):
        store.table("records").put(b"%d" % number, b"%d" % height)
    store.commit(height)
    store.flush(height)
    print(height, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        seen = [int(process.stdout.readline()) for _ in range(20)][-1]
        process.send_signal(signal.SIGKILL)
    store = StateStore(LmdbBackend(tmp_path, bytes(32), ("records",)), ("records",))
    assert store.height is not None
    assert store.height >= seen
    assert {value for _, value in store.table("records").range()} == {b"%d" % store.height}
    store.close()


def test_misuse_is_named(backend: Backend) -> None:
    store = StateStore(backend, TABLES)
    with pytest.raises(StorageError):
        store.table("records").put(b"a", b"1")
    with pytest.raises(StorageError):
        store.undo()
    with pytest.raises(StorageError):
        store.commit(1)
    store.begin()
    store.commit(5)
    store.begin()
    with pytest.raises(StorageError):
        store.commit(5)
    store.begin_flush(5)
    with pytest.raises(StorageError):
        store.begin_flush(5)


def test_state_of_another_network_names_both(tmp_path: Path) -> None:
    LmdbBackend(tmp_path, NETWORK, TABLES).close()
    with pytest.raises(StorageError) as caught:
        LmdbBackend(tmp_path, bytes(32), TABLES)
    assert caught.value.code is Code.FOREIGN_DATA
    assert NETWORK.hex() in caught.value.message
    assert bytes(32).hex() in caught.value.message


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"not a database" * 1000)
    with pytest.raises(StorageError) as caught:
        LmdbBackend(tmp_path, NETWORK, TABLES)
    assert caught.value.code is Code.DAMAGED


def test_a_table_written_anew_takes_twice_its_size_and_not_three_times(tmp_path: Path) -> None:
    """Pages that a change lets go of are used by the next one."""
    store = StateStore(LmdbBackend(tmp_path, NETWORK, TABLES), TABLES)
    sizes = []
    for height in range(1, 9):
        store.begin()
        for number in range(4_000):
            store.table("records").put(key(number), bytes([height]) * 200)
        store.commit(height)
        assert store.flush(height)
        sizes.append((tmp_path / "data.mdb").stat().st_size)
    store.close()
    assert sizes[-1] == sizes[2] < 2.5 * sizes[0]
