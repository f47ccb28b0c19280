"""`./scripts/bench catchup`: how fast a validator that missed everything comes back, block by block and by a snapshot.

Three of four validators order events while the fourth is down; then it starts and catches up by certificates, executing
everything; then it loses all but its keys and joins at a snapshot. Said are events a second in the first and in the second
half (they differ where something grows faster than the chain), the most memory of the process, and what a million events
would take at the rate of the second half: an extrapolation, not a measurement. `--events 1000000` measures it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ledger.base.errors import CustodyError
from node.init import STATE_DEPTH
from node.local.client import LocalClient
from node.local.protocol import NodeStatus
from tests.bench.command import Say, speaker, work_folder
from tests.bench.load import Ingress, closed_loop
from tests.bench.machine import memory_bytes
from tests.bench.processes import Validators

LATE: Final = "customs"
LOOK_S: Final = 0.1
_CHUNK: Final = 100  # transactions made and signed at a time
_LOST: Final = ("chain", "votes", "payload", "state", "snapshots")
_MILLION: Final = 1_000_000


def main(arguments: Sequence[str]) -> int:
    """Measure and say; 0 unless something is broken."""
    parser = argparse.ArgumentParser(prog="./scripts/bench catchup", description=__doc__.split("\n\n")[0])
    parser.add_argument("--json", action="store_true", help="one object, nothing else")
    parser.add_argument("--events", type=int, default=30_000, help="events to catch up on (30000)")
    parser.add_argument("--batch", type=int, default=100, help="events a transaction (100)")
    parser.add_argument(
        "--depth", type=int, default=STATE_DEPTH, help=f"depth of the state tree ({STATE_DEPTH})"
    )
    parser.add_argument(
        "--outstanding", type=int, default=8, help="transactions under way at each validator (8)"
    )
    options = parser.parse_args(arguments)
    with work_folder("catchup") as root:
        found = asyncio.run(_measure(root, options, speaker(is_silent=options.json)))
    if options.json:
        print(json.dumps(found))
    return 0


async def _measure(root: Path, options: argparse.Namespace, say: Say) -> dict[str, Any]:
    network = Validators(root, state_depth=options.depth)
    blocks = max(10, options.events // options.batch // 20)
    for name in network.names:
        _settings(network, name, every=blocks, ahead=0)
    try:
        for name in network.names:
            if name != LATE:
                network.start(name)
        rate = await _feed(network, options, say)
        found: dict[str, Any] = {"events": options.events, "batch": options.batch, "ordered_per_second": rate}
        found["by_certificates"] = await _come_back(network, options.events, say)
        network.kill(LATE)
        for part in _LOST:
            shutil.rmtree(network.made.folders[LATE] / part, ignore_errors=True)
            (network.made.folders[LATE] / part).mkdir(mode=0o700)
        _settings(network, LATE, every=blocks, ahead=1)
        found["by_snapshot"] = await _join(network, options.events, say)
    finally:
        network.stop()
    return found


def _settings(network: Validators, name: str, *, every: int, ahead: int) -> None:
    path = network.made.folders[name] / "node.toml"
    kept = path.read_text().split("\n[snapshots]")[0]
    path.write_text(f"{kept}\n[snapshots]\nevery_blocks = {every}\njoin_blocks_ahead = {ahead}\n")


async def _feed(network: Validators, options: argparse.Namespace, say: Say) -> float:
    """Order the events with three validators; events a second."""
    clients = [network.client(name) for name in network.names if name != LATE]
    await _answering(clients)
    author = network.author("maker")
    seconds = 0.0
    count = options.events // options.batch
    for first in range(0, count, _CHUNK):
        submissions = [
            author.submission(range(number * options.batch, (number + 1) * options.batch))
            for number in range(first, min(count, first + _CHUNK))
        ]
        measured = await closed_loop(
            [Ingress(client) for client in clients], submissions, outstanding=options.outstanding
        )
        if measured.refused:
            raise SystemExit(f"bench: {measured.refused} transactions were refused")
        seconds += measured.seconds
    say(
        f"ordered {count * options.batch} events by three validators, {count * options.batch / seconds:.0f} a second"
    )
    for client in clients:
        await client.close()
    return float(count * options.batch) / seconds


async def _answering(clients: list[LocalClient]) -> None:
    for client in clients:
        while True:
            with contextlib.suppress(CustodyError):
                await client.status()
                break
            await asyncio.sleep(LOOK_S)


async def _status(client: LocalClient) -> NodeStatus | None:
    try:
        return await client.status()
    except CustodyError:
        return None


async def _goal(network: Validators) -> int:
    client = network.client("maker")
    status = await client.status()
    await client.close()
    return status.height


async def _come_back(network: Validators, events: int, say: Say) -> dict[str, Any]:
    """Start the late one and watch it execute everything."""
    goal = await _goal(network)
    network.start(LATE)
    client = network.client(LATE)
    began = time.perf_counter()
    seen: list[tuple[float, int]] = []
    while not seen or seen[-1][1] < goal:
        await asyncio.sleep(LOOK_S)
        status = await _status(client)
        if status is not None:
            seen.append((time.perf_counter() - began, status.height))
    received = _received(await client.metrics())
    await client.close()
    start = next((at for at, height in seen if height > 0), 0.0)
    middle = next(at for at, height in seen if 2 * height >= goal)
    end = seen[-1][0]
    per_second = events / max(LOOK_S, end - start)
    second_half = events / 2 / max(LOOK_S, end - middle)
    found = {
        "blocks": goal,
        "seconds": round(end, 1),
        "events_per_second": round(per_second),
        "first_half_per_second": round(events / 2 / max(LOOK_S, middle - start)),
        "second_half_per_second": round(second_half),
        "memory_bytes": memory_bytes(network.processes[LATE].pid),
        "received_bytes_per_event": round(received / events),
        "million_seconds_extrapolated": round(_MILLION / second_half),
    }
    say(
        f"by certificates: {goal} blocks in {end:.1f} s, {found['events_per_second']} events a second (first half "
        f"{found['first_half_per_second']}, second {found['second_half_per_second']}), {found['memory_bytes']} bytes of "
        f"memory, {found['received_bytes_per_event']} bytes received an event; a million would take {found['million_seconds_extrapolated']} s at the second half's rate"
    )
    return found


async def _join(network: Validators, events: int, say: Say) -> dict[str, Any]:
    """Start it again without anything and watch it join."""
    goal = await _goal(network)
    network.start(LATE)
    client = network.client(LATE)
    began = time.perf_counter()
    takes_part = complete = None
    while complete is None:
        await asyncio.sleep(LOOK_S)
        status = await _status(client)
        if status is None or status.height < goal:
            continue
        now = time.perf_counter() - began
        takes_part = takes_part or now
        if not any("completes the past" in warning for warning in status.warnings):
            complete = now
    await client.close()
    found = {
        "takes_part_seconds": round(takes_part or 0.0, 1),
        "complete_seconds": round(complete, 1),
        "events_per_second": round(events / complete),
        "memory_bytes": memory_bytes(network.processes[LATE].pid),
    }
    said = (network.root / f"{LATE}.log").read_text()
    found["joined"] = "putting the snapshot in place" in said
    say(
        f"by a snapshot: takes part after {found['takes_part_seconds']} s, its past is complete after "
        f"{found['complete_seconds']} s, {found['memory_bytes']} bytes of memory"
    )
    return found


def _received(metrics: bytes) -> float:
    """Bytes that came from peers, of Prometheus text."""
    name = "custody_bytes_in"
    lines = [line for line in metrics.decode().splitlines() if line.startswith(name)]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)
