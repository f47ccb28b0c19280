"""An EPCIS query as the index understands it (EPCIS 2.0 §8.2.7.1): typed, immutable, of no form and of no database.

Each parameter becomes one `Condition`: values of one parameter are alternatives, parameters restrict each other. A
condition holds for an event if any value of any of the named facets passes it, whatever the event's other values are.
`node.index.parameters` reads queries out of URLs and JSON.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from ledger.base.errors import Code, FormError

EVENT_TIME: Final = "eventTime"
RECORD_TIME: Final = "recordTime"


class Comparison(StrEnum):
    """How a value is compared with a bound."""

    GREATER = "GT"
    AT_LEAST = "GE"
    LESS = "LT"
    AT_MOST = "LE"


class AnyOf(NamedTuple):
    """Equal to one of these keys; none: nothing passes."""

    keys: tuple[str, ...]


class Bound(NamedTuple):
    """Compared with one key, among keys that begin with `kind` (the type's digit of an extension's values, else "")."""

    comparison: Comparison
    key: str
    kind: str = ""


class Exists(NamedTuple):
    """Any value at all."""


class Pattern(NamedTuple):
    """An EPC pattern: the identifier begins with one of `beginnings`, and has `infix` at character `at` (from 0)."""

    beginnings: tuple[str, ...]
    at: int = 0
    infix: str = ""


class Matches(NamedTuple):
    """Equal to one of these canonical identifiers, or of one of the patterns."""

    keys: tuple[str, ...]
    patterns: tuple[Pattern, ...] = ()


Test = AnyOf | Bound | Exists | Matches


class Condition(NamedTuple):
    """What one parameter asks: any value of any of `facets` passes `test`."""

    parameter: str
    facets: tuple[str, ...]
    test: Test


class TimeBound(NamedTuple):
    """What one parameter asks of the event's own time or of block time, in Unix milliseconds."""

    field: str
    """EVENT_TIME or RECORD_TIME."""
    comparison: Comparison
    at_ms: int


class Order(NamedTuple):
    """What answers are sorted by: EVENT_TIME, RECORD_TIME, or a facet, of which an event's least value counts."""

    field: str
    is_descending: bool


class EventQuery(NamedTuple):
    """Which events are asked for, in which order, and how many."""

    conditions: tuple[Condition, ...] = ()
    times: tuple[TimeBound, ...] = ()
    ids: tuple[tuple[str, ...], ...] = ()
    """The eventID is in each of these lists."""
    order: Order | None = None
    """None: in the order of the ledger."""
    event_count_limit: int | None = None
    """Only so many first events are meant."""
    max_event_count: int | None = None
    """More than so many events are an error (`QueryTooLargeError`)."""

    def also(self, other: EventQuery) -> EventQuery:
        """What both queries ask; order and limits of `other` where it says any."""
        return EventQuery(
            self.conditions + other.conditions,
            self.times + other.times,
            self.ids + other.ids,
            other.order or self.order,
            self.event_count_limit if other.event_count_limit is None else other.event_count_limit,
            self.max_event_count if other.max_event_count is None else other.max_event_count,
        )


class QueryTooLargeError(FormError):
    """More events match than the query's maxEventCount allows (EPCIS 2.0 §8.2.3 QueryTooLargeException)."""


class QueryTooComplexError(FormError):
    """The index gave up on a query that took too long (EPCIS 2.0 §8.2.3 QueryTooComplexException)."""


def too_large(most: int) -> QueryTooLargeError:
    """The error for a query with more than `most` answers."""
    return QueryTooLargeError(Code.TOO_LARGE, f"maxEventCount: expected at most {most} events, more match")


def too_complex() -> QueryTooComplexError:
    """The error for a query that takes too long."""
    return QueryTooComplexError(
        Code.OVERLOADED,
        "expected a query that is answered in a few seconds, this one is not; name an identifier or a span of time in it",
    )
