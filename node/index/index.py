"""The index itself: applying blocks in order, answering queries, and forgetting what is erased (EPCIS.md, Index).

Always: what stands in the tables is what the chain says up to `position()`, which is written in the same database transaction.
A block twice, a gap, or a block of another chain is refused and changes nothing.

Methods may be called from any thread. There is one writer; readers do not wait for it, and each reads one state of the whole.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, Self

from sqlalchemy import ColumnElement, Connection, Engine, Select, and_, func, insert, or_, select, update
from sqlalchemy.exc import DBAPIError

from ledger.base.errors import Code, StorageError
from ledger.base.hashing import ZERO_HASH
from node.index import tables
from node.index.query import EventQuery, QueryTooLargeError, too_complex, too_large
from node.index.reading import DERIVED_ID, BlockEvents, Body, Erased, State, facets_of, hash_in
from node.index.select import ordered, planned
from node.index.stored import (
    IndexedEvent,
    Position,
    events_in_order,
    events_without_bytes,
    stored_events,
    whole_events,
)
from node.index.tables import contexts, events, facets
from node.index.tables import position as position_table
from node.index.values import text_key
from node.index.writing import Numbers, forget_unused, replace_facets, write_events

__all__ = ["Answer", "Index", "IndexedEvent", "Page", "Position", "rebuild"]

RESOURCES: Final = {
    "eventTypes": ("type",),
    "epcs": ("epc", "inputEPC", "outputEPC", "parentID"),
    "bizSteps": ("bizStep",),
    "bizLocations": ("bizLocation",),
    "readPoints": ("readPoint",),
    "dispositions": ("disposition",),
}
"""Top-level resources (the REST binding's collections) and the facets whose values are their names."""
WITHIN_S: Final = 10.0
PAGE_BYTES: Final = 8_000_000
"""Of authors' bytes on one page, the context of each event counted with it; more is left to the next page."""
EVENTS_AT_ONCE: Final = 1_000
"""Events of one id that are answered at once."""
_AT_ONCE: Final = 500


class Page(NamedTuple):
    """Which part of an answer is wanted. Made for the first page, then taken from the answer before."""

    limit: int
    bound: int | None = None
    """The last sequence when the first page was made: later events belong to none of the pages."""
    after: tuple[int | str | None, int] | None = None
    """Sort value and sequence of the last event before this page."""
    answered: int = 0
    """How many events the pages before had."""


class Answer(NamedTuple):
    """One page: its events, the position it is valid at, and what to ask for the next one (None: this was the last)."""

    events: tuple[IndexedEvent, ...]
    position: Position
    next: Page | None


class Index:
    """The index over one chain in one database."""

    def __init__(self, engine: Engine, network: bytes, within_s: float) -> None:
        """Use `open`."""
        self._within_s = within_s
        self._engine = engine
        self._snapshots = engine
        if engine.dialect.name == "postgresql":
            self._snapshots = engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        self._network = network
        self._writer = threading.Lock()
        self._numbers = Numbers(b"")
        self._listeners: list[Callable[[Position], None]] = []

    @classmethod
    def open(cls, url: str, network: bytes, *, within_s: float = WITHIN_S) -> Self:
        """Open or begin the index of a network; a question may take `within_s` seconds.

        FormError usage for a URL of no known database; StorageError: unavailable, foreign_data for an index of another network
        or version.
        """
        index = cls(tables.open_engine(url), network, within_s)
        try:
            with index._transaction() as connection:
                tables.create_tables(connection)
                index._check(connection)
            index._clean_journal()
        except StorageError:
            index.close()
            raise
        return index

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _check(self, connection: Connection) -> None:
        row = connection.execute(select(position_table)).one_or_none()
        if row is None:
            start = Position(0, ZERO_HASH, 0, ZERO_HASH, 0)
            connection.execute(
                insert(position_table).values(
                    one=1,
                    schema_version=tables.SCHEMA_VERSION,
                    network=self._network,
                    generation=secrets.token_bytes(16),
                    **start._asdict(),
                )
            )
        elif bytes(row.network) != self._network or row.schema_version != tables.SCHEMA_VERSION:
            raise StorageError(
                Code.FOREIGN_DATA,
                "expected the index of this network as this version lays it out, found another; make it again with"
                " `custody node index rebuild`",
            )

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """The one writing transaction: all of it, or on any error nothing."""
        with (
            self._writer,
            _answering(),
            self._engine.connect() as connection,
            connection.execution_options(begin="BEGIN IMMEDIATE").begin(),
        ):
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[_View]:
        try:
            with self._transaction() as connection:
                yield self._view(connection, for_update=True)
        except BaseException:
            self._numbers = Numbers(b"")
            raise

    @contextmanager
    def _reading(self) -> Iterator[_View]:
        """A transaction that sees one state throughout. QueryTooComplexError when it takes longer than it may."""
        with (
            _answering(),
            self._snapshots.connect() as connection,
            connection.begin(),
            tables.within(connection, self._within_s),
        ):
            yield self._view(connection, for_update=False)

    def _view(self, connection: Connection, *, for_update: bool) -> _View:
        statement = select(position_table)
        row = connection.execute(statement.with_for_update() if for_update else statement).one()
        generation = bytes(row.generation)
        numbers = self._numbers
        if numbers.generation != generation:
            numbers = self._numbers = Numbers(generation)
        now = Position(row.height, bytes(row.header_hash), row.time_ms, bytes(row.outcome_hash), row.sequence)
        return _View(connection, now, numbers)

    def position(self) -> Position:
        """Up to which block the index has followed; height 0 and zero hashes before the first."""
        with self._reading() as view:
            return view.position

    def subscribe(self, listener: Callable[[Position], None]) -> None:
        """Call `listener` after blocks were applied, in the thread that did."""
        self._listeners.append(listener)

    # ---- writing

    def apply(self, blocks: Sequence[BlockEvents]) -> Position:
        """Take in the next blocks, all or none. StorageError diverged unless each follows on the one before."""
        with self._writing() as view:
            now = view.position
            for block in blocks:
                if block.height != now.height + 1 or (now.height and block.parent != now.header_hash):
                    raise StorageError(
                        Code.DIVERGED,
                        f"expected the block that follows block {now.height} of the index, got block {block.height}"
                        " of another chain or out of turn; make the index again with `custody node index rebuild`",
                    )
                now = Position(
                    block.height,
                    block.header_hash,
                    block.time_ms,
                    block.outcome_hash,
                    now.sequence + len(block.events),
                )
            write_events(view.connection, view.numbers, blocks, view.position.sequence + 1)
            due = [one for block in blocks for one in block.erased]
            changed = sum(self._erase_authored(view, one) for one in due)
            view.connection.execute(update(position_table).values(**now._asdict()))
        if changed:
            self._clean()
        for listener in self._listeners:
            listener(now)
        return now

    @staticmethod
    def _erase_authored(view: _View, erased: Erased) -> int:
        """Forget the bytes of an event if who erases put its hash on the ledger first; of how many items it was the event."""
        statement = whole_events().where(events.c.event_hash == erased.event_hash).order_by(events.c.sequence)
        found = list(stored_events(view.connection, statement))
        if not found or found[0].organisation != erased.organisation:
            return 0
        waiting = [one for one in found if one.state is not State.ERASED]
        for one in waiting:
            _change_one(view, one, None, State.ERASED)
        return len(waiting)

    def incomplete(self, after: int, most: int) -> list[tuple[int, bytes]]:
        """Sequence and event hash of events whose bytes may still come, in order after a sequence."""
        with self._reading() as view:
            rows = view.connection.execute(
                select(events.c.sequence, events.c.event_hash)
                .where(events.c.state.in_((State.RESTRICTED, State.MISSING)), events.c.state != 0)
                .where(events.c.sequence > after)
                .order_by(events.c.sequence)
                .limit(most)
            )
            return [(row.sequence, bytes(row.event_hash)) for row in rows]

    def count_without_bytes(self) -> int:
        """How many events have no bytes here, for whatever reason."""
        with self._reading() as view:
            counted = select(func.count()).select_from(events).where(events.c.state != 0)
            return int(view.connection.execute(counted).scalar_one())

    def fill(self, bodies: Mapping[bytes, Body]) -> int:
        """Take in bytes that came later, by event hash; how many events had waited for them. Erased ones stay erased."""
        return self._change(bodies, (State.RESTRICTED, State.MISSING), State.SHOWN)

    def are_erased(self, event_hashes: Sequence[bytes]) -> set[bytes]:
        """Those of these events that were erased."""
        found: set[bytes] = set()
        with self._reading() as view:
            for start in range(0, len(event_hashes), _AT_ONCE):
                some = event_hashes[start : start + _AT_ONCE]
                statement = select(events.c.event_hash).where(
                    events.c.event_hash.in_(some), events.c.state == int(State.ERASED)
                )
                found.update(bytes(row) for row in view.connection.execute(statement).scalars())
        return found

    def erase(self, event_hashes: Iterable[bytes]) -> int:
        """Forget the bytes of events and all that only they say; how many events had any, or waited for them."""
        bodies: dict[bytes, Body | None] = dict.fromkeys(event_hashes)
        changed = self._change(bodies, (State.SHOWN, State.RESTRICTED, State.MISSING), State.ERASED)
        if changed:
            self._clean()
        return changed

    def _clean_journal(self) -> None:
        """Once at a start, for who was killed between an erasure and `_clean`. PostgreSQL sees to its tables by itself."""
        if self._engine.dialect.name == "sqlite":
            self._clean()

    def _clean(self) -> None:
        """Remove what databases keep of rows that are gone: SQLite in its journal, PostgreSQL in the table itself."""
        commands = (
            ("PRAGMA wal_checkpoint(TRUNCATE)",)
            if self._engine.dialect.name == "sqlite"
            else tuple(f"VACUUM {table.name}" for table in (events, facets, tables.fields, contexts))
        )
        with self._writer, _answering(), self._engine.connect() as connection:
            raw = connection.execution_options(isolation_level="AUTOCOMMIT")
            for command in commands:
                raw.exec_driver_sql(command)

    def _change(self, bodies: Mapping[bytes, Body | None], of: tuple[State, ...], to: State) -> int:
        count = 0
        with self._writing() as view:
            for event_hash, body in bodies.items():
                statement = whole_events().where(events.c.event_hash == event_hash, events.c.state.in_(of))
                for one in stored_events(view.connection, statement):
                    _change_one(view, one, body, to)
                    count += 1
        return count

    # ---- asking

    def events(self, query: EventQuery, page: Page) -> Answer:
        """The events that a query asks for, one page of them. QueryTooLargeError, QueryTooComplexError."""
        with self._reading() as view:
            bound = view.position.sequence if page.bound is None else page.bound
            plan = planned(query, bound, page.after, view.known, view.connection)
            if query.max_event_count is not None and page.after is None:
                _check_count(view.connection, plan.counted(), query.max_event_count)
            limit = page.limit
            if query.event_count_limit is not None:
                limit = min(limit, query.event_count_limit - page.answered)
            statement = ordered(plan, query, page.after, view.known).limit(limit + 1)
            rows = view.connection.execute(statement).all() if limit > 0 else []
            limit = _fitting(view.connection, [row[0] for row in rows[:limit]]) if rows else limit
            shown = events_in_order(view.connection, [row[0] for row in rows[:limit]])
        answered = page.answered + len(shown)
        is_last = len(rows) <= limit or answered == query.event_count_limit
        following = (
            None if is_last else Page(page.limit, bound, (rows[limit - 1][1], rows[limit - 1][0]), answered)
        )
        return Answer(shown, view.position, following)

    def by_event_id(self, event_id: str) -> tuple[IndexedEvent, ...]:
        """All events of an id, in order: an error declaration repeats the id of what it declares to be in error.

        QueryTooLargeError where they are more than a page: anybody may use an id again.
        """
        return self.by_event_ids((event_id,), within_page=True).get(event_id, ())

    def by_event_ids(
        self, event_ids: Iterable[str], *, within_page: bool = False
    ) -> dict[str, tuple[IndexedEvent, ...]]:
        """All events of each id that any has. `urn:custody:event:<event hash>` names any event, also one with its own id.

        `within_page`: QueryTooLargeError where they are more than a page.
        """
        found: dict[str, tuple[IndexedEvent, ...]] = {}
        wanted = list(dict.fromkeys(event_ids))
        with self._reading() as view:
            for start in range(0, len(wanted), _AT_ONCE):
                some = {text_key(text): text for text in wanted[start : start + _AT_ONCE]}
                hashes = [digest for text in some if (digest := hash_in(text)) is not None]
                asked = or_(events.c.event_id.in_(some), events.c.event_hash.in_(hashes))
                if within_page:
                    _check_page(view.connection, asked)
                statement = whole_events().where(asked).order_by(events.c.sequence)
                for one in stored_events(view.connection, statement):
                    for key in {one.event_id, DERIVED_ID + one.event_hash.hex()}.intersection(some):
                        found[some[key]] = (*found.get(some[key], ()), one)
        return found

    def corrections(
        self, about: Iterable[IndexedEvent], *, with_bytes: bool = False
    ) -> dict[int, tuple[IndexedEvent, ...]]:
        """The events that declare these to be in error, by sequence: by hash, or where they name none by the same eventID.

        Anybody may make many and large ones, so their bytes are read for who shows them only, and QueryTooLargeError is raised
        where these are more than a page.

        Whether a declaration stands is in its outcomes: anybody may declare, the rules say who may.
        """
        by_hash: dict[bytes, list[IndexedEvent]] = {}
        by_id: dict[str, list[IndexedEvent]] = {}
        for one in about:
            if not one.is_correction:
                by_hash.setdefault(one.event_hash, []).append(one)
                by_id.setdefault(one.event_id, []).append(one)
        found: dict[int, dict[int, IndexedEvent]] = {}
        hashes = list(by_hash)
        with self._reading() as view:
            is_declaration = _having(view.known(("errorDeclaration",)), "")
            declares = facets.c.field.in_(view.known(("declares",)))
            for start in range(0, len(hashes), _AT_ONCE):
                some = hashes[start : start + _AT_ONCE]
                ids = {one.event_id for digest in some for one in by_hash[digest]}
                named = select(facets.c.sequence).where(
                    declares, facets.c.key.in_([digest.hex() for digest in some])
                )
                wanted = or_(
                    events.c.sequence.in_(named),
                    and_(events.c.event_id.in_(ids), events.c.sequence.in_(is_declaration)),
                )
                if with_bytes:
                    _check_page(view.connection, wanted)
                statement = (whole_events() if with_bytes else events_without_bytes()).where(wanted)
                for other in stored_events(view.connection, statement.order_by(events.c.sequence)):
                    cites = other.cites
                    wrong = by_id.get(other.event_id) if cites is None else by_hash.get(cites)
                    for one in wrong or ():
                        found.setdefault(one.sequence, {})[other.sequence] = other
        return {sequence: tuple(others.values()) for sequence, others in found.items()}

    def names(self, resource: str, after: str | None, most: int) -> list[str]:
        """The names of a top-level resource that occur, in order, after one of them. KeyError for no resource."""
        with self._reading() as view:
            numbers = view.known(RESOURCES[resource])
            found: list[str] = []
            last = after
            while len(found) < most:
                least = [_next_key(view.connection, number, last) for number in numbers]
                last = min((key for key in least if key is not None), default=None)
                if last is None:
                    break
                found.append(last)
            return found

    def is_known(self, resource: str, name: str) -> bool:
        """Whether any event has this name of a top-level resource."""
        with self._reading() as view:
            wanted = _having(view.known(RESOURCES[resource]), name).limit(1)
            return view.connection.execute(wanted).first() is not None


class _View(NamedTuple):
    """One transaction: what it stands at, and what facets are called in it."""

    connection: Connection
    position: Position
    numbers: Numbers

    def known(self, names: Iterable[str]) -> list[int]:
        return self.numbers.known(self.connection, names)


def rebuild(url: str, network: bytes) -> None:
    """Empty the index, whatever is in it, so that it is made again from the first block on. FormError, StorageError."""
    engine = tables.open_engine(url)
    try:
        with _answering(), engine.begin() as connection:
            tables.drop_tables(connection)
    finally:
        engine.dispose()
    Index.open(url, network).close()


@contextmanager
def _answering() -> Iterator[None]:
    """Turn what the database says into one of our errors."""
    try:
        yield
    except DBAPIError as error:
        if tables.is_interrupted(error):
            raise too_complex() from None
        raise StorageError(
            Code.UNAVAILABLE, f"expected the index's database to answer: {error.orig}"
        ) from error


def _fitting(connection: Connection, sequences: list[int]) -> int:
    """How many of the first of these events fit onto a page, one at least."""
    sizes: dict[int, int] = {}
    for start in range(0, len(sequences), _AT_ONCE):
        size = func.coalesce(func.length(events.c.event), 0) + func.coalesce(
            func.length(contexts.c.context), 0
        )
        statement = (
            select(events.c.sequence, size.label("size"))
            .outerjoin(contexts, events.c.context == contexts.c.id)
            .where(events.c.sequence.in_(sequences[start : start + _AT_ONCE]))
        )
        sizes |= {row.sequence: row.size for row in connection.execute(statement)}
    total = 0
    for place, sequence in enumerate(sequences):
        total += sizes[sequence]
        if total > PAGE_BYTES:
            return max(1, place)
    return len(sequences)


def _check_page(connection: Connection, wanted: ColumnElement[bool]) -> None:
    """Raise QueryTooLargeError unless the events wanted are as many, and as large, as a page may be."""
    statement = select(events.c.sequence).where(wanted).order_by(events.c.sequence).limit(EVENTS_AT_ONCE + 1)
    sequences = list(connection.execute(statement).scalars())
    if len(sequences) > EVENTS_AT_ONCE or _fitting(connection, sequences) < len(sequences):
        raise QueryTooLargeError(
            Code.TOO_LARGE,
            f"expected at most {EVENTS_AT_ONCE} events of one id and {PAGE_BYTES} bytes, there are more; "
            "ask for them page by page, as events?EQ_eventID=",
        )


def _check_count(connection: Connection, matching: Select[Any], most: int) -> None:
    counted = matching.limit(most + 1).subquery()
    if connection.execute(select(func.count()).select_from(counted)).scalar_one() > most:
        raise too_large(most)


def _change_one(view: _View, one: IndexedEvent, body: Body | None, state: State) -> None:
    before = facets_of(one.item, None if one.event is None else Body(one.context, one.event))
    after = facets_of(one.item, body)
    replace_facets(view.connection, view.numbers, one.sequence, before.facets, after.facets)
    view.connection.execute(
        update(events)
        .where(events.c.sequence == one.sequence)
        .values(
            state=int(state),
            event=None if body is None else body.event,
            context=view.numbers.context(view.connection, None if body is None else body.context),
            event_id=after.event_id or DERIVED_ID + one.event_hash.hex(),
            is_derived=after.event_id is None,
        )
    )
    if state is State.ERASED:
        gone = {name for name, _ in before.facets - after.facets}
        forget_unused(view.connection, view.numbers, gone, one.context)


def _having(numbers: list[int], key: str) -> Select[Any]:
    return select(facets.c.sequence).where(facets.c.field.in_(numbers), facets.c.key == key)


def _next_key(connection: Connection, number: int, after: str | None) -> str | None:
    statement = select(func.min(facets.c.key)).where(facets.c.field == number)
    if after is not None:
        statement = statement.where(facets.c.key > after)
    key: str | None = connection.execute(statement).scalar()
    return key
