"""Who counts: standing, contradictions, claims, and what an official hold or an open offer forbids (rows 15, 23, 28).

Standing: the effective custodian; one of the last eight former custodians kept in the subject's or a current ancestor's
record; the two sides of an open offer; the maker or the holder of the prefix grant; a document's owner and declarants; a
lot's holders; an authority. The first note about a subject has standing whoever signs it: somebody has to be first. What
others say goes to the aside chain, so a rival can neither silence a true receiver nor blacken a competitor's goods.
"""

from __future__ import annotations

from ledger.base import limits
from ledger.trade.record import (
    Amount,
    Claim,
    Contradiction,
    LastEffect,
    LivePermit,
    Record,
    Space,
    Status,
    SubjectKey,
    Unconfirmed,
)
from ledger.trade.rules.outcomes import Outcome, row_of
from ledger.trade.rules.view import (
    EXTERNAL,
    Act,
    Decision,
    Situation,
    View,
    born,
    freed,
    held_by,
    identify,
    is_born,
    is_ownerless,
    with_former,
)


def has_standing(act: Act, at: Situation, view: View) -> bool:
    """Whether what the signer says of the subject enters its main chain: it is a party to it, or the first to speak."""
    return not is_born(at.own) or is_party(act, at, view)


def is_party(act: Act, at: Situation, view: View) -> bool:
    """Whether the signer has standing of its own."""
    signer, own = act.organisation, at.own
    if act.authority or signer in (at.custodian, own.maker):
        return True
    for offer in own.offers:
        if signer == offer.receiver and act.time_ms < offer.lapse_ms:
            return True
    for record in at.whole:
        if signer in record.former:
            return True
        if record.offer is not None and record.offer.receiver == signer and live_offer(act, at, record):
            return True
    identifier = identify(at.key.identifier)
    if at.key.space == Space.DOCUMENT:
        return view.members.issuer(identifier.issuer) == signer
    if view.members.grantee(identifier.digits) == signer:
        return True
    return at.key.space == Space.LOT and _holds_some(at.key.identifier, signer, view)


def _holds_some(lot: str, organisation: str, view: View) -> bool:
    held = view.record(SubjectKey(Space.BALANCE, lot, organisation)).quantity
    return held is not None and held.attested + held.unattested > 0


def note(act: Act, at: Situation, view: View, outcome: Outcome) -> Decision:
    """A statement without effect on custody, in the chain of those with standing, else aside."""
    if not is_born(at.own):
        return Decision(Outcome.FIRST_SEEN if outcome == Outcome.OBSERVED else outcome, born(at.own))
    return Decision(outcome, at.own, aside=not is_party(act, at, view))


def contradict(
    act: Act, at: Situation, view: View, outcome: Outcome = Outcome.CONTRADICTION, row: int = 0
) -> Decision:
    """Recorded as a contradiction, which changes nothing it contradicts; aside for those without standing.

    `row` is the row that was broken, 0 for the outcome's own. Whoever is only the first to speak contradicts nobody: or a
    stranger's words would stand against goods before they exist.
    """
    if not has_standing(act, at, view):
        return Decision(outcome, at.own, aside=True)
    record = born(at.own)
    if is_party(act, at, view) and len(record.contradictions) < limits.OPEN_CONTRADICTIONS:
        stated = Contradiction(act.sequence, act.event, act.organisation, row or row_of(outcome))
        record = record._replace(contradictions=(*record.contradictions, stated))
    return Decision(outcome, record)


def without_contradictions_of(record: Record, event: bytes | None, organisation: str | None = None) -> Record:
    """`record` with contradictions stated by that event (of that organisation, if given) closed."""
    kept = tuple(
        stated
        for stated in record.contradictions
        if stated.event != event or organisation not in (None, stated.organisation)
    )
    return record._replace(contradictions=kept)


def claim(act: Act, at: Situation, view: View) -> Decision:
    """Row 15: the claimant is noted beside the custodian; an ownerless subject's first claimant holds claimed custody."""
    record = born(at.own)
    if is_ownerless(at.custodian) and record.status == Status.LIVE:
        return Decision(Outcome.CLAIMED_CUSTODY, claimed_custody(act, at), left=at.parent)
    claims = at.claims
    known = any(held.claimant == act.organisation for held in claims)
    if known or len(claims) >= limits.OPEN_CLAIMS:
        return Decision(Outcome.CLAIM_NOT_NOTED, record, aside=not has_standing(act, at, view))
    return Decision(Outcome.CLAIMED, record._replace(claims=(*claims, claim_of(act, at.custodian, None))))


def claim_of(act: Act, custodian: str | None, quantity: Amount | None) -> Claim:
    """The signer's claim against `custodian`."""
    return Claim(act.sequence, act.event, act.organisation, custodian, quantity)


def claimed_custody(act: Act, at: Situation) -> Record:
    """The subject, out of everything, in the claimed custody of the signer."""
    record = freed(at)
    return record._replace(
        custodian=act.organisation,
        claimed=True,
        former=with_former(record, act.organisation),
        passed=act.sequence,
        offer=None,
        unconfirmed=None,
        last=None,
    )


