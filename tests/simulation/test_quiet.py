"""Healthy figures of whole validators: simulated time and no cost of computing, so they are exact."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from node.local.protocol import TransactionStatus
from tests.simulation.clients import Clients
from tests.simulation.founding import found
from tests.simulation.signatures import signatures
from tests.simulation.world import World, shared_work


@pytest.fixture(autouse=True)
def stand_ins() -> Iterator[None]:
    with signatures(real=False), shared_work():
        yield


class Quiet:
    """No faults; who hands in waits for nobody, and how long each transaction took is kept."""

    def __init__(self, count: int, *, dead: tuple[int, ...] = ()) -> None:
        self.world = world = World(5, found(count))
        for slot in world.seats:
            world.place(slot)
        self.up = [node for node in world.nodes if node.index not in dead]
        for node in world.nodes:
            node.wants_restart = node in self.up
        world.start()
        self.clients = Clients(world, is_real=False, rate=0)
        self.submitted: dict[bytes, int] = {}
        self.answered: dict[bytes, int] = {}
        world.oracles.answered = self._answered  # type: ignore[method-assign]

    def _answered(self, status: TransactionStatus) -> None:
        self.answered[status.transaction] = self.world.loop.now_us

    def run(self, seconds: float, gap_us: int = 50_000) -> None:
        def client() -> None:
            if self.world.loop.now_us < until_us:
                prepared = self.clients.fresh()
                if self.clients.submit(prepared, self.world.random.choice(self.up)):
                    self.submitted[prepared.id] = self.world.loop.now_us
                self.world.loop.after(gap_us, client)

        loop = self.world.loop
        until_us = loop.now_us + int(seconds * 1e6)
        loop.after(10_000, client)
        loop.run_until(until_us + 9_000)

    def latencies_ms(self, since_us: int = 0) -> list[float]:
        return sorted(
            (self.answered[known] - at_us) / 1000
            for known, at_us in self.submitted.items()
            if at_us >= since_us and known in self.answered
        )


@pytest.mark.parametrize(("count", "frames"), [(4, 36), (7, 108)])
def test_healthy_latency_and_messages_per_block(count: int, frames: int) -> None:
    quiet = Quiet(count)
    quiet.run(0.1)
    before, height = quiet.world.wires.frames, max(quiet.world.oracles.heights.values())
    quiet.run(1)
    blocks = max(quiet.world.oracles.heights.values()) - height
    latencies = quiet.latencies_ms()
    assert blocks == 20
    assert len(latencies) == len(quiet.submitted)
    assert latencies[-1] <= 4
    assert frames <= (quiet.world.wires.frames - before) / blocks <= frames + 1
    assert len(set(quiet.world.oracles.heights.values())) == 1


def test_a_dead_validator_costs_a_few_time_outs_and_is_then_skipped() -> None:
    quiet = Quiet(4, dead=(1,))
    quiet.run(1)
    assert quiet.latencies_ms()[-1] <= 160
    quiet.run(1)
    assert quiet.latencies_ms(since_us=1_000_000)[-1] <= 10, "skipped: no time-out any more"


def test_an_idle_network_says_only_where_it_stands() -> None:
    quiet = Quiet(4)
    quiet.world.loop.run_until(59_000_000)
    connections, starts, positions = 4 * 3, 4, 4
    assert quiet.world.wires.frames <= connections + starts + positions


def test_without_a_quorum_nothing_is_final_and_all_goes_on_when_it_is_back() -> None:
    quiet = Quiet(4, dead=(1, 2))
    quiet.run(1)
    assert not quiet.latencies_ms()
    quiet.world.nodes[1].wants_restart = True
    quiet.world.start()
    quiet.world.loop.run_until(quiet.world.loop.now_us + 3_000_000)
    assert len(quiet.latencies_ms()) == len(quiet.submitted)
