"""Whether a document is EPCIS 2.0, and where it is not (EPCIS.md, What is refused; EPCIS 2.0 §7 to §10, CBV 2.0 §7).

Refusal is about form alone. What the standard's JSON Schema refuses is refused here, so are words that the CBV does not
have, names in no namespace and whatever the extractor cannot read, so that a client learns at capture what admission
would answer. What an event says about custody, and contradicts, is recorded and no business of this module.

The rules are tables (`events`, `frames`) over a few kinds of values (`values`). No schema is compiled, nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple

from ledger.base.errors import FormError
from ledger.base.limits import CONTEXT_BYTES, EVENT_BYTES, FINDINGS
from ledger.epcis.contexts import check_context, is_open
from ledger.epcis.document import Document, Form, Shape, read_document
from ledger.epcis.events import EVENT_TYPES
from ledger.epcis.findings import Finding, Findings, Grade, Place, Reading, pointer, shown
from ledger.epcis.frames import check_frame
from ledger.epcis.values import check_members, extension_name
from ledger.trade.extract import extract_read
from ledger.trade.extract.context import Prefixes, prefixes_of
from ledger.trade.slices import parse
from ledger.trade.statement import Extract, Openness
from ledger.trade.vocabulary import EXTENSION_NAMESPACE

_EVENT_LISTS: Final[dict[Shape, Place]] = {
    Shape.DOCUMENT: ((None, "epcisBody"), "eventList"),
    Shape.QUERY_DOCUMENT: ((((None, "epcisBody"), "queryResults"), "resultsBody"), "eventList"),
    Shape.EVENTS: None,
}
_EVENT_MEMBERS: Final = frozenset(name for table in EVENT_TYPES.values() for name in table.members)
_TYPES: Final = ", ".join(EVENT_TYPES)


class _Context(NamedTuple):
    """The names in force under a context. One that cannot be used leaves EPCIS's own, and what was found in it."""

    prefixes: Prefixes
    is_open: bool
    found: tuple[Finding, ...]


class Examined(NamedTuple):
    """One event of a document: what it says, and what is to be found in it."""

    place: str
    """JSON pointer in its document; "" is an event that stands alone."""
    event: bytes
    members: dict[str, Any]
    """As `slices.parse` reads them; empty where it cannot."""
    extract: Extract | None
    """None where it is refused, and under a context that cannot be used."""
    findings: tuple[Finding, ...]

    @property
    def refusals(self) -> list[Finding]:
        """Why it is refused, empty where it is not."""
        return [finding for finding in self.findings if finding.grade is Grade.REFUSED]

    @property
    def notices(self) -> list[Finding]:
        """What whoever captures is told, and is no reason to refuse."""
        return [finding for finding in self.findings if finding.grade is Grade.NOTED]


def check_document(data: bytes, form: Form) -> tuple[Document, list[Finding]]:
    """Read a body and check all of it; with no finding of grade REFUSED it may be captured. `limits.FINDINGS` of each are kept.

    Raises FormError where it cannot be read at all: malformed, too_large, too_deep, duplicate_key.
    """
    document = read_document(data, form)
    findings = frame_findings(document)
    for examined in examine(document):
        findings += examined.findings
    room = dict.fromkeys(Grade, FINDINGS)
    kept = []
    for finding in findings:
        room[finding.grade] -= 1
        if room[finding.grade] >= 0:
            kept.append(finding)
    return document, kept


def check_event(event: bytes, context: bytes | None, form: Form = Form.JSON) -> list[Finding]:
    """What is to be found in one event under the `@context` of its document; places begin at the event.

    Without a context the event stands alone and has one of its own.
    """
    checker = _Checker(_context_of(context), Openness.OPEN, is_alone=context is None, is_xml=form is Form.XML)
    return list(checker.examined(event, None).findings)


def frame_findings(document: Document) -> list[Finding]:
    """What is to be found around the events, `@context` included: what refuses all of them."""
    findings = Findings()
    context = _context_of(document.context)
    if document.form is Form.JSON:
        check_frame(Reading(findings, context.prefixes, is_open=context.is_open, is_xml=False), document)
    return [*findings.all(), *context.found]


def examine(document: Document, openness: Openness = Openness.OPEN) -> Iterator[Examined]:
    """Each event of a document in order, read, checked and extracted once."""
    is_alone = document.shape in {Shape.EVENT, Shape.EVENTS}
    checker = _Checker(
        _context_of(document.context), openness, is_alone=is_alone, is_xml=document.form is Form.XML
    )
    around = _EVENT_LISTS.get(document.shape)
    for position, event in enumerate(document.events):
        yield checker.examined(event, None if document.shape is Shape.EVENT else (around, position))


