"""`./scripts/epcis-examples`: one table of what becomes of every EPCIS example of others in a network of four nodes."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from demonstration.network import NetworkStage
from epcis_examples.examples import Example, examples, rounds
from epcis_examples.judging import Row, judge_all
from epcis_examples.repository import repository_at
from ledger.base.errors import CustodyError
from ledger.proof.anchor import anchor_from_genesis

_ROOT: Final = Path(__file__).resolve().parents[2]
_CAPTURING: Final = "manufacturer"
_COLUMNS: Final = (
    "",
    "example",
    "result",
    "events",
    "subjects proven",
    "contradicted",
    "why, or what was noted",
)
_SHOWN: Final = 3
_CHARACTERS: Final = 160


def main() -> int:
    """Run it; 0 if every example came out as it is to."""
    parser = argparse.ArgumentParser(
        prog="./scripts/epcis-examples",
        description="Capture every EPCIS example, read it back, prove it; show every invalid one refused.",
    )
    parser.add_argument("--json", action="store_true", help="one object instead of a Markdown table")
    parser.add_argument(
        "--data", type=Path, default=_shared(), help="the folder that holds epcis/ (CUSTODY_TEST_DATA)"
    )
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="TEXT", help="examples whose path has one of these"
    )
    options = parser.parse_args()
    chosen = [
        one
        for one in examples(options.data / "epcis")
        if not options.only or any(text in one.name for text in options.only)
    ]
    if not chosen:
        parser.error(f"no examples below {options.data / 'epcis'}; set CUSTODY_TEST_DATA or give --data")
    try:
        rows = _play(chosen)
    except CustodyError as error:
        sys.stderr.write(f"epcis-examples: {error}\n")
        return 1
    found = _summary(rows)
    if options.json:
        json.dump(found | {"examples": [row.to_json() for row in rows]}, sys.stdout, indent=1)
        sys.stdout.write("\n")
    else:
        _print_table(rows, found)
    return 0 if found["good"] else 1


def _shared() -> Path:
    configured = os.environ.get("CUSTODY_TEST_DATA")
    return Path(configured) if configured else _ROOT.parent / "shared" / "data"


def _play(chosen: Sequence[Example]) -> list[Row]:
    """Each round of examples in a network of its own, started and stopped with it."""
    rows = []
    parts = rounds(chosen)
    for number, part in enumerate(parts, 1):
        sys.stderr.write(f"round {number} of {len(parts)}: {len(part)} examples\n")
        with (
            tempfile.TemporaryDirectory() as folder,
            NetworkStage(Path(folder) / "network", parties={}) as stage,
        ):
            rows += asyncio.run(_judged(stage, part))
    return sorted(rows, key=lambda row: row.name)


async def _judged(stage: NetworkStage, part: Sequence[Example]) -> list[Row]:
    capture, reader = stage.token(_CAPTURING, "capture"), stage.token(_CAPTURING, "reader")
    anchor = anchor_from_genesis(stage.genesis)
    async with repository_at(stage.url(_CAPTURING), capture, reader, anchor, stage.now_ms) as repository:
        return await judge_all(repository, part)


def _summary(rows: Sequence[Row]) -> dict[str, Any]:
    counted = Counter(
        f"{row.fate.value}, {'as it is to be' if row.good else 'NOT as it is to be'}" for row in rows
    )
    return {
        "good": all(row.good for row in rows),
        "counted": dict(sorted(counted.items())),
        "events": sum(row.events for row in rows),
        "subjects_proven": sum(row.subjects for row in rows),
        "contradicted": sum(row.contradicted for row in rows),
    }


def _print_table(rows: Sequence[Row], found: dict[str, Any]) -> None:
    lines = [_COLUMNS, ("---",) * len(_COLUMNS)]
    for row in rows:
        mark = "✓" if row.good else "✗"
        counts = [f"{number}" if number else "" for number in (row.events, row.subjects, row.contradicted)]
        lines.append((mark, row.name, row.result, *counts, _short(row.reasons)))
    for line in lines:
        sys.stdout.write(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |\n")
    told = "; ".join(f"{number} {name}" for name, number in found["counted"].items())
    sys.stdout.write(
        f"\n{len(rows)} examples: {told}. {found['events']} events captured, {found['contradicted']} of them recorded with a"
        f" contradiction; {found['subjects_proven']} proofs of subjects verified offline.\n"
    )


def _short(reasons: Sequence[str]) -> str:
    shown = "<br>".join(reason[:_CHARACTERS] for reason in reasons[:_SHOWN])
    more = len(reasons) - _SHOWN
    return f"{shown}<br>and {more} more" if more > 0 else shown


if __name__ == "__main__":
    sys.exit(main())
