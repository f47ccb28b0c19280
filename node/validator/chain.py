"""The chain of final blocks as others ask for it: blocks with their receipts, checkpoints, ranges, and what comes next."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final

from ledger.base import limits
from ledger.base.errors import Code, UnavailableError
from ledger.chain.batch import take_apart
from ledger.chain.block import Block
from ledger.chain.certificate import Certificate, Checkpoint
from ledger.chain.transaction import Transaction, transaction_from_bytes
from ledger.consensus.messages import Range
from ledger.state.block import Receipt
from node.local.protocol import FinalBlock, ItemReceipt, State, TransactionStatus
from node.validator.execution import (
    Executor,
    FinalBlockData,
    batches_of,
    block_of,
    certificate_of,
    outcome_of,
)

RECENT_BYTES: Final = 4_000_000
"""Of final blocks kept in memory for those who follow."""
RANGE_BYTES: Final = 24_000_000
"""About how much of the block store is read to answer one request for a range."""
RANGE_CERTIFICATE_BYTES: Final = 1_200_000
"""Of certificates in one range: those of hybrid keys take 71 kB each at 31 validators, and a message has its cap."""


class Chain:
    """Reads of final blocks."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._network = executor.network
        self._recent: OrderedDict[int, tuple[int, FinalBlockData]] = OrderedDict()
        self._recent_bytes = 0
        self._changed = asyncio.Event()

    @property
    def height(self) -> int:
        """The last final block."""
        return self._executor.final_header.height

    async def above(self, height: int) -> None:
        """Wait until there is a final block above `height`."""
        while self.height <= height:
            await self._changed.wait()

    def finalised(self, final: FinalBlockData) -> None:
        """A block was made final."""
        size = sum(transaction.size for transaction in final.transactions)
        self._recent[final.block.header.height] = (size, final)
        self._recent_bytes += size
        while self._recent_bytes > RECENT_BYTES and len(self._recent) > 1:
            self._recent_bytes -= self._recent.popitem(last=False)[1][0]
        self._changed.set()
        self._changed.clear()

    def final_block(self, height: int) -> FinalBlock:
        """The final block at `height` with its receipts; UnavailableError unknown_block."""
        if not 0 < height <= self.height:
            raise UnavailableError(
                Code.UNKNOWN_BLOCK, f"expected the height of a final block (1 .. {self.height}), got {height}"
            )
        recent = self._recent.get(height)
        return self._stored_block(height) if recent is None else _recent_block(recent[1])

    def _stored_block(self, height: int) -> FinalBlock:
        stored = self._executor.blocks.get(height)
        block = block_of(stored)
        failures = self._executor.tables.failures_of(height)
        batches, transactions = take_apart(batches_of(stored))
        statuses = []
        for place, data in enumerate(transactions):
            transaction = transaction_from_bytes(data, self._network)
            failure = failures.get(place)
            if failure is None:
                receipts = self._receipts(transaction)
            else:
                count = transaction.header.item_count
                receipts = tuple(ItemReceipt(index, failure, None, ()) for index in range(count))
            statuses.append(_status(transaction.id, height, block.header.time_ms, receipts))
        return FinalBlock(
            block.header, outcome_of(stored), certificate_of(stored), transactions, tuple(statuses), batches
        )

    def _receipts(self, transaction: Transaction) -> tuple[ItemReceipt, ...]:
        result = self._executor.tables.transaction(transaction.id)
        if result is None:
            raise UnavailableError(
                Code.HISTORY_INCOMPLETE,
                f"expected the receipts of {transaction.id.hex()}, they are not there (yet)",
            )
        return tuple(ItemReceipt(place, *item) for place, item in enumerate(result.items))

    def checkpoint(self, at_most: int | None) -> Checkpoint:
        """The newest checkpoint, or the newest at or below a height; UnavailableError unknown_block."""
        newest = self._executor.checkpoint
        if newest is not None and (at_most is None or at_most >= newest.header.height):
            return newest
        height = min(self.height, self.height if at_most is None else at_most)
        while height > 0:
            if height < (self._executor.blocks.first_head or 1):
                break
            stored = self._executor.blocks.head(height)
            certificate = certificate_of(stored)
            if certificate is not None:
                return Checkpoint(block_of(stored).header, outcome_of(stored), certificate)
            height -= 1
        raise UnavailableError(
            Code.UNKNOWN_BLOCK, "expected a block that a quorum certified, there is none so low"
        )

    # ---- for other validators

    def range(self, from_height: int) -> Range | None:
        """Final blocks from a height on, the last one directly certified; None if there are none."""
        members: list[tuple[Block, Certificate | None]] = []
        size = certificates = 0
        for height in range(max(1, from_height), self.height + 1):
            stored = self._executor.blocks.get(height)
            size += len(stored.body)
            certificates += len(stored.certificate)
            is_full = size > RANGE_BYTES or certificates > RANGE_CERTIFICATE_BYTES
            if members and (len(members) == limits.BLOCKS_PER_RANGE or is_full):
                break
            members.append((block_of(stored), certificate_of(stored)))
        while members and members[-1][1] is None:
            members.pop()
        return Range(tuple(members)) if members else None

    def is_pruned(self, height: int) -> bool:
        """Whether there is a final block at that height whose body is not here any more."""
        return 0 < height <= self.height and height not in self._executor.blocks

    def batch_place(self, digest: bytes) -> tuple[int, int] | None:
        """(height, place in it) of the final block that has a batch."""
        return self._executor.tables.batch_place(digest, self._executor.tables.final)

    def block_by_hash(self, block_hash: bytes) -> Block | None:
        """One of the last final blocks, by its hash."""
        for height in range(self.height, max(0, self.height - limits.BATCH_WINDOW_BLOCKS), -1):
            if height < (self._executor.blocks.first_head or 1):
                break
            block = block_of(self._executor.blocks.head(height))
            if block.header.hash == block_hash:
                return block
        return None

    def is_batch_pruned(self, digest: bytes) -> bool:
        """Whether a batch stands in a final block whose body was let go of."""
        place = self.batch_place(digest)
        return place is not None and self.is_pruned(place[0])

    def batch(self, digest: bytes) -> bytes | None:
        """A batch that stands in a final block."""
        place = self.batch_place(digest)
        if place is None:
            return None
        height, index = place
        if height not in self._executor.blocks:
            return None
        return batches_of(self._executor.blocks.get(height))[index]


def _recent_block(final: FinalBlockData) -> FinalBlock:
    header = final.block.header
    statuses = []
    position = 0
    for transaction in final.transactions:
        count = transaction.header.item_count
        receipts = final.receipts[position : position + count]
        position += count
        shown = _item_receipts(receipts)
        statuses.append(_status(transaction.id, header.height, header.time_ms, shown))
    batches, encoded = take_apart(final.batches)
    return FinalBlock(header, final.outcome, final.certificate, encoded, tuple(statuses), batches)


def _item_receipts(receipts: tuple[Receipt, ...]) -> tuple[ItemReceipt, ...]:
    return tuple(ItemReceipt(r.place, r.refusal, r.entry, r.outcomes) for r in receipts)


def _status(
    transaction: bytes, height: int, time_ms: int, receipts: tuple[ItemReceipt, ...]
) -> TransactionStatus:
    return TransactionStatus(transaction, State.FINAL, "", "", height, time_ms, receipts)
