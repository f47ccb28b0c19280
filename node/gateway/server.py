"""Connections before a request is known: deadlines and caps that a slow or idle client cannot get round (API.md §2.4).

uvicorn gives a silent connection all the time in the world. Here a request's head must be complete `HEAD_S` after the connection
or its first byte came, a connection between requests goes after `IDLE_S`, one that takes nothing of its answer after
`WRITE_S`, and of more than `CONNECTIONS` the one that has
waited longest between requests gives way to the new one; if all are at work, the new one is closed. What is no HTTP is
answered with a problem document, like everything else.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

import h11
import structlog
from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from ledger.base.errors import Code
from node.gateway.problems import problem_response

HEAD_S: Final = 10
IDLE_S: Final = 30
WRITE_S: Final = 20
LINGER_S: Final = 5
"""How long a closing connection may take to accept what it was sent."""
HEAD_BYTES: Final = 32_768
MESSAGE_BYTES: Final = 65_536
"""Of a message from a WebSocket, which says nothing that is listened to."""
_UPGRADE_FIELDS: Final = 100
_UPGRADE_LINE_BYTES: Final = 8_000
"""What the WebSocket's own reader of heads takes, and a little less."""
CONNECTIONS: Final = 1_000
BACKLOG: Final = 1_024
REPORT_S: Final = 1.0
"""Between lines that say that no connection can be taken."""
WEBSOCKETS: Final = "/epcis/queries/"
"""Below this address WebSockets are spoken."""
_SHORT_OF: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Connection(H11Protocol):
    """One client connection, with its deadlines."""

    waiting: dict[Connection, None]
    """Those between requests, the longest waiting first; one for all connections of a server (`connection_class`)."""

    most: int
    head_s: float
    write_s: float
    on_slow: Callable[[], None]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client came: make room, or send it away."""
        super().connection_made(transport)
        self._deadline: asyncio.TimerHandle | None = None
        self._write_deadline: asyncio.TimerHandle | None = None
        if len(self.connections) > self.most:
            longest = next(iter(self.waiting), None)
            if longest is None:
                transport.abort()
                return
            longest.abort()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._disarm()
        self.waiting.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes came: part of a head, of a body, or of nothing."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """A request is answered; the next one may already be there."""
        super().on_response_complete()
        if not self.is_at_work:
            self.waiting[self] = None

    def _should_upgrade_to_ws(self) -> bool:
        """Elsewhere a wish for another protocol is passed over, as HTTP has it."""
        return super()._should_upgrade_to_ws() and self.scope["path"].startswith(WEBSOCKETS)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Another protocol takes the connection over: with deadlines of its own, and never among those that wait."""
        is_long = len(self.headers) > _UPGRADE_FIELDS or any(
            len(name) + len(value) > _UPGRADE_LINE_BYTES for name, value in self.headers
        )
        if is_long or len(event.target) > _UPGRADE_LINE_BYTES:
            self.send_400_response("head")
            return
        self._disarm()
        self.waiting.pop(self, None)
        super().handle_websocket_upgrade(event)

    def abort(self) -> None:
        """Close at once, dropping what was not sent."""
        self.waiting.pop(self, None)
        self.connections.discard(self)
        self.transport.abort()

    @property
    def is_at_work(self) -> bool:
        """Whether a request is being answered."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _watch(self) -> None:
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            return
        if self.is_at_work:
            self._disarm()
            self.waiting.pop(self, None)
        else:
            self.waiting.setdefault(self, None)
            if self._deadline is None:
                self._deadline = self.loop.call_later(self.head_s, self.abort)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def timeout_keep_alive_handler(self) -> None:
        """Nothing came between requests: close, and do not wait for ever until the last answer is taken."""
        super().timeout_keep_alive_handler()
        self.loop.call_later(LINGER_S, self.transport.abort)

    def pause_writing(self) -> None:
        """The client is not taking what is sent: it has `WRITE_S` to take some."""
        super().pause_writing()
        self._write_deadline = self.loop.call_later(self.write_s, self._give_up)

    def resume_writing(self) -> None:
        """It took some."""
        super().resume_writing()
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None

    def _give_up(self) -> None:
        self.on_slow()
        self.abort()

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are no HTTP. An answer under way is cut: nothing after it could be told from it."""
        del msg
        under_way = self.is_at_work
        if under_way:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not under_way or not self.cycle.response_started:
            with contextlib.suppress(h11.LocalProtocolError):
                self.transport.write(_not_http(self.conn))
        self.transport.close()
        self.loop.call_later(LINGER_S, self.transport.abort)


