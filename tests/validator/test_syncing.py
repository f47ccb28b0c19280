"""When a running validator stops in order to join at a snapshot, and when it goes on as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any
from unittest.mock import MagicMock

from node.validator.sync_wire import Offer, encode_answer
from node.validator.syncing import UNASKED, Sync

_PEERS = (bytes(32), bytes([1]) * 32)
OFFER = Offer(90, (80,), 60, has_history=True)


def on_a_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    @wraps(test)
    def run() -> None:
        asyncio.run(test())

    return run


def sync(*, height: int, join_ahead: int = 100, join_after_s: float = 0.0) -> tuple[Sync, MagicMock]:
    genesis, executor, stop = MagicMock(), MagicMock(), MagicMock()
    genesis.network = bytes(32)
    executor.final_header.height = height
    executor.validators.faulty = 1
    executor.tables.store.get.return_value = executor.tables.final.return_value = None
    made = Sync(
        genesis,
        executor,
        MagicMock(),
        MagicMock(),
        MagicMock(),
        MagicMock(),
        join_ahead=join_ahead,
        join_after_s=join_after_s,
        connections=MagicMock(),
        ask=MagicMock(),
        name=MagicMock(),
        resume=MagicMock(),
        eraser=MagicMock(),
        stop=stop,
        fail=MagicMock(),
    )
    return made, stop


def hear_of_pruned(heard: Sync, offer: Offer) -> None:
    for peer in _PEERS:
        heard.answer_came(peer, encode_answer(UNASKED, offer))


@on_a_loop
async def test_a_validator_whose_blocks_are_pruned_everywhere_stops_to_join() -> None:
    lacking, stop = sync(height=5)
    hear_of_pruned(lacking, OFFER)
    assert lacking.must_join
    stop.assert_called_once()


@on_a_loop
async def test_one_liar_makes_nobody_join() -> None:
    lacking, stop = sync(height=5)
    lacking.answer_came(_PEERS[0], encode_answer(UNASKED, OFFER))
    assert not lacking.must_join
    stop.assert_not_called()


@on_a_loop
async def test_after_a_vain_attempt_it_goes_on_for_a_while_and_then_tries_again() -> None:
    lacking, stop = sync(height=5, join_after_s=0.05)
    hear_of_pruned(lacking, OFFER)
    assert not lacking.must_join
    await asyncio.sleep(0.06)
    hear_of_pruned(lacking, OFFER)
    tried_again: bool = lacking.must_join
    assert tried_again
    stop.assert_called_once()


@on_a_loop
async def test_one_that_never_joins_by_its_settings_does_not() -> None:
    lacking, stop = sync(height=5, join_ahead=0)
    hear_of_pruned(lacking, OFFER)
    assert not lacking.must_join
    stop.assert_not_called()
