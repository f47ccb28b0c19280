"""EPC binary encodings of the GS1 EPC Tag Data Standard -> the identifier they hold (TDS 2.3 §14; examples in annex E.3).

Written anew, since no library kept today reads all of them: the schemes with a company prefix and a fixed length, those of
variable length (ADI, CPI), and in `epc_plus` those that TDS 2.0 added. Control bits (filter, toggle) say how a tag is to
be read and not what it names, so they are not part of the result. Check digits are computed where the encoding leaves them
out, and checked by `ledger.trade.identifiers` where it holds them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from client.scan.bits import Bits, refused
from client.scan.epc_plus import PLUS
from ledger.trade.identifiers.alphabet import percent_encoded

_LEAST_BITS: Final = 64
# By partition value 0 .. 6: company prefixes of 12 .. 6 digits, and what is left to the reference.
_PREFIX_BITS: Final = (40, 37, 34, 30, 27, 24, 20)
_ITEM: Final = (4, 7, 10, 14, 17, 20, 24)
_UNIT: Final = (18, 21, 24, 28, 31, 34, 38)
_LOCATION: Final = (1, 4, 7, 11, 14, 17, 21)
_ASSET: Final = (42, 45, 48, 52, 55, 58, 62)
_PART: Final = (11, 14, 17, 21, 24, 27, 31)


class Tag(NamedTuple):
    """What a tag holds."""

    scheme: str
    """The name of the encoding, as SGTIN-96."""
    uri: str
    """A pure identity EPC URN or a Digital Link, to be read by `ledger.trade.identifiers`."""


def tag(bits: Bits) -> Tag:
    """The identifier in the EPC memory of a tag. FormError bad_identifier, saying what does not fit the standard."""
    if bits.left < _LEAST_BITS:
        raise refused(
            f"an EPC of at least {_LEAST_BITS} bits ({_LEAST_BITS // 4} hexadecimal digits)",
            f"{bits.left} bits",
        )
    header = bits.take(8)
    if header in PLUS:
        # Further data of the same object may follow these; the length of what is read stands in the encoding itself.
        name, read_plus = PLUS[header]
        return Tag(name, "https://id.gs1.org/" + "/".join(percent_encoded(part) for part in read_plus(bits)))
    if header not in _SCHEMES:
        raise refused("the header of an EPC scheme of the Tag Data Standard", f"{header:02X}")
    name, read = _SCHEMES[header]
    scheme, fields = name.rpartition("-")[0].lower(), read(bits)
    bits.zeros(bits.left, f"what follows an {name}")
    return Tag(name, f"urn:epc:id:{scheme}:" + ".".join(percent_encoded(field) for field in fields))


def _prefix(bits: Bits) -> tuple[int, str]:
    """Partition value and company prefix, behind a filter value of three bits."""
    bits.take(3)
    partition = bits.take(3)
    if partition >= len(_PREFIX_BITS):
        raise refused("a partition value of 0 to 6", partition)
    return partition, _padded(bits.take(_PREFIX_BITS[partition]), 12 - partition, "company prefix")


def _padded(value: int, digits: int, what: str) -> str:
    if value >= 10**digits:
        raise refused(f"a {what} of {digits} digits", value)
    return str(value).rjust(digits, "0") if digits else ""


def _referenced(bits: Bits, widths: tuple[int, ...], total: int) -> list[str]:
    """Company prefix and reference, of `total` digits together."""
    partition, prefix = _prefix(bits)
    return [prefix, _padded(bits.take(widths[partition]), total - len(prefix), "reference")]


def _text(bits: Bits, characters: int) -> str:
    """Characters of seven bits, filled up with zeros."""
    codes = [bits.take(7) for _ in range(characters)]
    length = codes.index(0) if 0 in codes else characters
    if not length or any(codes[length:]):
        raise refused("at least one character and nothing behind the last", "other bits")
    return "".join(map(chr, codes[:length]))


def _short_text(bits: Bits, most: int) -> str:
    """Characters of six bits up to one of zeros."""
    codes = []
    while code := bits.take(6):
        codes.append(code)
        if len(codes) > most:
            raise refused(f"at most {most} characters", "more")
    return "".join(chr(code + 64 if code < 32 else code) for code in codes)


def _led(bits: Bits, width: int) -> str:
    """A number with leading zeros, kept by a one in front of it."""
    digits = str(bits.take(width))
    if digits[0] != "1" or len(digits) < 2:
        raise refused("a number led by a one", digits)
    return digits[1:]


Read = Callable[[Bits], list[str]]


def _numbered(widths: tuple[int, ...], total: int, serial: int) -> Read:
    return lambda bits: [*_referenced(bits, widths, total), str(bits.take(serial))]


def _named(widths: tuple[int, ...], total: int, characters: int) -> Read:
    return lambda bits: [*_referenced(bits, widths, total), _text(bits, characters)]


def _counted(widths: tuple[int, ...], total: int, serial: int) -> Read:
    return lambda bits: [*_referenced(bits, widths, total), _led(bits, serial)]


def _whole(bits: Bits) -> list[str]:
    fields = _referenced(bits, _UNIT, 17)
    bits.zeros(24, "the reserved bits")
    return fields


def _asset_numbered(bits: Bits) -> list[str]:
    partition, prefix = _prefix(bits)
    return [prefix, str(bits.take(_ASSET[partition]))]


def _asset_named(bits: Bits) -> list[str]:
    partition, prefix = _prefix(bits)
    reference = _text(bits, 18 + partition)
    bits.zeros(188 - _PREFIX_BITS[partition] - 7 * (18 + partition), "the last bits")
    return [prefix, reference]


def _part_numbered(bits: Bits) -> list[str]:
    partition, prefix = _prefix(bits)
    return [prefix, str(bits.take(_PART[partition])), str(bits.take(31))]


def _part_named(bits: Bits) -> list[str]:
    partition, prefix = _prefix(bits)
    return [prefix, _short_text(bits, 18 + partition), str(bits.take(40))]


def _pieces(serial: Callable[[Bits], str]) -> Read:
    def read(bits: Bits) -> list[str]:
        fields = _referenced(bits, _ITEM, 13)
        piece, total = _padded(bits.take(7), 2, "piece"), _padded(bits.take(7), 2, "total")
        return [*fields, piece, total, serial(bits)]

    return read


def _general(bits: Bits) -> list[str]:
    return [str(bits.take(width)) for width in (28, 24, 36)]


def _defence(bits: Bits) -> list[str]:
    bits.take(4)
    code = bytes(bits.take(8) for _ in range(6)).decode("latin-1").lstrip(" ")
    return [code, str(bits.take(36))]


def _aerospace(bits: Bits) -> list[str]:
    bits.take(6)
    code = "".join(chr(one + 64 if one < 32 else one) for one in (bits.take(6) for _ in range(6)))
    return [code.lstrip(" "), _short_text(bits, 32), _short_text(bits, 30)]


_SCHEMES: Final[Mapping[int, tuple[str, Read]]] = {
    0x2C: ("GDTI-96", _numbered(_LOCATION, 12, 41)),
    0x2D: ("GSRN-96", _whole),
    0x2E: ("GSRNP-96", _whole),
    0x2F: ("USDOD-96", _defence),
    0x30: ("SGTIN-96", _numbered(_ITEM, 13, 38)),
    0x31: ("SSCC-96", _whole),
    0x32: ("SGLN-96", _numbered(_LOCATION, 12, 41)),
    0x33: ("GRAI-96", _numbered(_ITEM, 12, 38)),
    0x34: ("GIAI-96", _asset_numbered),
    0x35: ("GID-96", _general),
    0x36: ("SGTIN-198", _named(_ITEM, 13, 20)),
    0x37: ("GRAI-170", _named(_ITEM, 12, 16)),
    0x38: ("GIAI-202", _asset_named),
    0x39: ("SGLN-195", _named(_LOCATION, 12, 20)),
    0x3A: ("GDTI-113", _counted(_LOCATION, 12, 58)),
    0x3B: ("ADI-var", _aerospace),
    0x3C: ("CPI-96", _part_numbered),
    0x3D: ("CPI-var", _part_named),
    0x3E: ("GDTI-174", _named(_LOCATION, 12, 17)),
    0x3F: ("SGCN-96", _counted(_LOCATION, 12, 41)),
    0x40: ("ITIP-110", _pieces(lambda bits: str(bits.take(38)))),
    0x41: ("ITIP-212", _pieces(lambda bits: _text(bits, 20))),
}  # fmt: skip
