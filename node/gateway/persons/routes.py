"""The routes of registration and approval (PERSONS.md §4). Bodies are small JSON objects, but for acts, which come as they are submitted.

Handing acts in and asking for them takes the reader's token. The ceremonies are open: an invitation or the link's secret is in
their bodies, an authenticator does the rest; secrets stand in no address, so in no log.
"""

from __future__ import annotations

import json
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from ledger.base.errors import Code, FormError
from node.gateway.answers import json_answer
from node.gateway.persons import page
from node.gateway.persons.service import Persons
from node.gateway.service import Gateway
from node.gateway.submission import check_media_type

_BODY_BYTES: Final = 65_536


def router(gateway: Gateway, persons: Persons) -> APIRouter:
    """GET /approve; POST /v1/approvals, GET /v1/approvals/{act} and its ceremony; POST /v1/persons and its challenge."""
    routes = APIRouter(include_in_schema=False)

    async def fields(request: Request, *names: str) -> list[Any]:
        with gateway.intake.body() as body:
            data = await body.read(request)
        return _fields(data, names)

    @routes.get("/approve")
    async def approve_page() -> Response:
        return HTMLResponse(
            page.PAGE, headers={"Content-Security-Policy": page.POLICY, "Cache-Control": "no-store"}
        )

    @routes.post("/v1/approvals")
    async def hand_in(request: Request) -> Response:
        check_media_type(request.headers.get("content-type"))
        with gateway.intake.body() as body:
            data = await body.read(request)
            async with gateway.intake.turns.turn(len(data)):
                acts = persons.hand_in(data)
        return json_answer({"acts": acts}, status=201)

    @routes.get("/v1/approvals/{act}")
    async def status(act: str) -> Response:
        return json_answer(await persons.status(act))

    @routes.post("/v1/approvals/{act}/challenge")
    async def begin_approval(act: str, request: Request) -> Response:
        (secret,) = await fields(request, "secret")
        return json_answer(persons.begin_approval(act, secret))

    @routes.post("/v1/approvals/{act}/assertion")
    async def approve(act: str, request: Request) -> Response:
        secret, credential = await fields(request, "secret", "credential")
        return json_answer(await persons.approve(act, secret, credential))

    @routes.post("/v1/persons/challenge")
    async def begin_registration(request: Request) -> Response:
        (invitation,) = await fields(request, "invitation")
        return json_answer({"options": persons.begin_registration(invitation)})

    @routes.post("/v1/persons")
    async def register(request: Request) -> Response:
        invitation, credential = await fields(request, "invitation", "credential")
        return json_answer(persons.register(invitation, credential), status=201)

    return routes


def _fields(data: bytes, names: tuple[str, ...]) -> list[Any]:
    """The named members of a JSON object; texts but for the credential, which the ceremony judges."""
    if len(data) > _BODY_BYTES:
        raise FormError(Code.TOO_LARGE, f"expected at most {_BODY_BYTES} bytes, got {len(data)}")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = None
    is_right = isinstance(value, dict) and set(value) == set(names)
    if not is_right or not all(isinstance(value[name], str) for name in names if name != "credential"):
        raise FormError(
            Code.MALFORMED, f"expected a JSON object of {' and '.join(names)}, got something else"
        )
    return [value[name] for name in names]
