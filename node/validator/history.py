"""The past as a prover reads it: the node's stores at the newest checkpoint (PROOF.md §2, `ledger.proof.history`).

Valid only while the state executed last is that of the checkpoint: make one, use it, and let it go before the next block
is executed.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.base.buckets import StateProof
from ledger.base.errors import Code, UnavailableError
from ledger.chain.certificate import Checkpoint
from ledger.chain.closing import Closing
from ledger.proof.history import Payload
from ledger.state.item import ItemChanges
from ledger.state.links import Link
from ledger.trade.record import Record, SubjectKey
from node.storage.payload_store import PayloadStore
from node.validator.execution import Executor
from node.validator.past import incomplete, read_progress


class StoredRegistry:
    """The registry of an executor that stands at its checkpoint: all of `ledger.proof.registry.RegistryHistory`."""

    def __init__(self, executor: Executor) -> None:
        """Raises UnavailableError unavailable while there is no checkpoint or a later block was executed."""
        if executor.checkpoint is None or not executor.is_at_checkpoint:
            raise UnavailableError(
                Code.UNAVAILABLE,
                "expected a block that a quorum certified, there is none yet; try again in a moment",
            )
        self.network = executor.network
        self.registry = executor.state.registry
        self.checkpoint: Checkpoint = executor.checkpoint
        self._executor = executor

    def closings(self, first: int) -> Sequence[Closing]:
        """How the epochs from `first` up to that of the checkpoint were closed."""
        return self._executor.closings(first, self.checkpoint.header.epoch)


class StoredHistory(StoredRegistry):
    """`ledger.proof.history.History` over an executor that stands at its checkpoint."""

    def __init__(self, executor: Executor, payload: PayloadStore) -> None:
        """Raises as StoredRegistry does, and history_incomplete while the past below the snapshot that the node joined from is."""
        super().__init__(executor)
        progress = read_progress(executor.tables)
        if progress is not None:
            raise incomplete(progress.height)
        self.depth = executor.depth
        self._state = executor.state
        self._tables = executor.tables
        self._payload = payload
        self._sequences: dict[bytes, int] = {}

    def record(self, key: SubjectKey) -> Record:
        """The record at the checkpoint, EMPTY if there is none."""
        return self._state.record(key)

    def state_proof(self, key: SubjectKey) -> StateProof:
        """The proof of that record, or of its absence."""
        return self._state.prove(key)

    def link(self, key: SubjectKey, position: int, *, aside: bool) -> Link:
        """Link number `position` (from 1) of the subject's main or aside chain."""
        found = self._tables.link(key, position, self._tables.latest, aside=aside)
        return self._noted(found, f"link {position} of {key.identifier}")

    def move(self, key: SubjectKey, position: int) -> Link:
        """Element number `position` (from 1) of the subject's moves chain."""
        found = self._tables.move(key, position, self._tables.latest)
        return self._noted(found, f"move {position} of {key.identifier}")

    def _noted(self, found: tuple[int, Link] | None, what: str) -> Link:
        if found is None:
            raise UnavailableError(
                Code.HISTORY_INCOMPLETE, f"expected {what} in this node's history, it is not there (yet)"
            )
        sequence, link = found
        self._sequences[link.entry] = sequence
        return link

    def row(self, entry_hash: bytes) -> ItemChanges:
        """The item behind an entry that a link read before names."""
        sequence = self._sequences.get(entry_hash)
        row = None if sequence is None else self._tables.row(sequence, self._tables.latest)
        if row is None:
            raise UnavailableError(
                Code.HISTORY_INCOMPLETE,
                f"expected entry {entry_hash.hex()} in this node's history, it is not there (yet)",
            )
        return row

    def payload(self, event_hash: bytes) -> Payload | None:
        """The bytes of an open event, if this node has them still."""
        found = self._payload.get_for(event_hash, None)
        if found is None:
            return None
        context = None if found.context_hash is None else self._payload.get_context(found.context_hash)
        if found.context_hash is not None and context is None:
            return None
        return Payload(found.salt, context, found.event)
