"""Clients over HTTP that keep a history: they write about a few hundred items, read them, and obey what gateways ask.

A write goes to any gateway and, where that one does not answer, as the same bytes to the next. Nodes may differ in how far
they are (API.md §4), so a reader takes an answer only when it names a height at least as high as any this run has seen.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Any, Final

from client.events.draft import Circumstances
from client.events.goods import make
from client.events.notes import observe
from client.gateway import AsyncGateway
from client.prepare import prepare
from client.protocol import Policy, Standing
from client.signing import Submission, sign
from client.spelling import Thing
from ledger.base.errors import Code, CustodyError
from ledger.trade.identifiers import canonical
from node.init import gln
from tests.process.chaos.cluster import Cluster
from tests.process.chaos.history import Acknowledgement, History, Read, Receipt, Write

AUTHOR: Final = "maker"
WRITING: Final = Policy(patience_s=90.0, reach_s=60.0, attempt_s=10.0, longest_pause_s=0.5)
READING: Final = Policy(patience_s=2.0, reach_s=0.2, attempt_s=2.0)
_PLANT: Final = canonical(f"https://id.gs1.org/414/{gln(12)}")
_READ_TRIES: Final = 200
_READ_SHARE: Final = 0.2


def subject(number: int) -> str:
    """An item of the author's."""
    return f"https://id.gs1.org/01/09521234000013/21/{number}"


class Pen:
    """Makes signed submissions of one event about one subject."""

    def __init__(self, cluster: Cluster) -> None:
        self._key = cluster.key(AUTHOR)
        self._network = cluster.network
        self._begun: set[str] = set()

    def write(self, about: str) -> Submission:
        """The item's commissioning, and after that an observation."""
        now_ms = time.time_ns() // 1_000_000
        at = Circumstances(now_ms, place=_PLANT)
        things = [Thing(canonical(about))]
        draft = observe(at, things) if about in self._begun else make(at, things)
        self._begun.add(about)
        return sign(self._key, AUTHOR, [prepare(self._network, draft)], now_ms=now_ms)


def receipt_of(standing: Standing) -> Receipt:
    """What an answer says of the only item."""
    (receipt,) = standing.receipts
    codes = tuple(int(leg["code"]) for leg in receipt.outcomes)
    return Receipt(receipt.refusal, receipt.entry, codes)


class Recorder:
    """Carries out writes and reads and writes down what came of them."""

    def __init__(self, cluster: Cluster) -> None:
        self.history = History()
        self._pen = Pen(cluster)
        self._readers: dict[str, AsyncGateway] = {}
        self._cluster = cluster
        self._floor = 0
        self._known: dict[str, int] = {}
        self._open: dict[str, Write] = {}
        """Writes handed in and not acknowledged, by transaction."""
        self.refused: dict[str, int] = {}
        """Writes that were answered with a problem, by its code."""

    async def close(self) -> None:
        """Close the readers' connections."""
        for gateway in self._readers.values():
            await gateway.close()

    @property
    def floor(self) -> int:
        """The highest block that anybody was told of."""
        return self._floor

    async def write(self, gateway: AsyncGateway, about: str) -> Write:
        """Submit an event and wait for its acknowledgement, or until patience ends."""
        return await self.hand_in(gateway, about, self._pen.write(about))

    def prepare(self, about: str) -> Submission:
        """A write made beforehand, for `hand_in`."""
        return self._pen.write(about)

    async def hand_in(self, gateway: AsyncGateway, about: str, submission: Submission) -> Write:
        """As `write`, with a submission made before; handed in again, it is the same write, called when it first was."""
        transaction = submission.signed[0].transaction.id.hex()
        write = self._open.pop(transaction, None)
        if write is None:
            write = Write(transaction, about, time.monotonic_ns())
            self.history.writes.append(write)
        try:
            (standing,) = await gateway.submit(submission)
        except CustodyError as error:
            self.refused[error.code.value] = self.refused.get(error.code.value, 0) + 1
            self._open[transaction] = write
            return write
        if standing.status == "final":
            assert standing.height is not None
            write.returned = time.monotonic_ns()
            write.acknowledgement = Acknowledgement(standing.height, receipt_of(standing))
            self._floor = max(self._floor, standing.height)
            self._known[about] = standing.height
        else:
            code = standing.code or standing.status
            self.refused[code] = self.refused.get(code, 0) + 1
            self._open[transaction] = write
        return write

    async def read(self, node: str, about: str) -> None:
        """Ask one node for a subject until it is as far as anybody has seen, then write down the answer."""
        if about not in self._known:
            return
        called, floor = time.monotonic_ns(), self._floor
        gateway = self._readers.get(node)
        if gateway is None:
            gateway = self._readers[node] = self._cluster.gateway(node, policy=READING)
        for _ in range(_READ_TRIES):
            try:
                found: dict[str, Any] = await gateway.subject(about)
            except CustodyError as error:
                if error.code is not Code.UNKNOWN_SUBJECT:
                    self.history.unreadable += 1
                    return
                found = {"height": 0}
            if found["height"] >= floor:
                links = found["record"]["links"]
                returned = time.monotonic_ns()
                self._floor = max(self._floor, found["height"])
                read = Read(about, node, called, returned, found["height"], links["length"], links["head"])
                self.history.reads.append(read)
                return
            self.history.behind += 1
            await asyncio.sleep(0.02)
        self.history.unreadable += 1


