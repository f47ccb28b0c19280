"""The bytes of a segment: its header and its records, checked and unchecked (STORAGE.md §2). Pure.

    header = magic (8) | format u16 | 0 u16 | number u32 | length of the segment before u32 | network id (32)
             | name (8, zero-padded) | salt (8) | crc u32                                                  72 bytes
    record = length u32 | distance u32 | header crc u32 | body crc u32 | body | zeros to a multiple of 8
    header crc = crc32(salt | number u32 | offset u32 | length | distance)
    body crc   = crc32(body and padding, starting from the header crc)

All integers are big-endian. `distance` is how far before the record its group began.

Checksums are CRC-32 as zlib computes it (ISO 3309): against torn writes and rot it is as good as CRC-32C at these sizes,
and it is in the standard library at 4 GB/s, while CRC-32C would be a dependency or a slow loop. They cover a salt drawn
for the file, the segment number and the offset, so neither a record moved, nor stale disk blocks, nor bytes that a
stranger placed inside a record pass for a record.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final, NamedTuple

from ledger.base.errors import Code, StorageError

MAGIC: Final = b"\x89CUSTSEG"
FORMAT: Final = 1
HEADER_BYTES: Final = 72
RECORD_HEADER_BYTES: Final = 16
ALIGNMENT: Final = 8
NAME_BYTES: Final = 8
SALT_BYTES: Final = 8
_HEADER: Final = struct.Struct(">8sHHII32s8s8s")
_RECORD: Final = struct.Struct(">IIII")
_CHECKED: Final = struct.Struct(">8sIIII")


class SegmentHeader(NamedTuple):
    """What stands at the beginning of a segment."""

    number: int
    previous_end: int
    """Bytes of the segment before; 0 for segment 0."""
    network: bytes
    name: str
    salt: bytes


def padded(length: int) -> int:
    """`length` rounded up to the alignment."""
    return -(-length // ALIGNMENT) * ALIGNMENT


def encode_header(header: SegmentHeader) -> bytes:
    """The 72 bytes of a header."""
    name = header.name.encode("ascii").ljust(NAME_BYTES, b"\0")
    data = _HEADER.pack(
        MAGIC, FORMAT, 0, header.number, header.previous_end, header.network, name, header.salt
    )
    return data + zlib.crc32(data).to_bytes(4, "big")


def decode_header(data: bytes, path: str) -> SegmentHeader:
    """The header in `data`, the first bytes of the file `path`; StorageError damaged or unsupported_version."""
    if data[:8] != MAGIC:
        raise StorageError(Code.DAMAGED, f"expected a segment in {path}, found another kind of file")
    if len(data) < HEADER_BYTES or zlib.crc32(data[:-4]).to_bytes(4, "big") != data[-4:]:
        raise StorageError(Code.DAMAGED, f"expected a whole segment header in {path}, found damage")
    _, version, _, number, previous_end, network, name, salt = _HEADER.unpack(data[:-4])
    if version != FORMAT:
        raise StorageError(
            Code.UNSUPPORTED_VERSION, f"expected segment format {FORMAT} in {path}, found {version}"
        )
    return SegmentHeader(number, previous_end, network, name.rstrip(b"\0").decode("ascii", "replace"), salt)


def encode_record(salt: bytes, number: int, offset: int, distance: int, body: bytes) -> tuple[bytes, bytes]:
    """Header and padded body of a record at `offset` of segment `number`."""
    check = zlib.crc32(_CHECKED.pack(salt, number, offset, len(body), distance))
    whole = body.ljust(padded(len(body)), b"\0")
    return _RECORD.pack(len(body), distance, check, zlib.crc32(whole, check)), whole


class RecordHeader(NamedTuple):
    """A record header whose checksum holds."""

    length: int
    distance: int
    check: int
    body_check: int

    @property
    def size(self) -> int:
        """Bytes of the whole record."""
        return RECORD_HEADER_BYTES + padded(self.length)


def decode_record_header(salt: bytes, number: int, offset: int, data: bytes, at: int) -> RecordHeader | None:
    """The record header that stands at `data[at]` and at `offset` of the segment, or None if it does not hold."""
    if at + RECORD_HEADER_BYTES > len(data):
        return None
    header = RecordHeader(*_RECORD.unpack_from(data, at))
    checked = _CHECKED.pack(salt, number, offset, header.length, header.distance)
    return header if zlib.crc32(checked) == header.check else None


def is_body(header: RecordHeader, data: bytes, at: int) -> bool:
    """Whether the body that belongs to `header` stands at `data[at]`, whole."""
    end = at + padded(header.length)
    return end <= len(data) and zlib.crc32(memoryview(data)[at:end], header.check) == header.body_check


class SegmentView:
    """A whole segment in memory, for walking over it."""

    __slots__ = ("_data", "_number", "_salt")

    def __init__(self, salt: bytes, number: int, data: bytes) -> None:
        self._salt = salt
        self._number = number
        self._data = data

    def header(self, offset: int) -> RecordHeader | None:
        """The header at `offset`, if it holds and its body fits into the segment."""
        header = decode_record_header(self._salt, self._number, offset, self._data, offset)
        if header is None or offset + header.size > len(self._data):
            return None
        return header

    def is_whole(self, offset: int, header: RecordHeader) -> bool:
        """Whether the body of the record at `offset` holds."""
        return is_body(header, self._data, offset + RECORD_HEADER_BYTES)

    def body(self, offset: int, header: RecordHeader) -> bytes:
        """The body of the record at `offset`."""
        start = offset + RECORD_HEADER_BYTES
        return self._data[start : start + header.length]

    def has_later_group(self, bad: int) -> bool:
        """Whether a whole record of a group begun after the bad record at `bad` stands further on."""
        offset = bad
        while offset + RECORD_HEADER_BYTES <= len(self._data):
            header = self.header(offset)
            if header is None:
                offset += ALIGNMENT
                continue
            if offset - header.distance > bad and self.is_whole(offset, header):
                return True
            offset += header.size
        return False
