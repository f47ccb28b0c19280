"""Final blocks by height, in segments (STORAGE.md §3).

Old bodies can be let go of: then header, outcome and certificate, the *head*, stand in a log of their own, and `get` says
that the block is pruned. A node that joined from a snapshot begins with heads only.

A block is four opaque byte strings: header, outcome, certificate (empty where only a descendant was certified) and body.
Blocks are appended in order of height without a gap. Appending does not sync: until a block is durable here, its parts
are in the pending store and the vote log, which may let go of it only below `synced_height`. The same holds for
the state: it may be written only up to `synced_height`, so that it never runs ahead of what it is redone from.
"""

from __future__ import annotations

import os
import struct
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import pairwise
from typing import Final, NamedTuple

from ledger.base.errors import Code, StorageError, UnavailableError
from node.storage.compression import Compressor
from node.storage.filesystem import FileSystem, storage_error
from node.storage.segments import RECORD_BYTES_MAX, SEGMENT_BYTES, Position, SegmentLog

_PREFIX: Final = struct.Struct(">QIII")
_PACKED: Final = 1 << 31
"""In the length of the certificate: the body is packed."""


class StoredBlock(NamedTuple):
    """One final block as bytes."""

    height: int
    header: bytes
    outcome: bytes
    certificate: bytes
    """Empty when the block is final through a descendant."""
    body: bytes


def _block_after(body: bytes | None) -> str:
    """What errors call the record after one with this body."""
    if body is None:
        return "the first block kept"
    return f"block {int.from_bytes(body[:8], 'big') + 1}"


_HEADS_SEGMENT_BYTES: Final = 16 * 1024 * 1024


