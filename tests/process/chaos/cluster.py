"""Four real nodes, each a validator and a gateway process, that can be killed, paused and started again.

Nothing is left behind: every process is asked and then made to end, also a paused one; and each watches its standard input,
which ends with this process however that ends.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from client.gateway import AsyncGateway
from client.protocol import Address, Policy
from ledger.base.errors import CustodyError
from ledger.base.keys import Signer
from node.init import DEMONSTRATION, GATEWAY_PORTS, MadeNetwork, create_network
from node.local.client import LocalClient
from node.local.protocol import NodeStatus
from node.storage.keystore import Keystore
from tests.bench.machine import cpu_seconds
from tests.bench.processes import PROJECT, Running, free_port_base

PARTS: Final = ("validator", "gateway")
_STOP_S: Final = 20
_ENDING_S: Final = 120
"""How long a part that is to end by itself may take."""
_POLL_S: Final = 0.05
_STATE_DEPTH: Final = 16


def _surroundings() -> dict[str, str]:
    """This process's environment, but with compiled modules kept: a node in service does not compile itself anew."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


class Cluster(Running[tuple[str, str]]):
    """The nodes of one network."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = root
        self.port_base = free_port_base(gateways=True)
        self.made: MadeNetwork = create_network(
            root, DEMONSTRATION, port_base=self.port_base, state_depth=_STATE_DEPTH
        )
        self.network = self.made.genesis.network
        self.names = tuple(sorted(self.made.folders))
        self.folders: dict[str, Path] = dict(self.made.folders)
        self.environment: dict[str, Mapping[str, str]] = {name: {} for name in self.names}
        """Added to what a node's processes are started with."""
        self._paused: set[tuple[str, str]] = set()

    # ---- life

    def start(self, name: str, *parts: str) -> None:
        """Start parts of a node, all by default."""
        for part in parts or PARTS:
            command = [sys.executable, "-m", "node.cli", "run", "--role", part, "--with-parent", "--folder"]
            with self.log(name, part).open("ab") as log:
                self.processes[name, part] = subprocess.Popen(
                    [*command, str(self.folders[name])],
                    cwd=PROJECT,
                    env={**_surroundings(), **self.environment[name]},
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )

    def stop(self) -> None:
        """End all, and wait for them."""
        for name in self.names:
            self.resume(name)
        super().stop()
        for process in self.processes.values():
            if process.stdin is not None:
                process.stdin.close()

    # ---- what is done to them

    def kill(self, name: str, *parts: str) -> None:
        """End parts of a node at once."""
        for part in parts or PARTS:
            self.processes[name, part].kill()
        for part in parts or PARTS:
            self._reap(name, part)

    def terminate(self, name: str, *parts: str) -> list[int]:
        """Ask parts of a node to end; their exit codes."""
        for part in parts or PARTS:
            self.processes[name, part].terminate()
        return [self._reap(name, part) for part in parts or PARTS]

    async def ended(self, name: str, part: str) -> int:
        """Wait until a part ends by itself; its exit code."""
        await asyncio.to_thread(self.processes[name, part].wait, _ENDING_S)
        return self._reap(name, part)

    def pause(self, name: str, *parts: str) -> None:
        """Stop parts of a node in the middle of whatever they do."""
        for part in parts or PARTS:
            self.processes[name, part].send_signal(signal.SIGSTOP)
            self._paused.add((name, part))

    def resume(self, name: str) -> None:
        """Let a node go on."""
        for one in [one for one in self._paused if one[0] == name]:
            self._paused.discard(one)
            if self.processes[one].poll() is None:
                self.processes[one].send_signal(signal.SIGCONT)

    def _reap(self, name: str, part: str) -> int:
        process = self.processes[name, part]
        try:
            code = process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"expected the {part} of {name} to end within {_STOP_S} s") from None
        if process.stdin is not None:
            process.stdin.close()
        return code

    # ---- what is asked of them

    def is_running(self, name: str, part: str) -> bool:
        """Whether a part runs (or is paused)."""
        return self.processes[name, part].poll() is None

    def process(self, name: str, part: str) -> int:
        """A part's process id."""
        return self.processes[name, part].pid

    def cpu_ms(self, name: str, part: str) -> float:
        """What a part has used of a processor so far; 0 where the system does not say."""
        return 1000 * cpu_seconds(self.process(name, part))

    def log(self, name: str, part: str) -> Path:
        """Where a part's log goes."""
        return self.root / f"{name}-{part}.log"

    def said(self, name: str, part: str) -> str:
        """Its log so far."""
        return self.log(name, part).read_text(errors="replace")

    def check_alive(self) -> None:
        """AssertionError with the end of its log where a part ended that nobody ended."""
        for (name, part), process in self.processes.items():
            code = process.poll()
            if code is not None:
                raise AssertionError(
                    f"the {part} of {name} ended with {code}: {self.said(name, part)[-2_000:]}"
                )

    def url(self, name: str) -> str:
        """The base URL of a node's gateway."""
        return f"http://127.0.0.1:{self.port_base + GATEWAY_PORTS + self.names.index(name)}"

    def address(self, name: str) -> Address:
        """A gateway, with what it takes to read from it."""
        token = self.folders[name] / "keys" / "reader.token"
        return Address(self.url(name), token.read_text().strip() if token.exists() else None)

    def gateway(self, *names: str, policy: Policy | None = None) -> AsyncGateway:
        """A client of these gateways, the first one asked first."""
        return AsyncGateway([self.address(name) for name in names], policy=policy)

    def local(self, name: str) -> LocalClient:
        """A client of a validator's own socket."""
        return LocalClient(self.folders[name] / "run" / "validator.sock")

    async def status(self, name: str) -> NodeStatus | None:
        """How a validator says it is doing; None where it does not answer."""
        client = self.local(name)
        try:
            async with asyncio.timeout(2):
                return await client.status()
        except (CustodyError, TimeoutError):
            return None
        finally:
            await client.close()

    async def wait_until_ready(self, name: str) -> None:
        """Wait until a node's validator is connected to all others, and its gateway to it."""
        token = self.folders[name] / "keys" / "reader.token"
        while True:
            self.check_alive()
            status = await self.status(name)
            if status is not None and all(peer.is_connected for peer in status.peers) and token.exists():
                break
            await asyncio.sleep(_POLL_S)
        async with self.gateway(name) as gateway:
            await gateway.checkpoint() if status.height else await gateway.genesis()

    async def wait_until_level(self, name: str, other: str) -> None:
        """Wait until a node has caught up with where another one is now."""
        there = await self.status(other)
        while there is not None:
            here = await self.status(name)
            if here is not None and here.height >= there.height:
                return
            await asyncio.sleep(_POLL_S)

    def key(self, name: str) -> Signer:
        """An organisation's signing key."""
        return Keystore(self.made.folders[name] / "keys").load("sign")

    def reroute(self, dialler: str, listener: str, port: int) -> None:
        """Make one node dial another through `port`; before it starts."""
        own = self.port_base + self.names.index(listener)
        settings = self.folders[dialler] / "node.toml"
        before = settings.read_text()
        after = before.replace(f'address = "127.0.0.1:{own}"', f'address = "127.0.0.1:{port}"')
        assert before != after, f"{dialler} does not name {listener} at port {own}"
        settings.write_text(after)
