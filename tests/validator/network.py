"""Four validators on one event loop, over real sockets and disks; and what they are fed with."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import TypeVar

import structlog

from ledger.base.keys import Signer
from ledger.chain.block import PROTOCOL_NEWEST
from ledger.trade.record import Space, SubjectKey
from node.init import DEMONSTRATION, MadeNetwork, OrganisationPlan, create_network
from node.local.client import LocalClient
from node.storage.keystore import Keystore
from node.validator.host import REAL, Host
from node.validator.member import open_member
from node.validator.validator import Validator
from tests.bench.load import Author, serial

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_BASES = range(24_000, 32_000, 5)[_WORKER::_WORKERS]
_FIRST = os.getpid() % len(_BASES)
PORTS = chain(_BASES[_FIRST:], _BASES[:_FIRST])
"""No worker takes what is another's, also not while a node of it is stopped for a moment; runs beside each other begin at
different places."""


def free_port_base() -> int:
    for base in PORTS:
        try:
            for port in range(base, base + 5):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return base
    raise AssertionError("no free ports")


class Network:
    """A network on disk whose validators run here as they are asked to."""

    def __init__(
        self,
        root: Path,
        plans: Sequence[OrganisationPlan] = DEMONSTRATION,
        *,
        protocol: int = PROTOCOL_NEWEST,
        hybrid: bool = False,
    ) -> None:
        self.port_base = free_port_base()
        self.made: MadeNetwork = create_network(
            root / "net",
            plans,
            port_base=self.port_base,
            state_depth=8,
            heartbeat_ms=0,
            protocol=protocol,
            hybrid=hybrid,
        )
        self.network = self.made.genesis.network
        self.names = tuple(sorted(self.made.folders))
        self.running: dict[str, Validator] = {}
        self.clients: dict[str, LocalClient] = {}

    async def start(self, *names: str, host: Host = REAL) -> None:
        for name in names or self.names:
            member = open_member(self.made.folders[name])
            try:
                validator = Validator(member, structlog.get_logger(node=name), host)
            except BaseException:
                member.folder.close()
                raise
            await validator.start()
            self.running[name] = validator
            self.clients[name] = LocalClient(self.made.folders[name] / "run" / "validator.sock")

    async def stop(self, *names: str) -> None:
        for name in names or tuple(self.running):
            await self.clients.pop(name).close()
            await self.running.pop(name).close()

    async def connected(self) -> None:
        others = len(self.running) - 1
        await until(lambda: all(len(v.mesh.connected) == others for v in self.running.values()))

    async def same_height(self) -> int:
        """Wait until all running validators have the same final blocks."""
        await until(lambda: len({v.executor.final_header for v in self.running.values()}) == 1)
        return next(iter(self.running.values())).chain.height

    def author(self, name: str = "maker") -> Author:
        return Author(self.key(name), name, self.network)

    def key(self, name: str, use: str = "sign") -> Signer:
        return Keystore(self.made.folders[name] / "keys").load(use)


def item(number: int) -> SubjectKey:
    return SubjectKey(Space.THING, serial(number))


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; a test that waits in vain is stopped by the suite's limit."""
    while not condition():  # noqa: ASYNC110 - conditions of several validators at once
        await asyncio.sleep(0.005)


Made = TypeVar("Made", bound=Network)


def with_network(tmp_path: Path, scenario: Callable[[Network], Awaitable[None]]) -> None:
    """Run a scenario on four connected validators."""
    with_made(lambda: Network(tmp_path), scenario)


def with_made(make: Callable[[], Made], scenario: Callable[[Made], Awaitable[None]]) -> None:
    """Run a scenario on the network that `make` makes, once its validators are connected."""

    async def run() -> None:
        network = make()
        try:
            await network.start()
            await network.connected()
            await scenario(network)
        finally:
            await network.stop()

    asyncio.run(run())
