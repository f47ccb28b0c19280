"""On paper: what a network of the size of the largest system known at borders would take, with the arithmetic shown.

29 billion packs a year, and 8,300 scans a second throughout: nine of each pack. Every figure follows from costs measured on
one machine and from what is fixed in `ledger`; nothing of that size was run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ledger.base.limits import BUCKET_ENTRIES, EXPIRY_AHEAD_MS
from tests.bench.costs import Costs
from tests.bench.load import BATCH

SCANS_PER_S: Final = 8_300
PACKS: Final = 29e9
YEAR_S: Final = 365 * 86_400
VALIDATORS: Final = 16
DEPTH: Final = 20
"""The deepest tree that a genesis may choose."""
CASE: Final = 500
"""Packs in a case."""
_RECORD_BYTES: Final = 320
"""A record with its place in the tree, on disk, about."""
_PROVING_US: Final = 16
"""To prove one record of a snapshot and put it in place, measured."""
_HASH_BYTES: Final = 32


def table(costs: Costs) -> str:
    """As Markdown: what, how it is reckoned, what comes out."""
    lines = ["| what | reckoned | comes to |", "|---|---|---|"]
    lines += [f"| {what} | {how} | {result} |" for what, how, result in _figures(costs)]
    return "\n".join(lines)


def _figures(costs: Costs) -> Iterator[tuple[str, str, str]]:
    rate, n = SCANS_PER_S, VALIDATORS
    events = rate * YEAR_S
    wire = costs.batch_bytes / BATCH
    yield (
        "events a year",
        f"{rate:,}/s × {YEAR_S:,} s",
        f"{events / 1e9:,.0f} × 10⁹, {events / PACKS:.0f} a pack",
    )
    execute, peers = costs.execute_event, costs.peer_event * (n - 1) / n
    own = costs.own_event / n
    busy = rate * costs.event(n) / 1e6
    yield (
        f"processor of one of {n} validators",
        f"{rate:,}/s × ({execute:.0f} executing + {peers:.0f} of others + {own:.0f} own) µs",
        f"{busy:.2f} of the one core that a validator uses",
    )
    batched, singly = (checks * costs.verify / 1e6 for checks in (rate / BATCH, rate))
    yield (
        "checking authors' signatures",
        f"{rate // BATCH}/s in batches of {BATCH}, {rate:,}/s singly, × {costs.verify:.0f} µs",
        f"{batched:.3f} or {singly:.2f} of it",
    )
    inward = rate * wire * 8 / 1e6
    yield "bandwidth of a validator", f"{rate:,}/s × {wire:.0f} B × 8", f"{inward:.0f} Mbit/s in, as much out"
    yield (
        "of one through which all come in",
        f"{inward:.0f} Mbit/s × {n - 1}",
        f"{inward * (n - 1) / 1e3:.1f} Gbit/s out",
    )
    disk = events * costs.disk_event
    yield (
        "disk of a node",
        f"{events / 1e9:,.0f} × 10⁹ × {costs.disk_event:,.0f} B",
        f"{disk / 1e12:,.0f} TB a year, {disk / 365 / 1e12:.1f} TB a day",
    )
    records = PACKS * _RECORD_BYTES
    yield "of it, records of subjects", f"29 × 10⁹ × {_RECORD_BYTES} B", f"{records / 1e12:.0f} TB a year"
    room = BUCKET_ENTRIES << DEPTH
    yield (
        "room in the state tree",
        f"2^{DEPTH} buckets × {BUCKET_ENTRIES:,} records, which are never removed",
        f"{room / 1e9:.1f} × 10⁹: full after {365 * room / PACKS:.0f} days",
    )
    yield (
        "hashes of that tree in memory",
        f"2^{DEPTH} × 4/3 × {_HASH_BYTES} B",
        f"{(_HASH_BYTES << DEPTH) * 4 / 3 / 1e6:.0f} MB",
    )
    ids = rate / BATCH * EXPIRY_AHEAD_MS / 1_000
    yield (
        "transactions remembered until they expire",
        f"{rate // BATCH}/s × {EXPIRY_AHEAD_MS // 1_000:,} s",
        f"{ids / 1e3:.0f} thousand; {ids * BATCH / 1e6:.0f} million if each event is signed singly",
    )
    yield (
        "joining after a year",
        f"29 × 10⁹ × {_PROVING_US} µs to prove, {records / 1e12:.0f} TB to fetch",
        f"{PACKS * _PROVING_US / 86_400e6:.1f} days on one core",
    )
    cases = PACKS / CASE
    yield (
        f"the same goods by case of {CASE}",
        f"29 × 10⁹ / {CASE}",
        f"{cases / 1e6:.0f} × 10⁶ subjects a year, {cases / (1 << DEPTH):.0f} in a bucket; {rate / CASE:.0f} events/s",
    )
