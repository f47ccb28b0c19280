"""`./scripts/bench`: what four validators on this machine do, measured at their ingress in one run.

Figures depend on the machine, so each run also measures what the machine can do with one of our signatures and one sync,
and says the figures as multiples of that too. Nothing here is a test: no figure makes the command fail.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from ledger.base.keys import SigningKey, is_signature
from ledger.proof.anchor import anchor_from_genesis
from ledger.proof.verify import verify
from ledger.trade.record import Space, SubjectKey
from node.local.client import LocalClient
from tests.bench.load import Author, closed_loop, open_loop, serial
from tests.bench.processes import Validators

_BATCH: Final = 100
_FIRST_SINGLE: Final = 10_000_000
_FIRST_LATENCY: Final = 20_000_000


def main() -> int:
    """Measure and say; 0 unless something is broken."""
    parser = argparse.ArgumentParser(prog="./scripts/bench", description="Four validators on this machine.")
    parser.add_argument("--json", action="store_true", help="one object, nothing else")
    parser.add_argument("--batches", type=int, default=600, help="transactions of 100 events (600)")
    parser.add_argument("--singles", type=int, default=20_000, help="transactions of one event (20000)")
    parser.add_argument("--seconds", type=int, default=15, help="how long latency is measured at 100/s (15)")
    parser.add_argument("--depth", type=int, default=18, help="depth of the state tree (18)")
    parser.add_argument("--keep", type=Path, help="leave the network's folders here")
    options = parser.parse_args()
    root = options.keep or Path(tempfile.mkdtemp(prefix="custody-bench-"))
    say = (lambda _: None) if options.json else (lambda text: print(text, flush=True))
    (root / "network").mkdir(parents=True)
    try:
        found = asyncio.run(_measure(root / "network", options, say))
    finally:
        if options.keep is None:
            shutil.rmtree(root, ignore_errors=True)
    if options.json:
        json.dump(found, sys.stdout)
        print()
    return 0


async def _measure(root: Path, options: argparse.Namespace, say: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"machine": _machine(root)}
    async with Validators(root, state_depth=options.depth) as network:
        clients = [network.client(name) for name in network.names]
        author = Author(network.key("maker"), "maker", network.network)
        try:
            found["latency"] = await _latency(author, clients, options.seconds, say)
            found["batches"] = await _batches(author, clients, options.batches, say)
            found["singles"] = await _singles(author, clients, options.singles, say)
            found["bundle"] = await _bundle(network, clients, say)
            status = await clients[0].status()
            found["height"] = status.height
        finally:
            for client in clients:
                await client.close()
    events = found["batches"]["events"] + found["singles"]["events"] + found["latency"]["events"]
    found["disk_bytes_per_event"] = round(_size(network.made.folders["maker"]) / events)
    per_signature = found["machine"]["signature_checks_per_second"]
    found["ratios"] = {
        "batches_to_signature_checks": round(found["batches"]["events_per_second"] / per_signature, 3),
        "singles_to_signature_checks": round(found["singles"]["events_per_second"] / per_signature, 3),
        "latency_p50_to_sync": round(found["latency"]["p50_ms"] / found["machine"]["sync_ms"], 1),
    }
    say(f"disk: {found['disk_bytes_per_event']} bytes an event at one node, payload included")
    say(f"ratios: {found['ratios']}")
    return found


def _machine(root: Path) -> dict[str, Any]:
    """What one core and the disk do with what the ledger is made of."""
    key = SigningKey.from_seed(bytes(32))
    signature = key.sign(b"m" * 32)
    start, checks = time.perf_counter(), 3_000
    for _ in range(checks):
        is_signature(key.public_key, b"m" * 32, signature)
    per_second = checks / (time.perf_counter() - start)
    descriptor = os.open(root / "sync.probe", os.O_RDWR | os.O_CREAT)
    waits = []
    for _ in range(200):
        os.write(descriptor, bytes(2_000))
        start = time.perf_counter()
        os.fdatasync(descriptor)
        waits.append(time.perf_counter() - start)
    os.close(descriptor)
    return {
        "cores": os.cpu_count(),
        "signature_checks_per_second": round(per_second),
        "sync_ms": round(1000 * sorted(waits)[len(waits) // 2], 3),
    }


async def _batches(author: Author, clients: list[LocalClient], count: int, say: Any) -> dict[str, Any]:
    submissions = [author.submission(range(_BATCH * n, _BATCH * (n + 1))) for n in range(count)]
    measured = await closed_loop(clients, submissions, outstanding=12)
    say(f"batches of {_BATCH}: {measured.per_second:,.0f} events/s, p50 {measured.quantile_ms(0.5):.0f} ms")
    return {
        "events": measured.events,
        "refused": measured.refused,
        "events_per_second": round(measured.per_second),
        "p50_ms": round(measured.quantile_ms(0.5), 1),
        "bytes": len(submissions[0].transaction) // _BATCH + len(submissions[0].payloads[0].event),
    }


async def _singles(author: Author, clients: list[LocalClient], count: int, say: Any) -> dict[str, Any]:
    submissions = [author.submission((_FIRST_SINGLE + n,)) for n in range(count)]
    measured = await closed_loop(clients, submissions, outstanding=250)
    say(f"singly signed: {measured.per_second:,.0f} events/s, p50 {measured.quantile_ms(0.5):.0f} ms")
    return {
        "events": measured.events,
        "refused": measured.refused,
        "events_per_second": round(measured.per_second),
        "p50_ms": round(measured.quantile_ms(0.5), 1),
    }


async def _latency(author: Author, clients: list[LocalClient], seconds: int, say: Any) -> dict[str, Any]:
    submissions = [author.submission((_FIRST_LATENCY + n,)) for n in range(100 * seconds)]
    await open_loop(clients, submissions[:100], per_second=100)
    measured = await open_loop(clients, submissions[100:], per_second=100)
    p50, p99 = measured.quantile_ms(0.5), measured.quantile_ms(0.99)
    say(f"commit at 100/s: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    return {
        "events": measured.events + 100,
        "refused": measured.refused,
        "p50_ms": round(p50, 2),
        "p99_ms": round(p99, 2),
        "max_ms": round(measured.quantile_ms(1.0), 2),
    }


async def _bundle(network: Validators, clients: list[LocalClient], say: Any) -> dict[str, Any]:
    key = SubjectKey(Space.THING, serial(7))
    author = Author(network.key("maker"), "maker", network.network)
    for _ in range(19):
        await clients[0].submit((author.submission((7,), is_first=False),))
    one = await clients[0].prove((SubjectKey(Space.THING, serial(8)),))
    start = time.perf_counter()
    twenty = await clients[0].prove((key,))
    made_ms = 1000 * (time.perf_counter() - start)
    anchor = anchor_from_genesis(network.made.genesis)
    best = min(_verify_ms(twenty, anchor) for _ in range(10))
    say(
        f"bundle: {len(one)} bytes for one event, {len(twenty)} for twenty; made in {made_ms:.1f} ms, verified in {best:.1f} ms"
    )
    return {
        "bytes_1_event": len(one),
        "bytes_20_events": len(twenty),
        "make_ms_20_events": round(made_ms, 1),
        "verify_ms_20_events": round(best, 1),
    }


def _verify_ms(data: bytes, anchor: Any) -> float:
    start = time.perf_counter()
    verify(data, anchor)
    return 1000 * (time.perf_counter() - start)


def _size(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    sys.exit(main())
