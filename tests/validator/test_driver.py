"""The driver between a machine and the disk: what is durable when a message leaves (CONSENSUS 23, 25)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from ledger.base.errors import Code, CustodyError, StorageError
from ledger.chain.votes import Claim, Vote, nullify
from ledger.consensus.interface import Broadcast, Effect, Input, Persist, Send, Tick
from ledger.consensus.messages import decode_message
from node.validator.clock import Clock
from node.validator.driver import Driver

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
        self.failure: StorageError | None = None

    def append(self, record: bytes) -> None:
        self.appended.append(record)

    def sync_before_sending(self) -> None:
        if self.failure is not None:
            raise self.failure
        self.durable = list(self.appended)

    @property
    def votes(self) -> Votes:
        return self


class Around:
    """Notes with every message what of the log was durable when it left."""

    def __init__(self, log: Votes) -> None:
        self._log = log
        self.sent: list[tuple[Claim, bool]] = []
        self.failures: list[CustodyError] = []

    def before_step(self) -> None:
        pass

    def send(self, _peer: int, data: bytes) -> None:
        self.broadcast(data)

    def broadcast(self, data: bytes) -> None:
        message = decode_message(data)
        assert isinstance(message, Vote)
        self.sent.append((message.claim, data in self._log.durable))

    def alarm(self, message: str) -> None:
        pass

    def fail(self, error: CustodyError) -> None:
        self.failures.append(error)


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


def test_a_record_of_an_earlier_turn_is_synced_before_a_later_turn_sends() -> None:
    around = play([Persist((vote(FIRST),))], [Broadcast(vote(FIRST))])
    assert around.sent == [(FIRST, True)]


def test_records_of_one_turn_share_a_sync_and_no_record_needs_none() -> None:
    around = play(
        [Persist((vote(FIRST),)), Broadcast(vote(FIRST)), Persist((vote(SECOND),)), Broadcast(vote(SECOND))],
        [Broadcast(vote(FIRST))],
    )
    assert around.sent == [(FIRST, True), (SECOND, True), (FIRST, True)]


def test_a_failed_sync_stops_the_driver_and_nothing_leaves() -> None:
    failure = StorageError(Code.DAMAGED, "expected the disk to work")

    def prepare(log: Votes) -> None:
        log.failure = failure

    around = play(
        [Persist((vote(FIRST),)), Broadcast(vote(FIRST))], [Broadcast(vote(FIRST))], prepare=prepare
    )
    assert around.sent == []
    assert around.failures == [failure]
