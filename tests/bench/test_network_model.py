from __future__ import annotations

from dataclasses import replace

import pytest

from tests.bench.costs import Costs
from tests.bench.estimate import table
from tests.bench.network_model import Links, Model
from tests.bench.network_scale import CONTINENT, LAN

COSTS = Costs(
    verify=50, sign=20, own_event=50, peer_event=15, execute_event=60, frame=15, kilobyte=0.5, message=5, sync=1_000,
    client_event=0.2, transaction_bytes=26_700, batch_bytes=91_500, disk_event=1_000,
)  # fmt: skip


def saturated(costs: Costs, count: int = 4, cores: int | None = None) -> Model:
    model = Model(count, LAN, costs, cores=cores, step_us=20)
    model.closed_loop(16, 0.3, 0.6)
    return model


def test_a_busy_validator_does_no_more_than_its_core_can() -> None:
    model = saturated(COSTS)
    found = model.figures
    each = COSTS.own_event / 4 + 3 * COSTS.peer_event / 4 + COSTS.execute_event
    assert 0.5 * 1e6 / each < found.per_second < 1e6 / each
    assert 0.8 < found.busiest <= 1.01
    assert each < found.cpu_us_per_event(4) < 1.5 * each
    heights = [len(node.chain) for node in model.nodes]
    assert max(heights) - min(heights) <= 3
    assert len({node.chain[min(heights) - 1][0].header.hash for node in model.nodes}) == 1


def test_what_costs_twice_as_much_brings_less() -> None:
    plain = saturated(COSTS).figures.per_second
    assert saturated(replace(COSTS, execute_event=120)).figures.per_second < 0.75 * plain
    assert saturated(COSTS, cores=2).figures.per_second < 0.75 * plain


@pytest.mark.parametrize("links", [LAN, CONTINENT])
def test_an_event_is_final_after_four_ways_of_a_message_at_least(links: Links) -> None:
    found = Model(4, links, COSTS, events=1, step_us=20).open_loop(100, 0.5, 0.5)
    way_ms = links.delay_us(0, 1) / 1_000
    assert len(found.latencies_ms) > 30
    assert 3 * way_ms < found.quantile_ms(0.0)
    assert 4 * way_ms < found.quantile_ms(0.5) < 8 * way_ms + 30


def test_the_estimate_is_reckoned_from_the_costs() -> None:
    said = table(COSTS)
    assert (
        "8,300/s × (60 executing + 14 of others + 3 own) µs | 0.64 of the one core that a validator uses"
        in said
    )
    assert "262 × 10⁹ × 1,000 B | 262 TB a year, 0.7 TB a day" in said
    assert "4.3 × 10⁹: full after 54 days" in said
