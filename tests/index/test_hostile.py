"""Values that databases refuse or cannot order: NUL, very long names, numbers of thousands of digits. None may halt the index."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from sqlalchemy import select

from ledger.base.errors import FormError
from node.index.index import PAGE_BYTES, Page
from node.index.parameters import query_from_json, query_from_url
from node.index.query import QueryTooLargeError
from node.index.tables import contexts, fields, open_engine
from tests.index.stage import IndexStage, found, made, play_index

# Drawn, so that a database that packs texts cannot make them short.
DIGITS = "".join(random.Random(1).choices("123456789", k=9_000))
LETTERS = "".join(random.Random(2).choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", k=9_000))


def test_what_a_database_cannot_keep_is_kept_another_way(tmp_path: Path, database: str) -> None:
    long_id = "urn:x:" + LETTERS
    long_name = "ex:" + LETTERS

    async def act(stage: IndexStage) -> None:
        async with stage.following() as (index, follower):
            stage.record(
                made(1, eventID=long_id),
                made(2, eventID="urn:x:\0y", disposition="urn:x:\0"),
                made(3, **{long_name: "there", "ex:nul\0": "a\0b", "ex:digits": DIGITS, "ex:less": "-" + DIGITS}),
                made(4, readPoint={"id": "urn:x:" + LETTERS}, bizLocation={"id": "urn:x:\0"}),
                made(
                    5,
                    bizTransactionList=[
                        {"type": "urn:t:" + LETTERS, "bizTransaction": "urn:r:" + LETTERS},
                        {"type": "urn:t:\0", "bizTransaction": "urn:r:\0"},
                    ],
                    sourceList=[{"type": "urn:s:" + LETTERS, "source": "urn:q:1"}],
                ),
                made(6, sensorElementList=[{"sensorReport": [{"type": "Temperature", "value": DIGITS, "uom": "CEL"}]}]),
                made(7, sensorElementList=[{"sensorReport": [{"value": "1e" + 24 * "9", "uom": "FAH", "type": "\0"}]}]),
                made(8, sensorElementList=[{"sensorReport": [{"value": "1", "uom": LETTERS, "type": LETTERS}]}]),
            )  # fmt: skip
            await stage.caught_up(index)
            assert follower.halted is None

            def at(**parameters: object) -> list[int]:
                return [one.sequence for one in found(index, **parameters)]

            assert at(EQ_eventID=long_id) == [1]
            assert at(EQ_eventID="urn:x:\0y") == [2]
            assert [one.sequence for one in index.by_event_id(long_id)] == [1]
            assert at(**{"EQ_" + long_name: "there"}) == [3]
            assert at(**{"EXISTS_" + long_name: "true"}) == [3]
            assert at(**{"EQ_ex:nul\0": "a\0b"}) == [3]
            assert at(**{"EQ_ex:digits": DIGITS}) == [3]
            assert at(orderBy=long_name) == [3, 8, 7, 6, 5, 4, 2, 1]
            assert at(EQ_readPoint="urn:x:" + LETTERS) == [4]
            assert at(**{"EQ_bizTransaction_urn:t:" + LETTERS: "urn:r:" + LETTERS}) == [5]
            assert at(**{"EQ_source_urn:s:" + LETTERS: "urn:q:1"}) == [5]
            assert at(GT_value_FAH="1e4000") == [7]

    play_index(tmp_path, database, act)


def test_a_page_ends_where_its_bytes_are_enough(tmp_path: Path, database: str) -> None:
    async def act(stage: IndexStage) -> None:
        async with stage.following() as (index, _):
            for number in range(12):
                stage.record(made(number, **{"ex:long": 900_000 * "x"}))
            await stage.caught_up(index)
            page: Page | None = Page(1_000)
            counts = []
            while page is not None:
                answer = index.events(query_from_json({}), page)
                counts.append(len(answer.events))
                page = answer.next
            assert counts == [PAGE_BYTES // 900_000, 12 - PAGE_BYTES // 900_000]

    play_index(tmp_path, database, act)


def test_more_events_of_one_id_than_a_page_holds_are_left_to_a_query(tmp_path: Path, database: str) -> None:
    async def act(stage: IndexStage) -> None:
        async with stage.following() as (index, _):
            stage.record(made(1, eventID="urn:x:1"))
            await stage.caught_up(index)
            (event,) = found(index)
            declared = {
                "errorDeclaration": {
                    "declarationTime": "2026-11-26T10:00:00Z",
                    "correctiveEventIDs": ["urn:c:1"],
                }
            }
            for number in range(2, 12):
                stage.record(made(number, eventID=event.event_id, **declared, **{"ex:long": 900_000 * "x"}))
            await stage.caught_up(index)
            with pytest.raises(QueryTooLargeError, match="EQ_eventID="):
                index.by_event_id(event.event_id)
            with pytest.raises(QueryTooLargeError, match="page by page"):
                index.corrections([event], with_bytes=True)
            assert len(index.corrections([event])[event.sequence]) == 10
            query = query_from_url([("EQ_eventID", event.event_id)], b"{}")
            assert index.events(query, Page(1_000)).events[0].event_id == event.event_id

    play_index(tmp_path, database, act)


@pytest.mark.parametrize("text", ["\0", "'", "%", "_", "\\", '"; DROP TABLE custody_events; --', "\ufffd", "x" * 5_000,
                                  "1e999", "-1e-999", "NaN", "Infinity", "9" * 5_000, "1e" + "9" * 24, "\U0010ffff"])  # fmt: skip
def test_odd_values_and_names_of_queries(tmp_path: Path, database: str, text: str) -> None:
    """Each is answered with nothing or refused by name: never an error of the database."""
    names = (
        "EQ_eventID", "eventType", "EQ_bizStep", "EQ_readPoint", "WD_readPoint", "MATCH_epc", "MATCH_anyEPCClass", "EQ_source_x",
        "EQ_bizTransaction_x", "EQ_value", "EQ_value_CEL", "GT_value_FAH", "EQ_quantity", "GT_quantity_KGM", "EQ_ex:a", "GT_ex:a",
        "LE_INNER_ex:a", "GE_eventTime", "LT_recordTime", "EQ_action", "EQ_booleanValue", "EQ_stringValue", "maxEventCount",
        "eventCountLimit", "orderBy", "orderDirection", "HASATTR_x_y", "EQATTR_a_b", f"EQ_ex:{text}", f"EXISTS_INNER_ILMD_ex:{text}",
        f"EQ_source_{text}", f"EQ_bizTransaction_{text}", f"{text}", f"EQ_value_{text}", f"orderBy{text}",
    )  # fmt: skip

    async def act(stage: IndexStage) -> None:
        async with stage.following() as (index, _):
            stage.record(made(1, **{"ex:a": "1"}))
            await stage.caught_up(index)
            for name in names:
                for value in (text, f"ex:{text}", f"urn:epc:idpat:sgtin:{text}.*.*"):
                    try:
                        queries = [
                            query_from_json({name: [value], "@context": {"ex": "https://example.org/"}})
                        ]
                        if "|" not in value:
                            queries.append(query_from_url([(name, value)], b'{"ex":"https://example.org/"}'))
                    except FormError:
                        continue
                    for query in queries:
                        for page in (Page(1), Page(5, after=(None, 1)), Page(5, after=("3x", 1))):
                            if page.after is not None and query.order is None:
                                continue
                            if page.after == ("3x", 1) and query.order and query.order.field == "eventTime":
                                continue
                            index.events(query, page)
            assert len(found(index)) == 1

    play_index(tmp_path, database, act)


def test_names_and_contexts_that_only_erased_bytes_said_are_erased_with_them(
    tmp_path: Path, database: str
) -> None:
    async def act(stage: IndexStage) -> None:
        async with stage.following() as (index, _):
            both = {"ex:both": "1"}
            stage.record(
                made(1, **both, **{"ex:OnlyHere": "1"}, bizTransactionList=[{"type": "urn:t:OnlyHere", "bizTransaction": "urn:a:b"}])
            )  # fmt: skip
            stage.record(made(2, **both))
            await stage.caught_up(index)
            one, two = index.events(query_from_json({}), Page(2)).events
            index.erase([one.event_hash])
            stage.record(made(3, **{"ex:OnlyHere": "3"}))
            await stage.caught_up(index)
            assert [event.sequence for event in found(index, **{"EQ_ex:both": "1"})] == [2]
            assert [event.sequence for event in found(index, **{"EXISTS_ex:OnlyHere": "true"})] == [3]
            assert index.by_event_ids([two.event_id])[two.event_id][0].context is not None
            index.erase(event.event_hash for event in found(index))
            engine = open_engine(stage.url)
            with engine.connect() as connection:
                names = [row.name for row in connection.execute(select(fields.c.name))]
                kept = [bytes(row.context) for row in connection.execute(select(contexts.c.context))]
            engine.dispose()
            assert not any("OnlyHere" in name or "both" in name for name in names)
            assert not any(kept)

    play_index(tmp_path, database, act)
