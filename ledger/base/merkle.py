"""RFC 6962 Merkle trees: roots, inclusion, consistency, and an append-only frontier (RFC 6962 §2.1; RFC 9162 §2.1).

Leaf hash = SHA-256(0x00 || leaf), node hash = SHA-256(0x01 || left || right), the empty tree is SHA-256 of nothing, and
a tree of n leaves splits at the largest power of two below n. Leaves here are always hashes or values that already
carry a domain tag and the network, so the trees themselves stay exactly those of the standard.

Verification follows RFC 9162 §2.1.3.2 and §2.1.4.2: a proof of any other length than the sizes call for is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final

from ledger.base.errors import Code, ProofError

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
_sha256 = hashlib.sha256


def leaf_hash(leaf: bytes) -> bytes:
    """SHA-256(0x00 || leaf)."""
    return _sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return _sha256(b"\x01" + left + right).digest()


def _levels(leaves: Iterable[bytes]) -> list[list[bytes]]:
    """All levels from the leaf hashes up; an odd last node is carried up unchanged, which is RFC 6962's split."""
    level = [_sha256(b"\x00" + leaf).digest() for leaf in leaves]
    levels = [level]
    while len(level) > 1:
        above = _paired(level)
        if len(level) & 1:
            above.append(level[-1])
        levels.append(above)
        level = above
    return levels


def _paired(level: Sequence[bytes]) -> list[bytes]:
    """The nodes over the pairs of a level; an odd last node is left out."""
    return [
        _sha256(b"\x01" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)
    ]


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over the given leaves (not yet leaf-hashed), 32 bytes."""
    if len(leaves) == 1:
        return _sha256(b"\x00" + leaves[0]).digest()
    return _levels(leaves)[-1][0] if leaves else EMPTY_ROOT


def root_of_nodes(nodes: Sequence[bytes]) -> bytes:
    """The root over the nodes of one level: each over 2^k leaves, the last one over what is left."""
    level = list(nodes)
    while len(level) > 1:
        above = _paired(level)
        level = above + level[-1:] if len(level) & 1 else above
    return level[0] if level else EMPTY_ROOT


class MerkleTree:
    """A whole tree in memory, for making several proofs over the same leaves."""

    __slots__ = ("_levels", "size")

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.size = len(leaves)
        self._levels = _levels(leaves)

    @property
    def root(self) -> bytes:
        """The root, 32 bytes."""
        return self._levels[-1][0] if self.size else EMPTY_ROOT

    def replaced(self, hashes: Mapping[int, bytes]) -> MerkleTree:
        """The tree with other leaf hashes by index: a path is hashed anew for each."""
        levels = [list(level) for level in self._levels]
        for index, hashed in hashes.items():
            levels[0][index] = hashed
        changed = set(hashes)
        for level, above in pairwise(levels):
            changed = {index >> 1 for index in changed}
            for index in sorted(changed):
                pair = level[2 * index : 2 * index + 2]
                above[index] = node_hash(*pair) if len(pair) > 1 else pair[0]
        return self._of(levels)

    def continued(self, first: int, hashes: Sequence[bytes]) -> MerkleTree:
        """The tree whose leaf hashes from index `first` on are these, however many: what stands below is not hashed anew."""
        level = self._levels[0][:first] + list(hashes)
        levels = [level]
        while len(level) > 1:
            first >>= 1
            above = self._levels[len(levels)][:first] if first else []
            above += [node_hash(level[i], level[i + 1]) for i in range(2 * first, len(level) - 1, 2)]
            level = above + level[-1:] if len(level) & 1 else above
            levels.append(level)
        return self._of(levels)

    @staticmethod
    def _of(levels: list[list[bytes]]) -> MerkleTree:
        tree = MerkleTree(())
        tree.size, tree._levels = len(levels[0]), levels
        return tree

    def leaf_hashes(self, first: int) -> list[bytes]:
        """The hashes of the leaves from `first` on."""
        return self._levels[0][first:]

    def inclusion_proof(self, index: int) -> tuple[bytes, ...]:
        """The audit path of leaf `index` (RFC 6962 §2.1.1), lowest sibling first."""
        if not 0 <= index < self.size:
            raise ProofError(Code.NOT_PROVEN, f"expected a leaf index of 0 .. {self.size - 1}, got {index}")
        path = []
        for level in self._levels[:-1]:
            sibling = index ^ 1
            if sibling < len(level):
                path.append(level[sibling])
            index >>= 1
        return tuple(path)


def inclusion_path_length(index: int, size: int) -> int:
    """How many hashes the audit path of leaf `index` in a tree of `size` leaves has."""
    length, last = 0, size - 1
    while last:
        if index & 1 or index < last:
            length += 1
        index >>= 1
        last >>= 1
    return length


def root_from_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that `leaf` at `index` of `size` and this audit path lead to; ProofError if the shape is impossible."""
    if not 0 <= index < size:
        raise ProofError(Code.NOT_PROVEN, f"expected a leaf index below {size}, got {index}")
    if len(path) != inclusion_path_length(index, size):
        raise ProofError(
            Code.NOT_PROVEN, f"expected {inclusion_path_length(index, size)} path hashes, got {len(path)}"
        )
    value, last, position = leaf_hash(leaf), size - 1, index
    for sibling in path:
        while not position & 1 and position == last and position:
            position >>= 1  # carried up unchanged: no sibling on this level
            last >>= 1
        value = node_hash(sibling, value) if position & 1 else node_hash(value, sibling)
        position >>= 1
        last >>= 1
    return value


