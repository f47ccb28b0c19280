"""Rows 9 to 18: offer, accept, take, claim, complete, withdraw, reject, dispute.

Custody passes when both sides have signed: the custodian offers, the receiver accepts. A receiver who takes an open
offer holds it one-sided until the offerer confirms or seven days pass. Anything else is a claim, which moves nothing.
A container's custody passes with all that is inside, in one step; a packed subject is unpacked first.
"""

from __future__ import annotations

from ledger.base import limits
from ledger.trade.record import Claim, Contradiction, Offer, Record, Status, Unconfirmed
from ledger.trade.rules.outcomes import Outcome
from ledger.trade.rules.standing import (
    born,
    breach,
    claim,
    claimed_custody,
    contradict,
    effect,
    live_offer,
    note,
    usable_permits,
)
from ledger.trade.rules.view import (
    ANCESTOR,
    EXTERNAL,
    Act,
    Decision,
    Leg,
    Situation,
    View,
    freed,
    is_ownerless,
    leaving,
    situation,
    unnamed_parent,
    with_former,
)
from ledger.trade.statement import Flag, Role

TAKEN_OVER = (
    Outcome.ACCEPTED,
    Outcome.ACCEPTED_WITH_RESERVATION,
    Outcome.TAKEN,
    Outcome.TAKEN_WITH_RESERVATION,
)
_RESERVATIONS = Flag.RESERVATION | Flag.OTHER_SEAL | Flag.FEWER


def travels_inside(at: Situation, view: View) -> bool:
    """Whether an ancestor is named in the same event, so that the subject goes where that goes."""
    return any(view.role(key) in (Role.OBJECT, Role.PARENT) for key, _ in at.ancestors)


def is_delegate_for(act: Act, at: Situation, view: View) -> bool:
    """Whether a delegate's consignment document is bound to the subject or an ancestor (or the signer is no delegate)."""
    if act.delegation is None:
        return True
    if act.time_ms >= act.delegation.until_ms:
        return False
    document = act.delegation.document
    bound = any(binding.document == document for record in at.whole for binding in record.bindings)
    return bound or document in view.documents


def offer(act: Act, leg: Leg, view: View) -> Decision:
    """Rows 10, 11 and 16: the custodian offers to a member, to any member, or completes a claim; or it leaves the ledger."""
    at = situation(view, leg.key)
    if at.own.status not in (Status.LIVE, Status.UNBORN):
        return contradict(act, at, view)
    if travels_inside(at, view):
        return note(act, at, view, Outcome.TRAVELS_INSIDE)
    if not is_delegate_for(act, at, view):
        return contradict(act, at, view)
    permits = usable_permits(act, at, view, act.organisation, act.receiver)
    if permits is None:
        return breach(act, at, view)
    ownerless = is_ownerless(at.custodian) and not at.ancestors
    if at.custodian != act.organisation and not ownerless:
        return claim(act, at)
    if act.receiver == act.organisation:
        return note(act, at, view, Outcome.WITHIN)
    start = at if not ownerless else at._replace(own=claimed_custody(act, born(at.own)))
    matching = [
        held for held in at.own.claims if held.claimant == act.receiver and held.custodian == act.organisation
    ]
    if matching and not ownerless:
        return complete(act, at, matching[0], view)
    if act.receiver is None and act.statement.counterparty is not None:
        return _left(act, start, view)
    if live_offer(act, at, at.own):
        return note(act, at, view, Outcome.ALREADY_OFFERED)
    return _offer(act, start)


def _offer(act: Act, at: Situation) -> Decision:
    record = born(at.own)
    made = Offer(act.sequence, act.event, act.organisation, act.receiver, lapse_ms(act), 0)
    record = record._replace(
        offer=made, shipped=record.shipped or record.maker == act.organisation, last=None
    )
    return Decision(Outcome.OFFERED if act.receiver is not None else Outcome.OFFERED_OPEN, record)


def lapse_ms(act: Act) -> int:
    """When an offer made now lapses, block time: as stated, at most a year ahead, thirty days if not stated."""
    stated = act.statement.lapse_ms
    if stated is None:
        return act.time_ms + limits.OFFER_LAPSE_DEFAULT_MS
    return min(stated, act.time_ms + limits.OFFER_LAPSE_MAX_MS)


def _left(act: Act, at: Situation, view: View) -> Decision:
    """To a party that is no member: it leaves the ledger's view, never two-sided; coming back is a claim."""
    record = passed(at, f"{EXTERNAL}{act.statement.counterparty}", view, act, act.organisation, None)
    record = record._replace(shipped=record.shipped or record.maker == act.organisation)
    return Decision(Outcome.LEFT_TO_EXTERNAL, record, deltas=leaving(at), left=unnamed_parent(at))


