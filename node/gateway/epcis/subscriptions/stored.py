"""Webhooks and how far they are, in `index/gateway.db`: what was asked, the feed's progress, and what the receiver last said.

A row is written before a delivery is first sent, so that its number means the same after a crash, and after it was taken. Between
the two a crash costs a repetition.
"""

from __future__ import annotations

import json
import sqlite3
from enum import StrEnum
from typing import Any, Final, NamedTuple

from ledger.base.errors import Code, UnavailableError
from node.gateway.epcis.store import LocalStore
from node.gateway.epcis.subscriptions.asked import Terms
from node.gateway.epcis.subscriptions.feed import Progress

SUBSCRIPTIONS: Final = 1_000
"""At one gateway."""
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS subscriptions (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL UNIQUE,
    query_name TEXT NOT NULL REFERENCES named_queries (name) ON DELETE CASCADE,
    created_ms INTEGER NOT NULL,
    asked      TEXT NOT NULL,
    progress   TEXT NOT NULL,
    standing   TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS subscriptions_by_query ON subscriptions (query_name, number);
"""
_COLUMNS: Final = "number, id, query_name, created_ms, asked, progress, standing"


class State(StrEnum):
    """How a webhook is doing."""

    ACTIVE = "active"
    FAILING = "failing"
    DEAD = "dead"


class Standing(NamedTuple):
    """What the receiver made of it."""

    state: State = State.ACTIVE
    failures: int = 0
    """In a row."""
    failing_since_ms: int | None = None
    next_attempt_ms: int | None = None
    last_error: str | None = None
    notified_ms: int | None = None
    """When a delivery was last taken."""
    delivered: int = 0
    """Deliveries taken."""


class Webhook(NamedTuple):
    """A webhook subscription, whole."""

    number: int
    id: str
    query_name: str
    created_ms: int
    dest: str
    secret: str | None
    terms: Terms
    progress: Progress
    standing: Standing


class WebhookStore:
    """The rows."""

    def __init__(self, store: LocalStore) -> None:
        self._store = store

    async def add(self, webhook: Webhook) -> Webhook:
        """Keep a new one, answered with its number. UnavailableError overloaded where there are too many; not_found where its
        query was deleted meanwhile.
        """

        def insert(connection: sqlite3.Connection) -> Webhook:
            name = (webhook.query_name,)
            if connection.execute("SELECT 1 FROM named_queries WHERE name = ?", name).fetchone() is None:
                raise UnavailableError(
                    Code.NOT_FOUND, "expected a query that is kept here, it was deleted; give it a name again"
                )
            (count,) = connection.execute("SELECT count(*) FROM subscriptions").fetchone()
            if count >= SUBSCRIPTIONS:
                raise UnavailableError(
                    Code.OVERLOADED,
                    f"expected at most {SUBSCRIPTIONS} subscriptions at this gateway, end another one",
                )
            cursor = connection.execute(
                "INSERT INTO subscriptions (id, query_name, created_ms, asked, progress, standing) VALUES (?,?,?,?,?,?)",
                (
                    webhook.id,
                    webhook.query_name,
                    webhook.created_ms,
                    json.dumps([webhook.dest, webhook.secret, webhook.terms]),
                    json.dumps(webhook.progress),
                    json.dumps(webhook.standing),
                ),
            )
            return webhook._replace(number=int(cursor.lastrowid or 0))

        return await self._store.run(insert)

    async def save(self, webhook: Webhook) -> None:
        """Keep how far it is; nothing if it was ended meanwhile."""
        row = (json.dumps(webhook.progress), json.dumps(webhook.standing), webhook.id)
        await self._store.run(
            lambda connection: connection.execute(
                "UPDATE subscriptions SET progress = ?, standing = ? WHERE id = ?", row
            )
        )

    async def remove(self, subscription_id: str) -> None:
        """End one."""
        await self._store.run(
            lambda connection: connection.execute(
                "DELETE FROM subscriptions WHERE id = ?", (subscription_id,)
            )
        )

    async def all(self) -> list[Webhook]:
        """All of them, the oldest first."""
        rows = await self._store.run(
            lambda connection: connection.execute(
                f"SELECT {_COLUMNS} FROM subscriptions ORDER BY number"  # noqa: S608 - fixed names
            ).fetchall()
        )
        return [_webhook(row) for row in rows]


def _webhook(row: tuple[Any, ...]) -> Webhook:
    number, subscription_id, query_name, created_ms, asked, progress, standing = row
    dest, secret, terms = json.loads(asked)
    state, *others = json.loads(standing)
    return Webhook(
        number, subscription_id, query_name, created_ms, dest, secret, Terms(*terms), Progress(*json.loads(progress)),
        Standing(State(state), *others),
    )  # fmt: skip
