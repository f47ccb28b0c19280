"""A gateway with the EPCIS interface on a stage: capture key and tokens of the world's maker, a local store in a folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from node.gateway.access import ReaderToken
from node.gateway.app import create_app
from node.gateway.epcis.service import EpcisService, Identity
from node.gateway.epcis.subscriptions.outbound import Network
from node.gateway.service import Gateway
from tests.gateway.fake_validator import FakeValidator
from tests.gateway.stage import TOKEN, until
from tests.world.chain import ChainedWorld

CAPTURE_TOKEN = "c" * 43
ERP_TOKEN = "e" * 43
CAPTURER = {"Authorization": f"Bearer {CAPTURE_TOKEN}"}
READER = {"Authorization": f"Bearer {TOKEN}"}


class EpcisStage(NamedTuple):
    world: ChainedWorld
    validator: FakeValidator
    epcis: EpcisService
    http: httpx.AsyncClient
    """At `/epcis`; bears the capture token."""

    async def catch_up(self) -> None:
        """Let the index catch up with the chain, which it does not by itself here."""
        self.validator.stream()
        await until(lambda: self.epcis.index.position().height == len(self.validator.blocks))
        await asyncio.sleep(0)


@asynccontextmanager
async def staged_epcis(
    folder: Path,
    validator: FakeValidator | None = None,
    *,
    has_key: bool = True,
    webhook_allow: Iterable[Network] = (),
    **options: Any,
) -> AsyncIterator[EpcisStage]:
    """`validator`: that of an earlier stage in this folder, for starting the gateway again over it. `options`: the gateway's."""
    if validator is None:
        validator = FakeValidator(ChainedWorld(gateways=["maker"]), folder / "validator.sock")
    world = validator.world
    validator.streamed = validator.streamed or 0
    await validator.start()
    gateway = Gateway(world.network, ReaderToken(TOKEN), validator.socket, **options)
    identity = Identity("maker", world.gateways["maker"] if has_key else None)
    tokens = {"capture": ReaderToken(CAPTURE_TOKEN), "erp": ReaderToken(ERP_TOKEN)}
    epcis = EpcisService(
        gateway,
        folder,
        identity,
        tokens,
        clock_ms=lambda: world.state.tip.header.time_ms,
        webhook_allow=webhook_allow,
    )
    transport = httpx.ASGITransport(create_app(gateway, epcis), raise_app_exceptions=False)
    await epcis.open()
    try:
        async with httpx.AsyncClient(
            transport=transport, base_url="http://gateway/epcis", headers=CAPTURER
        ) as http:
            yield EpcisStage(world, validator, epcis, http)
    finally:
        await epcis.close()
        await gateway.close()
        await validator.stop()


def play_epcis(folder: Path, act: Callable[[EpcisStage], Awaitable[None]], **options: Any) -> None:
    """Run one act on a fresh stage."""

    async def run() -> None:
        async with staged_epcis(folder, **options) as stage:
            await act(stage)

    asyncio.run(run())
