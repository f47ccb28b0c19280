"""What an organisation changes of its own: keys, delegates, licences, as items of kind REGISTRATION (GOVERNANCE.md)."""

from __future__ import annotations

from typing import Any

from ledger.base.errors import Code, FormError
from ledger.members.draft import Author, RegistryDraft
from ledger.members.members import Members


def apply_registration(draft: RegistryDraft, members: Members, author: Author, raw: Any) -> None:  # noqa: ARG001
    """Execute one item; a CustodyError refuses it and leaves `draft` to be rolled back by the caller."""
    raise FormError(Code.UNSUPPORTED_VERSION, f"expected no registration yet, got an item at {author.height}")
