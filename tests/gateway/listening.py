"""A gateway that really listens, on a loopback port of the system's choice, and bare connections to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from node.config import Address
from node.gateway.run import listen
from node.gateway.server import GatewayServer, connection_class, server_config
from tests.gateway.stage import BEARER, Stage, staged, until


class Listening(NamedTuple):
    stage: Stage
    server: GatewayServer
    port: int
    clients: list[Bare]

    @asynccontextmanager
    async def http(self) -> AsyncIterator[httpx.AsyncClient]:
        address = f"http://127.0.0.1:{self.port}"
        async with httpx.AsyncClient(base_url=address, headers=BEARER, timeout=30, trust_env=False) as http:
            yield http

    async def connect(self) -> Bare:
        """A connection that is closed at the end of the act."""
        client = Bare(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(client)
        return client

    def value(self, name: str) -> float:
        found = self.stage.gateway.metrics.registry.get_sample_value(name)
        return 0.0 if found is None else found


class Bare(NamedTuple):
    """A connection that says what it likes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def get(self, path: str, *headers: str) -> tuple[int, bytes]:
        await self.say("\r\n".join([f"GET {path} HTTP/1.1", "Host: gateway", *headers, "", ""]).encode())
        return await self.answer()

    async def answer(self) -> tuple[int, bytes]:
        """Status and body of an answer with a length."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        lengths = [line.partition(":")[2] for line in lines if line.lower().startswith("content-length:")]
        body = await self.reader.readexactly(int(lengths[0])) if lengths else b""
        return int(lines[0].split(" ")[1]), body

    async def is_closed_by_the_other_side(self) -> bool:
        try:
            return await self.reader.read(65_536) == b""
        except ConnectionError:
            return True

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


def problem_code(body: bytes) -> str:
    code = json.loads(body)["code"]
    assert isinstance(code, str)
    return code


def play_listening(
    folder: Path,
    act: Callable[[Listening], Awaitable[None]],
    *,
    limits: dict[str, Any] | None = None,
    **options: Any,
) -> None:
    """Run one act on a fresh stage whose gateway listens; `limits` as of `connection_class`."""

    async def run() -> None:
        async with staged(folder, **options) as stage:
            connections = connection_class(stage.gateway.metrics.slow_readers.inc, **(limits or {}))
            server = GatewayServer(server_config(stage.app, connections, stop_s=2), stage.gateway.stop)
            socket = listen(Address("127.0.0.1", 0))
            port = socket.getsockname()[1]
            clients: list[Bare] = []
            serving = asyncio.create_task(server.serve(sockets=[socket]))
            try:
                await until(lambda: server.started or serving.done())
                await act(Listening(stage, server, port, clients))
            finally:
                for client in clients:
                    await client.close()
                server.should_exit = True
                await serving

    asyncio.run(run())
