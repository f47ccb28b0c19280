"""The state tree: a full 4-ary tree over 2^depth buckets (DESIGN §4 State tree; PROOF.md §3).

A key (32 bytes, already a tagged hash) belongs to the bucket of its first `depth` bits. A bucket's hash is
SHA-256(tag || network || number of entries (4 bytes) || RFC 6962 root over its entries `key || value hash` in ascending
order of key); the number is bound because RFC 6962 roots do not bind it. An inner node is
SHA-256(tag || network || its four children). So presence, absence ("these two neighbours are adjacent") and "this is
the latest" are one kind of proof, and an update costs one path, done level by level once per block.

Invariants: entries of a bucket are strictly ascending; a bucket holds at most BUCKET_ENTRIES; nodes always equal the
hash of their children. `update` returns what `revert` needs to undo it exactly.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from ledger.base import merkle
from ledger.base.errors import Code, FormError, ProofError, RuleError
from ledger.base.hashing import Tag
from ledger.base.limits import BUCKET_ENTRIES

DEPTHS: Final = (8, 16, 18, 20)  # 8 is for tests and demonstrations on small machines
_ARITY_BITS: Final = 2

Undo = list[tuple[int, dict[bytes, bytes]]]


class StateProof(NamedTuple):
    """Proof that `key` has, or has no, value under a state root.

    `size` entries in the bucket; `neighbours`: (index, key, value hash, audit path) of the entry itself when present,
    else of the adjacent entries around the gap (none for an empty bucket); `siblings`: three hashes per level, lowest
    level first, in order of their position with the path's own node left out.
    """

    size: int
    neighbours: tuple[tuple[int, bytes, bytes, tuple[bytes, ...]], ...]
    siblings: tuple[bytes, ...]


def _bucket_of(key: bytes, depth: int) -> int:
    """The bucket of a key: its first `depth` bits."""
    return int.from_bytes(key[:4], "big") >> (32 - depth)


class BucketTree:
    """The whole tree in memory; keys and value hashes are 32 bytes."""

    def __init__(self, network: bytes, depth: int) -> None:
        if depth not in DEPTHS:
            raise FormError(Code.MALFORMED, f"expected a state tree depth of {DEPTHS}, got {depth}")
        self.depth = depth
        self._network = network
        self._prefix = Tag.STATE_NODE + network
        self._buckets: dict[int, dict[bytes, bytes]] = {}
        self._levels: list[bytearray] = []
        value = bucket_hash(network, 0, merkle.EMPTY_ROOT)
        for bits in range(depth, -1, -_ARITY_BITS):
            self._levels.append(bytearray(value * (1 << bits)))
            value = self._node(value * 4)

    def _node(self, children: bytes | bytearray) -> bytes:
        return hashlib.sha256(self._prefix + children).digest()

    def place(self, key: bytes) -> tuple[int, int]:
        """The bucket that `key` belongs to, and how many entries that bucket has."""
        index = _bucket_of(key, self.depth)
        return index, len(self._buckets.get(index, {}))

    @property
    def root(self) -> bytes:
        """The state root, 32 bytes."""
        return bytes(self._levels[-1])

    def get(self, key: bytes) -> bytes | None:
        """The value hash under `key`, or None."""
        return self._buckets.get(_bucket_of(key, self.depth), {}).get(key)

    def load(self, entries: Iterable[tuple[bytes, bytes]]) -> None:
        """Fill an empty tree from (key, value hash) pairs."""
        self.update(dict(entries))

    def update(self, changes: Mapping[bytes, bytes]) -> Undo:
        """Set the given keys; returns an undo record. Raises RuleError(limit) with nothing changed if a bucket overflows."""
        grouped: dict[int, dict[bytes, bytes]] = {}
        for key, value in changes.items():
            grouped.setdefault(_bucket_of(key, self.depth), {})[key] = value
        undo: Undo = []
        for index, new in grouped.items():
            old = self._buckets.get(index, {})
            if len(old) + len(new) > BUCKET_ENTRIES and len(old.keys() | new.keys()) > BUCKET_ENTRIES:
                for done, previous in undo:
                    self._buckets[done] = previous
                raise RuleError(
                    Code.LIMIT, f"expected at most {BUCKET_ENTRIES} records in a bucket of the state tree"
                )
            undo.append((index, old))
            self._buckets[index] = {**old, **new}
        self._refresh(list(grouped))
        return undo

    def revert(self, undo: Undo) -> None:
        """Undo one `update`; updates are undone in the reverse of the order in which they were made."""
        for index, old in undo:
            if old:
                self._buckets[index] = old
            else:
                self._buckets.pop(index, None)
        self._refresh([index for index, _ in undo])

    def _refresh(self, dirty: list[int]) -> None:
        level = self._levels[0]
        for index in dirty:
            bucket = self._buckets.get(index, {})
            entries = merkle.root([key + bucket[key] for key in sorted(bucket)])
            level[index * 32 : index * 32 + 32] = bucket_hash(self._network, len(bucket), entries)
        positions = set(dirty)
        prefix, sha256 = self._prefix, hashlib.sha256
        for below, above in zip(self._levels, self._levels[1:], strict=False):
            positions = {position >> _ARITY_BITS for position in positions}
            for position in positions:  # any order: each writes a slice of its own
                at = position << 5
                above[at : at + 32] = sha256(prefix + below[at << 2 : (at << 2) + 128]).digest()

    def prove(self, key: bytes) -> StateProof:
        """The proof of what is under `key` now: its value hash, or that there is none."""
        index = _bucket_of(key, self.depth)
        bucket = self._buckets.get(index, {})
        keys = sorted(bucket)
        position = bisect_left(keys, key)
        if position < len(keys) and keys[position] == key:
            shown = [position]
        else:
            shown = [place for place in (position - 1, position) if 0 <= place < len(keys)]
        tree = merkle.MerkleTree([entry + bucket[entry] for entry in keys])
        neighbours = tuple((i, keys[i], bucket[keys[i]], tree.inclusion_proof(i)) for i in shown)
        siblings = []
        for level in self._levels[:-1]:
            first = index & ~3
            siblings += [bytes(level[i * 32 : i * 32 + 32]) for i in range(first, first + 4) if i != index]
            index >>= _ARITY_BITS
        return StateProof(len(keys), neighbours, tuple(siblings))


def bucket_hash(network: bytes, size: int, entries_root: bytes) -> bytes:
    """The hash of a bucket of `size` entries."""
    return hashlib.sha256(Tag.STATE_BUCKET + network + size.to_bytes(4, "big") + entries_root).digest()


def verify_state(network: bytes, depth: int, root: bytes, key: bytes, proof: StateProof) -> bytes | None:
    """The value hash under `key` that `proof` shows under `root`, or None if it shows absence; else ProofError."""
    if len(proof.siblings) != 3 * (depth // _ARITY_BITS):
        raise ProofError(
            Code.NOT_PROVEN, f"expected {3 * (depth // 2)} state path hashes, got {len(proof.siblings)}"
        )
    value, entries_root = _verify_bucket(key, proof)
    index = _bucket_of(key, depth)
    current = bucket_hash(network, proof.size, entries_root)
    for level in range(depth // _ARITY_BITS):
        children = list(proof.siblings[3 * level : 3 * level + 3])
        children.insert(index & 3, current)
        current = hashlib.sha256(Tag.STATE_NODE + network + b"".join(children)).digest()
        index >>= _ARITY_BITS
    if current != root:
        raise ProofError(
            Code.NOT_PROVEN, "expected the state path to lead to the certified state root, it does not"
        )
    return value


def _verify_bucket(key: bytes, proof: StateProof) -> tuple[bytes | None, bytes]:
    """(value hash or None, bucket root) that the shown neighbours of `key` prove."""
    refused = ProofError(Code.NOT_PROVEN, "expected the neighbours shown to settle whether the record exists")
    if not proof.neighbours:
        if proof.size:
            raise refused
        return None, merkle.EMPTY_ROOT
    roots = {merkle.root_from_inclusion(k + v, i, proof.size, path) for i, k, v, path in proof.neighbours}
    if len(roots) != 1:
        raise refused
    bucket_root = roots.pop()  # any order: there is one
    (index, first, value, _), *rest = proof.neighbours
    if first == key:
        if rest:
            raise refused
        return value, bucket_root
    if rest:
        if len(rest) != 1 or rest[0][0] != index + 1 or not first < key < rest[0][1]:
            raise refused
    elif not (index == 0 and key < first) and not (index == proof.size - 1 and key > first):
        raise refused
    return None, bucket_root


def range_root(
    network: bytes, depth: int, level: int, index: int, entries: Sequence[tuple[bytes, bytes]]
) -> bytes:
    """The hash of node `index` on `level` (0: the root) of a tree that holds exactly these (key, value hash) pairs there.

    Raises ProofError unless keys are strictly ascending, belong under that node, and fit into their buckets.
    """
    shift = depth - _ARITY_BITS * level
    grouped: dict[int, list[bytes]] = {}
    before = b""
    for key, value in entries:
        place = _bucket_of(key, depth)
        if not before < key or place >> shift != index:
            raise ProofError(
                Code.NOT_PROVEN, "expected the records of a part of the state tree, in order, each once"
            )
        before = key
        grouped.setdefault(place, []).append(key + value)
    if any(len(leaves) > BUCKET_ENTRIES for leaves in grouped.values()):
        raise ProofError(Code.NOT_PROVEN, f"expected at most {BUCKET_ENTRIES} records in a bucket")
    nodes = {
        place: bucket_hash(network, len(leaves), merkle.root(leaves)) for place, leaves in grouped.items()
    }
    empty, prefix = bucket_hash(network, 0, merkle.EMPTY_ROOT), Tag.STATE_NODE + network
    for _ in range(shift // _ARITY_BITS):
        above: dict[int, bytes] = {}
        for place in nodes:
            parent = place >> _ARITY_BITS
            if parent not in above:
                children = b"".join(nodes.get(child, empty) for child in range(4 * parent, 4 * parent + 4))
                above[parent] = hashlib.sha256(prefix + children).digest()
        nodes, empty = above, hashlib.sha256(prefix + empty * 4).digest()
    return nodes.get(index, empty)


def root_of_level(network: bytes, nodes: Sequence[bytes]) -> bytes:
    """The root over all nodes of one level (1, 4, 16, ... of them)."""
    prefix, level = Tag.STATE_NODE + network, list(nodes)
    while len(level) > 1:
        level = [
            hashlib.sha256(prefix + b"".join(level[at : at + 4])).digest() for at in range(0, len(level), 4)
        ]
    return level[0]
