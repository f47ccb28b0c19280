"""What is measured of CometBFT, each piece as its counterpart of the ledger: one event a transaction, and a hundred.

Pieces stand in the order in which they are measured: the last one kills a validator. One event a transaction goes in at all
four nodes and a hundred at one, whichever takes more.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final, Self

from tests.bench import pacing
from tests.bench.comet import Comet
from tests.bench.comet_load import CometClient, Prepared, prepare
from tests.bench.load import BATCH, closed_loop
from tests.bench.pacing import paced, quantiles
from tests.bench.throughput import Found, Kind, Length, Site, throughput

_WARM: Final = 100
_KILLED: Final = "node3"


class Peer:
    """The network under load; an async context manager."""

    def __init__(self, root: Path, program: Path, length: Length) -> None:
        self.length = length
        self.network = Comet(root, program)
        self._numbers = itertools.count(1, BATCH)

    async def __aenter__(self) -> Self:
        await self.network.__aenter__()
        try:
            async with self.everywhere() as client:
                await closed_loop(client.hands, self.singles(_WARM), outstanding=1)
        except BaseException:
            self.network.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self.network.stop()

    def singles(self, count: int) -> list[Prepared]:
        """Transactions of one event."""
        return [prepare(next(self._numbers), 1) for _ in range(count)]

    def batches(self, count: int) -> list[Prepared]:
        """Transactions of a hundred events."""
        return [prepare(next(self._numbers), BATCH) for _ in range(count)]

    def everywhere(self, without: str = "") -> CometClient:
        """A client of all nodes, or of all but one."""
        named = zip(self.network.names, self.network.rpc_ports, strict=True)
        ports = [port for name, port in named if name != without]
        return CometClient(ports, watched=ports[0])

    def one(self) -> CometClient:
        """A client of one node."""
        port = self.network.rpc_ports[0]
        return CometClient([port], watched=port, connections=8)

    @property
    def site(self) -> Site:
        """The validators, and one folder."""
        return Site(list(self.network.processes.values()), self.network.root / self.network.names[0])


async def latency(peer: Peer) -> Found:
    """Commit latency at 100 events a second."""
    async with peer.one() as client:
        return Found(quantiles("paced", await paced(client.hands, peer.singles, peer.length.paced_s)))


async def singles(peer: Peer) -> Found:
    """One event a transaction."""
    async with peer.everywhere() as client:
        kind = Kind("singles", peer.singles, client.hands, 1, (100, 250, 500), 3_000)
        return await throughput(kind, peer.site, peer.length, is_pressed=True)


async def batches(peer: Peer) -> Found:
    """A hundred events as one transaction."""
    async with peer.one() as client:
        kind = Kind("batches", peer.batches, client.hands, BATCH, (10, 20, 40, 80), 5_000)
        return await throughput(kind, peer.site, peer.length, is_pressed=True)


async def killed(peer: Peer) -> Found:
    """Latency while one validator of four is killed, at the others."""
    async with peer.everywhere(without=_KILLED) as client:
        return Found(await pacing.killed(client.hands, peer.singles, lambda: peer.network.kill(_KILLED)))


PIECES: Final[Mapping[str, Callable[[Peer], Awaitable[Found]]]] = {
    "latency": latency,
    "singles": singles,
    "batches": batches,
    "killed": killed,
}
