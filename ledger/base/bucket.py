"""One bucket of the state tree: its entries in ascending order of key, and the RFC 6962 tree over them (PROOF.md §3).

Flat and immutable: an entry is 64 bytes, a node 32. A change hashes its leaf and the path above it anew, an insertion also
what it moves; so one more event in a bucket of thousands of entries costs little, and not the whole bucket.

Invariant: `levels` are those of `ledger.base.merkle` over `key || value hash`, leaf hashes first; none for no entries.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from ledger.base.merkle import EMPTY_ROOT

_KEY: Final = 32
_ENTRY: Final = 64
_HASH: Final = 32
_sha256 = hashlib.sha256


class Bucket:
    """Entries and their tree. `changed` gives another one."""

    __slots__ = ("_entries", "_levels", "size")

    def __init__(self, entries: bytes = b"", levels: tuple[bytes, ...] = ()) -> None:
        self._entries = entries
        self._levels = levels
        self.size = len(entries) // _ENTRY

    @staticmethod
    def of(entries: Iterable[tuple[bytes, bytes]]) -> Bucket:
        """A bucket with these (key, value hash) pairs, ascending by key."""
        leaves = [key + value for key, value in entries]
        nodes = [_sha256(b"\x00" + leaf).digest() for leaf in leaves]
        levels = []
        while len(nodes) > 1:
            levels.append(b"".join(nodes))
            above = [
                _sha256(b"\x01" + left + right).digest()
                for left, right in zip(nodes[::2], nodes[1::2], strict=False)
            ]
            if len(nodes) & 1:  # an odd last node is carried up unchanged
                above.append(nodes[-1])
            nodes = above
        return Bucket(b"".join(leaves), (*levels, *nodes)) if leaves else EMPTY

    @property
    def root(self) -> bytes:
        """The RFC 6962 root over the entries."""
        return self._levels[-1] if self._levels else EMPTY_ROOT

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        entries = self._entries
        for at in range(0, len(entries), _ENTRY):
            yield entries[at : at + _KEY], entries[at + _KEY : at + _ENTRY]

    def entry(self, index: int) -> tuple[bytes, bytes]:
        """(key, value hash) number `index`."""
        entry = self._entries[_ENTRY * index : _ENTRY * index + _ENTRY]
        return entry[:_KEY], entry[_KEY:]

    def place(self, key: bytes) -> tuple[int, bool]:
        """Where `key` stands or would stand, and whether it does."""
        return _place(self._entries, key)

    def get(self, key: bytes) -> bytes | None:
        """The value hash under `key`, or None."""
        index, is_there = _place(self._entries, key)
        return self.entry(index)[1] if is_there else None

    def changed(self, changes: Mapping[bytes, bytes]) -> Bucket:
        """The bucket with these value hashes set."""
        if not changes:
            return self
        if len(changes) == 1:  # as in most blocks of most buckets
            ((key, value),) = changes.items()
            return self._with_one(key, value)
        entries = bytearray(self._entries)
        leaves = bytearray(self._levels[0]) if self._levels else bytearray()
        replaced: list[int] = []
        first_moved = -1
        for key in sorted(changes):  # ascending: an insertion moves none of the places that were found before
            entry = key + changes[key]
            index, is_there = _place(entries, key)
            if is_there:
                replaced.append(index)
            elif first_moved < 0:
                first_moved = index
            width = 1 if is_there else 0
            entries[_ENTRY * index : _ENTRY * (index + width)] = entry
            leaves[_HASH * index : _HASH * (index + width)] = _sha256(b"\x00" + entry).digest()
        if first_moved < 0:
            first_moved = self.size
        return Bucket(bytes(entries), _levels_over(bytes(leaves), self._levels, replaced, first_moved))

    def _with_one(self, key: bytes, value: bytes) -> Bucket:
        """`changed` by one value hash: the path above it hashed anew, and of an insertion what it moves."""
        entry = key + value
        node = _sha256(b"\x00" + entry).digest()
        before, levels = self._entries, self._levels
        if not levels:
            return Bucket(entry, (node,))
        index, is_there = _place(before, key)
        at = _ENTRY * index
        if not is_there:
            leaves = levels[0][: _HASH * index] + node + levels[0][_HASH * index :]
            return Bucket(before[:at] + entry + before[at:], _levels_over(leaves, levels, (), index))
        changed = []
        for old in levels:
            place = _HASH * index
            level = old[:place] + node + old[place + _HASH :]
            changed.append(level)
            index >>= 1
            pair = level[2 * _HASH * index : 2 * _HASH * (index + 1)]
            node = _sha256(b"\x01" + pair).digest() if len(pair) > _HASH else pair
        return Bucket(before[:at] + entry + before[at + _ENTRY :], tuple(changed))

    def inclusion_proof(self, index: int) -> tuple[bytes, ...]:
        """The audit path of entry `index` (RFC 6962 §2.1.1), lowest sibling first."""
        path = []
        for level in self._levels[:-1]:
            sibling = _HASH * (index ^ 1)
            if sibling < len(level):
                path.append(level[sibling : sibling + _HASH])
            index >>= 1
        return tuple(path)


def _place(entries: bytes | bytearray, key: bytes) -> tuple[int, bool]:
    low, high = 0, len(entries) // _ENTRY
    while low < high:
        middle = (low + high) >> 1
        if entries[_ENTRY * middle : _ENTRY * middle + _KEY] < key:
            low = middle + 1
        else:
            high = middle
    return low, entries[_ENTRY * low : _ENTRY * low + _KEY] == key


def _levels_over(
    leaves: bytes, before: Sequence[bytes], replaced: Iterable[int], first_moved: int
) -> tuple[bytes, ...]:
    """All levels over these leaf hashes, of which `before` has what is neither above a leaf in `replaced` nor from `first_moved` on."""
    level, levels = leaves, [leaves]
    while len(level) > _HASH:
        first_moved >>= 1
        kept = before[len(levels)][: _HASH * first_moved] if first_moved else b""
        if replaced:
            replaced = dict.fromkeys([index >> 1 for index in replaced])
            kept = _rehashed(kept, level, replaced)
        steps = range(2 * _HASH * first_moved, len(level) - _HASH, 2 * _HASH)
        above = [kept, *[_sha256(b"\x01" + level[at : at + 2 * _HASH]).digest() for at in steps]]
        if len(level) & _HASH:  # an odd last node is carried up unchanged
            above.append(level[-_HASH:])
        level = b"".join(above)
        levels.append(level)
    return tuple(levels)


def _rehashed(nodes: bytes, below: bytes, places: Iterable[int]) -> bytes:
    """`nodes`, of which those in `places` are hashed anew over the level below."""
    changed = bytearray(nodes)
    for place in places:
        at = _HASH * place
        if at < len(nodes):
            changed[at : at + _HASH] = _sha256(b"\x01" + below[2 * at : 2 * (at + _HASH)]).digest()
    return bytes(changed)


EMPTY: Final = Bucket()
