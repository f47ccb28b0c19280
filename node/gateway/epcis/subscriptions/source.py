"""Where standing queries find their events: the index, in the order of the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from node.gateway.epcis.subscriptions.feed import Found, Heading, Tip
from node.index.index import Index, IndexedEvent, Page, Position
from node.index.query import RECORD_TIME, Comparison, EventQuery, TimeBound

_AT_ONCE: Final = 5_000
"""Events of one delivery that was begun; it never has more."""

Named = Callable[[str], Awaitable[EventQuery]]
"""A named query by its name; raises NoSuchNameException."""
Written = Callable[[str, Sequence[IndexedEvent], Heading], bytes]
"""The EPCISQueryDocument of a delivery."""


class IndexSource:
    """The index, asked in threads."""

    def __init__(self, index: Index, named: Named, written: Written) -> None:
        self._index = index
        self._named = named
        self._written = written
        self._known = 0
        self._news = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        index.subscribe(self._on_blocks)

    async def tip(self) -> Tip:
        """As of now."""
        position = await asyncio.to_thread(self._index.position)
        self._known = max(self._known, position.sequence)
        return Tip(position.sequence, position.time_ms)

    async def news(self, position: int) -> None:
        """Return when the tip is beyond `position`."""
        while True:
            news = self._news
            if self._known > position or (await self.tip()).position > position:
                return
            await news.wait()

    async def before(self, time_ms: int) -> int:
        """The position of the last event with an earlier block time."""
        query = EventQuery(times=(TimeBound(RECORD_TIME, Comparison.AT_LEAST, time_ms),))
        answer = await asyncio.to_thread(self._index.events, query, Page(1))
        return answer.events[0].sequence - 1 if answer.events else answer.position.sequence

    async def find(self, query_name: str, after: int, until: int, most: int | None) -> Found:
        """What the named query finds after `after` and up to `until`; its order and its limits say nothing here."""
        query = (await self._named(query_name))._replace(
            order=None, event_count_limit=None, max_event_count=None
        )
        if after >= until:
            return Found((), until)
        page = Page(_AT_ONCE if most is None else most, bound=until, after=(None, after))
        answer = await asyncio.to_thread(self._index.events, query, page)
        return Found(answer.events, until if answer.next is None else answer.events[-1].sequence)

    async def document(self, query_name: str, events: Sequence[Any], heading: Heading) -> bytes:
        """The EPCISQueryDocument, JSON."""
        return await asyncio.to_thread(self._written, query_name, events, heading)

    def _on_blocks(self, position: Position) -> None:
        """From the thread that writes the index."""
        self._loop.call_soon_threadsafe(self._heard, position.sequence)

    def _heard(self, sequence: int) -> None:
        self._known = max(self._known, sequence)
        self._news.set()
        self._news = asyncio.Event()
