"""The events' bytes, apart from the chain, each erasable for good (DESIGN §4; STORAGE.md §6).

Chain, audit and proofs stand without anything in here. An event is kept under its hash with the salt that the hash needs;
erasing overwrites both with zeros on the disk, so that not even a guess at the bytes can be confirmed. Contexts are kept
once, under their own hash.

Why segments, and not rows of a database: a database leaves deleted bytes in free pages and in its journal, for who knows
how long; here each byte stands in one known place. An LMDB table only finds the place. It is written now and then and
brought up to date from the segments at opening, so it never needs a sync of its own.

Erasing is three durable steps: a tombstone that names the place, zeros over the place, the index. Opening takes up the
steps that a crash left out. Overwriting in place reaches the medium on ordinary file systems; copy-on-write ones,
snapshots, backups and the spare cells of flash are beyond a program: STORAGE.md says so to whoever runs a node.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from ledger.base.encoding import decode, encode, take_array, take_ascii, take_bytes, take_optional_bytes
from ledger.base.errors import Code, FormError, StorageError
from ledger.base.hashing import HASH_BYTES
from ledger.base.limits import CONTEXT_BYTES, EVENT_BYTES, IDENTIFIER_BYTES
from node.storage.compression import Compressor
from node.storage.filesystem import FileSystem
from node.storage.segments import RECORD_BYTES_MAX, SEGMENT_BYTES, Position, Record, SegmentLog
from node.storage.state_store import Backend, StateStore

SALT_BYTES_MAX: Final = 64
READERS_MAX: Final = 256
INDEX_TABLES: Final = ("events", "contexts")
INDEX_OVERLAY_BYTES: Final = 8 * 1024 * 1024
_EVENT: Final = 1
_CONTEXT: Final = 2
_TOMBSTONE: Final = 3
_PACKED_EVENT: Final = 4
_EVENTS: Final = {_EVENT: 6, _PACKED_EVENT: 6}
_CONTEXTS: Final = {_CONTEXT: 3}
"""How many members a record of each kind has."""
_ERASED: Final = b"\0"


class Payload(NamedTuple):
    """One event's bytes and what goes with them."""

    event_hash: bytes
    salt: bytes
    event: bytes
    context_hash: bytes | None = None
    readers: tuple[str, ...] | None = None
    """None: open. Else the organisations that may read it."""

    def is_readable_by(self, organisation: str) -> bool:
        """Whether the event is open, or restricted to parties of which `organisation` is one."""
        return self.readers is None or organisation in self.readers


