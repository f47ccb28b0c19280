from __future__ import annotations

import contextlib
import errno
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.base.errors import Code, StorageError
from node.storage.filesystem import FileSystem, RealFileSystem
from node.storage.segment_format import RECORD_HEADER_BYTES, decode_header, encode_record
from node.storage.segments import Position, SegmentLog
from tests.storage.memory_files import MemoryFileSystem

NETWORK = bytes(range(32))


def open_log(files: FileSystem, segment_bytes: int = 4096, erasable: bool = False) -> SegmentLog:
    return SegmentLog(files, "chain", "blocks", NETWORK, segment_bytes=segment_bytes, erasable=erasable)


def bodies(log: SegmentLog) -> list[bytes]:
    return [record.body for record in log.scan()]


def sample(count: int, size: int = 100) -> list[bytes]:
    draw = random.Random(count * 1000 + size)
    return [draw.randbytes(draw.randrange(1, size)) for _ in range(count)]


def test_what_was_synced_is_read_back_by_position_and_in_order(tmp_path: Path) -> None:
    files = RealFileSystem(tmp_path)
    log = open_log(files)
    written = sample(200)
    positions = [log.append(body) for body in written]
    assert [log.read(position) for position in positions] == written, "unsynced records are readable too"
    log.sync()
    assert [log.read(position) for position in positions] == written
    log.close()
    again = open_log(files)
    assert bodies(again) == written
    assert [again.read(position) for position in positions] == written
    assert [r.body for r in again.scan_prefixes(5)] == [body[:5] for body in written]
    assert [r.body for r in again.scan(positions[150])] == written[150:]
    assert len(again.segments) > 2
    assert again.cut_bytes == 0
    again.close()


def test_more_segments_than_open_files(tmp_path: Path) -> None:
    files = RealFileSystem(tmp_path)
    log = open_log(files, segment_bytes=128)
    written = sample(80, 90)
    positions = [log.append(body) for body in written]
    log.sync()
    assert len(log.segments) > 40
    assert [log.read(position) for position in positions] == written
    assert bodies(log) == written
    log.close()


def test_unsynced_records_are_lost_and_synced_ones_are_not_in_any_crash() -> None:
    draw = random.Random(7)
    for _ in range(300):
        files = MemoryFileSystem()
        log = open_log(files, segment_bytes=2048)
        synced: list[bytes] = []
        buffered: list[bytes] = []
        for body in sample(draw.randrange(1, 40), draw.choice([60, 900])):
            log.append(body)
            buffered.append(body)
            if draw.random() < 0.3:
                log.sync()
                synced += buffered
                buffered.clear()
        files.fault = crash_during_sync(draw)
        buffered.append(b"last")
        with contextlib.suppress(StorageError):
            log.append(b"last")
            log.sync()
        after = open_log(files.crash(draw.randrange), segment_bytes=2048)
        found = bodies(after)
        assert found[: len(synced)] == synced
        rest = found[len(synced) :]
        assert rest == buffered[: len(rest)]
        after.append(b"goes on")
        after.sync()
        assert bodies(after)[-1] == b"goes on"


def crash_during_sync(draw: random.Random) -> Callable[[str, str], None]:
    left = draw.randrange(4)

    def fault(operation: str, path: str) -> None:
        nonlocal left
        if operation in {"write", "sync", "rename", "sync_folder", "create"}:
            left -= 1
            if left < 0 or operation == "sync":
                raise OSError(errno.EIO, "power is going")

    return fault


def test_every_prefix_of_the_last_segment_opens_with_a_prefix_of_the_records(tmp_path: Path) -> None:
    files = MemoryFileSystem()
    log = open_log(files, segment_bytes=1 << 20)
    written = sample(12, 40)
    ends = []
    for body in written:
        log.append(body)
        log.sync()
        ends.append(log.synced_end.offset)
    path = "chain/blocks-00000000.seg"
    whole = bytes(files.names[path].content)
    for cut in range(72, len(whole)):
        files.names[path].content = bytearray(whole[:cut])
        opened = open_log(files)
        expected = sum(1 for end in ends if end <= cut)
        assert bodies(opened) == written[:expected]
        assert opened.cut_bytes == cut - (ends[expected - 1] if expected else 72)


