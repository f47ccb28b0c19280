"""Governance: proposals, ballots and withdrawals, as items of a transaction of kind GOVERNANCE (GOVERNANCE.md)."""

from __future__ import annotations

from typing import Any

from ledger.base.errors import Code, FormError
from ledger.members.draft import Author, RegistryDraft
from ledger.members.members import Members


def apply_governance(draft: RegistryDraft, members: Members, author: Author, raw: Any) -> None:  # noqa: ARG001
    """Execute one item; a CustodyError refuses it and leaves `draft` to be rolled back by the caller."""
    raise FormError(Code.UNSUPPORTED_VERSION, f"expected no governance yet, got an item at {author.height}")
