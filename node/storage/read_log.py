"""Who read what at this gateway: a chain of records that cannot be changed in the middle without being seen (STORAGE.md §11).

A record is canonical msgpack `[number, hash of the record before, time, caller, roles, organisation, route, asked, status, bytes]`; its
hash covers all of it, so each vouches for all before it. Record 0 follows the hash of the network's id. Whoever may write the folder can
still make the whole log anew, or cut its end off: only a head that was noted elsewhere shows that.

A torn tail is cut at the start, for nobody relied on it; anything else that does not follow is refused. A start looks at the last
segments, `follow` at every record. Callers and subjects stand in it in plain words, since the operator has to be able to say who read
about a subject: its files are the owner's alone (0700, 0600).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final, NamedTuple

from ledger.base.encoding import decode, encode, take_array, take_bytes, take_int
from ledger.base.errors import Code, FormError, StorageError
from ledger.base.hashing import HASH_BYTES
from node.storage.filesystem import FileSystem, storage_error
from node.storage.segment_format import HEADER_BYTES
from node.storage.segments import Position, Record, SegmentLog

FOLDER: Final = "reads"
SEGMENT_BYTES: Final = 8 * 1024 * 1024
RECORD_BYTES: Final = 256 * 1024
"""An address has at most 32 KiB, a named query 64 KiB."""
_NAME: Final = "reads"
_FIELDS: Final = 10
_DOMAIN: Final = b"custody reads\0\0\0"
_STATUS_MAX: Final = 999


class Read(NamedTuple):
    """One answered read, as the gateway saw it."""

    time_ms: int
    caller: str
    """Of the token, the key, the person, or the webhook."""
    roles: tuple[str, ...]
    organisation: str | None
    route: str
    """Method and template."""
    asked: tuple[tuple[str, str], ...]
    """Names and values of what was asked for: of the path, of the query."""
    status: int
    """As answered; 0 where a webhook's receiver did not answer."""
    size: int | None
    """Of the body; None for a stream that began."""


class Entry(NamedTuple):
    """A record of the log."""

    number: int
    hash: bytes
    read: Read


class Head(NamedTuple):
    """How far a log goes."""

    length: int
    hash: bytes
    """Of the last record; of nothing but the network where there is none."""

    def __str__(self) -> str:
        return f"{self.length}:{self.hash.hex()}"


class ReadLog:
    """The log of one gateway. Not safe for several threads."""

    def __init__(self, files: FileSystem, network: bytes, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        """Open it, begun if missing. StorageError: locked, damaged, foreign_data, disk_full."""
        self._network = network
        self._start = Head(0, _hash(network, b""))
        self.head = self._start
        try:
            files.make_folder(FOLDER)
            self._lock = files.lock(f"{FOLDER}/lock")
        except BlockingIOError:
            raise StorageError(
                Code.LOCKED,
                f"expected no other gateway to write the log in {FOLDER}, one does; stop it first",
            ) from None
        except OSError as error:
            raise storage_error(error, f"locking {FOLDER}") from error
        try:
            self._log = SegmentLog(
                files, FOLDER, _NAME, network, segment_bytes=segment_bytes, name_after=_after
            )
            last = max(self._log.first_segment, self._log.last_segment - 1)
            for entry in self._follow(last):
                self.head = Head(entry.number + 1, entry.hash)
        except BaseException:
            self._lock.release()
            raise

    @property
    def cut_bytes(self) -> int:
        """Bytes of a torn tail that opening cut off."""
        return self._log.cut_bytes

    def append(self, read: Read) -> None:
        """Add one; it is durable once `sync` returned. StorageError: disk_full, damaged; nothing was added then."""
        body = encode((self.head.length, self.head.hash, *read))
        self._log.append(body)
        self.head = Head(self.head.length + 1, _hash(self._network, body))

    def sync(self) -> None:
        """Make everything added durable. After disk_full, free space and call again."""
        self._log.sync()

    def close(self) -> None:
        """Give files and lock up; what was not synced is lost."""
        self._log.close()
        self._lock.release()

    def follow(self) -> Iterator[Entry]:
        """Every record from the first that is here, checked. StorageError damaged names the first that does not follow."""
        return self._follow(self._log.first_segment)

    def _follow(self, segment: int) -> Iterator[Entry]:
        before = self._start if segment == 0 else None
        for record in self._log.scan(None if segment == 0 else Position(segment, HEADER_BYTES)):
            entry, previous = self._entry(record)
            if before is None:
                before = Head(entry.number, previous)
            if (entry.number, previous) != before:
                raise self._broken(
                    record, f"expected record {before.length} after {before.hash.hex()[:16]}, found record"
                    f" {entry.number} after {previous.hex()[:16]}"
                )  # fmt: skip
            before = Head(entry.number + 1, entry.hash)
            yield entry

    def _entry(self, record: Record) -> tuple[Entry, bytes]:
        try:
            fields = take_array(decode(record.body, max_bytes=RECORD_BYTES), "record", _FIELDS)
            previous = take_bytes(fields[1], "record.previous", HASH_BYTES)
            number = take_int(fields[0], "record.number")
            return Entry(number, _hash(self._network, record.body), _read(fields[2:])), previous
        except FormError as error:
            raise self._broken(record, error.message) from None

    def _broken(self, record: Record, what: str) -> StorageError:
        return StorageError(
            Code.DAMAGED,
            f"{what} at {self._log.place(record.position)}; keep the folder as it is, it is evidence, and begin a new one",
        )


def _hash(network: bytes, body: bytes) -> bytes:
    return hashlib.sha256(_DOMAIN + network + body).digest()


def _after(body: bytes | None) -> str:
    """What a damaged record is, by the one before it."""
    if body is None:
        return "the first record here"
    return f"the record after {take_int(take_array(decode(body, max_bytes=RECORD_BYTES), 'record')[0], 'number')}"


def _text(value: object, field: str) -> str:
    if type(value) is not str:
        raise FormError(Code.MALFORMED, f"{field}: expected text")
    return value


def _read(fields: tuple[object, ...]) -> Read:
    time_ms, caller, roles, organisation, route, asked, status, size = fields
    pairs = [take_array(pair, "record.asked", 2) for pair in take_array(asked, "record.asked")]
    return Read(
        take_int(time_ms, "record.time"),
        _text(caller, "record.caller"),
        tuple(_text(role, "record.roles") for role in take_array(roles, "record.roles")),
        None if organisation is None else _text(organisation, "record.organisation"),
        _text(route, "record.route"),
        tuple((_text(name, "record.asked"), _text(value, "record.asked")) for name, value in pairs),
        take_int(status, "record.status", 0, _STATUS_MAX),
        None if size is None else take_int(size, "record.bytes"),
    )
