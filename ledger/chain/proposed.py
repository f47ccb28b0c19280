"""A change of validators under vote: what it must hold to when proposed, and what each yes says (GOVERNANCE.md §5).

A proposal of kind VALIDATORS carries a change of epoch without approvals; every yes carries its organisation's approval. Once it
passed, the approvals stand in the registry: `collect` puts them together, and any approver may close the epoch with what it
gives (`ledger.chain.epoch`). So whoever votes need not meet, and nobody has to be trusted to have counted.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ledger.base.errors import Code, FormError, RuleError, SignatureError
from ledger.base.keys import is_signature, take_signature
from ledger.chain.approvers import Approvers
from ledger.chain.epoch import (
    Approval,
    EpochChange,
    approval_message,
    check_approving_key,
    check_draft,
    parse_change,
    with_approvals,
)
from ledger.chain.validators import ValidatorSet
from ledger.members.constitution import ChangeKind
from ledger.members.draft import Author
from ledger.members.governance import SAID, Proposal, Status, ballot_name
from ledger.members.members import Members, key_from_data
from ledger.members.registry import Kind, Registry


class _Company(NamedTuple):
    members: Members

    def is_member(self, organisation: str) -> bool:
        return self.members.organisation(organisation) is not None


class ProposedValidators(NamedTuple):
    """`ledger.members.governance.ValidatorRules` in one epoch."""

    epoch: int
    validators: ValidatorSet
    """Of that epoch."""
    protocol: int
    author_key: bytes
    """The whole public key that signed the item: an author's own is the key's id."""

    def check_validators(self, change: Any, members: Members, author: Author) -> None:  # noqa: ARG002
        """Raise a CustodyError unless `change` may close the epoch under way once it is approved."""
        parsed = parse_change(change)
        if parsed.approvals:
            raise FormError(Code.MALFORMED, "change: expected no approvals, the ballots bring them")
        check_draft(parsed, self.epoch, self.validators, _Company(members), protocol=self.protocol)

    def check_approval(self, change: Any, author: Author, approval: Any) -> None:
        """Raise a CustodyError unless `approval` is the author's signature over `change`, of the epoch under way."""
        parsed = parse_change(change)
        if parsed.epoch != self.epoch:
            raise RuleError(
                Code.WRONG_EPOCH,
                f"expected votes on a change that closes epoch {self.epoch}, got one of epoch {parsed.epoch}: it is over",
            )
        signature = take_signature(approval, "approval")
        message = approval_message(author.network, parsed)
        check_approving_key(parsed, self.validators, author.organisation, self.author_key)
        if not is_signature(self.author_key, message, signature):
            raise SignatureError(
                Code.BAD_SIGNATURE,
                f"approval: expected {author.organisation} to have signed exactly this change, its signature does not hold",
            )


def collect(network: bytes, registry: Registry, height: int, proposal: bytes, time_ms: int) -> EpochChange:
    """The change that was voted for, with the approvals of those who voted yes, as the registry stands at `height`.

    Left out are approvals by keys that count no more. Raises RuleError not_found; not_open unless it passed;
    not_applicable if it is about something else than validators.
    """
    entry = registry.exact(Kind.PROPOSAL, proposal.hex())
    data = None if entry is None else entry.at(height)
    if data is None:
        raise RuleError(
            Code.NOT_FOUND, f"expected a proposal on the ledger, there is none of id {proposal.hex()}"
        )
    found = Proposal(*data)
    if found.kind != ChangeKind.VALIDATORS:
        raise RuleError(Code.NOT_APPLICABLE, "expected a proposal that changes validators, got another")
    if found.status != Status.ENACTED:
        said = SAID[Status(found.status)]
        raise RuleError(Code.NOT_OPEN, f"expected a proposal that passed, {proposal.hex()[:16]} {said}")
    approvers = Approvers(network, registry, height)
    approvals = []
    for organisation in approvers.organisations:
        ballot = registry.exact(Kind.BALLOT, ballot_name(proposal, organisation))
        cast = None if ballot is None else ballot.at(height)
        if cast is not None and cast[0] and approvers.organisation_of(cast[1], time_ms) == organisation:
            approvals.append(Approval(organisation, _whole(registry, height, cast[1]), cast[2]))
    return with_approvals(parse_change(found.change[1]), approvals)


def _whole(registry: Registry, height: int, identifier: bytes) -> bytes:
    """The public key with that id, which ballots name: of a hybrid one the registry shows all."""
    entry = registry.exact(Kind.KEY, identifier.hex())
    data = None if entry is None else entry.at(height)
    return identifier if data is None else key_from_data(data).hybrid_key or identifier
