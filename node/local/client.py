"""Asking the validator of this node, from another process (the gateway, the command line).

    async with LocalClient(folder / "run" / "validator.sock") as validator:
        (status,) = await validator.submit([Submission(data)], WaitFor.FINAL)
        async for block in validator.follow(1): ...

Requests on one connection overlap. When the validator goes away every outstanding request fails with
UnavailableError(unavailable); the next request dials again. Errors of the validator come back as `CustodyError`s with
their code. A stream that is read slowly holds up what else comes on its connection: follow on a client of its own. Not
for several event loops.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from ledger.base.errors import Code, CustodyError, UnavailableError
from ledger.chain.certificate import Checkpoint
from ledger.trade.record import SubjectKey
from node.local import protocol
from node.local.protocol import (
    FinalBlock,
    HistoryRow,
    NodeStatus,
    RecordAt,
    Request,
    StoredPayload,
    Submission,
    ToldErasure,
    TransactionStatus,
    WaitFor,
)
from node.transport.connection import Lane
from node.transport.local_service import LocalConnection, connect_local

STREAM_AHEAD: Final = 8
"""Parts of a stream held for a slow reader before the connection is paused."""


class LocalClient:
    """A connection to the validator of a node."""

    def __init__(self, socket: Path) -> None:
        self._path = socket
        self._connection: LocalConnection | None = None
        self._dialling = asyncio.Lock()
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._streams: dict[int, asyncio.Queue[Any]] = {}
        self._number = 0

    async def __aenter__(self) -> Self:
        await self._connected()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; outstanding requests fail."""
        connection = self._connection
        if connection is not None:
            connection.close()
            await connection.lost.wait()

    # ---- requests

    async def submit(
        self, submissions: Iterable[Submission], wait: WaitFor = WaitFor.FINAL
    ) -> tuple[TransactionStatus, ...]:
        """Hand in transactions; one status each, in order. What is refused says why in its status."""
        return protocol.parse_statuses(await self._ask(protocol.Submit(tuple(submissions), wait)))

    async def transactions(self, ids: Iterable[bytes]) -> tuple[TransactionStatus, ...]:
        """The status of each transaction id."""
        return protocol.parse_statuses(await self._ask(protocol.GetTransactions(tuple(ids))))

    async def follow(self, from_height: int, *, gather_ms: int = 0) -> AsyncIterator[FinalBlock]:
        """Final blocks from a height on, past and future; ends only with an error or when the caller stops.

        `gather_ms`: so long may one wait for others to come with it.
        """
        connection = await self._connected()
        number = self._next_number()
        queue: asyncio.Queue[Any] = asyncio.Queue()
        self._streams[number] = queue
        request = protocol.Follow(from_height, gather_ms)
        connection.send(protocol.REQUEST, protocol.encode_request(number, request), Lane.BULK)
        try:
            while True:
                value = await queue.get()
                if isinstance(value, CustodyError):
                    raise value
                if queue.qsize() < STREAM_AHEAD:
                    connection.resume_reading()
                yield protocol.parse_final_block(value)
        finally:
            del self._streams[number]
            connection.resume_reading()
            connection.send(protocol.CANCEL, protocol.encode_answer(number, None), Lane.BULK)

    async def block(self, height: int) -> FinalBlock:
        """The final block at a height; UnavailableError unknown_block."""
        return protocol.parse_final_block(await self._ask(protocol.GetBlock(height)))

    async def checkpoint(self, height: int | None = None) -> Checkpoint:
        """The newest checkpoint, or the newest at or below a height."""
        return protocol.parse_answered_checkpoint(await self._ask(protocol.GetCheckpoint(height)))

    async def record(self, key: SubjectKey) -> RecordAt:
        """A subject's record now."""
        return protocol.parse_record_at(await self._ask(protocol.GetRecord(key)))

    async def history(
        self, key: SubjectKey, *, aside: bool = False, first: int = 1, most: int = protocol.HISTORY_ROWS
    ) -> tuple[HistoryRow, ...]:
        """Up to `most` links of a subject's chain from number `first` on, with their entries and items."""
        return protocol.parse_history(await self._ask(protocol.GetHistory(key, aside, first, most)))

    async def payloads(
        self, event_hashes: Iterable[bytes], reader: str | None = None
    ) -> tuple[StoredPayload, ...]:
        """The bytes this node holds of these events, of any number of them; with `reader` those that it may read."""
        found: list[StoredPayload] = []
        wanted = list(dict.fromkeys(event_hashes))
        while wanted:
            some = wanted[: protocol.HASHES_PER_REQUEST]
            came = protocol.parse_payloads(await self._ask(protocol.GetPayloads(tuple(some), reader)))
            found += came
            if not came:
                del wanted[: len(some)]
                continue
            # An answer has room for so much: what stands behind the last that came was perhaps not looked at.
            last = some.index(came[-1].event_hash)
            del wanted[: last + 1]
        return tuple(found)

    async def prove(self, keys: Iterable[SubjectKey], *, payloads: bool = False) -> bytes:
        """A bundle over the subjects named; `payloads`: with the bytes of open events."""
        return protocol.parse_bytes(await self._ask(protocol.Prove(tuple(keys), payloads)))

    async def erasures(self) -> tuple[ToldErasure, ...]:
        """Every tombstone of the chain, in order, and what became of the bytes on this node."""
        found: list[ToldErasure] = []
        while True:
            first = found[-1].tombstone + 1 if found else 0
            came = protocol.parse_erasures(await self._ask(protocol.GetErasures(first, protocol.ERASURES)))
            found += came
            if len(came) < protocol.ERASURES:
                return tuple(found)

    async def registry(self) -> bytes:
        """The registry file: every member, key, grant and vote there ever was, proven."""
        return protocol.parse_bytes(await self._ask(protocol.GetRegistry()))

    async def genesis(self) -> bytes:
        """The genesis file."""
        return protocol.parse_bytes(await self._ask(protocol.GetGenesis()))

    async def status(self) -> NodeStatus:
        """How the validator is doing."""
        return protocol.parse_status(await self._ask(protocol.GetStatus()))

    async def reload(self) -> tuple[str, ...]:
        """Let the node read its peers again; what changed. UnavailableError with the code of what is wrong with node.toml."""
        return protocol.parse_sentences(await self._ask(protocol.Reload()))

    async def metrics(self) -> bytes:
        """Prometheus text format."""
        return protocol.parse_bytes(await self._ask(protocol.GetMetrics()))

    # ---- the connection

    async def _ask(self, request: Request) -> Any:
        connection = await self._connected()
        number = self._next_number()
        body = protocol.encode_request(number, request)
        if len(body) > protocol.REQUEST_BYTES:
            raise UnavailableError(
                Code.TOO_LARGE,
                f"expected a request of at most {protocol.REQUEST_BYTES} bytes, got {len(body)}",
            )
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            if not connection.send(protocol.REQUEST, body, Lane.BULK):
                raise UnavailableError(
                    Code.OVERLOADED, "expected fewer outstanding requests to the validator; try again later"
                )
            return await answer
        except asyncio.CancelledError:
            connection.send(protocol.CANCEL, protocol.encode_answer(number, None), Lane.BULK)
            raise
        finally:
            self._answers.pop(number, None)

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    async def _connected(self) -> LocalConnection:
        async with self._dialling:
            if self._connection is None or self._connection.is_closing:
                self._connection = await connect_local(
                    self._path, protocol.ANSWER_CAPS, self._frame_came, self._lost
                )
            return self._connection

    def _lost(self, _connection: LocalConnection, reason: Exception | None) -> None:
        error = UnavailableError(
            Code.UNAVAILABLE,
            f"expected the validator at {self._path} to answer, it went away ({reason or 'closed'}); try again",
        )
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(error)
        for queue in self._streams.values():
            queue.put_nowait(error)

    def _frame_came(self, connection: LocalConnection, kind: int, body: bytes) -> None:
        if kind == protocol.FAULT:
            number, code, message = protocol.decode_fault(body)
            self._settle(number, UnavailableError(code, message))
            return
        number, value = protocol.decode_answer(body)
        if kind == protocol.PART:
            queue = self._streams.get(number)
            if queue is not None:
                queue.put_nowait(value)
                if queue.qsize() >= STREAM_AHEAD:
                    connection.pause_reading()
            return
        self._settle(number, value)

    def _settle(self, number: int, value: Any) -> None:
        queue = self._streams.get(number)
        if queue is not None:
            queue.put_nowait(value)
        answer = self._answers.get(number)
        if answer is None or answer.done():
            return
        if isinstance(value, CustodyError):
            answer.set_exception(value)
        else:
            answer.set_result(value)
