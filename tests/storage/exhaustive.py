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
from typing import Any, Final, NamedTuple, TypeVar

from tests.storage.crashes import RIGS, Rig, Trial, sequences
from tests.storage.damage import Bench, Wrong, torn
from tests.storage.specimens import SPECIMENS, Specimen

T = TypeVar("T")
FINDINGS: Final = 5
SHARE: Final = 16_384
"""Cases one process takes at a time."""
TORN: Final = 2_048
WHOLE: Final = 5
"""Operations in a sequence, up to which all sequences are tried."""
LONGER: Final = 1_000
SEQUENCES: Final = 100
"""Sequences one process takes at a time."""
Case = tuple[tuple[str, ...], bool]


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


def crashes(name: str, cases: Sequence[Case], most: int, again: int, seed: int) -> Result:
    """Try every crash point of these (sequence, whether after the prologue) over a store."""
    rig = next(rig for rig in RIGS if rig.name == name)
    findings: list[str] = []
    disks = wrong = 0
    for sequence, is_later in cases:
        trial = Trial(
            rig, sequence, most=most, again=again, seed=seed, prologue=rig.prologue if is_later else ()
        )
        try:
            trial.run()
        except Wrong as finding:
            wrong += 1
            if len(findings) < FINDINGS:
                findings.append(str(finding))
        disks += trial.disks
    return Result(disks, wrong, disks - wrong, 0, tuple(findings))


def histories(rig: type[Rig], sample: int | None, draw: random.Random) -> list[Case]:
    """Every sequence of up to WHOLE operations, at the beginning and after the prologue, and longer ones drawn."""
    if sample is not None:
        return [
            (tuple(draw.choice(rig.operations) for _ in range(draw.randint(3, 6))), draw.random() < 0.5)
            for _ in range(sample)
        ]
    found = [(one, False) for length in range(1, WHOLE + 1) for one in sequences(rig, length)]
    found += [(one, True) for length in range(1, WHOLE) for one in sequences(rig, length)]
    longer = [tuple(draw.choice(rig.operations) for _ in range(6)) for _ in range(LONGER)]
    return found + [(one, bool(place % 2)) for place, one in enumerate(longer)]


def _chosen(everything: range, sample: int | None, draw: random.Random) -> Sequence[int]:
    return everything if sample is None or sample >= len(everything) else draw.sample(everything, sample)


def _shares(cases: Sequence[T], most: int = SHARE) -> list[Sequence[T]]:
    return [cases[start : start + most] for start in range(0, len(cases), most)]


def plan(
    names: Sequence[str], stores: Sequence[str], sample: int | None, seed: int
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
    for rig in RIGS:
        if rig.name in stores:
            cases = histories(
                rig, None if sample is None else sample // 10, random.Random(f"{seed} {rig.name}")
            )
            bounds = (16, 2) if sample is None else (8, 1)
            work += [
                (f"crash points of {rig.name}", crashes, (rig.name, share, *bounds, seed))
                for share in _shares(cases, SEQUENCES)
            ]
    return work


def run(
    names: Sequence[str], stores: Sequence[str], sample: int | None, seed: int, jobs: int
) -> dict[str, Any]:
    """Do the work; what to print as JSON."""
    started = time.monotonic()
    totals: dict[str, Result] = {}
    with ProcessPoolExecutor(jobs) as pool:
        under_way = [
            (what, pool.submit(function, *values))
            for what, function, values in plan(names, stores, sample, seed)
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
    stores = [rig.name for rig in RIGS]
    parser = argparse.ArgumentParser(prog="python -m tests.storage.exhaustive", description=__doc__)
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", choices=sorted({*names, *stores}))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    names = [name for name in names if options.only in (None, name)]
    stores = [name for name in stores if options.only in (None, name)]
    report = run(names, stores, options.sample, options.seed, options.jobs)
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
