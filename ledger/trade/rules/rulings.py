"""Rows 1, 19, 20 and 27: what is said about what was said: corrections, rulings, observations, notes.

A correction appends and never edits. It undoes its original, subject by subject, iff that is still the subject's last
effect and nothing it hung on has moved since; otherwise both statements stand, and the verdict shows both.
"""

from __future__ import annotations

from typing import Final

from ledger.base import limits
from ledger.trade.record import LastEffect, Record, Status
from ledger.trade.rules.handover import passed, without_contradictions_of
from ledger.trade.rules.outcomes import Outcome
from ledger.trade.rules.standing import (
    breach,
    contradict,
    effect,
    holding_authorities,
    is_offered,
    note,
    usable_permits,
)
from ledger.trade.rules.view import (
    Act,
    Decision,
    Leg,
    Situation,
    View,
    entering,
    leaving,
    situation,
    thing,
    unnamed_parent,
)

UNDOABLE_ROWS: Final = (2, 6, 7, 19, 25)


def observe(act: Act, leg: Leg, view: View) -> Decision:
    """Row 19: noted; the custodian's statement of seals counts, a third party's does not."""
    at = situation(view, leg.key)
    if at.custodian == act.organisation and act.statement.seals and at.own.status == Status.LIVE:
        record = at.own._replace(seals=act.statement.seals)
        return Decision(Outcome.OBSERVED, effect(act, at, record, Outcome.OBSERVED, undoable=True))
    return note(act, at, view, Outcome.OBSERVED)


def commercial_hold(act: Act, leg: Leg, view: View) -> Decision:
    """Row 20: the custodian's own business; a note only."""
    at = situation(view, leg.key)
    if at.custodian != act.organisation:
        return contradict(act, at, view)
    return note(act, at, view, Outcome.COMMERCIAL_HOLD)


def confirm(act: Act, leg: Leg, view: View) -> Decision:
    """Row 27: the offerer confirms a taking, the custodian (or an authority) a claim; an authority any contradiction."""
    at = situation(view, leg.key)
    own = at.own
    mark = own.unconfirmed
    if mark is not None and mark.offerer == act.organisation:
        return Decision(Outcome.CONFIRMED, own._replace(unconfirmed=None, claims=(), last=None))
    for held in own.claims:
        if held.event == act.statement.cites and (
            act.organisation == held.custodian == at.custodian or act.authority
        ):
            if usable_permits(act, at, view, at.custodian, held.claimant) is None:
                return breach(act, at, view)
            record = passed(at, held.claimant, view, act, at.custodian, held.claimant)
            record = without_contradictions_of(record._replace(claims=(), unconfirmed=None), held.event)
            return Decision(Outcome.CONFIRMED, record, deltas=leaving(at), left=unnamed_parent(at))
    if act.authority and _contradicted_by(own, act.statement.cites):
        return Decision(Outcome.CONFIRMED, without_contradictions_of(own, act.statement.cites or b""))
    if at.custodian == act.organisation or act.authority:
        return note(act, at, view, Outcome.NOTHING_TO_RULE)
    return contradict(act, at, view)


def dismiss(act: Act, leg: Leg, view: View) -> Decision:
    """Row 27: an authority dismisses a claim or a contradiction."""
    at = situation(view, leg.key)
    own, cited = at.own, act.statement.cites
    claims = tuple(held for held in own.claims if held.event != cited)
    if claims == own.claims and not _contradicted_by(own, cited):
        return note(act, at, view, Outcome.NOTHING_TO_RULE)
    record = without_contradictions_of(own._replace(claims=claims), cited or b"")
    return Decision(Outcome.DISMISSED, record)


def _contradicted_by(record: Record, event: bytes | None) -> bool:
    return any(stated.event == event for stated in record.contradictions)


def correct(act: Act, leg: Leg, view: View) -> Decision:
    """Row 1: undo the cited original's effect on this subject, or say that it stands."""
    at = situation(view, leg.key)
    own, cited = at.own, act.statement.cites
    if cited is not None and any(
        c.event == cited and c.organisation == act.organisation for c in own.contradictions
    ):
        return Decision(Outcome.CORRECTED, without_contradictions_of(own, cited))  # its author takes it back
    last = own.last
    if cited is None or last is None or last.event != cited or last.organisation != act.organisation:
        return note(act, at, view, Outcome.CORRECTION_INERT if cited is None else Outcome.CORRECTION_STANDS)
    if last.row not in UNDOABLE_ROWS or not _is_unmoved(at, last):
        return note(act, at, view, Outcome.CORRECTION_STANDS)
    if last.row in (6, 7) and (holding_authorities(at) or is_offered(act, at)):
        return note(act, at, view, Outcome.CORRECTION_STANDS)
    return _undo(act, at, last, view)


def _is_unmoved(at: Situation, last: LastEffect) -> bool:
    return all(record.moved <= last.sequence for _, record in at.ancestors)


def _undo(act: Act, at: Situation, last: LastEffect, view: View) -> Decision:
    record = at.own._replace(
        status=last.status,
        custodian=last.custodian,
        origin=last.origin,
        maker=last.maker,
        claimed=last.claimed,
        seals=last.seals,
        bindings=last.bindings,
        parent=None,
        parent_generation=0,
        last=None,
    )
    if last.row == 2 and at.own.children:
        return note(act, at, view, Outcome.CORRECTION_STANDS)
    if last.row not in (6, 7):
        record = record._replace(parent=at.own.parent, parent_generation=at.own.parent_generation)
        return Decision(Outcome.CORRECTED, record)
    if last.parent is None:
        return Decision(Outcome.CORRECTED, record, deltas=leaving(at), left=unnamed_parent(at))
    restored = situation(view, thing(last.parent))
    line = (restored.key, *(key for key, _ in restored.ancestors))
    if (
        restored.own.status != Status.LIVE
        or restored.own.generation != last.parent_generation
        or at.key in line
        or len(line) + at.own.levels > limits.NESTING_LEVELS
        or any(above.moved > last.sequence for above in restored.whole)
        or holding_authorities(restored, inside=False)
        or is_offered(act, restored)
    ):
        return note(act, at, view, Outcome.CORRECTION_STANDS)
    record = record._replace(parent=last.parent, parent_generation=last.parent_generation)
    deltas = leaving(at) + entering(record, line)
    return Decision(Outcome.CORRECTED, record, deltas=deltas, left=(*unnamed_parent(at), restored.key))


def mismatch(act: Act, leg: Leg, view: View) -> Decision:
    """Bytes contradict an extract: a contradiction of its author's making, on every subject of either.

    Execution checked the bytes against the original. It counts with the standing of the original's author, who alone
    can have caused it: naming a stranger's goods in false bytes must not blacken them.
    """
    author = act._replace(organisation=act.statement.counterparty or "", authority=False)
    return contradict(author, situation(view, leg.key), view, Outcome.BYTES_MISMATCH, row=28)
