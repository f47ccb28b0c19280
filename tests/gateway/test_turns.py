"""Large bodies take turns, and those that were refused make the next large ones wait, never a small one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ledger.base import limits
from ledger.base.encoding import encode
from ledger.base.errors import Code, FormError
from node.gateway.submission import LARGE_BYTES, PENANCE, Turns
from node.local.protocol import State, Submission, TransactionStatus, WaitFor
from tests.gateway.stage import MSGPACK, Stage, check_problem, play

LARGE = LARGE_BYTES + 1


def test_large_bodies_are_read_one_at_a_time() -> None:
    order: list[str] = []

    async def read(turns: Turns, name: str, size: int) -> None:
        async with turns.turn(size):
            order.append(f"{name} begins")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            order.append(f"{name} ends")

    async def run() -> None:
        turns = Turns()
        await asyncio.gather(
            read(turns, "first", LARGE), read(turns, "second", LARGE), read(turns, "small", LARGE_BYTES)
        )

    asyncio.run(run())
    assert order.index("first ends") < order.index("second begins")
    assert order.index("small begins") < order.index("first ends")


def test_after_a_refused_body_large_ones_wait_and_small_ones_do_not() -> None:
    async def run() -> None:
        turns = Turns()
        turns.charge(3_600 / PENANCE)

        async def large() -> None:
            async with turns.turn(LARGE):
                pass

        waiting = asyncio.ensure_future(large())
        async with turns.turn(LARGE_BYTES):
            await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(run())


def test_what_was_refused_is_charged_by_its_cost_and_what_was_taken_is_not() -> None:
    async def run() -> None:
        turns = Turns()
        async with turns.turn(LARGE):
            pass
        assert turns._paid_at == 0
        with pytest.raises(FormError):
            async with turns.turn(LARGE):
                raise FormError(Code.MALFORMED, "expected something else")
        assert turns._paid_at > 0

    asyncio.run(run())


@pytest.mark.parametrize(
    ("size", "codes", "is_charged"),
    [
        (LARGE, [Code.UNKNOWN_KEY, Code.MALFORMED], True),
        (LARGE_BYTES, [Code.UNKNOWN_KEY], False),
        (LARGE, [Code.UNKNOWN_KEY, ""], False),
        (LARGE, [Code.OVERLOADED], False),
        (LARGE, [Code.NOT_ENTITLED], False),
    ],
)
def test_a_body_with_nothing_of_a_member_is_charged(size: int, codes: list[str], is_charged: bool) -> None:
    async def run() -> None:
        turns = Turns()
        turns.judged(size, [TransactionStatus(bytes(32), State.REFUSED, str(code)) for code in codes])
        assert (turns._paid_at > 0) == is_charged

    asyncio.run(run())


def test_what_the_validator_finds_worthless_is_charged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(stage: Stage) -> None:
        async def refuse(submissions: list[Submission], _: WaitFor) -> tuple[TransactionStatus, ...]:
            return (TransactionStatus(bytes(32), State.REFUSED, Code.UNKNOWN_KEY.value),) * len(submissions)

        monkeypatch.setattr(stage.gateway.submitter, "submit", refuse)
        payload = (bytes(16), None, b"{" + b" " * LARGE + b"}")
        body = encode([(stage.made().to_bytes(), [payload])])
        response = await stage.http.post("/v1/transactions", content=body, headers=MSGPACK)
        assert response.status_code == 200
        assert stage.gateway.intake.turns._paid_at > 0

    play(tmp_path, act)


@pytest.mark.parametrize(
    ("body", "is_charged"),
    [(b"\xc1" * LARGE, True), (b"\xc1" * 100, False), (b"\xc1" * (limits.SUBMISSION_BYTES + 1), False)],
)
def test_requests_are_charged(tmp_path: Path, body: bytes, is_charged: bool) -> None:
    """One that announces too much is refused unread, and costs nothing."""

    async def act(stage: Stage) -> None:
        check_problem(await stage.http.post("/v1/transactions", content=body, headers=MSGPACK))
        assert (stage.gateway.intake.turns._paid_at > 0) == is_charged

    play(tmp_path, act)


def test_a_body_without_end_is_charged_when_it_is_too_large(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(200):
                yield bytes(65_536)

        response = await stage.http.post("/v1/transactions", content=pieces(), headers=MSGPACK)
        check_problem(response, Code.TOO_LARGE)
        assert stage.gateway.intake.turns._paid_at > 0

    play(tmp_path, act)
