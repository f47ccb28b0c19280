"""The bytes of one event, for whoever may read them (API.md §6).

Open events are everybody's who reads the chain here. Those of a restricted one stay at its author's node and go to the
organisations that its author named at capture, its own among them; to all others it is as if they were not here.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from ledger.base.encoding import encode
from ledger.base.errors import Code, EntitlementError, UnavailableError
from node.gateway.answers import MSGPACK, LongAnswer
from node.gateway.contract import SECURED, binary, merged, problems
from node.gateway.permissions import Caller, Role
from node.gateway.service import Gateway

EventHash = Annotated[
    str,
    Path(
        description="The event's hash as it stands on the ledger, 64 hexadecimal digits.",
        pattern="^[0-9a-f]{64}$",
        examples=["5f3c1c0f6b2d4a9e8d7c6b5a493827160f1e2d3c4b5a69788796a5b4c3d2e1f0"],
    ),
]


def router(gateway: Gateway) -> APIRouter:
    """GET /v1/events/{hash}."""
    routes = APIRouter(tags=["events"])

    @routes.get(
        "/v1/events/{hash}",
        summary="An event as its author wrote it, with the salt that its hash needs",
        response_class=Response,
        openapi_extra=SECURED,
        responses=merged(
            {200: binary("Canonical msgpack: `[salt, context or nil, event]`.", MSGPACK)},
            problems(Code.MALFORMED, Code.UNAUTHORISED, Code.NOT_FOUND, Code.OVERLOADED, Code.UNAVAILABLE),
        ),
    )
    async def event(request: Request, hash: EventHash) -> Response:  # noqa: A002 - the name in the address
        """Whoever has this can check it against the hash in any bundle. Erased bytes are nowhere; a bundle says by whom."""
        asker = organisation_of(request)
        found = await gateway.ask(lambda: gateway.validator.payloads([bytes.fromhex(hash)], asker))
        if not found:
            raise UnavailableError(
                Code.NOT_FOUND,
                f"expected an event whose bytes are at this node and may be read by {asker or 'you'}, {hash[:16]} is none",
            )
        (one,) = found
        return LongAnswer(encode((one.salt, one.context, one.event)), media_type=MSGPACK)

    return routes


def organisation_of(request: Request) -> str | None:
    """The organisation that asks; None where the node itself does. EntitlementError for a caller who is of none."""
    caller: Caller = request.state.caller
    if caller.organisation is None and Role.READER not in caller.roles:
        raise EntitlementError(
            Code.NOT_ENTITLED, f"expected a caller of an organisation, {caller.name} is of none"
        )
    return caller.organisation
