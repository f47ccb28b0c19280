"""The custody rules re-run over one subject's whole chain, and over its containers while it was inside (PROOF.md §4).

The same replay serves both sides. The prover runs it over its stores, which tells exactly what a bundle has to hold; the
verifier runs it over the bundle. What it establishes for the subject asked for:

1. Its links, from the first to the last, fold into the chain heads of its certified record: nothing is missing.
2. Each link names an entry; the entry's item names the subject (or a child of it left); the rules, run again on the
   records certified before the event, give the link's outcome and custodian, and the next certified record.
3. While it was in a container, the container's moves between the two certified ends fold from one head to the other,
   each re-run in the same way, and so on outwards: a container's custody cannot have changed unseen.
4. The effective custodian before each event is the one after the last event shown: no change is unexplained.

Taken as certified, not re-derived: other subjects' records before an event, and the sums and member lists that a record
keeps of what lies below it (CERTIFIED_FIELDS).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol

from ledger.base.errors import Code, CustodyError, ProofError, SignatureError
from ledger.members.acts import check_may, custody_act
from ledger.members.members import Key, Members, Use
from ledger.state.approval import ACTIONS, Standing, approval_key, is_approved, standing_of
from ledger.state.block import SIGNING_USES, act_of
from ledger.state.links import COUNTED_ROLES, SUM_FIELDS, Entry, Link, extended, is_move, linked
from ledger.trade.record import EMPTY, Chain, Claim, Record, Space, SubjectKey
from ledger.trade.rules import ANCESTOR, Act, Decision, Leg, Outcome, check_entitled, custodian_after, decide
from ledger.trade.rules.documents import documents_of
from ledger.trade.rules.endings import transformation_key
from ledger.trade.rules.lots import DESTINATION, EMPTYING, SOURCE, lot_legs
from ledger.trade.rules.table import TRANSFORMATION, key_of
from ledger.trade.rules.view import Situation, episode_key, situation, thing
from ledger.trade.statement import Action, Role, Statement, Subject

# What has a chain of its own; other records (episodes, counters of devices and reports) are read beside it.
PROVABLE: Final = (
    Space.THING, Space.LOT, Space.BALANCE, Space.DOCUMENT, Space.TRANSFORMATION, Space.PLACE,
)  # fmt: skip
CERTIFIED_FIELDS: Final = (*SUM_FIELDS, "legs", "tally")
POLICIES_SINCE: Final = 2
"""Protocol version from which on policies exist: proofs of older ledgers hold no look-up of one."""
_CERTIFIED_INDEXES: Final = frozenset(Record._fields.index(name) for name in CERTIFIED_FIELDS)


class Opened(NamedTuple):
    """An item behind an entry, as far as it is shown; all of it already checked against the entry hash."""

    entry: Entry
    statement: Statement
    event_hash: bytes
    attested: bool
    """Whether a device attested to it; the signature was checked."""
    device_key: bytes | None
    subjects: tuple[Subject, ...]
    related: dict[SubjectKey, tuple[int, Record]]
    """Records before the event, with the role by which the event names each (ANCESTOR if not at all)."""
    named: tuple[int, ...]
    """How many records the rules read in each of COUNTED_ROLES, whether shown or not."""


class Evidence(Protocol):
    """What a replay reads: a prover's stores, or a bundle whose every part was checked."""

    network: bytes
    protocol: int
    """Protocol version of the checkpoint."""

    def current(self, key: SubjectKey) -> Record:
        """The record at the checkpoint, EMPTY if there is none."""

    def chain(self, key: SubjectKey, *, aside: bool) -> Sequence[Link]:
        """All links of the main or the aside chain."""

    def moves(self, key: SubjectKey, first: int, last: int) -> Sequence[Link]:
        """The moves number `first` .. `last` (from 1)."""

    def open(self, entry: bytes) -> Opened:
        """The item behind an entry."""

    def elements(self, key: SubjectKey) -> Sequence[tuple[SubjectKey, int]]:
        """All legs of a document or transformation: (subject, outcome code)."""

    def members(self, height: int) -> Members:
        """The registry as in force at `height`."""

    def use_subject(self, entry: bytes, subject: Subject) -> None:
        """The replay relies on this subject being named by the item."""

    def use_related(self, entry: bytes, key: SubjectKey) -> None:
        """The replay relies on this record as it stood before the item."""


