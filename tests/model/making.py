"""Rows 2, 3, 5, 24 and 26: how things come into being and go."""

from __future__ import annotations

from ledger.trade.record import Origin, Status
from ledger.trade.rules.outcomes import Outcome
from ledger.trade.statement import Role
from tests.model.case import Case
from tests.model.packing import empty


# --- 2, 3
def make(case: Case) -> int:
    """Born of its maker; made again it is restated, contested, or only now attested."""
    granted = case.registry.grantee(case.name) == case.signer
    thing = case.was
    if case.is_unborn:
        case.thing.status = Status.LIVE
        case.thing.origin = Origin.ATTESTED if granted else Origin.UNATTESTED
        case.thing.maker = case.signer
        case.thing.seals = case.event.seals
        case.give(case.thing, case.signer)
        case.effect(2)
        return Outcome.MADE if granted else Outcome.MADE_UNATTESTED
    if granted and thing.origin == Origin.UNATTESTED:
        case.thing.origin, case.thing.maker = Origin.ATTESTED, case.signer
        if thing.holder is None and thing.parent is None and not case.is_over:
            case.give(case.thing, case.signer)
        case.effect(2)
        return Outcome.ORIGIN_SET
    still_there = (
        not thing.shipped
        and not thing.former
        and not case.before.is_offered(case.name, case.now_ms)
        and (thing.parent is None or thing.passed <= thing.since)
    )
    if case.signer == thing.maker and still_there:
        return case.note(Outcome.RESTATED)
    return case.contradict(Outcome.CONTESTED)


# --- 5
def transform(case: Case) -> int:
    """Inputs in the signer's hands are consumed; outputs are born as if made."""
    if case.role == Role.OUTPUT:
        return output(case)
    if case.is_unborn:
        return case.note(Outcome.INPUT_RECORDED)
    if case.is_over:
        return case.contradict(Outcome.INPUT_RECORDED)
    obstacle = case.obstacle()
    if obstacle is not None:
        return obstacle
    if case.before.live_mark(case.name, case.now_ms) is not None:
        return case.note(Outcome.CONFIRMATION_WAITS)
    if case.nobody:
        return case.note(Outcome.INPUT_RECORDED)
    if not case.is_mine:
        return case.claim()
    finish(case, Status.CONSUMED)
    return Outcome.CONSUMED


def output(case: Case) -> int:
    """As if made, and it knows what it was made from."""
    code = make(case)
    made = code in (Outcome.MADE, Outcome.MADE_UNATTESTED, Outcome.ORIGIN_SET)
    if made and case.was.source is None:
        case.thing.source = f"{case.signer}|{case.event.transformation or f'event {case.event.number}'}"
    if made:
        case.thing.last = None
    return code


def finish(case: Case, status: Status) -> None:
    """Out of what it is in, emptied, and over."""
    case.free(case.name)
    if case.before.children(case.name):
        empty(case)
    case.thing.status = status
    case.thing.offer = case.thing.last = None


# --- 24
def sample(case: Case) -> int:
    """A custodian or an authority takes a sample, which is a new thing in its hands."""
    if case.role == Role.OUTPUT:
        if not case.is_unborn:
            return case.contradict(Outcome.CONTESTED)
        case.born()
        case.give(case.thing, case.signer)
        return Outcome.SAMPLE_MADE
    if case.is_authority:
        return case.note(Outcome.SAMPLED)
    if not case.is_mine:
        return case.contradict(Outcome.CONTRADICTION)
    obstacle = case.obstacle()
    return case.note(Outcome.SAMPLED) if obstacle is None else obstacle


# --- 26
def end(case: Case) -> int:
    """By its custodian if nobody holds it officially, else by the authority."""
    if case.is_over:
        return case.contradict(Outcome.CONTRADICTION)
    obstacle = case.obstacle()
    if obstacle is not None:
        return obstacle
    if case.before.live_mark(case.name, case.now_ms) is not None:
        return case.note(Outcome.CONFIRMATION_WAITS)
    if not (case.is_mine or (case.is_authority and case.holding())):
        return case.contradict(Outcome.CONTRADICTION)
    finish(case, Status.ENDED)
    return Outcome.ENDED
