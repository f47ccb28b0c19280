"""This node's time, and whether the others agree with it (CONSENSUS 14).

A block is voted for only if its time is at most 30 s behind and 5 s ahead of the voter's clock. A validator whose clock is
more than 5 s behind or 30 s ahead of the others' still follows and finalises, but votes for nothing; one more than 5 s ahead
votes, but what it proposes is refused. So it must be said: what peers stamp on their proposals tells. One peer may lie or be
wrong, so it takes more than f of them.
"""

from __future__ import annotations

from typing import Final

from ledger.base.limits import CLOCK_AHEAD_MS, CLOCK_BEHIND_MS
from node.validator.host import REAL, Host

_FRESH_MS: Final = 300_000


class Clock:
    """Monotonic time for timers, Unix time for blocks, both in milliseconds."""

    def __init__(self, offset_ms: int, faulty: int, host: Host = REAL) -> None:
        """`offset_ms`: added to the system's clock; `faulty`: how many peers may be wrong together."""
        self._host = host
        self._offset_ms = offset_ms
        self._faulty = faulty
        self._seen: dict[int, tuple[int, int]] = {}
        """Of each peer: the time it stamped last, and when that came, monotonic: a jump of this clock shows at once."""

    def forget_peers(self, faulty: int) -> None:
        """Another epoch: peers have other numbers, and more or fewer of them may be wrong."""
        self._faulty = faulty
        self._seen.clear()

    def now_ms(self) -> int:
        """Monotonic."""
        return self._host.monotonic_ms()

    def wall_ms(self) -> int:
        """Unix time."""
        return self._host.wall_ms() + self._offset_ms

    def saw(self, peer: int, block_time_ms: int) -> None:
        """A peer proposed a block of its own with this time; the same time again is the same block, and tells nothing."""
        if peer not in self._seen or self._seen[peer][0] != block_time_ms:
            self._seen[peer] = (block_time_ms, self.now_ms())

    def offset_ms(self) -> int | None:
        """By how much this clock is behind (above 0) or ahead of more than f peers, if it is too far off for them."""
        now_ms, wall_ms = self.now_ms(), self.wall_ms()
        offsets = [
            block_time_ms + now_ms - at_ms - wall_ms
            for block_time_ms, at_ms in self._seen.values()
            if now_ms - at_ms <= _FRESH_MS
        ]
        behind = sorted(offset for offset in offsets if offset > CLOCK_AHEAD_MS)
        ahead = sorted((offset for offset in offsets if offset < -CLOCK_AHEAD_MS), reverse=True)
        for off in (behind, ahead):
            if len(off) > self._faulty:
                return off[0]
        return None

    def warning(self) -> str | None:
        """One sentence for the operator, if the clock is off."""
        offset = self.offset_ms()
        if offset is None:
            return None
        side = "behind" if offset > 0 else "ahead of"
        means = "no block it proposes is taken" if -CLOCK_BEHIND_MS <= offset < 0 else "it cannot vote"
        return (
            f"expected this clock to be within {CLOCK_AHEAD_MS // 1000} s of the other validators', it is "
            f"{abs(offset) / 1000:.1f} s {side} theirs: {means} until the clock is set"
        )
