"""The one function from any spelling to the canonical identifier (EXTRACT.md §2)."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final

from ledger.base.errors import Code, FormError
from ledger.base.limits import IDENTIFIER_BYTES
from ledger.trade.identifiers.alphabet import DIGITS, LOWER, UPPER, VISIBLE, is_of, lower
from ledger.trade.identifiers.documents import TYPED_FORMS, from_own_urn, typed_number
from ledger.trade.identifiers.links import from_link
from ledger.trade.identifiers.model import Identifier, Kind
from ledger.trade.identifiers.urns import from_urn

VERBATIM_CHARACTERS: Final = 256
_SCHEME_CHARACTERS: Final = DIGITS | UPPER | LOWER | frozenset("+-.")
_VERBATIM: Final = VISIBLE - frozenset('"<>\\^`{|}')
_HEX: Final = DIGITS | frozenset("abcdef")
_HASHED: Final = {
    Kind.OPAQUE: "urn:custody:opaque:",
    Kind.OTHER: "urn:custody:hashed:",
    Kind.PERSON: "urn:custody:person:",
}
_PERSONAL_SCHEMES: Final = frozenset({"mailto", "tel", "sms", "acct"})
_CACHED: Final = 65_536
_CLASS_END: Final = len("https://id.gs1.org/01/") + 14
_SERIAL_START: Final = _CLASS_END + len("/21/")
_PLAIN: Final = DIGITS | UPPER | LOWER | frozenset("-")


def canonical(uri: str) -> Identifier:
    """The canonical identifier of `uri` in any spelling. Pure, total over text and idempotent.

    Raises FormError bad_identifier for an empty text and for one with a lone surrogate, which no document can hold.
    """
    return _remembered(uri) if len(uri) <= IDENTIFIER_BYTES else _read(uri)


def _read(uri: str) -> Identifier:
    for read in (from_link, from_urn, from_own_urn):
        claims, identifier = read(uri)
        if identifier is not None:
            return identifier
        if claims:
            return _already_hashed(uri) or _hashed(Kind.OPAQUE, uri)
    return _other(uri)


@lru_cache(maxsize=_CACHED)
def _remembered(uri: str) -> Identifier:
    """The rules ask again for the same identifier in every event of its life; long texts are never kept."""
    return _plain_serial(uri) or _read(uri)


@lru_cache(maxsize=_CACHED)
def _digits_of_class(text: str) -> str | None:
    """The grant digits of a canonical GTIN without qualifiers, None for anything else."""
    identifier = _read(text)
    return identifier.digits if identifier.kind == Kind.CLASS and identifier.text == text else None


def plain_class(text: str) -> str | None:
    """The class of a text that is visibly the canonical form of a serialised GTIN: what stands before `/21/`; None for any other.

    With any other serial of 1 .. 20 digits, letters and hyphens it is that of another item of the same class.
    """
    if text[_CLASS_END:_SERIAL_START] != "/21/" or not _PLAIN.issuperset(text[_SERIAL_START:]):
        return None
    if not _SERIAL_START < len(text) <= _SERIAL_START + 20:
        return None
    found = text[:_CLASS_END]
    return None if _digits_of_class(found) is None else found


def _plain_serial(text: str) -> Identifier | None:
    """The identifier of a text that is visibly the canonical form of a serialised item, without reading it as a link.

    Every event of a production line names serials never seen before, so this is asked often.
    """
    found = plain_class(text)
    digits = None if found is None else _digits_of_class(found)
    return None if digits is None else Identifier(text, Kind.ITEM, digits)


def check_canonical(text: str) -> Identifier:
    """The identifier whose canonical text `text` is; FormError not_canonical for any other spelling."""
    plain = _plain_serial(text)
    if plain is not None:
        return plain
    identifier = canonical(text)
    if identifier.text != text:
        raise FormError(
            Code.NOT_CANONICAL,
            f"expected the canonical identifier {identifier.text}, got {text[:256]!a}",
        )
    return identifier


def document(kind: str, text: str) -> Identifier:
    """The document that a business transaction names: `kind` is its type's short name ("" without one), `text` its id.

    Under `mrn`, `ucr` and `seal` a text without colon is the number itself and opaque where it is none.
    """
    if kind not in TYPED_FORMS:
        return canonical(text)
    identifier = typed_number(kind, text)
    if identifier is not None:
        return identifier
    return canonical(text if ":" in text or kind == "bol" else f"urn:custody:{TYPED_FORMS[kind]}:{text}")


def _hashed(kind: Kind, uri: str) -> Identifier:
    try:
        data = uri.encode("utf-8")
    except UnicodeEncodeError:
        raise FormError(
            Code.BAD_IDENTIFIER, "expected an identifier of Unicode text, got a lone surrogate"
        ) from None
    return Identifier(_HASHED[kind] + hashlib.sha256(data).hexdigest(), kind)


def _already_hashed(uri: str) -> Identifier | None:
    for kind, prefix in _HASHED.items():
        if uri.startswith(prefix) and is_of(uri[len(prefix) :], _HEX, 64, 64):
            return Identifier(uri, kind)
    return None


def _other(uri: str) -> Identifier:
    """A URI of no scheme we read: itself with scheme and host in lower case, or its hash where it is no plain URI."""
    if not uri:
        raise FormError(Code.BAD_IDENTIFIER, "expected an identifier, got an empty text")
    scheme, separator, rest = uri.partition(":")
    scheme = lower(scheme)
    if scheme in _PERSONAL_SCHEMES:
        return _hashed(Kind.PERSON, uri)
    plain = is_of(uri, _VERBATIM, 3, VERBATIM_CHARACTERS) and is_of(scheme, _SCHEME_CHARACTERS, 1, 32)
    if not plain or not separator or not rest or scheme[0] not in LOWER:
        return _hashed(Kind.OTHER, uri)
    if rest.startswith("//"):
        authority, slash, path = rest[2:].partition("/")
        rest = "//" + (authority if "?" in authority or "#" in authority else lower(authority)) + slash + path
    elif scheme == "urn":
        namespace, colon, name = rest.partition(":")
        namespace = lower(namespace)
        rest = namespace + colon + (lower(name) if namespace == "uuid" else name)
    return Identifier(f"{scheme}:{rest}", Kind.OTHER)
