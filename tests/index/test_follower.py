"""The follower: from blocks to rows, whatever breaks in between."""

from __future__ import annotations

import asyncio
import json
import pickle
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from ledger.base.errors import Code, StorageError, UnavailableError
from ledger.trade.statement import Openness
from node.index import cli, tables
from node.index.index import Index, rebuild
from node.index.reading import BlockEvents, Body, State, open_block, read_block
from node.local.protocol import FinalBlock, StoredPayload
from tests.gateway.stage import until
from tests.index.stage import CONTEXT, IndexStage, found, made, play_index
from tests.world.chain import ChainedWorld

ROOT = Path(__file__).parents[2]
SERIAL = "https://id.gs1.org/01/09521234000013/21/"


def contents(stage: IndexStage) -> list[Any]:
    """Everything in the database that is not a number drawn by chance."""
    engine = tables.open_engine(stage.url)
    position = tables.position.c
    known = [
        select(table).order_by(*table.primary_key.columns)
        for table in (tables.events, tables.contexts, tables.facets, tables.fields)
    ]
    known.append(select(position.height, position.header_hash, position.outcome_hash, position.sequence))
    with engine.connect() as connection:
        rows = [[tuple(row) for row in connection.execute(statement)] for statement in known]
    engine.dispose()
    return rows


def blocks_of(stage: IndexStage, blocks: Sequence[FinalBlock]) -> list[BlockEvents]:
    bodies = {hashed: Body(one.context, one.event) for hashed, one in stage.validator.payloads.items()}
    return [read_block(stage.world.network, block, open_block(block), bodies) for block in blocks]


def test_events_come_as_they_are_recorded(database: str, tmp_path: Path) -> None:
    async def act(stage: IndexStage) -> None:
        stage.record(made(1), made(2, eventID="urn:uuid:7ee3b9a9-8c1b-4c3c-a7b8-0c3ffd9a5e11"))
        async with stage.following() as (index, _):
            await stage.caught_up(index)
            heard: list[int] = []
            index.subscribe(lambda position: heard.append(position.height))
            block = stage.record(made(3))
            await stage.caught_up(index)
            (event,) = found(index, MATCH_epc=[SERIAL + "3"])
            assert heard[-1] == 2  # block 1 may be told of after it is found
            assert event.sequence == 3
            assert (event.height, event.record_time_ms) == (2, block.header.time_ms)
            assert event.transaction == block.receipts[0].transaction
            assert event.organisation == "maker"
            assert event.outcomes == block.receipts[0].receipts[0].outcomes
            assert event.is_applied
            assert event.state is State.SHOWN
            assert event.event is not None
            assert event.event_id == "urn:custody:event:" + event.event_hash.hex()
            assert event.is_derived
            (own,) = index.by_event_id("urn:uuid:7ee3b9a9-8c1b-4c3c-a7b8-0c3ffd9a5e11")
            assert not own.is_derived
            assert index.by_event_id("urn:custody:event:" + own.event_hash.hex()) == (own,)
            assert index.position().header_hash == block.header.hash

    play_index(tmp_path, database, act)


def test_refused_items_are_not_in_the_repository_and_contradicting_ones_are(
    database: str, tmp_path: Path
) -> None:
    async def act(stage: IndexStage) -> None:
        stage.record(made(1))
        again = stage.record(made(1, eventTime="2026-03-02T10:00:00Z"), by="forwarder")
        assert again.receipts[0].receipts[0].entry is not None
        refused = stage.validator.commit(
            stage.world.sign("maker", stage.world.item(1, [(0, SERIAL + "9")]), expiry_ms=1).to_bytes()
        )
        assert refused.receipts[0].receipts[0].entry is None
        async with stage.following() as (index, _):
            await stage.caught_up(index)
            events = found(index)
            assert [event.is_applied for event in events] == [True, False]
            assert index.position().sequence == 2

    play_index(tmp_path, database, act)


DYING = """
import os, pickle, signal, sys
from node.index import index as module, tables
url, network, step, rows = pickle.load(sys.stdin.buffer)
real = module.write_events
def dying(connection, *rest):
    if step > 0:
        real(connection, *rest)
    if step > 1:
        connection.execute(tables.position.update().values(height=9))
    os.kill(os.getpid(), signal.SIGKILL)
module.write_events = dying
module.Index.open(url, network).apply(rows)
"""


def die(work: bytes) -> int:
    return subprocess.run([sys.executable, "-c", DYING], input=work, cwd=ROOT, check=False).returncode


@pytest.mark.parametrize("step", [0, 1, 2], ids=["before the rows", "after the rows", "after the position"])
def test_a_process_killed_in_the_middle_of_a_block_leaves_nothing(
    step: int, database: str, tmp_path: Path
) -> None:
    async def act(stage: IndexStage) -> None:
        rows = blocks_of(
            stage, [stage.record(made(1), made(2)), stage.record(made(3)), stage.record(made(4))]
        )
        untouched = stage.open()
        untouched.apply(rows)
        untouched.close()
        whole = contents(stage)
        rebuild(stage.url, stage.world.network)

        index = stage.open()
        index.apply(rows[:1])
        index.close()
        before = contents(stage)
        work = pickle.dumps((stage.url, stage.world.network, step, rows[1:]))
        assert die(work) == -signal.SIGKILL
        assert contents(stage) == before
        index = stage.open()
        index.apply(rows[1:])
        index.close()
        assert contents(stage) == whole

    play_index(tmp_path, database, act)