class Step(NamedTuple):
    """One link of the subject, or one move of a container it was in, re-run."""

    key: SubjectKey
    link: Link
    opened: Opened
    act: Act
    signer: Key
    role: int
    before: Record
    after: Record
    aside: bool
    inside: bool
    """Whether this is a container's move while the subject asked for was inside."""
    approval: Standing | None = None
    """A person's approval of it, where the organisation's policy demanded one."""


class Replayed(NamedTuple):
    """A subject replayed: its certified record, and all steps in order of the ledger."""

    key: SubjectKey
    record: Record
    custodian: str | None
    """The effective custodian at the checkpoint."""
    whole: tuple[Record, ...]
    """Its record and those of its containers at the checkpoint, stale parents resolved."""
    containers: tuple[str, ...]
    """Identifiers of what it is in at the checkpoint, nearest first."""
    claims: tuple[tuple[int, Claim], ...]
    """Claims that stand at the checkpoint: on itself (0) and on what it is in (1 the nearest)."""
    steps: tuple[Step, ...]


def _refused(what: str) -> ProofError:
    return ProofError(Code.NOT_PROVEN, what)


class ReplayView:
    """The rules' view of an item of which only some records are shown; what it is asked for, it reports."""

    def __init__(self, evidence: Evidence, opened: Opened, act: Act, members: Members, link: Link) -> None:
        self.members = members
        self._opened = opened
        self._act = act
        self._used: Callable[[SubjectKey], None] = lambda key: evidence.use_related(link.entry, key)
        self._name: Callable[[Subject], None] = lambda subject: evidence.use_subject(link.entry, subject)
        self._decisions: dict[SubjectKey, Decision] = {}

    @property
    def documents(self) -> tuple[str, ...]:
        """The documents that the event names as such, sorted."""
        return documents_of(self._with_role(Role.DOCUMENT))

    def _with_role(self, role: int) -> list[SubjectKey]:
        """All keys of one of COUNTED_ROLES, ascending; ProofError if one is kept back."""
        keys = sorted(key for key, (known, _) in self._opened.related.items() if known == role)
        if len(keys) != self._opened.named[COUNTED_ROLES.index(role)]:
            raise ProofError(
                Code.INCOMPLETE,
                f"expected every {Role(role).name.lower()} that entry {self._opened.entry.sequence} names",
            )
        for key in keys:
            self._used(key)
        return keys

    def _shown(self, key: SubjectKey) -> tuple[int, Record]:
        found = self._opened.related.get(key)
        if found is None:
            raise ProofError(
                Code.INCOMPLETE,
                f"expected the record of {key.identifier} before entry {self._opened.entry.sequence}",
            )
        self._used(key)
        return found

    def record(self, key: SubjectKey) -> Record:
        """The record before the event; ProofError if it is not shown."""
        return self._shown(key)[1]

    def role(self, key: SubjectKey) -> int:
        """The role by which the event names `key`; ProofError if its record is not shown, which tells that too."""
        return self._shown(key)[0]

    def named(self, role: int) -> SubjectKey | None:
        """The subject named by `role`."""
        return next(iter(self._with_role(role)), None)

    def balances(self, lot: str, role: int) -> tuple[SubjectKey, ...]:
        """The balances of `lot` acted upon in that role, ascending.

        They follow from what the author says of the lot, save those of containers that the event empties: of these one
        that is kept back would leave another sum than the one certified.
        """
        subject = self._subject(lot)
        if subject is not None and self._act.statement.action not in EMPTYING:
            legs = lot_legs(self._act, subject.role, lot, subject.quantity, self)
            found = [leg.key for leg in legs if leg.role == role and self.role(leg.key) == role]
        else:
            found = [
                key
                for key, (known, _) in self._opened.related.items()
                if known == role and key.space == Space.BALANCE and key.identifier == lot
            ]
        for key in found:
            self._used(key)
        return tuple(sorted(found))

    def decision(self, key: SubjectKey) -> Decision:
        """What the event does to a key that it names, decided once."""
        found = self._decisions.get(key)
        if found is None:
            found = self._decisions[key] = decide(self._act, self.leg(key), self)
        return found

    def leg(self, key: SubjectKey) -> Leg:
        """The leg of a key that the event names, with its quantity from the subject shown."""
        role = self.role(key)
        if key.space not in (Space.LOT, Space.BALANCE):
            return Leg(key, role, None, key.identifier)  # the rules weigh quantities of lots only
        subject = self._subject(key.identifier)
        if subject is not None:
            return Leg(key, role, subject.quantity, key.identifier)
        return Leg(key, role, None, key.identifier)  # of a container that the event empties

    def _subject(self, identifier: str) -> Subject | None:
        subject = next((s for s in self._opened.subjects if s.identifier == identifier), None)
        if subject is not None:
            self._name(subject)
        return subject


