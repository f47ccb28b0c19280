"""One connection that carries frames, and what waits to be sent on it (WIRE_TRANSPORT.md §3).

Writes of one loop turn leave together, at its end or when somebody says so (`send_now`). What the network does not take waits in an `Outbox` of two lanes, each with a cap
in bytes, and urgent frames overtake bulk ones. A full lane drops by its own rule, so a slow peer costs its caps and no more:

- urgent (votes, proposals, certificates): the *oldest* go. The consensus re-sends what matters while it is stuck, and what
  it says now outdates what it said before;
- bulk (batches, replies): the *new* one is refused, and `send` says so. Whoever lacks a batch fetches it from its announcer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, cast

from ledger.base.errors import CustodyError
from node.transport.framing import HEADER_BYTES, FrameReader, encode_header

WRITE_AHEAD_BYTES: Final = 256 * 1024
"""Handed to the operating system's side at most before we wait: what an urgent frame may have to queue behind."""


class Lane(Enum):
    """Which frames go first, and what happens when too many wait."""

    URGENT = "urgent"
    BULK = "bulk"


@dataclass(slots=True)
class Counters:
    """What happened on a connection or a mesh since it began. Plain numbers, for whoever exports metrics."""

    frames_in: int = 0
    frames_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    dropped_urgent: int = 0
    dropped_bulk: int = 0
    connects: int = 0
    disconnects: int = 0
    refused: int = 0
    """Connections that failed to authenticate, greet or keep to the form."""


class Outbox:
    """Frames waiting to be sent, in two lanes."""

    __slots__ = ("_bulk", "_bulk_cap", "_counters", "_urgent", "_urgent_cap", "bulk_bytes", "urgent_bytes")

    def __init__(self, urgent_cap: int, bulk_cap: int, counters: Counters) -> None:
        """Caps in bytes of headers and bodies."""
        self._urgent_cap = urgent_cap
        self._bulk_cap = bulk_cap
        self._counters = counters
        self._urgent: deque[tuple[int, bytes]] = deque()
        self._bulk: deque[tuple[int, bytes]] = deque()
        self.urgent_bytes = 0
        self.bulk_bytes = 0

    def put(self, kind: int, body: bytes, lane: Lane) -> bool:
        """Add a frame; False if it is dropped."""
        size = HEADER_BYTES + len(body)
        if lane is Lane.BULK:
            if self.bulk_bytes + size > self._bulk_cap:
                self._counters.dropped_bulk += 1
                return False
            self._bulk.append((kind, body))
            self.bulk_bytes += size
            return True
        if size > self._urgent_cap:
            self._counters.dropped_urgent += 1
            return False
        self._urgent.append((kind, body))
        self.urgent_bytes += size
        while self.urgent_bytes > self._urgent_cap:
            self.urgent_bytes -= HEADER_BYTES + len(self._urgent.popleft()[1])
            self._counters.dropped_urgent += 1
        return True

    def take(self, about_bytes: int) -> list[bytes]:
        """The next frames as pieces to be joined: at least one if any waits, and no more than `about_bytes` exceeds."""
        pieces: list[bytes] = []
        taken = 0
        while taken < about_bytes and (self._urgent or self._bulk):
            is_urgent = bool(self._urgent)
            kind, body = (self._urgent if is_urgent else self._bulk).popleft()
            size = HEADER_BYTES + len(body)
            if is_urgent:
                self.urgent_bytes -= size
            else:
                self.bulk_bytes -= size
            pieces += (encode_header(kind, len(body)), body)
            taken += size
            self._counters.frames_out += 1
        self._counters.bytes_out += taken
        return pieces

    def __bool__(self) -> bool:
        return bool(self._urgent or self._bulk)


