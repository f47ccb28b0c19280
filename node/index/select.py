"""A query as SQL, one statement for SQLite and PostgreSQL alike (EPCIS.md, Index).

Where some condition is met by few events those are found first and the rest is looked up for them; else events are walked in
the order asked for, each looked up until enough are found. Which it is, is measured on the facets themselves just before:
statistics of a database are made on another day, and the difference is a thousandfold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, exists, false, func, literal, or_, select
from sqlalchemy.engine import Connection

from node.index.query import (
    EVENT_TIME,
    RECORD_TIME,
    Bound,
    Comparison,
    Condition,
    EventQuery,
    Exists,
    Matches,
    Pattern,
    TimeBound,
)
from node.index.reading import hash_in
from node.index.tables import events, facets

FEW: Final = 20_000
"""A condition met by fewer facets than this is looked up first."""
_LAST: Final = "\U0010ffff"
"""Above every character that a key holds."""

FieldsOf = Callable[[Iterable[str]], list[int]]


def matching(query: EventQuery, fields_of: FieldsOf, connection: Connection) -> ColumnElement[bool]:
    """The events that a query asks for, as a condition on `events`."""
    parts: list[ColumnElement[bool]] = [_time(bound) for bound in query.times]
    parts += [_identified(ids) for ids in query.ids]
    sized = []
    for condition in query.conditions:
        wanted = _facets(condition, fields_of(condition.facets))
        if wanted is None:
            return false()
        sized.append((0 if query.ids else _size(wanted, connection), wanted))
    fewest = min((size for size, _ in sized), default=FEW)
    for size, wanted in sized:
        if size == fewest and 0 < fewest < FEW:
            parts.append(events.c.sequence.in_(select(facets.c.sequence).where(wanted)))
            fewest = -1
        else:
            parts.append(exists().where(wanted, facets.c.sequence == events.c.sequence))
    return and_(*parts) if parts else literal(value=True)


def _size(wanted: ColumnElement[bool], connection: Connection) -> int:
    counted = select(facets.c.sequence).where(wanted).limit(FEW).subquery()
    return int(connection.execute(select(func.count()).select_from(counted)).scalar_one())


def _facets(condition: Condition, fields: list[int]) -> ColumnElement[bool] | None:
    """The facets that meet a condition; None where none can."""
    if not fields:
        return None
    field = facets.c.field == fields[0] if len(fields) == 1 else facets.c.field.in_(fields)
    test = condition.test
    if isinstance(test, Exists):
        return field
    if isinstance(test, Bound):
        return and_(field, _bound(test))
    alternatives = [_pattern(pattern) for pattern in test.patterns] if isinstance(test, Matches) else []
    if test.keys:
        keys = facets.c.key
        alternatives.append(keys == test.keys[0] if len(test.keys) == 1 else keys.in_(test.keys))
    return and_(field, or_(*alternatives)) if alternatives else None


def _bound(bound: Bound) -> ColumnElement[bool]:
    key = facets.c.key
    at = bound.kind + bound.key
    end = bound.kind + _LAST
    match bound.comparison:
        case Comparison.GREATER:
            return and_(key > at, key < end)
        case Comparison.AT_LEAST:
            return and_(key >= at, key < end)
        case Comparison.LESS:
            return and_(key >= bound.kind, key < at)
        case Comparison.AT_MOST:
            return and_(key >= bound.kind, key <= at)


def _pattern(pattern: Pattern) -> ColumnElement[bool]:
    key = facets.c.key
    begins = or_(*(and_(key >= text, key < text + _LAST) for text in pattern.beginnings))
    if not pattern.infix:
        return begins
    return and_(begins, func.substr(key, pattern.at + 1, len(pattern.infix)) == pattern.infix)


def _identified(ids: tuple[str, ...]) -> ColumnElement[bool]:
    hashes = [digest for text in ids if (digest := hash_in(text)) is not None]
    by_id = events.c.event_id.in_(ids)
    return or_(by_id, events.c.event_hash.in_(hashes)) if hashes else by_id


def _time(bound: TimeBound) -> ColumnElement[bool]:
    column = events.c.event_time_ms if bound.field == EVENT_TIME else events.c.record_time_ms
    match bound.comparison:
        case Comparison.GREATER:
            return column > bound.at_ms
        case Comparison.AT_LEAST:
            return column >= bound.at_ms
        case Comparison.LESS:
            return column < bound.at_ms
        case Comparison.AT_MOST:
            return column <= bound.at_ms


def ordered(
    condition: ColumnElement[bool],
    query: EventQuery,
    fields_of: FieldsOf,
    after: tuple[int | str | None, int] | None,
) -> Select[Any]:
    """(sequence, sort value) of the events under a condition in the query's order, after the one with this value and sequence.

    Only these two are sorted, never whole events.

    Ties are ordered by sequence, so every event has its one place. Events without the value come last in either direction.
    """
    statement = select(events.c.sequence).where(condition)
    order = query.order
    if order is None or order.field == RECORD_TIME:  # block times never fall, so this is the same order
        sequence = events.c.sequence
        is_descending = order is not None and order.is_descending
        statement = statement.add_columns(literal(None))
        if after is not None:
            statement = statement.where(sequence < after[1] if is_descending else sequence > after[1])
        return statement.order_by(sequence.desc() if is_descending else sequence)
    value: Any = events.c.event_time_ms if order.field == EVENT_TIME else _least(order.field, fields_of)
    return _sorted(statement, value, after, is_descending=order.is_descending)


def _least(facet: str, fields_of: FieldsOf) -> Any:
    """The least value that an event has of a facet; what is only there (`facets.HAS`) has none."""
    one = facets.alias("sorting")
    return (
        select(func.min(one.c.key))
        .where(one.c.field.in_(fields_of((facet,))), one.c.sequence == events.c.sequence, one.c.key >= "1")
        .scalar_subquery()
    )


def _sorted(
    statement: Select[Any], value: Any, after: tuple[int | str | None, int] | None, *, is_descending: bool
) -> Select[Any]:
    sequence = events.c.sequence
    if after is not None:
        last, at = after
        later = sequence < at if is_descending else sequence > at
        if last is None:
            statement = statement.where(value.is_(None), later)
        else:
            beyond = value < last if is_descending else value > last
            statement = statement.where(or_(beyond, and_(value == last, later), value.is_(None)))
    orders = (value.desc(), sequence.desc()) if is_descending else (value, sequence)
    nulls = () if value is events.c.event_time_ms else (value.is_(None),)
    return statement.add_columns(value).order_by(*nulls, *orders)
