"""What a validator gets from the machine it runs on: clocks, randomness, tables, connections, threads (DESIGN §6).

Everything in which one run may differ from another comes through here or through the folder's `FileSystem`; time to wait
comes from the event loop. So a simulator can put a virtual machine in the place of the real one and repeat a run exactly.
The defaults are the real machine.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ledger.base.keys import SigningKey
from ledger.chain.block import PROTOCOL_NEWEST
from node.storage.lmdb_backend import LmdbBackend
from node.storage.state_store import Backend
from node.transport.connection import Counters
from node.transport.identity import Identity
from node.transport.local_service import LocalConnection, LocalServer
from node.transport.mesh import FrameKind, Mesh, Peer


class Connections(Protocol):
    """The connections to the other validators; `node.transport.mesh.Mesh` describes the methods."""

    @property
    def counters(self) -> Counters:
        """Bytes and frames so far."""

    @property
    def port(self) -> int:
        """The port listened on."""

    @property
    def connected(self) -> tuple[bytes, ...]:
        """The peers connected now, each by the key that names it."""

    async def start(self) -> None:
        """Listen and begin to dial."""

    async def close(self) -> None:
        """Send what waits, close every connection, stop listening."""

    def set_peers(self, peers: Iterable[Peer]) -> None:
        """Exchange the set of peers; who stays, with a key that is still accepted, stays connected."""

    def set_transport(self, transport: SigningKey) -> None:
        """Prove another transport key from now on."""

    def send(self, peer: bytes, kind: int, body: bytes) -> bool:
        """Queue a frame for a peer; False if it is not connected or the frame was dropped."""

    def broadcast(self, kind: int, body: bytes) -> int:
        """Queue a frame for every connected peer; for how many it was."""

    def send_now(self) -> None:
        """Hand what waits for peers to the system now."""

    def drop(self, peer: bytes, reason: str) -> None:
        """Close the connection to a peer at once; it may come back."""


class OpenConnections(Protocol):
    """Makes the connections of the node with this transport key; nothing listens before `start`."""

    def __call__(
        self,
        transport: SigningKey,
        network: bytes,
        peers: Iterable[Peer],
        on_message: Callable[[bytes, int, bytes], None],
        on_connect: Callable[[bytes], None],
        on_disconnect: Callable[[bytes, str], None],
        *,
        kinds: Mapping[int, FrameKind],
        name: str,
        host: str,
        port: int,
        on_refused: Callable[[str, str], None],
    ) -> Connections:
        """The arguments are those of `node.transport.mesh.Mesh`."""


class Doorway(Protocol):
    """Where the gateway of this node comes in; `node.transport.local_service.LocalServer` describes the methods."""

    async def start(self) -> None:
        """Listen."""

    async def close(self) -> None:
        """Stop listening, send what waits, end what is under way."""


class OpenDoorway(Protocol):
    """Makes the doorway at a path; nothing listens before `start`."""

    def __call__(
        self,
        path: Path,
        caps: Mapping[int, int],
        on_frame: Callable[[LocalConnection, int, bytes], None],
        on_lost: Callable[[LocalConnection, Exception | None], None] | None = None,
        *,
        requests: int,
    ) -> Doorway:
        """The arguments are those of `node.transport.local_service.LocalServer`."""


class OpenTables(Protocol):
    """Opens durable tables in a folder of their own. Raises StorageError."""

    def __call__(self, path: Path, network: bytes, tables: Iterable[str]) -> Backend:
        """The arguments are those of `node.storage.lmdb_backend.LmdbBackend`."""


def _open_mesh(
    transport: SigningKey,
    network: bytes,
    peers: Iterable[Peer],
    on_message: Callable[[bytes, int, bytes], None],
    on_connect: Callable[[bytes], None],
    on_disconnect: Callable[[bytes, str], None],
    *,
    kinds: Mapping[int, FrameKind],
    name: str,
    host: str,
    port: int,
    on_refused: Callable[[str, str], None],
) -> Connections:
    return Mesh(
        Identity(transport, network),
        peers,
        on_message,
        on_connect,
        on_disconnect,
        kinds=kinds,
        name=name,
        host=host,
        port=port,
        on_refused=on_refused,
    )


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


async def _in_thread(work: Callable[[], None]) -> None:
    await asyncio.to_thread(work)


@dataclass(frozen=True, slots=True)
class Host:
    """A machine."""

    monotonic_ms: Callable[[], int] = _monotonic_ms
    """For timers; never set back."""
    wall_ms: Callable[[], int] = _wall_ms
    """Unix time, as right as this machine knows it."""
    random_bytes: Callable[[int], bytes] = os.urandom
    open_tables: OpenTables = LmdbBackend
    connect: OpenConnections = _open_mesh
    open_doorway: OpenDoorway = LocalServer
    in_thread: Callable[[Callable[[], None]], Awaitable[None]] = _in_thread
    """Runs work that takes long and touches nothing else while it does."""
    protocol_newest: int = PROTOCOL_NEWEST
    """The newest protocol version that the software on it knows."""


REAL: Host = Host()
