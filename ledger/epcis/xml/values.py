"""Single values between XML text and JSON: numbers, booleans; and the names of what is ours in XML (EPCIS.md, Forms).

Three names of ours let JSON written as XML be read again as the same value: an attribute that says the kind of a value
which XML has no way to say, one that carries a `@context` which is more than namespaces, and an element that carries an
event as JSON. Documents without them mean what they always meant.
"""

from __future__ import annotations

import re
from typing import Final

from ledger.base.errors import Code, FormError
from ledger.base.limits import JSON_DIGITS
from ledger.trade.slices import Number
from ledger.trade.vocabulary import EXTENSION_NAMESPACE

SPACE: Final = " \t\r\n"
INSTANCE: Final = "http://www.w3.org/2001/XMLSchema-instance"
# As expat gives names: namespace, local name, prefix.
KIND: Final = f"{EXTENSION_NAMESPACE} kind custody"
CONTEXT: Final = f"{EXTENSION_NAMESPACE} context custody"
JSON_EVENT: Final = f"{EXTENSION_NAMESPACE} event custody"
_NUMBER: Final = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]+))?")
_WITHOUT_SECONDS: Final = re.compile(r"([0-9-]+T[0-9]{2}:[0-9]{2})(Z|[+-][0-9]{2}:[0-9]{2})")
_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}


def number(text: str) -> Number:
    """The JSON number of an xsd:decimal or xsd:double: the digits as written, in the spelling JSON has for them.

    Raises FormError: malformed for any other text, and for INF and NaN, which JSON cannot say; too_large.
    """
    match = _NUMBER.fullmatch(text)
    if match is None or not (match[2] or match[3]):
        raise FormError(Code.MALFORMED, f"expected a number, got {text[:32]!a}")
    sign, whole, part, exponent = match.groups()
    if sum(len(digits) for digits in (whole, part or "", exponent or "")) > JSON_DIGITS:
        raise FormError(
            Code.TOO_LARGE, f"expected a number of at most {JSON_DIGITS} digits, got {text[:32]!a}"
        )
    spelled = ("-" if sign == "-" else "") + (whole.lstrip("0") or "0")
    return Number(spelled + (f".{part}" if part else "") + (f"e{exponent}" if exponent else ""))


def boolean(text: str) -> bool:
    """An xsd:boolean. Raises FormError malformed for any other text."""
    value = _BOOLEANS.get(text)
    if value is None:
        raise FormError(Code.MALFORMED, f"expected true or false, got {text[:32]!a}")
    return value


def time(text: str) -> str:
    """A time as JSON says it: xsd:dateTime wants seconds, and those who leave them out mean the minute's first."""
    match = _WITHOUT_SECONDS.fullmatch(text)
    return text if match is None else f"{match[1]}:00{match[2]}"


def plain_decimal(text: str) -> str | None:
    """A JSON number as an xsd:decimal, which has no exponent; None where that takes more digits than a number may have."""
    digits, _, exponent = text.partition("e") if "e" in text else text.partition("E")
    if not exponent:
        return text
    if len(exponent) > 3:
        return None
    sign, digits = ("-", digits[1:]) if digits[0] == "-" else ("", digits)
    whole, _, part = digits.partition(".")
    point = len(whole) + int(exponent)
    shifted = "0" * -point + whole + part + "0" * (point - len(whole) - len(part))
    point = max(point, 0)
    spelled = f"{sign}{shifted[:point].lstrip('0') or '0'}" + (
        f".{shifted[point:]}" if shifted[point:] else ""
    )
    return spelled if len(spelled) <= JSON_DIGITS else None
