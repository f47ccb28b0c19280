"""A running validator's part in joining: answering those who join, completing its own past, and noticing that it must join.

It must join at a snapshot, instead of executing everything, when it began without a chain and its peers are further ahead
than its settings allow, or when a peer says that it no longer keeps the blocks that are lacking here. Then it stops;
whoever runs it (`node.validator.running`) lets it join and starts it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from ledger.base.errors import Code, CustodyError, FormError, UnavailableError
from ledger.chain.block import Block
from ledger.chain.genesis import Genesis
from node.logs import Log
from node.storage.snapshots import SnapshotStore
from node.storage.stores import Stores
from node.validator.completing import Completer
from node.validator.erasing import Eraser
from node.validator.execution import Executor
from node.validator.frames import ANSWER_FRAME
from node.validator.host import Connections
from node.validator.mempool import Mempool
from node.validator.mending import Mender
from node.validator.peers import Peers
from node.validator.provider import Provider
from node.validator.sync_wire import (
    AskOffer,
    Offer,
    decode_answer,
    decode_ask,
    encode_answer,
    offer_from_wire,
)

UNASKED: Final = 0


class Sync:
    """Everything a validator does about missing pasts, its own and others'."""

    def __init__(
        self,
        genesis: Genesis,
        executor: Executor,
        stores: Stores,
        snapshots: SnapshotStore,
        mempool: Mempool,
        log: Log,
        *,
        join_ahead: int,
        join_after_s: float,
        connections: Callable[[], Connections],
        ask: Callable[[bytes, bytes], bool],
        name: Callable[[bytes], str],
        resume: Callable[[], None],
        eraser: Eraser,
        stop: Callable[[], None],
        fail: Callable[[CustodyError], None],
    ) -> None:
        """`join_ahead` 0: never join; `join_after_s`: not before. `ask` sends a question, `stop` ends the validator so that it may join."""
        self._executor = executor
        self._mempool = mempool
        self._log = log
        self._join_ahead = join_ahead
        self._loop = asyncio.get_running_loop()
        self._may_join_at_s = self._loop.time() + join_after_s
        self._connections = connections
        self._name = name
        self._stop = stop
        self._fail = fail
        self._began_empty = executor.final_header.height == 0
        self._pruned_at: dict[bytes, Offer] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.must_join = False
        """Whether the validator stopped in order to join at a snapshot."""
        self.peers = Peers(
            log,
            lambda: connections().connected,
            ask,
            lambda peer, reason: connections().drop(peer, reason),
            name,
        )
        self.provider = Provider(executor, stores, snapshots, self._answer)
        self.completer = Completer(genesis, executor, stores, snapshots, self.peers, log, resume, eraser)
        self.mender = Mender(executor, stores.payload, eraser, self.peers)

    def _answer(self, peer: bytes, data: bytes) -> None:
        self._connections().send(peer, ANSWER_FRAME, data)

    def start(self) -> None:
        """Begin to complete the past, if it is not."""
        self.completer.start(self._failed)

    def _failed(self, error: Exception) -> None:
        if isinstance(error, CustodyError):
            self._fail(error)
            return
        unforeseen = UnavailableError(
            Code.UNAVAILABLE, f"expected no error of this program itself, got {type(error).__name__}: {error}"
        )
        unforeseen.__cause__ = error
        self._fail(unforeseen)

    async def close(self) -> None:
        """Stop all of it."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.mender.close()
        await self.completer.close()
        await self.provider.close()

    # ---- peers

    def connected(self, peer: bytes) -> None:
        """A peer is there: ask how far it is, if that may matter."""
        if self._began_empty and self._join_ahead:
            task = asyncio.create_task(self._ask_offer(peer), name="offer")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _ask_offer(self, peer: bytes) -> None:
        try:
            self._consider(peer, offer_from_wire(await self.peers.ask(peer, AskOffer())), self._join_ahead)
        except (FormError, UnavailableError):
            return  # it is asked again when it connects again, and others are asked too

    def lost(self, peer: bytes) -> None:
        """A peer is gone."""
        self.peers.lost(peer)

    def ask_came(self, peer: bytes, body: bytes) -> None:
        """A peer lacks something. FormError drops it."""
        number, ask = decode_ask(body)
        self.provider.asked(peer, number, ask)

    def answer_came(self, peer: bytes, body: bytes) -> None:
        """An answer, or word that what was asked for as blocks is pruned. FormError drops the peer."""
        number, value = decode_answer(body)
        if number == UNASKED:
            self._pruned_at[peer] = offer_from_wire(value)
            if len(self._pruned_at) > self._executor.validators.faulty:  # one of them is honest
                self._consider(peer, min(self._pruned_at.values(), key=_newest), 0)
        else:
            self.peers.answered(peer, number, value)

    def tell_pruned(self, peer: bytes) -> None:
        """A peer asked for blocks whose bodies are pruned here."""
        self._answer(peer, encode_answer(UNASKED, self.provider.offer()))

    def _consider(self, peer: bytes, offer: Offer, ahead: int) -> None:
        newest = _newest(offer)
        height = self._executor.final_header.height
        if not self._join_ahead or self.must_join or self._loop.time() < self._may_join_at_s:
            return
        if newest <= height + ahead:
            return
        self.must_join = True
        self._log.info("joining at a snapshot", height=height, offered=newest, by=self._name(peer))
        self._stop()

    # ---- the driver

    def may_execute(self, block: Block) -> bool:
        """Whether everything that executing this block reads is here."""
        return self.completer.progress is None or not self.completer.lacks(
            self._mempool.held_all(block.batches)
        )


def _newest(offer: Offer) -> int:
    """The height of the newest snapshot offered, 0 if there is none."""
    return max(offer.snapshots, default=0)
