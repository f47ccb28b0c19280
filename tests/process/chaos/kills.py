"""kill -9 of random processes under load, and how long each takes until it acknowledges again."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from client.protocol import Policy
from client.signing import Submission
from ledger.base.errors import CustodyError
from tests.process.chaos.cluster import PARTS, Cluster
from tests.process.chaos.load import Load

RECOVERY_S: Final = 60.0
"""A process that does not acknowledge within this is stuck."""
_DOWN_S: Final = (0.1, 1.5)
_VICTIMS: Final = (("validator",), ("gateway",), PARTS)
_PROBING: Final = Policy(
    patience_s=5.0, reach_s=0.05, attempt_s=5.0, first_pause_s=0.005, longest_pause_s=0.02
)


class Recovery(NamedTuple):
    """One kill: what was killed, and the milliseconds from the restart until it acknowledged at the head."""

    node: str
    parts: tuple[str, ...]
    ms: float
    ready_ms: float
    """Of them, until its validator was ready (0 where that was not killed)."""
    cpu_ms: float
    """What the new processes used of a processor until then: the same on a busy machine and on an idle one."""


async def acknowledges(cluster: Cluster, load: Load, name: str, submission: Submission | None = None) -> None:
    """Hand in an event (or that one) through that node alone until it acknowledges it."""
    submission = submission or load.recorder.prepare(load.probe)
    deadline = time.monotonic() + RECOVERY_S
    async with cluster.gateway(name, policy=_PROBING) as gateway:
        while True:
            write = await load.recorder.hand_in(gateway, load.probe, submission)
            if write.acknowledgement is not None:
                return
            cluster.check_alive()
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"stuck: expected {name} to acknowledge within {RECOVERY_S:g} s of its restart; its log ends with "
                    f"{cluster.said(name, 'validator')[-1_000:]}"
                )
            await asyncio.sleep(0.01)


async def _is_ready(cluster: Cluster, name: str, since: float) -> float:
    client = cluster.local(name)
    try:
        while True:
            try:
                if (await client.status()).phase == "ready":
                    return 1000 * (time.monotonic() - since)
            except CustodyError:
                pass
            await asyncio.sleep(0.01)
    finally:
        await client.close()


async def kill_once(cluster: Cluster, load: Load, draw: random.Random) -> Recovery:
    """Kill something, leave it down for a moment, start it again, wait until it acknowledges."""
    name = draw.choice(cluster.names)
    parts = draw.choice(_VICTIMS)
    cluster.kill(name, *parts)
    await asyncio.sleep(draw.uniform(*_DOWN_S))
    probe = load.recorder.prepare(load.probe)
    began = time.monotonic()
    cluster.start(name, *parts)
    readiness = asyncio.create_task(_is_ready(cluster, name, began)) if "validator" in parts else None
    try:
        await acknowledges(cluster, load, name, probe)
        took_ms = 1000 * (time.monotonic() - began)
        cpu_ms = sum(cluster.cpu_ms(name, part) for part in parts)
        ready_ms = 0.0 if readiness is None else await readiness
    finally:
        if readiness is not None:
            readiness.cancel()
    return Recovery(name, parts, took_ms, ready_ms, cpu_ms)


async def kill_all_through(
    cluster: Cluster,
    load: Load,
    found: list[Recovery],
    *,
    seconds: float,
    kills: int,
    seed: int,
    say: Callable[[str], Any],
) -> None:
    """So many kills at random moments of so many seconds, one after another; adds to `found` as they come."""
    draw = random.Random(seed)
    began = time.monotonic()
    slot_s = seconds / kills
    for number in range(kills):
        at = began + (number + 0.5 * draw.random()) * slot_s
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        load.check()
        recovery = await kill_once(cluster, load, draw)
        found.append(recovery)
        say(
            f"kill {number + 1} of {kills}: {recovery.node} {'+'.join(recovery.parts)}, acknowledges again after "
            f"{recovery.ms:.0f} ms, {recovery.cpu_ms:.0f} ms of a processor ({load.acknowledged} acknowledged so far)"
        )
    await asyncio.sleep(max(0.0, began + seconds - time.monotonic()))
