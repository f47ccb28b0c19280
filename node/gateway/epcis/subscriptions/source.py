"""Where standing queries find their events: the index, in the order of the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

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

_AT_ONCE: Final = 5_000
"""Events of one delivery that was begun; it never has more."""


class IndexSource:
    """The index, asked in threads."""

    def __init__(self, index: Index, queries: NamedQueries, grants: Grants) -> None:
        self._index = index
        self._grants = grants
        self._queries = queries
        self._parsed: dict[str, EventQuery] = {}
        self._known = 0
        self._news = asyncio.Event()

    def open(self) -> None:
        """Hear of what is indexed from now on."""
        loop = asyncio.get_running_loop()

        def on_blocks(position: Position) -> None:  # in the thread that writes the index
            loop.call_soon_threadsafe(self._heard, position.sequence)

        self._index.subscribe(on_blocks)

    def forget(self, query_name: str) -> None:
        """The named query is no more."""
        self._parsed.pop(query_name, None)

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
        query = await self._query(query_name)
        if after >= until:
            return Found((), until)
        page = Page(_AT_ONCE if most is None else most, bound=until, after=(None, after))
        answer = await asyncio.to_thread(self._index.events, query, page)
        return Found(answer.events, until if answer.next is None else answer.events[-1].sequence)

    async def document(self, query_name: str, events: Sequence[IndexedEvent], heading: Heading) -> bytes:
        """The EPCISQueryDocument, JSON."""
        wish = Wish(JSON, EpcFormat(heading.epc_format), CbvFormat(heading.cbv_format))
        respell = await self._grants.respelling(wish.epcs)
        return await asyncio.to_thread(self._written, query_name, events, heading, wish, respell)

    def _written(
        self,
        query_name: str,
        events: Sequence[IndexedEvent],
        heading: Heading,
        wish: Wish,
        respell: Respell,
    ) -> bytes:
        content = shown(events, self._index.corrections(events), self._index.position(), respell)
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
