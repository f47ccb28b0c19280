"""A chain in memory, a validator that serves it, and an index that follows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from client.prepare import prepare_document
from ledger.trade.statement import Openness
from node.index.follower import Follower
from node.index.index import Index, IndexedEvent, Page
from node.index.parameters import query_from_json
from node.local.protocol import FinalBlock
from tests.gateway.fake_validator import FakeValidator
from tests.gateway.stage import until
from tests.world.chain import ChainedWorld
from tests.world.world import serial

CONTEXT = {"ex": "https://example.org/terms/"}


def made(number: int, **members: Any) -> dict[str, Any]:
    """An event that makes item `number`."""
    return {
        "type": "ObjectEvent",
        "action": "ADD",
        "eventTime": f"2026-03-01T10:{number % 60:02}:00Z",
        "eventTimeZoneOffset": "+00:00",
        "bizStep": "commissioning",
        "epcList": [serial("9521234", 1, number)],
    } | members


class IndexStage(NamedTuple):
    world: ChainedWorld
    validator: FakeValidator
    url: str

    def record(
        self,
        *events: dict[str, Any],
        keeps: bool = True,
        openness: Openness = Openness.OPEN,
        by: str = "maker",
    ) -> FinalBlock:
        """A block of one transaction with these events; `keeps`: whether the validator has their bytes."""
        document = {"@context": CONTEXT, "eventList": list(events)}
        prepared = prepare_document(
            self.world.network, json.dumps(document).encode(), openness=openness, random_bytes=self.world.salt
        )
        if keeps:
            for one in prepared:
                self.validator.hold(*one.payload)
        return self.validator.commit(self.world.sign(by, *(one.item for one in prepared)).to_bytes())

    def open(self) -> Index:
        return Index.open(self.url, self.world.network)

    @asynccontextmanager
    async def following(self, **options: Any) -> AsyncIterator[tuple[Index, Follower]]:
        """An index that follows for a while."""
        index = self.open()
        follower = Follower(self.validator.socket, index, self.world.network, **options)
        follower.start()
        try:
            yield index, follower
        finally:
            await follower.close()
            index.close()

    async def caught_up(self, index: Index) -> None:
        await until(lambda: index.position().height == len(self.validator.blocks))


def play_index(folder: Path, database: str, act: Callable[[IndexStage], Awaitable[None]]) -> None:
    """Run one act on a fresh stage, the index in `database` (its URL)."""

    async def run() -> None:
        world = ChainedWorld()
        validator = FakeValidator(world, folder / "validator.sock")
        await validator.start()
        try:
            await act(IndexStage(world, validator, database))
        finally:
            await validator.stop()

    asyncio.run(run())


def found(index: Index, **parameters: Any) -> list[IndexedEvent]:
    """Everything that a query in JSON finds, page by page of two."""
    events: list[IndexedEvent] = []
    page: Page | None = Page(2)
    while page is not None:
        answer = index.events(query_from_json(parameters, CONTEXT), page)
        events += answer.events
        page = answer.next
    return events
