"""What a rule may see: the act, its leg, records before the event, the registry (CUSTODY_RULES, preamble).

A decision about a subject depends on its own record, its parents' and ancestors', and the registry, never on its
siblings. Rules therefore read through a `View`; the executor's view notes what was read (that set is the related root),
and the offline verifier's view answers from records opened against that root. Both run the same rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

from ledger.base import limits
from ledger.trade.identifiers import Identifier, check_canonical
from ledger.trade.record import EMPTY, Binding, Hold, Record, Space, Status, SubjectKey
from ledger.trade.statement import Quantity, Statement

EXTERNAL: Final = "ext:"  # prefix of a custodian that is no member: goods that left to a canonical party
ANCESTOR: Final = 255  # role of a related subject that the event does not name


class Delegation(Protocol):
    """A delegate's bounds, as the registry has them."""

    @property
    def document(self) -> str:
        """The consignment's document."""

    @property
    def until_ms(self) -> int:
        """Until when (block time)."""


class Members(Protocol):
    """What rules ask of the registry, at the height of the block (`ledger.members.members`)."""

    def party(self, identifier: str) -> str | None:
        """The organisation that a canonical party stands for."""

    def grantee(self, digits: str) -> str | None:
        """Who holds the prefix that `digits` begin with."""

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


class Delta(NamedTuple):
    """What happens to the sums that an ancestor keeps of what lies below it."""

    key: SubjectKey
    children: int
    levels: int  # at least so many levels lie below now
    inside: tuple[tuple[str, int], ...]
    lots: tuple[str, ...] = ()  # lots that have a balance in it from now on


class Decision(NamedTuple):
    """What one leg comes to. `record`: after the event, chains untouched; `aside`: goes to the aside chain."""

    outcome: int
    record: Record
    aside: bool = False
    deltas: tuple[Delta, ...] = ()
    left: tuple[SubjectKey, ...] = ()  # parents that lose it without being named
    writes: tuple[tuple[SubjectKey, Record], ...] = ()


class View(Protocol):
    """Records before the event, what the event says of each, and the registry."""

    @property
    def members(self) -> Members:
        """The registry at the height of the block."""

    @property
    def documents(self) -> tuple[str, ...]:
        """Identifiers of the documents that the event binds (role DOCUMENT), sorted."""

    def record(self, key: SubjectKey) -> Record:
        """The record before the event (EMPTY if none)."""

    def role(self, key: SubjectKey) -> int:
        """The role by which the event names `key`, ANCESTOR if it does not."""

    def named(self, role: int) -> SubjectKey | None:
        """The one subject that the event names by `role` (parent, document of a handover ...), or None."""

    def balance(self, lot: str, role: int) -> SubjectKey | None:
        """The balance of `lot` that the event acts upon as source or destination (`rules.lots`), or None."""

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
        return self.root.custodian

    @property
    def whole(self) -> Iterator[Record]:
        """Its own record and those of all ancestors, nearest first."""
        yield self.own
        for _, record in self.ancestors:
            yield record


def episode_key(parent: str, generation: int) -> SubjectKey:
    """The permanent record that an unpack-all of `parent` left when its generation ended."""
    return SubjectKey(Space.EPISODE, parent, str(generation))


def thing(identifier: str) -> SubjectKey:
    """The key of an item, logistic unit, container or the like."""
    return SubjectKey(Space.THING, identifier)


def lot_key(identifier: str) -> SubjectKey:
    """The key of a lot as such."""
    return SubjectKey(Space.LOT, identifier)


