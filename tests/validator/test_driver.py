"""The driver between a machine and the disk: what is durable when a message leaves (CONSENSUS 23, 25)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from ledger.base.errors import Code, CustodyError, StorageError
from ledger.chain.block import PROTOCOL_OLDEST, Block, genesis_header
from ledger.chain.certificate import Certificate
from ledger.chain.votes import Claim, Proposal, Vote, nullify
from ledger.consensus.interface import (
    Broadcast,
    Commit,
    Effect,
    Execute,
    Executed,
    Input,
    Persist,
    Send,
    Tick,
)
from ledger.consensus.messages import decode_message
from node.validator.clock import Clock
from node.validator.driver import Driver
from node.validator.host import REAL

FIRST, SECOND = nullify(0, 1), nullify(0, 2)


def vote(claim: Claim) -> Vote:
    return Vote(claim, 0, bytes(64))


class Script:
    """A machine that answers each input with the next effects of a script."""

    def __init__(self, *steps: list[Effect]) -> None:
        self.steps = list(steps)

    def step(self, _now_ms: int, _wall_ms: int, _event: Input) -> list[Effect]:
        return self.steps.pop(0) if self.steps else []


class Votes:
    """A vote log that knows what is durable, told of it by a sync that may fail."""

    def __init__(self) -> None:
        self.appended: list[bytes] = []
        self.durable: list[bytes] = []
        self.syncs = 0
        self.failure: StorageError | None = None

    def append(self, record: bytes) -> None:
        self.appended.append(record)

    def sync_before_sending(self) -> None:
        if self.failure is not None:
            raise self.failure
        self.syncs += 1
        self.durable = list(self.appended)

    @property
    def votes(self) -> Votes:
        return self


class Around:
    """Notes with every message what of the log was durable when it left."""

    def __init__(self, log: Votes) -> None:
        self._log = log
        self.sent: list[tuple[Claim, bool]] = []
        self.syncs_at_commit: list[int] = []
        self.left = 0
        """How many of the messages sent have left."""
        self.left_at_commit: list[int] = []
        self.failures: list[CustodyError] = []

    def before_step(self) -> None:
        pass

    def send(self, _peer: int, data: bytes) -> None:
        self.broadcast(data)

    def broadcast(self, data: bytes) -> None:
        message = decode_message(data)
        assert isinstance(message, Vote | Proposal | Certificate)
        self.sent.append((message.claim, data in self._log.durable))

    def send_now(self) -> None:
        self.left = len(self.sent)

    def commit(self, _effect: Commit) -> None:
        self.left_at_commit.append(self.left)
        self.syncs_at_commit.append(self._log.syncs)

    def alarm(self, message: str) -> None:
        pass

    def fail(self, error: CustodyError) -> None:
        self.failures.append(error)


def commit() -> Commit:
    block = Block(genesis_header(bytes(32), 0, PROTOCOL_OLDEST), ())
    return Commit(block.header.hash, block, cast("Any", None), None)


def play(*turns: list[Effect], prepare: Callable[[Votes], None] = lambda _: None) -> Around:
    """Let a driver perform these effects, each list in a turn of its own."""

    async def run() -> Around:
        log = Votes()
        prepare(log)
        around = Around(log)
        driver = Driver(cast("Any", Script(*turns)), cast("Any", log), Clock(0, 1), cast("Any", around))
        for _ in turns:
            driver.post(Tick())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        driver.stop()
        return around

    return asyncio.run(run())


def test_nothing_leaves_before_what_it_speaks_of_is_synced() -> None:
    for leaving in (Broadcast(vote(FIRST)), Send(2, vote(FIRST))):
        around = play([Persist((vote(FIRST),)), leaving])
        assert around.sent == [(FIRST, True)]
        assert not around.failures


def test_a_proposal_is_a_promise_too() -> None:
    proposal = Proposal(0, 1, 0, commit().block, bytes(64))
    around = play([Persist((proposal,)), Broadcast(proposal)])
    assert around.sent == [(proposal.claim, True)]


def test_a_record_of_an_earlier_turn_is_synced_before_a_later_turn_sends() -> None:
    around = play([Persist((vote(FIRST),))], [Broadcast(vote(FIRST))])
    assert around.sent == [(FIRST, True)]


def test_what_is_said_leaves_before_other_work_of_the_turn_and_not_after_it() -> None:
    said, again = Broadcast(vote(FIRST)), Send(2, vote(SECOND))
    around = play([Persist((vote(FIRST), vote(SECOND))), said, commit(), again, commit(), commit()], [said])
    assert around.left_at_commit == [1, 2, 2]
    assert around.left == 3


def test_records_of_one_turn_share_a_sync_and_no_record_needs_none() -> None:
    around = play(
        [Persist((vote(FIRST),)), Broadcast(vote(FIRST)), Persist((vote(SECOND),)), Broadcast(vote(SECOND))],
        [Broadcast(vote(FIRST))],
    )
    assert around.sent == [(FIRST, True), (SECOND, True), (FIRST, True)]


def test_what_others_signed_needs_no_sync_and_is_synced_with_the_next_vote() -> None:
    certificate = Certificate(1, FIRST, b"\x07", bytes(3 * 64))
    around = play(
        [Persist((certificate,)), Broadcast(certificate), Send(1, certificate), commit()],
        [Persist((vote(SECOND),)), Broadcast(vote(SECOND)), Send(1, certificate)],
    )
    assert around.sent == [(FIRST, False), (FIRST, False), (SECOND, True), (FIRST, True)]
    assert around.syncs_at_commit == [0]
    assert not around.failures


def test_a_failed_sync_stops_the_driver_and_nothing_leaves() -> None:
    failure = StorageError(Code.DAMAGED, "expected the disk to work")

    def prepare(log: Votes) -> None:
        log.failure = failure

    around = play(
        [Persist((vote(FIRST),)), Broadcast(vote(FIRST))], [Broadcast(vote(FIRST))], prepare=prepare
    )
    assert around.sent == []
    assert around.failures == [failure]


def test_the_machine_s_time_stands_still_while_a_block_is_executed() -> None:
    """Else every view whose messages came meanwhile would end by time-out."""
    time_ms = 1_000
    heard: list[tuple[int, Input]] = []

    class Machine:
        def step(self, now_ms: int, _wall_ms: int, event: Input) -> list[Effect]:
            heard.append((now_ms, event))
            block = commit().block
            return [Execute(block.header.hash, block)] if isinstance(event, Tick) else []

    class Slow(Around):
        def may_execute(self, _block: Block) -> bool:
            return True

        def execute(self, _block_hash: bytes, _block: Block) -> Any:
            nonlocal time_ms
            time_ms += 400

    async def run() -> None:
        log = Votes()
        clock = Clock(0, 1, replace(REAL, monotonic_ms=lambda: time_ms))
        driver = Driver(cast("Any", Machine()), cast("Any", log), clock, cast("Any", Slow(log)))
        driver.post(Tick())
        for _ in range(4):
            await asyncio.sleep(0)
        driver.stop()

    asyncio.run(run())
    (tick_ms, _), (executed_ms, executed) = heard
    assert executed_ms == tick_ms
    assert isinstance(executed, Executed)
    assert executed.took_ms == 400