def test_every_flipped_bit_is_refused_or_cuts_the_last_group_only() -> None:
    files = MemoryFileSystem()
    log = open_log(files, segment_bytes=1 << 20)
    written = sample(8, 30)
    for body in written[:-2]:
        log.append(body)
        log.sync()
    last_group = log.synced_end.offset
    for body in written[-2:]:
        log.append(body)
    log.sync()
    path = "chain/blocks-00000000.seg"
    whole = bytes(files.names[path].content)
    for bit in range(len(whole) * 8):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << (bit % 8)
        files.names[path].content = flipped
        if bit // 8 >= last_group:
            found = bodies(open_log(files))
            assert found in (written[:-2], written[:-1])
            continue
        with pytest.raises(StorageError) as caught:
            open_log(files)
        assert caught.value.code in {Code.DAMAGED, Code.UNSUPPORTED_VERSION, Code.FOREIGN_DATA}
        if bit // 8 >= 72:
            assert "at byte" in caught.value.message
            assert path in caught.value.message


def test_damage_in_an_older_segment_is_refused_when_read() -> None:
    files = MemoryFileSystem()
    log = open_log(files, segment_bytes=256)
    positions = [log.append(body) for body in sample(20, 60)]
    log.sync()
    first = next(p for p in positions if p.segment == 0)
    files.names["chain/blocks-00000000.seg"].content[first.offset + 16] ^= 1
    again = open_log(files, segment_bytes=256)
    with pytest.raises(StorageError) as caught:
        again.read(first)
    assert caught.value.code is Code.DAMAGED
    with pytest.raises(StorageError):
        list(again.scan())


def test_a_shortened_or_missing_segment_is_refused() -> None:
    files = MemoryFileSystem()
    log = open_log(files, segment_bytes=256)
    for body in sample(20, 60):
        log.append(body)
    log.sync()
    middle = files.names["chain/blocks-00000001.seg"]
    kept = bytes(middle.content)
    del middle.content[-8:]
    with pytest.raises(StorageError) as caught:
        open_log(files, segment_bytes=256)
    assert caught.value.code is Code.DAMAGED
    middle.content = bytearray(kept)
    del files.names["chain/blocks-00000001.seg"]
    with pytest.raises(StorageError) as caught:
        open_log(files, segment_bytes=256)
    assert "segment 1" in caught.value.message


def test_data_of_another_network_names_both() -> None:
    files = MemoryFileSystem()
    open_log(files)
    other = bytes(32)
    with pytest.raises(StorageError) as caught:
        SegmentLog(files, "chain", "blocks", other)
    assert caught.value.code is Code.FOREIGN_DATA
    assert other.hex() in caught.value.message
    assert NETWORK.hex() in caught.value.message


def test_a_failed_sync_is_final() -> None:
    files = MemoryFileSystem()
    log = open_log(files)
    log.append(b"one")

    def fail(operation: str, path: str) -> None:
        if operation == "sync":
            raise OSError(errno.EIO, "bad sector")

    files.fault = fail
    with pytest.raises(StorageError):
        log.sync()
    files.fault = lambda operation, path: None
    for call in (log.sync, lambda: log.append(b"two"), lambda: log.read(Position(0, 72))):
        with pytest.raises(StorageError) as caught:
            call()
        assert "bad sector" in caught.value.message


def test_a_full_disk_changes_nothing_and_the_same_sync_works_once_there_is_room() -> None:
    files = MemoryFileSystem()
    log = open_log(files)
    log.append(b"first")
    log.sync()
    files.capacity = files.used() + 20
    position = log.append(b"x" * 200)
    with pytest.raises(StorageError) as caught:
        log.sync()
    assert caught.value.code is Code.DISK_FULL
    assert bodies(open_log(files.crash())) == [b"first"]
    files.capacity = 1 << 30
    log.sync()
    assert log.read(position) == b"x" * 200
    assert bodies(open_log(files.crash())) == [b"first", b"x" * 200]


def test_a_full_disk_gets_back_what_it_took_of_a_group() -> None:
    """Or the logs beside this one, and whoever has to make room, find the disk fuller than what is kept."""
    files = MemoryFileSystem()
    log = open_log(files)
    log.append(b"first")
    log.sync()
    before = files.used()
    files.capacity = before + 20
    log.append(b"x" * 200)
    with pytest.raises(StorageError):
        log.sync()
    assert files.used() == before


