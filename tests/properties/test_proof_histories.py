"""Random histories: every subject's bundle verifies and says what the state says; nothing altered in it ever does.

The whole of a bundle is authenticated, every part is needed and every value has one form: so there is no alteration that
verifies at all, save for which quorum signed the checkpoint (tests/proof/test_attacks.py).
"""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.base.encoding import encode
from ledger.base.errors import CustodyError
from ledger.proof.build import build
from ledger.proof.bundle import Bundle, ShownEntry
from ledger.proof.verdict import Word, assess
from ledger.proof.verify import verify
from ledger.trade.rules.view import situation
from ledger.trade.statement import Role
from tests.proof.forgery import anchor_of, at, mutants, nodes, replaced, unpacked
from tests.proof.histories import CurrentView, history, subjects_of
from tests.proof.size import bound_of, parts_of
from tests.world.past import Past
from tests.world.world import World

SEEDS = st.integers(0, 2**32)
_ENTRIES = Bundle._fields.index("entries")
_NAMED = ShownEntry._fields.index("named")
_OPENINGS = (ShownEntry._fields.index("subjects"), ShownEntry._fields.index("related"))


def refuses(world: World, data: bytes) -> bool:
    try:
        verify(data, anchor_of(world))
    except CustodyError:
        return True
    return False


@settings(max_examples=40)
@given(seed=SEEDS, length=st.integers(1, 50))
def test_every_subject_is_proven_as_the_state_has_it(seed: int, length: int) -> None:
    world = history(seed, length)
    past, view = Past(world), CurrentView(world)
    for key in subjects_of(world):
        data = build(past, [key])
        found = verify(data, anchor_of(world)).nested.proven[key].replayed
        record = world.record(key)
        assert found.record == record
        assert found.custodian == situation(view, key).custodian  # type: ignore[arg-type]
        own = [(new.link, new.aside) for row in world.rows for new in row.changes.links if new.key == key]
        assert [(step.link, step.aside) for step in found.steps if not step.inside] == own
        assert len(data) <= bound_of(data), parts_of(data)
        verdict = assess(data, anchor_of(world), now_ms=world.now_ms)
        assert verdict.status not in (Word.NOT_PROVEN, Word.STALE)
        assert verdict.subjects[0].custodian == found.custodian


@settings(max_examples=15)
@given(seed=SEEDS)
def test_all_subjects_are_proven_at_once(seed: int) -> None:
    world = history(seed, 30)
    keys = subjects_of(world)
    if keys:
        data = build(Past(world), keys)
        assert set(verify(data, anchor_of(world)).nested.asked) == set(keys)
        assert data == build(Past(world), [*reversed(keys), *keys])


@settings(max_examples=60)
@given(seed=SEEDS)
def test_no_part_can_be_dropped_doubled_swapped_or_altered(seed: int) -> None:
    world = history(seed, 25)
    chosen = random.Random(seed)
    keys = subjects_of(world)
    if not keys:
        return
    data = build(Past(world), [chosen.choice(keys)])
    value = unpacked(data)
    every = [path for path, _ in nodes(value)]
    for path in chosen.sample(every, min(20, len(every))):
        for made in mutants(data, path, at(value, path)):
            assert refuses(world, made), path


@settings(max_examples=40)
@given(seed=SEEDS)
def test_no_record_before_an_event_can_be_left_out_or_given_another_role(seed: int) -> None:
    """The openings of each entry, one by one: what the rules looked up by role, too."""
    world = history(seed, 25)
    keys = subjects_of(world)
    for key in random.Random(seed).sample(keys, min(2, len(keys))):
        data = build(Past(world), [key])
        value = unpacked(data)
        for place, entry in enumerate(value[_ENTRIES]):
            for part in _OPENINGS:
                for opening in range(len(entry[part])):
                    kept = (*entry[part][:opening], *entry[part][opening + 1 :])
                    assert refuses(world, encode(replaced(value, (_ENTRIES, place, part), kept)))
            for number, role in enumerate((Role.PARENT, Role.DOCUMENT, Role.LOT)):
                path = (_ENTRIES, place, _NAMED, number)
                assert all(refuses(world, made) for made in mutants(data, path, at(value, path))), role


@settings(max_examples=40)
@given(
    seed=SEEDS,
    flips=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=40
    ),
)
def test_flipped_bytes_never_verify(seed: int, flips: list[tuple[float, int]]) -> None:
    world = history(seed % 50, 20)
    keys = subjects_of(world)
    data = build(Past(world), [keys[seed % len(keys)]])
    for where, difference in flips:
        made = bytearray(data)
        made[int(where * len(data))] ^= difference
        assert refuses(world, bytes(made))
        verdict = assess(bytes(made), anchor_of(world), now_ms=world.now_ms)
        assert verdict.exit_code in (1, 5)


@settings(max_examples=25)
@given(seed=SEEDS, cut=st.floats(0, 1, exclude_max=True), more=st.binary(max_size=3))
def test_cut_or_longer_files_never_verify(seed: int, cut: float, more: bytes) -> None:
    world = history(seed % 50, 20)
    keys = subjects_of(world)
    data = build(Past(world), [keys[seed % len(keys)]])
    assert refuses(world, data[: int(cut * len(data))] + more) or data[: int(cut * len(data))] + more == data
    if more:
        assert refuses(world, data + more)
        assert refuses(world, more + data)


@given(st.binary(max_size=200))
def test_any_bytes_get_a_verdict(data: bytes) -> None:
    world = WORLD
    assert assess(data, anchor_of(world), now_ms=0).exit_code in (1, 5)


@pytest.mark.parametrize("seed", range(3))
def test_the_same_seed_gives_the_same_bundles(seed: int) -> None:
    first, second = history(seed, 20), history(seed, 20)
    assert first.state.tip == second.state.tip
    for key in subjects_of(first):
        assert build(Past(first), [key]) == build(Past(second), [key])


WORLD = history(1, 5)
