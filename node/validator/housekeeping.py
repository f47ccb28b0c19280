"""What a node does beside the way of a transaction: making the chain durable, giving space back, writing the state.

None of it is urgent: until the block store is synced, batches and votes are durable elsewhere (STORAGE.md §4, §5), and
until the state is written, it is redone from the block store. So it is done a few times a second, in small steps.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from ledger.base.errors import CustodyError
from ledger.chain.block import Block
from ledger.consensus.messages import Record, encode_message
from node.storage.stores import Stores
from node.validator.execution import Executor
from node.validator.host import REAL, Host

BATCH: Final = 1
"""Kind of pending entries that are batches."""
INTERVAL_S: Final = 0.25
VOTES_BYTES: Final = 2_000_000
"""Appended to the vote log before it is replaced by what still matters."""
OVERLAY_BYTES: Final = 64_000_000
FLUSH_S: Final = 5.0
"""The state is written this often anyway, so that a restart has little to redo: redoing takes 28 times the processor time of
writing (measured, single events)."""
FLUSH_STEP: Final = 400


class Housekeeper:
    """Runs beside the driver, between its turns."""

    def __init__(
        self,
        stores: Stores,
        executor: Executor,
        live_records: Callable[[], Iterable[Record]],
        fail: Callable[[CustodyError], None],
        host: Host = REAL,
        *,
        keep_bodies: int = 0,
        overlay_bytes: int = OVERLAY_BYTES,
        newest_snapshot: Callable[[], int] = int,
    ) -> None:
        """`keep_bodies`: of so many of the last blocks the bodies are kept, 0: of all. `overlay_bytes`: of changes to the state in
        memory before they are written.
        """
        self._overlay_bytes = overlay_bytes
        self._keep_bodies = keep_bodies
        self._newest_snapshot = newest_snapshot
        self._in_thread = host.in_thread
        self._stores = stores
        self._executor = executor
        self._live_records = live_records
        self._fail = fail
        self._ordered: deque[tuple[int, tuple[bytes, ...]]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._flushed_at = asyncio.get_running_loop().time()
        self.flushes = 0

    def finalised(self, block: Block) -> None:
        """A block is final: its batches may be let go of once it is durable."""
        self._ordered.append((block.header.height, block.batches))

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="housekeeping")

    async def close(self) -> None:
        """End, and write what there is: the next start has nothing to redo."""
        self._stopping.set()
        if self._task is not None:
            await self._task
        self._make_chain_durable()
        self._stores.state.flush(self._stores.blocks.synced_height)

    async def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(INTERVAL_S):
                        await self._stopping.wait()
                self._make_chain_durable()
                await self._write_state()
                await self._prune()
        except CustodyError as error:
            self._fail(error)

    def _make_chain_durable(self) -> None:
        stores = self._stores
        if self._ordered:
            stores.payload.sync()  # the bytes of a durable block's events are durable, also where nobody votes
            stores.blocks.sync()
            synced = stores.blocks.synced_height or 0
            while self._ordered and self._ordered[0][0] <= synced:
                stores.pending.forget(BATCH, self._ordered.popleft()[1])
            stores.pending.collect()
            stores.payload.write_index()
        if stores.votes.bytes_since_replaced > VOTES_BYTES:
            stores.sync_before_sending()  # a vote in the log says that what it rests on is durable
            stores.votes.replace(encode_message(record) for record in self._live_records())

    async def _prune(self) -> None:
        """Let go of old bodies that neither redoing nor a peer with the newest snapshot needs (STORAGE.md §3)."""
        blocks, durable = self._stores.blocks, self._stores.state.durable_height
        if not self._keep_bodies or durable is None or blocks.last_height is None:
            return
        below = min(blocks.last_height + 1 - self._keep_bodies, durable + 1, self._newest_snapshot() + 1)
        is_more = True
        while is_more and not self._stopping.is_set():
            is_more = blocks.prune_step(below)
            await asyncio.sleep(0)

    async def _write_state(self) -> None:
        """Write the state if there is much of it or it is long ago, in small steps between turns of the driver."""
        state = self._stores.state
        now = asyncio.get_running_loop().time()
        is_due = state.overlay_bytes >= self._overlay_bytes or now >= self._flushed_at + FLUSH_S
        if not is_due or state.is_flushing:
            return
        self._flushed_at = now
        flush = state.begin_flush(self._stores.blocks.synced_height)
        if flush is None:
            return
        is_another = True
        while is_another:
            is_more = True
            while is_more:
                is_more = flush.step(FLUSH_STEP)
                await asyncio.sleep(0)
            await self._in_thread(flush.write)
            is_another = flush.finish()
        self.flushes += 1
