"""The state's blobs: named tables behind a write-back overlay, in steps of one block (DESIGN §4; STORAGE.md §7).

Reads fall through four kinds of layer, newest first:

    undoable blocks   `begin` ... `undo`: executed, not final; any number, a stack
    overlay           `commit(height)`: final, only in memory
    frozen            what a flush under way is writing
    backend           durable, all of one height

So the disk always holds the state after exactly one final block, `durable_height`; what is above is redone from the block
log after a crash. Nothing here may be flushed above the height to which that log is durable: `begin_flush` checks.

A flush runs in steps, so that a busy loop is never held up for long: `step` hands a few changes to the backend, `write`
makes them durable and may run on another thread, `finish` settles it. A large one runs in rounds of all three, the first of
which notes all changes in a journal; the disk then holds the state after one block once the journal's rest is done, which
opening does. When it fails (a full disk), its changes fall back under the overlay and nothing is lost.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, Protocol

from ledger.base.buckets import bucket_of
from ledger.base.errors import Code, StorageError
from node.storage.journal import Journal

CHANGE_BYTES: Final = 150
"""What a change costs in memory beside its key and value, about."""
RANGE_CHUNK: Final = 256
GROUP_PAIRS: Final = 1 << 20
"""More than any group has."""
INSTALLING: Final = 0
"""The height on disk while tables are being filled from a snapshot: no block that is ever committed has it."""
INSTALL_CHANGES: Final = 20_000
ROUND_CHANGES: Final = 4_000
ROUNDS: Final = 8
"""A flush of many changes is done in as many as so many rounds, of so many changes at least (`node.storage.journal`)."""
_NOTING: Final = -1
"""The round before the first: the changes are put into the journal."""


class Backend(Protocol):
    """Durable tables, all changed in one step. Values are bytes; an absent key reads as None."""

    @property
    def height(self) -> int | None:
        """The height written with the last change; None before the first."""

    def get(self, table: str, key: bytes) -> bytes | None:
        """The value of a key."""

    def read_range(
        self, table: str, start: bytes, end: bytes | None, limit: int, *, reverse: bool
    ) -> list[tuple[bytes, bytes]]:
        """Up to `limit` pairs with start <= key < end, ascending, or the last ones descending."""

    def begin(self) -> None:
        """Begin a change."""

    def stage(self, table: str, changes: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Put (or, for None, delete) keys in the change begun. Raises StorageError; then `abandon`."""

    def write(self, height: int) -> None:
        """Make the change durable with `height`. May run on another thread while only reads happen on this one."""

    def settle(self) -> None:
        """After `write` returned: let reads see the change."""

    def abandon(self) -> None:
        """Drop the change begun."""

    def close(self) -> None:
        """Release the files."""


class _Layer:
    """Changes to one table; None deletes. Keys are put in order, or in groups, when a range or a group first asks."""

    __slots__ = ("_grouped", "_groups", "_sorted_keys", "changes")

    def __init__(self) -> None:
        self.changes: dict[bytes, bytes | None] = {}
        """No key ever leaves: so those not yet in order are the last ones."""
        self._sorted_keys: list[bytes] = []
        self._groups: dict[int, list[bytes]] = {}
        self._grouped = 0

    @property
    def size(self) -> int:
        """About what the changes take in memory."""
        changes = self.changes
        return (
            CHANGE_BYTES * len(changes)
            + sum(map(len, changes))
            + sum(map(len, filter(None, changes.values())))
        )

    def sorted_keys(self) -> list[bytes]:
        """All keys, ascending."""
        keys = self._sorted_keys
        if len(keys) < len(self.changes):
            keys += islice(self.changes, len(keys), None)
            keys.sort()  # one sorted run and a short tail: little more than a merge
        return keys

    def group(self, bits: int, number: int) -> list[bytes]:
        """The keys whose first `bits` bits are `number`, in no order; `bits` is the same whenever a layer is asked."""
        if self._grouped < len(self.changes):
            for key in islice(self.changes, self._grouped, None):
                self._groups.setdefault(bucket_of(key, bits), []).append(key)
            self._grouped = len(self.changes)
        return self._groups.get(number, [])


