"""What the state store holds, and how it is read back (STORAGE.md §7).

    records       state key (32)                          -> record
    buckets       number of a bucket (4)                  -> its hash, of every bucket of the state tree that has records
    versions      record hash (32)                        -> record, of large ones that an item's related root names
    rows          sequence (8) of the first of some       -> packed: what those items did (`node/validator/rows.py`), of each
                                                             [entry less its sequence, and less the item hash and the related
                                                             root where there is an item, item | nil,
                                                             [[role, key, record | hash of a large one | nil], ...], legs]
    links         start of a state key (16) aside (1)     -> [sequence, code, custodian, moves so far]
                  position (5)
    transactions  id (32)                                 -> [height, time_ms, whether executed, sequence of its first entry,
                                                             [[refusal, codes], ...]]
    failures      height (8) place in the block (4)       -> error code, of transactions that failed as a whole
    batches       digest (32)                             -> height (8) place in the block (2)
    headers       height (8)                              -> time_ms (8) [transaction header, ...] of blocks of the last hour
    remembered    expiry_ms (8) id (32)                   -> nothing: ids that must not be executed again
    authors       start of an event hash (8) sequence (5) -> nothing: every item of an event with a hash that begins so
    erasures      sequence (8) of a tombstone             -> [event hash, organisation, reason, erased, tombstone, time_ms]
    epochs        epoch (8)                               -> [height of its last block, the change that closed it]
    registry      kind (1) name                           -> entry, where it is another than genesis and `epochs` give
    meta          "layout"                                -> LAYOUT: how all this is written
                  "log"                                   -> [size, [peak, ...]] of the event log
                  "oldest"                                -> height (8) of the oldest of `headers`
                  "base"                                  -> length (8) of the event log at the snapshot joined from
                  "closings"                              -> [closing, ...] of epochs before the snapshot joined from
                  "history"                               -> while the past below a snapshot is not complete, what is

A block's changes are written while it is executed, in its own undoable layer. `*_at` functions read what is final only,
whatever was executed on top; the others read the state after the block executed last, as execution itself must.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from ledger.base import limits
from ledger.base.encoding import decode, encode
from ledger.base.errors import Code, StorageError
from ledger.base.hashing import HASH_BYTES
from ledger.base.merkle import LogFrontier
from ledger.chain.block import Header as BlockHeader
from ledger.chain.closing import Closing, parse_closing
from ledger.chain.epoch import EpochChange, parse_change
from ledger.chain.transaction import Header as TransactionHeader
from ledger.chain.transaction import Item, item_from_wire, item_hash
from ledger.members.members import entry_from_wire as registry_entry_from_wire
from ledger.members.registry import Entry as RegistryEntry
from ledger.state.backfill import Related
from ledger.state.block import Execution, Receipt
from ledger.state.erasure import Erasure, Reason, erasure_of
from ledger.state.item import ItemChanges, RelatedLeaf
from ledger.state.links import Entry, Link, entry_hash, related_root_of
from ledger.state.state import RECORD_BYTES, LedgerState
from ledger.trade.record import (
    EMPTY,
    Record,
    Space,
    SubjectKey,
    encoded_record_hash,
    record_from_wire,
    record_hash,
    state_key,
)
from ledger.trade.statement import Action
from node.storage.state_store import StateStore
from node.validator.buckets import bucket_key
from node.validator.rows import ROW_BYTES, VERSION_BYTES, Getter, Rows

TABLES: Final = (
    "records", "buckets", "versions", "rows", "links", "transactions", "failures", "batches", "headers",
    "remembered", "authors", "erasures", "epochs", "registry", "meta",
)  # fmt: skip
LOG: Final = b"log"
LAYOUT_KEY: Final = b"layout"
LAYOUT: Final = b"\4"
"""Of the rows of these tables; that of the files below them is `node.storage.lmdb_backend.FORMAT`. 1 was not noted."""
CLOSINGS: Final = b"closings"
HISTORY: Final = b"history"
OLDEST: Final = b"oldest"
BASE: Final = b"base"
_FORGOTTEN_PER_BLOCK: Final = 4
_HEADERS_MS: Final = limits.EXPIRY_AHEAD_MS + 600_000
"""For how long the headers of transactions are kept: until all have expired, and a snapshot of then can be made."""

_AUTHORED_BYTES: Final = 8
"""Of an event hash in the key of `authors`: the row tells whether it is the event."""
_SEQUENCE_BYTES: Final = 5
"""Of a sequence or a position there: a million million."""
_OWNER_BYTES: Final = 16
"""Of a state key in the keys of `links`: to meet that of a subject of another's choosing takes 2^128 hashes."""
_SALT: Final = Item._fields.index("subject_salt")


