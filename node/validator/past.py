"""How a snapshot, and then the past below it, is put into the tables (STORAGE.md §7, §9).

What was proven by `ledger.state.snapshot` and `ledger.state.backfill` becomes exactly what executing the whole chain would
have left, but for the receipts of old transactions and the places of old batches, which nothing executes or proves by.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ledger.base.encoding import decode, encode, take_array, take_int
from ledger.base.errors import Code, StorageError, UnavailableError
from ledger.chain.transaction import item_from_wire
from ledger.state.backfill import Related, StoredLink, SubjectLinks
from ledger.state.erasure import erasure_key, erasure_of
from ledger.state.links import Entry
from ledger.state.snapshot import WindowBlock
from ledger.state.state import RECORD_BYTES
from ledger.trade.record import Record, Status, SubjectKey, record_from_wire, state_key
from node.storage.block_store import StoredBlock
from node.storage.snapshots import SnapshotReader
from node.validator.buckets import bucket_rows
from node.validator.execution import stored_block
from node.validator.tables import (
    BASE,
    CLOSINGS,
    HISTORY,
    LAYOUT,
    LAYOUT_KEY,
    LOG,
    OLDEST,
    Tables,
    author_key,
    height_key,
    is_authored,
    link_key,
    packed_row,
    registry_key,
)

Pairs = list[tuple[bytes, bytes]]
_BATCH = 20_000
_ENDED = encode(Record(status=Status.ENDED, custodian="-"))[:7]
"""How the encoding of a record begins that ended, of no origin and maker, never shipped: a tombstone's is one."""


class Progress(NamedTuple):
    """How much of the past is here, as of the snapshot at `height`."""

    height: int
    log_parts: int
    """So many parts of the event log are here, the first ones, with items and former records."""
    state_parts: int
    """Of the records of so many state parts all links are here."""

    def to_bytes(self) -> bytes:
        """As it is stored."""
        return encode(self)


def read_progress(tables: Tables) -> Progress | None:
    """How far the past is, None where it is complete."""
    data = tables.final("meta", HISTORY)
    if not data:
        return None
    fields = take_array(decode(data, max_bytes=100), "progress", 3)
    return Progress(*(take_int(field, "progress") for field in fields))


def write_progress(tables: Tables, progress: Progress | None) -> None:
    """Note how far the past is; durable with the next flush, together with what was filled in before."""
    tables.store.fill("meta", [(HISTORY, b"" if progress is None else progress.to_bytes())])


def incomplete(height: int) -> UnavailableError:
    """What is answered to who wants a proof while the past is not complete."""
    return UnavailableError(
        Code.HISTORY_INCOMPLETE,
        f"expected the whole past of the subject, this node joined at block {height} and has not got all below it yet; "
        "ask another node, or later",
    )


# ---- the snapshot


def tables_of(snapshot: SnapshotReader) -> Iterator[tuple[str, Pairs]]:
    """Everything the tables hold right after joining; ProofError where a part does not hold."""
    manifest = snapshot.manifest
    header, outcome, _ = manifest.checkpoint
    for records in snapshot.records():
        pairs = list(records)
        yield "records", pairs
        yield "buckets", list(bucket_rows(header.network, snapshot.depth, pairs))
        yield "erasures", _erasures(header.network, pairs)
    registry, changes = snapshot.registry_and_changes()
    yield (
        "epochs",
        [(change.epoch.to_bytes(8, "big"), encode((height, change))) for height, change in changes],
    )
    yield "registry", [(registry_key(entry), encode(entry)) for entry in registry.entries]
    oldest = header.height
    for block in snapshot.window():
        oldest = block.block.header.height
        yield from _window_tables(block)
    remembered: Pairs = []
    for known, expiry_ms in snapshot.remembered(registry):
        remembered.append((expiry_ms.to_bytes(8, "big") + known, b"\1"))
        if len(remembered) == _BATCH:
            yield "remembered", remembered
            remembered = []
    yield "remembered", remembered
    has_past = outcome.event_log_size > 0
    yield (
        "meta",
        [
            (LAYOUT_KEY, LAYOUT),
            (LOG, encode((outcome.event_log_size, manifest.peaks))),
            (OLDEST, height_key(oldest)),
            (BASE, outcome.event_log_size.to_bytes(8, "big")),
            (CLOSINGS, encode(manifest.closings)),
            (HISTORY, Progress(header.height, 0, 0).to_bytes() if has_past else b""),
        ],
    )


def _erasures(network: bytes, records: Pairs) -> Pairs:
    """The tombstones among records."""
    found: Pairs = []
    for key, data in records:
        if data.startswith(_ENDED):
            erasure = erasure_of(record_from_wire(decode(data, max_bytes=RECORD_BYTES)))
            if erasure is not None and key == state_key(
                network, erasure_key(erasure.event_hash, erasure.organisation)
            ):
                found.append((erasure.tombstone.to_bytes(8, "big"), encode(erasure)))
    return found


def _window_tables(block: WindowBlock) -> Iterator[tuple[str, Pairs]]:
    header = block.block.header
    if block.transactions is not None:
        value = header.time_ms.to_bytes(8, "big") + encode(block.transactions)
        yield "headers", [(height_key(header.height), value)]
    places = enumerate(block.block.batches)
    yield (
        "batches",
        [(digest, height_key(header.height) + place.to_bytes(2, "big")) for place, digest in places],
    )


def heads_of(snapshot: SnapshotReader) -> list[StoredBlock]:
    """The heads of the last hour, oldest first; the checkpoint's own with its certificate."""
    header, _, certificate = snapshot.manifest.checkpoint
    found = [
        stored_block(
            block.block, block.outcome, certificate if block.block.header == header else None, ()
        )._replace(body=b"")
        for block in snapshot.window()
    ]
    return found[::-1]


# ---- the past below it


def fill_items(tables: Tables, rows: list[tuple[Entry, Any, Related]], versions: dict[bytes, bytes]) -> None:
    """Put proven items in, with every former record that they read, by hash; the legs follow with the links."""
    large, kept = tables.kept_of(versions)
    tables.store.fill("versions", large.items())
    tables.store.fill(
        "authors",
        [
            (author_key(item[3], entry.sequence), b"")
            for entry, item, _ in rows
            if item is not None and is_authored(item_from_wire(item))
        ],
    )
    tables.rows.fill(
        (
            entry.sequence,
            packed_row(entry, item, [(role, key, kept[hashed]) for role, key, hashed in related], ()),
        )
        for entry, item, related in rows
    )


def fill_links(tables: Tables, key: bytes, shown: SubjectLinks) -> None:
    """Put all proven links of one record in."""
    links: Pairs = []
    for aside, chain in ((False, shown.links), (True, shown.asides)):
        moves = 0
        for position, link in enumerate(chain, 1):
            moves += link.is_move and not aside
            value = encode((link.sequence, link.code, link.custodian, moves))
            links.append((link_key(key, position, aside=aside), value))
            if link.legs and shown.owner is not None:
                _fill_legs(tables, link, shown.owner)
    tables.store.fill("links", links)


def _fill_legs(tables: Tables, link: StoredLink, owner: SubjectKey) -> None:
    row = tables.kept_row(link.sequence, tables.final)
    if row is None:
        raise StorageError(Code.DAMAGED, f"expected entry {link.sequence} that was filled in, found none")
    entry, item, kept, legs = row
    others = [leg for leg in legs if SubjectKey(*leg[0]) != owner]
    gained = [(owner, element) for element in link.legs]
    tables.rows.fill([(link.sequence, packed_row(entry, item, kept, (*others, *gained)))])
