"""`./scripts/bench epcis`: capture through HTTP on four validators, how far the index is behind them, how fast it answers.

One gateway takes documents of 1,000 events, as a member's own software sends them: made and serialised beforehand, handed in
over a few connections, and done when their jobs say so. Lag is looked at from outside, at a fixed rate: when the validator tells
of a final block, and when the index shows it. Nothing here is a test.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import httpx

from ledger.epcis.document import Form, read_document
from ledger.epcis.event_hash import Mode, event_hashes
from node.init import STATE_DEPTH
from tests.bench.command import Say, speaker, work_folder
from tests.bench.indexing import measure
from tests.bench.load import event_of
from tests.bench.machine import cpu_seconds
from tests.bench.processes import Validators, ended

_AUTHOR: Final = "maker"
_EVENTS: Final = 1_000
_HEAD: Final = (
    b'{"@context":"https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld","type":"EPCISDocument",'
    b'"schemaVersion":"2.0","creationDate":"2026-01-15T09:00:00Z","epcisBody":{"eventList":['
)
_POLL_S: Final = 0.1
_FIRST_PACED: Final = 50_000_000


def main(arguments: Sequence[str]) -> int:
    """Measure and say; 0 unless something is broken."""
    parser = argparse.ArgumentParser(prog="./scripts/bench epcis", description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("--json", action="store_true", help="one object, nothing else")
    parser.add_argument("--documents", type=int, default=60, help=f"documents of {_EVENTS} events (60)")
    parser.add_argument("--connections", type=int, default=4, help="documents under way at a time (4)")
    parser.add_argument(
        "--rate", type=int, default=2_000, help="events a second while lag is measured (2000)"
    )
    parser.add_argument("--seconds", type=int, default=20, help="how long lag is measured (20); 0: not")
    parser.add_argument(
        "--indexed", type=int, default=1_000_000, help="events that are then queried (1000000); 0: not"
    )
    options = parser.parse_args(arguments)
    say = speaker(is_silent=options.json)
    hashing = _hashing(say)
    with work_folder("epcis") as root:
        found = asyncio.run(_measure(root, options, say))
    found["event_hash"] = hashing
    if options.json:
        print(json.dumps(found))
    return 0


def _hashing(say: Say) -> dict[str, Any]:
    """Processor time of the CBV event hash, of events whose items were never seen before."""
    found = {}
    for number, mode in enumerate(Mode):
        read = read_document(document((number + 1) * _FIRST_PACED), Form.JSON)
        began = time.process_time()
        count = sum(1 for _ in event_hashes(read, mode))
        found[f"{mode.value}_us"] = round(1e6 * (time.process_time() - began) / count)
    say(
        f"CBV event hash: {found['reference_us']} us an event in reference mode, {found['standard_us']} us in standard mode"
    )
    return found


class Gateway:
    """The author's gateway as a process, and a client that may capture."""

    def __init__(self, network: Validators) -> None:
        self.folder = network.made.folders[_AUTHOR]
        self.address = f"http://127.0.0.1:{network.gateway_port(_AUTHOR)}/epcis"
        self.process = network.start_gateway(_AUTHOR)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        """A client of the EPCIS interface, once it listens."""
        async with httpx.AsyncClient(base_url=self.address, timeout=60, trust_env=False) as http:
            while True:
                with suppress(httpx.TransportError):
                    await http.get("/")
                    break
                await asyncio.sleep(0.05)
            token = (self.folder / "keys" / "capture.token").read_text().strip()
            http.headers["Authorization"] = f"Bearer {token}"
            yield http

    def stop(self) -> None:
        """End it."""
        ended([self.process])


async def _measure(root: Path, options: argparse.Namespace, say: Say) -> dict[str, Any]:
    found: dict[str, Any] = {"cores": os.cpu_count()}
    async with Validators(root, state_depth=STATE_DEPTH, gateways=True) as network:
        gateway = Gateway(network)
        try:
            async with gateway.client() as http:
                client = Client(http)
                watching = asyncio.create_task(client.watch())
                found["capture"] = await _capture(network, gateway, client, options, say)
                if options.seconds:
                    found["lag"] = await _lag(network, gateway, client, options, say)
                watching.cancel()
        finally:
            gateway.stop()
    if options.indexed:
        found["index"] = measure(f"sqlite:///{root / 'index.db'}", options.indexed, 300, say)
    return found


def document(first: int, count: int = _EVENTS) -> bytes:
    """A document about items that nothing was recorded of yet."""
    events = b",".join(event_of(first + number, is_first=True) for number in range(count))
    return _HEAD + events + b"]}}"


