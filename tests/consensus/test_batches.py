"""The pool of held batches (CONSENSUS 5, 14, 26)."""

from __future__ import annotations

import pytest

from ledger.base.errors import FormError
from ledger.base.limits import (
    BATCH_WINDOW_BLOCKS,
    BATCHES_PER_BLOCK,
    BLOCK_BYTES,
    SUBJECTS_PER_BLOCK,
    TRANSACTIONS_PER_BLOCK,
    UNORDERED_BYTES_PER_ORIGIN,
)
from ledger.consensus.batches import BatchPool
from ledger.consensus.interface import BatchHeld
from tests.consensus.bench import digest


def batch(name: str, *, origin: int = 0, size: int = 100, subjects: int = 1, count: int = 1) -> BatchHeld:
    ids = tuple(digest(f"{name} {index}") for index in range(count))
    return BatchHeld(digest(name), origin, ids, size, subjects)


def test_batches_leave_in_order_of_arrival() -> None:
    pool = BatchPool(4, (), lambda _: True)
    for name in "cab":
        assert pool.add(batch(name))
    assert not pool.add(batch("a"))
    assert pool.select(()) == (digest("c"), digest("a"), digest("b"))
    assert pool.select({digest("c")}) == (digest("a"), digest("b"))
    assert pool.digests(2) == (digest("c"), digest("a"))


def test_a_block_is_made_no_larger_than_asked_but_for_its_first_batch() -> None:
    pool = BatchPool(4, (), lambda _: True)
    for name, subjects in (("a", 5), ("b", 3), ("c", 1)):
        pool.add(batch(name, subjects=subjects))
    assert pool.select((), 8) == (digest("a"), digest("b"))
    assert pool.select((), 7) == (digest("a"),)
    assert pool.select((), 0) == (digest("a"),)
    assert pool.subjects([digest("a"), digest("c")]) == 6


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"size": BLOCK_BYTES - 1}, {"size": 2}),
        ({"subjects": SUBJECTS_PER_BLOCK - 1}, {"subjects": 2}),
        ({"count": TRANSACTIONS_PER_BLOCK - 1}, {"count": 2}),
    ],
)
def test_a_block_takes_what_fits(one: dict[str, int], two: dict[str, int]) -> None:
    pool = BatchPool(4, (), lambda _: True)
    pool.add(batch("a", **one))
    pool.add(batch("b", **two))
    assert pool.select(()) == (digest("a"),)
    assert pool.fits([digest("a")])
    assert not pool.fits([digest("a"), digest("b")])


def test_a_block_takes_so_many_batches_and_no_more() -> None:
    pool = BatchPool(4, (), lambda _: True)
    for index in range(BATCHES_PER_BLOCK + 1):
        pool.add(batch(str(index)))
    assert len(pool.select(())) == BATCHES_PER_BLOCK


@pytest.mark.parametrize(
    "bad",
    [
        {"size": BLOCK_BYTES + 1},
        {"subjects": SUBJECTS_PER_BLOCK + 1},
        {"count": TRANSACTIONS_PER_BLOCK + 1},
        {"count": 0},
    ],
)
def test_a_batch_that_fits_no_block_is_refused(bad: dict[str, int]) -> None:
    pool = BatchPool(4, (), lambda _: True)
    with pytest.raises(FormError):
        pool.add(batch("a", **bad))
    assert not pool


def test_an_origin_is_charged_until_its_batches_are_ordered() -> None:
    pool = BatchPool(4, (), lambda _: True)
    assert pool.has_room(1, UNORDERED_BYTES_PER_ORIGIN)
    pool.add(batch("a", origin=1, size=1_000))
    assert not pool.has_room(1, UNORDERED_BYTES_PER_ORIGIN)
    assert pool.has_room(1, UNORDERED_BYTES_PER_ORIGIN - 1_000)
    assert pool.has_room(2, UNORDERED_BYTES_PER_ORIGIN)
    pool.commit((digest("a"),))
    assert pool.has_room(1, UNORDERED_BYTES_PER_ORIGIN)


def test_committed_batches_are_remembered_for_64_blocks() -> None:
    pool = BatchPool(4, (), lambda _: True)
    pool.commit((digest("a"),))
    for _ in range(BATCH_WINDOW_BLOCKS - 1):
        pool.commit(())
    assert pool.is_recent(digest("a"))
    assert not pool.is_recent(digest("a"), BATCH_WINDOW_BLOCKS - 1)
    assert not pool.add(batch("a"))
    pool.commit(())
    assert not pool.is_recent(digest("a"))
    assert pool.add(batch("a"))
    assert len(pool.window) == BATCH_WINDOW_BLOCKS


def test_a_batch_committed_again_stays_for_its_later_block() -> None:
    pool = BatchPool(4, (), lambda _: True)
    for turn in range(BATCH_WINDOW_BLOCKS + 1):
        pool.commit((digest("a"),) if turn in {0, BATCH_WINDOW_BLOCKS} else ())
    assert pool.is_recent(digest("a"), 1)
    pool.commit(())
    assert pool.is_recent(digest("a"))
