"""One item in execution: what the rules may see of it, and the changes their decisions make (PROTOCOL.md §7.3).

All legs are decided against the records as they stood before the item; no leg sees a sibling's outcome. What the rules
read on the way is the related set. Then, and only then, changes are written: links, records, the sums of ancestors, and
the records that rules leave behind.
"""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

from ledger.base import limits, merkle
from ledger.base.errors import Code, RuleError
from ledger.chain.transaction import Item
from ledger.members.members import Members
from ledger.state.links import (
    Entry,
    Link,
    entry_hash,
    extended,
    linked,
    related_leaf,
    related_root,
    related_salt,
)
from ledger.trade.record import Chain, Origin, Record, Space, SubjectKey
from ledger.trade.rules import (
    ANCESTOR,
    Act,
    Decision,
    Leg,
    Outcome,
    custodian_after,
    decide,
    is_applied,
    legs_of,
)
from ledger.trade.rules.table import key_of
from ledger.trade.statement import Action, Role, Subject


class Records(Protocol):
    """Where records are read during execution."""

    def record(self, key: SubjectKey) -> Record:
        """The record now, EMPTY if none."""

    def hash_of(self, key: SubjectKey, record: Record) -> bytes:
        """The hash of the record now under `key`."""


class RelatedLeaf(NamedTuple):
    """One record that the rules read for an item, as it stood before."""

    role: int
    key: SubjectKey
    record: Record
    record_hash: bytes


class NewLink(NamedTuple):
    """A link to append to a subject's chain: number `position` (from 1) of its main or aside chain."""

    key: SubjectKey
    aside: bool
    position: int
    move: int  # position in the moves chain if it is a move, else 0
    link: Link


class ItemChanges(NamedTuple):
    """All that one item changes."""

    entry: Entry
    entry_hash: bytes
    item: Item | None  # None for evidence
    related: tuple[RelatedLeaf, ...]
    links: tuple[NewLink, ...]
    records: dict[SubjectKey, Record]
    outcomes: tuple[tuple[SubjectKey, int], ...]
    legs: tuple[tuple[SubjectKey, tuple[SubjectKey, int]], ...]
    """What documents and transformations (first) gained: (subject, outcome code)."""


class ItemView:
    """The rules' view of one item: reads are remembered."""

    def __init__(self, records: Records, members: Members, act: Act, subjects: tuple[Subject, ...]) -> None:
        self.members = members
        self.reads: dict[SubjectKey, Record] = {}
        self._records = records
        self._act = act
        self._roles = {key_of(subject.role, subject.identifier): subject.role for subject in subjects}
        self._decisions: dict[SubjectKey, Decision] = {}
        self.documents = tuple(sorted(s.identifier for s in subjects if s.role == Role.DOCUMENT))
        self.legs = {leg.key: leg for leg in legs_of(act, subjects, self)}
        self._roles.update({key: leg.role for key, leg in self.legs.items()})

    def record(self, key: SubjectKey) -> Record:
        """The record before the event; remembered as read."""
        found = self.reads.get(key)
        if found is None:
            found = self.reads[key] = self._records.record(key)
        return found

    def role(self, key: SubjectKey) -> int:
        """The role by which the event names `key`."""
        return self._roles.get(key, ANCESTOR)

    def named(self, role: int) -> SubjectKey | None:
        """The subject named by `role`, the lowest key if there are several."""
        return min((key for key, known in self._roles.items() if known == role), default=None)

    def balance(self, lot: str, role: int) -> SubjectKey | None:
        """The balance of `lot` acted upon in that role."""
        for key, leg in self.legs.items():
            if leg.role == role and key.space == Space.BALANCE and key.identifier == lot:
                return key
        return None

    def decision(self, key: SubjectKey) -> Decision:
        """What the event does to a key that it names, decided once."""
        found = self._decisions.get(key)
        if found is None:
            found = self._decisions[key] = decide(self._act, self.legs[key], self)
        return found


def execute_item(
    network: bytes,
    records: Records,
    members: Members,
    act: Act,
    item: Item,
    entry: Entry,
) -> ItemChanges:
    """Decide and write one item; `entry` still lacks its related root.

    Raises RuleError(limit) if it touches more records, or sums up more authorities, than the caps allow.
    """
    view = ItemView(records, members, act, item.subjects)
    decided = [(leg, view.decision(leg.key)) for leg in view.legs.values()]
    custodians = [custodian_after(view, decision.record) for _, decision in decided]
    before = {
        key: view.record(key) for _, decision in decided for key in (*decision.left, *_summed(decision))
    }
    related = _related(view, records)
    leaves = [
        related_leaf(
            network, related_salt(network, item.subject_salt, leaf.key), leaf.role, leaf.key, leaf.record_hash
        )
        for leaf in related
    ]
    entry = entry._replace(related_root=related_root(network, len(leaves), merkle.root(leaves)))
    hashed = entry_hash(network, entry)
    changes: dict[SubjectKey, Record] = {}
    links: list[NewLink] = []

    def write(
        key: SubjectKey, old: Record, new: Record, code: int, custodian: str | None, *, aside: bool
    ) -> None:
        link = Link(hashed, code, custodian)
        changes[key] = record = linked(network, old, new, link, entry.sequence, aside=aside)
        chain = record.asides if aside else record.links
        move = record.moves.length if record.moves != old.moves else 0
        links.append(NewLink(key, aside, chain.length, move, link))

    for (leg, decision), custodian in zip(decided, custodians, strict=True):
        if decision.aside and not _may_report(records, act, leg.key, changes):
            continue
        write(
            leg.key, view.record(leg.key), decision.record, decision.outcome, custodian, aside=decision.aside
        )
    for key in dict.fromkeys(key for _, decision in decided for key in decision.left):
        if key not in changes:
            write(
                key,
                before[key],
                before[key],
                Outcome.CHILD_LEFT,
                custodian_after(view, before[key]),
                aside=False,
            )
    _sum_up(view, decided, changes)
    legs = _extend_legs(network, act, decided, changes)
    for leg, decision in decided:
        for key, record in decision.writes:
            if (
                key.space == Space.EPISODE
            ):  # the episode ends with the link that ended it: proofs walk up to there
                ending = changes[leg.key]
                changes[key] = record._replace(links=ending.links, moves=ending.moves)
                continue
            changes[key] = record
    outcomes = tuple((leg.key, decision.outcome) for leg, decision in decided)
    return ItemChanges(entry, hashed, item, related, tuple(links), changes, outcomes, legs)


