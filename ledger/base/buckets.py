"""The state tree: a full 4-ary tree over 2^depth buckets (DESIGN §4 State tree; PROOF.md §3).

A key (32 bytes, already a tagged hash) belongs to the bucket of its first `depth` bits. A bucket's hash is
SHA-256(tag || network || number of entries (4 bytes) || RFC 6962 root over its entries `key || value hash` in ascending
order of key); the number is bound because RFC 6962 roots do not bind it. An inner node is
SHA-256(tag || network || its four children). So presence, absence ("these two neighbours are adjacent") and "this is
the latest" are one kind of proof, and an update costs one path, done level by level once per block.

The nodes are in memory, 43 bytes per bucket in all. The entries need not be: a tree may keep them elsewhere (`Entries`) and
hold those used last. So memory does not grow with the records, and a start reads the hashes of the buckets alone.

Invariants: entries of a bucket are strictly ascending; a bucket holds at most BUCKET_ENTRIES; nodes always equal the
hash of their children; no bucket is used that does not have its hash. `update` returns what `revert` needs to undo it exactly.
"""

from __future__ import annotations

import hashlib
import struct
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple, Protocol

from ledger.base import merkle
from ledger.base.bucket import EMPTY, Bucket
from ledger.base.errors import Code, FormError, ProofError, RuleError, StorageError
from ledger.base.hashing import HASH_BYTES, Tag
from ledger.base.limits import BUCKET_ENTRIES

DEPTHS: Final = (8, 16, 18, 20)  # 8 is for tests and demonstrations on small machines
_ARITY_BITS: Final = 2
_put_hash = struct.Struct("32s").pack_into

CACHE_BYTES: Final = 64_000_000
BUCKET_BYTES: Final = 400
"""What a bucket takes in memory beside its entries, about."""
ENTRY_BYTES: Final = 128
"""What an entry takes: itself, its leaf hash, and as much again of nodes above."""


class StateProof(NamedTuple):
    """Proof that `key` has, or has no, value under a state root.

    `size` entries in the bucket; `neighbours`: (index, key, value hash, audit path) of the entry itself when present,
    else of the adjacent entries around the gap (none for an empty bucket); `siblings`: three hashes per level, lowest
    level first, in order of their position with the path's own node left out.
    """

    size: int
    neighbours: tuple[tuple[int, bytes, bytes, tuple[bytes, ...]], ...]
    siblings: tuple[bytes, ...]


def bucket_of(key: bytes, depth: int) -> int:
    """The bucket of a key: its first `depth` bits."""
    return int.from_bytes(key[:4], "big") >> (32 - depth)


class Entries(Protocol):
    """Where the entries of buckets are kept, for a tree that does not hold them all.

    What `update` sets is there before anything is asked of the tree again, and what `revert` takes back is gone.
    """

    def read(self, index: int) -> Iterable[tuple[bytes, bytes]]:
        """The (key, value hash) pairs of a bucket, ascending by key, as of the last update."""


class Changed(NamedTuple):
    """A bucket as it was before an update; `bucket` None: it is read again when it is needed."""

    number: int
    hashed: bytes
    bucket: Bucket | None


Undo = list[Changed]