class _Point(NamedTuple):
    """A place on the ledger at which records are certified: before an entry, or at the checkpoint (`opened` None)."""

    sequence: int
    entry: bytes | None
    opened: Opened | None


class Replay:
    """One subject's replay over some evidence. `moves`: containers' moves that other replays ran already."""

    def __init__(
        self, evidence: Evidence, key: SubjectKey, height: int, log_size: int, moves: dict[Any, Step]
    ) -> None:
        self._evidence = evidence
        self._network = evidence.network
        self._key = key
        self._height = height
        self._log_size = log_size
        self._moves = moves
        self._steps: list[Step] = []
        self._end = _Point(log_size, None, None)

    def run(self) -> Replayed:
        """Replay the whole chain; ProofError names what does not hold."""
        key, evidence = self._key, self._evidence
        final = evidence.current(key)
        steps = self._own_steps(final)
        points = [_Point(step.opened.entry.sequence, step.link.entry, step.opened) for step in steps]
        afters = [step.after for step in steps]
        self._steps += steps
        for place, after in enumerate(afters):
            following = points[place + 1] if place + 1 < len(points) else self._end
            self._walk_parent(after, points[place], following)
        ordered = tuple(sorted(self._steps, key=lambda step: (step.opened.entry.sequence, step.inside)))
        view = _CurrentView(evidence, self._height)
        at = situation(view, key)
        self._check_custodians(steps, ordered, at.custodian)
        containers = tuple(above.identifier for above, _ in at.ancestors)
        return Replayed(key, final, at.custodian, tuple(at.whole), containers, _claims(at), ordered)

    # --- the subject's own chain

    def _own_steps(self, final: Record) -> list[Step]:
        evidence, key = self._evidence, self._key
        main, asides = evidence.chain(key, aside=False), evidence.chain(key, aside=True)
        self._check_fold(main, Chain(0, EMPTY.links.head), final.links, "history")
        self._check_fold(asides, Chain(0, EMPTY.asides.head), final.asides, "third-party reports")
        opened = [(evidence.open(link.entry), link, False) for link in main]
        opened += [(evidence.open(link.entry), link, True) for link in asides]
        opened.sort(key=lambda shown: shown[0].entry.sequence)
        steps: list[Step] = []
        record, last = EMPTY, -1
        for item, link, aside in opened:
            if item.entry.sequence <= last:
                raise _refused("expected each entry to stand once and in order")
            last = item.entry.sequence
            step = self._rerun(key, link, item, record, aside=aside, inside=False)
            steps.append(step)
            record = step.after
        _check_same(record, final, "the certified record at the checkpoint")
        return steps

    def _check_fold(self, links: Sequence[Link], start: Chain, end: Chain, what: str) -> None:
        chain = start
        for link in links:
            chain = extended(self._network, chain, link)
        if chain != end:
            raise ProofError(
                Code.NOT_PROVEN,
                f"expected the {what} to fold into the certified head of {end.length} links, it does not",
            )

    def _rerun(
        self, key: SubjectKey, link: Link, item: Opened, expected: Record | None, *, aside: bool, inside: bool
    ) -> Step:
        """Run the rules again for one link; `expected`: the record the previous step left, None if unknown."""
        entry = item.entry
        if entry.height > self._height or entry.sequence >= self._log_size:
            raise _refused(f"expected entries up to height {self._height}, got one of height {entry.height}")
        members = self._evidence.members(entry.height)
        signer = _signer(members, item)
        act = act_of(members, item.statement, item.event_hash, entry, signer)
        view = ReplayView(self._evidence, item, act, members, link)
        before = view.record(key)
        if expected is not None:
            _check_same(expected, before, f"the record certified before entry {entry.sequence}")
        role = view.role(key)
        try:
            if act.statement.action != Action.MISMATCH:
                check_may(custody_act(act.statement.action), signer.use, is_authority=act.authority)
                check_entitled(act, (), allow_persons=True)
            if role == ANCESTOR:
                decision = Decision(Outcome.CHILD_LEFT, before)
            else:
                self._check_named(key, role, act, item, link)
                decision = view.decision(key)
            custodian = custodian_after(view, before if decision.aside else decision.record)
        except ProofError:
            raise
        except CustodyError as error:
            raise _refused(f"expected rules that accept entry {entry.sequence}: {error.message}") from None
        if (decision.outcome, custodian, decision.aside) != (link.code, link.custodian, aside):
            raise _refused(
                f"expected outcome {int(decision.outcome)} and custodian {custodian} of entry {entry.sequence},"
                f" got {link.code} and {link.custodian}"
            )
        after = linked(self._network, before, decision.record, link, entry.sequence, aside=aside)
        approval = _approval(self._evidence, members, item)
        return Step(key, link, item, act, signer, role, before, after, aside, inside, approval)

    def _check_named(self, key: SubjectKey, role: int, act: Act, item: Opened, link: Link) -> None:
        """The item must name the subject in that role, by a leaf the author signed."""
        if role == TRANSFORMATION:
            if key != transformation_key(act):
                raise _refused("expected the transformation that the event states, got another")
            return
        emptied = role in (SOURCE, DESTINATION) and act.statement.action in EMPTYING
        subject = next((s for s in item.subjects if s.identifier == key.identifier), None)
        if subject is None:
            if emptied:
                return
            raise _refused(
                f"expected entry {item.entry.sequence} to name {key.identifier}, it is not shown to"
            )
        self._evidence.use_subject(link.entry, subject)
        if role not in (SOURCE, DESTINATION) and (
            subject.role != role or key_of(role, subject.identifier) != key
        ):
            raise _refused(
                f"expected the role of {key.identifier} in entry {item.entry.sequence} to be the author's"
            )

    # --- containers

    def _at(self, point: _Point, key: SubjectKey) -> Record:
        """The record of `key` certified at that point."""
        if point.opened is None or point.entry is None:
            return self._evidence.current(key)
        found = point.opened.related.get(key)
        if found is None:
            raise ProofError(
                Code.INCOMPLETE,
                f"expected the record of container {key.identifier} at entry {point.sequence}",
            )
        self._evidence.use_related(point.entry, key)
        return found[1]

    def _walk_parent(self, record: Record, start: _Point, end: _Point) -> None:
        """Walk the container that `record` is in from the event at `start` to the next certified point."""
        if record.parent is None:
            return
        parent = thing(record.parent)
        first = self._at(start, parent)
        if first.generation != record.parent_generation:
            return  # it was emptied before: the subject is out, in the custody that the episode names
        last = self._at(end, parent)
        emptied = last.generation != record.parent_generation
        if emptied:
            last = self._at(end, episode_key(record.parent, record.parent_generation))
        self._walk(parent, first, start, last, end, emptied=emptied)

    def _walk(
        self, key: SubjectKey, first: Record, start: _Point, last: Record, end: _Point, *, emptied: bool
    ) -> None:
        """Re-run the moves of a container from `first` to `last` (or to the episode that it left), and of what it is in."""
        links = self._evidence.moves(key, first.moves.length + 1, last.moves.length)
        self._check_fold(links, first.moves, last.moves, f"moves of {key.identifier}")
        record, point = first, start
        for link in links:
            item = self._evidence.open(link.entry)
            if not point.sequence <= item.entry.sequence <= end.sequence:
                raise _refused("expected a container's moves in the order of the ledger")
            step = self._move(key, link, item)
            if is_move(record, step.before):
                raise _refused(f"expected no change of {key.identifier} between its moves, there is one")
            here = _Point(item.entry.sequence, link.entry, item)
            if here.entry != point.entry:
                self._walk_parent(record, point, here)
            self._steps.append(step)
            record, point = step.after, here
        if not emptied:
            if is_move(record, last):
                raise _refused(f"expected no change of {key.identifier} after its moves, there is one")
            self._walk_parent(record, point, end)

    def _move(self, key: SubjectKey, link: Link, item: Opened) -> Step:
        """One move of a container, run once however many subjects were inside."""
        step = self._moves.get((key, link))
        if step is None:
            step = self._rerun(key, link, item, None, aside=False, inside=True)
            if not is_move(step.before, step.after):
                raise _refused("expected only moves in a chain of moves")
            self._moves[key, link] = step
        return step

    # --- custodians

    def _check_custodians(self, own: list[Step], ordered: Sequence[Step], final: str | None) -> None:
        """The custodian before each of its events, and at the checkpoint, is the one after the last event shown."""
        custodian, shown = None, iter((*ordered, None))
        upcoming = next(shown)
        for step in (*own[1:], None):
            before = self._log_size if step is None else step.opened.entry.sequence
            while upcoming is not None and upcoming.opened.entry.sequence < before:
                custodian, upcoming = upcoming.link.custodian, next(shown)
            certified = final if step is None else self._custodian_before(step)
            if own and custodian != certified:
                raise _refused(
                    f"expected the custodian at event {before} to be explained by the events shown: {certified}"
                )

    def _custodian_before(self, step: Step) -> str | None:
        """The effective custodian before an event of the subject, from the records certified there."""
        point = _Point(step.opened.entry.sequence, step.link.entry, step.opened)
        record = step.before
        while record.parent is not None:
            parent = self._at(point, thing(record.parent))
            if parent.generation != record.parent_generation:
                return self._at(point, episode_key(record.parent, record.parent_generation)).custodian
            record = parent
        return record.custodian


