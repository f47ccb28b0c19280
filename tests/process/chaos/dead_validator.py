"""What one dead validator costs the clients of the others: latency at a fixed rate, before and after a kill -9."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from client.gateway import AsyncGateway
from client.signing import Submission
from tests.process.chaos.cluster import PARTS, Cluster
from tests.process.chaos.figures import spread
from tests.process.chaos.history import History
from tests.process.chaos.load import WRITING, Recorder, subject

FIRST_S: Final = 10.0
_SUBJECT: Final = 500_000_000
_SUBJECTS: Final = 200


async def _at_rate(
    recorder: Recorder,
    gateways: Sequence[AsyncGateway],
    made: Sequence[tuple[str, Submission]],
    per_second: float,
) -> list[tuple[float, float]]:
    """Submit at a fixed rate whatever the answers take; (seconds since the beginning, milliseconds) of each."""
    found: list[tuple[float, float]] = []
    began = time.monotonic()

    async def hand_in(place: int, due: float) -> None:
        about, submission = made[place]
        write = await recorder.hand_in(gateways[place % len(gateways)], about, submission)
        assert write.acknowledgement is not None, "a surviving gateway did not acknowledge"
        found.append((due - began, 1000 * (time.monotonic() - due)))

    tasks = []
    for place in range(len(made)):
        due = began + place / per_second
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        tasks.append(asyncio.create_task(hand_in(place, due)))
    await asyncio.gather(*tasks)
    return found


async def dead_validator(
    cluster: Cluster,
    victims: Sequence[str],
    *,
    per_second: float,
    before_s: float,
    after_s: float,
    say: Callable[[str], Any],
) -> tuple[dict[str, Any], History]:
    """Kill one node after another, each time under load on the other three; the latencies that their clients saw.

    Latency counts from when a submission was due, so that a client that could not send in time is counted too.
    """
    recorder = Recorder(cluster)
    before: list[float] = []
    first: list[float] = []
    later: list[float] = []
    subjects = [subject(_SUBJECT + number) for number in range(_SUBJECTS)]
    for victim in victims:
        others = [name for name in cluster.names if name != victim]
        gateways = [cluster.gateway(name, policy=WRITING) for name in others]
        try:
            for about in subjects if victim == victims[0] else ():
                await recorder.write(gateways[0], about)
            count = round(per_second * (before_s + after_s))
            made = [
                (subjects[n % _SUBJECTS], recorder.prepare(subjects[n % _SUBJECTS])) for n in range(count)
            ]
            gc.collect()
            gc.freeze()  # what was made is no garbage: looking through it would hold up the clients
            running = asyncio.create_task(_at_rate(recorder, gateways, made, per_second))
            await asyncio.sleep(before_s)
            cluster.kill(victim, *PARTS)
            found = await running
        finally:
            for gateway in gateways:
                await gateway.close()
        before += [ms for at, ms in found if 1.0 <= at < before_s - 0.5]
        first += [ms for at, ms in found if before_s <= at < before_s + FIRST_S]
        later += [ms for at, ms in found if at >= before_s + FIRST_S]
        say(
            f"without {victim}: first {FIRST_S:g} s {spread(first)}, later {spread(later)} (before: {spread(before)})"
        )
        cluster.start(victim)
        await cluster.wait_until_ready(victim)
        await cluster.wait_until_level(victim, others[0])  # else two were missing when the next one dies
    await recorder.close()
    measured = {
        "rate": per_second,
        "before": spread(before),
        "first_10_s": spread(first),
        "later": spread(later),
    }
    return measured, recorder.history