def live_offer(act: Act, at: Situation, record: Record) -> bool:
    """Whether `record` (of the subject or an ancestor) has an offer that still stands.

    An offer dies for good when the offerer ceases to be effective custodian, also if custody comes back later.
    """
    offer = record.offer
    return (
        offer is not None
        and act.time_ms < offer.lapse_ms
        and offer.offerer == at.custodian
        and offer.sequence >= from_level(at, record).passed
    )


def from_level(at: Situation, record: Record) -> Situation:
    """The situation of `record`, which is the subject's own or that of an ancestor."""
    if record is at.own:
        return at
    levels = [at.own, *(above for _, above in at.ancestors)]
    keys = at.line
    place = next(index for index, level in enumerate(levels) if level is record)
    return Situation(keys[place], record, at.ancestors[place:])


def is_offered(act: Act, at: Situation) -> bool:
    """Whether an open offer at or above the subject stands (row 10)."""
    if not at.ancestors:
        return live_offer(act, at, at.own)
    return any(live_offer(act, at, record) for record in at.whole)


def is_offered_above(act: Act, at: Situation) -> bool:
    """Whether an open offer of something it is in stands, so that it may not be unpacked."""
    return bool(at.ancestors) and any(live_offer(act, at, record) for _, record in at.ancestors)


def live_mark(act: Act, at: Situation) -> Unconfirmed | None:
    """The unconfirmed taking that bears on the subject while it may still be voided (row 13)."""
    mark = at.mark
    return mark if mark is not None and act.time_ms < mark.until_ms else None


def holding_authorities(at: Situation, *, inside: bool = True) -> tuple[str, ...]:
    """Authorities with a hold on the subject or an ancestor of it, or (`inside`) on anything below it; sorted."""
    found = {hold.authority for record in (*at.whole, at.lot) for hold in record.holds}
    if inside and at.own.inside:
        found.update(authority for authority, number in held_by(at.own) if number > 0)
    return tuple(sorted(found)) if found else ()


def is_held_by_another(act: Act, at: Situation, view: View, *, inside: bool = True) -> bool:
    """Whether another authority than the signer's holds it (row 23)."""
    for authority in holding_authorities(at, inside=inside):
        if not view.members.is_same_authority(act.organisation, authority):
            return True
    return False


def breach(act: Act, at: Situation, view: View) -> Decision:
    """Row 23: a link without effect; said so when it claims to precede the holds."""
    since = [hold.since_ms for record in (*at.whole, at.lot) for hold in record.holds]
    earlier = bool(since) and act.statement.time_ms < min(since)
    return note(act, at, view, Outcome.BREACH_CLAIMED_EARLIER if earlier else Outcome.BREACH)


def obstacle(act: Act, at: Situation, view: View, *, inside: bool = True) -> Decision | None:
    """What forbids to pack, unpack, transform or end the subject now: another's hold, or an open offer."""
    if is_held_by_another(act, at, view, inside=inside):
        return breach(act, at, view)
    if is_offered(act, at):
        return note(act, at, view, Outcome.OFFER_STANDS)
    return None


def destination_of(act: Act) -> str | None:
    """To whom the event hands over, as a custodian: a member, a party that is none, or None if it names nobody."""
    if act.receiver is not None or act.statement.counterparty is None:
        return act.receiver
    return f"{EXTERNAL}{act.statement.counterparty}"


def usable_permits(
    act: Act, at: Situation, view: View, sender: str | None, receiver: str | None
) -> tuple[LivePermit, ...] | None:
    """The permits that let the subject move from sender to receiver, one per holding authority; None if one lacks.

    Row 29: the next unused leg must be this one, the permit be of the record's generation and not past its end, and the
    seal it demands be among those stated, or, where none is stated, among those on record.
    """
    holding, found = holding_authorities(at), []
    if not holding:
        return ()
    seals = act.statement.seals or at.own.seals
    for authority in holding:
        if view.members.is_same_authority(act.organisation, authority):
            continue
        for permit in at.own.permits:
            if (
                permit.authority == authority
                and permit.generation == at.own.generation
                and act.time_ms < permit.until_ms
                and permit.used < len(permit.legs)
                and permit.legs[permit.used] == (sender, receiver)
                and (permit.seal is None or permit.seal in seals)
            ):
                found.append(permit)
                break
        else:
            return None
    return tuple(found)


def effect(act: Act, before: Record, record: Record, row: int) -> Record:
    """`record` with the last effect noted, of `row`."""
    return record._replace(last=last_effect(act, before, row))


def last_effect(act: Act, before: Record, row: int) -> LastEffect:
    """What a correction of this effect would restore."""
    return LastEffect(
        act.sequence,
        act.event,
        act.organisation,
        row,
        before.status,
        before.custodian,
        before.parent,
        before.parent_generation,
        before.origin,
        before.maker,
        before.claimed,
        before.seals,
        before.bindings,
        before.quantity,
    )
