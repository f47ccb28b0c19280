"""The one door to the disk (STORAGE.md §1).

Everything that must survive a power cut goes through `FileSystem`, so that a simulator can put another one in its place:
one that forgets unsynced writes, tears the last one, fails a sync or runs full. (LMDB does its own input and output; it
stands behind `tables.Backend` for the same reason.)

Contract of every implementation:

- paths are relative to one root, with `/`; none may leave it;
- after `File.sync` returned, the bytes and the size of the file survive a power cut; after `sync_folder` returned, so do
  the names created, renamed and removed in that folder; nothing else is promised;
- a write that raises may have written any part of its bytes;
- failures are `OSError`; the stores above turn them into `StorageError` with `storage_error`.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import Final, Protocol

from ledger.base.errors import Code, StorageError

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FULL_SYNC: Final = getattr(fcntl, "F_FULLFSYNC", None)
"""macOS: fsync leaves the bytes in the drive's cache, this does not."""


class File(Protocol):
    """One open file. Offsets and sizes are in bytes."""

    def size(self) -> int:
        """The current size."""

    def read_at(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer only at the end of the file."""

    def write_at(self, offset: int, data: bytes) -> None:
        """Write all of `data` at `offset`, extending the file where needed."""

    def truncate(self, size: int) -> None:
        """Cut the file to `size`."""

    def sync(self) -> None:
        """Make bytes and size durable."""

    def close(self) -> None:
        """Release the file; durable only as far as it was synced."""


class Lock(Protocol):
    """An exclusive lock, held until released or the process ends."""

    def release(self) -> None:
        """Give the lock up."""


class FileSystem(Protocol):
    """A folder tree under one root."""

    def open(self, path: str) -> File:
        """An existing file, for reading and writing; FileNotFoundError if there is none."""

    def create(self, path: str) -> File:
        """A new, empty file that only its owner may read (0600); FileExistsError if there is one."""

    def exists(self, path: str) -> bool:
        """Whether a file or folder stands at `path`."""

    def list_folder(self, path: str) -> tuple[str, ...]:
        """The names in a folder, sorted; FileNotFoundError if there is none."""

    def make_folder(self, path: str) -> None:
        """Make a folder that only its owner may enter (0700), with its parents; nothing if it exists."""

    def rename(self, old: str, new: str) -> None:
        """Give a file another name, replacing what stands there, in one step."""

    def remove(self, path: str) -> None:
        """Remove a file."""

    def sync_folder(self, path: str) -> None:
        """Make the names in a folder durable."""

    def lock(self, path: str) -> Lock:
        """Lock the file at `path`, made if missing; BlockingIOError if another holder has it."""


def storage_error(error: OSError, doing: str) -> StorageError:
    """The StorageError that says what failed: disk_full when there is no room, else damaged."""
    reason = error.strerror or type(error).__name__
    if error.errno in _FULL:
        return StorageError(
            Code.DISK_FULL, f"expected room on the disk while {doing}: {reason}; free some space"
        )
    return StorageError(Code.DAMAGED, f"expected the disk to work while {doing}: {reason}; check the disk")


def write_atomically(files: FileSystem, path: str, data: bytes) -> None:
    """Put a small file in place, durably and whole or not at all; raises StorageError."""
    folder, _, _ = path.rpartition("/")
    fresh = path + ".new"
    try:
        if files.exists(fresh):
            files.remove(fresh)
        file = files.create(fresh)
        try:
            file.write_at(0, data)
            file.sync()
        finally:
            file.close()
        files.rename(fresh, path)
        files.sync_folder(folder)
    except OSError as error:
        raise storage_error(error, f"writing {path}") from error


def read_whole(files: FileSystem, path: str, *, most: int) -> bytes:
    """The bytes of a small file; StorageError damaged if it is missing or longer than `most`."""
    try:
        file = files.open(path)
        try:
            data = file.read_at(0, most + 1)
        finally:
            file.close()
    except OSError as error:
        raise storage_error(error, f"reading {path}") from error
    if len(data) > most:
        raise StorageError(Code.DAMAGED, f"expected at most {most} bytes in {path}, found more")
    return data


class RealFile:
    """A file of the operating system."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def size(self) -> int:
        """The current size in bytes."""
        return os.fstat(self._descriptor).st_size

    def read_at(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`."""
        data = os.pread(self._descriptor, length, offset)
        if len(data) == length or not data:
            return data
        parts = [data]  # a signal or a limit of the system may shorten a read before the end of the file
        read = len(data)
        while read < length:
            part = os.pread(self._descriptor, length - read, offset + read)
            if not part:
                break
            parts.append(part)
            read += len(part)
        return b"".join(parts)

    def write_at(self, offset: int, data: bytes) -> None:
        """Write all of `data` at `offset`."""
        written = os.pwrite(self._descriptor, data, offset)
        while written < len(data):
            written += os.pwrite(self._descriptor, memoryview(data)[written:], offset + written)

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes."""
        os.ftruncate(self._descriptor, size)

    def sync(self) -> None:
        """Make bytes and size durable."""
        if _FULL_SYNC is not None:
            fcntl.fcntl(self._descriptor, _FULL_SYNC)
        else:
            os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Release the descriptor; a second call does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class RealLock:
    """A lock of the operating system (flock), which ends with the process however it ends."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock up; a second call does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class RealFileSystem:
    """The folder `root` of the operating system's file system."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _path(self, path: str) -> Path:
        parts = path.split("/")
        if path and ("" in parts or "." in parts or ".." in parts or "\0" in path):
            raise ValueError(f"expected a plain relative path, got {path!r}")
        return self.root / path

    def open(self, path: str) -> RealFile:
        """An existing file."""
        return RealFile(os.open(self._path(path), os.O_RDWR | os.O_CLOEXEC))

    def create(self, path: str) -> RealFile:
        """A new file, mode 0600."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        return RealFile(os.open(self._path(path), flags, 0o600))

    def exists(self, path: str) -> bool:
        """Whether something stands at `path`."""
        return self._path(path).exists()

    def list_folder(self, path: str) -> tuple[str, ...]:
        """The names in a folder, sorted."""
        return tuple(sorted(entry.name for entry in self._path(path).iterdir()))

    def make_folder(self, path: str) -> None:
        """Make a folder (0700) and its parents."""
        folder = self._path(path)
        missing = [folder, *folder.parents]
        for level in reversed(missing):
            if not level.exists():
                level.mkdir(mode=0o700)

    def rename(self, old: str, new: str) -> None:
        """Rename, replacing."""
        self._path(old).rename(self._path(new))

    def remove(self, path: str) -> None:
        """Remove a file."""
        self._path(path).unlink()

    def sync_folder(self, path: str) -> None:
        """Make the names in a folder durable."""
        descriptor = os.open(self._path(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def lock(self, path: str) -> RealLock:
        """Lock a file exclusively, without waiting."""
        descriptor = os.open(self._path(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(descriptor)
            raise
        return RealLock(descriptor)
