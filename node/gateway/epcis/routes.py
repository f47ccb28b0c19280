"""All routes under `/epcis`, by what they are about (EPCIS.md §1)."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Depends
from starlette.responses import Response

from node.gateway.answers import json_answer
from node.gateway.epcis import capture
from node.gateway.epcis.service import EpcisService

PREFIX: Final = "/epcis"
RESOURCES: Final = (
    "queries", "capture", "events", "eventTypes", "epcs", "readPoints", "bizLocations", "dispositions", "bizSteps",
)  # fmt: skip
CONTEXT: Final = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"


def router(epcis: EpcisService) -> APIRouter:
    """Everything at `/epcis`."""
    routes = APIRouter(prefix=PREFIX, tags=["EPCIS"])
    routes.include_router(_discovery(epcis))
    routes.include_router(capture.router(epcis))
    return routes


def _discovery(epcis: EpcisService) -> APIRouter:
    routes = APIRouter(dependencies=[Depends(epcis.check_known)], include_in_schema=False)

    @routes.options("/")
    async def options() -> Response:
        return Response(status_code=204, headers={"Allow": "OPTIONS, GET"})

    @routes.get("/")
    async def resources() -> Response:
        return json_answer({"@context": CONTEXT, "type": "Collection", "member": RESOURCES})

    return routes
