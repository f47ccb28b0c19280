"""`./scripts/bench profile`: where a validator's processor time goes at full load, from outside by py-spy.

Four validators take batches of 100 from clients at all of them, as in the row of that name; one of them is sampled. Said are the
functions with most time of their own, and those below which most of it is spent. The sampler costs a core something: shares mean
more than the rate beside them.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.bench.command import work_folder
from tests.bench.load import BATCH, Measured, closed_loop
from tests.bench.ours import Ours
from tests.bench.processes import PROJECT
from tests.bench.report import write_figures
from tests.bench.throughput import Length

TOP: Final = 10
_SAMPLES_S: Final = 200
_SAMPLED: Final = "forwarder"
_WAITING: Final = ("selectors.py select", "_run_once", "thread.py _worker")
_OWN: Final = ("ledger/", "node/")
_WHOLE: Final = "node/cli.py"
_OUTSTANDING: Final = 8


class Profile(NamedTuple):
    """Shares of samples."""

    own: list[tuple[str, float]]
    """Of the function itself."""
    below: list[tuple[str, float]]
    """Of the project's functions and all that they call."""


def main(arguments: Sequence[str]) -> int:
    """Measure and say; 1 where there is no py-spy."""
    parser = argparse.ArgumentParser(prog="./scripts/bench profile", description=str(__doc__).split("\n")[0])
    parser.add_argument("--seconds", type=int, default=20, help="how long it is sampled (20)")
    parser.add_argument("--write", type=Path, help="put it into a document, between its marks")
    options = parser.parse_args(arguments)
    spy = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if spy is None:
        print("bench: py-spy is not installed (pip install '.[bench]')")
        return 1
    with work_folder("profile") as root:
        measured, raw = asyncio.run(_sampled(spy, root, options.seconds))
    text = markdown(fold(raw.splitlines()), measured.per_second)
    print(text)
    if options.write:
        write_figures(options.write, text, "profile")
    return 0


async def _sampled(spy: str, root: Path, seconds: int) -> tuple[Measured, str]:
    """What the load came to, and the stacks with their counts."""
    raw = root / "stacks"
    async with Ours(root, Length(seconds, 0, 0)) as ours:
        warm = await closed_loop(ours.hands(), ours.batches(100), outstanding=_OUTSTANDING)
        work = ours.batches(int(warm.per_second * (seconds + 5) / BATCH))
        command = [spy, "record", "--format", "raw", "--rate", str(_SAMPLES_S), "--duration", str(seconds)]
        command += ["--output", str(raw), "--pid", str(ours.network.processes[_SAMPLED].pid)]
        running = asyncio.create_task(closed_loop(ours.hands(), work, outstanding=_OUTSTANDING))
        sampler = await asyncio.create_subprocess_exec(
            *command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            measured = await running
            await sampler.wait()
        finally:
            if sampler.returncode is None:
                sampler.terminate()
    return measured, raw.read_text()


def fold(stacks: Iterable[str]) -> Profile:
    """Shares by function, of lines `frame;frame;frame count`; waiting for work is not counted."""
    own: Counter[str] = Counter()
    below: Counter[str] = Counter()
    total = 0
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        frames = [_named(frame) for frame in stack.split(";")]
        if any(word in frames[-1] for word in _WAITING):
            continue
        total += int(count)
        own[frames[-1]] += int(count)
        for name in dict.fromkeys(frames):
            if name.startswith(_OWN) and not name.startswith(_WHOLE):
                below[name] += int(count)
    return Profile(list(_shares(own, total)), list(_shares(below, total)))


def _named(frame: str) -> str:
    """`node/x.py function` of a frame `function (/where/node/x.py:12)`."""
    function, _, where = frame.rstrip(")").rpartition(" (")
    path = where.rpartition(":")[0] or where
    for top in (f"{PROJECT}/", "site-packages/", "lib/python"):
        path = path.rpartition(top)[2] if top in path else path
    return f"{path} {function}"


def _shares(counted: Counter[str], total: int) -> Iterator[tuple[str, float]]:
    for name, count in counted.most_common(TOP):
        yield name, count / total


def markdown(profile: Profile, per_second: float) -> str:
    """Two tables."""
    lines = [f"At {per_second:,.0f} events/s with the sampler beside it.", ""]
    for title, shares in (
        ("time of its own", profile.own),
        ("with all that it calls, the project's", profile.below),
    ):
        lines += [f"| {title} | share |", "|---|--:|"]
        lines += [f"| `{name}` | {share:.1%} |" for name, share in shares]
        lines.append("")
    return "\n".join(lines).rstrip()
