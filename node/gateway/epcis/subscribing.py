"""Routes of subscriptions: webhooks at `/queries/{queryName}/subscriptions`, WebSockets and server-sent events at
`/queries/{queryName}/events` (EPCIS.md "Subscriptions"; EPCIS 2.0 §12.7). What is delivered, and how, is `subscriptions`.

Who may read may subscribe. Beyond the standard, POST to `.../subscriptions/{subscriptionID}/resume` tries a webhook again at once.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any, Final

import structlog
from fastapi import APIRouter, Request
from starlette.requests import HTTPConnection
from starlette.responses import Response, StreamingResponse
from starlette.websockets import WebSocket

from ledger.base.errors import Code, CustodyError
from node.gateway.answers import EVENT_STREAM
from node.gateway.epcis import contract
from node.gateway.epcis.addresses import resource
from node.gateway.epcis.contract import answered, described, done
from node.gateway.epcis.negotiation import COLLECTIONS, SAID, check_sends_json, check_versions, wish_of
from node.gateway.epcis.paging import EXPIRES, TOKEN, Mark, next_headers, per_page_of, question_of
from node.gateway.epcis.problems import EpcisError, Exceptional, epcis_error_of, problem_response, status_of
from node.gateway.epcis.raw_path import ROOT, path_value
from node.gateway.epcis.reading import collection_response, parameters_of
from node.gateway.epcis.service import EpcisService
from node.gateway.epcis.subscriptions.asked import Terms, controls, request_of, terms_of_parameters
from node.gateway.epcis.subscriptions.feed import Delivery, Progress
from node.gateway.epcis.subscriptions.schedule import FIELDS
from node.gateway.epcis.subscriptions.stored import Standing, Webhook
from node.gateway.epcis.subscriptions.streams import Noting
from node.gateway.rendering import time_text

LAST_EVENT_ID: Final = "last-event-id"
POSITION: Final = "position"
LEAST_TIME: Final = "GS1-Query-Min-Record-Time"
_ALL: Final = "/queries/{queryName}/subscriptions"
_ONE: Final = "/queries/{queryName}/subscriptions/{subscriptionID}"
_RESUME: Final = _ONE + "/resume"
_EVENTS: Final = "/queries/{queryName}/events"
_QUERY: Final = {"queryName": "The query's name, percent-encoded."}
_VALUES: Final = {**_QUERY, "subscriptionID": "From the answer that made it."}


def router(epcis: EpcisService) -> APIRouter:
    """The paths of webhooks, and the WebSocket."""
    routes = APIRouter()
    _all(routes, epcis)
    _one(routes, epcis)
    return routes


def _all(routes: APIRouter, epcis: EpcisService) -> None:
    async def check(request: Request) -> None:
        await _named(epcis, request)

    @routes.get(
        _ALL,
        summary="The webhooks of a named query",
        response_class=Response,
        openapi_extra=described(path=_QUERY, pages=True),
        responses=answered(
            "What was asked for, and how they are doing.",
            "EpcisSubscriptions",
            [contract.SUBSCRIPTION],
            headers=("Link", EXPIRES),
        )
        | contract.exceptions(Exceptional.NO_SUCH_NAME, Exceptional.QUERY_PARAMETER),
    )
    async def every(request: Request) -> Response:
        """The oldest first. A page holds what was there when it was asked for."""
        wish = wish_of(request, COLLECTIONS)
        found = epcis.subscriptions.webhooks.of_query(await _named(epcis, request))
        page, headers = _page(epcis, request, found)
        return collection_response([told(one) for one in page], wish, headers)

    @routes.post(
        _ALL,
        summary="Have what a named query finds sent to an address",
        response_class=Response,
        openapi_extra=described(path=_QUERY, formats=True)
        | contract.body(
            "Where to, and when: `stream` true, or a `schedule`.", "EpcisWebhook", contract.WEBHOOK
        ),
        responses=answered(
            "It is kept: everything from its position on is sent.",
            "EpcisSubscription",
            contract.SUBSCRIPTION,
            headers=("Location",),
            status=201,
        )
        | contract.exceptions(
            Exceptional.NO_SUCH_NAME,
            Exceptional.VALIDATION,
            Exceptional.SUBSCRIPTION_CONTROLS,
            Exceptional.UNSUPPORTED_MEDIA_TYPE,
        ),
        status_code=201,
    )
    async def subscribe(request: Request) -> Response:
        """By `schedule`, or `stream` true: as events come. The address may not be in a network of the operator's own."""
        wish = wish_of(request, COLLECTIONS)
        check_versions(request, sends=True)
        name = await _named(epcis, request)
        check_sends_json(request)
        with epcis.gateway.intake.body() as room:
            asked = request_of(bytes(await room.read(request)))
        try:
            epcis.subscriptions.policy.check_literal(asked.target)
        except CustodyError as error:
            raise controls(error) from None
        terms = asked.terms._replace(epc_format=wish.epcs.value, cbv_format=wish.words.value)
        kept = await epcis.subscriptions.webhooks.add(
            Webhook(
                0, str(uuid.uuid4()), name, epcis.clock_ms(), asked.target.url, asked.secret, terms, Progress(), Standing()
            )
        )  # fmt: skip
        response = collection_response(told(kept), wish, {"Location": f"{request.url.path}/{kept.id}"})
        response.status_code = 201
        return response

    resource(routes, _ALL, ("OPTIONS", "GET", "POST"), value=_QUERY, check=check)


