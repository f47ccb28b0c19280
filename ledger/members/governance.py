"""Governance: proposals, ballots and withdrawals, as items of a transaction of kind GOVERNANCE (GOVERNANCE.md §2).

    propose  [0, change, expires_ms, reason]              the proposer's own ballot is cast apart
    ballot   [1, proposal id, is_yes, approval | nil]     one an organisation, never changed
    withdraw [2, proposal id]                             by the organisation that proposed it

Signed by approver keys of organisations that have a vote. A proposal is enacted by the ballot that reaches what its kind needs
(`ledger.members.constitution`), rejected by the one after which it cannot any more; it fails where it passed and no longer applies.
Everything stays in the registry with the heights at which it changed: the history of every vote is proven by the registry root.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final, NamedTuple, Protocol

from ledger.base import limits
from ledger.base.encoding import encode, take_array, take_bool, take_bytes, take_int
from ledger.base.errors import Code, CustodyError, EntitlementError, FormError, RuleError
from ledger.base.hashing import HASH_BYTES, Tag, tagged_hash
from ledger.members.changes import Setting, plan
from ledger.members.constitution import ChangeKind, Electorate, electorate_of
from ledger.members.draft import Author, RegistryDraft
from ledger.members.members import Members, take_text
from ledger.members.registry import Kind


class Act(IntEnum):
    """What an item does."""

    PROPOSE = 0
    BALLOT = 1
    WITHDRAW = 2


class Status(IntEnum):
    """Where a proposal stands. One that is open past its expiry has expired."""

    OPEN = 0
    ENACTED = 1
    REJECTED = 2  # it cannot pass any more
    WITHDRAWN = 3
    FAILED = 4  # it passed, and no longer applied


SAID: Final = {
    Status.OPEN: "is open",
    Status.ENACTED: "is enacted",
    Status.REJECTED: "is rejected",
    Status.WITHDRAWN: "is withdrawn",
    Status.FAILED: "has failed",
}
"""In a sentence about it."""


class Proposal(NamedTuple):
    """A proposal as the registry keeps it."""

    proposer: str
    change: tuple[Any, ...]
    expires_ms: int
    reason: str
    status: int

    @property
    def kind(self) -> int:
        """What kind of change it is."""
        return int(self.change[0])


class ValidatorRules(Protocol):
    """What a change of validators must hold to; the chain knows (`ledger.chain.epoch`)."""

    def check_validators(self, change: Any, members: Members, author: Author) -> None:
        """Raise a CustodyError unless `change` may close the epoch under way once it is approved."""

    def check_approval(self, change: Any, author: Author, approval: Any) -> None:
        """Raise a CustodyError unless `approval` is the author's signature over `change`."""


def proposal_id(network: bytes, organisation: str, item: Any) -> bytes:
    """The id (32 bytes) of what an organisation proposes with `item`."""
    return tagged_hash(Tag.GOVERNANCE, network, encode((organisation, item)))


def ballot_name(proposal: bytes, organisation: str) -> str:
    """Under which name an organisation's ballot stands in the registry."""
    return f"{proposal.hex()}|{organisation}"


def apply_governance(
    draft: RegistryDraft, members: Members, author: Author, raw: Any, validators: ValidatorRules
) -> None:
    """Execute one item; a CustodyError refuses it and leaves `draft` to be rolled back by the caller."""
    item = take_array(raw, "act of governance", most=4)
    act = take_int(item[0] if item else None, "act of governance", 0, max(Act))
    electorate = electorate_of(draft, len(author.seats))
    if author.organisation not in electorate.organisations:
        raise EntitlementError(
            Code.NOT_ENTITLED, f"expected an organisation that has a vote, {author.organisation} has none"
        )
    setting = Setting(draft, author, electorate)
    if act == Act.PROPOSE:
        _propose(setting, members, item, validators)
    elif act == Act.BALLOT:
        _cast(setting, item, validators)
    else:
        _withdraw(setting, item)


def _propose(setting: Setting, members: Members, item: tuple[Any, ...], validators: ValidatorRules) -> None:
    draft, author, _ = setting
    _, change, expires_ms, reason = take_array(item, "proposal", 4)
    is_long = type(change) is tuple and change[:1] == (int(ChangeKind.VALIDATORS),)
    most = limits.PROPOSAL_BYTES if is_long else limits.PROPOSAL_OTHER_BYTES
    if len(encode(change)) > most:
        raise FormError(Code.TOO_LARGE, f"change: expected at most {most} bytes")
    take_text(reason, "reason")
    if take_int(expires_ms, "expires_ms") <= author.time_ms:
        raise RuleError(Code.EXPIRED, f"expires_ms: expected a time to come, got {expires_ms}")
    if expires_ms > author.time_ms + limits.PROPOSAL_AHEAD_MS:
        raise RuleError(
            Code.EXPIRY_TOO_FAR,
            f"expires_ms: expected at most {limits.PROPOSAL_AHEAD_MS} ms ahead, got {expires_ms}",
        )
    name = proposal_id(author.network, author.organisation, item).hex()
    if draft.get(Kind.PROPOSAL, name) is not None:
        raise RuleError(Code.NOT_APPLICABLE, f"expected a new proposal, {name[:16]} was made already")
    unsettled = draft.derived(_unsettled_until, Kind.PROPOSAL).get(author.organisation, ())
    waiting = [expires for expires in unsettled if expires > author.time_ms]
    if len(waiting) >= limits.OPEN_PROPOSALS:
        raise RuleError(
            Code.LIMIT,
            f"expected at most {limits.OPEN_PROPOSALS} proposals of {author.organisation} that are open, or were withdrawn and "
            "would be open still, there are as many; wait until one expires or is settled",
        )
    plan(setting, change)
    if change[0] == ChangeKind.VALIDATORS:
        validators.check_validators(change[1], members, author)
    draft.set(
        Kind.PROPOSAL, name, Proposal(author.organisation, change, expires_ms, reason, int(Status.OPEN))
    )


