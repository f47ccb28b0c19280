"""Seeded runs of whole validators with faults and liars, judged by every oracle; fixed seeds, so no failure is chance."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.base.errors import Code
from tests.simulation.adversaries import KINDS
from tests.simulation.run import traces
from tests.simulation.scenario import HEIGHTS, Scenario, run_seed


def _told(adversaries: str) -> tuple[str, ...] | None:
    """None where the seed draws them."""
    names = tuple(name.strip() for name in adversaries.split(",") if name.strip())
    return None if names == ("drawn",) else names


SEEDS_OF_FINDINGS = [
    (int(line[:8]), _told(line[8:31]))
    for line in (Path(__file__).with_name("seeds.txt")).read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


@pytest.fixture(autouse=True)
def garbage_between_runs() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def check(seed: int, adversaries: tuple[str, ...] | None = None) -> None:
    result = run_seed(seed, adversaries)
    assert result.is_clean, result
    assert len(result.faults) >= 3
    assert result.heights >= HEIGHTS


@pytest.mark.parametrize("seed", range(1, 41))
def test_seeds(seed: int) -> None:
    check(seed)


@pytest.mark.parametrize(("seed", "adversaries"), SEEDS_OF_FINDINGS)
def test_seeds_that_once_found_something(seed: int, adversaries: tuple[str, ...] | None) -> None:
    check(seed, adversaries)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [1_000, 1_001])
def test_every_adversary(kind: str, seed: int) -> None:
    check(seed, (kind,))


def test_software_of_two_versions_runs_together_until_the_vote_and_the_older_stops_there() -> None:
    scenario = Scenario(8)
    assert scenario.run().is_clean
    (old,) = [node for node in scenario.world.nodes if node.refusals]
    assert {error.code for error in old.refusals} == {Code.UNSUPPORTED_VERSION}
    assert "install a newer version" in old.refusals[0].message
    assert scenario.result.outdated


@pytest.mark.parametrize("kind", ["twin", "double voter"])
def test_what_liars_do_is_seen(kind: str) -> None:
    """An adversary that does nothing would make the runs above worth nothing."""
    scenario = Scenario(7, (kind,))
    assert scenario.run().is_clean
    assert scenario.world.oracles.expected
    assert scenario.world.oracles.accusations


def test_one_seed_is_one_run_under_any_hash_seed_and_after_any_other() -> None:
    first, second = traces(11, 6, "0"), traces(11, 6, "4242")
    assert first == second
    assert len(set(first)) == 6
    assert [run_seed(seed).trace for seed in (16, 11)] == [first[5], first[0]]
