"""The one engine under webhooks, WebSockets and server-sent events: a position, and deliveries cut from what came after it.

The chain is the queue. A subscription is a position in the event log and nothing else; what it has still to get is a query over the
entries from there to now, so a receiver that is away costs no memory, and what it missed is there when it comes back. A delivery is
fixed when it is begun: its number stands for the same stretch of the log until it is done, however often it is sent. Only `done` moves
the position. So every matching event is delivered at least once and in the order of the ledger; order and limits of the named query
say nothing here.

A *run* takes the log as it stands: by the schedule, or as soon as there is something new. What a run finds is cut into deliveries of at
most `DELIVERY_EVENTS`. With `reportIfEmpty` a scheduled run that finds nothing is one delivery without events. A run that fell
into a time when the gateway was down is made up for once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol

from node.gateway.epcis.subscriptions.schedule import Schedule

DELIVERY_EVENTS: Final = 500
_LONGEST_SLEEP_S: Final = 30.0
"""The system's clock may be set: what waits for a time of day looks at it so often."""


class Clock(Protocol):
    """What time it is."""

    def now_ms(self) -> int:
        """Unix milliseconds."""

    async def sleep_until(self, time_ms: int) -> None:
        """Return at that time, at once if it has passed."""


class SystemClock:
    """A clock that goes by itself, by default the operating system's."""

    def __init__(self, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        """Unix milliseconds."""
        return self._now_ms()

    async def sleep_until(self, time_ms: int) -> None:
        """Return at that time, at once if it has passed."""
        while (left_ms := time_ms - self.now_ms()) > 0:  # noqa: ASYNC110 - no event tells the time
            await asyncio.sleep(min(left_ms / 1000, _LONGEST_SLEEP_S))


class Tip(NamedTuple):
    """As of which point the index stands."""

    position: int
    """The last event's place in the event log; 0 before the first."""
    time_ms: int
    """Block time of the last block: no later event has an earlier one."""


class Found(NamedTuple):
    """What a query finds in a stretch of the log."""

    events: tuple[Any, ...]
    until: int
    """All that match up to this position are found; below what was asked where there were too many."""


class Source(Protocol):
    """Where events are found: the index, and what an answer is made of."""

    async def tip(self) -> Tip:
        """As of now."""

    async def news(self, position: int) -> None:
        """Return when the tip is beyond `position`."""

    async def before(self, time_ms: int) -> int:
        """The position of the last event with an earlier block time."""

    async def find(self, query_name: str, after: int, until: int, most: int | None) -> Found:
        """What the named query finds from the event after `after` to that at `until`, in their order, at most so many."""

    async def document(self, query_name: str, events: Sequence[Any], heading: Heading) -> bytes:
        """The EPCISQueryDocument, JSON."""


class Heading(NamedTuple):
    """What a document says beside its events."""

    subscription_id: str | None
    number: int
    after: int
    until: int
    epc_format: str
    cbv_format: str


class Progress(NamedTuple):
    """How far a subscription is: all there is to keep."""

    position: int | None = None
    """Up to here all is dealt with; None until `initialRecordTime` has come."""
    number: int = 0
    """Of the last delivery that was begun."""
    until: int | None = None
    """Where the delivery under way ends, None if there is none."""
    target: int | None = None
    """Where the run under way ends, None if there is none."""
    target_ms: int = 0
    """Block time at the target."""
    next_ms: int | None = None
    """When the next scheduled run is due."""
    ran_ms: int | None = None
    """Block time as of the last run that was delivered whole: `minRecordTime`."""


class Delivery(NamedTuple):
    """What is to be sent once, or again."""

    number: int
    after: int
    until: int
    events: tuple[Any, ...]

    def asked(self, query_name: str) -> tuple[tuple[str, str], ...]:
        """As the log of reads names it: the stretch of the ledger's event log that the query was asked of."""
        return ("queryName", query_name), ("after", str(self.after)), ("until", str(self.until))


class Feed:
    """Deliveries of one subscription, one after the other: `next`, send, `done`."""

    def __init__(
        self,
        source: Source,
        clock: Clock,
        query_name: str,
        progress: Progress,
        *,
        schedule: Schedule | None = None,
        report_if_empty: bool = False,
        initial_ms: int | None = None,
    ) -> None:
        """`schedule` None: as events come."""
        self.progress = progress
        self.query_name = query_name
        self._source = source
        self._clock = clock
        self._schedule = schedule
        self._report_if_empty = report_if_empty and schedule is not None
        self._initial_ms = initial_ms
        self._most = DELIVERY_EVENTS

    async def begin(self) -> None:
        """Take the position: that of `initialRecordTime`, of now without it; later if it is still to come."""
        if self.progress.position is not None:
            return
        now_ms = self._clock.now_ms()
        if self._initial_ms is None:
            position = (await self._source.tip()).position
        elif self._initial_ms <= now_ms:
            position = await self._source.before(self._initial_ms)
        else:
            return
        self.progress = self.progress._replace(position=position)

    async def next(self) -> Delivery:
        """The next delivery, as soon as there is one; the same again until it is `done`."""
        while True:
            at = self.progress
            if at.position is None:
                await self._clock.sleep_until(self._initial_ms or 0)
                await self.begin()
                continue
            if at.until is not None:
                found = await self._source.find(self.query_name, at.position, at.until, None)
                return Delivery(at.number, at.position, at.until, found.events)
            if at.target is None:
                at = await self._run(at.position)
            target = at.target or 0
            found = await self._source.find(self.query_name, at.position or 0, target, self._most)
            is_empty_report = self._report_if_empty and found.until >= target
            if found.events or is_empty_report:
                self.progress = at._replace(number=at.number + 1, until=found.until)
            else:
                self._moved(found.until)

    def done(self, delivery: Delivery) -> None:
        """The receiver has it: go on after it."""
        self._most = min(2 * self._most, DELIVERY_EVENTS)
        self._moved(delivery.until)

    async def cut(self, delivery: Delivery) -> bool:
        """The receiver wants less at once: end the delivery under way earlier. False if it is one event."""
        if len(delivery.events) <= 1:
            return False
        self._most = len(delivery.events) // 2
        found = await self._source.find(self.query_name, delivery.after, delivery.until, self._most)
        self.progress = self.progress._replace(until=found.until)
        return True

    async def _run(self, position: int) -> Progress:
        """Wait until a run is due, and take the log as it stands."""
        if self._schedule is None:
            await self._source.news(position)
        else:
            due_ms = self.progress.next_ms or self._schedule.next_after(self._clock.now_ms())
            self.progress = self.progress._replace(next_ms=due_ms)
            await self._clock.sleep_until(due_ms)
            self.progress = self.progress._replace(
                next_ms=self._schedule.next_after(max(due_ms, self._clock.now_ms()))
            )
        tip = await self._source.tip()
        self.progress = self.progress._replace(target=max(tip.position, position), target_ms=tip.time_ms)
        return self.progress

    def _moved(self, position: int) -> None:
        """All up to `position` is dealt with."""
        at = self.progress._replace(position=position, until=None)
        if at.target is not None and position >= at.target:
            at = at._replace(target=None, ran_ms=at.target_ms)
        self.progress = at