def test_what_a_killed_process_wrote_without_syncing_is_synced_at_open() -> None:
    files = MemoryFileSystem()
    log = open_log(files)
    log.append(b"written")

    def fail(operation: str, path: str) -> None:
        if operation == "sync":
            raise OSError(errno.EIO, "killed")

    files.fault = fail
    with pytest.raises(StorageError):
        log.sync()
    files.fault = lambda operation, path: None
    again = open_log(files)
    assert bodies(again) == [b"written"]
    assert bodies(open_log(files.crash())) == [b"written"]


def test_dropping_segments_keeps_the_rest_readable() -> None:
    files = MemoryFileSystem()
    log = open_log(files, segment_bytes=256)
    positions = [log.append(body) for body in sample(30, 60)]
    log.sync()
    log.drop_before(3)
    kept = [p for p in positions if p.segment >= 3]
    assert [r.position for r in log.scan()] == kept
    again = open_log(files.crash(), segment_bytes=256)
    assert [r.position for r in again.scan()] == kept
    with pytest.raises(StorageError):
        again.read(positions[0])
    log.drop_before(10**6)
    assert list(log.segments) == [log.last_segment]


def test_erased_bodies_are_gone_from_the_disk_and_reported() -> None:
    files = MemoryFileSystem()
    log = open_log(files, erasable=True)
    secret = log.append(b"a name and an address")
    log.append(b"other")
    log.sync()
    log.append(b"tombstone")
    log.sync()
    log.erase((secret,))
    assert b"a name" not in files.names["chain/blocks-00000000.seg"].durable
    again = open_log(files.crash(), erasable=True)
    bad: list[Position] = []
    assert [r.body for r in again.scan(bad_bodies=bad.append)] == [b"other", b"tombstone"]
    assert bad == [secret]
    with pytest.raises(StorageError):
        open_log(files.crash())


@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=300), st.booleans()), max_size=20),
    st.integers(100, 1500),
    st.integers(0, 2**32),
)
def test_any_records_any_sizes_any_crash(
    steps: list[tuple[bytes, bool]], segment_bytes: int, seed: int
) -> None:
    files = MemoryFileSystem()
    log = open_log(files, segment_bytes)
    written = [body for body, _ in steps]
    synced = 0
    for index, (body, is_synced) in enumerate(steps):
        log.append(body)
        if is_synced:
            log.sync()
            synced = index + 1
    found = bodies(open_log(files.crash(random.Random(seed).randrange), segment_bytes))
    assert found == written[: len(found)]
    assert len(found) >= synced


def test_a_record_made_for_its_place_inside_a_body_does_not_pass() -> None:
    """A stranger knows the format, and where its bytes come to stand; what it does not know is the segment's salt."""
    path = "chain/blocks-00000000.seg"
    own = MemoryFileSystem()
    open_log(own)
    salt = decode_header(bytes(own.names[path].content), path).salt
    files = MemoryFileSystem()
    log = open_log(files)
    log.append(b"ok")
    log.sync()
    inside = len(files.names[path].content) + RECORD_HEADER_BYTES
    log.append(b"".join(encode_record(salt, 0, inside, 0, b"planted")) + bytes(100))
    log.sync()
    files.names[path].content = files.names[path].content[:-8]
    assert bodies(open_log(files)) == [b"ok"]


def test_records_of_no_bytes_or_too_many_are_refused() -> None:
    log = open_log(MemoryFileSystem())
    for body in (b"", bytes(64 * 1024 * 1024 + 1)):
        with pytest.raises(StorageError):
            log.append(body)


def test_bytes_inside_a_body_never_pass_for_a_record() -> None:
    """A stranger's bytes that copy a whole later record must not turn a torn tail into damage."""
    files = MemoryFileSystem()
    log = open_log(files)
    log.append(b"ok")
    log.sync()
    copied = bytes(files.names["chain/blocks-00000000.seg"].content)[72:]
    log.append(copied * 4)
    log.sync()
    path = "chain/blocks-00000000.seg"
    whole = bytes(files.names[path].content)
    files.names[path].content = bytearray(whole[:-1])
    assert bodies(open_log(files)) == [b"ok"]