async def _capture(
    network: Validators, gateway: Gateway, client: Client, options: argparse.Namespace, say: Say
) -> dict[str, Any]:
    documents = [document(_EVENTS * number) for number in range(options.documents)]
    left = iter(documents)
    latencies: list[float] = []

    async def work() -> None:
        latencies.extend([await client.captured(one) for one in left])

    everybody = [gateway.process, *network.processes.values()]
    before, began = [cpu_seconds(process.pid) for process in everybody], time.perf_counter()
    await asyncio.gather(*(work() for _ in range(options.connections)))
    seconds = time.perf_counter() - began
    events = _EVENTS * len(documents)
    own, *validators = (
        1e6 * (cpu_seconds(process.pid) - earlier) / events
        for process, earlier in zip(everybody, before, strict=True)
    )
    latencies.sort()
    say(
        f"capture: {events / seconds:,.0f} events/s to final, p50 {1000 * latencies[len(latencies) // 2]:.0f} ms a document; "
        f"processor time an event: gateway {own:.0f} us, a validator {sum(validators) / len(validators):.0f} us"
    )
    return {
        "events": events,
        "events_per_second": round(events / seconds),
        "p50_ms_per_document": round(1000 * latencies[len(latencies) // 2]),
        "gateway_us_per_event": round(own),
        "validator_us_per_event": round(sum(validators) / len(validators)),
        "bytes_per_event": len(documents[0]) // _EVENTS,
    }


class Client:
    """A client that captures, and looks after all of its jobs with one request now and then."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._waiting: dict[str, asyncio.Future[bool]] = {}

    async def captured(self, data: bytes) -> float:
        """How long it took until the job of a document was a success."""
        began = time.perf_counter()
        response = await self._http.post(
            "/capture", content=data, headers={"Content-Type": "application/json"}
        )
        if response.status_code != 202:
            raise SystemExit(f"bench: {response.status_code} {response.text[:500]}")
        captured = response.headers["location"].rpartition("/")[2]
        self._waiting[captured] = asyncio.get_running_loop().create_future()
        if not await self._waiting[captured]:
            raise SystemExit(f"bench: {(await self._http.get(f'/capture/{captured}')).text[:500]}")
        return time.perf_counter() - began

    async def watch(self) -> None:
        """Look after the jobs until cancelled."""
        while True:
            await asyncio.sleep(_POLL_S)
            if self._waiting:
                for job in (await self._http.get("/capture?perPage=200")).json():
                    if not job["running"] and job["captureID"] in self._waiting:
                        self._waiting.pop(job["captureID"]).set_result(job["success"])


async def _lag(
    network: Validators, gateway: Gateway, client: Client, options: argparse.Namespace, say: Say
) -> dict[str, Any]:
    count = options.rate // 10
    final: dict[int, float] = {}
    shown: dict[int, float] = {}
    watching = [
        asyncio.create_task(_watch_final(network, final)),
        asyncio.create_task(_watch_index(gateway.folder / "index" / "index.db", shown)),
    ]
    tasks, began = [], time.perf_counter()
    for number in range(10 * options.seconds):
        await asyncio.sleep(max(0.0, began + number / 10 - time.perf_counter()))
        tasks.append(asyncio.create_task(client.captured(document(_FIRST_PACED + number * count, count))))
    await asyncio.gather(*tasks)
    seconds = time.perf_counter() - began
    while final and max(shown, default=0) < max(final):  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0.05)
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    lags = sorted(max(0.0, at - final[height]) for height, at in _first_shown(final, shown))
    p50, p99 = (1000 * lags[min(len(lags) - 1, int(share * len(lags)))] for share in (0.5, 0.99))
    rate = 10 * options.seconds * count / seconds
    say(f"index lag at {rate:,.0f} events/s: p50 {p50:.0f} ms, p99 {p99:.0f} ms over {len(lags)} blocks")
    return {"events_per_second": round(rate), "blocks": len(lags), "p50_ms": round(p50), "p99_ms": round(p99)}


def _first_shown(final: dict[int, float], shown: dict[int, float]) -> list[tuple[int, float]]:
    """For each final height, when the index first stood at it or above."""
    seen = sorted(shown.items())
    return [
        (height, min(at for reached, at in seen if reached >= height))
        for height in final
        if any(reached >= height for reached, _ in seen)
    ]


async def _watch_final(network: Validators, final: dict[int, float]) -> None:
    client = network.client(_AUTHOR)
    try:
        height = (await client.status()).height
        async for block in client.follow(height + 1):
            final[block.header.height] = time.perf_counter()
    finally:
        await client.close()


async def _watch_index(path: Path, shown: dict[int, float]) -> None:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        while True:
            (height,) = connection.execute("SELECT height FROM custody_position").fetchone()
            shown.setdefault(height, time.perf_counter())
            await asyncio.sleep(0.01)
    finally:
        connection.close()
