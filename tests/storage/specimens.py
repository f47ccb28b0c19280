"""Logs of a validator to be damaged, and what may be read from them afterwards (STORAGE.md §2).

A specimen is a whole disk with one file in it that damage is done to, and for each number of records that survive, what
the store must then hold. So a reading is judged exactly: what is recovered is the state after some first records, or the
store refuses with an error that names the file, and, for blocks, the height.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from ledger.base.encoding import decode
from ledger.base.errors import StorageError
from node.storage.block_store import BlockStore, StoredBlock
from node.storage.payload_store import Payload, PayloadStore, _pack
from node.storage.pending_store import PendingStore
from node.storage.segment_format import HEADER_BYTES, SegmentView, decode_header
from node.storage.segments import Position
from node.storage.snapshots import MANIFEST, Part, PartKind, SnapshotStore
from node.storage.vote_log import VoteLog
from tests.storage.memory_backend import MemoryBackend
from tests.storage.memory_files import Inode, MemoryFileSystem

NETWORK: Final = bytes(range(32))
LEAST_BYTES: Final = 65_536
ROOM: Final = 1 << 20
"""A segment that takes everything a specimen writes."""


class Span(NamedTuple):
    """Where a record stands in the damaged file, and where its group began."""

    start: int
    end: int
    group: int


class Specimen(NamedTuple):
    """A disk, the file to damage, and how what is on the disk reads."""

    name: str
    image: dict[str, bytes]
    path: str
    spans: tuple[Span, ...]
    states: tuple[Any, ...]
    """What the store holds when this many records of the damaged file survive, the earlier files being whole."""
    is_last: bool
    """Whether the damaged file is the one that grows: only there a torn tail is cut."""
    read: Callable[[MemoryFileSystem], Any]
    """Open the real store and read all of it; raises StorageError."""
    read_each: Callable[[MemoryFileSystem], list[Any]] | None = None
    """Where bodies are checked only when read: every record by itself, an error in its place."""
    first_height: int | None = None
    """For blocks: the height of the first record in the damaged file."""
    explained: frozenset[int] = frozenset()
    """Records whose bodies were erased: what stands there is of no account."""

    @property
    def data(self) -> bytes:
        """The damaged file as it was written."""
        return self.image[self.path]

    @property
    def last_group(self) -> int:
        """Where the last group begins; the end where the file is not the last."""
        return self.spans[-1].group if self.is_last else len(self.data)

    def disk(self) -> MemoryFileSystem:
        """A disk with everything whole."""
        files = MemoryFileSystem()
        for path, data in self.image.items():
            files.make_folder(path.rpartition("/")[0])
            files.names[path] = Inode(data)
        return files

    def intact_before(self, offset: int) -> int:
        """How many whole records stand before a byte."""
        return sum(1 for span in self.spans if span.end <= offset)


def spans_of(data: bytes) -> tuple[Span, ...]:
    """The records of a whole segment."""
    header = decode_header(data[:HEADER_BYTES], "specimen")
    view = SegmentView(header.salt, header.number, data)
    spans: list[Span] = []
    offset = HEADER_BYTES
    while offset < len(data):
        record = view.header(offset)
        if record is None:
            raise ValueError(f"expected a whole specimen, got damage at {offset}")
        spans.append(Span(offset, offset + record.size, offset - record.distance))
        offset += record.size
    return tuple(spans)


def _image(files: MemoryFileSystem) -> dict[str, bytes]:
    return {path: bytes(inode.content) for path, inode in files.names.items()}


def _sizes(draw: random.Random, total: int = LEAST_BYTES) -> list[int]:
    """Sizes of the bodies that make up `total`: many small ones, a few that span sectors, and odd tails."""
    sizes = [draw.randrange(1, 700) for _ in range(24)] + [draw.randrange(4_000, 5_500) for _ in range(6)]
    while sum(sizes) < total:
        sizes.append(min(draw.randrange(2_000, 4_000), max(1, total - sum(sizes))))
    draw.shuffle(sizes)
    return [*sizes, 1_900, 350, 9]


def _groups(draw: random.Random, count: int) -> frozenset[int]:
    """After which records a sync stands: the last three are one group."""
    return frozenset(place for place in range(count - 4) if draw.random() < 0.5) | {count - 4, count - 1}


def _specimen(name: str, files: MemoryFileSystem, path: str, states: Sequence[Any], **more: Any) -> Specimen:
    image = _image(files)
    spans = spans_of(image[path])
    return Specimen(name, image, path, spans, tuple(states), **more)


# ---- blocks


def _block(draw: random.Random, height: int, size: int) -> StoredBlock:
    certificate = draw.randbytes(193) if height % 3 else b""
    return StoredBlock(height, draw.randbytes(150), draw.randbytes(300), certificate, draw.randbytes(size))


def _read_blocks(files: MemoryFileSystem) -> tuple[StoredBlock, ...]:
    store = BlockStore(files, NETWORK, segment_bytes=ROOM)
    first, last = store.first_height, store.last_height
    return () if first is None or last is None else tuple(store.blocks(first, last + 1))


def _read_each_block(files: MemoryFileSystem) -> list[StoredBlock | StorageError]:
    store = BlockStore(files, NETWORK, segment_bytes=ROOM)
    found: list[StoredBlock | StorageError] = []
    for height in range(store.first_height or 0, (store.last_height or 0) + 1):
        try:
            found.append(store.get(height))
        except StorageError as error:
            found.append(error)
    return found


def _written_blocks(
    seed: int, first: int, segment_bytes: int, total: int
) -> tuple[MemoryFileSystem, list[StoredBlock]]:
    draw = random.Random(seed)
    files = MemoryFileSystem()
    store = BlockStore(files, NETWORK, segment_bytes=segment_bytes)
    sizes = _sizes(draw, total)
    groups = _groups(draw, len(sizes))
    blocks = [_block(draw, first + place, size) for place, size in enumerate(sizes)]
    for place, block in enumerate(blocks):
        store.append(block)
        if place in groups:
            store.sync()
    return files, blocks


def blocks(seed: int = 1) -> Specimen:
    """The block log's last segment."""
    files, written = _written_blocks(seed, 41, ROOM, LEAST_BYTES - 22_000)
    path = "chain/blocks-00000000.seg"
    states = [tuple(written[:count]) for count in range(len(written) + 1)]
    return _specimen("blocks", files, path, states, is_last=True, read=_read_blocks, first_height=41)


