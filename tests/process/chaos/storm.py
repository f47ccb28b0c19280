"""Every other fault at random: pauses, cut, stalled, slow, lossy and half-open links, bad disks, jumping clocks, power cuts.

A gust is up to three faults at once, on any nodes: more than the ledger promises to make progress under, and no more than it
must survive. When it is over everything is mended, and the clients must be served again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self

from tests.process.chaos import machine
from tests.process.chaos.cluster import PARTS, Cluster
from tests.process.chaos.load import Load
from tests.process.chaos.machine import Machine
from tests.process.chaos.proxy import Behaviour, FaultyNetwork

PROGRESS_S: Final = 60.0
"""Clients that are not served within this after everything was mended: stuck."""
_GUST_S: Final = (0.5, 4.0)
_LONG_S: Final = 12.0
"""Longer than peers wait for one who says nothing (WIRE_TRANSPORT.md §4)."""
_LONG_SHARE: Final = 0.1
_DAY_MS: Final = 86_400_000
_JUMPS_MS: Final = (-3 * _DAY_MS, -30_000, -6_000, 6_000, 30_000, 3 * _DAY_MS)

Mend = Callable[[], None]


class Storm:
    """What can go wrong in one cluster, drawn from a seed."""

    def __init__(
        self, cluster: Cluster, network: FaultyNetwork, machines: dict[str, Machine], seed: int
    ) -> None:
        self._cluster = cluster
        self._network = network
        self._machines = machines
        self._draw = random.Random(seed)
        self.gusts = 0
        self.counted: Counter[str] = Counter()
        """How often there was which fault."""
        self._faults: dict[str, Callable[[str], Mend | None]] = {
            "pause": self._pause,
            "kill": self._kill,
            "power cut of all": self._power_cut,
            "partition": self._partition,
            "one-way stall": self._one_way,
            "half-open": self._half_open,
            "cut": self._cut,
            "refuse": self._refuse,
            "slow link": self._slow,
            "throttle": self._throttle,
            "damage": self._damage,
        }
        if machines:
            self._faults |= {"clock jump": self._jump, "slow disk": self._slow_disk}

    async def gust(self, load: Load) -> str:
        """Let a few things go wrong, mend them, wait until clients are served; says what it was."""
        names = self._draw.sample(sorted(self._faults), self._draw.randint(1, 3))
        suffering = [(name, self._draw.choice(self._cluster.names)) for name in names]
        mends = [self._faults[name](victim) for name, victim in suffering]
        self.counted.update(names)
        self.gusts += 1
        short_s = self._draw.uniform(*_GUST_S)
        await asyncio.sleep(_LONG_S if self._draw.random() < _LONG_SHARE else short_s)
        for mend in mends:
            if mend is not None:
                mend()
        self._network.heal()
        for victim in self._cluster.names:
            self._cluster.resume(victim)
            if not self._cluster.is_running(victim, "validator"):
                self._cluster.start(victim, "validator")
        said = ", ".join(f"{name} ({victim})" for name, victim in suffering)
        try:
            async with asyncio.timeout(PROGRESS_S):
                await load.reaches(5)
        except TimeoutError:
            found = [await self._cluster.status(name) for name in self._cluster.names]
            raise AssertionError(f"stuck after {said}: {[f and (f.height, f.view) for f in found]}") from None
        return said

    # ---- processes

    def _pause(self, victim: str) -> None:
        self._cluster.pause(victim, *self._draw.choice((("validator",), ("gateway",), PARTS)))

    def _kill(self, victim: str) -> None:
        if self._cluster.is_running(victim, "validator"):
            self._cluster.kill(victim, "validator")

    def _power_cut(self, _victim: str) -> None:
        for name in self._cluster.names:
            self._kill(name)

    # ---- links

    def _partition(self, victim: str) -> None:
        for link in self._network.of(victim):
            link.behave(Behaviour(is_stalled=True), Behaviour(is_stalled=True))

    def _one_way(self, victim: str) -> None:
        for pair, link in self._network.links.items():
            if victim in pair:
                stalled = Behaviour(is_stalled=True)
                link.behave(*((stalled, None) if pair[0] == victim else (None, stalled)))

    def _half_open(self, victim: str) -> None:
        for link in self._network.of(victim):
            link.half_open(lost_by_dialler=self._draw.random() < 0.5)

    def _cut(self, victim: str) -> None:
        for link in self._network.of(victim):
            link.cut()

    def _refuse(self, victim: str) -> None:
        for link in self._network.of(victim):
            link.is_refusing = True
            link.cut()

    def _slow(self, victim: str) -> None:
        slow = Behaviour(delay_s=self._draw.uniform(0.01, 0.3), jitter_s=0.1)
        for link in self._network.of(victim):
            link.behave(slow, slow)

    def _throttle(self, victim: str) -> None:
        for link in self._network.of(victim):
            link.behave(Behaviour(bytes_per_second=20_000), Behaviour(bytes_per_second=20_000))

    def _damage(self, victim: str) -> None:
        for link in self._network.of(victim):
            link.behave(Behaviour(is_damaging=True), Behaviour(is_damaging=True))

    # ---- machines

    def _jump(self, victim: str) -> Mend:
        self._machines[victim].behave(clock_ms=self._draw.choice(_JUMPS_MS))
        return self._machines[victim].behave

    def _slow_disk(self, victim: str) -> Mend:
        self._machines[victim].behave(sync_ms=self._draw.uniform(5, 300), write_ms=self._draw.uniform(0, 5))
        return self._machines[victim].behave


class StormyCluster:
    """Four nodes behind a faulty network, each on a machine that can misbehave; an async context manager."""

    def __init__(self, root: Path, seed: int) -> None:
        self.cluster = Cluster(root)
        self._network = FaultyNetwork(self.cluster, seed)
        self._machines: dict[str, Machine] = {}
        self._stack = ExitStack()
        self.skipped = machine.missing()
        """Why no machine misbehaves; None where they do."""
        if self.skipped is None:
            for name in self.cluster.names:
                one = self._stack.enter_context(Machine(root / "machines" / name))
                self._machines[name] = one
                self.cluster.environment[name] = one.environment
        self.storm = Storm(self.cluster, self._network, self._machines, seed)

    async def __aenter__(self) -> Self:
        await self._network.__aenter__()
        try:
            await self.cluster.__aenter__()
        except BaseException:
            await self._network.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cluster.stop()
        await self._network.__aexit__()
        self._stack.close()


async def rage(storm: Storm, load: Load, *, seconds: float, say: Callable[[str], Any]) -> None:
    """Gust after gust, one at least."""
    ends = time.monotonic() + seconds
    while not storm.gusts or time.monotonic() < ends:
        load.check()
        began = time.monotonic()
        said = await storm.gust(load)
        took_s = time.monotonic() - began
        say(
            f"gust {storm.gusts}: {said}; clients served after {took_s:.1f} s ({load.acknowledged} acknowledged)"
        )
