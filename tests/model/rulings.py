"""Rows 1 and 27: corrections and rulings."""

from __future__ import annotations

from ledger.base import limits
from ledger.trade.record import Status
from ledger.trade.rules.outcomes import Outcome
from tests.model.case import Case
from tests.model.things import Effect


# --- 27
def confirm(case: Case) -> int:
    """A taking by its offerer, a claim by the custodian or an authority, a contradiction by an authority: it closes."""
    cited, mark = case.event.cites, case.before.mark(case.name)
    own = mark is not None and mark == case.was.taking
    if own and mark is not None and mark.event == cited and mark.offerer == case.signer:
        case.thing.taking = case.thing.last = None
        case.both_signed()
        return Outcome.CONFIRMED
    claims = [claim for claim in case.was.claims if claim.event == cited]
    if claims and (case.is_authority or (case.is_mine and claims[0].claimant != case.signer)):
        permits = case.permits(case.holder, claims[0].claimant)
        if permits is None:
            return case.breach()
        if not case.is_authority and case.is_offered_above():
            return case.note(Outcome.OFFER_STANDS)
        case.pass_to(claims[0].claimant, permits)
        case.both_signed()
        return Outcome.CONFIRMED
    if case.is_authority and any(c.event == cited for c in case.was.contradictions):
        case.thing.contradictions = tuple(c for c in case.was.contradictions if c.event != cited)
        return Outcome.CONFIRMED
    if case.is_mine or case.is_authority:
        return case.note(Outcome.NOTHING_TO_RULE)
    return case.contradict(Outcome.CONTRADICTION)


def dismiss(case: Case) -> int:
    """By an authority: claims and contradictions of the cited event close."""
    cited = case.event.cites
    if cited not in [*(c.event for c in case.was.claims), *(c.event for c in case.was.contradictions)]:
        return case.note(Outcome.NOTHING_TO_RULE)
    case.thing.claims = tuple(claim for claim in case.was.claims if claim.event != cited)
    case.thing.contradictions = tuple(c for c in case.was.contradictions if c.event != cited)
    return Outcome.DISMISSED


# --- 1
def correct(case: Case) -> int:
    """What the author's last effect did is undone, if nothing built on it since; its own words are taken back."""
    cited, last = case.event.cites, case.was.last
    if cited is None or case.is_unborn:
        return case.note(Outcome.CORRECTION_INERT)
    if last is not None and last.event == cited and last.author != case.signer:
        return case.contradict(Outcome.CONTRADICTION)
    claims = tuple(c for c in case.was.claims if (c.event, c.claimant) != (cited, case.signer))
    words = tuple(c for c in case.was.contradictions if (c.event, c.organisation) != (cited, case.signer))
    taken_back = (claims, words) != (case.was.claims, case.was.contradictions)
    case.thing.claims, case.thing.contradictions = claims, words
    if last is not None and last.event == cited and may_be_undone(case, last):
        undo(case, last)
        return Outcome.CORRECTED
    return Outcome.CORRECTED if taken_back else case.note(Outcome.CORRECTION_STANDS)


def may_be_undone(case: Case, last: Effect) -> bool:
    """Whether nothing built on an effect."""
    line, parent = case.before.above(case.name), last.before.parent
    if any(case.before.thing(n).moved > last.event for n in line):
        return False
    if last.row == 2:
        return last.before.status != Status.UNBORN or not case.before.children(case.name)
    if last.row not in (6, 7):
        return True
    if case.holding() or case.before.is_offered(case.name, case.now_ms):
        return False
    if parent is None:
        return True
    over, restored = case.before.thing(parent), [parent, *case.before.above(parent)]
    return (
        over.status == Status.LIVE
        and over.generation == last.parent_generation
        and not any(case.before.thing(n).moved > last.event for n in restored)
        and not any(case.before.thing(n).holds for n in restored)
        and not case.before.is_offered(parent, case.now_ms)
        and case.name not in restored
        and len(restored) + case.before.levels(case.name) <= limits.NESTING_LEVELS
    )


def undo(case: Case, last: Effect) -> None:
    """As it was before."""
    thing, old = case.thing, last.before
    thing.status, thing.origin, thing.maker = old.status, old.origin, old.maker
    thing.holder, thing.claimed = old.holder, old.claimed
    thing.seals, thing.bindings, thing.last = old.seals, old.bindings, None
    if last.row == 2 and old.status == Status.UNBORN:
        thing.source = None
    if last.row in (6, 7):
        thing.parent = old.parent
        thing.since = -1 if old.parent is None else case.event.number
