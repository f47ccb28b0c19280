"""GET /v1/follow: blocks as they become final."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ledger.base.errors import Code
from node.gateway import follow
from tests.gateway.listening import Listening, play_listening
from tests.gateway.stage import check_problem, until


class Stream:
    """Server-sent events of one response, one by one."""

    def __init__(self, response: httpx.Response) -> None:
        self._chunks = response.aiter_text()
        self._text = ""

    async def next(self) -> str:
        while "\n\n" not in self._text:
            self._text += await anext(self._chunks)
        event, _, self._text = self._text.partition("\n\n")
        return event

    async def block(self) -> dict[str, Any]:
        """The next block; what is no block is passed over."""
        while True:
            fields = dict(line.split(": ", 1) for line in (await self.next()).split("\n") if line[:1] != ":")
            if fields.get("event") == "block":
                notice: dict[str, Any] = json.loads(fields["data"])
                assert int(fields["id"]) == notice["height"]
                return notice

    async def rest(self) -> AsyncIterator[str]:
        async for chunk in self._chunks:
            yield chunk


async def make(at: Listening, first: int, count: int) -> None:
    for number in range(first, first + count):
        assert (await at.stage.submit(at.stage.made(number))).status_code == 200


def test_past_blocks_then_new_ones(tmp_path: Path) -> None:
    async def act(at: Listening) -> None:
        await make(at, 1, 3)
        async with at.http() as http, http.stream("GET", "/v1/follow?from=2") as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            stream = Stream(response)
            assert await stream.next() == "retry: 1000"
            assert [(await stream.block())["height"] for _ in range(2)] == [2, 3]
            await make(at, 4, 2)
            notice = await stream.block()
            assert notice["height"] == 4
            (one,) = notice["transactions"]
            assert one == {
                "id": at.stage.validator.blocks[3].receipts[0].transaction.hex(),
                "items": 1,
                "refused": 0,
            }
            assert notice["entries"] == 4
            assert (await stream.block())["height"] == 5

    play_listening(tmp_path, act)


def test_without_a_start_only_what_comes(tmp_path: Path) -> None:
    async def act(at: Listening) -> None:
        await make(at, 1, 3)
        async with at.http() as http, http.stream("GET", "/v1/follow") as response:
            stream = Stream(response)
            await stream.next()
            await until(lambda: at.stage.gateway.followers._tip == 3)
            await make(at, 4, 1)
            assert (await stream.block())["height"] == 4

    play_listening(tmp_path, act)


def test_a_reader_resumes_after_the_last_event_it_saw(tmp_path: Path) -> None:
    async def act(at: Listening) -> None:
        await make(at, 1, 5)
        headers = {"Last-Event-ID": "3"}
        async with at.http() as http, http.stream("GET", "/v1/follow?from=1", headers=headers) as response:
            assert (await Stream(response).block())["height"] == 4

    play_listening(tmp_path, act)


@pytest.mark.parametrize("last", ["x", "-1", "1 2", "9" * 30, "x" * 40, "٣"])
def test_a_last_event_id_that_is_no_height(tmp_path: Path, last: str) -> None:
    async def act(at: Listening) -> None:
        response = await at.stage.http.get("/v1/follow", headers=[(b"Last-Event-ID", last.encode())])
        check_problem(response, Code.MALFORMED)

    play_listening(tmp_path, act)


def test_silence_is_filled_with_comments(tmp_path: Path) -> None:
    async def act(at: Listening) -> None:
        async with at.http() as http, http.stream("GET", "/v1/follow") as response:
            stream = Stream(response)
            assert [await stream.next() for _ in range(3)] == ["retry: 1000", ": still here", ": still here"]

    play_listening(tmp_path, act, heartbeat_s=0.02)


def test_a_height_that_is_not_reached_yet_is_waited_for(tmp_path: Path) -> None:
    async def act(at: Listening) -> None:
        async with at.http() as http, http.stream("GET", "/v1/follow?from=2") as response:
            stream = Stream(response)
            await make(at, 1, 3)
            assert (await stream.block())["height"] == 2

    play_listening(tmp_path, act)


def test_the_stream_goes_on_when_the_validator_comes_back(tmp_path: Path) -> None:
    async def act(at: Listening) -> None:
        await make(at, 1, 1)
        async with at.http() as http, http.stream("GET", "/v1/follow?from=1") as response:
            stream = Stream(response)
            assert (await stream.block())["height"] == 1
            await at.stage.validator.stop()
            await at.stage.validator.start()
            await make(at, 2, 2)
            assert [(await stream.block())["height"] for _ in range(2)] == [2, 3]

    play_listening(tmp_path, act)


def test_readers_behind_the_memory_are_served_block_by_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(at: Listening) -> None:
        async with at.http() as http, http.stream("GET", "/v1/follow?from=1") as response:
            stream = Stream(response)
            await stream.next()
            await until(lambda: at.stage.gateway.followers._tip == 0)
            await make(at, 1, 6)
            assert len(at.stage.gateway.followers._memory) <= 2
            assert [(await stream.block())["height"] for _ in range(6)] == [1, 2, 3, 4, 5, 6]

    monkeypatch.setattr(follow, "MEMORY_BLOCKS", 2)
    play_listening(tmp_path, act)


def test_a_block_that_cannot_be_had_ends_the_stream_with_a_problem(tmp_path: Path) -> None:
    async def act(at: Listening) -> None:
        await make(at, 1, 2)
        async with at.http() as http, http.stream("GET", "/v1/follow?from=0") as response:
            text = "".join([chunk async for chunk in response.aiter_text()])
        assert "event: problem" in text
        assert '"code":"unknown_block"' in text

    play_listening(tmp_path, act)


def test_there_are_so_many_readers_and_no_more(tmp_path: Path) -> None:
    async def act(at: Listening) -> None:
        at.stage.gateway.followers._most = 1
        async with at.http() as http, http.stream("GET", "/v1/follow") as response:
            await Stream(response).next()
            check_problem(await http.get("/v1/follow"), Code.OVERLOADED)
        await until(lambda: at.stage.gateway.followers._readers == 0)
        assert at.stage.gateway.followers._pump is None
        async with at.http() as http, http.stream("GET", "/v1/follow") as response:
            assert response.status_code == 200

    play_listening(tmp_path, act)


def test_many_readers_share_one_stream_from_the_validator(tmp_path: Path) -> None:
    async def act(at: Listening) -> None:
        async def read() -> list[int]:
            async with at.http() as http, http.stream("GET", "/v1/follow?from=1") as response:
                stream = Stream(response)
                return [(await stream.block())["height"] for _ in range(3)]

        readers = [asyncio.create_task(read()) for _ in range(10)]
        await until(lambda: at.stage.gateway.followers._readers == 10)
        await make(at, 1, 3)
        assert await asyncio.gather(*readers) == [[1, 2, 3]] * 10
        assert at.stage.validator.asked.count("Follow") == 1
        assert at.value("custody_gateway_streams") in range(11)

    play_listening(tmp_path, act)


def test_streams_end_when_the_gateway_stops(tmp_path: Path) -> None:
    async def act(at: Listening) -> None:
        async with at.http() as http, http.stream("GET", "/v1/follow") as response:
            stream = Stream(response)
            await stream.next()
            at.server.should_exit = True
            assert "".join([chunk async for chunk in stream.rest()]) == ""

    play_listening(tmp_path, act)
