"""How long company prefixes are (EPCIS.md "Query"): what an EPC URN says and a Digital Link does not.

The registry names who owns which prefix, so a link becomes a URN where its prefix was ever granted, and stays a link otherwise.
How long a prefix is does not change with who holds it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ledger.epcis.spelling import EpcFormat, respelled, spelled
from ledger.members.registry import Kind, Registry
from node.gateway.registry import RegistryView


class Grants:
    """The company prefixes that are granted."""

    def __init__(self, view: RegistryView) -> None:
        self._view = view
        self._registry: Registry | None = None

    async def load(self) -> None:
        """Ask for those of now. UnavailableError where the validator is away."""
        self._registry = (await self._view.in_force()).registry

    def length(self, digits: str) -> int | None:
        """How many of these digits are a granted prefix, None where none is."""
        entry = None if self._registry is None else self._registry.prefix(Kind.GRANT, digits)
        return None if entry is None else len(entry.name)

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
