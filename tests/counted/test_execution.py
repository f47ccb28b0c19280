"""What executing a block costs: 100 events of one transaction, in hashes by what they are of, and in encodings."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger.chain.transaction import Item
from ledger.state.block import apply_block
from ledger.trade.statement import Action, Role
from tests.counted.counting import counting
from tests.counted.hashes import MADE
from tests.world.world import World, serial, sscc

PREFIX = "9521234"
BOX = sscc(PREFIX, 1)
ITEMS = range(1, 101)


def _name(number: int) -> str:
    return serial(PREFIX, 1, number)


def _made(world: World) -> list[Item]:
    return [world.item(Action.MAKE, [(Role.OBJECT, _name(number))]) for number in ITEMS]


def _observed(world: World) -> list[Item]:
    return [world.item(Action.OBSERVE, [(Role.OBJECT, _name(number))]) for number in ITEMS]


def _observed_together(world: World) -> list[Item]:
    return [world.item(Action.OBSERVE, [(Role.OBJECT, _name(number)) for number in ITEMS])]


def _packed(world: World) -> list[Item]:
    children = [(Role.CHILD, _name(number)) for number in ITEMS]
    return [world.item(Action.PACK, [(Role.PARENT, BOX), *children])]


OBSERVED = MADE | {
    "Merkle node": 201,
    "chain head": 100,  # no move; the record before is remembered
    "state key": 0,  # remembered
}
OBSERVED_TOGETHER = OBSERVED | {
    "Merkle leaf": 202,  # 100 of the related root, 100 buckets; one receipt, one place in the event log
    "Merkle node": 102,  # 99 in the related root
    "entry": 1,
    "receipt": 1,
    "related root": 1,
}
PACKED = OBSERVED_TOGETHER | {
    "Merkle leaf": 204,  # the container is one more
    "Merkle node": 103,
    "chain head": 202,  # moves of all 101
    "record": 101,
    "related leaf": 101,
    "related salt": 101,
    "state bucket": 101,
    "state key": 1,
    "state node": 549,
}


@pytest.mark.parametrize(
    ("items", "hashes", "encodings"),
    [
        # Of each event: record, related salt and leaf, root, entry, link, receipt, state key. Of what is made: key, receipt, two
        # places; and once for all of them but the first, which is executed by itself, the rest, 35 fields of a record among it.
        pytest.param(_made, MADE, 467, id="100 items made"),
        pytest.param(_observed, OBSERVED, 702, id="100 items observed"),
        pytest.param(_observed_together, OBSERVED_TOGETHER, 405, id="one event on 100 items"),
        pytest.param(_packed, PACKED, 410, id="100 items packed"),
    ],
)
def test_what_executing_a_block_hashes_and_encodes(
    items: Callable[[World], list[Item]], hashes: dict[str, int], encodings: int
) -> None:
    with counting() as counts:
        world = World(depth=18)
        if items is not _made:
            world.commit(world.sign("maker", *_made(world)))
        transaction = world.sign("maker", *items(world))
        header = world.header(transaction)
        counts.clear()
        execution = apply_block(world.state, header, [transaction])
    assert not any(receipt.refusal for receipt in execution.receipts)
    assert counts.hashed() == {tag: count for tag, count in hashes.items() if count}
    assert counts.encodings == encodings
    assert counts.decodings == 0  # the records are remembered, the items were decoded on the way in
    assert not counts.checks  # signatures were checked on the way in
