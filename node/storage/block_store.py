"""Final blocks by height, in segments (STORAGE.md §3).

A block is four opaque byte strings: header, outcome, certificate (empty where only a descendant was certified) and body.
Blocks are appended in order of height without a gap. Appending does not sync: until a block is durable here, its parts
are durable in the pending store and the vote log, which may let go of it only below `synced_height`. The same holds for
the state: it may be written only up to `synced_height`, so that it never runs ahead of what it is redone from.
"""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from ledger.base.errors import Code, StorageError, UnavailableError
from node.storage.filesystem import FileSystem
from node.storage.segments import SEGMENT_BYTES, Position, SegmentLog

_PREFIX: Final = struct.Struct(">QIII")


def _block_after(body: bytes | None) -> str:
    """What errors call the record after one with this body."""
    if body is None:
        return "the first block kept"
    return f"block {int.from_bytes(body[:8], 'big') + 1}"


class StoredBlock(NamedTuple):
    """One final block as bytes."""

    height: int
    header: bytes
    outcome: bytes
    certificate: bytes
    """Empty when the block is final through a descendant."""
    body: bytes


class BlockStore:
    """Blocks `first_height` .. `last_height`."""

    def __init__(
        self,
        files: FileSystem,
        network: bytes,
        *,
        folder: str = "chain",
        segment_bytes: int = SEGMENT_BYTES,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Open or begin the store; the index is rebuilt from record headers. Raises StorageError."""
        self._log = SegmentLog(
            files,
            folder,
            "blocks",
            network,
            segment_bytes=segment_bytes,
            name_after=_block_after,
            random_bytes=random_bytes,
        )
        self._first = 0
        self._positions = array("Q")  # segment << 32 | offset, by height - first
        for record in self._log.scan_prefixes(_PREFIX.size):
            if not self._positions:
                self._log.read(
                    record.position
                )  # all other heights are judged by the first: it is checked wholly
            height = int.from_bytes(record.body[:8], "big")
            if len(record.body) < _PREFIX.size or (
                self._positions and height != self._first + len(self._positions)
            ):
                raise StorageError(
                    Code.DAMAGED,
                    f"expected block {self._first + len(self._positions)} at {self._log.place(record.position)}, found "
                    f"block {height}; restore the folder or rejoin the network with an empty one",
                )
            self._index(height, record.position)
        self.synced_height = self.last_height
        """Highest durable height; None while there is none."""

    def _index(self, height: int, position: Position) -> None:
        if not self._positions:
            self._first = height
        self._positions.append(position.segment << 32 | position.offset)

    def _position(self, height: int) -> Position:
        packed = self._positions[height - self._first]
        return Position(packed >> 32, packed & 0xFFFFFFFF)

    @property
    def first_height(self) -> int | None:
        """Lowest height present, None while the store is empty."""
        return self._first if self._positions else None

    @property
    def last_height(self) -> int | None:
        """Highest height present, durable or not, None while the store is empty."""
        return self._first + len(self._positions) - 1 if self._positions else None

    def append(self, block: StoredBlock) -> None:
        """Add the next block; the first one may have any height. Durable after `sync`."""
        last = self.last_height
        if last is not None and block.height != last + 1:
            raise StorageError(
                Code.DAMAGED, f"expected block {last + 1} to be stored next, got {block.height}"
            )
        sizes = (len(block.header), len(block.outcome), len(block.certificate))
        parts = (block.header, block.outcome, block.certificate, block.body)
        position = self._log.append(_PREFIX.pack(block.height, *sizes) + b"".join(parts))
        self._index(block.height, position)

    def sync(self) -> None:
        """Make every appended block durable."""
        self._log.sync()
        self.synced_height = self.last_height

    def __contains__(self, height: int) -> bool:
        return 0 <= height - self._first < len(self._positions)

    def get(self, height: int) -> StoredBlock:
        """The block at `height`; UnavailableError unknown_block, or StorageError damaged naming the place."""
        if height not in self:
            held = f"{self.first_height} .. {self.last_height}" if self._positions else "none yet"
            raise UnavailableError(
                Code.UNKNOWN_BLOCK, f"expected a height this node holds ({held}), got {height}"
            )
        position = self._position(height)
        data = self._log.read(position)
        if len(data) >= _PREFIX.size:
            found, header, outcome, certificate = _PREFIX.unpack_from(data)
            ends = [_PREFIX.size, _PREFIX.size + header]
            ends += [ends[1] + outcome, ends[1] + outcome + certificate]
            if found == height and ends[3] <= len(data):
                cut = [data[start:end] for start, end in zip(ends, [*ends[1:], len(data)], strict=True)]
                return StoredBlock(height, *cut)
        raise StorageError(
            Code.DAMAGED, f"expected block {height} at {self._log.place(position)}, found another record"
        )

    def blocks(self, start: int, end: int) -> Iterator[StoredBlock]:
        """Blocks start .. end - 1, in order."""
        for height in range(start, end):
            yield self.get(height)

    def prune_before(self, height: int) -> None:
        """Let go of blocks below `height`, whole segments at a time; never of the last one."""
        if not self._positions or height <= self._first:
            return
        segment = self._position(min(height, self._first + len(self._positions) - 1)).segment
        self._log.drop_before(segment)
        kept = next(index for index, packed in enumerate(self._positions) if packed >> 32 >= segment)
        self._first += kept
        del self._positions[:kept]

    def close(self) -> None:
        """Sync and close."""
        self.sync()
        self._log.close()
