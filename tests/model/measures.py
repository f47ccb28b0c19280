"""Rows 19 to 22, 24 and 29: what is seen, and what authorities order."""

from __future__ import annotations

from ledger.base import limits
from ledger.trade.record import Status
from ledger.trade.rules.outcomes import Outcome
from ledger.trade.statement import Flag
from ledger.trade.vocabulary import Step
from tests.model.case import Case
from tests.model.things import Hold, Permit


# --- 19, 20, 24
def observe(case: Case) -> int:
    """Seen; a seal stated by its custodian or an intervening authority is noted."""
    seals = case.event.seals
    if case.is_authority and (case.event.flags & Flag.RESEAL or case.event.step == Step.INSPECTING):
        if seals:
            case.born()
            case.thing.seals, case.thing.last = seals, None
        return Outcome.INTERVENED if seals else case.note(Outcome.INTERVENED)
    if case.is_mine and case.was.status == Status.LIVE and seals and seals != case.was.seals:
        case.effect(19)
        case.thing.seals = seals
        return Outcome.OBSERVED
    return case.note(Outcome.OBSERVED)


def hold_commercially(case: Case) -> int:
    """A note."""
    return case.note(Outcome.COMMERCIAL_HOLD) if case.is_mine else case.contradict(Outcome.CONTRADICTION)


# --- 21, 22
def hold(case: Case) -> int:
    """An authority holds it."""
    assert case.event.measure is not None
    if any((h.authority, h.case) == (case.signer, case.event.measure.case) for h in case.was.holds):
        return case.note(Outcome.ALREADY_HELD)
    if len(case.was.holds) >= limits.HOLDS:
        return case.note(Outcome.HOLDS_FULL)
    case.born()
    seize = bool(case.event.flags & Flag.SEIZE)
    case.thing.holds += (
        Hold(case.signer, case.event.measure.case, case.event.measure.basis, seize, case.now_ms),
    )
    case.thing.last = None
    return Outcome.HELD


def release(case: Case) -> int:
    """That hold, and no other, by who set it or its successor."""
    assert case.event.measure is not None
    same = [h for h in case.was.holds if h.case == case.event.measure.case]
    lifted = [h for h in same if h.authority == case.signer]
    lifted += [h for h in same if case.registry.is_same(case.signer, h.authority)]
    if not lifted:
        return case.note(Outcome.NO_SUCH_HOLD)
    case.thing.holds = tuple(h for h in case.was.holds if h != lifted[0])
    case.thing.last = None
    return Outcome.RELEASED


# --- 29
def permit(case: Case) -> int:
    """The authority of a hold lets it move, as stated; its earlier permits end."""
    terms = case.event.permit
    assert terms is not None
    own = [a for a in sorted(case.holding()) if case.registry.is_same(case.signer, a)]
    if not own:
        return case.note(Outcome.NO_SUCH_HOLD)
    kept = [p for p in case.was.permits if p.authority not in own]
    if len(kept) + len(own) > limits.PERMITS:
        return case.note(Outcome.HOLDS_FULL)
    case.born()
    new = [Permit(a, case.was.generation, case.event.permit_legs, 0, terms.until_ms, terms.seal) for a in own]
    case.thing.permits, case.thing.last = (*kept, *new), None
    return Outcome.PERMITTED
