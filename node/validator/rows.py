"""What each item did, 240 at a time by place in the event log, packed (STORAGE.md §7).

    rows   place of the first (8)         ->  frame of: length of each (4) ..., each     0: not here
           place of a large row (8) "L"   ->  frame of it

A row never changes but for the legs of a past that is filled in, and rows of one time have most in common: packed together
they take a quarter. The last chunk is written again when a block adds to it, in that block's own layer, so that undoing
the block undoes it. A node that joined from a snapshot has two chunks where its own rows begin (`base`), since those below
are filled in beside the blocks that add to those above. A large row stands alone: else every block that adds to a chunk
with some of an author's largest events, a megabyte each and more, would unpack and pack them all again.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Final

from ledger.base import limits
from node.storage.compression import Compressor
from node.storage.state_store import StateStore

CHUNK: Final = 240
"""As many as fill most of the pages that their frame takes: LMDB gives a value of more than half a page pages of its own."""
LARGE_BYTES: Final = 16_384
"""A row above this stands alone."""
VERSION_BYTES: Final = 1_024
"""A former record above this stands in `versions`, else in the row of every item that read it: packed with those beside it."""
ROW_BYTES: Final = limits.TRANSACTION_BYTES + 1_000_000 + limits.RELATED_PER_EVENT * VERSION_BYTES
"""A row has its item, and what of the state the item read."""
_CHUNK_BYTES: Final = CHUNK * ROW_BYTES
_TABLE: Final = "rows"

Getter = Callable[[str, bytes], bytes | None]
"""(table, key) -> value: of the state executed last, or of what is final."""


class Rows:
    """Rows by sequence."""

    def __init__(self, store: StateStore, base: int) -> None:
        """`base`: the length of the event log at the snapshot that the node joined from, else 0."""
        self._store = store
        self._table = store.table(_TABLE)
        self._base = base
        self._compressor = Compressor()
        self._read: tuple[bytes | None, list[bytes]] = (None, [])
        """The chunk read last, packed and not."""

    def _start(self, sequence: int) -> int:
        """The place of the first row of the chunk that a row is in."""
        start = sequence - sequence % CHUNK
        return self._base if start < self._base <= sequence else start

    def get(self, sequence: int, get: Getter) -> bytes | None:
        """A row, or None."""
        start = self._start(sequence)
        rows = self._chunk(get(_TABLE, _key(start)))
        if sequence - start >= len(rows):
            return None
        if rows[sequence - start]:
            return rows[sequence - start]
        large = get(_TABLE, _large_key(sequence))
        return None if large is None else self._compressor.unpack(large, ROW_BYTES)

    def append(self, first: int, rows: Sequence[bytes]) -> None:
        """Put rows from place `first` on, in the block begun last."""
        changes, done = self._table.changes(), 0
        changes.update(self._large_of(enumerate(rows, first)))
        rows = [_beside_others(row) for row in rows]
        while done < len(rows):
            start = self._start(first + done)
            end = start - start % CHUNK + CHUNK - first
            before = self._chunk(self._table.get(_key(start)))[: first + done - start]
            absent = [b""] * (first + done - start - len(before))
            changes[_key(start)] = self._packed([*before, *absent, *rows[done:end]])
            done = end

    def fill(self, rows: Iterable[tuple[int, bytes]]) -> None:
        """Put rows of the past, ascending by sequence, durable with the next flush."""
        for start, group in groupby(rows, key=lambda pair: self._start(pair[0])):
            members = tuple(group)
            chunk = list(self._chunk(self._table.get_committed(_key(start))))
            for sequence, row in members:
                chunk += [b""] * (sequence - start + 1 - len(chunk))
                chunk[sequence - start] = _beside_others(row)
            self._store.fill(_TABLE, [*self._large_of(members), (_key(start), self._packed(chunk))])

    def _large_of(self, rows: Iterable[tuple[int, bytes]]) -> list[tuple[bytes, bytes]]:
        """Those of these rows that stand alone, as they are kept."""
        pack = self._compressor.pack
        return [(_large_key(sequence), pack(row)) for sequence, row in rows if len(row) > LARGE_BYTES]

    def _packed(self, rows: Sequence[bytes]) -> bytes:
        return self._compressor.pack(
            struct.pack(f">B{len(rows)}I", len(rows), *map(len, rows)) + b"".join(rows)
        )

    def _chunk(self, packed: bytes | None) -> list[bytes]:
        """The rows in a chunk; not to be changed."""
        if packed is None:
            return []
        if packed != self._read[0]:
            data = self._compressor.unpack(packed, _CHUNK_BYTES)
            rows, at = [], 1 + 4 * data[0]
            for length in struct.unpack_from(f">{data[0]}I", data, 1):
                rows.append(data[at : at + length])
                at += length
            self._read = packed, rows
        return self._read[1]


def _beside_others(row: bytes) -> bytes:
    """What stands in the chunk for a row: nothing for a large one."""
    return row if len(row) <= LARGE_BYTES else b""


def _key(start: int) -> bytes:
    return start.to_bytes(8, "big")


def _large_key(sequence: int) -> bytes:
    return _key(sequence) + b"L"
