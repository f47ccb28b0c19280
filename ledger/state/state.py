"""The state between blocks, and how a block that did not become final is undone (PROTOCOL.md §7.1).

`LedgerState` holds what execution reads: records (through a `Backing`, which knows what was final when it was opened),
the state tree, the event log's frontier, the registry, the validators of every epoch, and the ids of transactions that
have not expired. Blocks are executed on top
of each other before they are final; each leaves an `Undo`, and undoing goes strictly backwards.

Invariants: the tree holds exactly the hashes of all records; `applied` heights are contiguous; nothing here depends on
the order in which a mapping is iterated.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush
from itertools import islice
from typing import Final, NamedTuple, Protocol

from ledger.base.buckets import BucketTree, StateProof, Undo
from ledger.base.encoding import decode_known, encode
from ledger.base.errors import Code, ConsensusError, StorageError
from ledger.base.merkle import LogFrontier
from ledger.chain.approvers import Approvers, approvers_height
from ledger.chain.block import Header, Outcome, genesis_header, genesis_outcome
from ledger.chain.genesis import Genesis
from ledger.chain.validators import ValidatorSet
from ledger.members.members import Members
from ledger.members.registry import Registry
from ledger.state.item import ItemChanges
from ledger.trade.record import (
    EMPTY,
    Record,
    SubjectKey,
    encoded_record_hash,
    record_from_wire,
    record_hash,
    state_key,
    state_key_of,
)

RECORD_BYTES: Final = 1_000_000
RECORDS_KEPT: Final = 100_000
"""How many records, of about 1.5 KB each, are remembered beside the backing."""


class Backing(Protocol):
    """Where records that are final are read; the node's is LMDB, a test's a dictionary."""

    def get(self, key: bytes) -> bytes | None:
        """The encoded record under a 32-byte state key, or None."""

    def entry_row(self, sequence: int) -> ItemChanges | None:
        """What the item with that place in the event log did, or None."""


class Tip(NamedTuple):
    """The block executed last."""

    header: Header
    outcome: Outcome


Stored = tuple[Record, bytes, bytes, bytes]
"""A record, its hash, the encoding that both the hash and what a node stores are made of, and its state key."""


class BlockUndo(NamedTuple):
    """What it takes to undo one block."""

    tip: Tip
    tree: Undo
    records: tuple[tuple[SubjectKey, Stored | None], ...]
    log: LogFrontier
    ids: tuple[bytes, ...]
    expired: tuple[tuple[bytes, int], ...]
    registry: Registry
    sets: tuple[ValidatorSet, ...]


class LedgerState:
    """Records, tree, log and remembered ids as of the block executed last."""

    def __init__(
        self,
        network: bytes,
        registry: Registry,
        backing: Backing,
        tree: BucketTree,
        log: LogFrontier,
        tip: Tip,
        remembered: dict[bytes, int],
        sets: tuple[ValidatorSet, ...],
    ) -> None:
        self.network = network
        self.registry = registry
        """As the block executed last leaves it."""
        self.sets = sets
        """The validators of every epoch from 0 to that of the next block."""
        self.tree = tree
        self.log = log
        self.tip = tip
        self.remembered = remembered  # transaction id -> expiry_ms
        self._expiries = sorted(
            (expiry, known) for known, expiry in remembered.items()
        )  # a heap; may hold undone ids
        self._backing = backing
        self.empty_hash = record_hash(network, EMPTY)
        """Of the record that there is none of."""
        self._recent: dict[SubjectKey, Stored] = {}
        self._made: dict[SubjectKey, Stored] = {}  # of the block in execution, as far as somebody asked
        self._keys: dict[SubjectKey, bytes] = {}  # the same
        self._pending_tree: Undo = []
        self._rows: dict[int, ItemChanges] = {}

    @property
    def epoch(self) -> int:
        """The epoch of the next block."""
        return len(self.sets) - 1

    def approvers(self, height: int) -> Approvers:
        """Who may approve what closes the epoch at `height`, a block within `APPROVERS_BELOW` of the next."""
        return Approvers(self.network, self.registry, approvers_height(height))

    @property
    def protocol(self) -> int:
        """The protocol version of the next block."""
        return self.members(self.tip.header.height + 1).protocol

    def members(self, height: int) -> Members:
        """The registry as in force at `height`."""
        return Members(self.registry, height)

    def record(self, key: SubjectKey) -> Record:
        """The record now, EMPTY if none. StorageError damaged where the backing has another than the tree says."""
        found = self._recent.get(key)
        if found is not None:
            return found[0]
        place = self.state_key(key)
        hashed = self.tree.get(place)
        if hashed is None:
            return EMPTY
        data = self._backing.get(place)
        if data is None or encoded_record_hash(self.network, data) != hashed:
            raise StorageError(
                Code.DAMAGED,
                f"expected the stored record of {key.identifier} to be the one in the state tree, it is not; "
                "remove the state folder, it is rebuilt from the chain",
            )
        record = record_from_wire(decode_known(data))
        self._recent[key] = (record, hashed, data, place)
        return record

    def remembers(self, key: SubjectKey) -> bool:
        """Whether there is a record, and it was read or written lately."""
        return key in self._recent

    def hash_of(self, key: SubjectKey, record: Record) -> bytes:
        """The hash of the record now under `key`."""
        return self.stored(key, record)[1]

    def stored(self, key: SubjectKey, record: Record) -> Stored:
        """`record` with its hash and encoding, made once if it is the one now under `key`, in the state or in the block in execution."""
        found = self._recent.get(key)
        if found is None or found[0] is not record:
            found = self._made.get(key)
            if found is None or found[0] is not record:
                data = encode(record)
                hashed = encoded_record_hash(self.network, data)
                found = self._made[key] = (record, hashed, data, self.state_key(key))
        return found

    def note_made(self, key: SubjectKey, record: Record, hashed: bytes, data: bytes, place: bytes) -> None:
        """`stored` of a record of the block in execution, from who made it with its encoding."""
        self._made[key] = (record, hashed, data, place)

    def entry_row(self, sequence: int) -> ItemChanges | None:
        """What the item with that place in the event log did, or None."""
        return self._rows.get(sequence) or self._backing.entry_row(sequence)

    def prove(self, key: SubjectKey) -> StateProof:
        """The proof of the record under `key`, or of its absence, under the state root of the block executed last."""
        return self.tree.prove(state_key(self.network, key))

    def write(
        self,
        changes: dict[SubjectKey, Stored],
        log: LogFrontier,
        ids: dict[bytes, int],
        tip: Tip,
        registry: Registry,
        sets: tuple[ValidatorSet, ...],
    ) -> BlockUndo:
        """Take over one executed block whose tree was already updated by `update_tree`; see `ledger.state.block`."""
        previous = tuple(zip(changes, map(self._recent.get, changes), strict=True))
        expired = self._forget_expired(tip.header.time_ms)
        undo = BlockUndo(
            self.tip,
            self._pending_tree,
            previous,
            self.log,
            tuple(ids),
            expired,
            self.registry,
            self.sets,
        )
        self._recent.update(changes)
        self._made.clear()
        self._keys.clear()
        self._remember(ids.items())
        self.log = log
        self.tip = tip
        self.registry, self.sets = registry, sets
        return undo

    def _remember(self, ids: Iterable[tuple[bytes, int]]) -> None:
        for known, expiry in ids:
            self.remembered[known] = expiry
            heappush(self._expiries, (expiry, known))

    def _forget_expired(self, time_ms: int) -> tuple[tuple[bytes, int], ...]:
        """Let go of ids that have expired: as many as there are, not as many as are remembered."""
        expired: list[tuple[bytes, int]] = []
        while self._expiries and self._expiries[0][0] <= time_ms:
            expiry, known = heappop(self._expiries)
            if self.remembered.get(known) == expiry:
                del self.remembered[known]
                expired.append((known, expiry))
        return tuple(expired)

    def update_tree(self, changes: Iterable[Stored]) -> bytes:
        """Put the changed records into the tree; the new state root."""
        self._pending_tree = self.tree.update({place: hashed for _, hashed, _, place in changes})
        return self.tree.root

    def state_key(self, key: SubjectKey) -> bytes:
        """The key of a subject in the state tree, remembered with its record, or for as long as its block is executed."""
        known = self._recent.get(key)
        if known is not None:
            return known[3]
        found = self._keys.get(key)
        if found is None:
            found = self._keys[key] = state_key(self.network, key)
        return found

    def state_key_by(self, key: SubjectKey, encoded: bytes) -> bytes:
        """`state_key` of a subject that is not remembered, from who has its encoding."""
        found = self._keys.get(key)
        if found is None:
            found = self._keys[key] = state_key_of(self.network, encoded)
        return found

    def remember_rows(self, rows: tuple[ItemChanges, ...]) -> None:
        """Keep the rows of the block just written, the last of the event log, until `forget` says that the backing has them."""
        self._rows.update(zip(range(self.log.size - len(rows), self.log.size), rows, strict=True))

    def undo(self, undo: BlockUndo) -> None:
        """Undo the block executed last."""
        if self.tip.header.height != undo.tip.header.height + 1:
            raise ConsensusError(
                Code.DIVERGED,
                f"expected to undo the block after {undo.tip.header.height}, the last one is {self.tip.header.height}",
            )
        self.tree.revert(undo.tree)
        for key, previous in undo.records:
            if previous is None:
                self._recent.pop(key, None)
            else:
                self._recent[key] = previous
        for sequence in range(undo.log.size, self.log.size):
            self._rows.pop(sequence, None)
        for new in undo.ids:
            self.remembered.pop(new, None)
        self._remember(undo.expired)
        self.log = undo.log
        self.tip = undo.tip
        self.registry, self.sets = undo.registry, undo.sets

    def forget(self, sequence: int, keep: int = RECORDS_KEPT) -> None:
        """The backing now holds everything below `sequence`: drop its rows, and of what is only cached the oldest above `keep`.

        Block by block a few, never all at once, which would keep whoever waits for the next block waiting.
        """
        for old in [number for number in self._rows if number < sequence]:
            del self._rows[old]
        for key in list(islice(self._recent, max(0, len(self._recent) - keep))):
            del self._recent[key]


def genesis_state(
    genesis: Genesis, backing: Backing, validators: ValidatorSet, tree: BucketTree | None = None
) -> LedgerState:
    """The state at height 0: no records, the genesis registry. `tree`: an empty one, else one that is all in memory."""
    network = genesis.network
    registry = genesis.registry()
    tree = tree or BucketTree(network, genesis.state_depth)
    header = genesis_header(network, genesis.time_ms, genesis.protocol)
    outcome = genesis_outcome(
        header, state_root=tree.root, registry_root=registry.root, validators_hash=validators.hash
    )
    return LedgerState(
        network, registry, backing, tree, LogFrontier(), Tip(header, outcome), {}, (validators,)
    )
