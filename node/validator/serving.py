"""Answering from the stores what another validator lacks (CONSENSUS 9, 15, 28): batches, blocks, ranges, an epoch's end.

What is not here is left out; that a body was pruned is said, so that whoever asks turns to a snapshot.
"""

from __future__ import annotations

from collections.abc import Callable

from ledger.base.errors import UnavailableError
from ledger.chain.batch import batch_from_bytes
from ledger.consensus.messages import Blocks, FetchBatches, FetchBlocks, Request, encode_message
from node.storage.payload_store import PayloadStore
from node.validator.batches import encode_frame
from node.validator.chain import Chain
from node.validator.execution import Executor
from node.validator.frames import BATCH_FRAME, CONSENSUS_FRAME, REPLY_FRAME
from node.validator.holding import stored_events
from node.validator.mempool import Mempool


class Serving:
    """Answers peers, each named by its key."""

    def __init__(
        self,
        executor: Executor,
        chain: Chain,
        mempool: Mempool,
        payload: PayloadStore,
        send: Callable[[bytes, int, bytes], bool],
        tell_pruned: Callable[[bytes], None],
    ) -> None:
        """`send` a frame to a peer, False if it was dropped; `tell_pruned` tells one that a body is not here any more."""
        self._executor = executor
        self._chain = chain
        self._mempool = mempool
        self._payload = payload
        self._send = send
        self._tell_pruned = tell_pruned

    def serve(self, key: bytes, request: Request) -> None:
        """Answer what a peer asks for."""
        if isinstance(request, FetchBatches):
            is_pruned = False
            for digest in request.digests:
                frame = self._batch_frame(digest)
                if frame is None:
                    is_pruned = is_pruned or self._chain.is_batch_pruned(digest)
                elif not self._send(key, BATCH_FRAME, frame):
                    return
            if is_pruned:
                self._tell_pruned(key)
        elif isinstance(request, FetchBlocks):
            found = tuple(
                block
                for block in (self._chain.block_by_hash(block_hash) for block_hash in request.hashes)
                if block is not None
            )
            if found:
                self._send(key, REPLY_FRAME, encode_message(Blocks(found)))
        elif self._chain.is_pruned(request.from_height):
            self._tell_pruned(key)
        else:
            members = self._chain.range(request.from_height)
            if members is not None:
                self._send(key, REPLY_FRAME, encode_message(members))

    def _batch_frame(self, digest: bytes) -> bytes | None:
        """A batch with the bytes of its open items, from memory or from the chain."""
        held = self._mempool.held(digest)
        data = held.data if held is not None else self._chain.batch(digest)
        if data is None:
            return None
        batch = held or batch_from_bytes(data, self._executor.network, check_signatures=False)
        events = stored_events(self._payload, batch)
        return None if events is None else encode_frame(data, events)

    def send_closing(self, key: bytes, epoch: int) -> None:
        """Send a peer the finalisation of the block that closed an epoch, if it is here."""
        try:
            closings = self._executor.closings(epoch, epoch + 1)
        except UnavailableError:  # another peer has it
            return
        if closings:
            message = encode_message(closings[0].checkpoint.certificate)
            self._send(key, CONSENSUS_FRAME, message)
