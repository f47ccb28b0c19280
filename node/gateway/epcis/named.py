"""Named queries (EPCIS.md "Query"; EPCIS 2.0 §12.6): kept at this gateway, never changed, gone only when deleted.

A query is judged when it is given, so one that is kept can always be asked. Its definition is answered as it came. Deleting it
ends what stands on it: `deleted` is told, and rows of others that refer to it go with it.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ledger.base.errors import Code, FormError
from ledger.base.limits import CONTEXT_BYTES
from ledger.trade.slices import parse
from node.gateway.epcis.documents import written
from node.gateway.epcis.problems import EpcisError, Exceptional
from node.gateway.epcis.store import LocalStore
from node.index.parameters import query_from_json
from node.index.query import EventQuery

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS named_queries (
    name TEXT PRIMARY KEY,
    definition BLOB NOT NULL,
    created_ms INTEGER NOT NULL
) WITHOUT ROWID;
"""
"""`definition`: the `query` of the request's body, JSON."""
NAME_CHARACTERS: Final = 128
QUERIES_MOST: Final = 10_000
_BODY_BYTES: Final = CONTEXT_BYTES


class NamedQuery(NamedTuple):
    """One that is kept."""

    name: str
    definition: bytes

    @property
    def query(self) -> EventQuery:
        """What it asks for."""
        return query_from_json(parse(self.definition, _BODY_BYTES))

    def shown(self) -> dict[str, Any]:
        """As it is answered."""
        return {"name": self.name, "query": parse(self.definition, _BODY_BYTES)}


class NamedQueries:
    """Those that are kept at this gateway."""

    def __init__(self, store: LocalStore) -> None:
        self._store = store
        self.deleted: list[Callable[[str], None]] = []
        """Told the name of a query that was deleted."""

    async def add(self, query: NamedQuery) -> None:
        """Keep a new one. EpcisError (ResourceAlreadyExistsException, QueryTooComplexException where there are too many)."""

        def work(connection: sqlite3.Connection) -> str:
            (count,) = connection.execute("SELECT count(*) FROM named_queries").fetchone()
            known = connection.execute("SELECT 1 FROM named_queries WHERE name = ?", (query.name,)).fetchone()
            if known is None and count < QUERIES_MOST:
                connection.execute(
                    "INSERT INTO named_queries VALUES (?, ?, ?)",
                    (query.name, query.definition, int(time.time() * 1_000)),
                )
                return ""
            return "known" if known is not None else "full"

        came = await self._store.run(work)
        if came == "known":
            raise EpcisError(
                Exceptional.ALREADY_EXISTS,
                Code.REPEATED,
                f"expected a new name, there is a query {query.name!a}; delete it first, or choose another",
            )
        if came:
            raise EpcisError(
                Exceptional.QUERY_TOO_COMPLEX,
                Code.LIMIT,
                f"expected at most {QUERIES_MOST} named queries at a gateway; delete some",
            )

    async def get(self, name: str) -> NamedQuery:
        """The query of that name. EpcisError (NoSuchNameException)."""
        statement = "SELECT name, definition FROM named_queries WHERE name = ?"
        row = await self._store.run(lambda connection: connection.execute(statement, (name,)).fetchone())
        if row is None:
            raise _unknown(name)
        return NamedQuery(*row)

    async def after(self, name: str, most: int) -> list[NamedQuery]:
        """Up to `most` of them, by name, after `name`."""
        statement = "SELECT name, definition FROM named_queries WHERE name > ? ORDER BY name LIMIT ?"
        rows = await self._store.run(
            lambda connection: connection.execute(statement, (name, most)).fetchall()
        )
        return [NamedQuery(*row) for row in rows]

    async def delete(self, name: str) -> None:
        """Delete one, and end what stands on it. EpcisError (NoSuchNameException)."""
        statement = "DELETE FROM named_queries WHERE name = ?"
        count = await self._store.run(lambda connection: connection.execute(statement, (name,)).rowcount)
        if not count:
            raise _unknown(name)
        for listener in self.deleted:
            listener(name)


def definition_of(body: bytes) -> NamedQuery:
    """The query that a request's body defines. EpcisError (QueryValidationException, QueryParameterException)."""
    try:
        value = parse(body.strip(b" \t\r\n"), _BODY_BYTES)
    except FormError as error:
        raise _invalid(error.message) from None
    if type(value) is not dict or not {"name", "query"} <= set(value) <= {"name", "query", "@context"}:
        raise _invalid('expected {"name": ..., "query": {...}}, got ' + f"{body[:60]!a}")
    name, query = value["name"], value["query"]
    if type(name) is not str or not 1 <= len(name) <= NAME_CHARACTERS or not name.isprintable():
        raise _invalid(f"name: expected 1 to {NAME_CHARACTERS} printable characters, got {f'{name!a}'[:60]}")
    if type(query) is not dict:
        raise _invalid(f"query: expected an object of query parameters, got {f'{query!a}'[:60]}")
    if "@context" in value and "@context" not in query:
        query = {"@context": value["@context"], **query}
    try:
        query_from_json(query)
    except FormError as error:
        raise EpcisError(Exceptional.QUERY_PARAMETER, error.code, error.message) from None
    return NamedQuery(name, written(query))


def _invalid(message: str) -> EpcisError:
    return EpcisError(Exceptional.QUERY_VALIDATION, Code.MALFORMED, message)


def _unknown(name: str) -> EpcisError:
    return EpcisError(
        Exceptional.NO_SUCH_NAME,
        Code.NOT_FOUND,
        f"expected the name of a query that is kept here, got {name[:NAME_CHARACTERS]!a}",
    )
