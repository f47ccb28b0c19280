"""Snapshots on disk: the parts of the state at a checkpoint, each a file, and readers of them (STORAGE.md §9).

A snapshot is there once its manifest is, which is written last, when every part is durable; the manifest of one that is let
go of is removed first. So a crash leaves whole snapshots and parts of none, which `clean` removes. What a part holds is
proven by the manifest and the manifest by its checkpoint (`ledger.state.snapshot`); the checksum of a file only tells rot
from a lie.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from enum import IntEnum
from typing import Final, NamedTuple
from zlib import crc32

from ledger.base.errors import Code, StorageError
from ledger.base.limits import SNAPSHOT_PART_BYTES
from ledger.chain.genesis import Genesis
from ledger.chain.validators import Validator, ValidatorSet
from ledger.members.registry import Registry
from ledger.state import snapshot
from ledger.state.snapshot import Changes, Manifest, WindowBlock
from node.storage.filesystem import FileSystem, read_whole, storage_error, write_atomically

FOLDER: Final = "snapshots"
KEPT: Final = 2
"""How many snapshots a node keeps."""
_CHECKSUM_BYTES: Final = 4
_HEIGHT_DIGITS: Final = 19
_INDEX_DIGITS: Final = 7


class PartKind(IntEnum):
    """What a part of a snapshot holds."""

    MANIFEST = 0
    STATE = 1
    REGISTRY = 2
    WINDOW = 3
    PLAN = 4  # the manifest of a snapshot that is being fetched


class Part(NamedTuple):
    """One part: its kind, and its number among those."""

    kind: PartKind
    number: int = 0

    @property
    def name(self) -> str:
        """What its file and the log call it."""
        return f"{self.kind.name.lower()}-{self.number:0{_INDEX_DIGITS}d}"


MANIFEST: Final = Part(PartKind.MANIFEST)
PLAN: Final = Part(PartKind.PLAN)


def parts_of(manifest: Manifest) -> tuple[Part, ...]:
    """Every part of a snapshot but its manifest, in the order they are wanted."""
    return (
        Part(PartKind.REGISTRY),
        *(Part(PartKind.WINDOW, index) for index in range(manifest.windows)),
        *(Part(PartKind.STATE, index) for index in range(len(manifest.state))),
    )


class SnapshotStore:
    """The snapshots of one node, by the height of their checkpoint."""

    def __init__(self, files: FileSystem, *, folder: str = FOLDER) -> None:
        """Open the store, made if missing. Raises StorageError."""
        self._files = files
        self._folder = folder
        try:
            if not files.exists(folder):
                files.make_folder(folder)
                files.sync_folder(folder.rpartition("/")[0])
        except OSError as error:
            raise storage_error(error, f"making {folder}") from error

    def _path(self, height: int, part: Part) -> str:
        return f"{self._folder}/{height:0{_HEIGHT_DIGITS}d}-{part.name}"

    def _names(self) -> tuple[str, ...]:
        try:
            return self._files.list_folder(self._folder)
        except OSError as error:
            raise storage_error(error, f"reading {self._folder}") from error

    @property
    def heights(self) -> tuple[int, ...]:
        """The heights of whole snapshots, ascending."""
        ending = f"-{MANIFEST.name}"
        return tuple(int(name[:_HEIGHT_DIGITS]) for name in self._names() if name.endswith(ending))

    @property
    def planned(self) -> int | None:
        """The height of the snapshot that is being fetched and put in place, if one is."""
        ending = f"-{PLAN.name}"
        return max(
            (int(name[:_HEIGHT_DIGITS]) for name in self._names() if name.endswith(ending)), default=None
        )

    def remove(self, height: int, part: Part) -> None:
        """Remove one part, durably."""
        try:
            self._files.remove(self._path(height, part))
            self._files.sync_folder(self._folder)
        except OSError as error:
            raise storage_error(error, f"removing {self._path(height, part)}") from error

    def has(self, height: int, part: Part) -> bool:
        """Whether a part is there, whole or not."""
        return self._files.exists(self._path(height, part))

    def put(self, height: int, part: Part, data: bytes) -> None:
        """Put a part in place, durably; of one snapshot the manifest last. May run on another thread."""
        write_atomically(
            self._files, self._path(height, part), crc32(data).to_bytes(_CHECKSUM_BYTES, "big") + data
        )

    def read(self, height: int, part: Part) -> bytes:
        """A part; StorageError damaged, naming the file, if it is missing or rotten."""
        path = self._path(height, part)
        data = read_whole(self._files, path, most=SNAPSHOT_PART_BYTES + _CHECKSUM_BYTES)
        if crc32(data[_CHECKSUM_BYTES:]).to_bytes(_CHECKSUM_BYTES, "big") != data[:_CHECKSUM_BYTES]:
            raise StorageError(
                Code.DAMAGED, f"expected {path} as it was written, found damage; remove it, it is made again"
            )
        return data[_CHECKSUM_BYTES:]

    def clean(self, keep: Collection[int]) -> None:
        """Remove every snapshot, and every part of one, but those of the heights in `keep`; manifests first."""
        gone = [name for name in self._names() if not self._is_kept(name, keep)]
        if not gone:
            return
        try:
            for name in sorted(gone, key=lambda name: not name.endswith(MANIFEST.name)):
                self._files.remove(f"{self._folder}/{name}")
                if name.endswith(MANIFEST.name):
                    self._files.sync_folder(self._folder)
            self._files.sync_folder(self._folder)
        except OSError as error:
            raise storage_error(error, f"removing snapshots from {self._folder}") from error

    @staticmethod
    def _is_kept(name: str, keep: Collection[int]) -> bool:
        digits = name[:_HEIGHT_DIGITS]
        return digits.isascii() and digits.isdigit() and int(digits) in keep and not name.endswith(".new")


class SnapshotReader:
    """A snapshot wherever its parts come from, each proven before it is given out.

    `read` gives the bytes of a part. Raises ProofError naming the part that does not hold, and whatever `read` raises.
    """

    def __init__(self, read: Callable[[Part], bytes], genesis: Genesis) -> None:
        self._read = read
        self._genesis = genesis
        self.depth = genesis.state_depth
        self.network = genesis.network
        first = ValidatorSet(
            self.network, [Validator(seat.organisation, seat.public_key) for seat in genesis.validators]
        )
        self.manifest = snapshot.parse_manifest(read(MANIFEST))
        self.sets: Sequence[ValidatorSet] = snapshot.check_manifest(self.manifest, self.depth, first)
        """The validators of every epoch up to the checkpoint's."""

    def registry(self) -> Registry:
        """The registry at the checkpoint."""
        return self.registry_and_changes()[0]

    def registry_and_changes(self) -> tuple[Registry, Changes]:
        """The registry at the checkpoint, and the changes of epochs that led to it."""
        return snapshot.check_registry_part(self._genesis, self.manifest, self._read(Part(PartKind.REGISTRY)))

    def records(self) -> Iterator[tuple[tuple[bytes, bytes], ...]]:
        """(state key, encoded record) of every record in order of key, part by part."""
        for index in range(len(self.manifest.state)):
            yield self.records_of(index)

    def records_of(self, index: int) -> tuple[tuple[bytes, bytes], ...]:
        """The records of one part."""
        data = self._read(Part(PartKind.STATE, index))
        return snapshot.check_state_part(self.network, self.depth, self.manifest, index, data)

    def window(self) -> Iterator[WindowBlock]:
        """The blocks of the last hour, newest first."""
        anchor = snapshot.first_anchor(self.manifest)
        last = self.manifest.checkpoint.header
        for index in range(self.manifest.windows):
            data = self._read(Part(PartKind.WINDOW, index))
            blocks, anchor = snapshot.check_window_part(self.manifest, anchor, data)
            last = blocks[-1].block.header
            yield from blocks
        snapshot.check_window_whole(last, self.manifest)

    def remembered(self, registry: Registry) -> Iterator[tuple[bytes, int]]:
        """(id, expiry_ms) of every transaction that must not be executed again."""
        now_ms = self.manifest.checkpoint.header.time_ms
        return snapshot.remembered_ids(self.window(), registry, self.sets, now_ms)


def open_snapshot(store: SnapshotStore, height: int, genesis: Genesis) -> SnapshotReader:
    """A reader of a stored snapshot."""
    return SnapshotReader(lambda part: store.read(height, part), genesis)
