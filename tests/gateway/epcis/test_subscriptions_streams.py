"""WebSocket and server-sent events over a server that really listens: order, resuming, slow and rude subscribers, the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from ledger.base.errors import Code, CustodyError, StorageError, UnavailableError
from node.config import Address
from node.gateway.epcis.subscriptions.asked import terms_of_parameters
from node.gateway.epcis.subscriptions.feed import Delivery
from node.gateway.epcis.subscriptions.measures import Measures
from node.gateway.epcis.subscriptions.streams import Streams
from node.gateway.run import listen
from node.gateway.server import GatewayServer, connection_class, server_config
from tests.gateway.epcis.webhook_stage import QUERY, START_MS, HandClock, Log, until

PATH = f"/epcis/queries/{QUERY}/events"


class Stage(NamedTuple):
    log: Log
    clock: HandClock
    streams: Streams
    registry: CollectorRegistry
    server: GatewayServer
    port: int
    slow: list[int]

    def connected(self, way: str) -> float:
        return self.registry.get_sample_value("custody_gateway_epcis_streams", {"way": way}) or 0.0

    @asynccontextmanager
    async def socket(
        self, parameters: str = "stream=true", **options: Any
    ) -> AsyncIterator[ClientConnection]:
        address = f"ws://127.0.0.1:{self.port}{PATH}?{parameters}"
        async with connect(address, proxy=None, **options) as socket:
            yield socket

    @asynccontextmanager
    async def events(self, parameters: str = "stream=true", **headers: str) -> AsyncIterator[Sent]:
        address = f"http://127.0.0.1:{self.port}{PATH}?{parameters}"
        async with (
            httpx.AsyncClient(timeout=30, trust_env=False) as http,
            http.stream(
                "GET", address, headers={name.replace("_", "-"): text for name, text in headers.items()}
            ) as response,
        ):
            assert response.status_code == 200
            yield Sent(response)


class Sent:
    """Server-sent events, one at a time."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()
        self.comments = 0

    async def next(self) -> dict[str, str]:
        found: dict[str, str] = {}
        async for line in self._lines:
            if not line and found:
                return found
            name, _, value = line.partition(": ")
            if name:
                found[name] = value
            else:
                self.comments += line == ": still here"
        return found

    async def event(self) -> dict[str, str]:
        while "data" not in (found := await self.next()):
            assert found
        return found


def numbers(text: str | bytes) -> list[int]:
    found = json.loads(text)["events"]
    assert isinstance(found, list)
    return found


def play(
    act: Callable[[Stage], Awaitable[None]],
    *,
    count: int = 0,
    write_s: float = 20,
    connections: int = 100,
    unnoted_from: int = 2**62,
    **options: Any,
) -> None:
    async def run() -> None:
        log, clock, registry, slow = Log(count), HandClock(START_MS + 60_000), CollectorRegistry(), [0]
        streams = Streams(log, Measures(registry), clock=clock, **options)

        def note(query_name: str, delivery: Delivery, size: int) -> None:
            assert size > 0
            if delivery.after >= unnoted_from:
                raise UnavailableError(Code.OVERLOADED, "expected room in the log of reads")
            assert dict(delivery.asked(query_name))["queryName"] == QUERY

        async def socket(websocket: WebSocket) -> None:
            try:
                streams.check_room()
                terms = terms_of_parameters(websocket.query_params)
                feed = await streams.feed(QUERY, terms, websocket.query_params.get("position"))
            except CustodyError as error:
                await websocket.send_denial_response(Response(error.message, 400))
                return
            await websocket.accept()
            await streams.websocket(websocket, feed, terms, note)

        async def sent(request: Request) -> Response:
            terms = terms_of_parameters(request.query_params)
            feed = await streams.feed(QUERY, terms, request.headers.get("last-event-id"))
            return StreamingResponse(streams.server_sent(feed, terms, note), media_type="text/event-stream")

        def count_slow() -> None:
            slow[0] += 1

        app = Starlette(routes=[WebSocketRoute(PATH, socket), Route(PATH, sent), Route("/v1/status", sent)])
        server = GatewayServer(
            server_config(app, connection_class(count_slow, write_s=write_s, most=connections), stop_s=2),
            streams.stop,
        )
        listener = listen(Address("127.0.0.1", 0))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await until(lambda: server.started or serving.done())
            await act(Stage(log, clock, streams, registry, server, listener.getsockname()[1], slow))
        finally:
            server.should_exit = True
            await serving

    asyncio.run(run())


def test_a_websocket_gets_what_comes_and_resumes_where_it_was() -> None:
    async def act(at: Stage) -> None:
        async with at.socket() as socket:
            assert at.connected("websocket") == 1
            at.log.grow(2)
            document = json.loads(await socket.recv())
            assert document["events"] == [4, 5]
            at.log.grow(1)
            await socket.recv()
        await until(lambda: at.connected("websocket") == 0)
        at.log.grow(1)
        until_position = document["heading"][3]
        async with at.socket(f"stream=true&position={until_position}") as socket:
            assert numbers(await socket.recv()) == [6, 7]

    play(act, count=3)


def test_server_sent_events_resume_after_the_last_one_that_was_seen() -> None:
    async def act(at: Stage) -> None:
        async with at.events() as sent:
            await sent.next()
            at.log.grow(2)
            event = await sent.event()
            assert (event["event"], event["id"], numbers(event["data"])) == ("epcis", "5", [4, 5])
        at.log.grow(2)
        await until(lambda: at.connected("server-sent events") == 0)
        async with at.events(last_event_id="5") as sent:
            assert numbers((await sent.event())["data"]) == [6, 7]

    play(act, count=3)


