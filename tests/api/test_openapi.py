"""The OpenAPI document says what the gateway does, and its examples are what it would say."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from ledger.base.errors import Code
from ledger.trade.statement import Action, Role
from node.gateway import contract
from node.gateway.access import ReaderToken
from node.gateway.app import create_app
from node.gateway.problems import MEDIA_TYPE, STATUS, problem
from node.gateway.service import Gateway
from tests.api.json_schema import check
from tests.gateway.stage import Stage, item_id, play

DOCUMENT: dict[str, Any] = create_app(Gateway(bytes(32), ReaderToken("x" * 32), Path("nowhere"))).openapi()
OPERATIONS = [
    (path, method, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
NAMES = [f"{method} {path}" for path, method, _ in OPERATIONS]
OPEN = {"/livez", "/readyz", "/metrics"}


def contents(operation: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (status, media_type, content)
        for status, response in operation["responses"].items()
        for media_type, content in response["content"].items()
    ]


def test_every_code_has_a_status_and_a_title() -> None:
    for code in Code:
        document = problem(code, "expected one thing, got another")
        assert 400 <= document["status"] < 600
        assert document["title"]


def test_the_references_lead_somewhere() -> None:
    text = str(DOCUMENT)
    names = {part.partition("'")[0] for part in text.split("#/components/schemas/")[1:]}
    assert names <= set(DOCUMENT["components"]["schemas"])
    assert "HTTPValidationError" not in text


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=NAMES)
def test_every_route_is_described_with_examples_and_problems(
    path: str, method: str, operation: dict[str, Any]
) -> None:
    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"]
    assert method in ("get", "post")
    found = contents(operation)
    for status, media_type, content in found:
        if media_type == MEDIA_TYPE:
            assert content["examples"]
            for name, example in content["examples"].items():
                assert str(STATUS[Code(name)]) == status
                check(DOCUMENT, content["schema"], example["value"])
        elif content["schema"].get("format") != "binary":
            check(DOCUMENT, content["schema"], content["example"])
    statuses = {status for status, _, _ in found}
    assert statuses & {"200", "202"}
    needs_token = path not in OPEN and method != "post"
    assert ("401" in statuses) == (path != "/v1/transactions")
    assert ("security" in operation) == needs_token
    for parameter in operation.get("parameters", []):
        assert parameter["description"], parameter["name"]


async def tell(stage: Stage) -> None:
    """Something of most sorts of records: lots, holds, seals, documents, offers, asides."""
    item, world = stage.world.item, stage.world
    steps = (
        ("maker", item(Action.MAKE, [(Role.OBJECT, item_id(1))])),
        ("maker", item(Action.OFFER, [(Role.OBJECT, item_id(1))], to="carrier", seals=("S1",))),
        ("customs", item(Action.HOLD, [(Role.OBJECT, item_id(1))], measure=("case-7", "Art.198"))),
        ("carrier", item(Action.ACCEPT, [(Role.OBJECT, item_id(1))])),
        ("forwarder", item(Action.ACCEPT, [(Role.OBJECT, item_id(1))])),
    )
    for organisation, one in steps:
        await stage.submit(world.sign(organisation, one))


REAL = {
    "/v1/subjects": "/v1/subjects?id=" + item_id(1),
    "/v1/subjects/history": "/v1/subjects/history?id=" + item_id(1),
    "/v1/blocks/{height}": "/v1/blocks/3",
    "/v1/checkpoint": "/v1/checkpoint",
    "/v1/genesis": "/v1/genesis",
    "/v1/status": "/v1/status",
    "/livez": "/livez",
    "/readyz": "/readyz",
}


@pytest.mark.parametrize("path", REAL)
def test_real_answers_fit_their_schema(tmp_path: Path, path: str) -> None:
    schema = DOCUMENT["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]

    async def act(stage: Stage) -> None:
        await tell(stage)
        response = await stage.http.get(REAL[path], headers={"Accept": "application/json"})
        assert response.status_code == 200
        check(DOCUMENT, schema, response.json())

    play(tmp_path, act)


def test_real_receipts_fit_their_schema(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        response = await stage.submit(stage.made(1), stage.made(1))
        check(DOCUMENT, {"$ref": "#/components/schemas/Submitted"}, response.json())
        one = response.json()["transactions"][1]["id"]
        found = await stage.http.get(f"/v1/transactions/{one}")
        check(DOCUMENT, {"$ref": "#/components/schemas/Transaction"}, found.json())

    play(tmp_path, act)


def test_the_document_is_served_to_anybody(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        del stage.http.headers["Authorization"]
        assert (await stage.http.get("/openapi.json")).json() == DOCUMENT

    play(tmp_path, act)


def test_the_page_for_people_says_all_of_it_and_runs_nothing(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        del stage.http.headers["Authorization"]
        response = await stage.http.get("/docs")
        assert response.headers["content-type"].startswith("text/html")
        assert response.headers["content-security-policy"].startswith("default-src 'none'")
        for path, method, operation in OPERATIONS:
            assert f"<b>{method.upper()}</b> {path}</h3>" in response.text
            assert escape(operation["summary"]) in response.text
        assert "<script" not in response.text
        assert "http://" not in response.text
        ET.fromstring(response.text.removeprefix("<!doctype html>"))

    play(tmp_path, act)


def test_merging_keeps_what_both_parts_say() -> None:
    merged = contract.merged(contract.problems(Code.MALFORMED), contract.problems(Code.TOO_DEEP))
    assert set(merged[400]["content"][MEDIA_TYPE]["examples"]) == {"malformed", "too_deep"}
