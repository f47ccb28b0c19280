"""Sizes and intervals of the node, made small for a run: what happens once a day in service then happens in two seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, cast

from node.storage.block_store import BlockStore
from node.storage.payload_store import PayloadStore
from node.storage.pending_store import PendingStore
from node.storage.vote_log import VoteLog
from node.validator import chain, housekeeping, joining, offers, peers, running

_JOINING: tuple[tuple[Any, str, float], ...] = (
    (offers, "OFFERS_S", 1.0),
    (offers, "MOST_S", 0.1),
    (joining, "PATIENCE_S", 3.0),
    (peers, "ANSWER_S", 1.0),
    (peers, "REST_S", 0.2),
    (peers, "ALL_BAD_S", 3.0),
    (running, "JOIN_AGAIN_S", 1.0),
)
"""Always: snapshots are a second apart here, and a wire that loses an answer does not send it again as TCP does."""
_LOGS = (BlockStore, PayloadStore, PendingStore, VoteLog)


def draw_knobs(random: Random) -> dict[str, Any]:
    """Some of them, small; or none."""
    if random.random() < 0.4:
        return {}
    drawn = {
        "INTERVAL_S": random.choice((0.03, 0.25)),
        "VOTES_BYTES": random.choice((2_000, 20_000, 2_000_000)),
        "FLUSH_S": random.choice((0.2, 1.0, 30.0)),
        "FLUSH_STEP": random.choice((5, 400)),
        "RECENT_BYTES": random.choice((2_000, 4_000_000)),
        "segment_bytes": random.choice((4_096, 16_384, None)),
        "index_bytes": random.choice((0, None)),
    }
    return {name: value for name, value in drawn.items() if value is not None}


def _defaults(function: Callable[..., Any]) -> dict[str, Any]:
    """What its keyword arguments are when nobody says."""
    return cast("dict[str, Any]", function.__kwdefaults__)


@contextmanager
def knobs(values: dict[str, Any]) -> Iterator[None]:
    """Within: these sizes and intervals."""
    before: list[tuple[dict[str, Any], str, Any]] = []

    def turn(where: dict[str, Any], name: str, value: Any) -> None:
        before.append((where, name, where[name]))
        where[name] = value

    for module, name, seconds in _JOINING:
        turn(vars(module), name, seconds)
    for name, value in values.items():
        if name == "segment_bytes":
            for log in _LOGS:
                turn(_defaults(log.__init__), name, value)
        elif name == "index_bytes":
            turn(_defaults(PayloadStore.write_index), "least_bytes", value)
        else:
            turn(vars(chain if name == "RECENT_BYTES" else housekeeping), name, value)
    try:
        yield
    finally:
        for where, name, value in reversed(before):
            where[name] = value
