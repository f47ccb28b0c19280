"""Transactions from the moment somebody hands them in until they are final (DESIGN §6; CONSENSUS 5, 26).

A submission is checked once (`node.validator.admission`) and waits in the lane of its organisation
(`node.validator.fair_queue`) for room among the batches of this node that are under way; there are never more of these than
about a second of work, so what is taken in is final soon, or is told at once to come again and when. Transactions handed in
close together leave in one batch; all that is known of one, from this node or another, is known by its id, so handing the
same one in again is answered with what became of it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Final

from ledger.base import limits
from ledger.base.errors import Code, CustodyError, UnavailableError
from ledger.base.hashing import ZERO_HASH
from ledger.chain.batch import Batch, make_batch
from ledger.chain.transaction import Header, Kind, header_ahead, transaction_from_bytes
from ledger.consensus.interface import FOLLOWER
from ledger.state.block import Receipt
from node.local.protocol import BusyError, ItemReceipt, State, Submission, TransactionStatus
from node.validator.admission import Admission, Queued, beside
from node.validator.batches import OpenEvent
from node.validator.clock import Clock
from node.validator.drain import Drain
from node.validator.execution import Executor, FinalBlockData
from node.validator.fair_queue import FairQueue
from node.validator.tables import TransactionResult

BATCH_BYTES: Final = 1_000_000
"""A batch is closed at about this size; a larger transaction is a batch of its own."""
QUEUE_BYTES: Final = 16_000_000
"""Of transactions, with the bytes of their events, that wait here to be put into batches."""
UNDER_WAY: Final = (1_000, 10_000)
"""Work (subjects and transactions) in own batches that are not final, beyond which no further one is made: what became final in
the last `UNDER_WAY_MS`, but at least and at most so much."""
UNDER_WAY_MS: Final = 1_000
LARGE_BYTES: Final = 2_048
"""A transaction above this is work: who sends it is looked up before anything else."""

Waiter = Callable[[TransactionStatus], None]


class Mempool:
    """What was handed in here, and what any validator pushed, until it is final."""

    def __init__(
        self,
        executor: Executor,
        clock: Clock,
        me: int,
        first_number: int,
        has_room: Callable[[int, int], bool],
        *,
        queue_bytes: int = QUEUE_BYTES,
        under_way: tuple[int, int] = UNDER_WAY,
    ) -> None:
        """`me`: own index; `first_number`: of the own batches, above every earlier one; `has_room`: the consensus'."""
        self._network = executor.network
        self._executor = executor
        self._clock = clock
        self._admission = Admission(executor, clock)
        self.me = me
        """Own index in the set of this epoch; FOLLOWER where there is none: then nothing is taken in."""
        self._has_room = has_room
        self._number = first_number
        self._queue: FairQueue[Queued] = FairQueue(queue_bytes)
        self._queued_ids: set[bytes] = set()
        self._under_way: dict[bytes, int] = {}
        """Work in each own batch that is not final."""
        self._work_under_way = 0
        self._bounds = under_way
        self._drain = Drain()
        self._waiting: dict[bytes, list[Waiter]] = {}
        self._held: dict[bytes, Batch] = {}
        self._held_ids: dict[bytes, int] = {}
        self.held_bytes = 0
        self.refused = 0
        self.admitted = 0

    # ---- handing in

    def submit(self, submission: Submission) -> TransactionStatus:
        """Take a transaction in, or say what became of it (PENDING, FINAL) or why not (REFUSED)."""
        admission = self.admit(submission)
        while True:
            try:
                next(admission)
            except StopIteration as done:
                status: TransactionStatus = done.value
                return status

    def admit(self, submission: Submission) -> Generator[None, None, TransactionStatus]:
        """`submit`, a slice at a time (`SLICE_EVENTS`): the status is what the generator returns."""
        transaction_id, size = ZERO_HASH, len(submission.transaction) + beside(submission)
        try:
            ahead = self._ahead_of_work(submission.transaction, size)
            if ahead is not None:
                # Before anything is spent on it: refusing what is too much, or a stranger's, must cost next to nothing.
                transaction_id = ahead.id()
                known = self._known(transaction_id)
                if known is not None:
                    return known
                self._check_room(ahead.organisation, size)
                self._admission.check_ahead(ahead)
            transaction = transaction_from_bytes(submission.transaction, self._network)
            transaction_id = transaction.id
            known = self._known(transaction_id)
            if known is not None:
                return known
            self._check_seat()
            queued = yield from self._admission.check(transaction, submission)
            # Others came in meanwhile.
            known = self._known(transaction_id)
            if known is not None:
                return known
            self._check_seat()
            self._check_room(transaction.header.organisation, size)
        except CustodyError as error:
            self.refused += 1
            after_ms = 1_000 * error.after_s if isinstance(error, BusyError) else None
            return TransactionStatus(
                transaction_id, State.REFUSED, error.code.value, error.message, time_ms=after_ms
            )
        self._take_in(queued)
        self.admitted += 1
        return TransactionStatus(transaction_id, State.PENDING)

    def _ahead_of_work(self, data: bytes, size: int) -> Header | None:
        """The header, read ahead, of a transaction that is large, or whose organisation has no room for it.

        `size`: of the transaction and what comes with it.
        """
        is_large = len(data) > LARGE_BYTES
        if not is_large and not self._queue.is_tight(size):
            return None
        header = header_ahead(data)
        is_in_time = not is_large and header is not None and self._queue.has_room(header.organisation, size)
        return None if is_in_time else header

    def submit_own(self, data: bytes) -> None:
        """Take in a transaction that this node made itself. It is parsed from its bytes like any other.

        What was built in memory may hold other types than what peers decode, and execution tells them apart.
        """
        transaction = transaction_from_bytes(data, self._network)
        if self._known(transaction.id) is None:
            self._take_in(Queued(transaction, data))

    def _take_in(self, queued: Queued) -> None:
        self._queue.append(queued)
        self._queued_ids.add(queued.transaction.id)

    def _check_seat(self) -> None:
        if self.me == FOLLOWER:
            raise UnavailableError(
                Code.UNAVAILABLE,
                f"expected a validator of epoch {self._executor.state.epoch}, this node only follows; hand it to another node",
            )

    def _check_room(self, organisation: str, size: int) -> None:
        """Raise BusyError where too much of an organisation waits: when there is room again, about, is told."""
        if self._queue.has_room(organisation, size):
            return
        work = self._queue.work_before(organisation) + self._work_under_way
        after_s = self._drain.seconds_for(work, self._clock.now_ms())
        raise BusyError(
            f"expected less of {organisation} waiting to be ordered at this node; try again in {after_s} s, or elsewhere",
            after_s,
        )

    def _known(self, transaction_id: bytes) -> TransactionStatus | None:
        """The status of a transaction that need not be taken in again."""
        status = self.status(transaction_id)
        if status.state == State.PENDING:
            return status
        result = self._result(transaction_id)
        return status if result is not None and result.is_executed else None

    # ---- batches

    @property
    def has_queued(self) -> bool:
        """Whether transactions wait to be put into a batch."""
        return bool(self._queue)

    def next_batch(self) -> tuple[Batch, tuple[OpenEvent, ...], tuple[OpenEvent, ...]] | None:
        """The next batch of queued transactions, with the bytes of its open and of its restricted items.

        None where nothing waits, and while so much of here is under way that more would only wait elsewhere.
        """
        taken: list[Queued] = []
        size = subjects = work = 0
        while (queued := self._queue.first()) is not None and not self._is_full(work, queued):
            size += len(queued.data)
            subjects += queued.transaction.subject_count
            is_change = queued.transaction.header.kind == Kind.EPOCH_CHANGE
            if taken and (is_change or size > BATCH_BYTES or subjects > limits.SUBJECTS_PER_BLOCK):
                break
            taken.append(self._queue.pop())
            self._queued_ids.discard(queued.transaction.id)
            work += queued.work
            if is_change:
                break
        if not taken:
            return None
        self._number += 1
        batch = make_batch(
            self._network,
            self.me,
            self._number,
            [queued.transaction for queued in taken],
            [queued.data for queued in taken],
        )
        self._under_way[batch.digest] = work
        self._work_under_way += work
        events = tuple(event for queued in taken for event in queued.events)
        return batch, events, tuple(event for queued in taken for event in queued.restricted)

    def _is_full(self, work: int, queued: Queued) -> bool:
        """Whether enough is under way, with `work` in the batch that is being made."""
        is_busy = self._work_under_way + work >= self._most_under_way()
        return is_busy or not self._has_room(self.me, len(queued.data))

    def _most_under_way(self) -> int:
        """About as much as becomes final in a second: where that takes longer, less is under way, and more waits here alone."""
        least, most = self._bounds
        return min(most, max(least, self._drain.work_in(UNDER_WAY_MS, self._clock.now_ms())))

    def hold(self, batch: Batch) -> None:
        """Keep a whole and checked batch until a final block has it."""
        if batch.digest in self._held:
            return
        self._held[batch.digest] = batch
        self.held_bytes += batch.size
        for known in batch.ids:
            self._held_ids[known] = self._held_ids.get(known, 0) + 1

    def drop(self, digest: bytes) -> None:
        """Let go of a batch that no block can have any more; those who wait for it are told that it is refused."""
        self._drop(digest, Code.WRONG_EPOCH, "expected a change of the epoch under way, it is over")

    def _drop(self, digest: bytes, code: Code, message: str) -> None:
        batch = self._let_go(digest)
        for transaction in () if batch is None else batch.transactions:
            self._refuse(transaction.id, code, message)

    def drop_expired(self, time_ms: int) -> tuple[bytes, ...]:
        """Let go of batches of which nothing can be executed after a block at `time_ms`; their digests.

        For a node without a seat: what it holds and nobody else has is never ordered.
        """
        expired = tuple(
            batch.digest
            for batch in self._held.values()
            if all(transaction.header.expiry_ms <= time_ms for transaction in batch.transactions)
        )
        for digest in expired:
            self._drop(digest, Code.EXPIRED, "expected to be ordered before the expiry, it was not")
        return expired

    def follow(self) -> None:
        """This node has no seat any more: what waits here in no batch is refused."""
        self.me = FOLLOWER
        queue = tuple(self._queue)
        self._queue.clear()
        self._queued_ids.clear()
        for queued in queue:
            self._refuse(
                queued.transaction.id,
                Code.UNAVAILABLE,
                "expected a validator, this node has no seat any more; hand it to another node",
            )

    def _refuse(self, transaction_id: bytes, code: Code, message: str) -> None:
        status = TransactionStatus(transaction_id, State.REFUSED, code.value, message)
        for waiter in self._waiting.pop(transaction_id, ()):
            waiter(status)

    @property
    def batches(self) -> tuple[Batch, ...]:
        """Every batch held."""
        return tuple(self._held.values())

    def held(self, digest: bytes) -> Batch | None:
        """A batch that is held."""
        return self._held.get(digest)

    def held_all(self, digests: Iterable[bytes]) -> tuple[Batch, ...]:
        """The batches of a block, all held (contract 4)."""
        return tuple(self._held[digest] for digest in digests)

    @property
    def queued_bytes(self) -> int:
        """Bytes of what waits to be put into a batch."""
        return self._queue.size

    @property
    def pending_transactions(self) -> int:
        """Transactions that are not final."""
        return len(self._queue) + len(self._held_ids)

    # ---- what became of them

    def status(self, transaction_id: bytes) -> TransactionStatus:
        """What is known of a transaction."""
        result = self._result(transaction_id)
        if result is not None and result.is_executed:
            return self._final_status(transaction_id, result)
        if transaction_id in self._queued_ids or transaction_id in self._held_ids:
            return TransactionStatus(transaction_id, State.PENDING)
        if result is not None:
            return self._final_status(transaction_id, result)
        return TransactionStatus(transaction_id, State.UNKNOWN)

    def _result(self, transaction_id: bytes) -> TransactionResult | None:
        return self._executor.tables.transaction(transaction_id)

    @staticmethod
    def _final_status(transaction_id: bytes, result: TransactionResult) -> TransactionStatus:
        receipts = tuple(
            ItemReceipt(place, refusal, entry, outcomes)
            for place, (refusal, entry, outcomes) in enumerate(result.items)
        )
        return TransactionStatus(transaction_id, State.FINAL, "", "", result.height, result.time_ms, receipts)

    def when_final(self, transaction_id: bytes, waiter: Waiter) -> None:
        """Call `waiter` with the status once a pending transaction is in a final block."""
        self._waiting.setdefault(transaction_id, []).append(waiter)

    def forget_waiter(self, transaction_id: bytes, waiter: Waiter) -> None:
        """Whoever waited does no more."""
        waiters = self._waiting.get(transaction_id, [])
        if waiter in waiters:
            waiters.remove(waiter)
        if not waiters:
            self._waiting.pop(transaction_id, None)

    def finalised(self, final: FinalBlockData) -> None:
        """A block is final: let go of its batches, tell those who wait."""
        before = self._work_under_way
        for digest in final.block.batches:
            self._let_go(digest)
        self._drain.note(self._clock.now_ms(), before - self._work_under_way)
        if self._waiting:
            self._tell(final)

    def _let_go(self, digest: bytes) -> Batch | None:
        batch = self._held.pop(digest, None)
        if batch is None:
            return None
        self.held_bytes -= batch.size
        self._work_under_way -= self._under_way.pop(digest, 0)
        for known in batch.ids:
            self._held_ids[known] -= 1
            if not self._held_ids[known]:
                del self._held_ids[known]
        return batch

    def _tell(self, final: FinalBlockData) -> None:
        position = 0
        header = final.block.header
        for transaction in final.transactions:
            count = transaction.header.item_count
            receipts = final.receipts[position : position + count]
            position += count
            if receipts[0].refusal == Code.REPEATED:
                continue  # what became of it was told when it was executed first
            waiters = self._waiting.pop(transaction.id, None)
            if waiters is None:
                continue
            status = TransactionStatus(
                transaction.id, State.FINAL, "", "", header.height, header.time_ms, _receipts(receipts)
            )
            for waiter in waiters:
                waiter(status)


def _receipts(receipts: Iterable[Receipt]) -> tuple[ItemReceipt, ...]:
    return tuple(ItemReceipt(r.place, r.refusal, r.entry, r.outcomes) for r in receipts)
