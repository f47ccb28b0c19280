"""Operating the node: is it alive, is it ready, how is it doing (API.md §8).

`/livez`, `/readyz` and `/metrics` are open to the loopback interface and ask everybody else for the operator's or the reader's token.
"""

from __future__ import annotations

import contextlib
from typing import Final

from fastapi import APIRouter
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.responses import Response

from ledger.base.errors import Code, CustodyError, UnavailableError
from node.gateway import examples
from node.gateway.answers import json_answer
from node.gateway.contract import SECURED, answer, merged, problems
from node.gateway.rendering import status_json
from node.gateway.service import Gateway

READY: Final = "ready"


def router(gateway: Gateway) -> APIRouter:
    """GET /livez, /readyz, /metrics, /v1/status."""
    routes = APIRouter(tags=["operations"])

    @routes.get(
        "/livez",
        summary="Whether this process answers",
        response_class=Response,
        responses=merged(
            {200: answer("It does.", "Alive", {"status": "alive"})}, problems(Code.UNAUTHORISED)
        ),
    )
    async def livez() -> Response:
        """Open on loopback. Says nothing of the validator."""
        return json_answer({"status": "alive"})

    @routes.get(
        "/readyz",
        summary="Whether transactions and questions are taken now",
        response_class=Response,
        responses=merged(
            {200: answer("They are.", "Ready", {"status": "ready", "height": 41})},
            problems(Code.UNAUTHORISED, Code.OVERLOADED, Code.UNAVAILABLE),
        ),
    )
    async def readyz() -> Response:
        """Open on loopback. Ready: the validator is reachable, and neither catching up nor stopped, and the query index has not
        halted.
        """
        status = await gateway.probe(gateway.validator.status)
        gateway.metrics.height.set(status.height)
        if status.phase != READY:
            raise UnavailableError(
                Code.UNAVAILABLE,
                f"expected the validator to be ready, it is {status.phase} at height {status.height}; wait",
            )
        halted = gateway.index_halted()
        if halted is not None:
            raise UnavailableError(
                Code.UNAVAILABLE,
                f"expected the query index to follow the chain, it has halted: {halted.message}",
            )
        return json_answer({"status": READY, "height": status.height})

    @routes.get(
        "/metrics",
        summary="Numbers of this process and of the validator, in Prometheus text format",
        response_class=Response,
        responses=merged(
            {
                200: {
                    "description": "The numbers.",
                    "content": {
                        "text/plain": {
                            "schema": {"type": "string"},
                            "example": "custody_gateway_validator_connected 1.0\n",
                        }
                    },
                }
            },
            problems(Code.UNAUTHORISED),
        ),
    )
    async def metrics() -> Response:
        """Open on loopback. Without a validator only the numbers of this process."""
        theirs = b""
        with contextlib.suppress(CustodyError):
            theirs = await gateway.probe(gateway.validator.metrics)
        return Response(
            generate_latest(gateway.metrics.registry) + theirs, media_type=CONTENT_TYPE_PLAIN_0_0_4
        )

    @routes.get(
        "/v1/status",
        summary="How the validator is doing",
        response_class=Response,
        openapi_extra=SECURED,
        responses=merged(
            {200: answer("Phase, height, peers, warnings.", "Status", examples.STATUS)},
            problems(Code.UNAUTHORISED, Code.OVERLOADED, Code.UNAVAILABLE),
        ),
    )
    async def status() -> Response:
        """The warnings are sentences that an operator should read."""
        return json_answer(status_json(await gateway.ask(gateway.validator.status)))

    return routes
