"""A file system in memory that forgets, tears and fails as a disk under a power cut may.

`crash(choose)` leaves what was synced plus an arbitrary part of what was not: of every unsynced file each 512-byte sector
may be old or new, its size old or new; of the names in a folder the changes since the last `sync_folder` survive up to an
arbitrary one.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

SECTOR = 512
UNLIMITED = 1 << 40


class Inode:
    """The bytes of a file as they are read, and what to take back to have those that are durable."""

    def __init__(self, content: bytes = b"") -> None:
        self.content = bytearray(content)
        self.unsynced: list[tuple[int, bytes, int]] = []
        """(offset, bytes before, size before) of each change since the last sync."""

    def change(self, offset: int, data: bytes) -> None:
        content = self.content
        end = offset + len(data)
        self.unsynced.append((offset, bytes(content[offset:end]), len(content)))
        if offset > len(content):
            content.extend(bytes(offset - len(content)))
        content[offset:end] = data

    def resize(self, size: int) -> None:
        content = self.content
        self.unsynced.append((size, bytes(content[size:]), len(content)))
        del content[size:]
        content.extend(bytes(size - len(content)))

    @property
    def durable(self) -> bytes:
        if not self.unsynced:
            return bytes(self.content)
        result = bytearray(self.content)
        for offset, before, size in reversed(self.unsynced):
            result[offset : offset + len(before)] = before
            del result[size:]
            result.extend(bytes(size - len(result)))
        return bytes(result)

    def after_crash(self, choose: Callable[[int], int]) -> bytes:
        """`choose(n)` draws from 0 .. n-1."""
        durable = self.durable
        if bytes(self.content) == durable:
            return durable
        size = len(self.content) if choose(2) else len(durable)
        result = bytearray(size)
        for start in range(0, size, SECTOR):
            end = min(start + SECTOR, size)
            old, new = durable[start:end], bytes(self.content[start:end])
            kept = new if old == new or choose(2) else old
            result[start : start + len(kept)] = kept
        return bytes(result)


class MemoryFile:
    def __init__(self, files: MemoryFileSystem, path: str, inode: Inode) -> None:
        self._files = files
        self._path = path
        self._inode = inode

    def size(self) -> int:
        return len(self._inode.content)

    def read_at(self, offset: int, length: int) -> bytes:
        self._files.before("read", self._path)
        return bytes(self._inode.content[offset : offset + length])

    def write_at(self, offset: int, data: bytes) -> None:
        self._files.before("write", self._path)
        files, inode = self._files, self._inode
        offset, data = files.divert(self._path, offset, data)
        grows = max(0, offset + len(data) - len(inode.content))
        room = files.capacity - files.used() if files.capacity < UNLIMITED else grows
        part = data if grows <= room else data[: max(0, len(data) - (grows - room))]
        if part:
            inode.change(offset, part)
        if len(part) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def truncate(self, size: int) -> None:
        self._files.before("truncate", self._path)
        self._inode.resize(size)

    def sync(self) -> None:
        self._files.before("sync", self._path)
        self._inode.unsynced.clear()

    def close(self) -> None:
        pass


class MemoryLock:
    def __init__(self, files: MemoryFileSystem, path: str) -> None:
        self._files = files
        self._path = path

    def release(self) -> None:
        self._files.locks.discard(self._path)


class MemoryFileSystem:
    def __init__(self, capacity: int = UNLIMITED) -> None:
        self.capacity = capacity
        self.folders: set[str] = {""}
        self.names: dict[str, Inode] = {}
        self._changes: dict[str, list[dict[str, Inode]]] = {}
        """Per folder the durable listing and every one after it."""
        self.locks: set[str] = set()
        self.fault: Callable[[str, str], None] = lambda operation, path: None
        self.divert: Callable[[str, int, bytes], tuple[int, bytes]] = lambda path, offset, data: (
            offset,
            data,
        )
        """Where a write really goes, and what of it: for disks that lie."""

    def before(self, operation: str, path: str) -> None:
        self.fault(operation, path)

    def used(self) -> int:
        return sum(len(inode.content) for inode in self.names.values())

    @staticmethod
    def _folder(path: str) -> str:
        return path.rpartition("/")[0]

    def _listing(self, folder: str) -> dict[str, Inode]:
        return {path: inode for path, inode in self.names.items() if self._folder(path) == folder}

    def _changing(self, *paths: str) -> None:
        for folder in {self._folder(path) for path in paths}:
            if folder not in self.folders:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), folder)
            self._changes.setdefault(folder, [self._listing(folder)])

    def _changed(self, *paths: str) -> None:
        for folder in {self._folder(path) for path in paths}:
            self._changes[folder].append(self._listing(folder))

    def open(self, path: str) -> MemoryFile:
        self.before("open", path)
        if path not in self.names:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return MemoryFile(self, path, self.names[path])

    def create(self, path: str) -> MemoryFile:
        self.before("create", path)
        if path in self.names:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        self._changing(path)
        self.names[path] = Inode()
        self._changed(path)
        return MemoryFile(self, path, self.names[path])

    def exists(self, path: str) -> bool:
        return path in self.names or path in self.folders

    def list_folder(self, path: str) -> tuple[str, ...]:
        if path not in self.folders:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        names = {name for name in (*self.names, *self.folders) if name and self._folder(name) == path}
        return tuple(sorted(name.rpartition("/")[2] for name in names))

    def make_folder(self, path: str) -> None:
        while path:
            self.folders.add(path)
            path = self._folder(path)

    def rename(self, old: str, new: str) -> None:
        self.before("rename", old)
        self._changing(old, new)
        self.names[new] = self.names.pop(old)
        self._changed(old, new)

    def remove(self, path: str) -> None:
        self.before("remove", path)
        self._changing(path)
        del self.names[path]
        self._changed(path)

    def sync_folder(self, path: str) -> None:
        self.before("sync_folder", path)
        self._changes.pop(path, None)

    def lock(self, path: str) -> MemoryLock:
        if path in self.locks:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN), path)
        self.locks.add(path)
        return MemoryLock(self, path)

    def crash(self, choose: Callable[[int], int] | None = None, *, in_order: bool = True) -> MemoryFileSystem:
        """The disk after a power cut; without `choose`, exactly what was durable.

        Not `in_order`: each name of a folder is of any moment since the last sync, whatever the others are of.
        """
        pick = choose or (lambda n: 0)
        names = dict(self.names)
        for folder, listings in self._changes.items():
            names = {path: inode for path, inode in names.items() if self._folder(path) != folder}
            if in_order:
                names.update(listings[pick(len(listings))])
                continue
            for path in sorted({path for listing in listings for path in listing}):
                listing = listings[pick(len(listings))]
                if path in listing:
                    names[path] = listing[path]
        after = MemoryFileSystem(self.capacity)
        after.folders = set(self.folders)
        for path, inode in names.items():
            after.names[path] = Inode(inode.after_crash(pick) if choose else inode.durable)
        return after
