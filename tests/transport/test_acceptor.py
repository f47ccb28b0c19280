"""Strangers' handshakes that fail are taken at a bounded rate; who connects later is delayed, and taken all the same."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Callable

import pytest

from ledger.base.keys import SigningKey
from node.config import Address
from node.gateway.run import listen as listen_as_gateway
from node.transport import acceptor as accepting
from node.transport.acceptor import Acceptor, listen
from node.transport.identity import Identity

STRANGERS = 12


def test_failed_handshakes_are_paid_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accepting, "_REFUSALS", 3)
    monkeypatch.setattr(accepting, "_REFUSAL_S", 3_600.0)
    here, there = (Identity(SigningKey(bytes([number]) * 32), bytes(32)) for number in (1, 2))
    refused: list[str] = []
    some_refused = asyncio.Event()

    def on_refused(_: str, reason: str) -> None:
        refused.append(reason)
        some_refused.set()

    async def run() -> None:
        context = here.server_context([there.public_key])
        acceptor = Acceptor(asyncio.Protocol, lambda: context, on_refused, handshakes=32, handshake_timeout_ms=5_000,
                            shutdown_timeout_ms=100)  # fmt: skip
        listener = listen("127.0.0.1", 0)
        port = listener.getsockname()[1]
        acceptor.start(listener)
        for _ in range(STRANGERS):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"this is no handshake")
            some_refused.clear()
            if len(refused) < 4:
                await asyncio.wait_for(some_refused.wait(), 30)
            writer.close()
        assert 4 <= len(refused) <= 5, "one may be under way when the rate is reached"
        acceptor._paid_at = 0.0
        await acceptor.close()

    asyncio.run(run())


def test_a_connection_that_comes_while_it_closes_is_closed_too() -> None:
    async def close_after(turns: int) -> None:
        listener = listen("127.0.0.1", 0)
        acceptor = Acceptor(
            asyncio.Protocol,
            lambda: None,
            lambda *_: None,
            handshakes=4,
            handshake_timeout_ms=1_000,
            shutdown_timeout_ms=1_000,
        )
        acceptor.start(listener)
        await asyncio.sleep(0.01)
        with socket.create_connection(listener.getsockname()):
            for _ in range(turns):
                await asyncio.sleep(0)
            await acceptor.close()
            gc.collect()  # what nobody holds and nobody closed is a warning, and so an error

    for turns in range(4):
        asyncio.run(close_after(turns))


@pytest.mark.parametrize(
    "listen_at", [lambda: listen("127.0.0.1", 0), lambda: listen_as_gateway(Address("127.0.0.1", 0))]
)
def test_what_is_said_in_two_writes_waits_for_no_acknowledgement(
    listen_at: Callable[[], socket.socket],
) -> None:
    """With Nagle's algorithm on, a vote behind another one, or a body behind its head, came 40 ms late."""

    said: list[int] = []

    class Said(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            there: socket.socket = transport.get_extra_info("socket")
            said.append(there.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            transport.close()

    async def connect() -> None:
        with listen_at() as listener:
            listener.setblocking(False)
            server = await asyncio.get_running_loop().create_server(Said, sock=listener)
            async with server:
                reader, writer = await asyncio.open_connection(*listener.getsockname())
                assert await reader.read() == b""
                writer.close()

    asyncio.run(connect())
    assert said == [1]
