"""A query as SQL, one statement for SQLite and PostgreSQL alike (EPCIS.md, Index).

Where some condition is met by few events those are found first and the rest is looked up for them; else events are walked in
the order asked for, each looked up until enough are found. Which it is, is measured on the facets themselves just before:
statistics of a database are made on another day, and the difference is a thousandfold. Facets of one name and key lie in the
order of the ledger already, so in that order they are walked and never sorted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, FromClause, Select, and_, exists, false, func, literal, or_, select
from sqlalchemy.engine import Connection

from node.index.query import (
    EVENT_TIME,
    RECORD_TIME,
    AnyOf,
    Bound,
    Comparison,
    Condition,
    EventQuery,
    Exists,
    Matches,
    Order,
    Pattern,
    TimeBound,
)
from node.index.reading import hash_in
from node.index.tables import events, facets
from node.index.values import text_key

FEW: Final = 20_000
"""A condition met by fewer facets than this is looked up first."""
MANY: Final = 200_000
"""So is one of several that is met by fewer than this: what the others leave of it may be little or nothing."""
WALKED: Final = 2_000
"""So few events are walked without asking."""
_LAST: Final = "\U0010ffff"
"""Above every character that a key holds."""

After = tuple[int | str | None, int] | None
FieldsOf = Callable[[Iterable[str]], list[int]]
_ahead: Final = facets.alias("ahead")


class Plan(NamedTuple):
    """How the events that a query asks for are found."""

    condition: ColumnElement[bool]
    """On `events`: they, all of them and no others; with `ahead`, what of the facets ahead it takes besides."""
    ahead: ColumnElement[bool] | None = None
    """On `_ahead`: facets of one name and key, which lie in the order of the ledger and are walked in it."""

    def counted(self) -> Select[Any]:
        """Their sequences, in any order."""
        return _begun(self).where(self.condition)


def planned(query: EventQuery, bound: int, after: After, fields_of: FieldsOf, connection: Connection) -> Plan:
    """How the events of a query are found, among those up to sequence `bound` and after the one with `after`'s sort value."""
    parts: list[ColumnElement[bool]] = [events.c.sequence <= bound]
    parts += [_time(one) for one in query.times]
    parts += [_identified(ids) for ids in query.ids]
    conditions = [(one, fields_of(one.facets)) for one in query.conditions]
    if not all(_is_possible(one, fields) for one, fields in conditions):
        return Plan(false())
    first, size = _first(query, conditions, _left(query.order, bound, after), connection)
    if size == 0:
        return Plan(false())
    parts += [
        exists().where(_facets(facets, *one), facets.c.sequence == events.c.sequence)
        for one in conditions
        if one is not first
    ]
    if first is None:
        return Plan(and_(*parts))
    if _is_ordered(*first) and _is_of_ledger(query.order):
        return Plan(and_(*parts, _ahead.c.sequence <= bound), _facets(_ahead, *first))
    wanted = _facets(facets, *first)
    if size < FEW or (size < MANY and len(conditions) > 1):
        parts.append(events.c.sequence.in_(select(facets.c.sequence).where(wanted)))
    else:
        parts.append(exists().where(wanted, facets.c.sequence == events.c.sequence))
    return Plan(and_(*parts))


_Wanted = tuple[Condition, list[int]]


def _first(
    query: EventQuery, conditions: list[_Wanted], left: int, connection: Connection
) -> tuple[_Wanted | None, int]:
    """The condition to begin with, None where events are looked at in turn; and by how many facets it is met."""
    if len(conditions) == 1 and _is_ordered(*conditions[0]) and _is_of_ledger(query.order):
        return conditions[0], FEW
    if query.ids or left <= WALKED:
        return None, FEW
    return _smallest(conditions, connection)


def _smallest(conditions: list[_Wanted], connection: Connection) -> tuple[_Wanted | None, int]:
    """The condition that is met by the fewest facets, and by how many, MANY at most."""
    found: tuple[_Wanted | None, int] = (None, FEW)
    for most in (FEW, MANY):
        sizes = [_size(one, most, connection) for one in conditions]
        if sizes:
            found = conditions[sizes.index(min(sizes))], min(sizes)
        if found[1] < most or len(conditions) < 2:
            break
    return found


