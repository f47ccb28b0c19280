"""Addresses that hold identifiers (EPCIS.md "Query"): routed as they were sent, before percent-decoding.

An EPC, place or event id in a path is a URI of its own, with slashes: `/epcis/epcs/https%3A%2F%2Fid.gs1.org%2F01%2F…/events`. Decoded
first, nobody could say where it ends. So for the addresses of the EPCIS interface the path stays as it came until a route has
found its value, which `path_value` then decodes. A client that did not encode the slashes is understood all the same: the
value is all that stands between the resource's name and the end, or `/events`.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Receive, Scope, Send

from ledger.base.errors import Code
from ledger.base.limits import IDENTIFIER_BYTES
from node.gateway.epcis.problems import EpcisError, Exceptional, problem_response

ROOT: Final = "/epcis"
ADDRESS_BYTES: Final = 16_384
"""Path and query together; a longer query is given a name (POST /epcis/queries)."""
VALUE_BYTES: Final = 4 * IDENTIFIER_BYTES


def is_epcis(path: str) -> bool:
    """Whether an address belongs to the EPCIS interface."""
    return path == ROOT or path.startswith(ROOT + "/")


def template_of(scope: Scope) -> str | None:
    """The template of the route that a request found, whole: routers that are included say theirs without the prefix."""
    found: str | None = getattr(scope.get("route"), "path", None)
    if found is not None and is_epcis(scope["path"]) and not is_epcis(found):
        return ROOT + found
    return found


class RawPath:
    """ASGI middleware: leaves other addresses alone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on the path as it was sent."""
        raw: bytes = scope.get("raw_path") or b""
        if scope["type"] not in ("http", "websocket") or not is_epcis(scope["path"]) or not raw:
            await self._app(scope, receive, send)
            return
        length = len(raw) + len(scope["query_string"])
        if scope["type"] == "http" and length > ADDRESS_BYTES:
            scope["state"]["code"] = Code.TOO_LARGE.value
            refusal = EpcisError(
                Exceptional.URI_TOO_LONG,
                Code.TOO_LARGE,
                f"expected an address of at most {ADDRESS_BYTES} bytes, got {length}; give the query a name"
                " (POST /epcis/queries) and ask for that",
            )
            await problem_response(refusal, request_id=scope["state"]["request_id"])(scope, receive, send)
            return
        path = raw.decode("latin-1")
        # In place: what is outside of here looks for the route in the same scope.
        scope["path"] = ROOT + "/" if path == ROOT else path
        await self._app(scope, receive, send)


def path_value(text: str) -> str:
    """The value of a path parameter as it was meant. NoSuchNameException for what cannot be a name."""
    try:
        value = unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        value = ""
    if not value or len(value.encode()) > VALUE_BYTES or not value.isprintable():
        raise EpcisError(
            Exceptional.NO_SUCH_NAME,
            Code.NOT_FOUND,
            f"expected a name of 1 to {VALUE_BYTES} bytes of printable UTF-8, percent-encoded, got {text[:80]!a}",
        )
    return value
