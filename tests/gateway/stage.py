"""A gateway on a stage: a world, a validator that serves it, the application, and a client without a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from ledger.base.encoding import encode
from ledger.base.errors import Code
from ledger.chain.transaction import Transaction
from ledger.trade.statement import Action, Role
from node.gateway.access import ReaderToken
from node.gateway.app import create_app
from node.gateway.problems import MEDIA_TYPE, STATUS, TYPE_PREFIX
from node.gateway.service import Gateway
from tests.gateway.fake_validator import FakeValidator
from tests.world.chain import ChainedWorld
from tests.world.world import serial

TOKEN = "t" * 43
BEARER = {"Authorization": f"Bearer {TOKEN}"}
MSGPACK = {"Content-Type": "application/msgpack"}


class Stage(NamedTuple):
    world: ChainedWorld
    validator: FakeValidator
    gateway: Gateway
    app: Any
    http: httpx.AsyncClient
    """Bears the reader's token."""

    def made(self, number: int = 1, **options: Any) -> Transaction:
        """A transaction that makes item `number`."""
        item = self.world.item(Action.MAKE, [(Role.OBJECT, item_id(number))])
        return self.world.sign("maker", item, **options)

    async def submit(self, *transactions: Transaction, wait: str = "final") -> httpx.Response:
        return await self.http.post(
            "/v1/transactions", params={"wait": wait}, content=body_of(*transactions), headers=MSGPACK
        )


def item_id(number: int) -> str:
    return serial("9521234", 1, number)


def body_of(*transactions: Transaction) -> bytes:
    return encode([(one.to_bytes(), [None] * one.header.item_count) for one in transactions])


@asynccontextmanager
async def staged(folder: Path, *, starts: bool = True, **options: Any) -> AsyncIterator[Stage]:
    world = ChainedWorld()
    validator = FakeValidator(world, folder / "validator.sock")
    if starts:
        await validator.start()
    gateway = Gateway(world.network, ReaderToken(TOKEN), validator.socket, **options)
    app = create_app(gateway)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=BEARER) as http:
            yield Stage(world, validator, gateway, app, http)
    finally:
        await gateway.close()
        await validator.stop()


def play(folder: Path, act: Callable[[Stage], Awaitable[None]], **options: Any) -> None:
    """Run one act on a fresh stage."""

    async def run() -> None:
        async with staged(folder, **options) as stage:
            await act(stage)

    asyncio.run(run())


async def until(is_so: Callable[[], bool]) -> None:
    """Let everything else go on until something is so."""
    while not is_so():  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0.001)


def check_problem(response: httpx.Response, code: Code | None = None) -> str:
    """The answer is a problem document of RFC 9457, of `code` if given; its sentence."""
    assert response.headers["content-type"] == MEDIA_TYPE
    document = response.json()
    found = Code(document["code"])
    assert code is None or found == code, document
    assert document["type"] == TYPE_PREFIX + found.value
    assert document["status"] == response.status_code == STATUS[found]
    assert document["request"] == response.headers["x-request-id"]
    assert document["title"]
    detail = document["detail"]
    assert isinstance(detail, str)
    assert "expected" in detail
    assert len(detail) < 1_000
    if response.status_code in (429, 503):
        assert int(response.headers["retry-after"]) >= 1
    return detail
