"""Events as the index keeps them, and how they are read out of it (EPCIS.md, Index)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Row, Select, null, select

from ledger.base.encoding import decode
from ledger.base.limits import TRANSACTION_BYTES
from ledger.chain.transaction import Item, item_from_wire
from ledger.trade.rules import is_applied
from ledger.trade.statement import Action
from node.index.reading import State
from node.index.tables import contexts, events

_AT_ONCE: Final = 500
_OUTCOMES_BYTES: Final = 64_000
_COLUMNS: Final = (
    *(column for column in events.columns if column.name not in ("context", "event")),
    contexts.c.context,
    events.c.event,
)


class Position(NamedTuple):
    """Up to which block the index has followed the chain."""

    height: int
    header_hash: bytes
    time_ms: int
    outcome_hash: bytes
    sequence: int
    """How many events there are up to there."""


class IndexedEvent(NamedTuple):
    """One event on the ledger: applied or only recorded, never a refused one."""

    sequence: int
    """Its place among all events of the ledger, from 1."""
    event_hash: bytes
    event_id: str
    """The author's eventID (`values.text_key`), else `urn:custody:event:<event hash>`."""
    is_derived: bool
    """Whether the eventID is the latter."""
    transaction: bytes
    place: int
    """Of its item in the transaction."""
    height: int
    record_time_ms: int
    """Block time."""
    event_time_ms: int
    organisation: str
    public_key: bytes
    outcomes: tuple[int, ...]
    """What the rules made of it: one code per leg."""
    extract_item: bytes
    """The item on the ledger, encoded."""
    state: State
    context: bytes | None
    event: bytes | None
    """The author's bytes, None unless SHOWN."""

    @property
    def item(self) -> Item:
        """The item on the ledger: statement, subjects, and what the author's bytes hash to."""
        return item_from_wire(decode(self.extract_item, max_bytes=TRANSACTION_BYTES))

    @property
    def is_applied(self) -> bool:
        """Whether it changed custody in all it says; else it is, in part or whole, only recorded."""
        return all(is_applied(code) for code in self.outcomes)

    @property
    def is_correction(self) -> bool:
        """Whether it declares another event to be in error."""
        return self.item.statement.action == Action.CORRECT

    @property
    def cites(self) -> bytes | None:
        """The event hash that it names: of the event in error, or of the one ruled upon."""
        return self.item.statement.cites


def whole_events() -> Select[Any]:
    """A statement for whole events, to be restricted and given to `stored_events`."""
    return select(*_COLUMNS).outerjoin(contexts, events.c.context == contexts.c.id)


def events_without_bytes() -> Select[Any]:
    """The same with nobody's bytes: of events that are only counted and named, however large they are."""
    kept = _COLUMNS[:-2]  # less context and event
    return select(*kept, null().label("context"), null().label("event"))


def stored_events(connection: Connection, statement: Select[Any]) -> list[IndexedEvent]:
    """The events of a statement (`whole_events`)."""
    return [_event(row) for row in connection.execute(statement).all()]


def events_in_order(connection: Connection, sequences: Sequence[int]) -> tuple[IndexedEvent, ...]:
    """The events with these numbers, in this order."""
    found: dict[int, IndexedEvent] = {}
    for start in range(0, len(sequences), _AT_ONCE):
        statement = whole_events().where(events.c.sequence.in_(sequences[start : start + _AT_ONCE]))
        found |= {one.sequence: one for one in stored_events(connection, statement)}
    return tuple(found[sequence] for sequence in sequences)


def _event(row: Row[Any]) -> IndexedEvent:
    return IndexedEvent(
        row.sequence,
        bytes(row.event_hash),
        row.event_id,
        bool(row.is_derived),
        bytes(row.transaction),
        row.place,
        row.height,
        row.record_time_ms,
        row.event_time_ms,
        row.organisation,
        bytes(row.public_key),
        tuple(decode(bytes(row.outcomes), max_bytes=_OUTCOMES_BYTES)),
        bytes(row.item),
        State(row.state),
        None if row.context is None else bytes(row.context),
        None if row.event is None else bytes(row.event),
    )
