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
        pairs = [
            (key, value)
            for key, value in sorted(self.tables.get(table, {}).items(), reverse=reverse)
            if key >= start and (end is None or key < end)
        ]
        return pairs[:limit]

    def begin(self) -> None:
        self._staged = {}

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

    def abandon(self) -> None:
        self._staged = {}

    def close(self) -> None:
        pass
