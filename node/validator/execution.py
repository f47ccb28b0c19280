"""Blocks executed on an undoable state, made final, and redone after a restart (PROTOCOL.md §7; contract 4 and 5).

    committed state -> overlay -> overlay ...          each overlay is one executed block that is not final yet

`execute` puts a block on its parent's state: what stands above the parent is undone first. `commit` makes the lowest
overlay final, or executes the block again if the overlay was undone for another branch. After a crash the state store is
at some earlier final block and the chain is redone from the block store, up to the last block with its own finalisation.

Invariants: `LedgerState` and the state store always stand on the same block; a redone block gives the outcome on disk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from ledger.base import limits
from ledger.base.buckets import BucketTree
from ledger.base.encoding import decode, encode
from ledger.base.errors import Code, ConsensusError, StorageError, UnavailableError
from ledger.chain.approvers import Approvers, approvers_height
from ledger.chain.batch import Batch, batch_from_bytes
from ledger.chain.block import Block, Header, Outcome, genesis_header, parse_block, parse_outcome
from ledger.chain.certificate import Certificate, Checkpoint, parse_certificate
from ledger.chain.closing import Closing
from ledger.chain.epoch import parse_change, registry_after
from ledger.chain.genesis import Genesis
from ledger.chain.transaction import Transaction
from ledger.chain.validators import ValidatorSet
from ledger.members.registry import Registry
from ledger.state.block import Execution, Receipt, apply_block
from ledger.state.item import ItemChanges
from ledger.state.state import LedgerState, Tip, genesis_state
from ledger.trade.record import Record, SubjectKey
from node.storage.block_store import BlockStore, StoredBlock
from node.storage.state_store import StateStore
from node.validator.buckets import RecordEntries, tree_of
from node.validator.tables import Tables

_BLOCK_HEAD_BYTES: Final = 100_000
_BODY_BYTES: Final = limits.BLOCK_BYTES + 1_000_000
MEMORY_BYTES: Final = 128_000_000
RECORD_MEMORY: Final = 2_500
"""What a record takes in memory with its hash and key, about."""


class Overlay(NamedTuple):
    """One executed block that is not final yet."""

    block_hash: bytes
    execution: Execution


class FinalBlockData(NamedTuple):
    """A block just made final, for those who wait for it."""

    block: Block
    outcome: Outcome
    certificate: Certificate | None
    batches: tuple[bytes, ...]
    transactions: tuple[Transaction, ...]
    receipts: tuple[Receipt, ...]


def stored_block(
    block: Block, outcome: Outcome, certificate: Certificate | None, batches: Sequence[bytes]
) -> StoredBlock:
    """A final block as the block store keeps it: the body is its batches."""
    encoded = b"" if certificate is None else encode(certificate)
    return StoredBlock(block.header.height, encode(block), encode(outcome), encoded, encode(tuple(batches)))


def block_of(stored: StoredBlock) -> Block:
    """Header and batch digests."""
    return parse_block(decode(stored.header, max_bytes=_BLOCK_HEAD_BYTES))


def outcome_of(stored: StoredBlock) -> Outcome:
    """What executing it gave."""
    return parse_outcome(decode(stored.outcome, max_bytes=_BLOCK_HEAD_BYTES))


def certificate_of(stored: StoredBlock) -> Certificate | None:
    """Its own finalisation, if it has one."""
    if not stored.certificate:
        return None
    return parse_certificate(decode(stored.certificate, max_bytes=_BLOCK_HEAD_BYTES))


def batches_of(stored: StoredBlock) -> tuple[bytes, ...]:
    """Its batches, encoded."""
    return tuple(decode(stored.body, max_bytes=_BODY_BYTES))


class _Backing:
    """Where `LedgerState` reads what it does not remember: the state store, undoable layers included."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def get(self, key: bytes) -> bytes | None:
        """The encoded record under a state key."""
        return self._tables.records.get(key)

    def entry_row(self, sequence: int) -> ItemChanges | None:
        """What the item with that place in the event log did."""
        return self._tables.row(sequence, self._tables.latest)


