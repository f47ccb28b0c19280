"""This node's time, and whether the others agree with it (CONSENSUS 14).

A block is voted for only if its time is at most 30 s behind and 5 s ahead of the voter's clock. A validator whose clock is
further off still follows and finalises, but its votes and its proposals are worth nothing, so it must be said: what peers
stamp on their proposals tells. One peer may lie or be wrong, so it takes more than f of them.
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

    def now_ms(self) -> int:
        """Monotonic."""
        return self._host.monotonic_ms()

    def wall_ms(self) -> int:
        """Unix time."""
        return self._host.wall_ms() + self._offset_ms

    def saw(self, peer: int, block_time_ms: int) -> None:
        """A peer stamped a fresh block with this time just now."""
        self._seen[peer] = (block_time_ms - self.wall_ms(), self.now_ms())

    def offset_ms(self) -> int | None:
        """By how much this clock is behind (above 0) or ahead of more than f peers, if it is too far off for them."""
        fresh = self.now_ms() - _FRESH_MS
        offsets = [offset for offset, at_ms in self._seen.values() if at_ms >= fresh]
        behind = sorted(offset for offset in offsets if offset > CLOCK_AHEAD_MS)
        ahead = sorted((offset for offset in offsets if offset < -CLOCK_BEHIND_MS), reverse=True)
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
        return (
            f"expected this clock to be within {CLOCK_AHEAD_MS // 1000} s of the other validators', it is "
            f"{abs(offset) / 1000:.1f} s {side} theirs: this validator cannot vote until the clock is set"
        )