class PayloadStore:
    """Events and contexts by hash."""

    def __init__(
        self,
        files: FileSystem,
        index: Backend,
        network: bytes,
        *,
        folder: str = "payload",
        segment_bytes: int = SEGMENT_BYTES,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Open or begin the store; `index` must have INDEX_TABLES. Raises StorageError."""
        self._log = SegmentLog(
            files,
            folder,
            "payload",
            network,
            segment_bytes=segment_bytes,
            random_bytes=random_bytes,
            erasable=True,
        )
        self._compressor = Compressor()
        self._index = StateStore(index, INDEX_TABLES)
        self._events = self._index.table("events")
        self._contexts = self._index.table("contexts")
        self._index.begin()
        self._bring_index_up_to_date()

    def _bring_index_up_to_date(self) -> None:
        """Index what was stored since the index was last written, and finish what a crash interrupted."""
        known = self._index.height
        start = None if known is None else _unpack(known.to_bytes(8, "big"))
        if start is not None and start > self._log.synced_end:
            raise StorageError(
                Code.DAMAGED,
                f"expected payloads up to {self._log.place(start)}, which the index knows, they end at "
                f"{self._log.place(self._log.synced_end)}; remove payload/index to go on without them: open events are fetched again",
            )
        bad: set[Position] = set()
        erased: set[Position] = set()
        for record in self._log.scan(start, bad_bodies=bad.add):
            place = self._take_up(record)
            if place is not None:
                erased.add(place)
        # A body that does not match any more may still hold sectors that the crash kept from being overwritten.
        self._log.erase(erased)
        bad -= erased
        if bad:
            raise StorageError(
                Code.DAMAGED,
                f"expected a whole payload at {self._log.place(min(bad))}, found damage that no erasure explains; restore "
                "the folder or remove it: open events are fetched again from others",
            )

    def _take_up(self, record: Record) -> Position | None:
        """Index one record; the place to be erased if it is a tombstone that names one."""
        try:
            kind, key, *rest = take_array(decode(record.body, max_bytes=RECORD_BYTES_MAX), "payload record")
            take_bytes(key, "hash", HASH_BYTES)
            if kind in _EVENTS:
                self._events.put(key, _pack(record.position))
            elif kind == _CONTEXT:
                self._contexts.put(key, _pack(record.position))
            elif kind == _TOMBSTONE:
                self._events.put(key, _ERASED)
                place = take_optional_bytes(rest[0], "place", 8)
                return None if place is None else _unpack(place)
            else:
                raise FormError(Code.MALFORMED, "an unknown kind of record")
        except (FormError, ValueError, IndexError) as error:
            raise StorageError(
                Code.DAMAGED, f"expected a payload record at {self._log.place(record.position)}: {error}"
            ) from error
        return None

    # ---- storing ----------------------------------------------------------------------------------------------

    def put(self, payload: Payload) -> bool:
        """Store an event; durable after `sync`. False, and nothing stored, if it is there or was erased.

        The caller has checked that the bytes give the hash.
        """
        if self._events.get(payload.event_hash) is not None:
            return False
        _check(payload)
        event_hash, salt, event, *rest = payload
        packed = self._compressor.pack_alone(salt + event)
        record = encode((_PACKED_EVENT, event_hash, len(salt), packed, *rest))
        self._events.put(payload.event_hash, _pack(self._log.append(record)))
        return True

    def put_context(self, context_hash: bytes, context: bytes) -> bool:
        """Store a context; durable after `sync`. False if it is there."""
        if self._contexts.get(context_hash) is not None:
            return False
        take_bytes(context_hash, "context hash", HASH_BYTES)
        take_bytes(context, "context", most=CONTEXT_BYTES)
        self._contexts.put(context_hash, _pack(self._log.append(encode((_CONTEXT, context_hash, context)))))
        return True

    def sync(self) -> None:
        """Make everything stored durable."""
        self._log.sync()

    def erase(self, event_hash: bytes) -> bool:
        """Remove an event's bytes and salt for good, durably; whether there were any. It cannot be stored again."""
        return self.erase_all((event_hash,)) == 1

    def erase_all(self, event_hashes: Iterable[bytes]) -> int:
        """Remove the bytes and salts of events for good, durably; of how many there were any. None can be stored again."""
        places: dict[bytes, bytes | None] = {}
        for event_hash in event_hashes:
            take_bytes(event_hash, "event hash", HASH_BYTES)
            place = self._events.get(event_hash)
            if place != _ERASED:
                places[event_hash] = place
        if not places:
            return 0
        self._log.sync()  # a tombstone must stand in a later group than what it erases
        for event_hash, place in places.items():
            self._log.append(encode((_TOMBSTONE, event_hash, place)))
        self._log.sync()
        there = [_unpack(place) for place in places.values() if place is not None]
        if there:
            self._log.erase(there)
        for event_hash in places:
            self._events.put(event_hash, _ERASED)
        return len(there)

    # ---- reading ----------------------------------------------------------------------------------------------

    def get(self, event_hash: bytes) -> Payload | None:
        """The event with that hash, whoever may read it: for this node itself. None if it never came or was erased (`is_erased`
        tells); what leaves the node goes through `get_for`.
        """
        place = self._events.get(event_hash)
        if place is None or place == _ERASED:
            return None
        record = self._read(place, event_hash, _EVENTS)
        if record[0] == _EVENT:
            return Payload(*record[1:])
        _, _, salt_bytes, packed, context_hash, readers = record
        data = self._compressor.unpack_alone(packed, SALT_BYTES_MAX + EVENT_BYTES)
        return Payload(event_hash, data[:salt_bytes], data[salt_bytes:], context_hash, readers)

    def get_for(self, event_hash: bytes, reader: str | None) -> Payload | None:
        """The event if that organisation may read it; None for nobody in particular, who may read open ones."""
        found = self.get(event_hash)
        is_readable = found is not None and (
            found.readers is None or (reader is not None and found.is_readable_by(reader))
        )
        return found if is_readable else None

    def get_context(self, context_hash: bytes) -> bytes | None:
        """The context with that hash, or None."""
        place = self._contexts.get(context_hash)
        return None if place is None else bytes(self._read(place, context_hash, _CONTEXTS)[2])

    def _read(self, place: bytes, key: bytes, lengths: Mapping[int, int]) -> tuple[Any, ...]:
        """The members of the record of one of these kinds that stands there."""
        position = _unpack(place)
        try:
            members = take_array(decode(self._log.read(position), max_bytes=RECORD_BYTES_MAX), "payload")
        except FormError as error:
            raise StorageError(
                Code.DAMAGED, f"expected a payload at {self._log.place(position)}: {error.message}"
            ) from error
        if members[1:2] != (key,) or len(members) != lengths.get(members[0]):
            raise StorageError(
                Code.DAMAGED, f"expected payload {key.hex()} at {self._log.place(position)}, found another"
            )
        return members

    def is_erased(self, event_hash: bytes) -> bool:
        """Whether the event was erased here."""
        return self._events.get(event_hash) == _ERASED

    # ---- index ------------------------------------------------------------------------------------------------

    def write_index(self, *, least_bytes: int = INDEX_OVERLAY_BYTES) -> None:
        """Write the index if it grew by `least_bytes` since: less memory, a faster opening. Call now and then."""
        self._log.sync()
        mark = int.from_bytes(_pack(self._log.synced_end), "big")
        if self._index.height is None or mark > self._index.height:
            self._index.commit(mark)
            self._index.begin()
        if self._index.overlay_bytes >= least_bytes:
            self._index.flush(mark)

    def close(self) -> None:
        """Make everything durable and close."""
        self.write_index(least_bytes=0)
        self._index.close()
        self._log.close()


def _check(payload: Payload) -> None:
    take_bytes(payload.event_hash, "event hash", HASH_BYTES)
    take_bytes(payload.salt, "salt", most=SALT_BYTES_MAX)
    take_bytes(payload.event, "event", most=EVENT_BYTES)
    take_optional_bytes(payload.context_hash, "context hash", HASH_BYTES)
    if payload.readers is not None:
        for reader in take_array(payload.readers, "readers", most=READERS_MAX):
            take_ascii(reader, "reader", IDENTIFIER_BYTES)


def _pack(position: Position) -> bytes:
    return position.segment.to_bytes(4, "big") + position.offset.to_bytes(4, "big")


def _unpack(place: bytes) -> Position:
    return Position(int.from_bytes(place[:4], "big"), int.from_bytes(place[4:], "big"))
