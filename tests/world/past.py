"""A world as a `History`: what a node would keep, read straight from memory."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.base.buckets import StateProof
from ledger.base.errors import Code, UnavailableError
from ledger.chain.closing import Closing
from ledger.proof.history import Payload
from ledger.state.item import ItemChanges
from ledger.state.links import Link
from ledger.trade.record import Record, SubjectKey
from tests.world.world import World


class Past:
    """The past of a world up to its last checkpoint."""

    def __init__(self, world: World, payloads: dict[bytes, Payload] | None = None) -> None:
        self.network = world.network
        self.depth = world.genesis.state_depth
        self.registry = world.state.registry
        self.checkpoint = world.checkpoints[-1]
        self._world = world
        self._payloads = payloads or {}
        self._links: dict[tuple[SubjectKey, bool, int], Link] = {}
        self._moves: dict[tuple[SubjectKey, int], Link] = {}
        self._rows: dict[bytes, ItemChanges] = {}
        for row in world.rows:
            self._rows[row.changes.entry_hash] = row.changes
            for new in row.changes.links:
                self._links[new.key, new.aside, new.position] = new.link
                if new.move:
                    self._moves[new.key, new.move] = new.link

    def closings(self, first: int) -> Sequence[Closing]:
        return self._world.closings[first : self.checkpoint.header.epoch]

    def record(self, key: SubjectKey) -> Record:
        return self._world.state.record(key)

    def state_proof(self, key: SubjectKey) -> StateProof:
        return self._world.state.prove(key)

    def link(self, key: SubjectKey, position: int, *, aside: bool) -> Link:
        return self._links[key, aside, position]

    def move(self, key: SubjectKey, position: int) -> Link:
        return self._moves[key, position]

    def row(self, entry_hash: bytes) -> ItemChanges:
        found = self._rows.get(entry_hash)
        if found is None:
            raise UnavailableError(Code.HISTORY_INCOMPLETE, "expected the row of an entry of this world")
        return found

    def payload(self, event_hash: bytes) -> Payload | None:
        return self._payloads.get(event_hash)
