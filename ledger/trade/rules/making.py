"""Rows 2 and 3: a subject is made, once, by the holder of its prefix grant; anything else is said to be so."""

from __future__ import annotations

from typing import Final

from ledger.trade.record import LastEffect, Origin, Record, Status
from ledger.trade.rules.outcomes import Outcome
from ledger.trade.rules.standing import contradict, is_offered, last_effect, note
from ledger.trade.rules.view import Act, Decision, Leg, Situation, View, identify, is_born, situation
from ledger.trade.statement import Role

# Named once: a member of an enumeration costs a call of its metaclass, and most events make something.
_LIVE: Final = Status.LIVE
_UNATTESTED: Final = Origin.UNATTESTED
_ATTESTED: Final = Origin.ATTESTED
_LOT: Final = Role.LOT


def make(act: Act, leg: Leg, view: View) -> Decision:
    """Row 2 for a thing: born attested by the grantee or under its licence, unattested by anyone; a grantee's late make sets the origin."""
    lot = view.named(_LOT)
    return made(act, leg, view, source=None if lot is None else f"|{lot.identifier}")


def is_granted(act: Act, identifier: str, view: View) -> bool:
    """Whether the signer holds the grant of the company prefix in `identifier`."""
    return view.members.grantee(identify(identifier).digits) == act.organisation


def may_make(act: Act, identifier: str, view: View) -> bool:
    """Whether what the signer makes is attested: it holds the prefix in `identifier`, or a licence of who does."""
    return is_granted(act, identifier, view) or is_licensed(act, identifier, view)


def is_licensed(act: Act, identifier: str, view: View) -> bool:
    """Whether the signer has a licence of who holds the prefix in `identifier`."""
    return view.members.is_licensed(identify(identifier).digits, act.organisation, act.time_ms)


def made(act: Act, leg: Leg, view: View, *, source: str | None) -> Decision:
    """Rows 2 and 3, for what comes from `source`: a lot or a transformation (`Record.source`), if from any."""
    at = situation(view, leg.key)
    own, granted = at.own, is_granted(act, leg.identifier, view)
    licensed = not granted and is_licensed(act, leg.identifier, view)
    attested = granted or licensed
    if not is_born(own):
        outcome = Outcome.MADE_LICENSED if licensed else Outcome.MADE
        return _born(act, at, source, outcome if attested else Outcome.MADE_UNATTESTED)
    if own.origin == Origin.UNATTESTED and attested:
        record = own._replace(origin=Origin.ATTESTED, maker=act.organisation, source=own.source or source)
        if at.custodian is None and own.status == Status.LIVE and not at.ancestors:
            record = record._replace(custodian=act.organisation, passed=act.sequence)
        outcome = Outcome.ORIGIN_SET_LICENSED if licensed else Outcome.ORIGIN_SET
        return Decision(outcome, record._replace(last=_last_effect(act, own, source)))
    if own.maker == act.organisation and not _is_shipped(act, at):
        return note(act, at, view, Outcome.RESTATED)
    return contradict(act, at, view, Outcome.CONTESTED)


def _born(act: Act, at: Situation, source: str | None, outcome: Outcome) -> Decision:
    record = at.own._replace(
        status=_LIVE,
        origin=_UNATTESTED if outcome == Outcome.MADE_UNATTESTED else _ATTESTED,
        maker=act.organisation,
        custodian=act.organisation,
        passed=act.sequence,
        source=source,
        seals=act.statement.seals,
        last=_last_effect(act, at.own, source),
    )
    return Decision(outcome, record)


def _last_effect(act: Act, before: Record, source: str | None) -> LastEffect | None:
    """A make is of row 2; what comes from a transformation is of row 5, which is not undone."""
    return last_effect(act, before, 2) if source is None or source[0] == "|" else None


def _is_shipped(act: Act, at: Situation) -> bool:
    """Whether it was sent out since it was made: by itself, or inside of what it is in."""
    return at.own.shipped or bool(at.own.former) or is_offered(act, at) or at.passed > at.own.passed
