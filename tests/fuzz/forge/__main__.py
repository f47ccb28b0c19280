"""`python -m tests.fuzz.forge --count N --json`: N distinct forged or spliced proofs against the real verifier.

    {"forged", "accepted", "crashed", "by_stage", "by_kind", "deep_share", "honest_again", "seed", "seconds", "found": [...]}

`by_stage` says where each was refused: decoding, certificate, authentication, replay, leftovers. `deep_share` is the part
that got past decoding. A file is forged if it is no honest proof; `accepted` counts those that verify all the same. What
was accepted, or ended the verifier with anything but its documented errors, is shown with its kind and its bytes, and the
exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.fuzz.forge.honest import scenes
from tests.fuzz.forge.judge import Verdicts, judge

_SHARE = 2_500


def _judged(seed: int, number: int, count: int) -> Verdicts:
    return judge(scenes(seed), seed * 1_000_003 + number, count)


def main() -> int:
    """Parse the options, forge, report."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.forge", description="Proofs under attack.")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", action="store_true", help="one line of JSON and nothing else")
    options = parser.parse_args()
    started_s = time.monotonic()
    digests: dict[bytes, tuple[str, str]] = {}
    honest = number = 0
    found = []
    accepted = crashed = 0
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("fork")) as pool:
        while len(digests) < options.count:
            shares = min(options.jobs, -(-(options.count - len(digests)) // _SHARE))
            size = min(_SHARE, -(-(options.count - len(digests)) // shares))
            tasks = [pool.submit(_judged, options.seed, number + one, size) for one in range(shares)]
            number += shares
            for task in tasks:
                came = task.result()
                digests |= came.judged
                honest += came.honest
                accepted, crashed = accepted + len(came.accepted), crashed + len(came.crashed)
                found += [
                    {"kind": one.kind, "repair": one.repair, "data": one.data.hex()}
                    for one in (*came.accepted, *came.crashed)
                ]
    by_stage = Counter(stage for stage, _ in digests.values())
    by_kind = Counter(kind for _, kinds in digests.values() for kind in kinds.split("+"))
    result = {
        "forged": len(digests), "accepted": accepted, "crashed": crashed, "by_stage": dict(by_stage.most_common()),
        "by_kind": dict(sorted(by_kind.items())), "deep_share": round(1 - by_stage["decoding"] / max(1, len(digests)), 3),
        "honest_again": honest, "seed": options.seed, "seconds": round(time.monotonic() - started_s), "found": found[:20],
    }  # fmt: skip
    print(
        json.dumps(result)
        if options.json
        else "\n".join(f"{name}: {value}" for name, value in result.items())
    )
    return 1 if accepted or crashed else 0


if __name__ == "__main__":
    sys.exit(main())
