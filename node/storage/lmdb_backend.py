"""Durable tables in LMDB (STORAGE.md §7).

Why LMDB: one file, copy-on-write pages, a change is there wholly or not at all after any crash, reads cost a microsecond.

Invariants: one process, one thread that reads and stages, at most one write on another thread. LMDB's own locking is off
(`lock=False`), which lets a change be begun on one thread and made durable on another; in exchange the read transaction
must never be older than the last change when the next one begins, or pages it reads could be used again. `settle` renews
it, so it never is; but for the change of next to nothing behind each, which is not far enough from it (`_commit_again`).

LMDB has no checksums: a rotten page may give another value without a word. So each value is kept with a CRC-32 over table,
key and value, and a file shorter than its pages, which would end the process at the first touch, is refused at opening.

The map (address space, not memory) starts at 1 GiB and doubles when full; what was staged is then staged again. A full
disk fails the change, and the tables stay as they were.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Final
from zlib import crc32

import lmdb

from ledger.base.errors import Code, StorageError

MAP_BYTES: Final = 1 << 30
FORMAT: Final = b"\x02"
KEY_BYTES_MAX: Final = 511
_META: Final = "custody:meta"
_FULL: Final = tuple(os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
_INPUT_OUTPUT: Final = os.strerror(errno.EIO)
_PROBE_BYTES: Final = 1 << 20

_META_PAGES: Final = 2
_META_ENTRIES: Final = 2
"""Network and format."""
_CHECKSUM_BYTES: Final = 4

_Pairs = list[tuple[bytes, bytes | None]]


def _checksum(seed: int, key: bytes, value: bytes) -> bytes:
    """What is kept behind a value; `seed` is the CRC-32 of the table's name."""
    return crc32(value, crc32(key, seed)).to_bytes(_CHECKSUM_BYTES, "big")


def _is_beyond(cursor: lmdb.Cursor, pairs: list[tuple[bytes, bytes]]) -> bool:
    """Whether these are ascending and all beyond the last key: appended, they fill their pages."""
    if cursor.last() and bytes(cursor.key()) >= pairs[0][0]:
        return False
    return all(one < two for (one, _), (two, _) in pairwise(pairs))


