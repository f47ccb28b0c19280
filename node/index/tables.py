"""The tables of the index, the same in SQLite and PostgreSQL (EPCIS.md, Index).

    position   one row: which chain, and up to which block everything below is what that chain says; its `generation` is
               drawn when an index is begun, so that whoever remembers numbers of names notices that it was made again
    contexts   each @context once
    events     one row per event in the order of the ledger
    fields     a number for each facet's name
    facets     (field, key, sequence): which events have which value; and by (sequence, field): which values an event has

Keys and names compare by bytes. All else that a query needs can be read off these without looking into an event.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    create_engine,
    event,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import QueuePool, SingletonThreadPool

from ledger.base.errors import Code, FormError, StorageError

SCHEMA_VERSION: Final = 3
SQLITE_CACHE_KIB: Final = 65_536
SQLITE_PAGE_BYTES: Final = 16_384
"""Four times SQLite's own: a fifth less work to write an event, whose facets lie scattered over the trees."""
SQLITE_JOURNAL_PAGES: Final = 2_000
"""How long the journal gets before it is copied into the file: pages written again meanwhile are copied once."""
READERS: Final = 8
_STEPS: Final = 20_000
"""Of SQLite's machine between two looks at the clock: a millisecond or so."""

_metadata: Final = MetaData()
_KEY: Final = Text().with_variant(Text(collation="C"), "postgresql")
_NUMBER: Final = BigInteger().with_variant(Integer, "sqlite")

position: Final = Table(
    "custody_position",
    _metadata,
    Column("one", SmallInteger, primary_key=True, autoincrement=False),
    Column("schema_version", SmallInteger, nullable=False),
    Column("network", LargeBinary, nullable=False),
    Column("generation", LargeBinary, nullable=False),
    Column("height", _NUMBER, nullable=False),
    Column("header_hash", LargeBinary, nullable=False),
    Column("outcome_hash", LargeBinary, nullable=False),
    Column("time_ms", _NUMBER, nullable=False),
    Column("sequence", _NUMBER, nullable=False),
)
contexts: Final = Table(
    "custody_contexts",
    _metadata,
    Column("id", _NUMBER, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("context", LargeBinary, nullable=False),
)
events: Final = Table(
    "custody_events",
    _metadata,
    Column("sequence", _NUMBER, primary_key=True, autoincrement=False),
    Column("event_hash", LargeBinary, nullable=False),
    Column("event_id", _KEY, nullable=False),
    Column("is_derived", Boolean, nullable=False),
    Column("transaction", LargeBinary, nullable=False),
    Column("place", Integer, nullable=False),
    Column("height", _NUMBER, nullable=False),
    Column("record_time_ms", _NUMBER, nullable=False),
    Column("event_time_ms", _NUMBER, nullable=False),
    Column("organisation", _KEY, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("outcomes", LargeBinary, nullable=False),
    Column("item", LargeBinary, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("context", _NUMBER, nullable=True),
    Column("event", LargeBinary, nullable=True),
)
fields: Final = Table(
    "custody_fields",
    _metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", _KEY, nullable=False, unique=True),
)
facets: Final = Table(
    "custody_facets",
    _metadata,
    Column("field", Integer, primary_key=True, autoincrement=False),
    Column("key", _KEY, primary_key=True),
    Column("sequence", _NUMBER, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
Index("custody_facets_of_event", facets.c.sequence, facets.c.field)
Index("custody_events_hash", events.c.event_hash)
Index("custody_events_id", events.c.event_id)
Index("custody_events_event_time", events.c.event_time_ms, events.c.sequence)
Index("custody_events_record_time", events.c.record_time_ms)
Index(
    "custody_events_incomplete",
    events.c.state,
    sqlite_where=events.c.state != 0,
    postgresql_where=events.c.state != 0,
)


def open_engine(url: str) -> Engine:
    """An engine for `sqlite:///file` or `postgresql://...`. FormError usage for another URL; StorageError without a driver."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise FormError(Code.USAGE, f"index.url: expected a database URL, got {url[:64]!a}") from None
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed)
    if parsed.get_backend_name() != "postgresql":
        raise FormError(
            Code.USAGE, f"index.url: expected sqlite:///file or postgresql://..., got {parsed.drivername}"
        )
    try:
        return create_engine(
            parsed.set(drivername="postgresql+psycopg"), pool_size=READERS, pool_pre_ping=True
        )
    except ImportError:
        raise StorageError(
            Code.USAGE, "expected the PostgreSQL driver for this index.url; install custody-ledger[postgres]"
        ) from None


def _sqlite(url: URL) -> Engine:
    is_memory = url.database in (None, "", ":memory:")
    if not is_memory:
        _make_private(Path(url.database or ""))
    engine = create_engine(
        url,
        poolclass=SingletonThreadPool if is_memory else QueuePool,
        connect_args={"check_same_thread": False, "timeout": 30.0},
    )

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _record: Any) -> None:
        connection.isolation_level = (
            None  # transactions begin where the code says so, not where the driver guesses
        )
        cursor = connection.cursor()
        for setting in (
            f"page_size = {SQLITE_PAGE_BYTES}",  # of a file that is made now
            "journal_mode = WAL",
            f"wal_autocheckpoint = {SQLITE_JOURNAL_PAGES}",
            "synchronous = NORMAL",  # a crash of the machine may lose the last blocks, which come again, never more
            f"cache_size = -{SQLITE_CACHE_KIB}",
            "mmap_size = 1073741824",
            "secure_delete = ON",  # what is erased is overwritten
            "temp_store = MEMORY",
            "trusted_schema = OFF",
        ):
            cursor.execute(f"PRAGMA {setting}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))

    return engine


def _make_private(path: Path) -> None:
    """A file, made now if there is none, that only its owner may read, with its journal: SQLite makes that like the file."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
            with suppress(FileNotFoundError):
                path.with_name(name).chmod(0o600)
    except OSError as error:
        raise StorageError(Code.UNAVAILABLE, f"expected to read and write {path}: {error.strerror}") from None


@contextmanager
def within(connection: Connection, seconds: float) -> Iterator[None]:
    """Interrupt what a transaction still does after so many seconds (`is_interrupted`)."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {max(1, round(1_000 * seconds))}")
        yield
        return
    raw: Any = connection.connection.driver_connection
    until = time.monotonic() + seconds
    raw.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
    try:
        yield
    finally:
        raw.set_progress_handler(None, 0)


def is_interrupted(error: DBAPIError) -> bool:
    """Whether `within` ended a statement."""
    return getattr(error.orig, "sqlite_errorname", getattr(error.orig, "sqlstate", "")) in (
        "SQLITE_INTERRUPT",
        "57014",
    )


def create_tables(connection: Connection) -> None:
    """Create what is not there yet."""
    _metadata.create_all(connection)


def drop_tables(connection: Connection) -> None:
    """Remove everything."""
    _metadata.drop_all(connection)