def _size(wanted: _Wanted, most: int, connection: Connection) -> int:
    counted = select(facets.c.sequence).where(_facets(facets, *wanted)).limit(most).subquery()
    return int(connection.execute(select(func.count()).select_from(counted)).scalar_one())


def _is_possible(condition: Condition, fields: list[int]) -> bool:
    test = condition.test
    if isinstance(test, Matches):
        return bool(fields and (test.keys or test.patterns))
    return bool(fields and (not isinstance(test, AnyOf) or test.keys))


def _is_ordered(condition: Condition, fields: list[int]) -> bool:
    """Whether the facets that meet it lie in the order of the ledger: one name, one key."""
    test = condition.test
    is_plain = isinstance(test, AnyOf) or (isinstance(test, Matches) and not test.patterns)
    return is_plain and len(fields) == 1 and len(test.keys) == 1  # type: ignore[union-attr]


def _left(order: Order | None, bound: int, after: After) -> int:
    """How many events there are at most for the pages that are left."""
    if after is None or not _is_of_ledger(order):
        return bound
    return after[1] if order is not None and order.is_descending else bound - after[1]


def _is_of_ledger(order: Order | None) -> bool:
    return order is None or order.field == RECORD_TIME  # block times never fall, so these are the same order


def _facets(table: FromClause, condition: Condition, fields: list[int]) -> ColumnElement[bool]:
    """The facets that meet a condition that `_is_possible`."""
    field, key = table.c.field, table.c.key
    named = field == fields[0] if len(fields) == 1 else field.in_(fields)
    test = condition.test
    if isinstance(test, Exists):
        return named
    if isinstance(test, Bound):
        return and_(named, _bound(key, test))
    alternatives = [_pattern(key, pattern) for pattern in test.patterns] if isinstance(test, Matches) else []
    if test.keys:
        alternatives.append(key == test.keys[0] if len(test.keys) == 1 else key.in_(test.keys))
    return and_(named, or_(*alternatives))


def _bound(key: ColumnElement[str], bound: Bound) -> ColumnElement[bool]:
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


def _pattern(key: ColumnElement[str], pattern: Pattern) -> ColumnElement[bool]:
    begins = or_(*(and_(key >= text, key < text + _LAST) for text in pattern.beginnings))
    if not pattern.infix:
        return begins
    return and_(begins, func.substr(key, pattern.at + 1, len(pattern.infix)) == pattern.infix)


def _identified(ids: tuple[str, ...]) -> ColumnElement[bool]:
    hashes = [digest for text in ids if (digest := hash_in(text)) is not None]
    by_id = events.c.event_id.in_([text_key(text) for text in ids])
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


def ordered(plan: Plan, query: EventQuery, after: After, fields_of: FieldsOf) -> Select[Any]:
    """(sequence, sort value) of the events of a plan in the query's order, after the one with this value and sequence.

    Only these two are sorted, never whole events. Ties are ordered by sequence, so every event has its one place. Events without
    the value come last in either direction.
    """
    statement = _begun(plan).where(plan.condition)
    order = query.order
    if order is None or _is_of_ledger(order):
        sequence = events.c.sequence if plan.ahead is None else _ahead.c.sequence
        is_descending = order is not None and order.is_descending
        statement = statement.add_columns(literal(None))
        if after is not None:
            statement = statement.where(sequence < after[1] if is_descending else sequence > after[1])
        return statement.order_by(sequence.desc() if is_descending else sequence)
    value: Any = events.c.event_time_ms if order.field == EVENT_TIME else _least(order.field, fields_of)
    return _sorted(statement, value, after, is_descending=order.is_descending)


def _begun(plan: Plan) -> Select[Any]:
    if plan.ahead is None:
        return select(events.c.sequence)
    joined = _ahead.join(events, _ahead.c.sequence == events.c.sequence)
    return select(_ahead.c.sequence).select_from(joined).where(plan.ahead)


def _least(facet: str, fields_of: FieldsOf) -> Any:
    """The least value that an event has of a facet; what is only there (`facets.HAS`) has none."""
    one = facets.alias("sorting")
    return (
        select(func.min(one.c.key))
        .where(one.c.field.in_(fields_of((facet,))), one.c.sequence == events.c.sequence, one.c.key >= "1")
        .scalar_subquery()
    )


def _sorted(statement: Select[Any], value: Any, after: After, *, is_descending: bool) -> Select[Any]:
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
