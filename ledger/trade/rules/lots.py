"""Lots: quantities of a class and batch, kept per holder (CUSTODY_RULES, Lots).

A lot has a record of its own (origin, recalls) and a balance per holder: an organisation, or a container in one of its
generations. Quantities are integers scaled by 10^scale in one unit. What is on balance moves attested first; what leaves
beyond the balance is unattested quantity, kept apart and named wherever it goes. Both balances of a movement read each
other, so either can be proven alone.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ledger.base import limits
from ledger.trade.identifiers import Kind
from ledger.trade.record import Claim, Offer, Origin, Quantity, Record, Space, SubjectKey
from ledger.trade.rules.handover import lapse_ms
from ledger.trade.rules.outcomes import Outcome
from ledger.trade.rules.standing import born, breach, is_held_by_another, note
from ledger.trade.rules.view import (
    ANCESTOR,
    Act,
    Decision,
    Delta,
    Leg,
    Situation,
    View,
    identify,
    is_born,
    lot_key,
    situation,
    thing,
)
from ledger.trade.statement import Action, Role
from ledger.trade.statement import Quantity as Stated

SOURCE: Final = 100  # role of the balance that a quantity leaves
DESTINATION: Final = 101  # role of the balance that it enters


class Movement(NamedTuple):
    """A stated quantity against a balance: what goes, and what remains."""

    attested: int
    unattested: int
    remaining: Quantity


def balance_key(lot: str, holder: str) -> SubjectKey:
    """The key of a lot's balance with a holder."""
    return SubjectKey(Space.BALANCE, lot, holder)


def inside(container: str, generation: int) -> str:
    """A container, in one of its generations, as a holder."""
    return f"{container}#{generation}"


def debit(balance: Quantity | None, stated: Stated) -> Movement | None:
    """Take the stated quantity off a balance, attested first; None if the units differ."""
    held = balance or Quantity(0, 0, stated.scale, stated.unit)
    if held.unit != stated.unit:
        return None
    scale = max(held.scale, stated.scale)
    attested, unattested = (
        _scaled(held.attested, held.scale, scale),
        _scaled(held.unattested, held.scale, scale),
    )
    amount = _scaled(stated.amount, stated.scale, scale)
    taken = min(attested, amount)
    rest = amount - taken
    remaining = Quantity(attested - taken, unattested - min(unattested, rest), scale, held.unit)
    return Movement(taken, rest, remaining)


def credit(
    balance: Quantity | None, attested: int, unattested: int, scale: int, unit: str
) -> Quantity | None:
    """Add to a balance; None if the units differ or the sum exceeds the cap."""
    held = balance or Quantity(0, 0, scale, unit)
    if held.unit != unit:
        return None
    common = max(held.scale, scale)
    total = Quantity(
        _scaled(held.attested, held.scale, common) + _scaled(attested, scale, common),
        _scaled(held.unattested, held.scale, common) + _scaled(unattested, scale, common),
        common,
        unit,
    )
    return total if total.attested + total.unattested <= limits.QUANTITY_MAX else None


def _scaled(amount: int, scale: int, target: int) -> int:
    return int(amount * 10 ** (target - scale))


def lot_legs(act: Act, role: int, lot: str, quantity: Stated | None, view: View) -> list[Leg]:
    """The records that an event acts upon when it names a lot in this role."""
    whole = Leg(lot_key(lot), role, quantity, lot)
    if quantity is None or quantity.amount == 0 or identify(lot).kind != Kind.LOT:
        return [whole]
    action = act.statement.handover or act.statement.action
    own = balance_key(lot, act.organisation)
    source: SubjectKey | None = None
    destination: SubjectKey | None = None
    if action == Action.MAKE:
        source, destination = (own, None) if role == Role.LOT else (None, own)
    elif action in (Action.PACK, Action.UNPACK) and role == Role.CHILD:
        source, destination = _packing_keys(action, lot, own, view)
    elif action == Action.OFFER:
        source = own
        if act.receiver is not None:
            destination = balance_key(lot, act.receiver)
    elif action == Action.ACCEPT:
        destination = own
        if act.sender is not None:
            source = balance_key(lot, act.sender)
    elif action in (Action.END, Action.SAMPLE) or (action == Action.TRANSFORM and role == Role.INPUT):
        source = own
    elif action == Action.TRANSFORM:
        destination = own
    legs = [whole]
    if source is not None and source != destination:
        legs.append(Leg(source, SOURCE, quantity, lot))
    if destination is not None and source != destination:
        legs.append(Leg(destination, DESTINATION, quantity, lot))
    return legs


def _packing_keys(
    action: int, lot: str, own: SubjectKey, view: View
) -> tuple[SubjectKey | None, SubjectKey | None]:
    parent = view.named(Role.PARENT)
    if parent is None:
        return None, None
    at = situation(view, parent)
    held = balance_key(lot, inside(parent.identifier, at.own.generation))
    if action == Action.PACK:
        return own, held
    return held, own if at.custodian is None else balance_key(lot, at.custodian)


