"""All routes under `/epcis`, by what they are about (EPCIS.md)."""

from __future__ import annotations

from fastapi import APIRouter

from node.gateway.epcis import capture, queries, resources, subscribing
from node.gateway.epcis.raw_path import ROOT
from node.gateway.epcis.service import EpcisService


def router(epcis: EpcisService) -> APIRouter:
    """Everything at `/epcis`."""
    routes = APIRouter(prefix=ROOT, tags=["EPCIS"])
    routes.include_router(capture.router(epcis))
    routes.include_router(resources.router(epcis))
    routes.include_router(queries.router(epcis))
    routes.include_router(queries.token_router(epcis))
    routes.include_router(subscribing.router(epcis))
    routes.include_router(subscribing.socket_router(epcis))
    return routes
