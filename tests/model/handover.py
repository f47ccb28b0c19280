"""Rows 9 to 18: offers, acceptances, claims, completions, and their undoing."""

from __future__ import annotations

from ledger.base import limits
from ledger.trade.rules.outcomes import Outcome
from ledger.trade.statement import Flag, Role
from tests.model.case import Case
from tests.model.things import Offer, Taking

CAME = (
    Outcome.ACCEPTED,
    Outcome.TAKEN,
    Outcome.ACCEPTED_WITH_RESERVATION,
    Outcome.TAKEN_WITH_RESERVATION,
)


def travels_inside(case: Case) -> bool:
    """Whether what is handed over is a container of it."""
    return bool(set(case.event.named(Role.OBJECT, Role.PARENT)) & set(case.before.above(case.name)))


# --- 10, 11, 16
def offer(case: Case) -> int:
    """Offered to somebody, to anybody, or left to somebody outside; or the late signature to what was claimed."""
    to = case.event.to if case.event.outside is None else "ext:" + case.event.outside
    if case.is_over:
        return case.contradict(Outcome.CONTRADICTION)
    if travels_inside(case):
        return case.note(Outcome.TRAVELS_INSIDE)
    permits = case.permits(case.signer, to)
    if permits is None:
        return case.breach()
    answered = [claim for claim in case.was.claims if (claim.claimant, claim.custodian) == (to, case.signer)]
    if not case.is_mine and not case.nobody:
        return case.note(Outcome.COMPLETION_TOO_LATE) if answered else case.claim()
    if to == case.signer:
        return case.note(Outcome.WITHIN)
    if case.is_offered_above():
        return case.note(Outcome.OFFER_STANDS)
    if case.nobody:
        case.claim_custody()
        answered = []
    if any(claim.event > case.was.passed for claim in answered):
        case.pass_to(to, permits)
        case.both_signed()
        case.thing.shipped = True
        return Outcome.COMPLETED
    if case.event.outside is not None:
        case.pass_to(to, permits)
        case.thing.shipped = True
        return Outcome.LEFT_TO_EXTERNAL
    if case.before.offer(case.name, case.now_ms) is not None:
        return case.note(Outcome.ALREADY_OFFERED)
    lapse_ms = case.event.lapse_ms
    lapse_ms = case.now_ms + limits.OFFER_LAPSE_DEFAULT_MS if lapse_ms is None else lapse_ms
    lapse_ms = min(lapse_ms, case.now_ms + limits.OFFER_LAPSE_MAX_MS)
    case.thing.offer = Offer(case.event.number, case.signer, to, lapse_ms)
    case.thing.shipped, case.thing.last = True, None
    return Outcome.OFFERED_OPEN if to is None else Outcome.OFFERED


# --- 9, 12-15
def accept(case: Case) -> int:
    """Taken over, or claimed."""
    if case.role == Role.CONTENT:
        inside = set(case.event.named(Role.PARENT)) & set(case.before.above(case.name))
        return case.note(Outcome.CONTENT_AGREES if inside else Outcome.CONTENT_NOT_INSIDE)
    if case.role == Role.MISSING:
        return missing(case)
    if case.is_over:
        return case.contradict(Outcome.CONTRADICTION)
    if travels_inside(case):
        return case.note(Outcome.TRAVELS_INSIDE)
    if case.is_mine:
        return case.note(Outcome.WITHIN)
    permits = case.permits(case.holder, case.signer)
    if permits is None:
        return case.breach()
    stands = case.before.offer(case.name, case.now_ms)
    if stands is None or stands.receiver not in (None, case.signer):
        return case.claim()
    if case.is_offered_above():
        return case.note(Outcome.OFFER_STANDS)
    case.pass_to(case.signer, permits)
    case.thing.seals = case.event.seals or case.was.seals
    reserved = bool(case.event.flags & (Flag.RESERVATION | Flag.OTHER_SEAL | Flag.FEWER))
    if stands.receiver is not None:
        case.both_signed()
        return Outcome.ACCEPTED_WITH_RESERVATION if reserved else Outcome.ACCEPTED
    until_ms = case.now_ms + limits.UNCONFIRMED_MS
    case.thing.taking = Taking(case.event.number, case.signer, stands.offerer, until_ms)
    return Outcome.TAKEN_WITH_RESERVATION if reserved else Outcome.TAKEN


def missing(case: Case) -> int:
    """It did not come with what it is in, so it stays with the offerer."""
    named = [(r, n) for r, n in case.event.subjects if r in (Role.OBJECT, Role.PARENT)]
    came = [n for r, n in named if n in case.before.above(case.name) and accept(case.elsewhere(n, r)) in CAME]
    if not came:
        return case.note(Outcome.OBSERVED)
    case.free(case.name)
    case.thing.last = None
    return Outcome.MISSING


# --- 17, 18
def withdraw(case: Case) -> int:
    """The offerer voids an unconfirmed taking, or takes an offer back."""
    if case.blocking():
        return case.breach()
    mark = case.before.live_mark(case.name, case.now_ms)
    if mark is not None and mark.offerer == case.signer:
        case.pass_to(case.signer, [])
        return Outcome.VOIDED
    if case.was.offer is not None and case.was.offer.offerer == case.signer:
        case.thing.offer = None
        return Outcome.WITHDRAWN
    return case.note(Outcome.OBSERVED) if case.is_mine else case.contradict(Outcome.CONTRADICTION)


def reject(case: Case) -> int:
    """The named receiver will not take it."""
    if case.blocking():
        return case.breach()
    stands = case.before.offer(case.name, case.now_ms)
    if stands is not None and stands.receiver == case.signer:
        case.thing.offer = None
        return Outcome.REJECTED
    return case.contradict(Outcome.CONTRADICTION)


def dispute(case: Case) -> int:
    """Either side of the last or the next handover contests custody."""
    if case.blocking():
        return case.breach()
    stands = case.before.offer(case.name, case.now_ms)
    sides = [case.holder, *case.was.former[-1:], *(claim.claimant for claim in case.was.claims)]
    if case.signer in sides or (stands is not None and stands.receiver == case.signer):
        return case.contradict(Outcome.DISPUTED)
    return case.contradict(Outcome.CONTRADICTION)
