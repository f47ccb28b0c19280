"""EPC URNs of the GS1 EPC Tag Data Standard -> canonical identifier (EXTRACT.md §2.5).

A URN carries no check digit; it says instead where the company prefix ends, so its length (6 .. 12 digits) and the
total length are checked and the check digit is computed. A pattern whose only wildcard stands for the serial names the
class, as the CBV uses it; any other pattern keeps its URN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ledger.base.check_digits import gs1_check_digit
from ledger.trade.identifiers.alphabet import (
    DIGITS,
    SET_82,
    UPPER,
    has_imo_check_digit,
    is_digits,
    is_numeral,
    is_of,
    iso6346_check_digit,
    lower,
    percent_decoded,
    percent_encoded,
    upper,
)
from ledger.trade.identifiers.gs1 import gs1_key
from ledger.trade.identifiers.model import Identifier, Kind

_CAGE: Final = DIGITS | UPPER - frozenset("IO")
_PART: Final = DIGITS | UPPER | frozenset("-/")
_PATTERN: Final = SET_82 | frozenset("[]#")
_PATTERN_CHARACTERS: Final = 120
WILDCARD: Final = "*"

Parse = Callable[[str], Identifier | None]


def from_urn(text: str) -> tuple[bool, Identifier | None]:
    """(whether the text is an EPC URN, the identifier it names or None)."""
    parts = text.split(":", 4)
    if len(parts) < 2 or lower(parts[0]) != "urn" or lower(parts[1]) != "epc":
        return False, None
    if len(parts) < 5:
        return True, None
    family, scheme, body = lower(parts[2]), lower(parts[3]), parts[4]
    if family == "id":
        parse = SCHEMES.get(scheme)
        return True, None if parse is None else parse(body)
    if family == "class":
        return True, _lot(body) if scheme == "lgtin" else None
    if family == "idpat" and scheme in SCHEMES:
        return True, _pattern(scheme, body)
    return True, None


def _fields(body: str, count: int) -> list[str] | None:
    """`body` split at its first dots into `count` fields, each percent-decoded."""
    fields = []
    for field in body.split(".", count - 1):
        decoded = percent_decoded(field)
        if decoded is None:
            return None
        fields.append(decoded)
    return fields if len(fields) == count else None


def _prefixed(body: str, count: int, total: int) -> list[str] | None:
    """Fields whose first is a company prefix and whose first two have `total` digits together."""
    fields = _fields(body, count)
    if fields is None or not is_digits(fields[0], 6, 12):
        return None
    return fields if DIGITS.issuperset(fields[1]) and len(fields[0]) + len(fields[1]) == total else None


def _checked(digits: str) -> str:
    return digits + gs1_check_digit(digits)


def _indicated(prefix: str, reference: str) -> str:
    """Company prefix and reference as a key with the reference's first digit in front, and its check digit."""
    return _checked(reference[0] + prefix + reference[1:])


def _gtin_with(code: str) -> Parse:
    def parse(body: str) -> Identifier | None:
        fields = _prefixed(body, 3, 13)
        return None if fields is None else gs1_key("01", _indicated(fields[0], fields[1]), {code: fields[2]})

    return parse


_lot: Final = _gtin_with("10")


def _itip(body: str) -> Identifier | None:
    fields = _prefixed(body, 5, 13)
    if fields is None or not is_digits(fields[2], 2) or not is_digits(fields[3], 2):
        return None
    return gs1_key("8006", _indicated(fields[0], fields[1]) + fields[2] + fields[3], {"21": fields[4]})


def _sscc(body: str) -> Identifier | None:
    fields = _prefixed(body, 2, 17)
    return None if fields is None else gs1_key("00", _indicated(fields[0], fields[1]))


def _location(body: str) -> Identifier | None:
    fields = _prefixed(body, 3, 12)
    return None if fields is None else gs1_key("414", _checked(fields[0] + fields[1]), {"254": fields[2]})


def _plain(code: str, total: int) -> Parse:
    def parse(body: str) -> Identifier | None:
        fields = _prefixed(body, 2, total)
        return None if fields is None else gs1_key(code, _checked(fields[0] + fields[1]))

    return parse


def _serialised(code: str, filler: str = "") -> Parse:
    def parse(body: str) -> Identifier | None:
        fields = _prefixed(body, 3, 12)
        if fields is None or not fields[2]:
            return None
        return gs1_key(code, filler + _checked(fields[0] + fields[1]) + fields[2])

    return parse


def _variable(code: str) -> Parse:
    def parse(body: str) -> Identifier | None:
        fields = _fields(body, 2)
        if fields is None or not is_digits(fields[0], 6, 12) or not fields[1]:
            return None
        return gs1_key(code, fields[0] + fields[1])

    return parse


def _component(body: str) -> Identifier | None:
    fields = _fields(body, 3)
    if fields is None or not is_digits(fields[0], 6, 12) or not fields[1]:
        return None
    return gs1_key("8010", fields[0] + fields[1], {"8011": fields[2]})