class Executor:
    """The state of the ledger on one node."""

    def __init__(
        self,
        genesis: Genesis,
        validators: ValidatorSet,
        blocks: BlockStore,
        store: StateStore,
        *,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        """Stand on the last block of the state store; call `redo` before anything else.

        `memory_bytes`: about what buckets and records of the state that are on disk too may take in memory.
        """
        self._memory_bytes = memory_bytes
        self.network = genesis.network
        self.depth = genesis.state_depth
        self.validators = validators
        self.first_validators = validators
        """Those of genesis."""
        self.blocks = blocks
        self.tables = Tables(self.network, store)
        self.state = self._load_state(genesis)
        self.checkpoint: Checkpoint | None = None
        """Of the newest final block with its own finalisation; None at genesis."""
        self.final_header = genesis_header(self.network, genesis.time_ms, genesis.protocol)
        """Of the last final block."""
        self.final_outcome = self.state.tip.outcome
        self.recent: deque[tuple[bytes, ...]] = deque(maxlen=limits.BATCH_WINDOW_BLOCKS)
        """Batch digests of the last final blocks, oldest first."""
        self._overlays: list[Overlay] = []

    def _load_state(self, genesis: Genesis) -> LedgerState:
        store, backing = self.tables.store, _Backing(self.tables)
        if store.height is None:
            entries = RecordEntries(self.network, self.depth, self.tables.records)
            tree = BucketTree(self.network, self.depth, entries, cache_bytes=self._memory_bytes // 2)
            return genesis_state(genesis, backing, self.validators, tree)
        self.tables.check_layout()
        stored = self.blocks.head(store.height)
        tree = tree_of(
            self.network,
            self.depth,
            self.tables.records,
            self.tables.buckets,
            cache_bytes=self._memory_bytes // 2,
        )
        outcome = outcome_of(stored)
        if tree.root != outcome.state_root:
            raise StorageError(
                Code.DAMAGED,
                f"expected the state of block {store.height} to have root {outcome.state_root.hex()}, it has "
                f"{tree.root.hex()}; remove the state folder, it is rebuilt from the chain",
            )
        registry, sets = genesis.registry(), [self.validators]
        for height, change in self.tables.read_changes():
            registry = registry_after(registry, change, height)
            sets.append(change.next_validators(self.network))
        amended = {(entry.kind, entry.name): entry for entry in registry.entries}
        amended |= {(entry.kind, entry.name): entry for entry in self.tables.read_registry()}
        registry = Registry(self.network, amended.values())
        if registry.root != outcome.registry_root:
            raise StorageError(
                Code.DAMAGED,
                f"expected the registry of block {store.height} to have root {outcome.registry_root.hex()}, it has "
                f"{registry.root.hex()}; remove the state folder, it is rebuilt from the chain",
            )
        return LedgerState(
            self.network,
            registry,
            backing,
            tree,
            self.tables.read_log(),
            Tip(block_of(stored).header, outcome),
            self.tables.read_remembered(),
            tuple(sets),
        )

    # ---- after a start

    def redo(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Execute again what the block store has above the state, up to the last block with its own finalisation.

        Raises StorageError damaged if what is on disk contradicts itself.
        """
        last = self._last_certified()
        first = self.state.tip.header.height
        if last < first:
            raise StorageError(
                Code.DAMAGED,
                f"expected the chain to reach block {first}, where the state is, its last certified block is {last}; "
                "remove the state folder, it is rebuilt from the chain",
            )
        for height in range(first + 1, last + 1):
            self._redo_block(self.blocks.get(height))
            if progress is not None:
                progress(height, last)
        if last:
            stored = self.blocks.head(last)
            self._note_final(block_of(stored), outcome_of(stored), certificate_of(stored))
            self.recent.clear()
            first_kept = max(1, self.blocks.first_head or 1, last + 1 - limits.BATCH_WINDOW_BLOCKS)
            window = range(first_kept, last + 1)
            self.recent.extend(block_of(self.blocks.head(height)).batches for height in window)

    def _last_certified(self) -> int:
        height = self.blocks.last_height or 0
        lowest = self.blocks.first_head or 1
        while height and not self.blocks.head(height).certificate:
            height = height - 1 if height > lowest else 0
        return height

    def _redo_block(self, stored: StoredBlock) -> None:
        block, outcome = block_of(stored), outcome_of(stored)
        batches = [
            batch_from_bytes(data, self.network, check_signatures=False) for data in batches_of(stored)
        ]
        if block.header.parent != self.state.tip.header.hash or [b.digest for b in batches] != list(
            block.batches
        ):
            raise StorageError(
                Code.DAMAGED, f"expected block {stored.height} to follow its parent with its own batches"
            )
        self._execute(block, batches)
        found = self.state.tip.outcome
        if found != outcome:
            raise StorageError(
                Code.DAMAGED,
                f"expected block {stored.height} to give outcome {outcome.hash_in(self.network).hex()}, executing it again "
                f"gave {found.hash_in(self.network).hex()}; this version executes it differently, or files are damaged",
            )
        self._make_final(block, outcome, certificate_of(stored))

    # ---- executing

    def execute(self, block_hash: bytes, block: Block, batches: Sequence[Batch]) -> Outcome:
        """Execute a block on its parent's state, undoing what stands above the parent."""
        while self._overlays and self._overlays[-1].block_hash != block.header.parent:
            self._undo_last()
        if self.state.tip.header.hash != block.header.parent:
            raise ConsensusError(
                Code.DIVERGED,
                f"expected to execute a block on {self.state.tip.header.hash.hex()[:16]}, got one on "
                f"{block.header.parent.hex()[:16]}",
            )
        execution = self._execute(block, batches)
        self._overlays.append(Overlay(block_hash, execution))
        return execution.outcome

    def _execute(self, block: Block, batches: Sequence[Batch]) -> Execution:
        transactions = [transaction for batch in batches for transaction in batch.transactions]
        store = self.tables.store
        store.begin()
        try:
            execution = apply_block(self.state, block.header, transactions)
        except BaseException:
            store.undo()
            raise
        tables = self.tables
        tables.write_execution(execution, self.state)
        tables.write_remembered(
            {known: self.state.remembered[known] for known in execution.undo.ids}, execution.undo.expired
        )
        tables.write_log(self.state.log)
        if block.header.closes_epoch:
            tables.write_change(block.header.height, parse_change(transactions[0].items[0]))
        for place, digest in enumerate(block.batches):
            tables.write_batch(digest, block.header.height, place)
        tables.write_headers(block.header, [transaction.header for transaction in transactions])
        self._write_transactions(block.header, transactions, execution)
        return execution

    def _write_transactions(
        self, header: Header, transactions: Sequence[Transaction], execution: Execution
    ) -> None:
        executed = set(execution.undo.ids)  # any order: membership only
        position, sequence = 0, execution.undo.log.size
        for place, transaction in enumerate(transactions):
            count = transaction.header.item_count
            receipts = execution.receipts[position : position + count]
            position += count
            is_executed = transaction.id in executed
            executed.discard(transaction.id)
            if not is_executed:
                self.tables.write_failure(header.height, place, receipts[0].refusal)
            if is_executed or receipts[0].refusal != Code.REPEATED:
                self.tables.write_transaction(
                    transaction.id, header.height, header.time_ms, sequence, receipts, is_executed=is_executed
                )
            sequence += sum([not receipt.refusal for receipt in receipts])

    def _undo_last(self) -> None:
        overlay = self._overlays.pop()
        self.tables.store.undo()
        self.state.undo(overlay.execution.undo)

    # ---- finality

    def commit(
        self,
        block_hash: bytes,
        block: Block,
        outcome: Outcome,
        certificate: Certificate | None,
        batches: Sequence[Batch],
    ) -> FinalBlockData:
        """Make a block final: the lowest overlay, or executed again. Durable once the block store is synced."""
        if not self._overlays or self._overlays[0].block_hash != block_hash:
            while self._overlays:
                self._undo_last()
            self.execute(block_hash, block, batches)
        overlay = self._overlays.pop(0)
        if overlay.execution.outcome != outcome:
            raise ConsensusError(
                Code.DIVERGED, f"expected the outcome of block {block.header.height} to stay what it was"
            )
        encoded = tuple(batch.data for batch in batches)
        if block.header.height not in self.blocks:
            self.blocks.append(stored_block(block, outcome, certificate, encoded))
        self._make_final(block, outcome, certificate)
        transactions = tuple(transaction for batch in batches for transaction in batch.transactions)
        return FinalBlockData(block, outcome, certificate, encoded, transactions, overlay.execution.receipts)

    def _make_final(self, block: Block, outcome: Outcome, certificate: Certificate | None) -> None:
        self.tables.store.commit(block.header.height)
        self.state.forget(outcome.event_log_size, self._memory_bytes // 2 // RECORD_MEMORY)
        self.recent.append(block.batches)
        self._note_final(block, outcome, certificate)

    def _note_final(self, block: Block, outcome: Outcome, certificate: Certificate | None) -> None:
        self.final_header, self.final_outcome = block.header, outcome
        if certificate is not None:
            self.checkpoint = Checkpoint(block.header, outcome, certificate)

    def approvers(self, height: int) -> Approvers | None:
        """Who may approve what closes the epoch at `height`; None as long as final blocks do not tell.

        What blocks above the last final one set counts at later heights only: so whatever stands on it, the answer is one.
        """
        if approvers_height(height) > self.final_header.height + 1:
            return None
        return self.state.approvers(height)

    def closings(self, first: int, end: int) -> tuple[Closing, ...]:
        """How the epochs first .. end - 1 were closed. Raises UnavailableError history_incomplete for a block not here."""
        found = list(self.tables.joined_closings()[first:end])
        for height, change in self.tables.read_changes()[first + len(found) : end]:
            stored = self.blocks.head(height)
            certificate = certificate_of(stored)
            if certificate is None:
                raise UnavailableError(
                    Code.HISTORY_INCOMPLETE,
                    f"expected the finalisation of block {height}, it is not here (yet)",
                )
            checkpoint = Checkpoint(block_of(stored).header, outcome_of(stored), certificate)
            found.append(Closing(checkpoint, change.next_validators(self.network).members))
        return tuple(found)

    @property
    def final_registry(self) -> Registry:
        """The registry as the last final block left it, whatever was executed on top."""
        return self._overlays[0].execution.undo.registry if self._overlays else self.state.registry

    @property
    def is_at_checkpoint(self) -> bool:
        """Whether the state executed last is that of the newest checkpoint: then it can be proven."""
        return self.checkpoint is not None and self.state.tip.header == self.checkpoint.header

    def committed_record(self, key: SubjectKey) -> Record:
        """The record of a subject after the last final block."""
        return self.tables.record(key, self.tables.final)