def _one(routes: APIRouter, epcis: EpcisService) -> None:
    async def check(request: Request) -> Mapping[str, str]:
        return {LEAST_TIME: time_text(_least_ms(await _webhook(epcis, request))) or ""}

    shown = answered(
        "What was asked for, and how it is doing.", "EpcisSubscription", contract.SUBSCRIPTION
    ) | contract.exceptions(Exceptional.NO_SUCH_NAME)

    @routes.get(
        _ONE, summary="A webhook", response_class=Response, openapi_extra=described(path=_VALUES), responses=shown
    )  # fmt: skip
    async def one(request: Request) -> Response:
        """`ledger:delivery` says how it is doing: active, failing or dead, since when and why."""
        wish = wish_of(request, COLLECTIONS)
        return collection_response(told(await _webhook(epcis, request)), wish)

    @routes.delete(
        _ONE,
        summary="End a webhook",
        response_class=Response,
        openapi_extra=described(path=_VALUES),
        responses=done("Nothing is sent any more.") | contract.exceptions(Exceptional.NO_SUCH_NAME),
        status_code=204,
    )
    async def end(request: Request) -> Response:
        """What it had still to send is in the ledger all the same."""
        check_versions(request)
        await epcis.subscriptions.webhooks.remove((await _webhook(epcis, request)).id)
        return Response(status_code=204, headers=SAID)

    @routes.post(
        _RESUME,
        summary="Try a webhook again at once",
        response_class=Response,
        openapi_extra=described(path=_VALUES),
        responses=shown,
    )
    async def resume(request: Request) -> Response:
        """One that is dead goes on where it stood, one that waits waits no longer."""
        wish = wish_of(request, COLLECTIONS)
        found = await _webhook(epcis, request)
        return collection_response(told(await epcis.subscriptions.webhooks.resume(found.id) or found), wish)

    resource(routes, _ONE, ("OPTIONS", "GET", "DELETE"), value=_VALUES, check=check)
    resource(routes, _RESUME, ("OPTIONS", "POST"), value=_VALUES, check=check)


async def event_stream(epcis: EpcisService, request: Request, name: str) -> Response:
    """The answer to a GET that asks for text/event-stream: what a named query finds, as it comes or by a schedule."""
    streams = epcis.subscriptions.streams
    streams.check_room()
    parameters = dict(parameters_of(request))
    if not {"stream", *FIELDS} & set(parameters):
        parameters["stream"] = "true"
    terms = _with_formats(request, terms_of_parameters(parameters))
    feed = await streams.feed(name, terms, request.headers.get(LAST_EVENT_ID) or parameters.get(POSITION))
    headers = {**SAID, "Cache-Control": "no-store"}
    return StreamingResponse(
        streams.server_sent(feed, terms, _noting(epcis, request)), media_type=EVENT_STREAM, headers=headers
    )


def socket_router(epcis: EpcisService) -> APIRouter:
    """The WebSocket at the events of a named query."""
    routes = APIRouter()
    log = structlog.get_logger("gateway")

    @routes.websocket(_EVENTS)
    async def socket(websocket: WebSocket) -> None:
        began = time.perf_counter()
        status, code = 101, None
        reads = epcis.gateway.reads
        try:
            await _serve(epcis, websocket)
        except CustodyError as error:
            found = epcis_error_of(error)
            status, code = status_of(found.exception, found.code), found.code.value
            await websocket.send_denial_response(problem_response(found))
            if reads is not None:
                reads.answered(websocket.scope, status, 0)
        except BaseException:
            if reads is not None:
                reads.not_answered(websocket.scope)
            raise
        epcis.gateway.metrics.answered(ROOT + _EVENTS, "GET", status, None)
        log.info(
            "websocket", route=ROOT + _EVENTS, status=status, code=code,
            ms=round(1000 * (time.perf_counter() - began), 2), client=websocket.client.host if websocket.client else None,
        )  # fmt: skip

    return routes


