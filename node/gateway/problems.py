"""Errors as HTTP answers: problem documents of RFC 9457 with one status per error code (API.md §3).

The `type` is `urn:custody:<code>`, the same code that receipts and the command line use; `detail` is the error's one sentence.
The mapping from code to status is `STATUS`, and nothing else chooses a status for an error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from starlette.responses import Response

from ledger.base.errors import Code

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:custody:"
RETRY_AFTER_S: Final = 1

STATUS: Final[Mapping[Code, int]] = MappingProxyType(
    {
        # The request itself is wrong: change it.
        Code.MALFORMED: 400,
        Code.NOT_CANONICAL: 400,
        Code.TOO_DEEP: 400,
        Code.DUPLICATE_KEY: 400,
        Code.DUPLICATE_SUBJECT: 400,
        Code.BAD_IDENTIFIER: 400,
        Code.BAD_CHECK_DIGIT: 400,
        Code.BAD_TIME: 400,
        Code.UNSUPPORTED_VERSION: 400,
        Code.USAGE: 400,
        Code.TOO_LARGE: 413,
        # Well formed, and not acceptable on this ledger.
        Code.CONTEXT_REDEFINES: 422,
        Code.PERSON_IDENTIFIER: 422,
        Code.EXTRACT_DIFFERS: 422,
        Code.BAD_SIGNATURE: 422,
        Code.BAD_KEY: 422,
        Code.WRONG_NETWORK: 422,
        Code.WRONG_EPOCH: 422,
        Code.NOT_APPROVED: 422,
        Code.ALREADY_VOTED: 422,
        Code.NOT_OPEN: 422,
        Code.NOT_APPLICABLE: 422,
        Code.EXPIRED: 422,
        Code.EXPIRY_TOO_FAR: 422,
        Code.ROLLED_BACK: 422,
        Code.ERASED: 410,
        Code.LIMIT: 422,
        Code.NOT_APPLICABLE: 422,
        Code.NOT_OPEN: 422,
        Code.NOT_PROVEN: 422,
        Code.UNUSED_BYTES: 422,
        Code.FOREIGN_ANCHOR: 422,
        Code.INCOMPLETE: 422,
        Code.REPEATED: 409,
        Code.ATTESTATION_REPEATED: 409,
        Code.ALREADY_VOTED: 409,
        # By somebody who may not.
        Code.UNAUTHORISED: 401,
        Code.UNKNOWN_KEY: 403,
        Code.KEY_EXPIRED: 403,
        Code.NOT_YET_VALID: 403,
        Code.REVOKED: 403,
        Code.COMPROMISED: 403,
        Code.WRONG_USE: 403,
        Code.SUSPENDED: 403,
        Code.NOT_ENTITLED: 403,
        Code.SUSPENDED: 403,
        # Not there.
        Code.UNKNOWN_SUBJECT: 404,
        Code.UNKNOWN_TRANSACTION: 404,
        Code.UNKNOWN_BLOCK: 404,
        Code.NOT_FOUND: 404,
        Code.PRUNED: 410,
        Code.METHOD_NOT_ALLOWED: 405,
        Code.NOT_ACCEPTABLE: 406,
        Code.TIMED_OUT: 408,
        Code.UNSUPPORTED_MEDIA_TYPE: 415,
        # Not now: the same request may succeed later or at another node.
        Code.OVERLOADED: 429,
        Code.HISTORY_INCOMPLETE: 503,
        Code.UNAVAILABLE: 503,
        Code.DIVERGED: 503,
        Code.DAMAGED: 503,
        Code.LOCKED: 503,
        Code.FOREIGN_DATA: 503,
        Code.DISK_FULL: 503,
        Code.PORT_IN_USE: 503,
        Code.CLOCK: 503,
        # A fault of this program.
        Code.INTERNAL: 500,
    }
)

_TITLES: Final[Mapping[int, str]] = MappingProxyType(
    {
        400: "The request is not well formed",
        401: "A token or a signature that holds is needed",
        403: "The signer may not do this",
        404: "There is no such thing here",
        405: "This address does not take that method",
        406: "No representation that was asked for exists",
        408: "The request took too long to arrive",
        409: "This was done before",
        410: "The node no longer keeps it",
        413: "The request is too large",
        415: "The body is not of a media type that is taken here",
        422: "Well formed, but not acceptable on this ledger",
        429: "The node has enough to do for now",
        500: "A fault of this node",
        503: "The node cannot answer for now",
    }
)


def code_of_status(status: int) -> Code:
    """The code that stands for an HTTP error of the framework's own."""
    found = {
        404: Code.NOT_FOUND,
        405: Code.METHOD_NOT_ALLOWED,
        406: Code.NOT_ACCEPTABLE,
        413: Code.TOO_LARGE,
        415: Code.UNSUPPORTED_MEDIA_TYPE,
    }.get(status)
    return found or (Code.MALFORMED if status < 500 else Code.INTERNAL)


def problem(code: Code, detail: str, *, request_id: str | None = None, **more: Any) -> dict[str, Any]:
    """The problem document: type, title, status, code, detail and whatever else the code comes with."""
    status = STATUS[code]
    return problem_document(
        TYPE_PREFIX + code.value, _TITLES[status], status, code, detail, request_id=request_id, **more
    )


def problem_document(
    kind: str, title: str, status: int, code: Code, detail: str, *, request_id: str | None, **more: Any
) -> dict[str, Any]:
    """The members of a problem in their order (API.md §3). `kind`: its `type`, a URI."""
    document: dict[str, Any] = {
        "type": kind,
        "title": title,
        "status": status,
        "code": code.value,
        "detail": detail,
    }
    if request_id is not None:
        document["request"] = request_id
    return document | more


def problem_response(
    code: Code,
    detail: str,
    *,
    request_id: str | None = None,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Response:
    """The answer that carries a problem, with the headers its status needs."""
    document = problem(code, detail, request_id=request_id, **more)
    status = document["status"]
    body = json.dumps(document, ensure_ascii=False).encode()
    return Response(
        body, status_code=status, headers=headers_of(status, headers or {}), media_type=MEDIA_TYPE
    )


def headers_of(status: int, given: Mapping[str, str]) -> dict[str, str]:
    """The headers of a problem: those given, and what its status asks for besides."""
    needed = {
        401: {"WWW-Authenticate": 'Bearer realm="custody"'},
        408: {"Connection": "close"},
        429: {"Retry-After": str(RETRY_AFTER_S)},
        503: {"Retry-After": str(RETRY_AFTER_S)},
    }
    return {**needed.get(status, {}), **given}