def older_blocks(seed: int = 2) -> Specimen:
    """A segment of the block log that is not the last: its bodies are checked when they are read."""
    files, written = _written_blocks(seed, 41, LEAST_BYTES + 6_500, LEAST_BYTES)
    path = "chain/blocks-00000000.seg"
    if "chain/blocks-00000001.seg" not in files.names:
        raise ValueError("expected a specimen of two segments")
    states = [tuple(written)]
    return _specimen(
        "older blocks", files, path, states, is_last=False, read=_read_blocks,
        read_each=_read_each_block, first_height=41,
    )  # fmt: skip


# ---- votes


def _read_votes(files: MemoryFileSystem) -> tuple[bytes, ...]:
    files.locks.clear()
    return VoteLog(files, NETWORK, may_begin=False, segment_bytes=ROOM).records


def votes(seed: int = 3) -> Specimen:
    """The vote log: records one by one, with a replacement of all before in the middle."""
    draw = random.Random(seed)
    files = MemoryFileSystem()
    log = VoteLog(files, NETWORK, may_begin=True, segment_bytes=ROOM)
    states: list[tuple[bytes, ...]] = [()]
    sizes = _sizes(draw, LEAST_BYTES - 2_000)
    groups = _groups(draw, len(sizes))
    for place, size in enumerate(sizes):
        if place == len(sizes) // 2:
            kept = tuple(draw.randbytes(90) for _ in range(5))
            log.replace(kept)
            states.append(kept)
        record = draw.randbytes(size)
        log.append(record)
        states.append((*states[-1], record))
        if place in groups:
            log.sync()
    return _specimen("votes", files, "votes/votes-00000000.seg", states, is_last=True, read=_read_votes)


def older_votes(seed: int = 4) -> Specimen:
    """A segment of the vote log that is not the last: read wholly at the start all the same."""
    draw = random.Random(seed)
    files = MemoryFileSystem()
    log = VoteLog(files, NETWORK, may_begin=True, segment_bytes=LEAST_BYTES + 5_600)
    records = [draw.randbytes(size) for size in _sizes(draw, LEAST_BYTES + 12_000)]
    for record in records:
        log.append(record)
    log.sync()
    return _specimen(
        "older votes", files, "votes/votes-00000000.seg", [tuple(records)], is_last=False, read=_read_votes
    )


# ---- pending entries


def _read_pending(files: MemoryFileSystem) -> dict[bytes, bytes | None]:
    store = PendingStore(files, NETWORK, segment_bytes=ROOM)
    return {key: store.get(1, key) for key in store.keys(1)}


def _written_pending(
    seed: int, segment_bytes: int
) -> tuple[MemoryFileSystem, list[dict[bytes, bytes | None]]]:
    draw = random.Random(seed)
    files = MemoryFileSystem()
    store = PendingStore(files, NETWORK, segment_bytes=segment_bytes)
    states: list[dict[bytes, bytes | None]] = [{}]
    sizes = _sizes(draw, LEAST_BYTES + 8_500)
    groups = _groups(draw, len(sizes))
    for place, size in enumerate(sizes):
        state = dict(states[-1])
        if place % 7 == 6:
            gone = sorted(state)[:3]
            store.forget(1, gone)
            states.append({key: data for key, data in state.items() if key not in gone})
        else:
            key, data = draw.randbytes(32), draw.randbytes(size)
            store.put(1, key, data)
            states.append({**state, key: data})
        if place in groups:
            store.sync()
    return files, states


def pending(seed: int = 5) -> Specimen:
    """The log of pending entries, with forgets among them."""
    files, states = _written_pending(seed, ROOM)
    return _specimen("pending", files, "chain/pending-00000000.seg", states, is_last=True, read=_read_pending)


