"""The rows of the custody table, one function per action, in the table's own words. Each gives the outcome's code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from ledger.base import limits
from ledger.trade.record import Origin, Status
from ledger.trade.rules.outcomes import Outcome
from ledger.trade.statement import Action, Flag, Role
from tests.model.case import Case, no_one
from tests.model.things import Hold, Offer, Taking


# --- 2, 3
def make(case: Case) -> int:
    """Born of its maker; made again it is restated, contested, or only now attested."""
    granted = case.registry.grantee(case.name) == case.signer
    thing = case.was
    if case.is_unborn:
        case.thing.status = Status.LIVE
        case.thing.origin = Origin.ATTESTED if granted else Origin.UNATTESTED
        case.thing.maker = case.signer
        case.give(case.thing, case.signer)
        case.effect(2)
        return Outcome.MADE if granted else Outcome.MADE_UNATTESTED
    if granted and thing.origin == Origin.UNATTESTED:
        case.thing.origin, case.thing.maker = Origin.ATTESTED, case.signer
        if case.holder is None and not case.is_over:
            case.give(case.thing, case.signer)
        case.effect(2)
        return Outcome.ORIGIN_SET
    if case.signer == thing.maker and not thing.shipped:
        return Outcome.RESTATED
    return case.contradict(3, Outcome.CONTESTED)


# --- 6
def pack(case: Case) -> int:
    """Child into parent, both in the signer's hands."""
    return pack_parent(case) if case.role == Role.PARENT else pack_child(case)


def pack_parent(case: Case) -> int:
    """What it does to the parent."""
    if case.is_unborn:
        case.born()
        case.give(case.thing, case.signer)
        return Outcome.PARENT_BORN
    if case.is_over:
        return case.contradict(28, Outcome.CONTRADICTION)
    if case.blocking(case.name, inside=False):
        return case.breach(case.name, inside=False)
    if case.before.is_offered(case.name, case.now_ms):
        return Outcome.OFFER_STANDS
    if case.holder != case.signer and not case.is_authority:
        return case.claim()
    return Outcome.CONTENTS_ADDED


def pack_child(case: Case) -> int:
    """What it does to the child."""
    (parent,) = case.event.named(Role.PARENT)
    above = [parent, *case.before.above(parent)]
    if case.is_over:
        return case.contradict(28, Outcome.CONTRADICTION)
    if case.blocking(case.name):
        return case.breach(case.name)
    if case.before.is_offered(case.name, case.now_ms):
        return Outcome.OFFER_STANDS
    if not case.nobody and case.holder != case.signer and not case.is_authority:
        return case.claim()
    if case.was.parent == parent:
        return Outcome.OBSERVED
    over, holder = case.before.thing(parent), case.before.custodian(parent)
    if over.status == Status.UNBORN or (no_one(holder) and not case.is_authority):
        holder = case.signer
    if case.blocking(parent, inside=False):
        return case.breach(parent)
    if (
        case.before.is_offered(parent, case.now_ms)
        or over.status in (Status.CONSUMED, Status.ENDED)
        or not (holder == case.signer or case.is_authority)
    ):
        return Outcome.NOT_TOGETHER
    if case.name in above:
        return Outcome.CYCLE
    if len(above) + case.before.levels(case.name) > limits.NESTING_LEVELS:
        return Outcome.TOO_DEEP
    intervenes = case.is_authority and holder != case.signer
    if (case.holder != holder and not (case.nobody and holder == case.signer)) or (
        intervenes and (case.is_unborn or no_one(holder))
    ):
        return case.contradict(28, Outcome.NOT_TOGETHER)
    case.born()
    case.free(case.name)
    if case.nobody and not case.is_unborn and holder == case.signer:
        case.give(case.thing, case.signer, claimed=True)
    case.thing.parent = parent
    case.effect(6)
    return Outcome.PACKED


# --- 7, 8
def unpack(case: Case) -> int:
    """Children out of the parent, into the hands of whoever holds the outermost container."""
    if case.role == Role.PARENT:
        return unpack_parent(case)
    (parent,) = case.event.named(Role.PARENT)
    may = case.before.custodian(parent) == case.signer or case.is_authority
    may = may and not case.before.is_offered(parent, case.now_ms) and not case.blocking(parent, inside=False)
    if case.is_unborn:
        case.born()
        if may:
            case.free(case.name, parent)
            return Outcome.FIRST_SEEN_UNPACKED
        return Outcome.FIRST_SEEN
    if case.is_over:
        return case.contradict(28, Outcome.CONTRADICTION)
    if case.was.parent != parent:
        return case.contradict(28, Outcome.CONTRADICTION)
    if case.blocking(case.name):
        return case.breach(case.name)
    if case.before.is_offered(case.name, case.now_ms):
        return Outcome.OFFER_STANDS
    if not (case.holder == case.signer or case.nobody or case.is_authority):
        return case.claim()
    case.free(case.name)
    if case.nobody and not case.is_authority:
        case.give(case.thing, case.signer, claimed=True)
    case.effect(7)
    return Outcome.UNPACKED


