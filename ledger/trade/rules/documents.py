"""Row 25: documents bound to goods, complete from both sides.

A binding stands on the goods' record; the document's own chain has a link for every event that binds or unbinds, and its
`legs` chain one element for every subject of it. A document belongs to the organisation registered for its issuer part;
without one, to its first declarant, shown as unverified. Anybody may bind goods in their custody; only the declarant who
bound, or an authority, unbinds; only the document's owner, or an authority, unbinds all.
"""

from __future__ import annotations

from ledger.base import limits
from ledger.trade.record import Binding, Origin, Record, Space, Status, SubjectKey
from ledger.trade.rules.handover import accept, is_delegate_for, offer
from ledger.trade.rules.outcomes import BOUND_TOO, Outcome
from ledger.trade.rules.standing import born, claim, contradict, effect, note
from ledger.trade.rules.view import Act, Decision, Leg, View, identify, is_born, is_ownerless, situation
from ledger.trade.statement import Action


def document_key(identifier: str) -> SubjectKey:
    """The key of a document."""
    return SubjectKey(Space.DOCUMENT, identifier)


def bind_document(act: Act, leg: Leg, view: View) -> Decision:
    """The document's own leg of a binding: first declared, it is born."""
    record = view.record(leg.key)
    issuer = view.members.issuer(identify(leg.identifier).issuer)
    if not is_born(record):
        owner = issuer or act.organisation
        record = record._replace(
            status=Status.LIVE,
            origin=Origin.UNATTESTED if issuer is None else Origin.ATTESTED,
            maker=act.organisation,
            custodian=owner,
        )
    return Decision(_binding_outcome(act, record), record)


def _binding_outcome(act: Act, document: Record) -> Outcome:
    if document.custodian != act.organisation:
        return Outcome.BOUND_FOREIGN
    return Outcome.BOUND if document.origin == Origin.ATTESTED else Outcome.BOUND_UNVERIFIED


def bind(act: Act, leg: Leg, view: View) -> Decision:
    """The goods' leg: bound by their custodian or a delegate of it; with a handover in the same event, that first."""
    at = situation(view, leg.key)
    handover = None
    if act.statement.handover:
        handover = (offer if act.statement.handover == Action.OFFER else accept)(act, leg, view)
    if at.own.status not in (Status.LIVE, Status.UNBORN) or not is_delegate_for(act, at, view):
        return handover or contradict(act, at, view)
    ownerless = is_ownerless(at.custodian) and not at.ancestors
    took = handover is not None and handover.record.custodian == act.organisation
    if at.custodian != act.organisation and not ownerless and not act.authority and not took:
        return handover or claim(act, at)
    record = born(at.own) if handover is None else handover.record
    outcome = Outcome.BOUND
    for identifier in view.documents:
        key = document_key(identifier)
        document = view.decision(key)
        outcome = Outcome(document.outcome)
        kept = tuple(known for known in record.bindings if known.document != identifier)
        if len(kept) >= limits.BINDINGS:
            return handover or note(act, at, view, Outcome.BINDINGS_FULL)
        bound = Binding(identifier, document.record.generation, act.organisation)
        record = record._replace(bindings=(*kept, bound))
    if handover is not None:
        return handover._replace(outcome=handover.outcome + BOUND_TOO, record=record, aside=False)
    return Decision(outcome, effect(act, at, record, outcome, undoable=True))


def unbind(act: Act, leg: Leg, view: View) -> Decision:
    """The goods' leg of an unbinding: what this signer bound, or anything by an authority."""
    at = situation(view, leg.key)
    record, wrong = at.own, False
    for identifier in view.documents:
        for known in record.bindings:
            if known.document == identifier:
                if known.declarant != act.organisation and not act.authority:
                    wrong = True
                else:
                    record = record._replace(bindings=tuple(b for b in record.bindings if b != known))
    if wrong:
        return contradict(act, at, view)
    if record == at.own:
        return note(act, at, view, Outcome.NOT_BOUND)
    return Decision(Outcome.UNBOUND, effect(act, at, record, Outcome.UNBOUND, undoable=True))


def unbind_document(act: Act, leg: Leg, view: View) -> Decision:
    """The document's leg of an unbinding of named goods."""
    at = situation(view, leg.key)
    if not is_born(at.own):
        return note(act, at, view, Outcome.NOT_BOUND)
    return Decision(Outcome.UNBOUND, at.own)


def unbind_all(act: Act, leg: Leg, view: View) -> Decision:
    """The document is freed of all goods by starting its next generation."""
    at = situation(view, leg.key)
    if not is_born(at.own):
        return note(act, at, view, Outcome.NOT_BOUND)
    if at.own.custodian != act.organisation and not act.authority:
        return contradict(act, at, view)
    return Decision(Outcome.UNBOUND_ALL, at.own._replace(generation=at.own.generation + 1))
