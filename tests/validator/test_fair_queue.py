"""Whose turn it is, and how much anybody may have waiting: by counts, whatever the clock says."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.validator.drain import LONGEST_S, Drain
from node.validator.fair_queue import QUANTUM, FairQueue

MOST = 10_000
LARGEST = 2_001


class One(NamedTuple):
    organisation: str
    work: int
    size: int = 1
    number: int = 0


ONES = st.builds(One, st.sampled_from("abcd"), st.integers(1, LARGEST), st.integers(1, 4_000), st.integers())


def drained(queue: FairQueue[One], work: int) -> Counter[str]:
    """Who gets how much of that much work done."""
    done: Counter[str] = Counter()
    while queue and sum(done.values()) < work:
        one = queue.pop()
        done[one.organisation] += one.work
    return done


@given(st.lists(ONES, max_size=60))
def test_nothing_is_lost_and_each_lane_keeps_its_order(ones: list[One]) -> None:
    queue: FairQueue[One] = FairQueue(MOST)
    for one in ones:
        queue.append(one)
    assert sorted(queue) == sorted(ones)
    assert (len(queue), queue.size) == (len(ones), sum(one.size for one in ones))
    came = []
    while (first := queue.first()) is not None:
        came.append(queue.pop())
        assert came[-1] is first
    for organisation in "abcd":
        lane = [one for one in ones if one.organisation == organisation]
        assert [one for one in came if one.organisation == organisation] == lane
    assert (len(queue), queue.size, bool(queue)) == (0, 0, False)
    with pytest.raises(IndexError):
        queue.pop()


@given(st.lists(st.integers(1, LARGEST), min_size=2, max_size=5), st.integers(1, 40_000))
def test_all_who_have_something_waiting_get_the_same_work_done(works: list[int], until: int) -> None:
    queue: FairQueue[One] = FairQueue(MOST)
    for organisation, work in enumerate(works):
        for _ in range(60_000 // work + 1):
            queue.append(One(str(organisation), work))
    done = drained(queue, min(until, 40_000))
    shares = [done[str(organisation)] for organisation in range(len(works))]
    assert max(shares) - min(shares) <= QUANTUM + LARGEST


def test_one_transaction_waits_for_one_round_however_much_another_has_waiting() -> None:
    queue: FairQueue[One] = FairQueue(MOST)
    for _ in range(10_000):
        queue.append(One("flood", 101))
    drained(queue, 5_000)
    queue.append(One("small", 2))
    before = 0
    while queue.pop().organisation == "flood":
        before += 1
    assert before <= QUANTUM // 101 + 1


def test_what_was_not_used_is_not_saved_up() -> None:
    queue: FairQueue[One] = FairQueue(MOST)
    for _ in range(50):  # comes and goes, and uses next to nothing of its turns
        queue.append(One("idle", 1))
        queue.pop()
    for _ in range(1_000):
        queue.append(One("idle", 100))
        queue.append(One("busy", 100))
    done = drained(queue, 2_000)
    assert abs(done["idle"] - done["busy"]) <= QUANTUM + 100


def fill(queue: FairQueue[One], organisation: str, size: int) -> int:
    while queue.has_room(organisation, size):
        queue.append(One(organisation, 1, size))
    return sum(one.size for one in queue if one.organisation == organisation)


def test_each_that_floods_leaves_as_much_as_it_takes() -> None:
    queue: FairQueue[One] = FairQueue(MOST)
    assert fill(queue, "a", 10) == MOST // 2
    assert fill(queue, "b", 10) == MOST // 4
    assert fill(queue, "c", 10) == MOST // 8 // 10 * 10
    assert queue.has_room("d", 10)
    assert not queue.has_room("a", 10)


@given(st.lists(ONES, max_size=60), st.integers(1, 5_000))
def test_no_more_waits_than_there_is_room_for(ones: list[One], size: int) -> None:
    queue: FairQueue[One] = FairQueue(MOST)
    for one in ones:
        if queue.has_room(one.organisation, one.size):
            queue.append(one)
        assert queue.size <= MOST
    if not queue.is_tight(size):
        assert all(queue.has_room(organisation, size) for organisation in "abcde")


def test_the_wait_is_told_from_the_work_of_the_last_blocks() -> None:
    drain = Drain()
    assert drain.seconds_for(1_000_000, 0) == 1  # nothing tells yet
    drain.note(0, 500)
    drain.note(0, 0)  # a block of others only
    assert drain.seconds_for(1_000_000, 5_000) == 1
    assert drain.work_in(1_000, 5_000) == 0
    drain.note(1_000, 500)
    drain.note(2_000, 500)
    assert drain.work_in(1_000, 2_000) == 500
    assert drain.work_in(1_000, 4_000) == 250
    assert drain.seconds_for(1_000, 2_000) == 2  # 500 a second
    assert drain.seconds_for(1_001, 2_000) == 3
    assert drain.seconds_for(1, 2_000) == 1
    assert drain.seconds_for(1_000, 4_000) == 4  # nothing came for a while: it has become slower
    assert drain.seconds_for(10**9, 2_000) == LONGEST_S
