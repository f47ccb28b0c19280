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
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar

from ledger.base.encoding import decode, encode
from ledger.base.errors import Code
from ledger.base.keys import Signer
from ledger.chain.transaction import Item, event_hash, sign_transaction
from ledger.trade.extract import extract
from node.init import gln
from node.local.client import LocalClient
from node.local.protocol import OpenBytes, State, Submission, TransactionStatus, WaitFor

BATCH: Final = 100
"""Events in a transaction, where there are many."""
_EXPIRY_MS: Final = 3_000_000
_ITEM_BYTES: Final = 4_000_000
_AGAIN_S: Final = 0.05
_TOGETHER: Final = 100
"""Events in a request, at most, unless one submission has more."""
_LINE: Final = f"https://id.gs1.org/414/{gln(11)}"
_PLANT: Final = f"https://id.gs1.org/414/{gln(12)}"


def serial(number: int) -> str:
    """The canonical identifier of one item of the demonstration's maker."""
    return f"https://id.gs1.org/01/09521234000013/21/{number}"


def event_of(number: int, *, is_first: bool, subject: str | None = None) -> bytes:
    """EPCIS 2.0 event `number`, about the item of that number or a given subject: its commissioning, or an observation."""
    return json.dumps(
        {
            "type": "ObjectEvent",
            "eventID": f"ni:///sha-256;{hashlib.sha256(b'%d' % number).hexdigest()}?ver=CBV2.0",
            "eventTime": "2026-01-15T08:30:00.000Z",
            "eventTimeZoneOffset": "+01:00",
            "action": "ADD" if is_first else "OBSERVE",
            "bizStep": "commissioning" if is_first else "inspecting",
            "disposition": "active",
            "epcList": [subject or serial(number)],
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

    def __init__(
        self,
        key: Signer,
        organisation: str,
        network: bytes,
        *,
        drawn: Callable[[int], bytes] = os.urandom,
        expiry_ms: int | None = None,
    ) -> None:
        """`drawn`: random bytes. `expiry_ms`: of all its transactions; None: some time from now."""
        self._key = key
        self._organisation = organisation
        self._network = network
        self._drawn = drawn
        self._expiry_ms = expiry_ms

    def submission(
        self,
        numbers: Sequence[int],
        *,
        is_first: bool = True,
        event: bytes | None = None,
        subject: str | None = None,
    ) -> Submission:
        """One signed transaction with an event (or that one event) for each item number, and their bytes."""
        items, payloads = [], []
        for number in numbers:
            data = event_of(number, is_first=is_first, subject=subject) if event is None else event
            salt = self._drawn(16)
            statement, subjects = extract(data, None)
            hashed = event_hash(self._network, salt, None, data)
            items.append(Item(statement, subjects, self._drawn(16), hashed, None, None))
            payloads.append(OpenBytes(salt, None, data))
        transaction = sign_transaction(
            self._key,
            self._network,
            self._organisation,
            decode(encode(items), max_bytes=_ITEM_BYTES),
            nonce=self._drawn(16),
            expiry_ms=time.time_ns() // 1_000_000 + _EXPIRY_MS
            if self._expiry_ms is None
            else self._expiry_ms,
        )
        return Submission(transaction.to_bytes(), (), tuple(payloads))


class Outcome(NamedTuple):
    """What became of one piece of work."""

    events: int
    """That are final."""
    refused: int = 0
    """Items or transactions that were not taken, or that execution refused."""
    waits: int = 0
    """How often it was told to come back later, and did."""


Work = TypeVar("Work")
Hand = Callable[[Work], Awaitable[Outcome]]
"""Hands one piece of work in and waits until it is final."""


@dataclass
class Measured:
    """What a run came to; times in seconds of the monotonic clock."""

    events: int = 0
    refused: int = 0
    waits: int = 0
    seconds: float = 0.0
    client_s: float = 0.0
    """Processor time of the client's own."""
    took: list[tuple[float, float]] = field(default_factory=list)
    """When each piece was handed in, and how long it took until it was final."""

    @property
    def per_second(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    def quantile_ms(self, share: float, *, since: float = 0.0, until: float = float("inf")) -> float:
        """A quantile of the latencies, of what was under way at `since` or after it and handed in before `until`."""
        ordered = sorted(took for began, took in self.took if since <= began + took and began < until)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    async def note(self, hand: Hand[Work], work: Work) -> None:
        """Hand one piece in."""
        began = time.perf_counter()
        outcome = await hand(work)
        self.took.append((began, time.perf_counter() - began))
        self.events += outcome.events
        self.refused += outcome.refused
        self.waits += outcome.waits


async def closed_loop(hands: Sequence[Hand[Work]], work: Sequence[Work], *, outstanding: int) -> Measured:
    """As fast as it goes: through each hand `outstanding` pieces are under way until all are final."""
    measured = Measured()
    left: Iterator[Work] = iter(work)

    async def keep_on(hand: Hand[Work]) -> None:
        for piece in left:
            await measured.note(hand, piece)

    start, spent = time.perf_counter(), time.process_time()
    await _all(keep_on(hand) for hand in hands for _ in range(outstanding))
    measured.seconds, measured.client_s = time.perf_counter() - start, time.process_time() - spent
    return measured


async def open_loop(hands: Sequence[Hand[Work]], work: Sequence[Work], *, per_second: float) -> Measured:
    """At a fixed rate, whatever the answers take: latency under light load."""
    measured = Measured()
    start = time.perf_counter()

    async def at(place: int, piece: Work) -> None:
        await asyncio.sleep(max(0.0, start + place / per_second - time.perf_counter()))
        await measured.note(hands[place % len(hands)], piece)

    await _all(at(place, piece) for place, piece in enumerate(work))
    measured.seconds = time.perf_counter() - start
    return measured


async def _all(runs: Iterable[Coroutine[None, None, None]]) -> None:
    """Run them all; the first that fails ends the others."""
    async with asyncio.TaskGroup() as group:
        for run in runs:
            group.create_task(run)


class Ingress:
    """A hand through a validator's private socket: what is ready at the same time goes in one request, as gateways do.

    Comes back later with what it is told to come back with.
    """

    def __init__(self, client: LocalClient) -> None:
        self._client = client
        self._ready: list[tuple[Submission, asyncio.Future[TransactionStatus]]] = []
        self._requests: set[asyncio.Task[None]] = set()

    async def __call__(self, submission: Submission) -> Outcome:
        """Hand one submission in."""
        waits = 0
        while True:
            status = await self._status(submission)
            if status.state is not State.REFUSED or status.code != Code.OVERLOADED:
                break
            waits += 1
            await asyncio.sleep(_AGAIN_S)
        refused = sum(1 for receipt in status.receipts if receipt.refusal)
        if status.state is not State.FINAL:
            return Outcome(0, 1, waits)
        return Outcome(len(status.receipts) - refused, refused, waits)

    def _status(self, submission: Submission) -> asyncio.Future[TransactionStatus]:
        loop = asyncio.get_running_loop()
        if not self._ready:
            loop.call_soon(self._send)
        future: asyncio.Future[TransactionStatus] = loop.create_future()
        self._ready.append((submission, future))
        return future

    def _send(self) -> None:
        ready, self._ready = self._ready, []
        together = max(1, _TOGETHER // len(ready[0][0].payloads))
        for first in range(0, len(ready), together):
            request = asyncio.create_task(self._request(ready[first : first + together]))
            self._requests.add(request)
            request.add_done_callback(self._requests.discard)

    async def _request(self, part: list[tuple[Submission, asyncio.Future[TransactionStatus]]]) -> None:
        try:
            statuses = await self._client.submit([submission for submission, _ in part], WaitFor.FINAL)
        except Exception as error:  # noqa: BLE001 - it is raised where the work waits
            for _, future in part:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), status in zip(part, statuses, strict=True):
            if not future.done():
                future.set_result(status)
