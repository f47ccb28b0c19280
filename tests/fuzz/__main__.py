"""`python -m tests.fuzz --seconds N --json`: every decoder under drawn, bomb-like and coverage-guided input.

    {"seconds", "inputs", "accepted", "bombs", "guided_inputs": N | null, "seed", "decoders", "findings": [...]}

`guided_inputs` is null where atheris is not installed. Bombs are of the most that each decoder takes from 300 seconds on, else
of 500 kB. The exit code is 1 if anything was found. A finding names the decoder,
what happened, the seed and the input in hexadecimal.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from typing import Any

from tests.fuzz.bombs import MEMORY_BYTES
from tests.fuzz.checking import run_drawn
from tests.fuzz.decoders import DECODERS
from tests.fuzz.guided import ROOT, is_available, run_guided

_ROUND = 200
_WHOLE_S = 300
_SMALL_BYTES = 500_000


def drawn(seconds: float, seed: int) -> dict[str, Any]:
    """Rounds of drawn inputs over all decoders until the time is over."""
    ends_s = time.monotonic() + seconds
    inputs = accepted = rounds = 0
    findings: dict[tuple[str, str], dict[str, Any]] = {}
    while rounds == 0 or time.monotonic() < ends_s:
        for decoder in DECODERS:
            came = run_drawn(decoder, seed + rounds, _ROUND)
            inputs, accepted = inputs + came.inputs, accepted + came.accepted
            for one in came.findings:
                found = {
                    "decoder": one.decoder,
                    "what": one.what,
                    "seed": seed + rounds,
                    "data": one.data.hex(),
                }
                findings.setdefault((one.decoder, one.what), found)
        rounds += 1
    return {"inputs": inputs, "accepted": accepted, "findings": list(findings.values())}


def defused(most: int | None = None) -> dict[str, Any]:
    """Every bomb of every decoder in a process of bounded memory; one that ends the process is a finding."""
    sized = [] if most is None else ["--most", str(most)]
    command = [sys.executable, "-m", "tests.fuzz.bombs", *sized]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    findings = [{"decoder": row["decoder"], "what": what} for row in rows for what in row["findings"]]
    if done.returncode != 0:
        after = rows[-1]["decoder"] if rows else "the start"
        what = f"ended with {done.returncode} under {MEMORY_BYTES} bytes, after {after}: {done.stderr[-500:]}"
        findings.append({"decoder": "all", "what": what})
    return {
        "bombs": sum(row["bombs"] for row in rows),
        "peak_mb": max((row["peak_mb"] for row in rows), default=0),
        "findings": findings,
    }


def main() -> int:
    """Parse the options, run, report."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Every decoder under attack.")
    parser.add_argument(
        "--seconds", type=int, default=60, help="of drawn and guided input together; bombs come on top"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one line of JSON and nothing else")
    options = parser.parse_args()
    started_s = time.monotonic()
    guides = is_available()
    came = drawn(options.seconds / 2 if guides else options.seconds, options.seed)
    blown = defused(None if options.seconds >= _WHOLE_S else _SMALL_BYTES)
    guided = run_guided(max(1, options.seconds // 2), seed=options.seed) if guides else None
    findings = [*came["findings"], *blown["findings"], *(guided.findings if guided is not None else ())]
    result = {
        "seconds": round(time.monotonic() - started_s), "inputs": came["inputs"], "accepted": came["accepted"],
        "bombs": blown["bombs"], "bombs_peak_mb": blown["peak_mb"], "guided_inputs": None if guided is None else guided.inputs,
        "seed": options.seed, "decoders": len(DECODERS), "findings": findings,
    }  # fmt: skip
    if options.json:
        print(json.dumps(result))
    else:
        print(", ".join(f"{name} {value}" for name, value in result.items() if name != "findings"))
        for one in findings:
            print(f"FOUND {one}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