def consistency_proof(leaves: Sequence[bytes], old_size: int) -> tuple[bytes, ...]:
    """The proof that the tree over all `leaves` extends the one over the first `old_size` (RFC 6962 §2.1.2)."""
    size = len(leaves)
    if not 0 < old_size <= size:
        raise ProofError(Code.NOT_PROVEN, f"expected an old size of 1 .. {size}, got {old_size}")

    def subproof(start: int, end: int, old: int, *, whole: bool) -> list[bytes]:
        count = end - start
        if old == count:
            return [] if whole else [root(leaves[start:end])]
        split = 1 << (count - 1).bit_length() - 1
        if old <= split:
            return [*subproof(start, start + split, old, whole=whole), root(leaves[start + split : end])]
        return [*subproof(start + split, end, old - split, whole=False), root(leaves[start : start + split])]

    return tuple(subproof(0, size, old_size, whole=True))


def check_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Raise ProofError unless `proof` shows the tree of `new_size` to extend the one of `old_size` (RFC 9162 §2.1.4.2)."""
    refused = ProofError(
        Code.NOT_PROVEN, f"expected a proof that the log of {new_size} extends the one of {old_size}"
    )
    if not 0 < old_size <= new_size:
        raise refused
    if old_size == new_size:
        if proof or old_root != new_root:
            raise refused
        return
    nodes = list(proof)
    if old_size & (old_size - 1) == 0:
        nodes.insert(0, old_root)
    if not nodes:
        raise refused
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position >>= 1
        last >>= 1
    old_value = new_value = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            raise refused
        if position & 1 or position == last:
            old_value = node_hash(node, old_value)
            new_value = node_hash(node, new_value)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            new_value = node_hash(new_value, node)
        position >>= 1
        last >>= 1
    if last or old_value != old_root or new_value != new_root:
        raise refused


class LogFrontier:
    """The right edge of an append-only log: enough to extend it and to know the root, O(log n) in size.

    `peaks[i]` is the root of a perfect subtree, largest first, one for each bit set in `size`.
    """

    __slots__ = ("peaks", "size")

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        if size.bit_count() != len(peaks):
            raise ProofError(
                Code.NOT_PROVEN, f"expected {size.bit_count()} peaks for {size} leaves, got {len(peaks)}"
            )
        self.size = size
        self.peaks = list(peaks)

    def extended(self, leaves: Iterable[bytes]) -> LogFrontier:
        """The log with these leaves appended; this one stays as it is."""
        nodes = [_sha256(b"\x00" + leaf).digest() for leaf in leaves]
        size, peaks, edge = self.size, list(self.peaks), []
        total = size + len(nodes)
        while nodes:
            if size & 1:
                nodes.insert(0, peaks.pop())
            if len(nodes) & 1:
                edge.append(nodes[-1])
            nodes = _paired(nodes)
            size >>= 1
        return LogFrontier(total, peaks + edge[::-1])

    def root(self) -> bytes:
        """The root over all leaves appended so far."""
        if not self.peaks:
            return EMPTY_ROOT
        value = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            value = node_hash(peak, value)
        return value
