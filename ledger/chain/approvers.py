"""Who may approve what closes an epoch, as the registry says it (CONSENSUS 29; ADR 10; WIRE_CONSENSUS §7).

    approvers = Approvers(network, registry, approvers_height(height))               of a block at `height`

Invariant: of one height every registry of that height or later gives the same answers, since its entries have periods.
"""

from __future__ import annotations

from typing import Protocol

from ledger.base import limits
from ledger.base.quorum import quorum
from ledger.members.constitution import CONSTITUTION, ChangeKind, Electorate, voting
from ledger.members.members import Members, Use
from ledger.members.registry import Kind as RegistryKind
from ledger.members.registry import Registry


class Company(Protocol):
    """Who knows the members."""

    def is_member(self, organisation: str) -> bool:
        """Whether an organisation may hold a seat."""


class Approvers:
    """Who may approve a change, by the registry in force at one height: organisations with a vote, by their keys.

    A block's approvers are those of `APPROVERS_BELOW` blocks before it (ADR 10).
    """

    __slots__ = ("_members", "_rules", "network", "organisations")

    def __init__(self, network: bytes, registry: Registry, height: int) -> None:
        """`registry`: of that height or of any later one, which knows it too."""
        self.network = network
        self._members = Members(registry, height)
        stated = {entry.name: entry.at(height) for entry in registry.of_kind(RegistryKind.APPROVER)}
        known = {name: has_vote for name, has_vote in stated.items() if has_vote is not None}
        self.organisations = voting(known, registry.of_kind(RegistryKind.KEY))
        """All with a vote, suspended ones too: fewer would make a quorum of fewer."""
        self._rules = self._members.parameter(CONSTITUTION)

    def needed(self, seats: int) -> int:
        """How many of them must approve the end of an epoch of so many validators: what a vote on it needs (GOVERNANCE.md §3).

        A quorum where no constitution was ever stated; at least one, so nobody can where there are none.
        """
        if self._rules is None:
            return quorum(max(1, len(self.organisations)))
        return Electorate(self.organisations, seats, self._rules).needed(ChangeKind.VALIDATORS)

    def is_member(self, organisation: str) -> bool:
        """Whether an organisation may hold a seat."""
        return self._members.organisation(organisation) is not None

    def organisation_of(self, public_key: bytes, time_ms: int) -> str | None:
        """The organisation that approves with this key at a block time, or None.

        A revoked key approves nothing, nor one marked as compromised, nor a suspended organisation; that a certificate has
        expired does not matter, or a quorum could be locked out by a date.
        """
        key = self._members.key(public_key)
        if key is None or key.use != Use.APPROVER or key.compromised_since is not None:
            return None
        suspension = self._members.suspension(key.organisation, time_ms)
        is_barred = suspension is not None and not suspension.is_emergency
        return None if is_barred or key.organisation not in self.organisations else key.organisation


def approvers_height(height: int) -> int:
    """The height whose registry names the approvers of a block at `height`."""
    return max(0, height - limits.APPROVERS_BELOW)
