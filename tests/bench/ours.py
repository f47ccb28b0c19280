"""What is measured of the ledger: four validators with TLS and syncs, at their ingress and over HTTP at one gateway.

Each piece is one function of the running network that returns figures by name; `tests.bench.rows` says what they must be. The
gateway runs only for the pieces that need it. Pieces stand in the order in which they are measured: the last one kills a
validator.
"""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, Self

from ledger.proof.anchor import anchor_from_genesis
from ledger.proof.verify import verify
from ledger.trade.record import Space, SubjectKey
from node.config import GENESIS_FILE
from node.init import STATE_DEPTH
from node.local.client import LocalClient
from node.local.protocol import Submission
from tests.bench import pacing, proofs
from tests.bench.gateway_load import GatewayClient, body_of
from tests.bench.http import Connection
from tests.bench.load import BATCH, Hand, Ingress, closed_loop, event_of, serial
from tests.bench.machine import disk_bytes
from tests.bench.pacing import paced, quantiles
from tests.bench.processes import Validators, ended
from tests.bench.throughput import Found, Kind, Length, Site, throughput

CONTAINER: Final = "urn:epc:id:bic:CSQU3054383"
_WRITERS: Final = 8
_AUTHOR: Final = "maker"
_KILLED: Final = "customs"
_LEDGER: Final = ("chain", "state", "votes")
_COMMAND: Final = Path(sys.executable).parent / "custody"
_CONSISTENT: Final = 4
"""How the command ends where a history has gaps, such as an origin without an attestation."""
_WARM: Final = 20
_ROUNDS: Final = 5
_HISTORY: Final = 20
_POLL_S: Final = 0.05


class Ours:
    """The network under load; an async context manager."""

    def __init__(self, root: Path, length: Length) -> None:
        self.length = length
        self.network = Validators(root, state_depth=STATE_DEPTH, gateways=True)
        self.folder = self.network.made.folders[_AUTHOR]
        self.author = self.network.author(_AUTHOR)
        self.clients: dict[str, LocalClient] = {}
        self._numbers = itertools.count(1)

    async def __aenter__(self) -> Self:
        await self.network.__aenter__()
        try:
            self.clients = {name: self.network.client(name) for name in self.network.names}
            await closed_loop(self.hands(), self.batches(_WARM), outstanding=1)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self.clients.values():
            await client.close()
        self.network.stop()

    def hands(self, without: str = "") -> list[Hand[Submission]]:
        """The ingress of each validator, or of all but one."""
        return [Ingress(client) for name, client in self.clients.items() if name != without]

    def batches(self, count: int) -> list[Submission]:
        """Transactions of a hundred events about new items."""
        return [self.author.submission(list(itertools.islice(self._numbers, BATCH))) for _ in range(count)]

    def singles(self, count: int) -> list[Submission]:
        """Transactions of one event."""
        return [self.author.submission((next(self._numbers),)) for _ in range(count)]

    @property
    def site(self) -> Site:
        """The validators, and one folder."""
        return Site(list(self.network.processes.values()), self.folder)

    def ledger_bytes(self) -> int:
        """What one node keeps of chain, links and state, payloads apart."""
        return sum(disk_bytes(self.folder / part) for part in _LEDGER)

    @asynccontextmanager
    async def gateway(self) -> AsyncIterator[tuple[GatewayClient, subprocess.Popen[bytes]]]:
        """One gateway while it is needed."""
        port = self.network.gateway_port(_AUTHOR)
        process = self.network.start_gateway(_AUTHOR)
        client = GatewayClient(port)
        try:
            await _listens(port, process)
            yield client, process
        finally:
            await client.close()
            ended([process])


