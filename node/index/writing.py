"""How rows get into the tables: in bulk, with the driver's own statements (EPCIS.md, Index).

Nothing is remembered from one transaction to the next but the numbers of names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select, update

from node.index.facets import Facet
from node.index.reading import BlockEvents, Body, EventRow
from node.index.tables import contexts, events, facets, fields
from node.index.values import text_key

_CONTEXTS_REMEMBERED = 1_024


class Numbers:
    """The numbers of facet names and contexts of one generation of the index, as far as they were asked for.

    To be dropped when a transaction fails: what it gave out was never written.
    """

    def __init__(self, generation: bytes) -> None:
        self.generation = generation
        self.fields: dict[str, int] = {}
        """By name, as far as they were asked for."""
        self._contexts: dict[bytes, int] = {}

    def forget(self) -> None:
        """Ask for every number anew."""
        self.fields.clear()
        self._contexts.clear()

    def known(self, connection: Connection, names: Iterable[str]) -> list[int]:
        """The numbers of those names that any event has."""
        found = []
        for name in names:
            number = self.fields.get(name)
            if number is None:
                known = select(fields.c.id).where(fields.c.name == text_key(name))
                number = connection.execute(known).scalar()
            if number is not None:
                found.append(number)
        return found

    def field(self, connection: Connection, name: str) -> int:
        """The number of a name, given out now if it has none."""
        number = self.fields.get(name)
        if number is None:
            written = text_key(name)
            number = connection.execute(select(fields.c.id).where(fields.c.name == written)).scalar()
            if number is None:
                number = int(connection.execute(select(func.count()).select_from(fields)).scalar_one()) + 1
                connection.execute(insert(fields).values(id=number, name=written))
            self.fields[name] = number
        return number

    def context(self, connection: Connection, context: bytes | None) -> int | None:
        """The number of a context, stored now if it is new."""
        if context is None:
            return None
        digest = hashlib.sha256(context).digest()
        number = self._contexts.get(digest)
        if number is None:
            number = connection.execute(select(contexts.c.id).where(contexts.c.hash == digest)).scalar()
            if number is None:
                number = int(connection.execute(select(func.count()).select_from(contexts)).scalar_one()) + 1
                connection.execute(insert(contexts).values(id=number, hash=digest, context=context))
            if len(self._contexts) >= _CONTEXTS_REMEMBERED:
                self._contexts.clear()
            self._contexts[digest] = number
        return number


def forget_unused(connection: Connection, numbers: Numbers, names: set[str], context: bytes | None) -> None:
    """Overwrite those names of facets and that context if no event has them any more: only erased bytes said them.

    Rows stay, for numbers are given out by counting them.
    """
    for number in numbers.known(connection, sorted(names)):
        used = select(facets.c.sequence).where(facets.c.field == number).limit(1)
        if connection.execute(used).first() is None:
            connection.execute(update(fields).where(fields.c.id == number).values(name=f"\ufffd{number}"))
    place = numbers.context(connection, context)
    using = select(events.c.sequence).where(events.c.context == place).limit(1)
    if place is not None and connection.execute(using).first() is None:
        nothing = {"hash": place.to_bytes(8, "big"), "context": b""}
        connection.execute(update(contexts).where(contexts.c.id == place).values(nothing))
    numbers.forget()


def write_events(connection: Connection, numbers: Numbers, blocks: Sequence[BlockEvents], first: int) -> None:
    """Insert the events of blocks, the first of them as number `first`, with their facets."""
    sequence = first
    event_rows: list[tuple[Any, ...]] = []
    facet_rows: list[tuple[int, str, int]] = []
    for block in blocks:
        for row in block.events:
            event_rows.append(
                _event_row(row, sequence, block, numbers.context(connection, _context(row.body)))
            )
            facet_rows += _facet_rows(connection, numbers, row.facets, sequence)
            sequence += 1
    facet_rows.sort()  # neighbours in the tree are written together
    _insert(connection, events, event_rows)
    _insert(connection, facets, facet_rows)


def replace_facets(
    connection: Connection, numbers: Numbers, sequence: int, before: frozenset[Facet], after: frozenset[Facet]
) -> None:
    """Change the facets of one event; only rows that differ are touched."""
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    gone = _facet_rows(connection, numbers, before - after, sequence)
    if gone:
        command = f"DELETE FROM {facets.name} WHERE field = {mark} AND key = {mark} AND sequence = {mark}"  # noqa: S608
        connection.exec_driver_sql(command, gone)
    _insert(connection, facets, _facet_rows(connection, numbers, after - before, sequence))


def _context(body: Body | None) -> bytes | None:
    return None if body is None else body.context


def _facet_rows(
    connection: Connection, numbers: Numbers, facets_: Iterable[Facet], sequence: int
) -> list[tuple[int, str, int]]:
    known = numbers.fields
    return [
        (known[name] if name in known else numbers.field(connection, name), key, sequence)
        for name, key in facets_
    ]


def _event_row(row: EventRow, sequence: int, block: BlockEvents, context: int | None) -> tuple[Any, ...]:
    """In the order of the columns of `events`."""
    return (
        sequence,
        row.event_hash,
        row.event_id,
        row.is_derived,
        row.transaction,
        row.place,
        block.height,
        block.time_ms,
        row.event_time_ms,
        row.organisation,
        row.public_key,
        row.outcomes,
        row.item,
        int(row.state),
        context,
        None if row.body is None else row.body.event,
    )


def _insert(connection: Connection, table: Table, rows: list[tuple[Any, ...]]) -> None:
    """Insert rows, by whatever takes the driver least: a prepared statement, or COPY."""
    if not rows:
        return
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(table.columns))
        connection.exec_driver_sql(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", rows)  # noqa: S608 - names are ours
        return
    raw: Any = connection.connection.driver_connection
    with raw.cursor() as cursor, cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
