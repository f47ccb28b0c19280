"""The events' bytes, apart from the chain, each erasable for good (DESIGN §4; STORAGE.md §6).

Chain, audit and proofs stand without anything in here. An event is kept under its hash with the salt that the hash needs;
erasing overwrites both with zeros on the disk, so that not even a guess at the bytes can be confirmed. Contexts are kept
once, under their own hash.

Why segments, and not rows of a database: a database leaves deleted bytes in free pages and in its journal, for who knows
how long; here each byte stands in one known place. An LMDB table only finds the place. It is written now and then and
brought up to date from the segments at opening, so it never needs a sync of its own.

Events stored between two syncs are packed together, as many as `GROUP_BYTES` hold: those of one batch have nearly all in common.
Until then they are in memory. Who of a group is not erased when another is moves on to a new group first.

Erasing is three durable steps: a tombstone that names the place, zeros over the place, the index. Opening takes up the
steps that a crash left out. Overwriting in place reaches the medium on ordinary file systems; copy-on-write ones,
snapshots, backups and the spare cells of flash are beyond a program: STORAGE.md says so to whoever runs a node.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterable, Mapping
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
_GROUP: Final = 5
_EVENTS: Final = {_EVENT: 6, _PACKED_EVENT: 6, _GROUP: 2}
_CONTEXTS: Final = {_CONTEXT: 3}
"""How many members a record of each kind has."""
_ERASED: Final = b"\0"
_WAITING: Final = b"\1"
"""In the index, in memory alone: not in the log yet."""
_PLACE_BYTES: Final = 8
_SLOT_BYTES: Final = 2
GROUP_BYTES: Final = 80_000
"""Of salts and events in one group, before packing; an event above it stands alone. To read one is to unpack all."""
_GROUPED: Final = 100
"""What an event takes in its group beside its salt, its bytes and its readers, at most."""


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
        self._waiting: dict[bytes, Payload] = {}
        """Put and not in the log yet, of `_waiting_bytes`."""
        self._waiting_bytes = 0
        self._group: tuple[bytes, tuple[Payload, ...]] = (b"", ())
        """The group read last, by its place."""
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
            if kind == _GROUP:
                self._index_group(record.position, [one.event_hash for one in self._unpacked(key)])
                return None
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
        size = _size(payload)
        if self._waiting_bytes + size > GROUP_BYTES:
            self._append_waiting()
        self._events.put(payload.event_hash, _WAITING)
        self._waiting[payload.event_hash] = payload
        self._waiting_bytes += size
        return True

    def _append_waiting(self) -> None:
        """Put into the log what waits for it."""
        if self._waiting:
            self._append(tuple(self._waiting.values()))
            self._waiting, self._waiting_bytes = {}, 0

    def _append(self, payloads: tuple[Payload, ...]) -> None:
        """One record of these: a group, or one event alone."""
        if len(payloads) > 1:
            packed = self._compressor.pack(encode(payloads))
            position = self._log.append(encode((_GROUP, packed)))
            self._index_group(position, [payload.event_hash for payload in payloads])
            return
        ((event_hash, salt, event, *rest),) = payloads
        packed = self._compressor.pack_alone(salt + event)
        record = encode((_PACKED_EVENT, event_hash, len(salt), packed, *rest))
        self._events.put(event_hash, _pack(self._log.append(record)))

    def _index_group(self, position: Position, event_hashes: Iterable[bytes]) -> None:
        place = _pack(position)
        for slot, event_hash in enumerate(event_hashes):
            self._events.put(event_hash, place + slot.to_bytes(_SLOT_BYTES, "big"))

    def put_context(self, context_hash: bytes, context: bytes) -> bool:
        """Store a context; durable after `sync`. False if it is there."""
        if self._contexts.get(context_hash) is not None:
            return False
        take_bytes(context_hash, "context hash", HASH_BYTES)
        take_bytes(context, "context", most=CONTEXT_BYTES)
        self._append_waiting()  # so that the log has the order in which things came
        self._contexts.put(context_hash, _pack(self._log.append(encode((_CONTEXT, context_hash, context)))))
        return True

    def sync(self) -> None:
        """Make everything stored durable."""
        self._append_waiting()
        self._log.sync()

    def erase(self, event_hash: bytes) -> bool:
        """Remove an event's bytes and salt for good, durably; whether there were any. It cannot be stored again."""
        return self.erase_all((event_hash,)) == 1

    def erase_all(self, event_hashes: Iterable[bytes]) -> int:
        """Remove the bytes and salts of events for good, durably; of how many there were any. None can be stored again."""
        self.sync()  # a tombstone must stand in a later group than what it erases
        places: dict[bytes, bytes | None] = {}
        for event_hash in event_hashes:
            take_bytes(event_hash, "event hash", HASH_BYTES)
            place = self._events.get(event_hash)
            if place != _ERASED:
                places[event_hash] = None if place is None else place[:_PLACE_BYTES]
        if not places:
            return 0
        there = [place for place in places.values() if place is not None]
        for place in dict.fromkeys(there):
            self._move_others(place, places)
        for event_hash, named in places.items():
            self._log.append(encode((_TOMBSTONE, event_hash, named)))
        self._log.sync()
        if there:
            self._log.erase([_unpack(place) for place in dict.fromkeys(there)])
        self._group = (b"", ())
        for event_hash in places:
            self._events.put(event_hash, _ERASED)
        return len(there)

    def _move_others(self, place: bytes, erased: Container[bytes]) -> None:
        """Append what stands in one record with events that are to be erased, and is not itself, anew: durable with their tombstones."""
        record = self._record(place)
        if record[0] == _GROUP:
            kept = tuple(
                one
                for slot, one in enumerate(self._unpacked(record[1]))
                if one.event_hash not in erased
                and self._events.get(one.event_hash) == place + slot.to_bytes(_SLOT_BYTES, "big")
            )
            if kept:
                self._append(kept)

    # ---- reading ----------------------------------------------------------------------------------------------

    def get(self, event_hash: bytes) -> Payload | None:
        """The event with that hash, whoever may read it: for this node itself. None if it never came or was erased (`is_erased`
        tells); what leaves the node goes through `get_for`.
        """
        place = self._events.get(event_hash)
        if place is None or place == _ERASED:
            return None
        if place == _WAITING:
            return self._waiting[event_hash]
        if len(place) > _PLACE_BYTES:
            return self._grouped(place, event_hash)
        record = self._read(place, event_hash, _EVENTS)
        if record[0] == _EVENT:
            return Payload(*record[1:])
        _, _, salt_bytes, packed, context_hash, readers = record
        data = self._compressor.unpack_alone(packed, SALT_BYTES_MAX + EVENT_BYTES)
        return Payload(event_hash, data[:salt_bytes], data[salt_bytes:], context_hash, readers)

    def _grouped(self, place: bytes, event_hash: bytes) -> Payload:
        """An event in a group; what is asked for next mostly stands beside it."""
        group, slot = place[:_PLACE_BYTES], int.from_bytes(place[_PLACE_BYTES:], "big")
        if self._group[0] != group:
            record = self._record(group)
            self._group = group, self._unpacked(record[1]) if record[0] == _GROUP else ()
        members = self._group[1]
        if slot >= len(members) or members[slot].event_hash != event_hash:
            raise self._another(event_hash, group)
        return members[slot]

    def _unpacked(self, packed: bytes) -> tuple[Payload, ...]:
        data = self._compressor.unpack(packed, GROUP_BYTES)
        return tuple(Payload(*one) for one in decode(data, max_bytes=GROUP_BYTES))

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
        members = self._record(place)
        if members[1:2] != (key,) or len(members) != lengths.get(members[0]):
            raise self._another(key, place)
        return members

    def _record(self, place: bytes) -> tuple[Any, ...]:
        position = _unpack(place)
        try:
            return take_array(decode(self._log.read(position), max_bytes=RECORD_BYTES_MAX), "payload")
        except FormError as error:
            raise StorageError(
                Code.DAMAGED, f"expected a payload at {self._log.place(position)}: {error.message}"
            ) from error

    def _another(self, key: bytes, place: bytes) -> StorageError:
        return StorageError(
            Code.DAMAGED, f"expected payload {key.hex()} at {self._log.place(_unpack(place))}, found another"
        )

    def is_erased(self, event_hash: bytes) -> bool:
        """Whether the event was erased here."""
        return self._events.get(event_hash) == _ERASED

    # ---- index ------------------------------------------------------------------------------------------------

    def write_index(self, *, least_bytes: int = INDEX_OVERLAY_BYTES) -> None:
        """Write the index if it grew by `least_bytes` since: less memory, a faster opening. Call now and then."""
        self.sync()
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


def _size(payload: Payload) -> int:
    """What an event takes in a group, about: never less."""
    readers = sum(len(reader) + 2 for reader in payload.readers or ())
    return len(payload.event) + len(payload.salt) + readers + _GROUPED


def _pack(position: Position) -> bytes:
    return position.segment.to_bytes(4, "big") + position.offset.to_bytes(4, "big")


def _unpack(place: bytes) -> Position:
    return Position(int.from_bytes(place[:4], "big"), int.from_bytes(place[4:], "big"))