def _summed(decision: Decision) -> tuple[SubjectKey, ...]:
    return tuple(delta.key for delta in decision.deltas)


def _related(view: ItemView, records: Records) -> tuple[RelatedLeaf, ...]:
    if len(view.reads) > limits.RELATED_PER_EVENT:
        raise RuleError(
            Code.LIMIT, f"expected at most {limits.RELATED_PER_EVENT} related records, got {len(view.reads)}"
        )
    return tuple(
        RelatedLeaf(view.role(key), key, record, records.hash_of(key, record))
        for key, record in sorted(view.reads.items(), key=_by_key)
    )


def _by_key(pair: tuple[SubjectKey, Record]) -> SubjectKey:
    return pair[0]


def report_key(organisation: str, key: SubjectKey) -> SubjectKey:
    """The counter of asides by one organisation about one record."""
    return SubjectKey(Space.REPORTS, f"{key.space}|{key.holder}|{key.identifier}", organisation)


def _may_report(records: Records, act: Act, key: SubjectKey, changes: dict[SubjectKey, Record]) -> bool:
    """Count one more aside of the signer about `key`; False once its cap is reached."""
    counter = report_key(act.organisation, key)
    record = changes.get(counter) or records.record(counter)
    if record.children >= limits.ASIDES_PER_ORGANISATION:
        return False
    changes[counter] = record._replace(children=record.children + 1)
    return True


def _sum_up(view: ItemView, decided: list[tuple[Leg, Decision]], changes: dict[SubjectKey, Record]) -> None:
    """Add what happened below to the ancestors' sums; nothing leaves a container that this event empties anyhow."""
    emptied = {
        leg.key for leg, decision in decided if decision.record.generation != view.record(leg.key).generation
    }  # any order: membership only
    for _, decision in decided:
        for delta in decision.deltas:
            if delta.key in emptied:
                break
            record = changes.get(delta.key) or view.record(delta.key)
            inside = dict(record.inside)
            for authority, number in delta.inside:
                inside[authority] = inside.get(authority, 0) + number
            kept = tuple(sorted((authority, number) for authority, number in inside.items() if number))
            if len(kept) > limits.HELD_INSIDE_AUTHORITIES:
                raise RuleError(
                    Code.LIMIT, f"expected at most {limits.HELD_INSIDE_AUTHORITIES} authorities inside"
                )
            children = record.children + delta.children
            changes[delta.key] = record._replace(
                children=children,
                levels=max(record.levels, delta.levels) if children else 0,
                inside=kept,
                lots=record.lots + tuple(lot for lot in delta.lots if lot not in record.lots),
            )


_LEG_ROLES: Final = (Role.OBJECT, Role.PARENT, Role.INPUT, Role.OUTPUT)


def _extend_legs(
    network: bytes, act: Act, decided: list[tuple[Leg, Decision]], changes: dict[SubjectKey, Record]
) -> tuple[tuple[SubjectKey, tuple[SubjectKey, int]], ...]:
    """A document or transformation keeps one element per subject of the event, so that it can list them all."""
    if act.statement.action not in (Action.BIND, Action.UNBIND, Action.TRANSFORM):
        return ()
    gained: list[tuple[SubjectKey, tuple[SubjectKey, int]]] = []
    elements = [
        (leg, decision)
        for leg, decision in decided
        if leg.role in _LEG_ROLES and leg.key.space in (Space.THING, Space.LOT)
    ]
    for leg, decision in decided:
        if (
            leg.key.space not in (Space.DOCUMENT, Space.TRANSFORMATION)
            or leg.key not in changes
            or decision.aside
        ):
            continue
        record = changes[leg.key]
        chain: Chain = record.legs
        consumed, recorded, unattested = record.tally
        for element, outcome in elements:
            chain = extended(network, chain, (element.key, outcome.outcome))
            gained.append((leg.key, (element.key, int(outcome.outcome))))
            if element.role == Role.INPUT:
                consumed += is_applied(outcome.outcome)
                recorded += not is_applied(outcome.outcome)
                unattested += outcome.record.origin != Origin.ATTESTED
        changes[leg.key] = record._replace(legs=chain, tally=(consumed, recorded, unattested))
    return tuple(gained)


def evidence_changes(network: bytes, entry: Entry) -> ItemChanges:
    """Evidence stands on the event log and touches no record."""
    entry = entry._replace(related_root=related_root(network, 0, merkle.EMPTY_ROOT))
    return ItemChanges(entry, entry_hash(network, entry), None, (), (), {}, (), ())
