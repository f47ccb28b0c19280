"""Events, and the things by which they are found (EPCIS.md "Query"; EPCIS 2.0 §12.2).

    /events /events/{eventID}
    /eventTypes /epcs /bizSteps /bizLocations /readPoints /dispositions, of each /{name} and /{name}/events

A name is known if an event has it, whatever its spelling; standard words and event types always are. Under /epcs
anything is found that events are about, also a class, or what is named as missing: so the list is as whole as the chain.
For an event and for an EPC there is the bundle that proves it, and proves that the list is complete.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from fastapi import APIRouter, Request
from starlette.responses import Response

from ledger.base.errors import Code
from ledger.epcis.vocabulary import DISPOSITION, STEP
from ledger.trade.extract.actions import TYPES
from ledger.trade.identifiers import canonical
from node.gateway.answers import BUNDLE, LongAnswer
from node.gateway.epcis import contract
from node.gateway.epcis.addresses import resource
from node.gateway.epcis.contract import answered, described
from node.gateway.epcis.documents import collection
from node.gateway.epcis.negotiation import COLLECTIONS, PROVABLE, SAID, wish_of
from node.gateway.epcis.paging import TOKEN, Mark, next_headers, per_page_of, question_of
from node.gateway.epcis.problems import EpcisError, Exceptional
from node.gateway.epcis.proofs import bundle_of_epc, bundle_of_events
from node.gateway.epcis.raw_path import path_value
from node.gateway.epcis.reading import (
    Found,
    Reader,
    collection_response,
    parameters_of,
    query_of,
)
from node.gateway.epcis.service import EpcisService
from node.gateway.routes.subjects import subject_keys
from node.index.facets import bare_type
from node.index.index import Index, IndexedEvent, Page
from node.index.parameters import query_from_json
from node.index.query import Condition, EventQuery, Matches
from node.index.reading import ALSO_NAMED, NAMING

READING: Final = ("OPTIONS", "GET")
WRITING: Final = ("OPTIONS", "GET", "POST")
TOP: Final = (
    "queries", "capture", "events", "eventTypes", "epcs", "readPoints", "bizLocations", "dispositions", "bizSteps",
)  # fmt: skip
_QUERYING: Final = (Exceptional.QUERY_PARAMETER, Exceptional.QUERY_TOO_LARGE, Exceptional.URI_TOO_LONG)
_EVENT: Final = "/events/{eventID:path}"
_EVENT_ID: Final = {
    "eventID": "The event's id, percent-encoded: its author's, or `urn:custody:event:<event hash>`."
}


class Sort(NamedTuple):
    """One sort of names."""

    name: str
    """In addresses."""
    value: str
    """What one is called."""
    parameter: str
    """Of a query: events that have one."""
    key_of: Callable[[str], str]
    """The spelling that is compared."""
    standard: tuple[str, ...]
    """Names that are known without any event."""
    what: str


def _identifier(text: str) -> str:
    return canonical(text).text


SORTS: Final = (
    Sort("eventTypes", "eventType", "eventType", bare_type, TYPES, "event types"),
    Sort("epcs", "epc", "MATCH_anyEPC", _identifier, (), "EPCs"),
    Sort("bizSteps", "bizStep", "EQ_bizStep", STEP.bare, tuple(sorted(STEP.words)), "business steps"),
    Sort("bizLocations", "bizLocation", "EQ_bizLocation", _identifier, (), "business locations"),
    Sort("readPoints", "readPoint", "EQ_readPoint", _identifier, (), "read points"),
    Sort(
        "dispositions", "disposition", "EQ_disposition", DISPOSITION.bare, tuple(sorted(DISPOSITION.words)),
        "dispositions",
    ),
)  # fmt: skip


def router(epcis: EpcisService) -> APIRouter:
    """The reading paths but those of named queries. What there is, those who capture may ask too."""
    whole = APIRouter()
    open_to_both = APIRouter()
    _top(open_to_both)
    resource(open_to_both, "/events", WRITING, captures=True)
    routes = APIRouter()
    _events(routes, epcis)
    for sort in SORTS:
        _names(routes, epcis.reader, sort)
        _one_name(routes, epcis, sort)
    whole.include_router(routes)
    whole.include_router(open_to_both)
    return whole


def _top(routes: APIRouter) -> None:
    async def top(request: Request) -> Response:
        """The resources that there are."""
        return collection_response(collection(TOP), wish_of(request, COLLECTIONS))

    routes.add_api_route(
        "/",
        top,
        summary="The resources of the repository",
        response_class=Response,
        openapi_extra=described(),
        responses=answered("Their names.", "EpcisCollection", collection(TOP)) | contract.exceptions(),
    )
    resource(routes, "/", READING)


def _events(routes: APIRouter, epcis: EpcisService) -> None:
    reader = epcis.reader

    @routes.get(
        "/events",
        summary="Events that match a query",
        response_class=Response,
        openapi_extra=described(query=contract.QUERY_PARAMETERS, pages=True, formats=True),
        responses=contract.document("The events.") | contract.exceptions(*_QUERYING),
    )
    async def events(request: Request) -> Response:
        """All parameters restrict; values of one are separated by `|`. The answer says which block it is valid at."""
        return await reader.page(request, wish_of(request), query_of(request))

    async def named_so(name: str) -> tuple[tuple[IndexedEvent, ...], Found]:
        """The events of that name, and what is answered: these with the declarations about them."""
        event_id = path_value(name)

        def find(index: Index) -> tuple[tuple[IndexedEvent, ...], Found]:
            # First: what is read after it may be of a later block, and an answer never claims one whose events it lacks.
            position = index.position()
            named = index.by_event_id(event_id)
            corrections = index.corrections(named, with_bytes=True)
            every = {
                one.sequence: one for one in (*named, *(one for some in corrections.values() for one in some))
            }
            found = Found(tuple(every[at] for at in sorted(every)), corrections, position)
            return named, found

        named, found = await reader.ask(find)
        if not named:
            raise _unknown(f"expected the eventID of an event in the repository, got {event_id[:200]!a}")
        return named, found

    @routes.get(
        _EVENT,
        summary="An event with the declarations about it, or its proof",
        response_class=Response,
        openapi_extra=described(path=_EVENT_ID, formats=True),
        responses=contract.document("The event.", pages=False, proves=True)
        | contract.exceptions(Exceptional.NO_SUCH_NAME, Exceptional.QUERY_TOO_LARGE),
    )
    async def event(request: Request) -> Response:
        """As application/vnd.custody.bundle: the file that proves the event and the history of what it is about."""
        wish = wish_of(request, PROVABLE)
        named, found = await named_so(request.path_params["eventID"])
        if wish.media_type == BUNDLE:
            return _bundle(await bundle_of_events(epcis.gateway, named))
        return await reader.document(found, wish)

    async def check(request: Request) -> None:
        await named_so(request.path_params["eventID"])

    resource(routes, _EVENT, READING, value=_EVENT_ID, check=check)


def _names(routes: APIRouter, reader: Reader, sort: Sort) -> None:
    @routes.get(
        f"/{sort.name}",
        name=sort.name,
        summary=f"The {sort.what} that events name",
        response_class=Response,
        openapi_extra=described(pages=True, formats=sort.key_of is _identifier),
        responses=answered("Their names.", "EpcisCollection", collection(sort.standard[:2]))
        | contract.exceptions(Exceptional.QUERY_PARAMETER),
    )
    async def names(request: Request) -> Response:
        """In one spelling each: Digital Links or EPC URNs, and bare words of the CBV. A page holds what was there when it was asked for."""
        wish = wish_of(request, COLLECTIONS)
        parameters = parameters_of(request)
        most = per_page_of(parameters)
        asked = question_of(request.url.path, ())
        tokens = [value for key, value in parameters if key == TOKEN]
        after = str(reader.tokens.read(tokens[-1], asked).after) if tokens else None
        listed = await reader.ask(lambda index: index.names(sort.name, after, most + 1))
        standard = (name for name in sort.standard if after is None or name > after)
        found = sorted({*listed, *standard})
        headers = {}
        if len(found) > most:
            headers = next_headers(
                request, parameters, *reader.tokens.issue(asked, Mark(0, found[most - 1], 0, 0))
            )
        named = found[:most]
        if sort.key_of is _identifier:
            spell = await reader.grants.spelling(wish.epcs)
            named = [spell(name) for name in named]
        return collection_response(collection(named), wish, headers)

    resource(routes, f"/{sort.name}", READING)


def _one_name(routes: APIRouter, epcis: EpcisService, sort: Sort) -> None:
    reader, value = epcis.reader, {sort.value: f"One of the {sort.what}, percent-encoded."}
    path = f"/{sort.name}/{{{sort.value}:path}}"
    offers = PROVABLE if sort.name == "epcs" else COLLECTIONS

    async def query_for(request: Request) -> EventQuery:
        """The query for the events that have the name in the path; EpcisError (NoSuchNameException)."""
        name = path_value(request.path_params[sort.value])
        found = await reader.ask(lambda index: _query_for(index, sort, name))
        if found is None:
            raise _unknown(f"expected one of the {sort.what} that events here name, got {name[:200]!a}")
        return found

    async def check(request: Request) -> None:
        await query_for(request)

    async def proof(request: Request) -> Response:
        keys = subject_keys(path_value(request.path_params[sort.value]), None)
        return _bundle(await bundle_of_epc(epcis.gateway, keys))

    @routes.get(
        f"{path}/events",
        name=f"{sort.name} events",
        summary=f"Events by one of the {sort.what}",
        response_class=Response,
        openapi_extra=described(path=value, query=contract.QUERY_PARAMETERS, pages=True, formats=True),
        responses=contract.document("The events.", proves=sort.name == "epcs")
        | contract.exceptions(*_QUERYING, Exceptional.NO_SUCH_NAME),
    )
    async def events(request: Request) -> Response:
        """Further parameters restrict, as at /events."""
        wish = wish_of(request, offers if sort.name == "epcs" else PROVABLE[:-1])
        if wish.media_type == BUNDLE:
            return await proof(request)
        fixed = await query_for(request)
        return await reader.page(request, wish, query_of(request, fixed))

    resource(routes, f"{path}/events", READING, value=value, check=check)

    @routes.get(
        path,
        name=f"{sort.name} one",
        summary=f"What there is of one of the {sort.what}",
        response_class=Response,
        openapi_extra=described(path=value),
        responses=answered(
            "Events.", "EpcisCollection", collection(["events"]), *([BUNDLE] if sort.name == "epcs" else [])
        )
        | contract.exceptions(Exceptional.NO_SUCH_NAME),
    )
    async def one(request: Request) -> Response:
        """Of an EPC also, as application/vnd.custody.bundle, the file that proves its whole history."""
        wish = wish_of(request, (*COLLECTIONS, BUNDLE) if sort.name == "epcs" else COLLECTIONS)
        if wish.media_type == BUNDLE:
            return await proof(request)
        await check(request)
        return collection_response(collection(["events"]), wish)

    resource(routes, path, READING, value=value, check=check)


def _query_for(index: Index, sort: Sort, name: str) -> EventQuery | None:
    """The query for the events that have a name; None for a name that no event has."""
    key = sort.key_of(name)
    if sort.name == "epcs":
        query = EventQuery((Condition(sort.value, (*NAMING, ALSO_NAMED), Matches((key,))),))
        return query if index.events(query, Page(1)).events else None
    is_known = key in sort.standard or index.is_known(sort.name, key)
    return query_from_json({sort.parameter: [key]}) if is_known else None


def _bundle(data: bytes) -> Response:
    disposition = 'attachment; filename="bundle.custody"'
    return LongAnswer(data, media_type=BUNDLE, headers={**SAID, "Content-Disposition": disposition})


def _unknown(message: str) -> EpcisError:
    return EpcisError(Exceptional.NO_SUCH_NAME, Code.NOT_FOUND, message)
