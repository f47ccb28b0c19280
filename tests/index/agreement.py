"""The same query finds the same events in the index, whatever its database, and in the plain reference."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import pytest

from node.index.facets import derive
from node.index.index import Index, Page
from node.index.parameters import query_from_json, query_from_url
from node.index.query import EventQuery, QueryTooLargeError
from node.index.reading import BlockEvents, Body, EventRow, State
from node.index.values import read_time
from tests.index import drawn
from tests.index.reference import Known, Reference, text_of

NETWORK = bytes(32)
BLOCKS, EVENTS, QUERIES = 3, 24, 60
_CONTEXT = json.dumps(drawn.CONTEXT).encode()
BLOCK_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z


def block_of(height: int, events: Sequence[dict[str, Any]], first: int) -> BlockEvents:
    return BlockEvents(
        height, bytes([height]) * 32, bytes([height - 1]) * 32, bytes(32), BLOCK_MS + (height - 1) * 250,
        tuple(row_of(event, first + place) for place, event in enumerate(events)),
    )  # fmt: skip


def row_of(event: dict[str, Any], sequence: int) -> EventRow:
    data = json.dumps(event).encode()
    found = derive(data, _CONTEXT)
    at_ms = read_time(event["eventTime"])
    assert at_ms is not None
    event_hash = sequence.to_bytes(32, "big")
    return EventRow(
        event_hash, found.event_id or "urn:custody:event:" + event_hash.hex(), found.event_id is None, bytes(32), 0, at_ms,
        "maker", bytes(32), b"\x90", b"", State.SHOWN, Body(_CONTEXT, data), found.facets,
    )  # fmt: skip


def check(index: Index, seed: int) -> None:
    """Fill an empty index with events in blocks, ask both, compare; in JSON and as a URL.

    What counts as few or many is drawn, too, so that events are found in each of the ways there are.
    """
    draw = random.Random(seed)
    with pytest.MonkeyPatch.context() as patch:
        for name, sizes in (("WALKED", (0, 10, 2_000)), ("FEW", (1, 4, 20_000)), ("MANY", (4, 8, 200_000))):
            patch.setattr(f"node.index.select.{name}", draw.choice(sizes))
        _check(index, draw)


def _check(index: Index, draw: random.Random) -> None:
    known: list[Known] = []
    rows = []
    for height in range(1, BLOCKS + 1):
        events = [drawn.event(draw) for _ in range(draw.randint(0, 2 * EVENTS // BLOCKS))]
        rows.append(block_of(height, events, len(known) + 1))
        for place, event in enumerate(events):
            derived = "urn:custody:event:" + rows[-1].events[place].event_hash.hex()
            known.append(Known(len(known) + 1, event, rows[-1].time_ms, derived))
    index.apply(rows)
    reference = Reference(known, drawn.PREFIXES, drawn.URN_OF)
    for _ in range(QUERIES):
        query, per_page = drawn.query(draw), draw.choice((2, 5, 50))
        expected = reference.answer(query)
        forms = [query_from_json(query, drawn.CONTEXT)]
        forms += [query_from_url(in_url(query), _CONTEXT)] if is_for_urls(query) else []
        for form in forms:
            found = answered(index, form, per_page)
            assert found == expected, (query, _members(known, found, expected))


def _members(known: list[Known], *answers: list[int] | None) -> list[dict[str, Any]]:
    """The events that only one of two answers has: what to look at."""
    differing = set(answers[0] or ()) ^ set(answers[1] or ())
    return [event.members for event in known if event.sequence in differing]


def answered(index: Index, query: EventQuery, per_page: int) -> list[int] | None:
    """What the index finds, page by page; None where it is too much."""
    found: list[int] = []
    page: Page | None = Page(per_page)
    while page is not None:
        try:
            answer = index.events(query, page)
        except QueryTooLargeError:
            return None
        assert answer.events or page.after is None
        assert len(answer.events) <= per_page
        found += [event.sequence for event in answer.events]
        page = answer.next
    assert len(set(found)) == len(found)
    return found


def is_for_urls(query: dict[str, Any]) -> bool:
    """In a URL `|` parts values, and an empty value says nothing."""
    return not any(
        "" in value or any("|" in text_of(one) for one in value)
        for value in query.values()
        if isinstance(value, list)
    )


def in_url(query: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (name, "|".join(text_of(one) for one in value) if isinstance(value, list) else text_of(value))
        for name, value in query.items()
    ]
