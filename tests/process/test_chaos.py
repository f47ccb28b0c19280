"""A bounded sample of `python -m tests.process.chaos`: real nodes suffer under load, and the clients' history holds."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.process.chaos.aftermath import verdict
from tests.process.chaos.cluster import Cluster
from tests.process.chaos.kills import kill_all_through
from tests.process.chaos.load import Load
from tests.process.chaos.storm import StormyCluster, rage


def test_random_kills_under_load_break_no_promise(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Cluster(tmp_path / "net") as cluster:
            load = Load(cluster, seed=3, clients=8, per_second=40, subjects=20)
            try:
                await load.reaches(30)
                await kill_all_through(cluster, load, [], seconds=8, kills=4, seed=3, say=print)
                history = await load.stop()
            finally:
                await load.cancel()
            assert len(history.reads) > 10
            assert await verdict(cluster, history, print) == []

    asyncio.run(scenario())


def test_a_storm_of_every_other_fault_breaks_no_promise(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with StormyCluster(tmp_path / "net", 2) as stormy:
            load = Load(stormy.cluster, seed=4, clients=8, per_second=40, subjects=20)
            try:
                await load.reaches(30)
                await rage(stormy.storm, load, seconds=10, say=print)
                history = await load.stop()
            finally:
                await load.cancel()
            assert await verdict(stormy.cluster, history, print) == []

    asyncio.run(scenario())
