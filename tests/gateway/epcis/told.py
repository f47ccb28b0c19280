"""A repository that was told something: events with their bytes on a ledger in memory, indexed, and read over the real application."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx

from ledger.chain.signing import Prepared, prepare_event, sign_events
from ledger.chain.transaction import Mode
from ledger.trade.extract import extract
from ledger.trade.statement import Openness
from node.gateway.epcis.service import EpcisService
from node.local.protocol import StoredPayload
from tests.gateway.epcis.epcis_stage import READER, staged_epcis
from tests.gateway.fake_validator import FakeValidator
from tests.gateway.stage import item_id, until
from tests.world.chain import ChainedWorld

CONTEXT = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"
WRITTEN = {"GS1-EPC-Format": "Never_Translates"}
BUNDLE = {"Accept": "application/vnd.custody.bundle"}


def event(number: int = 1, **more: Any) -> dict[str, Any]:
    """The commissioning of item `number`, or what `more` makes of it."""
    return {
        "type": "ObjectEvent",
        "eventTime": f"2023-11-14T10:00:{number % 60:02}.000Z",
        "eventTimeZoneOffset": "+01:00",
        "action": "ADD",
        "bizStep": "commissioning",
        "epcList": [item_id(number)],
    } | more


class Told(NamedTuple):
    """The stage of one repository."""

    world: ChainedWorld
    validator: FakeValidator
    epcis: EpcisService
    http: httpx.AsyncClient
    """At `/epcis`; bears the reader's token."""

    def prepared(
        self, said: dict[str, Any] | bytes, context: bytes | None = None, openness: Openness = Openness.OPEN
    ) -> Prepared:
        data = said if isinstance(said, bytes) else json.dumps(said).encode()
        return prepare_event(
            self.world.network, data, context, extract(data, context, openness=openness), self.world.salt
        )

    async def record(
        self,
        *events: dict[str, Any] | bytes,
        by: str = "maker",
        context: bytes | None = None,
        restricted: bool = False,
        indexed: bool = True,
    ) -> list[bytes]:
        """Put events into one block, and into the index; their event hashes. Bytes of restricted ones are nowhere."""
        openness = Openness.RESTRICTED if restricted else Openness.OPEN
        prepared = [self.prepared(one, context, openness) for one in events]
        (signed,) = sign_events(
            self.world.keys[by], by, prepared, expiry_ms=self.world.now_ms + 60_000, mode=Mode.EACH_ON_ITS_OWN,
            random_bytes=self.world.salt,
        )  # fmt: skip
        if not restricted:
            for one in prepared:
                stored = StoredPayload(one.item.event_hash, *one.payload, None)
                self.validator.payloads[one.item.event_hash] = stored
        self.validator.commit(signed.transaction.to_bytes())
        if indexed:
            await self.catch_up()
        return [one.item.event_hash for one in prepared]

    async def catch_up(self) -> None:
        """Wait until the index has taken in all that is final."""
        self.validator.stream()
        await until(lambda: self.epcis.index.position().height == len(self.validator.blocks))

    async def events(self, path: str = "/events", **parameters: Any) -> list[dict[str, Any]]:
        """The events of an answer, as written."""
        response = await self.http.get(path, params=parameters, headers=WRITTEN)
        assert response.status_code == 200, response.text
        return events_in(response)

    async def ids(self, path: str = "/events", **parameters: Any) -> list[str]:
        return [one["eventID"] for one in await self.events(path, **parameters)]


def events_in(response: httpx.Response) -> list[dict[str, Any]]:
    """The events of an EPCISQueryDocument."""
    found = response.json()["epcisBody"]["queryResults"]["resultsBody"]["eventList"]
    assert isinstance(found, list)
    return found


def derived(event_hash: bytes) -> str:
    return f"urn:custody:event:{event_hash.hex()}"


def quoted(name: str) -> str:
    return quote(name, safe="")


@asynccontextmanager
async def telling(folder: Path, **options: Any) -> AsyncIterator[Told]:
    async with staged_epcis(folder, **options) as stage:
        stage.http.headers.update(READER)
        yield Told(stage.world, stage.validator, stage.epcis, stage.http)


def tell(folder: Path, act: Callable[[Told], Awaitable[None]], **options: Any) -> None:
    """Run one act on a fresh stage."""

    async def run() -> None:
        async with telling(folder, **options) as told:
            await act(told)

    asyncio.run(run())


def check_exception(response: httpx.Response, name: str, status: int) -> str:
    """The answer is that exception of EPCIS; its sentence."""
    document = response.json()
    assert (document["type"], document["status"]) == (f"epcisException:{name}", status), response.text
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert document["request"] == response.headers["x-request-id"]
    assert "expected" in document["detail"]
    return str(document["detail"])
