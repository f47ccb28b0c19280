"""From the validator's stream of final blocks into the index, for as long as the gateway runs (EPCIS.md, Index).

Every start, and every break of the stream, begins with the index's own position: the block there must be the validator's block
of that height, else this is another chain and nothing is written (`halted` says so). Blocks that wait are applied together, so
that catching up costs a fraction of keeping up. Reading and writing happen in one thread of its own; nothing here can hold up
the validator, whose stream just waits.

Bytes that were not here when their block came are asked for again now and then, the newest first.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar, cast

import structlog

from ledger.base.errors import Code, CustodyError, StorageError, UnavailableError
from node.index.index import Index, Position
from node.index.reading import BlockEvents, Body, Erased, Opened, open_block, read_block
from node.local.client import LocalClient
from node.local.protocol import FinalBlock

BLOCKS_AHEAD: Final = 64
EVENTS_AT_ONCE: Final = 4_000
BREATH_MS: Final = 50
"""So long the validator waits for more blocks between two times that it sends some. A transaction costs 16 KiB for each page that
it touches, some 25 of them however few events it has: one for each of a hundred blocks a second would write more than all
validators do.
"""
BUSY_EVENTS: Final = 50
"""A transaction with more events than this says that many come."""
GATHER_S: Final = 0.1
"""While many come, so long is waited for more of them: a transaction of more events costs less for each."""
FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 2.0
COMPLETE_EVERY_S: Final = 10.0
COMPLETE_AT_ONCE: Final = 500
RECENT: Final = 1_000

_T = TypeVar("_T")
Applied = Callable[[Position, float], None]
OnErased = Callable[[Sequence[Erased]], Awaitable[None]]


class _Arrived(NamedTuple):
    """A block, when it came (monotonic seconds)."""

    block: FinalBlock
    at_s: float


class Follower:
    """Keeps one index up with one validator."""

    def __init__(
        self,
        validator: Path,
        index: Index,
        network: bytes,
        *,
        on_applied: Applied | None = None,
        on_erased: OnErased | None = None,
        complete_every_s: float = COMPLETE_EVERY_S,
    ) -> None:
        """`validator`: its socket. `on_applied`: hears the new position, and how long its last block waited, in seconds.

        `on_erased`: does its part of what tombstones say, before they are indexed.
        """
        self.halted: CustodyError | None = None
        """Why nothing is indexed any more: the index is of another chain, or the validator has let go of the block it needs."""
        # A stream that waits holds up whatever else comes on its connection, and it waits for what is asked here.
        self._stream = LocalClient(validator)
        self._validator = LocalClient(validator)
        self._index = index
        self._network = network
        self._on_applied = on_applied
        self._on_erased = on_erased
        self._complete_every_s = complete_every_s
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="index")
        self._tasks: list[asyncio.Task[None]] = []
        self._recent: list[bytes] = []
        self._seen = 0
        self._log = structlog.get_logger("index")

    def start(self) -> None:
        """Follow, in the background."""
        self._tasks = [
            asyncio.create_task(self._run(), name="index follower"),
            asyncio.create_task(self._complete_now_and_then(), name="index completer"),
        ]

    async def close(self) -> None:
        """Stop; what was being written is finished or undone. The index stays open."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stream.close()
        await self._validator.close()
        self._thread.shutdown()

    # ---- blocks

    async def _run(self) -> None:
        pause_s, was_said = FIRST_PAUSE_S, False
        while True:
            before = self._seen
            try:
                await self._follow()
            except StorageError as error:
                if error.code == Code.DIVERGED and not await self._was_overtaken():
                    return self._halt(error)
                self._log.warning("index waits", code=error.code.value, detail=error.message)
            except CustodyError as error:
                if error.code == Code.PRUNED:
                    return self._halt(error)
                if not was_said or self._seen > before:  # once for each time that it breaks
                    self._log.warning("index waits", code=error.code.value, detail=error.message)
                was_said = True
            except Exception as error:  # noqa: BLE001 - whatever it is, people must see that the index stands still
                self._log.exception("index failed")
                return self._halt(
                    StorageError(
                        Code.INTERNAL, f"expected to index the next block, got {type(error).__name__}"
                    )
                )
            pause_s = FIRST_PAUSE_S if self._seen > before else min(2 * pause_s, LONGEST_PAUSE_S)
            await asyncio.sleep(pause_s)

    def _halt(self, error: CustodyError) -> None:
        self.halted = error
        self._log.error("index halted", code=error.code.value, detail=error.message)

    async def _follow(self) -> None:
        position = await self._in_thread(self._index.position)
        await self._check_chain(position)
        arrived: asyncio.Queue[_Arrived | CustodyError] = asyncio.Queue(BLOCKS_AHEAD)
        reader = asyncio.create_task(self._read(position.height + 1, arrived), name="index reader")
        try:
            while True:
                blocks = await _waiting(arrived)
                await self._apply(blocks)
                if arrived.empty() and sum(_events_in(one) for one in blocks) > BUSY_EVENTS:
                    await asyncio.sleep(GATHER_S)
        finally:
            reader.cancel()
            with suppress(asyncio.CancelledError):
                await reader

    async def _check_chain(self, position: Position) -> None:
        """Raise StorageError diverged if the validator has another block at the index's height."""
        if position.height == 0:
            return
        block = await self._validator.block(position.height)
        if block.header.hash != position.header_hash:
            raise StorageError(
                Code.DIVERGED,
                f"expected the index to follow this validator's chain, its block {position.height} is of another one; "
                "make the index again with `custody node index rebuild`",
            )

    async def _was_overtaken(self) -> bool:
        """Whether somebody else wrote into this very index meanwhile, or emptied it: then going on from there is right."""
        try:
            await self._check_chain(await self._in_thread(self._index.position))
        except UnavailableError:
            return True  # to be seen at the next turn
        except StorageError:
            return False
        return True

    async def _read(self, height: int, arrived: asyncio.Queue[_Arrived | CustodyError]) -> None:
        try:
            following = self._stream.follow(height, gather_ms=BREATH_MS)
            stream = cast("AsyncGenerator[FinalBlock]", following)
            async with aclosing(stream) as blocks:
                async for block in blocks:
                    await arrived.put(_Arrived(block, time.monotonic()))
        except CustodyError as error:
            await arrived.put(error)

    async def _apply(self, arrived: Sequence[_Arrived]) -> None:
        blocks = [one.block for one in arrived]
        opened = await self._in_thread(lambda: [open_block(block) for block in blocks])
        named = [item.event_hash for one in opened for item in one.recorded]
        bodies = await self._bodies(named)
        if self._on_erased is not None:
            await self._on_erased([erased for one in opened for erased in one.erased])
        position = await self._in_thread(lambda: self._write(blocks, opened, bodies))
        missing = (event_hash for event_hash in named if event_hash not in bodies)
        self._recent = [*self._recent, *missing][-RECENT:]
        self._seen += len(blocks)
        if self._on_applied is not None:
            self._on_applied(position, time.monotonic() - arrived[-1].at_s)

    def _write(
        self, blocks: Sequence[FinalBlock], opened: Sequence[Opened], bodies: dict[bytes, Body]
    ) -> Position:
        rows: list[BlockEvents] = [
            read_block(self._network, block, one, bodies) for block, one in zip(blocks, opened, strict=True)
        ]
        return self._index.apply(rows)

    async def _bodies(self, event_hashes: Iterable[bytes]) -> dict[bytes, Body]:
        found = await self._validator.payloads(event_hashes)
        return {one.event_hash: Body(one.context, one.event) for one in found}

    # ---- bytes that come later

    async def _complete_now_and_then(self) -> None:
        after = 0
        while True:
            await asyncio.sleep(self._complete_every_s)
            with suppress(CustodyError):
                after = await self._complete(after)

    async def _complete(self, after: int) -> int:
        """Ask for what lately was not here, and for the next of all that is not; from where to go on."""
        waiting = await self._in_thread(lambda: self._index.incomplete(after, COMPLETE_AT_ONCE))
        bodies = await self._bodies([*self._recent, *(event_hash for _, event_hash in waiting)])
        if bodies:
            await self._in_thread(lambda: self._index.fill(bodies))
            self._recent = [one for one in self._recent if one not in bodies]
        return waiting[-1][0] if len(waiting) == COMPLETE_AT_ONCE else 0

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _events_in(arrived: _Arrived) -> int:
    return sum(len(status.receipts) for status in arrived.block.receipts)


async def _waiting(arrived: asyncio.Queue[Any]) -> list[_Arrived]:
    """The next block, and those that wait behind it as far as they go into one transaction; raises what broke the stream."""
    found: list[_Arrived] = []
    size = 0
    one = await arrived.get()
    while True:
        if isinstance(one, CustodyError):
            if not found:
                raise one
            arrived.put_nowait(one)  # after what came before it; the reader has ended, so there is room
            return found
        found.append(one)
        size += _events_in(one)
        if size >= EVENTS_AT_ONCE or arrived.empty():
            return found
        one = arrived.get_nowait()
