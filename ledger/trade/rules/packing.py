"""Rows 6, 7 and 8 (and 24 for an authority): into a container, out of it, everything out of it.

Packing and unpacking touch the child's record and only the sums of its ancestors. Unpacking all is one step however many
things are inside: a permanent episode record tells each stale child, when it is next touched, what became of it.
"""

from __future__ import annotations

from typing import Final

from ledger.base import limits
from ledger.trade.record import Origin, Record, Status, SubjectKey
from ledger.trade.rules.outcomes import Outcome
from ledger.trade.rules.standing import (
    born,
    breach,
    claim,
    contradict,
    effect,
    is_held_by_another,
    is_offered,
    note,
)
from ledger.trade.rules.view import (
    Act,
    Decision,
    Delta,
    Leg,
    Situation,
    View,
    counts,
    entering,
    episode_key,
    freed,
    is_born,
    is_ownerless,
    leaving,
    situation,
    unnamed_parent,
)
from ledger.trade.statement import Role

_PARENT_APPLIED: Final = (
    Outcome.CONTENTS_ADDED,
    Outcome.PARENT_BORN,
    Outcome.CONTENTS_REMOVED,
    Outcome.CLAIMED_CUSTODY,
)


def obstacle(act: Act, at: Situation, view: View, *, inside: bool = True) -> Decision | None:
    """What forbids to pack, unpack, transform or end the subject now: another's hold, or an open offer."""
    if is_held_by_another(act, at, view, inside=inside):
        return breach(act, at, view)
    if is_offered(act, at):
        return note(act, at, view, Outcome.OFFER_STANDS)
    return None


def pack_parent(act: Act, leg: Leg, view: View) -> Decision:
    """Row 6 for the container itself: unknown, it is born unattested in the signer's custody."""
    at = situation(view, leg.key)
    if not is_born(at.own):
        record = born(at.own)._replace(custodian=act.organisation, seals=act.statement.seals)
        return Decision(Outcome.PARENT_BORN, record)
    return _parent_decision(act, at, view, Outcome.CONTENTS_ADDED)


def unpack_parent(act: Act, leg: Leg, view: View) -> Decision:
    """Row 7 for the container itself."""
    return _parent_decision(act, situation(view, leg.key), view, Outcome.CONTENTS_REMOVED)


def _parent_decision(act: Act, at: Situation, view: View, outcome: Outcome) -> Decision:
    if at.own.status not in (Status.LIVE, Status.UNBORN):
        return contradict(act, at, view)
    stopped = obstacle(act, at, view, inside=False)
    if stopped is not None:
        return stopped
    if at.custodian != act.organisation and not act.authority:
        return claim(act, at)
    record = born(at.own)
    if act.statement.seals:
        record = record._replace(seals=act.statement.seals)
    return Decision(outcome, record)


def pack_child(act: Act, leg: Leg, view: View) -> Decision:
    """Row 6 for what goes in: child -> parent, unless that makes a cycle or nests too deep."""
    at = situation(view, leg.key)
    parent_key = view.named(Role.PARENT)
    if parent_key is None or at.own.status not in (Status.LIVE, Status.UNBORN):
        return contradict(act, at, view)
    stopped = obstacle(act, at, view)
    if stopped is not None:
        return stopped
    ownerless = is_ownerless(at.custodian) and not at.ancestors
    if at.custodian != act.organisation and not ownerless and not act.authority:
        return claim(act, at)
    if view.decision(parent_key).outcome not in _PARENT_APPLIED:
        return note(act, at, view, Outcome.NOT_TOGETHER)
    parent_at = situation(view, parent_key)
    if act.authority:  # row 24: custody unchanged, so it must be the same inside as outside
        is_new = view.decision(parent_key).outcome in (Outcome.PARENT_BORN, Outcome.CLAIMED_CUSTODY)
        around = act.organisation if is_new else parent_at.custodian
        if around != (act.organisation if ownerless else at.custodian):
            return contradict(act, at, view, Outcome.NOT_TOGETHER)
    return _pack(act, at, parent_at, view)


