"""Which peer has which snapshot, as far as they said, for a node that joins (CONSENSUS 28; PROTOCOL.md §9).

Everybody is asked at once, and nobody who is silent holds up the others. What is offered is nobody's promise: a peer keeps
its last two snapshots, and what it has let go of since it is asked for no more.
"""

from __future__ import annotations

import asyncio
from typing import Final

from ledger.base.errors import FormError, UnavailableError
from node.validator.peers import Peers
from node.validator.sync_wire import AskOffer, Offer, offer_from_wire

OFFERS_S: Final = 10.0
"""How long offers are waited for."""
MOST_S: Final = 1.0
"""How long, when most peers have made theirs."""
LOOK_S: Final = 0.05


class Offers:
    """What the peers of one node offer."""

    def __init__(self, peers: Peers, count: int, faulty: int) -> None:
        """`count`: how many peers there are; `faulty`: how many may lie."""
        self._peers = peers
        self._count = count
        self._faulty = faulty
        self._made: dict[bytes, Offer] = {}

    def __len__(self) -> int:
        """How many peers made one."""
        return len(self._made)

    async def hear(self, *, again: bool = False) -> None:
        """Ask everybody; enough are the offers of all, of most after a moment (`again`: at once), or of those in time."""
        self._made.clear()
        loop = asyncio.get_running_loop()
        began = loop.time()
        most_s = 0.0 if again else MOST_S
        asking: dict[bytes, asyncio.Task[None]] = {}
        try:
            while len(self._made) < self._count and loop.time() < began + OFFERS_S:
                if 2 * len(self._made) > self._count and loop.time() >= began + most_s:
                    return
                for peer in self._peers.free():
                    if peer not in self._made and (peer not in asking or asking[peer].done()):
                        asking[peer] = asyncio.create_task(self._ask(peer), name="offer")
                await asyncio.sleep(LOOK_S)
        finally:
            for task in asking.values():
                task.cancel()
            if asking:
                await asyncio.wait(asking.values())

    async def _ask(self, peer: bytes) -> None:
        try:
            self._made[peer] = offer_from_wire(await self._peers.ask(peer, AskOffer()))
        except (FormError, UnavailableError):
            self._peers.rest(peer)

    def has(self, peer: bytes, height: int) -> bool:
        """Whether a peer said that it has the snapshot of a height."""
        offer = self._made.get(peer)
        return offer is not None and height in offer.snapshots

    def let_go(self, peer: bytes, height: int) -> None:
        """A peer has no longer what it offered."""
        offer = self._made.get(peer)
        if offer is not None:
            left = tuple(other for other in offer.snapshots if other != height)
            self._made[peer] = offer._replace(snapshots=left)

    def heights(self, above: int) -> list[int]:
        """The heights offered above one, in the order to try them.

        Newest first, those that more than f peers have before others: of one that a liar alone has, no part may come.
        """
        offered = {height for offer in self._made.values() for height in offer.snapshots if height > above}
        return sorted(
            offered, key=lambda height: (len(self._holders(height)) > self._faulty, height), reverse=True
        )

    def is_vain(self, height: int) -> bool:
        """Whether nobody has the snapshot of a height, of those who made an offer, but liars."""
        return bool(self._made) and all(self._peers.is_refused(peer) for peer in self._holders(height))

    def _holders(self, height: int) -> list[bytes]:
        return [peer for peer in self._made if self.has(peer, height)]
