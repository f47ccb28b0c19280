"""What people type and scanners send -> canonical identifiers (CUSTODY_RULES, Identifiers).

The ledger itself reads URIs only. At a keyboard or a scanner the same thing arrives as a container number painted on a
door, an element string under a barcode, eighteen digits, or `mrn:...`. Everything here ends in `ledger.trade.identifiers`,
which alone decides what is canonical, and refuses what does not parse rather than letting it stand as opaque.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from ledger.base.errors import Code, FormError
from ledger.trade.identifiers import (
    Identifier,
    Kind,
    bill_of_lading,
    canonical,
    container,
    declaration,
    reference,
    seal,
)
from ledger.trade.statement import Quantity

_ROOT: Final = "https://id.gs1.org/"
_ELEMENT: Final = re.compile(r"\(([0-9]{2,4})\)([^(]+)")
_CONTAINER: Final = re.compile(r"[A-Za-z]{3}[UJZujz][ -]?[0-9]{6}[ -]?[0-9]")
_MRN: Final = re.compile(r"[0-9]{2}[A-Za-z]{2}[0-9A-Za-z]{14}")
_QUANTITY: Final = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,6}))?\s?([A-Z][0-9A-Z]{1,2})?")
_WORDS: Final = "gtin, sscc, container, mrn, ucr, bol, seal or epc"


class Thing(NamedTuple):
    """An identifier and, for classes and lots, how much of it."""

    identifier: Identifier
    quantity: Quantity | None = None


def subject(text: str) -> Identifier:
    """The identifier of an item, unit, container, lot, asset or document in any spelling; FormError otherwise."""
    plain = text.strip()
    word, separator, rest = plain.partition(":")
    named = word.lower()
    if separator and named in _BY_WORD and not rest.startswith("//"):
        return _BY_WORD[named](rest.strip())
    if plain.startswith("("):
        return _elements(plain)
    if _CONTAINER.fullmatch(plain):
        return container(plain)
    if plain.isascii() and plain.isdigit():
        return _digits(plain)
    if _MRN.fullmatch(plain):
        return declaration(plain)
    return _uri(plain)


def thing(text: str) -> Thing:
    """An identifier, or for a class or lot `identifier=amount[unit]`, as `(01)09521234500016(10)L7=12.5KGM`."""
    head, separator, tail = text.strip().rpartition("=")
    match = _QUANTITY.fullmatch(tail.strip()) if separator else None
    if match is None:
        return Thing(subject(text))
    identifier = subject(head)
    if identifier.kind is Kind.ITEM:
        raise FormError(
            Code.MALFORMED, f"expected a quantity behind a class or lot, got one behind the item {head}"
        )
    fraction = (match[2] or "").rstrip("0")
    return Thing(identifier, Quantity(int(match[1] + fraction), len(fraction), match[3] or ""))


def party(text: str) -> Identifier:
    """A party: 13 digits of a GLN, or any spelling of a party or place; FormError otherwise."""
    return _located(text, "417", "a party (GLN of 13 digits, or its URI)")


def place(text: str) -> Identifier:
    """A place: 13 digits of a GLN, `gln:extension`, or any URI; FormError otherwise."""
    plain = text.strip()
    digits, separator, extension = plain.partition(":")
    if separator and len(digits) == 13 and digits.isascii() and digits.isdigit():
        return _sure(f"{_ROOT}414/{digits}/254/{_encoded(extension)}", plain, "a GLN with its extension")
    return _located(plain, "414", "a place (GLN of 13 digits, or its URI)")


def logistic_unit(text: str) -> Identifier:
    """A logistic unit by the 18 digits of its SSCC, or in any other spelling."""
    return _BY_WORD["sscc"](text) if text.strip().isdigit() else subject(text)


def bill(text: str) -> Identifier:
    """A bill of lading as `CARRIER:NUMBER`."""
    carrier, separator, number = text.partition(":")
    if not separator:
        raise FormError(
            Code.BAD_IDENTIFIER, f"expected a bill of lading as CARRIER:NUMBER, got {text[:64]!a}"
        )
    return bill_of_lading(carrier, number)


def _located(text: str, code: str, expected: str) -> Identifier:
    plain = text.strip()
    if plain.isascii() and plain.isdigit():
        return _sure(f"{_ROOT}{code}/{plain}", plain, expected)
    return _uri(plain)


def _elements(text: str) -> Identifier:
    """A GS1 element string as printed under a barcode: (01)09521234500016(21)42."""
    parts = _ELEMENT.findall(text)
    if "".join(f"({code}){value}" for code, value in parts) != text:
        raise FormError(
            Code.BAD_IDENTIFIER, f"expected an element string as (01)...(21)..., got {text[:64]!a}"
        )
    path = "/".join(f"{code}/{_encoded(value.strip())}" for code, value in parts)
    return _sure(_ROOT + path, text, "a GS1 element string with right lengths and check digits")


def _encoded(value: str) -> str:
    return "".join(one if one.isalnum() or one in "-._~" else f"%{ord(one):02X}" for one in value)


def _digits(text: str) -> Identifier:
    if len(text) == 18:
        return _sure(f"{_ROOT}00/{text}", text, "an SSCC of 18 digits with its check digit")
    if len(text) == 14:
        return _sure(f"{_ROOT}01/{text}", text, "a GTIN of 14 digits with its check digit")
    raise FormError(
        Code.BAD_IDENTIFIER,
        f"expected 18 digits (SSCC) or 14 (GTIN), got {len(text)}; write {_WORDS} and a colon before a bare number",
    )


def _uri(text: str) -> Identifier:
    if ":" not in text:
        raise FormError(
            Code.BAD_IDENTIFIER,
            f"expected a URI, an element string, a container number or {_WORDS} with a colon, got {text[:64]!a}",
        )
    return _sure(text, text, "an identifier whose form and check digit hold")


def _sure(uri: str, written: str, expected: str) -> Identifier:
    identifier = canonical(uri)
    if identifier.kind is Kind.OPAQUE:
        raise FormError(Code.BAD_IDENTIFIER, f"expected {expected}, got {written[:96]!a}")
    return identifier


_BY_WORD: Final[Mapping[str, Callable[[str], Identifier]]] = {
    "gtin": lambda text: _sure(f"{_ROOT}01/{text}", text, "a GTIN with its check digit"),
    "sscc": lambda text: _sure(f"{_ROOT}00/{text}", text, "an SSCC of 18 digits with its check digit"),
    "container": container,
    "mrn": declaration,
    "ucr": reference,
    "bol": bill,
    "seal": seal,
    "epc": subject,
}
