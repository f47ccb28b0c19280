"""The private socket: what the gateway of this node may ask (DESIGN §6; `node.local.protocol`).

Submissions are answered without a task of their own, since they are what comes in thousands; they are checked in the order in
which they come, in slices of so many events, so that one of thousands never holds up votes and blocks. Everything else is served as
a task that the asker may cancel. What is answered is final, never merely executed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol

from ledger.base.encoding import encode
from ledger.base.errors import Code, CustodyError, FormError, UnavailableError
from ledger.chain.certificate import Checkpoint
from ledger.proof.history import Payload
from node.local import protocol
from node.local.protocol import (
    FinalBlock,
    HistoryRow,
    NodeStatus,
    RecordAt,
    Request,
    State,
    StoredPayload,
    TransactionStatus,
    WaitFor,
)
from node.storage.payload_store import PayloadStore
from node.transport.connection import Lane
from node.transport.local_service import LocalConnection
from node.validator.admission import SLICE_EVENTS
from node.validator.chain import Chain
from node.validator.execution import Executor
from node.validator.host import REAL, Host
from node.validator.mempool import Mempool
from node.validator.past import incomplete, read_progress
from node.validator.proving import Prover

HISTORY_BYTES: Final = 8_000_000
"""Of items in one answer, which has room for one of any size; the rest is asked for from the next position on."""
PAYLOADS_BYTES: Final = 8_000_000
"""Of events in one answer; the rest is asked for again."""
FOLLOW_BYTES: Final = 16_000
"""Of blocks that leave together for who follows; then others have the loop."""
REQUESTS: Final = 4_096
ARRIVED_BYTES: Final = 64_000_000
"""Of requests that wait to be checked; beyond it they are refused unread."""


class Node(Protocol):
    """What the service asks of the node around it."""

    def status(self) -> NodeStatus:
        """How the validator is doing."""

    def metrics(self) -> bytes:
        """Prometheus text format."""

    def genesis(self) -> bytes:
        """The genesis file."""

    def reload(self) -> tuple[str, ...]:
        """Read the peers of node.toml again; what changed, in sentences. Raises CustodyError."""

    def wake(self) -> None:
        """Transactions wait to be put into a batch."""


class _Arrival:
    """A request to take in transactions, while they are checked in order."""

    __slots__ = ("connection", "is_cancelled", "number", "size", "statuses", "wait", "_checks")

    def __init__(
        self, connection: LocalConnection, number: int, request: protocol.Submit, mempool: Mempool, size: int
    ) -> None:
        self.connection = connection
        self.number = number
        self.wait = request.wait
        self.size = size
        self.statuses: list[TransactionStatus] = []
        self.is_cancelled = False
        self._checks = self._check_all(request, mempool)

    def _check_all(self, request: protocol.Submit, mempool: Mempool) -> Generator[None, None, None]:
        events = 0
        for submission in request.submissions:
            if events + len(submission.payloads) > SLICE_EVENTS and events:
                events = 0
                yield
            self.statuses.append((yield from mempool.admit(submission)))
            events += 1 + len(submission.payloads) % SLICE_EVENTS

    def check_some(self) -> bool:
        """Check a slice of them; whether that was all."""
        return next(self._checks, self) is self


class _Submission:
    """A submission whose transactions are not all final yet."""

    __slots__ = ("connection", "left", "number", "statuses", "waiters")

    def __init__(self, connection: LocalConnection, number: int, statuses: list[TransactionStatus]) -> None:
        self.connection = connection
        self.number = number
        self.statuses = statuses
        self.waiters: dict[int, Callable[[TransactionStatus], None]] = {}
        self.left = 0

    def settle(self, place: int, status: TransactionStatus) -> None:
        self.statuses[place] = status
        self.waiters.pop(place, None)
        self.left -= 1
        if self.left == 0:
            self.answer()

    def answer(self) -> None:
        body = protocol.encode_answer(self.number, self.statuses)
        self.connection.send_or_end(protocol.ANSWER, body)


class Service:
    """Serves the socket `path`."""

    def __init__(
        self,
        path: Path,
        node: Node,
        executor: Executor,
        chain: Chain,
        mempool: Mempool,
        payload: PayloadStore,
        prover: Prover,
        host: Host = REAL,
    ) -> None:
        self._node = node
        self._executor = executor
        self._chain = chain
        self._mempool = mempool
        self._payload = payload
        self._prover = prover
        self._server = host.open_doorway(
            path, protocol.REQUEST_CAPS, self._frame_came, self._lost, requests=REQUESTS
        )
        self._submissions: dict[tuple[LocalConnection, int], _Submission] = {}
        self._answered: dict[LocalConnection, None] = {}
        """Those that have answers to send since a block became final."""
        self._arrivals: deque[_Arrival] = deque()
        self._arrived_bytes = 0
        self._answering: dict[type[Any], Callable[[Any], Awaitable[Any]]] = {
            protocol.GetTransactions: self._transactions,
            protocol.GetBlock: self._block,
            protocol.GetCheckpoint: self._checkpoint,
            protocol.GetRecord: self._record,
            protocol.GetHistory: self._history,
            protocol.GetPayloads: self._payloads,
            protocol.Prove: self._prove,
            protocol.GetGenesis: self._genesis,
            protocol.GetStatus: self._status,
            protocol.GetMetrics: self._metrics,
            protocol.GetRegistry: self._registry,
            protocol.Reload: self._reload,
            protocol.GetErasures: self._erasures,
        }

    async def start(self) -> None:
        """Listen."""
        await self._server.start()

    async def close(self) -> None:
        """Stop."""
        await self._server.close()

    # ---- frames

    def _frame_came(self, connection: LocalConnection, kind: int, body: bytes) -> None:
        if kind == protocol.CANCEL:
            number, _ = protocol.decode_answer(body)
            connection.cancel(number)
            self._forget(connection, number)
            return
        number, request = protocol.decode_request(body)
        if isinstance(request, FormError):
            self._fault(connection, number, request)
        elif isinstance(request, protocol.Submit):
            self._submit(connection, number, request, len(body))
        else:
            connection.spawn(number, self._serve(connection, number, request))

    async def _serve(self, connection: LocalConnection, number: int, request: Request) -> None:
        try:
            if isinstance(request, protocol.Follow):
                await self._follow(connection, number, request)
                return
            value = await self._answering[type(request)](request)
            body = protocol.encode_answer(number, value)
            if len(body) > protocol.ANSWER_BYTES:
                raise UnavailableError(
                    Code.TOO_LARGE,
                    f"expected an answer of at most {protocol.ANSWER_BYTES} bytes, it has {len(body)}; ask for less",
                )
            connection.send_or_end(protocol.ANSWER, body)
        except CustodyError as error:
            self._fault(connection, number, error)

    @staticmethod
    def _fault(connection: LocalConnection, number: int, error: CustodyError) -> None:
        connection.send_or_end(protocol.FAULT, protocol.encode_fault(number, error.code, error.message))

    def _lost(self, connection: LocalConnection, _reason: Exception | None) -> None:
        for arrival in self._arrivals:
            arrival.is_cancelled = arrival.is_cancelled or arrival.connection is connection
        for key in [key for key in self._submissions if key[0] is connection]:
            self._forget_waiting(key)

    # ---- submissions

    def _submit(self, connection: LocalConnection, number: int, request: protocol.Submit, size: int) -> None:
        """Check what is handed in: at once if it is little and nothing waits, else behind what came before."""
        if self._arrived_bytes + size > ARRIVED_BYTES:
            message = f"expected at most {ARRIVED_BYTES} bytes waiting to be checked; try again"
            self._fault(connection, number, UnavailableError(Code.OVERLOADED, message))
            return
        self._arrivals.append(_Arrival(connection, number, request, self._mempool, size))
        self._arrived_bytes += size
        if len(self._arrivals) == 1:
            self._check_slice()

    def _check_slice(self) -> None:
        """Check one slice of the oldest request; the loop turns between two."""
        arrival = self._arrivals[0]
        is_done = True
        try:
            is_done = arrival.is_cancelled or arrival.check_some()
        finally:
            if is_done:
                self._arrivals.popleft()
                self._arrived_bytes -= arrival.size
            if self._arrivals:
                asyncio.get_running_loop().call_soon(self._check_slice)
        if is_done:
            if self._mempool.has_queued:  # also of one that was cancelled midway
                self._node.wake()
            if not arrival.is_cancelled:
                self._checked(arrival)

    def _checked(self, arrival: _Arrival) -> None:
        submission = _Submission(arrival.connection, arrival.number, arrival.statuses)
        if arrival.wait is WaitFor.FINAL:
            self._wait(submission)
        if not submission.left:
            submission.answer()

    def _wait(self, submission: _Submission) -> None:
        key = (submission.connection, submission.number)
        for place, status in enumerate(submission.statuses):
            if status.state is State.PENDING:
                submission.left += 1
                waiter = partial(self._settle, key, place)
                submission.waiters[place] = waiter
                self._mempool.when_final(status.transaction, waiter)
        if submission.left:
            self._submissions[key] = submission

    def _settle(self, key: tuple[LocalConnection, int], place: int, status: TransactionStatus) -> None:
        submission = self._submissions[key]
        submission.settle(place, status)
        if not submission.left:
            del self._submissions[key]
            self._answered[key[0]] = None

    def send_answers(self) -> None:
        """All of a block are told: let the answers leave before the block's other work and the next block's execution."""
        for connection in self._answered:
            connection.send_now()
        self._answered.clear()

    def _forget(self, connection: LocalConnection, number: int) -> None:
        for arrival in self._arrivals:
            if arrival.connection is connection and arrival.number == number:
                arrival.is_cancelled = True
        self._forget_waiting((connection, number))

    def _forget_waiting(self, key: tuple[LocalConnection, int]) -> None:
        submission = self._submissions.pop(key, None)
        if submission is not None:
            for place, waiter in submission.waiters.items():
                self._mempool.forget_waiter(submission.statuses[place].transaction, waiter)

    async def _transactions(self, request: protocol.GetTransactions) -> Any:
        return [self._mempool.status(known) for known in request.ids]

    # ---- blocks

    async def _block(self, request: protocol.GetBlock) -> FinalBlock:
        return self._chain.final_block(request.height)

    async def _checkpoint(self, request: protocol.GetCheckpoint) -> Checkpoint:
        return self._chain.checkpoint(request.height)

    async def _follow(self, connection: LocalConnection, number: int, request: protocol.Follow) -> None:
        height = max(1, request.from_height)
        while True:
            size = 0
            while height <= self._chain.height:
                body = protocol.encode_answer(number, self._chain.final_block(height))
                if not connection.send(protocol.PART, body, Lane.BULK):
                    return
                height += 1
                size += len(body)
                if size > FOLLOW_BYTES:
                    await connection.drained()
                    await asyncio.sleep(0)
                    size = 0
            await connection.drained()
            await asyncio.sleep(request.gather_ms / 1_000)
            await self._chain.above(height - 1)

    # ---- subjects

    async def _record(self, request: protocol.GetRecord) -> Any:
        header = self._executor.final_header
        record = self._executor.committed_record(request.key)
        return protocol.record_at_wire(RecordAt(record, header.height, header.time_ms))

    async def _history(self, request: protocol.GetHistory) -> Any:
        tables = self._executor.tables
        progress = read_progress(tables)
        if progress is not None:
            raise incomplete(progress.height)
        rows: list[HistoryRow] = []
        size = 0
        for position in range(request.first, request.first + request.most):
            found = tables.link(request.key, position, tables.final, aside=request.aside)
            if found is None:
                break
            sequence, link = found
            row = tables.bare_row(sequence, tables.final)
            if row is None:
                break
            entry, item = row
            encoded = None if item is None else encode(item)
            size += 0 if encoded is None else len(encoded)
            if rows and size > HISTORY_BYTES:
                break
            rows.append(HistoryRow(position, link, entry, encoded))
            if len(rows) % 100 == 0:
                await asyncio.sleep(0)
        return rows

    async def _payloads(self, request: protocol.GetPayloads) -> Any:
        found: list[StoredPayload] = []
        size = 0
        for event_hash in request.event_hashes:
            store, reader = self._payload, request.reader
            payload = store.get(event_hash) if reader is None else store.get_for(event_hash, reader)
            if payload is None:
                continue
            context = (
                None if payload.context_hash is None else self._payload.get_context(payload.context_hash)
            )
            shown = Payload(payload.salt, context, payload.event)
            size += len(payload.event) + len(context or b"") + len("".join(payload.readers or ()))
            if found and size > PAYLOADS_BYTES:
                break
            found.append(StoredPayload(event_hash, *shown, payload.readers))
        return found

    async def _prove(self, request: protocol.Prove) -> bytes:
        return await self._prover.prove(request.keys, payloads=request.payloads)

    async def _registry(self, _request: protocol.GetRegistry) -> bytes:
        return await self._prover.prove_registry()

    async def _erasures(self, request: protocol.GetErasures) -> Any:
        size = self._executor.final_outcome.event_log_size
        every = self._executor.tables.read_erasures(request.first)
        final = (one for one in every if one.tombstone < size)
        return [(*one, self._payload.is_erased(one.event_hash)) for one in islice(final, request.most)]

    # ---- the node

    async def _genesis(self, _request: protocol.GetGenesis) -> bytes:
        return self._node.genesis()

    async def _status(self, _request: protocol.GetStatus) -> NodeStatus:
        return self._node.status()

    async def _reload(self, _request: protocol.Reload) -> tuple[str, ...]:
        return self._node.reload()

    async def _metrics(self, _request: protocol.GetMetrics) -> bytes:
        return self._node.metrics()
