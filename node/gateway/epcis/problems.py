"""The exceptions of EPCIS 2.0 as HTTP answers (EPCIS.md "Query"; EPCIS 2.0 §12, its OpenAPI document).

Here `type` is the exception's name as the official interface spells it, and the status is the one it documents; everything else
is as in the other problem documents of this gateway: `code` is ours, `detail` one sentence. Whoever asks for XML gets the
same members in XML (RFC 7807 §A). An error that names no exception gets the one that its code stands for.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final
from xml.sax.saxutils import escape

from starlette.responses import Response

from ledger.base.errors import Code, CustodyError
from node.gateway import problems
from node.gateway.problems import STATUS
from node.gateway.rendering import to_json

TYPE_PREFIX: Final = "epcisException:"
JSON: Final = problems.MEDIA_TYPE
XML: Final = "application/problem+xml"
_NAMESPACE: Final = "urn:ietf:rfc:7807"


class Exceptional(StrEnum):
    """What EPCIS calls the ways in which a request fails."""

    VALIDATION = "ValidationException"
    QUERY_VALIDATION = "QueryValidationException"
    QUERY_PARAMETER = "QueryParameterException"
    SUBSCRIPTION_CONTROLS = "SubscriptionControlsException"
    SECURITY = "SecurityException"
    NO_SUCH_NAME = "NoSuchNameException"
    NOT_ACCEPTABLE = "NotAcceptableException"
    ALREADY_EXISTS = "ResourceAlreadyExistsException"
    CAPTURE_LIMIT = "CaptureLimitExceededException"
    QUERY_TOO_LARGE = "QueryTooLargeException"
    QUERY_TOO_COMPLEX = "QueryTooComplexException"
    URI_TOO_LONG = "URITooLongException"
    UNSUPPORTED_MEDIA_TYPE = "UnsupportedMediaTypeException"
    IMPLEMENTATION = "ImplementationException"


_STATUS: Final[Mapping[Exceptional, int]] = MappingProxyType(
    {
        Exceptional.VALIDATION: 400,
        Exceptional.QUERY_VALIDATION: 400,
        Exceptional.QUERY_PARAMETER: 400,
        Exceptional.SUBSCRIPTION_CONTROLS: 400,
        Exceptional.NO_SUCH_NAME: 404,
        Exceptional.NOT_ACCEPTABLE: 406,
        Exceptional.ALREADY_EXISTS: 409,
        Exceptional.CAPTURE_LIMIT: 413,
        Exceptional.QUERY_TOO_LARGE: 413,
        Exceptional.QUERY_TOO_COMPLEX: 413,
        Exceptional.URI_TOO_LONG: 414,
        Exceptional.UNSUPPORTED_MEDIA_TYPE: 415,
    }
)
"""The status of each; SECURITY and IMPLEMENTATION keep that of the code (401 or 403; 408, 429, 500 or 503)."""

_OF_STATUS: Final[Mapping[int, Exceptional]] = MappingProxyType(
    {
        400: Exceptional.VALIDATION,
        401: Exceptional.SECURITY,
        403: Exceptional.SECURITY,
        404: Exceptional.NO_SUCH_NAME,
        406: Exceptional.NOT_ACCEPTABLE,
        409: Exceptional.ALREADY_EXISTS,
        410: Exceptional.NO_SUCH_NAME,
        413: Exceptional.CAPTURE_LIMIT,
        415: Exceptional.UNSUPPORTED_MEDIA_TYPE,
        422: Exceptional.VALIDATION,
    }
)

_TITLES: Final[Mapping[Exceptional, str]] = MappingProxyType(
    {
        Exceptional.VALIDATION: "What was sent is not valid",
        Exceptional.QUERY_VALIDATION: "The query is not valid",
        Exceptional.QUERY_PARAMETER: "A query parameter is wrong",
        Exceptional.SUBSCRIPTION_CONTROLS: "The subscription's schedule or settings are wrong",
        Exceptional.SECURITY: "A token is needed, or this one may not do this",
        Exceptional.NO_SUCH_NAME: "There is no such thing here",
        Exceptional.NOT_ACCEPTABLE: "The answer that was asked for cannot be given",
        Exceptional.ALREADY_EXISTS: "Something of that name is already there",
        Exceptional.CAPTURE_LIMIT: "More than is captured in one request",
        Exceptional.QUERY_TOO_LARGE: "More events match than the query allows",
        Exceptional.QUERY_TOO_COMPLEX: "The query asks for too much at once",
        Exceptional.URI_TOO_LONG: "The address is too long",
        Exceptional.UNSUPPORTED_MEDIA_TYPE: "The body is not of a media type that is taken here",
        Exceptional.IMPLEMENTATION: "The repository cannot answer",
    }
)


class EpcisError(CustodyError):
    """An error that says which exception of EPCIS it is, and may bring headers with it."""

    def __init__(
        self,
        exception: Exceptional,
        code: Code,
        message: str,
        headers: Mapping[str, str] | None = None,
        *,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """`more`: members of the problem document besides the usual ones."""
        super().__init__(code, message)
        self.exception = exception
        self.headers = dict(headers or {})
        self.more = dict(more or {})


def epcis_error_of(error: CustodyError) -> EpcisError:
    """`error` as an exception of EPCIS: its own, or the one that its code stands for."""
    if isinstance(error, EpcisError):
        return error
    exception = _OF_STATUS.get(STATUS[error.code], Exceptional.IMPLEMENTATION)
    return EpcisError(exception, error.code, error.message)


def status_of(exception: Exceptional, code: Code) -> int:
    """The status an exception is answered with."""
    return _STATUS.get(exception, STATUS[code])


def problem(
    exception: Exceptional, code: Code, detail: str, *, request_id: str | None = None, **more: Any
) -> dict[str, Any]:
    """The problem document."""
    return problems.problem_document(
        TYPE_PREFIX + exception.value, _TITLES[exception], status_of(exception, code), code, detail,
        request_id=request_id, **more,
    )  # fmt: skip


def problem_response(
    refusal: EpcisError,
    *,
    request_id: str | None = None,
    accept: str = "",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer that carries a refusal, in XML for those who ask for XML and not for JSON."""
    document = problem(
        refusal.exception, refusal.code, refusal.message, request_id=request_id, **refusal.more
    )
    status = document["status"]
    sent = problems.headers_of(status, {**refusal.headers, **(headers or {})})
    if "xml" in accept and "json" not in accept and "*/*" not in accept:
        return Response(_xml(document), status_code=status, headers=sent, media_type=XML)
    return Response(to_json(document), status_code=status, headers=sent, media_type=JSON)


def _xml(document: Mapping[str, Any]) -> str:
    """The members as elements (RFC 7807 appendix A); what XML cannot hold is left out of the text."""
    members = "".join(f"<{name}>{_content(value)}</{name}>" for name, value in document.items())
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<problem xmlns="{_NAMESPACE}">{members}</problem>\n'


def _content(value: Any) -> str:
    if isinstance(value, Mapping):
        return "".join(f"<{name}>{_content(member)}</{name}>" for name, member in value.items())
    if isinstance(value, list):
        return "".join(f"<i>{_content(one)}</i>" for one in value)
    return "" if value is None else escape(_printable(str(value)))


def _printable(text: str) -> str:
    return "".join(character for character in text if character in "\t\n" or character >= " ")
