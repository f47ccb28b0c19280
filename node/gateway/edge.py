"""Around every request: an id, a log line without secrets, numbers, and errors as problem documents (API.md §3).

The log names the route's template, never its parameters: identifiers say who trades with whom. Authorization headers and
bodies are never logged. A client that goes away is no error.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any, Final

import structlog
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ledger.base.errors import Code, CustodyError
from node.gateway.epcis import problems as epcis_problems
from node.gateway.epcis.raw_path import is_epcis, template_of
from node.gateway.metrics import Metrics
from node.gateway.problems import code_of_status, problem_response
from node.gateway.reads import Reads
from node.local.protocol import BusyError

NO_ROUTE: Final = "none"
_CLOSED_BY_CLIENT: Final = 499
"""In logs and numbers only, as proxies use it: nobody was there to be answered."""
_SHOWN: Final = 80
_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
_NO_STORE: Final = (b"cache-control", b"no-store")


class Edge:
    """ASGI middleware; the outermost of ours."""

    def __init__(self, app: ASGIApp, metrics: Metrics, reads: Reads | None = None) -> None:
        self._app = app
        self._metrics = metrics
        self._reads = reads
        self._log = structlog.get_logger("gateway")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, send, self._reads)
        try:
            await self._app(scope, receive, answer.send)
        except ClientDisconnect:
            answer.status = answer.status or _CLOSED_BY_CLIENT
        except Exception as error:
            self._log.exception("fault", request=answer.request_id, error=type(error).__name__)
            if answer.status:
                raise
            fault = "expected to answer, this node failed; its log names the request"
            await _fault_response(scope["path"], fault, answer.request_id)(scope, receive, answer.send)
        finally:
            self._note(scope, answer)

    def _note(self, scope: Scope, answer: _Answer) -> None:
        seconds = time.perf_counter() - answer.began
        if self._reads is not None:
            if answer.is_begun:
                self._reads.answered(scope, answer.status, answer.bytes)
            else:
                self._reads.not_answered(scope)
        route = template_of(scope) or NO_ROUTE
        status = answer.status or _CLOSED_BY_CLIENT
        self._metrics.answered(route, scope["method"], status, None if answer.is_stream else seconds)
        if answer.code is not None:
            self._metrics.refused.labels(answer.code).inc()
        client = scope.get("client")
        self._log.info(
            "request",
            request=answer.request_id,
            method=scope["method"][:16],
            route=route,
            status=status,
            code=answer.code,
            ms=round(seconds * 1000, 2),
            bytes=answer.bytes,
            client=client[0] if client else None,
        )


class _Answer:
    """What is sent, watched on its way out."""

    def __init__(self, scope: Scope, send: Send, reads: Reads | None) -> None:
        self._scope = scope
        self._reads = reads
        self.is_begun = False
        self.began = time.perf_counter()
        self.request_id = secrets.token_hex(8)
        self.status = 0
        self.bytes = 0
        self.is_stream = False
        self.code: str | None = None
        self._send = send
        self._state: dict[str, Any] = scope.setdefault("state", {})
        self._state["request_id"] = self.request_id

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.code = self._state.get("code")
            headers = message["headers"] = [*message["headers"], *_HEADERS]
            headers.append((b"x-request-id", self.request_id.encode()))
            if not any(name == b"cache-control" for name, _ in headers):
                headers.append(_NO_STORE)
            self.is_stream = any(value.startswith(b"text/event-stream") for _, value in headers)
            self.is_begun = True
            if self.is_stream and self._reads is not None:
                self._reads.answered(self._scope, self.status, None)
        elif message["type"] == "http.response.body":
            self.bytes += len(message.get("body", b""))
        await self._send(message)


def _fault_response(path: str, detail: str, request_id: str) -> Response:
    if is_epcis(path):
        error = epcis_problems.epcis_error_of(CustodyError(Code.INTERNAL, detail))
        return epcis_problems.problem_response(error, request_id=request_id)
    return problem_response(Code.INTERNAL, detail, request_id=request_id)


def answer_problem(
    request: Request, error: CustodyError, headers: Mapping[str, str] | None = None
) -> Response:
    """The error as answer to `request`, in the terms of the interface it belongs to, noted for its log line."""
    request.state.code = error.code.value
    request_id = request.state.request_id
    if isinstance(error, BusyError):
        headers = {"Retry-After": str(error.after_s), **(headers or {})}
    if is_epcis(request.url.path):
        return epcis_problems.problem_response(
            epcis_problems.epcis_error_of(error),
            request_id=request_id,
            accept=request.headers.get("accept", ""),
            headers=headers,
        )
    return problem_response(error.code, error.message, request_id=request_id, headers=headers)


async def custody_error(request: Request, error: Exception) -> Response:
    """An error of ours: its own code and sentence."""
    if not isinstance(error, CustodyError):
        raise error
    return answer_problem(request, error)


async def http_error(request: Request, error: Exception) -> Response:
    """An error of the framework's: no such route, no such method."""
    if not isinstance(error, HTTPException):
        raise error
    code = code_of_status(error.status_code)
    allowed = {name.lower(): value for name, value in (error.headers or {}).items()}.get("allow")
    details = {
        Code.NOT_FOUND: f"expected an address of this interface, got {request.url.path[:_SHOWN]!a}; see /openapi.json",
        Code.METHOD_NOT_ALLOWED: f"expected {allowed or 'another method'} here, got {request.method[:_SHOWN]!a}",
    }
    detail = details.get(code, str(error.detail)[:_SHOWN])
    return answer_problem(request, CustodyError(code, detail), error.headers)


async def parameter_error(request: Request, error: Exception) -> Response:
    """A parameter that does not fit its declaration: the first one, in one sentence."""
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"][1:]) or "request"
    came = "nothing" if first["type"] == "missing" else f"{str(first.get('input'))[:_SHOWN]!a}"
    detail = f"{name}: expected {_expected(first)}, got {came}"
    return answer_problem(request, CustodyError(Code.MALFORMED, detail))


def _expected(error: Mapping[str, Any]) -> str:
    bounds = error.get("ctx", {})
    match error["type"]:
        case "missing":
            return "a value"
        case "int_parsing" | "int_from_float" | "int_parsing_size":
            return "an integer"
        case "bool_parsing":
            return "true or false"
        case "greater_than_equal":
            return f"at least {bounds['ge']}"
        case "less_than_equal":
            return f"at most {bounds['le']}"
        case "string_too_long":
            return f"at most {bounds['max_length']} characters"
        case "string_too_short":
            return f"at least {bounds['min_length']} characters"
        case "string_pattern_mismatch":
            return f"text of the form {bounds['pattern']}"
        case "literal_error" | "enum":
            return str(bounds["expected"])
        case "too_long" | "too_short":
            return f"{bounds.get('min_length', 0)} .. {bounds.get('max_length', 'any number of')} values"
        case _:
            return f"a value that fits ({str(error['msg'])[:_SHOWN]})"
