"""Seeded runs with faults and liars, each judged by every oracle; fixed seeds, so a failure is a finding, not chance."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.consensus.interface import Parameters
from tests.simulation.adversaries import KINDS
from tests.simulation.scenario import run_seed
from tests.simulation.validator import Batch, Validator
from tests.simulation.world import World

ROOT = Path(__file__).resolve().parents[2]
SEEDS_OF_FINDINGS = [
    int(line.split()[0])
    for line in (Path(__file__).with_name("seeds.txt")).read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


def check(seed: int, adversaries: tuple[str, ...] | None = None) -> None:
    result = run_seed(seed, adversaries)
    assert result.is_clean, result
    assert len(result.faults) >= 3
    assert result.heights > 0


@pytest.mark.parametrize("seed", range(1, 31))
def test_seeds(seed: int) -> None:
    check(seed)


@pytest.mark.parametrize("seed", SEEDS_OF_FINDINGS)
def test_seeds_that_once_found_something(seed: int) -> None:
    check(seed)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [1_000, 1_001])
def test_every_adversary(kind: str, seed: int) -> None:
    check(seed, (kind,))


def test_what_liars_do_is_seen() -> None:
    """An adversary that does nothing would make the runs above worth nothing."""
    from tests.simulation.scenario import Scenario

    for kind in ("twin", "double voter"):
        scenario = Scenario(7, (kind,))
        assert scenario.run().is_clean
        assert scenario.world.oracles.evidence, kind


@pytest.mark.parametrize("hash_seed", ["0", "1", "4242"])
def test_one_seed_is_one_run_under_any_hash_seed(hash_seed: str) -> None:
    code = "from tests.simulation.scenario import run_seed; print(run_seed(11).trace, run_seed(24).trace)"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [run_seed(11).trace, run_seed(24).trace]


# ---- healthy figures: simulated time, so they are exact


class Quiet:
    """No faults: validators, a client that submits at random, and when each batch became final."""

    def __init__(self, count: int, *, dead: tuple[int, ...] = (), execute_us: int = 0) -> None:
        self.world = world = World(5, count, execute_us=execute_us, parameters=Parameters(heartbeat_ms=0))
        for index in range(count):
            if index not in dead:
                world.place(index)
        self.up: list[Validator] = list(world.instances())
        for validator in self.up:
            validator.start()
        self.submitted: dict[bytes, int] = {}

    def run(self, seconds: int, rate: int = 100) -> None:
        def client() -> None:
            batch: Batch = world.new_batch()
            self.submitted[batch.digest] = world.now_us
            self.up[world.draw(0, len(self.up) - 1)].submit(batch)
            world.after(int(world.random.expovariate(rate) * 1e6), client)

        world = self.world
        world.at(world.now_us, client)
        world.run_until(world.now_us + seconds * 1_000_000)

    def latencies_ms(self, since_us: int = 0) -> list[float]:
        final = self.world.oracles.committed_us
        return sorted(
            (final[digest] - at_us) / 1000
            for digest, at_us in self.submitted.items()
            if at_us >= since_us and digest in final
        )


def test_healthy_latency_and_messages_per_block() -> None:
    quiet = Quiet(4)
    quiet.run(3)
    latencies = quiet.latencies_ms()
    assert latencies[len(latencies) // 2] == 2.8
    assert latencies[len(latencies) * 99 // 100] <= 4.2
    assert 36 <= quiet.world.messages / quiet.up[0].height <= 37
    assert not quiet.world.oracles.forks


def test_seven_validators_take_108_messages_a_block_and_no_longer() -> None:
    quiet = Quiet(7)
    quiet.run(1)
    latencies = quiet.latencies_ms()
    assert latencies[len(latencies) // 2] == 2.8
    assert 108 <= quiet.world.messages / quiet.up[0].height <= 111


def test_a_dead_validator_costs_a_few_time_outs_and_is_then_skipped() -> None:
    quiet = Quiet(4, dead=(1,))
    quiet.run(1)
    assert quiet.latencies_ms()[-1] <= 160
    quiet.run(2)
    settled = quiet.latencies_ms(since_us=1_000_000)
    assert settled[-1] <= 10, "skipped: no time-out any more"


def test_an_idle_network_says_only_where_it_stands() -> None:
    quiet = Quiet(4)
    quiet.world.run_until(59_000_000)
    connections, starts, positions = 4 * 3, 4, 4
    assert quiet.world.messages == connections + starts + positions


def test_without_a_quorum_nothing_is_final_and_all_goes_on_when_it_is_back() -> None:
    quiet = Quiet(4, dead=(1, 2))
    quiet.run(1)
    assert not quiet.latencies_ms()
    validator = quiet.world.place(1)
    validator.start()
    quiet.world.run_until(quiet.world.now_us + 3_000_000)
    assert quiet.latencies_ms()
    assert {v.height for v in quiet.world.instances()} == {validator.height}
