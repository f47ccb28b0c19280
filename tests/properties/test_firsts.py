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
from ledger.base import limits
from ledger.base.encoding import encode
from ledger.base.hashing import ZERO_HASH
from ledger.base.merkle import LogFrontier
from ledger.chain.transaction import Mode
from ledger.state.block import apply_block
from ledger.state.firsts import Firsts
from ledger.state.item import ItemChanges
from ledger.trade.record import record_hash
from ledger.trade.rules import Act, Decision, Outcome, decide
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
    """All that comes of each block, executed and undone and executed again."""
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
        undone = apply_block(world.state, world.header(*transactions), transactions)
        world.state.undo(undone.undo)
        executions += [undone[:-1], world.commit(*transactions)[:-1]]  # less how it is undone
    return executions


@given(blocks)
def test_a_block_comes_to_the_same_by_the_short_cut(history: list[Block]) -> None:
    with none():
        plain = executed(history)
    assert executed(history) == plain


UNCLEAR: Any = "HTTPS://x.example"  # not canonical
SAID: tuple[dict[str, Any], ...] = (
    *FIELDS,
    {"seals": ["S2"]},
    {"flags": Flag.RESEAL},
    {"step": Step.INSPECTING, "seals": ["S1"]},
    *({field: UNCLEAR} for field in ("counterparty", "source", "place", "transformation")),
    {"documents": [UNCLEAR]},
)
"""Statements that differ by one field each, of those that the rules read or that decide whether it may be said."""


@pytest.mark.parametrize("signer", [MAKER, AUTHORITIES[0]])
def test_what_is_said_is_told_apart_within_a_block_whatever_comes_first(signer: str) -> None:
    said = [(action, fields) for fields in SAID for action in (Action.MAKE, Action.OBSERVE) for _ in range(2)]
    blocks: list[Block] = [
        [(signer, Mode.EACH_ON_ITS_OWN, [
            (action, Role.OBJECT, serial(PREFIX, item, number), fields) for number, (action, fields) in enumerate(order)
        ])]
        for item, order in enumerate((said, said[::-1]), 1)
    ]  # fmt: skip
    with none():
        plain = executed(blocks)
    assert executed(blocks) == plain
    receipts = plain[0][1]
    assert [receipt.refusal for receipt in receipts].count("not_canonical") == 20
    assert len({receipt.outcomes for receipt in receipts}) == (4 if signer in AUTHORITIES else 3)


def test_kinds_of_things_are_told_apart_within_a_block() -> None:
    named = (
        *(f"urn:uuid:{number}" for number in range(2)),
        *(f"urn:custody:person:{number:064}" for number in range(2)),
        *(f"urn:custody:opaque:{number:064}" for number in range(2)),
    )
    for order in (named, named[::-1]):
        block: Block = [
            (MAKER, Mode.EACH_ON_ITS_OWN, [(Action.MAKE, Role.OBJECT, name, {}) for name in order])
        ]
        with none():
            plain = executed([block])
        assert executed([block]) == plain
        assert [receipt.refusal for receipt in plain[0][1]].count("person_identifier") == 2


@pytest.mark.parametrize("mode", Mode)
def test_a_thing_finds_no_room_where_its_part_of_the_state_tree_is_full(mode: Mode) -> None:
    names = [serial(PREFIX, 1, number) for number in range(60)]
    block: Block = [
        (signer, mode, [(Action.MAKE, Role.OBJECT, name, {}) for name in names[start : start + count]])
        for signer, start, count in ((MAKER, 0, 20), (RIVAL, 20, 3), (MAKER, 15, 3), (MAKER, 23, 20), (MAKER, 40, 2))
    ]  # fmt: skip
    with patch.object(limits, "BUCKET_ENTRIES", 1):
        with none():
            plain = executed([block, block])
        assert executed([block, block]) == plain
    refusals = {receipt.refusal for receipt in plain[0][1]}
    assert refusals == {"", "limit"} | ({"rolled_back"} if mode == Mode.ALL_OR_NOTHING else set())


