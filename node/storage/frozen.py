"""A folder as it is, for reading beside whoever writes it: nothing done through this file system reaches the disk.

Logs only grow, so a file is seen as long as it was when it was opened, and a group that is just being written reads as a
torn tail: it is cut off in the view and left alone on the disk. What opening a log makes or mends (a first segment, a cut,
an erasure taken up again) happens in the view alone. No lock is taken: a node can be started and stopped meanwhile.
"""

from __future__ import annotations

import os
from pathlib import Path

from node.storage.filesystem import File, Lock


class _Seen:
    """A file of the disk, opened for reading, up to the size it had then."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._size = os.fstat(self._descriptor).st_size

    def size(self) -> int:
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        parts = []
        end = min(offset + length, self._size)
        while offset < end and (part := os.pread(self._descriptor, end - offset, offset)):
            parts.append(part)
            offset += len(part)
        return b"".join(parts)

    def write_at(self, offset: int, data: bytes) -> None:
        """Forgotten: only an erasure taken up again writes, and whoever reads here is told of it by its tombstone."""

    def truncate(self, size: int) -> None:
        self._size = min(size, self._size)

    def sync(self) -> None:
        """Nothing is to be made durable."""

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class _Made:
    """A file that exists in the view only."""

    def __init__(self) -> None:
        self._content = bytearray()

    def size(self) -> int:
        return len(self._content)

    def read_at(self, offset: int, length: int) -> bytes:
        return bytes(self._content[offset : offset + length])

    def write_at(self, offset: int, data: bytes) -> None:
        self._content[offset : offset + len(data)] = data

    def truncate(self, size: int) -> None:
        del self._content[size:]

    def sync(self) -> None:
        """Nothing is to be made durable."""

    def close(self) -> None:
        """Nothing is open."""


class _NoLock:
    def release(self) -> None:
        """Nothing is held."""


class FrozenFileSystem:
    """The folder `root`, read only: a `filesystem.FileSystem`, whose methods are described there."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._made: dict[str, _Made] = {}

    def open(self, path: str) -> File:
        """An existing file."""
        return self._made[path] if path in self._made else _Seen(self._root / path)

    def create(self, path: str) -> File:
        """A new file, in the view."""
        made = self._made[path] = _Made()
        return made

    def exists(self, path: str) -> bool:
        """Whether something stands at `path`."""
        return path in self._made or (self._root / path).exists()

    def list_folder(self, path: str) -> tuple[str, ...]:
        """The names in a folder on the disk, sorted; segments that are being begun left out."""
        names = sorted(entry.name for entry in (self._root / path).iterdir())
        return tuple(name for name in names if not name.endswith(".new"))

    def make_folder(self, path: str) -> None:
        """Nothing: a missing folder stays missing."""

    def rename(self, old: str, new: str) -> None:
        """Rename what was made in the view."""
        self._made[new] = self._made.pop(old)

    def remove(self, path: str) -> None:
        """Remove what was made in the view."""
        self._made.pop(path, None)

    def sync_folder(self, path: str) -> None:
        """Nothing is to be made durable."""

    def lock(self, path: str) -> Lock:
        """No lock is needed, and none is taken from a node."""
        del path
        return _NoLock()
