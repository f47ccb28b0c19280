"""Governing a network, as a member sees it: what was proposed, who voted how, what came of it (GOVERNANCE.md).

Everything is read off a registry that was verified (`ledger.proof.registry`), so a node's word is not needed. A proposal and
its ballots stay there for good, with the height at which each came to stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from ledger.base.encoding import decode, encode
from ledger.base.errors import Code, FormError
from ledger.base.limits import PROPOSAL_BYTES
from ledger.chain.epoch import parse_change
from ledger.members.constitution import ChangeKind, electorate_of
from ledger.members.draft import RegistryDraft
from ledger.members.governance import Act, Status
from ledger.members.registry import Kind, Registry
from ledger.proof.narrate import instant
from ledger.proof.registry import VerifiedRegistry

EXPIRED: Final = "expired"
_ID_SHOWN: Final = 16


class Ballot(NamedTuple):
    """One organisation's vote."""

    organisation: str
    is_yes: bool
    height: int
    """Of the block that took it."""
    approval: tuple[bytes, bytes] | None
    """(key, signature): on a change of validators, what the change itself needs from an approver."""


class Proposal(NamedTuple):
    """A proposal with everything that was said of it."""

    id: bytes
    proposer: str
    change: tuple[Any, ...]
    expires_ms: int
    reason: str
    status: Status
    height: int
    """Of the block it was proposed in."""
    settled: int | None
    """Of the block in which it stopped being open, None while it is."""
    ballots: tuple[Ballot, ...]
    """In order of their blocks."""

    def word(self, time_ms: int) -> str:
        """Where it stands at a block time, in one word."""
        if self.status == Status.OPEN and self.expires_ms <= time_ms:
            return EXPIRED
        return self.status.name.lower()

    def votes(self, *, yes: bool) -> tuple[str, ...]:
        """Who voted yes, or no."""
        return tuple(sorted(one.organisation for one in self.ballots if one.is_yes is yes))


# --- what stands in a registry


def proposals(registry: Registry) -> tuple[Proposal, ...]:
    """All there ever were, the oldest first."""
    ballots: dict[str, list[Ballot]] = {}
    for entry in registry.of_kind(Kind.BALLOT):
        name, _, organisation = entry.name.partition("|")
        is_yes, public_key, approval = entry.periods[0].data
        given = None if approval is None else (public_key, approval)
        ballots.setdefault(name, []).append(Ballot(organisation, is_yes, entry.periods[0].since - 1, given))
    found = []
    for entry in registry.of_kind(Kind.PROPOSAL):
        proposer, change, expires_ms, reason, status = entry.periods[-1].data
        settled = None if status == Status.OPEN else entry.periods[-1].since - 1
        cast = sorted(ballots.get(entry.name, ()), key=lambda one: (one.height, one.organisation))
        found.append(
            Proposal(
                bytes.fromhex(entry.name), proposer, change, expires_ms, reason, Status(status),
                entry.periods[0].since - 1, settled, tuple(cast),
            )
        )  # fmt: skip
    return tuple(sorted(found, key=lambda one: (one.height, one.id)))


def proposal_of(registry: Registry, text: str) -> Proposal:
    """The proposal whose id begins with `text`, hexadecimal digits; FormError where it is none or several."""
    wanted = text.strip().lower()
    found = [one for one in proposals(registry) if wanted and one.id.hex().startswith(wanted)]
    if len(found) != 1:
        raise FormError(
            Code.USAGE,
            f"expected the id of one proposal, or the digits it begins with, got {text[:64]!a}: it names {len(found)}",
        )
    return found[0]


def needed(found: VerifiedRegistry, kind: int) -> tuple[int, int]:
    """(how many yes votes a change of this kind needs, of how many) as of the registry's checkpoint."""
    draft = RegistryDraft(found.registry, found.checkpoint.header.height + 1)
    electorate = electorate_of(draft, len(found.known.validators))
    return electorate.needed(kind), electorate.size


def history(registry: Registry) -> Iterator[tuple[int, str, Proposal]]:
    """(height, what happened, the proposal) of every proposal and ballot, in order."""
    found: list[tuple[int, int, str, Proposal]] = []
    for one in proposals(registry):
        found.append((one.height, 0, f"{one.proposer} proposed", one))
        found += [
            (ballot.height, 1, f"{ballot.organisation} voted {'yes' if ballot.is_yes else 'no'}", one)
            for ballot in one.ballots
        ]
        if one.settled is not None:
            found.append((one.settled, 2, f"it was {one.status.name.lower()}", one))
    found.sort(key=lambda fact: (fact[0], fact[1], fact[3].id))
    for height, _, text, proposal in found:
        yield height, text, proposal


