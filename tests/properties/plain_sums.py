"""The sums of RULES.md §2 as the specification words them: leg after leg, each against whole records as the legs before left them.

The oracle of `ledger.state.sums`, which adds up the same in place and leaves out what no leg changes.
"""

from __future__ import annotations

from collections.abc import Iterable

from ledger.base import limits
from ledger.base.errors import Code, RuleError
from ledger.trade.record import Record, Space, SubjectKey
from ledger.trade.rules import Decision, Leg, View
from ledger.trade.rules.view import held_by, thing

_Counts = tuple[tuple[str, int], ...]


def summed_up(view: View, decided: Iterable[tuple[Leg, Decision]]) -> dict[SubjectKey, Record]:
    """Every record whose sums, or whose place among containers, the decisions change: as it is then, chains apart.

    Raises RuleError (limit) where a container would hold more lots, or things held by more authorities, than are kept.
    """
    sums = _Sums(view)
    for leg, decision in sorted(decided, key=_by_key):
        if decision.aside:
            continue
        if leg.key.space == Space.THING:
            sums.place(leg.key, decision.record)
        elif leg.key.space == Space.BALANCE:
            sums.list_lot(leg.key, decision.record)
    return sums.records


def _by_key(pair: tuple[Leg, Decision]) -> SubjectKey:
    return pair[0].key


class _Sums:
    """Records during the sum, on top of those before the event."""

    def __init__(self, view: View) -> None:
        self.records: dict[SubjectKey, Record] = {}
        self._view = view

    def _now(self, key: SubjectKey) -> Record:
        found = self.records.get(key)
        return self._view.record(key) if found is None else found

    def place(self, key: SubjectKey, decided: Record) -> None:
        """Put a thing where its decision says: out of its old containers' sums, into those of the new ones."""
        before = self._now(key)
        if (before.parent, before.parent_generation, before.generation, before.holds) == (
            decided.parent,
            decided.parent_generation,
            decided.generation,
            decided.holds,
        ):
            return
        after = _with_sums(decided, before)
        moves = (before.parent, before.parent_generation) != (after.parent, after.parent_generation)
        held, holding = held_by(before), held_by(after)
        if moves or held != holding:
            self._add(self._line(before), -1, held, child=moves, levels=0)
        self.records[key] = after
        if moves or held != holding:
            self._add(self._line(after), 1, holding, child=moves, levels=after.levels + 1)

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
            record = self._now(key)
            inside = dict(record.inside)
            for authority, number in held:
                inside[authority] = inside.get(authority, 0) + sign * number
            kept = tuple(sorted((authority, number) for authority, number in inside.items() if number))
            if len(kept) > limits.HELD_INSIDE_AUTHORITIES:
                raise RuleError(
                    Code.LIMIT,
                    f"expected things held by at most {limits.HELD_INSIDE_AUTHORITIES} authorities in one container",
                )
            children = record.children + (sign if child and distance == 0 else 0)
            reached = max(record.levels, levels + distance) if levels else record.levels
            self.records[key] = record._replace(
                children=children, levels=reached if children else 0, inside=kept
            )

    def list_lot(self, balance: SubjectKey, decided: Record) -> None:
        """A container lists the lots that have a balance in its generation."""
        if decided.parent is None or decided.quantity is None:
            return
        key = thing(decided.parent)
        container = self._now(key)
        if container.generation != decided.parent_generation or balance.identifier in container.lots:
            return
        lots = tuple(sorted((*container.lots, balance.identifier)))
        if len(lots) > limits.LOTS_PER_CONTAINER:
            raise RuleError(Code.LIMIT, f"expected at most {limits.LOTS_PER_CONTAINER} lots in one container")
        self.records[key] = container._replace(lots=lots)


def _with_sums(decided: Record, before: Record) -> Record:
    """The decided record with the sums as they are now, or none where everything came out of it."""
    if decided.generation != before.generation:
        return decided._replace(children=0, levels=0, inside=(), lots=())
    return decided._replace(
        children=before.children, levels=before.levels, inside=before.inside, lots=before.lots
    )
