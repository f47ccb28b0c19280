"""Batches from coming in until they are held: whole, checked and stored (CONSENSUS 5, 15; contract 2 of the consensus).

They come from the transactions handed in here, which are pushed to all, from peers that push or answer, and at a start from the disk.
What is held the mempool keeps and the consensus is told of. A batch that no block of the epoch under way may have is not held.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ledger.base.errors import FormError
from ledger.chain.batch import Batch, batch_digest, batch_from_bytes, check_batch_protocol
from ledger.chain.epoch import change_of, check_change
from ledger.chain.transaction import Transaction
from ledger.consensus import Consensus
from ledger.consensus.interface import BatchHeld
from node.storage.payload_store import PayloadStore
from node.storage.stores import Stores
from node.validator.batches import (
    OpenEvent,
    check_open_bytes,
    encode_frame,
    events_of_frame,
    open_frame,
    open_items,
)
from node.validator.chain import Chain
from node.validator.epochs import Epoch
from node.validator.erasing import Eraser
from node.validator.execution import Executor
from node.validator.housekeeping import BATCH
from node.validator.mempool import Mempool


class Place(Protocol):
    """Where this node stands: another with every epoch."""

    @property
    def epoch(self) -> Epoch:
        """The epoch under way."""

    @property
    def machine(self) -> Consensus:
        """Its consensus."""

    @property
    def me(self) -> int:
        """Own index in its set, FOLLOWER without a seat."""


class Holding:
    """Takes batches in."""

    def __init__(
        self,
        place: Place,
        stores: Stores,
        executor: Executor,
        mempool: Mempool,
        chain: Chain,
        eraser: Eraser,
        post: Callable[[BatchHeld], None],
        wake_mender: Callable[[], None],
    ) -> None:
        """`post` tells the consensus; `wake_mender`: bytes of events are lacking."""
        self._place = place
        self._network = executor.network
        self._stores = stores
        self._executor = executor
        self._mempool = mempool
        self._chain = chain
        self._eraser = eraser
        self._post = post
        self._wake_mender = wake_mender

    def take_up(self, digest: bytes) -> None:
        """Hold a stored batch that no final block has.

        A full disk or a failed sync may have kept the batch and lost bytes of its items: then it is not held.
        """
        data = self._stores.pending.get(BATCH, digest)
        if data is not None and self._chain.batch_place(digest) is None:
            batch = batch_from_bytes(data, self._network, check_signatures=False)
            if not self.is_past_change(batch) and stored_events(self._stores.payload, batch) is not None:
                self._hold(batch, self._place.me)
                return
        self._stores.pending.forget(BATCH, (digest,))

    def came(self, peer: int, body: bytes) -> None:
        """A batch was pushed, or fetched: take it if it is new and there is room, once it is whole and checked."""
        data, contexts, events = open_frame(body)
        digest = batch_digest(self._network, data)
        if self._mempool.held(digest) is not None:
            return
        is_wanted = self._place.machine.wants_batch(digest)
        if not is_wanted and (
            self._chain.batch_place(digest) is not None or not self._place.machine.has_room(peer, len(data))
        ):
            return
        batch = batch_from_bytes(data, self._network, digest=digest)
        if not self._is_of_this_epoch(batch):
            return
        lacking: list[bytes] = []

        def may_lack(event: bytes) -> bool:
            if self._may_lack(event, digest):
                lacking.append(event)
                return True
            return False

        shown = check_open_bytes(
            batch.transactions,
            events_of_frame(self._network, contexts, events),
            may_lack,
        )
        self._eraser.lacks(lacking)
        self._wake_mender()
        self._store(batch, shown)
        self._hold(batch, peer if peer in range(len(self._place.epoch.validators)) else self._place.me)

    def push_own(self, push: Callable[[bytes], object]) -> bool:
        """Put what was handed in since the last turn into batches, and push their frames to all; whether there were any."""
        is_pushed = False
        while (made := self._mempool.next_batch()) is not None:
            batch, events, restricted = made
            self._store(batch, (*events, *restricted))
            push(encode_frame(batch.data, events))
            self._hold(batch, self._place.me)
            is_pushed = True
        return is_pushed

    def _is_of_this_epoch(self, batch: Batch) -> bool:
        """Whether blocks of this epoch may have the batch; its origin may be in a later one, whose version has more kinds."""
        try:
            check_batch_protocol(batch, self._place.epoch.protocol)
        except FormError:
            return False
        return batch.change is None or self._is_change_due(batch.change)

    def _is_change_due(self, change: Transaction) -> bool:
        """Whether a change is of the epoch under way. Raises CustodyError if it is, and nobody honest has it."""
        found = change_of(change)
        if found is None or found.epoch != self._place.epoch.number:
            return False
        epoch = self._place.epoch
        state = self._executor.state
        check_change(
            found,
            epoch.number,
            epoch.validators,
            state.approvers(state.tip.header.height + 1),
            protocol=epoch.protocol,
            time_ms=state.tip.header.time_ms,
        )
        return True

    def is_past_change(self, batch: Batch) -> bool:
        """Whether a batch is a change that closes an epoch that is over."""
        found = None if batch.change is None else change_of(batch.change)
        return found is not None and found.epoch < self._place.epoch.number

    def _store(self, batch: Batch, events: tuple[OpenEvent, ...]) -> None:
        """Write a batch and bytes of events; the sync of this turn covers them."""
        self._stores.pending.put(BATCH, batch.digest, batch.data)
        payload = self._stores.payload
        for event, context in events:
            payload.put(event)
            if event.context_hash is not None and context is not None:
                payload.put_context(event.context_hash, context)

    def _may_lack(self, event_hash: bytes, digest: bytes) -> bool:
        """Whether a batch is whole without the bytes of an open event: they were erased, or are of a block that is final.

        Behind a final block a quorum had all bytes when it voted. Whoever is behind may ask after all others have erased some,
        and reads in a later block that they had to.
        """
        return self._stores.payload.is_erased(event_hash) or self._place.machine.is_settled(digest)

    def _hold(self, batch: Batch, origin: int) -> None:
        self._mempool.hold(batch)
        self.tell(batch, origin)

    def tell(self, batch: Batch, origin: int) -> None:
        """Tell the consensus of a batch that is held; `origin` is charged for it."""
        held = BatchHeld(batch.digest, origin, batch.ids, batch.size, batch.subjects, batch.change)
        self._post(held)


def stored_events(store: PayloadStore, batch: Batch) -> tuple[OpenEvent, ...] | None:
    """The bytes of a batch's open items, of those erased none; None if any other is not here."""
    events = []
    for transaction in batch.transactions:
        for event_hash, _ in open_items(transaction):
            payload = store.get_for(event_hash, None)
            if payload is None and store.is_erased(event_hash):
                continue
            if payload is None:
                return None
            context = None if payload.context_hash is None else store.get_context(payload.context_hash)
            if context is None and payload.context_hash is not None:
                return None
            events.append(OpenEvent(payload, context))
    return tuple(events)
