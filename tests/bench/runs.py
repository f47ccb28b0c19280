"""Interleaved runs, kept on disk after each piece, so that one which breaks or is stopped loses nothing that was measured."""

from __future__ import annotations

import asyncio
import json
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from tests.bench import comet, ours, peer
from tests.bench.command import Say, work_folder
from tests.bench.machine import conditions
from tests.bench.rows import Run
from tests.bench.throughput import Found, Length, Point

FULL: Final = Length(level_s=3.0, paced_s=10, levels=4)
QUICK: Final = Length(level_s=0.2, paced_s=2, levels=2)
PIECES: Final = tuple(ours.PIECES)
"""Each several rows; the peer has those of the same name."""
PIECE_S: Final = 400
"""No piece takes so long unless something is lost; then it is given up, and said."""
OURS, PEER = "ours", "peer"
_FILE: Final = "bench.json"

Network = TypeVar("Network")


class Curve(NamedTuple):
    """Throughput and latency at rising load, of one run."""

    side: str
    name: str
    points: list[Point]


class Kept:
    """All runs so far, in a folder."""

    def __init__(self, folder: Path, *, is_new: bool) -> None:
        self._path = folder / _FILE
        found = {} if is_new or not self._path.exists() else json.loads(self._path.read_text())
        self.runs: list[dict[str, dict[str, float]]] = found.get("runs", [])
        self.curves = [Curve(side, name, [Point(*each) for each in points]) for side, name, points in found.get("curves", [])]  # fmt: skip
        self.conditions: dict[str, Any] = found.get("conditions", {})
        self.problems: list[str] = found.get("problems", [])

    def write(self) -> None:
        """Keep it."""
        whole = {
            "conditions": self.conditions,
            "problems": self.problems,
            "runs": self.runs,
            "curves": self.curves,
        }
        self._path.write_text(json.dumps(whole, indent=1))

    def figures(self) -> list[Run]:
        """What rows are made of."""
        return [Run(run[OURS], run[PEER]) for run in self.runs]


async def measure(
    kept: Kept,
    wanted: Sequence[str],
    count: int,
    length: Length,
    program: Path | None,
    work_us: float,
    say: Say,
) -> None:
    """Add `count` runs of the wanted pieces. Without a program the peer is left out.

    `work_us`: what an event of a batch takes of a validator that has a core for itself.
    """
    with work_folder("bench") as root:
        settings = {".".join(name).lstrip("."): value for name, value in comet.TUNING.items()}
        kept.conditions = conditions(root) | {
            "runs": count,
            "length": length._asdict(),
            "work_us": round(work_us, 1),
            "peer": {"version": comet.VERSION, "settings": settings} if program else None,
        }
    for number in range(count):
        kept.runs.append({OURS: {}, PEER: {}})
        sides = (OURS, PEER) if len(kept.runs) % 2 else (PEER, OURS)
        for side in sides if program else (OURS,):
            say(f"run {number + 1} of {count}, {side}")
            with work_folder("bench") as root:
                if side == OURS:
                    async with ours.Ours(root, length) as ledger:
                        await _pieces(kept, side, ledger, ours.PIECES, wanted, say)
                elif program:
                    async with peer.Peer(root / "network", program, length) as network:
                        await _pieces(kept, side, network, peer.PIECES, wanted, say)


async def _pieces(
    kept: Kept,
    side: str,
    network: Network,
    pieces: Mapping[str, Callable[[Network], Awaitable[Found]]],
    wanted: Sequence[str],
    say: Say,
) -> None:
    """Measure one piece after the other; one that breaks is a problem, and the next is tried."""
    for name, piece in pieces.items():
        if name not in wanted:
            continue
        start = time.perf_counter()
        try:
            async with asyncio.timeout(PIECE_S):
                found = await piece(network)
        except Exception:  # noqa: BLE001 - said, kept, and the command fails for it at its end
            kept.problems.append(f"{side} {name}: {traceback.format_exc(limit=-3)}")
            say(kept.problems[-1])
        else:
            kept.runs[-1][side] |= found.figures
            kept.curves += [Curve(side, each, list(points)) for each, points in found.curves.items()]
            shown = ", ".join(f"{figure} {value:,.4g}" for figure, value in found.figures.items())
            say(f"  {name} ({time.perf_counter() - start:.0f} s): {shown}")
        kept.write()