def unpack_parent(case: Case) -> int:
    """What it does to the parent; that something inside is held does not bind what lies beside it."""
    if case.is_over:
        return case.contradict(28, Outcome.CONTRADICTION)
    if case.blocking(case.name, inside=False):
        return case.breach(case.name, inside=False)
    if case.before.is_offered(case.name, case.now_ms):
        return Outcome.OFFER_STANDS
    if case.holder != case.signer and not case.is_authority:
        return case.claim()
    return Outcome.CONTENTS_REMOVED


def unpack_all(case: Case) -> int:
    """Every child out, really; the container starts anew."""
    if case.is_over:
        return case.contradict(28, Outcome.CONTRADICTION)
    if case.blocking(case.name):
        return case.breach(case.name)
    if case.before.is_offered(case.name, case.now_ms):
        return Outcome.OFFER_STANDS
    if case.holder != case.signer and not case.is_authority:
        return case.claim()
    for child in case.before.children(case.name):
        case.free(child)
        case.state.own(child).last = None
    case.thing.generation += 1
    case.thing.seals = case.event.seals
    case.thing.permits = case.thing.bindings = ()
    case.no_effect_left()
    return Outcome.UNPACKED_ALL


# --- 10, 11, 16
def offer(case: Case) -> int:
    """Offered to somebody, to anybody, or left to somebody outside."""
    to = case.event.to
    if case.is_over:
        return case.contradict(28, Outcome.CONTRADICTION)
    if {n for r, n in case.event.subjects if r in (Role.OBJECT, Role.PARENT)} & set(
        case.before.above(case.name)
    ):
        return Outcome.TRAVELS_INSIDE
    if case.blocking(case.name):
        return case.breach(case.name)
    answers = [claim for claim in case.was.claims if claim.claimant == to and claim.custodian == case.signer]
    if answers and case.holder != case.signer:
        return Outcome.COMPLETION_TOO_LATE
    if not case.nobody and case.holder != case.signer:
        return case.claim()
    if to == case.signer:
        return Outcome.WITHIN
    if any(case.before.offer(n, case.now_ms) for n in case.before.above(case.name)):
        return Outcome.OFFER_STANDS
    if case.nobody:
        case.claim()
    case.thing.shipped = True
    if answers and not answers[0].late:
        hand_over(case, to)
        return Outcome.COMPLETED
    if case.event.outside is not None:
        pass_on(case, "ext:" + case.event.outside)
        return Outcome.LEFT_TO_EXTERNAL
    if case.before.offer(case.name, case.now_ms) is not None:
        return Outcome.ALREADY_OFFERED
    lapse_ms = (
        case.now_ms + limits.OFFER_LAPSE_DEFAULT_MS if case.event.lapse_ms is None else case.event.lapse_ms
    )
    case.thing.offer = Offer(case.signer, to, min(lapse_ms, case.now_ms + limits.OFFER_LAPSE_MAX_MS))
    case.no_effect_left()
    return Outcome.OFFERED_OPEN if to is None else Outcome.OFFERED


def pass_on(case: Case, receiver: str | None) -> None:
    """Custody passes with all that is inside; a packed subject is first unpacked."""
    case.free(case.name)
    case.give(case.thing, receiver)
    case.thing.offer = case.thing.taking = None
    case.no_effect_left()


def hand_over(case: Case, receiver: str | None) -> None:
    """The same on both sides' word: claims to it and to what is inside lapse."""
    pass_on(case, receiver)
    stay = case.event.named(Role.MISSING)
    for name in [case.name, *case.before.below(case.name)]:
        if not {name, *case.before.above(name)} & set(stay):
            case.state.own(name).claims = ()


# --- 9, 12-15
def accept(case: Case) -> int:
    """Taken over, or claimed."""
    if case.role == Role.CONTENT:
        return content(case)
    if case.role == Role.MISSING:
        return missing(case)
    if case.is_over:
        return case.contradict(28, Outcome.CONTRADICTION)
    if {n for r, n in case.event.subjects if r in (Role.OBJECT, Role.PARENT)} & set(
        case.before.above(case.name)
    ):
        return Outcome.TRAVELS_INSIDE
    if case.holder == case.signer:
        return Outcome.WITHIN
    if case.blocking(case.name):
        return case.breach(case.name)
    reserved = bool(case.event.flags & (Flag.RESERVATION | Flag.OTHER_SEAL | Flag.FEWER))
    stands = case.before.offer(case.name, case.now_ms)
    if stands is None or stands.receiver not in (None, case.signer):
        return case.claim()
    if any(case.before.offer(n, case.now_ms) for n in case.before.above(case.name)):
        return Outcome.OFFER_STANDS
    if case.event.seals:
        case.thing.seals = case.event.seals
    if stands.receiver is not None:
        hand_over(case, case.signer)
        return Outcome.ACCEPTED_WITH_RESERVATION if reserved else Outcome.ACCEPTED
    pass_on(case, case.signer)
    case.thing.taking = Taking(
        case.event.number, case.signer, stands.offerer, case.now_ms + limits.UNCONFIRMED_MS
    )
    return Outcome.TAKEN_WITH_RESERVATION if reserved else Outcome.TAKEN


