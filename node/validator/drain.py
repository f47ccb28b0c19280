"""How fast what was handed in here becomes final: to tell who must wait for how long, and how much to have under way."""

from __future__ import annotations

from collections import deque
from typing import Final

BLOCKS: Final = 16
"""Of the last so many blocks with work of this node the rate is taken."""
LONGEST_S: Final = 60


class Drain:
    """Times and work of the last blocks."""

    def __init__(self) -> None:
        self._noted: deque[tuple[int, int]] = deque(maxlen=BLOCKS)

    def note(self, now_ms: int, work: int) -> None:
        """A block is final, with that much work of this node in it."""
        if work:
            self._noted.append((now_ms, work))

    def work_in(self, span_ms: int, now_ms: int) -> int:
        """How much work is done in that time, 0 where nothing tells."""
        if len(self._noted) < 2:
            return 0
        return self._done() * span_ms // max(1, now_ms - self._noted[0][0])

    def _done(self) -> int:
        """Since the first block that is remembered."""
        return sum([one for _, one in self._noted]) - self._noted[0][1]

    def seconds_for(self, work: int, now_ms: int) -> int:
        """In how many whole seconds, 1 to 60, that much work is done; 1 where nothing tells how fast it goes."""
        if len(self._noted) < 2:
            return 1
        began_ms = self._noted[0][0]
        needed_ms = work * max(1, now_ms - began_ms) // self._done()
        return min(LONGEST_S, max(1, -(-needed_ms // 1_000)))
