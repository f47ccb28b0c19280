"""How far a capture is, how fast it goes and how long it will take, in one line."""

from __future__ import annotations

from collections import deque
from typing import Final

from client.capture.journal import Counts

WINDOW_S: Final = 30.0
"""The rate is that of so long a time."""


class Progress:
    """Counts over time; times are seconds of any steady clock."""

    def __init__(self, events: int, done: int, now_s: float) -> None:
        """`events`: of the whole file; `done`: before this run."""
        self._events = events
        self._seen = deque([(now_s, done)])

    def line(self, counts: Counts, now_s: float) -> str:
        """`412,300 of 1,000,000 events (41 %), 2,410 events/s, 4 min left, 12 refused`."""
        self._seen.append((now_s, counts.done))
        while len(self._seen) > 2 and now_s - self._seen[0][0] > WINDOW_S:
            self._seen.popleft()
        (since_s, before), (_, now) = self._seen[0], self._seen[-1]
        seconds = now_s - since_s
        parts = [f"{now:,} of {self._events:,} events ({100 * now // self._events} %)"]
        if now > before and seconds > 0:
            rate = (now - before) / seconds
            parts += [f"{rate:,.0f} events/s", f"{_length((self._events - now) / rate)} left"]
        if counts.recorded:
            parts.append(f"{counts.recorded:,} recorded without effect")
        if counts.refused:
            parts.append(f"{counts.refused:,} refused")
        return ", ".join(parts)


def _length(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3_600:.0f} h"
