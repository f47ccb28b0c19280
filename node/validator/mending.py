"""Bringing bytes of open events that peers left out while this node was behind (STORAGE.md §6, Catching up).

Behind a final block bytes are not demanded, since they may have been erased. When its blocks are executed and no tombstone said so,
whoever was asked withheld them, or lost them: then others are asked, one after another, until they are here or a tombstone is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import islice
from typing import Final

from ledger.base.encoding import take_array
from ledger.base.errors import FormError, UnavailableError
from node.storage.payload_store import PayloadStore
from node.validator.batches import OpenEvent, event_shown
from node.validator.erasing import Eraser
from node.validator.execution import Executor
from node.validator.peers import Peers
from node.validator.sync_wire import AskItems

EVERY_S: Final = 2.0
_AT_ONCE: Final = 100
_PLACES: Final = 4


class Mender:
    """Asks for what `Eraser` knows to lack, while anything does."""

    def __init__(self, executor: Executor, payload: PayloadStore, eraser: Eraser, peers: Peers) -> None:
        self._executor = executor
        self._payload = payload
        self._eraser = eraser
        self._peers = peers
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Something may lack."""
        if self._eraser.lacking and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._run(), name="bytes left out")

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while self._eraser.lacking:
            await asyncio.sleep(EVERY_S)
            for event_hash in self._eraser.lacking[:_AT_ONCE]:
                await self._bring(event_hash)

    async def _bring(self, event_hash: bytes) -> None:
        for sequence, context_hash in self._places(event_hash):
            for peer in self._peers.free():
                found = await self._asked(peer, sequence)
                if (
                    found is not None
                    and found.payload.event_hash == event_hash
                    and found.payload.context_hash == context_hash
                ):
                    self._payload.put(found.payload)
                    if found.context is not None and context_hash is not None:
                        self._payload.put_context(context_hash, found.context)
                    return

    def _places(self, event_hash: bytes) -> Iterator[tuple[int, bytes | None]]:
        """(sequence, context hash) of final items of the event."""
        tables = self._executor.tables
        for entry in islice(tables.entries_of(event_hash), _PLACES):
            row = tables.bare_row(entry.sequence, tables.final)
            if row is not None:
                yield entry.sequence, row[1][4]

    async def _asked(self, peer: bytes, sequence: int) -> OpenEvent | None:
        try:
            answer = await self._peers.ask(peer, AskItems(sequence, sequence + 1))
            (shown,) = take_array(answer, "items", 1)
            *_, payload = take_array(shown, "item", 4)
            return None if payload is None else event_shown(self._executor.network, payload)
        except (FormError, UnavailableError):
            return None  # another peer may have it
