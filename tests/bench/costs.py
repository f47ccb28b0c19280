"""What one validator's work costs in processor time, measured here and now: what the network model is fed with.

Each figure is the least of several tries, so that what else runs on the machine counts as little as possible.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from ledger.base.keys import SigningKey, is_signature
from ledger.chain.votes import Vote, notarise
from ledger.consensus.messages import decode_message, encode_message
from node.cli import collect_rarely
from node.init import STATE_DEPTH, create_network
from node.local import protocol
from node.local.protocol import Submission, WaitFor
from node.storage.keystore import Keystore
from node.transport.identity import Identity
from node.transport.mesh import Mesh, Peer
from node.validator import housekeeping
from node.validator.batches import OpenEvent, check_frame, encode_frame
from node.validator.clock import Clock
from node.validator.frames import BATCH_FRAME, CONSENSUS_FRAME, KINDS
from node.validator.mempool import Mempool
from tests.bench.command import work_folder
from tests.bench.load import BATCH, Author
from tests.bench.machine import disk_bytes, sync_seconds
from tests.bench.processes import free_ports
from tests.bench.replica import Ran, Replica

_TRIES: Final = 5
_BLOCKS: Final = 30
_FRAMES: Final = 400
_ALL: Final = (1 << 40, 1 << 40)
"""No limit of what is under way: nothing that is taken in here is ever final."""


@dataclass(frozen=True)
class Costs:
    """In microseconds."""

    verify: float
    """One signature."""
    sign: float
    own_event: float
    """Taking an event in at this node, in a transaction of 100: request, extract, hashes, storing, frames; not its signature."""
    peer_event: float
    """The same of a batch that came from another."""
    execute_event: float
    """Executing and storing it."""
    frame: float
    """Sending, or receiving, a frame: TLS, framing, the system's calls."""
    kilobyte: float
    """Of a frame, besides."""
    message: float
    """Decoding a vote."""
    sync: float
    """Waiting for the disk once, by the clock."""
    client_event: float
    """What a client on the same machine spends on an event."""
    transaction_bytes: int
    """Of 100 events."""
    batch_bytes: int
    """Of a batch of one such transaction, as it is sent with its events."""
    disk_event: float
    """Bytes an event leaves on a validator's disk: chain, state and the event's own bytes."""

    def event(self, validators: int) -> float:
        """What an event of a batch of 100 takes of one of so many validators, its signature and all ordering apart."""
        others = self.peer_event * (validators - 1) / validators
        return self.execute_event + others + self.own_event / validators


def measure() -> Costs:
    """Takes about ten seconds of processor time."""
    collect_rarely()  # as a validator does
    verify = _verifying()
    with work_folder("costs") as root:
        create_network(root / "network", state_depth=STATE_DEPTH)
        with Replica(root / "network" / "maker") as replica:
            maker = root / "network" / "maker"
            taken = _taking_in(replica, maker, verify)
            before = disk_bytes(maker)
            execute, events = _executing(replica)
        disk = (disk_bytes(maker) - before) / events + taken.payload_event
        sync = 1e6 * sync_seconds(root)
    sign, message, client = _primitives()
    frame, kilobyte = _frames()
    return Costs(
        verify, sign, taken.own_event, taken.peer_event, execute, frame, kilobyte, message, sync, client,
        taken.transaction_bytes, taken.batch_bytes, disk,
    )  # fmt: skip


def _least(work: Callable[[], object], times: int = 1) -> float:
    """Microseconds of processor time that one of `times` takes within `work`."""
    best = float("inf")
    for _ in range(_TRIES):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return 1e6 * best / times


def _primitives() -> tuple[float, float, float]:
    """A signature made, a vote decoded, and what a client spends on an event."""
    key = SigningKey.from_seed(bytes(32))
    vote = encode_message(Vote(notarise(0, 1, bytes(32)), 0, key.sign(bytes(32))))
    author = Author(key, "maker", bytes(32))
    submission = author.submission(range(BATCH))
    request = protocol.Submit((submission,), WaitFor.FINAL)
    return (
        _least(lambda: [key.sign(bytes(32)) for _ in range(500)], 500),
        _least(lambda: [decode_message(vote) for _ in range(500)], 500),
        _least(lambda: [protocol.encode_request(1, request) for _ in range(10)], 10 * BATCH),
    )


class _Taken(NamedTuple):
    """What taking in comes to; fields as of `Costs`."""

    own_event: float
    peer_event: float
    transaction_bytes: int
    batch_bytes: int
    payload_event: float
    """Of an event's own bytes, as they are stored with their index."""


