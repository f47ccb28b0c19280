"""Flipping any single byte of a small bundle never leaves it proven: exhaustive over places.

One other value per place in every run; all 255 with CUSTODY_EXHAUSTIVE=1 (some minutes).
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from ledger.base.encoding import encode
from ledger.base.hashing import Tag, tagged_hash
from ledger.proof.build import build
from ledger.proof.bundle import bundle_from_bytes
from ledger.proof.verdict import Word, assess
from ledger.trade.rules.view import thing
from ledger.trade.statement import Action, Role
from tests.proof.forgery import anchor_of
from tests.world.epochs import ChangingWorld
from tests.world.past import Past
from tests.world.world import World, serial, sscc

MAKER = "9521234"
ITEM, CASE = serial(MAKER, 1, 1), sscc(MAKER, 1)
EVERY = bool(os.environ.get("CUSTODY_EXHAUSTIVE"))


def differences(place: int) -> list[int]:
    """By what the byte at `place` is changed: something arbitrary but always the same, or everything."""
    if EVERY:
        return list(range(1, 256))
    return [1 + tagged_hash(Tag.EVENT, bytes(32), place.to_bytes(4, "big"))[0] % 255]


def made() -> tuple[World, bytes]:
    world = World()
    world.do("maker", Action.MAKE, [(Role.OBJECT, ITEM)])
    return world, build(Past(world), [thing(ITEM)])


def packed() -> tuple[World, bytes]:
    """An item in a case that changed hands: related records, moves, an attested event."""
    world = World()
    item = world.attested("maker", world.item(Action.MAKE, [(Role.OBJECT, ITEM)]), 7)
    world.commit(world.sign("maker", item))
    world.do("maker", Action.PACK, [(Role.PARENT, CASE), (Role.CHILD, ITEM)])
    world.do("maker", Action.OFFER, [(Role.OBJECT, CASE)], to="carrier")
    world.do("carrier", Action.ACCEPT, [(Role.OBJECT, CASE)])
    return world, build(Past(world), [thing(ITEM)])


@pytest.mark.timeout(3_600 if EVERY else 120)
@pytest.mark.parametrize("small", [made, packed])
def test_no_flipped_byte_leaves_a_bundle_proven(small: Callable[[], tuple[World, bytes]]) -> None:
    world, data = small()
    anchor = anchor_of(world)
    assert assess(data, anchor, now_ms=world.now_ms).status == Word.CONSISTENT
    flipped = bytearray(data)
    proven = []
    for place, byte in enumerate(data):
        for difference in differences(place):
            flipped[place] = byte ^ difference
            if assess(bytes(flipped), anchor, now_ms=world.now_ms).exit_code not in (1, 5):
                proven.append((place, difference))
        flipped[place] = byte
    assert proven == []
    assert bytes(flipped) == data


@pytest.mark.timeout(3_600 if EVERY else 120)
def test_no_flipped_byte_leaves_a_change_of_validators_proven() -> None:
    """Neither to an anchor that follows the closings, nor to one that knows the sets they lead to already."""
    world = ChangingWorld(2)
    data = world.prove()
    end = len(data) - len(encode(bundle_from_bytes(data)[3:])) + 1
    flipped = bytearray(data)
    for anchor in (anchor_of(world), world.anchors[2]):
        assert assess(data, anchor, now_ms=world.now_ms).status == Word.CONSISTENT
        proven = []
        for place in range(end):
            for difference in differences(place):
                flipped[place] = data[place] ^ difference
                if assess(bytes(flipped), anchor, now_ms=world.now_ms).exit_code not in (1, 5):
                    proven.append((place, difference))
            flipped[place] = data[place]
        assert proven == []
