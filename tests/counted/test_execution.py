"""What executing a block costs: 100 events of one transaction, in hashes by what they are of, and in encodings."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger.chain.transaction import Item
from ledger.state.block import apply_block
from ledger.trade.statement import Action, Role
from tests.counted.counting import counting
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


MADE = {
    "Merkle leaf": 400,  # each of: receipt, event log, related root of one record, bucket of one entry
    "Merkle node": 198,  # 99 over receipts, 99 to append to the event log
    "chain head": 200,  # the subject's main chain, and the moves chain
    "entry": 100,
    "header": 1,
    "outcome": 1,
    "receipt": 100,
    "record": 100,  # after; that before, which the related leaf names, is the empty one, whose hash is remembered
    "related leaf": 100,  # the subject alone
    "related root": 100,
    "related salt": 100,
    "state bucket": 100,
    "state key": 100,
    "state node": 544,  # 9 levels over 2^18 buckets, 100 paths that meet towards the root
}
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
        # Of each event: record, related salt and leaf, root, entry, link, receipt, state key.
        pytest.param(_made, MADE, 802, id="100 items made"),
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
