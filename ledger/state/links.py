"""What an item leaves behind for good: an entry, a link per subject, and the related root (DESIGN §4 Entry, Link).

    entry = [sequence, item hash, transaction id, place in it, height, time_ms, organisation, public key, related root]
    link  = [entry hash, outcome code, effective custodian]
    head' = H(head || link)

`sequence` is the entry's index in the event log, so it orders all entries of the ledger. The *related root* is over one
salted leaf for every record that the rules read for the item, as it stood before the item, in ascending order of key:
`[salt, role, key, record hash]`, where role is the one by which the event names the subject, or 255 for an ancestor that
it does not name. An offline verifier opens only the leaves of its own subject. So that none can be kept from it, the root
also binds how many leaves there are, and how many of each role that rules ask for without knowing the key
(COUNTED_ROLES): a parent, a lot or a document left out of a proof is missed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

from ledger.base import limits, merkle
from ledger.base.encoding import encode, encoder, take_array, take_ascii, take_bytes, take_int
from ledger.base.errors import Code, FormError
from ledger.base.hashing import HASH_BYTES, Tag, tagged_hash
from ledger.trade.record import Chain, Record, SubjectKey
from ledger.trade.rules import is_applied
from ledger.trade.statement import Role

SALT_BYTES: Final = 16
COUNTED_ROLES: Final = (Role.PARENT, Role.DOCUMENT, Role.LOT)
CUSTODIAN_BYTES: Final = limits.IDENTIFIER_BYTES + 8
# The tags as plain bytes: these hashes are made for every event, and looking a member of an enumeration up is a fifth of one.
_SALT, _LEAF, _ROOT = bytes(Tag.RELATED_SALT), bytes(Tag.RELATED_LEAF), bytes(Tag.RELATED_ROOT)
_ENTRY, _HEAD = bytes(Tag.ENTRY), bytes(Tag.CHAIN_HEAD)
_sha256 = hashlib.sha256
_new: Final[Any] = tuple.__new__


class Entry(NamedTuple):
    """One executed item on the event log."""

    sequence: int
    item_hash: bytes
    transaction: bytes
    place: int  # of the item in its transaction
    height: int
    time_ms: int  # block time
    organisation: str
    public_key: bytes
    related_root: bytes


class Link(NamedTuple):
    """One element of a subject's chain."""

    entry: bytes
    code: int
    custodian: str | None


Related = tuple[int, SubjectKey, Record, bytes]
"""A record read for an item, as it stood before: (role, key, record, record hash)."""


def with_root(entry: Entry, root: bytes) -> Entry:
    """The entry with its related root."""
    whole: Entry = _new(Entry, (*entry[:-1], root))
    return whole


def entry_hash(network: bytes, entry: Entry) -> bytes:
    """The hash of an entry: what links name and the event log's leaves are."""
    return _sha256(_ENTRY + network + encode(entry)).digest()


def extended(network: bytes, chain: Chain, element: Any) -> Chain:
    """The chain with one more element (a Link; for `legs` chains a (key, code) pair)."""
    return Chain(chain.length + 1, tagged_hash(Tag.CHAIN_HEAD, network, chain.head + encode(element)))


def related_salt(network: bytes, subject_salt: bytes, key: SubjectKey) -> bytes:
    """The salt of one related leaf, 16 bytes; known only to those who know the whole item."""
    return tagged_hash(Tag.RELATED_SALT, network, encode((subject_salt, key)))[:SALT_BYTES]


def related_leaf(network: bytes, salt: bytes, role: int, key: SubjectKey, record_hash: bytes) -> bytes:
    """The leaf of one record as it stood before the item."""
    return tagged_hash(Tag.RELATED_LEAF, network, encode((salt, role, key, record_hash)))


def related_leaves(network: bytes, subject_salt: bytes, related: Iterable[Related]) -> list[bytes]:
    """The leaves of all (role, key, record, record hash) in order: `related_leaf` under its `related_salt` of each."""
    salt_prefix, leaf_prefix = _SALT + network, _LEAF + network
    leaves = []
    for role, key, _, hashed in related:
        salt = _sha256(salt_prefix + encode((subject_salt, key))).digest()[:SALT_BYTES]
        leaves.append(_sha256(leaf_prefix + encode((salt, role, key, hashed))).digest())
    return leaves


def related_root_of(network: bytes, subject_salt: bytes, related: Sequence[Related]) -> bytes:
    """`related_root` over all records that the rules read for an item, in ascending order of key."""
    if len(related) == 1:
        return _root_of_one(network, subject_salt, related[0])
    leaves = related_leaves(network, subject_salt, related)
    return related_root(network, len(leaves), counted(one[0] for one in related), merkle.root(leaves))


