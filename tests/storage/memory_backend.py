"""Durable tables in memory, with faults on demand: a `Backend` for models and simulations."""

from __future__ import annotations

from collections.abc import Iterable

from ledger.base.errors import Code, StorageError


class MemoryBackend:
    def __init__(self) -> None:
        self.tables: dict[str, dict[bytes, bytes]] = {}
        self.stored_height: int | None = None
        self._staged: dict[str, dict[bytes, bytes | None]] = {}
        self._height: int | None = None
        self.full = False

    @property
    def height(self) -> int | None:
        return self.stored_height

    def get(self, table: str, key: bytes) -> bytes | None:
        return self.tables.get(table, {}).get(key)

    def read_range(
        self, table: str, start: bytes, end: bytes | None, limit: int, *, reverse: bool
    ) -> list[tuple[bytes, bytes]]:
        found = self.tables.get(table)
        if not found:
            return []
        keys = sorted(key for key in found if key >= start and (end is None or key < end))
        if reverse:
            keys.reverse()
        return [(key, found[key]) for key in keys[:limit]]

    def begin(self) -> None:
        self._staged = {}
        self._height = None

    def stage(self, table: str, changes: Iterable[tuple[bytes, bytes | None]]) -> None:
        self._staged.setdefault(table, {}).update(changes)

    def write(self, height: int) -> None:
        if self.full:
            raise StorageError(Code.DISK_FULL, "expected room")
        self._height = height

    def settle(self) -> None:
        for name, changes in self._staged.items():
            table = self.tables.setdefault(name, {})
            for key, value in changes.items():
                if value is None:
                    table.pop(key, None)
                else:
                    table[key] = value
        self.stored_height = self._height
        self._height = None

    def abandon(self) -> None:
        self._staged = {}
        self._height = None

    def crash(self) -> None:
        """A power cut: a change is there wholly, if it was written, or not at all."""
        if self._height is not None:
            self.settle()
        self._staged = {}

    def close(self) -> None:
        pass
