"""A client of one EPCIS repository: it captures documents, waits for their jobs, reads events and proofs back."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import httpx

from ledger.base.errors import Code, UnavailableError
from ledger.epcis.document import Document, Form, read_document
from ledger.proof.anchor import Anchor

MEDIA_TYPES: Final = {Form.JSON: "application/ld+json", Form.XML: "application/xml"}
BUNDLE: Final = "application/vnd.custody.bundle"
_AS_WRITTEN: Final = {"GS1-EPC-Format": "Never_Translates", "GS1-CBV-XML-Format": "No_Preference"}
_HEIGHT: Final = "custody-height"
_WAITING_S: Final = 60
_PAUSE_S: Final = 0.02


class Answer(NamedTuple):
    """What a capture or a query was answered with."""

    status: int
    reasons: list[str]
    """Of a refusal: each with its place."""
    document: dict[str, Any]
    """The finished job, or what a query found; empty where there is none."""


class Repository:
    """Speaks to `/epcis` of a gateway. `http` is at that address and bears the token that may capture."""

    def __init__(
        self, http: httpx.AsyncClient, reader: str, anchor: Anchor, now_ms: Callable[[], int]
    ) -> None:
        """`reader`: the token that may read; `anchor`: what the network's proofs are verified by."""
        self._http = http
        self._reader = {"Authorization": f"Bearer {reader}"}
        self.anchor = anchor
        self.now_ms = now_ms

    async def capture(self, data: bytes, form: Form) -> Answer:
        """Capture a document, all of it or nothing, and wait for its job."""
        headers = {"Content-Type": MEDIA_TYPES[form], "GS1-Capture-Error-Behaviour": "rollback"}
        response = await self._http.post("/capture", content=data, headers=headers)
        if response.status_code != httpx.codes.ACCEPTED:
            return Answer(response.status_code, _reasons(response), {})
        job = await self._until(
            response.headers["location"].rpartition("/")[2], lambda said: not said["running"]
        )
        return Answer(response.status_code, [f"{error['detail']}" for error in job["errors"]], job)

    async def _until(self, captured: str, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + _WAITING_S
        while time.monotonic() < deadline:
            said = dict((await self._http.get(f"/capture/{captured}")).raise_for_status().json())
            if is_so(said):
                return said
            await asyncio.sleep(_PAUSE_S)
        raise UnavailableError(
            Code.TIMED_OUT, f"expected capture {captured} to end within {_WAITING_S} s, it did not"
        )

    async def ask(self, name: str, query: bytes) -> Answer:
        """Give a query a name and ask it."""
        body = b'{"name":%b,"query":%b}' % (json.dumps(name).encode(), query)
        made = await self._http.post(
            "/queries", content=body, headers=self._reader | {"Content-Type": "application/json"}
        )
        if made.status_code != httpx.codes.CREATED:
            return Answer(made.status_code, _reasons(made), {})
        location = made.headers["location"].removeprefix("/epcis")
        document = await self._read(f"{location}/events", MEDIA_TYPES[Form.JSON])
        return Answer(made.status_code, [], dict(json.loads(document)))

    async def event(self, event_id: str, form: Form, height: int) -> Document:
        """The events that are called so, in an answer that is valid at `height` or above: the index follows the chain."""
        path = f"/events/{quote(event_id, safe='')}"
        return read_document(await self._read(path, MEDIA_TYPES[form], height), form)

    async def bundle(self, link: str) -> bytes:
        """The proof at a link that an answer gave."""
        return await self._read(link.removeprefix("/epcis"), BUNDLE)

    async def _read(self, path: str, media_type: str, height: int = 0) -> bytes:
        deadline = time.monotonic() + _WAITING_S
        while True:
            response = await self._http.get(path, headers=self._reader | _AS_WRITTEN | {"Accept": media_type})
            if response.is_success and int(response.headers.get(_HEIGHT, 0)) >= height:
                return response.content
            is_early = response.is_success or response.status_code == httpx.codes.NOT_FOUND
            if not is_early or time.monotonic() > deadline:
                raise UnavailableError(
                    Code.UNAVAILABLE,
                    f"expected {path} as {media_type}, got {response.status_code}: {response.text[:300]}",
                )
            await asyncio.sleep(_PAUSE_S)


@asynccontextmanager
async def repository_at(
    url: str, capture: str, reader: str, anchor: Anchor, now_ms: Callable[[], int]
) -> AsyncIterator[Repository]:
    """The repository of the gateway at `url`, with its two tokens."""
    headers = {"Authorization": f"Bearer {capture}"}
    async with httpx.AsyncClient(
        base_url=f"{url}/epcis", headers=headers, timeout=_WAITING_S, trust_env=False
    ) as http:
        yield Repository(http, reader, anchor, now_ms)


def _reasons(response: httpx.Response) -> list[str]:
    """Why a capture was refused, each fault with its place."""
    try:
        problem = response.json()
    except ValueError:
        return [response.text[:300]]
    errors = problem.get("errors")
    if not errors:
        return [f"{problem.get('detail', '')}"]
    return [f"{error.get('place') or '(document)'}: {error['detail']}" for error in errors]
