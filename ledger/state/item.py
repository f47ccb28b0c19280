"""One item in execution: what the rules may see of it, and the changes their decisions make (PROTOCOL.md §7.3).

All legs are decided against the records as they stood before the item; no leg sees a sibling's outcome. What the rules
read on the way is the related set. Then, and only then, changes are written: links, records, the sums of ancestors, and
the records that rules leave behind.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, Protocol

from ledger.base import limits, merkle
from ledger.base.errors import Code, RuleError
from ledger.chain.transaction import Item
from ledger.members.members import Members
from ledger.state.links import (
    Entry,
    Link,
    counted,
    entry_hash,
    extended,
    linked,
    related_root,
    related_root_of,
    with_root,
)
from ledger.state.sums import is_summed, summed_up
from ledger.trade.record import Chain, Origin, Record, Space, SubjectKey
from ledger.trade.rules import (
    ANCESTOR,
    Act,
    Decision,
    Leg,
    Outcome,
    custodian_after,
    decide,
    legs_of,
)
from ledger.trade.rules.balances import debit
from ledger.trade.rules.documents import documents_of
from ledger.trade.rules.lots import SOURCE
from ledger.trade.rules.table import key_of
from ledger.trade.statement import Action, Role, Subject

_new: Final[Any] = tuple.__new__  # half the price of a call of the class, for what every leg makes
_BALANCE: Final = Space.BALANCE  # named once: a member of an enumeration costs a call of its metaclass
_LEG_ROLES: Final = (Role.OBJECT, Role.PARENT, Role.INPUT, Role.OUTPUT)
_LISTING: Final = (Action.BIND, Action.UNBIND, Action.TRANSFORM)


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
    """The rules' view of one item: reads are remembered, and so is what every leg asks anew."""

    __slots__ = (
        "_act", "_balances", "_decisions", "_documents", "_named", "_records", "_roles", "legs",
        "members", "reads",
    )  # fmt: skip

    def __init__(self, records: Records, members: Members, act: Act, subjects: tuple[Subject, ...]) -> None:
        self.members = members
        self.reads: dict[SubjectKey, Record] = {}
        self._records = records
        self._act = act
        self._documents: tuple[str, ...] | None = None
        named = [(key_of(subject.role, subject.identifier), subject) for subject in subjects]
        self._roles = {key: subject.role for key, subject in named}
        self._named: dict[int, SubjectKey] | None = None
        self._balances: dict[tuple[str, int], list[SubjectKey]] | None = None
        self._decisions: dict[SubjectKey, Decision] = {}
        self.legs = {leg.key: leg for leg in legs_of(act, named, self)}
        if len(self.legs) > len(named):  # roles of balances and transformations, which no subject has
            self._roles.update({key: leg.role for key, leg in self.legs.items()})
            self._named = None

    @property
    def documents(self) -> tuple[str, ...]:
        """The documents that the event names as such, sorted."""
        if self._documents is None:
            self._documents = documents_of(key for key, role in self._roles.items() if role == Role.DOCUMENT)
        return self._documents

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
        if self._named is None:
            lowest: dict[int, SubjectKey] = {}
            self._named = lowest
            for key, known in self._roles.items():
                if known not in lowest or key < lowest[known]:
                    lowest[known] = key
        return self._named.get(role)

    def balances(self, lot: str, role: int) -> tuple[SubjectKey, ...]:
        """The balances of `lot` acted upon in that role."""
        if self._balances is None:
            self._balances = {}
            for key in sorted(key for key in self.legs if key.space == _BALANCE):
                self._balances.setdefault((key.identifier, self.legs[key].role), []).append(key)
        return tuple(self._balances.get((lot, role), ()))

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

    Raises RuleError: limit if it touches more records, or sums up more authorities or lots, than the caps allow;
    duplicate_subject if it would move one balance twice.
    """
    view = ItemView(records, members, act, item.subjects)
    alone = _execute_alone(network, records, view, item, entry) if len(view.legs) == 1 else None
    return execute_legs(network, records, act, view, item, entry) if alone is None else alone


def _execute_alone(
    network: bytes, records: Records, view: ItemView, item: Item, entry: Entry
) -> ItemChanges | None:
    """What `execute_legs` does, for most events there are: one record, which stays where it is; None for any other."""
    ((key, leg),) = view.legs.items()
    decision = view.decision(key)
    if decision.aside or decision.left or decision.writes or is_summed(view, leg, decision):
        return None
    custodian = custodian_after(view, decision.record)
    related = _related(view, records)
    entry = with_root(entry, related_root_of(network, item.subject_salt, related))
    written = _Written(network, entry)
    written.link(key, view.record(key), decision.record, decision.outcome, custodian, aside=False)
    outcomes = ((key, decision.outcome),)
    return ItemChanges(
        entry, written.entry_hash, item, related, tuple(written.links), written.records, outcomes, ()
    )


def execute_legs(
    network: bytes, records: Records, act: Act, view: ItemView, item: Item, entry: Entry
) -> ItemChanges:
    """Decide all legs of an item, then write them."""
    decided = [(leg, view.decision(leg.key)) for leg in view.legs.values()]
    custodians = [
        custodian_after(view, view.record(leg.key) if decision.aside else decision.record)
        for leg, decision in decided
    ]
    left = [
        (key, custodian_after(view, view.record(key)))
        for key in dict.fromkeys([key for _, decision in decided for key in decision.left])
        if view.role(key) == ANCESTOR
    ]
    sums = summed_up(view, decided)
    related = _related(view, records)
    entry = with_root(entry, related_root_of(network, item.subject_salt, related))
    written = _Written(network, entry)
    for (leg, decision), custodian in zip(decided, custodians, strict=True):
        if not decision.aside or _may_report(records, act, leg.key, written.records):
            before = view.record(leg.key)
            written.link(leg.key, before, decision.record, decision.outcome, custodian, aside=decision.aside)
    for key, custodian in left:
        before = view.record(key)
        written.link(key, before, before, Outcome.CHILD_LEFT, custodian, aside=False)
    changes = written.records
    for key, summed in sums.items():
        changes[key] = summed.put_into(changes.get(key) or view.record(key))
    legs = _extend_legs(network, act, view, decided, changes)
    for leg, decision in decided:
        for key, record in decision.writes:
            ending = changes[leg.key]  # an episode ends with the link that ended it: proofs walk up to there
            changes[key] = record._replace(links=ending.links, moves=ending.moves)
    outcomes = tuple([(leg.key, decision.outcome) for leg, decision in decided])
    return ItemChanges(
        entry, written.entry_hash, item, related, tuple(written.links), changes, outcomes, legs
    )


class _Written:
    """The links of one item, and the records that got them."""

    def __init__(self, network: bytes, entry: Entry) -> None:
        self.entry_hash = entry_hash(network, entry)
        self.records: dict[SubjectKey, Record] = {}
        self.links: list[NewLink] = []
        self._network = network
        self._sequence = entry.sequence

    def link(
        self, key: SubjectKey, before: Record, after: Record, code: int, custodian: str | None, *, aside: bool
    ) -> None:
        """Append a link to a subject's main or aside chain."""
        link: Link = _new(Link, (self.entry_hash, code, custodian))
        record = linked(self._network, before, after, link, self._sequence, aside=aside)
        self.records[key] = record
        chain = record.asides if aside else record.links
        move = record.moves.length if record.moves != before.moves else 0
        self.links.append(_new(NewLink, (key, aside, chain.length, move, link)))