# --- what is signed


def propose_item(change: Sequence[Any], expires_ms: int, reason: str) -> tuple[Any, ...]:
    """The item that proposes a change."""
    return (int(Act.PROPOSE), tuple(change), expires_ms, reason)


def ballot_item(proposal: bytes, *, yes: bool, approval: bytes | None = None) -> tuple[Any, ...]:
    """The item that votes; `approval`: on a change of validators, the approver's signature over that change."""
    return (int(Act.BALLOT), proposal, yes, approval)


def withdraw_item(proposal: bytes) -> tuple[Any, ...]:
    """The item by which its proposer takes a proposal back."""
    return (int(Act.WITHDRAW), proposal)


# --- in words


def describe(change: Sequence[Any]) -> str:
    """A proposed change in one sentence."""
    kind, *fields = change
    return _WORDS[ChangeKind(kind)](*fields)


def _added(identifier: str, name: str, country: str, roles: Sequence[str], simulated: bool, parties: Sequence[str],
           lei: str | None, authority: bytes, is_approver: bool) -> str:  # fmt: skip
    parts = [f"add {identifier}, {name} ({country}; {', '.join(roles) or 'no role'})"]
    parts += [f"parties {', '.join(parties)}"] if parties else []
    parts += [f"LEI {lei}"] if lei else []
    parts.append(f"authority key {authority.hex()[:_ID_SHOWN]}...")
    parts += ["with a vote"] if is_approver else []
    parts += ["SIMULATED"] if simulated else []
    return "; ".join(parts)


def _seats(value: Any) -> str:
    change = parse_change(decode(encode(value), max_bytes=PROPOSAL_BYTES))
    who = ", ".join(seat.organisation for seat in change.seats)
    settings = "".join(f"; {name} = {setting}" for name, setting in change.parameters)
    return (
        f"close epoch {change.epoch}; then validate {who} under protocol version {change.protocol}{settings}"
    )


def _given(what: str, name: str, organisation: str | None) -> str:
    return (
        f"take {what} {name} from whoever has it"
        if organisation is None
        else f"give {what} {name} to {organisation}"
    )


def _jurisdiction(organisation: str, places: Sequence[str] | None) -> str:
    if places is None:
        return f"end the jurisdiction of {organisation}"
    return f"give {organisation} jurisdiction over {', '.join('everywhere' if one == '*' else one for one in places)}"


def _rules(rules: Sequence[tuple[int, int, int]]) -> str:
    shares = [
        f"{ChangeKind(kind).name.lower()} {numerator}/{denominator}" for kind, numerator, denominator in rules
    ]
    return f"change the constitution: {', '.join(shares) or 'floors alone'}"


_WORDS: Final[dict[ChangeKind, Callable[..., str]]] = {
    ChangeKind.ADD_ORGANISATION: _added,
    ChangeKind.REMOVE_ORGANISATION: lambda who: f"remove {who}",
    ChangeKind.SUSPEND: lambda who, until: (
        f"suspend {who} " + ("until it is reinstated" if until is None else f"until {instant(until)}")
    ),
    ChangeKind.REINSTATE: lambda who: f"reinstate {who}",
    ChangeKind.EMERGENCY: lambda who: f"suspend {who} at once, for a week, from custody acts",
    ChangeKind.VALIDATORS: _seats,
    ChangeKind.GRANT: lambda prefix, who: _given("GS1 company prefix", prefix, who),
    ChangeKind.PARTY: lambda name, who: _given("party", name, who),
    ChangeKind.ISSUER: lambda part, who: _given("document issuer part", part, who),
    ChangeKind.JURISDICTION: _jurisdiction,
    ChangeKind.SUCCESSOR: lambda who, successor: (
        f"end the succession to {who}" if successor is None else f"let {successor} succeed {who} in its holds"
    ),
    ChangeKind.RECOVER: lambda who, key, *_: f"give {who} the new authority key {key.hex()[:_ID_SHOWN]}...",
    ChangeKind.CONSTITUTION: _rules,
    ChangeKind.PARAMETER: lambda name, value: f"set {name} to {value}",
    ChangeKind.APPROVER: lambda who, has_vote: (
        f"{'give a vote to' if has_vote else 'take the vote from'} {who}"
    ),
}
