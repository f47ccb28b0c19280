"""/capture, /capture/{captureID}, its document, POST /events (EPCIS.md "Capture"; EPCIS 2.0 §12.6, its OpenAPI document)."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import Response

from ledger.base.errors import Code, UnavailableError
from node.gateway.answers import LongAnswer, json_answer
from node.gateway.contract import binary
from node.gateway.epcis import contract
from node.gateway.epcis.addresses import resource
from node.gateway.epcis.contract import described, done
from node.gateway.epcis.job_answers import job_json, job_xml, whole_job_json
from node.gateway.epcis.job_store import Job, JobPart
from node.gateway.epcis.negotiation import JSON, SAID, XML, check_versions, media_type_of
from node.gateway.epcis.paging import EXPIRES, TOKEN, Mark, next_headers, per_page_of, question_of
from node.gateway.epcis.preparing import Behaviour, Candidate
from node.gateway.epcis.problems import EpcisError, Exceptional
from node.gateway.epcis.service import EpcisService
from node.gateway.epcis.taking import BEHAVIOUR, LIMITS, READERS, take, wanted_by
from node.gateway.rendering import to_json

_ALL: Final = "/capture"
_ONE: Final = "/capture/{captureID}"
_DOCUMENT: Final = "/capture/{captureID}/document"
_EVENTS: Final = "/events"
_VALUE: Final = {"captureID": "The job's id, from the Location that the capture was answered with."}
_NEWEST: Final = 2**62
_REFUSALS: Final = (Exceptional.VALIDATION, Exceptional.CAPTURE_LIMIT, Exceptional.UNSUPPORTED_MEDIA_TYPE)


def router(epcis: EpcisService) -> APIRouter:
    """The capturing routes. Jobs are shown to readers too."""
    whole = APIRouter()
    open_to_both = APIRouter()
    _jobs(open_to_both, epcis)
    _documents(whole, epcis)
    _single(whole, epcis)
    resource(open_to_both, _ALL, ("OPTIONS", "GET", "POST"), more=LIMITS | {BEHAVIOUR: "all"}, captures=True)

    async def check(request: Request) -> None:
        await _job_of(epcis, request.path_params["captureID"])

    resource(open_to_both, _ONE, ("OPTIONS", "GET"), value=_VALUE, check=check)
    whole.include_router(open_to_both)
    for_readers = APIRouter()
    _original(for_readers, epcis)
    whole.include_router(for_readers)
    return whole


def _documents(routes: APIRouter, epcis: EpcisService) -> None:
    @routes.post(
        _ALL,
        summary="Capture a document of events",
        response_class=Response,
        openapi_extra=_taking(
            "An EPCISDocument, an EPCISQueryDocument, a list of events or an event; EPCIS 2.0, in XML 1.x too.",
            {
                BEHAVIOUR: "rollback (default): all events or none. proceed: every event by itself.",
                READERS: "Organisations, separated by commas, that may read the events; without it they are open.",
            },
        ),
        responses=done("Signed, kept, under way.", "Location", BEHAVIOUR, status=202)
        | contract.exceptions(*_REFUSALS),
    )
    async def capture(request: Request) -> Response:
        """The job says when the events are final. Faults of form are answered at once, each with its place, in `errors`."""
        name = request.state.caller.name
        wanted = wanted_by(request, epcis.identity.organisation)
        job, _ = await take(epcis, request, name, wanted)
        headers = {**SAID, "Location": f"{_base(request)}{_ALL}/{job.id}", BEHAVIOUR: wanted.behaviour.value}
        return Response(status_code=202, headers=headers)


def _single(routes: APIRouter, epcis: EpcisService) -> None:
    @routes.post(
        _EVENTS,
        summary="Capture one event",
        response_class=Response,
        openapi_extra=_taking("One event, or a document of one.", {}),
        responses=contract.created("It is final.", contract.EVENT)
        | contract.exceptions(Exceptional.ALREADY_EXISTS, *_REFUSALS),
    )
    async def event(request: Request) -> Response:
        """Answered when the event is final, with its bytes as they are signed, and its eventID where it had none."""
        name = request.state.caller.name
        wanted = wanted_by(request, epcis.identity.organisation)._replace(behaviour=Behaviour.ROLLBACK)
        job, body = await take(epcis, request, name, wanted, single=True)
        try:
            async with epcis.gateway.finality():
                await epcis.jobs.wait(job.number)
        except TimeoutError:
            raise UnavailableError(
                Code.UNAVAILABLE,
                f"expected the event to be final in time, it is not yet; ask /capture/{job.id}, do not send it again",
            ) from None
        return await _created(epcis, request, job, body.candidates[0])


def _jobs(routes: APIRouter, epcis: EpcisService) -> None:
    @routes.get(
        _ALL,
        summary="The capture jobs of this gateway, the newest first",
        response_class=Response,
        openapi_extra=described(pages=True),
        responses=contract.answered(
            "Without what became of each event.",
            "EpcisCaptureJobs",
            [contract.JOB],
            headers=("Link", EXPIRES),
        )
        | contract.exceptions(Exceptional.QUERY_PARAMETER),
    )
    async def every(request: Request) -> Response:
        """Jobs that begin while pages are read are in none of them."""
        check_versions(request)
        media_type_of(request, (JSON,))
        asked = request.query_params.multi_items()
        question = question_of(request.url.path, asked)
        token = request.query_params.get(TOKEN)
        before = _NEWEST if token is None else epcis.page_tokens.read(token, question).sequence
        most = per_page_of(asked)
        found = await epcis.jobs.before(before, most + 1)
        headers = dict(SAID)
        if len(found) > most:
            mark = Mark(0, None, found[most - 1].number, 0)
            headers |= next_headers(request, asked, *epcis.page_tokens.issue(question, mark))
        return json_answer([job_json(job) for job in found[:most]], headers=headers)

    @routes.get(
        _ONE,
        summary="What became of a capture",
        response_class=Response,
        openapi_extra=described(path=_VALUE),
        responses=contract.answered("The job.", "EpcisCaptureJob", contract.JOB, XML)
        | contract.exceptions(Exceptional.NO_SUCH_NAME),
    )
    async def one(request: Request) -> Response:
        """Beside the official members: who captured, the transactions, and of each event what the ledger made of it."""
        check_versions(request)
        media_type = media_type_of(request, (JSON, XML))
        document = whole_job_json(*await _job_of(epcis, request.path_params["captureID"]))
        if media_type == XML:
            return LongAnswer(job_xml(document), headers=SAID, media_type=XML)
        return json_answer(document, headers=SAID)


def _original(routes: APIRouter, epcis: EpcisService) -> None:
    @routes.get(
        _DOCUMENT,
        summary="The XML document of a capture, as it came",
        response_class=Response,
        openapi_extra=described(path=_VALUE),
        responses=contract.kept("The document's bytes.", XML) | contract.exceptions(Exceptional.NO_SUCH_NAME),
    )
    async def document(request: Request) -> Response:
        """What the events were converted from. Its SHA-256 is what their context names, under the signature."""
        check_versions(request)
        media_type_of(request, (XML,))
        job, _ = await _job_of(epcis, request.path_params["captureID"])
        data = None if job.original is None else await epcis.jobs.document(job.original)
        if data is None:
            raise UnavailableError(
                Code.NOT_FOUND, f"expected a capture in XML, of which anything was taken; {job.id} is none"
            )
        if not data:
            raise UnavailableError(
                Code.ERASED,
                f"expected the document of capture {job.id}, an event of it was erased, and it with that",
            )
        return LongAnswer(data, headers=SAID, media_type=XML)

    resource(routes, _DOCUMENT, ("OPTIONS", "GET"), value=_VALUE)


def _taking(description: str, headers: dict[str, str]) -> dict[str, Any]:
    """`openapi_extra` of a route that takes events."""
    extra = described()
    extra["security"] = [{"capture": []}]
    extra["parameters"] += [contract.header(name, said) for name, said in headers.items()]
    media = {JSON: {"schema": {"type": "object"}, "example": contract.DOCUMENT}, **binary("", XML)["content"]}
    return extra | {"requestBody": {"required": True, "description": description, "content": media}}


async def _job_of(epcis: EpcisService, captured: str) -> tuple[Job, tuple[JobPart, ...]]:
    found = await epcis.jobs.job(captured)
    if found is None:
        raise UnavailableError(
            Code.NOT_FOUND,
            f"expected the captureID of a job here, got {captured[:64]!a}; jobs are kept for 30 days",
        )
    return found


async def _created(epcis: EpcisService, request: Request, job: Job, candidate: Candidate) -> Response:
    """The answer to a single event whose job is finished: its bytes, with the eventID it got where it had none."""
    found, parts = await _job_of(epcis, job.id)
    document = whole_job_json(found, parts)
    if not found.is_success:
        (error, *_) = document["errors"]
        exception = Exceptional(error["type"].partition(":")[2])
        raise EpcisError(exception, Code(error["code"]), error["detail"])
    (event,) = document["custody:events"]
    if event.get("unchanged"):
        raise EpcisError(
            Exceptional.ALREADY_EXISTS,
            Code.REPEATED,
            f"expected a new event, {event['eventID'][:96]!a} is here as it came",
        )
    headers = {**SAID, "Location": f"{_base(request)}{_EVENTS}/{quote(event['eventID'], safe='')}"}
    shown = candidate.event
    if candidate.event_id is None:
        shown = b"%s,%s}" % (shown[:-1].rstrip(), to_json({"eventID": event["eventID"]})[1:-1])
    return LongAnswer(shown, status_code=201, headers=headers, media_type=JSON)


def _base(request: Request) -> str:
    """Where this interface is, as the client addressed it: a path, which holds behind any proxy."""
    return request.url.path.rpartition("/")[0]
