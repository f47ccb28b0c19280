"""`scripts/simulate`: as many seeds as fit into so many seconds, on all cores, and what the oracles found."""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import os
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

from tests.simulation.adversaries import KINDS
from tests.simulation.scenario import FINDINGS, Result, Scenario, run_seed

ROOT = Path(__file__).resolve().parents[2]


def summary(results: list[Result], seconds: float) -> dict[str, Any]:
    """The figures that are reported; counts are of seeds."""
    by_adversary: Counter[str] = Counter()
    by_fault: Counter[str] = Counter()
    for result in results:
        by_adversary.update(set(result.adversaries) or {"none"})
        by_fault.update(set(result.faults))
    return {
        "seeds": len(results),
        "seconds": round(seconds, 1),
        "seeds_per_minute": round(60 * len(results) / seconds),
        "real_signature_seeds": sum(result.is_real for result in results),
        "heights": sum(result.heights for result in results),
        **{name: sum(bool(getattr(result, name)) for result in results) for name in FINDINGS},
        "votes": sum(result.votes for result in results),
        "outdated_nodes": sum(result.outdated for result in results),
        "snapshot_joins": sum(result.joins for result in results),
        "rebuilt_nodes": sum(result.rebuilt for result in results),
        "spent_keys": sum(result.spent for result in results),
        "epoch_changes": sum(result.epochs for result in results),
        "bundles": sum(result.bundles for result in results),
        "by_adversary": dict(sorted(by_adversary.items())),
        "by_fault": dict(sorted(by_fault.items())),
        "found": [found(result) for result in results if not result.is_clean],
    }


def found(result: Result) -> dict[str, Any]:
    """What a seed found, shortly."""
    return {
        "seed": result.seed,
        "adversaries": result.adversaries,
        "faults": result.faults,
        **{name: getattr(result, name)[:3] for name in FINDINGS if getattr(result, name)},
    }


def _run(seed: int, adversaries: tuple[str, ...] | None) -> Result:
    """One seed in a worker; garbage is collected between seeds only."""
    gc.disable()
    try:
        result = run_seed(seed, adversaries)
    except Exception as error:  # noqa: BLE001 - a finding like any other
        result = Result(seed, adversaries or ())
        result.broken.append(f"{type(error).__name__}: {error}")
    if seed % 4 == 0:
        gc.collect()
    return result


def simulate(seconds: float, first: int, jobs: int, adversaries: tuple[str, ...] | None) -> list[Result]:
    """Run seeds from `first` on until the time is up."""
    until = time.monotonic() + seconds
    seeds = itertools.count(first)
    results: list[Result] = []
    with ProcessPoolExecutor(jobs, initializer=gc.freeze) as pool:  # what is imported is never garbage
        running: set[Future[Result]] = set()
        while time.monotonic() < until or running:
            while time.monotonic() < until and len(running) < 2 * jobs:
                running.add(pool.submit(_run, next(seeds), adversaries))
            done, running = wait(running, return_when=FIRST_COMPLETED)
            results.extend(future.result() for future in done)
            if sys.stderr.isatty():
                print(f"\r{len(results)} seeds", end="", file=sys.stderr, flush=True)
    return sorted(results, key=lambda result: result.seed)


def show(seed: int, adversaries: tuple[str, ...] | None) -> Result:
    """Run one seed and print everything that was delivered and said."""
    scenario = Scenario(seed, adversaries, reads=True)
    try:
        result = scenario.run()
    finally:
        print("\n".join(scenario.world.wires.lines or ()), file=sys.stderr)
    return result


def traces(first: int, count: int, hash_seed: str) -> list[str]:
    """The traces of some seeds, in a process of its own."""
    code = (
        "from tests.simulation.scenario import run_seed\n"
        f"for seed in range({first}, {first + count}): print(run_seed(seed).trace)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def check_determinism(first: int, count: int = 20) -> dict[str, Any]:
    """Whether every seed is one run, whatever the hash seed and whatever ran before it."""
    here, there = traces(first, count, "1"), traces(first, count, "4242")
    differ = [first + place for place, pair in enumerate(zip(here, there, strict=True)) if pair[0] != pair[1]]
    return {"seeds": count, "hash_seeds": 2, "differ": differ}


def main() -> int:
    parser = argparse.ArgumentParser(prog="simulate", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long to run (default 30)")
    parser.add_argument("--first", type=int, default=10_000, help="the first seed (default 10000)")
    parser.add_argument("--seed", type=int, help="run this one seed; its trace goes to standard error")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)"
    )
    parser.add_argument(
        "--adversary", action="append", choices=sorted(KINDS), help="instead of a drawn one; repeatable"
    )
    parser.add_argument(
        "--check-determinism", action="store_true", help="run seeds under two hash seeds and compare"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    arguments = parser.parse_args()
    adversaries = tuple(arguments.adversary) if arguments.adversary else None
    if arguments.check_determinism:
        checked = check_determinism(arguments.first)
        print(json.dumps(checked))
        return 1 if checked["differ"] else 0
    started = time.monotonic()
    if arguments.seed is not None:
        results = [show(arguments.seed, adversaries)]
    else:
        results = simulate(arguments.seconds, arguments.first, arguments.jobs, adversaries)
    report = summary(results, time.monotonic() - started)
    if arguments.json:
        print(json.dumps(report))
    else:
        for name, value in report.items():
            print(f"{name:20} {value}")
    return 0 if not report["found"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
