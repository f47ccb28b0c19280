"""What a rule may see: the act, its leg, records before the event, the registry (CUSTODY_RULES, preamble).

A decision about a subject depends on its own record, its parents' and ancestors', and the registry, never on its
siblings. Rules therefore read through a `View`; the executor's view notes what was read (that set is the related root),
and the offline verifier's view answers from records opened against that root. Both run the same rules.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, NamedTuple, Protocol

from ledger.base import limits
from ledger.trade.identifiers import Identifier, check_canonical
from ledger.trade.record import (
    EMPTY,
    Binding,
    Claim,
    Hold,
    Origin,
    Record,
    Space,
    Status,
    SubjectKey,
    Unconfirmed,
)
from ledger.trade.statement import Quantity, Statement

EXTERNAL: Final = "ext:"  # prefix of a custodian that is no member: goods that left to a canonical party
ANCESTOR: Final = 255  # role of a related subject that the event does not name
_new: Final[Any] = tuple.__new__  # half the price of a call of the class
# An enumeration's member costs a call of its metaclass each time it is named: those of every leg are named once.
_UNBORN: Final = Status.UNBORN
_OPEN: Final = (Status.LIVE, Status.UNBORN)
_THING: Final = Space.THING


class Delegation(Protocol):
    """A delegate's bounds, as the registry has them."""

    @property
    def document(self) -> str:
        """The consignment's document."""

    @property
    def until_ms(self) -> int:
        """Until when (block time)."""


class Members(Protocol):
    """What rules ask of the registry, at the height of the block."""

    def party(self, identifier: str) -> str | None:
        """The organisation that a canonical party stands for."""

    def grantee(self, digits: str) -> str | None:
        """Who holds the prefix that `digits` begin with."""

    def is_licensed(self, digits: str, organisation: str, time_ms: int) -> bool:
        """Whether the holder of the prefix that `digits` begin with licensed `organisation` at this block time."""

    def issuer(self, part: str) -> str | None:
        """The organisation that owns documents with this issuer part."""

    def is_same_authority(self, signer: str, authority: str) -> bool:
        """Whether `signer` is the authority or its successor."""


class Act(NamedTuple):
    """One item in execution: what is said, by whom, when, and what the registry makes of its parties."""

    statement: Statement
    event: bytes  # event hash
    organisation: str
    delegation: Delegation | None
    time_ms: int  # block time
    sequence: int  # position in the event log
    receiver: str | None  # organisation of the counterparty
    sender: str | None  # organisation of the source
    authority: bool  # the signer is a customs authority with jurisdiction over the place


class Leg(NamedTuple):
    """One record that an item acts upon."""

    key: SubjectKey
    role: int
    quantity: Quantity | None
    identifier: str  # of the subject that names it (a lot names several records)


class Decision(NamedTuple):
    """What one leg comes to. `record`: after the event, chains and sums untouched; `aside`: to the aside chain."""

    outcome: int
    record: Record
    aside: bool = False
    left: tuple[SubjectKey, ...] = ()  # parents whose contents change without their being named
    writes: tuple[tuple[SubjectKey, Record], ...] = ()


class View(Protocol):
    """Records before the event, what the event says of each, and the registry."""

    @property
    def members(self) -> Members:
        """The registry at the height of the block."""

    @property
    def documents(self) -> tuple[str, ...]:
        """Identifiers of the documents that the event names as such (`documents_of` what it names by role DOCUMENT), sorted."""

    def record(self, key: SubjectKey) -> Record:
        """The record before the event (EMPTY if none)."""

    def role(self, key: SubjectKey) -> int:
        """The role by which the event names `key`, ANCESTOR if it does not."""

    def named(self, role: int) -> SubjectKey | None:
        """The one subject that the event names by `role` (parent, lot of serials), the lowest if several, or None."""

    def balances(self, lot: str, role: int) -> tuple[SubjectKey, ...]:
        """The balances of `lot` that the event acts upon as source or destination (`rules.lots`), ascending."""

    def decision(self, key: SubjectKey) -> Decision:
        """What the event does to a key that it names."""


@lru_cache(maxsize=1 << 16)
def identify(text: str) -> Identifier:
    """What a canonical identifier is; FormError if `text` is not canonical. Pure, so remembering is safe."""
    return check_canonical(text)


