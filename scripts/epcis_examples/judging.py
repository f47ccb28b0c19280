"""What becomes of one example: captured, read back equal and proven, or refused with its reasons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from epcis_examples.comparing import difference
from epcis_examples.examples import REFUSED, Example, Fate
from epcis_examples.repository import Repository
from ledger.base.errors import CustodyError
from ledger.epcis.check import examine
from ledger.epcis.document import Document, Form, read_document
from ledger.epcis.original import original_of
from ledger.proof.verdict import judge
from ledger.proof.verify import verify


class Row(NamedTuple):
    """One line of the table."""

    name: str
    fate: Fate
    good: bool
    """Whether it came out as it is to."""
    result: str
    events: int
    subjects: int
    """That the proofs are about."""
    contradicted: int
    """Events that are recorded and did not come to hold in full."""
    reasons: Sequence[str]
    """Of a refusal, or of what is not as it is to be."""

    def to_json(self) -> dict[str, Any]:
        """JSON-ready."""
        return self._asdict() | {"fate": self.fate.value, "reasons": list(self.reasons)}


class _Proof(NamedTuple):
    subjects: frozenset[str]
    wrong: str | None


async def judged(repository: Repository, example: Example) -> Row:
    """Capture an example and see what it comes to."""
    try:
        answer = await repository.capture(example.data, example.form)
        if not answer.job or not answer.job["success"]:
            return _refused(example, answer.status, answer.reasons)
        return await _captured(repository, example, answer.job)
    except CustodyError as error:
        return Row(example.name, example.fate, False, "failed", 0, 0, 0, [f"{error}"])  # noqa: FBT003 - a column


def _refused(example: Example, status: int, reasons: Sequence[str]) -> Row:
    rule = REFUSED.get(example.name)
    good = example.fate is not Fate.CAPTURED and bool(reasons) and all(reasons)
    told = [*reasons, *([f"rule: {rule}"] if rule else [])]
    return Row(example.name, example.fate, good, f"refused ({status})", 0, 0, 0, told)


async def _captured(repository: Repository, example: Example, job: dict[str, Any]) -> Row:
    document = read_document(example.data, example.form)
    told = {one["place"]: one for one in job["custody:events"]}
    wrong: list[str] = []
    subjects: set[str] = set()
    for one in examine(document):
        if one.place not in told:
            wrong.append(f"{one.place}: the job says nothing of this event")
            continue
        event_id = told[one.place]["eventID"]
        for form in (Form.JSON, Form.XML) if example.form is Form.XML else (Form.JSON,):
            answer = await repository.event(event_id, form)
            differs = _differs((one.event, document.context), answer)
            if differs is not None:
                wrong.append(f"{one.place}: read back in {form.name} it differs at {differs}")
        proof = _proof(await repository.bundle(event_id), repository, one.event, example)
        subjects |= proof.subjects
        if proof.wrong is not None:
            wrong.append(f"{one.place}: {proof.wrong}")
    contradicted = sum(one.get("applied") is False for one in told.values())
    good = not wrong and example.fate is Fate.CAPTURED
    told_more = wrong or [f"{notice}" for notice in job.get("notices", [])]
    return Row(
        example.name, example.fate, good, "captured", len(told), len(subjects), contradicted, told_more
    )


def _differs(author: tuple[bytes, bytes | None], answer: Document) -> str | None:
    """Where the author's event differs from that answered, or the most like it where several bear its name."""
    found = [difference(author, (event, answer.context)) for event in answer.events]
    return None if None in found else next(iter(found), "everything: nothing was answered")


def _proof(data: bytes, repository: Repository, event: bytes, example: Example) -> _Proof:
    """Verify a bundle offline: it holds the event as it was signed, and the extract follows from its bytes."""
    findings = verify(data, repository.anchor)
    subjects = frozenset(key.identifier for key in findings.nested.asked)
    shown = [one for one in findings.payloads.values() if one.payload.event == event and one.agree]
    if not shown:
        return _Proof(subjects, "its bundle proves events, and not this one")
    if example.form is Form.XML and not any(original_of(one.payload.context) for one in shown):
        return _Proof(subjects, "its bundle does not name the XML document that it was")
    if not judge(findings, now_ms=repository.now_ms()).subjects:
        return _Proof(subjects, "the verdict is on nothing")
    return _Proof(subjects, None)
