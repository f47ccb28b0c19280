"""Answers other nodes that lack a past: parts of snapshots, and the history below, from the stores as they are.

History never changes, so it is read where it stands; what is asked is bounded by what the asker's certified records count.
One question at a time, with turns of the driver between: a node that joins must not slow down those that vote.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, Final

from ledger.base.encoding import encode
from ledger.base.errors import CustodyError
from ledger.base.hashing import HASH_BYTES
from ledger.base.limits import LINKS_PER_FETCH, SNAPSHOT_SLICE_BYTES
from ledger.trade.record import SubjectKey, state_key
from ledger.trade.statement import Openness, Statement
from node.storage.snapshots import Part, PartKind, SnapshotStore
from node.storage.stores import Stores
from node.validator.execution import Executor
from node.validator.sync_wire import (
    ANSWER_BYTES,
    Ask,
    AskEntries,
    AskItems,
    AskLinks,
    AskOffer,
    AskPart,
    AskVersions,
    Offer,
    WantedLinks,
    encode_answer,
)

QUEUE: Final = 32
"""Questions of one peer that wait; more are dropped."""
PAUSE_S: Final = 0.001
_PARTS_HELD: Final = 2
_OPENNESS: Final = Statement._fields.index("openness")


class Provider:
    """Answers from one node's stores."""

    def __init__(
        self,
        executor: Executor,
        stores: Stores,
        snapshots: SnapshotStore,
        send: Callable[[bytes, bytes], object],
    ) -> None:
        """`send(peer, answer)` sends a frame."""
        self._executor = executor
        self._stores = stores
        self._tables = executor.tables
        self._snapshots = snapshots
        self._send = send
        self._waiting: deque[tuple[bytes, int, Ask]] = deque()
        self._counts: dict[bytes, int] = {}
        self._parts: OrderedDict[tuple[int, Part], bytes] = OrderedDict()
        self._task: asyncio.Task[None] | None = None

    def asked(self, peer: bytes, number: int, ask: Ask) -> None:
        """A peer asks."""
        if self._counts.get(peer, 0) >= QUEUE:
            return
        self._counts[peer] = self._counts.get(peer, 0) + 1
        self._waiting.append((peer, number, ask))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="answers to those who join")

    async def close(self) -> None:
        """Answer no more."""
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while self._waiting:
            peer, number, ask = self._waiting.popleft()
            self._counts[peer] -= 1
            self._send(peer, encode_answer(number, self.answer(ask)))
            await asyncio.sleep(PAUSE_S)

    def offer(self) -> Offer:
        """Where this node stands and what it can give."""
        blocks = self._stores.blocks
        return Offer(
            self._executor.final_header.height,
            self._snapshots.heights,
            blocks.first_height or (blocks.last_height or 0) + 1,
            not self._tables.lacks_history,
        )

    def answer(self, ask: Ask) -> Any:
        """The value of an answer; None if it is not here."""
        try:
            if isinstance(ask, AskOffer):
                return self.offer()
            if isinstance(ask, AskPart):
                return self._slice(ask)
            if isinstance(ask, AskEntries):
                return self._entries(ask)
            if isinstance(ask, AskItems):
                return self._items(ask)
            if isinstance(ask, AskVersions):
                return self._versions(ask)
            return self._links(ask)
        except CustodyError:
            return None  # damage here is found and told where it is needed here; the asker goes to another

    # ---- snapshots

    def _slice(self, ask: AskPart) -> Any:
        if ask.part.kind == PartKind.PLAN or ask.height not in self._snapshots.heights:
            return None
        data = self._parts.get((ask.height, ask.part))
        if data is None:
            data = self._snapshots.read(ask.height, ask.part)
            self._parts[ask.height, ask.part] = data
            if len(self._parts) > _PARTS_HELD:
                self._parts.popitem(last=False)
        piece = data[ask.offset : ask.offset + SNAPSHOT_SLICE_BYTES]
        return (len(data), piece) if piece else None

    # ---- history

    def _entries(self, ask: AskEntries) -> Any:
        found = []
        for sequence in range(ask.first, ask.end):
            entry = self._tables.entry(sequence, self._tables.final)
            if entry is None:
                return None
            found.append(entry)
        return found

    def _items(self, ask: AskItems) -> Any:
        found: list[Any] = []
        size = 0
        for sequence in range(ask.first, ask.end):
            row = self._tables.kept_row(sequence, self._tables.final)
            if row is None:
                break
            _, item, kept, _ = row
            records = [data if data is not None and len(data) != HASH_BYTES else None for _, _, data in kept]
            shown = (item, self._tables.named(kept), records, self._payload(item))
            size += len(encode(shown))
            if found and size > ANSWER_BYTES:
                break
            found.append(shown)
        return found or None

    def _payload(self, item: Any) -> Any:
        """The bytes of an open event, if they are still here."""
        if item is None or item[0][_OPENNESS] != Openness.OPEN:
            return None
        found = self._stores.payload.get_for(item[3], None)
        if found is None:
            return None
        context = None if found.context_hash is None else self._stores.payload.get_context(found.context_hash)
        if found.context_hash is not None and context is None:
            return None
        return found.salt, context, found.event

    def _versions(self, ask: AskVersions) -> Any:
        found: list[bytes] = []
        size = 0
        for hashed in ask.hashes:
            data = self._tables.final("versions", hashed)
            if data is None:
                break
            size += len(data)
            if found and size > ANSWER_BYTES:
                break
            found.append(data)
        return found or None

    def _links(self, ask: AskLinks) -> Any:
        if self._tables.lacks_history:
            return None
        left = LINKS_PER_FETCH
        found = []
        for wanted in ask.wanted:
            if left <= 0:
                break
            shown = self._links_of(wanted, left)
            if shown is None:
                return None
            found.append(shown)
            left -= sum(len(chain) for chain in shown[1:])
        return found or None

    def _links_of(self, wanted: WantedLinks, most: int) -> Any:
        stored_link, final = self._tables.stored_link, self._tables.final
        owner: SubjectKey | None = None
        links = []
        for position in _positions(wanted.links, most):
            link = stored_link(wanted.key, position, final, aside=False)
            if link is None:
                return None
            legs: list[Any] = []
            if wanted.has_legs:
                row = self._tables.whole_row(link[0], self._tables.final)
                for leg_owner, element in () if row is None else row[3]:
                    subject = SubjectKey(*leg_owner)
                    if state_key(self._executor.network, subject) == wanted.key:
                        owner = subject
                        legs.append(element)
            links.append((*link, False, legs))
        asides = []
        for position in _positions(wanted.asides, most - len(links)):
            link = stored_link(wanted.key, position, final, aside=True)
            if link is None:
                return None
            asides.append((*link, False, ()))
        moves = []
        for position in _positions(wanted.moves, most - len(links) - len(asides)):
            place = self._tables.move_place(wanted.key, position, final)
            if place is None:
                return None
            moves.append(place)
        return owner, links, asides, moves


def _positions(span: tuple[int, int], most: int) -> range:
    first, last = span
    return range(max(1, first), min(last, max(0, first) + max(0, most) - 1) + 1)
