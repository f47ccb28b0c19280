"""A change of validators under vote: what it must hold to when proposed, and what each yes says (GOVERNANCE.md §5).

A proposal of kind VALIDATORS carries a change of epoch without approvals; every yes carries its organisation's approval. Once it
passed, the approvals stand in the registry, and any approver may put them together and close the epoch (`ledger.chain.epoch`).
"""

from __future__ import annotations

from typing import Any

from ledger.base.errors import Code, FormError, RuleError, SignatureError
from ledger.base.keys import is_signature, take_signature
from ledger.chain.epoch import EpochChange, approval_message, parse_change
from ledger.members.draft import Author
from ledger.members.members import Members


class ProposedValidators:
    """`ledger.members.governance.ValidatorRules` in one epoch."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch

    def check_validators(self, change: Any, members: Members, author: Author) -> None:
        """Raise a CustodyError unless `change` may close the epoch under way once it is approved."""
        parsed = parse_change(change)
        if parsed.approvals:
            raise FormError(Code.MALFORMED, "change: expected no approvals, the ballots bring them")
        if parsed.epoch != self._epoch:
            raise RuleError(
                Code.WRONG_EPOCH,
                f"expected a change that closes epoch {self._epoch}, got one of epoch {parsed.epoch}",
            )
        parsed.next_validators(author.network)
        for seat in parsed.seats:
            if members.organisation(seat.organisation) is None:
                raise RuleError(
                    Code.NOT_APPLICABLE, f"expected seats of members, got one of {seat.organisation}"
                )

    def check_approval(self, change: Any, author: Author, approval: Any) -> None:
        """Raise a CustodyError unless `approval` is the author's signature over `change`."""
        signature = take_signature(approval, "approval")
        if not is_signature(author.public_key, self._message(change, author), signature):
            raise SignatureError(
                Code.BAD_SIGNATURE,
                f"approval: expected {author.organisation} to have signed exactly this change, its signature does not hold",
            )

    def _message(self, change: Any, author: Author) -> bytes:
        parsed: EpochChange = parse_change(change)
        return approval_message(author.network, parsed)