def passed(
    at: Situation, receiver: str, view: View, act: Act, sender: str | None, permit_receiver: str | None
) -> Record:
    """The record once custody has passed to `receiver`; a packed subject is unpacked, used permit legs are spent."""
    record = freed(at, at.custodian) if at.ancestors else born(at.own)
    spent = usable_permits(act, at, view, sender, permit_receiver) or ()
    permits = tuple(
        permit._replace(used=permit.used + 1) if permit in spent else permit for permit in record.permits
    )
    return record._replace(
        custodian=receiver,
        claimed=False,
        former=with_former(record, receiver),
        offer=None,
        permits=permits,
        last=None,
    )


def accept(act: Act, leg: Leg, view: View) -> Decision:
    """Rows 9 and 12 to 15: by the receiver named, by a taker of an open offer, or else a claim."""
    at = situation(view, leg.key)
    if at.own.status not in (Status.LIVE, Status.UNBORN):
        return contradict(act, at, view)
    if travels_inside(at, view):
        return note(act, at, view, Outcome.TRAVELS_INSIDE)
    if at.custodian == act.organisation:
        return note(act, at, view, Outcome.WITHIN)
    if not is_delegate_for(act, at, view):
        return contradict(act, at, view)
    permits = usable_permits(act, at, view, at.custodian, act.organisation)
    if permits is None:
        return breach(act, at, view)
    open_offer = at.own.offer
    if (
        open_offer is None
        or not live_offer(act, at, at.own)
        or open_offer.receiver not in (None, act.organisation)
    ):
        return claim(act, at)
    record = passed(at, act.organisation, view, act, at.custodian, act.organisation)
    reserved = bool(act.statement.flags & _RESERVATIONS)
    if act.statement.seals:
        record = record._replace(seals=act.statement.seals)
    if open_offer.receiver is None:
        mark = Unconfirmed(act.organisation, open_offer.offerer, act.time_ms + limits.UNCONFIRMED_MS)
        record = record._replace(unconfirmed=mark)
        outcome = Outcome.TAKEN_WITH_RESERVATION if reserved else Outcome.TAKEN
    else:
        record = record._replace(claims=(), unconfirmed=None)
        outcome = Outcome.ACCEPTED_WITH_RESERVATION if reserved else Outcome.ACCEPTED
    return Decision(outcome, record, deltas=leaving(at), left=unnamed_parent(at))


def missing(act: Act, leg: Leg, view: View) -> Decision:
    """Row 14: a child that did not come stays with the offerer iff its parent's acceptance applies."""
    at = situation(view, leg.key)
    for key, _ in at.ancestors:
        if view.role(key) != ANCESTOR and view.decision(key).outcome in TAKEN_OVER:
            return Decision(
                Outcome.MISSING,
                effect(act, at, freed(at, at.custodian), Outcome.MISSING),
                deltas=leaving(at),
                left=unnamed_parent(at),
            )
    return note(act, at, view, Outcome.OBSERVED)


def content(act: Act, leg: Leg, view: View) -> Decision:
    """Row 9: contents compared; nothing moves."""
    at = situation(view, leg.key)
    parent = view.named(Role.PARENT)
    inside = any(key == parent for key, _ in at.ancestors)
    return note(act, at, view, Outcome.CONTENT_AGREES if inside else Outcome.CONTENT_NOT_INSIDE)


def complete(act: Act, at: Situation, held: Claim, view: View) -> Decision:
    """Row 16: the custodian at the time of the claim, still custodian, signs late: the claim becomes two-sided."""
    record = passed(at, held.claimant, view, act, act.organisation, held.claimant)
    record = record._replace(
        claims=(), unconfirmed=None, shipped=record.shipped or record.maker == act.organisation
    )
    record = without_contradictions_of(record, held.event)
    return Decision(Outcome.COMPLETED, record, deltas=leaving(at), left=unnamed_parent(at))


def without_contradictions_of(record: Record, event: bytes) -> Record:
    """`record` with contradictions stated by that event closed."""
    kept: tuple[Contradiction, ...] = tuple(item for item in record.contradictions if item.event != event)
    return record._replace(contradictions=kept)


def withdraw(act: Act, leg: Leg, view: View) -> Decision:
    """Row 17: the offerer closes its unanswered offer, or voids an unconfirmed taking of what the taker still holds."""
    at = situation(view, leg.key)
    own = at.own
    if usable_permits(act, at, view, None, None) is None:
        return breach(act, at, view)
    if own.offer is not None and own.offer.offerer == act.organisation and live_offer(act, at, own):
        return Decision(Outcome.WITHDRAWN, own._replace(offer=None))
    mark = own.unconfirmed
    if (
        mark is not None
        and mark.offerer == act.organisation
        and act.time_ms < mark.until_ms
        and at.custodian == mark.taker
    ):
        record = passed(at, act.organisation, view, act, None, None)._replace(unconfirmed=None)
        return Decision(Outcome.VOIDED, record, deltas=leaving(at), left=unnamed_parent(at))
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
    sides = {at.custodian, *at.own.former[-1:]}
    if at.own.offer is not None:
        sides |= {at.own.offer.offerer, at.own.offer.receiver}
    if act.organisation in sides:
        return contradict(act, at, view, Outcome.DISPUTED)
    return contradict(act, at, view)
