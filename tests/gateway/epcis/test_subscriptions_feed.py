"""The engine: schedules by a clock that the test moves, positions, and over any sequence of failures every event, in order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from node.gateway.epcis.subscriptions.asked import Terms
from node.gateway.epcis.subscriptions.feed import Feed, Progress
from node.gateway.epcis.subscriptions.outbound import Answer, DeliveryError
from node.gateway.epcis.subscriptions.schedule import schedule_from_fields
from node.gateway.epcis.subscriptions.stored import Webhook
from tests.gateway.epcis.webhook_stage import (
    LOOPBACK,
    QUERY,
    START_MS,
    HandClock,
    HastyClock,
    Log,
    until,
    webhook,
    webhooks_over,
)

MINUTELY = schedule_from_fields({"second": "0"})
FIRST_MS = MINUTELY.next_after(START_MS)


def play(act: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(act())  # type: ignore[arg-type]


async def waits(clock: HandClock, until_ms: int) -> None:
    await until(lambda: clock.waiting == [until_ms])


def test_a_schedule_reports_what_came_since_its_last_run() -> None:
    async def act() -> None:
        log, clock = Log(5), HandClock()
        feed = Feed(log, clock, QUERY, Progress(), schedule=MINUTELY)
        await feed.begin()
        log.grow(3)
        coming = asyncio.create_task(feed.next())
        await waits(clock, FIRST_MS)
        assert not coming.done()
        clock.move_to(FIRST_MS)
        delivery = await coming
        assert (delivery.number, delivery.events) == (1, (6, 7, 8))
        log.grow(1)
        feed.done(delivery)
        assert feed.progress.ran_ms == START_MS + 8_000
        coming = asyncio.create_task(feed.next())  # what came after the run belongs to the next one
        await waits(clock, FIRST_MS + 60_000)
        clock.move_to(FIRST_MS + 60_000)
        assert (await coming).events == (9,)

    play(act)


def test_a_run_that_finds_nothing_is_reported_to_those_who_asked_for_it() -> None:
    async def act() -> None:
        for reports in (True, False):
            log, clock = Log(4), HandClock()
            feed = Feed(log, clock, "even", Progress(), schedule=MINUTELY, report_if_empty=reports)
            await feed.begin()
            log.grow(1)
            coming = asyncio.create_task(feed.next())
            for number in range(3):
                await waits(clock, FIRST_MS + 60_000 * number)
                clock.move_to(FIRST_MS + 60_000 * number)
                if reports:
                    delivery = await coming
                    assert (delivery.number, delivery.events) == (number + 1, ())
                    feed.done(delivery)
                    coming = asyncio.create_task(feed.next())
            await waits(clock, FIRST_MS + 180_000)
            assert not coming.done()
            assert feed.progress.position == 5
            coming.cancel()

    play(act)


def test_a_report_of_several_deliveries_is_not_followed_by_an_empty_one() -> None:
    async def act() -> None:
        log, clock = Log(), HandClock()
        feed = Feed(log, clock, "even", Progress(), schedule=MINUTELY, report_if_empty=True)
        feed._most = 2
        await feed.begin()
        log.grow(9)
        clock.move_to(FIRST_MS)
        coming = asyncio.create_task(feed.next())
        await waits(clock, FIRST_MS + 60_000)
        clock.move_to(FIRST_MS + 60_000)
        delivery = await coming
        assert delivery.events == (2, 4)
        feed.done(delivery)
        feed._most = 2
        delivery = await feed.next()
        assert delivery.events == (6, 8)
        feed.done(delivery)
        coming = asyncio.create_task(feed.next())
        await waits(clock, FIRST_MS + 120_000)
        assert not coming.done()
        coming.cancel()

    play(act)


def test_a_run_that_was_missed_is_made_up_for_once() -> None:
    async def act() -> None:
        log, clock = Log(), HandClock(FIRST_MS + 10 * 60_000 + 5_000)
        progress = Progress(position=0, next_ms=FIRST_MS)
        feed = Feed(log, clock, QUERY, progress, schedule=MINUTELY, report_if_empty=True)
        feed.done(await feed.next())
        coming = asyncio.create_task(feed.next())
        await waits(clock, FIRST_MS + 11 * 60_000)
        coming.cancel()

    play(act)


def test_an_initial_record_time_to_come_is_waited_for() -> None:
    async def act() -> None:
        log, clock = Log(3), HandClock()
        feed = Feed(log, clock, QUERY, Progress(), initial_ms=START_MS + 5_000)
        await feed.begin()
        assert feed.progress.position is None
        coming = asyncio.create_task(feed.next())
        await waits(clock, START_MS + 5_000)
        log.grow(3)
        clock.move_to(START_MS + 5_000)
        assert (await coming).events == (5, 6)

    play(act)


def test_a_delivery_stays_what_it_was_until_it_is_done() -> None:
    async def act() -> None:
        log = Log()
        feed = Feed(log, HandClock(), QUERY, Progress())
        await feed.begin()
        log.grow(2)
        first = await feed.next()
        log.grow(2)
        assert await feed.next() == first
        kept = Progress(*json.loads(json.dumps(feed.progress)))
        again = Feed(log, HandClock(), QUERY, kept)
        assert await again.next() == first
        again.done(first)
        assert (await again.next()).events == (3, 4)

    play(act)


class Scripted:
    """A receiver without a network: what it does with each delivery is drawn; what it keeps, it keeps."""

    def __init__(self, script: list[str]) -> None:
        self.policy = LOOPBACK
        self.script = script
        self.seen: dict[int, list[int]] = {}
        self.was_cut = False
        self.kept: list[int] = []
        self.last = 0

    async def post(self, target: Any, headers: Any, body: bytes) -> Answer:
        document = json.loads(body)
        number, events = int(dict(headers)["custody-delivery"]), document["events"]
        act = self.script.pop(0) if self.script else "takes"
        await asyncio.sleep(0)
        if act == "is too small":
            self.was_cut = True
            return Answer(413, None)
        assert self.was_cut or self.seen.setdefault(number, events) == events
        if act in ("takes", "takes, and its answer is lost") and number > self.last:
            self.last = number
            self.kept += events
        if act == "takes":
            return Answer(200, None)
        if act == "refuses":
            return Answer(503, None)
        raise DeliveryError("the connection broke")

    async def close(self) -> None: ...


ACTS = [
    "takes",
    "takes, and its answer is lost",
    "refuses",
    "breaks",
    "is too small",
    "gateway ends",
    "events come",
]


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from(ACTS), max_size=25),
    st.integers(0, 9),
    st.sampled_from([None, {"second": "0/20"}]),
)
def test_every_event_is_delivered_in_order_whatever_the_receiver_does(
    acts: list[str], count: int, schedule: dict[str, str] | None
) -> None:
    async def act(folder: Path) -> Scripted:
        log, receiver = Log(count), Scripted([])
        first, is_new = count, True
        parts: list[list[str]] = [[]]
        for one in acts:
            if one == "gateway ends":
                parts.append([])
            else:
                parts[-1].append(one)
        for part in parts:
            async with webhooks_over(folder, log, outbound=receiver, clock=HastyClock()) as webhooks:
                if is_new:
                    await webhooks.add(webhook("http://127.0.0.1:1/", Terms(schedule)))
                    is_new = False
                for one in part:
                    if one == "events come":
                        log.grow(3)
                    else:
                        receiver.script.append(one)
                        log.grow(1)
                        await asyncio.sleep(0.001)

        async with webhooks_over(folder, log, outbound=receiver, clock=HastyClock()) as webhooks:
            receiver.script.clear()
            log.grow(1)

            def is_done() -> bool:
                found: Webhook | None = webhooks.get(QUERY, "one")
                return found is not None and found.progress.position == log.count

            await until(is_done)
        expected = list(range(first + 1, log.count + 1))
        assert list(dict.fromkeys(receiver.kept)) == expected
        if not receiver.was_cut:
            assert receiver.kept == expected
        return receiver

    with TemporaryDirectory() as folder:
        asyncio.run(act(Path(folder)))
