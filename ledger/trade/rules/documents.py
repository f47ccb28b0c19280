"""Row 25: documents bound to goods, complete from both sides.

A binding stands on the goods' record; the document's own chain has a link for every event that binds or unbinds, and its
`legs` chain one element for every subject of it. A document belongs to the organisation registered for its issuer part;
without one, to its first declarant, shown as unverified. The custodian of goods, or an authority, binds them; only the
declarant who bound, or an authority, unbinds. A binding is live while its document's generation is the same.
"""

from __future__ import annotations

from collections.abc import Iterable

from ledger.base import limits
from ledger.trade.record import Binding, Origin, Record, Space, SubjectKey
from ledger.trade.rules.handover import accept, offer
from ledger.trade.rules.outcomes import BOUND_TOO, Outcome
from ledger.trade.rules.standing import contradict, effect, has_standing, note
from ledger.trade.rules.view import (
    Act,
    Decision,
    Leg,
    Situation,
    View,
    born,
    identify,
    is_born,
    is_open,
    is_ownerless,
    situation,
)
from ledger.trade.statement import Action


def document_key(identifier: str) -> SubjectKey:
    """The key of a document."""
    return SubjectKey(Space.DOCUMENT, identifier)


def documents_of(named: Iterable[SubjectKey]) -> tuple[str, ...]:
    """The documents among what an event names by role DOCUMENT, sorted: a lot or a class stays one there, and is bound to nothing."""
    return tuple(sorted(key.identifier for key in named if key.space == Space.DOCUMENT))


def is_live(binding: Binding, view: View) -> bool:
    """Whether the document has not been unbound from everything since."""
    return view.record(document_key(binding.document)).generation == binding.generation


def is_within_delegation(act: Act, at: Situation, view: View) -> bool:
    """Whether the signer is no delegate, or its consignment's document is bound to the subject or what it is in."""
    delegation = act.delegation
    return delegation is None or any(
        binding.document == delegation.document and is_live(binding, view)
        for record in at.whole
        for binding in record.bindings
    )


def bind_document(act: Act, leg: Leg, view: View) -> Decision:
    """The document's own leg of a binding: first declared, it is born; a registered issuer part makes its owner known."""
    record = view.record(leg.key)
    issuer = view.members.issuer(identify(leg.identifier).issuer)
    if record.maker is None:  # declared for the first time, whoever mentioned it before
        record = born(record)._replace(maker=act.organisation, custodian=act.organisation)
    if issuer is not None:
        record = record._replace(origin=Origin.ATTESTED, custodian=issuer)
    if record.custodian == act.organisation:
        outcome = Outcome.BOUND if record.origin == Origin.ATTESTED else Outcome.BOUND_UNVERIFIED
        return Decision(outcome, record)
    declarants = tuple(known for known in record.former if known != act.organisation)
    former = (*declarants, act.organisation)[-limits.FORMER_CUSTODIANS :]
    return Decision(Outcome.BOUND_FOREIGN, record._replace(former=former))


def bind(act: Act, leg: Leg, view: View) -> Decision:
    """The goods' leg: bound by their custodian, a delegate of it, or an authority; with a handover in the same event too."""
    at = situation(view, leg.key)
    handover = None
    if act.statement.handover:
        handover = (offer if act.statement.handover == Action.OFFER else accept)(act, leg, view)
    may_bind = act.authority or is_ownerless(at.custodian) or at.custodian == act.organisation
    if handover is not None and not handover.aside and handover.record.parent is None:
        may_bind = may_bind or handover.record.custodian == act.organisation
    if not is_open(at.own) or not may_bind:
        return handover or contradict(act, at, view)
    before = born(at.own) if handover is None or handover.aside else handover.record
    outcome, record = bound(act, before, view)
    if outcome in (Outcome.BINDINGS_FULL, Outcome.ALREADY_BOUND):
        return handover or note(act, at, view, outcome)
    if handover is not None:
        return handover._replace(
            outcome=handover.outcome + BOUND_TOO, record=record._replace(last=None), aside=False
        )
    return Decision(outcome, effect(act, at.own, record, 25))


def bound(act: Act, record: Record, view: View) -> tuple[Outcome, Record]:
    """`record` with every document of the event bound to it; a live binding stays with who declared it."""
    outcome = Outcome.ALREADY_BOUND
    for identifier in view.documents:
        document = view.decision(document_key(identifier))
        bindings = record.bindings
        known = next((held for held in bindings if held.document == identifier), None)
        if known is not None and known.generation == document.record.generation:
            continue
        kept = tuple(held for held in bindings if held.document != identifier)
        if len(kept) >= limits.BINDINGS:
            kept = tuple(held for held in kept if is_live(held, view))
        if len(kept) >= limits.BINDINGS:
            return Outcome.BINDINGS_FULL, record
        outcome = Outcome(document.outcome)
        added = Binding(identifier, document.record.generation, act.organisation)
        record = record._replace(bindings=(*kept, added))
    return outcome, record


def unbind(act: Act, leg: Leg, view: View) -> Decision:
    """The goods' leg of an unbinding: what this signer bound, or anything by an authority."""
    at = situation(view, leg.key)
    kept, wrong = list(at.own.bindings), False
    for known in at.own.bindings:
        if known.document not in view.documents or not is_live(known, view):
            continue
        if known.declarant != act.organisation and not act.authority:
            wrong = True
        else:
            kept.remove(known)
    if wrong:
        return contradict(act, at, view)
    record = at.own._replace(bindings=tuple(kept))
    if record == at.own:
        return note(act, at, view, Outcome.NOT_BOUND)
    return Decision(Outcome.UNBOUND, effect(act, at.own, record, 25))


def unbind_document(act: Act, leg: Leg, view: View) -> Decision:
    """The document's leg of an unbinding of named goods."""
    at = situation(view, leg.key)
    if not is_born(at.own):
        return note(act, at, view, Outcome.NOT_BOUND)
    return Decision(Outcome.UNBOUND, at.own, aside=not has_standing(act, at, view))


def unbind_all(act: Act, leg: Leg, view: View) -> Decision:
    """The document is freed of all goods by starting its next generation.

    Its registered owner or an authority may always do so; an unverified first declarant only while nobody else has bound
    under it: else declaring a number first would give power over the bindings of others.
    """
    at = situation(view, leg.key)
    if not is_born(at.own):
        return note(act, at, view, Outcome.NOT_BOUND)
    issuer = view.members.issuer(identify(leg.identifier).issuer)
    alone = issuer is None and at.own.custodian == act.organisation and not at.own.former
    if not alone and issuer != act.organisation and not act.authority:
        return contradict(act, at, view)
    record = at.own._replace(generation=at.own.generation + 1, former=(), last=None)
    return Decision(Outcome.UNBOUND_ALL, record)
