"""Standing queries on a stage: an event log in memory, clocks that tests move, and receivers that really listen and misbehave."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_network
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

from prometheus_client import CollectorRegistry

from ledger.base.keys import SigningKey
from node.gateway.epcis import named
from node.gateway.epcis.store import LocalStore
from node.gateway.epcis.subscriptions.asked import Terms
from node.gateway.epcis.subscriptions.feed import Clock, Found, Heading, Progress, Tip
from node.gateway.epcis.subscriptions.measures import Measures
from node.gateway.epcis.subscriptions.outbound import Outbound, Policy
from node.gateway.epcis.subscriptions.stored import SCHEMA, Standing, Webhook, WebhookStore
from node.gateway.epcis.subscriptions.webhooks import Webhooks
from node.gateway.reads import Reads

KEY = SigningKey.from_seed(bytes(range(32)))
QUERY = "everything"
START_MS = 1_780_000_000_000
_NAME = "INSERT OR IGNORE INTO named_queries VALUES (?, '{}', 0)"
LOOPBACK = Policy([ip_network("127.0.0.0/8")])


class Log:
    """An event log: event number n is at position n, its block time START_MS + n seconds. The query `even` finds half of it."""

    def __init__(self, count: int = 0) -> None:
        self.count = count
        self.fault: Exception | None = None
        self.padding = ""
        self._news = asyncio.Event()

    def grow(self, count: int) -> None:
        self.count += count
        self._news.set()
        self._news = asyncio.Event()

    async def tip(self) -> Tip:
        return Tip(self.count, START_MS + 1000 * self.count)

    async def news(self, position: int) -> None:
        while self.count <= position:
            await self._news.wait()

    async def before(self, time_ms: int) -> int:
        return min(self.count, max(0, (time_ms - START_MS - 1) // 1000))

    async def find(self, query_name: str, after: int, until: int, most: int | None) -> Found:
        if self.fault is not None:
            raise self.fault
        step = 2 if query_name == "even" else 1
        found = [number for number in range(after + 1, until + 1) if number % step == 0]
        if most is not None and len(found) > most:
            return Found(tuple(found[:most]), found[most - 1])
        return Found(tuple(found), until)

    async def document(self, query_name: str, events: Sequence[Any], heading: Heading) -> bytes:
        document = {"query": query_name, "events": list(events), "heading": heading, "padding": self.padding}
        return json.dumps(document).encode()


class HandClock:
    """Moves when it is told to."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self.time_ms = now_ms
        self.waiting: list[int] = []
        self._moved = asyncio.Event()

    def now_ms(self) -> int:
        return self.time_ms

    async def sleep_until(self, time_ms: int) -> None:
        self.waiting.append(time_ms)
        try:
            while self.time_ms < time_ms:
                await self._moved.wait()
        finally:
            self.waiting.remove(time_ms)

    def move_to(self, time_ms: int) -> None:
        self.time_ms = max(self.time_ms, time_ms)
        self._moved.set()
        self._moved = asyncio.Event()


class HastyClock:
    """Is always already there: whoever waits has waited."""

    def __init__(self) -> None:
        self.time_ms = START_MS
        self.slept: list[int] = []

    def now_ms(self) -> int:
        return self.time_ms

    async def sleep_until(self, time_ms: int) -> None:
        self.slept.append(max(0, time_ms - self.time_ms))
        self.time_ms = max(self.time_ms, time_ms)
        await asyncio.sleep(0)


class Got(NamedTuple):
    """A request as a receiver got it."""

    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def number(self) -> int:
        return int(self.headers["custody-delivery"])

    @property
    def events(self) -> list[int]:
        found = json.loads(self.body)["events"]
        assert isinstance(found, list)
        return found


Behaviour = Callable[[Got], Awaitable[bytes]]


def says(status: int, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Receiver:
    """Listens on a loopback port; answers by `script`, then 204."""

    def __init__(self, script: Iterable[bytes | Behaviour] = ()) -> None:
        self.got: list[Got] = []
        self.script = list(script)
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                fields = {
                    name.lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in head[1:])
                }
                got = Got(
                    head[0].split(" ")[1], fields, await reader.readexactly(int(fields["content-length"]))
                )
                self.got.append(got)
                act = self.script.pop(0) if self.script else says(204)
                writer.write(act if isinstance(act, bytes) else await act(got))
                await writer.drain()
        writer.close()


class Posting(Protocol):
    """What sends."""

    policy: Policy

    async def post(self, target: Any, headers: Any, body: bytes) -> Any: ...

    async def close(self) -> None: ...


@asynccontextmanager
async def webhooks_over(
    folder: Path,
    log: Log,
    *,
    clock: Clock | None = None,
    outbound: Posting | None = None,
    answer_s: float = 10.0,
    registry: CollectorRegistry | None = None,
    reads: Reads | None = None,
) -> AsyncIterator[Webhooks]:
    """The engine over a store in `folder`, whatever was in it before."""
    store = LocalStore(folder / "gateway.db", (named.SCHEMA, SCHEMA))
    await store.open()
    await store.run(lambda connection: connection.executemany(_NAME, [(QUERY,), ("even",)]))
    webhooks = Webhooks(
        WebhookStore(store), log, outbound or Outbound(LOOPBACK, answer_s=answer_s), KEY,  # type: ignore[arg-type]
        Measures(registry or CollectorRegistry()), clock=clock or HastyClock(), jitter=random.Random(1), reads=reads,
    )  # fmt: skip
    await webhooks.open()
    try:
        yield webhooks
    finally:
        await webhooks.close()
        await store.close()


def webhook(
    dest: str,
    terms: Terms = Terms(None),  # noqa: B008 - immutable
    *,
    query: str = QUERY,
    name: str = "one",
    secret: str | None = None,
) -> Webhook:
    return Webhook(0, name, query, START_MS, dest, secret, terms, Progress(), Standing())


async def until(is_so: Callable[[], bool]) -> None:
    """Let everything else go on until something is so."""
    while not is_so():  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0.001)
