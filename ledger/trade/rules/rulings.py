"""Rows 1, 19, 20 and 27: what is said about what was said: corrections, rulings, observations, notes.

A correction appends and never edits. It undoes its original, subject by subject, iff that is still the subject's last
effect and nothing it hung on has moved since; otherwise both statements stand, and the verdict shows both.
"""

from __future__ import annotations

from typing import Final

from ledger.base import limits
from ledger.trade.record import LastEffect, Record, Status, SubjectKey
from ledger.trade.rules.handover import passed
from ledger.trade.rules.outcomes import Outcome
from ledger.trade.rules.standing import (
    breach,
    contradict,
    effect,
    holding_authorities,
    is_offered,
    is_offered_above,
    note,
    usable_permits,
    without_contradictions_of,
)
from ledger.trade.rules.view import (
    ANCESTOR,
    Act,
    Decision,
    Leg,
    Situation,
    View,
    is_born,
    situation,
    thing,
)

UNDOABLE_ROWS: Final = (2, 6, 7, 19, 25)


def observe(act: Act, leg: Leg, view: View) -> Decision:
    """Row 19: noted; the custodian's statement of seals counts, a third party's does not."""
    at = situation(view, leg.key)
    seals = act.statement.seals
    if at.custodian == act.organisation and seals and seals != at.own.seals and at.own.status == Status.LIVE:
        record = at.own._replace(seals=seals)
        return Decision(Outcome.OBSERVED, effect(act, at.own, record, 19))
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
    own, cited = at.own, act.statement.cites
    mark = at.mark if at.mark == own.unconfirmed else None
    if mark is not None and (mark.event, mark.offerer) == (cited, act.organisation):
        record = own._replace(unconfirmed=None, claims=(), handed=act.sequence, last=None)
        return Decision(Outcome.CONFIRMED, record)
    claimants = [held.claimant for held in at.claims if held.event == cited]
    if claimants and (act.authority or at.custodian == act.organisation != claimants[0]):
        return _confirm_claim(act, at, claimants[0], view)
    if act.authority and _is_contradicted_by(own, cited):
        return Decision(Outcome.CONFIRMED, without_contradictions_of(own, cited))
    if at.custodian == act.organisation or act.authority:
        return note(act, at, view, Outcome.NOTHING_TO_RULE)
    return contradict(act, at, view)


def _confirm_claim(act: Act, at: Situation, claimant: str, view: View) -> Decision:
    """Custody passes to the claimant, by the custodian's own word or an authority's."""
    if usable_permits(act, at, view, at.custodian, claimant) is None:
        return breach(act, at, view)
    if not act.authority and is_offered_above(act, at):
        return note(act, at, view, Outcome.OFFER_STANDS)
    record = passed(at, claimant, view, act, at.custodian)._replace(claims=(), handed=act.sequence)
    record = without_contradictions_of(record, act.statement.cites)
    return Decision(Outcome.CONFIRMED, record, left=at.parent)


def dismiss(act: Act, leg: Leg, view: View) -> Decision:
    """Row 27: an authority dismisses a claim or a contradiction."""
    at = situation(view, leg.key)
    own, cited = at.own, act.statement.cites
    claims = tuple(held for held in at.claims if held.event != cited)
    if claims == at.claims and not _is_contradicted_by(own, cited):
        return note(act, at, view, Outcome.NOTHING_TO_RULE)
    return Decision(Outcome.DISMISSED, without_contradictions_of(own._replace(claims=claims), cited))


def _is_contradicted_by(record: Record, event: bytes | None) -> bool:
    return any(stated.event == event for stated in record.contradictions)


def correct(act: Act, leg: Leg, view: View) -> Decision:
    """Row 1: undo the cited original's effect on this subject, or say that it stands.

    What its author contradicted, or claims still, by the original is taken back at once.
    """
    at = situation(view, leg.key)
    own, cited = at.own, act.statement.cites
    if cited is None or not is_born(own):
        return note(act, at, view, Outcome.CORRECTION_INERT)
    own = without_contradictions_of(own, cited, act.organisation)
    own = own._replace(
        claims=tuple(
            c for c in own.claims if (c.event, c.claimant) != (cited, act.organisation) or c not in at.claims
        )
    )
    took_back = own != at.own
    last = own.last
    if last is not None and last.event == cited:
        if last.organisation != act.organisation:
            return contradict(act, at, view)
        if last.row in UNDOABLE_ROWS and all(record.moved <= last.sequence for _, record in at.ancestors):
            undone = _undone(act, at._replace(own=own), last, view)
            if undone is not None:
                return undone
    return Decision(Outcome.CORRECTED, own) if took_back else note(act, at, view, Outcome.CORRECTION_STANDS)


def _undone(act: Act, at: Situation, last: LastEffect, view: View) -> Decision | None:
    """The decision that undoes the subject's last effect, None if it may not be undone."""
    record = at.own._replace(
        status=last.status,
        custodian=last.custodian,
        origin=last.origin,
        maker=last.maker,
        claimed=last.claimed,
        seals=last.seals,
        bindings=last.bindings,
        last=None,
    )
    if last.row == 2 and last.status == Status.UNBORN:
        if at.own.children or at.own.lots:
            return None
        record = record._replace(source=None)
    if last.row not in (6, 7):
        return Decision(Outcome.CORRECTED, record)
    if holding_authorities(at) or is_offered(act, at):
        return None
    record = record._replace(parent=None, parent_generation=0, parent_since=0)
    if last.parent is None:
        return Decision(Outcome.CORRECTED, record, left=at.parent)
    restored = situation(view, thing(last.parent))
    if not _may_return(act, at, restored, last, view):
        return None
    record = record._replace(
        parent=last.parent, parent_generation=last.parent_generation, parent_since=act.sequence
    )
    return Decision(Outcome.CORRECTED, record, left=at.parent)


def _may_return(act: Act, at: Situation, restored: Situation, last: LastEffect, view: View) -> bool:
    """Whether the subject may go back into the container it was in: as it was then, unmoved, free, and no cycle."""
    if (
        restored.own.status != Status.LIVE
        or restored.own.generation != last.parent_generation
        or any(above.moved > last.sequence for above in restored.whole)
        or at.key in restored.line
        or holding_authorities(restored, inside=False)
        or is_offered(act, restored)
    ):
        return False
    return _depth_after(restored.key, view) + at.own.levels <= limits.NESTING_LEVELS


def _depth_after(container: SubjectKey, view: View) -> int:
    """How many containers there are from `container` outwards once the whole correction is done.

    A container that the same correction moves back is asked for its own decision: it is unmoved since the original, so it
    depends on this subject in no way.
    """
    depth, key = 0, container
    while True:
        depth += 1
        record = view.record(key)
        if view.role(key) != ANCESTOR:
            record = view.decision(key).record
        if record.parent is None or view.record(thing(record.parent)).generation != record.parent_generation:
            return depth
        key = thing(record.parent)


def mismatch(act: Act, leg: Leg, view: View) -> Decision:
    """Bytes contradict an extract: a contradiction of its author's making, on every subject of either.

    Execution checked the bytes against the original. It counts with the standing of the original's author, who alone
    can have caused it: naming a stranger's goods in false bytes must not blacken them.
    """
    author = act._replace(organisation=act.statement.counterparty or "", authority=False)
    return contradict(author, situation(view, leg.key), view, Outcome.BYTES_MISMATCH, row=28)
