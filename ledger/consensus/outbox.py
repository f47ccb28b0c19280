"""What one step leaves behind: records first, then effects in order.

Records come first so that nothing a step says leaves before it is logged (CONSENSUS 23); logging earlier than needed is
always right.
"""

from __future__ import annotations

from ledger.consensus.interface import Alarm, Broadcast, Drop, Effect, Persist, Send
from ledger.consensus.messages import Message, Record


class Outbox:
    """Collects the effects of one step."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._effects: list[Effect] = []

    def log(self, record: Record) -> None:
        """Append to the vote log."""
        self._records.append(record)

    def add(self, effect: Effect) -> None:
        """Any other effect."""
        self._effects.append(effect)

    def send(self, peer: int, message: Message) -> None:
        """A message to one peer."""
        self._effects.append(Send(peer, message))

    def broadcast(self, message: Message) -> None:
        """A message to all peers."""
        self._effects.append(Broadcast(message))

    def drop(self, peer: int, reason: str) -> None:
        """Part with a peer."""
        self._effects.append(Drop(peer, reason))

    def alarm(self, message: str) -> None:
        """Tell the operator."""
        self._effects.append(Alarm(message))

    def take(self) -> list[Effect]:
        """All effects since the last call, in order."""
        effects = self._effects
        if self._records:
            effects.insert(0, Persist(tuple(self._records)))
        self._records, self._effects = [], []
        return effects
