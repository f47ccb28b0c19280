"""Every single-bit flip, every prefix and every crash point, through the real stores: `python -m tests.storage.exhaustive`.

    --sample N    N of each instead of all, drawn by --seed
    --jobs N      processes, as many as the machine has cores unless said
    --only NAME   one specimen or one store
    --json        one JSON object on standard output

Exit code 0 if nothing was wrong, 1 otherwise. `findings` names at most a few of each; `wrong` counts all.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, Final, NamedTuple

from tests.storage.damage import Bench, Wrong, torn
from tests.storage.specimens import SPECIMENS, Specimen

FINDINGS: Final = 5
SHARE: Final = 16_384
"""Cases one process takes at a time."""
TORN: Final = 2_048


class Result(NamedTuple):
    """What one share of the work found."""

    cases: int
    wrong: int
    recovered: int
    refused: int
    findings: tuple[str, ...]


def _specimen(name: str) -> Specimen:
    return next(made for made in (make() for make in SPECIMENS) if made.name == name)


def try_all(bench: Bench, cases: Sequence[Any], attempt: Callable[[Any], None]) -> Result:
    """Do every case to one specimen; what was wrong."""
    findings: list[str] = []
    wrong = 0
    for case in cases:
        try:
            attempt(case)
        except Wrong as finding:
            wrong += 1
            if len(findings) < FINDINGS:
                findings.append(str(finding))
    return Result(len(cases), wrong, bench.recovered, bench.refused, tuple(findings))


def flips(name: str, bits: Sequence[int]) -> Result:
    """Turn these bits of a specimen over, one at a time."""
    bench = Bench(_specimen(name))
    return try_all(bench, bits, bench.flip)


def prefixes(name: str, sizes: Sequence[int]) -> Result:
    """Cut a specimen to each of these sizes."""
    bench = Bench(_specimen(name))
    return try_all(bench, sizes, bench.prefix)


def tears(name: str, most: int, seed: int) -> Result:
    """Tear the last group of a specimen in many ways."""
    bench = Bench(_specimen(name))
    return try_all(bench, list(torn(bench.specimen, seed, most)), lambda case: bench.sectors(*case))


def _chosen(everything: range, sample: int | None, draw: random.Random) -> Sequence[int]:
    return everything if sample is None or sample >= len(everything) else draw.sample(everything, sample)


def _shares(cases: Sequence[int]) -> list[Sequence[int]]:
    return [cases[start : start + SHARE] for start in range(0, len(cases), SHARE)]


def plan(
    names: Sequence[str], sample: int | None, seed: int
) -> list[tuple[str, Callable[..., Result], tuple[Any, ...]]]:
    """(kind of damage and specimen, function, arguments) of every share of the work."""
    work: list[tuple[str, Callable[..., Result], tuple[Any, ...]]] = []
    for name in names:
        specimen, draw = _specimen(name), random.Random(f"{seed} {name}")
        size = len(specimen.data)
        bits, sizes = _chosen(range(8 * size), sample, draw), _chosen(range(size + 1), sample, draw)
        work += [(f"flips of {name}", flips, (name, share)) for share in _shares(bits)]
        work += [(f"prefixes of {name}", prefixes, (name, share)) for share in _shares(sizes)]
        if specimen.is_last:
            most = TORN if sample is None else min(TORN, sample)
            work.append((f"torn groups of {name}", tears, (name, most, seed)))
    return work


def run(names: Sequence[str], sample: int | None, seed: int, jobs: int) -> dict[str, Any]:
    """Do the work; what to print as JSON."""
    started = time.monotonic()
    totals: dict[str, Result] = {}
    with ProcessPoolExecutor(jobs) as pool:
        under_way = [
            (what, pool.submit(function, *values)) for what, function, values in plan(names, sample, seed)
        ]
        for what, future in under_way:
            one, known = future.result(), totals.get(what, Result(0, 0, 0, 0, ()))
            totals[what] = Result(
                known.cases + one.cases,
                known.wrong + one.wrong,
                known.recovered + one.recovered,
                known.refused + one.refused,
                (known.findings + one.findings)[:FINDINGS],
            )
            sys.stderr.write(f"{what}: {totals[what].cases} tried, {totals[what].wrong} wrong\n")
    return {
        "cases": sum(result.cases for result in totals.values()),
        "silently_wrong": sum(result.wrong for result in totals.values()),
        "seconds": round(time.monotonic() - started, 1),
        "sample": sample,
        "seed": seed,
        "parts": {what: result._asdict() for what, result in totals.items()},
    }


def main() -> int:
    """The command."""
    names = [make().name for make in SPECIMENS]
    parser = argparse.ArgumentParser(prog="python -m tests.storage.exhaustive", description=__doc__)
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", choices=names)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    report = run([options.only] if options.only else names, options.sample, options.seed, options.jobs)
    if options.json:
        print(json.dumps(report))
    else:
        print(f"{report['cases']} cases in {report['seconds']} s, {report['silently_wrong']} wrong")
        for part in report["parts"].values():
            for finding in part["findings"]:
                print(f"  {finding}")
    return 1 if report["silently_wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