def _related(view: ItemView, records: Records) -> tuple[RelatedLeaf, ...]:
    if len(view.reads) > limits.RELATED_PER_EVENT:
        raise RuleError(
            Code.LIMIT, f"expected at most {limits.RELATED_PER_EVENT} related records, got {len(view.reads)}"
        )
    role, hash_of = view.role, records.hash_of
    return tuple(
        [
            _new(RelatedLeaf, (role(key), key, record, hash_of(key, record)))
            for key, record in sorted(view.reads.items(), key=_by_key)
        ]
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


def _extend_legs(
    network: bytes,
    act: Act,
    view: ItemView,
    decided: list[tuple[Leg, Decision]],
    changes: dict[SubjectKey, Record],
) -> tuple[tuple[SubjectKey, tuple[SubjectKey, int]], ...]:
    """A document or transformation keeps one element per subject of the event, in order of keys, to list them all."""
    if act.statement.action not in _LISTING:
        return ()
    gained: list[tuple[SubjectKey, tuple[SubjectKey, int]]] = []
    elements = sorted(
        (leg.key, int(decision.outcome))
        for leg, decision in decided
        if leg.role in _LEG_ROLES and leg.key.space in (Space.THING, Space.LOT)
    )
    for leg, decision in decided:
        if (
            leg.key.space not in (Space.DOCUMENT, Space.TRANSFORMATION)
            or leg.key not in changes
            or decision.aside
        ):
            continue
        record = changes[leg.key]
        chain: Chain = record.legs
        for element in elements:
            chain = extended(network, chain, element)
            gained.append((leg.key, element))
        record = record._replace(legs=chain)
        if leg.key.space == Space.TRANSFORMATION:
            record = record._replace(tally=_tallied(view, record.tally, decided))
        changes[leg.key] = record
    return tuple(gained)


def _tallied(
    view: ItemView, tally: tuple[int, int, int], decided: list[tuple[Leg, Decision]]
) -> tuple[int, int, int]:
    """A transformation's inputs consumed, recorded only, and unattested: of a lot, its quantity counts as one input."""
    consumed, recorded, unattested = tally
    used = {
        leg.key.identifier: (leg.key, leg.quantity, decision.outcome)
        for leg, decision in decided
        if leg.role == SOURCE and leg.quantity is not None
    }
    for leg, decision in decided:
        if leg.role != Role.INPUT:
            continue
        if leg.key.space == Space.LOT:
            is_consumed = is_attested = False
            if leg.key.identifier in used:
                balance, quantity, outcome = used[leg.key.identifier]
                moved = debit(view.record(balance).quantity, quantity)
                is_consumed = outcome in (Outcome.LOT_REDUCED, Outcome.LOT_EXCEEDED)
                is_attested = moved is not None and not moved.unattested
        else:
            is_consumed = decision.outcome == Outcome.CONSUMED
            is_attested = decision.record.origin == Origin.ATTESTED
        consumed += is_consumed
        recorded += not is_consumed
        unattested += not is_attested
    return consumed, recorded, unattested


def subjectless_changes(network: bytes, entry: Entry) -> ItemChanges:
    """Evidence and changes of epoch stand on the event log and touch no record."""
    entry = entry._replace(related_root=related_root(network, 0, counted(()), merkle.EMPTY_ROOT))
    return ItemChanges(entry, entry_hash(network, entry), None, (), (), {}, (), ())
