"""The command `./scripts/mutants`: plants every bug, runs its test, says which ones lived.

With `--json` one object: planted, killed, survivors (names), broken (names, with why: not counted as killed), seconds,
and per area and mutant what happened. Exit code 0 iff all planted bugs were killed, 2 if a patch no longer applies.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any

from tests.mutants.catalogue import AREAS
from tests.mutants.harness import LIMIT_S, ROOT, Fate, Harness, Result
from tests.mutants.mutant import Mutant, check_patches


def chosen(only: Sequence[str]) -> list[tuple[str, Mutant]]:
    """(area, mutant) of all mutants, or of the areas and names given."""
    pairs = [(area, mutant) for area, mutants in AREAS.items() for mutant in mutants]
    known = {*AREAS, *(mutant.name for _, mutant in pairs)}
    unknown = [name for name in only if name not in known]
    if unknown:
        raise SystemExit(f"expected the name of a mutant or an area, got {', '.join(unknown)}; see --list")
    return [pair for pair in pairs if not only or pair[0] in only or pair[1].name in only]


def report(areas: Sequence[str], results: Sequence[Result], seconds: float) -> dict[str, Any]:
    """The account as `--json` gives it; `areas[i]` is that of `results[i]`."""
    by_area = {area: {"planted": 0, "killed": 0} for area in areas}
    for area, result in zip(areas, results, strict=True):
        by_area[area]["planted"] += 1
        by_area[area]["killed"] += result.fate is Fate.KILLED
    return {
        "planted": len(results),
        "killed": sum(result.fate is Fate.KILLED for result in results),
        "survivors": [result.mutant.name for result in results if result.fate is Fate.SURVIVED],
        "broken": {result.mutant.name: result.why for result in results if result.fate is Fate.BROKEN},
        "seconds": round(seconds, 1),
        "slowest_seconds": round(max((result.seconds for result in results), default=0.0), 1),
        "areas": by_area,
        "mutants": [
            {
                "name": result.mutant.name,
                "area": area,
                "rule": result.mutant.rule,
                "fate": result.fate.value,
                "seconds": round(result.seconds, 1),
                "killer": result.mutant.killer,
                "why": result.why,
            }
            for area, result in zip(areas, results, strict=True)
        ],
    }


def _tell(result: Result) -> None:
    if result.fate is Fate.KILLED:
        print(f"  killed   {result.seconds:5.1f} s  {result.mutant.name}", file=sys.stderr, flush=True)
        return
    print(
        f"  {result.fate.name:8} {result.seconds:5.1f} s  {result.mutant.name}: {result.why}", file=sys.stderr
    )
    print(f"           {result.mutant.what}\n           {result.mutant.killer}", file=sys.stderr, flush=True)


def _print_list(pairs: Sequence[tuple[str, Mutant]]) -> None:
    for area, mutant in pairs:
        print(f"{area:14} {mutant.name}\n    {mutant.rule}: {mutant.what}\n    {mutant.killer}")


def _print_table(account: dict[str, Any]) -> None:
    for area, count in account["areas"].items():
        print(f"  {area:14} {count['killed']:3} of {count['planted']:3} killed")
    print(f"{account['killed']} of {account['planted']} planted bugs killed in {account['seconds']} s")
    for name in (*account["survivors"], *account["broken"]):
        print(f"  not killed: {name}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the options, run, return the exit code."""
    parser = argparse.ArgumentParser(
        prog="./scripts/mutants", description="Plant bugs and see the tests notice."
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    parser.add_argument("--only", nargs="+", default=(), metavar="NAME", help="mutants or areas by name")
    parser.add_argument("--list", action="store_true", help="print what there is and run nothing")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="copies at work (all cores)")
    options = parser.parse_args(arguments)
    pairs = chosen(options.only)
    if options.list:
        _print_list(pairs)
        return 0
    mutants = tuple(mutant for _, mutant in pairs)
    wrong = check_patches(mutants, ROOT)
    if wrong:
        print("\n".join(wrong), file=sys.stderr)
        return 2
    started = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that copies and processes go, too
    with Harness(max(1, options.jobs), limit_s=LIMIT_S) as harness:
        results = harness.judge(mutants, _tell)
    account = report([area for area, _ in pairs], results, time.monotonic() - started)
    if options.json:
        print(json.dumps(account, indent=1))
    else:
        _print_table(account)
    return 0 if account["killed"] == account["planted"] else 1


if __name__ == "__main__":
    sys.exit(main())