class LmdbBackend:
    """Tables in the folder `path`: a `state_store.Backend`, whose methods are described there."""

    def __init__(
        self, path: Path, network: bytes, tables: Iterable[str], *, map_bytes: int = MAP_BYTES
    ) -> None:
        """Open or begin the environment. Raises StorageError: damaged, foreign_data, disk_full."""
        self._path = path
        self._staged: list[tuple[str, _Pairs]] = []
        self._writing: lmdb.Transaction | None = None
        self._map_was_full = False
        names = tuple(tables)
        self._seeds = {name: crc32(name.encode()) for name in (*names, _META)}
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._environment = lmdb.open(
                str(path), map_size=map_bytes, max_dbs=len(names) + 1, lock=False, readahead=False, mode=0o600
            )
        except (lmdb.Error, OSError) as error:
            raise self._error(error, "opening") from error
        try:
            self._check_length()
            self._tables = {name: self._environment.open_db(name.encode()) for name in (*names, _META)}
            self._check_meta(network)
            self._reading = self._environment.begin()
        except lmdb.Error as error:
            self._environment.close()
            raise self._error(error, "opening") from error
        except BaseException:
            self._environment.close()
            raise

    def _check_length(self) -> None:
        pages = self._environment.info()["last_pgno"] + 1
        expected = pages * self._environment.stat()["psize"]
        found = (self._path / "data.mdb").stat().st_size
        if 0 < found < expected and pages > _META_PAGES:
            raise self._damaged("opening", f"expected {expected} bytes in data.mdb, found {found}")

    def _check_meta(self, network: bytes) -> None:
        meta = self._tables[_META]
        with self._environment.begin(db=meta) as reading:
            found, form = reading.get(b"network"), reading.get(b"format")
            entries = sum(reading.stat(database)["entries"] for database in self._tables.values())
            has_height = reading.get(b"height") is not None
        if entries > (0 if found is None else _META_ENTRIES) and (found is None or not has_height):
            raise self._damaged("opening", "tables without the network or the height they are of")
        if found is None:
            with self._environment.begin(write=True, db=meta) as writing:
                writing.put(b"network", network)
                writing.put(b"format", FORMAT)
            return
        if form != FORMAT:
            raise StorageError(
                Code.UNSUPPORTED_VERSION,
                f"expected table format {FORMAT.hex()} in {self._path}, found {form!r}; remove the folder, it is rebuilt "
                "from the chain",
            )
        if found != network:
            raise StorageError(
                Code.FOREIGN_DATA,
                f"expected data of network {network.hex()} in {self._path}, found network {bytes(found).hex()}",
            )

    def _error(self, error: Exception, doing: str) -> StorageError:
        full = isinstance(error, lmdb.DiskError) or any(text in str(error) for text in _FULL)
        if full or (_INPUT_OUTPUT in str(error) and not self._has_room()):
            return StorageError(
                Code.DISK_FULL, f"expected room on the disk while {doing} {self._path}: {error}"
            )
        return self._damaged(doing, str(error))

    def _damaged(self, doing: str, reason: str) -> StorageError:
        return StorageError(
            Code.DAMAGED,
            f"expected whole tables while {doing} {self._path}: {reason}; remove the folder, it is rebuilt from the chain",
        )

    def _checked(self, table: str, key: bytes, stored: bytes) -> bytes:
        """The value in what is stored under a key."""
        value = stored[:-_CHECKSUM_BYTES]
        if _checksum(self._seeds[table], key, value) != stored[-_CHECKSUM_BYTES:]:
            raise self._damaged(
                "reading", f"the value under {key.hex()[:32]} of table {table} is not as it was written"
            )
        return value

    def _has_room(self) -> bool:
        """Whether a little can be written here: LMDB calls a write cut short by a full disk an input/output error."""
        probe = self._path / "room.probe"
        try:
            probe.write_bytes(bytes(_PROBE_BYTES))
        except OSError:
            return False
        finally:
            probe.unlink(missing_ok=True)
        return True

    # ---- reading ----------------------------------------------------------------------------------------------

    @property
    def height(self) -> int | None:
        """The height of the last change."""
        data = self.get(_META, b"height")
        return None if data is None else int.from_bytes(data, "big")

    @property
    def map_bytes(self) -> int:
        """The size of the map now."""
        return int(self._environment.info()["map_size"])

    def get(self, table: str, key: bytes) -> bytes | None:
        """The value of a key."""
        try:
            stored = self._reading.get(key, db=self._tables[table])
        except lmdb.Error as error:
            raise self._error(error, "reading") from error
        return None if stored is None else self._checked(table, key, stored)

    def read_range(
        self, table: str, start: bytes, end: bytes | None, limit: int, *, reverse: bool
    ) -> list[tuple[bytes, bytes]]:
        """Up to `limit` pairs with start <= key < end, ascending, or the last ones descending."""
        pairs: list[tuple[bytes, bytes]] = []
        seed, left = self._seeds[table], limit
        try:
            with self._reading.cursor(db=self._tables[table]) as cursor:
                if not reverse:
                    found = cursor.set_range(start) if start else cursor.first()
                elif end is not None and cursor.set_range(end):
                    found = cursor.prev()
                else:
                    found = cursor.last()
                if not found or left <= 0:
                    return []
                for key, stored in cursor.iterprev() if reverse else cursor.iternext():
                    if key < start if reverse else (end is not None and key >= end):
                        break
                    value = stored[:-_CHECKSUM_BYTES]
                    if stored[-_CHECKSUM_BYTES:] != crc32(value, crc32(key, seed)).to_bytes(4, "big"):
                        self._checked(table, key, stored)  # says what is wrong
                    pairs.append((key, value))
                    left -= 1
                    if left == 0:
                        break
        except lmdb.Error as error:
            raise self._error(error, "reading") from error
        return pairs

    # ---- changing ---------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin a change."""
        self._staged = []
        self._map_was_full = False
        try:
            self._writing = self._environment.begin(write=True)
        except lmdb.Error as error:
            raise self._error(error, "changing") from error

    def stage(self, table: str, changes: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Put or delete keys in the change begun."""
        pairs = list(changes)
        self._staged.append((table, pairs))
        try:
            self._apply(table, pairs)
        except lmdb.MapFullError:
            self._grow_and_stage_again()
        except lmdb.Error as error:
            raise self._error(error, "changing") from error

    def _apply(self, table: str, pairs: _Pairs) -> None:
        writing = self._writing
        if writing is None:
            raise StorageError(Code.USAGE, "expected a change to be begun before keys are staged")
        database, seed = self._tables[table], self._seeds[table]
        puts = [
            (key, value + crc32(value, crc32(key, seed)).to_bytes(_CHECKSUM_BYTES, "big"))
            for key, value in pairs
            if value is not None
        ]
        with writing.cursor(db=database) as cursor:
            if puts:
                cursor.putmulti(puts, append=_is_beyond(cursor, puts))
            if len(puts) < len(pairs):
                for key, value in pairs:
                    if value is None and cursor.set_key(key):
                        cursor.delete()

    def _grow_and_stage_again(self) -> None:
        """Double the map until everything staged fits."""
        while True:
            try:
                self._abort()
                self._reading.abort()
                self._environment.set_mapsize(self.map_bytes * 2)
                self._reading = self._environment.begin()
                self._writing = self._environment.begin(write=True)
                for table, pairs in self._staged:
                    self._apply(table, pairs)
            except lmdb.MapFullError:
                continue
            except lmdb.Error as error:
                raise self._error(error, "growing") from error
            return

    def write(self, height: int) -> None:
        """Make the change durable with `height`."""
        self._staged.append((_META, [(b"height", height.to_bytes(8, "big"))]))
        try:
            self._apply(*self._staged[-1])
            self._commit()
            self._commit_again(height)
        except lmdb.MapFullError:
            # The map may only be moved while nobody reads: `settle` does it, on the reading thread.
            self._map_was_full = True
        except lmdb.Error as error:
            raise self._error(error, "writing") from error

    def _commit_again(self, height: int) -> None:
        """Change next to nothing: LMDB reuses the pages that a change let go of in the second one after it, so now in the next.

        The file has one change's pages less to spare. Reads go on as they were before both: what they need was let go of by the
        first, and is not used by the second.
        """
        with suppress(lmdb.Error), self._environment.begin(write=True, db=self._tables[_META]) as writing:
            key, value = b"height", height.to_bytes(8, "big")
            writing.put(key, value + _checksum(self._seeds[_META], key, value))

    def _commit(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.commit()

    def settle(self) -> None:
        """Let reads see the change."""
        while self._map_was_full:
            self._grow_and_stage_again()
            try:
                self._commit()
                self._map_was_full = False
            except lmdb.MapFullError:
                continue
            except lmdb.Error as error:
                raise self._error(error, "writing") from error
        self._staged = []
        self._reading.abort()
        self._reading = self._environment.begin()

    def _abort(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.abort()

    def abandon(self) -> None:
        """Drop the change begun."""
        self._abort()
        self._staged = []

    def close(self) -> None:
        """Close the environment."""
        self._abort()
        self._reading.abort()
        self._environment.close()
