"""Rows 6, 7 and 8 (and 24 for an authority): into a container, out of it, everything out of it.

Packing and unpacking touch the child's record and only the sums of its ancestors. Unpacking all is one step however many
things are inside: a permanent episode record tells each stale child, when it is next touched, what became of it.
"""

from __future__ import annotations

from typing import Final

from ledger.base import limits
from ledger.trade.record import Record, Status, SubjectKey
from ledger.trade.rules.outcomes import Outcome
from ledger.trade.rules.standing import (
    breach,
    claim,
    claimed_custody,
    contradict,
    effect,
    last_effect,
    note,
    obstacle,
)
from ledger.trade.rules.view import (
    Act,
    Decision,
    Leg,
    Situation,
    View,
    born,
    episode_key,
    freed,
    is_born,
    is_open,
    is_ownerless,
    situation,
)
from ledger.trade.statement import Role

PARENT_APPLIED: Final = (
    Outcome.CONTENTS_ADDED,
    Outcome.PARENT_BORN,
    Outcome.CONTENTS_REMOVED,
    Outcome.CLAIMED_CUSTODY,
)


def resealed(act: Act, record: Record) -> Record:
    """`record` with the seals that the event states, if it states any; that is an effect of its own."""
    if not act.statement.seals or act.statement.seals == record.seals:
        return record
    return record._replace(seals=act.statement.seals, last=None)


def pack_parent(act: Act, leg: Leg, view: View) -> Decision:
    """Row 6 for the container itself: unknown, it is born unattested in the signer's custody."""
    at = situation(view, leg.key)
    if not is_born(at.own):
        record = born(at.own)._replace(
            custodian=act.organisation, passed=act.sequence, seals=act.statement.seals
        )
        return Decision(Outcome.PARENT_BORN, record)
    return _parent_decision(act, at, view, Outcome.CONTENTS_ADDED)


def unpack_parent(act: Act, leg: Leg, view: View) -> Decision:
    """Row 7 for the container itself."""
    return _parent_decision(act, situation(view, leg.key), view, Outcome.CONTENTS_REMOVED)


def _parent_decision(act: Act, at: Situation, view: View, outcome: Outcome) -> Decision:
    if not is_open(at.own):
        return contradict(act, at, view)
    stopped = obstacle(act, at, view, inside=False)
    if stopped is not None:
        return stopped
    if at.custodian != act.organisation and not act.authority:
        return claim(act, at, view)
    return Decision(outcome, resealed(act, born(at.own)))


def custodian_of_parent(view: View, at: Situation) -> str | None:
    """The effective custodian of the container that the event names, as the event leaves it."""
    record = view.decision(at.key).record
    return at.custodian if at.ancestors and record.parent is not None else record.custodian


def pack_child(act: Act, leg: Leg, view: View) -> Decision:
    """Row 6 for what goes in: child -> parent, unless that makes a cycle or nests too deep."""
    at = situation(view, leg.key)
    parent_key = view.named(Role.PARENT)
    if parent_key is None or not is_open(at.own):
        return contradict(act, at, view)
    stopped = obstacle(act, at, view)
    if stopped is not None:
        return stopped
    if at.custodian != act.organisation and not is_ownerless(at.custodian) and not act.authority:
        return claim(act, at, view)
    parent = view.decision(parent_key)
    if parent.outcome in (Outcome.BREACH, Outcome.BREACH_CLAIMED_EARLIER):
        return breach(act, at, view)
    if parent.outcome not in PARENT_APPLIED:
        return note(act, at, view, Outcome.NOT_TOGETHER)
    holder = act.organisation if is_ownerless(at.custodian) else at.custodian
    parent_at = situation(view, parent_key)
    if custodian_of_parent(view, parent_at) != holder:  # row 24: an authority leaves custody as it is
        return contradict(act, at, view, Outcome.NOT_TOGETHER)
    return _pack(act, at, parent_at, view)


def _pack(act: Act, at: Situation, parent_at: Situation, view: View) -> Decision:
    line = parent_at.line
    if at.key in line:
        return note(act, at, view, Outcome.CYCLE)
    if len(line) + at.own.levels > limits.NESTING_LEVELS:
        return note(act, at, view, Outcome.TOO_DEEP)
    if at.parent == (parent_at.key,):
        return note(act, at, view, Outcome.OBSERVED)  # it is in there already
    claims = is_born(at.own) and is_ownerless(at.custodian)  # known, held by nobody: claimed, and packed
    outside = claimed_custody(act, at) if claims else freed(at)
    record = outside._replace(
        parent=parent_at.key.identifier,
        parent_generation=parent_at.own.generation,
        parent_since=act.sequence,
        offer=None,
        last=last_effect(act, at.own, 6),
    )
    return Decision(Outcome.PACKED, record, left=at.parent)


def unpack_child(act: Act, leg: Leg, view: View) -> Decision:
    """Row 7 for what comes out: freed in the root's custody. An unknown child is first seen as it comes out."""
    at = situation(view, leg.key)
    parent_key = view.named(Role.PARENT)
    if parent_key is None:
        return contradict(act, at, view)
    if not is_born(at.own):
        return _first_seen(act, at, parent_key, view)
    if at.parent != (parent_key,):
        return contradict(act, at, view)
    stopped = obstacle(act, at, view)
    if stopped is not None:
        return stopped
    if view.decision(parent_key).outcome not in PARENT_APPLIED:
        if at.custodian != act.organisation and not act.authority:
            return claim(act, at, view)
        return note(act, at, view, Outcome.NOT_TOGETHER)
    claims = is_ownerless(at.custodian) and not act.authority
    record = claimed_custody(act, at) if claims else freed(at)
    return Decision(Outcome.UNPACKED, effect(act, at.own, record, 7))


def _first_seen(act: Act, at: Situation, parent_key: SubjectKey, view: View) -> Decision:
    if view.decision(parent_key).outcome != Outcome.CONTENTS_REMOVED:
        return note(act, at, view, Outcome.OBSERVED)
    parent_at = situation(view, parent_key)
    inside = at._replace(ancestors=((parent_key, parent_at.own), *parent_at.ancestors))
    return Decision(Outcome.FIRST_SEEN_UNPACKED, freed(inside))


def unpack_all(act: Act, leg: Leg, view: View) -> Decision:
    """Row 8: everything comes out in one step."""
    at = situation(view, leg.key)
    if not is_open(at.own):
        return contradict(act, at, view)
    stopped = obstacle(act, at, view)
    if stopped is not None:
        return stopped
    if at.custodian != act.organisation and not act.authority:
        return claim(act, at, view)
    record, writes = emptied(act, at)
    record = record._replace(seals=act.statement.seals)
    return Decision(Outcome.UNPACKED_ALL, record._replace(last=None), writes=writes)


def emptied(act: Act, at: Situation) -> tuple[Record, tuple[tuple[SubjectKey, Record], ...]]:
    """(the container one generation on, with nothing inside; the episode record left behind)."""
    free = freed(at)
    episode = Record(
        status=Status.ENDED,
        custodian=at.custodian,
        claimed=at.root.claimed,
        passed=at.passed,
        handed=at.handed,
        parent=at.own.parent,
        generation=at.own.generation,
        children=at.own.children,
        unconfirmed=free.unconfirmed,
        holds=free.holds,
        inside=at.own.inside,
        bindings=free.bindings,
        lots=at.own.lots,
        moved=act.sequence,
    )
    record = born(at.own)._replace(generation=at.own.generation + 1, bindings=(), permits=())
    return record, ((episode_key(at.key.identifier, at.own.generation), episode),)
