"""Rows 1 and 10 to 18 and 27 for quantities of a lot.

An offer reserves nothing. What is received beyond an offer to the receiver is a claim: the claimant holds it, unattested,
and nothing is taken off anybody, until the sender's late signature proves it. An offer that names nobody is answered by a
claim too: quantities mix, so that a taking could not be voided.
"""

from __future__ import annotations

from typing import Final

from ledger.base import limits
from ledger.trade.record import Claim, LastEffect, Offer, Quantity, Record, SubjectKey
from ledger.trade.rules.balances import amount_of, credit, debit, is_at_least, made, scaled
from ledger.trade.rules.documents import bound
from ledger.trade.rules.handover import is_reserved, offer_of
from ledger.trade.rules.lots import Transfer, balance_situation, is_held, meant, missing_lot, transfer_of
from ledger.trade.rules.outcomes import BOUND_TOO, Outcome
from ledger.trade.rules.standing import (
    breach,
    claim_of,
    destination_of,
    holding_authorities,
    is_offered,
    without_contradictions_of,
)
from ledger.trade.rules.view import Act, Decision, Leg, View, born, lot_key
from ledger.trade.statement import Action, Role
from ledger.trade.statement import Quantity as Stated

_UNDOABLE: Final = (2, 6, 7, 25)


def hand_over(act: Act, leg: Leg, view: View) -> Decision:
    """Rows 10 to 16: offer, accept or claim; a document bound by the same event stands on the signer's balance."""
    if view.role(lot_key(leg.identifier)) == Role.MISSING:
        return missing_lot(act, leg, view)
    one = transfer_of(act, leg, view)
    if leg.quantity is None:
        return one.note(Outcome.NOT_BALANCED)
    if is_held(one):
        return breach(act, one.at, view)
    decision = (_offer if meant(act) == Action.OFFER else _accept)(one, leg.quantity)
    if act.statement.action != Action.BIND or leg.key.holder != act.organisation or decision.aside:
        return decision
    outcome, record = bound(act, born(decision.record), view)
    if outcome in (Outcome.BINDINGS_FULL, Outcome.ALREADY_BOUND):
        return decision
    return decision._replace(outcome=decision.outcome + BOUND_TOO, record=record._replace(last=None))


def _offer(one: Transfer, stated: Stated) -> Decision:
    """Rows 10, 11 and 16: an offer, the completion of the receiver's claim, or goods that leave the ledger's view."""
    act, receiver = one.act, destination_of(one.act)
    if one.source is None:
        return one.note(Outcome.NOT_BALANCED)
    if act.receiver is None and receiver is not None:
        moved = debit(one.record(one.source).quantity, stated)
        return one.settle(moved, Outcome.LEFT_TO_EXTERNAL, Outcome.LOT_MOVED_IN)
    claims = () if one.destination is None else one.record(one.destination).claims
    for held in claims:
        if _is_matching(held, one.source.holder, stated):
            return _complete(one, held, stated)
    if one.leg.key != one.source:
        return one.note(Outcome.OBSERVED)
    kept = tuple(held for held in one.at.own.offers if act.time_ms < held.lapse_ms)
    if len(kept) >= limits.LOT_OFFERS:
        return one.note(Outcome.ALREADY_OFFERED)
    offered = offer_of(act, one.at.own, amount_of(stated))
    outcome = Outcome.OFFERED if act.receiver is not None else Outcome.OFFERED_OPEN
    return Decision(outcome, born(one.at.own)._replace(offers=(*kept, offered)))


def _is_matching(held: Claim, sender: str, stated: Stated) -> bool:
    """Whether the claim is against the sender and of no less than what is stated."""
    return held.custodian == sender and held.quantity is not None and is_at_least(held.quantity, stated)


def _complete(one: Transfer, held: Claim, stated: Stated) -> Decision:
    """Row 16: the claimant's remaining unattested quantity is attested as far as the sender had it, and the sender debited.

    What the claimant passed on before stays unattested wherever it is, so that nothing is counted twice.
    """
    if one.source is None or one.destination is None:
        return one.note(Outcome.NOT_BALANCED)
    claimed = one.record(one.destination)
    moved = debit(one.record(one.source).quantity, stated)
    if moved is None or claimed.quantity is None or claimed.quantity.unit != stated.unit:
        return one.note(Outcome.NOT_BALANCED)
    if one.leg.key == one.source:
        return Decision(Outcome.COMPLETED, born(one.at.own)._replace(quantity=moved.remaining, last=None))
    scale = max(claimed.quantity.scale, moved.remaining.scale)
    attested = scaled(claimed.quantity.attested, claimed.quantity.scale, scale)
    unattested = scaled(claimed.quantity.unattested, claimed.quantity.scale, scale)
    if attested + unattested > limits.QUANTITY_MAX:
        return one.note(Outcome.NOT_BALANCED)
    proven = min(unattested, scaled(moved.attested, moved.remaining.scale, scale))
    record = claimed._replace(
        quantity=Quantity(attested + proven, unattested - proven, scale, stated.unit),
        claims=tuple(known for known in claimed.claims if known != held),
        last=None,
    )
    return Decision(Outcome.COMPLETED, record)


def _accept(one: Transfer, stated: Stated) -> Decision:
    """Rows 12, 14 and 15: what the sender offered to the receiver moves; anything else is a claim."""
    found = None if one.source is None else _offer_to(one, one.record(one.source), stated)
    if one.source is None or found is None:
        return _claim(one, stated)
    moved = debit(one.record(one.source).quantity, stated)
    outcome = Outcome.ACCEPTED_WITH_RESERVATION if is_reserved(one.act) else Outcome.ACCEPTED
    decision = one.settle(moved, Outcome.LOT_MOVED_OUT, outcome)
    if one.leg.key != one.source or decision.outcome == Outcome.NOT_BALANCED:
        return decision
    kept = tuple(held for held in decision.record.offers if held != found)
    return decision._replace(record=decision.record._replace(offers=kept))


