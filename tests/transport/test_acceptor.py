"""Strangers' handshakes that fail are taken at a bounded rate; who connects later is delayed, and taken all the same."""

from __future__ import annotations

import asyncio

import pytest

from ledger.base.keys import SigningKey
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
