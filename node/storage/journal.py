"""What a flush is about to change, whole and durable before any of it is in the tables (STORAGE.md §7).

LMDB copies every page that a change touches and gives the old ones free for the next change only: one large change of keys
drawn at random has the file spare as much again as its tables take. In several small ones each uses the pages that the one
before let go of. All of them together are one step nevertheless: who opens the tables in the middle of it does the rest
from here.

    base u64 | height u64 | bytes of what follows u64 | crc u32 of the three and of what follows
    (length u32 | encode([table, [[key, value | nil], ...]])) ...

Invariant: the tables are at `base`, with some of this or nothing; once they are at another height this says nothing.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import Final, Protocol
from zlib import crc32

from ledger.base.encoding import decode_known, encode
from ledger.base.errors import Code, StorageError
from node.storage.filesystem import File, FileSystem, storage_error

PATH: Final = "state/flush"
_HEAD: Final = struct.Struct(">QQQ")
_SUM: Final = struct.Struct(">I")
_START: Final = _HEAD.size + _SUM.size

Pairs = list[tuple[bytes, bytes | None]]


class Tables(Protocol):
    """The part of `state_store.Backend` that is needed to do the rest."""

    @property
    def height(self) -> int | None:
        """The height written with the last change; None before the first."""

    def begin(self) -> None:
        """Begin a change."""

    def stage(self, table: str, changes: Pairs) -> None:
        """Put (or, for None, delete) keys in the change begun."""

    def write(self, height: int) -> None:
        """Make the change durable."""

    def settle(self) -> None:
        """Let reads see it."""


class Journal:
    """One file, of one flush at a time."""

    def __init__(self, files: FileSystem, path: str = PATH) -> None:
        self._files = files
        self._path = path
        self._fresh = path + ".new"
        self._file: File | None = None
        self._size = self._sum = 0

    def begin(self) -> None:
        """Begin the file of another flush, beside that of the last one."""
        self._size, self._sum = 0, 0
        try:
            self._drop(self._fresh)
            self._file = self._files.create(self._fresh)
        except OSError as error:
            raise storage_error(error, f"writing {self._fresh}") from error

    def add(self, table: str, changes: Pairs) -> None:
        """Note changes that are to be made."""
        body = encode((table, changes))
        data = _SUM.pack(len(body)) + body
        try:
            self._open().write_at(_START + self._size, data)
        except OSError as error:
            raise storage_error(error, f"writing {self._fresh}") from error
        self._size += len(data)
        self._sum = crc32(data, self._sum)

    def seal(self, base: int, height: int) -> None:
        """Make all that was noted durable: it leads from `base` to `height`."""
        head = _HEAD.pack(base, height, self._size)
        try:
            file = self._open()
            file.write_at(0, head + _SUM.pack(crc32(head, self._sum)))
            file.sync()
            self._close()
            self._files.rename(self._fresh, self._path)
            self._files.sync_folder(self._path.rpartition("/")[0])
        except OSError as error:
            raise storage_error(error, f"writing {self._path}") from error

    def remove(self) -> None:
        """The tables have it all. Should the file stay, or come back, it is of a height that they are not at."""
        with suppress(OSError):
            self._drop(self._path)

    def abandon(self) -> None:
        """Write no more; what was sealed stays."""
        self._close()

    def finish(self, tables: Tables) -> None:
        """Do the rest of a flush that was interrupted. Raises StorageError."""
        try:
            self._drop(self._fresh)
            if not self._files.exists(self._path):
                return
            file = self._files.open(self._path)
            try:
                data = file.read_at(0, file.size())
            finally:
                file.close()
        except OSError as error:
            raise storage_error(error, f"reading {self._path}") from error
        if len(data) < _START:
            raise self._damaged()
        base, height, size = _HEAD.unpack_from(data)
        if tables.height == base:
            body = data[_START:]
            if (
                len(body) != size
                or crc32(data[: _HEAD.size], crc32(body)) != _SUM.unpack_from(data, _HEAD.size)[0]
            ):
                raise self._damaged()
            _redo(tables, body, height)
        self.remove()

    def _damaged(self) -> StorageError:
        return StorageError(
            Code.DAMAGED,
            f"expected what a flush was about to write in {self._path}, found damage; remove the state folder, it is rebuilt from "
            "the chain",
        )

    def _open(self) -> File:
        if self._file is None:
            raise StorageError(Code.USAGE, f"expected {self._fresh} to be begun")
        return self._file

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _drop(self, path: str) -> None:
        if self._files.exists(path):
            self._files.remove(path)


def _redo(tables: Tables, body: bytes, height: int) -> None:
    """Make all changes in one: the file may be large for once."""
    tables.begin()
    at = 0
    while at < len(body):
        (length,) = _SUM.unpack_from(body, at)
        at += _SUM.size
        table, changes = decode_known(body[at : at + length])
        tables.stage(table, list(changes))
        at += length
    tables.write(height)
    tables.settle()
