"""What a capture has signed and what became of it, in one small file beside the document: it goes on after any end.

Lines of JSON, written behind each other:

    {"custody capture": 1, "network": …, "seed": …, …}                what is captured, as whom, in which stretches
    ["signed", stretch, start, end, first, events, attempt, expiry, id]   on disk before the transaction leaves
    ["done", stretch, applied, recorded, refused]                     once it is final or refused

Everything about a transaction follows from the header, the file, the stretch and these numbers, so what was under way is made
again byte by byte, under the same id, and is on the ledger once. A line that a kill cut short was not followed by anything and
is taken off. The seed makes the salts that hide events' bytes: the file is its owner's only (0600), and when all is done
the seed is taken out of it.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from client.files import write_over
from ledger.base.errors import Code, FormError, StorageError

VERSION: Final = 1
_KIND: Final = "custody capture"
_OPENING: Final = f'{{"{_KIND}":'.encode()
_SIGNED: Final = "signed"
_DONE: Final = "done"


class Header(NamedTuple):
    """What is captured, and how. Bytes in hexadecimal."""

    network: str
    organisation: str
    key: str
    digest: str
    """SHA-256 of the file."""
    events: int
    per_transaction: int
    seed: str
    """Empty once all is done."""


class Stretch(NamedTuple):
    """Consecutive events of the file that one transaction carries, and how it was last signed."""

    number: int
    start: int
    """Where its first event begins in the file, in bytes."""
    end: int
    first: int
    """The place of its first event among all, from 0."""
    events: int
    attempt: int
    expiry_ms: int
    id: str
    """Of the transaction, in hexadecimal; empty where no event of the stretch can be read, and nothing is signed."""


@dataclass
class Counts:
    """What became of events."""

    applied: int = 0
    recorded: int = 0
    refused: int = 0

    @property
    def done(self) -> int:
        """Events whose fate is known."""
        return self.applied + self.recorded + self.refused

    def add(self, applied: int, recorded: int, refused: int) -> None:
        """Count more."""
        self.applied += applied
        self.recorded += recorded
        self.refused += refused


class Journal:
    """The journal of one capture, open and locked until `close`."""

    def __init__(self, path: Path, file: Any, header: Header, stretches: Sequence[Any]) -> None:
        """Use `open`."""
        self.path = path
        self.header = header
        self.counts = Counts()
        self.under_way: dict[int, Stretch] = {}
        """Signed and not known to be done, by number."""
        self.next = 0
        """The first stretch that was never signed; all before it are done or under way."""
        self.at: tuple[int, int] | None = None
        """(end in bytes, events) of all stretches before `next`; None at the beginning."""
        self._file = file
        self._lock = asyncio.Lock()
        self._noted = self._synced = 0
        for line in stretches:
            self._take(line)

    @classmethod
    def open(cls, path: Path, header: Header) -> Self:
        """Begin a journal, or go on with the one that is there: then `header` says what it must be, its own seed prevails.

        Raises FormError usage where it is of another file, network, organisation or key; StorageError: damaged, locked,
        unavailable.
        """
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StorageError(Code.UNAVAILABLE, f"expected to write {path}: {error.strerror}") from None
        file = os.fdopen(descriptor, "r+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            data = file.read()
            # After a power cut there may be zeros where lines were to be: nothing behind them had left.
            whole, newline, _ = data.partition(b"\0")[0].rpartition(b"\n")
            lines = [_line(path, line) for line in whole.splitlines()]
            if not lines and not _is_begun(data):
                raise _damaged(path)
            journal = cls(path, file, _same(path, lines[0], header) if lines else header, lines[1:])
            # Only now, for what is no journal is somebody's file.
            file.truncate(file.seek(len(whole) + len(newline)))
            if not lines:
                journal._write({_KIND: VERSION, **header._asdict()})
                journal._sync()
            return journal
        except BlockingIOError:
            file.close()
            raise StorageError(
                Code.LOCKED, f"expected {path} for this capture alone, another one is under way with it"
            ) from None
        except BaseException:
            file.close()
            raise

    @property
    def is_done(self) -> bool:
        """Whether every event's fate is known, and the seed is gone."""
        return not self.header.seed

    def signed(self, stretch: Stretch) -> None:
        """Note how a stretch was signed, in order; it may leave once that is on disk (`synced`)."""
        self._take([_SIGNED, *stretch])
        self._write([_SIGNED, *stretch])

    async def synced(self) -> None:
        """All that is noted so far is on disk when this returns; those who wait at a time share a sync."""
        wanted = self._noted
        async with self._lock:
            if self._synced < wanted:
                synced = self._noted
                await asyncio.to_thread(self._sync)
                self._synced = synced

    def done(self, number: int, applied: int, recorded: int, refused: int) -> None:
        """Note what became of a stretch. Without a sync: were this lost, the ledger would say it again."""
        line = [_DONE, number, applied, recorded, refused]
        self._take(line)
        self._write(line)

    def finish(self) -> None:
        """All is done: keep the counts, and no seed."""
        header = self.header._replace(seed="")
        done = [_DONE, 0, self.counts.applied, self.counts.recorded, self.counts.refused]
        lines = ({_KIND: VERSION, **header._asdict()}, done)
        write_over(self.path, b"".join(_bytes(line) for line in lines), mode=0o600)

    def close(self) -> None:
        """Give it up."""
        self._file.close()

    def _take(self, line: Any) -> None:
        try:
            kind, number, *more = line
            if kind == _DONE:
                self.under_way.pop(number, None)
                self.counts.add(*more)
                return
            stretch = Stretch(number, *more)
        except (TypeError, ValueError):
            raise _damaged(self.path) from None
        self.under_way[number] = stretch
        if number >= self.next:
            self.next, self.at = number + 1, (stretch.end, stretch.first + stretch.events)

    def _write(self, line: Any) -> None:
        self._file.write(_bytes(line))
        self._file.flush()
        self._noted += 1

    def _sync(self) -> None:
        os.fsync(self._file.fileno())


def _bytes(line: Any) -> bytes:
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def _is_begun(data: bytes) -> bool:
    """Whether a file without a whole line is what an end in the middle of the first one left."""
    begun = data.rstrip(b"\0")
    return begun[: len(_OPENING)] == _OPENING[: len(begun)]


def _line(path: Path, data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise _damaged(path) from None


def _same(path: Path, line: Any, wanted: Header) -> Header:
    """The header of a journal that is there, of the same capture as `wanted`."""
    try:
        if line.pop(_KIND) != VERSION:
            raise FormError(
                Code.UNSUPPORTED_VERSION, f"{path}: expected a capture journal of version {VERSION}"
            )
        found = Header(**line)
    except (AttributeError, KeyError, TypeError):
        raise _damaged(path) from None
    for name in ("network", "organisation", "key", "digest"):
        if getattr(found, name) != getattr(wanted, name):
            raise FormError(
                Code.USAGE,
                f"{path}: expected the journal of a capture with this {_NAMES.get(name, name)}, it was begun with "
                "another; finish that one first, or name another --journal",
            )
    return found


_NAMES: Final = {"digest": "file's content"}


def _damaged(path: Path) -> StorageError:
    return StorageError(Code.DAMAGED, f"{path}: expected the journal of a capture, got something else")
