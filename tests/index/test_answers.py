"""Pages, names, corrections: what the gateway asks of the index beside one query."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ledger.base.errors import FormError
from node.cli import app
from node.index.index import Index, IndexedEvent, Page
from node.index.parameters import query_from_json
from node.index.query import EventQuery, QueryTooComplexError
from tests.index.agreement import NETWORK, block_of
from tests.index.stage import CONTEXT, IndexStage, found, made, play_index


def filled(database: str, *blocks: list[dict[str, Any]]) -> Index:
    index = Index.open(database, NETWORK)
    add(index, *blocks)
    return index


def add(index: Index, *blocks: list[dict[str, Any]]) -> None:
    for events in blocks:
        position = index.position()
        block = block_of(position.height + 1, events, position.sequence + 1)
        index.apply([block._replace(parent=position.header_hash) if position.height else block])


def pages(index: Index, query: EventQuery, limit: int, *meanwhile: list[dict[str, Any]]) -> list[int]:
    """All pages; a block of `meanwhile` comes after each."""
    sequences: list[int] = []
    page: Page | None = Page(limit)
    coming = list(meanwhile)
    while page is not None:
        answer = index.events(query, page)
        sequences += [event.sequence for event in answer.events]
        page = answer.next
        if coming:
            add(index, coming.pop(0))
    return sequences


ORDERS = [
    {}, {"orderBy": "recordTime"}, {"orderBy": "recordTime", "orderDirection": "ASC"}, {"orderBy": "eventTime"},
    {"orderBy": "eventTime", "orderDirection": "ASC"}, {"orderBy": "ex:rank"}, {"orderBy": "ex:rank", "orderDirection": "ASC"},
]  # fmt: skip


@pytest.mark.parametrize("order", ORDERS, ids=str)
@pytest.mark.parametrize("limit", [1, 2, 7])
def test_pages_stay_as_they_were_while_events_arrive(
    order: dict[str, str], limit: int, database: str
) -> None:
    events = [made(number, **({"ex:rank": number % 3} if number % 4 else {})) for number in range(9)]
    index = filled(database, events[:5], events[5:])
    query = query_from_json(order, CONTEXT)
    whole = pages(index, query, 100)
    late = [
        [made(number, eventTime=f"20{number - 10}-01-01T00:00:00Z", **{"ex:rank": -1})]
        for number in (20, 50, 80)
    ]
    assert sorted(whole) == list(range(1, 10))
    assert pages(index, query, limit, *late) == whole
    assert len(pages(index, query, 5)) > len(whole)
    index.close()


def test_a_limit_counts_over_all_pages(database: str) -> None:
    index = filled(database, [made(number) for number in range(9)])
    query = query_from_json({"orderBy": "eventTime", "eventCountLimit": 5})
    assert pages(index, query, 2) == [9, 8, 7, 6, 5]
    assert pages(index, query, 5) == [9, 8, 7, 6, 5]
    index.close()


def test_an_answer_says_at_which_block_it_holds(database: str) -> None:
    index = filled(database, [made(1)], [made(2)])
    answer = index.events(EventQuery(), Page(1))
    assert (answer.position.height, answer.position.header_hash) == (2, bytes([2]) * 32)
    assert answer.position == index.position()
    index.close()


def test_names_are_those_that_occur_each_once_and_in_order(database: str) -> None:
    index = filled(
        database,
        [made(number % 3, readPoint={"id": "urn:epc:id:sgln:9521234.00001.0"}) for number in range(6)],
        [
            {
                **made(7),
                "type": "AggregationEvent",
                "parentID": "urn:epc:id:sscc:9521234.0123456789",
                "bizStep": "packing",
            }
        ],
    )
    epcs = index.names("epcs", None, 10)
    assert epcs == sorted(set(epcs))
    assert len(epcs) == 5
    assert epcs[0] == "https://id.gs1.org/00/095212341234567891"
    one_by_one: list[str] = []
    while some := index.names("epcs", one_by_one[-1] if one_by_one else None, 1):
        one_by_one += some
    assert one_by_one == epcs
    assert index.names("bizSteps", None, 5) == ["commissioning", "packing"]
    assert index.names("eventTypes", None, 5) == ["AggregationEvent", "ObjectEvent"]
    assert index.names("readPoints", None, 5) == ["https://id.gs1.org/414/9521234000013"]
    assert index.names("dispositions", None, 5) == []
    assert index.is_known("bizSteps", "packing")
    assert not index.is_known("bizSteps", "shipping")
    assert not index.is_known("bizLocations", "https://id.gs1.org/414/9521234000013")
    index.close()


def test_a_correction_is_found_from_what_it_declares(database: str, tmp_path: Path) -> None:
    async def act(stage: IndexStage) -> None:
        error = {"declarationTime": "2026-03-02T00:00:00Z", "reason": "incorrect_data"}
        stage.record(made(1, eventID="urn:example:1"), made(2, eventID="urn:example:2"), made(3))
        stage.record(made(1, eventID="urn:example:1", errorDeclaration=error))
        async with stage.following() as (index, _):
            await stage.caught_up(index)
            originals = found(index)[:3]
            cited = originals[2].event_hash.hex()
            namespace = "https://custody-ledger.org/ns/original"
            stage.record(made(3, errorDeclaration=error | {namespace: cited}), by="forwarder")
            await stage.caught_up(index)
            declared = index.corrections(found(index))
            assert {one: [other.sequence for other in those] for one, those in declared.items()} == {
                1: [4],
                3: [5],
            }
            assert declared[1][0].is_correction
            assert declared[1][0].event is None  # nobody's megabytes for a name
            assert index.corrections(originals, with_bytes=True)[1][0].event is not None
            assert declared[3][0].cites == originals[2].event_hash
            assert not declared[3][0].is_applied  # the forwarder had no standing to
            assert [one.sequence for one in index.by_event_id("urn:example:1")] == [1, 4]
            index.erase([declared[3][0].event_hash])
            assert [one.sequence for one in index.corrections(originals)[3]] == [5]
            assert index.corrections(originals)[3][0].event is None

    play_index(tmp_path, database, act)


def test_many_ids_are_looked_up_at_once(database: str) -> None:
    index = filled(database, [made(number, eventID=f"urn:example:{number % 3}") for number in range(4)])
    asked = [f"urn:example:{number}" for number in range(700)]
    answer = index.by_event_ids(
        [*asked, "urn:custody:event:" + (2).to_bytes(32, "big").hex(), "urn:custody:event:x"]
    )
    sequences = {name: [event.sequence for event in events] for name, events in answer.items()}
    assert sequences == {
        "urn:example:0": [1, 4],
        "urn:example:1": [2],
        "urn:example:2": [3],
        "urn:custody:event:" + (2).to_bytes(32, "big").hex(): [2],
    }
    index.close()


def ask_on(index: Index, query: EventQuery) -> None:
    """The clock is looked at every so many steps, so one question may slip through."""
    while True:
        index.events(query, Page(100))


def test_what_no_database_likes_is_taken_and_found_again(database: str) -> None:
    """Bytes that a liar got into the payload store were read by nobody strict."""
    nasty = [
        "nul\0",
        "half \ud800",
        "long" * 100_000,
        "9" * 100_000,
        "-" + "0" * 5_000 + "1",
        "1e" + "9" * 5_000,
    ]
    events = [
        made(number, eventID=text, **{f"ex:{text}": [text, {"ex:inner": text}]})
        for number, text in enumerate(nasty)
    ]
    events += [made(20 + number, bizStep=text, ilmd={text: text}) for number, text in enumerate(nasty)]
    index = filled(database, events)
    for number, text in enumerate(nasty):
        assert [event.sequence for event in index.by_event_id(text)] == [number + 1]
        for name, value in ((f"EQ_ex:{text}", text), ("EQ_INNER_ex:inner", text), ("EQ_eventID", [text])):
            (event,) = found(index, **{name: value})
            assert event.sequence == number + 1
        (other,) = found(index, EQ_bizStep=[text])
        assert other.sequence == len(nasty) + number + 1
    index.close()


def test_a_query_that_takes_too_long_is_given_up(database: str) -> None:
    index = filled(database, [made(number, **{f"ex:f{number % 7}": number}) for number in range(200)])
    index.close()
    hurried = Index.open(database, NETWORK, within_s=-1.0)
    try:
        slow = query_from_json(
            {"GE_ex:f1": 0, "LT_eventTime": "2030-01-01T00:00:00Z", "orderBy": "ex:f2"}, CONTEXT
        )
        with pytest.raises(QueryTooComplexError):
            ask_on(hurried, slow)
    finally:
        hurried.close()
    again = Index.open(database, NETWORK)
    assert again.events(slow, Page(100)).events
    again.close()


def test_an_index_in_a_database_that_is_none_is_refused() -> None:
    for url in ("mysql://x", "what", "sqlite"):
        with pytest.raises(FormError):
            Index.open(url, NETWORK)


def test_the_commands_say_what_is_missing(tmp_path: Path) -> None:
    for command in ("status", "rebuild"):
        ended = CliRunner().invoke(app, ["index", command, "--folder", str(tmp_path)])
        assert ended.exit_code == 2
        assert "node.toml" in ended.output


def test_indexed_events_know_their_place() -> None:
    assert IndexedEvent._fields[:3] == ("sequence", "event_hash", "event_id")
