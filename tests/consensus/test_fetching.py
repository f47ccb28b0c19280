"""Asking for what is missing: one peer after another, and not again while answers keep coming."""

from __future__ import annotations

from ledger.consensus.fetching import Fetcher, Need, NeedBatch
from ledger.consensus.messages import FetchBatches, Message

HALF_MS = 75


def needs(first: int, end: int) -> dict[Need, int]:
    return {NeedBatch(number.to_bytes(32, "big")): 1 for number in range(first, end)}


def asked(questions: list[tuple[int, Message]]) -> dict[int, int]:
    """How many batches were asked from each peer."""
    found: dict[int, int] = {}
    for peer, message in questions:
        assert isinstance(message, FetchBatches)
        found[peer] = found.get(peer, 0) + len(message.digests)
    return found


def test_who_is_far_behind_does_not_ask_again_while_answers_come() -> None:
    fetcher = Fetcher(0, 0, 4, HALF_MS)
    assert asked(fetcher.settle(needs(0, 200), 0)) == {1: 200}
    for step in range(1, 100):  # one answer every 10 ms, for longer than any interval
        assert fetcher.settle(needs(step, 200), 10 * step) == [], step
    assert fetcher.next_at_ms() is not None


def test_who_is_far_behind_asks_the_next_peer_when_no_answer_comes() -> None:
    fetcher = Fetcher(0, 0, 4, HALF_MS)
    fetcher.settle(needs(0, 200), 0)
    fetcher.settle(needs(1, 200), 10)
    for step in range(1, 9):
        assert fetcher.settle(needs(1, 200), step * HALF_MS) == []
    assert asked(fetcher.settle(needs(1, 200), 9 * HALF_MS)) == {2: 199}
    assert asked(fetcher.settle(needs(1, 200), 10 * HALF_MS)) == {3: 199}


def test_a_few_missing_batches_are_asked_for_again_whatever_else_comes() -> None:
    fetcher = Fetcher(0, 0, 4, HALF_MS)
    fetcher.settle(needs(0, 10), 0)
    fetcher.settle(needs(1, 10), HALF_MS - 1)
    assert asked(fetcher.settle(needs(1, 10), HALF_MS)) == {2: 9}