class Table:
    """One named table. Keys of 1 .. 511 bytes."""

    def __init__(self, backend: Backend, name: str) -> None:
        self._backend = backend
        self.name = name
        self.layers = [_Layer(), _Layer()]
        """Frozen, overlay, then one per undoable block."""

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`, or None."""
        for layer in reversed(self.layers):
            if key in layer.changes:
                return layer.changes[key]
        return self._backend.get(self.name, key)

    def get_committed(self, key: bytes) -> bytes | None:
        """The value of `key` after the last committed block, whatever undoable blocks say."""
        for layer in (self.layers[1], self.layers[0]):
            if key in layer.changes:
                return layer.changes[key]
        return self._backend.get(self.name, key)

    def put(self, key: bytes, value: bytes) -> None:
        """Set a key, in the block begun last."""
        self.changes()[key] = value

    def delete(self, key: bytes) -> None:
        """Remove a key, in the block begun last; nothing if it is absent."""
        self.changes()[key] = None

    def changes(self) -> dict[bytes, bytes | None]:
        """What the block begun last changes: for whoever sets many keys. None deletes; nothing may be taken out."""
        if len(self.layers) < 3:
            raise StorageError(
                Code.USAGE, f"expected a block to be begun before table {self.name} is changed"
            )
        return self.layers[-1].changes

    def range(
        self, start: bytes = b"", end: bytes | None = None, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with start <= key < end, ascending or descending, as they are when each is reached."""
        while True:
            chunk, more = self._chunk(start, end, reverse=reverse)
            yield from chunk
            if more is None:
                return
            if reverse:
                end = more
            else:
                start = more + b"\0"

    def prefix(self, prefix: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Pairs whose key begins with `prefix`."""
        return self.range(prefix, _after_prefix(prefix), reverse=reverse)

    def group(self, bits: int, number: int) -> list[tuple[bytes, bytes]]:
        """The pairs whose key begins with these bits, ascending, as after the block executed last.

        For keys of at least 4 bytes, of which a group has few and the table many: layers are not put in order for it.
        """
        start, end = (place << (32 - bits) for place in (number, number + 1))
        stored = self._backend.read_range(
            self.name,
            start.to_bytes(4, "big"),
            None if end >> 32 else end.to_bytes(4, "big"),
            GROUP_PAIRS,
            reverse=False,
        )
        above = [layer for layer in self.layers if layer.changes]
        found = [(layer.changes, keys) for layer in above if (keys := layer.group(bits, number))]
        if not found:
            return stored
        merged: dict[bytes, bytes | None] = dict(stored)
        for changes, keys in found:
            merged.update((key, changes[key]) for key in keys)
        return [(key, value) for key in sorted(merged) if (value := merged[key]) is not None]

    def _chunk(
        self, start: bytes, end: bytes | None, *, reverse: bool
    ) -> tuple[list[tuple[bytes, bytes]], bytes | None]:
        """The next pairs, and the key reached if there may be more beyond it."""
        stored = self._backend.read_range(self.name, start, end, RANGE_CHUNK, reverse=reverse)
        more = stored[-1][0] if len(stored) == RANGE_CHUNK else None
        if more is not None and reverse:
            start = more
        elif more is not None:
            end = more + b"\0"
        merged: dict[bytes, bytes | None] = dict(stored)
        for layer in self.layers:
            if layer.changes:
                keys = layer.sorted_keys()
                stop = len(keys) if end is None else bisect_left(keys, end)
                for index in range(bisect_left(keys, start), stop):
                    merged[keys[index]] = layer.changes[keys[index]]
        pairs = [
            (key, value) for key in sorted(merged, reverse=reverse) if (value := merged[key]) is not None
        ]
        return pairs, more


def _after_prefix(prefix: bytes) -> bytes | None:
    """The smallest key above every key with `prefix`; None if there is none."""
    trimmed = prefix.rstrip(b"\xff")
    return trimmed[:-1] + bytes((trimmed[-1] + 1,)) if trimmed else None


class Kept:
    """One table read slowly, in order of key, as it was on disk when this was made, whatever is written meanwhile.

    What a flush changes of the part not read yet is read before it is changed: `keep`.
    """

    def __init__(self, backend: Backend, table: str) -> None:
        self._backend = backend
        self._table = table
        self._before = _Layer()
        self._from = b""
        self.is_read = False
        """Whether all of it was read."""

    @property
    def size(self) -> int:
        """About what this holds in memory."""
        return self._before.size

    def keep(self, table: str, pairs: Iterable[tuple[bytes, bytes | None]]) -> None:
        """A change is about to be staged."""
        if table != self._table or self.is_read:
            return
        for key, _ in pairs:
            if key >= self._from and key not in self._before.changes:
                self._before.changes[key] = self._backend.get(table, key)

    def read(self, limit: int = RANGE_CHUNK) -> list[tuple[bytes, bytes]]:
        """The next pairs, about `limit`; once there are none, `is_read`."""
        stored = self._backend.read_range(self._table, self._from, None, limit, reverse=False)
        end = stored[-1][0] + b"\0" if len(stored) == limit else None
        merged: dict[bytes, bytes | None] = dict(stored)
        keys = self._before.sorted_keys()
        stop = len(keys) if end is None else bisect_left(keys, end)
        for index in range(bisect_left(keys, self._from), stop):
            merged[keys[index]] = self._before.changes[keys[index]]
        if end is None:
            self.is_read = True
        else:
            self._from = end
        return [(key, value) for key in sorted(merged) if (value := merged[key]) is not None]


class Flush:
    """One flush under way. Call `step` until it answers False, then `write`, then `finish`; again while that answers True."""

    def __init__(self, store: StateStore, backend: Backend, base: int | None, height: int) -> None:
        self._store = store
        self._backend = backend
        self._tables = store.frozen_tables()[::-1]
        self._error: StorageError | None = None
        self._base = base
        self.height = height
        changes = sum(len(layer.changes) for _, layer in self._tables)
        rounds = min(ROUNDS, changes // ROUND_CHANGES)
        self._journal: Journal | None = None
        if store.journal is not None and rounds > 1 and base is not None and base != height:
            self._journal = store.journal
        self._rounds = rounds if self._journal is not None else 1
        self._round = 0 if self._journal is None else _NOTING
        self._begun = False
        self._table = self._done = 0
        """Place of the table, and in its part of this round."""

    def step(self, changes: int = 500) -> bool:
        """Hand about `changes` changes on; whether some are left of this round."""
        if self._error is None:
            try:
                self._hand_on(changes)
            except StorageError as error:
                self._error = error
        return self._error is None and self._table < len(self._tables)

    def _hand_on(self, changes: int) -> None:
        if not self._begun:
            self._begun = True
            self._noting.begin() if self._round == _NOTING else self._backend.begin()
        while changes > 0 and self._table < len(self._tables):
            name, layer = self._tables[self._table]
            keys = layer.sorted_keys()  # pages fill up, and what comes in the order of its keys is appended
            start, end = self._part(len(keys))
            some = keys[start + self._done : min(end, start + self._done + changes)]
            staged = list(zip(some, map(layer.changes.__getitem__, some), strict=True))
            if self._round == _NOTING:
                self._noting.add(name, staged)
            else:
                self._store.keep_before(name, staged)
                self._backend.stage(name, staged)
            changes -= len(staged)
            self._done += len(staged)
            if start + self._done == end:
                self._table, self._done = self._table + 1, 0

    @property
    def _noting(self) -> Journal:
        if self._journal is None:
            raise StorageError(Code.USAGE, "expected a journal where changes are noted")
        return self._journal

    def _part(self, keys: int) -> tuple[int, int]:
        """The first and the end of what of a table's keys belongs to this round: keys that lie together."""
        if self._round == _NOTING:
            return 0, keys
        return keys * self._round // self._rounds, keys * (self._round + 1) // self._rounds

    def write(self) -> None:
        """Make the changes of this round durable. Blocks; may run on another thread."""
        if self._error is None:
            is_last = self._round == self._rounds - 1
            try:
                if self._round == _NOTING:
                    self._noting.seal(self._base or 0, self.height)
                else:
                    self._backend.write(self.height if is_last else self._base or 0)
            except StorageError as error:
                self._error = error

    def whole(self) -> None:
        """Do all that is left at once. Raises StorageError."""
        while True:
            while self.step(1 << 30):
                pass
            self.write()
            if not self.finish():
                return

    def finish(self) -> bool:
        """Settle the round; whether there is another. Raises the StorageError that made it fail: then no read has changed."""
        try:
            if self._error is None and self._round != _NOTING:
                self._backend.settle()
            if self._error is None and self._round == self._rounds - 1 and self._journal is not None:
                self._journal.remove()
        except StorageError as error:
            self._error = error
        if self._error is not None:
            self._backend.abandon()
            if self._journal is not None:
                self._journal.abandon()
            self._store.flush_finished(self.height, self._error)
            raise self._error
        self._round += 1
        self._begun, self._table, self._done = False, 0, 0
        if self._round < self._rounds:
            return True
        self._store.flush_finished(self.height, None)
        return False


class StateStore:
    """Tables that change together, block by block. Not for several threads, but for `Flush.write`."""

    def __init__(self, backend: Backend, tables: Iterable[str], journal: Journal | None = None) -> None:
        """With a journal, whatever was interrupted is done first, and large flushes are made in rounds. Raises StorageError."""
        self.journal = journal
        if journal is not None:
            journal.finish(backend)
        self._backend = backend
        self._tables = {name: Table(backend, name) for name in tables}
        self._flush: Flush | None = None
        self._depth = 0
        self._kept: list[Kept] = []
        self._is_filled = False
        self.is_half_installed = backend.height == INSTALLING
        """Whether filling the tables from a snapshot was interrupted: they must be filled again."""
        self.height = backend.height or None
        """Height of the last committed block; None before the first."""
        self.durable_height = self.height
        """Height the disk holds; blocks above it are redone after a crash."""
        self.overlay_bytes = 0
        """About what the overlay holds in memory: when to flush."""

    def table(self, name: str) -> Table:
        """The table of that name, one of those given at opening."""
        return self._tables[name]

    @property
    def depth(self) -> int:
        """How many undoable blocks are stacked."""
        return self._depth

    def begin(self) -> None:
        """Begin a block: changes from now on belong to it and can be undone."""
        for table in self._tables.values():
            table.layers.append(_Layer())
        self._depth += 1

    def undo(self) -> None:
        """Undo the block begun last."""
        if self._depth == 0:
            raise StorageError(Code.USAGE, "expected a block to undo, none is begun")
        for table in self._tables.values():
            table.layers.pop()
        self._depth -= 1

    def commit(self, height: int) -> None:
        """The block begun first is final, at `height`, which must be above the last."""
        if self._depth == 0 or (self.height is not None and height <= self.height):
            raise StorageError(
                Code.USAGE,
                f"expected a begun block above height {self.height} to commit, got height {height}",
            )
        for table in self._tables.values():
            layer = table.layers.pop(2)
            if layer.changes:
                self.overlay_bytes += layer.size
                table.layers[1].changes.update(layer.changes)
        self._depth -= 1
        self.height = height

    # ---- snapshots

    @property
    def is_flushing(self) -> bool:
        """Whether a flush is under way."""
        return self._flush is not None

    def keep(self, table: str) -> Kept:
        """Read a table as it is on disk now, at leisure. `release` it in the end."""
        kept = Kept(self._backend, table)
        self._kept.append(kept)
        return kept

    def release(self, kept: Kept) -> None:
        """Keep it no longer."""
        if kept in self._kept:
            self._kept.remove(kept)

    def keep_before(self, table: str, pairs: list[tuple[bytes, bytes | None]]) -> None:
        """For `Flush`: these changes are about to be staged."""
        for kept in self._kept:
            kept.keep(table, pairs)

    def fill(self, table: str, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        """Put what was lacking of the past, keys that no block changes; durable with the next flush."""
        changes = self._tables[table].layers[1].changes
        self._is_filled = True
        for key, value in pairs:
            changes[key] = value
            self.overlay_bytes += CHANGE_BYTES + len(key) + len(value)

    def install(self, chunks: Iterable[tuple[str, list[tuple[bytes, bytes]]]], height: int) -> Iterator[None]:
        """Replace everything by these pairs of tables, as of `height`, durably; yields between steps.

        Interrupted, it leaves the tables marked `is_half_installed`, and is to be done again.
        """
        if self._depth or self._flush is not None:
            raise StorageError(
                Code.USAGE, "expected no block and no flush under way while tables are replaced"
            )
        for name in self._tables:
            while pairs := self._backend.read_range(name, b"", None, INSTALL_CHANGES, reverse=False):
                self._write_now([(name, [(key, None) for key, _ in pairs])], INSTALLING)
                yield
        waiting: list[tuple[str, list[tuple[bytes, bytes | None]]]] = []
        count = 0
        for name, chunk in chunks:
            waiting.append((name, list(chunk)))
            count += len(chunk)
            if count >= INSTALL_CHANGES:
                self._write_now(waiting, INSTALLING)
                waiting, count = [], 0
            yield
        self._write_now(waiting, height)
        for table in self._tables.values():
            table.layers = [_Layer(), _Layer()]
        self.overlay_bytes = 0
        self.height = self.durable_height = height
        self.is_half_installed = False

    def _write_now(self, changes: list[tuple[str, list[tuple[bytes, bytes | None]]]], height: int) -> None:
        backend = self._backend
        try:
            backend.begin()
            for name, pairs in changes:
                backend.stage(name, pairs)
            backend.write(height)
            backend.settle()
        except BaseException:
            backend.abandon()
            raise

    # ---- flushing

    def begin_flush(self, synced_height: int | None) -> Flush | None:
        """Begin writing everything committed; None if there is nothing, or the block log lags behind it.

        `synced_height`: the height to which the block log is durable.
        """
        if self._flush is not None:
            raise StorageError(Code.USAGE, "expected one flush at a time, one is under way")
        if self.height is None or (self.height == self.durable_height and not self._is_filled):
            return None
        if synced_height is None or synced_height < self.height:
            return None
        for table in self._tables.values():
            table.layers[0], table.layers[1] = table.layers[1], _Layer()
        self.overlay_bytes = 0
        self._is_filled = False
        self._flush = Flush(self, self._backend, self._backend.height, self.height)
        return self._flush

    def flush(self, synced_height: int | None) -> bool:
        """Flush at once; whether there was something to flush. Raises StorageError disk_full, changing nothing."""
        flush = self.begin_flush(synced_height)
        if flush is None:
            return False
        flush.whole()
        return True

    def frozen_tables(self) -> list[tuple[str, _Layer]]:
        """For `Flush`: the tables that it has something of to write."""
        return [(name, table.layers[0]) for name, table in self._tables.items() if table.layers[0].changes]

    def flush_finished(self, height: int, error: StorageError | None) -> None:
        """For `Flush`: drop what is durable now, or put back what is not."""
        self._flush = None
        if error is None:
            self.durable_height = height
        for table in self._tables.values():
            frozen, overlay = table.layers[0], table.layers[1]
            table.layers[0] = _Layer()
            if error is not None:
                self._is_filled = True
                self.overlay_bytes += frozen.size
                frozen.changes.update(overlay.changes)
                table.layers[1] = frozen

    def close(self) -> None:
        """Close the backend. What was not flushed is redone from the block log."""
        self._backend.close()