def _claims(at: Situation) -> tuple[tuple[int, Claim], ...]:
    """What `Situation.claims` says of the subject and of each of its containers."""
    inner = enumerate(((at.key, at.own), *at.ancestors))
    return tuple(
        (place, claim)
        for place, (key, record) in inner
        for claim in Situation(key, record, at.ancestors[place:]).claims
    )


def _signer(members: Members, item: Opened) -> Key:
    """The key that signed the transaction, if it may sign for the organisation; likewise the device that attested."""
    entry = item.entry
    signer = members.key(entry.public_key)
    if signer is None or signer.organisation != entry.organisation or signer.use not in SIGNING_USES:
        raise _refused(
            f"expected the key of entry {entry.sequence} to be registered for {entry.organisation} to sign"
        )
    _check_in_force(signer, entry)
    if item.device_key is not None:
        device = members.key(item.device_key)
        if device is None or (device.organisation, device.use) != (entry.organisation, Use.DEVICE):
            raise _refused(
                f"expected the device of entry {entry.sequence} to be registered for {entry.organisation}"
            )
        _check_in_force(device, entry)
    return signer


def _approval(evidence: Evidence, members: Members, item: Opened) -> Standing | None:
    """The approval of an act that its organisation's policy had a person approve; ProofError where none is proven."""
    act = ACTIONS.get(Action(item.statement.action))
    if (
        act is None
        or evidence.protocol < POLICIES_SINCE
        or act not in members.policy(item.entry.organisation)
    ):
        return None
    record = evidence.current(approval_key(item.entry.item_hash, item.entry.organisation))
    if not is_approved(record, item.entry):
        raise _refused(f"expected a person's approval of entry {item.entry.sequence}, as its policy demands")
    return standing_of(record)