def situation(view: View, key: SubjectKey) -> Situation:
    """Read a subject and its ancestors; a stale parent (unpacked all since) is resolved through its episode."""
    own, parent = _resolve(view, view.record(key))
    ancestors: list[tuple[SubjectKey, Record]] = []
    while parent is not None:
        parent_key, raw = parent
        record, parent = _resolve(view, raw)
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
    """A stale child, freed: it takes over custodian, holds, bindings and unconfirmed mark; its last effect is cleared."""
    return record._replace(
        parent=None,
        parent_generation=0,
        custodian=episode.custodian,
        claimed=episode.claimed,
        former=with_former(record, episode.custodian),
        holds=merge_holds(record.holds, episode.holds),
        bindings=merge_bindings(record.bindings, episode.bindings),
        unconfirmed=record.unconfirmed if episode.unconfirmed is None else episode.unconfirmed,
        last=None,
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
    known = {(hold.authority, hold.case) for hold in own}
    return own + tuple(hold for hold in inherited if (hold.authority, hold.case) not in known)


def merge_bindings(own: tuple[Binding, ...], inherited: tuple[Binding, ...]) -> tuple[Binding, ...]:
    """`own` and those of `inherited` to other documents, at most BINDINGS."""
    known = {binding.document for binding in own}
    return (own + tuple(binding for binding in inherited if binding.document not in known))[: limits.BINDINGS]


def is_ownerless(custodian: str | None) -> bool:
    """Whether nobody, or no member, holds it."""
    return custodian is None or custodian.startswith(EXTERNAL)


def is_born(record: Record) -> bool:
    """Whether anything was ever recorded of it."""
    return record.status != Status.UNBORN


def counts(holds: tuple[tuple[str, int], ...], sign: int) -> tuple[tuple[str, int], ...]:
    """Per-authority counts times `sign`."""
    return tuple((authority, sign * number) for authority, number in holds)


def held_by(record: Record) -> tuple[tuple[str, int], ...]:
    """Per authority: whether the record itself is held (1) plus how many held subjects lie inside."""
    totals = dict(record.inside)
    for authority in sorted({hold.authority for hold in record.holds}):
        totals[authority] = totals.get(authority, 0) + 1
    return tuple(sorted(totals.items()))


def leaving(at: Situation) -> tuple[Delta, ...]:
    """What the ancestors' sums lose when the subject leaves them."""
    return _moving(at.own, tuple(key for key, _ in at.ancestors), -1)


def entering(record: Record, ancestors: tuple[SubjectKey, ...]) -> tuple[Delta, ...]:
    """What the new ancestors' (nearest first) sums gain when `record` enters."""
    return _moving(record, ancestors, 1)


def freed(at: Situation, custodian: str | None) -> Record:
    """The subject outside of everything: the ancestors' holds, bindings and unconfirmed mark go with it."""
    record = at.own
    for _, ancestor in at.ancestors:
        record = record._replace(
            holds=merge_holds(record.holds, ancestor.holds),
            bindings=merge_bindings(record.bindings, ancestor.bindings),
            unconfirmed=record.unconfirmed or ancestor.unconfirmed,
        )
    return record._replace(
        parent=None,
        parent_generation=0,
        custodian=custodian,
        claimed=at.root.claimed,
        former=with_former(record, custodian),
    )


def unnamed_parent(at: Situation) -> tuple[SubjectKey, ...]:
    """The parent that loses the subject, for a link of its own if the event does not name it."""
    return (at.ancestors[0][0],) if at.ancestors else ()


def _moving(record: Record, ancestors: tuple[SubjectKey, ...], sign: int) -> tuple[Delta, ...]:
    inside = counts(held_by(record), sign)
    return tuple(
        Delta(key, sign if distance == 0 else 0, record.levels + 1 + distance if sign > 0 else 0, inside)
        for distance, key in enumerate(ancestors)
    )


def custodian_after(view: View, record: Record) -> str | None:
    """The effective custodian once the whole event is done, for a subject whose record is then `record`."""
    current = record
    for _ in range(limits.NESTING_LEVELS + 2):
        if current.parent is None:
            return current.custodian
        key = thing(current.parent)
        parent = view.record(key)
        if view.role(key) != ANCESTOR:
            decision = view.decision(key)
            parent = decision.record
            episode = episode_key(current.parent, current.parent_generation)
            for written, left_behind in decision.writes:
                if written == episode:  # this very event empties it
                    return left_behind.custodian
        if parent.generation != current.parent_generation:
            return view.record(episode_key(current.parent, current.parent_generation)).custodian
        current = parent
    return current.custodian
