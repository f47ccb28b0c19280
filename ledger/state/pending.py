"""What a block, or one transaction on top of it, changes before it is part of the state, and room for it in the state tree."""

from __future__ import annotations

from collections.abc import Iterable

from ledger.base import limits
from ledger.base.errors import Code, RuleError
from ledger.state.item import ItemChanges
from ledger.state.state import LedgerState
from ledger.trade.record import Record, SubjectKey


class Pending:
    """Changes of a block, or of one transaction on top of it, not yet part of the state."""

    def __init__(self, below: LedgerState | Pending) -> None:
        self._below = below
        self.changes: dict[SubjectKey, Record] = {}
        self.rows: list[ItemChanges] = []

    def record(self, key: SubjectKey) -> Record:
        """The record as changed so far."""
        found = self.changes.get(key)
        return self._below.record(key) if found is None else found

    def hash_of(self, key: SubjectKey, record: Record) -> bytes:
        """The hash of the record now under `key`."""
        return self._below.hash_of(key, record)


class Room:
    """How many records each bucket of the state tree would have after the block so far.

    Identifiers are their authors' choice, so that somebody can look for a few thousand that share a bucket. A bucket that
    is full refuses the item that wants into it, and nothing else.
    """

    def __init__(self, state: LedgerState) -> None:
        self._state = state
        self._new: dict[SubjectKey, int] = {}
        self._taken: dict[int, int] = {}

    def take(self, keys: Iterable[SubjectKey]) -> None:
        """Count those of `keys` that are new; RuleError(limit), with nothing counted, if a bucket would overflow."""
        tree, state_key = self._state.tree, self._state.state_key
        found: dict[SubjectKey, int] = {}
        counts: dict[int, int] = {}
        for key in keys:
            hashed = state_key(key)
            if key in self._new or tree.get(hashed) is not None:
                continue
            index, size = tree.place(hashed)
            found[key] = index
            counts[index] = counts.get(index, 0) + 1
            if size + self._taken.get(index, 0) + counts[index] > limits.BUCKET_ENTRIES:
                raise RuleError(
                    Code.LIMIT,
                    f"expected room for the record of {key.identifier}, its part of the state tree is full",
                )
        self._new.update(found)
        for index, count in counts.items():
            self._taken[index] = self._taken.get(index, 0) + count

    def give_back(self, block: Pending, keys: Iterable[SubjectKey]) -> None:
        """The transaction that took room for `keys` was rolled back; what the block wrote before stays counted."""
        for key in keys:
            if key in self._new and key not in block.changes:
                self._taken[self._new.pop(key)] -= 1
