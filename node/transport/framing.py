"""Frames: the unit of everything sent between processes (WIRE_TRANSPORT.md §1).

    frame = length of body u32 | kind u8 | body           big-endian

A receiver knows the kinds it accepts and the most bytes each may have; anything else is an error of form, after which the
connection is useless and is closed. Memory grows with bytes received, never with a length announced.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from ledger.base.errors import Code, FormError

HEADER_BYTES: Final = 5
_HEADER: Final = struct.Struct(">IB")


def encode_header(kind: int, length: int) -> bytes:
    """The five bytes before a body of `length` bytes."""
    return _HEADER.pack(length, kind)


class FrameReader:
    """Cuts a stream of bytes into frames."""

    __slots__ = ("_buffer", "_caps", "_need")

    def __init__(self, caps: Mapping[int, int]) -> None:
        """`caps`: most bytes of body by kind; other kinds are refused."""
        self._caps = caps
        self._buffer = bytearray()
        self._need = HEADER_BYTES

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The frames, (kind, body), that `data` completes. FormError: malformed (kind), too_large.

        Frames before a bad one are answered first; feed nothing (`b""`) until there are none to meet the bad one.
        """
        buffer = self._buffer
        buffer += data
        if len(buffer) < self._need:
            return []
        frames: list[tuple[int, bytes]] = []
        at, end = 0, len(buffer)
        self._need = HEADER_BYTES
        with memoryview(buffer) as view:
            while end - at >= HEADER_BYTES:
                length, kind = _HEADER.unpack_from(view, at)
                if length > self._caps.get(kind, -1):
                    if frames:
                        break
                    raise self._error(kind, length)
                after = at + HEADER_BYTES + length
                if after > end:
                    self._need = after - at
                    break
                frames.append((kind, bytes(view[at + HEADER_BYTES : after])))
                at = after
        del buffer[:at]
        return frames

    def _error(self, kind: int, length: int) -> FormError:
        cap = self._caps.get(kind)
        if cap is None:
            return FormError(Code.MALFORMED, f"expected a frame of a known kind, got kind {kind}")
        return FormError(
            Code.TOO_LARGE, f"expected at most {cap} bytes in a frame of kind {kind}, got {length}"
        )

    @property
    def held_bytes(self) -> int:
        """Bytes of an incomplete frame held now."""
        return len(self._buffer)
