"""A faulty network between real nodes: a TCP proxy for each pair, told how to behave while it runs.

What goes through is TLS, so the proxy can delay, drop, cut and damage, and understands nothing. Data is forwarded in the order
in which it came, each piece when its delay is over; a stalled direction keeps what it took (about a pipe's worth) and takes no
more, which is what a peer sees of a network that swallows packets.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass
from typing import Final, Self

from tests.process.chaos.cluster import Cluster

PIECE_BYTES: Final = 16_384


@dataclass(slots=True)
class Behaviour:
    """How one direction of a link behaves now."""

    delay_s: float = 0.0
    jitter_s: float = 0.0
    bytes_per_second: float | None = None
    is_stalled: bool = False
    """Nothing goes through; the connection stays."""
    is_damaging: bool = False
    """One bit of the next piece is flipped, once."""


class Link:
    """The way from one node to another that it dials: a listening socket and the connections made through it."""

    def __init__(self, target: int, seed: int) -> None:
        self._target = target
        self._random = random.Random(seed)
        self.there = Behaviour()
        """Dialler to listener."""
        self.back = Behaviour()
        self.is_refusing = False
        """New connections are closed at once."""
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._changed = asyncio.Event()
        self.accepted = 0

    async def start(self) -> int:
        """Listen; the port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=PIECE_BYTES)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
        self.heal()
        self.cut()
        if self._server is not None:
            await self._server.wait_closed()
        await asyncio.gather(*(connection.is_over.wait() for connection in tuple(self._connections)))

    def behave(self, there: Behaviour | None = None, back: Behaviour | None = None) -> None:
        """Exchange the behaviour of one or both directions."""
        self.there, self.back = there or self.there, back or self.back
        self._changed.set()
        self._changed = asyncio.Event()

    def heal(self) -> None:
        """Behave well from now on; connections that are broken stay broken."""
        self.is_refusing = False
        self.behave(Behaviour(), Behaviour())

    def cut(self) -> None:
        """Close every connection at once, dropping what is under way."""
        for connection in tuple(self._connections):
            connection.cut()

    def half_open(self, *, lost_by_dialler: bool) -> None:
        """One end of every connection of now is gone, and the other end never hears of it. New ones behave."""
        for connection in self._connections:
            connection.half_open(lost_by_dialler=lost_by_dialler)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_refusing:
            writer.transport.abort()
            return
        try:
            other = await asyncio.open_connection("127.0.0.1", self._target, limit=PIECE_BYTES)
        except OSError:
            writer.transport.abort()
            return
        self.accepted += 1
        connection = _Connection(self, (reader, writer), other)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)

    async def forward(self, writer: asyncio.StreamWriter, data: bytes, *, is_back: bool) -> None:
        """Pass a piece on as its direction behaves."""
        await self._hold(is_back=is_back, size=len(data))
        behaviour = self.back if is_back else self.there
        if behaviour.is_damaging:
            behaviour.is_damaging = False
            place = self._random.randrange(len(data))
            data = data[:place] + bytes((data[place] ^ 1 << self._random.randrange(8),)) + data[place + 1 :]
        writer.write(data)
        await writer.drain()

    async def _hold(self, *, is_back: bool, size: int) -> None:
        """Wait as the direction's behaviour wants; a change of behaviour is heeded at once."""
        while (behaviour := self.back if is_back else self.there).is_stalled:
            await self._changed.wait()
        wait_s = behaviour.delay_s + behaviour.jitter_s * self._random.random()
        if behaviour.bytes_per_second is not None:
            wait_s += size / behaviour.bytes_per_second
        if wait_s:
            changed = self._changed
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await changed.wait()


class _Connection:
    """One connection through a link: its two ends."""

    def __init__(
        self,
        link: Link,
        dialler: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        listener: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self._link = link
        self._dialler, self._listener = dialler, listener
        self._is_half_open = False
        self._is_cut = asyncio.Event()
        self.is_over = asyncio.Event()

    async def run(self) -> None:
        """Forward both directions until the connection ends."""
        pumps = [
            asyncio.create_task(self._pump(self._dialler[0], self._listener[1], is_back=False)),
            asyncio.create_task(self._pump(self._listener[0], self._dialler[1], is_back=True)),
        ]
        try:
            await self._is_cut.wait()
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for _, writer in (self._dialler, self._listener):
                writer.transport.abort()
            self.is_over.set()

    def cut(self) -> None:
        """End it."""
        self._is_cut.set()

    def half_open(self, *, lost_by_dialler: bool) -> None:
        """Abort one end; what the other sends is swallowed until it gives up."""
        self._is_half_open = True
        (self._dialler if lost_by_dialler else self._listener)[1].transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_back: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(PIECE_BYTES):
                if not self._is_half_open:
                    with contextlib.suppress(OSError):  # the other pump sees this end
                        await self._link.forward(writer, data, is_back=is_back)
        if not self._is_half_open or writer.transport.is_closing():
            self.cut()


class FaultyNetwork:
    """A link for every pair of nodes, in front of a cluster that is not started yet; an async context manager."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self._cluster = cluster
        self._seed = seed
        self.links: dict[tuple[str, str], Link] = {}
        """By who may dial and whom; of each pair only the node with the smaller key dials (WIRE_TRANSPORT.md §4)."""

    async def __aenter__(self) -> Self:
        names = self._cluster.names
        for dialler in names:
            for place, listener in enumerate(names):
                if dialler != listener:
                    link = Link(self._cluster.port_base + place, self._seed * 100 + len(self.links))
                    self.links[dialler, listener] = link
                    self._cluster.reroute(dialler, listener, await link.start())
        return self

    async def __aexit__(self, *_: object) -> None:
        for link in self.links.values():
            await link.close()

    def of(self, name: str) -> list[Link]:
        """All links of a node."""
        return [link for pair, link in self.links.items() if name in pair]

    def between(self, one: str, other: str) -> list[Link]:
        """Both links of a pair, of which one is used."""
        return [self.links[one, other], self.links[other, one]]

    def heal(self) -> None:
        """Every link behaves."""
        for link in self.links.values():
            link.heal()
