"""How long company prefixes are (EPCIS.md "Query"): what an EPC URN says and a Digital Link does not.

The network's genesis file names who owns which prefix, so a link becomes a URN where its prefix was granted there, and stays a link
otherwise. Asked of the validator once, when somebody first wants URNs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from ledger.chain.genesis import genesis_from_bytes
from ledger.epcis.spelling import EpcFormat, respelled, spelled
from ledger.members.registry import Kind


class Grants:
    """The company prefixes that are granted."""

    def __init__(self, genesis: Callable[[], Awaitable[bytes]]) -> None:
        """`genesis`: the genesis file."""
        self._genesis = genesis
        self._prefixes: frozenset[str] | None = None

    async def load(self) -> None:
        """Ask for them if they are not known yet. UnavailableError where the validator is away."""
        if self._prefixes is None:
            entries = genesis_from_bytes(await self._genesis()).entries
            self._prefixes = frozenset(entry.name for entry in entries if entry.kind == Kind.GRANT)

    def length(self, digits: str) -> int | None:
        """How many of these digits are a granted prefix, None where none is."""
        known = self._prefixes or frozenset()
        return next((end for end in range(len(digits), 0, -1) if digits[:end] in known), None)

    async def respelling(self, wanted: EpcFormat) -> Callable[[dict[str, Any]], dict[str, Any]]:
        """What spells an event's identifiers as wanted."""
        if wanted is EpcFormat.URN:
            await self.load()
        return partial(respelled, wanted=wanted, prefix_length=self.length)

    async def spelling(self, wanted: EpcFormat) -> Callable[[str], str]:
        """What spells an identifier as wanted."""
        if wanted is EpcFormat.URN:
            await self.load()
        return partial(spelled, wanted=wanted, prefix_length=self.length)
