"""Whether a transaction that is handed in here may go out to the others (DESIGN §6; WIRE_LOCAL.md §3).

What is checked on the bytes of open items is what nobody can check later: that they are those the items name, and that the
extract each item carries is the one its bytes give. What is plainly going to fail in execution (expired, unknown key, not
entitled) is refused at once with the same code; that is a convenience, and execution decides all the same.

A transaction may have a thousand events, each of which takes tens of microseconds: so checking is a generator that stops
after every `SLICE_EVENTS`, for votes and blocks to go between.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final, NamedTuple

from ledger.base import limits
from ledger.base.errors import Code, CustodyError, FormError, RuleError
from ledger.base.hashing import ZERO_HASH
from ledger.base.keys import key_id
from ledger.chain.block import Header
from ledger.chain.epoch import change_of, check_carrier, check_change
from ledger.chain.genesis import ALLOW_PERSONS
from ledger.chain.transaction import Header as TransactionHeader
from ledger.chain.transaction import Kind, Mode, Transaction, check_protocol
from ledger.members.acts import OFFICIAL, check_may, custody_act
from ledger.members.members import Key, Members
from ledger.state.block import act_of, check_admissible, check_amending, check_standing
from ledger.state.erasure import apply_erasure, erasure_key, tombstone_from_wire
from ledger.state.links import Entry
from ledger.trade.extract import Alike
from ledger.trade.record import EMPTY
from ledger.trade.rules import check_entitled
from ledger.trade.statement import Openness, Statement
from node.local.protocol import Submission
from node.validator.batches import OpenEvent, open_event, open_items
from node.validator.clock import Clock
from node.validator.execution import Executor

SLICE_EVENTS: Final = 64
_ACTION: Final = Statement._fields.index("action")
_VERSION: Final = Statement._fields.index("version")
_OPENNESS: Final = Statement._fields.index("openness")


class Queued(NamedTuple):
    """A checked transaction that is in no batch yet."""

    transaction: Transaction
    data: bytes
    events: tuple[OpenEvent, ...] = ()
    """Bytes of its open items."""
    restricted: tuple[OpenEvent, ...] = ()
    """Bytes of restricted items, which stay on this node."""
    beside: int = 0
    """How many bytes came with it."""

    @property
    def organisation(self) -> str:
        """Who signed it."""
        return self.transaction.header.organisation

    @property
    def work(self) -> int:
        """What it costs to order and execute: a signature, and its subjects."""
        return 1 + self.transaction.subject_count

    @property
    def size(self) -> int:
        """Bytes it keeps."""
        return len(self.data) + self.beside


def beside(submission: Submission) -> int:
    """How many bytes come with a transaction."""
    return sum(map(len, submission.contexts)) + sum([len(one.event) for one in submission.payloads])


class Admission:
    """Judges transactions by the state of this node."""

    def __init__(self, executor: Executor, clock: Clock) -> None:
        self._network = executor.network
        self._executor = executor
        self._clock = clock
        self._extracts = Alike()

    def check(self, transaction: Transaction, submission: Submission) -> Generator[None, None, Queued]:
        """Check everything, a slice at a time; what came of it is what the generator returns. Raises CustodyError."""
        transaction.check_signature()
        state = self._executor.state
        check_protocol(transaction.header, state.protocol)
        header = self._next_header()
        members = state.members(header.height)
        if transaction.header.kind == Kind.EPOCH_CHANGE:
            self._check_change(transaction, header.time_ms)
            return Queued(transaction, submission.transaction)
        key = check_admissible(state, header, members, transaction, {})
        self._check_amending(transaction, header, members, key)
        if transaction.header.kind == Kind.EVENTS:
            _check_official(transaction, header, members, key)
        if transaction.header.kind == Kind.MISMATCH:
            self._check_published(transaction)
        if transaction.header.kind == Kind.ERASURE:
            self._check_tombstones(transaction)
        events = yield from self._events_of(transaction, submission)
        shown = tuple(events[event] for event, _ in open_items(transaction))
        hidden = tuple(found for found in events.values() if found.payload.readers is not None)
        return Queued(transaction, submission.transaction, shown, hidden, beside(submission))

    def check_ahead(self, signed: TransactionHeader) -> None:
        """Refuse by its header alone, before anything is spent on its items, a transaction that is too much, or of nobody who may hand one in."""
        if signed.network == self._network and signed.kind != Kind.EPOCH_CHANGE:
            state, header = self._executor.state, self._next_header()
            check_standing(state.members(header.height), signed, header, state.sets[header.epoch])
            _check_mismatches(signed)

    def _next_header(self) -> Header:
        """Of the next block, as far as it can be foreseen."""
        state = self._executor.state
        tip, time_ms = state.tip.header, self._block_time_ms(state.tip.header)
        return tip._replace(epoch=state.epoch, closes_epoch=False, height=tip.height + 1, time_ms=time_ms)

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

    def _events_of(
        self, transaction: Transaction, submission: Submission
    ) -> Generator[None, None, dict[bytes, OpenEvent]]:
        """The bytes that came with a transaction by event hash, each checked against its item."""
        if transaction.header.kind != Kind.EVENTS:
            return {}
        by_hash: dict[bytes, OpenEvent] = {}
        for number, (salt, place, event, readers) in enumerate(submission.payloads, 1):
            if place is not None and place >= len(submission.contexts):
                raise FormError(
                    Code.MALFORMED,
                    f"expected a context index below {len(submission.contexts)}, got {place}",
                )
            context = None if place is None else submission.contexts[place]
            found = open_event(self._network, salt, context, event, readers)
            by_hash[found.payload.event_hash] = found
            if number % (8 * SLICE_EVENTS) == 0:  # hashed is sooner than extracted
                yield
        yield from self._check_bytes(transaction, by_hash)
        return by_hash

    def _check_bytes(
        self, transaction: Transaction, by_hash: dict[bytes, OpenEvent]
    ) -> Generator[None, None, None]:
        needed = {event for event, _ in open_items(transaction)}  # any order: membership only
        unused = set(by_hash)
        for number, (statement, subjects, _, event, context, _) in enumerate(transaction.items):
            if number and number % SLICE_EVENTS == 0:
                yield
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

    def _check_extract(self, statement: object, subjects: object, found: OpenEvent) -> None:
        """Derive the extract again from the author's bytes (DESIGN §4 Bytes)."""
        if type(statement) is not tuple or len(statement) <= _OPENNESS:
            raise FormError(
                Code.MALFORMED, "expected a statement in an item whose bytes came, got something else"
            )
        openness = Openness.OPEN if found.payload.readers is None else Openness.RESTRICTED
        derived = self._extracts.extract(found.payload.event, found.context, statement[_VERSION], openness)
        if derived.statement != statement or derived.subjects != subjects:
            raise FormError(
                Code.EXTRACT_DIFFERS,
                f"expected the extract that the bytes of event {found.payload.event_hash.hex()} give, the item carries "
                "another; derive it from exactly the bytes that are handed in",
            )


def _check_mismatches(signed: TransactionHeader) -> None:
    """Refuse mismatches that may name more subjects together than a transaction may.

    The form of a transaction counts the subjects of events alone (PROTOCOL.md §3), and hashing is what a subject costs.
    """
    most = limits.SUBJECTS_PER_TRANSACTION // limits.SUBJECTS_PER_EVENT
    if signed.kind == Kind.MISMATCH and signed.item_count > most:
        raise FormError(
            Code.TOO_LARGE,
            f"expected at most {most} mismatches in a large transaction, got {signed.item_count}; hand them in apart",
        )


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