@pytest.mark.parametrize("size", [0, 126, 254, 65_534, 2**32 - 2, 2**63])
def test_a_place_in_the_event_log_is_written_as_wide_as_it_is(size: int) -> None:
    def made() -> tuple[Any, ...]:
        world = World(CAST)
        world.state.log = LogFrontier(size, [ZERO_HASH] * size.bit_count())
        items = [world.item(Action.MAKE, [(Role.OBJECT, serial(PREFIX, 1, n))]) for n in range(4)]
        transactions = [world.sign(MAKER, *items)]
        return apply_block(world.state, world.header(*transactions), transactions)[:-1]

    with none():
        plain = made()
    assert made() == plain


def test_what_is_known_is_not_heard_of_first_though_it_is_in_the_state_tree_alone() -> None:
    def again() -> tuple[Any, ...]:
        world = World(CAST)
        names = [serial(PREFIX, 1, number) for number in range(3)]
        known = world.commit(world.sign(RIVAL, world.item(Action.OBSERVE, [(Role.OBJECT, names[2])])))
        world.blobs.update(known.encoded)
        world.state.forget(world.state.log.size, keep=0)
        return world.commit(
            world.sign(MAKER, *[world.item(Action.MAKE, [(Role.OBJECT, name)]) for name in names])
        )[:-1]

    with none():
        plain = again()
    assert again() == plain
    assert [receipt.outcomes for receipt in plain[1]] == [*[(Outcome.MADE,)] * 2, (Outcome.ORIGIN_SET,)]


def test_what_a_rule_reckons_from_the_place_in_the_event_log_is_not_said_of_others() -> None:
    def reckoned(act: Act, *rest: Any) -> Decision:
        decision = decide(act, *rest)
        return decision._replace(record=decision.record._replace(handed=act.sequence - 1 + 1))

    block: Block = [
        (MAKER, mode, [(Action.MAKE, Role.OBJECT, serial(PREFIX, 1, 2 * n + mode), {}) for n in range(5)])
        for mode in Mode
    ]
    with patch("ledger.state.item.decide", reckoned):
        with none():
            plain = executed([block])
        assert executed([block]) == plain


def test_what_is_not_so_plain_is_left_to_the_plain_way() -> None:
    def executed_in(world: World) -> tuple[Any, ...]:
        name = partial(serial, PREFIX, 1)
        make = partial(world.item, Action.MAKE)
        first, again = make([(Role.OBJECT, name(1))]), make([(Role.OBJECT, name(1))])
        marked = [
            make([(Role.OBJECT, name(number))], event_hash=bytes([0xDD + 17 * number]) * 32)
            for number in (0, 1, 2)
        ]
        transactions = [
            world.sign(MAKER, first, make([(Role.OBJECT, UNCLEAR)]), mode=Mode.ALL_OR_NOTHING),
            world.sign(MAKER, first, again, world.item(Action.OBSERVE, [(Role.OBJECT, name(1))])),
            world.sign(MAKER, make([(Role.OBJECT, name(2), (1, 0, ""))]), make([(Role.PARENT, name(3))])),
            world.sign(MAKER, *[world.attested(MAKER, make([(Role.OBJECT, name(n))]), 1) for n in (4, 5)]),
            world.sign(MAKER, *marked, make([(Role.OBJECT, name(6)), (Role.OBJECT, name(7))])),
        ]
        taken = world.commit(*transactions)[:-1]
        return taken, world.commit(
            world.sign(RIVAL, again, world.item(Action.OBSERVE, [(Role.OBJECT, name(9))]))
        )[:-1]

    with none():
        plain = executed_in(World(CAST))
    assert executed_in(World(CAST)) == plain
    refusals = [receipt.refusal for receipt in plain[0][1]]
    assert (refusals.count("rolled_back"), refusals.count("attestation_repeated")) == (1, 1)


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
        (
            signer,
            mode,
            [(action, Role.OBJECT, named(number), {}) for named in kinds for number in (place, place + 10)],
        )
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
    items = [
        world.item(action, [(Role.OBJECT, serial(PREFIX, 1, number))], **{"time_ms": number, **fields})
        for number in range(60)
    ]
    with patch.object(Firsts, "execute", executed_both_ways):
        world.commit(world.sign(signer, *items[:20]), world.sign(signer, *items[20:40]))
    assert len(TAKEN) == 39  # all but the one that nothing was like before
    with patch("ledger.state.item.decide", side_effect=decide) as asked:
        world.commit(world.sign(signer, *items[40:50]), world.sign(signer, *items[50:]))
    assert asked.call_count == 2  # of the first by itself, of all alike
