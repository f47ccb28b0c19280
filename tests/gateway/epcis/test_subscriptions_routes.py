"""The interface of subscriptions over the real application: webhooks from POST to DELETE, what is refused, what is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from client.webhook import check_delivery
from node.config import Address
from node.gateway.app import create_app
from node.gateway.epcis.subscriptions import source
from node.gateway.run import listen
from node.gateway.server import GatewayServer, connection_class, server_config
from tests.gateway.epcis.epcis_stage import READER
from tests.gateway.epcis.told import Told, check_exception, event, tell
from tests.gateway.epcis.webhook_stage import Receiver, says, until

NAME = "all of it/ü"
QUERY = "/queries/all%20of%20it%2F%C3%BC"
ALL = QUERY + "/subscriptions"


def play(folder: Path, act: Callable[[Told], Awaitable[None]]) -> None:
    """With a named query, and receivers on this machine allowed."""

    async def with_query(told: Told) -> None:
        await told.http.post("/queries", json={"name": NAME, "query": {"EQ_bizStep": ["commissioning"]}})
        await act(told)

    tell(folder, with_query, webhook_allow=[ip_network("127.0.0.1/32")])


async def made(told: Told, url: str, **more: Any) -> dict[str, Any]:
    response = await told.http.post(
        ALL, json={"dest": url, "stream": True, **more}, headers={"GS1-EPC-Format": "Never_Translates"}
    )
    assert response.status_code == 201, response.text
    document = response.json()
    assert response.headers["location"] == f"/epcis{ALL}/{document['subscriptionID']}"
    assert isinstance(document, dict)
    return document


def reported(body: bytes | str) -> list[str]:
    document = json.loads(body)
    assert document["type"] == "EPCISQueryDocument"
    results = document["epcisBody"]["queryResults"]
    assert results["queryName"] == NAME
    return [one["epcList"][0][-1] for one in results["resultsBody"]["eventList"]]


def test_events_that_match_come_to_the_webhook_signed(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        await told.record(event(1))
        async with Receiver() as receiver:
            subscription = await made(told, receiver.url, signatureToken="between us")
            assert "between us" not in json.dumps(subscription)
            await told.record(event(2), event(3, bizStep="inspecting", action="OBSERVE"), event(4))
            await until(lambda: bool(receiver.got))
            got = receiver.got[0]
            assert reported(got.body) == ["2", "4"]
            document = json.loads(got.body)
            assert document["epcisBody"]["queryResults"]["subscriptionID"] == subscription["subscriptionID"]
            assert document["ledger:delivery"] == {"number": 1, "after": 1, "position": 4}
            created_s = int(got.headers["signature-input"].partition("created=")[2].partition(";")[0])
            sent = check_delivery(
                told.world.genesis.entries, receiver.url, got.headers, got.body, now_s=created_s
            )
            assert sent == ("maker", subscription["subscriptionID"], 1)
            one = f"{ALL}/{subscription['subscriptionID']}"
            await until(lambda: told.epcis.subscriptions.webhooks.of_query(NAME)[0].standing.delivered == 1)
            shown = (await told.http.get(one)).json()
            assert shown["ledger:delivery"]["state"] == "active"
            assert shown["lastNotifiedAt"]
            assert shown["minRecordTime"] > shown["initialRecordTime"]
            assert (await told.http.delete(one)).status_code == 204
            check_exception(await told.http.get(one), "NoSuchNameException", 404)
            check_exception(await told.http.delete(one), "NoSuchNameException", 404)
            await told.record(event(5))
        assert len(receiver.got) == 1

    play(tmp_path, act)


def test_what_no_webhook_is_made_of(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        good: dict[str, Any] = {"dest": "https://receiver.example/", "stream": True}
        changes: list[dict[str, Any]] = [
            {"dest": None}, {"dest": 7}, {"dest": "ftp://receiver.example/"}, {"dest": "http://169.254.169.254/latest/"},
            {"dest": "http://[::1]/"}, {"stream": None}, {"stream": False}, {"stream": "true"}, {"stream": 1},
            {"schedule": {"second": "0"}}, {"stream": None, "schedule": {}}, {"stream": None, "schedule": {"second": 0}},
            {"stream": None, "schedule": {"second": "60"}}, {"stream": None, "schedule": "0 5 * * *"},
            {"reportIfEmpty": "yes"}, {"initialRecordTime": "yesterday"}, {"initialRecordTime": 7}, {"signatureToken": ""},
            {"signatureToken": 7},
        ]  # fmt: skip
        for change in changes:
            body = {name: value for name, value in (good | change).items() if value is not None}
            check_exception(await told.http.post(ALL, json=body), "SubscriptionControlsException", 400)
        for bad in (
            b"",
            b"{",
            b"[]",
            b'{"dest":"https://receiver.example/","dest":"https://b.example/","stream":true}',
        ):
            response = await told.http.post(ALL, content=bad, headers={"Content-Type": "application/json"})
            check_exception(response, "ValidationException", 400)
        response = await told.http.post(ALL, content=json.dumps(good), headers={"Content-Type": "text/plain"})
        check_exception(response, "UnsupportedMediaTypeException", 415)
        for path in ("/queries/another/subscriptions", f"{ALL}/another", "/queries/another/subscriptions/x"):
            check_exception(await told.http.get(path), "NoSuchNameException", 404)
        check_exception(
            await told.http.post("/queries/another/subscriptions", json=good), "NoSuchNameException", 404
        )
        check_exception(
            await told.http.get(ALL, headers={"Authorization": "Bearer x"}), "SecurityException", 401
        )
        check_exception(
            await told.http.get(ALL, headers={"GS1-EPCIS-Min": "3.0"}), "NotAcceptableException", 406
        )
        assert (await told.http.get(ALL)).json() == []

    play(tmp_path, act)


def test_subscriptions_are_listed_in_pages_that_stay(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        made_ids = [
            (await made(told, f"https://receiver.example/{number}"))["subscriptionID"] for number in range(5)
        ]
        scheduled = {
            "dest": "https://receiver.example/",
            "schedule": {"hour": "1", "minute": "5"},
            "reportIfEmpty": True,
        }
        response = await told.http.get(ALL, params={"perPage": 2})
        seen = [one["subscriptionID"] for one in response.json()]
        kept = (await told.http.post(ALL, json=scheduled)).json()
        assert (kept["schedule"], kept["reportIfEmpty"], "stream" in kept) == (
            {"hour": "1", "minute": "5"},
            True,
            False,
        )
        await told.http.delete(f"{ALL}/{made_ids[3]}")
        while "link" in response.headers:
            response = await told.http.get(
                response.headers["link"].partition("<")[2].partition(">")[0].removeprefix("/epcis")
            )
            seen += [one["subscriptionID"] for one in response.json()]
        assert seen == [made_ids[number] for number in (0, 1, 2, 4)]
        assert len((await told.http.get(ALL)).json()) == 5
        check_exception(
            await told.http.get(ALL, params={"nextPageToken": "x"}), "QueryParameterException", 400
        )

    play(tmp_path, act)


def test_what_may_be_done_is_told(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        one = f"{ALL}/{(await made(told, 'https://receiver.example/'))['subscriptionID']}"
        for path, allow in (
            (ALL, "OPTIONS, GET, POST"),
            (one, "OPTIONS, GET, DELETE"),
            (one + "/resume", "OPTIONS, POST"),
        ):
            response = await told.http.options(path)
            assert (response.status_code, response.headers["allow"]) == (204, allow)
            assert (await told.http.put(path)).status_code == 405
        assert (await told.http.options(one)).headers["gs1-query-min-record-time"].endswith("Z")
        check_exception(await told.http.options("/queries/another/subscriptions"), "NoSuchNameException", 404)
        check_exception(await told.http.options(f"{ALL}/another"), "NoSuchNameException", 404)

    play(tmp_path, act)


def test_a_webhook_that_was_given_up_is_shown_and_resumed(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        async with Receiver([says(410)]) as receiver:
            one = f"{ALL}/{(await made(told, receiver.url))['subscriptionID']}"
            await told.record(event(1))
            while (shown := (await told.http.get(one)).json()["ledger:delivery"])["state"] != "dead":
                pass
            assert (shown["failures"], shown["lastError"]) == (1, "expected a 2xx answer, got 410")
            metrics = (await told.http.get("http://gateway/metrics")).text
            assert 'custody_gateway_webhooks{state="dead"} 1.0' in metrics
            await told.record(event(2))
            assert (await told.http.post(one + "/resume")).json()["ledger:delivery"]["state"] == "active"
            await until(lambda: len(receiver.got) > 1)
            await until(lambda: told.epcis.subscriptions.webhooks.of_query(NAME)[0].progress.position == 2)
        assert [number for got in receiver.got[1:] for number in reported(got.body)] == ["1", "2"]

    play(tmp_path, act)


def test_a_query_takes_its_subscriptions_with_it(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        async with Receiver() as receiver:
            await made(told, receiver.url)
            assert (await told.http.delete(QUERY)).status_code == 204
            assert await told.epcis.subscriptions.webhooks.store.all() == []
            check_exception(await told.http.get(ALL), "NoSuchNameException", 404)
            await told.http.post("/queries", json={"name": NAME, "query": {}})
            assert (await told.http.get(ALL)).json() == []
            await told.record(event(1))
            assert not receiver.got

    play(tmp_path, act)


def test_named_queries_as_streams(tmp_path: Path) -> None:
    """A gateway that really listens: WebSocket and server-sent events see the same, and resume."""

    async def act(told: Told) -> None:
        await told.record(event(1))
        async with listening(told) as port:
            base = f"127.0.0.1:{port}/epcis{QUERY}/events"
            options: dict[str, Any] = {"additional_headers": READER, "proxy": None}
            async with (
                connect(f"ws://{base}?stream=true", **options) as socket,
                httpx.AsyncClient(headers=READER, trust_env=False) as http,
            ):
                assert socket.response is not None
                assert socket.response.headers["gs1-query-min-record-time"]
                await told.record(event(2))
                document = await socket.recv()
                assert reported(document) == ["2"]
                position = json.loads(document)["ledger:delivery"]["position"]
                await told.record(event(3))
                headers = {"Accept": "text/event-stream", "Last-Event-ID": str(position)}
                async with http.stream("GET", f"http://{base}", headers=headers, timeout=30) as response:
                    lines = response.aiter_lines()
                    async for line in lines:
                        if line.startswith("data: "):
                            assert reported(line[6:]) == ["3"]
                            break
                check_exception(
                    await http.get(f"http://{base}?minute=61", headers={"Accept": "text/event-stream"}),
                    "SubscriptionControlsException", 400,
                )  # fmt: skip
                assert reported(await socket.recv()) == ["3"]
                await told.http.delete(QUERY)
                with pytest.raises(ConnectionClosed):
                    await socket.recv()
            for path, headers, status in (
                (base, {}, 404), (f"127.0.0.1:{port}/epcis/queries/another/events", READER, 404),
                (base, {"Authorization": "Bearer x"}, 401), (base, READER | {"GS1-EPCIS-Min": "3.0"}, 404),
            ):  # fmt: skip
                with pytest.raises(InvalidStatus) as caught:
                    async with connect(f"ws://{path}?stream=true", additional_headers=headers, proxy=None):
                        pass
                expected = 401 if "Authorization" not in headers else status
                assert caught.value.response.status_code == expected
                problem = json.loads(caught.value.response.body or b"")
                assert problem["type"].startswith("epcisException:")

    play(tmp_path, act)


@asynccontextmanager
async def listening(told: Told) -> AsyncIterator[int]:
    app = create_app(told.epcis.gateway, told.epcis)
    server = GatewayServer(server_config(app, connection_class(lambda: None), stop_s=2), told.epcis.stop)
    server.config.lifespan = "off"
    listener = listen(Address("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await until(lambda: server.started or serving.done())
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await serving


def test_a_delivery_has_so_many_events_and_bytes_and_the_rest_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(told: Told) -> None:
        await told.record(*[event(number) for number in range(1, 10)])
        find = told.epcis.subscriptions._source.find
        assert [len((await find(NAME, 0, 9, most)).events) for most in (None, 9, 4, 1)] == [9, 9, 4, 1]
        assert [(await find(NAME, 2, 9, most)).until for most in (None, 7, 4, 1)] == [9, 9, 6, 3]
        assert await find(NAME, 9, 9, 5) == ((), 9)
        monkeypatch.setattr(source, "_AT_ONCE", 2)
        assert [len((await find(NAME, 0, 9, most)).events) for most in (None, 9, 4, 1)] == [9, 9, 4, 1]
        monkeypatch.setattr(source, "DELIVERY_BYTES", 1)
        assert (len((await find(NAME, 0, 9, 9)).events), (await find(NAME, 0, 9, 9)).until) == (2, 2)
        assert len((await find(NAME, 0, 9, None)).events) == 9
        async with Receiver() as receiver:
            await made(told, receiver.url, initialRecordTime="2020-01-01T00:00:00Z")
            await until(lambda: len(receiver.got) == 5)
        assert [one for got in receiver.got for one in reported(got.body)] == list("123456789")

    play(tmp_path, act)


def test_answers_are_what_the_official_interface_says(tmp_path: Path, shared_data: Path) -> None:
    """Its schemas, less patterns that no Python reads."""
    official = json.loads((shared_data / "epcis" / "schema" / "openapi.json").read_text())
    schemas = without_patterns(official["components"])
    shapes = [{"$ref": f"#/components/schemas/Query{kind}Subscription"} for kind in ("Schedule", "Stream")]
    whole = [{"$ref": "#/components/schemas/AbstractQuerySubscriptionResponse"}, {"oneOf": shapes}]
    check = jsonschema_rs.Draft7Validator({"allOf": whole, "components": schemas})

    async def act(told: Told) -> None:
        check.validate(await made(told, "https://receiver.example/"))
        with pytest.raises(jsonschema_rs.ValidationError):
            check.validate({"dest": "https://receiver.example/", "stream": True})
        terms = {"schedule": {"second": "[0-9],30"}, "initialRecordTime": "2026-04-04T20:33:31.116-06:00"}
        response = await told.http.post(ALL, json={"dest": "https://receiver.example/", **terms})
        check.validate(response.json())
        assert response.json()["initialRecordTime"] == "2026-04-05T02:33:31.116Z"

    play(tmp_path, act)


def without_patterns(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_patterns(part) for name, part in value.items() if name != "pattern"}
    return [without_patterns(part) for part in value] if isinstance(value, list) else value
