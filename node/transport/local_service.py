"""Frames over the Unix socket between the processes of one node (DESIGN §6; WIRE_TRANSPORT.md §5).

The socket is 0600 in a 0700 folder: who may open it is the node's owner, so nothing is authenticated here. What the frames
mean is `node.local.protocol`'s business; this module gives both sides a `LocalConnection` with

- back pressure instead of loss: answers await `drained`, and a connection with too many requests under way is not read from;
- requests as tasks by number, ended when the asker cancels one or goes away.

Socket addresses hold some hundred bytes; a longer path is reached through its folder's descriptor where the system has one.
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from ledger.base.errors import Code, StorageError, UnavailableError
from node.transport.acceptor import Acceptor
from node.transport.connection import Counters, FrameConnection, Lane, Outbox

REQUESTS_UNDER_WAY: Final = 256
WAITING_BYTES: Final = 512_000_000
"""Of answers that the other side does not take; more ends the connection."""
_PATH_BYTES: Final = 100
_BACKLOG: Final = 16


class LocalConnection(FrameConnection):
    """One side of a connection between two processes of a node."""

    def __init__(
        self,
        caps: Mapping[int, int],
        on_frame: Callable[[LocalConnection, int, bytes], None],
        on_lost: Callable[[LocalConnection, Exception | None], None] | None = None,
        *,
        on_made: Callable[[LocalConnection], None] | None = None,
        requests: int = REQUESTS_UNDER_WAY,
        waiting_bytes: int = WAITING_BYTES,
    ) -> None:
        counters = Counters()
        super().__init__(
            caps,
            Outbox(waiting_bytes, waiting_bytes, counters),
            counters,
            on_frame=lambda kind, body: on_frame(self, kind, body),
            on_made=lambda: None if on_made is None else on_made(self),
            on_lost=self._ended,
        )
        self._when_lost = on_lost
        self._most_requests = requests
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def send_or_end(self, kind: int, body: bytes) -> None:
        """Queue a frame; ends the connection when far too much waits, since nothing may be left out silently."""
        if not self.send(kind, body, Lane.BULK) and not self.is_closing:
            self.abort(UnavailableError(Code.OVERLOADED, "expected the other process to take its answers"))

    def spawn(self, number: int, request: Coroutine[Any, Any, None]) -> None:
        """Serve request `number` as a task; it must answer its own errors. A number in use ends the connection."""
        if number in self._tasks or self.is_closing:
            request.close()
            self.abort(
                UnavailableError(Code.MALFORMED, f"expected a fresh request number, got {number} again")
            )
            return
        task = asyncio.create_task(request)
        self._tasks[number] = task
        task.add_done_callback(lambda done: self._task_ended(number, done))
        if len(self._tasks) >= self._most_requests:
            self.pause_reading()

    def cancel(self, number: int) -> None:
        """End request `number`, if it is under way."""
        task = self._tasks.get(number)
        if task is not None:
            task.cancel()

    @property
    def requests_under_way(self) -> int:
        """How many requests are being served."""
        return len(self._tasks)

    def _task_ended(self, number: int, task: asyncio.Task[None]) -> None:
        del self._tasks[number]
        if len(self._tasks) < self._most_requests:
            self.resume_reading()
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.abort(UnavailableError(Code.UNAVAILABLE, f"a request failed: {type(error).__name__}"))
            self._loop.call_exception_handler(
                {"message": "a local request failed without an answer", "exception": error, "task": task}
            )

    def _ended(self, reason: Exception | None) -> None:
        for task in tuple(self._tasks.values()):
            task.cancel()
        if self._when_lost is not None:
            self._when_lost(self, reason)


class LocalServer:
    """The validator's side: accepts connections at a socket path."""

    def __init__(
        self,
        path: Path,
        caps: Mapping[int, int],
        on_frame: Callable[[LocalConnection, int, bytes], None],
        on_lost: Callable[[LocalConnection, Exception | None], None] | None = None,
        *,
        requests: int = REQUESTS_UNDER_WAY,
    ) -> None:
        """`caps`: most bytes by kind of frame; `on_frame` must return soon: `spawn` what takes longer."""
        self._path = path
        self._caps = caps
        self._on_frame = on_frame
        self._on_lost = on_lost
        self._requests = requests
        self._connections: set[LocalConnection] = set()
        self._is_listening = False
        self._acceptor = Acceptor(
            self._connection,
            lambda: None,
            lambda whom, reason: None,  # noqa: ARG005 - without TLS nobody is refused
            handshakes=_BACKLOG,
            handshake_timeout_ms=0,
            shutdown_timeout_ms=0,
        )

    async def start(self) -> None:
        """Listen. A socket left by a dead process is replaced; StorageError locked if one is alive behind it."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with _reachable(self._path) as address:
                _remove_stale(self._path, address)
                before = os.umask(0o177)
                try:
                    listener.bind(address)
                finally:
                    os.umask(before)
            listener.listen(_BACKLOG)
            listener.setblocking(False)  # noqa: FBT003 - the socket module takes it by position only
        except OSError as error:
            listener.close()
            raise UnavailableError(
                Code.UNAVAILABLE, f"expected to listen at {self._path}: {error.strerror or error}"
            ) from error
        except BaseException:
            listener.close()
            raise
        self._acceptor.start(listener)
        self._is_listening = True

    def _connection(self) -> LocalConnection:
        return LocalConnection(
            self._caps, self._on_frame, self._lost, on_made=self._connections.add, requests=self._requests
        )

    def _lost(self, connection: LocalConnection, reason: Exception | None) -> None:
        self._connections.discard(connection)
        if self._on_lost is not None:
            self._on_lost(connection, reason)

    @property
    def connections(self) -> frozenset[LocalConnection]:
        """Those connected now."""
        return frozenset(self._connections)

    async def close(self, *, within_ms: int = 1_000) -> None:
        """Stop listening, send what waits, end what is under way."""
        await self._acceptor.close()
        if self._is_listening:
            self._is_listening = False
            self._path.unlink(missing_ok=True)
        connections = tuple(self._connections)
        for connection in connections:
            connection.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(within_ms / 1000):
                for connection in connections:
                    await connection.lost.wait()
        for connection in connections:
            if not connection.lost.is_set():
                connection.abort()
                await connection.lost.wait()


async def connect_local(
    path: Path,
    caps: Mapping[int, int],
    on_frame: Callable[[LocalConnection, int, bytes], None],
    on_lost: Callable[[LocalConnection, Exception | None], None] | None = None,
) -> LocalConnection:
    """Connect to the socket of a node's validator. UnavailableError unavailable when nobody answers there."""
    with _reachable(path) as address:
        try:
            _, connection = await asyncio.get_running_loop().create_unix_connection(
                lambda: LocalConnection(caps, on_frame, on_lost), address
            )
        except OSError as error:
            raise UnavailableError(
                Code.UNAVAILABLE,
                f"expected the validator to answer at {path}: {error.strerror or error}; start it",
            ) from error
    return connection


@contextmanager
def _reachable(path: Path) -> Iterator[str]:
    """An address for the socket at `path` that fits into a socket address."""
    if len(os.fsencode(path)) <= _PATH_BYTES:
        yield str(path)
        return
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        raise StorageError(
            Code.USAGE, f"expected a path of at most {_PATH_BYTES} bytes for a socket, got {path}"
        )
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise UnavailableError(
            Code.UNAVAILABLE, f"expected a folder at {path.parent}: {error.strerror}"
        ) from error
    try:
        yield str(descriptors / str(folder) / path.name)
    finally:
        os.close(folder)


def _remove_stale(path: Path, address: str) -> None:
    """Remove the socket of a process that is gone; refuse if one answers, or if it is no socket."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise StorageError(Code.USAGE, f"expected a socket or nothing at {path}, found another kind of file")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(address)
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise StorageError(Code.LOCKED, f"expected no other process to listen at {path}, one does; stop it first")
