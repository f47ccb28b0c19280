"""Handing in over HTTP at one gateway, as any client may: signed transactions in the body of a request (API.md §5)."""

from __future__ import annotations

import asyncio
from typing import Final

from ledger.base.encoding import encode
from node.local.protocol import Submission
from tests.bench.http import Connection
from tests.bench.load import Outcome

_PATH: Final = "/v1/transactions?wait=final"
_MEDIA_TYPE: Final = "application/msgpack"
_LATER: Final = (429, 503)
_AGAIN_S: Final = 1.0


def body_of(submission: Submission) -> bytes:
    """A request's body with one transaction and the bytes of its events."""
    payloads = [(one.salt, None, one.event) for one in submission.payloads]
    return encode([(submission.transaction, payloads)])


class GatewayClient:
    """Kept connections to one gateway, one request under way on each; opened when they are first needed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()

    async def hand(self, body: bytes) -> Outcome:
        """Hand in one body; come back when told to, and when the connection was closed."""
        waits = 0
        while True:
            try:
                status, headers, answer = await self._ask(body)
            except OSError:
                status, headers, answer = 503, {}, b""
            if status not in _LATER:
                break
            waits += 1
            await asyncio.sleep(float(headers.get(b"retry-after", _AGAIN_S)))
        good = answer.count(b'"refusal":null')
        refused = answer.count(b'"refusal":"')
        return Outcome(good, refused, waits) if status == 200 else Outcome(0, 1, waits)

    async def _ask(self, body: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
        while self._idle and self._idle[-1].is_over:
            self._open.discard(self._idle.pop())
        connection = self._idle.pop() if self._idle else await Connection.open(self._port)
        self._open.add(connection)
        try:
            answer = await connection.ask(connection.request("POST", _PATH, body, _MEDIA_TYPE))
        except OSError:
            self._open.discard(connection)
            await connection.close()
            raise
        self._idle.append(connection)
        return answer

    async def close(self) -> None:
        """Close all connections."""
        for connection in self._open:
            await connection.close()
