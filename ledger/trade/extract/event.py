"""One EPCIS event -> its extract (EXTRACT.md §4 to §7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ledger.base.errors import Code, FormError
from ledger.base.limits import DOCUMENTS_PER_EVENT, EVENT_BYTES
from ledger.trade.extract.actions import (
    ASSOCIATION,
    NESTING,
    TRANSACTION,
    TRANSFORMATION,
    TYPES,
    Pattern,
    action_of,
    handover_of,
)
from ledger.trade.extract.context import Prefixes, prefixes_of
from ledger.trade.extract.extensions import Extensions, custody_terms
from ledger.trade.extract.fields import (
    Event,
    as_object,
    list_of,
    object_of,
    offset_minutes,
    refused,
    text_of,
    time_ms,
)
from ledger.trade.extract.subjects import Named, Subjects, add_objects, extra, lot_made_from, names_in
from ledger.trade.identifiers import Kind, canonical, document
from ledger.trade.slices import parse
from ledger.trade.statement import (
    EXTRACTOR_VERSION,
    Action,
    Extract,
    Flag,
    Openness,
    Role,
    Statement,
    Subject,
)
from ledger.trade.vocabulary import (
    DISPOSITIONS,
    PARTY_TYPE_NAMES,
    RESERVATIONS,
    STEPS,
    TRANSACTION_TYPE_NAMES,
)

_PARTIES: Final = ("possessing_party", "owning_party")
_PARTY_KINDS: Final = (Kind.PARTY, Kind.PLACE)
_RESERVED: Final = frozenset(int(disposition) for disposition in RESERVATIONS)
_VERBS: Final = ("ADD", "OBSERVE", "DELETE")
_BINDING: Final = (Action.BIND, Action.UNBIND, Action.UNBIND_ALL)
_OFFICIAL: Final = (Action.HOLD, Action.RELEASE, Action.PERMIT)
_SEALS: Final = ("seal", "otherSeal", "reseal")
_FLAG_OF_SEALS: Final[Mapping[str | None, int]] = {
    "otherSeal": int(Flag.OTHER_SEAL),
    "reseal": int(Flag.RESEAL),
}
# Which custody terms have a meaning in which action, beside the seals.
_TERMS_OF: Final = {
    Action.ACCEPT: ("missing", "count"),
    Action.OFFER: ("lapses", "count"),
    Action.OBSERVE: ("count",),
    Action.PACK: ("count",),
    Action.SAMPLE: ("samples",),
    Action.HOLD: ("measure", "case", "basis"),
    Action.RELEASE: ("measure", "case", "basis"),
    Action.PERMIT: ("measure", "case", "basis", "legs", "until"),
    Action.CONFIRM: ("ruling", "cites"),
    Action.DISMISS: ("ruling", "cites"),
    Action.REJECT: ("handover",),
    Action.DISPUTE: ("handover",),
}


def extract(
    event: bytes,
    context: bytes | None,
    version: int = EXTRACTOR_VERSION,
    openness: Openness = Openness.OPEN,
) -> Extract:
    """The extract of one verbatim event slice under its document's verbatim `@context` slice (None: EPCIS's own).

    `openness` is the author's choice beside the event and is only copied. Raises FormError with a code that says what
    the form lacks: unsupported_version, malformed, too_large, too_deep, duplicate_key, context_redefines, bad_time,
    bad_identifier or duplicate_subject.
    """
    return extract_read(*members_of(event, context, version), openness)


def members_of(event: bytes, context: bytes | None, version: int) -> tuple[Event, Prefixes]:
    """What `extract` reads: the members of an event slice and the prefixes in force in it. Raises as it does."""
    if version != EXTRACTOR_VERSION:
        raise FormError(
            Code.UNSUPPORTED_VERSION, f"expected extractor version {EXTRACTOR_VERSION}, got {version}"
        )
    members = parse(event, EVENT_BYTES)
    if type(members) is not dict:
        raise refused("event", "an object", members)
    prefixes = prefixes_of(context)
    if "@context" in members:
        prefixes = prefixes.extended(members["@context"])
    return members, prefixes


def extract_read(members: Event, prefixes: Prefixes, openness: Openness = Openness.OPEN) -> Extract:
    """The extract of an event that `slices.parse` has read, under the prefixes in force in it. Raises as `extract` does."""
    return _Reading(members, prefixes).extract(openness)


def persons_in(extract: Extract) -> tuple[str, ...]:
    """Every identifier of a person anywhere in an extract, in order: what a genesis may refuse."""
    said = extract.statement
    texts = [subject.identifier for subject in extract.subjects]
    texts += [
        text for text in (said.counterparty, said.source, said.place, said.transformation) if text is not None
    ]
    texts += said.documents
    if said.permit is not None:
        texts += [party for leg in said.permit.legs for party in leg]
    return tuple(text for text in texts if canonical(text).kind is Kind.PERSON)


class _Reading:
    """One event while its statement is put together."""

    def __init__(self, members: Event, prefixes: Prefixes) -> None:
        for key in members:
            if key[:1] == "@" and key != "@context":
                raise FormError(
                    Code.CONTEXT_REDEFINES, f"expected EPCIS terms by their short names, got {key[:64]!a}"
                )
        self.members = members
        self.prefixes = prefixes
        self.type = text_of(members, "type") or ""
        if self.type not in TYPES:
            raise refused("type", f"one of {', '.join(TYPES)}", self.type)
        self.extensions = Extensions(custody_terms(members, prefixes), prefixes)
        self.declaration = object_of(members, "errorDeclaration")
        self.names = names_in(members, prefixes, self.type)
        self.documents = self._documents()
        self.counterparty = self._party("destination")
        self.source = self._party("source")
        self.place = self._place("readPoint") or self._place("bizLocation")
        self.step = self._word("bizStep", STEPS)
        self.disposition = self._word("disposition", DISPOSITIONS)
        self.pattern = self._pattern()

    def extract(self, openness: Openness) -> Extract:
        """The whole extract; a correction reads its body as the original's does, and then only cites it."""
        at_ms = time_ms(text_of(self.members, "eventTime") or "", "eventTime")
        offset_minutes(text_of(self.members, "eventTimeZoneOffset") or "", "eventTimeZoneOffset")
        action = action_of(self.pattern, self.extensions)
        meant = (handover_of(self.pattern) if action == Action.BIND else None) or action
        self._allow(action, meant)
        subjects = self._subjects(action, meant)
        seals, flags = self._seals(action)
        flags |= self._flags(action, meant, subjects)
        measured = action in _OFFICIAL
        statement = Statement(
            version=EXTRACTOR_VERSION,
            action=action,
            handover=0 if meant == action else meant,
            time_ms=at_ms,
            step=self.step,
            disposition=self.disposition,
            counterparty=self.counterparty,
            source=self.source,
            place=self.place,
            documents=() if action in _BINDING else self._mentions(),
            flags=flags,
            openness=int(openness),
            cites=self._cites(action),
            measure=self.extensions.measure() if measured else None,
            permit=self.extensions.permit() if action == Action.PERMIT else None,
            lapse_ms=self.extensions.time("lapses") if meant == Action.OFFER else None,
            seals=seals,
            transformation=self._transformation(),
        )
        if self.declaration is not None:
            statement = self._corrected(statement, self.declaration)
        return Extract(statement, subjects)

    # --- single fields

    def _word(self, field: str, table: Mapping[str, int]) -> int:
        """The code of a word in any spelling, 0 where there is none or it is outside the table."""
        value = text_of(self.members, field)
        return 0 if value is None else table.get(self.prefixes.expanded(value), 0)

    def _party(self, end: str) -> str | None:
        """The possessing party of the sources or destinations, else the owning party."""
        found: dict[str, str] = {}
        for value in list_of(self.members, f"{end}List"):
            element = as_object(value, f"{end}List")
            kind = PARTY_TYPE_NAMES.get(self.prefixes.expanded(text_of(element, "type") or ""))
            party = text_of(element, end)
            if kind not in _PARTIES or party is None:
                continue
            text = canonical(self.prefixes.expanded(party)).text
            if found.setdefault(kind, text) != text:
                raise refused(f"{end}List", f"one {kind}", text)
        return found.get("possessing_party", found.get("owning_party"))

    def _place(self, field: str) -> str | None:
        value = object_of(self.members, field)
        text = None if value is None else text_of(value, "id")
        return None if text is None else canonical(self.prefixes.expanded(text)).text

    def _documents(self) -> tuple[Named, ...]:
        """What the business transactions name, in order, an identifier under several types as often."""
        found = []
        for value in list_of(self.members, "bizTransactionList"):
            element = as_object(value, "bizTransactionList")
            kind = TRANSACTION_TYPE_NAMES.get(self.prefixes.expanded(text_of(element, "type") or ""), "")
            text = text_of(element, "bizTransaction")
            if text is None:
                raise refused("bizTransactionList", "a bizTransaction", text)
            found.append(Named(document(kind, self.prefixes.expanded(text)), None, text))
        return tuple(found)

    def _mentions(self) -> tuple[str, ...]:
        texts = tuple(dict.fromkeys(named.identifier.text for named in self.documents))
        if len(texts) > DOCUMENTS_PER_EVENT:
            raise FormError(
                Code.TOO_LARGE, f"expected at most {DOCUMENTS_PER_EVENT} documents, got {len(texts)}"
            )
        return texts

    def _transformation(self) -> str | None:
        text = text_of(self.members, "transformationID") if self.type == TRANSFORMATION else None
        return None if text is None else canonical(self.prefixes.expanded(text)).text

    # --- what they come to

    def _pattern(self) -> Pattern:
        verb = "" if self.type == TRANSFORMATION else text_of(self.members, "action")
        if verb is None or verb not in ("", *_VERBS):
            raise refused("action", " or ".join(_VERBS), verb)
        names = self.names
        if self.type in NESTING and verb != "OBSERVE" and names.parent is None:
            raise refused("parentID", f"the parent of an {self.type} of action {verb}", None)
        if self.type in NESTING and verb == "ADD" and not names.objects:
            raise refused("childEPCs", f"the children of an {self.type} of action ADD", None)
        if self.type == TRANSACTION and verb != "OBSERVE" and not self.documents:
            raise refused("bizTransactionList", f"the documents of a TransactionEvent of action {verb}", None)
        return Pattern(
            type=self.type,
            verb=verb,
            step=self.step,
            is_known_step=self.step != 0 or text_of(self.members, "bizStep") is None,
            has_party=self.counterparty is not None,
            has_objects=bool(names.objects or names.inputs or names.outputs),
            has_parent=names.parent is not None,
        )

    def _allow(self, action: Action, meant: Action) -> None:
        seals = ("seal",) if action == Action.PERMIT else _SEALS
        self.extensions.allow(*seals, *_TERMS_OF.get(action, ()), *_TERMS_OF.get(meant, ()))

    def _subjects(self, action: Action, meant: Action) -> tuple[Subject, ...]:
        subjects = Subjects(is_correction=self.declaration is not None)
        add_objects(subjects, self.names, self.pattern, action)
        if action == Action.SAMPLE:
            subjects.add(Role.OUTPUT, *extra(self.extensions, "samples"))
        if meant == Action.ACCEPT:
            subjects.add(Role.MISSING, *extra(self.extensions, "missing"))
        if action in _BINDING:
            subjects.add(Role.DOCUMENT, *self.documents)
        lot = lot_made_from(self.names, self.members, self.prefixes) if action == Action.MAKE else None
        if lot is not None:
            subjects.add_lot(*lot)
        count = self.extensions.counted()
        if count is not None:
            subjects.count(count)
        if not subjects.all():
            if action != Action.OBSERVE or self.place is None:
                raise refused("event", "objects, or a read point that is only observed", None)
            subjects.add(Role.PLACE, Named(canonical(self.place), None, self.place))
        return subjects.all()

    def _seals(self, action: Action) -> tuple[tuple[str, ...], int]:
        if action == Action.PERMIT:
            return (), 0
        seals, said = self.extensions.seals()
        return seals, _FLAG_OF_SEALS.get(said, 0)

    def _flags(self, action: Action, meant: Action, subjects: tuple[Subject, ...]) -> int:
        flags = 0  # flags that join as integers: as members of their enumeration they take a microsecond each time
        if meant == Action.ACCEPT and not _RESERVED.isdisjoint(self._dispositions()):
            flags |= int(Flag.RESERVATION)
        if Role.MISSING in [subject.role for subject in subjects]:
            flags |= int(Flag.FEWER)
        if action == Action.HOLD and self.extensions.terms["measure"] == "seize":
            flags |= int(Flag.SEIZE)
        if self.type == ASSOCIATION:
            flags |= int(Flag.ASSOCIATION)
        if not self.pattern.is_known_step:
            flags |= int(Flag.UNKNOWN_STEP)
        if self.counterparty is not None and canonical(self.counterparty).kind not in _PARTY_KINDS:
            flags |= int(Flag.UNREADABLE_PARTY)
        texts = [subject.identifier for subject in subjects] + [
            named.identifier.text for named in self.documents
        ]
        texts += [
            text for text in (self.counterparty, self.source, self.place, self._transformation()) if text
        ]
        if Kind.OPAQUE in [canonical(text).kind for text in texts]:
            flags |= int(Flag.OPAQUE)
        return flags

    def _dispositions(self) -> list[int]:
        """The disposition and every persistent disposition that is set."""
        persistent = object_of(self.members, "persistentDisposition")
        words = [] if persistent is None else list_of(persistent, "set")
        found = [self.disposition]
        for word in words:
            if type(word) is not str:
                raise refused("persistentDisposition", "words", word)
            found.append(DISPOSITIONS.get(self.prefixes.expanded(word), 0))
        return found

    def _cites(self, action: Action) -> bytes | None:
        if action not in (Action.CONFIRM, Action.DISMISS):
            return None
        cited = self.extensions.digest("cites")
        if cited is None:
            raise refused("custody:cites", "the hash of the event ruled upon", None)
        return cited

    def _corrected(self, statement: Statement, declaration: Event) -> Statement:
        """The statement of a correction: nothing of the body is done again, only what it was about is kept."""
        time_ms(text_of(declaration, "declarationTime") or "", "declarationTime")
        terms = custody_terms(declaration, self.prefixes, frozenset({"original"}))
        return statement._replace(
            action=Action.CORRECT,
            handover=0,
            measure=None,
            permit=None,
            lapse_ms=None,
            cites=Extensions(terms, self.prefixes).digest("original"),
        )
