"""How values are written down so that a database's plain text order is their own order (EPCIS.md, Index).

One table of texts then serves equality, ranges and sorting alike, in every database that compares bytes: identifiers and
words as they are, numbers and times as keys whose order is theirs, exactly: no value is ever a float.

An extension field says nothing of its type, and XML knows texts only. So each of its values is kept under every type it can
be read as, the type's digit in front: a number before a time before a text.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from ledger.base.errors import FormError
from ledger.trade.extract.fields import time_ms

TEXT_CHARACTERS: Final = 256
"""Longer texts are kept as their beginning and their hash: equal if and only if the texts are."""
NUMBER_CHARACTERS: Final = 64
NUMBER: Final = "1"
TIME: Final = "2"
TEXT: Final = "3"
_BEGINNING: Final = 128
_NUMBER: Final = re.compile(r"(-?)0*([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]{1,24}))?")
_LOOKS_LIKE_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,24})?")
_LOOKS_LIKE_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(?:Z|[+-][0-9:]+)")
_EXPONENT_MOST: Final = 4_999
_TIME_SHIFT: Final = 10**15
"""The year 1 is 6.2e13 ms before 1970, the year 9999 ends 2.6e14 ms after."""
_COMPLEMENT: Final = str.maketrans("0123456789", "9876543210")
_ZERO: Final = "5"


def text_key(text: str) -> str:
    """A text, shortened where it is long or holds what a database cannot keep: NUL, half a surrogate pair."""
    if len(text) <= TEXT_CHARACTERS and "\0" not in text and (text.isascii() or _is_sound(text)):
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    beginning = text[:_BEGINNING].encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")
    return f"{beginning}\ufffd{digest}"


def _is_sound(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def number_key(text: str) -> str:
    """A decimal number as text whose order is that of numbers; equal numbers are equal texts. ValueError for no number."""
    match = _NUMBER.fullmatch(text)
    if match is None or not (match[2] or match[3] or "0" in text):
        raise ValueError(f"expected a number, got {text[:64]!a}")
    whole, fraction, exponent = match[2], match[3] or "", int(match[4] or "0")
    digits = (whole + fraction).rstrip("0")
    point = len(whole) + exponent
    if not whole:
        point -= len(digits) - len(digits.lstrip("0"))
    digits = digits.lstrip("0")
    if not digits:
        return _ZERO
    point = max(-_EXPONENT_MOST, min(_EXPONENT_MOST, point)) + _EXPONENT_MOST + 1
    if match[1]:
        return f"4{f'{point:04}'.translate(_COMPLEMENT)}{digits.translate(_COMPLEMENT)}~"
    return f"6{point:04}{digits}"


def time_key(at_ms: int) -> str:
    """Unix milliseconds as text whose order is that of times."""
    return f"{at_ms + _TIME_SHIFT:016}"


def is_number(text: str) -> bool:
    """Whether a text is written as JSON and XML write numbers, and no longer than anybody's number is."""
    return len(text) <= NUMBER_CHARACTERS and _LOOKS_LIKE_NUMBER.fullmatch(text) is not None


def read_time(text: str) -> int | None:
    """Unix milliseconds of a time with its zone, None for another text."""
    if _LOOKS_LIKE_TIME.fullmatch(text) is None:
        return None
    try:
        return time_ms(text, "time")
    except FormError:
        return None


def typed_keys(text: str) -> tuple[str, ...]:
    """The keys of one value of an extension field: as the number or time it can be read as, and as text."""
    key = TEXT + text_key(text)
    first = text[:1]
    if first.isascii() and (first.isdigit() or first == "-"):
        if is_number(text):
            return NUMBER + number_key(text), key
        at_ms = read_time(text)
        if at_ms is not None:
            return TIME + time_key(at_ms), key
    return (key,)
