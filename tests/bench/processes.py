"""Networks as real processes, started and ended with nothing left behind: four validators, or what else stands beside them."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Generic, Self, TypeVar

from ledger.base.errors import CustodyError
from ledger.base.keys import Signer
from node.init import DEMONSTRATION, GATEWAY_PORTS, MadeNetwork, OrganisationPlan, create_network
from node.local.client import LocalClient
from node.storage.keystore import Keystore
from tests.bench.load import Author

_STOP_S: Final = 20
_POLL_S: Final = 0.05
_PR_SET_PDEATHSIG: Final = 1
_BASES: Final = 50
Part = TypeVar("Part")
PROJECT: Final = Path(__file__).resolve().parents[2]


def _end_with_parent() -> None:
    """Ask Linux for a signal when the process that started this one is gone."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


WITH_PARENT: Final = _end_with_parent if sys.platform == "linux" else None
"""To be called in a process that is not to outlive the one that starts it (`preexec_fn`)."""


def free_port_base(count: int = 4, *, gateways: bool = False) -> int:
    """A base from which `count` ports are free now, and with `gateways` those of their gateways too.

    Below the range that systems take for outgoing connections; runs beside each other begin at different places.
    """
    first = os.getpid() % _BASES
    for place in range(first, first + _BASES):
        base = 21_000 + 2_000 * (place // 10 % 5) + 100 * (place % 10)
        offsets = (0, GATEWAY_PORTS) if gateways else (0,)
        try:
            for port in (base + offset + each for offset in offsets for each in range(count)):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return base
    raise SystemExit("expected free ports on the loopback interface, found none")


def free_ports(count: int) -> tuple[int, ...]:
    """Ports that follow each other and are free now."""
    base = free_port_base(count)
    return tuple(range(base, base + count))


def started(command: Sequence[str | Path], log: Path) -> subprocess.Popen[bytes]:
    """A process that writes to a log and does not outlive this one, however this one ends."""
    with log.open("ab") as said:
        return subprocess.Popen(
            command,
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            preexec_fn=WITH_PARENT,  # noqa: PLW1509 - one thread starts them
        )


def ended(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    """End processes, and wait for them; those that do not are killed."""
    running = [process for process in processes if process.poll() is None]
    for process in running:
        process.send_signal(signal.SIGTERM)
    for process in running:
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Running(ABC, Generic[Part]):
    """The processes of one network, by part of it; an async context manager: all are ready within, none is left after it."""

    names: tuple[str, ...]
    """Of the nodes."""

    def __init__(self) -> None:
        self.processes: dict[Part, subprocess.Popen[bytes]] = {}

    @abstractmethod
    def start(self, name: str) -> None:
        """Start one node."""

    @abstractmethod
    async def wait_until_ready(self, name: str) -> None:
        """Wait until a node answers and is connected to all others."""

    def stop(self) -> None:
        """End all, and wait for them."""
        ended(self.processes.values())

    async def __aenter__(self) -> Self:
        try:
            for name in self.names:
                self.start(name)
            for name in self.names:
                await self.wait_until_ready(name)
        except BaseException:
            self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop()


class Nodes(Running[str]):
    """A network whose nodes are one process each."""

    def kill(self, name: str) -> None:
        """End one at once, as a power cut would."""
        self.processes[name].kill()
        self.processes[name].wait()


class Validators(Nodes):
    """Validators of this ledger."""

    def __init__(
        self,
        root: Path,
        *,
        state_depth: int,
        gateways: bool = False,
        more: int = 0,
        plans: Sequence[OrganisationPlan] = DEMONSTRATION,
    ) -> None:
        """`gateways`: their ports have to be free too. `more`: ports beyond these, for nodes that are to come."""
        super().__init__()
        self.root = root
        self.port_base = free_port_base(len(plans) + more, gateways=gateways)
        self.made: MadeNetwork = create_network(
            root, plans, port_base=self.port_base, state_depth=state_depth
        )
        self.network = self.made.genesis.network
        self.names = tuple(sorted(self.made.folders))

    def start(self, name: str) -> None:
        """Start one validator."""
        self.processes[name] = self._run(name, "validator", self.root / f"{name}.log")

    def start_gateway(self, name: str) -> subprocess.Popen[bytes]:
        """Start the gateway of one node; whoever does ends it."""
        return self._run(name, "gateway", self.root / "gateway.log")

    def gateway_port(self, name: str) -> int:
        """Where it listens."""
        return self.port_base + GATEWAY_PORTS + self.names.index(name)

    def _run(self, name: str, role: str, log: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "node.cli", "run", "--role", role, "--folder"]
        return started([*command, self.made.folders[name]], log)

    async def wait_until_ready(self, name: str) -> None:
        """Wait until a validator answers and is connected to all others."""
        client = self.client(name)
        try:
            while True:
                if self.processes[name].poll() is not None:
                    said = (self.root / f"{name}.log").read_text()[-500:]
                    raise SystemExit(f"bench: the validator of {name} ended: {said}")
                try:
                    status = await client.status()
                    if all(peer.is_connected for peer in status.peers):
                        return
                except CustodyError:
                    pass
                await asyncio.sleep(_POLL_S)
        finally:
            await client.close()

    def client(self, name: str) -> LocalClient:
        """A client of one validator's socket."""
        return LocalClient(self.made.folders[name] / "run" / "validator.sock")

    def author(self, name: str) -> Author:
        """Who signs events of an organisation."""
        return Author(self.key(name), name, self.network)

    def key(self, name: str) -> Signer:
        """An organisation's signing key."""
        return Keystore(self.made.folders[name] / "keys").load("sign")
