"""Connections: deadlines, caps, and bytes that are no HTTP."""

from __future__ import annotations

import asyncio
import errno
from contextlib import suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from node.gateway.server import HEAD_BYTES, GatewayServer, connection_class, server_config
from tests.gateway.listening import Listening, play_listening, problem_code
from tests.gateway.stage import BEARER, MSGPACK, body_of, until

GOOD = "Authorization: " + BEARER["Authorization"]


def test_requests_are_answered_one_after_another_and_pipelined(tmp_path: Path) -> None:
    async def act(at: Listening) -> None:
        client = await at.connect()
        for _ in range(3):
            assert (await client.get("/livez"))[0] == 200
        await client.say(b"GET /livez HTTP/1.1\r\nHost: g\r\n\r\n" * 3)
        assert [(await client.answer())[0] for _ in range(3)] == [200, 200, 200]

    play_listening(tmp_path, act)


NO_HTTP = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    "noise": bytes(range(256)) * 4,
    "half a line": b"GET\r\n\r\n",
    "a bad length": b"POST /v1/transactions HTTP/1.1\r\nHost: g\r\nContent-Length: x\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: g\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "no host": b"GET /livez HTTP/1.1\r\n\r\n",
    "a long head": b"GET /livez HTTP/1.1\r\nHost: g\r\nX: " + b"x" * (HEAD_BYTES + 10),
}


@pytest.mark.parametrize("data", NO_HTTP.values(), ids=NO_HTTP)
def test_what_is_no_http_is_answered_with_a_problem_and_closed(tmp_path: Path, data: bytes) -> None:
    async def act(at: Listening) -> None:
        client = await at.connect()
        await client.say(data)
        status, body = await client.answer()
        assert status == 400
        assert problem_code(body) == "malformed"
        assert await client.is_closed_by_the_other_side()
        assert (await (await at.connect()).get("/livez"))[0] == 200

    play_listening(tmp_path, act)


def test_a_body_that_stops_being_http_is_answered_and_closed(tmp_path: Path) -> None:
    async def act(at: Listening) -> None:
        client = await at.connect()
        head = b"POST /v1/transactions HTTP/1.1\r\nHost: g\r\nContent-Type: application/msgpack\r\n"
        await client.say(head + b"Transfer-Encoding: chunked\r\n\r\n")
        await client.say(b"4\r\nabcd\r\nno length\r\n")
        status, body = await client.answer()
        assert (status, problem_code(body)) == (400, "malformed")
        assert await client.is_closed_by_the_other_side()
        await until(lambda: at.value("custody_gateway_body_bytes") == 0)

    play_listening(tmp_path, act)


@pytest.mark.parametrize("drip", [b"", b"GET /livez HTTP/1.1\r\nX: "], ids=["nothing", "a head in drips"])
def test_a_head_that_does_not_come_is_not_waited_for(tmp_path: Path, drip: bytes) -> None:
    async def act(at: Listening) -> None:
        client = await at.connect()
        for byte in drip:
            await client.say(bytes([byte]))
        assert await client.is_closed_by_the_other_side()

    play_listening(tmp_path, act, limits={"head_s": 0.2})


def test_drips_after_an_answer_do_not_keep_a_connection(tmp_path: Path) -> None:
    async def act(at: Listening) -> None:
        client = await at.connect()
        await client.say(b"POST /v1/transactions HTTP/1.1\r\nHost: g\r\nContent-Length: 1000000\r\n\r\nx")
        status, body = await client.answer()
        assert (status, problem_code(body)) == (415, "unsupported_media_type")

        async def drip() -> None:
            with suppress(ConnectionError):
                while True:
                    await client.say(b"x")
                    await asyncio.sleep(0.01)

        dripping = asyncio.create_task(drip())
        assert await client.is_closed_by_the_other_side()
        dripping.cancel()

    play_listening(tmp_path, act, limits={"head_s": 0.2})


def test_the_connection_that_waited_longest_gives_way(tmp_path: Path) -> None:
    async def act(at: Listening) -> None:
        clients = [await at.connect() for _ in range(3)]
        for client in clients:
            assert (await client.get("/livez"))[0] == 200
        assert (await clients[0].get("/livez"))[0] == 200
        fourth = await at.connect()
        assert (await fourth.get("/livez"))[0] == 200
        assert await clients[1].is_closed_by_the_other_side()
        for client in (clients[0], clients[2]):
            assert (await client.get("/livez"))[0] == 200

    play_listening(tmp_path, act, limits={"most": 3})


def test_while_all_connections_are_at_work_another_is_sent_away(tmp_path: Path) -> None:
    async def act(at: Listening) -> None:
        at.stage.validator.is_silent = True
        busy = [await at.connect() for _ in range(2)]
        asked = [asyncio.create_task(client.get("/v1/checkpoint", GOOD)) for client in busy]
        await until(lambda: len(at.stage.validator.asked) == 2)
        late = await at.connect()
        assert await late.is_closed_by_the_other_side()
        assert {status for status, _ in await asyncio.gather(*asked)} == {503}

    play_listening(tmp_path, act, limits={"most": 2}, read_s=0.3)


def test_many_idle_connections_leave_room_for_honest_clients(tmp_path: Path) -> None:
    async def act(at: Listening) -> None:
        for _ in range(200):
            await at.connect()
        async with at.http() as http:
            for _ in range(5):
                assert (await http.get("/readyz")).status_code == 200
        assert len(at.server.server_state.connections) <= 20

    play_listening(tmp_path, act, limits={"most": 20})


def test_a_client_that_does_not_take_its_answer_is_cut(tmp_path: Path) -> None:
    async def act(at: Listening) -> None:
        at.stage.validator.genesis = bytes(15_000_000)
        client = await at.connect()
        await client.say(f"GET /v1/genesis HTTP/1.1\r\nHost: g\r\n{GOOD}\r\n\r\n".encode())
        await until(lambda: at.value("custody_gateway_slow_readers_total") == 1)
        await until(lambda: not at.server.server_state.connections)
        async with at.http() as http:
            assert len((await http.get("/v1/genesis")).content) == 15_000_000

    play_listening(tmp_path, act, limits={"write_s": 0.2})


def test_stopping_answers_submissions_that_wait(tmp_path: Path) -> None:
    async def act(at: Listening) -> None:
        at.stage.validator.is_finalising = False
        async with at.http() as http:
            made = at.stage.made(1)
            waiting = asyncio.create_task(
                http.post("/v1/transactions", content=body_of(made), headers=MSGPACK)
            )
            await until(lambda: bool(at.stage.validator.submissions))
            at.server.should_exit = True
            response = await waiting
            assert response.status_code == 202
            assert response.json()["transactions"][0]["status"] == "accepted"

    play_listening(tmp_path, act)


def test_short_of_descriptors_is_said_once_in_a_while_and_anything_else_each_time() -> None:
    async def app(*_: object) -> None:
        """Never called."""

    async def report() -> None:
        server = GatewayServer(
            server_config(app, connection_class(lambda: None), stop_s=1), on_stop=lambda: None
        )
        loop = asyncio.get_running_loop()
        for _ in range(2_048):
            server._report(loop, {"exception": OSError(errno.EMFILE, "Too many open files")})
        for _ in range(2):
            server._report(loop, {"message": "what nobody foresaw"})

    with capture_logs() as lines:
        asyncio.run(report())
    assert [line["event"] for line in lines] == ["cannot take connections", "fault", "fault"]