def height_key(height: int) -> bytes:
    """A height as a key."""
    return height.to_bytes(8, "big")


def link_key(state: bytes, position: int, *, aside: bool) -> bytes:
    """Where a link stands."""
    return state[:_OWNER_BYTES] + (b"\1" if aside else b"\0") + position.to_bytes(_SEQUENCE_BYTES, "big")


def registry_key(entry: RegistryEntry) -> bytes:
    """Where an entry of the registry stands."""
    return bytes([entry.kind]) + entry.name.encode("ascii")


class Tables:
    """The state store's tables, written block by block."""

    def __init__(self, network: bytes, store: StateStore) -> None:
        self.network = network
        self.store = store
        self.records = store.table("records")
        self.buckets = store.table("buckets")
        self.versions = store.table("versions")
        self.links = store.table("links")
        self.transactions = store.table("transactions")
        self.failures = store.table("failures")
        self.batches = store.table("batches")
        self.headers = store.table("headers")
        self.remembered = store.table("remembered")
        self.authors = store.table("authors")
        self.erasures = store.table("erasures")
        self.epochs = store.table("epochs")
        self.registry = store.table("registry")
        self.meta = store.table("meta")
        self.rows = Rows(store, int.from_bytes(self.meta.get(BASE) or b"", "big"))
        self._empty_hash = record_hash(network, EMPTY)

    # ---- writing, in the block begun last

    def write_execution(self, execution: Execution, state: LedgerState) -> None:
        """Put everything that one executed block changed, but for its transactions; `state` is that after it."""
        state_key_of = state.state_key
        self.records.changes().update(execution.encoded)
        for key, record in execution.records.items():
            if key[0] == Space.ERASURE:
                self.write_erasure(record)
        hashes, hash_of = self.buckets.changes(), state.tree.hash_of
        for changed in execution.undo.tree:
            hashes[bucket_key(changed.number)] = hash_of(changed.number)
        rows = execution.rows
        if rows:
            self._write_links(rows, state_key_of)
            self._write_rows(rows, execution.versions)
        for kind, name, _ in execution.amendments:
            entry = state.registry.exact(kind, name)
            if entry is not None:
                self.registry.put(registry_key(entry), encode(entry))

    def _write_rows(self, rows: Sequence[ItemChanges], versions: dict[bytes, bytes]) -> None:
        """`versions`: by hash the encoding of every record that these items read, but for the empty one."""
        large, kept = self.kept_of(versions)
        self.versions.changes().update(large)
        shown = []
        for row in rows:
            related = [(role, key, kept[hashed]) for role, key, _, hashed in row.related]
            shown.append(packed_row(row.entry, row.item, related, row.legs))
        self.rows.append(rows[0].entry.sequence, shown)

    def kept_of(self, versions: dict[bytes, bytes]) -> tuple[dict[bytes, bytes], dict[bytes, bytes | None]]:
        """The large ones of former records, and by hash what stands in a row for each, and for the empty one."""
        large = {hashed: data for hashed, data in versions.items() if len(data) > VERSION_BYTES}
        kept: dict[bytes, bytes | None] = {**versions, self._empty_hash: None}
        kept.update(zip(large, large, strict=True))
        return large, kept

    def _write_links(self, rows: Sequence[ItemChanges], state_key_of: Callable[[SubjectKey], bytes]) -> None:
        links, authors = self.links.changes(), self.authors.changes()
        for row in rows:
            sequence, records = row.entry.sequence, row.records
            if row.item is not None and is_authored(row.item):
                authors[author_key(row.item.event_hash, sequence)] = b""
            for key, aside, position, _, link in row.links:
                moves = 0 if aside else records[key].moves.length
                links[link_key(state_key_of(key), position, aside=aside)] = encode(
                    (sequence, link.code, link.custodian, moves)
                )

    def write_erasure(self, record: Record) -> None:
        """Note a tombstone by its place in the event log, so that all can be gone through."""
        erasure = erasure_of(record)
        if erasure is not None:
            self.erasures.put(erasure.tombstone.to_bytes(8, "big"), encode(erasure))

    def write_remembered(self, ids: dict[bytes, int], expired: tuple[tuple[bytes, int], ...]) -> None:
        """Note ids executed in this block with their expiry, and let go of expired ones."""
        for transaction, expiry_ms in ids.items():
            self.remembered.put(expiry_ms.to_bytes(8, "big") + transaction, b"\1")
        for transaction, expiry_ms in expired:
            self.remembered.delete(expiry_ms.to_bytes(8, "big") + transaction)

    def write_headers(self, header: BlockHeader, transactions: Sequence[TransactionHeader]) -> None:
        """Note the transactions of a block, and let go of those of blocks in which all have expired.

        Of these a snapshot proves which ids are remembered (`ledger.state.snapshot`).
        """
        if header.height == 1:
            self.meta.put(LAYOUT_KEY, LAYOUT)
        self.headers.put(height_key(header.height), header.time_ms.to_bytes(8, "big") + encode(transactions))
        oldest = int.from_bytes(self.meta.get(OLDEST) or b"\1", "big")
        reached = oldest
        while reached < header.height and reached < oldest + _FORGOTTEN_PER_BLOCK:
            data = self.headers.get(height_key(reached))
            if data is not None:
                if int.from_bytes(data[:8], "big") + _HEADERS_MS > header.time_ms:
                    break
                self.headers.delete(height_key(reached))
            reached += 1
        if reached != oldest:
            self.meta.put(OLDEST, height_key(reached))

    def headers_of(self, height: int) -> tuple[TransactionHeader, ...] | None:
        """The headers of the transactions of a final block, if it is of the last hour."""
        data = self.final("headers", height_key(height))
        if data is None:
            return None
        decoded = decode(data[8:], max_bytes=limits.BLOCK_BYTES)
        return tuple(TransactionHeader(*fields) for fields in decoded)

    def write_log(self, log: LogFrontier) -> None:
        """Note the event log's frontier."""
        self.meta.put(LOG, encode((log.size, log.peaks)))

    def write_batch(self, digest: bytes, height: int, place: int) -> None:
        """Note in which block a batch stands."""
        self.batches.put(digest, height.to_bytes(8, "big") + place.to_bytes(2, "big"))

    def write_change(self, height: int, change: EpochChange) -> None:
        """Note by what an epoch was closed, and where."""
        self.epochs.put(change.epoch.to_bytes(8, "big"), encode((height, change)))

    def write_transaction(
        self,
        transaction: bytes,
        height: int,
        time_ms: int,
        first: int,
        receipts: Sequence[Receipt],
        *,
        is_executed: bool,
    ) -> None:
        """Note what a transaction did; its entries follow each other in the event log from place `first` on."""
        shown = [(receipt.refusal, receipt.outcomes) for receipt in receipts]
        self.transactions.put(transaction, encode((height, time_ms, is_executed, first, shown)))

    def write_failure(self, height: int, place: int, code: str) -> None:
        """Note a transaction that failed as a whole."""
        self.failures.put(height.to_bytes(8, "big") + place.to_bytes(4, "big"), code.encode("ascii"))

    # ---- reading back at a start

    def check_layout(self) -> None:
        """Raise StorageError unsupported_version for tables that another version wrote in another way."""
        found = self.meta.get(LAYOUT_KEY) or b"\1"
        if found != LAYOUT:
            raise StorageError(
                Code.UNSUPPORTED_VERSION,
                f"expected tables of layout {LAYOUT.hex()} in the state folder, found {found.hex()}; remove the state folder, it "
                "is rebuilt from the chain, or, where the chain here does not begin at block 1, rejoin the network with an "
                "empty folder",
            )

    def read_log(self) -> LogFrontier:
        """The event log's frontier."""
        data = self.meta.get(LOG)
        return LogFrontier() if data is None else LogFrontier(*decode(data, max_bytes=10_000))

    def joined_closings(self) -> tuple[Closing, ...]:
        """Of the epochs before the snapshot that this node joined from, which it has no blocks of."""
        data = self.final("meta", CLOSINGS)
        if data is None:
            return ()
        return tuple(parse_closing(value) for value in decode(data, max_bytes=limits.SNAPSHOT_PART_BYTES))

    @property
    def lacks_history(self) -> bool:
        """Whether the past below the snapshot that this node joined from is not complete yet."""
        return bool(self.final("meta", HISTORY))

    def final_log(self) -> LogFrontier:
        """The event log's frontier after the last final block."""
        data = self.final("meta", LOG)
        return LogFrontier() if data is None else LogFrontier(*decode(data, max_bytes=10_000))

    def read_remembered(self) -> dict[bytes, int]:
        """Remembered ids with their expiry."""
        return {key[8:]: int.from_bytes(key[:8], "big") for key, _ in self.remembered.range()}

    def read_changes(self) -> tuple[tuple[int, EpochChange], ...]:
        """(height, change) of every epoch that was closed, in order."""
        rows = [decode(data, max_bytes=ROW_BYTES) for _, data in self.epochs.range()]
        return tuple((height, parse_change(change)) for height, change in rows)

    def read_registry(self) -> list[RegistryEntry]:
        """The entries of the registry that blocks set."""
        return [
            registry_entry_from_wire(decode(data, max_bytes=ROW_BYTES)) for _, data in self.registry.range()
        ]

    def read_erasures(self, first: int = 0) -> Iterator[Erasure]:
        """Every tombstone executed so far, from a place in the event log on, in order."""
        for _, data in self.erasures.range(first.to_bytes(8, "big")):
            event_hash, organisation, reason, *places = decode(data, max_bytes=ROW_BYTES)
            yield Erasure(event_hash, organisation, Reason(reason), *places)

    # ---- reading

    def latest(self, table: str, key: bytes) -> bytes | None:
        """The value after the block executed last."""
        return self.store.table(table).get(key)

    def final(self, table: str, key: bytes) -> bytes | None:
        """The value after the last final block."""
        return self.store.table(table).get_committed(key)

    def record(self, key: SubjectKey, get: Getter) -> Record:
        """The record under `key`, EMPTY if there is none."""
        data = get("records", state_key(self.network, key))
        return EMPTY if data is None else _record(data)

    def entry(self, sequence: int, get: Getter) -> Entry | None:
        """The entry with that place in the event log."""
        row = self.whole_row(sequence, get)
        return None if row is None else row[0]

    def entries_of(self, event_hash: bytes) -> Iterator[Entry]:
        """The entries of the items that put an event on the ledger, in order, as far as the past is here."""
        for key, _ in self.authors.prefix(event_hash[:_AUTHORED_BYTES]):
            row = self.bare_row(int.from_bytes(key[_AUTHORED_BYTES:], "big"), self.latest)
            if row is not None and row[1] is not None and row[1][3] == event_hash:
                yield row[0]

    def author(self, event_hash: bytes) -> str | None:
        """The organisation that put an event hash on the ledger first, as far as the past is here."""
        first = next(self.entries_of(event_hash), None)
        return None if first is None else first.organisation

    def row(self, sequence: int, get: Getter) -> ItemChanges | None:
        """What the item with that place in the event log did: entry, item and related records."""
        found = self.kept_row(sequence, get)
        if found is None:
            return None
        entry, item, related, legs = found
        leaves = tuple(self._related(role, SubjectKey(*key), kept, get) for role, key, kept in related)
        return ItemChanges(
            entry,
            entry_hash(self.network, entry),
            None if item is None else item_from_wire(item),
            leaves,
            (),
            {},
            (),
            tuple((SubjectKey(*owner), (SubjectKey(*key), code)) for owner, (key, code) in legs),
        )

    def whole_row(self, sequence: int, get: Getter) -> tuple[Entry, Any, Related, Any] | None:
        """(entry, item | nil, related, legs), item and legs as decoded arrays, of the item with that place in the event log."""
        found = self.kept_row(sequence, get)
        if found is None:
            return None
        entry, item, kept, legs = found
        return entry, item, self.named(kept), legs

    def kept_row(self, sequence: int, get: Getter) -> tuple[Entry, Any, Any, Any] | None:
        """`whole_row`, with what the item read as it is kept: (role, key, record | hash of a large one | nil for the empty one)."""
        data = self.rows.get(sequence, get)
        if data is None:
            return None
        shown, item, related, legs = decode(data, max_bytes=ROW_BYTES)
        if item is not None:
            read = [(role, key, EMPTY, hashed) for role, key, hashed in self.named(related)]
            root = related_root_of(self.network, item[_SALT], read)
            shown = (item_hash(self.network, item), *shown, root)
        return Entry(sequence, *shown), item, related, legs

    def named(self, kept: Any) -> Related:
        """(role, key, record hash) of what an item read."""
        return tuple((role, SubjectKey(*key), self._hash_of(data)) for role, key, data in kept)

    def _hash_of(self, kept: bytes | None) -> bytes:
        if kept is None:
            return self._empty_hash
        return kept if len(kept) == HASH_BYTES else encoded_record_hash(self.network, kept)

    def bare_row(self, sequence: int, get: Getter) -> tuple[Entry, Any] | None:
        """(entry, item as decoded arrays or nil) with that place in the event log."""
        row = self.whole_row(sequence, get)
        return None if row is None else row[:2]

    def _related(self, role: int, key: SubjectKey, kept: bytes | None, get: Getter) -> RelatedLeaf:
        if kept is None:
            return RelatedLeaf(role, key, EMPTY, self._empty_hash)
        return RelatedLeaf(role, key, _record(self._version(key, kept, get)), self._hash_of(kept))

    def _version(self, key: Any, kept: bytes, get: Getter) -> bytes:
        """A former record, in its row or by its hash in `versions`."""
        if len(kept) != HASH_BYTES:
            return kept
        data = get("versions", kept)
        if data is None:
            raise StorageError(
                Code.DAMAGED,
                f"expected the record {kept.hex()} of {key[1]} that an entry names, found none; remove the state "
                "folder, it is rebuilt from the chain",
            )
        return data

    def stored_link(
        self, state: bytes, position: int, get: Getter, *, aside: bool
    ) -> tuple[int, int, str | None] | None:
        """(sequence of its entry, code, custodian) of link number `position` of the record under a state key."""
        found = self._link(state, position, get, aside=aside)
        return None if found is None else found[:3]

    def _link(
        self, state: bytes, position: int, get: Getter, *, aside: bool
    ) -> tuple[int, int, str | None, int] | None:
        data = get("links", link_key(state, position, aside=aside))
        if data is None:
            return None
        sequence, code, custodian, moves = decode(data, max_bytes=10_000)
        return sequence, code, custodian, moves

    def link(self, key: SubjectKey, position: int, get: Getter, *, aside: bool) -> tuple[int, Link] | None:
        """(sequence of its entry, link) number `position` of a subject's chain."""
        stored = self.stored_link(state_key(self.network, key), position, get, aside=aside)
        if stored is None:
            return None
        sequence, code, custodian = stored
        entry = self.entry(sequence, get)
        if entry is None:
            return None
        return sequence, Link(entry_hash(self.network, entry), code, custodian)

    def move(self, key: SubjectKey, position: int, get: Getter) -> tuple[int, Link] | None:
        """(sequence of its entry, link) number `position` of a subject's moves chain."""
        place = self.move_place(state_key(self.network, key), position, get)
        return None if place is None else self.link(key, place, get, aside=False)

    def move_place(self, state: bytes, number: int, get: Getter) -> int | None:
        """The position in the main chain of move `number` of the record under a state key, found by the moves counted in links."""

        def moves_at(position: int) -> int | None:
            link = self._link(state, position, get, aside=False)
            return None if link is None else link[3]

        low = high = number  # there are no more moves than links
        while (moves := moves_at(high)) is not None and moves < number:
            low, high = high + 1, 2 * high
        while low < high:
            middle = (low + high) // 2
            moves = moves_at(middle)
            low, high = (middle + 1, high) if moves is not None and moves < number else (low, middle)
        return low if moves_at(low) == number else None

    def transaction(self, transaction: bytes) -> TransactionResult | None:
        """What became of a transaction in a final block."""
        data = self.final("transactions", transaction)
        if data is None:
            return None
        height, time_ms, is_executed, sequence, shown = decode(data, max_bytes=limits.TRANSACTION_BYTES)
        items: list[tuple[str, bytes | None, tuple[int, ...]]] = []
        for refusal, outcomes in shown:
            if refusal:
                items.append((refusal, None, outcomes))
                continue
            entry = self.entry(sequence, self.final)
            if entry is None:
                raise StorageError(
                    Code.DAMAGED,
                    f"expected entry {sequence} of transaction {transaction.hex()}, found none; remove the state folder, it is "
                    "rebuilt from the chain",
                )
            items.append(("", entry_hash(self.network, entry), outcomes))
            sequence += 1
        return TransactionResult(height, time_ms, is_executed, tuple(items))

    def batch_place(self, digest: bytes, get: Getter) -> tuple[int, int] | None:
        """(height, place in the block) of a batch that stands in a block."""
        data = get("batches", digest)
        return None if data is None else (int.from_bytes(data[:8], "big"), int.from_bytes(data[8:], "big"))

    def failures_of(self, height: int) -> dict[int, str]:
        """Error codes of the transactions of a final block that failed as a whole, by place."""
        return {
            int.from_bytes(key[8:], "big"): code.decode("ascii")
            for key, code in self.failures.prefix(height.to_bytes(8, "big"))
        }


def author_key(event_hash: bytes, sequence: int) -> bytes:
    """Where it stands that an item put an event on the ledger."""
    return event_hash[:_AUTHORED_BYTES] + sequence.to_bytes(_SEQUENCE_BYTES, "big")


def packed_row(entry: Entry, item: Any, related: Any, legs: Any) -> bytes:
    """A row from its parts, of which all but the entry may be decoded arrays; what the item gives of its entry is left out."""
    return encode((entry[1:] if item is None else entry[2:-1], item, related, legs))


def is_authored(item: Item) -> bool:
    """Whether an item is its author's own event: a mismatch shows another's."""
    return item.statement.action != Action.MISMATCH


class TransactionResult(NamedTuple):
    """What became of a transaction that stands in a final block."""

    height: int
    time_ms: int
    is_executed: bool
    """False if it failed as a whole: it may come again."""
    items: tuple[tuple[str, bytes | None, tuple[int, ...]], ...]
    """Per item: error code or "", hash of its entry, outcome code of each leg."""


def _record(data: bytes) -> Record:
    return record_from_wire(decode(data, max_bytes=RECORD_BYTES))
