"""A validator that answers the local protocol from a world in memory: real ledger code, no network, no consensus.

Each submission becomes a block of its own at once, unless the test says otherwise.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from ledger.base.encoding import encode
from ledger.base.errors import Code, CustodyError, FormError, UnavailableError
from ledger.chain.batch import take_apart
from ledger.chain.transaction import event_hash, transaction_from_bytes
from ledger.proof.build import build
from ledger.proof.history import Payload
from ledger.proof.registry import build_registry_file
from ledger.state.item import ItemChanges
from ledger.trade.record import SubjectKey
from node.local import protocol
from node.local.protocol import (
    FinalBlock,
    HistoryRow,
    ItemReceipt,
    NodeStatus,
    RecordAt,
    State,
    StoredPayload,
    TransactionStatus,
    WaitFor,
)
from node.transport.local_service import LocalConnection, LocalServer
from tests.world.chain import ChainedWorld
from tests.world.past import Past


class FakeValidator:
    """Serves a world at a socket path."""

    def __init__(self, world: ChainedWorld, socket: Path) -> None:
        self.world = world
        self.socket = socket
        self.blocks: list[FinalBlock] = []
        self.statuses: dict[bytes, TransactionStatus] = {}
        self.phase = "ready"
        self.is_silent = False  # never answers
        self.is_finalising = True  # else transactions stay pending
        self.fault: tuple[Code, str] | None = None  # instead of every answer
        self.refusal: Code | None = None  # of every transaction
        self.streamed: int | None = None  # followers hear of blocks up to this height only
        self.genesis: bytes = world.genesis.to_bytes()
        self.submissions: list[protocol.Submission] = []
        self.payloads: dict[bytes, StoredPayload] = {}  # by event hash; those of a submission are put in
        self.asked: list[str] = []
        self._new_block = asyncio.Event()
        self._server: LocalServer | None = None

    async def start(self) -> None:
        self._server = LocalServer(self.socket, protocol.REQUEST_CAPS, self._on_frame)
        await self._server.start()

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.close()
            self._server = None

    retry_after_ms: int | None = None

    def commit(self, *datas: bytes, advance_ms: int = 1_000) -> FinalBlock:
        """Execute transactions in a block of their own."""
        transactions = [transaction_from_bytes(data, self.world.network) for data in datas]
        execution = self.world.commit(*transactions, advance_ms=advance_ms)
        checkpoint = self.world.checkpoints[-1]
        height, time_ms = checkpoint.header.height, checkpoint.header.time_ms
        made = []
        for transaction in transactions:
            receipts = tuple(
                ItemReceipt(receipt.place, receipt.refusal, receipt.entry, receipt.outcomes)
                for receipt in execution.receipts
                if receipt.transaction == transaction.id
            )
            status = TransactionStatus(transaction.id, State.FINAL, "", "", height, time_ms, receipts)
            self.statuses[transaction.id] = status
            made.append(status)
        batches, _ = take_apart(self.world.supplied[-1].batches)
        block = FinalBlock(
            checkpoint.header, checkpoint.outcome, checkpoint.certificate, datas, tuple(made), batches
        )
        self.blocks.append(block)
        self._new_block.set()
        self._new_block = asyncio.Event()
        return block

    def stream(self) -> None:
        """Let followers hear of all blocks up to now, and no further."""
        self.streamed = len(self.blocks)
        self._new_block.set()
        self._new_block = asyncio.Event()

    def hold(
        self, salt: bytes, context: bytes | None, event: bytes, readers: tuple[str, ...] | None = None
    ) -> bytes:
        """Keep an event's bytes; their hash."""
        hashed = event_hash(self.world.network, salt, context, event)
        self.payloads[hashed] = StoredPayload(hashed, salt, context, event, readers)
        return hashed

    # ---- the protocol

    def _on_frame(self, connection: LocalConnection, kind: int, body: bytes) -> None:
        if kind == protocol.CANCEL:
            connection.cancel(protocol.decode_answer(body)[0])
            return
        number, request = protocol.decode_request(body)
        connection.spawn(number, self._serve(connection, number, request))

    async def _serve(
        self, connection: LocalConnection, number: int, request: protocol.Request | FormError
    ) -> None:
        self.asked.append(type(request).__name__)
        try:
            if isinstance(request, FormError):
                raise request
            if self.is_silent:
                await asyncio.Event().wait()
            if self.fault is not None:
                raise UnavailableError(*self.fault)
            if isinstance(request, protocol.Follow):
                await self._follow(connection, number, request)
            value = await self._answer(request)
        except CustodyError as error:
            connection.send_or_end(protocol.FAULT, protocol.encode_fault(number, error.code, error.message))
        else:
            connection.send_or_end(protocol.ANSWER, protocol.encode_answer(number, value))

    async def _follow(self, connection: LocalConnection, number: int, request: protocol.Follow) -> None:
        height = request.from_height
        while True:
            new = self._new_block
            most = len(self.blocks)
            while height <= (most if self.streamed is None else min(most, self.streamed)):
                connection.send_or_end(protocol.PART, protocol.encode_answer(number, self.blocks[height - 1]))
                await connection.drained()
                height += 1
            await asyncio.sleep(request.gather_ms / 1_000)
            await new.wait()

    async def _answer(self, request: protocol.Request) -> Any:
        match request:
            case protocol.Submit():
                return [await self._submit(one, request.wait) for one in request.submissions]
            case protocol.GetTransactions():
                return [self._status(one) for one in request.ids]
            case protocol.GetBlock():
                if not 1 <= request.height <= len(self.blocks):
                    raise UnavailableError(
                        Code.UNKNOWN_BLOCK,
                        f"expected a final block's height, at most {len(self.blocks)}, got {request.height}",
                    )
                return self.blocks[request.height - 1]
            case protocol.GetCheckpoint():
                return self._checkpoint(request.height)
            case protocol.GetRecord():
                tip = self.world.state.tip.header
                return protocol.record_at_wire(
                    RecordAt(self.world.record(request.key), tip.height, tip.time_ms)
                )
            case protocol.GetHistory():
                rows = self._history(request.key, aside=request.aside)
                return rows[request.first - 1 : request.first - 1 + request.most]
            case protocol.GetPayloads():
                here = [self.payloads[one] for one in request.event_hashes if one in self.payloads]
                reader = request.reader
                return [one for one in here if reader is None or one.readers is None or reader in one.readers]
            case protocol.Prove():
                is_open = {
                    digest: Payload(one.salt, one.context, one.event)
                    for digest, one in self.payloads.items()
                    if one.readers is None
                }
                return build(Past(self.world, is_open), request.keys, payloads=request.payloads)
            case protocol.GetRegistry():
                return build_registry_file(Past(self.world, {}))
            case protocol.GetGenesis():
                return self.genesis
            case protocol.GetStatus():
                return self._node_status()
            case protocol.GetMetrics():
                return b"# TYPE custody_validator_height gauge\ncustody_validator_height 1\n"
        raise AssertionError(request)

    def _status(self, transaction: bytes) -> TransactionStatus:
        return self.statuses.get(transaction, TransactionStatus(transaction, State.UNKNOWN))

    async def _submit(self, submission: protocol.Submission, wait: WaitFor) -> TransactionStatus:
        self.submissions.append(submission)
        for one in submission.payloads:
            context = None if one.context is None else submission.contexts[one.context]
            self.hold(one.salt, context, one.event, one.readers)
        transaction = transaction_from_bytes(submission.transaction, self.world.network)
        if self.refusal is not None:
            return TransactionStatus(
                transaction.id,
                State.REFUSED,
                self.refusal.value,
                "expected another one",
                time_ms=self.retry_after_ms,
            )
        known = self.statuses.get(transaction.id)
        if known is None:
            known = TransactionStatus(transaction.id, State.PENDING)
            if self.is_finalising and wait == WaitFor.FINAL:
                self.commit(submission.transaction)
                return self.statuses[transaction.id]
            self.statuses[transaction.id] = known
        if not self.is_finalising and wait == WaitFor.FINAL:
            await asyncio.Event().wait()
        return known

    def _checkpoint(self, height: int | None) -> Any:
        found = [
            checkpoint
            for checkpoint in self.world.checkpoints
            if height is None or checkpoint.header.height <= height
        ]
        if not found:
            raise UnavailableError(
                Code.UNKNOWN_BLOCK, f"expected a checkpoint at or below {height}, there is none"
            )
        return found[-1]

    def _history(self, key: SubjectKey, *, aside: bool) -> list[HistoryRow]:
        found = [
            (new, row.changes)
            for row in self.world.rows
            for new in row.changes.links
            if (new.key, new.aside) == (key, aside)
        ]
        return [
            HistoryRow(new.position, new.link, changes.entry, _encoded(changes)) for new, changes in found
        ]

    def _node_status(self) -> NodeStatus:
        tip = self.world.state.tip.header
        return NodeStatus(
            self.world.network, "test", "maker", self.phase, tip.height, tip.time_ms, tip.height, tip.height + 1,
            "carrier", 0, 0, (protocol.PeerStatus("carrier", "127.0.0.1:7102", is_connected=True),), (), 1, tip.time_ms,
            tip.epoch, True, tip.version,
        )  # fmt: skip


def _encoded(changes: ItemChanges) -> bytes | None:
    return None if changes.item is None else encode(changes.item)
