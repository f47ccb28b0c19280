"""What the query index does with many events: how fast it takes them in, and how soon it answers (EPCIS.md, Index).

Events are made here, in the shape of a production line's and a warehouse's, and applied as the follower applies them: derived
from their bytes, a block of 1,000 at a time. Taking in is measured in processor time, asking by the clock, from parameters to
events in hand.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from ledger.base.encoding import decode, encode
from ledger.base.limits import TRANSACTION_BYTES
from ledger.chain.transaction import Item
from ledger.trade.extract import extract
from node.index.index import Index, Page
from node.index.parameters import query_from_url
from node.index.reading import Author, BlockEvents, Body, read_item
from tests.world.world import serial, sscc

NETWORK: Final = bytes(32)
BLOCK: Final = 1_000
START_MS: Final = 1_767_225_600_000
CONTEXT: Final = b'{"ex":"https://example.org/terms/"}'
_AUTHOR: Final = Author(bytes(32), "maker", bytes(32))
_STEPS: Final = ("commissioning", "packing", "shipping", "receiving", "storing", "inspecting")


def event_bytes(number: int) -> bytes:
    """One event; of two hundred one names an item again that an earlier one named."""
    step = _STEPS[number % len(_STEPS)]
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(START_MS // 1_000 + number))
    event: dict[str, Any] = {
        "type": "ObjectEvent",
        "eventID": f"urn:uuid:{number:032x}",
        "eventTime": moment,
        "eventTimeZoneOffset": "+01:00",
        "action": "ADD" if step == "commissioning" else "OBSERVE",
        "bizStep": step,
        "disposition": "active" if step == "commissioning" else "in_transit",
        "readPoint": {"id": f"https://id.gs1.org/414/9521234{number % 50:05}0"},
        "bizLocation": {"id": f"https://id.gs1.org/414/9521234{number % 20:05}7"},
        "epcList": [serial("9521234", number % 40, item) for item in {number, number - number % 200}],
        "bizTransactionList": [
            {"type": "po", "bizTransaction": f"urn:epcglobal:cbv:bt:9521234000004:PO{number // 100}"}
        ],
        "ex:line": f"L{number % 12}",
    }
    if step == "packing":
        event["ex:unit"] = sscc("9521234", number)
    return json.dumps(event, separators=(",", ":")).encode()


def wire_of(number: int, data: bytes) -> Any:
    """The item that stands on the ledger for an event, decoded."""
    found = extract(data, CONTEXT)
    item = Item(found.statement, found.subjects, bytes(16), number.to_bytes(32, "big"), None, None)
    return decode(encode(item), max_bytes=TRANSACTION_BYTES)


def blocks(count: int, spent: list[float]) -> Iterator[BlockEvents]:
    """`count` events in blocks; the processor time that reading them took is added to `spent`."""
    parent = bytes(32)
    for height in range(1, count // BLOCK + 1):
        numbers = range((height - 1) * BLOCK, height * BLOCK)
        made = [(data := event_bytes(number), wire_of(number + 1, data)) for number in numbers]
        start = time.process_time()
        rows = tuple(read_item(_AUTHOR, 0, wire, (20,), Body(CONTEXT, data)) for data, wire in made)
        spent.append(time.process_time() - start)
        header_hash = height.to_bytes(32, "big")
        yield BlockEvents(height, header_hash, parent, bytes(32), START_MS + 1_000 * height, rows)
        parent = header_hash


def measure(url: str, count: int, questions: int, say: Callable[[str], object]) -> dict[str, Any]:
    """Fill an empty index with `count` events, then ask."""
    index = Index.open(url, NETWORK)
    reading: list[float] = []
    writing: list[float] = []
    try:
        for block in blocks(count, reading):
            start = time.process_time()
            index.apply([block])
            writing.append(time.process_time() - start)
        found: dict[str, Any] = {
            "events": count,
            "read_us_per_event": round(1e6 * sum(reading) / count, 1),
            "write_us_per_event": round(1e6 * sum(writing) / count, 1),
            "write_us_per_event_at_the_end": round(
                1e6 * sum(writing[-10:]) / (BLOCK * len(writing[-10:])), 1
            ),
        }
        say(
            f"index: {count:,} events, {found['read_us_per_event']} us each to read and {found['write_us_per_event']} to write"
        )
        draw = random.Random(7)
        for name, ask in _questions(count, draw).items():
            timed = [_timed(index, ask()) for _ in range(questions)]
            waits, busy = sorted(wait for wait, _ in timed), sorted(own for _, own in timed)
            found[name] = {
                "p50_ms": round(1_000 * waits[len(waits) // 2], 2),
                "p99_ms": round(1_000 * waits[len(waits) * 99 // 100], 2),
                "cpu_p99_ms": round(1_000 * busy[len(busy) * 99 // 100], 2),
            }
            say(f"index: {name}: {found[name]}")
        return found
    finally:
        index.close()


def _timed(index: Index, parameters: list[tuple[str, str]]) -> tuple[float, float]:
    """Seconds by the clock, and of this thread's processor time."""
    start, own = time.perf_counter(), time.thread_time()
    index.events(query_from_url(parameters, CONTEXT), Page(30))
    return time.perf_counter() - start, time.thread_time() - own


def _questions(count: int, draw: random.Random) -> dict[str, Callable[[], list[tuple[str, str]]]]:
    def item() -> str:
        number = draw.randrange(count)
        return serial("9521234", number % 40, number)

    return {
        "MATCH_epc": lambda: [("MATCH_epc", item())],
        "MATCH_anyEPC newest first": lambda: [("MATCH_anyEPC", item()), ("orderBy", "eventTime")],
        "EQ_eventID": lambda: [("EQ_eventID", f"urn:uuid:{draw.randrange(count):032x}")],
        "bizStep and readPoint": lambda: [
            ("EQ_bizStep", draw.choice(_STEPS)),
            ("EQ_readPoint", f"https://id.gs1.org/414/9521234{draw.randrange(50):05}0"),
        ],
        "bizStep newest first": lambda: [("EQ_bizStep", draw.choice(_STEPS)), ("orderBy", "eventTime")],
        "class in a span of time": lambda: [
            ("MATCH_epc", f"urn:epc:idpat:sgtin:9521234.0000{draw.randrange(10, 40)}.*"),
            ("GE_eventTime", "2026-01-03T00:00:00Z"),
            ("LT_eventTime", "2026-01-04T00:00:00Z"),
        ],
    }


def size_of(path: Path) -> int:
    """Bytes of a SQLite index on disk."""
    return sum(part.stat().st_size for part in path.parent.glob(f"{path.name}*"))
