"""Rows 21, 22, 24 and 29: what a customs authority does to goods. Others are refused before a rule is asked.

A hold stands on the subject it names; ancestors only count it (`inside`), so that a container cannot move while
something in it is held, and nothing has to be looked for below. Holds of several authorities stand side by side.
"""

from __future__ import annotations

from ledger.base import limits
from ledger.trade.record import Hold, LivePermit, Status
from ledger.trade.rules.outcomes import Outcome
from ledger.trade.rules.standing import contradict, holding_authorities, note, obstacle
from ledger.trade.rules.view import EXTERNAL, Act, Decision, Leg, View, born, situation
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
    return Decision(Outcome.HELD, own._replace(holds=(*own.holds, placed), last=None))


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
    one = next((held for held in lifted if held.authority == act.organisation), lifted[0])
    holds = tuple(held for held in own.holds if held != one)
    return Decision(Outcome.RELEASED, own._replace(holds=holds, last=None))


def permit(act: Act, leg: Leg, view: View) -> Decision:
    """Row 29: the authority of a hold lets the subject move under it, along ordered legs, until a time.

    A later permit of the same authority replaces the earlier one.
    """
    at = situation(view, leg.key)
    terms = act.statement.permit
    holding = [
        authority
        for authority in holding_authorities(at)
        if view.members.is_same_authority(act.organisation, authority)
    ]
    if terms is None or not holding:
        return note(act, at, view, Outcome.NO_SUCH_HOLD)
    legs = tuple((_party(step.sender, view), _party(step.receiver, view)) for step in terms.legs)
    granted = tuple(
        LivePermit(authority, at.own.generation, legs, 0, terms.until_ms, terms.seal) for authority in holding
    )
    kept = tuple(known for known in at.own.permits if known.authority not in holding)
    if len(kept) + len(granted) > limits.PERMITS:
        return note(act, at, view, Outcome.HOLDS_FULL)
    return Decision(Outcome.PERMITTED, born(at.own)._replace(permits=kept + granted, last=None))


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
    if act.authority:
        return Decision(Outcome.SAMPLED, born(at.own))
    if at.custodian != act.organisation:
        return contradict(act, at, view)
    return obstacle(act, at, view) or Decision(Outcome.SAMPLED, at.own)


def sample_made(act: Act, leg: Leg, view: View) -> Decision:
    """Row 24: the sample is a new subject in the signer's custody."""
    at = situation(view, leg.key)
    if at.own.status != Status.UNBORN:
        return contradict(act, at, view, Outcome.CONTESTED)
    record = born(at.own)._replace(custodian=act.organisation, passed=act.sequence, last=None)
    return Decision(Outcome.SAMPLE_MADE, record)
