"""Damage done to one file of a specimen, and the verdict over what its store makes of it.

Never silently wrong means: what is read is exactly the state after some first records of the file, with everything before
the last group in it; or the store refuses and names the place.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import permutations, product
from typing import Any, Final

from ledger.base.errors import Code, StorageError
from node.storage.segment_format import (
    HEADER_BYTES,
    RECORD_HEADER_BYTES,
    SegmentHeader,
    decode_header,
    encode_header,
    encode_record,
)
from tests.storage.memory_files import SECTOR, MemoryFileSystem
from tests.storage.specimens import Specimen

REFUSALS: Final = frozenset({Code.DAMAGED, Code.FOREIGN_DATA, Code.UNSUPPORTED_VERSION})


class Wrong(Exception):  # noqa: N818 - a finding, not an error
    """A store took damage for data, lost what was durable, or refused without saying where."""


class Bench:
    """One specimen under test. `recovered` and `refused` count what its store did."""

    def __init__(self, specimen: Specimen) -> None:
        self.specimen = specimen
        self.files: MemoryFileSystem = specimen.disk()
        self.recovered = 0
        self.refused = 0

    def _put(self, data: bytes) -> None:
        inode = self.files.names[self.specimen.path]
        inode.content = bytearray(data)
        inode.unsynced.clear()

    def _read(self, data: bytes) -> Any:
        """What the store holds, or the StorageError it refuses with; any other error is a finding by itself."""
        self._put(data)
        try:
            found = self.specimen.read(self.files)
        except StorageError as error:
            self.refused += 1
            return error
        self.recovered += 1
        return found

    # ---- one flipped bit

    def flip(self, bit: int) -> None:
        """Turn one bit over; raises Wrong."""
        specimen = self.specimen
        data = bytearray(specimen.data)
        data[bit // 8] ^= 1 << bit % 8
        found, byte = self._read(bytes(data)), bit // 8
        what = f"{specimen.name}: bit {bit} (byte {byte}) turned over"
        place = specimen.intact_before(byte)
        if place in specimen.explained and self._is_explained(place, byte):
            self._is(found, specimen.states[-1], what)
        elif byte >= max(HEADER_BYTES, specimen.last_group):
            self._is(found, specimen.states[place], what)
        else:
            # Of an erased payload the tombstone's victim may be named; a snapshot's file is all one record.
            is_named = byte >= HEADER_BYTES and specimen.spans and not specimen.explained
            self._names(found, specimen.spans[place].start if is_named else None, place, what)
            if specimen.read_each is not None and byte >= HEADER_BYTES and bit % 8 == byte % 8:
                self._others_stand(bytes(data), place, byte, what)

    def _is_explained(self, place: int, byte: int) -> bool:
        """Whether a byte belongs to the body of an erased record, or to the checksum over it."""
        start = self.specimen.spans[place].start + RECORD_HEADER_BYTES - 4
        return byte >= start

    def _others_stand(self, data: bytes, place: int, byte: int, what: str) -> None:
        """Damage in one body of an older segment takes nothing else with it."""
        if byte < self.specimen.spans[place].start + RECORD_HEADER_BYTES:
            return
        self._put(data)
        read_each = self.specimen.read_each
        try:
            found = [] if read_each is None else read_each(self.files)
        except StorageError as error:  # it stood in the first bytes, which are read at opening
            self._names(error, self.specimen.spans[place].start, place, what)
            return
        expected = self.specimen.states[-1]
        for number, (one, other) in enumerate(zip(found, expected, strict=True)):
            if number == place:
                self._names(one, self.specimen.spans[place].start, place, what)
            else:
                self._is(one, other, what)

    # ---- a shortened file

    def prefix(self, size: int) -> None:
        """Cut the file to its first bytes; raises Wrong."""
        specimen = self.specimen
        found = self._read(specimen.data[:size])
        what = f"{specimen.name}: cut to {size} bytes"
        place = specimen.intact_before(size)
        if size == len(specimen.data):
            self._is(found, specimen.states[-1], what)
        elif not specimen.is_last or size < HEADER_BYTES:
            self._names(found, None, place, what)
        elif (
            specimen.explained
        ):  # what explained an erased body may be cut off: then it reads as torn or as damage
            if found not in specimen.states[: place + 1]:
                self._names(found, None, place, what)
        else:
            self._is(found, specimen.states[place], what)

    # ---- sectors of the last group

    def sectors(self, data: bytes, what: str) -> None:
        """Any mixture in place of the last group: everything before it stands, and of it a first part; raises Wrong."""
        specimen = self.specimen
        found = self._read(data)
        least = specimen.intact_before(specimen.last_group)
        for state in specimen.states[least:]:
            if found == state:
                return
        raise Wrong(f"{specimen.name}: {what}: expected {least} records or more, got {_short(found)}")

    # ---- verdicts

    def _is(self, found: Any, expected: Any, what: str) -> None:
        if found != expected:
            raise Wrong(f"{what}: expected {_short(expected)}, got {_short(found)}")

    def _names(self, found: Any, start: int | None, place: int, what: str) -> None:
        specimen = self.specimen
        if not isinstance(found, StorageError):
            raise Wrong(f"{what}: expected a refusal, got {_short(found)}")
        needed = [specimen.path] if start is None else [f"byte {start} of {specimen.path}"]
        if specimen.first_height is not None:
            needed.append(f"block {specimen.first_height + place}" if place else "the first block kept")
        if found.code not in REFUSALS or any(text not in found.message for text in needed):
            raise Wrong(f"{what}: expected a refusal that says {needed}, got: {found}")


def _short(found: Any) -> str:
    if isinstance(found, StorageError):
        return f"a refusal: {found}"
    return f"{len(found)} records" if hasattr(found, "__len__") else repr(found)[:80]


# ---- what may become of the sectors of a group that was being written


def torn(specimen: Specimen, seed: int, most: int) -> Iterator[tuple[bytes, str]]:
    """The file after a power cut in its last group: sectors old or new, swapped, misdirected, or of another life.

    All 2^k mixtures of written and unwritten sectors where the group has few, and all orders of a few; else `most` drawn.
    """
    draw = random.Random(seed)
    data, start = specimen.data, specimen.last_group
    places = [
        slice(max(at, start), min(at + SECTOR, len(data)))
        for at in range(start - start % SECTOR, len(data), SECTOR)
    ]
    count = len(places)
    masks = product((False, True), repeat=count) if 2**count <= most else _masks(draw, count, most)
    stale = _another_life(specimen)
    for mask in masks:
        for name, filling in (("zeros", bytes(len(data))), ("an earlier life", stale)):
            mixed = bytearray(data)
            for place, written in zip(places, mask, strict=True):
                if not written:
                    mixed[place] = filling[place]
            yield bytes(mixed), f"sectors {''.join('01'[written] for written in mask)} over {name}"
    whole = [place for place in places if place.stop - place.start == SECTOR]
    orders = list(permutations(range(len(whole)))) if len(whole) <= 4 else []
    orders += [tuple(draw.sample(range(len(whole)), len(whole))) for _ in range(most // 8)]
    for order in orders:
        mixed = bytearray(data)
        for to, source in zip(whole, order, strict=True):
            mixed[to] = data[whole[source]]
        yield bytes(mixed), f"sectors in the order {order}"


def _masks(draw: random.Random, count: int, most: int) -> Iterator[tuple[bool, ...]]:
    for written in range(count + 1):
        yield tuple(place < written for place in range(count))
        yield tuple(place >= written for place in range(count))
    for _ in range(most):
        yield tuple(draw.random() < 0.5 for _ in range(count))


def _another_life(specimen: Specimen) -> bytes:
    """Bytes of a segment with the same number and records at the same places, written under another salt."""

    data = specimen.data
    header = decode_header(data[:HEADER_BYTES], specimen.path)
    salt = bytes(byte ^ 0x5A for byte in header.salt)
    parts = [encode_header(SegmentHeader(header.number, 0, header.network, header.name, salt))]
    for span in specimen.spans:
        length = int.from_bytes(data[span.start : span.start + 4], "big")
        body = data[span.start + RECORD_HEADER_BYTES : span.start + RECORD_HEADER_BYTES + length]
        parts += encode_record(salt, header.number, span.start, span.start - span.group, body)
    return b"".join(parts)
