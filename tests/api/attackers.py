"""Clients that mean harm, each kind in a process of its own: `python -m tests.api.attackers KIND SPEC`, until it is ended.

SPEC is JSON: the gateway's and the validator's port, on the loopback interface only, and what a kind needs beside. Every kind
is bounded in connections and in bytes under way; a line of JSON says what it had done so far, once a second. Each connection
rests a little before the next: this is about what one connection can do, a flood of new ones is for the packet filter before it.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from ledger.base.encoding import encode
from node.storage.keystore import Keystore
from node.transport.framing import encode_header
from node.transport.identity import Identity
from node.transport.mesh import FIRST_KIND, VERSION

HOST: Final = "127.0.0.1"
_POST: Final = (
    "POST /v1/transactions?wait=accepted HTTP/1.1\r\nHost: x\r\nContent-Type: application/msgpack\r\n"
)
_BOMB_BYTES: Final = 8_000_000
DENSE: Final = b"\x91" * 13 + b"\x00"


class Spec(NamedTuple):
    """What an attack is told."""

    gateway: int
    validator: int
    connections: int
    folder: str = ""
    """Of a validator that turned: its transport key floods another's port."""
    target_key: str = ""
    network: str = ""
    bodies: str = ""
    """A file of ready request bodies, each after its length in four bytes."""


Counts = Counter[str]
_REST_S: Final = 0.25
_AGAIN_S: Final = 10
"""An idle connection that was sent away comes again after so long."""
_EAGER_S: Final = 0.02


async def _lasting(
    spec: Spec, counts: Counts, act: Callable[[int], Awaitable[None]], rest_s: float = _REST_S
) -> None:
    """`act` on every connection, again and again; a connection that ends is made anew, without spinning."""

    async def one(number: int) -> None:
        await asyncio.sleep(number % 100 / 100)
        while True:
            try:
                await act(number)
                counts["done"] += 1
            except (OSError, asyncio.IncompleteReadError, ssl.SSLError):
                counts["cut"] += 1
            await asyncio.sleep(rest_s)

    await asyncio.gather(*(one(number) for number in range(spec.connections)))


async def idle(spec: Spec, counts: Counts) -> None:
    """Connections that say nothing."""

    async def wait(_: int) -> None:
        reader, writer = await asyncio.open_connection(HOST, spec.gateway)
        counts["opened"] += 1
        try:
            await reader.read(1)
        finally:
            writer.close()
        await asyncio.sleep(_AGAIN_S)

    await _lasting(spec, counts, wait)


async def slow(spec: Spec, counts: Counts) -> None:
    """Heads, bodies and answers, a byte at a time."""

    async def crawl(number: int) -> None:
        reader, writer = await asyncio.open_connection(HOST, spec.gateway)
        counts["opened"] += 1
        try:
            head = _POST + "Content-Length: 8000000\r\n\r\n" if number % 2 else ""
            writer.write(head.encode())
            for byte in b"GET /openapi.json HTTP/1.1\r\nX: " + b"a" * 10_000:
                writer.write(bytes((byte,)))
                await writer.drain()
                await asyncio.sleep(0.5)
                if reader.at_eof():
                    break
        finally:
            writer.close()

    await _lasting(spec, counts, crawl)


async def _posted(
    spec: Spec, counts: Counts, body: bytes, announced: int | None = None, *, wait: str = "accepted"
) -> None:
    reader, writer = await asyncio.open_connection(HOST, spec.gateway)
    try:
        writer.write(
            f"{_POST.replace('accepted', wait)}Content-Length: {announced or len(body)}\r\n\r\n".encode()
        )
        writer.write(body)
        await writer.drain()
        status = (await reader.readuntil(b"\r\n")).split()[1].decode()
        counts[status] += 1
    finally:
        writer.close()


