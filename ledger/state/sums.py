"""The sums that a record keeps of what lies below it: children, levels, holds per authority, lots (RULES.md §2).

They change without a link of the record's own and are never re-derived by a verifier, so execution may add them up over
the whole event. It does so one leg after another, each against the structure as the legs before left it: that way nothing
is counted twice however the subjects of an event lie inside each other, and the order of the event's subjects is of no
consequence.

Invariants, for every record: `children`, `inside` and `lots` are what a scan of all records would count; `levels` is not
less.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ledger.base import limits
from ledger.base.errors import Code, RuleError
from ledger.trade.record import Record, Space, SubjectKey
from ledger.trade.rules import Decision, Leg, View
from ledger.trade.rules.view import held_with, thing

_Counts = tuple[tuple[str, int], ...]
_THING: Final = Space.THING
_BALANCE: Final = Space.BALANCE


class Sums:
    """What one record sums up."""

    __slots__ = ("children", "inside", "levels", "lots")

    def __init__(self, record: Record) -> None:
        self.children = record.children
        self.levels = record.levels
        self.inside = record.inside
        self.lots = record.lots

    def put_into(self, record: Record) -> Record:
        """`record` with these sums."""
        if (record.children, record.levels, record.inside, record.lots) == (
            self.children,
            self.levels,
            self.inside,
            self.lots,
        ):
            return record
        return record._replace(children=self.children, levels=self.levels, inside=self.inside, lots=self.lots)


def summed_up(view: View, decided: Iterable[tuple[Leg, Decision]]) -> dict[SubjectKey, Sums]:
    """The sums of every record whose sums, or whose place among containers, the decisions change.

    Raises RuleError (limit) where a container would hold more lots, or things held by more authorities, than are kept.
    """
    changing = [pair for pair in decided if not pair[1].aside and is_summed(view, *pair)]
    if not changing:
        return {}
    sums = _Summing(view)
    for leg, decision in sorted(changing, key=_by_key):
        if leg.key.space == _THING:
            sums.place(leg.key, decision.record)
        else:
            sums.list_lot(leg.key, decision.record)
    return sums.found


def is_summed(view: View, leg: Leg, decision: Decision) -> bool:
    """Whether anything is summed up of what is decided: a thing that moves or is held, a balance in a container."""
    after = decision.record
    if leg.key.space != _THING:
        return leg.key.space == _BALANCE and after.parent is not None and after.quantity is not None
    before = view.record(leg.key)
    return before is not after and (
        before.parent != after.parent
        or before.parent_generation != after.parent_generation
        or before.generation != after.generation
        or before.holds != after.holds
    )


def _by_key(pair: tuple[Leg, Decision]) -> SubjectKey:
    return pair[0].key


class _Summing:
    """Sums and structure during the sum, on top of the records before the event."""

    def __init__(self, view: View) -> None:
        self.found: dict[SubjectKey, Sums] = {}
        self._placed: dict[SubjectKey, Record] = {}
        self._view = view

    def _now(self, key: SubjectKey) -> Record:
        """The record, but for its sums."""
        found = self._placed.get(key)
        return self._view.record(key) if found is None else found

    def _sums(self, key: SubjectKey) -> Sums:
        found = self.found.get(key)
        if found is None:
            found = self.found[key] = Sums(self._view.record(key))
        return found

    def place(self, key: SubjectKey, decided: Record) -> None:
        """Put a thing where its decision says: out of its old containers' sums, into those of the new ones."""
        before, own = self._now(key), self._sums(key)
        moves = before.parent != decided.parent or before.parent_generation != decided.parent_generation
        held = held_with(before.holds, own.inside)
        is_emptied = before.generation != decided.generation
        holding = held_with(decided.holds, () if is_emptied else own.inside)
        changes = moves or held != holding
        if changes and before.parent is not None:
            self._add(self._line(before), -1, held, child=moves, levels=0)
        if is_emptied:
            own.children, own.levels, own.inside, own.lots = 0, 0, (), ()
        self._placed[key] = decided
        if changes and decided.parent is not None:
            self._add(self._line(decided), 1, holding, child=moves, levels=own.levels + 1)

    def _line(self, record: Record) -> list[SubjectKey]:
        """The live containers of a record, nearest first."""
        line: list[SubjectKey] = []
        while record.parent is not None:
            key = thing(record.parent)
            parent = self._now(key)
            if parent.generation != record.parent_generation:
                break
            if len(line) > 2 * limits.NESTING_LEVELS:
                raise RuleError(Code.LIMIT, f"expected at most {limits.NESTING_LEVELS} levels, got more")
            line.append(key)
            record = parent
        return line

    def _add(self, line: list[SubjectKey], sign: int, held: _Counts, *, child: bool, levels: int) -> None:
        for distance, key in enumerate(line):
            sums = self._sums(key)
            if held:
                sums.inside = _added(sums.inside, sign, held)
            if child and distance == 0:
                sums.children += sign
            if levels:
                sums.levels = max(sums.levels, levels + distance)
            if not sums.children:
                sums.levels = 0

    def list_lot(self, balance: SubjectKey, decided: Record) -> None:
        """A container lists the lots that have a balance in its generation."""
        key = thing(str(decided.parent))
        if self._now(key).generation != decided.parent_generation:
            return
        known = self.found.get(key)
        listed = self._view.record(key).lots if known is None else known.lots
        if balance.identifier in listed:
            return
        lots = tuple(sorted((*listed, balance.identifier)))
        if len(lots) > limits.LOTS_PER_CONTAINER:
            raise RuleError(Code.LIMIT, f"expected at most {limits.LOTS_PER_CONTAINER} lots in one container")
        self._sums(key).lots = lots


def _added(inside: _Counts, sign: int, held: _Counts) -> _Counts:
    """Holds per authority inside of a container once a thing with so many came in (1), or went out (-1)."""
    counts = dict(inside)
    for authority, number in held:
        counts[authority] = counts.get(authority, 0) + sign * number
    kept = tuple(sorted((authority, number) for authority, number in counts.items() if number))
    if len(kept) > limits.HELD_INSIDE_AUTHORITIES:
        raise RuleError(
            Code.LIMIT,
            f"expected things held by at most {limits.HELD_INSIDE_AUTHORITIES} authorities in one container",
        )
    return kept