def _own(scheme: str, kind: Kind, *fields: str) -> Identifier:
    return Identifier(f"urn:epc:id:{scheme}:" + ".".join(percent_encoded(field) for field in fields), kind)


def _general(body: str) -> Identifier | None:
    fields = _fields(body, 3)
    if fields is None or not all(is_numeral(field, 11) for field in fields):
        return None
    return _own("gid", Kind.ITEM, *fields)


def _defence(body: str) -> Identifier | None:
    fields = _fields(body, 2)
    if fields is None or not is_of(fields[0], _CAGE, 5, 6) or not is_numeral(fields[1], 11):
        return None
    return _own("usdod", Kind.ASSET, *fields)


def _aerospace(body: str) -> Identifier | None:
    fields = _fields(body, 3)
    if fields is None or not is_of(fields[0], _CAGE, 5, 6) or not is_of(fields[1], _PART, 0, 32):
        return None
    if not is_of(fields[2].removeprefix("#"), _PART, 1, 30):
        return None
    return _own("adi", Kind.ASSET, *fields)


def _vessel(body: str) -> Identifier | None:
    if not is_digits(body, 7) or not has_imo_check_digit(body):
        return None
    return _own("imovn", Kind.ASSET, body)


def freight_container(number: str) -> Identifier | None:
    """An ISO 6346 number (owner, category U, J or Z, serial, check digit) as its BIC URN; None if it is none."""
    number = upper(number)
    if (
        len(number) != 11
        or not is_of(number[:3], UPPER, 3, 3)
        or number[3] not in "UJZ"
        or not is_digits(number[4:], 7)
    ):
        return None
    if iso6346_check_digit(number[:10]) != number[10]:
        return None
    return _own("bic", Kind.CONTAINER, number)


SCHEMES: Final[Mapping[str, Parse]] = {
    "sgtin": _gtin_with("21"),
    "upui": _gtin_with("235"),
    "itip": _itip,
    "sscc": _sscc,
    "sgln": _location,
    "pgln": _plain("417", 12),
    "gsrn": _plain("8018", 17),
    "gsrnp": _plain("8017", 17),
    "gsin": _plain("402", 16),
    "grai": _serialised("8003", "0"),
    "gdti": _serialised("253"),
    "sgcn": _serialised("255"),
    "giai": _variable("8004"),
    "ginc": _variable("401"),
    "cpi": _component,
    "gid": _general,
    "usdod": _defence,
    "adi": _aerospace,
    "bic": freight_container,
    "imovn": _vessel,
}


def _pattern(scheme: str, body: str) -> Identifier | None:
    """A class where only the serial is a wildcard, a single EPC without any, else the pattern itself."""
    if len(body) > _PATTERN_CHARACTERS:
        return None
    fields = _fields(body, body.count(".") + 1)
    if fields is None or not all(is_of(field, _PATTERN, 0, _PATTERN_CHARACTERS) for field in fields):
        return None
    wild = [field == WILDCARD or (field[:1] == "[" and field[-1:] == "]") for field in fields]
    if not any(wild):
        return SCHEMES[scheme](body)
    first = wild.index(True)
    if first == len(fields) - 1 and fields[first] == WILDCARD and scheme in _CLASS_OF:
        code, parse = _CLASS_OF[scheme]
        return parse(code, body[: body.rindex(".")])
    if not all(wild[first:]):
        return None
    spelled = (
        field if is_wild else percent_encoded(field) for field, is_wild in zip(fields, wild, strict=True)
    )
    return Identifier(f"urn:epc:idpat:{scheme}:" + ".".join(spelled), Kind.PATTERN)


def _class_of_gtin(code: str, body: str) -> Identifier | None:
    fields = _prefixed(body, 2, 13)
    return None if fields is None else gs1_key(code, _indicated(fields[0], fields[1]))


def _class_of_pieces(code: str, body: str) -> Identifier | None:
    fields = _prefixed(body, 4, 13)
    if fields is None or not is_digits(fields[2], 2) or not is_digits(fields[3], 2):
        return None
    return gs1_key(code, _indicated(fields[0], fields[1]) + fields[2] + fields[3])


def _class_of_serialised(code: str, body: str) -> Identifier | None:
    fields = _prefixed(body, 2, 12)
    return (
        None
        if fields is None
        else gs1_key(code, ("0" if code == "8003" else "") + _checked(fields[0] + fields[1]))
    )


def _class_of_component(code: str, body: str) -> Identifier | None:
    fields = _fields(body, 2)
    if fields is None or not is_digits(fields[0], 6, 12) or not fields[1]:
        return None
    return gs1_key(code, fields[0] + fields[1])


_CLASS_OF: Final[Mapping[str, tuple[str, Callable[[str, str], Identifier | None]]]] = {
    "sgtin": ("01", _class_of_gtin),
    "upui": ("01", _class_of_gtin),
    "itip": ("8006", _class_of_pieces),
    "grai": ("8003", _class_of_serialised),
    "gdti": ("253", _class_of_serialised),
    "sgcn": ("255", _class_of_serialised),
    "cpi": ("8010", _class_of_component),
}
