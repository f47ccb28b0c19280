"""Every read that a gateway answers stands in its log, and what cannot be noted is not answered."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any, Final

import httpx

from ledger.base.errors import Code, StorageError
from node.gateway.permissions import ROWS
from node.gateway.reads import READING, Reads
from node.storage.filesystem import RealFileSystem
from node.storage.read_log import Read, ReadLog
from tests.gateway.epcis.epcis_stage import CAPTURER, READER, EpcisStage, staged_epcis
from tests.gateway.stage import Stage, check_problem, item_id, staged
from tests.world.chain import ChainedWorld

NETWORK: Final = ChainedWorld().network


class Held(ReadLog):
    """A log whose disk can be held, and fail."""

    def __init__(self, folder: Path) -> None:
        super().__init__(RealFileSystem(folder), NETWORK)
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.fails = False

    def sync(self) -> None:
        self.goes_on.wait()
        if self.fails:
            raise StorageError(Code.DISK_FULL, "expected room")
        super().sync()


def noted(folder: Path) -> list[Read]:
    log = ReadLog(RealFileSystem(folder), NETWORK)
    try:
        return [entry.read for entry in log.follow()]
    finally:
        log.close()


def reads_in(folder: Path, **options: Any) -> Reads:
    return Reads(Held(folder), lambda: 1_234, **options)


def test_reads_are_noted_with_who_what_and_how_much(tmp_path: Path) -> None:
    async def run() -> None:
        async with staged(tmp_path, noted=reads_in(tmp_path), organisation="maker") as stage:
            await stage.submit(stage.made())
            found = await stage.http.get("/v1/subjects", params={"id": item_id(1)})
            assert found.status_code == 200
            sizes.append(len(found.content))
            assert (await stage.http.get("/v1/blocks/99")).status_code == 404
            assert (
                await stage.http.get("/v1/blocks/1", headers={"Authorization": "none"})
            ).status_code == 401
            for path in ("/v1/status", "/v1/checkpoint", "/livez", "/nowhere"):
                await stage.http.get(path)

    sizes: list[int] = []
    asyncio.run(run())
    about, block = noted(tmp_path)
    assert about.asked == (("id", item_id(1)),)
    assert (about.status, about.size, about.caller, about.organisation) == (200, sizes[0], "reader", "maker")
    assert (block.route, block.asked, block.status) == ("GET /v1/blocks/{height}", (("height", "99"),), 404)


def test_a_stream_is_noted_when_it_begins_and_when_it_ends(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        stage.gateway.followers.stop()
        await stage.http.get("/v1/follow", params={"from": 1}, headers={"Last-Event-ID": "4"})

    async def run() -> None:
        async with staged(tmp_path, noted=reads_in(tmp_path)) as stage:
            await act(stage)

    asyncio.run(run())
    began, ended = noted(tmp_path)
    assert (began.size, began.asked) == (None, (("from", "1"), ("last-event-id", "4")))
    assert ended.size


def test_a_full_queue_refuses_rather_than_reads_unnoted(tmp_path: Path) -> None:
    log = Held(tmp_path)
    reads = Reads(log, lambda: 1, waiting=2)

    async def run() -> None:
        async with staged(tmp_path, noted=reads) as stage:
            log.goes_on.clear()
            try:
                found = [await stage.http.get("/v1/blocks/0") for _ in range(3)]
                status = await stage.http.get("/v1/status")
            finally:
                log.goes_on.set()
            check_problem(found[2], Code.OVERLOADED)
            assert [one.status_code for one in found[:2]] == [404, 404]
            assert status.status_code == 200

    asyncio.run(run())
    assert [read.status for read in noted(tmp_path)] == [404, 404]


def test_a_disk_that_takes_nothing_refuses_and_what_was_answered_is_noted_later(tmp_path: Path) -> None:
    log = Held(tmp_path)

    async def run() -> None:
        async with staged(tmp_path, noted=Reads(log, lambda: 1)) as stage:
            log.fails = True
            found = [await stage.http.get("/v1/blocks/0")]
            while found[-1].status_code == 404 and len(found) < 1_000:
                found.append(await stage.http.get("/v1/blocks/0"))
            log.fails = False
            check_problem(found.pop(), Code.UNAVAILABLE)
            answered.extend(found)

    answered: list[httpx.Response] = []
    asyncio.run(run())
    assert [read.status for read in noted(tmp_path)] == [404] * len(answered)


def test_every_read_of_the_table_is_noted(tmp_path: Path) -> None:
    """Asked with nothing in particular: refused or empty, whoever may ask is noted, and all other routes are not."""

    async def act(stage: EpcisStage) -> None:
        for row in ROWS:
            if row.method not in ("GET", "POST") or row.path == "/v1/follow":
                continue
            path = row.path.replace("{", "").replace("}", "")
            bearer = READER if "reader" in row.roles or not row.roles & {"capturer"} else CAPTURER
            await stage.http.request(row.method, f"http://gateway{path}", headers=bearer)

    async def run() -> None:
        async with staged_epcis(tmp_path, noted=reads_in(tmp_path)) as stage:
            await act(stage)

    asyncio.run(run())
    wanted = {f"{row.method} {row.path}" for row in ROWS if row.is_read and row.path != "/v1/follow"}
    assert {read.route for read in noted(tmp_path)} == wanted


def test_identifiers_in_paths_stand_there_as_they_are_meant(tmp_path: Path) -> None:
    async def run() -> None:
        async with staged_epcis(tmp_path, noted=reads_in(tmp_path)) as stage:
            await stage.http.get(
                "/epcs/https%3A%2F%2Fid.gs1.org%2F01%2F09521234000013%2F21%2F7/events", headers=READER
            )
            query = {"name": "mine", "query": {"MATCH_epc": ["urn:epc:id:sgtin:9521234.00001.7"]}}
            created = await stage.http.post("/queries", json=query, headers=READER)
            assert created.status_code == 201, created.text

    asyncio.run(run())
    read, query = noted(tmp_path)
    assert read.asked == (("epc", "https://id.gs1.org/01/09521234000013/21/7"),)
    assert query.asked[0] == ("queryName", "mine")
    assert "urn:epc:id:sgtin:9521234.00001.7" in query.asked[1][1]


def test_a_client_that_goes_before_the_answer_leaves_its_place(tmp_path: Path) -> None:
    reads = reads_in(tmp_path, waiting=1)
    for _ in range(3):
        reads.reserve()
        reads.not_answered({"type": "http", "state": {READING: "GET /v1/subjects"}, "headers": []})
    reads.close()
    assert noted(tmp_path) == []