def emptied_legs(act: Act, container: SubjectKey, view: View) -> list[Leg]:
    """The balances that an unpack-all of `container` moves out, to its effective custodian."""
    at = situation(view, container)
    custodian = at.custodian
    legs = []
    for lot in at.own.lots if custodian is not None else ():
        held = view.record(balance_key(lot, inside(container.identifier, at.own.generation))).quantity
        if held is not None:
            stated = Stated(held.attested + held.unattested, held.scale, held.unit)
            legs.append(
                Leg(balance_key(lot, inside(container.identifier, at.own.generation)), SOURCE, stated, lot)
            )
            legs.append(Leg(balance_key(lot, str(custodian)), DESTINATION, stated, lot))
    return legs


def make_lot(act: Act, leg: Leg, view: View) -> Decision:
    """Row 2 for a lot: born once; a grantee's later make adds and sets the origin."""
    at = situation(view, leg.key)
    granted = view.members.grantee(identify(leg.identifier).digits) == act.organisation
    record = born(at.own)
    if granted and record.origin != Origin.ATTESTED:
        record = record._replace(origin=Origin.ATTESTED, maker=act.organisation)
    elif record.maker is None:
        record = record._replace(maker=act.organisation)
    return Decision(Outcome.LOT_MADE, record)


def _at_balance(leg: Leg, view: View) -> Situation:
    """A balance's situation: its holder is custodian, the lot's recalls count."""
    at = situation(view, leg.key)
    own = at.own if is_born(at.own) else _fresh(leg.key)
    return at._replace(own=own, lot=view.record(lot_key(leg.identifier)))


def _fresh(key: SubjectKey) -> Record:
    container, _, generation = key.holder.rpartition("#")
    if container:
        return Record(parent=container, parent_generation=int(generation))
    return Record(custodian=key.holder)


def move(act: Act, leg: Leg, view: View) -> Decision:
    """Either balance of a movement; what the other side shows decides what is attested."""
    at = _at_balance(leg, view)
    source, destination = view.balance(leg.identifier, SOURCE), view.balance(leg.identifier, DESTINATION)
    action = act.statement.handover or act.statement.action
    stated = leg.quantity
    if stated is None:
        return note(act, at, view, Outcome.NOT_BALANCED)
    if is_held_by_another(act, at, view):
        return breach(act, at, view)
    if action == Action.OFFER:
        return _offer(act, leg, at, view, source)
    if action in (Action.PACK, Action.UNPACK):
        parent = view.named(Role.PARENT)
        fitting = (Outcome.CONTENTS_ADDED, Outcome.PARENT_BORN, Outcome.CONTENTS_REMOVED)
        if parent is None or view.decision(parent).outcome not in fitting:
            return note(act, at, view, Outcome.NOT_TOGETHER)
        lots = view.record(parent).lots
        if action == Action.PACK and leg.identifier not in lots and len(lots) >= limits.LOTS_PER_CONTAINER:
            return note(act, at, view, Outcome.LOTS_FULL)
    if action == Action.ACCEPT and not _is_offered_to(act, source, stated, view):
        return _claim(act, leg, at, view)
    if not _is_emptied(source, view):
        return note(act, at, view, Outcome.OBSERVED)
    moved = _moved(act, leg, source, stated, view)
    if moved is None:
        return note(act, at, view, Outcome.NOT_BALANCED)
    if leg.key == source:
        return _debited(act, at, moved, destination)
    total = credit(at.own.quantity, moved.attested, moved.unattested, moved.remaining.scale, stated.unit)
    if total is None:
        return note(act, at, view, Outcome.NOT_BALANCED)
    record = born(at.own)._replace(quantity=total, last=None)
    deltas: tuple[Delta, ...] = ()
    if leg.key.holder.find("#") > 0 and act.statement.action == Action.PACK:
        deltas = (Delta(thing(leg.key.holder.rpartition("#")[0]), 0, 0, (), (leg.identifier,)),)
    return Decision(Outcome.LOT_MOVED_IN, record, deltas=deltas)


def _is_emptied(source: SubjectKey | None, view: View) -> bool:
    """Whether a container's balance may leave it: by an unpack of it, or because the event empties it."""
    container = "" if source is None else source.holder.rpartition("#")[0]
    if not container:
        return True
    fitting = (Outcome.CONTENTS_REMOVED, Outcome.UNPACKED_ALL, Outcome.ENDED, Outcome.CONSUMED)
    key = thing(container)
    return view.role(key) != ANCESTOR and view.decision(key).outcome in fitting


def _moved(act: Act, leg: Leg, source: SubjectKey | None, stated: Stated, view: View) -> Movement | None:
    """What moves: out of the source's balance, or newly made by the signer (attested with the prefix grant)."""
    if source is not None:
        return debit(view.record(source).quantity, stated)
    granted = view.members.grantee(identify(leg.identifier).digits) == act.organisation
    empty = Quantity(0, 0, stated.scale, stated.unit)
    return Movement(stated.amount if granted else 0, 0 if granted else stated.amount, empty)