def _root_of_one(network: bytes, subject_salt: bytes, related: Related) -> bytes:
    """`related_root_of` the one record that most events read: the root of a tree of one leaf is the leaf's hash."""
    pack = encoder()
    role, key, _, hashed = related
    salt = _sha256(_SALT + network + pack((subject_salt, key))).digest()[:SALT_BYTES]
    leaf = _sha256(_LEAF + network + pack((salt, role, key, hashed))).digest()
    root = pack((1, _ALONE.get(role, _NONE), merkle.leaf_hash(leaf)))
    return _sha256(_ROOT + network + root).digest()


def counted(roles: Iterable[int]) -> tuple[int, ...]:
    """How many of the given roles are each of COUNTED_ROLES."""
    found = list(roles)
    return tuple(found.count(role) for role in COUNTED_ROLES)


_NONE: Final = counted(())
_ALONE: Final = {int(role): counted([role]) for role in COUNTED_ROLES}
"""`counted` of one role; of any other it is _NONE."""


def related_root(network: bytes, count: int, named: tuple[int, ...], root: bytes) -> bytes:
    """What the entry commits to: the number of related leaves, `counted` roles, and their RFC 6962 root, which binds neither."""
    return tagged_hash(Tag.RELATED_ROOT, network, encode((count, named, root)))


# A link is a move of its record if it changes any of these (DESIGN §4): ancestors' segments are walked on moves only.
MOVE_FIELDS: Final = (
    "status", "origin", "maker", "custodian", "claimed", "parent", "parent_generation", "generation", "unconfirmed",
    "holds", "permits", "seals", "bindings", "contradictions", "quantity", "source",
)  # fmt: skip
# Summed up from below, changed without a link: taken from certified records, never re-derived.
SUM_FIELDS: Final = ("children", "levels", "inside", "lots")
_moving = itemgetter(*(Record._fields.index(name) for name in MOVE_FIELDS))
_MOVED: Final = Record._fields.index("moved")  # then links, moves, asides: the last four fields
_ASIDES: Final = _MOVED + 3


def is_move(before: Record, after: Record) -> bool:
    """Whether the change belongs to the moves chain."""
    moves: bool = _moving(before) != _moving(after)
    return moves


def linked(
    network: bytes, before: Record, after: Record, link: Link, sequence: int, *, aside: bool
) -> Record:
    """The record after the event with its chains extended. An aside leaves the record before untouched but for its count.

    What `extended` gives, by one encoding of the link for both chains.
    """
    prefix, element = _HEAD + network, encode(link)
    links, moves, asides, moved = before.links, before.moves, before.asides, after.moved
    if aside:
        asides = _new(Chain, (asides.length + 1, _sha256(prefix + asides.head + element).digest()))
        fields: tuple[Any, ...] = (*before[:_ASIDES], asides)
    else:
        if is_move(before, after):
            moves = _new(Chain, (moves.length + 1, _sha256(prefix + moves.head + element).digest()))
            moved = sequence
        links = _new(Chain, (links.length + 1, _sha256(prefix + links.head + element).digest()))
        fields = (*after[:_MOVED], moved, links, moves, asides)
    record: Record = _new(Record, fields)
    return record


def entry_from_wire(value: Any) -> Entry:
    """An Entry from a decoded array."""
    fields = take_array(value, "entry", len(Entry._fields))
    return Entry(
        take_int(fields[0], "sequence"),
        take_bytes(fields[1], "item_hash", HASH_BYTES),
        take_bytes(fields[2], "transaction", HASH_BYTES),
        take_int(fields[3], "place", 0, limits.ITEMS_PER_TRANSACTION),
        take_int(fields[4], "height"),
        take_int(fields[5], "time_ms"),
        take_ascii(fields[6], "organisation", 32),
        take_bytes(fields[7], "public_key", 32),
        take_bytes(fields[8], "related_root", HASH_BYTES),
    )


def link_from_wire(value: Any) -> Link:
    """A Link from a decoded array; the code must be a known one."""
    entry, code, custodian = take_array(value, "link", 3)
    try:
        is_applied(take_int(code, "code", 0, 100_000))
    except ValueError:
        raise FormError(Code.MALFORMED, f"code: expected a known outcome, got {code}") from None
    return Link(
        take_bytes(entry, "entry", HASH_BYTES),
        code,
        None if custodian is None else take_ascii(custodian, "custodian", CUSTODIAN_BYTES),
    )
