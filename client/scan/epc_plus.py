"""The EPC encodings that TDS 2.0 added: keys as decimal digits, serials in the shortest of several alphabets (TDS 2.3 §14.5).

They know no company prefix, so what they hold is a Digital Link. The names with `++` also hold the host of the link, which
says who answers and not what is meant; it is not read, nor is data that may follow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from client.scan.bits import Bits, refused

Read = Callable[[Bits], tuple[str, ...]]

_URL_64: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_URN_40: Final = " ABCDEFGHIJKLMNOPQRSTUVWXYZ-.:0123456789"
_MOST_DIGITS: Final = 30
_DELIMITER: Final = 0xE
_END: Final = 0xF


def _digits(bits: Bits, count: int) -> str:
    """Decimal digits of four bits each."""
    digits = [bits.take(4) for _ in range(count)]
    if max(digits) > 9:
        raise refused("decimal digits", "others")
    return "".join(map(str, digits))


def _integer(bits: Bits, length_bits: int) -> str:
    """A number of so many digits, leading zeros among them."""
    length = bits.take(length_bits)
    number = bits.take((10**length - 1).bit_length())
    if not length or number >= 10**length:
        raise refused(f"a number of {length} digits", number)
    return str(number).rjust(length, "0")


def _alphanumeric(bits: Bits, length_bits: int = 5) -> str:
    """A text behind its encoding and its length."""
    encoding = bits.take(3)
    if encoding == 0:
        return _integer(bits, length_bits)
    length = bits.take(length_bits)
    if encoding in (1, 2):
        return "".join(
            ("0123456789ABCDEF", "0123456789abcdef")[encoding - 1][bits.take(4)] for _ in range(length)
        )
    if encoding == 3:
        return "".join(_URL_64[bits.take(6)] for _ in range(length))
    if encoding == 4:
        return "".join(chr(bits.take(7)) for _ in range(length))
    if encoding == 5:
        return _three_in_sixteen(bits, length)
    raise refused("one of the encodings 0 to 5 of a serial", encoding)


def _three_in_sixteen(bits: Bits, length: int) -> str:
    """URN Code 40: three characters in sixteen bits."""
    text = ""
    while len(text) < length:
        word = bits.take(16) - 1
        if not 0 <= word < 40**3:
            raise refused("three characters of URN Code 40", word + 1)
        text += _URN_40[word // 1600] + _URN_40[word // 40 % 40] + _URN_40[word % 40]
    if text[length:].strip(" "):
        raise refused(f"{length} characters", "more")
    return text[:length]


def _delimited(bits: Bits) -> str:
    """Digits, and after a delimiter what is no digit."""
    digits = ""
    while (nibble := bits.take(4)) < 10 and len(digits) < _MOST_DIGITS:
        digits += str(nibble)
    if nibble == _END:
        return digits
    if nibble == _DELIMITER:
        return digits + _alphanumeric(bits)
    raise refused("digits up to a delimiter or an end", f"{nibble:X}")


def _fixed(code: str, count: int) -> Read:
    return lambda bits: (code, _digits(bits, count))


def _joined(code: str, count: int) -> Read:
    return lambda bits: (code, _digits(bits, count) + _alphanumeric(bits))


def _qualified(code: str, count: int, qualifier: str) -> Read:
    return lambda bits: (code, _digits(bits, count), qualifier, _alphanumeric(bits))


def _dated(bits: Bits) -> tuple[str, ...]:
    bits.take(20)  # which date it is, and the date
    return _item(bits)


_item: Final = _qualified("01", 14, "21")
_KINDS: Final[Mapping[str, tuple[int, int, Read]]] = {
    "CPI": (0xF0, 0xE6, lambda bits: ("8010", _delimited(bits), "8011", _integer(bits, 4))),
    "GRAI": (0xF1, 0xEB, _joined("8003", 14)),
    "SGLN": (0xF2, 0xE9, _qualified("414", 13, "254")),
    "ITIP": (0xF3, 0xED, _qualified("8006", 18, "21")),
    "GSRN": (0xF4, 0xE7, _fixed("8018", 18)),
    "GSRNP": (0xF5, 0xE8, _fixed("8017", 18)),
    "GDTI": (0xF6, 0xEA, _joined("253", 13)),
    "SGTIN": (0xF7, 0xFD, _item),
    "SGCN": (0xF8, 0xEC, lambda bits: ("255", _digits(bits, 13) + _integer(bits, 4))),
    "SSCC": (0xF9, 0xEF, _fixed("00", 18)),
    "GIAI": (0xFA, 0xEE, lambda bits: ("8004", _delimited(bits))),
    "DSGTIN": (0xFB, 0xFC, _dated),
}


def _behind_filter(read: Read) -> Read:
    def behind(bits: Bits) -> tuple[str, ...]:
        bits.take(4)  # whether data follows, and the filter value
        return read(bits)

    return behind


PLUS: Final[Mapping[int, tuple[str, Read]]] = {
    header: (name + sign, _behind_filter(read))
    for name, (*headers, read) in _KINDS.items()
    for header, sign in zip(headers, ("+", "++"), strict=True)
}
"""By header: the name of the scheme, and what reads its key and qualifiers as segments of a Digital Link's path."""
