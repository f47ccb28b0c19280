"""Events are hashed and taken apart in one pass: what comes out is what each gives alone, also where its form is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger.base.encoding import decode, encode
from ledger.base.errors import Code, FormError
from ledger.chain.transaction import (
    Item,
    Kind,
    item_from_wire,
    item_hash,
    leaf_salt,
    payload_leaves,
    read_events,
    subject_leaf,
    subject_leaves,
    transaction_from_bytes,
)
from ledger.trade.statement import Action, Role
from tests.world.world import World, serial

WORLD = World()
NETWORK = WORLD.network


def wire(item: Item) -> tuple[Any, ...]:
    found: tuple[Any, ...] = decode(encode(item), max_bytes=1_000_000)
    return found


def made(*numbers: int, action: Action = Action.MAKE) -> tuple[Any, ...]:
    return wire(WORLD.item(action, [(Role.OBJECT, serial("9521234", 1, number)) for number in numbers]))


ITEMS = (made(1), made(2), made(3, 4), made(5, action=Action.OBSERVE), made(6, 6), made())
STATEMENT = ITEMS[0][0]
CONFUSED = tuple(
    (*STATEMENT[:place], value, *STATEMENT[place + 1 :])
    for place, value in ((0, True), (2, False), (10, False), (1, 99), (8, ""), (16, None))
)
PLAIN = st.none() | st.booleans() | st.integers(-1, 3) | st.binary(max_size=33) | st.text(max_size=4)
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=4).map(tuple), max_leaves=6)
RAW = st.builds(
    lambda item, statement, changes: tuple(
        changes.get(place, statement if place == 0 else field) for place, field in enumerate(item)
    ),
    st.sampled_from(ITEMS),
    st.sampled_from((STATEMENT, *CONFUSED)),
    st.dictionaries(st.sampled_from((0, 2, 3, 4, 5)), VALUES, max_size=2),
)


def alone(raw: tuple[Any, ...]) -> Item | None:
    try:
        return item_from_wire(raw)
    except FormError:
        return None


@given(st.lists(RAW, max_size=6))
@example([made(1), (CONFUSED[0], *made(2)[1:]), made(3)])
def test_one_pass_gives_what_each_item_gives_alone(items: list[tuple[Any, ...]]) -> None:
    hashes, events, raw = read_events(NETWORK, tuple(items))
    assert encode(raw) == encode(items)
    assert (
        hashes == payload_leaves(NETWORK, Kind.EVENTS, tuple(items)) == [item_hash(NETWORK, i) for i in items]
    )
    assert events == tuple(alone(raw) for raw in items)
    for event in events:
        if event is not None:
            assert type(event) is Item
            assert type(event.statement) is type(alone(ITEMS[0]).statement)  # type: ignore[union-attr]


@given(st.one_of(st.binary(max_size=17), st.none()), st.lists(VALUES, max_size=4).map(tuple))
def test_the_leaves_of_subjects_are_each_salted_alone(salt: Any, subjects: tuple[Any, ...]) -> None:
    leaves = [subject_leaf(NETWORK, leaf_salt(NETWORK, salt, i), one) for i, one in enumerate(subjects)]
    assert subject_leaves(NETWORK, salt, subjects) == leaves


@pytest.mark.parametrize(
    "wrong", [(), (1, 2), made(1)[:5], (None, 3, *made(1)[2:]), (None, ((),) * 1_001, *made(1)[2:])]
)
def test_what_has_not_the_outer_shape_of_an_item_is_no_transaction(wrong: Any) -> None:
    with pytest.raises(FormError) as one:
        payload_leaves(NETWORK, Kind.EVENTS, (made(1), wrong))
    with pytest.raises(FormError) as other:
        read_events(NETWORK, (made(1), wrong))
    assert (one.value.code, one.value.message) == (other.value.code, other.value.message)


def test_a_transaction_keeps_its_events_taken_apart_and_refuses_one_of_the_wrong_form_when_asked() -> None:
    good, wrong = made(1), made(2, 2)
    signed = WORLD.sign("maker", good, wrong, made(3))
    read = transaction_from_bytes(signed.to_bytes(), NETWORK)
    assert read.event(0) == item_from_wire(good)
    assert read.event(0) is read.event(0)
    assert read.event(0).statement is read.event(2).statement
    assert read.items[0][0] is read.items[2][0]
    for _ in range(2):
        with pytest.raises(FormError) as refused:
            read.event(1)
        assert refused.value.code is Code.DUPLICATE_SUBJECT
    assert signed.event(2) == read.event(2)  # of one that was made here, and never read
