"""Answers that are not small JSON: long bodies in pieces, and the choice between msgpack and JSON (API.md §2.3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ledger.base.errors import Code, FormError
from node.gateway.rendering import to_json

JSON: Final = "application/json"
MSGPACK: Final = "application/msgpack"
BUNDLE: Final = "application/vnd.custody.bundle"
EVENT_STREAM: Final = "text/event-stream"
PIECE_BYTES: Final = 65_536


def pieces(data: bytes) -> Iterator[bytes]:
    """`data` in pieces small enough that a connection's own buffer never holds much of it."""
    for at in range(0, len(data), PIECE_BYTES):
        yield data[at : at + PIECE_BYTES]


class LongAnswer(Response):
    """A response whose body waits here, not in the socket's buffer, until the client takes it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it piece by piece; `send` waits while the client is slow."""
        del scope, receive
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for piece in pieces(bytes(self.body)):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def json_answer(value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    body = to_json(value)
    kind = LongAnswer if len(body) > PIECE_BYTES else Response
    return kind(body, status_code=status, media_type=JSON, headers=dict(headers or {}))


def chosen(request: HTTPConnection, offers: Sequence[str]) -> str:
    """The media type of `offers` that the Accept header likes best, the first of equals (RFC 9110 §12.5.1).

    Raises FormError(not_acceptable) if it takes none of them.
    """
    accept = ",".join(request.headers.getlist("accept")) or "*/*"
    ranges = [_range(part) for part in accept.split(",")[:64]]
    liked = [(max((q for _, q in _best(ranges, offer)), default=0.0), offer) for offer in offers]
    quality, found = max(liked, key=lambda pair: pair[0])
    if quality <= 0:
        raise FormError(
            Code.NOT_ACCEPTABLE, f"expected to be asked for {' or '.join(offers)}, got {accept[:80]!a}"
        )
    return found


def _range(text: str) -> tuple[str, float]:
    name, _, parameters = text.partition(";")
    quality = 1.0
    for parameter in parameters.split(";"):
        key, _, value = parameter.strip().partition("=")
        if key.lower() == "q":
            try:
                quality = min(max(float(value[:8]), 0.0), 1.0)
            except ValueError:
                quality = 0.0
    return name.strip().lower(), quality


def _best(ranges: list[tuple[str, float]], offer: str) -> list[tuple[str, float]]:
    """The ranges that match `offer` most precisely."""
    for pattern in (offer, offer.partition("/")[0] + "/*", "*/*"):
        matching = [found for found in ranges if found[0] == pattern]
        if matching:
            return matching
    return []
