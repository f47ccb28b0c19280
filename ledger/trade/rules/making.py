"""Rows 2 and 3: a subject is made, once, by the holder of its prefix grant; anything else is said to be so."""

from __future__ import annotations

from ledger.trade.record import Origin, Status
from ledger.trade.rules.outcomes import Outcome
from ledger.trade.rules.standing import contradict, effect, last_effect, note
from ledger.trade.rules.view import Act, Decision, Leg, Situation, View, identify, is_born, situation
from ledger.trade.statement import Role


def make(act: Act, leg: Leg, view: View) -> Decision:
    """Row 2 for a thing: born attested by the grantee, unattested by anyone; a grantee's late make sets the origin."""
    at = situation(view, leg.key)
    own = at.own
    granted = is_granted(act, leg.identifier, view)
    if not is_born(own):
        lot = view.named(Role.LOT)
        return born_by(act, at, granted=granted, source=None if lot is None else f"|{lot.identifier}")
    if own.origin == Origin.UNATTESTED and granted and own.maker != act.organisation:
        record = own._replace(origin=Origin.ATTESTED, maker=act.organisation)
        if at.custodian is None and own.status == Status.LIVE and not at.ancestors:
            record = record._replace(custodian=act.organisation)
        return Decision(Outcome.ORIGIN_SET, effect(act, at, record, Outcome.ORIGIN_SET, undoable=True))
    if own.maker == act.organisation and not own.shipped:
        return note(act, at, view, Outcome.RESTATED)
    return contradict(act, at, view, Outcome.CONTESTED)


def is_granted(act: Act, identifier: str, view: View) -> bool:
    """Whether the signer holds the grant of the identifier's prefix."""
    return view.members.grantee(identify(identifier).digits) == act.organisation


def born_by(act: Act, at: Situation, *, granted: bool, source: str | None) -> Decision:
    """A subject's birth by the signer, who becomes its custodian; `source` is the transformation or lot it comes from."""
    outcome = Outcome.MADE if granted else Outcome.MADE_UNATTESTED
    undoable = source is None or source[0] == "|"
    record = at.own._replace(
        status=Status.LIVE,
        origin=Origin.ATTESTED if granted else Origin.UNATTESTED,
        maker=act.organisation,
        custodian=act.organisation,
        source=source,
        seals=act.statement.seals,
        last=last_effect(act, at, outcome) if undoable else None,
    )
    return Decision(outcome, record)
