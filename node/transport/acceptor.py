"""Taking connections from strangers, cheaply (WIRE_TRANSPORT.md §4).

A handshake is work and memory given to somebody unknown. So a bounded number is under way at a time, each with a deadline;
when one more comes, the one longest under way gives way: an honest handshake takes milliseconds, so it is hardly ever that.
After many that failed, the next ones are taken at a bounded rate: strangers may delay who connects anew, nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Callable
from typing import Final

from ledger.base.errors import Code, UnavailableError

_BACKLOG: Final = 128
_PAUSE_S: Final = 0.2
"""After an accept failed (no descriptors left): rather than spin."""
_REFUSALS: Final = 20
_REFUSAL_S: Final = 0.05
"""A handshake that failed cost about 5 ms; of more than a few in a row, the next connections wait so long for each."""


class Acceptor:
    """A listening socket whose connections finish their TLS handshake before anyone hears of them."""

    def __init__(
        self,
        make_protocol: Callable[[], asyncio.Protocol],
        make_context: Callable[[], ssl.SSLContext | None],
        on_refused: Callable[[str, str], None],
        *,
        handshakes: int,
        handshake_timeout_ms: int,
        shutdown_timeout_ms: int,
    ) -> None:
        """`make_context` is asked at every connection, so that pins may change; None: no TLS. `on_refused(whom, reason)`."""
        self._make_protocol = make_protocol
        self._make_context = make_context
        self._on_refused = on_refused
        self._most = handshakes
        self._handshake_s = handshake_timeout_ms / 1000
        self._shutdown_s = shutdown_timeout_ms / 1000
        self._under_way: dict[asyncio.Task[None], socket.socket] = {}
        self._paid_at = 0.0
        self._listener: socket.socket | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self, listener: socket.socket) -> None:
        """Take connections from a listening, non-blocking socket, which is ours from now on."""
        self._listener = listener
        self._task = asyncio.create_task(self._accept(listener), name="accept")

    @property
    def handshakes_under_way(self) -> int:
        """How many connections have not finished their handshake."""
        return len(self._under_way)

    async def close(self) -> None:
        """Stop listening and give up handshakes under way; finished connections stay."""
        tasks = [*self._under_way] if self._task is None else [self._task, *self._under_way]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            owed_s = self._paid_at - loop.time() - _REFUSALS * _REFUSAL_S
            if owed_s > 0:
                await asyncio.sleep(owed_s)
            try:
                connection, address = listener.accept()
            except BlockingIOError:
                await _readable(listener)
                continue
            except OSError as error:
                self._on_refused("a connection", f"expected to take it: {error.strerror}")
                await asyncio.sleep(_PAUSE_S)
                continue
            connection.setblocking(False)  # noqa: FBT003 - the socket module takes it by position only
            if len(self._under_way) >= self._most:
                next(iter(self._under_way)).cancel()
            whom = ":".join(str(part) for part in address[:2]) if address else "a local process"
            task = asyncio.create_task(self._shake_hands(connection, whom))
            self._under_way[task] = connection
            task.add_done_callback(self._settle)

    async def _shake_hands(self, connection: socket.socket, whom: str) -> None:
        context = self._make_context()
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._make_protocol,
                connection,
                ssl=context,
                ssl_handshake_timeout=self._handshake_s if context else None,
                ssl_shutdown_timeout=self._shutdown_s if context else None,
            )
        except OSError as error:  # also ssl.SSLError and TimeoutError
            connection.close()
            self._paid_at = max(self._paid_at, asyncio.get_running_loop().time()) + _REFUSAL_S
            self._on_refused(whom, f"expected a finished handshake: {error}")

    def _settle(self, task: asyncio.Task[None]) -> None:
        connection = self._under_way.pop(task)
        if task.cancelled():
            connection.close()


async def _readable(listener: socket.socket) -> None:
    """Wait until there is a connection to take; it is taken by the caller, so that who is cancelled here loses none."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(listener, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(listener)


def listen(host: str, port: int, *, backlog: int = _BACKLOG) -> socket.socket:
    """A listening, non-blocking TCP socket (port 0: chosen by the system). UnavailableError port_in_use, unavailable."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named: asyncio turns Nagle's algorithm off only where it is, and with it on, what a node
    # says in two writes waits for an acknowledgement that the other side delays for 40 ms (RFC 896, RFC 1122 §4.2.3.2).
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(backlog)
        listener.setblocking(False)  # noqa: FBT003 - the socket module takes it by position only
    except OSError as error:
        with contextlib.suppress(OSError):
            listener.close()
        if error.errno == errno.EADDRINUSE:
            raise UnavailableError(
                Code.PORT_IN_USE,
                f"expected to listen on {host}:{port}, another process does; choose another port in node.toml",
            ) from None
        raise UnavailableError(
            Code.UNAVAILABLE, f"expected to listen on {host}:{port}: {error.strerror or error}"
        ) from error
    return listener
