"""What a block changes before it is part of the state, and room for it in the state tree."""

from __future__ import annotations

from collections.abc import Iterable

from ledger.base import limits
from ledger.base.errors import Code, RuleError
from ledger.state.item import ItemChanges
from ledger.state.state import LedgerState
from ledger.trade.record import EMPTY, Record, SubjectKey


class Pending:
    """Changes of a block, not yet part of the state; those of its last transaction can be taken back."""

    def __init__(self, state: LedgerState) -> None:
        self._state = state
        self._before: list[tuple[SubjectKey, Record | None]] = []
        self._may_roll_back = True
        self.changes: dict[SubjectKey, Record] = {}
        self.rows: list[ItemChanges] = []
        self.versions: dict[bytes, bytes] = {}
        """By its hash the encoding of every record that an item read and that is not the empty one."""

    def record(self, key: SubjectKey) -> Record:
        """The record as changed so far."""
        found = self.changes.get(key)
        return self._state.record(key) if found is None else found

    def hash_of(self, key: SubjectKey, record: Record) -> bytes:
        """The hash of the record now under `key`."""
        if record is EMPTY:
            return self._state.empty_hash
        _, hashed, data, _ = self._state.stored(key, record)
        self.versions[hashed] = data
        return hashed

    def begin(self, *, may_roll_back: bool) -> int:
        """A transaction begins; what `roll_back` takes, where it may come to that."""
        self._before.clear()
        self._may_roll_back = may_roll_back
        return len(self.rows)

    def add(self, row: ItemChanges) -> None:
        """Take one item's changes in."""
        changes, records = self.changes, row.records
        if self._may_roll_back:
            self._before += [(key, changes.get(key)) for key in records]
        changes.update(records)
        self.rows.append(row)

    def roll_back(self, rows: int) -> list[SubjectKey]:
        """Take back what was added since `begin`; the keys that it would have changed and nothing before it did."""
        del self.rows[rows:]
        gone = []
        for key, before in reversed(self._before):
            if before is None:
                del self.changes[key]
                gone.append(key)
            else:
                self.changes[key] = before
        self._before.clear()
        return gone


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
        state, new = self._state, self._new
        counted: list[SubjectKey] = []
        for key in keys:
            if key in new or state.remembers(key):
                continue
            index, size, is_there = state.tree.find(state.state_key(key))
            if is_there:
                continue
            try:
                self.take_new(key, index, size)
            except RuleError:
                self.give_back(counted)
                raise
            counted.append(key)

    def take_new(self, key: SubjectKey, index: int, size: int) -> None:
        """Count one that is new, and not counted yet, in a bucket of `size`; RuleError(limit) if that would overflow."""
        count = self._taken.get(index, 0) + 1
        if size + count > limits.BUCKET_ENTRIES:
            raise RuleError(
                Code.LIMIT,
                f"expected room for the record of {key.identifier}, its part of the state tree is full",
            )
        self._taken[index], self._new[key] = count, index

    def give_back(self, keys: Iterable[SubjectKey]) -> None:
        """The item, or the transaction, that took room for `keys`, and nothing before it, was refused or rolled back."""
        for key in keys:
            if key in self._new:
                self._taken[self._new.pop(key)] -= 1