async def _listens(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        with suppress(OSError):
            await (await Connection.open(port)).close()
            return
        await asyncio.sleep(_POLL_S)
    raise SystemExit("bench: the gateway ended while it started; see its log")


# ---- the pieces


async def latency(ours: Ours) -> Found:
    """Commit latency at 100 events a second, at ingress."""
    return Found(quantiles("paced ingress", await paced(ours.hands(), ours.singles, ours.length.paced_s)))


async def batches(ours: Ours) -> Found:
    """In batches of 100 at ingress."""
    kind = Kind("batches", ours.batches, ours.hands(), BATCH, (2, 4, 8, 16), 8_000)
    kept, first = ours.ledger_bytes(), next(ours._numbers)
    found = await throughput(kind, ours.site, ours.length, is_pressed=True)
    events = next(ours._numbers) - first
    each = len(event_of(first, is_first=True))
    share = (ours.ledger_bytes() - kept) / events / each
    return Found({**found.figures, "ledger share": share, "event bytes": each}, found.curves)


async def singles(ours: Ours) -> Found:
    """One event a transaction, each signed."""
    kind = Kind("singles", ours.singles, ours.hands(), 1, (25, 100, 400, 1_600), 3_000)
    return await throughput(kind, ours.site, ours.length, is_pressed=False)


async def http(ours: Ours) -> Found:
    """A client over HTTP until final, at one gateway: latency of single events, and batches of 100."""

    def bodies(made: list[Submission]) -> list[bytes]:
        return [body_of(one) for one in made]

    async with ours.gateway() as (client, process):
        hands = [client.hand]
        slow = await paced(hands, lambda count: bodies(ours.singles(count)), ours.length.paced_s)
        kind = Kind("http", lambda count: bodies(ours.batches(count)), hands, BATCH, (4, 8, 16, 32), 5_000)
        site = ours.site._replace(processes=[*ours.site.processes, process])
        found = await throughput(kind, site, ours.length, is_pressed=True)
        return Found({**quantiles("paced http", slow), **found.figures}, found.curves)


async def container(ours: Ours) -> Found:
    """Eight writers, two of each organisation, record what they see of one container; whose event is lost?"""
    names = itertools.cycle(ours.network.names)
    each = max(1, int(5_000 * ours.length.level_s / BATCH / _WRITERS))
    writers = []
    for place, name in zip(range(_WRITERS), names, strict=False):
        author, first = ours.network.author(name), 1_000_000_000 + place * each * BATCH
        work = [
            author.submission(range(at, at + BATCH), is_first=False, subject=CONTAINER)
            for at in range(first, first + each * BATCH, BATCH)
        ]
        writers.append(closed_loop([Ingress(ours.clients[name])], work, outstanding=2))
    start = time.perf_counter()
    measured = await asyncio.gather(*writers)
    seconds = time.perf_counter() - start
    final = sum(one.events for one in measured)
    return Found({"container/s": final / seconds, "container lost": float(_WRITERS * each * BATCH - final)})


async def proof(ours: Ours) -> Found:
    """What bundles weigh; proving an item with twenty events, and verifying it: in process, and by the command from cold."""
    number = next(ours._numbers)
    client = ours.clients[_AUTHOR]
    hand = Ingress(client)
    for is_first in (True, *(False for _ in range(_HISTORY - 1))):
        await hand(ours.author.submission((number,), is_first=is_first))
    start = time.perf_counter()
    data = await client.prove((SubjectKey(Space.THING, serial(number)),))
    made_s = time.perf_counter() - start
    anchor = anchor_from_genesis(ours.network.made.genesis)
    path = ours.network.root / "twenty.custody"
    path.write_bytes(data)
    command: list[str | Path] = [_COMMAND, "verify", path, "--anchor", ours.folder / GENESIS_FILE]
    return Found(
        {
            **proofs.sizes(),
            "prove ms": 1_000 * made_s,
            "verify ms": 1_000 * min(_seconds(lambda: verify(data, anchor)) for _ in range(2 * _ROUNDS)),
            "verify cold s": min(
                _seconds(lambda: subprocess.run(command, stdout=subprocess.DEVNULL, check=False))
                for _ in range(_ROUNDS)
            ),
        }
    )


async def killed(ours: Ours) -> Found:
    """Latency while one validator of four is killed, at the others."""
    hands = ours.hands(without=_KILLED)
    return Found(await pacing.killed(hands, ours.singles, lambda: ours.network.kill(_KILLED)))


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


PIECES: Final[Mapping[str, Callable[[Ours], Awaitable[Found]]]] = {
    "latency": latency,
    "http": http,  # while there is little that the gateway's index has to catch up with
    "batches": batches,
    "singles": singles,
    "container": container,
    "proof": proof,
    "killed": killed,
}
