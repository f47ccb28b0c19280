"""A world whose validators change ten times, and what somebody with the keys of a former set makes of it.

Every epoch has three blocks: an event about the item, an empty one, and the one that closes it. Worlds are made of seeds, so
one with the same past up to some epoch holds the same blocks, and the same keys: to go on otherwise from there is what a thief
of that epoch's keys can do.
"""

from __future__ import annotations

from ledger.base.keys import Signer, SigningKey
from ledger.proof.anchor import Anchor, anchor_from_genesis, pinned
from ledger.proof.build import build
from ledger.trade.record import Space, SubjectKey
from ledger.trade.statement import Action, Role
from tests.world.past import Past
from tests.world.world import World, seed, serial

ORGANISATIONS = ("maker", "forwarder", "carrier", "customs", "rival", "auditor", "haulier")
EPOCHS = 10
BLOCKS_PER_EPOCH = 3
ITEM = serial("9521234", 1, 1)
ITEM_KEY = SubjectKey(Space.THING, ITEM)


class ChangingWorld(World):
    """`bundles[e]`: about the item, on the first block of epoch e; `anchors[e]`: pinned there."""

    def __init__(self, epochs: int = EPOCHS, *, thief_from: int | None = None) -> None:
        """With the thief's keys for every validator of the epochs from `thief_from` on."""
        self._thief_from = thief_from
        super().__init__(ORGANISATIONS)
        self.bundles: list[bytes] = []
        self.anchors: list[Anchor] = []
        for _ in range(epochs):
            self.play_epoch()
            self.close_epoch(seats_of(self.state.epoch + 1))
        self.play_epoch()

    def play_epoch(self) -> None:
        """The blocks of one epoch, but for the one that closes it."""
        action = Action.OBSERVE if self.state.epoch else Action.MAKE
        self.do("maker", action, [(Role.OBJECT, ITEM)])
        self.bundles.append(self.prove())
        start = anchor_from_genesis(self.genesis)
        self.anchors.append(pinned(start, self.checkpoints[-1], self.closings))
        self.commit()

    def prove(self, from_epoch: int = 0) -> bytes:
        """A bundle about the item on the last block."""
        return build(Past(self), [ITEM_KEY], from_epoch=from_epoch)

    def epoch_key(self, organisation: str, epoch: int) -> Signer:
        if self._thief_from is not None and epoch >= self._thief_from:
            return SigningKey(seed(f"thief {organisation} {epoch}"))
        return super().epoch_key(organisation, epoch)


def seats_of(epoch: int) -> tuple[str, ...]:
    """Who validates in an epoch: four to seven organisations, of which one leaves with every change."""
    count = 4 + epoch % 4
    return tuple(ORGANISATIONS[(epoch + place) % len(ORGANISATIONS)] for place in range(count))
