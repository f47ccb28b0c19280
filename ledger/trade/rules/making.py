"""Rows 2 and 3: a subject is made, once, by the holder of its prefix grant; anything else is said to be so."""

from __future__ import annotations

from ledger.trade.record import Origin, Record, Status
from ledger.trade.rules.outcomes import Outcome
from ledger.trade.rules.standing import contradict, effect, note
from ledger.trade.rules.view import Act, Decision, Leg, View, identify, is_born, situation
from ledger.trade.statement import Role


def make(act: Act, leg: Leg, view: View) -> Decision:
    """Row 2 for a thing: born attested by the grantee, unattested by anyone; a grantee's late make sets the origin."""
    at = situation(view, leg.key)
    own = at.own
    granted = view.members.grantee(identify(leg.identifier).digits) == act.organisation
    if not is_born(own):
        lot = view.named(Role.LOT)
        return born_by(act, leg, view, source=None if lot is None else f"|{lot.identifier}")
    if own.origin == Origin.UNATTESTED and granted and own.maker != act.organisation:
        record = own._replace(origin=Origin.ATTESTED, maker=act.organisation)
        if at.custodian is None and own.status == Status.LIVE and not at.ancestors:
            record = record._replace(custodian=act.organisation)
        return Decision(Outcome.ORIGIN_SET, effect(act, at, record, Outcome.ORIGIN_SET, undoable=True))
    if own.maker == act.organisation and not own.shipped:
        return note(act, at, view, Outcome.RESTATED)
    return contradict(act, at, view, Outcome.CONTESTED)


def born_by(act: Act, leg: Leg, view: View, *, source: str | None) -> Decision:
    """A subject's birth by the signer, who becomes its custodian; `source` is the transformation it comes from."""
    at = situation(view, leg.key)
    granted = view.members.grantee(identify(leg.identifier).digits) == act.organisation
    outcome = Outcome.MADE if granted else Outcome.MADE_UNATTESTED
    record = Record(
        status=Status.LIVE,
        origin=Origin.ATTESTED if granted else Origin.UNATTESTED,
        maker=act.organisation,
        custodian=act.organisation,
        source=source,
        seals=act.statement.seals,
    )._replace(links=at.own.links, moves=at.own.moves, asides=at.own.asides, legs=at.own.legs)
    return Decision(outcome, effect(act, at, record, outcome, undoable=source is None or source[0] == "|"))
