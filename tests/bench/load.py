"""What is measured with: events made and signed beforehand, and ways of handing them in.

An event commissions one serialised item or observes it: open, about 650 bytes, what a packaging line sends. Making and
signing them is the client's work and is done before the clock starts.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from ledger.base.encoding import decode, encode
from ledger.base.keys import Signer
from ledger.chain.transaction import Item, event_hash, sign_transaction
from ledger.trade.extract import extract
from node.init import gln
from node.local.client import LocalClient
from node.local.protocol import OpenBytes, State, Submission, TransactionStatus, WaitFor

_EXPIRY_MS: Final = 3_000_000
_ITEM_BYTES: Final = 4_000_000
_LINE: Final = f"https://id.gs1.org/414/{gln(11)}"
_PLANT: Final = f"https://id.gs1.org/414/{gln(12)}"


def serial(number: int) -> str:
    """The canonical identifier of one item of the demonstration's maker."""
    return f"https://id.gs1.org/01/09521234000013/21/{number}"


def event_of(number: int, *, is_first: bool) -> bytes:
    """One EPCIS 2.0 event about item `number`: its commissioning, or an observation."""
    return json.dumps(
        {
            "type": "ObjectEvent",
            "eventID": f"ni:///sha-256;{hashlib.sha256(b'%d' % number).hexdigest()}?ver=CBV2.0",
            "eventTime": "2026-01-15T08:30:00.000Z",
            "eventTimeZoneOffset": "+01:00",
            "action": "ADD" if is_first else "OBSERVE",
            "bizStep": "commissioning" if is_first else "inspecting",
            "disposition": "active",
            "epcList": [serial(number)],
            "readPoint": {"id": _LINE},
            "bizLocation": {"id": _PLANT},
            "bizTransactionList": [
                {"type": "po", "bizTransaction": "http://transaction.example.com/po/2026-000123"},
                {"type": "prodorder", "bizTransaction": "http://transaction.example.com/production/4711"},
            ],
        },
        separators=(",", ":"),
    ).encode()


class Author:
    """Signs events of one organisation."""

    def __init__(self, key: Signer, organisation: str, network: bytes) -> None:
        self._key = key
        self._organisation = organisation
        self._network = network

    def submission(
        self, numbers: Sequence[int], *, is_first: bool = True, event: bytes | None = None
    ) -> Submission:
        """One signed transaction with an event (or that one event) for each item number, and their bytes."""
        items, payloads = [], []
        given = event
        for number in numbers:
            event = event_of(number, is_first=is_first) if given is None else given
            salt = os.urandom(16)
            statement, subjects = extract(event, None)
            hashed = event_hash(self._network, salt, None, event)
            items.append(Item(statement, subjects, os.urandom(16), hashed, None, None))
            payloads.append(OpenBytes(salt, None, event))
        transaction = sign_transaction(
            self._key,
            self._network,
            self._organisation,
            decode(encode(items), max_bytes=_ITEM_BYTES),
            nonce=os.urandom(16),
            expiry_ms=time.time_ns() // 1_000_000 + _EXPIRY_MS,
        )
        return Submission(transaction.to_bytes(), (), tuple(payloads))


@dataclass
class Measured:
    """What a run of submissions came to; times in seconds."""

    events: int = 0
    refused: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    def quantile_ms(self, share: float) -> float:
        """A quantile of the latencies."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def note(self, statuses: Sequence[TransactionStatus]) -> None:
        """Count what became of transactions."""
        for status in statuses:
            good = status.state is State.FINAL and not any(receipt.refusal for receipt in status.receipts)
            self.refused += not good


async def closed_loop(
    clients: Sequence[LocalClient], submissions: Sequence[Submission], *, outstanding: int
) -> Measured:
    """As fast as it goes: each client keeps `outstanding` submissions under way until all are final."""
    measured = Measured()
    left: Iterator[Submission] = iter(submissions)

    async def work(client: LocalClient) -> None:
        for submission in left:
            start = time.perf_counter()
            statuses = await client.submit((submission,), WaitFor.FINAL)
            measured.latencies.append(time.perf_counter() - start)
            measured.note(statuses)
            measured.events += sum(len(status.receipts) for status in statuses)

    start = time.perf_counter()
    await asyncio.gather(*(work(client) for client in clients for _ in range(outstanding)))
    measured.seconds = time.perf_counter() - start
    return measured


async def open_loop(
    clients: Sequence[LocalClient], submissions: Sequence[Submission], *, per_second: float
) -> Measured:
    """At a fixed rate, whatever the answers take: latency under light load."""
    measured = Measured()

    async def hand_in(client: LocalClient, submission: Submission) -> None:
        start = time.perf_counter()
        statuses = await client.submit((submission,), WaitFor.FINAL)
        measured.latencies.append(time.perf_counter() - start)
        measured.note(statuses)
        measured.events += sum(len(status.receipts) for status in statuses)

    tasks = []
    start = time.perf_counter()
    for place, submission in enumerate(submissions):
        await asyncio.sleep(max(0.0, start + place / per_second - time.perf_counter()))
        tasks.append(asyncio.create_task(hand_in(clients[place % len(clients)], submission)))
    await asyncio.gather(*tasks)
    measured.seconds = time.perf_counter() - start
    return measured
