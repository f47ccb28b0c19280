"""From a request to a capture job (EPCIS.md "Capture"; EPCIS 2.0 §12.6).

A body is read and checked before it is answered: what is wrong with its form is a 400 that names every place. What was taken is
on disk, signed, before the 202; its job says when it is final. `proceed` takes what is in order of a document and lists the
rest in the job.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple

from fastapi import Request

from ledger.base import limits
from ledger.base.errors import Code, FormError
from ledger.epcis.document import Form
from ledger.members.members import check_organisation_id
from ledger.trade.statement import Openness
from node.gateway.epcis.job_answers import fault_json
from node.gateway.epcis.job_store import Job
from node.gateway.epcis.negotiation import JSON, JSON_LD, XML, check_versions, sent_type
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

BEHAVIOUR: Final = "GS1-Capture-Error-Behaviour"
LIMITS: Final = {
    "GS1-EPCIS-Capture-Limit": str(ROLLBACK_EVENTS),
    "GS1-EPCIS-Capture-File-Size-Limit": str(limits.SUBMISSION_BYTES),
}
READERS: Final = "Custody-Readers"
"""Organisations that may read the bytes of what is captured, besides the one that captures; without it the bytes are open."""
_FORMS: Final = {
    JSON: Form.JSON,
    JSON_LD: Form.JSON,
    XML: Form.XML,
    "text/xml": Form.XML,
}
_READERS_MOST: Final = 64
_FAULTS_SHOWN: Final = 100


class Wanted(NamedTuple):
    """What the headers of a capture ask for."""

    form: Form
    behaviour: Behaviour
    readers: tuple[str, ...] | None


async def take(
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
            Exceptional.VALIDATION, first.code, f"{first.place or '(document)'}: {first.detail}{rest}",
            more={"errors": [fault_json(fault) for fault in body.faults[:_FAULTS_SHOWN]]},
        )  # fmt: skip


def wanted_by(request: Request, organisation: str) -> Wanted:
    """What a request's headers ask for. FormError unsupported_media_type, EpcisError."""
    check_versions(request, sends=True)
    name = sent_type(request)
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
