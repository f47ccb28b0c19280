"""Who counts: standing, contradictions, claims, and what an official hold or an open offer forbids (rows 15, 23, 28).

Standing: the effective custodian; one of the last eight former custodians kept in the subject's or a current ancestor's
record; the two sides of an open offer; the maker or the holder of the prefix grant; an authority. The first event about
a subject has standing whoever signs it: somebody has to be first. What others say goes to the aside chain, so a rival
can neither silence a true receiver nor blacken a competitor's goods.
"""

from __future__ import annotations

from ledger.base import limits
from ledger.trade.record import Claim, Contradiction, LastEffect, LivePermit, Origin, Record, Status
from ledger.trade.rules.outcomes import Outcome, row_of
from ledger.trade.rules.view import (
    Act,
    Decision,
    Situation,
    View,
    freed,
    held_by,
    identify,
    is_born,
    is_ownerless,
    leaving,
    unnamed_parent,
)


def has_standing(act: Act, at: Situation, view: View) -> bool:
    """Whether what the signer says of the subject enters its main chain."""
    return not is_born(at.own) or is_party(act, at, view)


def is_party(act: Act, at: Situation, view: View) -> bool:
    """Whether the signer has standing of its own, not only by being the first to say anything."""
    signer = act.organisation
    own = at.own
    if act.authority or signer in (at.custodian, own.maker):
        return True
    for record in at.whole:
        if signer in record.former:
            return True
        if record.offer is not None and signer in (record.offer.offerer, record.offer.receiver):
            return True
    return view.members.grantee(identify(own_identifier(at)).digits) == signer


def own_identifier(at: Situation) -> str:
    """The identifier the situation is about."""
    return at.key.identifier


def born(record: Record) -> Record:
    """The record once anything is known of the subject: live, origin unattested."""
    if is_born(record):
        return record
    return record._replace(status=Status.LIVE, origin=Origin.UNATTESTED)


def note(act: Act, at: Situation, view: View, outcome: Outcome) -> Decision:
    """A statement without effect on custody, in the chain of those with standing, else aside."""
    if not is_born(at.own):
        return Decision(Outcome.FIRST_SEEN if outcome == Outcome.OBSERVED else outcome, born(at.own))
    return Decision(outcome, at.own, aside=not has_standing(act, at, view))


def contradict(
    act: Act, at: Situation, view: View, outcome: Outcome = Outcome.CONTRADICTION, row: int = 0
) -> Decision:
    """Recorded as a contradiction, which changes nothing it contradicts; aside for those without standing.

    `row` is the row that was broken, 0 for the outcome's own.
    """
    if not has_standing(act, at, view):
        return Decision(outcome, at.own, aside=True)
    record = born(at.own)
    if is_party(act, at, view) and len(record.contradictions) < limits.OPEN_CONTRADICTIONS:
        stated = Contradiction(act.sequence, act.event, act.organisation, row or row_of(outcome))
        record = record._replace(contradictions=(*record.contradictions, stated))
    return Decision(outcome, record)


def claim(act: Act, at: Situation, amount: int = 0) -> Decision:
    """Row 15: the claimant is noted beside the custodian; an ownerless subject's first claimant holds claimed custody."""
    record = born(at.own)
    if is_ownerless(at.custodian) and record.status == Status.LIVE:
        outside = freed(at, at.custodian) if at.ancestors else record
        return Decision(
            Outcome.CLAIMED_CUSTODY,
            claimed_custody(act, outside),
            deltas=leaving(at),
            left=unnamed_parent(at),
        )
    known = any(held.claimant == act.organisation for held in record.claims)
    if known or len(record.claims) >= limits.OPEN_CLAIMS:
        return Decision(Outcome.CLAIM_NOT_NOTED, record, aside=True)
    stated = Claim(act.sequence, act.event, act.organisation, at.custodian, amount)
    return Decision(Outcome.CLAIMED, record._replace(claims=(*record.claims, stated)))


def claimed_custody(act: Act, record: Record) -> Record:
    """`record` in the claimed custody of the signer."""
    return record._replace(custodian=act.organisation, claimed=True, offer=None, last=None)


def live_offer(act: Act, at: Situation, record: Record) -> bool:
    """Whether `record` (of the subject or an ancestor) has an offer that still stands."""
    offer = record.offer
    return offer is not None and act.time_ms < offer.lapse_ms and offer.offerer == at.custodian


def is_offered(act: Act, at: Situation) -> bool:
    """Whether an open offer at or above the subject stands (row 10)."""
    return any(live_offer(act, at, record) for record in at.whole)


def is_unconfirmed(act: Act, at: Situation) -> bool:
    """Whether an unconfirmed taking at or above the subject still waits (row 13)."""
    return any(
        record.unconfirmed is not None and act.time_ms < record.unconfirmed.until_ms for record in at.whole
    )


def holding_authorities(at: Situation, *, inside: bool = True) -> tuple[str, ...]:
    """Authorities with a hold on the subject or an ancestor of it, or (`inside`) on anything below it; sorted."""
    found = {hold.authority for record in (*at.whole, at.lot) for hold in record.holds}
    if inside:
        found.update(authority for authority, number in held_by(at.own) if number > 0)
    return tuple(sorted(found))


def is_held_by_another(act: Act, at: Situation, view: View, *, inside: bool = True) -> bool:
    """Whether another authority than the signer's holds it (row 23)."""
    return any(
        not view.members.is_same_authority(act.organisation, authority)
        for authority in holding_authorities(at, inside=inside)
    )


def breach(act: Act, at: Situation, view: View) -> Decision:
    """Row 23: a link without effect; said so when it claims to precede the holds."""
    since = [hold.since_ms for record in (*at.whole, at.lot) for hold in record.holds]
    earlier = bool(since) and act.statement.time_ms < min(since)
    return note(act, at, view, Outcome.BREACH_CLAIMED_EARLIER if earlier else Outcome.BREACH)


def usable_permits(
    act: Act, at: Situation, view: View, sender: str | None, receiver: str | None
) -> tuple[LivePermit, ...] | None:
    """The permits that let the subject move from sender to receiver, one per holding authority; None if one lacks.

    Row 29: the next unused leg must be this one, the permit be of the record's generation and not past its end, and
    the seals stated must include the one demanded.
    """
    found = []
    for authority in holding_authorities(at):
        if view.members.is_same_authority(act.organisation, authority):
            continue
        for permit in at.own.permits:
            if (
                permit.authority == authority
                and permit.generation == at.own.generation
                and act.time_ms < permit.until_ms
                and permit.used < len(permit.legs)
                and permit.legs[permit.used] == (sender, receiver)
                and (permit.seal is None or not act.statement.seals or permit.seal in act.statement.seals)
            ):
                found.append(permit)
                break
        else:
            return None
    return tuple(found)


def effect(act: Act, at: Situation, record: Record, outcome: Outcome, *, undoable: bool = False) -> Record:
    """`record` with the last effect noted: what a correction would restore, or None where it may not be undone."""
    return record._replace(last=last_effect(act, at, outcome) if undoable else None)


def last_effect(act: Act, at: Situation, outcome: Outcome) -> LastEffect:
    """What a correction of this effect would restore."""
    own = at.own
    return LastEffect(
        act.sequence,
        act.event,
        act.organisation,
        row_of(outcome),
        own.status,
        own.custodian,
        own.parent,
        own.parent_generation,
        own.origin,
        own.maker,
        own.claimed,
        own.seals,
        own.bindings,
    )