def test_a_block_twice_or_a_gap_is_refused_and_changes_nothing(database: str, tmp_path: Path) -> None:
    async def act(stage: IndexStage) -> None:
        rows = blocks_of(stage, [stage.record(made(number)) for number in (1, 2, 3)])
        index = stage.open()
        index.apply(rows[:1])
        before = contents(stage)
        for wrong in (rows[:1], rows[2:], [rows[1]._replace(parent=bytes(32))], [rows[1], rows[1]]):
            with pytest.raises(StorageError) as caught:
                index.apply(wrong)
            assert caught.value.code == Code.DIVERGED
            assert contents(stage) == before
        index.close()

    play_index(tmp_path, database, act)


def test_catching_up_never_waits_for_itself(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream waits while bytes are asked for, and the answer must not wait behind the stream."""
    monkeypatch.setattr("node.index.follower.BLOCKS_AHEAD", 1)
    monkeypatch.setattr("node.index.follower.EVENTS_AT_ONCE", 1)

    async def act(stage: IndexStage) -> None:
        for number in range(40):
            stage.record(made(number))
        async with stage.following() as (index, _):
            await stage.caught_up(index)
            assert len(found(index)) == 40

    play_index(tmp_path, database, act)


def test_a_validator_that_goes_away_is_followed_on(database: str, tmp_path: Path) -> None:
    async def act(stage: IndexStage) -> None:
        async with stage.following() as (index, follower):
            stage.record(made(1))
            await stage.caught_up(index)
            await stage.validator.stop()
            stage.record(made(2))
            await asyncio.sleep(0.05)
            await stage.validator.start()
            await stage.caught_up(index)
            assert follower.halted is None
            assert len(found(index)) == 2

    play_index(tmp_path, database, act)


def test_another_chain_is_refused(database: str, tmp_path: Path) -> None:
    async def act(stage: IndexStage) -> None:
        stage.record(made(1))
        async with stage.following() as (index, _):
            await stage.caught_up(index)
        before = contents(stage)
        await stage.validator.stop()
        other = IndexStage(
            ChainedWorld(), stage.validator, stage.url
        )  # the same network, restored to another past
        stage.validator.__init__(other.world, stage.validator.socket)  # type: ignore[misc]
        await stage.validator.start()
        for number in (5, 6):
            other.record(made(number))
        async with other.following() as (_, follower):
            await until(lambda: follower.halted is not None)
            assert follower.halted is not None
            assert follower.halted.code == Code.DIVERGED
            assert "custody node index rebuild" in follower.halted.message
        assert contents(stage) == before

    play_index(tmp_path, database, act)


def test_a_past_that_the_validator_let_go_of_is_said(database: str, tmp_path: Path) -> None:
    async def act(stage: IndexStage) -> None:
        stage.record(made(1))
        stage.validator.fault = (Code.PRUNED, "expected a block that is kept, block 1 was let go of")
        async with stage.following() as (_, follower):
            await until(lambda: follower.halted is not None)
            assert follower.halted is not None
            assert follower.halted.code == Code.PRUNED

    play_index(tmp_path, database, act)


def test_an_index_of_another_network_is_refused(database: str) -> None:
    Index.open(database, bytes(32)).close()
    with pytest.raises(StorageError) as caught:
        Index.open(database, bytes(31) + b"1")
    assert caught.value.code == Code.FOREIGN_DATA


def test_an_index_made_again_is_the_same_also_under_a_follower(database: str, tmp_path: Path) -> None:
    async def act(stage: IndexStage) -> None:
        for number in range(4):
            stage.record(made(number, **{f"ex:field{number}": number}))
        async with stage.following() as (index, follower):
            await stage.caught_up(index)
            before = contents(stage)
            await asyncio.to_thread(rebuild, stage.url, stage.world.network)
            stage.record(made(7, **{"ex:other": 1}))
            await stage.caught_up(index)
            assert follower.halted is None
            assert len(found(index, **{"EXISTS_ex:field2": None})) == 1
            assert len(found(index, **{"EXISTS_ex:other": None})) == 1
        assert [row[:1] for row in contents(stage)[0][:4]] == [row[:1] for row in before[0]]
        assert contents(stage)[0][:4] == before[0]

    play_index(tmp_path, database, act)


def test_without_bytes_the_extract_answers_until_they_come(database: str, tmp_path: Path) -> None:
    async def act(stage: IndexStage) -> None:
        event = made(1, **{"ex:field": "x"}, disposition="active")
        stage.record(event, keeps=False)
        stage.record(made(2), keeps=False, openness=Openness.RESTRICTED)
        async with stage.following(complete_every_s=0.02) as (index, _):
            await stage.caught_up(index)
            assert [one.state for one in found(index)] == [State.MISSING, State.RESTRICTED]
            (bare,) = found(index, MATCH_epc=[SERIAL + "1"], EQ_bizStep=["commissioning"], EQ_action=["ADD"])
            assert bare.event is None
            assert found(index, **{"EQ_ex:field": ["x"]}) == []
            assert index.count_without_bytes() == 2
            data, context = json.dumps(event).encode(), json.dumps(CONTEXT).encode()
            stage.validator.payloads[bare.event_hash] = StoredPayload(
                bare.event_hash, bytes(16), context, data, None
            )
            await until(lambda: bool(found(index, **{"EQ_ex:field": ["x"]})))
            assert [one.state for one in found(index)] == [State.SHOWN, State.RESTRICTED]

    play_index(tmp_path, database, act)


def test_an_erasure_leaves_the_extract_and_no_byte(database: str, tmp_path: Path) -> None:
    async def act(stage: IndexStage) -> None:
        stage.record(made(1, eventID="urn:example:mine", **{"ex:field": "SECRETWORD"}), made(2))
        async with stage.following() as (index, _):
            await stage.caught_up(index)
            (event,) = found(index, **{"EQ_ex:field": ["SECRETWORD"]})
            assert index.erase([event.event_hash, bytes(32)]) == 1
            assert found(index, **{"EQ_ex:field": ["SECRETWORD"]}) == []
            assert found(index, **{"EXISTS_ex:field": None}) == []
            assert index.by_event_id("urn:example:mine") == ()
            (left,) = found(index, MATCH_epc=[SERIAL + "1"])
            assert (left.state, left.event, left.context) == (State.ERASED, None, None)
            assert index.fill({event.event_hash: Body(None, b"{}")}) == 0
            assert index.erase([event.event_hash]) == 0

    play_index(tmp_path, database, act)


def test_the_index_is_its_owners_alone(tmp_path: Path) -> None:
    async def act(stage: IndexStage) -> None:
        stage.record(made(1))
        async with stage.following() as (index, _):
            await stage.caught_up(index)
            assert modes() == {"index.db": 0o600, "index.db-shm": 0o600, "index.db-wal": 0o600}

    def modes() -> dict[str, int]:
        return {path.name: path.stat().st_mode & 0o777 for path in tmp_path.glob("index.db*")}

    (tmp_path / "index.db").touch(0o644)
    play_index(tmp_path, f"sqlite:///{tmp_path / 'index.db'}", act)


def test_what_is_erased_is_in_no_file_any_more(tmp_path: Path) -> None:
    async def act(stage: IndexStage) -> None:
        stage.record(made(1, eventID="urn:example:mine", **{"ex:field": "SECRETWORD"}), made(2))
        async with stage.following() as (index, _):
            await stage.caught_up(index)
            (event,) = found(index, **{"EQ_ex:field": ["SECRETWORD"]})
            assert b"SECRETWORD" in files()
            index.erase([event.event_hash])
            assert b"SECRETWORD" not in files()
            assert b"urn:example:mine" not in files()

    def files() -> bytes:
        return b"".join(path.read_bytes() for path in tmp_path.glob("index.db*"))

    play_index(tmp_path, f"sqlite:///{tmp_path / 'index.db'}", act)


def test_the_commands_make_an_index_again_and_say_how_far_it_is(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(stage: IndexStage) -> None:
        opened = (stage.url, stage.world.network, stage.validator.socket)
        monkeypatch.setattr(cli, "_opened", lambda folder: opened)
        stage.record(made(1), made(2), keeps=False)
        last = stage.record(made(3))
        assert (await cli._status(tmp_path))["behind"] == 2
        assert await cli._rebuild(tmp_path) == (3, 2)
        assert await cli._status(tmp_path) == {
            "height": 2,
            "header_hash": last.header.hash.hex(),
            "time_ms": last.header.time_ms,
            "events": 3,
            "without_bytes": 2,
            "behind": 0,
        }
        stage.validator.fault = (Code.PRUNED, "expected a block that is kept, block 1 was let go of")
        with pytest.raises(UnavailableError):
            await cli._rebuild(tmp_path)
        stage.validator.fault = None
        assert (await cli._status(tmp_path))["events"] == 3
        await stage.validator.stop()
        assert (await cli._status(tmp_path))["behind"] is None

    play_index(tmp_path, database, act)


def test_blocks_that_come_close_upon_each_other_are_one_transaction(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.index.follower.BREATH_MS", 1_000)

    async def act(stage: IndexStage) -> None:
        heard: list[int] = []
        async with stage.following(on_applied=lambda position, _: heard.append(position.height)) as (
            index,
            _,
        ):
            stage.record(made(1))
            await until(lambda: heard == [1])  # alone, and at once
            for number in range(2, 9):
                stage.record(made(number))
                await asyncio.sleep(0.01)
            await until(lambda: heard[-1] == 8)
            assert heard == [1, 8]
            assert len(found(index)) == 8

    play_index(tmp_path, database, act)
