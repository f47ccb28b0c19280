"""Rows 9 to 18: offer, accept, take, claim, complete, withdraw, reject, dispute.

Custody passes when both sides have signed: the custodian offers, the receiver accepts. A receiver who takes an open
offer holds it one-sided until the offerer confirms or seven days pass. Anything else is a claim, which moves nothing.
A container's custody passes with all that is inside, in one step; a packed subject is unpacked first.
"""

from __future__ import annotations

from typing import Final

from ledger.base import limits
from ledger.trade.record import Amount, Claim, Offer, Record, Unconfirmed
from ledger.trade.rules.outcomes import Outcome
from ledger.trade.rules.standing import (
    breach,
    claim,
    claimed_custody,
    contradict,
    destination_of,
    is_offered_above,
    live_mark,
    live_offer,
    note,
    usable_permits,
    without_contradictions_of,
)
from ledger.trade.rules.view import (
    ANCESTOR,
    Act,
    Decision,
    Leg,
    Situation,
    View,
    born,
    freed,
    is_open,
    is_ownerless,
    situation,
    with_former,
)
from ledger.trade.statement import Flag, Role

TAKEN_OVER: Final = (
    Outcome.ACCEPTED,
    Outcome.ACCEPTED_WITH_RESERVATION,
    Outcome.TAKEN,
    Outcome.TAKEN_WITH_RESERVATION,
)
_RESERVATIONS: Final = int(Flag.RESERVATION | Flag.OTHER_SEAL | Flag.FEWER)


def travels_inside(at: Situation, view: View) -> bool:
    """Whether an ancestor is named in the same event, so that the subject goes where that goes."""
    return bool(at.ancestors) and any(view.role(key) in (Role.OBJECT, Role.PARENT) for key, _ in at.ancestors)


def is_reserved(act: Act) -> bool:
    """Whether the receiver makes a reservation (row 14)."""
    return bool(act.statement.flags & _RESERVATIONS)


def offer(act: Act, leg: Leg, view: View) -> Decision:
    """Rows 10, 11 and 16: the custodian offers to a member, to any member, or completes a claim; or it leaves the ledger."""
    at = situation(view, leg.key)
    if not is_open(at.own):
        return contradict(act, at, view)
    if travels_inside(at, view):
        return note(act, at, view, Outcome.TRAVELS_INSIDE)
    if usable_permits(act, at, view, act.organisation, destination_of(act)) is None:
        return breach(act, at, view)
    ownerless = is_ownerless(at.custodian)
    if at.custodian != act.organisation and not ownerless:
        late = any(_is_between(held, act) for held in at.claims)
        return note(act, at, view, Outcome.COMPLETION_TOO_LATE) if late else claim(act, at, view)
    if act.receiver == act.organisation:
        return note(act, at, view, Outcome.WITHIN)
    if is_offered_above(act, at):
        return note(act, at, view, Outcome.OFFER_STANDS)
    if not ownerless:
        return _sent(act, at, view)
    claimed = Situation(at.key, claimed_custody(act, at), (), at.lot)  # held by nobody: claimed, and sent
    return _sent(act, claimed, view)._replace(left=at.parent)


def _sent(act: Act, at: Situation, view: View) -> Decision:
    """What the custodian's sending comes to."""
    for held in at.claims:
        if _is_between(held, act) and held.sequence > at.passed:
            return complete(act, at, held, view)
    receiver = destination_of(act)
    if act.receiver is None and receiver is not None:
        record = passed(at, receiver, view, act, act.organisation)._replace(shipped=True)
        return Decision(Outcome.LEFT_TO_EXTERNAL, record, left=at.parent)
    if live_offer(act, at, at.own):
        return note(act, at, view, Outcome.ALREADY_OFFERED)
    record = born(at.own)._replace(offer=offer_of(act, at.own, None), shipped=True, last=None)
    return Decision(Outcome.OFFERED if act.receiver is not None else Outcome.OFFERED_OPEN, record)


def offer_of(act: Act, record: Record, quantity: Amount | None) -> Offer:
    """The offer that the event makes, naming the chain of the subject's `record` as it stands."""
    return Offer(
        act.sequence,
        act.event,
        act.organisation,
        act.receiver,
        _lapse_ms(act),
        quantity,
        record.links,
    )


def _lapse_ms(act: Act) -> int:
    """When an offer made now lapses, block time: as stated, at most a year ahead, thirty days if not stated."""
    stated = act.statement.lapse_ms
    if stated is None:
        return act.time_ms + limits.OFFER_LAPSE_DEFAULT_MS
    return min(stated, act.time_ms + limits.OFFER_LAPSE_MAX_MS)


def _is_between(held: Claim, act: Act) -> bool:
    """Whether the claim is the receiver's against the signer."""
    return held.claimant == act.receiver and held.custodian == act.organisation


