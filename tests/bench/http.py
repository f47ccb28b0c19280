"""The smallest HTTP/1.1 client that both sides are driven with: kept connections, bodies made beforehand, one answer at a time.

A client shares the machine with what it measures, so what it costs is taken from what it measures; this one costs little,
and the same for everybody.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final, Self

_STREAM_BYTES: Final = 64 << 20
_CLOSED: Final = "bench: expected an answer, got the end of the connection"


class Connection:
    """One connection to one server; requests follow each other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader = reader
        self._writer = writer
        self._host = host

    @classmethod
    async def open(cls, port: int) -> Self:
        """Connect to a port of this machine."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=_STREAM_BYTES)
        return cls(reader, writer, f"127.0.0.1:{port}")

    def request(self, method: str, path: str, body: bytes = b"", media_type: str = "") -> bytes:
        """The bytes of a request, so that they can be made before the clock starts."""
        kind = f"Content-Type: {media_type}\r\n" if media_type else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\n{kind}Content-Length: {len(body)}\r\n\r\n"
        return head.encode() + body

    async def ask(self, request: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
        """Status, headers by lower-case name, and body of the answer. ConnectionError where none comes."""
        self._writer.write(request)
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
            first, *lines = head[:-4].split(b"\r\n")
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)
            }
            if headers.get(b"transfer-encoding") == b"chunked":
                body = await self._chunked()
            else:
                body = await self._reader.readexactly(int(headers.get(b"content-length", b"0")))
        except asyncio.IncompleteReadError as error:
            raise ConnectionError(_CLOSED) from error
        return int(first.split(b" ", 2)[1]), headers, body

    async def _chunked(self) -> bytes:
        parts = []
        while size := int((await self._reader.readuntil(b"\r\n")).split(b";")[0], 16):
            parts.append(await self._reader.readexactly(size))
            await self._reader.readexactly(2)
        await self._reader.readuntil(b"\r\n")
        return b"".join(parts)

    @property
    def is_over(self) -> bool:
        """Whether the other side has closed it, as servers do with idle ones."""
        return self._reader.at_eof() or self._reader.exception() is not None

    async def close(self) -> None:
        """End it."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()
