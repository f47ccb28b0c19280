"""What simulated disks found, each as a story of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledger.base.errors import Code, StorageError
from node.storage.pending_store import PendingStore
from tests.simulation.clients import Clients
from tests.simulation.founding import found
from tests.simulation.knobs import knobs
from tests.simulation.signatures import signatures
from tests.simulation.world import World, shared_work, started


@pytest.fixture
def world() -> Iterator[World]:
    with signatures(real=False), shared_work(), knobs({"segment_bytes": 2_048}), started(found(4)) as made:
        yield made


def hand_in(world: World, clients: Clients, slot: int, count: int) -> None:
    for _ in range(count):
        clients.submit(clients.fresh(), world.nodes[slot])
        world.loop.run_until(world.loop.now_us + 30_000)


def test_a_disk_that_fails_under_a_pushed_batch_stops_the_node_and_blames_no_peer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the batch begins a segment: the disk fails while it is stored, before any vote."""
    bad = world.nodes[0].machine
    put = PendingStore.put

    def failing(store: PendingStore, kind: int, key: bytes, data: bytes) -> None:
        if world.loop.current is bad.process:
            bad.had_faults = True
            raise StorageError(Code.DAMAGED, "expected the disk to work")
        put(store, kind, key, data)

    monkeypatch.setattr(PendingStore, "put", failing)
    clients = Clients(world, is_real=False)
    hand_in(world, clients, 1, 4)
    world.loop.run_until(world.loop.now_us + 1_000_000)
    assert isinstance(world.nodes[0].refusals[0], StorageError)
    assert not bad.process.is_alive
    assert not world.oracles.broken
    assert len(world.oracles.acknowledged) == 4


def test_a_batch_whose_open_bytes_are_lost_is_neither_held_nor_served(world: World) -> None:
    """What a full disk left: the batch is in the pending store, the bytes of its items are not."""
    clients = Clients(world, is_real=False)
    others = [(0, other) for other in (1, 2, 3)] + [(other, 0) for other in (1, 2, 3)]
    world.wires.add_cut(others)
    hand_in(world, clients, 0, 3)
    node = world.nodes[0]
    assert node.validator is not None
    node.validator.stores.sync_before_sending()
    node.crash(power=False)
    for path in [path for path in node.machine.disk.names if path.startswith("payload/")]:
        del node.machine.disk.names[path]
    node.machine.tables.pop("index")
    world.loop.after(0, node.start)
    world.loop.run_until(world.loop.now_us + 100_000)
    assert node.validator is not None
    assert not node.validator.mempool.pending_transactions
    world.wires.end_cut(others)
    hand_in(world, clients, 1, 3)
    world.loop.run_until(world.loop.now_us + 2_000_000)
    assert not world.oracles.broken
    assert len(world.oracles.acknowledged) == 3
    assert len(set(world.oracles.heights.values())) == 1