def _taking_in(replica: Replica, folder: Path, verify: float) -> _Taken:
    """A transaction at a time, handed in here and come from a peer."""
    author = Author(Keystore(folder / "keys").load_plain("sign"), "maker", replica.network)
    submissions = [author.submission(range(at, at + BATCH)) for at in range(0, 20 * BATCH * _TRIES, BATCH)]
    bodies = [protocol.encode_request(1, protocol.Submit((one,), WaitFor.FINAL)) for one in submissions]
    mempool = Mempool(replica.executor, Clock(0, 1), 0, 1, lambda *_: True, under_way=_ALL)
    frames: list[bytes] = []

    def store(digest: bytes, data: bytes, events: tuple[OpenEvent, ...]) -> None:
        replica.stores.pending.put(housekeeping.BATCH, digest, data)
        for event, _ in events:
            replica.stores.payload.put(event)

    def hand_in() -> None:
        for _ in range(20):
            _, request = protocol.decode_request(bodies.pop())
            mempool.submit(_submission(request))
            made = mempool.next_batch()
            if made is None:
                raise SystemExit("bench: expected a transaction to be taken in, it was refused")
            batch, events, _ = made
            store(batch.digest, batch.data, events)
            frames.append(encode_frame(batch.data, events))

    def come() -> None:
        for frame in frames[:20]:
            batch, events = check_frame(frame, replica.network)
            store(batch.digest, batch.data, events)

    own = _least(hand_in, 20 * BATCH) - verify / BATCH
    peer = _least(come, 20 * BATCH) - verify / BATCH
    payload = replica.stores.payload
    payload.write_index(least_bytes=0)
    stored = disk_bytes(folder / "payload") / (BATCH * len(submissions))
    return _Taken(own, peer, len(submissions[0].transaction), len(frames[0]), stored)


def _submission(request: object) -> Submission:
    if not isinstance(request, protocol.Submit):
        raise SystemExit("bench: expected the request that was encoded")
    return request.submissions[0]


def _verifying() -> float:
    """One signature."""
    key = SigningKey.from_seed(bytes(32))
    signature = key.sign(bytes(32))
    return _least(lambda: [is_signature(key.public_key, bytes(32), signature) for _ in range(500)], 500)


def _executing(replica: Replica) -> tuple[float, int]:
    """Of an event, and how many there were."""
    numbers = iter(range(10**9))
    best, events = float("inf"), 0
    for _ in range(3):
        ran = Ran()
        for _ in range(_BLOCKS // 3):
            signed = [
                replica.author.transaction(
                    [next(numbers) for _ in range(BATCH)], replica.now_ms, is_first=True
                )
                for _ in range(10)
            ]
            replica.run(replica.batches(signed), ran)
        best = min(best, ran.cpu_seconds / ran.events)
        events += ran.events
    return 1e6 * best, events


def _frames() -> tuple[float, float]:
    """Of one end: a small frame, and a kilobyte more."""
    small, large = (min(asyncio.run(_exchange(size)) for _ in range(3)) for size in (200, 100_000))
    return small / 2, (large - small) / 2 / 99.8


async def _exchange(size: int) -> float:
    """Microseconds of both ends of a real connection for one frame."""
    keys = sorted((SigningKey.from_seed(bytes((at,)) * 32) for at in (1, 2)), key=lambda key: key.public_key)
    ports = free_ports(2)
    peers = [
        Peer(key.public_key, "127.0.0.1", port, str(at))
        for at, (key, port) in enumerate(zip(keys, ports, strict=True))
    ]
    came = 0

    def on_message(_peer: bytes, _kind: int, _body: bytes) -> None:
        nonlocal came
        came += 1

    meshes = [
        Mesh(
            Identity(key, bytes(32)),
            peers,
            on_message,
            lambda _: None,
            lambda _peer, _reason: None,
            kinds=KINDS,
            name=str(at),
            port=peer.port,
        )
        for at, (key, peer) in enumerate(zip(keys, peers, strict=True))
    ]
    for mesh in meshes:
        await mesh.start()
    try:
        while not all(mesh.connected for mesh in meshes):  # noqa: ASYNC110 - two meshes, no event of both
            await asyncio.sleep(0.01)
        kind, body = (CONSENSUS_FRAME if size < 1_000 else BATCH_FRAME), bytes(size)
        start = time.process_time()
        for sent in range(_FRAMES):
            meshes[0].send(keys[1].public_key, kind, body)
            while came < sent + 1:  # noqa: ASYNC110 - until it is through: what waiting costs is part of it
                await asyncio.sleep(0)
        return 1e6 * (time.process_time() - start) / _FRAMES
    finally:
        for mesh in meshes:
            await mesh.close()
