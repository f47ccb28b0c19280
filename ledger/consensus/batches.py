"""Batches this validator holds and no committed block has, and the window of recent ones (CONSENSUS 5, 14, 26).

*Held* means whole, checked and stored; the driver says so. Order of arrival is order of proposal. A batch that stands
in one of the last 64 committed blocks is neither held again nor proposed: without that a late copy of it would keep
timers armed for work that nobody may propose. But a later block may have it again, and a validator that is behind needs it
to execute that block: it is then *recalled*, held for that alone. So is a change of epoch that does not close this epoch,
or is not approved: nobody may propose it, so it is not pending.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import islice

from ledger.base.errors import Code, FormError
from ledger.base.limits import (
    BATCH_WINDOW_BLOCKS,
    BATCHES_PER_BLOCK,
    BLOCK_BYTES,
    SUBJECTS_PER_BLOCK,
    TRANSACTIONS_PER_BLOCK,
    UNORDERED_BYTES_PER_ORIGIN,
)
from ledger.chain.block import transactions_root
from ledger.chain.transaction import Transaction
from ledger.consensus.interface import FOLLOWER, BatchHeld


class BatchPool:
    """Held, uncommitted batches by digest, in order of arrival; bytes charged per origin."""

    def __init__(
        self, validators: int, recent: Sequence[tuple[bytes, ...]], may_close: Callable[[Transaction], bool]
    ) -> None:
        """`may_close`: whether a change closes this epoch and is approved."""
        self._may_close = may_close
        self._held: dict[bytes, BatchHeld] = {}
        self._changes: dict[bytes, Transaction] = {}
        """Of those, the changes of epoch."""
        self._recalled: dict[bytes, BatchHeld] = {}
        self._charged = dict.fromkeys(range(FOLLOWER, validators), 0)
        self._window = deque(recent, maxlen=BATCH_WINDOW_BLOCKS)
        self._committed = len(self._window)
        self._place = {digest: place for place, digests in enumerate(self._window) for digest in digests}

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._held or digest in self._recalled

    def __bool__(self) -> bool:
        return bool(self._held)

    @property
    def window(self) -> tuple[tuple[bytes, ...], ...]:
        """The batch digests of up to 64 committed blocks, oldest first."""
        return tuple(self._window)

    def digests(self, most: int) -> tuple[bytes, ...]:
        """Up to `most` held digests, oldest first."""
        return tuple(islice(self._held, most))

    def has_room(self, origin: int, size: int) -> bool:
        """Whether `origin` may have `size` more unordered bytes held."""
        return origin in self._charged and self._charged[origin] + size <= UNORDERED_BYTES_PER_ORIGIN

    def is_recent(self, digest: bytes, blocks: int = BATCH_WINDOW_BLOCKS) -> bool:
        """Whether one of the last `blocks` (at most 64) committed blocks has the batch."""
        place = self._place.get(digest)
        return place is not None and place >= self._committed - blocks

    def add(self, batch: BatchHeld, *, is_wanted: bool = False) -> bool:
        """Hold a batch; False if it is known and not wanted. Raises FormError for one that fits no block.

        `is_wanted`: a block names it; a recent batch is then recalled.
        """
        if batch.digest in self._held:
            return False
        if self.is_recent(batch.digest) or not self._is_work(batch):
            if is_wanted:
                self._recalled[batch.digest] = batch
            return is_wanted
        if not batch.transactions or not _fits([batch]):
            raise FormError(
                Code.LIMIT,
                f"expected a batch of 1 .. {TRANSACTIONS_PER_BLOCK} transactions, {BLOCK_BYTES} bytes and "
                f"{SUBJECTS_PER_BLOCK} subjects at most, got {len(batch.transactions)}, {batch.size}, {batch.subjects}",
            )
        self._held[batch.digest] = batch
        if batch.change is not None:
            self._changes[batch.digest] = batch.change
        self._charged[batch.origin] += batch.size
        return True

    def _is_work(self, batch: BatchHeld) -> bool:
        return batch.change is None or self._may_close(batch.change)

    def held(self) -> tuple[BatchHeld, ...]:
        """What waits to be ordered, oldest first."""
        return tuple(self._held.values())

    def changes(self) -> list[tuple[bytes, Transaction]]:
        """The changes that may close this epoch, oldest first."""
        return list(self._changes.items())

    def change_in(self, digests: Iterable[bytes]) -> Transaction | None:
        """The first change of epoch in these held batches, whatever it holds."""
        changes = (self._get(digest).change for digest in digests)
        return next((change for change in changes if change is not None), None)

    def drop(self, digest: bytes) -> None:
        """Let go of a batch that nobody may propose any more."""
        batch = self._held.pop(digest, None)
        self._changes.pop(digest, None)
        if batch is not None:
            self._charged[batch.origin] -= batch.size

    def subjects(self, digests: Iterable[bytes]) -> int:
        """How many subjects these held batches have together."""
        return sum(self._get(digest).subjects for digest in digests)

    def select(
        self, ordered: Collection[bytes], most_subjects: int = SUBJECTS_PER_BLOCK
    ) -> tuple[bytes, ...]:
        """The batches for a fresh block: the oldest held ones that no block of `ordered` has, as many as fit.

        At least one, and no more than have `most_subjects` together.
        """
        chosen: list[BatchHeld] = []
        transactions = size = subjects = 0
        for digest, batch in self._held.items():
            if digest in ordered or batch.change is not None:
                continue
            transactions += len(batch.transactions)
            size += batch.size
            subjects += batch.subjects
            if (
                len(chosen) == BATCHES_PER_BLOCK
                or transactions > TRANSACTIONS_PER_BLOCK
                or size > BLOCK_BYTES
                or subjects > SUBJECTS_PER_BLOCK
                or (chosen and subjects > most_subjects)
            ):
                break
            chosen.append(batch)
        return tuple(batch.digest for batch in chosen)

    def fits(self, digests: Iterable[bytes]) -> bool:
        """Whether these held batches together keep the caps of a block."""
        return _fits([self._get(digest) for digest in digests])

    def transactions_root(self, digests: Iterable[bytes]) -> bytes:
        """The transactions root of a block of these held batches."""
        return transactions_root([i for digest in digests for i in self._get(digest).transactions])

    def commit(self, digests: tuple[bytes, ...]) -> None:
        """A block with these batches is committed: they leave the pool and enter the window."""
        for digest in digests:
            self.drop(digest)
        oldest = self._committed - BATCH_WINDOW_BLOCKS
        if len(self._window) == BATCH_WINDOW_BLOCKS:
            for digest in self._window[0]:
                if self._place[digest] == oldest:
                    del self._place[digest]
        self._window.append(digests)
        self._place.update(dict.fromkeys(digests, self._committed))
        self._committed += 1
        for digest in [d for d in self._recalled if d in digests or not self.is_recent(d)]:
            del self._recalled[digest]

    def _get(self, digest: bytes) -> BatchHeld:
        return self._held[digest] if digest in self._held else self._recalled[digest]


def _fits(batches: Sequence[BatchHeld]) -> bool:
    return (
        sum(len(batch.transactions) for batch in batches) <= TRANSACTIONS_PER_BLOCK
        and sum(batch.size for batch in batches) <= BLOCK_BYTES
        and sum(batch.subjects for batch in batches) <= SUBJECTS_PER_BLOCK
    )
