"""Character sets, percent spelling and check characters of identifiers (EXTRACT.md §2.2).

Sources: GS1 General Specifications (character sets 39 and 82, check digit, GMN check character pair), RFC 3986
(unreserved characters, percent-encoding), ISO 6346 (container check digit), the EU transit system's MRN check character
(an application of ISO 6346), IMO resolution A.1117(30) (ship number).
"""

from __future__ import annotations

from typing import Final

DIGITS: Final = frozenset("0123456789")
UPPER: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
LOWER: Final = frozenset("abcdefghijklmnopqrstuvwxyz")
# In code point order: the position is the value of a character in the GMN check.
_ORDER_82: Final = "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
SET_82: Final = frozenset(_ORDER_82)
SET_39: Final = DIGITS | UPPER | frozenset("#-/")
UNRESERVED: Final = DIGITS | UPPER | LOWER | frozenset("-._~")
VISIBLE: Final = frozenset(chr(code) for code in range(0x21, 0x7F))

_HEX: Final = {character: value for value, character in enumerate("0123456789ABCDEF")} | {
    character: value for value, character in enumerate("abcdef", 10)
}
_FOLD_UPPER: Final = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}
_FOLD_LOWER: Final = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def upper(text: str) -> str:
    """Fold a-z to A-Z and nothing else."""
    return text.translate(_FOLD_UPPER)


def lower(text: str) -> str:
    """Fold A-Z to a-z and nothing else."""
    return text.translate(_FOLD_LOWER)


def is_of(text: str, allowed: frozenset[str], least: int, most: int) -> bool:
    """Whether `text` has least .. most characters, all of them allowed."""
    return least <= len(text) <= most and allowed.issuperset(text)


def is_digits(text: str, least: int, most: int | None = None) -> bool:
    """Whether `text` is least .. most ASCII digits (exactly `least` without `most`)."""
    return is_of(text, DIGITS, least, least if most is None else most)


def is_numeral(text: str, most: int) -> bool:
    """Whether `text` is a decimal number of at most `most` digits without leading zeros."""
    return is_digits(text, 1, most) and (text[0] != "0" or len(text) == 1)


def leading_digits(text: str, most: int) -> str:
    """The run of digits that `text` starts with, cut at `most`."""
    length = 0
    while length < most and length < len(text) and text[length] in DIGITS:
        length += 1
    return text[:length]


def percent_decoded(text: str) -> str | None:
    """`text` with each %XX replaced by its ASCII character; None for a broken escape or one beyond ASCII."""
    if "%" not in text:
        return text
    pieces = text.split("%")
    out = [pieces[0]]
    for piece in pieces[1:]:
        high, low = _HEX.get(piece[:1]), _HEX.get(piece[1:2])
        if high is None or low is None or high > 7:
            return None
        out.append(chr(16 * high + low))
        out.append(piece[2:])
    return "".join(out)


def percent_encoded(text: str) -> str:
    """ASCII `text` with everything but RFC 3986 unreserved characters as %XX in upper case."""
    if UNRESERVED.issuperset(text):
        return text
    return "".join(one if one in UNRESERVED else f"%{ord(one):02X}" for one in text)


def _iso6346_values() -> dict[str, int]:
    values = {digit: ord(digit) - 48 for digit in "0123456789"}
    value = 10
    for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ":
        if value % 11 == 0:  # multiples of eleven are left out
            value += 1
        values[letter] = value
        value += 1
    return values


_ISO6346: Final = _iso6346_values()


def iso6346_check_digit(text: str) -> str:
    """The ISO 6346 check digit over digits and upper-case letters (weights 1, 2, 4 ... ; 10 counts as 0)."""
    total = 0
    for position, character in enumerate(text):
        total += _ISO6346[character] << position
    return chr(48 + total % 11 % 10)


def has_imo_check_digit(digits: str) -> bool:
    """Whether a seven-digit IMO ship number ends in its check digit (weights 7 .. 2)."""
    total = sum(weight * (ord(digit) - 48) for weight, digit in zip(range(7, 1, -1), digits, strict=False))
    return chr(48 + total % 10) == digits[6]


_GMN_WEIGHTS: Final = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83)
_GMN_VALUES: Final = {character: value for value, character in enumerate(_ORDER_82)}
_GMN_CHECK: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


def has_gmn_check_pair(text: str) -> bool:
    """Whether a Global Model Number ends in its check character pair (prime weights from the right, modulo 1021)."""
    body = text[:-2]
    if not 1 <= len(body) <= len(_GMN_WEIGHTS):
        return False
    total = (
        sum(weight * _GMN_VALUES[one] for weight, one in zip(_GMN_WEIGHTS, reversed(body), strict=False))
        % 1021
    )
    return text[-2:] == _GMN_CHECK[total >> 5] + _GMN_CHECK[total & 31]
