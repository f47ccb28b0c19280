"""Requests signed with the member's own key instead of bearing a token (RFC 9421; API.md §2.1).

Every attempt is signed anew, at the time it is sent and for the gateway it is sent to: its address is part of what is signed.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Generator
from typing import Final

import httpx

from ledger.base.keys import Signer
from ledger.base.request_signature import request_fields

_NONCE_BYTES: Final = 18


class RequestSigner(httpx.Auth):
    """Signs what a client sends, just before it is sent."""

    requires_request_body = True

    def __init__(
        self,
        key: Signer,
        *,
        clock_s: Callable[[], float] = time.time,
        draw: Callable[[int], str] = secrets.token_urlsafe,
    ) -> None:
        """`key`: one that the ledger lists for signing, capture or approval; `draw`: a new text of so many random bytes."""
        self._key = key
        self._clock_s = clock_s
        self._draw = draw

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        """Add the signature's fields."""
        url = request.url
        target = f"{url.scheme}://{url.netloc.decode('ascii')}{url.raw_path.decode('ascii')}"
        fields = request_fields(
            self._key, request.method, target, request.content, int(self._clock_s()), self._draw(_NONCE_BYTES)
        )
        request.headers.update(fields)
        yield request