class _Log:
    """One log of blocks by height, without a gap."""

    def __init__(self, log: SegmentLog) -> None:
        self.log = log
        self.first = 0
        self._compressor = Compressor()
        self.positions = array("Q")  # segment << 32 | offset, by height - first
        for record in log.scan_prefixes(_PREFIX.size):
            if not self.positions:
                log.read(record.position)  # all other heights are judged by the first: it is checked wholly
            height = int.from_bytes(record.body[:8], "big")
            if len(record.body) < _PREFIX.size or (self.positions and height != self.end):
                raise StorageError(
                    Code.DAMAGED,
                    f"expected block {self.end} at {log.place(record.position)}, found block {height}; restore the "
                    "folder or rejoin the network with an empty one",
                )
            self._index(height, record.position)

    def _index(self, height: int, position: Position) -> None:
        if not self.positions:
            self.first = height
        self.positions.append(position.segment << 32 | position.offset)

    @property
    def end(self) -> int:
        """The height after the last one."""
        return self.first + len(self.positions)

    def __contains__(self, height: int) -> bool:
        return 0 <= height - self.first < len(self.positions)

    def position(self, height: int) -> Position:
        packed = self.positions[height - self.first]
        return Position(packed >> 32, packed & 0xFFFFFFFF)

    def append(self, block: StoredBlock) -> None:
        body, flag = block.body, 0
        packed = self._compressor.pack(body)
        if len(packed) < len(body):
            body, flag = packed, _PACKED
        sizes = (len(block.header), len(block.outcome), len(block.certificate) | flag)
        parts = (_PREFIX.pack(block.height, *sizes), block.header, block.outcome, block.certificate, body)
        self._index(block.height, self.log.append(b"".join(parts)))

    def read(self, height: int, *, head_only: bool = False) -> StoredBlock:
        position = self.position(height)
        data = self.log.read(position)
        if len(data) >= _PREFIX.size:
            found, header, outcome, certificate = _PREFIX.unpack_from(data)
            certificate, is_packed = certificate & ~_PACKED, bool(certificate & _PACKED)
            ends = [_PREFIX.size, _PREFIX.size + header]
            ends += [ends[1] + outcome, ends[1] + outcome + certificate]
            if found == height and ends[3] <= len(data):
                body = b"" if head_only else data[ends[3] :]
                if body and is_packed:
                    body = self._compressor.unpack(body, RECORD_BYTES_MAX)
                head, told, final = (data[start:end] for start, end in pairwise(ends))
                return StoredBlock(height, head, told, final, body)
        raise StorageError(
            Code.DAMAGED, f"expected block {height} at {self.log.place(position)}, found another record"
        )


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
        opened = partial(
            SegmentLog, files, folder, network=network, name_after=_block_after, random_bytes=random_bytes
        )
        self._blocks = _Log(opened("blocks", segment_bytes=segment_bytes))
        self._heads = _Log(opened("heads", segment_bytes=min(segment_bytes, _HEADS_SEGMENT_BYTES)))
        if self._heads.positions and self._blocks.positions and self._blocks.first > self._heads.end:
            raise StorageError(
                Code.DAMAGED,
                f"expected the blocks in {folder} to begin at {self._heads.end} at most, they begin at "
                f"{self._blocks.first}; rejoin the network with an empty folder",
            )
        self.synced_height = self.last_height
        """Highest durable height; None while there is none."""

    @property
    def first_height(self) -> int | None:
        """Lowest height present with its body, None while there is none."""
        return self._blocks.first if self._blocks.positions else None

    @property
    def first_head(self) -> int | None:
        """Lowest height of which at least the head is present, None while the store is empty."""
        return self._heads.first if self._heads.positions else self.first_height

    @property
    def last_height(self) -> int | None:
        """Highest height present, durable or not, None while the store is empty."""
        for log in (self._blocks, self._heads):
            if log.positions:
                return log.end - 1
        return None

    def append(self, block: StoredBlock) -> None:
        """Add the next block; the first one may have any height. Durable after `sync`."""
        last = self.last_height
        if last is not None and block.height != last + 1:
            raise StorageError(
                Code.DAMAGED, f"expected block {last + 1} to be stored next, got {block.height}"
            )
        self._blocks.append(block)

    def append_heads(self, blocks: Iterable[StoredBlock]) -> None:
        """Begin an empty store with the heads of consecutive blocks, durably."""
        if self._blocks.positions:
            raise StorageError(Code.USAGE, "expected an empty block store to put heads into, it has blocks")
        for block in blocks:
            if self._heads.positions and block.height != self._heads.end:
                raise StorageError(
                    Code.DAMAGED, f"expected the head of block {self._heads.end}, got {block.height}"
                )
            self._heads.append(block._replace(body=b""))
        self._heads.log.sync()
        self.synced_height = self.last_height

    def sync(self) -> None:
        """Make every appended block durable."""
        self._blocks.log.sync()
        self.synced_height = self.last_height

    def __contains__(self, height: int) -> bool:
        return height in self._blocks

    def get(self, height: int) -> StoredBlock:
        """The block at `height`; UnavailableError unknown_block or pruned, or StorageError damaged naming the place."""
        if height in self._blocks:
            return self._blocks.read(height)
        held = f"{self.first_height} .. {self.last_height}" if self._blocks.positions else "none yet"
        if 0 < height <= (self.last_height or 0):
            raise UnavailableError(
                Code.PRUNED,
                f"expected a height whose transactions this node still keeps ({held}), got {height}; ask a node that "
                "keeps them all",
            )
        raise UnavailableError(
            Code.UNKNOWN_BLOCK, f"expected a height this node holds ({held}), got {height}"
        )

    def head(self, height: int) -> StoredBlock:
        """Header, outcome and certificate at `height`, with an empty body; errors as of `get`, but for pruned."""
        if height in self._heads:
            return self._heads.read(height)
        if height in self._blocks:
            return self._blocks.read(height, head_only=True)
        return self.get(height)

    def blocks(self, start: int, end: int) -> Iterator[StoredBlock]:
        """Blocks start .. end - 1, in order."""
        for height in range(start, end):
            yield self.get(height)

    def prune_before(self, height: int) -> None:
        """Let go of the bodies of blocks below `height`, whole segments at a time; never of the last one."""
        while self.prune_step(height):
            pass

    def prune_step(self, height: int, blocks: int = 32) -> bool:
        """A small step of `prune_before`; whether there is another.

        Heads are durable before the segment with their blocks is removed.
        """
        log = self._blocks
        segment = log.log.first_segment
        if not log.positions or segment == log.log.last_segment:
            return False
        kept = bisect_left(log.positions, (segment + 1) << 32)
        if log.first + kept > height:
            return False
        start = self._heads.end if self._heads.positions else log.first
        end = min(start + blocks, log.first + kept)
        for place in range(start, end):
            self._heads.append(log.read(place, head_only=True))
        if end == log.first + kept:
            self._heads.log.sync()
            log.log.drop_before(segment + 1)
            log.first += kept
            del log.positions[:kept]
        return True

    def close(self) -> None:
        """Sync and close."""
        self.sync()
        self._blocks.log.close()
        self._heads.log.close()


def clear_blocks(files: FileSystem, *, folder: str = "chain") -> None:
    """Remove every block and head, before the store is opened: what follows begins with `append_heads`."""
    try:
        for name in files.list_folder(folder):
            if name.startswith(("blocks-", "heads-")):
                files.remove(f"{folder}/{name}")
                files.sync_folder(folder)  # one by one, as in `SegmentLog.drop_before`: no gap may be left
    except OSError as error:
        raise storage_error(error, f"clearing {folder}") from error