def _debited(act: Act, at: Situation, moved: Movement, destination: SubjectKey | None) -> Decision:
    offers = tuple(
        held for held in at.own.offers if destination is None or held.receiver != destination.holder
    )
    record = born(at.own)._replace(quantity=moved.remaining, last=None)
    if act.statement.action == Action.ACCEPT:
        record = record._replace(offers=offers)
    return Decision(Outcome.LOT_REDUCED if destination is None else Outcome.LOT_MOVED_OUT, record)


def _is_offered_to(act: Act, source: SubjectKey | None, stated: Stated, view: View) -> bool:
    if source is None:
        return False
    return any(
        held.receiver in (None, act.organisation)
        and act.time_ms < held.lapse_ms
        and held.amount >= stated.amount
        for held in view.record(source).offers
    )


def _offer(act: Act, leg: Leg, at: Situation, view: View, source: SubjectKey | None) -> Decision:
    """Rows 10 and 16 for lots: an offer reserves nothing; it completes a claim of the receiver on what it took."""
    stated = leg.quantity
    claimant = view.balance(leg.identifier, DESTINATION)
    open_claim = None if claimant is None else _claim_on(view.record(claimant), act.organisation)
    if stated is None or source is None:
        return note(act, at, view, Outcome.NOT_BALANCED)
    if open_claim is not None and claimant is not None:
        return _complete(act, leg, at, view, source, claimant, open_claim)
    if leg.key != source:
        return note(act, at, view, Outcome.OBSERVED)
    made = Offer(act.sequence, act.event, act.organisation, act.receiver, lapse_ms(act), stated.amount)
    kept = tuple(held for held in at.own.offers if act.time_ms < held.lapse_ms)
    if len(kept) >= limits.LOT_OFFERS:
        return note(act, at, view, Outcome.ALREADY_OFFERED)
    outcome = Outcome.OFFERED if act.receiver is not None else Outcome.OFFERED_OPEN
    return Decision(outcome, born(at.own)._replace(offers=(*kept, made)))


def _claim_on(record: Record, custodian: str) -> Claim | None:
    return next((held for held in record.claims if held.custodian == custodian), None)


def _complete(
    act: Act, leg: Leg, at: Situation, view: View, source: SubjectKey, claimant: SubjectKey, open_claim: Claim
) -> Decision:
    """The claimant's remaining unattested quantity becomes attested as far as the sender had it; the sender is debited."""
    stated = leg.quantity
    taken = None if stated is None else debit(view.record(source).quantity, stated)
    if taken is None:
        return note(act, at, view, Outcome.NOT_BALANCED)
    if leg.key == source:
        return Decision(Outcome.COMPLETED, born(at.own)._replace(quantity=taken.remaining, last=None))
    held = view.record(claimant).quantity
    if held is None:
        return note(act, at, view, Outcome.NOT_BALANCED)
    scale = max(held.scale, taken.remaining.scale)
    unattested = _scaled(held.unattested, held.scale, scale)
    proven = min(unattested, _scaled(taken.attested, taken.remaining.scale, scale))
    quantity = Quantity(
        _scaled(held.attested, held.scale, scale) + proven, unattested - proven, scale, held.unit
    )
    claims = tuple(known for known in at.own.claims if known != open_claim)
    return Decision(Outcome.COMPLETED, at.own._replace(quantity=quantity, claims=claims, last=None))


def _claim(act: Act, leg: Leg, at: Situation, view: View) -> Decision:
    """Row 15 for lots: received without an offer; unattested with the claimant, nothing taken off anyone."""
    stated = leg.quantity
    if stated is None or leg.key.holder != act.organisation:
        return note(act, at, view, Outcome.OBSERVED)
    total = credit(at.own.quantity, 0, stated.amount, stated.scale, stated.unit)
    if total is None:
        return note(act, at, view, Outcome.NOT_BALANCED)
    record = born(at.own)._replace(quantity=total, last=None)
    if act.sender is not None and len(record.claims) < limits.OPEN_CLAIMS:
        stated_claim = Claim(act.sequence, act.event, act.organisation, act.sender, stated.amount)
        record = record._replace(claims=(*record.claims, stated_claim))
    return Decision(Outcome.CLAIMED, record)


def unbalanced(act: Act, leg: Leg, view: View) -> Decision:
    """A lot or class named without a quantity that could be balanced, or by an act that moves none: a note."""
    at = situation(view, leg.key)
    moving = (Action.OFFER, Action.ACCEPT, Action.PACK, Action.UNPACK, Action.TRANSFORM, Action.END)
    outcome = (
        Outcome.NOT_BALANCED if act.statement.action in moving and leg.quantity is None else Outcome.OBSERVED
    )
    return note(act, at, view, outcome)
