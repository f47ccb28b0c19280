"""`python -m tests.process.chaos`: four real nodes, killed and disturbed under load, and the clients' history checked.

Three parts, each on a network of its own: what one dead validator costs, kill -9 of random processes, and a storm of every
other fault. Progress goes to standard error, the result to standard output; exit code 1 where a promise was broken. No figure
makes it fail: figures depend on the machine, and say so beside their targets.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from tests.process.chaos.aftermath import verdict
from tests.process.chaos.checker import Finding, Wrong
from tests.process.chaos.cluster import Cluster
from tests.process.chaos.dead_validator import dead_validator
from tests.process.chaos.figures import spread
from tests.process.chaos.history import History
from tests.process.chaos.kills import Recovery, kill_all_through
from tests.process.chaos.load import Load
from tests.process.chaos.storm import StormyCluster, rage

TARGETS: Final = {
    "recovery_p99_ms": 3_000,
    "dead_validator_first_10_s_p99_ms": 600,
    "dead_validator_later_p99_ms": 60,
}
SUBJECTS: Final = 200
_SHOWN: Final = 20
_SHOWN_CHARACTERS: Final = 1_000


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.process.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long processes are killed (5)")
    parser.add_argument("--kills", type=int, default=40, help="kill -9 in that time (40)")
    parser.add_argument("--seed", type=int, default=1, help="decides victims, moments and faults (1)")
    parser.add_argument("--rate", type=float, default=100.0, help="submissions a second (100)")
    parser.add_argument("--clients", type=int, default=20, help="how many clients submit them (20)")
    parser.add_argument(
        "--dead-seconds", type=float, default=30.0, help="measured without a node; 0: not (30)"
    )
    parser.add_argument("--storm-seconds", type=float, default=60.0, help="of every other fault; 0: not (60)")
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    parser.add_argument("--keep", type=Path, help="leave the nodes' folders and logs here")
    return parser.parse_args()


class Run:
    """One run: its options, its folder, and what it came to."""

    def __init__(self, options: argparse.Namespace, root: Path) -> None:
        self._options = options
        self._root = root
        self._began = time.monotonic()
        self._load_before = round(os.getloadavg()[0], 1)
        self._findings: list[Finding] = []
        self._stuck: list[str] = []
        self._recoveries: list[Recovery] = []
        self._dead_validator: dict[str, Any] | None = None
        self._storms: dict[str, Any] | None = None
        self._submitted = self._acknowledged = self._reads = self._behind = self._unreadable = 0
        self._refused: Counter[str] = Counter()

    def say(self, text: str) -> None:
        """Progress."""
        print(f"[{time.monotonic() - self._began:6.1f} s] {text}", file=sys.stderr, flush=True)

    async def all(self) -> dict[str, Any]:
        """Every part; the result."""
        if self._options.dead_seconds:
            await self._part(self._dead())
        if self._options.kills:
            await self._part(self._kills())
        if self._options.storm_seconds:
            await self._part(self._storm())
        return self._result()

    async def _part(self, part: Coroutine[Any, Any, None]) -> None:
        """Run a part; one that got stuck, or a node that ended by itself, does not keep the next from running."""
        try:
            await part
        except AssertionError as error:
            self.say(f"STUCK {error}")
            self._stuck.append(str(error)[:_SHOWN_CHARACTERS])

    async def _dead(self) -> None:
        self.say("one dead validator: starting four nodes")
        async with Cluster(self._root / "dead") as cluster:
            victims = (cluster.names[self._options.seed % 4], cluster.names[(self._options.seed + 2) % 4])
            self._dead_validator, history = await dead_validator(
                cluster,
                victims,
                per_second=self._options.rate,
                before_s=min(10.0, self._options.dead_seconds),
                after_s=self._options.dead_seconds,
                say=self.say,
            )
            await self._check(cluster, history)

    async def _kills(self) -> None:
        options = self._options
        self.say("kill -9: starting four nodes")
        async with Cluster(self._root / "kills") as cluster:
            load = self._load(cluster)
            try:
                await load.reaches(SUBJECTS + 50)
                await kill_all_through(
                    cluster,
                    load,
                    self._recoveries,
                    seconds=60 * options.minutes,
                    kills=options.kills,
                    seed=options.seed,
                    say=self.say,
                )
                history = await load.stop()
            finally:
                await load.cancel()
            self._refused.update(load.recorder.refused)
            await self._check(cluster, history)

    async def _storm(self) -> None:
        options = self._options
        self.say("storm: starting four nodes behind a faulty network")
        async with StormyCluster(self._root / "storm", options.seed) as stormy:
            if stormy.skipped is not None:
                self.say(f"skipped: bad clocks and disks, because {stormy.skipped}")
            load = self._load(stormy.cluster)
            try:
                await load.reaches(SUBJECTS + 50)
                await rage(stormy.storm, load, seconds=options.storm_seconds, say=self.say)
                history = await load.stop()
            finally:
                await load.cancel()
                self._storms = {
                    "gusts": stormy.storm.gusts,
                    "faults": dict(stormy.storm.counted),
                    "skipped": stormy.skipped,
                }
            self._refused.update(load.recorder.refused)
            await self._check(stormy.cluster, history)

    def _load(self, cluster: Cluster) -> Load:
        options = self._options
        return Load(
            cluster, seed=options.seed, clients=options.clients, per_second=options.rate, subjects=SUBJECTS
        )

    async def _check(self, cluster: Cluster, history: History) -> None:
        findings = await verdict(cluster, history, self.say)
        for finding in findings[:_SHOWN]:
            self.say(f"BROKEN {finding.kind}: {finding.says}")
        self._findings += findings
        self._submitted += len(history.writes)
        self._acknowledged += len(history.acknowledged)
        self._reads += len(history.reads)
        self._behind += history.behind
        self._unreadable += history.unreadable

    def _count(self, *kinds: Wrong) -> int:
        return sum(finding.kind in kinds for finding in self._findings)

    def _result(self) -> dict[str, Any]:
        recoveries = self._recoveries
        kinds = {"+".join(one.parts) for one in recoveries}
        return {
            "seconds": round(time.monotonic() - self._began, 1),
            "seed": self._options.seed,
            "cores": os.cpu_count(),
            "load_before": self._load_before,
            "kills": len(recoveries),
            "submitted": self._submitted,
            "acknowledged": self._acknowledged,
            "reads": self._reads,
            "reads_behind": self._behind,
            "reads_given_up": self._unreadable,
            "problems_seen": dict(self._refused),
            "lost": self._count(Wrong.LOST, Wrong.RECEIPT),
            "forks": self._count(Wrong.FORK),
            "nonlinear": self._count(Wrong.ORDER, Wrong.READ),
            "faults_in_logs": self._count(Wrong.FAULT),
            "stuck": self._stuck,
            "recovery_ms": spread([one.ms for one in recoveries]),
            "recovery_ms_by_victim": {
                kind: spread([one.ms for one in recoveries if "+".join(one.parts) == kind])
                for kind in sorted(kinds)
            },
            "validator_ready_ms": spread([one.ready_ms for one in recoveries if one.ready_ms]),
            "restart_cpu_ms": spread([one.cpu_ms for one in recoveries]),
            "dead_validator_ms": self._dead_validator,
            "storm": self._storms,
            "targets": TARGETS,
            "broken": [f"{one.kind}: {one.says}" for one in self._findings[:_SHOWN]],
        }


async def _until_told(run: Callable[[], Any]) -> Any:
    """Run, and be cancelled by SIGINT or SIGTERM, so that every process is ended on the way out."""
    task = asyncio.ensure_future(run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    return await task


def main() -> int:
    """0: every promise kept; 1: one broken, or something stuck; 130: interrupted."""
    options = _options()
    root = options.keep or Path(tempfile.mkdtemp(prefix="custody-chaos-"))
    run = Run(options, root)
    try:
        found = asyncio.run(_until_told(run.all))
    except asyncio.CancelledError:
        run.say("interrupted; every process was ended")
        return 130
    finally:
        if options.keep is None:
            shutil.rmtree(root, ignore_errors=True)
    if options.json:
        json.dump(found, sys.stdout)
        print()
    else:
        print(json.dumps(found, indent=2))
    return int(bool(found["broken"] or found["stuck"]))


if __name__ == "__main__":
    sys.exit(main())
