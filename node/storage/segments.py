"""Append-only segments of checksummed records: what every log of a node is made of (STORAGE.md §2).

A log is a run of files `<name>-00000000.seg`. `append` only buffers; `sync` writes everything buffered, as one *group*,
and makes it durable. So at any moment all but the last group are durable, and a power cut can harm the last group only,
in any way. Each record says where its group began; that tells a torn tail, which is cut, from damage, which is refused:

    a bad record is torn iff it stands in the last segment and no whole record of a later group follows it.

Each segment's header names the length of the segment before it, so that a shortened one is refused too.

A failed sync is final (the system may have dropped the dirty pages and report success the next time): the log then
refuses everything. A failed *write* is undone by cutting the file back, and `sync` may be called again once there is
room. Positions of records never change.
"""

from __future__ import annotations

import itertools
import os
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from typing import Final, NamedTuple

from ledger.base.errors import Code, StorageError
from node.storage.filesystem import File, FileSystem, storage_error
from node.storage.segment_format import (
    HEADER_BYTES,
    RECORD_HEADER_BYTES,
    SALT_BYTES,
    RecordHeader,
    SegmentHeader,
    SegmentView,
    decode_header,
    decode_record_header,
    encode_header,
    encode_record,
    is_body,
    padded,
)

SEGMENT_BYTES: Final = 64 * 1024 * 1024
RECORD_BYTES_MAX: Final = 64 * 1024 * 1024
UNSYNCED_BYTES_MAX: Final = 16 * 1024 * 1024
OPEN_FILES: Final = 32


class Position(NamedTuple):
    """Where a record stands: segment number and byte offset of its header."""

    segment: int
    offset: int


class Record(NamedTuple):
    """One record met in a scan."""

    position: Position
    length: int
    """Bytes of the body."""
    body: bytes
    """The body, or its first bytes where only those were asked for."""


