"""`./scripts/bench`: the ledger and CometBFT side by side, on this machine, in one run.

The same events of about 640 bytes, the same client, four validators each. Runs are interleaved: the ledger goes first in one and
second in the next; a row is the median of its runs, a ratio the median of ratios within a run. Without Go, which CometBFT is
installed with, the ledger is measured alone. Nothing here is a test: a figure that misses its target does not make the command
fail; what breaks does.

Pieces can be measured one by one and added up: `--rows batches,http --add`. Everything is kept in bench-output/bench.json, after
each piece.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from node.cli import collect_rarely
from tests.bench import comet, costs
from tests.bench.command import add_output, output_of, speaker
from tests.bench.report import VALIDATORS, figures, markdown, plots, state_rows, write_figures
from tests.bench.rows import judged
from tests.bench.runs import FULL, PIECES, QUICK, Kept, measure


def main(arguments: Sequence[str]) -> int:
    """Measure and say; 0 unless something is broken."""
    parser = argparse.ArgumentParser(
        prog="./scripts/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", default=",".join(PIECES), help=f"pieces of it: {','.join(PIECES)}")
    parser.add_argument("--runs", type=int, help="interleaved runs (3); 0: only say what is kept")
    parser.add_argument("--add", action="store_true", help="to what is kept, instead of anew")
    parser.add_argument("--alone", action="store_true", help="without CometBFT")
    add_output(parser)
    parser.add_argument("--json", action="store_true", help="one object on standard output, nothing else")
    parser.add_argument("--write", type=Path, help="put the figures into a document, between its marks")
    options = parser.parse_args(arguments)
    wanted = options.rows.split(",")
    if unknown := sorted(set(wanted) - set(PIECES)):
        parser.error(f"expected rows of {','.join(PIECES)}, got {','.join(unknown)}")
    count = (1 if options.quick else 3) if options.runs is None else options.runs
    output = output_of(options)
    say = speaker(is_silent=options.json)
    collect_rarely()
    kept = Kept(output, is_new=not options.add and count > 0)
    if count:
        program = None if options.alone else comet.program()
        if program is None:
            say(
                "CometBFT is not measured: "
                + ("not asked for" if options.alone else "there is no Go that could install it")
            )
        work_us = costs.measure().event(VALIDATORS)
        asyncio.run(measure(kept, wanted, count, QUICK if options.quick else FULL, program, work_us, say))
    rows = judged(kept.figures()) + state_rows(output)
    if options.write:
        write_figures(options.write, figures(rows, kept))
    if options.json:
        print(json.dumps({"rows": [row.to_json() for row in rows], "conditions": kept.conditions}))
    else:
        (output / "bench.md").write_text(markdown(rows) + "\n")
        say(markdown(rows))
        say(plots(output, kept.curves) or f"written: {output}")
    return 1 if kept.problems else 0
