"""When to give up on a view and whom not to wait for (CONSENSUS 19-22): liveness, never safety.

Wrong answers here cost time, never agreement. Everything is in monotonic milliseconds. Time-outs double per consecutive
nullified view, skips not counted, and fall back on finality; they are not adapted per node, because nodes that adapt
by what each has seen drift apart until no two time out together.
"""

from __future__ import annotations

from typing import Final

from ledger.base.limits import SUBJECTS_PER_BLOCK
from ledger.chain.validators import ValidatorSet
from ledger.consensus.interface import Parameters

_DOUBLINGS_MAX: Final = 3
_MISSED_TURNS: Final = 2
_TELLING_SUBJECTS: Final = 100
"""A block of fewer tells little of how long a subject takes."""
VIEWS_AHEAD: Final = 2
"""Votes and proposals are accepted in the current view and this many after it (CONSENSUS 26)."""


class Pacing:
    """Timers of the current view, and what is known about which validators are awake."""

    def __init__(self, validators: ValidatorSet, me: int, parameters: Parameters) -> None:
        self._count = len(validators)
        self._quorum = validators.quorum
        self._me = me
        self.base_ms = parameters.leader_timeout_ms
        """t_l, undoubled: also the interval of re-sends."""
        self.half_ms = max(1, parameters.leader_timeout_ms // 2)
        """t_r; also the least interval between answers to one peer."""
        self.view = 0
        self.entered_at_ms = 0
        self.armed_at_ms: int | None = None
        self.resend_at_ms: int | None = None
        self._doublings = 0
        self._nullified_run = 0
        self._last_timely = [0] * self._count
        self._missed_turns = [0] * self._count
        self._left_at_ms: dict[int, int] = {}
        self._subject_us = 0
        """How long executing takes for each subject of a block; 0: not known."""

    # ---- the size of blocks

    def executed(self, subjects: int, took_ms: int) -> None:
        """A block with so many subjects was executed.

        One of a few tells only that a subject takes no more: else blocks that one slow moment made small would stay small.
        """
        if subjects >= _TELLING_SUBJECTS:
            took_us = 1_000 * took_ms // subjects
        elif subjects:
            took_us = min(1_000 * (took_ms + 1) // subjects, self._subject_us)
        else:
            return
        self._subject_us = took_us if not self._subject_us else (3 * self._subject_us + took_us) // 4

    def subjects_in_time(self) -> int:
        """How many subjects can be executed in t_l / 2: in a longer block others run out of patience with who is busy."""
        if not self._subject_us:
            return SUBJECTS_PER_BLOCK
        return min(SUBJECTS_PER_BLOCK, 1_000 * self.half_ms // self._subject_us)

    # ---- timers

    @property
    def leader_timeout_ms(self) -> int:
        """t_l of the current view."""
        return int(self.base_ms << min(self._doublings, _DOUBLINGS_MAX))

    def start_ms(self) -> int | None:
        """From when the timers of the current view run, or None while no work is pending."""
        return None if self.armed_at_ms is None else max(self.entered_at_ms, self.armed_at_ms)

    def arm(self, is_work_pending: bool, now_ms: int) -> None:
        """Arm the timers while work is pending, disarm them otherwise."""
        if not is_work_pending:
            self.armed_at_ms = self.resend_at_ms = None
        elif self.armed_at_ms is None:
            self.armed_at_ms = now_ms
            self.resend_at_ms = now_ms + self.base_ms

    def proposal_due_ms(self) -> int | None:
        """When the current view is given up for want of a proposal."""
        start = self.start_ms()
        return None if start is None else start + self.leader_timeout_ms

    def certificate_due_ms(self) -> int | None:
        """When the current view is given up for want of a certificate: 1.5 t_l."""
        start = self.start_ms()
        return None if start is None else start + self.leader_timeout_ms * 3 // 2

    # ---- the course of views

    def restart(self, view: int, now_ms: int) -> None:
        """Stand in `view` knowing nothing about anybody: unknown counts as active."""
        self.view = view
        self.entered_at_ms = now_ms
        self._last_timely = [view] * self._count

    def enter(self, view: int, now_ms: int) -> None:
        """Leave the current view, and every one between, for `view`."""
        for left in range(max(self.view, view - self._count), view):
            self._left_at_ms[left] = now_ms
        for old in [old for old in self._left_at_ms if old < view - 2 * self._count]:
            del self._left_at_ms[old]
        jumped = view - self.view > self._count
        self.view = view
        self.entered_at_ms = now_ms
        if jumped:
            self._last_timely = [max(view, last) for last in self._last_timely]
        if self.armed_at_ms is not None:
            self.resend_at_ms = now_ms + self.base_ms

    def view_nullified(self, *, by_skip: bool) -> None:
        """The current view ends nullified."""
        self._nullified_run += 1
        if not by_skip:
            self._doublings += 1

    def view_notarised(self) -> None:
        """The current view ends notarised."""
        self._nullified_run = 0

    def progressed(self) -> None:
        """A new view was finalised."""
        self._doublings = 0
        self._nullified_run = 0

    # ---- who is awake

    def is_timely(self, view: int, now_ms: int) -> bool:
        """Whether something for `view` that is here now came while it was current or within t_l of leaving it."""
        left_at = self._left_at_ms.get(view)
        return view >= self.view or (left_at is not None and now_ms <= left_at + self.base_ms)

    def voted(self, signer: int, view: int, now_ms: int) -> None:
        """A vote of `signer` for `view` is here, alone or in a certificate; one far ahead counts for the near future."""
        view = min(view, self.view + VIEWS_AHEAD)
        if view > self._last_timely[signer] and self.is_timely(view, now_ms):
            self._last_timely[signer] = view

    def proposed(self, leader: int, view: int, now_ms: int) -> None:
        """A proposal of `leader` for `view` is here."""
        if self.is_timely(view, now_ms):
            self._missed_turns[leader] = 0

    def turn_missed(self, leader: int) -> None:
        """A turn of `leader` ended by time-out without a proposal."""
        self._missed_turns[leader] += 1

    def is_skipped(self, leader: int) -> bool:
        """Whether to nullify the current view, led by `leader`, at once (CONSENSUS 21)."""
        if leader == self._me or self._nullified_run >= self._count:
            return False
        if self._missed_turns[leader] >= _MISSED_TURNS:
            return True
        oldest = self.view - self._count
        if self._last_timely[leader] >= oldest:
            return False
        return (
            sum(last >= oldest or i == self._me for i, last in enumerate(self._last_timely)) >= self._quorum
        )

    def is_late(self, view: int, now_ms: int) -> bool:
        """Whether a vote for a view that was left comes from someone who is stuck there, not from the usual last voter."""
        left_at = self._left_at_ms.get(view)
        return view < self.view and (left_at is None or now_ms >= left_at + self.half_ms)