class SegmentLog:
    """One log. Not safe for several threads; one process at a time (the folder's lock sees to that)."""

    def __init__(
        self,
        files: FileSystem,
        folder: str,
        name: str,
        network: bytes,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        unsynced_bytes: int = UNSYNCED_BYTES_MAX,
        erasable: bool = False,
        name_after: Callable[[bytes | None], str] | None = None,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Open the log in `folder`, made if missing, cutting a torn tail.

        `network` is the network's id (32 bytes), `name` at most 8 ASCII characters. The last segment is read wholly; of
        the others only the headers are checked here (`scan` checks records). In an `erasable` log a body may not
        match; its owner knows which may. `name_after` says, for errors, what the record is that follows one with this
        body (None: the first of all). Raises StorageError: damaged, foreign_data, unsupported_version, disk_full.
        """
        self._files = files
        self._folder = folder
        self._name = name
        self._network = network
        self._segment_bytes = segment_bytes
        self._unsynced_bytes = unsynced_bytes
        self._erasable = erasable
        self._name_after = name_after
        self._random_bytes = random_bytes
        self._open_files: OrderedDict[int, File] = OrderedDict()
        self._salts: dict[int, bytes] = {}
        self._group: list[bytes] = []
        self._group_start = HEADER_BYTES
        self._buffered = 0
        self._unsynced: dict[int, bytes] = {}
        self._failure: str | None = None
        self.first_segment = 0
        self.last_segment = 0
        self.cut_bytes = 0
        """Bytes of a torn tail that opening cut off."""
        try:
            self._open()
        except OSError as error:
            self.close()
            raise storage_error(error, f"opening {folder}/{name}") from error
        except BaseException:
            self.close()
            raise

    # ---- opening ----------------------------------------------------------------------------------------------

    def _open(self) -> None:
        if not self._files.exists(self._folder):
            self._files.make_folder(self._folder)
            self._files.sync_folder(self._folder.rpartition("/")[0])
        numbers = self._find_segments()
        if not numbers:
            self._create(0, 0)
            return
        for earlier, later in itertools.pairwise(numbers):
            if later != earlier + 1:
                raise self._damaged(
                    f"expected segment {earlier + 1} of {self._folder}/{self._name}, it is missing"
                )
        self.first_segment, self.last_segment = numbers[0], numbers[-1]
        for number in numbers:
            header = self._check_header(number)
            if number > self.first_segment and header.previous_end != self._file(number - 1).size():
                raise self._damaged(
                    f"expected {header.previous_end} bytes in {self._path(number - 1)}"
                    f"{self._lost(Position(number - 1, self._file(number - 1).size()))}, found another length"
                )
            self._salts[number] = header.salt
        self._group_start = self._repair()

    def _find_segments(self) -> list[int]:
        """The numbers of the segments present, ascending; half-made ones are removed."""
        numbers = []
        for entry in self._files.list_folder(self._folder):
            stem, _, rest = entry.partition("-")
            if stem != self._name:
                continue
            digits, _, ending = rest.partition(".")
            if ending == "seg.new":
                self._files.remove(f"{self._folder}/{entry}")
            elif ending == "seg" and len(digits) == 8 and digits.isascii() and digits.isdigit():
                numbers.append(int(digits))
            else:
                raise self._damaged(
                    f"expected only segments named {self._name} in {self._folder}, found {entry}"
                )
        return sorted(numbers)

    def _path(self, number: int) -> str:
        return f"{self._folder}/{self._name}-{number:08d}.seg"

    def _create(self, number: int, previous_end: int) -> None:
        """Put an empty segment in place: durable under another name first, then renamed."""
        salt = self._random_bytes(SALT_BYTES)
        path = self._path(number)
        file = self._files.create(path + ".new")
        try:
            file.write_at(
                0, encode_header(SegmentHeader(number, previous_end, self._network, self._name, salt))
            )
            file.sync()
            self._files.rename(path + ".new", path)
            self._files.sync_folder(self._folder)
        except BaseException:
            file.close()
            raise
        self._keep_open(number, file)
        self._salts[number] = salt

    def _check_header(self, number: int) -> SegmentHeader:
        path = self._path(number)
        try:
            header = decode_header(self._file(number).read_at(0, HEADER_BYTES), path)
        except StorageError as error:
            lost = self._lost(Position(number, HEADER_BYTES))
            raise StorageError(error.code, f"{error.message}{lost}") from None
        if header.network != self._network:
            raise StorageError(
                Code.FOREIGN_DATA,
                f"expected data of network {self._network.hex()} in {path}, found network {header.network.hex()}",
            )
        if header.number != number or header.name != self._name:
            raise self._damaged(f"expected segment {number} of {self._name} in {path}, found another segment")
        return header

    def _repair(self) -> int:
        """Cut a torn tail off the last segment; the offset where the next group begins."""
        number = self.last_segment
        file = self._file(number)
        end = file.size()
        view = SegmentView(self._salts[number], number, file.read_at(0, end))
        offset = HEADER_BYTES
        while offset < end:
            header = view.header(offset)
            if header is None or not view.is_whole(offset, header):
                if not view.has_later_group(offset):
                    break
                if header is None or not self._erasable:
                    raise self._damaged_at(Position(number, offset))
            offset += header.size
        if offset < end:
            self.cut_bytes = end - offset
            file.truncate(offset)
        # What an earlier process wrote and did not live to sync is about to be relied on.
        file.sync()
        self._files.sync_folder(self._folder)
        return offset

    # ---- files and errors -------------------------------------------------------------------------------------

    def _file(self, segment: int) -> File:
        file = self._open_files.get(segment)
        if file is None:
            if not self.first_segment <= segment <= self.last_segment:
                raise self._damaged(
                    f"expected segment {segment} of {self._folder}/{self._name}, it is missing"
                )
            file = self._files.open(self._path(segment))
            self._keep_open(segment, file)
        else:
            self._open_files.move_to_end(segment)
        return file

    def _keep_open(self, number: int, file: File) -> None:
        """Remember an open file, closing the one longest unused when there are many."""
        self._open_files[number] = file
        if len(self._open_files) > OPEN_FILES:
            self._open_files.popitem(last=False)[1].close()

    def _read(self, segment: int, offset: int, length: int) -> bytes:
        try:
            return self._file(segment).read_at(offset, length)
        except OSError as error:
            raise storage_error(error, f"reading {self._path(segment)}") from error

    def _damaged(self, message: str) -> StorageError:
        return StorageError(
            Code.DAMAGED, f"{message}; restore the folder or rejoin the network with an empty one"
        )

    def _damaged_at(self, position: Position) -> StorageError:
        return self._damaged(
            f"expected a whole record at {self.place(position)}{self._lost(position)}, found damage"
        )

    def place(self, position: Position) -> str:
        """The file and the byte of a position, as errors name it."""
        return f"byte {position.offset} of {self._path(position.segment)}"

    def _lost(self, position: Position) -> str:
        """What cannot be read any more from `position` on, in the owner's words, for an error."""
        if self._name_after is None:
            return ""
        try:
            return f" ({self._name_after(self._body_before(position))})"
        except (OSError, StorageError):
            return ""

    def _body_before(self, position: Position) -> bytes | None:
        """The body, unchecked, of the last record before `position` whose header can be reached."""
        for number in range(position.segment, self.first_segment - 1, -1):
            if number not in self._salts:
                continue
            end = position.offset if number == position.segment else self._file(number).size()
            view = SegmentView(self._salts[number], number, self._file(number).read_at(0, end))
            body, offset = None, HEADER_BYTES
            while (header := view.header(offset)) is not None:
                body = view.body(offset, header)
                offset += header.size
            if body is not None:
                return body
        return None

    def _check_usable(self) -> None:
        if self._failure is not None:
            raise StorageError(
                Code.DAMAGED, f"expected no use of {self._folder}/{self._name} after: {self._failure}"
            )

    def _fail(self, error: OSError, doing: str) -> StorageError:
        """Make every later call refuse."""
        raised = storage_error(error, doing)
        self._failure = raised.message
        return raised

    # ---- writing ----------------------------------------------------------------------------------------------

    def append(self, body: bytes) -> Position:
        """Buffer a record of 1 .. RECORD_BYTES_MAX bytes; it is durable once `sync` returned.

        May itself sync, when a segment is full or much is unsynced: more durability than asked for is never wrong.
        """
        self._check_usable()
        if not 0 < len(body) <= RECORD_BYTES_MAX:
            raise StorageError(
                Code.TOO_LARGE, f"expected a record of 1 .. {RECORD_BYTES_MAX} bytes, got {len(body)}"
            )
        if self._buffered >= self._unsynced_bytes:
            self.sync()
        offset = self._group_start + self._buffered
        if offset > HEADER_BYTES and offset + RECORD_HEADER_BYTES + len(body) > self._segment_bytes:
            self._roll()
            offset = HEADER_BYTES
        number = self.last_segment
        parts = encode_record(self._salts[number], number, offset, offset - self._group_start, body)
        self._group.extend(parts)
        self._unsynced[offset] = body
        self._buffered += len(parts[0]) + len(parts[1])
        return Position(number, offset)

    def sync(self) -> None:
        """Write and make durable everything appended. After disk_full, free space and call again."""
        self._check_usable()
        if not self._group:
            return
        doing = f"writing {self._path(self.last_segment)}"
        try:
            file = self._file(self.last_segment)
            file.write_at(self._group_start, b"".join(self._group))
        except OSError as error:
            self._undo_write(error, doing)
            raise storage_error(error, doing) from error
        try:
            file.sync()
        except OSError as error:
            raise self._fail(error, doing) from error
        self._group_start += self._buffered
        self._group.clear()
        self._unsynced.clear()
        self._buffered = 0

    def _undo_write(self, error: OSError, doing: str) -> None:
        try:
            self._file(self.last_segment).truncate(self._group_start)
        except OSError:
            raise self._fail(error, doing) from error

    def _roll(self) -> None:
        """Begin the next segment."""
        self.sync()
        number = self.last_segment + 1
        path = self._path(number)
        try:
            if self._files.exists(path + ".new"):
                self._files.remove(path + ".new")
            self._create(number, self._group_start)
        except OSError as error:
            if self._files.exists(path):  # renamed, but perhaps not durably
                raise self._fail(error, f"beginning {path}") from error
            raise storage_error(error, f"beginning {path}") from error
        self.last_segment = number
        self._group_start = HEADER_BYTES

    def drop_before(self, segment: int) -> None:
        """Remove whole segments below `segment` (never the last one), oldest first."""
        self._check_usable()
        try:
            while self.first_segment < min(segment, self.last_segment):
                file = self._open_files.pop(self.first_segment, None)
                if file is not None:
                    file.close()
                self._files.remove(self._path(self.first_segment))
                # One by one: removals that became durable out of order would leave a gap in the numbers.
                self._files.sync_folder(self._folder)
                del self._salts[self.first_segment]
                self.first_segment += 1
        except OSError as error:
            raise self._fail(error, f"removing {self._path(self.first_segment)}") from error

    def erase(self, positions: Collection[Position]) -> None:
        """Overwrite the bodies of durable records with zeros, durably; from now on they read as damaged.

        The owner must have made durable, in a later group, records that say so. Repeating it is harmless, and finishes
        what a crash left half done.
        """
        self._check_usable()
        for position in positions:
            header = self._record_header(position)
            try:
                self._file(position.segment).write_at(
                    position.offset + RECORD_HEADER_BYTES, bytes(padded(header.length))
                )
            except OSError as error:
                raise self._fail(error, f"erasing in {self._path(position.segment)}") from error
        for segment in sorted({position.segment for position in positions}):
            try:
                self._file(segment).sync()
            except OSError as error:
                raise self._fail(error, f"erasing in {self._path(segment)}") from error

    def close(self) -> None:
        """Close the files. Unsynced records are lost, as in a power cut: `sync` first."""
        for file in self._open_files.values():
            file.close()
        self._open_files.clear()
        self._failure = self._failure or "it was closed"

    # ---- reading ----------------------------------------------------------------------------------------------

    @property
    def segments(self) -> range:
        """The numbers of the segments, oldest first."""
        return range(self.first_segment, self.last_segment + 1)

    @property
    def synced_end(self) -> Position:
        """The end of what is durable: where the current group begins."""
        return Position(self.last_segment, self._group_start)

    def size(self, segment: int) -> int:
        """Bytes of a segment, buffered ones included."""
        if segment == self.last_segment:
            return self._group_start + self._buffered
        return self._file(segment).size()

    def _end(self, segment: int) -> int:
        return self._group_start if segment == self.last_segment else self._file(segment).size()

    def _record_header(self, position: Position) -> RecordHeader:
        """The checked header of a durable record."""
        number, offset = position
        data = self._read(number, offset, RECORD_HEADER_BYTES)
        header = decode_record_header(self._salts[number], number, offset, data, 0)
        if header is None:
            raise self._damaged_at(position)
        return header

    def read(self, position: Position) -> bytes:
        """The body of the record at `position`, checked; StorageError damaged names the place."""
        self._check_usable()
        if position.segment == self.last_segment and position.offset in self._unsynced:
            return self._unsynced[position.offset]
        header = self._record_header(position)
        data = self._read(position.segment, position.offset + RECORD_HEADER_BYTES, padded(header.length))
        if not is_body(header, data, 0):
            raise self._damaged_at(position)
        return data[: header.length]

    def scan(
        self, start: Position | None = None, *, bad_bodies: Callable[[Position], None] | None = None
    ) -> Iterator[Record]:
        """Every durable record from `start`, in order, with its body, checked.

        A record whose header holds and whose body does not is given to `bad_bodies` and passed over, or refused when
        there is no such function. Append nothing while iterating.
        """
        for number in self.segments:
            if start is not None and number < start.segment:
                continue
            end = self._end(number)
            view = SegmentView(self._salts[number], number, self._read(number, 0, end))
            offset = start.offset if start is not None and number == start.segment else HEADER_BYTES
            while offset < end:
                position = Position(number, offset)
                header = view.header(offset)
                if header is None:
                    raise self._damaged_at(position)
                if view.is_whole(offset, header):
                    yield Record(position, header.length, view.body(offset, header))
                elif bad_bodies is None:
                    raise self._damaged_at(position)
                else:
                    bad_bodies(position)
                offset += header.size

    def scan_prefixes(self, prefix_bytes: int) -> Iterator[Record]:
        """Every durable record in order with the first bytes of its body only, headers checked and bodies not.

        For rebuilding an index over much data; bodies are checked when read.
        """
        for number in self.segments:
            end = self._end(number)
            salt = self._salts[number]
            offset = HEADER_BYTES
            while offset < end:
                position = Position(number, offset)
                data = self._read(number, offset, RECORD_HEADER_BYTES + prefix_bytes)
                header = decode_record_header(salt, number, offset, data, 0)
                if header is None or offset + header.size > end:
                    raise self._damaged_at(position)
                body = data[RECORD_HEADER_BYTES : RECORD_HEADER_BYTES + min(header.length, prefix_bytes)]
                yield Record(position, header.length, body)
                offset += header.size
