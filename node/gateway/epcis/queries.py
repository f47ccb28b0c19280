"""Routes of named queries (EPCIS.md "Query"; EPCIS 2.0 §12.6). What is kept, and how, is `named`.

/queries /queries/{queryName} /queries/{queryName}/events
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import Response

from node.gateway.answers import EVENT_STREAM
from node.gateway.epcis import contract
from node.gateway.epcis.addresses import resource
from node.gateway.epcis.contract import answered, described, done
from node.gateway.epcis.named import NamedQuery, definition_of
from node.gateway.epcis.negotiation import (
    COLLECTIONS,
    DOCUMENTS,
    JSON,
    SAID,
    check_sends_json,
    check_versions,
    wish_of,
)
from node.gateway.epcis.paging import TOKEN, Mark, next_headers, per_page_of, question_of
from node.gateway.epcis.problems import Exceptional
from node.gateway.epcis.raw_path import ROOT, path_value
from node.gateway.epcis.reading import collection_response, parameters_of
from node.gateway.epcis.service import EpcisService
from node.gateway.epcis.subscribing import event_stream
from node.gateway.reads import ASKED

_ALL: Final = "/queries"
_ONE: Final = "/queries/{queryName}"
_EVENTS: Final = "/queries/{queryName}/events"
_TOKEN: Final = "/nextPageToken/{token}"  # noqa: S105 - an address
_VALUE: Final = {"queryName": "The query's name, percent-encoded."}


def router(epcis: EpcisService) -> APIRouter:
    """The paths of named queries, less those of subscriptions."""
    routes = APIRouter()
    _all(routes, epcis)
    _one(routes, epcis)
    return routes


def _all(routes: APIRouter, epcis: EpcisService) -> None:
    @routes.get(
        _ALL,
        summary="The named queries of this gateway",
        response_class=Response,
        openapi_extra=described(pages=True),
        responses=answered("Their definitions, by name.", "EpcisNamedQueries", [contract.QUERY])
        | contract.exceptions(Exceptional.QUERY_PARAMETER),
    )
    async def every(request: Request) -> Response:
        """A page holds what was there when it was asked for."""
        wish = wish_of(request, COLLECTIONS)
        parameters = parameters_of(request)
        most = per_page_of(parameters)
        asked = question_of(request.url.path, ())
        tokens = [value for key, value in parameters if key == TOKEN]
        after = str(epcis.page_tokens.read(tokens[-1], asked).after) if tokens else ""
        found = await epcis.queries.after(after, most + 1)
        headers = {}
        if len(found) > most:
            mark = Mark(0, found[most - 1].name, 0, 0)
            headers = next_headers(request, parameters, *epcis.page_tokens.issue(asked, mark))
        return collection_response([query.shown() for query in found[:most]], wish, headers)

    @routes.post(
        _ALL,
        summary="Give a query a name",
        response_class=Response,
        openapi_extra=described()
        | {
            "requestBody": {
                "required": True,
                "description": "Its name, and as `query` an object of parameters of SimpleEventQuery.",
                "content": {
                    JSON: {
                        "schema": {"$ref": "#/components/schemas/EpcisNamedQuery"},
                        "example": contract.QUERY,
                    }
                },
            }
        },
        responses=done("It is kept.", "Location", status=201)
        | contract.exceptions(
            Exceptional.QUERY_VALIDATION,
            Exceptional.QUERY_PARAMETER,
            Exceptional.ALREADY_EXISTS,
            Exceptional.QUERY_TOO_COMPLEX,
            Exceptional.UNSUPPORTED_MEDIA_TYPE,
        ),
    )
    async def create(request: Request) -> Response:
        """It is judged now and never changes; its events are under `.../events`."""
        check_versions(request, sends=True)
        check_sends_json(request)
        with epcis.gateway.intake.body() as room:
            query = definition_of(bytes(await room.read(request)))
        request.scope["state"][ASKED] = (("queryName", query.name), ("query", query.definition.decode()))
        await epcis.queries.add(query)
        return Response(
            status_code=201, headers={**SAID, "Location": f"{ROOT}/queries/{quote(query.name, safe='')}"}
        )

    resource(routes, _ALL, ("OPTIONS", "GET", "POST"))


def _one(routes: APIRouter, epcis: EpcisService) -> None:
    async def named(request: Request) -> NamedQuery:
        return await epcis.queries.get(path_value(request.path_params["queryName"]))

    async def check(request: Request) -> None:
        await named(request)

    @routes.get(
        _ONE,
        summary="The definition of a named query",
        response_class=Response,
        openapi_extra=described(path=_VALUE),
        responses=answered("As it was given.", "EpcisNamedQuery", contract.QUERY)
        | contract.exceptions(Exceptional.NO_SUCH_NAME),
    )
    async def one(request: Request) -> Response:
        """It is what it was when it was made."""
        wish = wish_of(request, COLLECTIONS)
        return collection_response((await named(request)).shown(), wish)

    @routes.delete(
        _ONE,
        summary="Delete a named query and its subscriptions",
        response_class=Response,
        openapi_extra=described(path=_VALUE),
        responses=done("It is gone.") | contract.exceptions(Exceptional.NO_SUCH_NAME),
        status_code=204,
    )
    async def delete(request: Request) -> Response:
        """Its name is free again."""
        check_versions(request)
        await epcis.queries.delete(path_value(request.path_params["queryName"]))
        return Response(status_code=204, headers=SAID)

    resource(routes, _ONE, ("OPTIONS", "GET", "DELETE"), value=_VALUE, check=check)

    @routes.get(
        _EVENTS,
        summary="The events that a named query asks for",
        response_class=Response,
        openapi_extra=described(path=_VALUE, query=contract.STREAMS, pages=True, formats=True),
        responses=contract.document("The events.", streams=True)
        | contract.exceptions(
            Exceptional.NO_SUCH_NAME,
            Exceptional.QUERY_PARAMETER,
            Exceptional.SUBSCRIPTION_CONTROLS,
            Exceptional.QUERY_TOO_LARGE,
        ),
    )
    async def events(request: Request) -> Response:
        """As server-sent events, and as a WebSocket where the connection is upgraded: what it finds from now on.

        The query is as it was given; parameters other than those of paging are of subscriptions.
        """
        wish = wish_of(request, (*DOCUMENTS, EVENT_STREAM))
        query = await named(request)
        if wish.media_type == EVENT_STREAM:
            return await event_stream(epcis, request, query.name)
        return await epcis.reader.page(request, wish, query.query, name=query.name, more=query.definition)

    resource(routes, _EVENTS, ("OPTIONS", "GET"), value=_VALUE, check=check)


def token_router(epcis: EpcisService) -> APIRouter:
    """DELETE /nextPageToken/{token}."""
    routes = APIRouter()
    value = {"token": "From a Link of a page."}

    @routes.delete(
        _TOKEN,
        summary="Give a next-page token back",
        response_class=Response,
        openapi_extra=described(path=value),
        responses=done("It leads nowhere any more.") | contract.exceptions(),
        status_code=204,
    )
    async def give_back(request: Request) -> Response:
        """One that was none, or has ended, is as good as given back."""
        check_versions(request)
        epcis.page_tokens.give_back(request.path_params["token"])
        return Response(status_code=204, headers=SAID)

    resource(routes, _TOKEN, ("OPTIONS", "DELETE"), value=value)
    return routes
