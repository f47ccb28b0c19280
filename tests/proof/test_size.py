"""How much a bundle weighs: at most what its parts may (DESIGN §8), with a state tree as deep as a real one."""

from __future__ import annotations

import pytest

from ledger.proof.build import build
from ledger.trade.rules.view import thing
from ledger.trade.statement import Action, Role
from tests.proof.histories import history, subjects_of
from tests.proof.size import bound_of, parts_of
from tests.world.past import Past
from tests.world.world import World, serial, sscc

MAKER = "9521234"
ITEMS = [serial(MAKER, 1, number) for number in range(1_000)]
CASE, PALLET, CONTAINER = sscc(MAKER, 1), sscc(MAKER, 2), "urn:epc:id:bic:CSQU3054383"


@pytest.fixture(scope="module")
def shipped() -> World:
    """1,000 items made at once, fifty of them in a case on a pallet in a container, three handovers."""
    world = World(depth=18)
    world.do("maker", Action.MAKE, [(Role.OBJECT, name) for name in ITEMS])
    world.do("maker", Action.PACK, [(Role.PARENT, CASE), *((Role.CHILD, name) for name in ITEMS[:50])])
    world.do("maker", Action.PACK, [(Role.PARENT, PALLET), (Role.CHILD, CASE)])
    world.do("maker", Action.PACK, [(Role.PARENT, CONTAINER), (Role.CHILD, PALLET)])
    for sender, receiver in (("maker", "forwarder"), ("forwarder", "carrier"), ("carrier", "forwarder")):
        world.do(sender, Action.OFFER, [(Role.OBJECT, CONTAINER)], to=receiver)
        world.do(receiver, Action.ACCEPT, [(Role.OBJECT, CONTAINER)])
    return world


@pytest.mark.parametrize(
    ("name", "most"), [(ITEMS[0], 17_500), (ITEMS[900], 4_800), (CASE, 13_500), (CONTAINER, 10_500)]
)
def test_the_bundles_of_a_shipment(shipped: World, name: str, most: int) -> None:
    data = build(Past(shipped), [thing(name)])
    assert len(data) <= bound_of(data), parts_of(data)
    assert len(data) <= most, parts_of(data)


def test_siblings_cost_nothing_but_their_logarithm(shipped: World) -> None:
    """The item's bundle holds fifty siblings' events only as far as they are its own."""
    few = World(depth=18)
    few.do("maker", Action.MAKE, [(Role.OBJECT, ITEMS[0])])
    few.do("maker", Action.PACK, [(Role.PARENT, CASE), (Role.CHILD, ITEMS[0])])
    few.do("maker", Action.PACK, [(Role.PARENT, PALLET), (Role.CHILD, CASE)])
    few.do("maker", Action.PACK, [(Role.PARENT, CONTAINER), (Role.CHILD, PALLET)])
    for sender, receiver in (("maker", "forwarder"), ("forwarder", "carrier"), ("carrier", "forwarder")):
        few.do(sender, Action.OFFER, [(Role.OBJECT, CONTAINER)], to=receiver)
        few.do(receiver, Action.ACCEPT, [(Role.OBJECT, CONTAINER)])
    alone, among = (build(Past(world), [thing(ITEMS[0])]) for world in (few, shipped))
    assert len(among) - len(alone) < 34 * 2 * (10 + 6 + 6) + 200


@pytest.mark.parametrize("seed", range(6))
def test_any_history_stays_within_the_bound(seed: int) -> None:
    world = history(seed, 40, depth=18)
    for key in subjects_of(world):
        data = build(Past(world), [key])
        assert len(data) <= bound_of(data), (key, parts_of(data))
