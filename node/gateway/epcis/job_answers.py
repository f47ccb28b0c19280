"""A capture job as its clients see it (EPCIS.md "Capture"; EPCIS 2.0 §12, schema CaptureJob)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

from ledger.base.errors import Code, CustodyError
from ledger.trade.rules import is_applied
from node.gateway.epcis.job_store import Fate, Job, JobPart
from node.gateway.epcis.preparing import Fault
from node.gateway.epcis.problems import epcis_error_of, problem
from node.gateway.rendering import outcome_json, time_text

_NAMESPACE: Final = "urn:epcglobal:epcis:xsd:2"
_ERRORS_SHOWN: Final = 1_000
_REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        Code.ROLLED_BACK: "expected every event of this capture to be taken, another one was refused; nothing of it stands",
        Code.PERSON_IDENTIFIER: "expected no identifier of a person, this network takes none (its genesis says so); leave it out",
        Code.NOT_ENTITLED: "expected an act that this organisation is entitled to (RULES), it is not",
        Code.UNKNOWN_KEY: "expected the gateway's capture key to stand in the registry, it does not (any more); nothing can be "
        "captured here until it does",
    }
)


def job_json(job: Job) -> dict[str, Any]:
    """What every list of jobs says of one, its errors only so far as they were known from the beginning."""
    document: dict[str, Any] = {"captureID": job.id, "createdAt": time_text(job.created_ms)}
    if job.finished_ms is not None:
        document["finishedAt"] = time_text(job.finished_ms)
    return document | {
        "running": job.finished_ms is None,
        "success": job.is_success,
        "captureErrorBehaviour": job.behaviour,
        "errors": [fault_json(fault) for fault in job.faults],
        "custody:capturedBy": job.captured_by,
    }


def whole_job_json(job: Job, parts: Sequence[JobPart]) -> dict[str, Any]:
    """A job with its transactions and what became of each event."""
    document = job_json(job)
    for part in parts:
        document["errors"] += [fault_json(fault) for fault in _refused(part)]
    del document["errors"][_ERRORS_SHOWN:]
    document["custody:transactions"] = [
        {"id": part.id.hex(), "height": part.height, "recordTime": _time(part.time_ms)} for part in parts
    ]
    document["custody:events"] = [
        *({"place": place, "eventID": event, "unchanged": True} for place, event in job.unchanged),
        *(event for part in parts for event in _events(part)),
    ]
    document["custody:notices"] = [
        {"place": notice.place, "eventID": notice.event_id, "detail": notice.detail} for notice in job.notices
    ]
    if job.original is not None:
        document["custody:document"] = job.original
    return document


def fault_json(fault: Fault) -> dict[str, Any]:
    """Why an event was not captured, as a problem document that names its place in the body."""
    error = epcis_error_of(CustodyError(Code(fault.code), fault.detail))
    more = {} if fault.event_id is None else {"eventID": fault.event_id}
    return problem(error.exception, error.code, error.message, place=fault.place, **more)


def job_xml(document: dict[str, Any]) -> bytes:
    """The same job in XML: what the official interface names, without what this ledger adds."""
    attributes = "".join(
        f" {name}={quoteattr(_plain(document[name]))}" for name in ("captureID", "running", "success")
    )
    members = "".join(
        f"<{name}>{escape(_plain(document[name]))}</{name}>"
        for name in ("createdAt", "finishedAt", "captureErrorBehaviour")
        if name in document
    )
    errors = "".join(
        "<errors>"
        + "".join(
            f"<{name}>{escape(_plain(error[name]))}</{name}>"
            for name in ("type", "title", "status", "detail")
        )
        + "</errors>"
        for error in document["errors"]
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<epcis:EPCISCaptureJob xmlns:epcis="{_NAMESPACE}"{attributes}>'
        f"{members}{errors}</epcis:EPCISCaptureJob>\n"
    ).encode("utf-8", "xmlcharrefreplace")


def _plain(value: Any) -> str:
    text = ("true" if value else "false") if type(value) is bool else str(value)
    return "".join(character for character in text if character >= " " or character in "\t\n")


def _refused(part: JobPart) -> list[Fault]:
    fate = part.fate
    if fate is None:
        return []
    if fate.code:
        return [Fault(one.place, one.event_id, Code(fate.code), fate.message) for one in part.events]
    return [
        Fault(event.place, event.event_id, Code(refusal), _because(refusal))
        for event, (refusal, _) in zip(part.events, fate.events, strict=True)
        if refusal
    ]


def _because(refusal: str) -> str:
    said = _REASONS.get(refusal)
    return said or f"expected an event that the ledger takes, it refused this one as {refusal}"


def _events(part: JobPart) -> list[dict[str, Any]]:
    outcomes = _outcomes(part.fate, len(part.events))
    shown = []
    for event, codes in zip(part.events, outcomes, strict=True):
        one: dict[str, Any] = {"place": event.place, "eventID": event.event_id}
        if codes:
            one["applied"] = all(is_applied(code) for code in codes)
            one["outcomes"] = sorted({outcome_json(code)["name"] for code in codes})
        shown.append(one)
    return shown


def _outcomes(fate: Fate | None, count: int) -> list[tuple[int, ...]]:
    return [()] * count if fate is None else [outcomes for _, outcomes in fate.events]


def _time(time_ms: int | None) -> str | None:
    return None if time_ms is None else time_text(time_ms)
