"""A node that lost everything joins at a snapshot, completes its past, and only then proves; clients wait for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledger.proof.anchor import anchor_from_genesis
from ledger.proof.verify import verify
from node.config import SnapshotConfig
from node.validator.frames import ANSWER_FRAME
from tests.simulation.clients import Clients
from tests.simulation.founding import found, subject_of
from tests.simulation.node import Node
from tests.simulation.signatures import signatures
from tests.simulation.world import World, shared_work, started


@pytest.fixture
def world() -> Iterator[World]:
    with signatures(real=False), shared_work(), started(found(4, snapshots=SnapshotConfig(5, 6, 0))) as made:
        yield made


@pytest.fixture
def clients(world: World) -> Clients:
    """Who handed in as much as makes two snapshots."""
    handing = Clients(world, is_real=False)
    hand_in(world, handing)
    return handing


def hand_in(world: World, clients: Clients) -> None:
    for _ in range(12):
        clients.submit(clients.fresh(), world.nodes[0])
        world.loop.run_until(world.loop.now_us + 30_000)


def lost(world: World) -> Node:
    """The last node, which lost everything but its key and its votes, and starts again."""
    node = world.nodes[3]
    node.crash(power=True)
    node.machine.wipe("votes", "keys")
    world.loop.after(0, node.start)
    return node


def is_in(world: World, node: Node) -> bool:
    """Whether it joined once and is at the height of the others."""
    heights = world.oracles.heights
    return node.joins == 1 and node.has_seat and heights[node.instance] == heights[0]


def joined(world: World) -> Node:
    """One that lost everything: up again, at the height of the others, its past not complete."""
    node = lost(world)
    assert world.loop.run_until(world.loop.now_us + 2_000_000, lambda: is_in(world, node), look_us=1_000)
    assert node.validator is not None
    assert node.validator.sync.completer.said() is not None
    return node


def ask_everybody(world: World, clients: Clients) -> None:
    """Ask every node to prove the same, and wait five seconds for it."""
    keys = clients.touched()[:3]
    assert len(keys) == 3
    for node in world.nodes:
        clients.prove(node, keys)
    world.loop.run_until(world.loop.now_us + 5_000_000, lambda: len(clients.bundles) == len(world.nodes))


def test_one_that_completes_its_past_is_asked_again_until_it_proves(world: World, clients: Clients) -> None:
    joined(world)
    ask_everybody(world, clients)
    assert sorted(clients.bundles) == [0, 1, 2, 3]
    for bundle in clients.bundles.values():
        verify(bundle, anchor_from_genesis(world.founding.genesis))
    assert not world.oracles.broken


def test_one_that_never_joined_has_no_reason_to_lack_history(world: World, clients: Clients) -> None:
    joined(world).joins = 0
    ask_everybody(world, clients)
    assert sorted(clients.bundles) == [0, 1, 2]
    assert "node 3 proves nothing: history_incomplete" in world.oracles.broken[0]


def test_any_other_refusal_to_prove_is_a_finding(world: World, clients: Clients) -> None:
    clients.prove(world.nodes[0], [subject_of(0)])
    world.loop.run_until(world.loop.now_us + 1_000_000)
    assert "node 0 proves nothing: unknown_subject" in world.oracles.broken[0]


@pytest.mark.parametrize("answers", [3, 4], ids=["offers", "a manifest"])
def test_what_peers_let_go_of_meanwhile_is_not_waited_for(
    answers: int, world: World, clients: Clients
) -> None:
    """One is so slow, once it was answered so often, that the others have newer snapshots, and keep no more than two."""
    node = lost(world)
    said: list[str] = []
    world.wires.lines = said
    answered: list[bytes] = []

    def may_leave(other: Node, kind: int, body: bytes) -> bool:
        if kind == ANSWER_FRAME and node.joins:
            answered.append(body)
        return True

    for other in world.nodes[:3]:
        other.may_leave = may_leave
    loop = world.loop
    assert loop.run_until(loop.now_us + 2_000_000, lambda: len(answered) == answers, look_us=1)
    process = node.machine.process
    loop.run_as(process, process.spend, 2_000_000)
    for _ in range(3):
        hand_in(world, clients)
    assert process.busy_until_us > loop.now_us
    assert loop.run_until(loop.now_us + 5_000_000, lambda: is_in(world, node))
    assert any("3: joined {'height'" in line for line in said)
