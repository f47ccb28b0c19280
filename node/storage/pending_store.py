"""What is voted on and not yet final: batches with their open bytes, and proposed blocks (CONSENSUS 5, 23; STORAGE.md §4).

An entry is opaque bytes under (kind, 32-byte key). It is durable once `sync` returned, which must be before a vote that
rests on it leaves. When its block is durable in the block store, `forget` lets go of it; `collect` gives the space back,
oldest segment first: one in which nothing lives is removed; while most of the log is dead, what lives is copied forward.

A `forget` is not synced by itself: after a crash some forgotten entries may be back. The owner filters what is final.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from ledger.base.errors import Code, StorageError
from node.storage.filesystem import FileSystem
from node.storage.segments import Position, SegmentLog

SEGMENT_BYTES: Final = 1024 * 1024
"""What is forgotten stays on the disk until all that stands in the same segment is: about a second of a full load."""
KEY_BYTES: Final = 32
_PUT: Final = 1
_FORGET: Final = 2
_LIVE_SHARE: Final = 4
"""The oldest segment is copied forward while less than one part in this many of the log lives."""


class PendingStore:
    """Entries by kind (0 .. 255) and key."""

    def __init__(
        self,
        files: FileSystem,
        network: bytes,
        *,
        folder: str = "chain",
        segment_bytes: int = SEGMENT_BYTES,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Open or begin the store, reading all of it. Raises StorageError."""
        self._log = SegmentLog(
            files, folder, "pending", network, segment_bytes=segment_bytes, random_bytes=random_bytes
        )
        self._segment_bytes = segment_bytes
        self._entries: dict[bytes, tuple[Position, int]] = {}
        self._live: dict[int, int] = dict.fromkeys(self._log.segments, 0)
        for record in self._log.scan():
            operation = record.body[0]
            if operation == _PUT and len(record.body) >= 2 + KEY_BYTES:
                self._index(record.body[1 : 2 + KEY_BYTES], record.position, record.length)
            elif operation == _FORGET and (len(record.body) - 1) % (1 + KEY_BYTES) == 0:
                for start in range(1, len(record.body), 1 + KEY_BYTES):
                    self._unindex(record.body[start : start + 1 + KEY_BYTES])
            else:
                raise StorageError(
                    Code.DAMAGED,
                    f"expected an entry at {self._log.place(record.position)}, found an unknown record",
                )

    def _index(self, name: bytes, position: Position, length: int) -> None:
        self._unindex(name)
        self._entries[name] = (position, length)
        self._live[position.segment] = self._live.get(position.segment, 0) + length

    def _unindex(self, name: bytes) -> bool:
        entry = self._entries.pop(name, None)
        if entry is None:
            return False
        self._live[entry[0].segment] -= entry[1]
        return True

    @staticmethod
    def _name(kind: int, key: bytes) -> bytes:
        if len(key) != KEY_BYTES:
            raise StorageError(Code.MALFORMED, f"expected a key of {KEY_BYTES} bytes, got {len(key)}")
        return bytes((kind,)) + key

    def put(self, kind: int, key: bytes, data: bytes) -> None:
        """Add an entry, unless one of that name is there; durable after `sync`."""
        name = self._name(kind, key)
        if name not in self._entries:
            body = bytes((_PUT,)) + name + data
            self._index(name, self._log.append(body), len(body))

    def __contains__(self, name: tuple[int, bytes]) -> bool:
        return self._name(*name) in self._entries

    def get(self, kind: int, key: bytes) -> bytes | None:
        """The entry's bytes, or None."""
        entry = self._entries.get(self._name(kind, key))
        return None if entry is None else self._log.read(entry[0])[2 + KEY_BYTES :]

    def keys(self, kind: int) -> Iterator[bytes]:
        """The keys of one kind, in the order they were put."""
        first = bytes((kind,))
        return iter([name[1:] for name in self._entries if name[:1] == first])

    def forget(self, kind: int, keys: Iterable[bytes]) -> None:
        """Let go of entries; unknown ones are passed over. Durable with the next sync, and harmless if not."""
        gone = [name for name in (self._name(kind, key) for key in keys) if self._unindex(name)]
        if gone:
            self._log.append(bytes((_FORGET,)) + b"".join(gone))

    def sync(self) -> None:
        """Make everything put (and forgotten) so far durable."""
        self._log.sync()

    def collect(self) -> None:
        """Give back the space of what was forgotten. Call now and then; it may sync."""
        while self._log.first_segment < self._log.last_segment:
            oldest = self._log.first_segment
            if self._live[oldest] > 0:
                size = sum(self._log.size(segment) for segment in self._log.segments)
                if size < _LIVE_SHARE * (sum(self._live.values()) + self._segment_bytes):
                    return
                self._copy_forward(oldest)
            # The forgets in it are lost too, but they speak of this and older segments only.
            self._log.sync()
            self._log.drop_before(oldest + 1)
            del self._live[oldest]

    def _copy_forward(self, segment: int) -> None:
        """Append again what lives in a segment."""
        for name, (position, length) in list(self._entries.items()):
            if position.segment == segment:
                self._index(name, self._log.append(self._log.read(position)), length)

    def close(self) -> None:
        """Sync and close."""
        self._log.sync()
        self._log.close()
