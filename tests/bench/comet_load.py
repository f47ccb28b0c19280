"""How CometBFT is driven: JSON-RPC over HTTP, many transactions a request, and what is final read from the blocks themselves.

Of what it offers this costs its nodes and its client least: `broadcast_tx_commit` and a subscription to each transaction have
the node search its subscribers for every transaction, and one request for each costs as much again as its check. A block is
announced by a subscription to headers and fetched once; a transaction is final for the client when it has seen it there.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Sequence
from typing import Final, NamedTuple, Self

from websockets.asyncio.client import connect

from tests.bench.http import Connection
from tests.bench.load import Hand, Outcome, event_of

NAME_BYTES: Final = 15
"""Of a transaction's name, a multiple of three: its first 20 characters in base64 then name it."""
_NAME_CHARACTERS: Final = NAME_BYTES * 4 // 3
_REQUEST_BYTES: Final = 400_000
_REQUEST_CALLS: Final = 100
_TRANSACTIONS: Final = re.compile(rb'"txs":\[([^\]]*)\]')
_CALL: Final = b'{"jsonrpc":"2.0","id":%d,"method":"broadcast_tx_sync","params":{"tx":"%s"}}'
_SUBSCRIBE: Final = json.dumps(
    {"jsonrpc": "2.0", "id": 0, "method": "subscribe", "params": {"query": "tm.event='NewBlockHeader'"}}
)
_AGAIN_S: Final = 0.05


def transaction(first: int, count: int) -> bytes:
    """`count` events as one transaction `name=events`; kvstore wants one `=` and no colon, so others stand in their place."""
    events = b"".join(event_of(number, is_first=True) for number in range(first, first + count))
    value = events.replace(b"=", b"~").replace(b":", b";")
    return b"%0*d=%s" % (NAME_BYTES, first, value)


class Prepared(NamedTuple):
    """A transaction as it goes into a request."""

    text: bytes
    """Base64."""
    events: int

    @property
    def name(self) -> bytes:
        """What it is known by in a block."""
        return self.text[:_NAME_CHARACTERS]


def prepare(first: int, count: int) -> Prepared:
    """A transaction made beforehand."""
    return Prepared(base64.b64encode(transaction(first, count)), count)


def final_names(block: bytes) -> list[bytes]:
    """The names of the transactions in an answer to `/block`, read without parsing it."""
    found = _TRANSACTIONS.search(block)
    return [text[1 : 1 + _NAME_CHARACTERS] for text in found[1].split(b",")] if found and found[1] else []


class CometClient:
    """Connections to some nodes, each with a queue, and the watcher of one node's blocks. An async context manager."""

    def __init__(self, ports: Sequence[int], *, watched: int, connections: int = 2) -> None:
        """`connections`: to each node. `watched`: the port of the node whose blocks are read."""
        self._ports = ports
        self._watched = watched
        self._connections = connections
        self._final: dict[bytes, asyncio.Future[bool]] = {}
        self._queues: list[asyncio.Queue[Prepared]] = [asyncio.Queue() for _ in ports]
        self._ready = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def hands(self) -> list[Hand[Prepared]]:
        """One for each node."""
        return [self._hand(queue) for queue in self._queues]

    async def __aenter__(self) -> Self:
        self._tasks.append(asyncio.create_task(self._watch()))
        self._tasks += [
            asyncio.create_task(self._send(port, queue))
            for port, queue in zip(self._ports, self._queues, strict=True)
            for _ in range(self._connections)
        ]
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait([ready, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _hand(self, queue: asyncio.Queue[Prepared]) -> Hand[Prepared]:
        async def hand(prepared: Prepared) -> Outcome:
            waits = 0
            while True:
                future = self._final[prepared.name] = asyncio.get_running_loop().create_future()
                queue.put_nowait(prepared)
                if await future:
                    return Outcome(prepared.events, 0, waits)
                waits += 1
                await asyncio.sleep(_AGAIN_S)

        return hand

    async def _watch(self) -> None:
        connection = await Connection.open(self._watched)
        try:
            async with connect(f"ws://127.0.0.1:{self._watched}/websocket", max_size=None) as socket:
                await socket.send(_SUBSCRIBE)
                await socket.recv()
                self._ready.set()
                async for message in socket:
                    height = json.loads(message)["result"]["data"]["value"]["header"]["height"]
                    _, _, body = await connection.ask(connection.request("GET", f"/block?height={height}"))
                    for name in final_names(body):
                        self._settle(name, is_final=True)
        finally:
            await connection.close()

    def _settle(self, name: bytes, *, is_final: bool) -> None:
        future = self._final.pop(name, None)
        if future is not None and not future.done():
            future.set_result(is_final)

    async def _send(self, port: int, queue: asyncio.Queue[Prepared]) -> None:
        connection = await Connection.open(port)
        try:
            while True:
                part = [await queue.get()]
                most = min(_REQUEST_CALLS, max(1, _REQUEST_BYTES // len(part[0].text)))
                while len(part) < most and not queue.empty():
                    part.append(queue.get_nowait())
                calls = b",".join(_CALL % (place, one.text) for place, one in enumerate(part))
                body = b"[" + calls + b"]" if len(part) > 1 else calls
                status, _, answer = await connection.ask(
                    connection.request("POST", "/", body, "application/json")
                )
                if status != 200 or answer.count(b'"code":0,') != len(part):
                    self._refused(part, answer)
        finally:
            await connection.close()

    def _refused(self, part: Sequence[Prepared], answer: bytes) -> None:
        """Wake those that were not taken: the pool of transactions was full."""
        answers = json.loads(answer)
        for one in answers if isinstance(answers, list) else [answers]:
            if "result" not in one or one["result"]["code"]:
                self._settle(part[int(one["id"])].name, is_final=False)
