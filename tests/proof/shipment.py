"""A shipment whose proofs are weighed: 1,000 items made at once, fifty of them in a case on a pallet in a container, three
handovers, and a state tree as deep as a real one.
"""

from __future__ import annotations

from typing import Final

from ledger.trade.statement import Action, Role
from tests.world.world import World, serial, sscc

MAKER: Final = "9521234"
ITEMS: Final = [serial(MAKER, 1, number) for number in range(1_000)]
CASE, PALLET, CONTAINER = sscc(MAKER, 1), sscc(MAKER, 2), "urn:epc:id:bic:CSQU3054383"


def shipment(items: int = 1_000, packed: int = 50) -> World:
    """The ledger after it; with fewer items, the same for those that are left."""
    world = World(depth=18)
    world.do("maker", Action.MAKE, [(Role.OBJECT, name) for name in ITEMS[:items]])
    world.do("maker", Action.PACK, [(Role.PARENT, CASE), *((Role.CHILD, name) for name in ITEMS[:packed])])
    world.do("maker", Action.PACK, [(Role.PARENT, PALLET), (Role.CHILD, CASE)])
    world.do("maker", Action.PACK, [(Role.PARENT, CONTAINER), (Role.CHILD, PALLET)])
    for sender, receiver in (("maker", "forwarder"), ("forwarder", "carrier"), ("carrier", "forwarder")):
        world.do(sender, Action.OFFER, [(Role.OBJECT, CONTAINER)], to=receiver)
        world.do(receiver, Action.ACCEPT, [(Role.OBJECT, CONTAINER)])
    return world