def passed(at: Situation, receiver: str, view: View, act: Act, sender: str | None) -> Record:
    """The record once custody has passed to `receiver`; a packed subject is unpacked, used permit legs are spent."""
    record = freed(at)
    spent = (usable_permits(act, at, view, sender, receiver) or ()) if record.permits else ()
    permits = tuple(
        permit._replace(used=permit.used + 1) if permit in spent else permit for permit in record.permits
    )
    return record._replace(
        custodian=receiver,
        claimed=False,
        former=with_former(record, receiver),
        passed=act.sequence,
        offer=None,
        unconfirmed=None,
        permits=permits,
        last=None,
    )


def accept(act: Act, leg: Leg, view: View) -> Decision:
    """Rows 9 and 12 to 15: by the receiver named, by a taker of an open offer, or else a claim."""
    at = situation(view, leg.key)
    if not is_open(at.own):
        return contradict(act, at, view)
    if travels_inside(at, view):
        return note(act, at, view, Outcome.TRAVELS_INSIDE)
    if at.custodian == act.organisation:
        return note(act, at, view, Outcome.WITHIN)
    if usable_permits(act, at, view, at.custodian, act.organisation) is None:
        return breach(act, at, view)
    open_offer = at.own.offer if live_offer(act, at, at.own) else None
    if open_offer is None or open_offer.receiver not in (None, act.organisation):
        return claim(act, at, view)
    if is_offered_above(act, at):
        return note(act, at, view, Outcome.OFFER_STANDS)
    record = passed(at, act.organisation, view, act, at.custodian)
    if act.statement.seals:
        record = record._replace(seals=act.statement.seals)
    if open_offer.receiver is None:
        until_ms = act.time_ms + limits.UNCONFIRMED_MS
        mark = Unconfirmed(act.sequence, act.event, act.organisation, open_offer.offerer, until_ms)
        record = record._replace(unconfirmed=mark)
        outcome = Outcome.TAKEN_WITH_RESERVATION if is_reserved(act) else Outcome.TAKEN
    else:
        record = record._replace(claims=(), handed=act.sequence)
        outcome = Outcome.ACCEPTED_WITH_RESERVATION if is_reserved(act) else Outcome.ACCEPTED
    return Decision(outcome, record, left=at.parent)


def missing(act: Act, leg: Leg, view: View) -> Decision:
    """Row 14: a child that did not come stays with the offerer iff its parent's acceptance applies."""
    at = situation(view, leg.key)
    for key, _ in at.ancestors:
        if view.role(key) != ANCESTOR and view.decision(key).outcome in TAKEN_OVER:
            return Decision(Outcome.MISSING, freed(at)._replace(last=None), left=at.parent)
    return note(act, at, view, Outcome.OBSERVED)


def content(act: Act, leg: Leg, view: View) -> Decision:
    """Row 9: contents compared; nothing moves."""
    at = situation(view, leg.key)
    parent = view.named(Role.PARENT)
    inside = any(key == parent for key, _ in at.ancestors)
    return note(act, at, view, Outcome.CONTENT_AGREES if inside else Outcome.CONTENT_NOT_INSIDE)


def complete(act: Act, at: Situation, held: Claim, view: View) -> Decision:
    """Row 16: the custodian at the time of the claim, still custodian, signs late: the claim becomes two-sided."""
    record = passed(at, held.claimant, view, act, act.organisation)
    record = record._replace(claims=(), handed=act.sequence, shipped=True)
    return Decision(Outcome.COMPLETED, without_contradictions_of(record, held.event), left=at.parent)


def withdraw(act: Act, leg: Leg, view: View) -> Decision:
    """Row 17: the offerer closes its unanswered offer, or voids an unconfirmed taking of what the taker still holds."""
    at = situation(view, leg.key)
    own, mark = at.own, live_mark(act, at)
    if usable_permits(act, at, view, None, None) is None:
        return breach(act, at, view)
    if mark is not None and mark.offerer == act.organisation:
        record = passed(at, act.organisation, view, act, None)
        return Decision(Outcome.VOIDED, record, left=at.parent)
    if own.offer is not None and own.offer.offerer == act.organisation:
        return Decision(Outcome.WITHDRAWN, own._replace(offer=None))
    if at.custodian == act.organisation:
        return note(act, at, view, Outcome.OBSERVED)  # nothing of its own stands open
    return contradict(act, at, view)


def reject(act: Act, leg: Leg, view: View) -> Decision:
    """Row 18: the receiver named closes the offer."""
    at = situation(view, leg.key)
    own = at.own
    if usable_permits(act, at, view, None, None) is None:
        return breach(act, at, view)
    if own.offer is not None and own.offer.receiver == act.organisation and live_offer(act, at, own):
        return Decision(Outcome.REJECTED, own._replace(offer=None))
    return contradict(act, at, view)


def dispute(act: Act, leg: Leg, view: View) -> Decision:
    """Row 18: either side of a handover contests custody; an open contradiction until corrected or ruled upon."""
    at = situation(view, leg.key)
    if usable_permits(act, at, view, None, None) is None:
        return breach(act, at, view)
    sides = [at.custodian, *at.own.former[-1:], *(held.claimant for held in at.claims)]
    if at.own.offer is not None and live_offer(act, at, at.own):
        sides.append(at.own.offer.receiver)
    return contradict(act, at, view, Outcome.DISPUTED if act.organisation in sides else Outcome.CONTRADICTION)
