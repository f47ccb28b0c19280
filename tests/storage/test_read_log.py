"""The log of reads: what was changed, left out or put in is found, a torn tail is cut, files are the owner's alone."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from ledger.base.encoding import decode, encode
from ledger.base.errors import Code, StorageError
from node.storage.filesystem import RealFileSystem
from node.storage.frozen import FrozenFileSystem
from node.storage.read_log import Read, ReadLog
from node.storage.segments import SegmentLog

NETWORK: Final = bytes(range(32))
SMALL: Final = 2_048


def a_read(number: int) -> Read:
    asked = (("id", f"urn:item:{number}"), ("name", "Käse\x00"))
    return Read(1_000 + number, "reader", ("reader",), "maker", "GET /v1/subjects", asked, 200, 17 * number)


def written(folder: Path, count: int = 40, first: int = 0, segment_bytes: int = SMALL) -> ReadLog:
    log = ReadLog(RealFileSystem(folder), NETWORK, segment_bytes=segment_bytes)
    for number in range(first, first + count):
        log.append(a_read(number))
        log.sync()
    return log


def test_what_was_noted_is_there_after_a_restart_and_the_chain_goes_on(tmp_path: Path) -> None:
    first = written(tmp_path)
    head = first.head
    first.close()
    again = written(tmp_path, 10, 40)
    entries = list(again.follow())
    assert [entry.read for entry in entries] == [a_read(number) for number in range(50)]
    assert entries[39].hash == head.hash
    assert again.head == (50, entries[-1].hash)
    assert len(list((tmp_path / "reads").glob("*.seg"))) > 3
    again.close()


def test_folder_and_files_are_the_owners_alone(tmp_path: Path) -> None:
    written(tmp_path).close()
    assert stat.S_IMODE((tmp_path / "reads").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "reads").iterdir()} == {0o600}


def test_one_gateway_at_a_time_and_readers_beside_it(tmp_path: Path) -> None:
    log = written(tmp_path)
    with pytest.raises(StorageError) as caught:
        ReadLog(RealFileSystem(tmp_path), NETWORK)
    assert caught.value.code == Code.LOCKED
    beside = ReadLog(FrozenFileSystem(tmp_path), NETWORK)
    assert len(list(beside.follow())) == 40
    log.close()


@pytest.mark.parametrize("cut", [1, 7, 30])
def test_a_torn_tail_is_cut(tmp_path: Path, cut: int) -> None:
    written(tmp_path, 3, segment_bytes=100_000).close()
    (path,) = (tmp_path / "reads").glob("*.seg")
    path.write_bytes(path.read_bytes()[:-cut])
    log = written(tmp_path, 1, 2, segment_bytes=100_000)
    assert log.cut_bytes
    assert [entry.read for entry in log.follow()] == [a_read(0), a_read(1), a_read(2)]
    log.close()


def forged(folder: Path, change: Callable[[list[bytes]], None]) -> None:
    """The same log with other records, every checksum made anew: what somebody would do who knows the format."""
    before = SegmentLog(RealFileSystem(folder), "reads", "reads", NETWORK, segment_bytes=100_000)
    bodies = [record.body for record in before.scan()]
    before.close()
    for path in (folder / "reads").glob("*.seg"):
        path.unlink()
    change(bodies)
    after = SegmentLog(RealFileSystem(folder), "reads", "reads", NETWORK, segment_bytes=100_000)
    for body in bodies:
        after.append(body)
    after.sync()
    after.close()


def drop(bodies: list[bytes]) -> None:
    del bodies[5]


def swap(bodies: list[bytes]) -> None:
    bodies[5], bodies[6] = bodies[6], bodies[5]


def alter(bodies: list[bytes]) -> None:
    fields = list(decode(bodies[5], max_bytes=10_000))
    fields[3] = "somebody else"
    bodies[5] = encode(tuple(fields))


def cut_the_beginning(bodies: list[bytes]) -> None:
    del bodies[:3]


def spell_otherwise(bodies: list[bytes]) -> None:
    bodies[5] = encode((*decode(bodies[5], max_bytes=10_000), None))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (drop, "expected record 5 after"),
        (swap, "expected record 5 after"),
        (alter, "expected record 6 after"),
        (cut_the_beginning, "expected record 0 after"),
        (spell_otherwise, "expected 10 members"),
    ],
)
def test_what_does_not_follow_is_refused_and_named(
    tmp_path: Path, change: Callable[[list[bytes]], None], named: str
) -> None:
    written(tmp_path, 10, segment_bytes=100_000).close()
    forged(tmp_path, change)
    with pytest.raises(StorageError, match=named) as caught:
        ReadLog(RealFileSystem(tmp_path), NETWORK)
    assert caught.value.code == Code.DAMAGED


def test_a_changed_byte_or_a_missing_segment_is_refused(tmp_path: Path) -> None:
    written(tmp_path).close()
    paths = sorted((tmp_path / "reads").glob("*.seg"))
    data = bytearray(paths[0].read_bytes())
    data[200] ^= 1
    paths[0].write_bytes(data)
    log = ReadLog(RealFileSystem(tmp_path), NETWORK, segment_bytes=SMALL)
    with pytest.raises(StorageError, match="damage"):
        list(log.follow())
    log.close()
    paths[1].unlink()
    with pytest.raises(StorageError) as caught:
        ReadLog(RealFileSystem(tmp_path), NETWORK, segment_bytes=SMALL)
    assert caught.value.code == Code.DAMAGED


def test_the_log_of_another_network_is_refused(tmp_path: Path) -> None:
    written(tmp_path).close()
    with pytest.raises(StorageError) as caught:
        ReadLog(RealFileSystem(tmp_path), bytes(32))
    assert caught.value.code == Code.FOREIGN_DATA
