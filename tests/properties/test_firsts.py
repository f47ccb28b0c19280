"""What is the first heard of a thing is written down as the plain way writes it, whatever stands beside it in a block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ledger.state.block as executing
from ledger.base.encoding import encode
from ledger.chain.transaction import Mode
from ledger.state.block import Execution
from ledger.state.firsts import Firsts
from ledger.state.item import ItemChanges
from ledger.trade.record import record_hash
from ledger.trade.rules import decide
from ledger.trade.statement import Action, Flag, Role
from ledger.trade.vocabulary import Step
from tests.properties.histories import (
    AUTHORITIES,
    CAST,
    MAKER,
    OUTSIDE,
    PREFIX,
    RIVAL,
    Draw,
    Player,
    draws,
)
from tests.world.world import World, lot, serial, sscc

IDENTIFIERS = (
    *(serial(PREFIX, item, number) for item in (1, 2) for number in (1, 2)),
    serial("4000001", 1, 1),  # of nobody's prefix
    serial("9528888", 1, 1),  # of another's
    sscc(PREFIX, 1),
    lot(PREFIX, 7, "A"),
    "urn:custody:doc:ucr:4NL123456789-A7",
    "https://ID.gs1.org/01/09521234000013/21/1",  # not canonical
    f"urn:custody:person:{'0' * 64}",
)
FIELDS: tuple[dict[str, Any], ...] = (
    {},
    {"time_ms": 1_700_000_000_123},
    {"seals": ["S1", "S2"]},
    {"step": Step.INSPECTING},
    {"flags": Flag.RESEAL, "seals": ["S3"]},
    {"counterparty": OUTSIDE},
)
said = st.tuples(
    st.sampled_from((Action.MAKE, Action.OBSERVE, Action.OFFER, Action.HOLD)),
    st.sampled_from((*(Role.OBJECT,) * 6, Role.PARENT)),
    st.sampled_from(IDENTIFIERS),
    st.sampled_from(FIELDS),
)
signed = st.tuples(st.sampled_from(CAST), st.sampled_from(Mode), st.lists(said, min_size=1, max_size=5))
blocks = st.lists(st.lists(signed, min_size=1, max_size=4), min_size=1, max_size=3)
Block = list[tuple[str, Mode, list[tuple[Action, Role, str, dict[str, Any]]]]]


@contextmanager
def none() -> Iterator[None]:
    """Within: everything is executed the plain way."""
    with patch.object(Firsts, "execute", return_value=None):
        yield


def executed(history: list[Block]) -> list[tuple[Any, ...]]:
    """All that comes of each block, but for how it is undone."""
    world = World(CAST, authorities=AUTHORITIES, grants={PREFIX: MAKER, "9528888": RIVAL})
    executions = []
    for block in history:
        transactions = [
            world.sign(
                signer,
                *[
                    world.item(action, [(role, name)], **({"measure": ("1", "")} if action == Action.HOLD else {}), **fields)
                    for action, role, name, fields in items
                ],
                mode=mode,
            )
            for signer, mode, items in block
        ]  # fmt: skip
        execution: Execution = world.commit(*transactions)
        executions.append(execution[: Execution._fields.index("undo")])
    return executions


@given(blocks)
def test_a_block_comes_to_the_same_by_the_short_cut(history: list[Block]) -> None:
    with none():
        plain = executed(history)
    assert executed(history) == plain


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("action", [Action.MAKE, Action.OBSERVE])
def test_who_says_it_and_of_whose_prefix_is_told_apart_within_a_block(action: Action, mode: Mode) -> None:
    kinds: list[Callable[[int], str]] = [
        *[partial(serial, prefix, 1) for prefix in (PREFIX, "9528888", "4000001")],
        partial(sscc, PREFIX),
        partial(sscc, "9528888"),
        lambda number: f"https://{number}.example.com/thing",
    ]
    block: Block = [
        (signer, mode, [(action, Role.OBJECT, named(place), {}) for named in kinds])
        for place, signer in enumerate((RIVAL, MAKER, AUTHORITIES[0], RIVAL, MAKER))
    ]
    with none():
        plain = executed([block])
    assert executed([block]) == plain
    assert (
        len({outcomes for receipt in plain[0][1] for outcomes in receipt.outcomes}) > 1
        or action == Action.OBSERVE
    )


def executed_both_ways(firsts: Any, place: int, sequence: int) -> ItemChanges | None:
    """What executing an item comes to, the same by `_apply_item`, which knows no short cut."""
    work = firsts._ask.args[0]
    plain = (
        None if (found := EXECUTE(firsts, place, sequence)) is None else executing._apply_item(work, place)
    )
    assert found == plain
    if found is not None:
        assert plain is not None
        for key, record in found.records.items():
            _, hashed, data, _ = work.state.stored(key, record)
            assert data == encode(record)
            assert hashed == record_hash(work.state.network, record)
            assert [type(value) for value in record] == [type(value) for value in plain.records[key]]
            TAKEN.append(key)
    return found


EXECUTE = Firsts.execute
TAKEN: list[Any] = []


@given(draws)
def test_an_item_comes_to_the_same_by_the_short_cut(history: list[Draw]) -> None:
    player = Player()
    with patch.object(Firsts, "execute", executed_both_ways):
        for draw in history:
            player.play(draw)


@pytest.mark.parametrize("fields", FIELDS)
@pytest.mark.parametrize("action", [Action.MAKE, Action.OBSERVE])
@pytest.mark.parametrize("signer", [MAKER, RIVAL, AUTHORITIES[0]])
def test_the_short_cut_is_taken_and_asks_the_rules_once(
    action: Action, signer: str, fields: dict[str, Any]
) -> None:
    TAKEN.clear()
    world = World(CAST, authorities=AUTHORITIES)
    items = [world.item(action, [(Role.OBJECT, serial(PREFIX, 1, number))], **fields) for number in range(60)]
    with patch.object(Firsts, "execute", executed_both_ways):
        world.commit(world.sign(signer, *items[:20]), world.sign(signer, *items[20:40]))
    assert len(TAKEN) == 40
    with patch("ledger.state.item.decide", side_effect=decide) as asked:
        world.commit(world.sign(signer, *items[40:50]), world.sign(signer, *items[50:]))
    assert asked.call_count == 1