def _offer_to(one: Transfer, source: Record, stated: Stated) -> Offer | None:
    act = one.act
    for held in source.offers:
        if (
            held.receiver == act.organisation
            and act.time_ms < held.lapse_ms
            and held.quantity is not None
            and is_at_least(held.quantity, stated)
        ):
            return held
    return None


def _claim(one: Transfer, stated: Stated) -> Decision:
    """Row 15: unattested with the claimant, nothing taken off anyone; noted against the sender it names."""
    act = one.act
    if one.leg.key != one.destination:
        return one.note(Outcome.OBSERVED)
    if len(one.at.own.claims) >= limits.OPEN_CLAIMS:
        return one.note(Outcome.CLAIM_NOT_NOTED)
    total = credit(one.at.own.quantity, made(stated, attested=False))
    if total is None:
        return one.note(Outcome.NOT_BALANCED)
    record = born(one.at.own)._replace(quantity=total, last=None)
    if act.sender is not None:
        stated_claim = claim_of(act, act.sender, amount_of(stated))
        record = record._replace(claims=(*record.claims, stated_claim))
    return Decision(Outcome.CLAIMED, record)


def close_offers(act: Act, leg: Leg, view: View) -> Decision:
    """Rows 17 and 18: the offerer withdraws its offers of the lot (to the receiver it names), the receiver rejects them."""
    one = transfer_of(act, leg, view)
    if is_held(one):
        return breach(act, one.at, view)
    withdraws = act.statement.action == Action.WITHDRAW
    closed = [
        held
        for held in one.at.own.offers
        if (act.receiver in (None, held.receiver) if withdraws else held.receiver == act.organisation)
    ]
    if not closed:
        return one.note(Outcome.OBSERVED)
    kept = tuple(held for held in one.at.own.offers if held not in closed)
    return Decision(Outcome.WITHDRAWN if withdraws else Outcome.REJECTED, one.at.own._replace(offers=kept))


def rule(act: Act, leg: Leg, view: View) -> Decision:
    """Row 27: the sender (or an authority) confirms a claim on a quantity, as in row 16; an authority dismisses it."""
    one = transfer_of(act, leg, view)
    cited = act.statement.cites
    if one.source is None or one.destination is None:
        return one.note(Outcome.NOTHING_TO_RULE)
    sender = one.source.holder
    found = [
        held for held in one.record(one.destination).claims if (held.event, held.custodian) == (cited, sender)
    ]
    if not found:
        return one.note(Outcome.NOTHING_TO_RULE)
    if act.statement.action == Action.DISMISS:
        if leg.key == one.source:
            return one.note(Outcome.OBSERVED)
        claims = tuple(held for held in one.at.own.claims if held != found[0])
        return Decision(Outcome.DISMISSED, one.at.own._replace(claims=claims))
    if leg.quantity is None or not _is_matching(found[0], sender, leg.quantity):
        return one.note(Outcome.NOT_BALANCED)
    if is_held(one):
        return breach(act, one.at, view)
    decision = _complete(one, found[0], leg.quantity)
    applied = decision.outcome == Outcome.COMPLETED
    return decision._replace(outcome=Outcome.CONFIRMED) if applied else decision


def correct(act: Act, leg: Leg, view: View) -> Decision:
    """Row 1: a movement is undone on both of its balances or on neither; a make or a binding on its own."""
    one = transfer_of(act, leg, view)
    cited, own = act.statement.cites, one.at.own
    if cited is None:
        return one.note(Outcome.CORRECTION_INERT)
    keys = [key for key in (one.source, one.destination) if key is not None]
    lasts = [one.record(key).last for key in keys]
    first = lasts[0]
    if (
        first is None
        or any(last is None or not _is_same(last, first, act) for last in lasts)
        or first.row not in _UNDOABLE
        or (first.row in (6, 7)) != (len(keys) == 2)
        or not all(_is_free(act, key, first, view) for key in keys)
    ):
        return one.note(Outcome.CORRECTION_STANDS)
    last, quantity = own.last, own.quantity
    if last is None or (quantity is None and first.row != 25):
        return one.note(Outcome.CORRECTION_STANDS)
    record = without_contradictions_of(own, cited, act.organisation)._replace(
        bindings=last.bindings, last=None
    )
    if quantity is not None:
        nothing = Quantity(0, 0, quantity.scale, quantity.unit)
        record = record._replace(quantity=last.quantity or nothing)
    return Decision(Outcome.CORRECTED, record)


def _is_same(last: LastEffect, other: LastEffect, act: Act) -> bool:
    """Whether a last effect is that of the same event as `other`, which the signer now corrects."""
    return (last.sequence, last.event, last.organisation, last.row) == (
        other.sequence,
        act.statement.cites,
        act.organisation,
        other.row,
    )


def _is_free(act: Act, key: SubjectKey, last: LastEffect, view: View) -> bool:
    """Whether a balance is the corrector's, unheld, and what it is in has not moved since and is not offered."""
    at = balance_situation(key, view)
    return (
        at.custodian == act.organisation
        and all(record.moved <= last.sequence for _, record in at.ancestors)
        and not holding_authorities(at)
        and not is_offered(act, at)
    )
