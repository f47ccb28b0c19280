"""Completing the past below the snapshot that a node joined from, while it takes part (CONSENSUS 28; PROTOCOL.md §9).

First the event log, part by part: entries, then items and the former records that were read for them. Then, for the records
of each part of the snapshot, their links. Every piece is proven before it is put into the tables, and how far it is goes
with it into the same flush; so a crash costs what was not flushed. Several peers work at once, one unit each; a unit holds
little in memory, and nothing is asked while much waits to be written.

Until all is there this node makes no proofs (`history_incomplete`), and waits with a block that reads an old item which has
not come yet (`lacks`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from ledger.base import limits
from ledger.base.encoding import decode, take_array, take_bytes, take_int
from ledger.base.errors import Code, FormError, ProofError
from ledger.base.hashing import Tag, tagged_hash
from ledger.chain.batch import Batch
from ledger.chain.genesis import Genesis
from ledger.chain.transaction import Kind, Transaction, item_from_wire
from ledger.state import snapshot
from ledger.state.backfill import (
    Related,
    StoredLink,
    SubjectLinks,
    check_entries,
    check_item,
    check_links,
    is_episode,
    links_from_wire,
    owner_from_wire,
)
from ledger.state.links import Entry, entry_hash
from ledger.state.state import RECORD_BYTES
from ledger.trade.record import EMPTY, Record, record_from_wire, record_hash
from ledger.trade.statement import Openness
from node.logs import Log
from node.storage.snapshots import SnapshotStore, open_snapshot
from node.storage.stores import Stores
from node.validator.batches import event_shown
from node.validator.erasing import Eraser
from node.validator.execution import Executor, outcome_of
from node.validator.past import Progress, fill_items, fill_links, read_progress, write_progress
from node.validator.peers import Crew, Peers
from node.validator.sync_wire import (
    LINKS_WANTED,
    AskEntries,
    AskItems,
    AskLinks,
    AskVersions,
    WantedLinks,
)

OVERLAY_BYTES: Final = 48_000_000
"""No more is asked while so much waits to be written."""
PAUSE_S: Final = 0.002
LINKS_TOGETHER: Final = 5_000
TELL_S: Final = 5.0
_READS: Final = {Kind.MISMATCH: 1, Kind.ERASURE: 0}
"""Kinds of transactions whose items read an old item, and where they name it."""


def _read_by(transaction: Transaction) -> list[int]:
    """The sequences of old items that executing a transaction reads."""
    place = _READS.get(Kind(transaction.header.kind))
    if place is None:
        return []
    found = [item[place] for item in transaction.items if type(item) is tuple and len(item) > place]
    return [sequence for sequence in found if type(sequence) is int]


class _Unit(NamedTuple):
    """One part of the event log, or the links of one part of the records."""

    is_links: bool
    number: int

    def __str__(self) -> str:
        return f"{'links' if self.is_links else 'history'} part {self.number}"


class _Chains:
    """The chains of one record as they come."""

    def __init__(self, key: bytes, record: Record) -> None:
        self.key = key
        self.record = record
        self.owner: Any = None
        self.links: list[StoredLink] = []
        self.asides: list[StoredLink] = []
        self.moves: list[int] = []

    def wanted(self) -> WantedLinks | None:
        """What is still missing."""
        record = self.record
        links = (len(self.links) + 1, record.links.length)
        asides = (len(self.asides) + 1, record.asides.length)
        moves = (len(self.moves) + 1, record.moves.length)
        if all(first > last for first, last in (links, asides, moves)):
            return None
        return WantedLinks(self.key, links, asides, moves, record.legs.length > 0)

    def add(self, value: Any) -> int:
        """Take over an answer; how many links came. FormError."""
        owner, links, asides, moves = take_array(value, "links", 4)
        came = links_from_wire(links), links_from_wire(asides)
        positions = [take_int(one, "move") for one in take_array(moves, "moves", most=limits.LINKS_PER_FETCH)]
        self.owner = owner_from_wire(owner) or self.owner
        self.links += came[0]
        self.asides += came[1]
        self.moves += positions
        return len(came[0]) + len(came[1]) + len(positions)

    def shown(self) -> SubjectLinks:
        """All of it, with the moves marked."""
        moving = set(self.moves)  # any order: membership only
        links = tuple(
            link._replace(is_move=position in moving) for position, link in enumerate(self.links, 1)
        )
        return SubjectLinks(self.owner, links, tuple(link._replace(is_move=False) for link in self.asides))


class Completer:
    """Brings the past of one node."""

    def __init__(
        self,
        genesis: Genesis,
        executor: Executor,
        stores: Stores,
        snapshots: SnapshotStore,
        peers: Peers,
        log: Log,
        resume: Callable[[], None],
        eraser: Eraser,
    ) -> None:
        """`resume` is called when a block held up by `lacks` may be executed."""
        self._eraser = eraser
        self._genesis = genesis
        self._network = genesis.network
        self._executor = executor
        self._tables = executor.tables
        self._stores = stores
        self._snapshots = snapshots
        self._peers = peers
        self._log = log
        self._resume = resume
        self._empty = record_hash(genesis.network, EMPTY)
        self._task: asyncio.Task[None] | None = None
        self._finished: set[int] = set()
        self._crew: Crew[_Unit] | None = None
        self._told_at = 0.0
        self.progress = read_progress(self._tables)
        """How far it is; None when the past is complete."""
        self._log_size = 0
        if self.progress is not None:
            self._log_size = outcome_of(stores.blocks.head(self.progress.height)).event_log_size
        self._totals = (0, 0)

    def start(self, fail: Callable[[Exception], None]) -> None:
        """Begin, if there is something to complete."""
        if self.progress is None:
            return
        self._task = asyncio.create_task(self._run(), name="completing the past")
        self._task.add_done_callback(
            lambda task: None if task.cancelled() or task.exception() is None else fail(task.exception())  # type: ignore[arg-type]
        )

    async def close(self) -> None:
        """Stop; what is there stays."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def said(self) -> str | None:
        """How far it is, for people; None when the past is complete."""
        if self.progress is None:
            return None
        parts, links = self._totals
        return (
            f"this node joined at block {self.progress.height} and completes the past below: "
            f"{self.progress.log_parts} of {parts} parts of the event log, links of {self.progress.state_parts} of "
            f"{links} parts of the records"
        )

    def lacks(self, batches: Sequence[Batch]) -> bool:
        """Whether executing these reads an item that has not come yet; if so it is asked for next."""
        if self.progress is None:
            return False
        missing = False
        for batch in batches:
            for transaction in batch.transactions:
                for sequence in _read_by(transaction):
                    if 0 <= sequence < self._log_size and not self._has(sequence):
                        missing = True
                        if self._crew is not None:
                            self._crew.first(
                                _Unit(is_links=False, number=sequence >> snapshot.log_bits(self._log_size))
                            )
        return missing

    def _has(self, sequence: int) -> bool:
        return self._tables.rows.get(sequence, self._tables.latest) is not None

    # ---- the work

    async def _run(self) -> None:
        if self.progress is None:
            return
        self._reader = open_snapshot(self._snapshots, self.progress.height, self._genesis)
        self._manifest = self._reader.manifest
        self._totals = len(self._manifest.log), len(self._manifest.state)
        self._log.info("completing the past", progress=self.said())
        await self._work_off(self.progress.log_parts, len(self._manifest.log), is_links=False)
        await self._work_off(self.progress.state_parts, len(self._manifest.state), is_links=True)
        self.progress = None
        write_progress(self._tables, None)
        self._eraser.sweep()
        self._log.info("the past is complete", height=self._manifest.height)

    async def _work_off(self, first: int, end: int, *, is_links: bool) -> None:
        self._finished = set()
        self._crew = Crew(self._peers, self._do, str)
        self._crew.add(_Unit(is_links=is_links, number=number) for number in range(first, end))
        await self._crew.run()
        self._crew = None

    async def _do(self, peer: bytes, unit: _Unit) -> Iterable[_Unit]:
        while True:
            if self._stores.state.overlay_bytes <= OVERLAY_BYTES:
                break
            await asyncio.sleep(0.05)
        if unit.is_links:
            await self._bring_links(peer, unit.number)
        else:
            await self._bring_items(peer, unit.number)
        self._note(unit)
        return ()

    def _note(self, unit: _Unit) -> None:
        """Note that a unit is done; progress counts the first ones without a gap."""
        if self.progress is None:
            return
        self._finished.add(unit.number)
        place = 2 if unit.is_links else 1
        reached = self.progress[place]
        while reached in self._finished:
            self._finished.discard(reached)
            reached += 1
        log_parts, state_parts = (
            (self.progress.log_parts, reached) if unit.is_links else (reached, self.progress.state_parts)
        )
        self.progress = Progress(self.progress.height, log_parts, state_parts)
        write_progress(self._tables, self.progress)
        self._resume()
        now = asyncio.get_running_loop().time()
        if now >= self._told_at + TELL_S:
            self._told_at = now
            self._log.info("completing the past", progress=self.said())

    # ---- entries, items, former records

    async def _bring_items(self, peer: bytes, number: int) -> None:
        places = snapshot.log_part(self._log_size, number)
        value = await self._peers.ask(peer, AskEntries(places.start, places.stop))
        entries = check_entries(self._network, self._manifest, number, value)
        done = 0
        while done < len(entries):
            answer = await self._peers.ask(peer, AskItems(entries[done].sequence, places.stop))
            shown = take_array(answer, "items", most=len(entries) - done)
            if not shown:
                raise FormError(Code.MALFORMED, "items: expected one at least, got none")
            rows: list[tuple[Entry, Any, Related]] = []
            versions: dict[bytes, bytes] = {}
            for entry, member in zip(entries[done:], shown, strict=False):
                rows.append(self._checked(entry, member, versions))
            await self._bring_versions(peer, rows, versions)
            fill_items(self._tables, rows, versions)
            done += len(rows)
            await asyncio.sleep(PAUSE_S)

    def _checked(self, entry: Entry, value: Any, versions: dict[bytes, bytes]) -> tuple[Entry, Any, Related]:
        """A proven row; its former records are put into `versions`, and the bytes of an open event are kept on the way."""
        item_value, related_value, records, payload = take_array(value, "item", 4)
        item, related = check_item(self._network, entry, item_value, related_value)
        shown = take_array(records, "records", len(related))
        for (_, _, hashed), data in zip(related, shown, strict=True):
            if data is not None and hashed not in versions:
                versions[hashed] = self._version(hashed, data)
        is_open = item is not None and item.statement.openness == Openness.OPEN
        if (
            payload is not None
            and item is not None
            and is_open
            and self._eraser.find(item.event_hash, entry.organisation) is None
        ):
            opened, context = event_shown(self._network, payload)
            if opened.event_hash != item.event_hash or opened.context_hash != item.context_hash:
                raise ProofError(
                    Code.NOT_PROVEN, f"item {entry.sequence}: expected the bytes of its event, got others"
                )
            self._stores.payload.put(opened)
            if opened.context_hash is not None and context is not None:
                self._stores.payload.put_context(opened.context_hash, context)
        return entry, item_value, related

    async def _bring_versions(
        self, peer: bytes, rows: list[tuple[Entry, Any, Related]], versions: dict[bytes, bytes]
    ) -> None:
        """Put those former records into `versions` that are too large to come with the items."""
        missing = list(
            dict.fromkeys(
                hashed
                for _, _, related in rows
                for _, _, hashed in related
                if hashed != self._empty and hashed not in versions
            )
        )
        while missing:
            answer = await self._peers.ask(peer, AskVersions(tuple(missing[: limits.VERSIONS_PER_FETCH])))
            came = take_array(answer, "versions", most=limits.VERSIONS_PER_FETCH)
            if not came or len(came) > len(missing):
                raise FormError(Code.MALFORMED, "versions: expected some of those asked for")
            for hashed, data in zip(missing, came, strict=False):
                versions[hashed] = self._version(hashed, data)
            missing = missing[len(came) :]

    def _version(self, hashed: bytes, data: Any) -> bytes:
        """A former record, which must have that hash."""
        record = take_bytes(data, "version")
        if tagged_hash(Tag.RECORD, self._network, record) != hashed:
            raise ProofError(Code.NOT_PROVEN, f"expected the former record {hashed.hex()[:16]}, got another")
        return record

    # ---- links

    async def _bring_links(self, peer: bytes, number: int) -> None:
        together: list[_Chains] = []
        size = 0
        for key, data in self._reader.records_of(number):
            record = record_from_wire(decode(data, max_bytes=RECORD_BYTES))
            if not (record.links.length or record.asides.length) or self._is_episode(key, record):
                continue
            together.append(_Chains(key, record))
            size += record.links.length + record.asides.length + record.moves.length
            if size >= LINKS_TOGETHER or len(together) == LINKS_WANTED:
                await self._bring_chains(peer, together)
                together, size = [], 0
        if together:
            await self._bring_chains(peer, together)

    async def _bring_chains(self, peer: bytes, together: list[_Chains]) -> None:
        """All chains of some records, each from one peer: only the whole proves it."""
        while waiting := [chains for chains in together if chains.wanted() is not None]:
            wanted = tuple(one for chains in waiting if (one := chains.wanted()) is not None)
            answer = take_array(await self._peers.ask(peer, AskLinks(wanted)), "links", most=len(wanted))
            if not sum(chains.add(member) for chains, member in zip(waiting, answer, strict=False)):
                raise FormError(Code.MALFORMED, "links: expected one at least, got none")
            if any(self._is_too_long(chains) for chains in waiting):
                raise FormError(Code.MALFORMED, "links: expected no more than the record counts")
        hashes: dict[int, bytes | None] = {}
        for chains in together:
            shown = chains.shown()
            check_links(self._network, chains.key, chains.record, shown, self._hash_of_entry(hashes))
            fill_links(self._tables, chains.key, shown)
        await asyncio.sleep(PAUSE_S)

    @staticmethod
    def _is_too_long(chains: _Chains) -> bool:
        record = chains.record
        return (
            len(chains.links) > record.links.length
            or len(chains.asides) > record.asides.length
            or len(chains.moves) > record.moves.length
        )

    def _hash_of_entry(self, known: dict[int, bytes | None]) -> Callable[[int], bytes | None]:
        def find(sequence: int) -> bytes | None:
            if sequence not in known:
                entry = (
                    self._tables.entry(sequence, self._tables.final) if sequence < self._log_size else None
                )
                known[sequence] = None if entry is None else entry_hash(self._network, entry)
            return known[sequence]

        return find

    def _is_episode(self, key: bytes, record: Record) -> bool:
        row = self._tables.whole_row(record.moved, self._tables.final)
        if row is None or row[1] is None:
            return False
        identifiers = [subject.identifier for subject in item_from_wire(row[1]).subjects]
        return is_episode(self._network, key, record, identifiers)
