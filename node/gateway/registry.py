"""The registry in force, as a gateway knows it: who is a member, with which keys and prefixes (API.md §2.1).

A checkpoint's outcome names the registry's root, so one small question tells whether what is known still holds, and the whole file is
asked for only when it does not. What is answered is at most `FRESH_S` and the block under way behind; without the validator there is no
answer, rather than an old one.
"""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple, Protocol

from ledger.base.errors import Code, UnavailableError
from ledger.chain.certificate import Checkpoint
from ledger.chain.genesis import genesis_from_bytes
from ledger.members.members import Members
from ledger.members.registry import Registry
from ledger.proof.registry import registry_file_from_bytes

FRESH_S: Final = 1.0


class Validator(Protocol):
    """Of whom it is asked (`LocalClient`)."""

    async def checkpoint(self) -> Checkpoint:
        """The newest."""

    async def registry(self) -> bytes:
        """The registry file."""

    async def genesis(self) -> bytes:
        """The genesis file."""


class InForce(NamedTuple):
    """The registry as the next block finds it."""

    registry: Registry
    height: int
    time_ms: int
    """Of the newest block; 0 where there is none yet."""

    @property
    def members(self) -> Members:
        """Who may what now."""
        return Members(self.registry, self.height)


class RegistryView:
    """One for all parts of a gateway."""

    def __init__(self, validator: Validator, *, fresh_s: float = FRESH_S) -> None:
        """`fresh_s`: for how long an answer is taken to hold."""
        self._validator = validator
        self._fresh_s = fresh_s
        self._known: InForce | None = None
        self._fresh_until = 0.0
        self._asking: asyncio.Task[InForce] | None = None

    async def in_force(self) -> InForce:
        """The registry now. UnavailableError where the validator is away."""
        now = asyncio.get_running_loop().time()
        if self._known is not None and now < self._fresh_until:
            return self._known
        if self._asking is None:  # one question for all who want to know
            self._asking = asyncio.create_task(self._ask(), name="registry")
        return await asyncio.shield(self._asking)

    async def _ask(self) -> InForce:
        began = asyncio.get_running_loop().time()
        try:
            self._known = await self._found(self._known)
            self._fresh_until = began + self._fresh_s
            return self._known
        finally:
            self._asking = None

    async def _found(self, known: InForce | None) -> InForce:
        try:
            newest = await self._validator.checkpoint()
        except UnavailableError as error:
            if error.code != Code.UNKNOWN_BLOCK:
                raise
            return known or await self._of_genesis()
        height, time_ms = newest.header.height + 1, newest.header.time_ms
        if known is not None and known.registry.root == newest.outcome.registry_root:
            return known._replace(height=height, time_ms=time_ms)
        return await asyncio.to_thread(_read, await self._validator.registry())

    async def _of_genesis(self) -> InForce:
        genesis = genesis_from_bytes(await self._validator.genesis())
        return InForce(Registry(genesis.network, genesis.entries), 1, 0)


def _read(data: bytes) -> InForce:
    file = registry_file_from_bytes(data)
    header = file.checkpoint.header
    return InForce(Registry(file.network, file.entries), header.height + 1, header.time_ms)
