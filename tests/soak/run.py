"""`./scripts/soak`: everything that attacks the ledger, for as long as asked, and one account of what it found.

Parts run one after another, each in a process group of its own that is ended with it: they use all cores themselves, and
figures such as recovery times would mean nothing beside another part's load. A part that prints no object, or is still
running long after its time, counts as failed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tests.soak.parts import PARTS, Figures, Line, Part

_ROOT: Final = Path(__file__).resolve().parents[2]
_GRACE_S: Final = 900
"""What a part may take beyond its share: starting up, and work that takes as long as it takes."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts; 0 if each ran and found nothing."""
    parser = argparse.ArgumentParser(
        prog="./scripts/soak", description="All attacks on the ledger, for a while."
    )
    parser.add_argument("--minutes", type=float, default=60.0, help="about how long in all (60)")
    parser.add_argument(
        "--only", action="append", choices=[part.name for part in PARTS], help="run just this part"
    )
    parser.add_argument(
        "--json", action="store_true", help="print one object, and progress to standard error only"
    )
    options = parser.parse_args(arguments)
    parts = [part for part in PARTS if options.only is None or part.name in options.only]
    results = {}
    for part in parts:
        results[part.name] = _run(part, round(options.minutes * 60))
    found = {"machine": _machine(), "parts": results}
    if options.json:
        json.dump(found, sys.stdout, indent=1)
        print()
    return 0 if all(_is_good(part, results[part.name]) for part in parts) else 1


def _run(part: Part, seconds: int) -> dict[str, Any]:
    """One part's figures, or why there are none."""
    command = [sys.executable, "-m", *part.command(max(10, round(seconds * part.share)))]
    say(f"--- {part.name}: python -m {' '.join(command[2:])}")
    started = time.monotonic()
    with subprocess.Popen(
        command, cwd=_ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            printed, _ = process.communicate(timeout=seconds * part.share + _GRACE_S)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            return {"command": command[2:], "error": "still running long after its time"}
    result: dict[str, Any] = {
        "command": command[2:],
        "seconds": round(time.monotonic() - started, 1),
        "exit": process.returncode,
    }
    try:
        result["figures"] = json.loads(printed)
    except ValueError:
        result["error"] = (
            f"expected one JSON object on standard output, got {len(printed)} characters of something else"
        )
    for line in _lines(part, result):
        say(f"    {'ok  ' if line.is_good else 'BAD '} {line.tried}: {line.amount}; {line.wrong}")
    return result


def _lines(part: Part, result: dict[str, Any]) -> list[Line]:
    figures: Figures | None = result.get("figures")
    return [] if figures is None else part.lines(figures)


def _is_good(part: Part, result: dict[str, Any]) -> bool:
    lines = _lines(part, result)
    return result.get("exit") == 0 and bool(lines) and all(line.is_good for line in lines)


def _machine() -> dict[str, Any]:
    return {"cores": os.cpu_count(), "python": ".".join(str(part) for part in sys.version_info[:3])}


def say(text: str) -> None:
    """Progress."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
