"""What client and repository agree on in headers (EPCIS.md "Query"; EPCIS 2.0 §12.8 and its OpenAPI document).

One version is spoken in answers: EPCIS 2.0 with CBV 2.0. A client that says it can read from `GS1-EPCIS-Min` to `GS1-EPCIS-Max` is
answered if 2.0.0 lies between, else refused with 406; so it is for CBV, and for a wish that names no known format. Extensions
are carried in whatever namespace they stand, so no `GS1-Extensions` is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple, TypeVar

from starlette.requests import HTTPConnection
from starlette.responses import Response

from ledger.base.errors import Code, FormError
from ledger.epcis.spelling import EpcFormat
from ledger.epcis.vocabulary import CbvFormat
from ledger.trade.vocabulary import EXTENSION_NAMESPACE
from node.gateway.answers import BUNDLE, chosen
from node.gateway.epcis.problems import EpcisError, Exceptional

JSON: Final = "application/json"
JSON_LD: Final = "application/ld+json"
XML: Final = "application/xml"
DOCUMENTS: Final = (JSON, JSON_LD, XML)
PROVABLE: Final = (*DOCUMENTS, BUNDLE)
COLLECTIONS: Final = (JSON, JSON_LD)

ANSWER_NAMESPACE: Final = "https://custody-ledger.org/answer/"
"""Of what answers say beside the authors' events."""
VERSION: Final = "2.0.0"
OLDEST_CAPTURED: Final = "1.2.0"
VENDOR_VERSION: Final = "custody-1"
EXTENSIONS: Final = f"custody={EXTENSION_NAMESPACE},ledger={ANSWER_NAMESPACE}"
_VERSION_CHARACTERS: Final = 32
_PARTS: Final = 3

SAID: Final[Mapping[str, str]] = MappingProxyType(
    {"GS1-EPCIS-Version": VERSION, "GS1-CBV-Version": VERSION, "GS1-Extensions": EXTENSIONS}
)
"""The headers of every answer that is no problem."""


class Wish(NamedTuple):
    """What a client asks an answer to be like."""

    media_type: str
    epcs: EpcFormat
    words: CbvFormat


_Word = TypeVar("_Word", bound=StrEnum)


def check_versions(request: HTTPConnection, *, sends: bool = False) -> None:
    """Raise EpcisError (NotAcceptableException) unless version 2.0.0 is within what the client can read.

    `sends`: the request has a body, whose version the client may say.
    """
    for name in ("EPCIS", "CBV"):
        least, most = (_version(request, f"GS1-{name}-{end}") for end in ("Min", "Max"))
        ours = _parts(VERSION)
        if (least is not None and least > ours) or (most is not None and most < ours):
            raise _refusal(
                f"expected GS1-{name}-Min and GS1-{name}-Max to allow {VERSION}, the version spoken here,"
                f" got {_shown(request, f'GS1-{name}-Min')} .. {_shown(request, f'GS1-{name}-Max')}"
            )
        sent = _version(request, f"GS1-{name}-Version") if sends else None
        if sent is not None and not _parts(OLDEST_CAPTURED) <= sent <= ours:
            raise _refusal(
                f"GS1-{name}-Version: expected {OLDEST_CAPTURED} .. {VERSION}, got"
                f" {_shown(request, f'GS1-{name}-Version')}"
            )


def wish_of(request: HTTPConnection, offers: tuple[str, ...] = DOCUMENTS) -> Wish:
    """What the client asks for; EpcisError (NotAcceptableException) for what cannot be given."""
    check_versions(request)
    return Wish(
        media_type_of(request, offers),
        _word(request, "GS1-EPC-Format", EpcFormat, EpcFormat.DIGITAL_LINK),
        _word(request, "GS1-CBV-XML-Format", CbvFormat, CbvFormat.NO_PREFERENCE),
    )


def media_type_of(request: HTTPConnection, offers: tuple[str, ...]) -> str:
    """The media type of `offers` that the client likes best; EpcisError (NotAcceptableException)."""
    try:
        return chosen(request, offers)
    except FormError as error:
        raise _refusal(error.message) from None


def sent_type(request: HTTPConnection) -> str:
    """The media type of a request's body in lower case, without parameters; empty where none is said."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def check_sends_json(request: HTTPConnection) -> None:
    """Raise EpcisError (UnsupportedMediaTypeException) unless the body is said to be JSON."""
    media_type = sent_type(request)
    if media_type not in COLLECTIONS:
        raise EpcisError(
            Exceptional.UNSUPPORTED_MEDIA_TYPE,
            Code.UNSUPPORTED_MEDIA_TYPE,
            f"expected a body of type {JSON} or {JSON_LD}, got {media_type[:80]!a}",
        )


def discovery(
    allow: tuple[str, ...], more: Mapping[str, str] | None = None, *, captures: bool = False
) -> Response:
    """The answer to OPTIONS: methods, versions, formats. `captures`: EPCIS 1.2 is accepted too."""
    oldest = OLDEST_CAPTURED if captures else VERSION
    headers = {
        "Allow": ", ".join(allow),
        **SAID,
        "GS1-EPCIS-Min": oldest,
        "GS1-EPCIS-Max": VERSION,
        "GS1-CBV-Min": oldest,
        "GS1-CBV-Max": VERSION,
        "GS1-EPC-Format": EpcFormat.NO_PREFERENCE.value,
        "GS1-CBV-XML-Format": CbvFormat.NO_PREFERENCE.value,
        "GS1-Vendor-Version": VENDOR_VERSION,
        **(more or {}),
    }
    return Response(status_code=204, headers=headers)


def _version(request: HTTPConnection, header: str) -> tuple[int, ...] | None:
    text = request.headers.get(header)
    if text is None:
        return None
    parts = text.split(".")
    if len(text) > _VERSION_CHARACTERS or not all(part.isascii() and part.isdigit() for part in parts):
        raise _refusal(f"{header}: expected a version as {VERSION}, got {text[:_VERSION_CHARACTERS]!a}")
    return _parts(text)


def _parts(text: str) -> tuple[int, ...]:
    numbers = [int(part) for part in text.split(".")]
    return tuple(numbers + [0] * (_PARTS - len(numbers)))


def _word(request: HTTPConnection, header: str, words: type[_Word], default: _Word) -> _Word:
    text = request.headers.get(header)
    if text is None:
        return default
    found = {word.value.lower(): word for word in words}.get(text.strip().lower())
    if found is None:
        raise _refusal(f"{header}: expected {' or '.join(words)}, got {text[:40]!a}")
    return found


def _shown(request: HTTPConnection, header: str) -> str:
    return repr(request.headers.get(header, ""))[:40]


def _refusal(message: str) -> EpcisError:
    return EpcisError(Exceptional.NOT_ACCEPTABLE, Code.NOT_ACCEPTABLE, message)
