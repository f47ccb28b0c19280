"""How many votes a change needs: thresholds by kind of change, and floors under them (GOVERNANCE.md §3).

    rules = [[kind of change, numerator, denominator], ...]     ascending by kind; the parameter `constitution`

One vote an organisation. With n organisations that have a vote, suspended ones counted (or suspending would shrink the
electorate), a change needs at least numerator/denominator of n, and never fewer than its floor: of an emergency suspension
f + 1, of everything else a quorum, always two. The constitution itself needs what the strictest kind needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any, Final, NamedTuple

from ledger.base.encoding import take_array, take_int
from ledger.base.errors import Code, FormError, RuleError
from ledger.base.quorum import max_faulty, quorum
from ledger.members.draft import RegistryDraft
from ledger.members.members import Use, key_from_data
from ledger.members.registry import Entry, Kind

CONSTITUTION: Final = "constitution"
"""The parameter that holds the rules."""
APPROVERS_LEAST: Final = 4
"""So many organisations with a vote must remain: of fewer, none may fail."""
_TOGETHER: Final = 2
_DENOMINATOR_MOST: Final = 100


class ChangeKind(IntEnum):
    """What a proposal would change."""

    ADD_ORGANISATION = 0
    REMOVE_ORGANISATION = 1
    SUSPEND = 2
    REINSTATE = 3
    EMERGENCY = 4
    VALIDATORS = 5
    GRANT = 6
    PARTY = 7
    ISSUER = 8
    JURISDICTION = 9
    SUCCESSOR = 10
    RECOVER = 11
    CONSTITUTION = 12
    PARAMETER = 13
    APPROVER = 14


class Share(NamedTuple):
    """Of all votes, at least this part."""

    numerator: int
    denominator: int

    def of(self, count: int) -> int:
        """How many votes of `count` are at least this part."""
        return -(-count * self.numerator // self.denominator)


Rules = tuple[tuple[int, int, int], ...]
DEFAULT_RULES: Final[Rules] = ((int(ChangeKind.CONSTITUTION), 4, 5),)
"""What holds where nothing is stated, and is stated in a genesis that says nothing else."""


class Electorate(NamedTuple):
    """Who votes, and by what rules, as the acts so far leave it."""

    organisations: tuple[str, ...]
    """With a vote, ascending; suspended ones too."""
    seats: int
    """Of the validators: f of these may not change anything either."""
    rules: Rules

    @property
    def size(self) -> int:
        """N."""
        return len(self.organisations)

    def floor(self, kind: int) -> int:
        """So many votes a change of this kind needs whatever the rules say."""
        least = max_faulty(self.seats) + 1
        if kind != ChangeKind.EMERGENCY:
            return max(quorum(self.size), least, _TOGETHER)
        return max(max_faulty(self.size) + 1, least, _TOGETHER)

    def stated(self, kind: int) -> int:
        """So many votes the rules ask for."""
        for stated, numerator, denominator in (*self.rules, *DEFAULT_RULES):
            if stated == kind:
                return Share(numerator, denominator).of(self.size)
        return 0

    def needed(self, kind: int) -> int:
        """How many yes votes a change of this kind needs."""
        own = max(self.floor(kind), self.stated(kind))
        if kind != ChangeKind.CONSTITUTION:
            return own
        return max(own, *(self.needed(other) for other in ChangeKind if other != ChangeKind.CONSTITUTION))


def electorate_of(draft: RegistryDraft, seats: int) -> Electorate:
    """Who has a vote, as `draft` stands: by an APPROVER entry; without one, who had an approver's key in genesis."""
    rules = draft.get(Kind.PARAMETER, CONSTITUTION)
    organisations = draft.derived(_voting, Kind.APPROVER)
    return Electorate(organisations, seats, () if rules is None else rules)


def _voting(draft: RegistryDraft) -> tuple[str, ...]:
    # Of keys only those of genesis count, which no act changes: what a block sets is of APPROVER entries alone.
    return voting(draft.all_of(Kind.APPROVER), draft.entries(Kind.KEY))


def voting(stated: Mapping[str, Any], keys: Iterable[Entry]) -> tuple[str, ...]:
    """The organisations with a vote, ascending: `stated` by an APPROVER entry; of those without one, by a key of genesis."""
    found = {name for name, has_vote in stated.items() if has_vote}
    for entry in keys:
        data = entry.at(0)
        if data is not None:
            key = key_from_data(data)
            if key.use == Use.APPROVER and key.organisation not in stated:
                found.add(key.organisation)
    return tuple(sorted(found))


def take_rules(value: Any) -> Rules:
    """Rules from a decoded array, ascending by kind of change; FormError."""
    rules = []
    for rule in take_array(value, "constitution", most=len(ChangeKind)):
        kind, numerator, denominator = take_array(rule, "rule", 3)
        kind = take_int(kind, "kind of change", 0, max(ChangeKind))
        denominator = take_int(denominator, "denominator", 1, _DENOMINATOR_MOST)
        rules.append((kind, take_int(numerator, "numerator", 1, denominator), denominator))
    kinds = [kind for kind, _, _ in rules]
    if kinds != sorted(set(kinds)):
        raise FormError(
            Code.NOT_CANONICAL, "constitution: expected each kind of change once, in ascending order"
        )
    return tuple(rules)


def check_rules(rules: Rules, electorate: Electorate) -> None:
    """Raise RuleError where a stated share is below its floor: it would promise less than holds."""
    stated = electorate._replace(rules=rules)
    for kind, numerator, denominator in rules:
        if stated.stated(kind) < stated.floor(kind):
            raise RuleError(
                Code.LIMIT,
                f"constitution: expected changes of kind {kind} to need at least {stated.floor(kind)} of "
                f"{stated.size} votes, got {numerator}/{denominator}",
            )
    strictest = max(stated.needed(kind) for kind in ChangeKind)
    own = max(stated.floor(ChangeKind.CONSTITUTION), stated.stated(ChangeKind.CONSTITUTION))
    if own < strictest:
        raise RuleError(
            Code.LIMIT,
            f"constitution: expected its own change to need the most votes, {strictest} of {stated.size}, got {own}",
        )
