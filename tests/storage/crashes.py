"""Every crash point of short sequences of operations, over every store, judged by a model (STORAGE.md §2-§6).

The power may go before or after every operation on a file; then each unsynced sector, size and name is old or new, whatever the others are. All
these disks are opened again (all of them where there are few, else the extremes and some drawn); what the store then holds
must be a state that its history had, none older than the last promise. While it opens, the power goes again, at every
point. What was recovered must go on working.

A *rig* is one store and its model. `states` are those that the history went through, the last one now; whoever asked for
durability was promised `states[-1]` at that moment.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any, ClassVar, Final

from ledger.base.errors import Code, UnavailableError
from node.storage.block_store import BlockStore, StoredBlock
from node.storage.payload_store import Payload, PayloadStore
from node.storage.pending_store import PendingStore
from node.storage.vote_log import VoteLog
from tests.storage.damage import Wrong
from tests.storage.memory_backend import MemoryBackend
from tests.storage.memory_files import MemoryFileSystem

NETWORK: Final = bytes(range(32))
SEGMENT_BYTES: Final = 2_048
CHANGING: Final = frozenset({"create", "write", "truncate", "sync", "rename", "remove", "sync_folder"})
Choose = Callable[[int], int]


class Rig:
    """One store under test. Subclasses say what its operations are, and what it holds when it is opened."""

    name: ClassVar[str]
    operations: ClassVar[tuple[str, ...]]
    prologue: ClassVar[tuple[str, ...]] = ()
    """What brings the store to where more of its code is at work: sequences are tried after it too."""

    def __init__(self, files: MemoryFileSystem) -> None:
        self.states: list[Any] = [self.empty()]
        self.promised = 0
        self._count = 0
        self.salt = random.Random(1).randbytes
        self.open(files)

    @property
    def allowed(self) -> list[Any]:
        """What may be found after a crash now."""
        return self.states[self.promised :]

    def empty(self) -> Any:
        """The state of a store that was never used."""
        raise NotImplementedError

    def open(self, files: MemoryFileSystem) -> None:
        """Open the store."""
        raise NotImplementedError

    def read(self) -> Any:
        """All that the opened store holds."""
        raise NotImplementedError

    def do(self, operation: str) -> None:
        """Carry an operation out: states first, for the power may go in the middle of it."""
        getattr(self, operation)()

    def reaches(self, state: Any) -> None:
        """The history comes to a state."""
        self.states.append(state)

    def promise(self) -> None:
        """What stands now was made durable."""
        self.promised = len(self.states) - 1

    def check_disk(self, files: MemoryFileSystem, state: Any) -> None:
        """What must (not) be on the disk once it was opened in a state."""

    def go_on(self) -> None:
        """One more change after a recovery, made durable."""
        raise NotImplementedError

    def body(self, size: int = 700) -> bytes:
        """New bytes, longer than a sector."""
        self._count += 1
        return random.Random(self._count).randbytes(size)


class VoteRig(Rig):
    """The vote log."""

    name = "votes"
    operations = ("append", "append_long", "sync", "replace")
    prologue = ("append_long", "append", "append_long", "sync")

    def empty(self) -> tuple[bytes, ...]:
        return ()

    def open(self, files: MemoryFileSystem) -> None:
        files.locks.clear()
        self.log = VoteLog(
            files, NETWORK, may_begin=True, segment_bytes=SEGMENT_BYTES, random_bytes=self.salt
        )

    def read(self) -> tuple[bytes, ...]:
        return self.log.records

    def append(self, size: int = 90) -> None:
        record = self.body(size)
        self.reaches((*self.states[-1], record))
        self.log.append(record)

    def append_long(self) -> None:
        self.append(1_300)

    def sync(self) -> None:
        self.log.sync()
        self.promise()

    def replace(self) -> None:
        kept = (*self.states[-1][-1:], self.body(40))
        self.reaches(kept)
        self.log.replace(kept)
        self.promise()

    def go_on(self) -> None:
        self.append()
        self.sync()


class PendingRig(Rig):
    """The log of pending entries: some names come again."""

    name = "pending"
    operations = ("put", "put_again", "forget", "sync", "collect")
    prologue = ("put", *("churn",) * 9, "sync")

    def empty(self) -> dict[bytes, bytes]:
        return {}

    def open(self, files: MemoryFileSystem) -> None:
        self.store = PendingStore(files, NETWORK, segment_bytes=SEGMENT_BYTES, random_bytes=self.salt)

    def read(self) -> dict[bytes, bytes | None]:
        return {key: self.store.get(1, key) for key in self.store.keys(1)}

    def put(self, key: bytes | None = None) -> None:
        data = self.body(1_100)
        name = key or data[:32]
        if name not in self.states[-1]:
            self.reaches({**self.states[-1], name: data})
        self.store.put(1, name, data)

    def put_again(self) -> None:
        self.put(bytes(32))

    def churn(self) -> None:
        """Bytes that are dead at once, behind one entry that lives in the oldest segment."""
        self.put_again()
        self.forget([bytes(32)])

    def forget(self, names: list[bytes] | None = None) -> None:
        """Let go of the oldest."""
        gone = list(self.states[-1])[:1] if names is None else names
        self.reaches({name: data for name, data in self.states[-1].items() if name not in gone})
        self.store.forget(1, gone)

    def sync(self) -> None:
        self.store.sync()
        self.promise()

    def collect(self) -> None:
        self.store.collect()

    def go_on(self) -> None:
        self.put()
        self.sync()


class BlockRig(Rig):
    """The block store: (first height with a body, blocks from height 1 on)."""

    name = "blocks"
    operations = ("append", "append_long", "sync", "prune")
    prologue = ("append_long", "append_long", "sync", "prune", "append_long")

    def empty(self) -> tuple[StoredBlock, ...]:
        return ()

    def open(self, files: MemoryFileSystem) -> None:
        self.store = BlockStore(files, NETWORK, segment_bytes=SEGMENT_BYTES, random_bytes=self.salt)

    def read(self) -> tuple[StoredBlock, ...]:
        """Every block, as a head where the body is gone; none may be missing below."""
        found: list[StoredBlock] = []
        first = self.store.first_height
        for height in range(1, (self.store.last_height or 0) + 1):
            try:
                found.append(self.store.get(height))
            except UnavailableError as error:
                if error.code is not Code.PRUNED or (first is not None and height >= first):
                    raise
                head = self.store.head(height)
                if head != self.states[-1][height - 1]._replace(body=b""):
                    raise Wrong(f"blocks: the head of pruned block {height} is another") from None
                found.append(self.states[-1][height - 1])
        return tuple(found)

    def append(self, size: int = 200) -> None:
        height = len(self.states[-1]) + 1
        block = StoredBlock(height, self.body(150), self.body(200), self.body(90), self.body(size))
        self.reaches((*self.states[-1], block))
        self.store.append(block)

    def append_long(self) -> None:
        self.append(1_500)

    def sync(self) -> None:
        self.store.sync()
        self.promise()

    def prune(self) -> None:
        self.store.prune_before(len(self.states[-1]))

    def go_on(self) -> None:
        self.append()
        self.sync()


class PayloadRig(Rig):
    """The payload store. Its index is a table that changes at once and never with the log: it lags."""

    name = "payloads"
    operations = ("put", "context", "sync", "erase", "index")
    prologue = ("put", "put", "index", "put", "sync")

    def __init__(self, files: MemoryFileSystem) -> None:
        self.tables = MemoryBackend()
        self.marks: dict[bytes, bytes] = {}
        super().__init__(files)

    def empty(self) -> dict[bytes, Any]:
        return {}

    def open(self, files: MemoryFileSystem) -> None:
        lagging = MemoryBackend()
        lagging.tables = {name: dict(table) for name, table in self.tables.tables.items()}
        lagging.stored_height = self.tables.stored_height
        self.tables = lagging
        self.store = PayloadStore(
            files, lagging, NETWORK, segment_bytes=SEGMENT_BYTES, random_bytes=self.salt
        )

    def read(self) -> dict[bytes, Any]:
        found: dict[bytes, Any] = {}
        for key in self.marks:
            if self.store.is_erased(key):
                found[key] = "erased"
            elif (payload := self.store.get(key)) is not None:
                found[key] = payload
            elif (context := self.store.get_context(key)) is not None:
                found[key] = context
        return found

    def put(self) -> None:
        event = self.body(1_200)
        key = event[:32]
        self.marks[key] = event[100:]
        payload = Payload(key, event[32:48], event[48:], None, None)
        self.reaches({**self.states[-1], key: payload})
        self.store.put(payload)

    def context(self) -> None:
        context = self.body(600)
        self.marks[context[:32]] = context
        self.reaches({**self.states[-1], context[:32]: context})
        self.store.put_context(context[:32], context)

    def sync(self) -> None:
        self.store.sync()
        self.promise()

    def erase(self) -> None:
        """Erase the oldest that is there; before it came, where there is none."""
        state = self.states[-1]
        key = next((key for key, value in state.items() if isinstance(value, Payload)), bytes(32))
        self.marks.setdefault(key, b"")
        if state.get(key) == "erased":
            self.store.erase(key)  # it was made durable before, and nothing else is now
            return
        self.reaches({**state, key: "erased"})
        self.store.erase(key)
        self.promise()

    def index(self) -> None:
        self.store.write_index(least_bytes=0)
        self.promise()

    def check_disk(self, files: MemoryFileSystem, state: dict[bytes, Any]) -> None:
        """Of what is erased not one sector is left."""
        disk = b"".join(bytes(inode.content) for inode in files.names.values())
        for key, value in state.items():
            secret = self.marks[key]
            pieces = (secret[start : start + 16] for start in range(0, len(secret) - 16, 64))
            if value == "erased" and any(piece in disk for piece in pieces):
                raise Wrong("payloads: bytes of an erased event are still on the disk")

    def go_on(self) -> None:
        self.put()
        self.sync()


RIGS: Final[tuple[type[Rig], ...]] = (VoteRig, PendingRig, BlockRig, PayloadRig)


# ---- what may be left after a power cut


def outcomes(
    crash: Callable[[Choose], MemoryFileSystem], most: int, draw: random.Random
) -> Iterator[MemoryFileSystem]:
    """Disks that a crash may leave: all of them where there are at most `most`, else extremes and `most` drawn."""
    script: list[int] = []
    count = 1
    arities: list[int] = []

    def scripted(choices: int) -> int:
        place = len(arities)
        arities.append(choices)
        if place == len(script):
            script.append(0)
        return script[place]

    yield crash(scripted)
    for arity in arities:
        count *= arity
    if count > most:
        yield crash(lambda choices: choices - 1)
        for _ in range(most):
            yield crash(draw.randrange)
        return
    while True:
        while script and script[-1] + 1 >= arities[len(script) - 1]:
            script.pop()
        if not script:
            return
        script[-1] += 1
        arities.clear()
        yield crash(scripted)


def image(files: MemoryFileSystem) -> tuple[tuple[str, bytes], ...]:
    """What stands on a disk."""
    return tuple(sorted((path, bytes(inode.content)) for path, inode in files.names.items()))


class Trial:
    """All crash points of one sequence over one store. `disks` counts those that were opened."""

    def __init__(
        self,
        rig: type[Rig],
        sequence: tuple[str, ...],
        *,
        most: int = 32,
        again: int = 4,
        seed: int = 1,
        prologue: tuple[str, ...] = (),
    ) -> None:
        self.rig = rig
        self.sequence = sequence
        self.disks = 0
        self._prologue = prologue
        self._most = most
        self._again = again
        self._draw = random.Random(f"{seed} {rig.name} {sequence}")
        self._seen: set[tuple[int, int, tuple[tuple[str, bytes], ...]]] = set()

    def run(self) -> None:
        """Raises Wrong at the first disk that is not recovered as it should be."""
        files = MemoryFileSystem()
        done: list[str] = []
        rig = self.rig(files)

        def before(operation: str, _path: str) -> None:
            if operation in CHANGING:
                self._crash(files, rig, done)

        for operation in self._prologue:
            done.append(operation)
            rig.do(operation)
        files.fault = before
        for operation in self.sequence:
            done.append(operation)
            rig.do(operation)
            self._crash(files, rig, done)
        if rig.read() != rig.states[-1]:
            raise Wrong(
                f"{rig.name}: {' '.join(done)}: without any crash, another state than was written is read"
            )

    def _crash(self, files: MemoryFileSystem, rig: Rig, done: list[str]) -> None:
        """The power goes now."""
        for disk in outcomes(partial(files.crash, in_order=False), self._most, self._draw):
            key = (rig.promised, len(rig.states), image(disk))
            if key not in self._seen:
                self._seen.add(key)
                self._recover(disk, rig, done)

    def _recover(self, disk: MemoryFileSystem, rig: Rig, done: list[str]) -> None:
        """Open it, with the power going again in between; then go on."""
        what = f"{rig.name}: power lost in {' '.join(done)}"

        def before(operation: str, _path: str) -> None:
            if operation in CHANGING:
                for twice in outcomes(partial(disk.crash, in_order=False), self._again, self._draw):
                    self._open(twice, rig, f"{what}, and again while opening")

        disk.fault = before
        found, recovered = self._open(disk, rig, what)
        disk.fault = lambda _operation, _path: None
        recovered.states, recovered.promised = [found], 0
        recovered.go_on()
        after, _ = self._open(disk.crash(), recovered, f"{what}, recovered and gone on")
        if after != recovered.states[-1]:
            raise Wrong(f"{what}: what was written and synced after the recovery was lost")

    def _open(self, disk: MemoryFileSystem, rig: Rig, what: str) -> tuple[Any, Rig]:
        self.disks += 1
        opened: Rig = object.__new__(self.rig)
        opened.__dict__.update(rig.__dict__)
        opened.states = list(rig.states)
        try:
            opened.open(disk)
            found = opened.read()
        except Wrong:
            raise
        except Exception as error:
            raise Wrong(f"{what}: refused or failed: {error!r}") from error
        if found not in rig.allowed:
            raise Wrong(
                f"{what}: expected one of the {len(rig.allowed)} states since the last promise, got another: "
                f"{'an older one' if found in rig.states else 'one that never was'}"
            )
        opened.check_disk(disk, found)
        return found, opened


def sequences(rig: type[Rig], length: int) -> list[tuple[str, ...]]:
    """All sequences of exactly so many operations."""
    return list(product(rig.operations, repeat=length))
