"""What is handed in at the private socket is checked in order, a slice a turn of the loop, however large it is."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from types import SimpleNamespace
from typing import Any, cast

from node.local import protocol
from node.local.protocol import OpenBytes, State, Submission, TransactionStatus, WaitFor
from node.transport.local_service import LocalConnection
from node.validator import service
from node.validator.admission import SLICE_EVENTS
from node.validator.mempool import Mempool
from node.validator.service import Service


class FakeConnection:
    is_closing = False

    def __init__(self) -> None:
        self.answers: list[tuple[int, int]] = []

    def send_or_end(self, kind: int, body: bytes) -> None:
        number = protocol.decode_fault(body)[0] if kind == protocol.FAULT else protocol.decode_answer(body)[0]
        self.answers.append((kind, number))

    def cancel(self, number: int) -> None:
        """No task of that number."""


class FakeMempool:
    """Counts slices; an event takes as much of one as in the real one."""

    has_queued = False

    def __init__(self) -> None:
        self.admitted: list[bytes] = []

    def admit(self, submission: Submission) -> Generator[None, None, TransactionStatus]:
        for number in range(len(submission.payloads)):
            if number and number % SLICE_EVENTS == 0:
                yield
        self.admitted.append(submission.transaction)
        return TransactionStatus(submission.transaction, State.REFUSED)


def submission(name: bytes, events: int) -> Submission:
    return Submission(name, (), (OpenBytes(b"", None, b"{}"),) * events)


def request(number: int, *submissions: Submission) -> bytes:
    return protocol.encode_request(number, protocol.Submit(submissions, WaitFor.FINAL))


class Stage:
    def __init__(self) -> None:
        self.mempool = FakeMempool()
        unused = cast("Any", None)

        class Host:
            def open_doorway(self, *_: Any, **__: Any) -> Any:
                return None

        self.service = Service(
            unused, unused, unused, unused, cast("Mempool", self.mempool), unused, unused, cast("Any", Host())
        )
        self.one, self.other = FakeConnection(), FakeConnection()

    def came(self, connection: FakeConnection, body: bytes, kind: int = protocol.REQUEST) -> None:
        self.service._frame_came(cast("LocalConnection", connection), kind, body)


def test_what_is_small_is_answered_at_once() -> None:
    async def act() -> None:
        stage = Stage()
        stage.came(stage.one, request(1, submission(b"a", SLICE_EVENTS)))
        assert stage.one.answers == [(protocol.ANSWER, 1)]

    asyncio.run(act())


def test_others_have_the_loop_between_the_slices_of_a_large_one_and_the_order_is_kept() -> None:
    async def act() -> None:
        stage = Stage()
        stage.came(stage.one, request(1, submission(b"large", 10 * SLICE_EVENTS)))
        stage.came(stage.other, request(1, submission(b"small", 1)))
        turns = 0
        while not stage.other.answers:
            await asyncio.sleep(0)
            turns += 1
        assert stage.mempool.admitted == [b"large", b"small"]
        assert stage.one.answers == [(protocol.ANSWER, 1)]
        assert turns == 10  # nine slices after the first, and the small one

    asyncio.run(act())


def test_many_transactions_of_one_request_are_cut_too() -> None:
    async def act() -> None:
        stage = Stage()
        stage.came(
            stage.one, request(1, *(submission(b"%d" % number, 1) for number in range(4 * SLICE_EVENTS)))
        )
        turns = 0
        while not stage.one.answers:
            await asyncio.sleep(0)
            turns += 1
        assert len(stage.mempool.admitted) == 4 * SLICE_EVENTS
        assert turns >= 4

    asyncio.run(act())


def test_what_is_cancelled_or_whose_asker_is_gone_is_not_checked_on() -> None:
    async def act() -> None:
        stage = Stage()
        stage.came(stage.one, request(1, submission(b"large", 10 * SLICE_EVENTS)))
        stage.came(stage.other, request(1, submission(b"cancelled", 1)))
        stage.came(stage.other, request(2, submission(b"kept", 1)))
        stage.came(stage.other, protocol.encode_answer(1, None), protocol.CANCEL)
        stage.service._lost(cast("LocalConnection", stage.one), None)
        for _ in range(20):
            await asyncio.sleep(0)
        assert stage.mempool.admitted == [b"kept"]
        assert (stage.one.answers, stage.other.answers) == ([], [(protocol.ANSWER, 2)])
        assert stage.service._arrived_bytes == 0

    asyncio.run(act())


def test_what_was_taken_in_before_its_asker_went_is_put_into_a_batch() -> None:
    async def act() -> None:
        stage, woken = Stage(), []
        stage.mempool.has_queued = True
        stage.service._node = cast("Any", SimpleNamespace(wake=lambda: woken.append(1)))
        large = request(1, submission(b"taken in", 1), submission(b"large", 10 * SLICE_EVENTS))
        stage.came(stage.one, large)
        stage.service._lost(cast("LocalConnection", stage.one), None)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert stage.mempool.admitted == [b"taken in"]
        assert woken

    asyncio.run(act())


def test_no_more_waits_to_be_checked_than_a_bound(monkeypatch: Any) -> None:
    async def act() -> None:
        stage = Stage()
        body = request(1, submission(b"large", 10 * SLICE_EVENTS))
        monkeypatch.setattr(service, "ARRIVED_BYTES", 2 * len(body))
        for connection in (stage.one, stage.other, stage.other):
            stage.came(connection, body)
        assert stage.other.answers == [(protocol.FAULT, 1)]
        assert len(stage.service._arrivals) == 2

    asyncio.run(act())
