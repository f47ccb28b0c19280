"""What proves the history below a snapshot: entries, items, former records and links (PROTOCOL.md §9).

A node that joined from a snapshot executes at once; proofs it makes only when it has everything that came before. Each
piece is proven by what is certified, so that it does not matter who sent it:

    entries         one part of the event log       proven by the manifest's node above them
    item, related   of one entry                    proven by the entry's item hash and related root
    former record   named by a related leaf         proven by that hash
    links           of one subject: main, moves,    proven by counts and heads in its record at the checkpoint, folded
                    asides and legs                 wholly

Invariant: nothing is left out. Every entry below the log's size, every record that a related root names, every link that
a record counts is asked for, and a subject's chain that is shorter, longer or in another order does not give its head.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ledger.base import limits, merkle
from ledger.base.encoding import take_array, take_ascii, take_bool, take_bytes, take_int
from ledger.base.errors import Code, CustodyError, ProofError
from ledger.base.hashing import HASH_BYTES, ZERO_HASH
from ledger.chain.transaction import Item, item_from_wire, item_hash
from ledger.state.links import (
    CUSTODIAN_BYTES,
    Entry,
    Link,
    counted,
    entry_from_wire,
    entry_hash,
    extended,
    related_leaf,
    related_root,
    related_salt,
)
from ledger.state.snapshot import Manifest, log_part
from ledger.trade.record import Chain, Record, Space, Status, SubjectKey, state_key

_EMPTY = Chain(0, ZERO_HASH)
Related = tuple[tuple[int, SubjectKey, bytes], ...]
"""(role, key, record hash) of every record that the rules read for an item."""


class StoredLink(NamedTuple):
    """One link as it is kept, with what it added to the legs of its subject."""

    sequence: int
    code: int
    custodian: str | None
    is_move: bool
    legs: tuple[tuple[SubjectKey, int], ...] = ()


class SubjectLinks(NamedTuple):
    """Everything that hangs on one record. `owner`: the subject, needed where it has legs."""

    owner: SubjectKey | None
    links: tuple[StoredLink, ...]
    asides: tuple[StoredLink, ...]


def check_entries(network: bytes, manifest: Manifest, index: int, value: Any) -> tuple[Entry, ...]:
    """The entries of one part of the event log; ProofError."""
    places = log_part(manifest.checkpoint.outcome.event_log_size, index)
    try:
        entries = tuple(entry_from_wire(member) for member in take_array(value, "entries", len(places)))
    except CustodyError as error:
        raise ProofError(Code.NOT_PROVEN, f"entries from {places.start}: {error.message}") from None
    root = merkle.root([entry_hash(network, entry) for entry in entries])
    if root != manifest.log[index]:
        raise ProofError(
            Code.NOT_PROVEN,
            f"entries from {places.start}: expected those under their node of the event log, got others",
        )
    return entries


def check_item(
    network: bytes, entry: Entry, item_value: Any, related_value: Any
) -> tuple[Item | None, Related]:
    """The item behind an entry and what the rules read for it; ProofError. No item: evidence."""
    try:
        related = tuple(_related_from_wire(member) for member in take_array(related_value, "related"))
        item = None if item_value is None else item_from_wire(item_value)
    except CustodyError as error:
        raise ProofError(Code.NOT_PROVEN, f"item {entry.sequence}: {error.message}") from None
    if item is not None and (item_hash(network, item) != entry.item_hash or not related):
        raise ProofError(
            Code.NOT_PROVEN, f"item {entry.sequence}: expected the item that the entry names, got another"
        )
    if item is None and related:
        raise ProofError(Code.NOT_PROVEN, f"item {entry.sequence}: expected an item, got none")
    salt = b"" if item is None else item.subject_salt
    leaves = [
        related_leaf(network, related_salt(network, salt, key), role, key, hashed)
        for role, key, hashed in related
    ]
    named = counted(role for role, _, _ in related)
    if related_root(network, len(leaves), named, merkle.root(leaves)) != entry.related_root:
        raise ProofError(
            Code.NOT_PROVEN, f"item {entry.sequence}: expected all records that were read for it, got others"
        )
    return item, related


def _related_from_wire(value: Any) -> tuple[int, SubjectKey, bytes]:
    role, key, hashed = take_array(value, "related", 3)
    return take_int(role, "role", 0, 255), _key_from_wire(key), take_bytes(hashed, "record hash", HASH_BYTES)


def _key_from_wire(value: Any) -> SubjectKey:
    space, identifier, holder = take_array(value, "subject", 3)
    take_int(space, "space", 0, max(Space))
    return SubjectKey(space, _text(identifier), _text(holder))


def _text(value: Any) -> str:
    return take_ascii(value, "identifier", 2 * limits.IDENTIFIER_BYTES, least=0)


def links_from_wire(value: Any) -> tuple[StoredLink, ...]:
    """Links as they travel; FormError."""
    links = []
    for member in take_array(value, "links", most=limits.LINKS_PER_FETCH):
        sequence, code, custodian, is_move, legs_value = take_array(member, "link", 5)
        legs = []
        for pair in take_array(legs_value, "legs", most=limits.RELATED_PER_EVENT):
            key, outcome = take_array(pair, "leg", 2)
            legs.append((_key_from_wire(key), take_int(outcome, "code", 0, 100_000)))
        links.append(
            StoredLink(
                take_int(sequence, "sequence"),
                take_int(code, "code", 0, 100_000),
                None if custodian is None else take_ascii(custodian, "custodian", CUSTODIAN_BYTES),
                take_bool(is_move, "is move"),
                tuple(legs),
            )
        )
    return tuple(links)


def owner_from_wire(value: Any) -> SubjectKey | None:
    """A subject or nil; FormError."""
    return None if value is None else _key_from_wire(value)


def check_links(
    network: bytes,
    key: bytes,
    record: Record,
    shown: SubjectLinks,
    hash_of_entry: Callable[[int], bytes | None],
) -> None:
    """Raise ProofError unless these are all links, moves, asides and legs of the record under state key `key`.

    `hash_of_entry` gives the hash of a checked entry by its sequence.
    """
    links = moves = legs = _EMPTY
    for one in shown.links:
        link = _link(one, hash_of_entry)
        links = extended(network, links, link)
        if one.is_move:
            moves = extended(network, moves, link)
        for leg in one.legs:
            legs = extended(network, legs, leg)
    asides = _EMPTY
    for one in shown.asides:
        asides = extended(network, asides, _link(one, hash_of_entry))
    wanted = ("links", record.links, links), ("moves", record.moves, moves), ("asides", record.asides, asides)
    for name, certified, found in (*wanted, ("legs", record.legs, legs)):
        if certified != found:
            raise ProofError(
                Code.NOT_PROVEN,
                f"{name} of {key.hex()[:16]}: expected the {certified.length} that its record certifies, got others",
            )
    if legs.length and (shown.owner is None or state_key(network, shown.owner) != key):
        raise ProofError(Code.NOT_PROVEN, f"legs of {key.hex()[:16]}: expected the subject they belong to")


def _link(one: StoredLink, hash_of_entry: Callable[[int], bytes | None]) -> Link:
    entry = hash_of_entry(one.sequence)
    if entry is None:
        raise ProofError(Code.NOT_PROVEN, f"link: expected the sequence of an entry, got {one.sequence}")
    return Link(entry, one.code, one.custodian)


def is_episode(network: bytes, key: bytes, record: Record, identifiers: Sequence[str]) -> bool:
    """Whether the record is an episode: it repeats the heads of its container and has no links of its own.

    `identifiers` are the subjects of the item at sequence `record.moved`, which left it behind.
    """
    if record.status != Status.ENDED or not record.links.length:
        return False
    generation = str(record.generation)
    return any(state_key(network, SubjectKey(Space.EPISODE, name, generation)) == key for name in identifiers)