def _pack(act: Act, at: Situation, parent_at: Situation, view: View) -> Decision:
    line = (parent_at.key, *(key for key, _ in parent_at.ancestors))
    if at.key in line:
        return note(act, at, view, Outcome.CYCLE)
    if len(line) + at.own.levels > limits.NESTING_LEVELS:
        return note(act, at, view, Outcome.TOO_DEEP)
    if at.own.parent == parent_at.key.identifier and at.ancestors:
        return note(act, at, view, Outcome.OBSERVED)  # it is in there already
    outside = freed(at, at.custodian) if at.ancestors else born(at.own)
    record = outside._replace(
        parent=parent_at.key.identifier, parent_generation=parent_at.own.generation, offer=None
    )
    return Decision(
        Outcome.PACKED,
        effect(act, at, record, Outcome.PACKED, undoable=True),
        deltas=leaving(at) + entering(outside, line),
        left=unnamed_parent(at),
    )


def unpack_child(act: Act, leg: Leg, view: View) -> Decision:
    """Row 7 for what comes out: freed in the root's custody. An unknown child is first seen as it comes out."""
    at = situation(view, leg.key)
    parent_key = view.named(Role.PARENT)
    if parent_key is None:
        return contradict(act, at, view)
    parent_at = situation(view, parent_key)
    if not is_born(at.own):
        if view.decision(parent_key).outcome != Outcome.CONTENTS_REMOVED:
            return note(act, at, view, Outcome.OBSERVED)
        record = freed(
            Situation(at.key, at.own, ((parent_key, parent_at.own), *parent_at.ancestors)),
            parent_at.custodian,
        )
        return Decision(Outcome.FIRST_SEEN_UNPACKED, born(record)._replace(former=()))
    if not at.ancestors or at.ancestors[0][0] != parent_key:
        return contradict(act, at, view)
    stopped = obstacle(act, at, view)
    if stopped is not None:
        return stopped
    if view.decision(parent_key).outcome not in _PARENT_APPLIED:
        return (
            claim(act, at) if at.custodian != act.organisation else note(act, at, view, Outcome.NOT_TOGETHER)
        )
    record = freed(at, at.custodian)
    return Decision(
        Outcome.UNPACKED,
        effect(act, at, record, Outcome.UNPACKED, undoable=True),
        deltas=leaving(at),
    )


def unpack_all(act: Act, leg: Leg, view: View) -> Decision:
    """Row 8: everything comes out in one step."""
    at = situation(view, leg.key)
    if at.own.status not in (Status.LIVE, Status.UNBORN):
        return contradict(act, at, view)
    stopped = obstacle(act, at, view)
    if stopped is not None:
        return stopped
    if at.custodian != act.organisation and not act.authority:
        return claim(act, at)
    record, writes, deltas = emptied(at)
    if act.statement.seals:
        record = record._replace(seals=act.statement.seals)
    return Decision(
        Outcome.UNPACKED_ALL, effect(act, at, record, Outcome.UNPACKED_ALL), deltas=deltas, writes=writes
    )


def emptied(at: Situation) -> tuple[Record, tuple[tuple[SubjectKey, Record], ...], tuple[Delta, ...]]:
    """(the container one generation on, the episode record left behind, what its ancestors' sums lose)."""
    free = freed(at, at.custodian)
    episode = Record(
        status=Status.ENDED,
        origin=Origin.NONE,
        custodian=at.custodian,
        claimed=free.claimed,
        parent=at.own.parent,
        generation=at.own.generation,
        children=at.own.children,
        unconfirmed=free.unconfirmed,
        holds=free.holds,
        inside=at.own.inside,
        bindings=free.bindings,
        lots=at.own.lots,
        links=at.own.links,
        moves=at.own.moves,
    )
    record = born(at.own)._replace(
        generation=at.own.generation + 1,
        children=0,
        levels=0,
        inside=(),
        bindings=(),
        permits=(),
        lots=(),
    )
    inside = counts(at.own.inside, -1)
    deltas = tuple(Delta(key, 0, 0, inside) for key, _ in at.ancestors) if inside else ()
    return record, ((episode_key(at.key.identifier, at.own.generation), episode),), deltas
