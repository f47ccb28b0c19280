"""Subscribers that stay connected: WebSocket and server-sent events (EPCIS.md "Subscriptions"; EPCIS 2.0 §12.7.2).

Both are one feed each, without a row on disk: the position is the subscriber's. Every document says at which position the next one
begins (`ledger:delivery`, and the id of a server-sent event); whoever comes back with it misses nothing. A subscriber that takes
nothing is cut off by its connection's deadline (`node.gateway.server`). Streams end when the gateway stops, and when their named query is removed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Final

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from ledger.base.errors import Code, CustodyError, FormError, UnavailableError
from node.gateway.answers import pieces
from node.gateway.epcis.problems import epcis_error_of, problem
from node.gateway.epcis.subscriptions.asked import Terms
from node.gateway.epcis.subscriptions.feed import Clock, Delivery, Feed, Heading, Progress, Source
from node.gateway.epcis.subscriptions.measures import Measures
from node.gateway.rendering import to_json

STREAMS: Final = 256
HEARTBEAT_S: Final = 10.0
_RETRY_MS: Final = 1_000
_POSITION_DIGITS: Final = 16
_GOING_AWAY: Final = 1001
_FAULT: Final = 1011
_SERVICE_RESTART: Final = 1012

Noting = Callable[[str, Delivery, int], None]
"""Notes that a document of so many bytes is about to be sent; UnavailableError where it cannot be noted."""


class Streams:
    """Subscribers connected now."""

    def __init__(
        self,
        source: Source,
        measures: Measures,
        *,
        clock: Clock,
        heartbeat_s: float = HEARTBEAT_S,
        most: int = STREAMS,
    ) -> None:
        self._source = source
        self._measures = measures
        self._clock = clock
        self._heartbeat_s = heartbeat_s
        self._most = most
        self._ends: dict[asyncio.Event, str] = {}
        self._is_stopping = False

    def check_room(self) -> None:
        """Raise UnavailableError(overloaded) if there are as many subscribers as there may be."""
        if len(self._ends) >= self._most:
            raise UnavailableError(
                Code.OVERLOADED,
                f"expected at most {self._most} subscribers connected at a time; try again later",
            )

    def stop(self) -> None:
        """End every stream soon."""
        self._is_stopping = True
        for end in self._ends:
            end.set()

    def forget(self, query_name: str) -> None:
        """End those of a named query that is no more."""
        for end, name in self._ends.items():
            if name == query_name:
                end.set()

    async def feed(self, query_name: str, terms: Terms, position: str | None) -> Feed:
        """A feed that begins at `position` as it came, else as the terms say. FormError for what is no position."""
        feed = Feed(
            self._source,
            self._clock,
            query_name,
            Progress(None if position is None else await self._checked(position)),
            schedule=terms.times(),
            report_if_empty=terms.report_if_empty,
            initial_ms=terms.initial_ms,
        )
        await feed.begin()
        return feed

    async def _checked(self, text: str) -> int:
        tip = await self._source.tip()
        if (
            not (text.isascii() and text.isdigit() and len(text) <= _POSITION_DIGITS)
            or int(text) > tip.position
        ):
            raise FormError(
                Code.MALFORMED,
                f"expected a position of this ledger's event log, up to {tip.position}, got {text[:40]!a}",
            )
        return int(text)

    async def server_sent(self, feed: Feed, terms: Terms, noting: Noting) -> AsyncIterator[bytes]:
        """The stream for one reader (HTML Living Standard §9.2): the id of an event is the position after it."""
        with self._connected("server-sent events", feed.query_name) as end:
            yield f"retry: {_RETRY_MS}\n\n".encode()
            async for coming in self._documents(feed, terms, noting, end):
                if coming is None:
                    yield b": still here\n\n"
                    continue
                if isinstance(coming, CustodyError):
                    yield b"event: problem\ndata: " + _problem(coming) + b"\n\n"
                    return
                delivery, body = coming
                data = b"id: %d\nevent: epcis\ndata: %s\n\n" % (
                    delivery.until,
                    body.replace(b"\n", b"\ndata: "),
                )
                for piece in pieces(data):
                    yield piece
                feed.done(delivery)

    async def websocket(self, socket: WebSocket, feed: Feed, terms: Terms, noting: Noting) -> None:
        """Send documents to an accepted socket until it, the query or the gateway ends."""
        with self._connected("websocket", feed.query_name) as end, contextlib.suppress(WebSocketDisconnect):
            listening = asyncio.create_task(_until_gone(socket, end))
            try:
                async for coming in self._documents(feed, terms, noting, end):
                    if coming is None:
                        continue
                    if isinstance(coming, CustodyError):
                        await socket.send_text(_problem(coming).decode())
                        await socket.close(_FAULT)
                        return
                    delivery, body = coming
                    await socket.send_text(body.decode())
                    feed.done(delivery)
                if socket.application_state == socket.client_state == WebSocketState.CONNECTED:
                    await socket.close(_SERVICE_RESTART if self._is_stopping else _GOING_AWAY)
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)

    async def _documents(
        self, feed: Feed, terms: Terms, noting: Noting, end: asyncio.Event
    ) -> AsyncIterator[tuple[Delivery, bytes] | CustodyError | None]:
        """What there is to send; None each time that there was nothing for a while; an error at last, if there is one."""
        ended = asyncio.create_task(end.wait())
        coming: asyncio.Task[tuple[Delivery, bytes]] | None = None
        try:
            while not end.is_set():
                coming = coming or asyncio.create_task(self._document(feed, terms))
                await asyncio.wait(
                    (coming, ended), timeout=self._heartbeat_s, return_when=asyncio.FIRST_COMPLETED
                )
                if end.is_set():
                    return
                if not coming.done():
                    yield None
                    continue
                try:
                    found = coming.result()
                    noting(feed.query_name, found[0], len(found[1]))
                except CustodyError as error:
                    yield error
                    return
                coming = None
                yield found
        finally:
            tasks = [task for task in (ended, coming) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _document(self, feed: Feed, terms: Terms) -> tuple[Delivery, bytes]:
        delivery = await feed.next()
        heading = Heading(
            None, delivery.number, delivery.after, delivery.until, terms.epc_format, terms.cbv_format
        )
        return delivery, await self._source.document(feed.query_name, delivery.events, heading)

    @contextmanager
    def _connected(self, way: str, query_name: str) -> Iterator[asyncio.Event]:
        end = asyncio.Event()
        if self._is_stopping:
            end.set()
        self._ends[end] = query_name
        self._measures.streams.labels(way).inc()
        try:
            yield end
        finally:
            del self._ends[end]
            self._measures.streams.labels(way).dec()


async def _until_gone(socket: WebSocket, end: asyncio.Event) -> None:
    """Pass over what a subscriber says, until it goes."""
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                break
    end.set()


def _problem(error: CustodyError) -> bytes:
    found = epcis_error_of(error)
    return to_json(problem(found.exception, found.code, found.message))
