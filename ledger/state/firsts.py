"""The first that is heard of a thing, for which the rules are asked once for all things alike (PROTOCOL.md §7.3).

Most items of a block make or observe one thing that no record is of. What the rules then come to depends on the statement
but for its time, on who says it, on the block, and on the kind and company prefix of the identifier; of the item itself
they only note its place in the event log and its event hash. So, when a block says the same a second time, they are asked once,
with marks in these two places, and what they say is written down for this and every such item after it with its own values where
the marks stand, in the encoding too.

Invariant: what comes of it is what `execute_item` gives (tests/properties/test_firsts.py). Whatever is not so plain, a refusal
included, is left to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from ledger.base.encoding import encode, encoder
from ledger.base.errors import CustodyError, FormError
from ledger.base.hashing import ZERO_HASH, Tag
from ledger.chain.transaction import Item, Transaction
from ledger.members.members import Members
from ledger.state.item import ItemChanges, ItemView, NewLink, RelatedLeaf
from ledger.state.links import SALT_BYTES, Entry, Link, counted, is_move
from ledger.state.pending import Pending, Room
from ledger.state.state import LedgerState
from ledger.state.sums import is_summed
from ledger.trade.identifiers import plain_class
from ledger.trade.record import EMPTY, Chain, LastEffect, Record, Space, SubjectKey
from ledger.trade.rules import Act, custodian_after
from ledger.trade.rules.table import key_of
from ledger.trade.rules.view import identify
from ledger.trade.statement import Action, Role, Statement, Subject

Ask = Callable[[Statement, tuple[Subject, ...], bytes, int], Act]
"""The act that an item is, by (statement, subjects, event hash, place in the event log); a CustodyError where it may not be."""

_sha256 = hashlib.sha256
_new: Final[Any] = tuple.__new__
_FIRST: Final = (int(Action.MAKE), int(Action.OBSERVE))
_OBJECT: Final = int(Role.OBJECT)
_THING: Final = Space.THING
_TIME: Final = Statement._fields.index("time_ms")
_LAST, _LINKS, _MOVES = (Record._fields.index(name) for name in ("last", "links", "moves"))
_HASH_HEAD: Final = b"\xc4\x20"
_ONE_OBJECT: Final = encode((1, counted([_OBJECT]), None))[:-1]
"""How the encoding begins that a related root over one record is over."""
_SEQUENCE: Final = (1 << 64) - 1
_EVENT: Final = bytes([0xEE]) * 32
_HEAD: Final = bytes([0xDD]) * 32
_MARKS: Final = (_SEQUENCE, _EVENT, _HEAD)
"""What stands for the values of an item. Of what equals one and is not it, too, nothing is said of things alike."""


class First(NamedTuple):
    """What the rules come to for things alike."""

    outcome: int
    custodian: str | None
    record: Record
    """After it, with marks."""
    sequences: tuple[int, ...]
    """Which of its fields are the place in the event log."""
    pieces: tuple[bytes, ...]
    """Its encoding, cut at every mark, which is left out."""
    marks: tuple[int, ...]
    """Which of _MARKS stands after each piece but the last."""
    link: bytes
    """How the encoding of the link ends, after the entry hash."""


def first_of(members: Members, act: Act, subject: Subject) -> First | None:
    """What the rules come to for an act with marks upon a thing that no record is of; None where that is not so plain."""
    view = ItemView(_Unheard(), members, act, (subject,))
    if len(view.legs) != 1:
        return None
    ((key, leg),) = view.legs.items()
    decision = view.decision(key)
    if decision.aside or decision.left or decision.writes or is_summed(view, leg, decision):
        return None
    custodian = custodian_after(view, decision.record)
    if list(view.reads) != [key]:
        return None
    decided, chain, moves = decision.record, Chain(1, _HEAD), is_move(EMPTY, decision.record)
    record = (
        decided._replace(links=chain, moves=chain, moved=_SEQUENCE)
        if moves
        else decided._replace(links=chain)
    )
    pieces, marks = _cut(record)
    sequences = tuple([place for place, value in enumerate(record) if value is _SEQUENCE])
    last = record.last
    noted = 0 if last is None else 1
    if last is not None and not (last.sequence is _SEQUENCE and last.event is _EVENT):
        return None
    if [marks.count(mark) for mark in range(3)] != [len(sequences) + noted, noted, 1 + moves]:
        return None
    ending = encode((decision.outcome, custodian))[1:]
    return First(int(decision.outcome), custodian, record, sequences, pieces, marks, ending)


_ONCE: Final = First(0, None, EMPTY, (), (), (), b"")
"""Stands where something was said of one thing only so far: most that is said of one thing is said of no other."""


class _Unheard:
    """Records of which there is none."""

    def record(self, _key: SubjectKey) -> Record:
        """No record."""
        return EMPTY

    def hash_of(self, _key: SubjectKey, _record: Record) -> bytes:
        """Nobody asks for it."""
        return ZERO_HASH


def _cut(value: Any) -> tuple[tuple[bytes, ...], tuple[int, ...]]:
    """The encoding of a value, cut at its marks, and which they are."""
    pieces, marks = [b""], list[int]()
    for part in _parts(value, encoder()):
        if isinstance(part, bytes):
            pieces[-1] += part
        else:
            marks.append(part)
            pieces.append(b"")
    return tuple(pieces), tuple(marks)


def _parts(value: Any, pack: Callable[[Any], bytes]) -> Iterator[bytes | int]:
    """The encoding of a value in pieces; a number for each mark."""
    if value in _MARKS:
        yield _MARKS.index(value)
    elif isinstance(value, tuple):
        nothing = (None,) * len(value)
        yield pack(nothing)[: -len(nothing) or None]  # how an array of that length begins
        for member in value:
            yield from _parts(member, pack)
    else:
        yield pack(value)


class Firsts:
    """Executes, in one block, the items that are the first heard of a thing."""

    def __init__(self, state: LedgerState, pending: Pending, room: Room, members: Members) -> None:
        network = state.network
        self._state = state
        self._pending = pending
        self._room = room
        self._members = members
        self._known: dict[tuple[Any, ...], dict[Any, First | None]] = {}
        """By who says what, its time left out, and then by what kind of identifier it is said of."""
        self._who: tuple[Any, ...] = ()
        self._said: Statement | None = None
        """What was said last,"""
        self._of_said: dict[Any, First | None] = {}
        """and what is known of it."""
        self._pack = encoder()
        self._salt = Tag.RELATED_SALT + network + b"\x92\xc4\x10"
        self._leaf = Tag.RELATED_LEAF + network + b"\x94\xc4\x10"
        self._after_key = _HASH_HEAD + state.empty_hash
        self._root = Tag.RELATED_ROOT + network + _ONE_OBJECT + _HASH_HEAD
        self._entry = Tag.ENTRY + network + b"\x99"
        self._head = Tag.CHAIN_HEAD + network + ZERO_HASH + b"\x93" + _HASH_HEAD
        self._record = Tag.RECORD + network

    def begin(
        self,
        transaction: Transaction,
        signed: tuple[int, int, str, bytes, bytes],
        who: tuple[Any, ...],
        ask: Ask,
    ) -> None:
        """The items of a transaction come next. `signed`: what their entries end with, less the root; `who`: all that `ask` knows of its signer."""
        self._transaction = transaction
        self._signed = signed[:-1]
        self._ask = ask
        if who != self._who:
            self._who, self._said = who, None
        self._of_transaction = b""

    def execute(self, place: int, sequence: int) -> ItemChanges | None:
        """What the item at `place` changes, room for its record taken; None for any that `execute_item` is to execute."""
        item = self._transaction.event(place)
        if len(item.subjects) != 1 or item.attestation is not None:
            return None
        subject = item.subjects[0]
        if subject.role != _OBJECT or subject.quantity is not None or item.statement.action not in _FIRST:
            return None
        text, state = subject.identifier, self._state
        kind: tuple[Any, ...] | str | None = plain_class(text)
        if kind is None:  # none that is seen to be a thing, and of which kind and company prefix
            try:
                kind = identify(text)[1:]
            except FormError:
                return None
            if key_of(_OBJECT, text).space != _THING:
                return None
        key: SubjectKey = _new(SubjectKey, (_THING, text, ""))
        if key in self._pending.changes or state.remembers(key):
            return None
        packed = self._pack(key)
        found = state.state_key_by(key, packed)
        index, size, is_there = state.tree.find(found)
        first = None if is_there else self._first(item, subject, kind)
        if first is None:
            return None
        self._room.take_new(key, index, size)
        return self._written(first, item, key, packed, found, place, sequence)

    def _first(self, item: Item, subject: Subject, kind: tuple[Any, ...] | str) -> First | None:
        statement = item.statement
        if statement is not self._said and statement != self._said:
            said = (*statement[:_TIME], *statement[_TIME + 1 :], *self._who)
            self._said, self._of_said = statement, self._known.setdefault(said, {})
        known = self._of_said
        if kind not in known:
            known[kind] = _ONCE
            return None
        found = known[kind]
        if found is _ONCE:
            try:
                act = self._ask(statement, item.subjects, _EVENT, _SEQUENCE)
                found = known[kind] = first_of(self._members, act, subject)
            except CustodyError:  # whoever executes it alone says so
                found = known[kind] = None
        return found

    def _written(
        self,
        first: First,
        item: Item,
        key: SubjectKey,
        packed: bytes,
        state_key: bytes,
        place: int,
        sequence: int,
    ) -> ItemChanges:
        """`execute_item`'s writing, with everything that is the same of all made before."""
        pack, transaction = self._pack, self._transaction
        if not self._of_transaction:
            self._of_transaction = pack(transaction.id)
            self._of_signed = b"".join(map(pack, self._signed)) + _HASH_HEAD
        hashed, number, event = transaction.item_hashes[place], pack(sequence), item.event_hash
        salt = _sha256(self._salt + item.subject_salt + packed).digest()[:SALT_BYTES]
        leaf = _sha256(self._leaf + salt + b"\0" + packed + self._after_key).digest()
        root = _sha256(self._root + _sha256(b"\0" + leaf).digest()).digest()
        encoded = number + _HASH_HEAD + hashed + self._of_transaction + pack(place) + self._of_signed + root
        entry_hash = _sha256(self._entry + encoded).digest()
        entry = _new(Entry, (sequence, hashed, transaction.id, place, *self._signed, root))
        head = _sha256(self._head + entry_hash + first.link).digest()
        chain = _new(Chain, (1, head))
        record = _filled(first, sequence, event, chain)
        own = number, _HASH_HEAD + event, _HASH_HEAD + head
        data = _spliced(first, own)
        self._state.note_made(key, record, _sha256(self._record + data).digest(), data, state_key)
        link = _new(
            NewLink,
            (key, False, 1, record.moves.length, _new(Link, (entry_hash, first.outcome, first.custodian))),
        )
        related = _new(RelatedLeaf, (_OBJECT, key, EMPTY, self._state.empty_hash))
        changes: ItemChanges = _new(
            ItemChanges,
            (entry, entry_hash, item, (related,), (link,), {key: record}, ((key, first.outcome),), ()),
        )
        return changes


def _filled(first: First, sequence: int, event: bytes, chain: Chain) -> Record:
    """The record with an item's own values."""
    fields = list(first.record)
    for field in first.sequences:
        fields[field] = sequence
    last = first.record.last
    if last is not None:
        fields[_LAST] = _new(LastEffect, (sequence, event, *last[2:]))
    fields[_LINKS] = chain
    if first.record.moves.length:
        fields[_MOVES] = chain
    record: Record = _new(Record, fields)
    return record


def _spliced(first: First, own: tuple[bytes, ...]) -> bytes:
    """The encoding of `_filled`, by the encodings of an item's own values."""
    parts = [b""] * (2 * len(first.marks) + 1)
    parts[::2] = first.pieces
    parts[1::2] = [own[mark] for mark in first.marks]
    return b"".join(parts)
