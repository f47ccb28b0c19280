"""Latency at a fixed rate of single events, as it is and while one validator is killed. The same for every ledger."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from tests.bench.load import Hand, Measured, open_loop

Work = TypeVar("Work")
RATE: Final = 100
"""Events a second."""
BEFORE_S: Final = 3
AFTER_S: Final = 10
"""How long after the end of a validator is looked at by itself, and how long what comes then."""


async def paced(hands: Sequence[Hand[Work]], make: Callable[[int], Sequence[Work]], seconds: int) -> Measured:
    """After a second to warm up."""
    await open_loop(hands, make(RATE), per_second=RATE)
    return await open_loop(hands, make(RATE * seconds), per_second=RATE)


def quantiles(name: str, measured: Measured) -> dict[str, float]:
    """Figures of it."""
    return {f"{name} p50 ms": measured.quantile_ms(0.5), f"{name} p99 ms": measured.quantile_ms(0.99)}


async def killed(
    hands: Sequence[Hand[Work]], make: Callable[[int], Sequence[Work]], kill: Callable[[], None]
) -> dict[str, float]:
    """The same while a validator ends at once, through the others; what was under way then counts as after it."""
    work = make(RATE * (BEFORE_S + 2 * AFTER_S))
    running = asyncio.create_task(open_loop(hands, work, per_second=RATE))
    await asyncio.sleep(BEFORE_S)
    end = time.perf_counter()
    kill()
    measured = await running
    return {
        "killed p99 ms": measured.quantile_ms(0.99, since=end, until=end + AFTER_S),
        "killed max ms": measured.quantile_ms(1.0, since=end),
        "killed later p99 ms": measured.quantile_ms(0.99, since=end + AFTER_S),
        "killed refused": float(measured.refused),
    }