class FrameConnection(asyncio.Protocol):
    """A stream transport seen as frames. Subclasses or callbacks say what they mean."""

    def __init__(
        self,
        caps: Mapping[int, int],
        outbox: Outbox,
        counters: Counters,
        on_frame: Callable[[int, bytes], None],
        on_made: Callable[[], None],
        on_lost: Callable[[Exception | None], None],
    ) -> None:
        self.outbox = outbox
        self._counters = counters
        self._reader = FrameReader(caps)
        self._on_frame = on_frame
        self._on_made = on_made
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._is_scheduled = False
        self._may_write = asyncio.Event()
        self._may_write.set()
        self.is_closing = False
        self._reason: Exception | None = None
        self.heard_at = self._loop.time()
        """Loop time (seconds) when bytes last came."""
        self.wrote_at = self.heard_at
        """Loop time when bytes were last handed to the transport."""
        self.lost = asyncio.Event()
        """Set when the connection is gone."""

    # ---- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is up (with TLS: the handshake is over)."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_AHEAD_BYTES)
        self._on_made()

    def data_received(self, data: bytes) -> None:
        """Bytes came: cut them into frames. An error of form closes the connection."""
        if self.is_closing:
            return
        self.heard_at = self._loop.time()
        self._counters.bytes_in += len(data)
        try:
            while (frames := self._reader.feed(data)) and not self.is_closing:
                self._deliver(frames)
                data = b""
        except CustodyError as error:
            self._counters.refused += 1
            self.abort(error)

    def _deliver(self, frames: list[tuple[int, bytes]]) -> None:
        for kind, body in frames:
            if self.is_closing:
                return
            self._counters.frames_in += 1
            self._on_frame(kind, body)

    def pause_writing(self) -> None:
        """The transport holds enough."""
        self._may_write.clear()

    def resume_writing(self) -> None:
        """The transport takes more."""
        self._may_write.set()
        self._schedule()

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is gone."""
        self.is_closing = True
        self._may_write.set()
        self.lost.set()
        self._on_lost(self._reason or exc)

    # ---- our side

    @property
    def transport(self) -> asyncio.Transport | None:
        """The transport, once it is up."""
        return self._transport

    def send(self, kind: int, body: bytes, lane: Lane = Lane.URGENT) -> bool:
        """Queue a frame; False if it was dropped or the connection is closing."""
        if self.is_closing or not self.outbox.put(kind, body, lane):
            return False
        self._schedule()
        return True

    def send_now(self) -> None:
        """Hand what waits to the system now, not after all else that this turn of the loop has to do."""
        if self.outbox:
            self._flush()

    def _schedule(self) -> None:
        if not self._is_scheduled and self.outbox:
            self._is_scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._is_scheduled = False
        if self._transport is None:
            return
        while self.outbox and self._may_write.is_set() and not self._transport.is_closing():
            self._transport.write(b"".join(self.outbox.take(WRITE_AHEAD_BYTES)))
            self.wrote_at = self._loop.time()

    @property
    def is_stalled(self) -> bool:
        """Whether the other side is not taking what we send."""
        return not self._may_write.is_set()

    async def drained(self) -> None:
        """Wait until nothing waits any more in the outbox, or the connection is gone."""
        while self.outbox and not self.is_closing:
            self._flush()
            if self._may_write.is_set():
                return
            await self._may_write.wait()

    def pause_reading(self) -> None:
        """Stop taking bytes; the other side will feel it."""
        if self._transport is not None and not self.is_closing and self._transport.is_reading():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take bytes again."""
        if self._transport is not None and not self.is_closing and not self._transport.is_reading():
            self.heard_at = self._loop.time()
            self._transport.resume_reading()

    @property
    def is_reading(self) -> bool:
        """Whether we take bytes."""
        return self._transport is not None and self._transport.is_reading()

    def close(self, reason: Exception | None = None) -> None:
        """Send what waits, then close; frames that come meanwhile are ignored."""
        if not self.is_closing:
            self._flush()
            self.is_closing = True
            self._reason = reason
            if self._transport is not None:
                self._transport.close()

    def abort(self, reason: Exception | None = None) -> None:
        """Close at once, dropping what waits."""
        self.is_closing = True
        self._reason = self._reason or reason
        if self._transport is not None:
            self._transport.abort()