class Socket(WebSocketsSansIOProtocol):
    """A connection that became a WebSocket: it too has `WRITE_S` to take something of what is sent."""

    write_s: float
    on_slow: Callable[[], None]
    _write_deadline: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """The client is not taking what is sent."""
        super().pause_writing()
        self._write_deadline = self.loop.call_later(self.write_s, self._give_up)

    def resume_writing(self) -> None:
        """It took some."""
        super().resume_writing()
        self._disarm()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._disarm()
        super().connection_lost(exc)

    def _disarm(self) -> None:
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None

    def _give_up(self) -> None:
        self.on_slow()
        self.transport.abort()


def _not_http(connection: h11.Connection) -> bytes:
    answer = problem_response(
        Code.MALFORMED,
        f"expected an HTTP/1.1 request with a head of at most {HEAD_BYTES} bytes, got other bytes",
    )
    headers = [*answer.raw_headers, (b"connection", b"close")]
    events = (
        h11.Response(status_code=answer.status_code, headers=headers, reason=b"Bad Request"),
        h11.Data(data=bytes(answer.body)),
        h11.EndOfMessage(),
    )
    return b"".join(connection.send(event) or b"" for event in events)


def connection_class(
    on_slow: Callable[[], None],
    *,
    most: int = CONNECTIONS,
    head_s: float = HEAD_S,
    write_s: float = WRITE_S,
) -> type[Connection]:
    """A class of connections that share one cap; `on_slow` hears of each that was cut for not taking its answer."""
    settings = {
        "waiting": {}, "most": most, "head_s": head_s, "write_s": write_s, "on_slow": staticmethod(on_slow),
    }  # fmt: skip
    return type("Connection", (Connection,), settings)


class GatewayServer(Server):
    """uvicorn's server, telling the application of the end at once, so that streams end by themselves."""

    def __init__(self, config: Config, on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_stop = on_stop
        self._log = structlog.get_logger("gateway")
        self._reported_at = -REPORT_S

    async def startup(self, sockets: list[Any] | None = None) -> None:
        """Listen, and say in lines of our own what the event loop has to say."""
        asyncio.get_running_loop().set_exception_handler(self._report)
        await super().startup(sockets)

    def _report(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An error outside of any request. Short of descriptors asyncio reports as often as the backlog is long."""
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in _SHORT_OF:
            self._log.error("fault", reason=context.get("message"), exc_info=error)
        elif loop.time() >= self._reported_at + REPORT_S:
            self._reported_at = loop.time()
            self._log.error("cannot take connections", reason=error.strerror)

    async def shutdown(self, sockets: list[Any] | None = None) -> None:
        """Stop listening, let streams say goodbye, wait for requests under way."""
        self._on_stop()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End in order at the first signal, at once at the second; never by the signal itself."""
        del sig, frame
        self.force_exit = self.should_exit
        self.should_exit = True


def server_config(app: Any, connections: type[Connection], *, stop_s: int) -> Config:
    """Settings for one process that speaks HTTP/1.1 by h11, logs nothing by itself, and trusts no proxy's headers."""
    return Config(
        app,
        loop="asyncio",
        http=connections,
        ws=type(
            "Socket",
            (Socket,),
            {"write_s": connections.write_s, "on_slow": staticmethod(connections.on_slow)},
        ),
        ws_max_size=MESSAGE_BYTES,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=stop_s,
        h11_max_incomplete_event_size=HEAD_BYTES,
    )
