"""Transactions from the moment somebody hands them in until they are final (DESIGN §6; CONSENSUS 5, 26).

A submission is checked once, here: form, network, signature, caps, the bytes of open items, and that the extract each item
carries is the one its bytes give. What is plainly going to fail in execution (expired, unknown key, not entitled) is
refused at once with the same code; that is a convenience, and execution decides all the same. Transactions handed in
close together leave in one batch; all that is known of one, from this node or another, is known by its id, so handing the
same one in again is answered with what became of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from ledger.base import limits
from ledger.base.errors import Code, CustodyError, FormError, RuleError, UnavailableError
from ledger.base.hashing import ZERO_HASH
from ledger.base.keys import key_id
from ledger.chain.batch import Batch, make_batch
from ledger.chain.block import Header
from ledger.chain.epoch import change_of, check_carrier, check_change
from ledger.chain.genesis import ALLOW_PERSONS
from ledger.chain.transaction import (
    Kind,
    Mode,
    Transaction,
    check_protocol,
    transaction_from_bytes,
)
from ledger.consensus.interface import FOLLOWER
from ledger.members.acts import OFFICIAL, check_may, custody_act
from ledger.members.members import Key, Members
from ledger.state.block import Receipt, act_of, check_admissible, check_amending
from ledger.state.erasure import apply_erasure, erasure_key, tombstone_from_wire
from ledger.state.links import Entry
from ledger.trade.extract import extract
from ledger.trade.record import EMPTY
from ledger.trade.rules import check_entitled
from ledger.trade.statement import Openness, Statement
from node.local.protocol import ItemReceipt, State, Submission, TransactionStatus
from node.validator.batches import OpenEvent, open_event, open_items
from node.validator.clock import Clock
from node.validator.execution import Executor, FinalBlockData
from node.validator.tables import TransactionResult, transaction_result

BATCH_BYTES: Final = 1_000_000
"""A batch is closed at about this size; a larger transaction is a batch of its own."""
_ACTION: Final = Statement._fields.index("action")
_VERSION: Final = Statement._fields.index("version")
_OPENNESS: Final = Statement._fields.index("openness")

Waiter = Callable[[TransactionStatus], None]


class Queued(NamedTuple):
    """A checked transaction that is in no batch yet."""

    transaction: Transaction
    data: bytes
    events: tuple[OpenEvent, ...]
    """Bytes of its open items."""
    restricted: tuple[OpenEvent, ...]
    """Bytes of restricted items, which stay on this node."""


class Mempool:
    """What was handed in here, and what any validator pushed, until it is final."""

    def __init__(
        self,
        executor: Executor,
        clock: Clock,
        me: int,
        first_number: int,
        has_room: Callable[[int, int], bool],
    ) -> None:
        """`me`: own index; `first_number`: of the own batches, above every earlier one; `has_room`: the consensus'."""
        self._network = executor.network
        self._executor = executor
        self._clock = clock
        self.me = me
        """Own index in the set of this epoch; FOLLOWER where there is none: then nothing is taken in."""
        self._has_room = has_room
        self._number = first_number
        self._queue: list[Queued] = []
        self._queued_ids: set[bytes] = set()
        self._waiting: dict[bytes, list[Waiter]] = {}
        self._held: dict[bytes, Batch] = {}
        self._held_ids: dict[bytes, int] = {}
        self.queued_bytes = 0
        self.held_bytes = 0
        self.refused = 0
        self.admitted = 0

    # ---- handing in

    def submit(self, submission: Submission) -> TransactionStatus:
        """Take a transaction in, or say what became of it (PENDING, FINAL) or why not (REFUSED)."""
        transaction_id = ZERO_HASH
        try:
            transaction = transaction_from_bytes(submission.transaction, self._network)
            transaction_id = transaction.id
            known = self._known(transaction_id)
            if known is not None:
                return known
            queued = self._check(transaction, submission)
        except CustodyError as error:
            self.refused += 1
            return TransactionStatus(transaction_id, State.REFUSED, error.code.value, error.message)
        self._queue.append(queued)
        self._queued_ids.add(transaction_id)
        self.queued_bytes += len(queued.data)
        self.admitted += 1
        return TransactionStatus(transaction_id, State.PENDING)

    def submit_own(self, data: bytes) -> None:
        """Take in a transaction that this node made itself. It is parsed from its bytes like any other.

        What was built in memory may hold other types than what peers decode, and execution tells them apart.
        """
        transaction = transaction_from_bytes(data, self._network)
        if self._known(transaction.id) is None:
            self._queue.append(Queued(transaction, data, (), ()))
            self._queued_ids.add(transaction.id)
            self.queued_bytes += len(data)

    def _known(self, transaction_id: bytes) -> TransactionStatus | None:
        """The status of a transaction that need not be taken in again."""
        status = self.status(transaction_id)
        if status.state == State.PENDING:
            return status
        result = self._result(transaction_id)
        return status if result is not None and result.is_executed else None

    def _check(self, transaction: Transaction, submission: Submission) -> Queued:
        if self.me == FOLLOWER:
            raise UnavailableError(
                Code.UNAVAILABLE,
                f"expected a validator of epoch {self._executor.state.epoch}, this node only follows; hand it to another node",
            )
        if not self._has_room(self.me, self.queued_bytes + len(submission.transaction)):
            raise UnavailableError(
                Code.OVERLOADED,
                f"expected at most {limits.UNORDERED_BYTES_PER_ORIGIN} bytes from here waiting to be ordered; try again "
                "later, or elsewhere",
            )
        transaction.check_signature()
        state = self._executor.state
        check_protocol(transaction.header, state.protocol)
        tip = state.tip.header
        header = tip._replace(
            epoch=state.epoch, closes_epoch=False, height=tip.height + 1, time_ms=self._block_time_ms(tip)
        )
        members = state.members(header.height)
        if transaction.header.kind == Kind.EPOCH_CHANGE:
            self._check_change(transaction, header.time_ms)
            return Queued(transaction, submission.transaction, (), ())
        key = check_admissible(state, header, members, transaction, {})
        self._check_amending(transaction, header, members, key)
        if transaction.header.kind == Kind.EVENTS:
            _check_official(transaction, header, members, key)
        if transaction.header.kind == Kind.MISMATCH:
            self._check_published(transaction)
        if transaction.header.kind == Kind.ERASURE:
            self._check_tombstones(transaction)
        events = self._events_of(transaction, submission)
        shown = tuple(events[event] for event, _ in open_items(transaction))
        hidden = tuple(found for found in events.values() if found.payload.readers is not None)
        return Queued(transaction, submission.transaction, shown, hidden)

    def _check_change(self, transaction: Transaction, time_ms: int) -> None:
        """Refuse at once a change of epoch that nobody would vote for."""
        state = self._executor.state
        approvers = state.approvers(state.tip.header.height + 1)
        check_carrier(transaction, time_ms, approvers)
        change = change_of(transaction)
        if change is not None:
            check_change(
                change, state.epoch, state.sets[-1], approvers, protocol=state.protocol, time_ms=time_ms
            )

    def _check_tombstones(self, transaction: Transaction) -> None:
        """Refuse at once, with its sentence, a tombstone that would make the whole transaction fail."""
        signed = transaction.header
        is_whole = signed.item_count == 1 or signed.mode == Mode.ALL_OR_NOTHING
        if not is_whole or self._executor.tables.lacks_history:
            return
        entry = Entry(
            0, ZERO_HASH, transaction.id, 0, 0, 0, signed.organisation, signed.public_key, ZERO_HASH
        )
        for raw in transaction.items:
            tombstone = tombstone_from_wire(raw)
            is_place = tombstone.sequence < self._executor.final_outcome.event_log_size
            row = self._executor.state.entry_row(tombstone.sequence) if is_place else None
            apply_erasure(self._network, self._executor.state, tombstone, row, entry)

    def _check_amending(self, transaction: Transaction, header: Header, members: Members, key: Key) -> None:
        """Refuse at once, in its whole sentence, an act that execution would refuse.

        But not one that names what is not there: that may be on its way, as a proposal is when a ballot follows it closely.
        """
        try:
            check_amending(self._executor.state, header, members, key, transaction)
        except CustodyError as error:
            if error.code is not Code.NOT_FOUND:
                raise

    def _check_published(self, transaction: Transaction) -> None:
        """Refuse a mismatch of an erased event: execution would, but its bytes would stand in a block by then."""
        tables = self._executor.tables
        for item in transaction.items:
            sequence = item[1]
            is_place = type(sequence) is int and 0 <= sequence < 1 << 63
            row = tables.bare_row(sequence, tables.final) if is_place else None
            if row is None or row[1] is None:
                continue
            entry, shown = row
            if self._executor.committed_record(erasure_key(shown[3], entry.organisation)) != EMPTY:
                raise RuleError(
                    Code.ERASED,
                    f"expected an event whose bytes may be published, {entry.organisation} has erased this one",
                )

    def _block_time_ms(self, tip: Header) -> int:
        """About what the time of the next block is going to be: not by this clock if it is known to be off."""
        offset_ms = self._clock.offset_ms() or 0
        return max(tip.time_ms + 1, self._clock.wall_ms() + offset_ms)

    # ---- the bytes of items

    def _events_of(self, transaction: Transaction, submission: Submission) -> dict[bytes, OpenEvent]:
        """The bytes that came with a transaction by event hash, each checked against its item."""
        if transaction.header.kind != Kind.EVENTS:
            return {}
        by_hash: dict[bytes, OpenEvent] = {}
        for salt, place, event, readers in submission.payloads:
            if place is not None and place >= len(submission.contexts):
                raise FormError(
                    Code.MALFORMED,
                    f"expected a context index below {len(submission.contexts)}, got {place}",
                )
            context = None if place is None else submission.contexts[place]
            found = open_event(self._network, salt, context, event, readers)
            by_hash[found.payload.event_hash] = found
        self._check_bytes(transaction, by_hash)
        return by_hash

    def _check_bytes(self, transaction: Transaction, by_hash: dict[bytes, OpenEvent]) -> None:
        needed = {event for event, _ in open_items(transaction)}  # any order: membership only
        unused = set(by_hash)
        for statement, subjects, _, event, context, _ in transaction.items:
            found = by_hash.get(event) if type(event) is bytes else None
            if found is None:
                if event in needed:
                    raise FormError(
                        Code.MALFORMED, f"expected the bytes of open event {event.hex()}, they did not come"
                    )
                continue
            unused.discard(event)
            if (event in needed) != (found.payload.readers is None):
                raise FormError(
                    Code.MALFORMED, "expected readers of a restricted item's bytes, and of no open item's"
                )
            if found.payload.context_hash != context:
                raise FormError(
                    Code.MALFORMED, f"expected the bytes of {event.hex()} under the context its item names"
                )
            self._check_extract(statement, subjects, found)
        if unused:
            raise FormError(
                Code.MALFORMED,
                f"expected bytes whose hash an item of the transaction names, {min(unused).hex()} is named by none",
            )

    @staticmethod
    def _check_extract(statement: object, subjects: object, found: OpenEvent) -> None:
        """Derive the extract again from the author's bytes (DESIGN §4 Bytes)."""
        if type(statement) is not tuple or len(statement) <= _OPENNESS:
            raise FormError(
                Code.MALFORMED, "expected a statement in an item whose bytes came, got something else"
            )
        openness = Openness.OPEN if found.payload.readers is None else Openness.RESTRICTED
        derived = extract(found.payload.event, found.context, statement[_VERSION], openness)
        if derived.statement != statement or derived.subjects != subjects:
            raise FormError(
                Code.EXTRACT_DIFFERS,
                f"expected the extract that the bytes of event {found.payload.event_hash.hex()} give, the item carries "
                "another; derive it from exactly the bytes that are handed in",
            )

    # ---- batches

    @property
    def has_queued(self) -> bool:
        """Whether transactions wait to be put into a batch."""
        return bool(self._queue)

    def next_batch(self) -> tuple[Batch, tuple[OpenEvent, ...], tuple[OpenEvent, ...]] | None:
        """The next batch of queued transactions, with the bytes of its open and of its restricted items."""
        if not self._queue:
            return None
        taken: list[Queued] = []
        size = subjects = 0
        for queued in self._queue:
            size += len(queued.data)
            subjects += queued.transaction.subject_count
            is_change = queued.transaction.header.kind == Kind.EPOCH_CHANGE
            if taken and (is_change or size > BATCH_BYTES or subjects > limits.SUBJECTS_PER_BLOCK):
                break
            taken.append(queued)
            if is_change:
                break
        del self._queue[: len(taken)]
        for queued in taken:
            self._queued_ids.discard(queued.transaction.id)
            self.queued_bytes -= len(queued.data)
        self._number += 1
        batch = make_batch(
            self._network,
            self.me,
            self._number,
            [queued.transaction for queued in taken],
            [queued.data for queued in taken],
        )
        events = tuple(event for queued in taken for event in queued.events)
        return batch, events, tuple(event for queued in taken for event in queued.restricted)

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
        queue, self._queue = self._queue, []
        self._queued_ids.clear()
        self.queued_bytes = 0
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
        data = self._executor.tables.final("transactions", transaction_id)
        return None if data is None else transaction_result(data)

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
        for digest in final.block.batches:
            self._let_go(digest)
        if self._waiting:
            self._tell(final)

    def _let_go(self, digest: bytes) -> Batch | None:
        batch = self._held.pop(digest, None)
        if batch is None:
            return None
        self.held_bytes -= batch.size
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


def _check_official(transaction: Transaction, header: Header, members: Members, key: Key) -> None:
    """Refuse an act by somebody not entitled to it, where it would make the whole transaction fail."""
    signed = transaction.header
    if signed.item_count > 1 and signed.mode != Mode.ALL_OR_NOTHING:
        return
    for place, raw in enumerate(transaction.items):
        statement = raw[0]
        if type(statement) is not tuple or len(statement) <= _ACTION:
            continue
        if statement[_ACTION] in OFFICIAL or key.delegation is not None:
            item = transaction.event(place)
            entry = Entry(
                0, ZERO_HASH, transaction.id, 0, header.height, header.time_ms,
                signed.organisation, key_id(signed.public_key), ZERO_HASH,
            )  # fmt: skip
            act = act_of(members, item.statement, item.event_hash, entry, key)
            check_may(custody_act(item.statement.action), key.use, is_authority=act.authority)
            check_entitled(act, item.subjects, allow_persons=bool(members.parameter(ALLOW_PERSONS)))


def _receipts(receipts: Iterable[Receipt]) -> tuple[ItemReceipt, ...]:
    return tuple(ItemReceipt(r.place, r.refusal, r.entry, r.outcomes) for r in receipts)
