"""Final blocks as server-sent events, to many readers at their own pace (API.md §7).

One stream from the validator feeds a short memory of rendered blocks; every reader takes the next height from it by itself, so
a reader costs one position and never a queue. Who is further behind than the memory reaches asks block by block. A reader that
takes nothing is cut off by its connection's deadline (`server`). The stream from the validator exists only while
somebody follows, and is made again where it broke, from the height after the last.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final, cast

import structlog

from ledger.base.errors import Code, CustodyError, UnavailableError
from node.gateway.answers import pieces
from node.gateway.metrics import Metrics
from node.gateway.problems import problem
from node.gateway.rendering import block_notice, to_json
from node.local.client import LocalClient
from node.local.protocol import FinalBlock

READERS: Final = 256
HEARTBEAT_S: Final = 10.0
MEMORY_BLOCKS: Final = 256
MEMORY_BYTES: Final = 16_000_000
FETCHES: Final = 4
"""Blocks asked for at a time by readers behind the memory."""
_RETRY_MS: Final = 1_000
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 0.2
"""The validator is on this machine: trying costs next to nothing, and clients wait for it to be noticed."""
_HEARTBEAT: Final = b": still here\n\n"


class Followers:
    """All readers of the stream of final blocks."""

    def __init__(
        self,
        validator: LocalClient,
        metrics: Metrics,
        *,
        heartbeat_s: float = HEARTBEAT_S,
        readers: int = READERS,
    ) -> None:
        """`validator`: a client of its own, for a slow stream holds up whatever shares its connection."""
        self._validator = validator
        self._metrics = metrics
        self._heartbeat_s = heartbeat_s
        self._most = readers
        self._log = structlog.get_logger("gateway")
        self._memory: OrderedDict[int, bytes] = OrderedDict()
        self._memory_bytes = 0
        self._tip: int | None = None
        self._news = asyncio.Event()
        self._fetches = asyncio.Semaphore(FETCHES)
        self._readers = 0
        self._pump: asyncio.Task[None] | None = None
        self._is_stopping = False

    def check_room(self) -> None:
        """Raise UnavailableError(overloaded) if there are as many readers as there may be."""
        if self._readers >= self._most:
            raise UnavailableError(
                Code.OVERLOADED,
                f"expected at most {self._most} followers at a time; follow another node, or try again",
            )

    async def events(self, from_height: int | None) -> AsyncIterator[bytes]:
        """The stream for one reader, from a height on (None: from the next block on). Ends when the gateway stops."""
        self._enter()
        try:
            yield f"retry: {_RETRY_MS}\n\n".encode()
            height = from_height
            while not self._is_stopping:
                news = self._news
                if height is None and self._tip is not None:
                    height = self._tip + 1
                data, is_last = await self._next(height)
                if data is not None:
                    for piece in pieces(data):
                        yield piece
                    if is_last:
                        return
                    height = None if height is None else height + 1
                elif not await self._is_news(news):
                    yield _HEARTBEAT
        finally:
            self._leave()

    def stop(self) -> None:
        """End every stream soon."""
        self._is_stopping = True
        self._tell()

    async def close(self) -> None:
        """End the stream from the validator."""
        self.stop()
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)
            self._pump = None

    # ---- readers

    def _enter(self) -> None:
        self._readers += 1
        self._metrics.streams.inc()
        if self._pump is None:
            self._pump = asyncio.create_task(self._run(), name="follow")

    def _leave(self) -> None:
        self._readers -= 1
        self._metrics.streams.dec()
        if self._readers == 0 and self._pump is not None:
            self._pump.cancel()
            self._pump = None
            self._tip = None
            self._memory.clear()
            self._memory_bytes = 0

    async def _next(self, height: int | None) -> tuple[bytes | None, bool]:
        """The event of a height, None if it has to be waited for; and whether the stream cannot go on after it."""
        if height is None or self._tip is None or height > self._tip:
            return None, False
        data = self._memory.get(height)
        if data is not None:
            return data, False
        try:
            async with self._fetches:
                return event_of(await self._validator.block(height)), False
        except CustodyError as error:
            if error.code == Code.UNAVAILABLE:
                return None, False
            return b"event: problem\ndata: " + to_json(problem(error.code, error.message)) + b"\n\n", True

    async def _is_news(self, news: asyncio.Event) -> bool:
        try:
            async with asyncio.timeout(self._heartbeat_s):
                await news.wait()
        except TimeoutError:
            return False
        return True

    # ---- the one stream from the validator

    async def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        was_said = False
        while True:
            try:
                if self._tip is None:
                    self._took_tip((await self._validator.status()).height)
                stream = self._validator.follow((self._tip or 0) + 1)
                async with aclosing(cast("AsyncGenerator[FinalBlock]", stream)) as blocks:
                    async for block in blocks:
                        self._took(block)
                        pause_s = _FIRST_PAUSE_S
                        was_said = False
            except CustodyError as error:
                if not was_said:  # once for each time that it breaks
                    self._log.warning("follow broke", code=error.code.value, detail=error.message)
                was_said = True
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _took(self, block: FinalBlock) -> None:
        data = event_of(block)
        self._memory[block.header.height] = data
        self._memory_bytes += len(data)
        while len(self._memory) > 1 and (
            len(self._memory) > MEMORY_BLOCKS or self._memory_bytes > MEMORY_BYTES
        ):
            self._memory_bytes -= len(self._memory.popitem(last=False)[1])
        self._took_tip(block.header.height)

    def _took_tip(self, height: int) -> None:
        self._tip = height
        self._metrics.height.set(height)
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def event_of(block: FinalBlock) -> bytes:
    """A block as one server-sent event; its id is the height, so that a reader resumes after the last it saw."""
    return b"id: %d\nevent: block\ndata: %s\n\n" % (block.header.height, to_json(block_notice(block)))
