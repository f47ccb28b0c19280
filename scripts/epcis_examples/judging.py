"""What becomes of one example: captured, read back equal and proven, or refused with its reasons."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from epcis_examples.comparing import OURS, difference, expanded
from epcis_examples.examples import REFUSED, Example, Fate
from epcis_examples.repository import Repository
from ledger.base.errors import Code, CustodyError, ProofError
from ledger.epcis.check import examine
from ledger.epcis.document import Document, Form, Shape, read_document
from ledger.epcis.original import name_of, original_of
from ledger.proof.verdict import judge
from ledger.proof.verify import verify

_AT_A_TIME: Final = 4
_PROVEN: Final = (0, 3, 4, 6, 7)
"""Exit codes of `custody verify` for a file that proves what it says, whatever that is."""


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


class _Told(NamedTuple):
    """An event as it was answered."""

    link: str
    """Where its proof is."""
    event_hash: str
    wrong: str | None


class _Proof(NamedTuple):
    subjects: frozenset[str]
    wrong: str | None


async def judge_all(repository: Repository, given: Sequence[Example]) -> list[Row]:
    """All examples, some at a time; in their order."""
    room = asyncio.Semaphore(_AT_A_TIME)

    async def one(example: Example) -> Row:
        async with room:
            return await judged(repository, example)

    return list(await asyncio.gather(*(one(example) for example in given)))


async def judged(repository: Repository, example: Example) -> Row:
    """Capture an example and see what it comes to."""
    try:
        if example.fate is Fate.ASKED:
            return await _asked(repository, example)
        answer = await repository.capture(example.data, example.form)
        if not answer.document or not answer.document["success"]:
            return _refused(example, answer.status, answer.reasons)
        return await _captured(repository, example, answer.document)
    except CustodyError as error:
        return Row(example.name, example.fate, False, "failed", 0, 0, 0, [f"{error}"])  # noqa: FBT003 - a column


async def _asked(repository: Repository, example: Example) -> Row:
    answer = await repository.ask(example.name, example.data)
    good = answer.document.get("type") == Shape.QUERY_DOCUMENT
    return Row(example.name, example.fate, good, "answered" if good else "failed", 0, 0, 0, answer.reasons)


def _refused(example: Example, status: int, reasons: Sequence[str]) -> Row:
    rule = REFUSED.get(example.name)
    good = example.fate is not Fate.CAPTURED and bool(reasons) and all(reasons)
    told = [*reasons, *([f"rule: {rule}"] if rule else [])]
    return Row(example.name, example.fate, good, f"refused ({status})", 0, 0, 0, told)


async def _captured(repository: Repository, example: Example, job: dict[str, Any]) -> Row:
    document = read_document(example.data, example.form)
    told = {one["place"]: one for one in job["custody:events"]}
    height = max((part["height"] for part in job["custody:transactions"]), default=0)
    wrong: list[str] = []
    subjects: set[str] = set()
    for one in examine(document):
        if one.place not in told:
            wrong.append(f"{one.place}: the job says nothing of this event")
            continue
        event_id = told[one.place]["eventID"]
        author = one.event, document.context
        shown = [_told_of(author, await repository.event(event_id, form, height)) for form in _forms(example)]
        proof = _proof(
            await repository.bundle(shown[0].link), repository, one.event, shown[0].event_hash, example
        )
        subjects |= proof.subjects
        found = [*(told_of.wrong for told_of in shown), proof.wrong]
        wrong += [f"{one.place}: {what}" for what in found if what is not None]
    notices = [f"{one['place'] or '(document)'}: {one['detail']}" for one in job["custody:notices"]]
    return Row(
        example.name, example.fate, not wrong and example.fate is Fate.CAPTURED, "captured", len(told), len(subjects),
        sum(one.get("applied") is False for one in told.values()), wrong or notices,
    )  # fmt: skip


def _forms(example: Example) -> tuple[Form, ...]:
    """In which forms it is read back: JSON, which has the link to the proof, and the form it came in."""
    return (Form.JSON,) if example.form is Form.JSON else (Form.JSON, Form.XML)


def _told_of(author: tuple[bytes, bytes | None], answer: Document) -> _Told:
    """The event of an answer that is the author's, or else the most like it."""
    wrong = None
    for event in answer.events:
        found = difference(author, (event, answer.context))
        members = expanded((event, answer.context))
        told = _Told(f"{members.get(OURS + 'proof')}", f"{members.get(OURS + 'eventHash')}", None)
        if found is None:
            return told
        wrong = wrong or told._replace(wrong=f"read back in {answer.form.name} it differs at {found}")
    if wrong is None:
        raise ProofError(
            Code.NOT_PROVEN, "expected the event that was captured, got an answer without events"
        )
    return wrong


def _proof(data: bytes, repository: Repository, event: bytes, event_hash: str, example: Example) -> _Proof:
    """Verify a bundle offline: it holds the event as it was signed, and the extract follows from its bytes."""
    findings = verify(data, repository.anchor)
    subjects = frozenset(key.identifier for key in findings.nested.asked)
    shown = [one for one in findings.payloads.values() if one.event_hash.hex() == event_hash]
    if not any(one.payload.event == event and one.agree for one in shown):
        return _Proof(subjects, "its bundle does not prove these bytes")
    if example.form is Form.XML and original_of(shown[0].payload.context) != name_of(example.data):
        return _Proof(subjects, "its bundle does not name the XML document that it was")
    if judge(findings, now_ms=repository.now_ms()).exit_code not in _PROVEN:
        return _Proof(subjects, "the verdict on its bundle is that it proves nothing")
    return _Proof(subjects, None)
