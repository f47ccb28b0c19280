"""Throughput at load that rises until throughput no longer does, at ten times as much, and what an event costs meanwhile.

The same for every ledger: what differs is how a piece of work is made and handed in.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Generic, NamedTuple, TypeVar

from tests.bench.load import Hand, Measured, closed_loop
from tests.bench.machine import cpu_seconds, disk_bytes, memory_bytes

Work = TypeVar("Work")
GAIN: Final = 1.03
"""A level that is not this much better than the best is no rise."""
IDLE_LEVELS: Final = 2
"""So many without a rise are the end."""
OVERLOAD: Final = 10
SETTLE_S: Final = 3
"""After the last event, for what is written behind."""


class Length(NamedTuple):
    """How long pieces take."""

    level_s: float
    """Each level of load."""
    paced_s: int
    """At a fixed rate."""
    levels: int
    """Of load, at most."""


class Point(NamedTuple):
    """One level of load."""

    outstanding: int
    """Events under way at a time."""
    per_second: float
    p50_ms: float
    p99_ms: float


class Found(NamedTuple):
    """What a piece found: figures by name, and load curves."""

    figures: Mapping[str, float]
    curves: Mapping[str, Sequence[Point]] = {}


class Site(NamedTuple):
    """Whose costs are counted."""

    processes: Sequence[subprocess.Popen[bytes]]
    """All that take part, clients apart."""
    folder: Path
    """Of one node."""


class Kind(NamedTuple, Generic[Work]):
    """A kind of work and how it is handed in."""

    name: str
    make: Callable[[int], Sequence[Work]]
    """So many pieces of it."""
    hands: Sequence[Hand[Work]]
    events_each: int
    levels: Sequence[int]
    """Pieces under way through each hand, rising."""
    guess: float
    """Events a second that the first level is thought to do."""


async def throughput(kind: Kind[Work], site: Site, length: Length, *, is_pressed: bool) -> Found:
    """Rising load, costs an event, and with `is_pressed` ten times the best level."""
    disk, cpu = disk_bytes(site.folder), _cpu_seconds(site)
    levels, runs = await _rise(kind, length)
    cpu = _cpu_seconds(site) - cpu
    events = sum(run.events for run in runs)
    level, best = max(zip(levels, runs, strict=True), key=lambda each: each[1].per_second)
    figures = {
        f"{kind.name}/s": best.per_second,
        f"{kind.name} p50 ms": best.quantile_ms(0.5),
        f"{kind.name} refused": float(sum(run.refused for run in runs)),
        f"{kind.name} cpu us": 1e6 * cpu / events,
        f"{kind.name} client us": 1e6 * sum(run.client_s for run in runs) / events,
        f"{kind.name} memory MB": _memory(site),
    }
    points = [_point(kind, under_way, run) for under_way, run in zip(levels, runs, strict=True)]
    if is_pressed:
        pressed = await _at(kind, OVERLOAD * level, best.per_second * length.level_s)
        figures[f"{kind.name} 10x share"] = pressed.per_second / best.per_second
        figures[f"{kind.name} 10x memory"] = _memory(site) / max(1, figures[f"{kind.name} memory MB"])
        figures[f"{kind.name} 10x p99 ms"] = pressed.quantile_ms(0.99)
        points.append(_point(kind, OVERLOAD * level, pressed))
        events += pressed.events
    await asyncio.sleep(SETTLE_S)
    figures[f"{kind.name} disk bytes"] = (disk_bytes(site.folder) - disk) / events
    return Found(figures, {kind.name: points})


async def _rise(kind: Kind[Work], length: Length) -> tuple[list[int], list[Measured]]:
    """Levels gone through, and what each did."""
    levels: list[int] = []
    runs: list[Measured] = []
    for level in kind.levels[: length.levels]:
        rate = max((run.per_second for run in runs), default=kind.guess)
        levels.append(level)
        runs.append(await _at(kind, level, rate * length.level_s))
        if not rises([run.per_second for run in runs]):
            break
    return levels, runs


def rises(rates: Sequence[float]) -> bool:
    """Whether one of the last levels did better than all before it."""
    before, last = rates[:-IDLE_LEVELS], rates[-IDLE_LEVELS:]
    return not before or max(last) > GAIN * max(before)


async def _at(kind: Kind[Work], level: int, events: float) -> Measured:
    """So much under way through each hand, for about so many events and at least twice what is under way."""
    count = max(2 * level * len(kind.hands), int(events / kind.events_each))
    return await closed_loop(kind.hands, kind.make(count), outstanding=level)


def _point(kind: Kind[Work], level: int, run: Measured) -> Point:
    return Point(
        level * len(kind.hands) * kind.events_each,
        round(run.per_second),
        round(run.quantile_ms(0.5), 1),
        round(run.quantile_ms(0.99), 1),
    )


def _cpu_seconds(site: Site) -> float:
    return sum(cpu_seconds(process.pid) for process in site.processes)


def _memory(site: Site) -> float:
    """The most that one of the processes ever had, in MB."""
    return max((memory_bytes(process.pid) for process in site.processes), default=0) / 1e6