def content(case: Case) -> int:
    """Row 9: compared with what the parent is known to hold."""
    inside = bool(set(case.event.named(Role.PARENT)) & set(case.before.above(case.name)))
    return Outcome.CONTENT_AGREES if inside else Outcome.CONTENT_NOT_INSIDE


def missing(case: Case) -> int:
    """Row 14: it did not come, so it stays with the offerer."""
    parents = [p for p in case.event.named(Role.PARENT) if p in case.before.above(case.name)]
    if not parents:
        if case.is_unborn:
            case.born()
            return Outcome.FIRST_SEEN
        return Outcome.OBSERVED
    stands = case.before.offer(parents[0], case.now_ms)
    if stands is None or stands.receiver not in (None, case.signer) or case.blocking(parents[0]):
        return Outcome.OBSERVED
    case.free(case.name)
    case.no_effect_left()
    return Outcome.MISSING


# --- 17, 18
def withdraw(case: Case) -> int:
    """The offerer takes an offer back, or voids an unconfirmed taking."""
    if case.blocking(case.name):
        return case.breach(case.name)
    if case.was.offer is not None and case.was.offer.offerer == case.signer:
        case.thing.offer = None
        return Outcome.WITHDRAWN
    taking = case.before.taking(case.name, case.now_ms)
    if taking is not None and taking.offerer == case.signer:
        case.free(case.name)
        case.give(case.thing, taking.offerer)
        case.thing.taking = case.thing.offer = None
        case.no_effect_left()
        return Outcome.VOIDED
    return case.contradict(28, Outcome.CONTRADICTION)


def reject(case: Case) -> int:
    """The named receiver will not take it."""
    stands = case.before.offer(case.name, case.now_ms)
    if case.blocking(case.name):
        return case.breach(case.name)
    if stands is not None and stands.receiver == case.signer:
        case.thing.offer = None
        return Outcome.REJECTED
    return case.contradict(28, Outcome.CONTRADICTION)


def dispute(case: Case) -> int:
    """Either side of the last or the next handover contests custody."""
    if case.blocking(case.name):
        return case.breach(case.name)
    stands = case.before.offer(case.name, case.now_ms)
    claimants = [claim.claimant for claim in case.was.claims]
    if case.signer in (case.holder, *case.was.former[-1:], *claimants, stands.receiver if stands else None):
        return case.contradict(18, Outcome.DISPUTED)
    return case.contradict(28, Outcome.CONTRADICTION)


# --- 19, 20, 24
def observe(case: Case) -> int:
    """Seen; a seal stated by its custodian is noted."""
    if case.is_unborn and not (case.is_authority and case.event.flags & Flag.RESEAL):
        case.born()
        return Outcome.FIRST_SEEN
    if case.is_authority and case.event.flags & Flag.RESEAL:
        case.thing.seals = case.event.seals
        case.no_effect_left()
        return Outcome.INTERVENED
    if case.signer == case.holder and case.event.seals:
        case.effect(19)
        case.thing.seals = case.event.seals
    return Outcome.OBSERVED


def hold_commercially(case: Case) -> int:
    """A note."""
    if case.signer == case.holder:
        return Outcome.COMMERCIAL_HOLD
    return case.contradict(28, Outcome.CONTRADICTION)


# --- 21, 22
def hold(case: Case) -> int:
    """An authority holds it."""
    assert case.event.measure is not None
    case.born()
    found = [h for h in case.was.holds if (h.authority, h.case) == (case.signer, case.event.measure.case)]
    if found:
        return Outcome.ALREADY_HELD
    if len(case.was.holds) >= limits.HOLDS:
        return Outcome.HOLDS_FULL
    seize = bool(case.event.flags & Flag.SEIZE)
    case.thing.holds += (
        Hold(case.signer, case.event.measure.case, case.event.measure.basis, seize, case.now_ms),
    )
    case.no_effect_left()
    return Outcome.HELD


def release(case: Case) -> int:
    """That hold, and no other, by who set it or its successor."""
    assert case.event.measure is not None
    same = [h for h in case.was.holds if h.case == case.event.measure.case]
    lifted = [h for h in same if h.authority == case.signer] or [
        h for h in same if case.registry.is_same(case.signer, h.authority)
    ]
    if not lifted:
        return Outcome.NO_SUCH_HOLD
    case.thing.holds = tuple(h for h in case.was.holds if h != lifted[0])
    case.no_effect_left()
    return Outcome.RELEASED


ROWS: Final[dict[int, Callable[[Case], int]]] = {
    Action.MAKE: make,
    Action.PACK: pack,
    Action.UNPACK: unpack,
    Action.UNPACK_ALL: unpack_all,
    Action.OFFER: offer,
    Action.ACCEPT: accept,
    Action.WITHDRAW: withdraw,
    Action.REJECT: reject,
    Action.DISPUTE: dispute,
    Action.OBSERVE: observe,
    Action.COMMERCIAL_HOLD: hold_commercially,
    Action.HOLD: hold,
    Action.RELEASE: release,
}

__all__ = ["ROWS", "replace"]