async def _serve(epcis: EpcisService, websocket: WebSocket) -> None:
    await epcis.gateway.guard(websocket, ROOT + _EVENTS)
    name = await _named(epcis, websocket)
    streams = epcis.subscriptions.streams
    streams.check_room()
    parameters = dict(websocket.query_params)
    terms = _with_formats(websocket, terms_of_parameters(parameters))
    feed = await streams.feed(name, terms, websocket.headers.get(LAST_EVENT_ID) or parameters.get(POSITION))
    least = time_text(epcis.clock_ms() if terms.initial_ms is None else terms.initial_ms) or ""
    await websocket.accept(headers=[(LEAST_TIME.lower().encode(), least.encode())])
    reads = epcis.gateway.reads
    if reads is not None:
        reads.answered(websocket.scope, 101, None)
    await streams.websocket(websocket, feed, terms, _noting(epcis, websocket))


def _noting(epcis: EpcisService, connection: HTTPConnection) -> Noting:
    """What notes each document that a connected subscriber is sent."""
    reads, caller = epcis.gateway.reads, connection.state.caller

    def note(query_name: str, delivery: Delivery, size: int) -> None:
        if reads is not None:
            reads.reserve()
            reads.note(caller, f"GET {ROOT}{_EVENTS}", delivery.asked(query_name), 200, size)

    return note


def told(webhook: Webhook) -> dict[str, Any]:
    """A subscription as it is answered: what was asked less the secret, and how it is doing."""
    terms, progress, standing = webhook.terms, webhook.progress, webhook.standing
    when: dict[str, Any] = (
        {"stream": True}
        if terms.schedule is None
        else {"schedule": terms.schedule, "reportIfEmpty": terms.report_if_empty}
    )
    times = {
        "createdAt": webhook.created_ms,
        "lastNotifiedAt": standing.notified_ms,
        "initialRecordTime": webhook.created_ms if terms.initial_ms is None else terms.initial_ms,
        "minRecordTime": _least_ms(webhook),
    }
    delivery = {
        "state": standing.state.value,
        "position": progress.position,
        "number": progress.number,
        "taken": standing.delivered,
        "failures": standing.failures,
        "failingSince": None if standing.failing_since_ms is None else time_text(standing.failing_since_ms),
        "nextAttemptAt": None if standing.next_attempt_ms is None else time_text(standing.next_attempt_ms),
        "lastError": standing.last_error,
    }
    return {
        "subscriptionID": webhook.id,
        "queryName": webhook.query_name,
        "dest": webhook.dest,
        **when,
        **{name: time_text(time_ms) for name, time_ms in times.items() if time_ms is not None},
        "epcFormat": terms.epc_format,
        "cbvXmlFormat": terms.cbv_format,
        "ledger:delivery": {name: value for name, value in delivery.items() if value is not None},
    }


def _least_ms(webhook: Webhook) -> int:
    """`minRecordTime`: what has an earlier block time is delivered."""
    if webhook.progress.ran_ms is not None:
        return webhook.progress.ran_ms
    return webhook.created_ms if webhook.terms.initial_ms is None else webhook.terms.initial_ms


def _with_formats(request: HTTPConnection, terms: Terms) -> Terms:
    wish = wish_of(request, (*COLLECTIONS, EVENT_STREAM))
    return terms._replace(epc_format=wish.epcs.value, cbv_format=wish.words.value)


async def _named(epcis: EpcisService, request: HTTPConnection) -> str:
    """The name of the query in the address. EpcisError (NoSuchNameException)."""
    return (await epcis.queries.get(path_value(request.path_params["queryName"]))).name


async def _webhook(epcis: EpcisService, request: Request) -> Webhook:
    name, text = await _named(epcis, request), path_value(request.path_params["subscriptionID"])
    found = epcis.subscriptions.webhooks.get(name, text)
    if found is None:
        raise EpcisError(
            Exceptional.NO_SUCH_NAME,
            Code.NOT_FOUND,
            f"expected a subscription of query {name[:80]!a}, got {text[:80]!a}; it may have been ended",
        )
    return found


def _page(
    epcis: EpcisService, request: Request, webhooks: list[Webhook]
) -> tuple[list[Webhook], dict[str, str]]:
    """The part of a list that is asked for, and what leads to the next part."""
    parameters = parameters_of(request)
    most = per_page_of(parameters)
    asked = question_of(request.url.path, ())
    tokens = [value for name, value in parameters if name == TOKEN]
    bound, after = max((one.number for one in webhooks), default=0), 0
    if tokens:
        mark = epcis.page_tokens.read(tokens[-1], asked)
        bound, after = mark.bound, mark.sequence
    left = [one for one in webhooks if after < one.number <= bound]
    if len(left) <= most:
        return left, {}
    token = epcis.page_tokens.issue(asked, Mark(bound, None, left[most - 1].number, 0))
    return left[:most], next_headers(request, parameters, *token)
