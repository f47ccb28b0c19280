"""How much a bundle weighs: at most what its parts may (DESIGN §8), with a state tree as deep as a real one."""

from __future__ import annotations

import pytest

from ledger.proof.build import build
from ledger.trade.rules.view import thing
from tests.proof.histories import history, subjects_of
from tests.proof.shipment import CASE, CONTAINER, ITEMS, shipment
from tests.proof.size import bound_of, parts_of
from tests.world.past import Past
from tests.world.world import World


@pytest.fixture(scope="module")
def shipped() -> World:
    return shipment()


@pytest.mark.parametrize(
    ("name", "most"), [(ITEMS[0], 17_500), (ITEMS[900], 4_800), (CASE, 13_500), (CONTAINER, 10_500)]
)
def test_the_bundles_of_a_shipment(shipped: World, name: str, most: int) -> None:
    data = build(Past(shipped), [thing(name)])
    assert len(data) <= bound_of(data), parts_of(data)
    assert len(data) <= most, parts_of(data)


def test_siblings_cost_nothing_but_their_logarithm(shipped: World) -> None:
    """The item's bundle holds fifty siblings' events only as far as they are its own."""
    few = shipment(items=1, packed=1)
    alone, among = (build(Past(world), [thing(ITEMS[0])]) for world in (few, shipped))
    assert len(among) - len(alone) < 34 * 2 * (10 + 6 + 6) + 200


@pytest.mark.parametrize("seed", range(6))
def test_any_history_stays_within_the_bound(seed: int) -> None:
    world = history(seed, 40, depth=18)
    for key in subjects_of(world):
        data = build(Past(world), [key])
        assert len(data) <= bound_of(data), (key, parts_of(data))