async def bombs(spec: Spec, counts: Counts) -> None:
    """Bodies as large as taken, of the densest values there are, and nested as deep as they go."""
    claims = (b"\xdd" + (500_000).to_bytes(4, "big")) * 500
    kinds = (
        DENSE * (_BOMB_BYTES // len(DENSE)), b"\xdd" + (_BOMB_BYTES - 5).to_bytes(4, "big") + b"\x01" * (_BOMB_BYTES - 5),
        claims.ljust(_BOMB_BYTES, b"\0"), b"\x91" * 100_000, b"\x93" + DENSE * 500_000,
    )  # fmt: skip
    await _lasting(spec, counts, lambda number: _posted(spec, counts, kinds[number % len(kinds)]))


async def oversized(spec: Spec, counts: Counts) -> None:
    """Bodies and heads larger than taken: announced, or without end."""

    async def pour(number: int) -> None:
        if number % 3 == 0:
            await _posted(spec, counts, b"x" * 10_000, announced=10**12)
            return
        reader, writer = await asyncio.open_connection(HOST, spec.gateway)
        try:
            if number % 3 == 1:
                writer.write(f"{_POST}Transfer-Encoding: chunked\r\n\r\n".encode())
                piece = b"10000\r\n" + bytes(65_536) + b"\r\n"
            else:
                writer.write(b"GET / HTTP/1.1\r\nX: ")
                piece = b"a" * 65_536
            for _ in range(1_000):
                writer.write(piece)
                await writer.drain()
                if reader.at_eof():
                    break
                await asyncio.sleep(0)
            counts["poured"] += 1
        finally:
            writer.close()

    await _lasting(spec, counts, pour)


async def member(spec: Spec, counts: Counts) -> None:
    """A member that hands in whatever it has, waits for nothing and takes no 429 for an answer."""
    await _pushed(spec, counts, "accepted")


async def tenfold(spec: Spec, counts: Counts) -> None:
    """Clients that wait for each event to be final, and take no 429 for an answer."""
    await _pushed(spec, counts, "final")


async def _pushed(spec: Spec, counts: Counts, wait: str) -> None:
    data = await asyncio.to_thread(Path(spec.bodies).read_bytes)
    ready, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        ready.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    given = iter(range(10**9))

    async def push(_: int) -> None:
        await _posted(spec, counts, ready[next(given) % len(ready)], wait=wait)

    await _lasting(spec, counts, push, _EAGER_S)


async def strangers(spec: Spec, counts: Counts) -> None:
    """Connections at the validators' port by somebody whose key nobody pinned, and by somebody who speaks no TLS."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    async def knock(number: int) -> None:
        tls = context if number % 2 else None
        reader, writer = await asyncio.wait_for(asyncio.open_connection(HOST, spec.validator, ssl=tls), 10)
        counts["opened"] += 1
        try:
            writer.write(bytes(100_000))
            await asyncio.wait_for(reader.read(1), 10)
        except TimeoutError:
            counts["held"] += 1
        finally:
            writer.close()

    await _lasting(spec, counts, knock)


async def peer(spec: Spec, counts: Counts) -> None:
    """A validator that turned: with its own transport key, frames of every kind as fast as they are taken."""
    key = Keystore(Path(spec.folder) / "keys").load_plain("transport")
    network = bytes.fromhex(spec.network)
    identity = Identity(key, network)
    context = identity.client_context([bytes.fromhex(spec.target_key)])
    hello = encode((VERSION, network))

    async def flood(number: int) -> None:
        reader, writer = await asyncio.open_connection(HOST, spec.validator, ssl=context)
        counts["opened"] += 1
        try:
            writer.write(encode_header(0, len(hello)) + hello)
            for turn in range(100_000):
                body = encode((turn % 12, (turn, b"x" * 900, (number, turn))))
                writer.write(encode_header(FIRST_KIND + turn % 2, len(body)) + body)
                counts["frames"] += 1
                if turn % 50 == 0:
                    await writer.drain()
                    if reader.at_eof():
                        break
        finally:
            writer.close()

    await _lasting(spec, counts, flood)


KINDS: Final[dict[str, Callable[[Spec, Counts], Awaitable[None]]]] = {
    one.__name__: one for one in (idle, slow, bombs, oversized, member, tenfold, strangers, peer)
}


async def _run(kind: str, spec: Spec) -> None:
    counts: Counts = Counter()
    attack = asyncio.ensure_future(KINDS[kind](spec, counts))
    while not attack.done():
        await asyncio.sleep(1)
        print(json.dumps(counts), flush=True)
    await attack


def main(kind: str, spec: dict[str, Any]) -> None:
    """Attack until ended."""
    asyncio.run(_run(kind, Spec(**spec)))


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
