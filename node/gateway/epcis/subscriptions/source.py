"""Where standing queries find their events: the index, in the order of the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from ledger.epcis.spelling import EpcFormat
from ledger.epcis.vocabulary import CbvFormat
from node.gateway.epcis.answers import Respell, shown
from node.gateway.epcis.grants import Grants
from node.gateway.epcis.named import NamedQueries
from node.gateway.epcis.negotiation import JSON, Wish
from node.gateway.epcis.reading import document_body
from node.gateway.epcis.subscriptions.feed import Found, Heading, Tip
from node.index.index import Index, IndexedEvent, Page, Position
from node.index.query import RECORD_TIME, Comparison, EventQuery, TimeBound

DELIVERY_BYTES: Final = 4_000_000
"""Of events in a delivery; no more is begun once there are so many."""
_AT_ONCE: Final = 50
_THREADS: Final = 2
"""Of its own: however many subscriptions look at a new block, those who read wait for none of them."""


_T = TypeVar("_T")


class IndexSource:
    """The index, asked in threads."""

    def __init__(self, index: Index, queries: NamedQueries, grants: Grants) -> None:
        self._index = index
        self._grants = grants
        self._queries = queries
        self._parsed: dict[str, EventQuery] = {}
        self._threads = ThreadPoolExecutor(_THREADS, "standing")
        self._known = 0
        self._news = asyncio.Event()

    def open(self) -> None:
        """Hear of what is indexed from now on."""
        loop = asyncio.get_running_loop()

        def on_blocks(position: Position) -> None:  # in the thread that writes the index
            loop.call_soon_threadsafe(self._heard, position.sequence)

        self._index.subscribe(on_blocks)

    def close(self) -> None:
        """Ask no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, work: Callable[..., _T], *arguments: object) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    def forget(self, query_name: str) -> None:
        """The named query is no more."""
        self._parsed.pop(query_name, None)

    async def tip(self) -> Tip:
        """As of now."""
        position = await self._in_thread(self._index.position)
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
        answer = await self._in_thread(self._index.events, query, Page(1))
        return answer.events[0].sequence - 1 if answer.events else answer.position.sequence

    async def find(self, query_name: str, after: int, until: int, most: int | None) -> Found:
        """What the named query finds after `after` and up to `until`, no more than `most` events or so of `DELIVERY_BYTES`; all
        of it without `most`. Order and limits of the query say nothing here.
        """
        query = await self._query(query_name)
        found: list[IndexedEvent] = []
        size = 0
        page: Page | None = Page(_AT_ONCE, bound=until, after=(None, after))
        while page is not None and after < until:
            if most is not None:
                page = page._replace(limit=min(_AT_ONCE, most - len(found)))
            answer = await self._in_thread(self._index.events, query, page)
            found += answer.events
            size += sum(len(one.event or one.extract_item) for one in answer.events)
            page = answer.next
            if most is not None and page is not None and (len(found) >= most or size >= DELIVERY_BYTES):
                return Found(tuple(found), found[-1].sequence)
        return Found(tuple(found), until)

    async def document(self, query_name: str, events: Sequence[IndexedEvent], heading: Heading) -> bytes:
        """The EPCISQueryDocument, JSON."""
        wish = Wish(JSON, EpcFormat(heading.epc_format), CbvFormat(heading.cbv_format))
        respell = await self._grants.respelling(wish.epcs)
        return await self._in_thread(self._written, query_name, events, heading, wish, respell)

    def _written(
        self,
        query_name: str,
        events: Sequence[IndexedEvent],
        heading: Heading,
        wish: Wish,
        respell: Respell,
    ) -> bytes:
        # First, as wherever an answer claims a block: what is read after it may be of a later one.
        position = self._index.position()
        content = shown(events, self._index.corrections(events), position, respell)
        delivery = {"number": heading.number, "after": heading.after, "position": heading.until}
        content = content._replace(checkpoint=content.checkpoint | {f"{content.start}delivery": delivery})
        return document_body(content, wish, name=query_name, subscription_id=heading.subscription_id)

    async def _query(self, name: str) -> EventQuery:
        """The named query, less what it says of order and number."""
        found = self._parsed.get(name)
        if found is None:
            query = (await self._queries.get(name)).query
            found = query._replace(order=None, event_count_limit=None, max_event_count=None)
            self._parsed[name] = found
        return found

    def _heard(self, sequence: int) -> None:
        self._known = max(self._known, sequence)
        self._news.set()
        self._news = asyncio.Event()