class Load:
    """So many clients, each doing one thing after another, at about so many writes a second together."""

    def __init__(
        self, cluster: Cluster, *, seed: int, clients: int, per_second: float, subjects: int
    ) -> None:
        self.recorder = Recorder(cluster)
        self._cluster = cluster
        first = seed % 1_000_000 * 1_000
        self._subjects = [subject(first + number) for number in range(subjects)]
        self.probe = subject(first + 999)
        """What `acknowledges` writes about."""
        self._pause_s = clients / per_second
        self._random = random.Random(seed)
        self._is_over = False
        self._beginning = asyncio.create_task(self._begin(clients))
        self._clients = [self._beginning]

    async def _begin(self, clients: int) -> None:
        """Commission every item, then let the clients go: what is observed exists."""
        names = self._cluster.names
        async with self._cluster.gateway(*names, policy=WRITING) as gateway:
            await asyncio.gather(*(self.recorder.write(gateway, about) for about in self._subjects))
        self._clients += [asyncio.create_task(self._client(number)) for number in range(clients)]

    async def _client(self, number: int) -> None:
        names = self._cluster.names
        first = number % len(names)
        draw = random.Random(self._random.random())
        async with self._cluster.gateway(*names[first:], *names[:first], policy=WRITING) as gateway:
            await asyncio.sleep(draw.random() * self._pause_s)
            while not self._is_over:
                began = time.monotonic()
                about = draw.choice(self._subjects)
                await self.recorder.write(gateway, about)
                if draw.random() < _READ_SHARE:
                    await self.recorder.read(draw.choice(names), draw.choice(self._subjects))
                await asyncio.sleep(
                    max(0.0, began + self._pause_s * (0.5 + draw.random()) - time.monotonic())
                )

    @property
    def acknowledged(self) -> int:
        """How many writes were acknowledged so far."""
        return len(self.recorder.history.acknowledged)

    def check(self) -> None:
        """Raise what a client failed with."""
        for client in self._clients:
            if client.done() and not client.cancelled() and client.exception() is not None:
                raise AssertionError("a client failed") from client.exception()

    async def reaches(self, count: int) -> None:
        """Wait until so many more writes were acknowledged."""
        wanted = self.acknowledged + count
        while self.acknowledged < wanted:
            self.check()
            await asyncio.sleep(0.02)

    async def stop(self) -> History:
        """Let every client finish what it is doing; what they saw."""
        self._is_over = True
        await self._beginning
        await asyncio.gather(*self._clients)
        await self.recorder.close()
        return self.recorder.history

    async def cancel(self) -> None:
        """End the clients at once."""
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        await self.recorder.close()


def sample(subjects: Sequence[str], count: int, seed: int) -> list[str]:
    """Some of them, always the same for a seed."""
    return random.Random(seed).sample(list(subjects), min(count, len(subjects)))
