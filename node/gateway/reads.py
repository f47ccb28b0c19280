"""The log of reads beside the requests: a place in it is reserved before anything is read, a record is written after the answer.

One thread writes and syncs whatever is waiting, so that no request waits for the disk. So many reads may be answered and not yet on
the disk; beyond that, and as long as the disk takes nothing, a read is refused (503) rather than answered without a record. A power
cut loses at most the records of those few last moments.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qsl, unquote

import structlog
from starlette.types import Scope

from ledger.base.errors import Code, StorageError, UnavailableError
from node.gateway.permissions import Caller, Role
from node.storage.read_log import Read, ReadLog

WAITING: Final = 4_096
"""More than there are connections."""
_GROUP: Final = 512
_AGAIN_S: Final = 1.0
END_S: Final = 5.0
READING: Final = "reading"
"""In the state of a request: the route that is to be noted."""
ASKED: Final = "asked"
"""There: what its body asked for, by name, where a route says so."""
_BEGUN: Final = "reading_begun"
_RESUMED: Final = "last-event-id"

Asked = tuple[tuple[str, str], ...]


class Reads:
    """What routes and deliveries tell of reads."""

    def __init__(self, log: ReadLog, clock_ms: Callable[[], int], *, waiting: int = WAITING) -> None:
        self._log = log
        self._clock_ms = clock_ms
        self._room = threading.BoundedSemaphore(waiting)
        self._waiting = waiting
        self._queue: queue.SimpleQueue[Read | None] = queue.SimpleQueue()
        self._appended = 0
        """Not durable yet; the thread's own."""
        self._failure: str | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._write, name="reads", daemon=True)
        self._thread.start()

    def reserve(self) -> None:
        """Take a place for one record, which `note` or `give_back` ends. UnavailableError: unavailable, overloaded."""
        if self._failure is not None:
            raise UnavailableError(
                Code.UNAVAILABLE, "expected to note this read in the log of reads, it cannot be written; the node's log says why"
            )  # fmt: skip
        if not self._room.acquire(blocking=False):
            raise UnavailableError(
                Code.OVERLOADED, f"expected fewer than {self._waiting} reads waiting to be noted; try again"
            )

    def give_back(self) -> None:
        """Nothing was answered."""
        self._room.release()

    def note(
        self,
        caller: Caller,
        route: str,
        asked: Asked,
        status: int,
        size: int | None,
    ) -> None:
        """Have a record written in the place that was reserved."""
        roles = tuple(role.value for role in Role if role in caller.roles)
        name = caller.name or "anybody"
        self._queue.put(Read(self._clock_ms(), name, roles, caller.organisation, route, asked, status, size))

    def answered(self, scope: Scope, status: int, size: int | None) -> None:
        """Note what a request was answered that `Gateway.guard` let pass, if its route is a read. `size` None: a stream begins,
        of which a second call tells the end; it is noted where there is room, for the read itself is noted already.
        """
        state = scope["state"]
        route = state.get(READING)
        if route is None:
            return
        if state.pop(_BEGUN, False):
            try:
                self.reserve()
            except UnavailableError:
                return
        if size is None:
            state[_BEGUN] = True
        self.note(state["caller"], route, asked_by(scope), status, size)

    def not_answered(self, scope: Scope) -> None:
        """The client went before anything was answered."""
        if scope["state"].get(READING) is not None and _BEGUN not in scope["state"]:
            self.give_back()

    def close(self) -> None:
        """Write what is waiting, and end: also where the disk takes nothing, after `END_S`."""
        self._ending.set()
        self._queue.put(None)
        self._thread.join(END_S)
        if not self._thread.is_alive():
            self._log.close()

    def _write(self) -> None:
        is_last = False
        left: list[Read] = []
        while not is_last:
            group = [self._queue.get()]
            while len(group) < _GROUP and not self._queue.empty():
                group.append(self._queue.get())
            is_last = None in group
            left += [read for read in group if read is not None]
            while not self._is_written(left) and not self._ending.wait(_AGAIN_S):
                pass
        if self._failure is not None:
            self._lament("reads not noted", self._failure)

    def _is_written(self, left: list[Read]) -> bool:
        """Append those that are left, which shortens the list, and make all durable."""
        try:
            while left:
                self._log.append(left[0])
                del left[0]
                self._appended += 1
            self._log.sync()
        except StorageError as error:
            if self._failure is None:
                self._lament("log of reads", error.message)
            self._failure = error.message
            return False
        while self._appended:
            self._appended -= 1
            self._room.release()
        self._failure = None
        return True

    @staticmethod
    def _lament(event: str, detail: str) -> None:
        structlog.get_logger("gateway").error(event, detail=detail)


def asked_by(scope: Scope) -> Asked:
    """What a request asks for: the values in its path and its query, decoded, and where a stream is to go on."""
    query: bytes = scope.get("query_string", b"")
    pairs = [(name, unquote(str(value))) for name, value in scope.get("path_params", {}).items()]
    pairs += parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    pairs += [
        (_RESUMED, value.decode("latin-1")) for name, value in scope["headers"] if name == _RESUMED.encode()
    ]
    return (*pairs, *scope["state"].get(ASKED, ()))
