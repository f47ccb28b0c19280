"""Row 25: documents bound to things and unbound, alone or with a handover."""

from __future__ import annotations

from ledger.base import limits
from ledger.trade.record import Origin, Status
from ledger.trade.rules.outcomes import BOUND_TOO, Outcome
from ledger.trade.statement import Action, Role
from tests.model.case import Case
from tests.model.handover import CAME, accept, offer
from tests.model.things import Binding


def declared(case: Case, name: str) -> int:
    """How the signer stands to a document: its owner, its unverified first declarant, or neither."""
    issuer = case.registry.issuer(name)
    owner = issuer or case.before.thing(name).holder or case.signer
    if owner != case.signer:
        return Outcome.BOUND_FOREIGN
    return Outcome.BOUND_UNVERIFIED if issuer is None else Outcome.BOUND


def bind(case: Case) -> int:
    """By who holds it, or comes to hold it by the same event; an authority; anybody where nobody holds it."""
    if case.role == Role.DOCUMENT:
        return declare(case)
    if case.is_over:
        return case.contradict(Outcome.CONTRADICTION)
    handed = None
    if case.event.handover:
        handed = offer(case) if case.event.handover == Action.OFFER else accept(case)
    may = case.is_authority or case.is_mine or case.nobody or handed in CAME
    if not may:
        return case.contradict(Outcome.CONTRADICTION) if handed is None else handed
    codes = [declared(case, name) for name in case.event.named(Role.DOCUMENT) if bind_one(case, name)]
    if not codes:
        return case.note(Outcome.ALREADY_BOUND) if handed is None else handed
    case.born()
    case.aside = False
    if handed is None:
        case.effect(25)
        return codes[-1]
    case.thing.last = None
    return handed + BOUND_TOO


def bind_one(case: Case, name: str) -> bool:
    """One document to one thing; False if it is bound already."""
    generation = case.before.thing(name).generation
    if any((b.document, b.generation) == (name, generation) for b in case.thing.bindings):
        return False
    others = [b for b in case.thing.bindings if b.document != name]
    case.thing.bindings = (*others, Binding(name, generation, case.signer))
    return True


def declare(case: Case) -> int:
    """A document is its issuer's, else its first declarant's; whoever else binds under it is remembered."""
    code, issuer = declared(case, case.name), case.registry.issuer(case.name)
    case.born()
    if case.thing.holder is None:
        case.thing.maker = case.signer
        case.thing.holder = issuer or case.signer
        case.thing.origin = Origin.UNATTESTED if issuer is None else Origin.ATTESTED
    if code == Outcome.BOUND_FOREIGN:
        others = [who for who in case.was.former if who != case.signer]
        case.thing.former = (*others, case.signer)[-limits.FORMER_CUSTODIANS :]
    return code


def unbind(case: Case) -> int:
    """By who bound it, or an authority."""
    if case.role == Role.DOCUMENT:
        return case.note(Outcome.NOT_BOUND if case.was.status == Status.UNBORN else Outcome.UNBOUND)
    names = case.event.named(Role.DOCUMENT)
    bound = [b for b in case.before.bindings(case.name) if b.document in names]
    if not bound:
        return case.note(Outcome.NOT_BOUND)
    if not case.is_authority and any(b.declarant != case.signer for b in bound):
        return case.contradict(Outcome.CONTRADICTION)
    case.effect(25)
    case.thing.bindings = tuple(b for b in case.was.bindings if b not in bound)
    return Outcome.UNBOUND


def unbind_all(case: Case) -> int:
    """By its owner, or an authority; by an unverified declarant only while nobody else bound under it."""
    issuer = case.registry.issuer(case.name)
    if case.is_unborn:
        return case.note(Outcome.NOT_BOUND)
    unrivalled = issuer is None and case.is_mine and not case.was.former
    if not (case.is_authority or case.signer == issuer or unrivalled):
        return case.contradict(Outcome.CONTRADICTION)
    case.thing.generation += 1
    case.thing.former = ()
    return Outcome.UNBOUND_ALL
