"""Real nodes on bad machines: nothing is promised that is not kept, the others go on, and the node says what is wrong.

One network for all: what a test breaks it mends, and each ends with the whole history of its clients checked.
"""

from __future__ import annotations

import asyncio
import errno
import resource
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.bench.processes import PROJECT
from tests.process.chaos import machine, small_disk
from tests.process.chaos.aftermath import verdict
from tests.process.chaos.cluster import Cluster
from tests.process.chaos.kills import acknowledges
from tests.process.chaos.load import Load
from tests.process.chaos.machine import Machine
from tests.process.chaos.proxy import FaultyNetwork
from tests.process.chaos.small_disk import SmallDisk

ON_BAD_MACHINE = "forwarder"
ON_SMALL_DISK = "carrier"
SMALL = 1 << 24
LEFT = 200_000
DAY_MS = 86_400_000
STANDARD_STREAMS = 3

Scenario = Callable[[Load], Awaitable[None]]


class Surroundings:
    """The network, what makes it suffer, and the loop they run on."""

    def __init__(self, root: Path) -> None:
        self._stack = ExitStack()
        self._runner = self._stack.enter_context(asyncio.Runner())
        self.cluster = Cluster(root / "net")
        self.disk: SmallDisk | None = None
        self.machine: Machine | None = None
        self._loads = 0
        if small_disk.missing() is None:
            self.disk = self._stack.enter_context(SmallDisk(self.cluster.folders[ON_SMALL_DISK], SMALL))
        if machine.missing() is None:
            self.machine = self._stack.enter_context(Machine(root / "machine"))
            self.cluster.environment[ON_BAD_MACHINE] = self.machine.environment
        self.network = FaultyNetwork(self.cluster, 1)
        self._stack.callback(lambda: self._runner.run(self.network.__aexit__()))
        self._stack.callback(self.cluster.stop)
        self._runner.run(self._start())

    async def _start(self) -> None:
        await self.network.__aenter__()
        await self.cluster.__aenter__()

    def close(self) -> None:
        self._stack.close()

    def suffer(self, scenario: Scenario) -> None:
        """Run a scenario under load; every promise must hold at its end."""

        async def run() -> None:
            self._loads += 1
            load = Load(self.cluster, seed=self._loads, clients=6, per_second=25, subjects=10)
            try:
                await load.reaches(20)
                await scenario(load)
                await load.reaches(10)
                history = await load.stop()
            finally:
                await load.cancel()
            assert await verdict(self.cluster, history, print) == []
            for name in self.cluster.names:
                status = await self.cluster.status(name)
                assert status is not None
                assert not any("contradict" in warning for warning in status.warnings)

        self._runner.run(run())

    async def revive(self, load: Load, name: str, *parts: str) -> None:
        """Start a node again, and wait until it acknowledges at the head."""
        self.cluster.start(name, *parts)
        await acknowledges(self.cluster, load, name)


