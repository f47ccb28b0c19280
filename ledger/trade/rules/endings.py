"""Rows 5 and 26: goods that become other goods, and goods that are no more.

A transformation has a record of its own, an ancestor of its outputs: whoever looks at an output sees how many inputs were
consumed, how many were only recorded (not the signer's, held, unknown) and how many had no attested origin.
"""

from __future__ import annotations

from ledger.trade.record import Origin, Record, Space, Status, SubjectKey
from ledger.trade.rules.making import born_by, is_granted
from ledger.trade.rules.outcomes import Outcome
from ledger.trade.rules.packing import emptied, obstacle
from ledger.trade.rules.standing import born, claim, contradict, effect, is_unconfirmed, note
from ledger.trade.rules.view import (
    Act,
    Decision,
    Leg,
    Situation,
    View,
    freed,
    is_born,
    is_ownerless,
    leaving,
    situation,
    unnamed_parent,
)


def transformation_key(act: Act) -> SubjectKey:
    """The transformation that an event belongs to: (organisation, transformationID or event hash)."""
    return SubjectKey(
        Space.TRANSFORMATION,
        act.statement.transformation or f"urn:custody:event:{act.event.hex()}",
        act.organisation,
    )


def transform(act: Act, leg: Leg, view: View) -> Decision:
    """The transformation's own leg; its sums of inputs are added by execution once all legs are decided."""
    record = view.record(leg.key)
    return Decision(
        Outcome.TRANSFORMED, born(record)._replace(custodian=act.organisation, maker=act.organisation)
    )


def consume(act: Act, leg: Leg, view: View) -> Decision:
    """An input: consumed if it is the signer's, free of holds, offers and unconfirmed marks; else only recorded."""
    at = situation(view, leg.key)
    if at.own.status not in (Status.LIVE, Status.UNBORN):
        return contradict(act, at, view, Outcome.INPUT_RECORDED)
    stopped = obstacle(act, at, view)
    if stopped is not None:
        return stopped
    if is_unconfirmed(act, at):
        return note(act, at, view, Outcome.CONFIRMATION_WAITS)
    if at.custodian != act.organisation:
        if is_ownerless(at.custodian):
            return note(act, at, view, Outcome.INPUT_RECORDED)
        return claim(act, at)
    record, outcome = gone(at, Status.CONSUMED), Outcome.CONSUMED
    return _ended(act, at, record, outcome)


def produce(act: Act, leg: Leg, view: View) -> Decision:
    """An output: born by row 2, from the transformation."""
    at = situation(view, leg.key)
    if is_born(at.own):
        return contradict(act, at, view, Outcome.CONTESTED)
    key = transformation_key(act)
    granted = is_granted(act, leg.identifier, view)
    return born_by(act, at, granted=granted, source=f"{key.holder}|{key.identifier}")


def end(act: Act, leg: Leg, view: View) -> Decision:
    """Row 26: by the custodian if unheld, else by the authority that holds it; everything inside comes out first."""
    at = situation(view, leg.key)
    if at.own.status not in (Status.LIVE, Status.UNBORN):
        return contradict(act, at, view)
    stopped = obstacle(act, at, view)
    if stopped is not None:
        return stopped
    if is_unconfirmed(act, at):
        return note(act, at, view, Outcome.CONFIRMATION_WAITS)
    if at.custodian != act.organisation and not act.authority:
        return contradict(act, at, view)
    return _ended(act, at, gone(at, Status.ENDED), Outcome.ENDED)


def gone(at: Situation, status: Status) -> Record:
    """The subject, out of everything, no longer live."""
    record = freed(at, at.custodian) if at.ancestors else born(at.own)
    return record._replace(status=status, offer=None)


def _ended(act: Act, at: Situation, record: Record, outcome: Outcome) -> Decision:
    writes: tuple[tuple[SubjectKey, Record], ...] = ()
    if at.own.children or at.own.lots:
        bare, writes, _ = emptied(at)
        record = record._replace(
            generation=bare.generation, children=0, levels=0, inside=(), bindings=(), permits=(), lots=()
        )
    return Decision(
        outcome,
        effect(act, at, record, outcome),
        deltas=leaving(at),
        left=unnamed_parent(at),
        writes=writes,
    )


def is_unattested(record: Record) -> bool:
    """Whether an input's origin counts as unattested in the transformation's sums."""
    return record.origin != Origin.ATTESTED
