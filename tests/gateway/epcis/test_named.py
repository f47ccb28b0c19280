"""Named queries: judged when given, never changed, answered as they came, gone when deleted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from ledger.base.limits import CONTEXT_BYTES
from node.gateway.epcis import named
from node.gateway.epcis.named import definition_of
from node.gateway.epcis.problems import EpcisError
from tests.gateway.epcis.told import Told, check_exception, event, events_in, quoted, tell

JSON = {"Content-Type": "application/json"}
SHIPMENTS = {"name": "shipments", "query": {"EQ_bizStep": ["shipping"], "eventType": ["ObjectEvent"]}}


async def create(told: Told, definition: Any, **headers: str) -> httpx.Response:
    body = definition if isinstance(definition, bytes) else json.dumps(definition).encode()
    return await told.http.post("/queries", content=body, headers=JSON | headers)


def test_a_query_is_kept_and_its_events_are_read(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        shipping = {"action": "OBSERVE", "bizStep": "shipping"}
        await told.record(
            event(1), event(1, **shipping, eventID="urn:uuid:1"), event(2, **shipping, eventID="urn:uuid:2")
        )
        response = await create(told, SHIPMENTS)
        assert (response.status_code, response.content) == (201, b"")
        assert response.headers["location"] == "/epcis/queries/shipments"
        found = await told.http.get("/queries/shipments")
        assert found.json() == SHIPMENTS
        response = await told.http.get("/queries/shipments/events", params={"perPage": 1})
        document = response.json()
        assert document["epcisBody"]["queryResults"]["queryName"] == "shipments"
        assert response.headers["custody-height"] == "1"
        seen = [one["eventID"] for one in events_in(response)]
        following = response.headers["link"].partition(">")[0][1:]
        seen += [one["eventID"] for one in events_in(await told.http.get(f"http://gateway{following}"))]
        assert sorted(seen) == ["urn:uuid:1", "urn:uuid:2"]
        assert "link" not in (await told.http.get(f"http://gateway{following}")).headers

    tell(tmp_path, act)


def test_a_name_is_taken_once_and_free_again_after(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        gone: list[str] = []
        told.epcis.queries.deleted.append(gone.append)
        await create(told, SHIPMENTS)
        other = SHIPMENTS | {"query": {"EQ_bizStep": ["packing"]}}
        check_exception(await create(told, other), "ResourceAlreadyExistsException", 409)
        assert (await told.http.get("/queries/shipments")).json() == SHIPMENTS
        response = await told.http.delete("/queries/shipments")
        assert (response.status_code, response.content) == (204, b"")
        assert gone == ["shipments"]
        for method, address in (
            ("GET", ""),
            ("GET", "/events"),
            ("OPTIONS", ""),
            ("OPTIONS", "/events"),
            ("DELETE", ""),
        ):
            response = await told.http.request(method, f"/queries/shipments{address}")
            check_exception(response, "NoSuchNameException", 404)
        assert gone == ["shipments"]
        assert (await create(told, other)).status_code == 201

    tell(tmp_path, act)


def test_a_token_is_of_the_query_that_it_was_given_for(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        await told.record(event(1), event(2))
        query = {"name": "all", "query": {"EQ_action": ["ADD"]}}
        await create(told, query)
        response = await told.http.get("/queries/all/events", params={"perPage": 1})
        following = response.headers["link"].partition(">")[0][1:]
        await told.http.delete("/queries/all")
        await create(told, query | {"query": {"EQ_action": ["OBSERVE"]}})
        response = await told.http.get(f"http://gateway{following}")
        check_exception(response, "QueryParameterException", 400)

    tell(tmp_path, act)


def test_names_in_addresses_are_percent_encoded(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        for name in ("a/b c", "ü?#%", "events", "x" * 128):
            response = await create(told, {"name": name, "query": {}})
            assert response.status_code == 201
            assert response.headers["location"] == f"/epcis/queries/{quoted(name)}"
            assert (await told.http.get(f"/queries/{quoted(name)}")).json() == {"name": name, "query": {}}
            assert (await told.http.get(f"/queries/{quoted(name)}/events")).status_code == 200

    tell(tmp_path, act)


def test_all_are_listed_by_name_in_pages(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        names = [f"query {number:02}" for number in range(7)]
        for name in reversed(names):
            await create(told, {"name": name, "query": {"EQ_action": ["ADD"]}})
        listed: list[str] = []
        address = "/epcis/queries?perPage=3"
        while address:
            response = await told.http.get(f"http://gateway{address}")
            listed += [one["name"] for one in response.json()]
            address = response.headers.get("link", "").partition(">")[0][1:]
        assert listed == names

    tell(tmp_path, act)


def test_what_is_kept_outlives_the_gateway(tmp_path: Path) -> None:
    async def first(told: Told) -> None:
        await create(told, SHIPMENTS)

    async def again(told: Told) -> None:
        assert (await told.http.get("/queries")).json() == [SHIPMENTS]

    tell(tmp_path, first)
    tell(tmp_path, again)


@pytest.mark.parametrize(
    ("definition", "name", "said"),
    [
        (b"", "QueryValidationException", "JSON"),
        (b"[]", "QueryValidationException", "name"),
        (b'{"name": "a"}', "QueryValidationException", "query"),
        (b'{"name": "a", "query": {}, "more": 1}', "QueryValidationException", "query"),
        (b'{"name": "", "query": {}}', "QueryValidationException", "name: "),
        (b'{"name": "a\\n", "query": {}}', "QueryValidationException", "name: "),
        (b'{"name": 1, "query": {}}', "QueryValidationException", "name: "),
        (json.dumps({"name": "x" * 129, "query": {}}).encode(), "QueryValidationException", "name: "),
        (b'{"name": "a", "query": []}', "QueryValidationException", "query: "),
        (b'{"name": "a", "name": "b", "query": {}}', "QueryValidationException", ""),
        (b'{"name": "a", "query": {"EQ_action": ["SELL"]}}', "QueryParameterException", "EQ_action"),
        (b'{"name": "a", "query": {"EQ_colour": ["red"]}}', "QueryParameterException", "EQ_colour"),
        (b'{"name": "a", "query": {"EQ_bizStep": [{}]}}', "QueryParameterException", "EQ_bizStep"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_not_kept(definition: bytes, name: str, said: str) -> None:
    with pytest.raises(EpcisError) as caught:
        definition_of(definition)
    assert caught.value.exception == name
    if said != "JSON":
        assert said in caught.value.message


def test_it_is_refused_over_http_too(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        check_exception(await create(told, b"{"), "QueryValidationException", 400)
        check_exception(
            await create(told, b" " * (CONTEXT_BYTES + 1) + b"{"), "QueryValidationException", 400
        )
        response = await create(told, SHIPMENTS, **{"Content-Type": "text/csv"})
        check_exception(response, "UnsupportedMediaTypeException", 415)
        response = await create(told, SHIPMENTS, **{"GS1-EPCIS-Version": "3.0"})
        check_exception(response, "NotAcceptableException", 406)
        assert (await told.http.get("/queries")).json() == []

    tell(tmp_path, act)


def test_there_are_only_so_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(named, "QUERIES_MOST", 2)

    async def act(told: Told) -> None:
        for name in ("a", "b"):
            await create(told, {"name": name, "query": {}})
        check_exception(await create(told, {"name": "c", "query": {}}), "QueryTooComplexException", 413)
        check_exception(await create(told, {"name": "a", "query": {}}), "ResourceAlreadyExistsException", 409)

    tell(tmp_path, act)


def test_a_query_s_own_prefixes_are_kept_with_it(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        await told.record(event(1, **{"ex:colour": "red"}), context=b'{"ex": "https://ns.example.org/"}')
        definition = {
            "@context": {"own": "https://ns.example.org/"},
            "name": "red",
            "query": {"EQ_own:colour": ["red"]},
        }
        assert (await create(told, definition)).status_code == 201
        assert len(events_in(await told.http.get("/queries/red/events"))) == 1

    tell(tmp_path, act)
