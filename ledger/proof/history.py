"""Where a prover reads the past: what a node keeps for good, as of one checkpoint (PROOF.md §2).

Everything a `History` returns is as of its checkpoint: the block whose outcome a quorum finalised. A node that lacks part
of it (joined from a snapshot) raises UnavailableError(history_incomplete) rather than answer with less.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from ledger.base.buckets import StateProof
from ledger.chain.certificate import Checkpoint
from ledger.chain.closing import Closing
from ledger.members.registry import Registry
from ledger.state.item import ItemChanges
from ledger.state.links import Link
from ledger.trade.record import Record, SubjectKey


class Payload(NamedTuple):
    """An event's bytes as the author wrote them."""

    salt: bytes
    context: bytes | None
    event: bytes


class History(Protocol):
    """The past of a ledger up to `checkpoint`."""

    network: bytes
    depth: int  # of the state tree
    registry: Registry
    checkpoint: Checkpoint

    def closings(self, first: int) -> Sequence[Closing]:
        """How the epochs from `first` up to that of the checkpoint, without it, were closed, in order."""

    def record(self, key: SubjectKey) -> Record:
        """The record at the checkpoint, EMPTY if there is none."""

    def state_proof(self, key: SubjectKey) -> StateProof:
        """The proof of that record, or of its absence."""

    def link(self, key: SubjectKey, position: int, *, aside: bool) -> Link:
        """Link number `position` (from 1) of the subject's main or aside chain."""

    def move(self, key: SubjectKey, position: int) -> Link:
        """Element number `position` (from 1) of the subject's moves chain."""

    def row(self, entry_hash: bytes) -> ItemChanges:
        """The item behind an entry: entry, item, related leaves with their records (`links`, `records` may be empty)."""

    def payload(self, event_hash: bytes) -> Payload | None:
        """The event's bytes where this node may show them, else None."""
