"""The network between the nodes, and the mesh and the private socket of each as `node.validator.host` wants them.

A wire is one-way. Frames on it are delayed, lost, doubled and overtaken as the faults of the moment say. A link between two
nodes comes up when both listen and nothing is cut between them, and breaks when one of them ends, drops the other, or
is cut off for long.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ledger.base.errors import Code, CustodyError, FormError
from ledger.base.keys import SigningKey
from node.transport.connection import Counters, Lane
from node.transport.local_service import LocalConnection
from node.transport.mesh import FrameKind, Peer
from tests.simulation.loop import PowerCut, Process, VirtualLoop

if TYPE_CHECKING:
    from tests.simulation.node import Node
    from tests.simulation.world import World

CONNECT_US = 3_000
RETRY_US = 20_000
DOOR_US = 50


class Wires:
    """What connects all nodes, and its faults."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.loop: VirtualLoop = world.loop
        self.latency_us = 500
        self.jitter_us = 0
        self.loss = 0.0
        self.duplication = 0.0
        self.cut: dict[tuple[int, int], int] = {}
        """By (from, to) instance, how many faults cut it now."""
        self.slow_us: dict[int, int] = {}
        self.frames = 0
        self.trace = hashlib.sha256()
        self.lines: list[str] | None = None
        """What was delivered, in words, when somebody wants to read it."""

    def is_cut(self, sender: int, receiver: int) -> bool:
        return (sender, receiver) in self.cut

    def add_cut(self, pairs: Iterable[tuple[int, int]]) -> None:
        for pair in pairs:
            self.cut[pair] = self.cut.get(pair, 0) + 1

    def end_cut(self, pairs: Iterable[tuple[int, int]]) -> None:
        for pair in pairs:
            self.cut[pair] -= 1
            if not self.cut[pair]:
                del self.cut[pair]

    def carry(self, sender: Node, receiver: Node, kind: int, body: bytes) -> None:
        """A frame leaves; it may come, once or twice, or not."""
        if (sender.instance, receiver.instance) in self.cut:
            return
        draw = self.world.random
        copies = 1
        if self.loss and draw.random() < self.loss:
            copies = 0
        elif self.duplication and draw.random() < self.duplication:
            copies = 2
        leaves_us = sender.machine.process.now_us
        delay = (
            self.latency_us + self.slow_us.get(sender.instance, 0) + self.slow_us.get(receiver.instance, 0)
        )
        target = receiver.machine.process
        for _ in range(copies):
            late = draw.randrange(self.jitter_us) if self.jitter_us else 0
            self.loop.at(leaves_us + delay + late, target, self._deliver, sender, receiver, kind, body)

    def _deliver(self, sender: Node, receiver: Node, kind: int, body: bytes) -> None:
        mesh = receiver.mesh
        if mesh is None or not mesh.is_open:
            return
        self.frames += 1
        digest = hashlib.blake2b(body, digest_size=8).digest()
        self.trace.update(
            b"%d %d %d %d %s;" % (self.loop.now_us, sender.instance, receiver.instance, kind, digest)
        )
        if self.lines is not None:
            self.lines.append(
                f"{self.loop.now_us / 1000:10.3f} ms  {sender.instance} -> {receiver.instance}  {self.world.describe(kind, body)}"
            )
        mesh.came(sender, kind, body)