class Situation(NamedTuple):
    """A subject before the event, with stale parents resolved."""

    key: SubjectKey
    own: Record
    ancestors: tuple[tuple[SubjectKey, Record], ...]  # nearest first, each resolved
    lot: Record = EMPTY  # the lot a serial or a balance comes from: its recalls count as holds above

    @property
    def root(self) -> Record:
        """The outermost container's record, or its own."""
        return self.ancestors[-1][1] if self.ancestors else self.own

    @property
    def custodian(self) -> str | None:
        """The effective custodian."""
        return self.ancestors[-1][1].custodian if self.ancestors else self.own.custodian

    @property
    def whole(self) -> tuple[Record, ...]:
        """Its own record and those of all ancestors, nearest first."""
        return (self.own, *[record for _, record in self.ancestors]) if self.ancestors else (self.own,)

    @property
    def line(self) -> tuple[SubjectKey, ...]:
        """Its own key and those of all ancestors, nearest first."""
        return (self.key, *[key for key, _ in self.ancestors]) if self.ancestors else (self.key,)

    @property
    def passed(self) -> int:
        """Sequence of the entry by which its custody passed last, by itself or inside of what it was in then."""
        return self._last("passed") if self.ancestors else self.own.passed

    @property
    def handed(self) -> int:
        """The same for a handover that both sides signed."""
        return self._last("handed") if self.ancestors else self.own.handed

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Its open claims: those that no handover signed by both sides has overtaken."""
        if not self.own.claims:
            return ()
        handed = self.handed
        return tuple(claim for claim in self.own.claims if claim.sequence > handed)

    def _last(self, field: str) -> int:
        """The latest of a field of sequences, of ancestors only as far as it was inside of them then."""
        found, below, since = int(getattr(self.own, field)), self.own, 0
        for _, record in self.ancestors:
            since = max(since, below.parent_since)
            sequence = int(getattr(record, field))
            if sequence > since:
                found = max(found, sequence)
            below = record
        return found

    @property
    def mark(self) -> Unconfirmed | None:
        """The unconfirmed taking that bears on it: of itself or of what it was in then, if the taker still holds it."""
        marks, below, since = [self.own.unconfirmed], self.own, 0
        for _, record in self.ancestors:
            since = max(since, below.parent_since)
            if record.unconfirmed is not None and record.unconfirmed.sequence > since:
                marks.append(record.unconfirmed)
            below = record
        for mark in marks:
            if mark is not None and mark.taker == self.custodian and mark.sequence >= self.passed:
                return mark
        return None

    @property
    def parent(self) -> tuple[SubjectKey, ...]:
        """The key of what it is in, if anything."""
        return (self.ancestors[0][0],) if self.ancestors else ()


def episode_key(parent: str, generation: int) -> SubjectKey:
    """The permanent record that an unpack-all of `parent` left when its generation ended."""
    return SubjectKey(Space.EPISODE, parent, str(generation))


def thing(identifier: str) -> SubjectKey:
    """The key of an item, logistic unit, container or the like."""
    return SubjectKey(_THING, identifier)


def lot_key(identifier: str) -> SubjectKey:
    """The key of a lot as such."""
    return SubjectKey(Space.LOT, identifier)


def situation(view: View, key: SubjectKey) -> Situation:
    """Read a subject and its ancestors; a stale parent (unpacked all since) is resolved through its episode."""
    raw = view.record(key)
    if raw.parent is None and raw.source is None:
        alone: Situation = _new(Situation, (key, raw, (), EMPTY))
        return alone
    own, parent = _resolve(view, raw)
    ancestors: list[tuple[SubjectKey, Record]] = []
    while parent is not None:
        parent_key, above = parent
        record, parent = _resolve(view, above)
        ancestors.append((parent_key, record))
    lot = view.record(lot_key(own.source[1:])) if own.source is not None and own.source[0] == "|" else EMPTY
    return Situation(key, own, tuple(ancestors), lot)


def _resolve(view: View, record: Record) -> tuple[Record, tuple[SubjectKey, Record] | None]:
    """(record with a stale parent resolved, its live parent's key and raw record or None)."""
    if record.parent is None:
        return record, None
    parent_key = thing(record.parent)
    parent = view.record(parent_key)
    if parent.generation == record.parent_generation:
        return record, (parent_key, parent)
    episode = view.record(episode_key(record.parent, record.parent_generation))
    return after_unpack_all(record, episode), None


def after_unpack_all(record: Record, episode: Record) -> Record:
    """A stale child, freed: what held it goes with it; its last effect is cleared, and it counts as moved since."""
    inside = Situation(thing(""), record, ((thing(""), episode),))
    return freed(inside)._replace(last=None, moved=max(record.moved, episode.moved))


def born(record: Record) -> Record:
    """The record once anything is known of the subject: live, origin unattested."""
    if is_born(record):
        return record
    return record._replace(status=Status.LIVE, origin=Origin.UNATTESTED)


def freed(at: Situation) -> Record:
    """The subject outside of everything, in the root's custody: holds, bindings and the unconfirmed mark go with it.

    Claims older than a handover by both sides that it went through inside have lapsed.
    """
    record = born(at.own)
    if not at.ancestors:
        return record
    passed, custodian = at.passed, at.custodian
    holds, bindings = record.holds, record.bindings
    for _, ancestor in at.ancestors:
        holds = merge_holds(holds, ancestor.holds)
        bindings = merge_bindings(bindings, ancestor.bindings)
    changed = passed > record.passed or custodian != record.custodian
    return record._replace(
        holds=holds,
        bindings=bindings,
        parent=None,
        parent_generation=0,
        parent_since=0,
        custodian=custodian,
        claimed=at.root.claimed if changed else record.claimed,
        former=with_former(record, custodian),
        passed=passed,
        handed=at.handed,
        claims=at.claims,
        unconfirmed=at.mark,
    )


def with_former(record: Record, successor: str | None) -> tuple[str, ...]:
    """`former` once custody passes from the record's custodian to `successor`."""
    previous = record.custodian
    if previous is None or previous == successor:
        return record.former
    kept = [organisation for organisation in record.former if organisation != previous]
    return (*kept, previous)[-limits.FORMER_CUSTODIANS :]


def merge_holds(own: tuple[Hold, ...], inherited: tuple[Hold, ...]) -> tuple[Hold, ...]:
    """`own` and those of `inherited` that are not among them (same authority and case)."""
    if not inherited:
        return own
    known = {(hold.authority, hold.case) for hold in own}
    return own + tuple(hold for hold in inherited if (hold.authority, hold.case) not in known)


def merge_bindings(own: tuple[Binding, ...], inherited: tuple[Binding, ...]) -> tuple[Binding, ...]:
    """`own` and `inherited`, each document once in its latest generation; at most BINDINGS, the inherited give way."""
    if not inherited:
        return own
    merged = {binding.document: binding for binding in own}
    for binding in inherited:
        known = merged.get(binding.document)
        if known is None or known.generation < binding.generation:
            merged[binding.document] = binding
    return tuple(merged.values())[: limits.BINDINGS]


def is_ownerless(custodian: str | None) -> bool:
    """Whether nobody, or no member, holds it."""
    return custodian is None or custodian.startswith(EXTERNAL)


def is_born(record: Record) -> bool:
    """Whether anything was ever recorded of it."""
    return record.status != _UNBORN


def is_open(record: Record) -> bool:
    """Whether it is live, or nothing was ever recorded of it: not consumed, not ended."""
    return record.status in _OPEN


def held_by(record: Record) -> tuple[tuple[str, int], ...]:
    """Per authority: whether the record itself is held (1) plus how many held subjects lie inside."""
    return held_with(record.holds, record.inside)


def held_with(holds: tuple[Hold, ...], inside: tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], ...]:
    """The same of a record with these holds, and so many held subjects inside."""
    if not holds:
        return inside
    totals = dict(inside)
    for authority in sorted({hold.authority for hold in holds}):
        totals[authority] = totals.get(authority, 0) + 1
    return tuple(sorted(totals.items()))


def custodian_after(view: View, record: Record) -> str | None:
    """The effective custodian once the whole event is done, for a subject whose record is then `record`."""
    current = record
    while current.parent is not None:
        key = thing(current.parent)
        parent = view.record(key)
        written: dict[SubjectKey, Record] = {}
        if view.role(key) != ANCESTOR:
            decision = view.decision(key)
            if not decision.aside:
                parent, written = decision.record, dict(decision.writes)
        if parent.generation != current.parent_generation:
            episode = episode_key(current.parent, current.parent_generation)
            return (written[episode] if episode in written else view.record(episode)).custodian
        current = parent
    return current.custodian
