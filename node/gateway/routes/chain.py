"""The chain itself: blocks, checkpoints, genesis, registry, and blocks as they become final (API.md §7)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Header, Path, Query, Request
from starlette.responses import Response, StreamingResponse

from ledger.base.encoding import encode
from ledger.base.errors import Code, FormError
from ledger.chain.genesis import genesis_from_bytes
from node.gateway import examples
from node.gateway.answers import EVENT_STREAM, JSON, MSGPACK, LongAnswer, chosen, json_answer
from node.gateway.contract import SECURED, answer, binary, merged, problems
from node.gateway.rendering import block_json, checkpoint_json, genesis_json
from node.gateway.service import Gateway

_HEIGHT_MAX: Final = 2**63 - 1
_DIGITS: Final = frozenset("0123456789")
Height = Annotated[
    int, Path(description="The block's height; genesis is 0.", ge=0, le=_HEIGHT_MAX, examples=[41])
]
AtHeight = Annotated[
    int | None,
    Query(description="The newest checkpoint at or below this height instead.", ge=0, le=_HEIGHT_MAX),
]


def router(gateway: Gateway) -> APIRouter:
    """GET /v1/blocks/{height}, /v1/checkpoint, /v1/genesis, /v1/registry, /v1/follow."""
    routes = APIRouter(tags=["chain"])
    common = problems(
        Code.MALFORMED, Code.UNAUTHORISED, Code.NOT_ACCEPTABLE, Code.OVERLOADED, Code.UNAVAILABLE
    )

    @routes.get(
        "/v1/blocks/{height}",
        summary="A final block",
        response_class=Response,
        openapi_extra=SECURED,
        responses=merged(
            {200: answer("The block.", "Block", examples.BLOCK)},
            {200: binary("The block.", MSGPACK)},
            common,
            problems(Code.UNKNOWN_BLOCK, Code.PRUNED),
        ),
    )
    async def block(request: Request, height: Height) -> Response:
        """As msgpack: [header, outcome, certificate or nil, [transaction, ...], [receipts, ...], [batch, ...]]."""
        media_type = chosen(request, (JSON, MSGPACK))
        found = await gateway.ask(lambda: gateway.validator.block(height))
        if media_type == MSGPACK:
            return LongAnswer(encode(found), media_type=MSGPACK)
        return json_answer(block_json(found))

    @routes.get(
        "/v1/checkpoint",
        summary="The newest checkpoint: a header, its outcome, and a quorum's signatures over both",
        response_class=Response,
        openapi_extra=SECURED,
        responses=merged(
            {200: answer("The checkpoint.", "Checkpoint", examples.CHECKPOINT)},
            {200: binary("The checkpoint.", MSGPACK)},
            common,
            problems(Code.UNKNOWN_BLOCK),
        ),
    )
    async def checkpoint(request: Request, height: AtHeight = None) -> Response:
        """As msgpack it is a trust anchor that can be pinned."""
        media_type = chosen(request, (JSON, MSGPACK))
        found = await gateway.ask(lambda: gateway.validator.checkpoint(height))
        if media_type == MSGPACK:
            return Response(encode(found), media_type=MSGPACK)
        return json_answer(checkpoint_json(found))

    @routes.get(
        "/v1/genesis",
        summary="The genesis file: the trust anchor of the network",
        response_class=Response,
        openapi_extra=SECURED,
        responses=merged(
            {200: binary("The file.", MSGPACK)},
            {200: answer("Who the network is.", "Genesis", examples.GENESIS)},
            common,
        ),
    )
    async def genesis(request: Request) -> Response:
        """Get it from somebody you trust rather than from the node you want to check."""
        media_type = chosen(request, (MSGPACK, JSON))
        data = await gateway.ask(gateway.validator.genesis)
        if media_type == MSGPACK:
            return LongAnswer(data, media_type=MSGPACK)
        return json_answer(genesis_json(genesis_from_bytes(data)))

    @routes.get(
        "/v1/registry",
        summary="Every member, key, grant, proposal and ballot there ever was, in one file that proves itself",
        response_class=Response,
        openapi_extra=SECURED,
        responses=merged({200: binary("The registry file (PROOF.md).", MSGPACK)}, common),
    )
    async def registry(request: Request) -> Response:
        """Nothing can be left out of it: the certified root binds how many entries there are."""
        chosen(request, (MSGPACK,))
        data = await gateway.prove(gateway.validator.registry)
        return LongAnswer(data, media_type=MSGPACK)

    @routes.get(
        "/v1/follow",
        summary="Final blocks as they come, as server-sent events",
        response_class=Response,
        openapi_extra=SECURED,
        responses=merged(
            {
                200: {
                    "description": "A stream of `block` events; the id is the height.",
                    "content": {EVENT_STREAM: {"schema": {"type": "string"}, "example": examples.STREAM}},
                }
            },
            problems(Code.MALFORMED, Code.UNAUTHORISED, Code.OVERLOADED),
        ),
    )
    async def follow(
        first: Annotated[
            int | None,
            Query(
                alias="from",
                description="The first height; from the next block on without it.",
                ge=0,
                le=_HEIGHT_MAX,
            ),
        ] = None,
        last_event_id: Annotated[
            str | None, Header(description="Resume after this height; goes before `from`.", max_length=32)
        ] = None,
    ) -> Response:
        """A comment every 10 s says that the connection lives. Whoever takes nothing for 20 s is cut off and may resume."""
        gateway.followers.check_room()
        stream: AsyncIterator[bytes] = gateway.followers.events(_start(first, last_event_id))
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(stream, media_type=EVENT_STREAM, headers=headers)

    return routes


def _start(first: int | None, last_event_id: str | None) -> int | None:
    """The height to begin at."""
    if not last_event_id:
        return first
    if not _DIGITS.issuperset(last_event_id) or int(last_event_id) >= _HEIGHT_MAX:
        raise FormError(Code.MALFORMED, f"last-event-id: expected a height, got {last_event_id[:32]!a}")
    return int(last_event_id) + 1