def test_a_document_that_cannot_be_noted_is_not_sent() -> None:
    async def act(at: Stage) -> None:
        async with at.events() as sent:
            await sent.next()
            at.log.grow(1)
            assert (await sent.event())["event"] == "epcis"
            at.log.grow(1)
            event = await sent.event()
            assert (event["event"], "log of reads" in event["data"]) == ("problem", True)

    play(act, count=3, unnoted_from=4)


def test_streams_may_have_a_schedule_and_begin_in_the_past() -> None:
    async def act(at: Stage) -> None:
        begin = "2026-05-28T20:26:42Z"  # START_MS + 2 s
        async with at.socket(f"minute=[0-59]&reportIfEmpty=true&initialRecordTime={begin}") as socket:
            for expected in ([2, 3], []):
                await until(lambda: len(at.clock.waiting) == 1)
                at.clock.move_to(at.clock.waiting[0])
                assert numbers(await socket.recv()) == expected

    assert START_MS == 1_780_000_000_000
    play(act, count=3)


@pytest.mark.parametrize(
    "parameters",
    ["", "stream=false", "stream=true&minute=1", "minute=60", "stream=true&position=4", "stream=true&position=-1", "stream=true&initialRecordTime=now"],
)  # fmt: skip
def test_what_no_socket_is_opened_for(parameters: str) -> None:
    async def act(at: Stage) -> None:
        with pytest.raises(InvalidStatus) as caught:
            async with at.socket(parameters):
                pass
        assert caught.value.response.status_code == 400
        assert b"expected" in (caught.value.response.body or b"")

    play(act, count=3)


def test_silence_is_filled_and_what_a_subscriber_says_is_passed_over() -> None:
    async def act(at: Stage) -> None:
        async with at.events() as sent:
            assert await sent.next() == {"retry": "1000"}
            coming = asyncio.create_task(sent.event())
            await until(lambda: sent.comments > 2)
            at.log.grow(1)
            assert numbers((await coming)["data"]) == [1]
        async with at.socket() as socket:
            for _ in range(100):
                await socket.send("hello" * 100)
            at.log.grow(1)
            assert numbers(await socket.recv()) == [2]
            await socket.send("x" * 100_000)
            with pytest.raises(ConnectionClosed):
                await socket.recv()
        await until(lambda: at.connected("websocket") == 0)

    play(act, heartbeat_s=0.02)


def test_who_takes_nothing_is_cut_off() -> None:
    async def act(at: Stage) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", at.port, limit=4096)
        head = (
            f"GET {PATH}?stream=true&position=0 HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        writer.write(head.encode())
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        at.log.padding = "x" * 8_000_000
        at.log.grow(1)
        await until(lambda: bool(at.slow[0]))
        await until(lambda: at.connected("websocket") == 0)
        writer.close()

    play(act, write_s=0.05)


def test_streams_end_with_their_query_and_with_the_gateway() -> None:
    async def act(at: Stage) -> None:
        for is_gateway in (False, True):
            async with at.socket() as socket, at.events() as sent:
                await sent.next()
                at.streams.forget("another")
                if is_gateway:
                    at.server.should_exit = True
                else:
                    at.streams.forget(QUERY)
                with pytest.raises(ConnectionClosed) as caught:
                    await socket.recv()
                assert caught.value.rcvd is not None
                assert caught.value.rcvd.code in (1001, 1012)
                assert await sent.next() == {}

    play(act)


def test_what_is_wrong_with_the_index_is_told_and_ends_the_stream() -> None:
    async def act(at: Stage) -> None:
        async with at.socket() as socket, at.events() as sent:
            await sent.next()
            at.log.fault = StorageError(Code.UNAVAILABLE, "expected the index to answer")
            at.log.grow(1)
            problem = json.loads(await socket.recv())
            assert problem["type"] == "epcisException:ImplementationException"
            with pytest.raises(ConnectionClosed):
                await socket.recv()
            event = await sent.event()
            assert event["event"] == "problem"
            assert json.loads(event["data"])["detail"] == problem["detail"]
            assert await sent.next() == {}

    play(act)


def test_there_are_so_many_subscribers_and_no_more() -> None:
    async def act(at: Stage) -> None:
        async with at.socket(), at.socket():
            with pytest.raises(InvalidStatus):
                async with at.socket():
                    pass
        await until(lambda: at.connected("websocket") == 0)
        async with at.socket():
            pass

    play(act, most=2)


def test_a_wish_for_another_protocol_elsewhere_is_passed_over_and_a_long_one_refused() -> None:
    async def act(at: Stage) -> None:
        upgrade = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version": "13",
        }
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{at.port}", timeout=30, trust_env=False
        ) as http:
            async with http.stream("GET", "/v1/status?stream=true", headers=upgrade) as response:
                assert response.status_code == 200
            for headers in ({f"x-{number}": "1" for number in range(120)}, {"x": "y" * 9_000}):
                refused = await http.get(PATH, headers=upgrade | headers)
                assert (refused.status_code, refused.json()["code"]) == (400, "malformed")
            assert (await http.get(PATH, headers=upgrade | {"Sec-WebSocket-Version": "1"})).status_code in (
                400,
                426,
            )

    play(act)


def test_a_socket_gives_way_to_no_new_connection() -> None:
    """It is at work, whoever comes; of those that wait, the longest waiting one goes."""

    async def act(at: Stage) -> None:
        async with at.socket() as socket:
            waiting = [await asyncio.open_connection("127.0.0.1", at.port) for _ in range(3)]
            assert await waiting[0][0].read() == b""
            at.log.grow(1)
            assert numbers(await socket.recv()) == [1]
            for _, writer in waiting:
                writer.close()

    play(act, connections=2)
