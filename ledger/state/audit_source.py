"""Where an audit takes its blocks from, and the state that it begins with (PROTOCOL.md §10). Nothing in here is believed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, Protocol

from ledger.base import limits
from ledger.base.buckets import BucketTree
from ledger.base.encoding import decode, encode
from ledger.base.errors import Code, ProofError
from ledger.base.hashing import Tag, tagged_hash
from ledger.base.merkle import LogFrontier
from ledger.chain.block import Header, Outcome
from ledger.chain.certificate import Certificate
from ledger.chain.genesis import Genesis
from ledger.chain.transaction import item_from_wire
from ledger.chain.validators import Validator, ValidatorSet
from ledger.members.registry import Registry
from ledger.state.block import Execution, Receipt
from ledger.state.item import ItemChanges
from ledger.state.links import Entry, entry_hash
from ledger.state.state import LedgerState, Tip, genesis_state

_ROW_BYTES: Final = limits.TRANSACTION_BYTES + 10_000


class SuppliedBlock(NamedTuple):
    """A final block as somebody keeps or tells it; nothing in it was checked."""

    header: Header
    outcome: Outcome
    certificate: Certificate | None
    """None where only a later block was certified."""
    batches: tuple[bytes, ...]
    receipts: tuple[Receipt, ...] | None
    """None where they are not kept beside the block."""


class ShownEvent(NamedTuple):
    """The bytes of one event."""

    salt: bytes
    context: bytes | None
    event: bytes


class Events(Protocol):
    """Where the bytes of events are, for whoever has some."""

    def find(self, event: bytes) -> ShownEvent | None:
        """The bytes under an event hash, or None."""

    def is_erased(self, event: bytes) -> bool:
        """Whether they were here and were erased."""


class Base(NamedTuple):
    """The state after one checkpoint, as a snapshot proves it: where an audit may begin instead of at genesis."""

    tip: Tip
    registry: Registry
    sets: tuple[ValidatorSet, ...]
    """Of every epoch up to that of the next block."""
    records: Iterable[tuple[bytes, bytes]]
    """(state key, encoded record) of all there are."""
    peaks: tuple[bytes, ...]
    """The right edge of the event log."""
    remembered: dict[bytes, int]
    """Expiry by id of the transactions that must not be executed again."""


class Source(Protocol):
    """Where blocks to be audited come from."""

    name: str
    """What reports call it."""
    genesis: Genesis
    last: int
    """The last block it has."""

    @property
    def events(self) -> Events | None:
        """The bytes of events, or None where it has none."""

    def base(self) -> Base | None:
        """A proven state above genesis to begin at; None where the blocks are all there."""

    def block(self, height: int) -> SuppliedBlock:
        """A block. FormError for what is none; any other CustodyError where it cannot be had."""

    def close(self) -> None:
        """Let go of files and connections."""


class BeforeBase(Exception):  # noqa: N818 - ends the audit of a block; no CustodyError, which would refuse an item
    """A block reads an entry that was made before the state the audit began with."""


class MemoryBacking:
    """Records and entries in memory."""

    def __init__(self, network: bytes, records: Iterable[tuple[bytes, bytes]] = (), first: int = 0) -> None:
        """`first`: the length of the event log where the audit begins; what lies below is not here."""
        self._network = network
        self._records = dict(records)
        self._first = first
        self._rows: list[bytes] = []

    def tree_entries(self) -> Iterator[tuple[bytes, bytes]]:
        """(state key, record hash) of every record."""
        for key, data in self._records.items():
            yield key, tagged_hash(Tag.RECORD, self._network, data)

    def get(self, key: bytes) -> bytes | None:
        """The encoded record under a state key."""
        return self._records.get(key)

    def entry_row(self, sequence: int) -> ItemChanges | None:
        """Entry and item with that place in the event log: all of a row that execution reads."""
        if sequence < self._first:
            raise BeforeBase(sequence)
        if sequence - self._first >= len(self._rows):
            return None
        entry_value, item = decode(self._rows[sequence - self._first], max_bytes=_ROW_BYTES)
        entry = Entry(*entry_value)
        read = None if item is None else item_from_wire(item)
        return ItemChanges(entry, entry_hash(self._network, entry), read, (), (), {}, (), ())

    def keep(self, execution: Execution) -> None:
        """Take over what a block changed."""
        self._records |= execution.encoded
        self._rows += [encode((row.entry, row.item)) for row in execution.rows]


def start_of(genesis: Genesis, base: Base | None) -> tuple[MemoryBacking, LedgerState]:
    """The state that an audit begins with, and where its records are."""
    network = genesis.network
    if base is None:
        backing = MemoryBacking(network)
        seats = [Validator(seat.organisation, seat.public_key) for seat in genesis.validators]
        return backing, genesis_state(genesis, backing, ValidatorSet(network, seats))
    outcome = base.tip.outcome
    backing = MemoryBacking(network, base.records, outcome.event_log_size)
    tree = BucketTree(network, genesis.state_depth)
    tree.load(backing.tree_entries())
    log = LogFrontier(outcome.event_log_size, base.peaks)
    found = (tree.root, log.root(), base.registry.root, base.sets[-1].hash)
    if found != (
        outcome.state_root, outcome.event_log_root, outcome.registry_root, outcome.next_validators_hash,
    ):  # fmt: skip
        raise ProofError(
            Code.NOT_PROVEN,
            f"expected the state that the checkpoint of block {base.tip.header.height} certifies",
        )
    return backing, LedgerState(
        network, base.registry, backing, tree, log, base.tip, dict(base.remembered), base.sets
    )
