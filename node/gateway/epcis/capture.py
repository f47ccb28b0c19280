"""POST and GET /capture, GET /capture/{captureID}, POST /events (EPCIS.md "Capture"; EPCIS 2.0 §12.6, its OpenAPI document).

A body is read and checked before it is answered: what is wrong with its form is a 400 that names every place. What was taken is
on disk, signed, before the 202; its job says when it is final. `proceed` takes what is in order of a document and lists the
rest in the job.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from ledger.base import limits
from ledger.base.errors import Code, FormError, UnavailableError
from ledger.epcis.document import Form
from ledger.members.members import check_organisation_id
from ledger.trade.statement import Openness
from node.gateway.answers import LongAnswer, json_answer
from node.gateway.epcis.job_answers import fault_json, job_json, job_xml, whole_job_json
from node.gateway.epcis.job_store import Job
from node.gateway.epcis.negotiation import JSON, SAID, XML, check_versions, discovery, media_type_of
from node.gateway.epcis.paging import Mark, next_headers, per_page_of, question_of
from node.gateway.epcis.preparing import (
    PROCEED_EVENTS,
    ROLLBACK_EVENTS,
    Behaviour,
    Body,
    Candidate,
    Part,
    read_body,
    sign_body,
)
from node.gateway.epcis.problems import EpcisError, Exceptional
from node.gateway.epcis.service import EpcisService
from node.gateway.rendering import to_json

BEHAVIOUR: Final = "GS1-Capture-Error-Behaviour"
LIMITS: Final = {
    "GS1-EPCIS-Capture-Limit": str(ROLLBACK_EVENTS),
    "GS1-EPCIS-Capture-File-Size-Limit": str(limits.SUBMISSION_BYTES),
}
READERS: Final = "Custody-Readers"
"""Organisations that may read the bytes of what is captured, besides the one that captures; without it the bytes are open."""
_FORMS: Final = {
    "application/json": Form.JSON,
    "application/ld+json": Form.JSON,
    "application/xml": Form.XML,
    "text/xml": Form.XML,
}
_READERS_MOST: Final = 64
_FAULTS_SHOWN: Final = 100
_NEWEST: Final = 2**62


class Wanted(NamedTuple):
    """What the headers of a capture ask for."""

    form: Form
    behaviour: Behaviour
    readers: tuple[str, ...] | None


def router(epcis: EpcisService) -> APIRouter:
    """The capturing routes."""
    routes = APIRouter(include_in_schema=False)

    @routes.options("/capture", dependencies=[Depends(epcis.check_known)])
    async def describe_captures() -> Response:
        return discovery(("OPTIONS", "POST", "GET"), LIMITS | {BEHAVIOUR: "all"}, captures=True)

    @routes.options("/capture/{captured}", dependencies=[Depends(epcis.check_known)])
    async def describe_capture(captured: str) -> Response:
        await _job_of(epcis, captured)
        return discovery(("OPTIONS", "GET"))

    @routes.post("/capture")
    async def capture(request: Request) -> Response:
        name = await epcis.check_capturer(request)
        wanted = _wanted(request, epcis.identity.organisation)
        job, _ = await _captured(epcis, request, name, wanted)
        headers = {
            **SAID,
            "Location": f"{_base(request)}/capture/{job.id}",
            BEHAVIOUR: wanted.behaviour.value,
        }
        return Response(status_code=202, headers=headers)

    @routes.get("/capture", dependencies=[Depends(epcis.check_known)])
    async def captures(request: Request) -> Response:
        check_versions(request)
        media_type_of(request, (JSON,))
        asked = request.query_params.multi_items()
        question = question_of(request.url.path, asked)
        token = request.query_params.get("nextPageToken")
        before = _NEWEST if token is None else epcis.page_tokens.read(token, question).sequence
        most = per_page_of(asked)
        found = await epcis.jobs.before(before, most + 1)
        headers = dict(SAID)
        if len(found) > most:
            mark = Mark(0, None, found[most - 1].number, 0)
            headers |= next_headers(request, asked, *epcis.page_tokens.issue(question, mark))
        return json_answer([job_json(job) for job in found[:most]], headers=headers)

    @routes.get("/capture/{captured}", dependencies=[Depends(epcis.check_known)])
    async def one_capture(request: Request, captured: str) -> Response:
        check_versions(request)
        media_type = media_type_of(request, (JSON, XML))
        document = whole_job_json(*await _job_of(epcis, captured))
        if media_type == XML:
            return LongAnswer(job_xml(document), headers=SAID, media_type=XML)
        return json_answer(document, headers=SAID)

    @routes.post("/events")
    async def event(request: Request) -> Response:
        name = await epcis.check_capturer(request)
        wanted = _wanted(request, epcis.identity.organisation)._replace(behaviour=Behaviour.ROLLBACK)
        job, body = await _captured(epcis, request, name, wanted, single=True)
        try:
            async with epcis.gateway.finality():
                await epcis.jobs.wait(job.number)
        except TimeoutError:
            raise UnavailableError(
                Code.UNAVAILABLE,
                f"expected the event to be final in time, it is not yet; ask /capture/{job.id}, do not send it again",
            ) from None
        return await _created(epcis, request, job, body.candidates[0])

    return routes


# ---- a body


async def _captured(
    epcis: EpcisService, request: Request, captured_by: str, wanted: Wanted, *, single: bool = False
) -> tuple[Job, Body]:
    """The job that takes up what came in a request, and what that came to."""
    key = epcis.signing_key()
    most = 1 if single else ROLLBACK_EVENTS if wanted.behaviour is Behaviour.ROLLBACK else PROCEED_EVENTS
    openness = Openness.OPEN if wanted.readers is None else Openness.RESTRICTED
    intake = epcis.gateway.intake
    try:
        with intake.waiting(), intake.body() as room:
            data = await room.read(request)
            async with intake.turns.turn(len(data)):
                body = await asyncio.to_thread(read_body, data, wanted.form, most, openness)
                _check_body(body, wanted.behaviour)

            async def sign(candidates: Sequence[Candidate]) -> tuple[Part, ...]:
                work = partial(
                    sign_body, epcis.gateway.network, key, epcis.identity.organisation, body.context, candidates,
                    behaviour=wanted.behaviour, now_ms=epcis.clock_ms(), readers=wanted.readers,
                )  # fmt: skip
                return await asyncio.to_thread(work)

            document = data if wanted.form is Form.XML else None
            return await epcis.jobs.begin(captured_by, wanted.behaviour, body, sign, document), body
    except FormError as error:
        if error.code != Code.TOO_LARGE:
            raise
        raise EpcisError(Exceptional.CAPTURE_LIMIT, error.code, error.message, LIMITS) from None


def _check_body(body: Body, behaviour: Behaviour) -> None:
    """Raise EpcisError (ValidationException) where nothing of it is going to be captured because of its form."""
    if body.faults and (behaviour is Behaviour.ROLLBACK or not body.candidates):
        first, more = body.faults[0], len(body.faults) - 1
        rest = f"; and {more} more" if more else ""
        raise EpcisError(
            Exceptional.VALIDATION, Code.MALFORMED, f"{first.place or '(document)'}: {first.detail}{rest}",
            more={"errors": [fault_json(fault) for fault in body.faults[:_FAULTS_SHOWN]]},
        )  # fmt: skip


def _wanted(request: Request, organisation: str) -> Wanted:
    check_versions(request, sends=True)
    name = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    form = _FORMS.get(name)
    if form is None:
        raise FormError(
            Code.UNSUPPORTED_MEDIA_TYPE,
            f"expected a body of type {' or '.join(_FORMS)}, got {(name or 'none')[:80]!a}",
        )
    text = request.headers.get(BEHAVIOUR, Behaviour.ROLLBACK.value).strip().lower()
    if text not in list(Behaviour):
        raise EpcisError(
            Exceptional.VALIDATION,
            Code.MALFORMED,
            f"{BEHAVIOUR}: expected {' or '.join(Behaviour)}, got {text[:40]!a}",
        )
    return Wanted(form, Behaviour(text), _readers(request, organisation))


def _readers(request: Request, organisation: str) -> tuple[str, ...] | None:
    text = request.headers.get(READERS)
    if text is None:
        return None
    named = [part.strip() for part in text.split(",") if part.strip()]
    if len(named) > _READERS_MOST:
        raise FormError(
            Code.MALFORMED, f"{READERS}: expected at most {_READERS_MOST} organisations, got {len(named)}"
        )
    for one in named:
        check_organisation_id(one)
    return tuple(sorted({organisation, *named}))


# ---- answers


async def _job_of(epcis: EpcisService, captured: str) -> Any:
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
    headers = {**SAID, "Location": f"{_base(request)}/events/{quote(event['eventID'], safe='')}"}
    shown = candidate.event
    if candidate.event_id is None:
        shown = b"%s,%s}" % (shown[:-1].rstrip(), to_json({"eventID": event["eventID"]})[1:-1])
    return LongAnswer(shown, status_code=201, headers=headers, media_type=JSON)


def _base(request: Request) -> str:
    """Where this interface is, as the client addressed it: a path, which holds behind any proxy."""
    return request.url.path.rpartition("/")[0]
