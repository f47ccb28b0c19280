"""`scripts/simulate`: as many seeds as fit into so many seconds, on all cores, and what the oracles found."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import Any

from tests.simulation.adversaries import KINDS
from tests.simulation.scenario import Result, run_seed

_FINDINGS = ("forks", "lost", "stuck", "evidence_missed")


def summary(results: list[Result], seconds: float) -> dict[str, Any]:
    """The figures that are reported; counts are of seeds."""
    by_adversary: Counter[str] = Counter()
    for result in results:
        by_adversary.update(set(result.adversaries) or {"none"})
    return {
        "seeds": len(results),
        "seconds": round(seconds, 1),
        "heights": sum(result.heights for result in results),
        **{name: sum(bool(getattr(result, name)) for result in results) for name in _FINDINGS},
        "by_adversary": dict(sorted(by_adversary.items())),
        "found": [
            {
                "seed": result.seed,
                "adversaries": result.adversaries,
                "faults": result.faults,
                **{name: getattr(result, name)[:3] for name in _FINDINGS if getattr(result, name)},
            }
            for result in results
            if not result.is_clean
        ],
    }


def simulate(seconds: float, first: int, jobs: int, adversaries: tuple[str, ...] | None) -> list[Result]:
    """Run seeds from `first` on until the time is up."""
    until = time.monotonic() + seconds
    seeds = itertools.count(first)
    results: list[Result] = []
    with ProcessPoolExecutor(jobs) as pool:
        running: set[Future[Result]] = set()
        while time.monotonic() < until or running:
            while time.monotonic() < until and len(running) < 2 * jobs:
                running.add(pool.submit(run_seed, next(seeds), adversaries))
            done, running = wait(running, return_when=FIRST_COMPLETED)
            results.extend(future.result() for future in done)
            if sys.stderr.isatty():
                print(f"\r{len(results)} seeds", end="", file=sys.stderr, flush=True)
    return sorted(results, key=lambda result: result.seed)


def main() -> int:
    parser = argparse.ArgumentParser(prog="simulate", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long to run (default 30)")
    parser.add_argument("--first", type=int, default=10_000, help="the first seed (default 10000)")
    parser.add_argument("--seed", type=int, help="run this one seed and print what it found")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)"
    )
    parser.add_argument(
        "--adversary", action="append", choices=sorted(KINDS), help="instead of a drawn one; repeatable"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    arguments = parser.parse_args()
    adversaries = tuple(arguments.adversary) if arguments.adversary else None
    started = time.monotonic()
    if arguments.seed is not None:
        results = [run_seed(arguments.seed, adversaries)]
    else:
        results = simulate(arguments.seconds, arguments.first, arguments.jobs, adversaries)
    report = summary(results, time.monotonic() - started)
    if arguments.json:
        print(json.dumps(report))
    else:
        for name, value in report.items():
            print(f"{name:16} {value}")
    return 0 if not report["found"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
