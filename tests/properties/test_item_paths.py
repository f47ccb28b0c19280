"""Short cuts of execution come to what the plain way comes to, for every event of any history."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given

import ledger.state.block as executing
import ledger.state.item as one_item
from ledger.state.item import ItemChanges, ItemView, Records, execute_item, execute_legs
from ledger.state.sums import Sums, summed_up
from ledger.trade.record import SubjectKey
from ledger.trade.rules import Decision, Leg, View
from ledger.trade.rules.view import thing
from ledger.trade.statement import Action, Role
from tests.proof.histories import history as history_of
from tests.properties import plain_sums
from tests.properties.histories import (
    BOXES,
    CUSTOMS,
    FORWARDER,
    ITEMS,
    MAKER,
    Draw,
    Player,
    draws,
)


def executed_both_ways(network: bytes, records: Records, *rest: Any) -> ItemChanges:
    """What executing an item comes to, the same by `execute_legs`, which knows no short cut."""
    members, act, item, entry = rest
    found = execute_item(network, records, *rest)
    view = ItemView(records, members, act, item.subjects)
    assert found == execute_legs(network, records, act, view, item, entry)
    return found


def summed_up_both_ways(view: View, decided: Iterable[tuple[Leg, Decision]]) -> dict[SubjectKey, Sums]:
    """The sums, the same as the plain ones."""
    decided = list(decided)
    expected = plain_sums.summed_up(view, decided)
    found = summed_up(view, decided)
    assert {key: (sums.children, sums.levels, sums.inside, sums.lots) for key, sums in found.items()} == {
        key: (record.children, record.levels, record.inside, record.lots) for key, record in expected.items()
    }
    return found


@contextmanager
def both_ways() -> Iterator[None]:
    with (
        patch.object(executing, "execute_item", executed_both_ways),
        patch.object(one_item, "summed_up", summed_up_both_ways),
    ):
        yield


@given(draws)
def test_short_cuts_of_execution_come_to_what_the_plain_way_comes_to(history: list[Draw]) -> None:
    player = Player()
    with both_ways():
        for draw in history:
            player.play(draw)


@pytest.mark.parametrize("seed", range(8))
def test_short_cuts_hold_in_long_histories_too_where_things_lie_deep_and_are_held(seed: int) -> None:
    with both_ways():
        assert len(history_of(seed, 100).rows) > 100


def test_what_goes_into_a_nested_container_is_summed_up_in_all_of_them() -> None:
    player = Player()
    with both_ways():
        for parent, child in ((2, BOXES[1]), (1, BOXES[0]), (0, ITEMS[0]), (3, BOXES[2])):
            player.do(MAKER, Action.PACK, [(Role.PARENT, BOXES[parent]), (Role.CHILD, child)])
        player.do(CUSTOMS, Action.HOLD, [(Role.OBJECT, ITEMS[0])], measure=("1", ""))
    assert player.record(thing(BOXES[3])).levels == 4
    assert player.record(thing(BOXES[3])).inside == ((CUSTOMS, 1),)


def test_an_event_of_one_record_that_stays_where_it_is_takes_the_short_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    player, plainly = Player(), []

    def counted(*rest: Any) -> ItemChanges:
        plainly.append(rest)
        return execute_legs(*rest)

    monkeypatch.setattr(one_item, "execute_legs", counted)
    player.do(MAKER, Action.MAKE, [(Role.OBJECT, ITEMS[3])])
    player.do(MAKER, Action.OBSERVE, [(Role.OBJECT, ITEMS[0])])
    player.do(MAKER, Action.OFFER, [(Role.OBJECT, ITEMS[0])], to=FORWARDER)
    player.do(FORWARDER, Action.ACCEPT, [(Role.OBJECT, ITEMS[0])])
    assert not plainly
    player.do(MAKER, Action.PACK, [(Role.PARENT, BOXES[0]), (Role.CHILD, ITEMS[1])])
    assert len(plainly) == 1