def _check_in_force(key: Key, entry: Entry) -> None:
    try:
        key.check_in_force(entry.time_ms)
    except SignatureError as error:
        raise _refused(f"entry {entry.sequence}: {error.message}") from None


def _check_same(one: Record, other: Record, what: str) -> None:
    """Raise unless two records agree in everything but CERTIFIED_FIELDS."""
    for index, (left, right) in enumerate(zip(one, other, strict=True)):
        if left != right and index not in _CERTIFIED_INDEXES:
            raise _refused(
                f"expected {what} to follow from the events shown, {Record._fields[index]} does not"
            )


class _CurrentView:
    """A view of the records at the checkpoint, for reading the situation there."""

    def __init__(self, evidence: Evidence, height: int) -> None:
        self.members = evidence.members(height)
        self._evidence = evidence

    @property
    def documents(self) -> tuple[str, ...]:
        """No event binds anything."""
        return ()

    def record(self, key: SubjectKey) -> Record:
        """The record at the checkpoint."""
        return self._evidence.current(key)

    def role(self, key: SubjectKey) -> int:  # noqa: ARG002 - no event
        """No event names it."""
        return ANCESTOR

    def named(self, role: int) -> SubjectKey | None:  # noqa: ARG002
        """No event names anything."""
        return None

    def balances(self, lot: str, role: int) -> tuple[SubjectKey, ...]:  # noqa: ARG002
        """No event names anything."""
        return ()

    def decision(self, key: SubjectKey) -> Decision:
        """Nothing is decided at a checkpoint."""
        raise _refused(f"expected no decision about {key.identifier} outside an event")


def replay(
    evidence: Evidence, key: SubjectKey, height: int, log_size: int, moves: dict[Any, Step] | None = None
) -> Replayed:
    """Replay one subject up to the checkpoint; ProofError names what does not hold.

    Several replays over the same evidence share `moves`, so that a container's moves are run once.
    """
    return Replay(evidence, key, height, log_size, {} if moves is None else moves).run()


def check_legs(network: bytes, record: Record, elements: Sequence[tuple[Any, int]]) -> None:
    """Raise unless `elements` (key, outcome code) are all legs of a document or transformation, in order."""
    chain = EMPTY.legs
    for element in elements:
        chain = extended(network, chain, element)
    if chain != record.legs:
        raise _refused(f"expected the list of all {record.legs.length} subjects, it is not that")