class _Checker:
    """Checks events under one context, each after those before it."""

    def __init__(self, context: _Context, openness: Openness, *, is_alone: bool, is_xml: bool) -> None:
        self._context = context
        self._openness = openness
        self._is_alone = is_alone and not is_xml
        self._is_xml = is_xml
        self._seen: dict[str, bytes] = {}

    def examined(self, event: bytes, place: Place) -> Examined:
        """Read, check and extract one event."""
        findings = Findings()
        members = self._members(findings, event, place)
        extract = None
        if members:
            reading = Reading(
                findings, self._context.prefixes, is_open=self._context.is_open, is_xml=self._is_xml
            )
            if "@context" in members:
                _enter(reading, members["@context"], place)
            elif self._is_alone:
                findings.add((place, "@context"), "an event that stands alone to have its @context", "none")
            _check_members(reading, members, place)
            self._own_id(findings, event, members, place)
            if not findings.refused and not self._context.found:
                extract = _extract(reading, members, place, self._openness)
        return Examined(pointer(place), event, members, extract, findings.all())

    def _members(self, findings: Findings, event: bytes, place: Place) -> dict[str, Any]:
        try:
            members = parse(event, EVENT_BYTES)
        except FormError as error:
            findings.refuse(place, error)
            return {}
        if type(members) is dict and members:
            return members
        findings.add(place, "an event, which is an object with members", shown(members))
        return {}

    def _own_id(self, findings: Findings, event: bytes, members: dict[str, Any], place: Place) -> None:
        """An eventID is one event's, and that of the event that declares it in error (EPCIS 2.0 §7.4.1)."""
        name = members.get("eventID")
        if type(name) is not str or "errorDeclaration" in members:
            return
        if self._seen.setdefault(name, event) != event:
            findings.add((place, "eventID"), "an eventID of its own for each event", f"{shown(name)} again")


def _extract(reading: Reading, members: dict[str, Any], place: Place, openness: Openness) -> Extract | None:
    try:
        return extract_read(members, reading.prefixes, openness)
    except FormError as error:
        reading.findings.refuse(_place_in(reading, members, place, error), error)
        return None


def _check_members(reading: Reading, members: dict[str, Any], place: Place) -> None:
    name = members.get("type")
    event_type = EVENT_TYPES.get(name) if type(name) is str else None
    if event_type is None:
        return reading.findings.add(
            (place, "type"), f"one of {_TYPES}", shown(name) if "type" in members else "nothing"
        )
    check_members(reading, members, place, event_type.members, event_type.needed, extension_name)
    return event_type.about(reading, members, place)


def _enter(reading: Reading, context: Any, place: Place) -> None:
    """Put the names of an event's own context in force; under one that cannot be used no name is judged."""
    here: Place = (place, "@context")
    reading.is_open = reading.is_open or is_open(context)
    check_context(reading.findings, context, here)
    if not reading.findings.refused:
        try:
            reading.prefixes = reading.prefixes.extended(context)
        except FormError as error:
            reading.findings.refuse(here, error)
    reading.is_open = reading.is_open or reading.findings.refused > 0


@lru_cache(maxsize=64)
def _context_of(context: bytes | None) -> _Context:
    findings = Findings()
    if context is None:
        return _Context(prefixes_of(None), is_open=False, found=())
    try:
        value = parse(context, CONTEXT_BYTES)
        check_context(findings, value, (None, "@context"))
        if not findings.refused:
            return _Context(prefixes_of(context), is_open=is_open(value), found=())
    except FormError as error:
        findings.refuse((None, "@context"), error)
    return _Context(prefixes_of(None), is_open=True, found=findings.all())


def _place_in(reading: Reading, members: dict[str, Any], place: Place, error: FormError) -> Place:
    """Where in the event the extractor refused it: its messages begin with the field, where one is at fault."""
    field, colon, rest = error.message.partition(":")
    if not colon:
        return place
    if field == "custody":
        full = EXTENSION_NAMESPACE + rest.partition(":")[0].partition(" ")[0]
        return next(((place, name) for name in members if reading.prefixes.expanded(name) == full), place)
    field = field.partition(" ")[0]
    return (place, field) if field in _EVENT_MEMBERS else place
