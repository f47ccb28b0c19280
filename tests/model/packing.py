"""Rows 6, 7 and 8: what is in what."""

from __future__ import annotations

from ledger.base import limits
from ledger.trade.rules.outcomes import Outcome
from ledger.trade.statement import Role
from tests.model.case import Case

TAKES = (Outcome.CONTENTS_ADDED, Outcome.PARENT_BORN, Outcome.CLAIMED_CUSTODY, Outcome.CONTENTS_REMOVED)
BREACHES = (Outcome.BREACH, Outcome.BREACH_CLAIMED_EARLIER)


# --- 6
def pack(case: Case) -> int:
    """Child into parent, both in the signer's hands; an authority leaves custody as it is."""
    if case.is_over:
        return case.contradict(Outcome.CONTRADICTION)
    if case.role == Role.PARENT:
        return pack_parent(case)
    obstacle = case.obstacle()
    if obstacle is not None:
        return obstacle
    if not (case.is_mine or case.nobody or case.is_authority):
        return case.claim()
    (parent,) = case.event.named(Role.PARENT)
    outside = case.elsewhere(parent, Role.PARENT)
    code = pack(outside)
    if code in BREACHES:
        return case.breach()
    if code not in TAKES:
        return case.note(Outcome.NOT_TOGETHER)
    if outside.state.custodian(parent) != (case.signer if case.nobody else case.holder):
        return case.contradict(Outcome.NOT_TOGETHER)
    line = [parent, *case.before.above(parent)]
    if case.name in line:
        return case.note(Outcome.CYCLE)
    if len(line) + case.before.levels(case.name) > limits.NESTING_LEVELS:
        return case.note(Outcome.TOO_DEEP)
    if case.was.parent == parent:
        return case.note(Outcome.OBSERVED)
    if case.nobody and not case.is_unborn:
        case.claim_custody()
    case.born()
    case.free(case.name)
    case.thing.parent, case.thing.since = parent, case.event.number
    case.thing.offer = None
    case.effect(6)
    return Outcome.PACKED


def pack_parent(case: Case) -> int:
    """What it does to the parent."""
    if case.is_unborn:
        case.born()
        case.give(case.thing, case.signer)
        case.thing.seals = case.event.seals
        return Outcome.PARENT_BORN
    return opened(case, Outcome.CONTENTS_ADDED)


def opened(case: Case, code: int) -> int:
    """A container whose contents change; that something inside is held does not bind what lies beside it."""
    obstacle = case.obstacle(inside=False)
    if obstacle is not None:
        return obstacle
    if not (case.is_mine or case.is_authority):
        return case.claim()
    if case.event.seals:
        case.thing.seals, case.thing.last = case.event.seals, None
    return code if case.event.seals else case.note(code)


# --- 7, 8
def unpack(case: Case) -> int:
    """Children out of the parent, into the hands of whoever holds the outermost container."""
    if case.role == Role.PARENT:
        if case.is_over:
            return case.contradict(Outcome.CONTRADICTION)
        return opened(case, Outcome.CONTENTS_REMOVED)
    (parent,) = case.event.named(Role.PARENT)
    code = unpack(case.elsewhere(parent, Role.PARENT))
    if case.is_unborn:
        if code != Outcome.CONTENTS_REMOVED:
            return case.note(Outcome.OBSERVED)
        case.born()
        case.free(case.name, parent)
        return Outcome.FIRST_SEEN_UNPACKED
    if case.was.parent != parent:
        return case.contradict(Outcome.CONTRADICTION)
    obstacle = case.obstacle()
    if obstacle is not None:
        return obstacle
    if code not in TAKES:
        return case.note(Outcome.NOT_TOGETHER) if case.is_mine or case.is_authority else case.claim()
    if case.nobody and not case.is_authority:
        case.claim_custody()
    else:
        case.free(case.name)
    case.effect(7)
    return Outcome.UNPACKED


def unpack_all(case: Case) -> int:
    """Every child out, really; the container starts anew."""
    if case.is_over:
        return case.contradict(Outcome.CONTRADICTION)
    obstacle = case.obstacle()
    if obstacle is not None:
        return obstacle
    if not (case.is_mine or case.is_authority):
        return case.claim()
    case.born()
    inherited = case.thing.bindings if case.thing.parent != case.was.parent else ()
    empty(case)
    case.thing.bindings, case.thing.last = inherited, None
    return Outcome.UNPACKED_ALL


def empty(case: Case) -> None:
    """Every child out; what is left starts anew."""
    for child in case.before.children(case.name):
        case.free(child, ended=child in case.event.named(Role.PARENT))
        case.state.own(child).last = None
    case.thing.generation += 1
    case.thing.seals = case.event.seals
    case.thing.permits = case.thing.bindings = ()
