"""Which stretches of a file may be under way together, so that the ledger comes to what the file's order says.

Transactions under way together are ordered by the validators as they please. Making and observing things touches the things
named and nothing else, so two such stretches wait for each other only where they name the same. Every other act may reach
what is inside a container or bound to a document without naming it (RULES, containers): a stretch with one waits for all
before it, and all after it wait for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from ledger.trade.statement import Action, Extract

FREE: Final = frozenset({Action.MAKE, Action.OBSERVE})


class Touched(NamedTuple):
    """What a stretch acts upon."""

    names: frozenset[str]
    is_alone: bool
    """Whether it may reach what it does not name."""


def touched(extracts: Sequence[Extract]) -> Touched:
    """What the events of a stretch act upon."""
    names = frozenset(subject.identifier for extract in extracts for subject in extract.subjects)
    return Touched(names, any(extract.statement.action not in FREE for extract in extracts))


class UnderWay:
    """The stretches under way, each to be begun in the file's order."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._held: dict[int, Touched] = {}

    def waits_for(self, wanted: Touched) -> frozenset[int]:
        """The stretches that have to end before one that touches this may begin."""
        if wanted.is_alone:
            return frozenset(self._held)
        alone = (number for number, one in self._held.items() if one.is_alone)
        same = (self._last[name] for name in wanted.names if name in self._last)
        return frozenset((*alone, *same))

    def begin(self, number: int, what: Touched) -> None:
        """A stretch is under way; it waits for none of those that are."""
        self._held[number] = what
        self._last.update(dict.fromkeys(what.names, number))

    def end(self, number: int) -> None:
        """A stretch is done."""
        for name in self._held.pop(number).names:
            if self._last.get(name) == number:
                del self._last[name]
