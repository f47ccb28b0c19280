"""Who may use which route: every cell of the table, both ways, against the application that serves them all."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from starlette.requests import HTTPConnection

from ledger.base.errors import Code, EntitlementError
from node.gateway.callers import Callers
from node.gateway.permissions import MEANING, ROWS, Caller, Role, check_permitted, row_of
from tests.gateway.epcis.epcis_stage import EpcisStage, play_epcis

READERS: Final = "reader"
CHAIN: Final = "reader member authority auditor"
EXPECTED: Final = {
    "GET /docs": "anyone",
    "GET /openapi.json": "anyone",
    "GET /livez": "neighbour operator reader",
    "GET /readyz": "neighbour operator reader",
    "GET /metrics": "neighbour operator reader",
    "GET /v1/status": "operator reader auditor",
    "POST /v1/transactions": "anyone",
    "GET /v1/transactions/{id}": CHAIN,
    "GET /v1/subjects": CHAIN,
    "GET /v1/subjects/history": CHAIN,
    "GET /v1/bundle": CHAIN,
    "GET /v1/blocks/{height}": CHAIN,
    "GET /v1/follow": "reader authority auditor",
    "GET /v1/checkpoint": CHAIN,
    "GET /v1/genesis": CHAIN,
    "GET /v1/registry": CHAIN,
    "GET /v1/events/{hash}": CHAIN,
    "GET /approve": "anyone",
    "POST /v1/approvals": "reader",
    "GET /v1/approvals/{act}": "reader",
    "POST /v1/approvals/{act}/challenge": "anyone",
    "POST /v1/approvals/{act}/assertion": "anyone",
    "POST /v1/persons/challenge": "anyone",
    "POST /v1/persons": "anyone",
    "GET /epcis/": "reader capturer",
    "GET /epcis/capture": "reader capturer",
    "POST /epcis/capture": "capturer",
    "GET /epcis/capture/{captureID}": "reader capturer",
    "POST /epcis/events": "capturer",
    "OPTIONS /epcis/events": "reader capturer",
}
"""Whatever else there is under /epcis is its readers'."""
PERSONS: Final = {
    row.path
    for row in ROWS
    if row.path == "/approve" or row.path.startswith(("/v1/approvals", "/v1/persons"))
}
"""Served where a node has an origin for them; their own tests ask them."""
CELLS: Final = [(row.method, row.path, role) for row in ROWS for role in Role]


@pytest.mark.parametrize(("method", "path", "role"), CELLS)
def test_every_cell_of_role_and_route(method: str, path: str, role: Role) -> None:
    wanted = EXPECTED.get(f"{method} {path}", READERS if path.startswith("/epcis/") else "").split()
    caller = Caller(frozenset({role, Role.ANYONE}), "somebody")
    row = row_of(method, path)
    if role in wanted or "anyone" in wanted:
        check_permitted(caller, row)
        return
    with pytest.raises(EntitlementError) as caught:
        check_permitted(caller, row)
    assert caught.value.code == Code.NOT_ENTITLED
    with pytest.raises(EntitlementError) as caught:
        check_permitted(Caller(frozenset({Role.ANYONE})), row)
    assert caught.value.code == Code.UNAUTHORISED


def test_the_roles_are_explained() -> None:
    assert set(MEANING) == set(Role)


def test_a_route_without_a_row_is_nobodys() -> None:
    everything = Caller(frozenset(Role) - {Role.ANYONE}, "somebody")
    with pytest.raises(EntitlementError, match="nobody"):
        check_permitted(everything, row_of("GET", "/v1/new"))


class _As:
    """Callers that are whoever the test wants."""

    def __init__(self) -> None:
        self.one = Caller(frozenset())

    async def caller(self, connection: HTTPConnection) -> Caller:
        del connection
        return self.one


def _routes(app: Any) -> set[tuple[str, str]]:
    paths = app.openapi()["paths"]
    return {
        (method.upper(), path.replace(":path}", "}")) for path, methods in paths.items() for method in methods
    }


def test_the_application_asks_the_table_at_every_route(tmp_path: Path) -> None:
    """Each role at each route that is served: passed the guard exactly where the table says so, whatever comes after."""

    async def act(stage: EpcisStage) -> None:
        app = stage.http._transport.app  # type: ignore[attr-defined]
        gateway = stage.epcis.gateway
        known, asked = {(row.method, row.path) for row in ROWS}, _As()
        gateway.callers.caller = asked.caller  # type: ignore[method-assign]
        served = _routes(app) | {("GET", "/openapi.json"), ("GET", "/docs")}
        assert {path for _, path in known - served} <= PERSONS
        beside = {(method, path) for method, path in served - known if not path.startswith("/epcis/")}
        assert beside == set(), "a route without a row"
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("192.0.2.7", 7))
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
            for method, path in sorted(served - {("GET", "/v1/follow")}):
                row = row_of(method, path)
                for role in Role:
                    asked.one = Caller(frozenset({role, Role.ANYONE}), "somebody")
                    answer = await http.request(method, re.sub(r"\{\w+\}", "1", path))
                    is_refused = answer.status_code == 403
                    assert is_refused is not bool(row.roles & asked.one.roles), (
                        method,
                        path,
                        role,
                        answer.text,
                    )
                asked.one = Caller(frozenset({Role.ANYONE}))
                answer = await http.request(method, re.sub(r"\{\w+\}", "1", path))
                assert (answer.status_code == 401) is (Role.ANYONE not in row.roles), (method, path)

    play_epcis(tmp_path, act)


def test_a_websocket_asks_too(tmp_path: Path) -> None:
    async def act(stage: EpcisStage) -> None:
        app = stage.http._transport.app  # type: ignore[attr-defined]
        sent: list[Any] = []

        async def receive() -> dict[str, str]:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "websocket", "path": "/epcis/queries/q/events", "raw_path": b"/epcis/queries/q/events", "query_string": b"",
            "headers": [(b"authorization", b"Bearer " + b"c" * 43)], "client": ("192.0.2.7", 7), "server": ("gateway", 80),
            "scheme": "ws", "root_path": "", "subprotocols": [], "extensions": {"websocket.http.response": {}}, "state": {},
        }  # fmt: skip
        await app(scope, receive, send)
        assert sent[0]["type"] == "websocket.http.response.start"
        assert sent[0]["status"] == 403, sent

    play_epcis(tmp_path, act)


def test_a_token_and_a_signature_at_once_are_refused() -> None:
    headers = [(b"authorization", b"Bearer x"), (b"signature-input", b"a=()"), (b"signature", b"a=:AA==:")]
    connection = HTTPConnection({"type": "http", "headers": headers, "client": ("192.0.2.1", 1)})
    from node.gateway.access import ReaderToken

    with pytest.raises(EntitlementError, match="got both"):
        asyncio.run(Callers(ReaderToken("t" * 40)).caller(connection))
