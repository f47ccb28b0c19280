from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.base.errors import Code, StorageError
from node.storage.filesystem import RealFileSystem
from node.storage.vote_log import VoteLog
from tests.storage.memory_files import MemoryFileSystem

NETWORK = bytes(range(32))


def votes(count: int) -> list[bytes]:
    return [b"vote %06d" % number * 3 for number in range(count)]


def test_what_was_synced_is_the_vote_state_after_a_crash() -> None:
    files = MemoryFileSystem()
    log = VoteLog(files, NETWORK, may_begin=True)
    for vote in votes(20):
        log.append(vote)
    log.sync()
    log.append(b"unsynced")
    again = VoteLog(files.crash(), NETWORK, may_begin=False)
    assert again.records == tuple(votes(20))


def test_chain_data_without_a_vote_log_refuses_to_start() -> None:
    with pytest.raises(StorageError) as caught:
        VoteLog(MemoryFileSystem(), NETWORK, may_begin=False)
    assert caught.value.code is Code.DAMAGED
    assert "new key" in caught.value.message


def test_every_torn_tail_is_cut() -> None:
    files = MemoryFileSystem()
    log = VoteLog(files, NETWORK, may_begin=True)
    for vote in votes(5):
        log.append(vote)
        log.sync()
    path = "votes/votes-00000000.seg"
    whole = bytes(files.names[path].content)
    lengths = set()
    for size in range(72, len(whole) + 1):
        files.locks.clear()
        files.names[path].content = bytearray(whole[:size])
        records = VoteLog(files, NETWORK, may_begin=False).records
        assert records == tuple(votes(5))[: len(records)]
        lengths.add(len(records))
    assert lengths == {0, 1, 2, 3, 4, 5}


def test_damage_before_the_last_sync_refuses_to_start() -> None:
    files = MemoryFileSystem()
    log = VoteLog(files, NETWORK, may_begin=True)
    for vote in votes(5):
        log.append(vote)
        log.sync()
    files.names["votes/votes-00000000.seg"].content[100] ^= 1
    files.locks.clear()
    with pytest.raises(StorageError, match="at byte 72"):
        VoteLog(files, NETWORK, may_begin=False)


def test_replacing_is_whole_or_not_at_all_in_any_crash() -> None:
    outcomes = set()
    for seed in range(200):
        draw = random.Random(seed)
        files = MemoryFileSystem()
        log = VoteLog(files, NETWORK, may_begin=True, segment_bytes=2048)
        before = votes(draw.randrange(1, 200))
        for vote in before:
            log.append(vote)
        log.sync()
        live = [b"live" * 50] * draw.randrange(4)
        left = draw.randrange(6)

        def fault(operation: str, path: str) -> None:
            nonlocal left
            if operation in {"sync", "remove", "rename", "sync_folder"}:
                left -= 1
                if left < 0:
                    raise OSError(5, "power is going")

        files.fault = fault
        try:
            log.replace(live)
            done = True
        except StorageError:
            done = False
        again = VoteLog(files.crash(draw.randrange), NETWORK, may_begin=False, segment_bytes=2048)
        assert again.records in (tuple(before), tuple(live))
        if done:
            assert again.records == tuple(live)
        outcomes.add((done, again.records == tuple(live)))
        again.append(b"next")
        again.sync()
        assert again.records[-1] == b"next"
    assert len(outcomes) == 3


def test_replacing_gives_space_back_and_missing_segments_are_noticed() -> None:
    files = MemoryFileSystem()
    log = VoteLog(files, NETWORK, may_begin=True, segment_bytes=1024)
    for vote in votes(100):
        log.append(vote)
    log.sync()
    assert log.bytes_since_replaced > 3000
    log.replace([b"live"])
    assert log.bytes_since_replaced == 0
    assert files.used() < 3000
    for vote in votes(100):
        log.append(vote)
    log.close()
    first = min(name for name in files.names if name.endswith(".seg"))
    del files.names[first]
    with pytest.raises(StorageError) as caught:
        VoteLog(files, NETWORK, may_begin=False, segment_bytes=1024)
    assert "votes are missing" in caught.value.message


def test_a_second_process_is_refused_and_told_the_folder(tmp_path: Path) -> None:
    log = VoteLog(RealFileSystem(tmp_path), NETWORK, may_begin=True)
    program = (
        "from pathlib import Path; from node.storage.filesystem import RealFileSystem\n"
        "from node.storage.vote_log import VoteLog\n"
        "from ledger.base.errors import StorageError\n"
        f"try: VoteLog(RealFileSystem(Path({str(tmp_path)!r})), bytes(range(32)), may_begin=False)\n"
        "except StorageError as error: print(error)\n"
    )
    root = Path(__file__).resolve().parents[2]
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=root, check=True
    )
    assert "votes" in answer.stdout
    assert "[locked]" in answer.stdout
    log.close()
    VoteLog(RealFileSystem(tmp_path), NETWORK, may_begin=False).close()


def test_a_failed_sync_ends_the_log() -> None:
    files = MemoryFileSystem()
    log = VoteLog(files, NETWORK, may_begin=True)
    log.append(b"vote")

    def fault(operation: str, path: str) -> None:
        if operation == "sync":
            raise OSError(5, "lost")

    files.fault = fault
    with pytest.raises(StorageError):
        log.sync()
    files.fault = lambda operation, path: None
    with pytest.raises(StorageError):
        log.append(b"another")
    with pytest.raises(StorageError):
        log.sync()
