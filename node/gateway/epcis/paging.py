"""Next-page tokens (EPCIS.md "Query"; EPCIS 2.0 §12.4).

A token says up to where a list was answered and as of which point of the event log it began, so pages stay what they were
while events arrive: what came later is not in them. It is bound to what was asked, is good for `LIFE_S`, and may be given back
(DELETE /nextPageToken/{token}). It is signed with a key that this process alone has and nobody keeps: a gateway that starts
again has forgotten all of them, and a client begins anew. Nothing is kept for a token but that it was given back.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple
from urllib.parse import urlencode

from starlette.requests import Request

from ledger.base.encoding import decode, encode
from ledger.base.errors import Code
from node.gateway.epcis.problems import EpcisError, Exceptional
from node.gateway.rendering import time_text

PER_PAGE: Final = 30
PER_PAGE_MOST: Final = 1_000
LIFE_S: Final = 600
TOKEN: Final = "nextPageToken"  # noqa: S105 - a parameter's name
PER: Final = "perPage"
EXPIRES: Final = "GS1-Next-Page-Token-Expires"
_SEAL_BYTES: Final = 16
_TOKEN_CHARACTERS: Final = 4_096
_GIVEN_BACK: Final = 10_000


class Mark(NamedTuple):
    """Where the next page goes on."""

    bound: int
    """The last sequence number that belongs to this list."""
    after: int | str | None
    """What the last member of the page before is sorted by."""
    sequence: int
    """Its sequence number, where members have one."""
    answered: int
    """How many members the pages before had."""


class Tokens:
    """Makes tokens and reads them again."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._given_back: dict[bytes, int] = {}

    def issue(self, asked: bytes, mark: Mark) -> tuple[str, int]:
        """A token for the page after `mark` of what was `asked` (`question_of`), and when it expires (Unix milliseconds)."""
        expires_ms = int((self._clock() + LIFE_S) * 1_000)
        body = encode((expires_ms, *mark))
        return urlsafe_b64encode(self._seal(asked, body) + body).decode().rstrip("="), expires_ms

    def read(self, token: str, asked: bytes) -> Mark:
        """Where to go on. EpcisError (QueryParameterException) for a token that is not, or no longer, one for this."""
        raw = _unarmoured(token)
        seal, body = raw[:_SEAL_BYTES], raw[_SEAL_BYTES:]
        if hmac.compare_digest(seal, self._seal(asked, body)) and seal not in self._given_back:
            expires_ms, *mark = decode(body, max_bytes=_TOKEN_CHARACTERS)
            if expires_ms > self._clock() * 1_000:
                return Mark(*mark)
        raise EpcisError(
            Exceptional.QUERY_PARAMETER,
            Code.MALFORMED,
            f"{TOKEN}: expected a token that this gateway gave for the same query within {LIFE_S} s, and that was not"
            f" given back, got {token[:40]!a}; ask again without it",
        )

    def give_back(self, token: str) -> None:
        """End a token. One that was none, or has ended, is as good as ended."""
        seal = _unarmoured(token)[:_SEAL_BYTES]
        now_ms = int(self._clock() * 1_000)
        if len(self._given_back) >= _GIVEN_BACK:
            self._given_back = {one: until for one, until in self._given_back.items() if until > now_ms}
        if len(self._given_back) >= _GIVEN_BACK:  # more than are remembered: then all end
            self._key = secrets.token_bytes(32)
            self._given_back.clear()
        self._given_back[seal] = now_ms + LIFE_S * 1_000

    def _seal(self, asked: bytes, body: bytes) -> bytes:
        return hmac.digest(self._key, asked + body, hashlib.sha256)[:_SEAL_BYTES]


def _unarmoured(token: str) -> bytes:
    if len(token) > _TOKEN_CHARACTERS:
        return b""
    try:
        return urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except ValueError:
        return b""


def question_of(path: str, parameters: Iterable[tuple[str, str]], more: bytes = b"") -> bytes:
    """What a list is a list of, in 32 bytes: the address and its parameters less those of paging, and `more`."""
    said = sorted((name, value) for name, value in parameters if name not in (TOKEN, PER))
    return hashlib.sha256(encode((path, [list(one) for one in said], more))).digest()


def per_page_of(parameters: Iterable[tuple[str, str]]) -> int:
    """How many to answer with at most: what the client asks for, `PER_PAGE` without a word, never above `PER_PAGE_MOST`.

    EpcisError (QueryParameterException) for what is no number from 1 on.
    """
    texts = [value for name, value in parameters if name == PER]
    if not texts:
        return PER_PAGE
    text = texts[-1]
    if not (text.isascii() and text.isdigit() and 1 <= len(text) <= 9 and int(text) > 0):
        raise EpcisError(
            Exceptional.QUERY_PARAMETER,
            Code.MALFORMED,
            f"{PER}: expected a number from 1 on, got {text[:40]!a}",
        )
    return min(int(text), PER_PAGE_MOST)


def next_headers(
    request: Request, parameters: Iterable[tuple[str, str]], token: str, expires_ms: int
) -> dict[str, str]:
    """The headers that lead to the next page."""
    said = [(name, value) for name, value in parameters if name != TOKEN]
    address = f"{request.url.path}?{urlencode([*said, (TOKEN, token)])}"
    return {"Link": f'<{address}>; rel="next"', EXPIRES: time_text(expires_ms) or ""}
