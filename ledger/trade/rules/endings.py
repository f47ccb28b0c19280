"""Rows 5 and 26: goods that become other goods, and goods that are no more.

A transformation has a record of its own, an ancestor of its outputs: whoever looks at an output sees how many inputs were
consumed, how many were only recorded (not the signer's, held, unknown) and how many had no attested origin.
"""

from __future__ import annotations

from ledger.trade.record import Record, Space, Status, SubjectKey
from ledger.trade.rules.making import made
from ledger.trade.rules.outcomes import Outcome
from ledger.trade.rules.packing import emptied
from ledger.trade.rules.standing import claim, contradict, holding_authorities, live_mark, note, obstacle
from ledger.trade.rules.view import (
    Act,
    Decision,
    Leg,
    Situation,
    View,
    born,
    freed,
    is_open,
    is_ownerless,
    situation,
)


def transformation_key(act: Act) -> SubjectKey:
    """The transformation that an event belongs to: (organisation, transformationID or event hash)."""
    return SubjectKey(
        Space.TRANSFORMATION,
        act.statement.transformation or f"urn:custody:event:{act.event.hex()}",
        act.organisation,
    )


def transformation_source(act: Act) -> str:
    """The transformation as an output's `Record.source` names it."""
    key = transformation_key(act)
    return f"{key.holder}|{key.identifier}"


def transform(act: Act, leg: Leg, view: View) -> Decision:
    """The transformation's own leg; its sums of inputs are added by execution once all legs are decided."""
    record = view.record(leg.key)
    return Decision(
        Outcome.TRANSFORMED, born(record)._replace(custodian=act.organisation, maker=act.organisation)
    )


def consume(act: Act, leg: Leg, view: View) -> Decision:
    """An input: consumed if it is the signer's, free of holds, offers and unconfirmed marks; else only recorded.

    What nobody holds is recorded only: else a stranger could use up a serial before it is made.
    """
    at = situation(view, leg.key)
    if not is_open(at.own):
        return contradict(act, at, view, Outcome.INPUT_RECORDED)
    stopped = obstacle(act, at, view)
    if stopped is not None:
        return stopped
    if live_mark(act, at) is not None:
        return note(act, at, view, Outcome.CONFIRMATION_WAITS)
    if at.custodian != act.organisation:
        if is_ownerless(at.custodian):
            return note(act, at, view, Outcome.INPUT_RECORDED)
        return claim(act, at, view)
    return _ended(act, at, Status.CONSUMED, Outcome.CONSUMED)


def produce(act: Act, leg: Leg, view: View) -> Decision:
    """An output: born by row 2, from the transformation."""
    return made(act, leg, view, source=transformation_source(act))


def end(act: Act, leg: Leg, view: View) -> Decision:
    """Row 26: by the custodian if unheld, else by the authority that holds it; everything inside comes out first."""
    at = situation(view, leg.key)
    if not is_open(at.own):
        return contradict(act, at, view)
    stopped = obstacle(act, at, view)
    if stopped is not None:
        return stopped
    if live_mark(act, at) is not None:
        return note(act, at, view, Outcome.CONFIRMATION_WAITS)
    is_official = act.authority and bool(
        holding_authorities(at)
    )  # no other authority's: they would be an obstacle
    if at.custodian != act.organisation and not is_official:
        return contradict(act, at, view)
    return _ended(act, at, Status.ENDED, Outcome.ENDED)


def _ended(act: Act, at: Situation, status: Status, outcome: Outcome) -> Decision:
    """The subject, out of everything, emptied, no longer live."""
    record = freed(at)
    writes: tuple[tuple[SubjectKey, Record], ...] = ()
    if at.own.children or at.own.lots:
        bare, writes = emptied(act, at)
        record = record._replace(generation=bare.generation, bindings=(), permits=(), seals=())
    return Decision(
        outcome, record._replace(status=status, offer=None, last=None), left=at.parent, writes=writes
    )