@pytest.fixture(scope="module")
def around(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
    found = Surroundings(tmp_path_factory.mktemp("bad"))
    try:
        yield found
    finally:
        found.close()


@pytest.mark.skipif(small_disk.missing() is not None, reason=str(small_disk.missing()))
def test_a_full_disk_ends_the_node_and_no_promise_and_room_brings_it_back(around: Surroundings) -> None:
    disk, cluster = around.disk, around.cluster
    assert disk is not None

    async def scenario(load: Load) -> None:
        ballast = cluster.folders[ON_SMALL_DISK] / "ballast"
        ballast.write_bytes(bytes(max(0, disk.free_bytes - LEFT)))
        code = await cluster.ended(ON_SMALL_DISK, "validator")
        said = cluster.said(ON_SMALL_DISK, "validator")
        assert "[disk_full]" in said.splitlines()[-1], said[-2_000:]
        assert (code, "\nTraceback" in said) == (1, False)
        await load.reaches(20)

        cluster.start(ON_SMALL_DISK, "validator")  # no room yet
        assert await cluster.ended(ON_SMALL_DISK, "validator") == 1
        assert "[disk_full]" in cluster.said(ON_SMALL_DISK, "validator").splitlines()[-1]
        disk.resize(4 * SMALL)
        await around.revive(load, ON_SMALL_DISK, "validator")

    around.suffer(scenario)


@pytest.mark.skipif(machine.missing() is not None, reason=str(machine.missing()))
def test_a_slow_disk_slows_and_breaks_nothing(around: Surroundings) -> None:
    bad, cluster = around.machine, around.cluster
    assert bad is not None

    async def scenario(load: Load) -> None:
        bad.behave(sync_ms=100, write_ms=2)
        await load.reaches(20)
        await acknowledges(cluster, load, ON_BAD_MACHINE)
        bad.behave()

    around.suffer(scenario)


@pytest.mark.skipif(machine.missing() is not None, reason=str(machine.missing()))
def test_a_failed_sync_ends_the_node_before_it_says_anything(around: Surroundings) -> None:
    bad, cluster = around.machine, around.cluster
    assert bad is not None

    async def scenario(load: Load) -> None:
        bad.behave(error=errno.EIO)
        assert await cluster.ended(ON_BAD_MACHINE, "validator") != 0
        said = cluster.said(ON_BAD_MACHINE, "validator")
        assert "[damaged]" in said.splitlines()[-1], said[-2_000:]
        await load.reaches(20)
        bad.behave()
        await around.revive(load, ON_BAD_MACHINE, "validator")

    around.suffer(scenario)


@pytest.mark.skipif(machine.missing() is not None, reason=str(machine.missing()))
@pytest.mark.parametrize("clock_ms", [12_000, -35_000, 3 * DAY_MS, -3 * DAY_MS])
def test_a_clock_that_jumps_is_said_and_stops_nobody(around: Surroundings, clock_ms: int) -> None:
    bad, cluster = around.machine, around.cluster
    assert bad is not None

    async def warning() -> str | None:
        status = await cluster.status(ON_BAD_MACHINE)
        assert status is not None
        return next((text for text in status.warnings if "clock" in text), None)

    async def scenario(load: Load) -> None:
        bad.behave(clock_ms=clock_ms)
        while (found := await warning()) is None:
            await load.reaches(1)
        assert ("ahead of" in found) == (clock_ms > 0)
        bad.behave()
        while await warning():
            await load.reaches(1)
        await acknowledges(cluster, load, ON_BAD_MACHINE)

    around.suffer(scenario)


def connections_made(around: Surroundings) -> int:
    return sum(link.accepted for link in around.network.links.values())


@pytest.mark.parametrize("lost_by_dialler", [True, False])
def test_a_half_open_connection_is_noticed_and_made_anew(around: Surroundings, lost_by_dialler: bool) -> None:
    async def scenario(load: Load) -> None:
        before = connections_made(around)
        for link in around.network.of(ON_BAD_MACHINE):
            link.half_open(lost_by_dialler=lost_by_dialler)
        while connections_made(around) < before + 3:
            await load.reaches(1)
        await around.cluster.wait_until_ready(ON_BAD_MACHINE)
        await acknowledges(around.cluster, load, ON_BAD_MACHINE)

    around.suffer(scenario)


def test_out_of_file_descriptors_refuses_newcomers_only(around: Surroundings) -> None:
    cluster = around.cluster

    async def run_out(load: Load, part: str) -> None:
        await acknowledges(cluster, load, ON_BAD_MACHINE)
        process = cluster.process(ON_BAD_MACHINE, part)
        before = resource.prlimit(process, resource.RLIMIT_NOFILE)
        resource.prlimit(process, resource.RLIMIT_NOFILE, (STANDARD_STREAMS, before[1]))
        try:
            if part == "validator":
                for link in around.network.of(ON_BAD_MACHINE):
                    link.cut()
            else:
                assert not await is_answered(cluster)
            await load.reaches(20)
            assert cluster.is_running(ON_BAD_MACHINE, part)
        finally:
            resource.prlimit(process, resource.RLIMIT_NOFILE, before)
        await cluster.wait_until_ready(ON_BAD_MACHINE)
        await acknowledges(cluster, load, ON_BAD_MACHINE)

    async def scenario(load: Load) -> None:
        for part in ("validator", "gateway"):
            await run_out(load, part)

    around.suffer(scenario)


async def is_answered(cluster: Cluster) -> bool:
    """Whether a newcomer gets an answer of the gateway."""
    async with httpx.AsyncClient(trust_env=False, timeout=1) as newcomer:
        try:
            return (await newcomer.get(f"{cluster.url(ON_BAD_MACHINE)}/livez")).is_success
        except httpx.HTTPError:
            return False


def test_asked_to_stop_under_load_it_stops_in_order(around: Surroundings) -> None:
    async def scenario(load: Load) -> None:
        assert await asyncio.to_thread(around.cluster.terminate, ON_BAD_MACHINE) == [0, 0]
        await load.reaches(20)
        await around.revive(load, ON_BAD_MACHINE)

    around.suffer(scenario)


def test_a_second_process_with_its_folder_or_with_its_key_elsewhere_is_refused(
    around: Surroundings, tmp_path: Path
) -> None:
    cluster = around.cluster
    own = cluster.folders[ON_BAD_MACHINE]
    elsewhere = tmp_path / "copy"
    shutil.copytree(own, elsewhere, ignore=shutil.ignore_patterns("*.sock"))

    def refused(folder: Path) -> str:
        command = [sys.executable, "-m", "node.cli", "run", "--role", "validator", "--folder", str(folder)]
        ended = subprocess.run(
            command, cwd=PROJECT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        assert ended.returncode != 0
        return ended.stderr.splitlines()[-1]

    async def scenario(load: Load) -> None:
        assert "[locked]" in await asyncio.to_thread(refused, own)
        assert "[port_in_use]" in await asyncio.to_thread(refused, elsewhere)
        await acknowledges(cluster, load, ON_BAD_MACHINE)

    around.suffer(scenario)


def test_what_a_dead_node_left_lying_about_is_no_obstacle(around: Surroundings) -> None:
    run = around.cluster.folders[ON_BAD_MACHINE] / "run"

    async def scenario(load: Load) -> None:
        around.cluster.kill(ON_BAD_MACHINE)
        assert (run / "validator.sock").exists()
        (run / "lock").write_text("1\n")  # somebody else's process by now
        await around.revive(load, ON_BAD_MACHINE)

    around.suffer(scenario)
