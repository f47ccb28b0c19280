"""Tables whose values stand packed on the disk, each alone: a backend around another (STORAGE.md §7).

What is in memory, above the backend, is not packed: a record that many blocks change is packed once, when it is written.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from node.storage.compression import RecordCompressor
from node.storage.state_store import Backend

VALUE_BYTES: Final = 1_000_000
"""No value of a packed table has more."""


class PackedBackend:
    """A `Backend` that packs the values of some tables of another, which must be those of records."""

    def __init__(self, inner: Backend, packed: Iterable[str]) -> None:
        self._inner = inner
        self._packed = frozenset(packed)
        self._records = RecordCompressor()
        self.begin = inner.begin
        self.write = inner.write
        self.settle = inner.settle
        self.abandon = inner.abandon
        self.close = inner.close

    @property
    def height(self) -> int | None:
        """The height written with the last change."""
        return self._inner.height

    def get(self, table: str, key: bytes) -> bytes | None:
        """The value of a key."""
        found = self._inner.get(table, key)
        if found is None or table not in self._packed:
            return found
        return self._records.unpack(found, VALUE_BYTES)

    def read_range(
        self, table: str, start: bytes, end: bytes | None, limit: int, *, reverse: bool
    ) -> list[tuple[bytes, bytes]]:
        """Up to `limit` pairs with start <= key < end, ascending, or the last ones descending."""
        pairs = self._inner.read_range(table, start, end, limit, reverse=reverse)
        if table not in self._packed:
            return pairs
        unpack = self._records.unpack
        return [(key, unpack(value, VALUE_BYTES)) for key, value in pairs]

    def stage(self, table: str, changes: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Put or delete keys in the change begun."""
        if table in self._packed:
            pack = self._records.pack
            changes = [(key, None if value is None else pack(value)) for key, value in changes]
        self._inner.stage(table, changes)