def _unsettled_until(draft: RegistryDraft) -> dict[str, list[int]]:
    """When the proposals of each organisation expire that wait for votes or were withdrawn: else nothing bounds how many."""
    found: dict[str, list[int]] = {}
    for data in draft.all_of(Kind.PROPOSAL).values():
        proposal = Proposal(*data)
        if proposal.status in (Status.OPEN, Status.WITHDRAWN):
            found.setdefault(proposal.proposer, []).append(proposal.expires_ms)
    return found


def _open(setting: Setting, value: Any) -> tuple[bytes, Proposal]:
    """The open proposal of that id; else the one sentence why there is none."""
    identifier = take_bytes(value, "proposal id", HASH_BYTES)
    data = setting.draft.get(Kind.PROPOSAL, identifier.hex())
    if data is None:
        raise RuleError(
            Code.NOT_FOUND, f"expected a proposal on the ledger, there is none of id {identifier.hex()[:16]}"
        )
    proposal = Proposal(*data)
    if proposal.status != Status.OPEN:
        said = SAID[Status(proposal.status)]
        raise RuleError(Code.NOT_OPEN, f"expected an open proposal, {identifier.hex()[:16]} {said} already")
    if proposal.expires_ms <= setting.author.time_ms:
        raise RuleError(
            Code.EXPIRED,
            f"expected a proposal in time, {identifier.hex()[:16]} expired at {proposal.expires_ms}",
        )
    return identifier, proposal


def _cast(setting: Setting, item: tuple[Any, ...], validators: ValidatorRules) -> None:
    draft, author, electorate = setting
    _, value, is_yes, approval = take_array(item, "ballot", 4)
    identifier, proposal = _open(setting, value)
    name = ballot_name(identifier, author.organisation)
    if draft.get(Kind.BALLOT, name) is not None:
        raise RuleError(
            Code.ALREADY_VOTED, f"expected one ballot of {author.organisation}, it cast one already"
        )
    if take_bool(is_yes, "is yes") and proposal.kind == ChangeKind.VALIDATORS:
        validators.check_approval(proposal.change[1], author, approval)
    elif approval is not None:
        raise FormError(
            Code.MALFORMED, "approval: expected one with a yes to a change of validators, and only there"
        )
    draft.set(Kind.BALLOT, name, (is_yes, author.public_key, approval))
    settled = _settled(setting, identifier, proposal, electorate)
    if settled != Status.OPEN:
        draft.set(Kind.PROPOSAL, identifier.hex(), proposal._replace(status=int(settled)))


def _settled(setting: Setting, identifier: bytes, proposal: Proposal, electorate: Electorate) -> Status:
    """Where the proposal stands with all ballots cast; what it changes is set if it passed."""
    cast = [
        setting.draft.get(Kind.BALLOT, ballot_name(identifier, organisation))
        for organisation in electorate.organisations
    ]
    yes = sum(ballot is not None and ballot[0] for ballot in cast)
    no = sum(ballot is not None and not ballot[0] for ballot in cast)
    needed = electorate.needed(proposal.kind)
    if yes < needed:
        return Status.REJECTED if electorate.size - no < needed else Status.OPEN
    mark = setting.draft.mark()
    try:
        for kind, name, data in plan(setting, proposal.change):
            setting.draft.set(Kind(kind), name, data)
    except CustodyError:
        setting.draft.roll_back(mark)
        return Status.FAILED
    return Status.ENACTED


def _withdraw(setting: Setting, item: tuple[Any, ...]) -> None:
    _, value = take_array(item, "withdrawal", 2)
    identifier, proposal = _open(setting, value)
    if proposal.proposer != setting.author.organisation:
        raise EntitlementError(
            Code.NOT_ENTITLED,
            f"expected {proposal.proposer}, which proposed it, to withdraw it, got {setting.author.organisation}",
        )
    setting.draft.set(Kind.PROPOSAL, identifier.hex(), proposal._replace(status=int(Status.WITHDRAWN)))
