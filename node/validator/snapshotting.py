"""Making snapshots beside the driver, without holding it up (STORAGE.md §9).

When the height passes a multiple of `every`, the first block with its own finalisation is the one: in the same turn the
block store is synced and a flush is begun, so that the disk will hold exactly the state of that checkpoint. Since this
follows from the chain, validators mostly make snapshots of the same heights, and a new node can fetch one from several at once.
Where a flush is under way at that moment, or a later finalisation is heard of first, the next such block will do.

Then the records are read slowly as they were (`StateStore.keep`) while blocks go on, and written part by part. What was
written must give the certified state root, or nothing is published. The last two snapshots are kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import Final, NamedTuple

from ledger.base import limits, merkle
from ledger.base.buckets import root_of_level
from ledger.base.errors import Code, CustodyError, StorageError, UnavailableError
from ledger.chain.certificate import Checkpoint
from ledger.chain.closing import Closing
from ledger.chain.epoch import EpochChange
from ledger.members.registry import Registry
from ledger.state import snapshot
from ledger.state.links import entry_hash
from ledger.state.snapshot import Manifest, WindowBlock
from node.logs import Log
from node.storage.snapshots import KEPT, MANIFEST, Part, PartKind, SnapshotStore
from node.storage.state_store import Flush, Kept
from node.storage.stores import Stores
from node.validator.execution import Executor, block_of, outcome_of
from node.validator.host import REAL, Host

PAUSE_S: Final = 0.002
"""Between two steps: the driver has most of the time."""
FLUSH_STEP: Final = 400
LOG_STEP: Final = 64
KEPT_BYTES: Final = 256_000_000
"""What may be held of records that changed while they were read; beyond it the snapshot is given up."""


class _Begun(NamedTuple):
    """A snapshot to be made: everything that later blocks change, as of the checkpoint."""

    checkpoint: Checkpoint
    closings: tuple[Closing, ...]
    changes: tuple[tuple[int, EpochChange], ...]
    registry: Registry
    peaks: tuple[bytes, ...]
    flush: Flush


class Snapshotter:
    """Makes snapshots of one validator's state."""

    def __init__(
        self,
        stores: Stores,
        executor: Executor,
        snapshots: SnapshotStore,
        every: int,
        log: Log,
        host: Host = REAL,
    ) -> None:
        """`every`: how many blocks apart; 0 makes none."""
        self._stores = stores
        self._executor = executor
        self._snapshots = snapshots
        self._every = every
        self._log = log
        self._in_thread = host.in_thread
        self.newest = max(snapshots.heights, default=0)
        """The height of the newest one, 0 while there is none."""
        self._last = self.newest
        self._task: asyncio.Task[None] | None = None
        self.made = 0

    @property
    def is_busy(self) -> bool:
        """Whether one is being made."""
        return self._task is not None and not self._task.done()

    def finalised(self, checkpoint: Checkpoint | None) -> None:
        """A block became final, with its own finalisation or without: begin a snapshot if it is time for one."""
        if checkpoint is None or not self._is_due(checkpoint.header.height) or checkpoint.header.closes_epoch:
            return
        state, blocks = self._stores.state, self._stores.blocks
        if self._executor.tables.lacks_history:  # the snapshot it joined from is still read
            return
        if self.is_busy or state.is_flushing or state.height != checkpoint.header.height:
            return
        blocks.sync()
        flush = state.begin_flush(blocks.synced_height)
        if flush is None:
            return
        begun = _Begun(
            checkpoint,
            self._executor.closings(0, checkpoint.header.epoch),
            self._executor.tables.read_changes()[: checkpoint.header.epoch],
            self._executor.final_registry,
            tuple(self._executor.tables.final_log().peaks),
            flush,
        )
        self._task = asyncio.create_task(self._run(begun), name="snapshot")

    def _is_due(self, height: int) -> bool:
        return self._every > 0 and height // self._every > self._last // self._every

    async def close(self) -> None:
        """Give up one under way; its flush is finished, so that the state may be closed."""
        task = self._task
        if task is not None and not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    # ---- making one

    async def _run(self, begun: _Begun) -> None:
        height = begun.checkpoint.header.height
        try:
            await self._finish_flush(begun.flush)
            self._last = height
            await self._make(begun)
        except CustodyError as error:
            self._log.warning("no snapshot", height=height, reason=error.message)

    async def _finish_flush(self, flush: Flush) -> None:
        is_another = True
        while is_another:
            try:
                is_more = True
                while is_more:
                    is_more = flush.step(FLUSH_STEP)
                    await asyncio.sleep(0)
            except asyncio.CancelledError:
                flush.whole()
                raise
            writing = asyncio.ensure_future(self._in_thread(flush.write))
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                await writing
                if flush.finish():
                    flush.whole()
                raise
            is_another = flush.finish()

    async def _make(self, begun: _Begun) -> None:
        header, outcome, _ = begun.checkpoint
        kept = self._stores.state.keep("records")
        try:
            self._snapshots.clean(self._snapshots.heights)
            windows = await self._write_window(begun)
            await self._put(
                header.height, Part(PartKind.REGISTRY), snapshot.registry_part(begun.registry, begun.changes)
            )
            nodes = await self._write_state(begun, kept)
        finally:
            self._stores.state.release(kept)
        manifest = Manifest(
            begun.checkpoint, begun.closings, nodes, await self._log_nodes(begun), begun.peaks, windows
        )
        snapshot.check_manifest(manifest, self._executor.depth, self._executor.first_validators)
        await self._put(header.height, MANIFEST, manifest.to_bytes())
        self._snapshots.clean(self._snapshots.heights[-KEPT:])
        self.made += 1
        self.newest = header.height
        self._log.info(
            "made a snapshot",
            height=header.height,
            parts=len(nodes) + windows + 1,
            entries=outcome.event_log_size,
        )

    async def _put(self, height: int, part: Part, data: bytes) -> None:
        await self._in_thread(partial(self._snapshots.put, height, part, data))
        await asyncio.sleep(PAUSE_S)

    # ---- the last hour

    async def _write_window(self, begun: _Begun) -> int:
        """Write the blocks of the last hour, newest first; in how many parts."""
        blocks: list[WindowBlock] = []
        count = size = 0
        for block in self._window(begun.checkpoint):
            blocks.append(block)
            size += snapshot.window_size(block)
            if size >= limits.SNAPSHOT_WINDOW_BYTES:
                part = Part(PartKind.WINDOW, count)
                await self._put(begun.checkpoint.header.height, part, snapshot.window_part(blocks))
                blocks, size, count = [], 0, count + 1
        if blocks:
            part = Part(PartKind.WINDOW, count)
            await self._put(begun.checkpoint.header.height, part, snapshot.window_part(blocks))
            count += 1
        return count

    def _window(self, checkpoint: Checkpoint) -> Iterator[WindowBlock]:
        height = checkpoint.header.height
        while True:
            head = self._stores.blocks.head(height)
            block = block_of(head)
            headers = self._executor.tables.headers_of(height)
            if not snapshot.may_matter(block.header, checkpoint.header.time_ms):
                headers = None  # some nodes have them and some not: all must cut alike
            elif headers is None:
                raise UnavailableError(
                    Code.HISTORY_INCOMPLETE, f"expected the transactions of block {height}, of the last hour"
                )
            yield WindowBlock(block, outcome_of(head), headers)
            if snapshot.is_window_whole(block.header, checkpoint.header):
                return
            height -= 1

    # ---- records

    async def _write_state(self, begun: _Begun, kept: Kept) -> tuple[bytes, ...]:
        """Write the records, part by part; the nodes above the parts."""
        header, outcome, _ = begun.checkpoint
        level = snapshot.state_level(outcome.event_log_size, self._executor.depth)
        nodes: list[bytes] = []
        waiting: list[tuple[bytes, bytes]] = []
        while True:
            read = [] if kept.is_read else kept.read()
            waiting += read
            reached = 1 << 2 * level if kept.is_read and not read else len(nodes)
            if read:
                reached = _part_of(read[-1][0], level)
            while len(nodes) < reached:
                index = len(nodes)
                end = next(
                    (at for at, (key, _) in enumerate(waiting) if _part_of(key, level) > index), len(waiting)
                )
                records, waiting = waiting[:end], waiting[end:]
                nodes.append(
                    snapshot.state_node(self._executor.network, self._executor.depth, level, index, records)
                )
                await self._put(header.height, Part(PartKind.STATE, index), snapshot.state_part(records))
            if reached == 1 << 2 * level:
                break
            if kept.size > KEPT_BYTES:
                raise UnavailableError(
                    Code.OVERLOADED, "expected fewer records to change while they are read for a snapshot"
                )
            await asyncio.sleep(PAUSE_S)
        if root_of_level(self._executor.network, nodes) != outcome.state_root:
            raise StorageError(
                Code.DAMAGED,
                f"expected the records on disk to have the state root of block {header.height}, they have not; remove the "
                "state folder, it is rebuilt from the chain",
            )
        return tuple(nodes)

    # ---- the event log

    async def _log_nodes(self, begun: _Begun) -> tuple[bytes, ...]:
        """The nodes over parts of the event log: those of the snapshot before, and the new ones."""
        size = begun.checkpoint.outcome.event_log_size
        nodes = self._nodes_before(size)
        for index in range(len(nodes), snapshot.log_parts(size)):
            nodes.append(self._log_node(snapshot.log_part(size, index)))
            await asyncio.sleep(PAUSE_S)
        return tuple(nodes)

    def _nodes_before(self, size: int) -> list[bytes]:
        heights = self._snapshots.heights
        if not heights:
            return []
        before = snapshot.parse_manifest(self._snapshots.read(heights[-1], MANIFEST))
        bits = snapshot.log_bits(size)
        old_size = before.checkpoint.outcome.event_log_size
        return list(before.log[: old_size >> bits]) if snapshot.log_bits(old_size) == bits else []

    def _log_node(self, places: range) -> bytes:
        tables, network = self._executor.tables, self._executor.network
        leaves = []
        for sequence in places:
            entry = tables.entry(sequence, tables.final)
            if entry is None:
                raise UnavailableError(
                    Code.HISTORY_INCOMPLETE, f"expected entry {sequence}, it is not here (yet)"
                )
            leaves.append(entry_hash(network, entry))
        return merkle.root(leaves)


def _part_of(key: bytes, level: int) -> int:
    return int.from_bytes(key[:4], "big") >> 32 - 2 * level
