"""Resources of the EPCIS interface: which methods each takes, and how it says so (EPCIS.md "Query"; EPCIS 2.0 §12).

Every resource answers OPTIONS with its methods, versions and formats, and any other method than its own with 405 and the same
list. Both need a token like everything else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from node.gateway.epcis import contract
from node.gateway.epcis.contract import described, done
from node.gateway.epcis.negotiation import check_versions, discovery
from node.gateway.epcis.problems import Exceptional

_METHODS: Final = ("OPTIONS", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE")
Check = Callable[[Request], Awaitable[Mapping[str, str] | None]]


def resource(
    routes: APIRouter,
    path: str,
    allow: tuple[str, ...],
    *,
    value: Mapping[str, str] | None = None,
    check: Check | None = None,
    more: Mapping[str, str] | None = None,
    captures: bool = False,
) -> None:
    """Let `path` answer OPTIONS and refuse methods that are not its own; to be called after its routes are there.

    `value`: name and description of the value in the path; `check` raises where there is no such thing, and may answer with headers; `more`: headers
    of the answer to OPTIONS beside those that all have; `captures`: it also takes EPCIS 1.2.
    """

    async def options(request: Request) -> Response:
        """Which methods this resource takes, which versions and formats are spoken."""
        check_versions(request)
        said = None if check is None else await check(request)
        return discovery(allow, {**(more or {}), **(said or {})}, captures=captures)

    async def refuse(_: Request) -> Response:
        raise HTTPException(405, headers={"Allow": ", ".join(allow)})

    routes.add_api_route(
        path,
        options,
        methods=["OPTIONS"],
        summary="Methods, versions and formats",
        response_class=Response,
        openapi_extra=described(path=dict(value or {})),
        responses=done("They are in the headers.", "Allow") | contract.exceptions(*_missing(value)),
    )
    others = [method for method in _METHODS if method not in allow]
    routes.add_api_route(path, refuse, methods=others, include_in_schema=False)


def _missing(value: Mapping[str, str] | None) -> tuple[Exceptional, ...]:
    return (Exceptional.NO_SUCH_NAME,) if value else ()
