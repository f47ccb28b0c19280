"""What a validator says of itself: alarms, warnings of its clock, and how it is doing (DESIGN §6)."""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, Final

from ledger.base import limits
from ledger.base.errors import Code
from node.local.protocol import NodeStatus, PeerStatus
from node.logs import Log
from node.validator.clock import Clock

if TYPE_CHECKING:
    from node.validator.validator import Validator

_KEPT: Final = 20


class Alarms:
    """The last alarms and warnings, for the operator."""

    def __init__(self, clock: Clock, log: Log) -> None:
        self._clock = clock
        self._log = log
        self.last: deque[str] = deque(maxlen=_KEPT)
        self.count = 0
        self._is_clock_off = False

    def raise_alarm(self, message: str) -> None:
        """Something is wrong in the network."""
        self.last.append(message)
        self.count += 1
        self._log.error("alarm", reason=message)
        self.watch_clock()

    def watch_clock(self) -> None:
        """Say when this clock turns out to be off, and when it is right again."""
        warning = self._clock.warning()
        if (warning is not None) != self._is_clock_off:
            self._is_clock_off = warning is not None
            if warning is not None:
                self._log.error("clock", code=Code.CLOCK.value, reason=warning)
            else:
                self._log.info("clock right again")

    def check_clock(self, final_ms: int) -> None:
        """Warn of a clock behind the time of the last final block."""
        ahead_ms = final_ms - self._clock.wall_ms()
        if ahead_ms > limits.CLOCK_AHEAD_MS:
            message = (
                f"expected this clock not to be behind the last final block, it is {ahead_ms / 1000:.1f} s behind: "
                "this validator cannot vote until the clock is set"
            )
            self.last.append(message)
            self._log.error("clock", code=Code.CLOCK.value, reason=message)


def status_of(validator: Validator) -> NodeStatus:
    """How a validator is doing."""
    executor, machine = validator.executor, validator.machine
    connected = set(validator.mesh.connected)
    peers = tuple(
        PeerStatus(peer.organisation, str(peer.address), peer.transport_key in connected)
        for peer in validator.company.config.peers
    )
    clock = validator.clock.warning()
    past = validator.sync.completer.said()
    said = (clock, past, validator.eraser.said(), *validator.company.warnings, *validator.alarms.last)
    warnings = tuple(sentence for sentence in said if sentence is not None)
    checkpoint = executor.checkpoint
    return NodeStatus(
        validator.network,
        validator.member.genesis.name,
        validator.member.config.organisation,
        validator.phase,
        executor.final_header.height,
        executor.final_header.time_ms,
        0 if checkpoint is None else checkpoint.header.height,
        machine.view,
        validator.company.roster.names[machine.leader],
        validator.mempool.pending_transactions,
        validator.mempool.queued_bytes + validator.mempool.held_bytes,
        peers,
        warnings,
        os.getpid(),
        validator.started_ms,
        validator.epoch.number,
        validator.key is not None,
        validator.epoch.protocol,
    )
