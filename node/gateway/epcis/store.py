"""What the EPCIS interface keeps that the chain does not have: jobs, named queries, subscriptions (EPCIS.md, Capture, Query, Subscriptions).

One SQLite file, `index/gateway.db`, with one connection in one thread of its own, so that no request waits for the disk on
the event loop. `run` is one transaction: what it answered is on disk, synced; what it raised left nothing. Deleted bytes are
overwritten in the file (they may be an author's events), so far as the file system lets them.

Whoever keeps something here owns its tables and gives their schema, written so that it may be run at every start.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from ledger.base.errors import Code, CustodyError, StorageError, UnavailableError

FILE: Final = "gateway.db"
_VERSION: Final = 1
_BUSY_S: Final = 5.0

_T = TypeVar("_T")


class LocalStore:
    """The file, opened by `open` and given up by `close`."""

    def __init__(self, path: Path, schemas: Iterable[str]) -> None:
        """`schemas`: `CREATE ... IF NOT EXISTS` statements of those who keep something here."""
        self.path = path
        self._schemas = tuple(schemas)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gateway.db")
        self._connection: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Open or make the file. StorageError: damaged, foreign_data, locked, disk_full."""
        await self._in_thread(self._open)

    async def run(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """What `work` answers, done as one durable transaction. Not to be abandoned half-way: a cancelled caller's work is
        done or not done, whole.
        """
        return await self._in_thread(lambda: self._transact(work))

    async def clean(self) -> None:
        """Leave in the journal nothing of rows that are gone."""

        def work() -> None:
            if self._connection is not None:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

        await self._in_thread(work)

    async def close(self) -> None:
        """Finish what was begun and close the file."""
        await self._in_thread(self._close)
        self._thread.shutdown()

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.Error as error:
            raise _storage_error(error, self.path) from error

    def _open(self) -> None:
        connection = sqlite3.connect(
            self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
        )
        self.path.chmod(0o600)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
            connection.execute(f"PRAGMA {pragma}")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, _VERSION):
            connection.close()
            raise StorageError(
                Code.FOREIGN_DATA,
                f"expected {self.path} to be of version {_VERSION}, it is of version {version}; use the program that made it",
            )
        for schema in self._schemas:
            connection.executescript(schema)
        connection.execute(f"PRAGMA user_version = {_VERSION}")
        self._connection = connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _transact(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        connection = self._connection
        if connection is None:
            raise UnavailableError(Code.UNAVAILABLE, "expected the gateway's store to be open, it is not yet")
        connection.execute("BEGIN IMMEDIATE")
        try:
            answer = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return answer


def _storage_error(error: sqlite3.Error, path: Path) -> CustodyError:
    name = getattr(error, "sqlite_errorname", "")
    code = next(
        (
            code
            for prefix, code in (
                ("SQLITE_FULL", Code.DISK_FULL),
                ("SQLITE_BUSY", Code.LOCKED),
                ("SQLITE_LOCKED", Code.LOCKED),
            )
            if name.startswith(prefix)
        ),
        Code.DAMAGED,
    )
    return StorageError(code, f"expected to read and write {path}: {error}")