class BucketTree:
    """The nodes of the tree, and of its buckets all, or those used last; keys and value hashes are 32 bytes."""

    def __init__(
        self,
        network: bytes,
        depth: int,
        kept: Entries | None = None,
        hashes: bytes | None = None,
        *,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        """An empty tree, or one whose buckets have these `hashes`, one after another.

        Without `kept` all buckets are in memory; with it about `cache_bytes` of them, and every other is compared with its
        hash when it is read.
        """
        if depth not in DEPTHS:
            raise FormError(Code.MALFORMED, f"expected a state tree depth of {DEPTHS}, got {depth}")
        self.depth = depth
        self._network = network
        self._prefix = Tag.STATE_NODE + network
        self._empty = bucket_hash(network, 0, merkle.EMPTY_ROOT)
        self._kept = kept
        self._cache_bytes = cache_bytes
        # Ordered: the first key of a plain dict is searched behind all that were removed before it.
        self._cached: OrderedDict[int, Bucket] = OrderedDict()
        self._bytes = 0
        self._levels: list[bytearray] = []
        if hashes is None:
            value = self._empty
            for bits in range(depth, -1, -_ARITY_BITS):
                self._levels.append(bytearray(value * (1 << bits)))
                value = self._node(value * 4)
            return
        if len(hashes) != HASH_BYTES << depth:
            raise FormError(
                Code.MALFORMED, f"expected the hashes of {1 << depth} buckets, got {len(hashes)} bytes"
            )
        self._levels.append(bytearray(hashes))
        while len(below := self._levels[-1]) > HASH_BYTES:
            steps = range(0, len(below), 4 * HASH_BYTES)
            self._levels.append(
                bytearray(b"".join([self._node(below[at : at + 4 * HASH_BYTES]) for at in steps]))
            )

    def _node(self, children: bytes | bytearray) -> bytes:
        return hashlib.sha256(self._prefix + children).digest()

    @property
    def root(self) -> bytes:
        """The state root, 32 bytes."""
        return bytes(self._levels[-1])

    @property
    def cached_bytes(self) -> int:
        """About what the buckets in memory take."""
        return self._bytes

    def hash_of(self, index: int) -> bytes:
        """The hash of a bucket."""
        return bytes(self._levels[0][HASH_BYTES * index : HASH_BYTES * (index + 1)])

    def get(self, key: bytes) -> bytes | None:
        """The value hash under `key`, or None."""
        return self._bucket(bucket_of(key, self.depth)).get(key)

    def find(self, key: bytes) -> tuple[int, int, bool]:
        """The bucket that `key` belongs to, how many entries that bucket has, and whether `key` is one of them."""
        index = bucket_of(key, self.depth)
        bucket = self._bucket(index)
        return index, bucket.size, bucket.place(key)[1]

    def _bucket(self, index: int) -> Bucket:
        found = self._cached.get(index)
        if found is not None:
            return found
        hashed = self.hash_of(index)
        if self._kept is None or hashed == self._empty:
            return EMPTY
        found = Bucket.of(self._kept.read(index))
        if bucket_hash(self._network, found.size, found.root) != hashed:
            raise StorageError(
                Code.DAMAGED,
                f"expected the records of bucket {index} to have hash {hashed.hex()}, those kept have another; remove the "
                "state folder, it is rebuilt from the chain",
            )
        self._make_room()
        self._put(index, found)
        return found

    def _put(self, index: int, bucket: Bucket) -> None:
        self._drop(index)  # so that it is the one used last
        self._cached[index] = bucket
        self._bytes += BUCKET_BYTES + ENTRY_BYTES * bucket.size

    def _drop(self, index: int) -> None:
        old = self._cached.pop(index, None)
        if old is not None:
            self._bytes -= BUCKET_BYTES + ENTRY_BYTES * old.size

    def _make_room(self) -> None:
        """Let go of the buckets that were read or changed longest ago."""
        while self._kept is not None and self._bytes > self._cache_bytes:
            self._drop(next(iter(self._cached)))

    def load(self, entries: Iterable[tuple[bytes, bytes]]) -> None:
        """Fill an empty tree from (key, value hash) pairs."""
        self.update(dict(entries))

    def update(self, changes: Mapping[bytes, bytes]) -> Undo:
        """Set the given keys; returns an undo record. Raises RuleError(limit) with nothing changed if a bucket overflows."""
        self._make_room()
        shift, number = 32 - self.depth, int.from_bytes
        grouped: dict[int, dict[bytes, bytes]] = {}
        for key, value in changes.items():
            index = number(key[:4], "big") >> shift  # bucket_of, without a call for each
            if index in grouped:
                grouped[index][key] = value
            else:
                grouped[index] = {key: value}
        undo: Undo = []
        changed: list[tuple[int, Bucket]] = []
        hashes, empty = self._levels[0], self._empty
        for index, new in grouped.items():
            hashed = bytes(hashes[index << 5 : (index + 1) << 5])
            before = EMPTY if hashed == empty else self._bucket(index)
            bucket = before.changed(new)
            if bucket.size > BUCKET_ENTRIES:
                raise RuleError(
                    Code.LIMIT, f"expected at most {BUCKET_ENTRIES} records in a bucket of the state tree"
                )
            undo.append(Changed(index, hashed, before if self._kept is None else None))
            changed.append((index, bucket))
        refreshed = []
        for index, bucket in changed:
            self._put(index, bucket)
            refreshed.append((index, bucket_hash(self._network, bucket.size, bucket.root)))
        self._refresh(refreshed)
        return undo

    def revert(self, undo: Undo) -> None:
        """Undo one `update`; updates are undone in the reverse of the order in which they were made."""
        for index, _, bucket in undo:
            if bucket is None:
                self._drop(index)
            else:
                self._put(index, bucket)
        self._refresh([(index, hashed) for index, hashed, _ in undo])

    def _refresh(self, changed: list[tuple[int, bytes]]) -> None:
        """Set the hashes of buckets, and hash what stands above them anew, each node once."""
        level = self._levels[0]
        for index, hashed in changed:
            _put_hash(level, index << 5, hashed)
        positions = {index for index, _ in changed}
        begun = hashlib.sha256(self._prefix)  # a copy of it costs less than one begun anew
        for below, above in pairwise(self._levels):
            positions = {position >> _ARITY_BITS for position in positions}
            with memoryview(below) as children:
                for position in positions:  # any order: each writes a slice of its own
                    at, node = position << 7, begun.copy()
                    node.update(children[at : at + 128])
                    _put_hash(above, position << 5, node.digest())

    def prove(self, key: bytes) -> StateProof:
        """The proof of what is under `key` now: its value hash, or that there is none."""
        index = bucket_of(key, self.depth)
        bucket = self._bucket(index)
        position, is_there = bucket.place(key)
        if is_there:
            shown = [position]
        else:
            shown = [place for place in (position - 1, position) if 0 <= place < bucket.size]
        neighbours = tuple((place, *bucket.entry(place), bucket.inclusion_proof(place)) for place in shown)
        siblings = []
        for level in self._levels[:-1]:
            first = index & ~3
            siblings += [bytes(level[i * 32 : i * 32 + 32]) for i in range(first, first + 4) if i != index]
            index >>= _ARITY_BITS
        return StateProof(bucket.size, neighbours, tuple(siblings))


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
    index = bucket_of(key, depth)
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
        place = bucket_of(key, depth)
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
