"""What this validator signed, and what it must still know when it wakes up (CONSENSUS 23-25; STORAGE.md §5).

Losing this log means voting twice. So:

- a vote or proposal is appended and `sync`ed, with all before it, before it leaves; all records of one turn share one
  sync, and what others signed waits for the next one (ADR 11);
- a torn last record is cut, since no vote or proposal in it ever left; any other bad record refuses the start, as does chain data
  without a log: then the key is spent, and the validator needs a new one;
- one process at a time may hold the log, by a lock on its folder;
- `replace` puts one record in the place of all before it, so it happens wholly or not at all.

Records are opaque bytes here; `ledger.consensus.messages` says what they are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Final

from ledger.base.encoding import decode, encode, take_array, take_bytes
from ledger.base.errors import Code, FormError, StorageError
from node.storage.filesystem import FileSystem, Lock, storage_error
from node.storage.segments import RECORD_BYTES_MAX, Record, SegmentLog

SEGMENT_BYTES: Final = 4 * 1024 * 1024
_ONE: Final = b"\x01"
_ALL: Final = b"\x02"


class VoteLog:
    """The vote state of one validator: a list of records."""

    def __init__(
        self,
        files: FileSystem,
        network: bytes,
        *,
        may_begin: bool,
        folder: str = "votes",
        segment_bytes: int = SEGMENT_BYTES,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Open the log, or begin one if `may_begin` (a fresh folder: no chain data, a key that never voted).

        Raises StorageError: locked when another process holds the folder, damaged when the log is missing or a record
        other than a torn last one is bad.
        """
        self._lock = _take_lock(files, folder)
        try:
            _check_may_begin(files, folder, may_begin=may_begin)
            self._log = SegmentLog(
                files, folder, "votes", network, segment_bytes=segment_bytes, random_bytes=random_bytes
            )
            self._records: list[bytes] = []
            self._since_replaced = 0
            self._load()
        except BaseException:
            self._lock.release()
            raise

    def _load(self) -> None:
        kept = 0
        for record in self._log.scan():
            if record.body[:1] == _ONE:
                self._records.append(record.body[1:])
                self._since_replaced += record.length
            else:
                kept = record.position.segment
                self._records = _parse_replacement(record, self._log.place(record.position))
                self._since_replaced = 0
        if self._log.first_segment > kept:  # only a replacement may end the life of earlier segments
            raise StorageError(
                Code.DAMAGED,
                f"expected the vote log from segment {kept} on, found it from {self._log.first_segment}: votes are "
                "missing; give this validator a new key",
            )
        self._log.drop_before(kept)

    @property
    def records(self) -> tuple[bytes, ...]:
        """Every record, in the order appended."""
        return tuple(self._records)

    @property
    def bytes_since_replaced(self) -> int:
        """How much was appended since the last `replace`: when to do the next."""
        return self._since_replaced

    @property
    def cut_bytes(self) -> int:
        """Bytes of a torn tail that opening cut off."""
        return self._log.cut_bytes

    def append(self, record: bytes) -> None:
        """Add a record; a vote or proposal may leave only after `sync` returned."""
        self._log.append(_ONE + record)
        self._records.append(record)
        self._since_replaced += len(record) + 1

    def sync(self) -> None:
        """Make every appended record durable: once a turn, before a vote or proposal is sent."""
        self._log.sync()

    def replace(self, records: Iterable[bytes]) -> None:
        """Put `records` in the place of everything in the log, at once and durably.

        Only what the consensus calls its live records, once everything final is durable elsewhere.
        """
        fresh = tuple(records)
        position = self._log.append(_ALL + encode(fresh))
        self._log.sync()
        self._records = list(fresh)
        self._since_replaced = 0
        self._log.drop_before(position.segment)

    def close(self) -> None:
        """Sync, close and unlock."""
        try:
            self._log.sync()
        finally:
            self._log.close()
            self._lock.release()


def _take_lock(files: FileSystem, folder: str) -> Lock:
    try:
        files.make_folder(folder)
        return files.lock(f"{folder}/lock")
    except BlockingIOError:
        raise StorageError(
            Code.LOCKED, f"expected no other process to use the vote log in {folder}, one does; stop it first"
        ) from None
    except OSError as error:
        raise storage_error(error, f"locking {folder}") from error


def _check_may_begin(files: FileSystem, folder: str, *, may_begin: bool) -> None:
    if not may_begin and not any(name.endswith(".seg") for name in files.list_folder(folder)):
        raise StorageError(
            Code.DAMAGED,
            f"expected a vote log in {folder} beside the chain data, found none; this validator may have voted before "
            "and must not vote again with this key: give it a new key",
        )


def _parse_replacement(record: Record, place: str) -> list[bytes]:
    try:
        if record.body[:1] != _ALL:
            raise FormError(Code.MALFORMED, "an unknown kind of record")
        records = take_array(decode(record.body[1:], max_bytes=RECORD_BYTES_MAX), "replacement")
        return [take_bytes(member, "record") for member in records]
    except FormError as error:
        raise StorageError(Code.DAMAGED, f"expected a vote record at {place}: {error.message}") from error
