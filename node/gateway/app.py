"""The application: routes, errors as problems, the OpenAPI document (API.md).

OpenAPI is served at /openapi.json, and as a page for people at /docs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import APIRouter, Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, Response

from ledger.base.errors import CustodyError
from node.gateway import contract, edge, reference
from node.gateway.epcis import contract as epcis_contract
from node.gateway.epcis import routes as epcis_routes
from node.gateway.epcis.raw_path import RawPath, template_of
from node.gateway.epcis.service import EpcisService
from node.gateway.routes import chain, events, operations, subjects, transactions
from node.gateway.service import Gateway
from node.gateway.signed_requests import SignedBodies

VERSION: Final = "1"
_DESCRIPTION: Final = """Who held which item, agreed by a quorum of independent validators and provable in one file.

What an answer says is this node's word. A *bundle* proves it offline: that a quorum agreed on the record and its order, not
that the record is true; what nobody reported cannot be known.

Errors are problem documents (RFC 9457) whose `type` is `urn:custody:<code>` and whose `detail` names what was expected and what
came. 429 and 503 carry `Retry-After`; the same request may be sent again.
"""


def _guard_of(gateway: Gateway) -> Callable[[HTTPConnection], Awaitable[None]]:
    """What every route asks first."""

    async def guard(connection: HTTPConnection) -> None:
        if (
            connection.scope["type"] == "http"
        ):  # a WebSocket asks for itself, so that it can be denied in its own way
            await gateway.guard(connection, template_of(connection.scope) or "")

    return guard


def create_app(
    gateway: Gateway, epcis: EpcisService | None = None, persons: APIRouter | None = None
) -> FastAPI:
    """The ASGI application over a gateway; with `epcis`, which it opens and closes, at `/epcis` too; with the routes of
    `persons` where persons approve acts.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            if epcis is not None:
                await epcis.open()
            yield
        finally:
            if epcis is not None:
                await epcis.close()
            await gateway.close()

    app = FastAPI(
        title="Custody ledger",
        version=VERSION,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(_guard_of(gateway))],
        lifespan=lifespan,
        exception_handlers={
            CustodyError: edge.custody_error,
            HTTPException: edge.http_error,
            RequestValidationError: edge.parameter_error,
        },
    )
    app.add_middleware(SignedBodies)
    app.add_middleware(RawPath)
    app.add_middleware(edge.Edge, metrics=gateway.metrics, reads=gateway.reads)
    routers = [part.router(gateway) for part in (transactions, subjects, events, chain, operations)]
    for router in routers:
        app.include_router(router)
    if epcis is not None:
        app.include_router(epcis_routes.router(epcis))
    if persons is not None:
        app.include_router(persons)

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes
            )
            app.openapi_schema = contract.completed(
                document, [route for router in routers for route in router.routes]
            )
            if epcis is not None:
                document["components"]["schemas"].update(epcis_contract.SCHEMAS)
                document["components"]["securitySchemes"]["capture"] = epcis_contract.CAPTURING
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        headers = {"Content-Security-Policy": reference.POLICY}
        return HTMLResponse(reference.page(app.openapi()), headers=headers)

    return app
