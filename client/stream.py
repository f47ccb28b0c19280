"""Following the ledger: server-sent events, taken up again where they broke off (API.md; HTML Living Standard §9.2).

Without input or output: `feed` takes bytes as they come and gives whole events; `request` says what to ask for next.
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from client.protocol import Answer, Exchange, Pause, Pool, Wanted, problem_in
from ledger.base.errors import Code, UnavailableError

EVENT_BYTES: Final = 16_000_000
EVENT_STREAM: Final = "text/event-stream"
_REFUSED: Final = 503


class Notice(NamedTuple):
    """One event: its type, its id, and its JSON."""

    kind: str
    id: str
    data: Any


class Parser:
    """Bytes of an event stream -> notices."""

    def __init__(self) -> None:
        self._rest = b""
        self._fields: dict[str, list[str]] = {}
        self._size = 0
        self.last_id = ""

    def feed(self, data: bytes) -> list[Notice]:
        """The notices that these bytes complete. UnavailableError for an event that is too long or no JSON."""
        # A line may end in CR, LF or both; a CR at the end waits for what follows.
        self._rest += data
        hold = b"\r" if self._rest.endswith(b"\r") else b""
        lines = self._rest.removesuffix(hold).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = lines.pop() + hold
        found = []
        for line in lines:
            notice = self._line(line.decode("utf-8", "replace"))
            if notice is not None:
                found.append(notice)
        if self._size + len(self._rest) > EVENT_BYTES:
            raise UnavailableError(
                Code.TOO_LARGE, f"expected events of at most {EVENT_BYTES} bytes from the gateway"
            )
        return found

    def _line(self, line: str) -> Notice | None:
        if not line:
            fields, self._fields, self._size = self._fields, {}, 0
            return self._notice(fields)
        if not line.startswith(":"):
            name, _, value = line.partition(":")
            self._fields.setdefault(name, []).append(value.removeprefix(" "))
            self._size += len(line)
        return None

    def _notice(self, fields: dict[str, list[str]]) -> Notice | None:
        self.last_id = fields.get("id", [self.last_id])[-1]
        if "data" not in fields:
            return None
        try:
            data = json.loads("\n".join(fields["data"]))
        except (ValueError, RecursionError):
            raise UnavailableError(
                Code.UNAVAILABLE, "expected JSON in the gateway's events, got something else"
            ) from None
        return Notice(fields.get("event", ["message"])[-1], self.last_id, data)


class Follower:
    """Follows blocks from a height over connections that may break, each block once."""

    def __init__(self, pool: Pool, start: int) -> None:
        self._pool = pool
        self._next = start
        self._parser = Parser()
        self._failures = 0

    def request(self) -> Exchange:
        """What to ask for now; the answer is a stream."""
        self._parser = Parser()
        wanted = Wanted("/v1/follow", (("from", str(self._next)),), EVENT_STREAM, most_bytes=0)
        return self._pool.exchange(wanted, self._pool.policy.attempt_s)

    def feed(self, data: bytes) -> list[Notice]:
        """The notices that these bytes complete, less those of blocks that were told before.

        Raises CustodyError: the problem with which a gateway ends a stream that it cannot go on with.
        """
        found = []
        for notice in self._parser.feed(data):
            if notice.kind == "problem":
                raise problem_in(Answer(_REFUSED, {}, json.dumps(notice.data).encode()))
            height = notice.data.get("height") if isinstance(notice.data, dict) else None
            if type(height) is int:
                if height < self._next:
                    continue
                self._next = height + 1
                self._failures = 0
            found.append(notice)
        return found

    def lost(self) -> Pause:
        """The connection ended: how long to wait before the next `request`, at another gateway."""
        self._pool.turn()
        self._failures += 1
        policy = self._pool.policy
        return Pause(min(policy.first_pause_s * 2.0 ** min(self._failures, 16), policy.longest_pause_s))