class VirtualMesh:
    """`Connections` of one process."""

    def __init__(self, node: Node, peers: Iterable[Peer], on_message: Callable[[bytes, int, bytes], None],
                 on_connect: Callable[[bytes], None], on_disconnect: Callable[[bytes, str], None],
                 kinds: Mapping[int, FrameKind]) -> None:  # fmt: skip
        self.node = node
        self.counters = Counters()
        self.is_open = False
        self._wires = node.world.wires
        self._process: Process = node.machine.process
        self._peers = _let_in(peers)
        self._on_message = on_message
        self._on_connect = on_connect
        self._on_disconnect = on_disconnect
        self._kinds = kinds
        self._links: dict[int, Node] = {}
        """Nodes by instance, of the links that are up."""

    @property
    def port(self) -> int:
        return 1

    @property
    def connected(self) -> tuple[bytes, ...]:
        return tuple(dict.fromkeys(other.transport_key for other in self._links.values()))

    @property
    def is_up(self) -> bool:
        return self.is_open and self._process.is_alive

    def set_peers(self, peers: Iterable[Peer]) -> None:
        self._peers = _let_in(peers)
        for other in list(self._links.values()):
            if other.transport_key not in self._peers:
                self.unlink(other, "it is no longer a peer")
        self._dial_all()

    def set_transport(self, transport: SigningKey) -> None:
        """Here nodes are told apart by their place: who proves what is the real mesh's matter."""

    async def start(self) -> None:
        self.is_open = True
        self._dial_all()

    async def close(self) -> None:
        self.is_open = False
        for other in list(self._links.values()):
            self.unlink(other, "closing")

    # ---- links

    def _dial_all(self) -> None:
        for other in self.node.world.nodes:
            if other.transport_key in self._peers and other.transport_key != self.node.transport_key:
                self.dial(other, CONNECT_US)

    def dial(self, other: Node, delay_us: int) -> None:
        self._wires.loop.at(self._process.now_us + delay_us, None, self._try, other)

    def _try(self, other: Node) -> None:
        """A connection is made, if both are there and can hear each other."""
        mesh, me = other.mesh, self.node
        if not self.is_up or self is not me.mesh or other.instance in self._links:
            return
        if mesh is None or not mesh.is_up or me.transport_key not in mesh._peers:
            return  # it dials when it starts
        wires = self._wires
        is_late = any(max(m._process.busy_until_us - wires.loop.now_us, 0) > 3_000_000 for m in (self, mesh))
        if wires.is_cut(me.instance, other.instance) or wires.is_cut(other.instance, me.instance) or is_late:
            self.dial(other, RETRY_US)
            return
        for one, peer in ((self, other), (mesh, me)):
            one._links[peer.instance] = peer
            one.counters.connects += 1
            wires.loop.at(wires.loop.now_us, one._process, one._on_connect, peer.transport_key)

    def unlink(self, other: Node, reason: str) -> None:
        """The link to a node is gone, here now and there after a while."""
        if self._links.pop(other.instance, None) is None:
            return
        loop = self._wires.loop
        if self._process.is_alive:
            loop.at(self._process.now_us, self._process, self._on_disconnect, other.transport_key, reason)
        mesh = other.mesh
        if mesh is not None and mesh._links.pop(self.node.instance, None) is not None:
            wait_us = self._wires.latency_us
            loop.at(
                loop.now_us + wait_us, mesh._process, mesh._on_disconnect, self.node.transport_key, "gone"
            )
            mesh.dial(self.node, RETRY_US)
        self.dial(other, RETRY_US)

    def lost(self) -> None:
        """This process ended: the others notice."""
        self.is_open = False
        for other in list(self._links.values()):
            self.unlink(other, "it ended")

    def send_now(self) -> None:
        """Here everything leaves as soon as it is sent."""

    def drop(self, peer: bytes, reason: str) -> None:
        for other in list(self._links.values()):
            if other.transport_key == peer:
                self.unlink(other, reason)

    # ---- frames

    def came(self, sender: Node, kind: int, body: bytes) -> None:
        if sender.instance not in self._links:
            return
        self.counters.frames_in += 1
        try:
            if len(body) > self._kinds[kind].max_bytes:
                raise FormError(Code.TOO_LARGE, f"expected at most {self._kinds[kind].max_bytes} bytes")
            self._on_message(sender.transport_key, kind, body)
        except CustodyError as error:
            self.node.world.oracles.dropped(self.node, sender, str(error))
            self.drop(sender.transport_key, str(error))

    def send(self, peer: bytes, kind: int, body: bytes) -> bool:
        found = False
        for other in tuple(self._links.values()):
            if other.transport_key == peer:
                found = True
                self._leave(other, kind, body)
        return found

    def broadcast(self, kind: int, body: bytes) -> int:
        links = tuple(self._links.values())
        for other in links:
            self._leave(other, kind, body)
        return len(links)

    def _leave(self, other: Node, kind: int, body: bytes) -> None:
        node = self.node
        if node.sends_left is not None:
            node.sends_left -= 1
            if node.sends_left < 0:
                node.machine.is_dark = True
                self._process.kill()
        if not self._process.is_alive:
            raise PowerCut
        if node.may_leave(other, kind, body):
            self._wires.carry(node, other, kind, body)


class Caller(LocalConnection):
    """A client's end and a node's end of the private socket in one: `LocalConnection` as far as the service looks."""

    def __init__(self, process: Process, on_answer: Callable[[int, bytes], None]) -> None:
        self.process = process
        self.on_answer = on_answer
        self.is_closing = False
        self._requests: dict[int, Any] = {}

    def send(self, kind: int, body: bytes, lane: Lane = Lane.URGENT) -> bool:
        if not self.process.is_alive:
            return False
        loop = self.process._loop
        loop.at(self.process.now_us + DOOR_US, None, self.on_answer, kind, body)
        return True

    def send_or_end(self, kind: int, body: bytes) -> None:
        self.send(kind, body)

    def send_now(self) -> None:
        pass

    def spawn(self, number: int, request: Coroutine[Any, Any, None]) -> None:
        self._requests[number] = self.process._loop.create_task(request)

    def cancel(self, number: int) -> None:
        task = self._requests.pop(number, None)
        if task is not None:
            task.cancel()

    async def drained(self) -> None:
        pass


class VirtualDoorway:
    """`Doorway` of one process."""

    def __init__(
        self,
        path: Path,
        caps: Mapping[int, int],
        on_frame: Callable[[LocalConnection, int, bytes], None],
        on_lost: Callable[[LocalConnection, Exception | None], None] | None = None,
        *,
        requests: int,
    ) -> None:
        self.path = path
        self.caps = caps
        self.on_frame = on_frame
        self.on_lost = on_lost
        self.requests = requests
        self.is_open = False

    async def start(self) -> None:
        self.is_open = True

    async def close(self) -> None:
        self.is_open = False


def _let_in(peers: Iterable[Peer]) -> set[bytes]:
    return {peer.public_key for peer in peers if peer.accepted}


def open_mesh(node: Node) -> Callable[..., VirtualMesh]:
    """`OpenConnections` for a node."""

    def connect(
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
    ) -> VirtualMesh:
        node.mesh = VirtualMesh(node, peers, on_message, on_connect, on_disconnect, kinds)
        return node.mesh

    return connect
