"""Lots: quantities of a class and batch, kept per holder (CUSTODY_RULES, Lots).

A lot has a record of its own (origin, recalls) and a balance per holder: an organisation, or a container in one of its
generations. The balances of a movement count as each other's parents: every leg of it comes to the same answer from the
same records, so a quantity moves on all of them or on none. An event moves a balance once (`lot_legs`, `emptied_legs`).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ledger.base import limits
from ledger.trade.identifiers import Kind
from ledger.trade.record import Origin, Record, SubjectKey
from ledger.trade.rules.balances import (
    Movement,
    balance_key,
    container_of,
    credit,
    debit,
    emptied,
    inside,
    made,
)
from ledger.trade.rules.documents import bound, unbind
from ledger.trade.rules.endings import transformation_source
from ledger.trade.rules.handover import TAKEN_OVER
from ledger.trade.rules.making import may_make
from ledger.trade.rules.outcomes import Outcome
from ledger.trade.rules.packing import PARENT_APPLIED
from ledger.trade.rules.standing import breach, effect, is_held_by_another, note
from ledger.trade.rules.view import (
    ANCESTOR,
    Act,
    Decision,
    Leg,
    Situation,
    View,
    born,
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
EMPTYING: Final = (Action.UNPACK_ALL, Action.END, Action.TRANSFORM)
_EMPTIED: Final = (Outcome.UNPACKED_ALL, Outcome.ENDED, Outcome.CONSUMED)
_MOVING: Final = (
    Action.MAKE, Action.TRANSFORM, Action.PACK, Action.UNPACK, Action.OFFER, Action.ACCEPT, Action.END, Action.SAMPLE,
)  # fmt: skip
_ROWS: Final = {int(Action.MAKE): 2, int(Action.PACK): 6, int(Action.UNPACK): 7}
_Pair = tuple[SubjectKey | None, SubjectKey | None]


def meant(act: Act) -> int:
    """What the event does to lots: a binding with a handover hands over."""
    return act.statement.handover or act.statement.action


# --- which balances an event acts upon


def lot_legs(act: Act, role: int, lot: str, quantity: Stated | None, view: View) -> list[Leg]:
    """The records that an event acts upon when it names a lot in this role."""
    legs = [Leg(lot_key(lot), role, quantity, lot)]
    if identify(lot).kind != Kind.LOT:
        return legs
    if meant(act) in _MOVING:
        has_quantity = quantity is not None and quantity.amount > 0
        source, destination = _moved_pair(act, role, lot, view) if has_quantity else (None, None)
        if act.statement.action == Action.BIND and source is destination is None:
            source = balance_key(lot, act.organisation)
    else:
        source, destination = _other_pair(act, role, lot, view)
    if source == destination:
        return legs
    if source is not None:
        legs.append(Leg(source, SOURCE, quantity, lot))
    if destination is not None:
        legs.append(Leg(destination, DESTINATION, quantity, lot))
    return legs


def _moved_pair(act: Act, role: int, lot: str, view: View) -> _Pair:
    """(balance that the quantity leaves, balance that it enters)."""
    own, action = balance_key(lot, act.organisation), meant(act)
    stated_holder = act.sender if act.authority and act.sender is not None else act.organisation
    if action in (Action.PACK, Action.UNPACK) and role == Role.CHILD:
        return _packing_pair(act, lot, view)
    if action == Action.ACCEPT and role == Role.MISSING:
        held, offerer = _in_parent(lot, view)
        return held, offerer
    pairs: dict[tuple[int, int], _Pair] = {
        (Action.MAKE, Role.OBJECT): (None, own),
        (Action.MAKE, Role.LOT): (own, None),
        (Action.TRANSFORM, Role.INPUT): (own, None),
        (Action.TRANSFORM, Role.OUTPUT): (None, own),
        (Action.OFFER, Role.OBJECT): (own, _balance_of(lot, act.receiver)),
        (Action.ACCEPT, Role.OBJECT): (_balance_of(lot, act.sender), own),
        (Action.END, Role.OBJECT): (balance_key(lot, stated_holder), None),
        (Action.SAMPLE, Role.INPUT): (balance_key(lot, stated_holder), None),
    }
    return pairs.get((action, role), (None, None))


def _other_pair(act: Act, role: int, lot: str, view: View) -> _Pair:
    """The same for acts that move no quantity, or move it back."""
    own, action = balance_key(lot, act.organisation), act.statement.action
    if action == Action.CORRECT and role == Role.CHILD:
        held, _ = _in_parent(lot, view)
        return own, held
    if role != Role.OBJECT:
        return None, None
    if action in (Action.CORRECT, Action.BIND, Action.UNBIND, Action.WITHDRAW):
        return own, None
    if action == Action.REJECT:
        return _balance_of(lot, act.sender), None
    if action in (Action.CONFIRM, Action.DISMISS) and act.receiver is not None:
        sender = act.sender if act.authority and act.sender is not None else act.organisation
        return balance_key(lot, sender), balance_key(lot, act.receiver)
    return None, None


def _balance_of(lot: str, organisation: str | None) -> SubjectKey | None:
    return None if organisation is None else balance_key(lot, organisation)


def _in_parent(lot: str, view: View) -> _Pair:
    """(balance in the container that the event names, balance of that container's custodian)."""
    parent = view.named(Role.PARENT)
    if parent is None:
        return None, None
    at = situation(view, parent)
    return balance_key(lot, inside(parent.identifier, at.own.generation)), _balance_of(lot, at.custodian)


def _packing_pair(act: Act, lot: str, view: View) -> _Pair:
    held, holder = _in_parent(lot, view)
    if held is None:
        return None, None
    if holder is None or not act.authority:  # only an authority acts on a container in the custody of others
        holder = balance_key(lot, act.organisation)
    return (held, holder) if act.statement.action == Action.UNPACK else (holder, held)


def emptied_legs(act: Act, container: SubjectKey, view: View) -> list[Leg]:
    """The balances that emptying `container` moves out, to its effective custodian."""
    at = situation(view, container)
    legs = []
    for lot in at.own.lots if at.custodian is not None else ():
        held = balance_key(lot, inside(container.identifier, at.own.generation))
        legs.append(Leg(held, SOURCE, None, lot))
        legs.append(Leg(balance_key(lot, str(at.custodian)), DESTINATION, None, lot))
    return legs


# --- the lot as such


def make_lot(act: Act, leg: Leg, view: View) -> Decision:
    """Row 2 for a lot: born once; a grantee's later make adds and sets the origin; another's is a note."""
    at = situation(view, leg.key)
    record, granted = born(at.own), may_make(act, leg.identifier, view)
    if record.maker not in (None, act.organisation) and not granted:
        return note(act, at, view, Outcome.MADE_UNATTESTED)
    source = transformation_source(act) if act.statement.action == Action.TRANSFORM else None
    record = record._replace(
        origin=Origin.ATTESTED if granted else record.origin,
        maker=act.organisation,
        source=record.source or source,
    )
    return Decision(Outcome.LOT_MADE, record)


def mention(act: Act, leg: Leg, view: View) -> Decision:
    """A lot or class as such: a note; not balanced where the event moves goods but no balance of it."""
    moves = meant(act) in _MOVING and leg.role not in (Role.CONTENT, Role.MISSING)
    balanced = view.balances(leg.identifier, SOURCE) + view.balances(leg.identifier, DESTINATION)
    outcome = Outcome.NOT_BALANCED if moves and not balanced else Outcome.OBSERVED
    return note(act, situation(view, leg.key), view, outcome)


# --- balances


class Transfer(NamedTuple):
    """A movement of a stated quantity, as each of its legs sees it."""

    act: Act
    leg: Leg
    at: Situation
    view: View
    source: SubjectKey | None
    destination: SubjectKey | None

    def record(self, key: SubjectKey) -> Record:
        """A balance's record before the event."""
        return balance_situation(key, self.view).own

    def note(self, outcome: Outcome) -> Decision:
        """Nothing moves."""
        return note(self.act, self.at, self.view, outcome)

    def settle(self, moved: Movement | None, out: Outcome, into: Outcome, row: int = 0) -> Decision:
        """The quantity leaves the source and enters the destination; of `row` if that may be undone."""
        credited = None
        if moved is not None and self.destination is not None:
            credited = credit(self.record(self.destination).quantity, moved)
        if moved is None or (self.destination is not None and credited is None):
            return self.note(Outcome.NOT_BALANCED)
        is_source = self.leg.key == self.source
        record = born(self.at.own)._replace(quantity=moved.remaining if is_source else credited)
        record = effect(self.act, self.at.own, record, row) if row else record._replace(last=None)
        if not is_source:
            return Decision(into, record)
        return Decision(Outcome.LOT_EXCEEDED if moved.exceeds else out, record)


def balance_situation(key: SubjectKey, view: View) -> Situation:
    """A balance's situation: its holder is custodian, the lot's recalls count."""
    at = situation(view, key)
    if not is_born(at.own):
        container = container_of(key)
        if container is None:
            at = at._replace(own=at.own._replace(custodian=key.holder))
        else:
            parent_at = situation(view, thing(container[0]))
            own = at.own._replace(parent=container[0], parent_generation=container[1])
            at = Situation(key, own, ((parent_at.key, parent_at.own), *parent_at.ancestors))
    return at._replace(lot=view.record(lot_key(key.identifier)))


def transfer_of(act: Act, leg: Leg, view: View) -> Transfer:
    """The movement that a balance's leg belongs to."""
    at = balance_situation(leg.key, view)
    if (
        act.statement.action in EMPTYING
    ):  # one sided; the rest of the lot's balances are those of emptied containers
        pair = (leg.key, None) if leg.role == SOURCE else (None, leg.key)
        return Transfer(act, leg, at, view, *pair)
    sources = view.balances(leg.identifier, SOURCE)
    destinations = view.balances(leg.identifier, DESTINATION)
    return Transfer(act, leg, at, view, next(iter(sources), None), next(iter(destinations), None))


def is_held(one: Transfer) -> bool:
    """Whether another authority holds the lot, or what either balance is in."""
    keys = (one.source, one.destination)
    return any(
        key is not None and is_held_by_another(one.act, balance_situation(key, one.view), one.view)
        for key in keys
    )


def move(act: Act, leg: Leg, view: View) -> Decision:
    """Rows 2, 5, 6, 7, 24 and 26 for a balance; what is emptied; documents bound to it."""
    action = act.statement.action
    one = transfer_of(act, leg, view)
    if action in EMPTYING and _is_poured(act, leg, view):
        return _pour(one)
    if action == Action.BIND:
        return _bind(one)
    if action == Action.UNBIND:
        return unbind(act, leg, view)
    if leg.quantity is None:
        return one.note(Outcome.NOT_BALANCED)
    if action == Action.MAKE or (action == Action.TRANSFORM and leg.role == DESTINATION):
        return _make(one, leg.quantity)
    if not (action == Action.SAMPLE and act.authority) and is_held(one):
        return breach(act, one.at, view)
    moved = None if one.source is None else debit(one.record(one.source).quantity, leg.quantity)
    if action in (Action.PACK, Action.UNPACK):
        return _pack(one, moved)
    return one.settle(moved, Outcome.LOT_REDUCED, Outcome.LOT_MOVED_IN)


def _make(one: Transfer, stated: Stated) -> Decision:
    """Made, or serials made of it: newly attested with the prefix grant; serials consume the maker's balance."""
    act = one.act
    if one.source is not None:
        moved = debit(one.record(one.source).quantity, stated)
        return one.settle(moved, Outcome.LOT_REDUCED, Outcome.LOT_MOVED_IN)
    moved = made(stated, attested=may_make(act, one.leg.identifier, one.view))
    row = _ROWS.get(act.statement.action, 0)
    return one.settle(moved, Outcome.LOT_REDUCED, Outcome.LOT_MADE, row)


def _pack(one: Transfer, moved: Movement | None) -> Decision:
    """In or out of a container, if the container's own leg allows; a 65th lot in it is recorded only."""
    parent = one.view.named(Role.PARENT)
    if parent is None or one.view.decision(parent).outcome not in PARENT_APPLIED:
        return one.note(Outcome.NOT_TOGETHER)
    lots = situation(one.view, parent).own.lots
    action = one.act.statement.action
    if action == Action.PACK and one.leg.identifier not in lots and len(lots) >= limits.LOTS_PER_CONTAINER:
        return one.note(Outcome.LOTS_FULL)
    return one.settle(moved, Outcome.LOT_MOVED_OUT, Outcome.LOT_MOVED_IN, _ROWS[action])


def _is_poured(act: Act, leg: Leg, view: View) -> bool:
    """Whether a balance's leg belongs to containers that the event empties, rather than to a quantity it states."""
    if leg.role == SOURCE:
        return container_of(leg.key) is not None
    return any(container_of(key) is not None for key in _poured_into(leg.key, view))


def _poured_into(destination: SubjectKey, view: View) -> tuple[SubjectKey, ...]:
    """Balances in containers that the event names for emptying, whose custodian holds `destination`."""
    return tuple(
        key
        for key in view.balances(destination.identifier, SOURCE)
        if container_of(key) is not None and balance_situation(key, view).custodian == destination.holder
    )


def _pour(one: Transfer) -> Decision:
    """What emptied containers held goes to their custodian, whole balance by whole balance, as far as it can be added."""
    view, key = one.view, one.leg.key
    destination = key if one.leg.role == DESTINATION else balance_key(key.identifier, str(one.at.custodian))
    total = one.record(destination).quantity
    poured: list[SubjectKey] = []
    for source in _poured_into(destination, view):
        held = one.record(source).quantity
        moved = None if held is None or not _is_open(source, view) else emptied(held)
        added = None if moved is None else credit(total, moved)
        if added is not None:
            total = added
            poured.append(source)
    if key == destination and poured:
        return Decision(Outcome.LOT_MOVED_IN, born(one.at.own)._replace(quantity=total, last=None))
    held = one.at.own.quantity
    if key not in poured or held is None:
        return one.note(Outcome.OBSERVED)
    record = one.at.own._replace(quantity=emptied(held).remaining, last=None)
    return Decision(Outcome.LOT_MOVED_OUT, record)


def _is_open(balance: SubjectKey, view: View) -> bool:
    """Whether the event empties the container that a balance is in."""
    container = container_of(balance)
    if container is None or view.role(thing(container[0])) == ANCESTOR:
        return False
    return view.decision(thing(container[0])).outcome in _EMPTIED


def _bind(one: Transfer) -> Decision:
    """Row 25 for the signer's balance."""
    outcome, record = bound(one.act, born(one.at.own), one.view)
    if outcome in (Outcome.BINDINGS_FULL, Outcome.ALREADY_BOUND):
        return one.note(outcome)
    return Decision(outcome, effect(one.act, one.at.own, record, 25))


def missing_lot(act: Act, leg: Leg, view: View) -> Decision:
    """Row 14: a quantity that did not come goes back to the offerer iff its container's acceptance applies."""
    one = transfer_of(act, leg, view)
    parent = view.named(Role.PARENT)
    if parent is None or leg.quantity is None or view.decision(parent).outcome not in TAKEN_OVER:
        return one.note(Outcome.OBSERVED)
    moved = None if one.source is None else debit(one.record(one.source).quantity, leg.quantity)
    return one.settle(moved, Outcome.MISSING, Outcome.MISSING)