# ---- payloads


def _read_payloads(files: MemoryFileSystem) -> dict[bytes, Any]:
    index = MemoryBackend()
    store = PayloadStore(files, index, NETWORK, segment_bytes=ROOM)
    found: dict[bytes, Any] = {}
    for number in range(80):
        key = number.to_bytes(32, "big")
        if store.is_erased(key):
            found[key] = "erased"
        elif (payload := store.get(key)) is not None:
            found[key] = payload
        elif (context := store.get_context(key)) is not None:
            found[key] = context
    return found


class _Traced:
    """What the records of a payload log say, one after another: the state after each, and which were erased."""

    def __init__(self, store: PayloadStore) -> None:
        self.made: dict[bytes, Any] = {}
        """Events and contexts handed to the store."""
        self.after: list[dict[bytes, tuple[Any, int]]] = [{}]
        """By key what it reads as, and the number of the record that says so."""
        self.erased: set[int] = set()
        self._numbers: dict[bytes, int] = {}
        self._store = store
        self._append = store._log.append
        store._log.append = self.append  # type: ignore[method-assign]

    def append(self, body: bytes) -> Position:
        kind, first, *rest = decode(body, max_bytes=len(body))
        number, state = len(self.after) - 1, dict(self.after[-1])
        if kind == 3:
            state[first] = ("erased", number)
            self.erased |= {self._numbers[place] for place in rest if place is not None}
        else:
            keys = [one.event_hash for one in self._store._unpacked(first)] if kind == 5 else [first]
            state.update({key: (self.made[key], number) for key in keys})
        self.after.append(state)
        position = self._append(body)
        self._numbers[_pack(position)] = number
        return position

    def states(self) -> list[dict[bytes, Any]]:
        """Once its body is gone, a record says nothing whatever survives after it."""
        return [
            {key: value for key, (value, number) in state.items() if number not in self.erased}
            for state in self.after
        ]


def _write_payloads(
    seed: int, store: PayloadStore, *, erasing: bool
) -> tuple[list[dict[bytes, Any]], set[int]]:
    """The states after each record, and the places of the records whose bodies were erased."""
    draw = random.Random(seed)
    traced = _Traced(store)
    victims: list[bytes] = []
    sizes = _sizes(draw, LEAST_BYTES - 2_500)
    groups = _groups(draw, len(sizes))
    for place, size in enumerate(sizes):
        key = place.to_bytes(32, "big")
        if erasing and place % 9 == 8 and victims:
            store.erase(victims.pop(draw.randrange(len(victims))))
        elif place % 8 == 5:
            traced.made[key] = draw.randbytes(size)
            store.put_context(key, traced.made[key])
        else:
            readers = ("maker", "carrier") if place % 4 == 0 else None
            traced.made[key] = Payload(key, draw.randbytes(16), draw.randbytes(size), None, readers)
            victims.append(key)
            store.put(traced.made[key])
        if place in groups:
            store.sync()
    store.sync()
    return traced.states(), traced.erased


def payloads(seed: int = 6) -> Specimen:
    """The payload log with nothing erased."""
    files = MemoryFileSystem()
    store = PayloadStore(files, MemoryBackend(), NETWORK, segment_bytes=ROOM)
    states, _ = _write_payloads(seed, store, erasing=False)
    return _specimen(
        "payloads", files, "payload/payload-00000000.seg", states, is_last=True, read=_read_payloads
    )


def erased_payloads(seed: int = 7) -> Specimen:
    """The payload log with erasures."""
    files = MemoryFileSystem()
    store = PayloadStore(files, MemoryBackend(), NETWORK, segment_bytes=ROOM)
    states, erased = _write_payloads(seed, store, erasing=True)
    return _specimen(
        "erased payloads", files, "payload/payload-00000000.seg", states, is_last=True, read=_read_payloads,
        explained=frozenset(erased),
    )  # fmt: skip


# ---- snapshots


def _read_snapshot(files: MemoryFileSystem) -> bytes:
    store = SnapshotStore(files)
    (height,) = store.heights
    return store.read(height, Part(PartKind.STATE, 3))


def snapshot(seed: int = 8) -> Specimen:
    """A part of a snapshot: put in place whole, so nothing of it is ever cut off."""
    draw = random.Random(seed)
    files = MemoryFileSystem()
    store = SnapshotStore(files)
    data = draw.randbytes(LEAST_BYTES + 100)
    store.put(40, Part(PartKind.STATE, 3), data)
    store.put(40, MANIFEST, draw.randbytes(500))
    path = f"snapshots/{40:019d}-{Part(PartKind.STATE, 3).name}"
    return Specimen("snapshot", _image(files), path, (), (data,), is_last=False, read=_read_snapshot)


SPECIMENS: Final[tuple[Callable[[], Specimen], ...]] = (
    blocks, older_blocks, votes, older_votes, pending, payloads, erased_payloads, snapshot,
)  # fmt: skip
