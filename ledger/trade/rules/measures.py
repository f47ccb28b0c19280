"""Rows 21, 22, 24 and 29: what a customs authority does to goods. Others are refused before a rule is asked.

A hold stands on the subject it names; ancestors only count it (`inside`), so that a container cannot move while
something in it is held, and nothing has to be looked for below. Holds of several authorities stand side by side.
"""

from __future__ import annotations

from ledger.base import limits
from ledger.trade.record import Hold, LivePermit, Status
from ledger.trade.rules.outcomes import Outcome
from ledger.trade.rules.standing import born, contradict, effect, holding_authorities, note
from ledger.trade.rules.view import EXTERNAL, Act, Decision, Delta, Leg, Situation, View, situation
from ledger.trade.statement import Flag


def hold(act: Act, leg: Leg, view: View) -> Decision:
    """Row 21: detain or seize under a case and a legal basis."""
    at = situation(view, leg.key)
    own, measure = born(at.own), act.statement.measure
    if measure is None:
        return note(act, at, view, Outcome.OBSERVED)
    if any(held.authority == act.organisation and held.case == measure.case for held in own.holds):
        return Decision(Outcome.ALREADY_HELD, own)
    if len(own.holds) >= limits.HOLDS:
        return Decision(Outcome.HOLDS_FULL, own)
    seize = bool(act.statement.flags & Flag.SEIZE)
    placed = Hold(act.organisation, measure.case, measure.basis, seize, act.time_ms)
    record = own._replace(holds=(*own.holds, placed), last=None)
    first = all(held.authority != act.organisation for held in own.holds)
    return Decision(Outcome.HELD, record, deltas=_counted(at, act.organisation, 1) if first else ())


def release(act: Act, leg: Leg, view: View) -> Decision:
    """Row 22: the same authority, or its successor, lifts that hold only."""
    at = situation(view, leg.key)
    own, measure = at.own, act.statement.measure
    if measure is None:
        return note(act, at, view, Outcome.OBSERVED)
    lifted = [
        held
        for held in own.holds
        if held.case == measure.case and view.members.is_same_authority(act.organisation, held.authority)
    ]
    if not lifted:
        return note(act, at, view, Outcome.NO_SUCH_HOLD)
    authority = lifted[0].authority
    holds = tuple(held for held in own.holds if held != lifted[0])
    record = own._replace(holds=holds, last=None)
    last_one = all(held.authority != authority for held in holds)
    return Decision(Outcome.RELEASED, record, deltas=_counted(at, authority, -1) if last_one else ())


def _counted(at: Situation, authority: str, number: int) -> tuple[Delta, ...]:
    return tuple(Delta(key, 0, 0, ((authority, number),)) for key, _ in at.ancestors)


def permit(act: Act, leg: Leg, view: View) -> Decision:
    """Row 29: the authority of a hold lets the subject move under it, along ordered legs, until a time."""
    at = situation(view, leg.key)
    terms = act.statement.permit
    held_by = [
        authority
        for authority in holding_authorities(at)
        if view.members.is_same_authority(act.organisation, authority)
    ]
    if terms is None or not held_by:
        return note(act, at, view, Outcome.NO_SUCH_HOLD)
    legs = tuple((_party(step.sender, view), _party(step.receiver, view)) for step in terms.legs)
    granted = LivePermit(held_by[0], at.own.generation, legs, 0, terms.until_ms, terms.seal)
    kept = tuple(known for known in at.own.permits if known.authority != granted.authority)
    if len(kept) >= limits.PERMITS:
        return note(act, at, view, Outcome.HOLDS_FULL)
    return Decision(Outcome.PERMITTED, born(at.own)._replace(permits=(*kept, granted), last=None))


def _party(identifier: str, view: View) -> str:
    return view.members.party(identifier) or f"{EXTERNAL}{identifier}"


def intervene(act: Act, leg: Leg, view: View) -> Decision:
    """Row 24: an authority inspects or reseals; custody stays where it is."""
    at = situation(view, leg.key)
    record = born(at.own)
    if act.statement.seals:
        record = record._replace(seals=act.statement.seals, last=None)
    return Decision(Outcome.INTERVENED, record)


def sample(act: Act, leg: Leg, view: View) -> Decision:
    """Row 24: what is sampled keeps its custodian; by anyone but the custodian or an authority it is a contradiction."""
    at = situation(view, leg.key)
    if not act.authority and at.custodian != act.organisation:
        return contradict(act, at, view)
    return Decision(Outcome.SAMPLED, born(at.own))


def sample_made(act: Act, leg: Leg, view: View) -> Decision:
    """Row 24: the sample is a new subject in the signer's custody."""
    at = situation(view, leg.key)
    if at.own.status != Status.UNBORN:
        return contradict(act, at, view, Outcome.CONTESTED)
    record = born(at.own)._replace(custodian=act.organisation)
    return Decision(Outcome.SAMPLE_MADE, effect(act, at, record, Outcome.SAMPLE_MADE))
