"""Files that a client reads and writes: bounded, whole or not at all, with one clear sentence when it cannot be."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ledger.base.errors import Code, FormError, StorageError


def read_bytes(path: Path, most: int) -> bytes:
    """The bytes of a file. StorageError unavailable when it cannot be read, FormError too_large above `most` bytes."""
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise StorageError(Code.UNAVAILABLE, f"expected to read {path}: {error.strerror}") from None
    if len(data) > most:
        raise FormError(Code.TOO_LARGE, f"{path}: expected at most {most} bytes, got more")
    return data


def write_once(path: Path, data: bytes) -> None:
    """Write a 0600 file durably and never over one that is there. StorageError usage, unavailable."""
    partial = _written_beside(path, data)
    try:
        os.link(partial, path)
    except FileExistsError:
        raise StorageError(
            Code.USAGE, f"expected no file at {path}, there is one; move it away first"
        ) from None
    except OSError as error:
        raise StorageError(Code.UNAVAILABLE, f"expected to write {path}: {error.strerror}") from None
    finally:
        with suppress(OSError):
            partial.unlink()


def write_over(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write a file durably in the place of what may be there. StorageError unavailable."""
    partial = _written_beside(path, data, mode)
    try:
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise StorageError(Code.UNAVAILABLE, f"expected to write {path}: {error.strerror}") from None


def _written_beside(path: Path, data: bytes, mode: int = 0o600) -> Path:
    partial = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise StorageError(Code.UNAVAILABLE, f"expected to write {path}: {error.strerror}") from None
    return partial
