"""A sample of the crash points that `python -m tests.storage.exhaustive` goes through wholly."""

from __future__ import annotations

import random

import pytest

from ledger.base.encoding import encode
from node.storage.segments import SegmentLog
from node.storage.vote_log import VoteLog
from tests.storage.crashes import RIGS, Rig, Trial, VoteRig, outcomes, sequences
from tests.storage.damage import Wrong
from tests.storage.exhaustive import crashes, histories
from tests.storage.memory_files import MemoryFileSystem

each_rig = pytest.mark.parametrize("rig", RIGS)


@each_rig
def test_every_crash_point_of_every_two_operations(rig: type[Rig]) -> None:
    cases = [(one, is_later) for one in sequences(rig, 2) for is_later in (False, True)]
    found = crashes(rig.name, cases, 16, 2, 1)
    assert found.findings == ()
    assert found.cases > 500


@each_rig
def test_crash_points_of_longer_sequences(rig: type[Rig]) -> None:
    cases = histories(rig, 30, random.Random(f"longer {rig.name}"))
    found = crashes(rig.name, cases, 8, 1, 1)
    assert found.findings == ()


def test_all_that_a_crash_may_leave_is_tried_where_it_is_little() -> None:
    files = MemoryFileSystem()
    file = files.create("log")
    files.sync_folder("")
    file.write_at(0, b"a" * 1_024)
    file.sync()
    file.write_at(0, b"b" * 1_024)
    left = {bytes(disk.names["log"].content) for disk in outcomes(files.crash, 64, random.Random(1))}
    assert left == {first * 512 + second * 512 for first in (b"a", b"b") for second in (b"a", b"b")}


def wrong(rig: type[Rig], *sequence: str) -> str:
    with pytest.raises(Wrong) as caught:
        Trial(rig, sequence).run()
    return str(caught.value)


def test_the_check_sees_a_replacement_that_is_not_durable_before_the_old_votes_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def hasty(self: VoteLog, records: list[bytes]) -> None:
        position = self._log.append(b"\x02" + encode(tuple(records)))
        self._records = list(records)
        self._log.drop_before(position.segment)

    monkeypatch.setattr(VoteLog, "replace", hasty)
    assert "votes" in wrong(VoteRig, "append", "sync", "replace")


def test_the_check_sees_an_opening_that_relies_on_what_was_not_synced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def only_written(self: SegmentLog) -> None:
        if self._group:
            self._file(self.last_segment).write_at(self._group_start, b"".join(self._group))
            self._group_start += self._buffered
            self._group.clear()
            self._buffered = 0

    monkeypatch.setattr(SegmentLog, "sync", only_written)
    assert "older" in wrong(VoteRig, "append", "sync")


def test_the_check_sees_bytes_left_by_a_torn_erasure(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = next(rig for rig in RIGS if rig.name == "payloads")
    monkeypatch.setattr(SegmentLog, "erase", lambda _self, _positions: None)
    assert "still on the disk" in wrong(rig, "put", "erase")
