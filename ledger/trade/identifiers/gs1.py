"""GS1 keys: value and qualifiers of a key -> its canonical Digital Link (EXTRACT.md §2.3).

One function per form of key checks what the GS1 General Specifications say of it: length, character set, check digit.
Every one returns None for a value that is not a key, so that the caller decides what an unparsable claim becomes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from ledger.base.check_digits import has_gs1_check_digit
from ledger.trade.identifiers.alphabet import (
    DIGITS,
    SET_39,
    SET_82,
    has_gmn_check_pair,
    is_digits,
    is_numeral,
    is_of,
    leading_digits,
    percent_encoded,
)
from ledger.trade.identifiers.model import Identifier, Kind

ROOT: Final = "https://id.gs1.org/"
PREFIX_DIGITS: Final = 12  # no company prefix is longer
KEY_DIGITS_LEAST: Final = (
    4  # a key without fixed length begins with a company prefix of at least this many digits
)

Qualifiers = Mapping[str, str]


class Key(NamedTuple):
    """One GS1 key that may stand first in a Digital Link."""

    build: Callable[[str, Qualifiers], Identifier | None]
    digits: int  # how many digits the value begins with at least
    most: int  # characters of the longest value
    qualifiers: frozenset[str]  # AIs that may follow
    telling: frozenset[str]  # those of them that change what is identified


def _link(kind: Kind, digits: str, *parts: str) -> Identifier:
    return Identifier(ROOT + "/".join(percent_encoded(part) for part in parts), kind, digits)


def _gtin(value: str, qualifiers: Qualifiers) -> Identifier | None:
    if not is_digits(value, 8, 14) or len(value) in (9, 10, 11):
        return None
    gtin = value.rjust(14, "0")
    if not has_gs1_check_digit(gtin):
        return None
    digits = gtin[1:13]
    serial, third_party, lot = qualifiers.get("21"), qualifiers.get("235"), qualifiers.get("10")
    # The variant (22) names packaging, not identity, so it is checked and dropped; so is a lot beside a serial.
    if not all(is_of(qualifiers[code], SET_82, 1, 20) for code in ("10", "21", "22") if code in qualifiers):
        return None
    if third_party is not None:
        if serial is not None or not is_of(third_party, SET_82, 1, 28):
            return None
        return _link(Kind.ITEM, digits, "01", gtin, "235", third_party)
    if serial is not None:
        return _link(Kind.ITEM, digits, "01", gtin, "21", serial)
    if lot is not None:
        return _link(Kind.LOT, digits, "01", gtin, "10", lot)
    return _link(Kind.CLASS, digits, "01", gtin)


def _itip(value: str, qualifiers: Qualifiers) -> Identifier | None:
    if (
        not is_digits(value, 18)
        or not has_gs1_check_digit(value[:14])
        or not "00" < value[14:16] <= value[16:]
    ):
        return None
    if not all(is_of(one, SET_82, 1, 20) for one in qualifiers.values()):
        return None
    serial = qualifiers.get("21")
    if serial is None:
        return _link(Kind.CLASS, value[1:13], "8006", value)
    return _link(Kind.ITEM, value[1:13], "8006", value, "21", serial)


def _sscc(value: str, _qualifiers: Qualifiers) -> Identifier | None:
    if not is_digits(value, 18) or not has_gs1_check_digit(value):
        return None
    return _link(Kind.LOGISTIC_UNIT, value[1 : 1 + PREFIX_DIGITS], "00", value)


def _gsin(value: str, _qualifiers: Qualifiers) -> Identifier | None:
    if not is_digits(value, 17) or not has_gs1_check_digit(value):
        return None
    return _link(Kind.LOGISTIC_UNIT, value[:PREFIX_DIGITS], "402", value)


def _gln(value: str, qualifiers: Qualifiers) -> Identifier | None:
    if not is_digits(value, 13) or not has_gs1_check_digit(value):
        return None
    extension = qualifiers.get("254", "0")
    if not is_of(extension, SET_82, 1, 20) or not is_of(qualifiers.get("7040", "1"), SET_82, 1, 4):
        return None
    if extension == "0":  # the SGLN's way to say "none"
        return _link(Kind.PLACE, value[:PREFIX_DIGITS], "414", value)
    return _link(Kind.PLACE, value[:PREFIX_DIGITS], "414", value, "254", extension)


def _party(value: str, qualifiers: Qualifiers) -> Identifier | None:
    if not is_digits(value, 13) or not has_gs1_check_digit(value):
        return None
    if not is_of(qualifiers.get("7040", "1"), SET_82, 1, 4):
        return None
    return _link(Kind.PARTY, value[:PREFIX_DIGITS], "417", value)


def _payment(value: str, qualifiers: Qualifiers) -> Identifier | None:
    slip = qualifiers.get("8020", "")
    if not is_digits(value, 13) or not has_gs1_check_digit(value) or not is_of(slip, SET_82, 1, 25):
        return None
    return _link(Kind.DOCUMENT, value[:PREFIX_DIGITS], "415", value, "8020", slip)


def _serialised(
    code: str, kind: Kind, most: int, allowed: frozenset[str], filler: str = ""
) -> Callable[[str, Qualifiers], Identifier | None]:
    """A key of 13 digits (after `filler`) with its serial in the same value: GDTI, GCN, GRAI."""
    start = len(filler)

    def build(value: str, _qualifiers: Qualifiers) -> Identifier | None:
        head, serial = value[: start + 13], value[start + 13 :]
        if not is_digits(head, start + 13) or head[:start] != filler or not has_gs1_check_digit(head[start:]):
            return None
        if not is_of(serial, allowed, 0, most):
            return None
        return _link(kind if serial else Kind.CLASS, head[start : start + PREFIX_DIGITS], code, value)

    return build


def _person(code: str) -> Callable[[str, Qualifiers], Identifier | None]:
    def build(value: str, qualifiers: Qualifiers) -> Identifier | None:
        if not is_digits(value, 18) or not has_gs1_check_digit(value):
            return None
        instance = qualifiers.get("8019")
        if instance is None:
            return _link(Kind.PERSON, value[:PREFIX_DIGITS], code, value)
        if not is_digits(instance, 1, 10):
            return None
        return _link(Kind.PERSON, value[:PREFIX_DIGITS], code, value, "8019", instance)

    return build


def _variable(code: str, kind: Kind) -> Callable[[str, Qualifiers], Identifier | None]:
    def build(value: str, _qualifiers: Qualifiers) -> Identifier | None:
        digits = leading_digits(value, PREFIX_DIGITS)
        if not is_of(value, SET_82, KEY_DIGITS_LEAST + 1, 30) or len(digits) < KEY_DIGITS_LEAST:
            return None
        return _link(kind, digits, code, value)

    return build


def _component(value: str, qualifiers: Qualifiers) -> Identifier | None:
    digits = leading_digits(value, PREFIX_DIGITS)
    if not is_of(value, SET_39, KEY_DIGITS_LEAST + 1, 30) or len(digits) < KEY_DIGITS_LEAST:
        return None
    serial = qualifiers.get("8011")
    if serial is None:
        return _link(Kind.CLASS, digits, "8010", value)
    if not is_numeral(serial, 12):
        return None
    return _link(Kind.ITEM, digits, "8010", value, "8011", serial)


def _model(value: str, _qualifiers: Qualifiers) -> Identifier | None:
    digits = leading_digits(value, PREFIX_DIGITS)
    if not is_of(value, SET_82, KEY_DIGITS_LEAST + 3, 25) or len(digits) < KEY_DIGITS_LEAST:
        return None
    return _link(Kind.CLASS, digits, "8013", value) if has_gmn_check_pair(value) else None


_NONE: Final[frozenset[str]] = frozenset()
_SERVICE: Final = frozenset({"8019"})

KEYS: Final[Mapping[str, Key]] = {
    "00": Key(_sscc, 18, 18, _NONE, _NONE),
    "01": Key(_gtin, 8, 14, frozenset({"10", "21", "22", "235"}), frozenset({"10", "21", "235"})),
    "253": Key(_serialised("253", Kind.DOCUMENT, 17, SET_82), 13, 30, _NONE, _NONE),
    "255": Key(_serialised("255", Kind.ITEM, 12, DIGITS), 13, 25, _NONE, _NONE),
    "401": Key(_variable("401", Kind.LOGISTIC_UNIT), KEY_DIGITS_LEAST, 30, _NONE, _NONE),
    "402": Key(_gsin, 17, 17, _NONE, _NONE),
    "414": Key(_gln, 13, 13, frozenset({"254", "7040"}), frozenset({"254"})),
    "415": Key(_payment, 13, 13, frozenset({"8020"}), frozenset({"8020"})),
    "417": Key(_party, 13, 13, frozenset({"7040"}), _NONE),
    "8003": Key(_serialised("8003", Kind.ASSET, 16, SET_82, "0"), 14, 30, _NONE, _NONE),
    "8004": Key(_variable("8004", Kind.ASSET), KEY_DIGITS_LEAST, 30, frozenset({"7040"}), _NONE),
    "8006": Key(_itip, 18, 18, frozenset({"10", "21", "22"}), frozenset({"21"})),
    "8010": Key(_component, KEY_DIGITS_LEAST, 30, frozenset({"8011"}), frozenset({"8011"})),
    "8013": Key(_model, KEY_DIGITS_LEAST, 25, _NONE, _NONE),
    "8017": Key(_person("8017"), 18, 18, _SERVICE, _SERVICE),
    "8018": Key(_person("8018"), 18, 18, _SERVICE, _SERVICE),
}


def gs1_key(code: str, value: str, qualifiers: Qualifiers | None = None) -> Identifier | None:
    """The identifier of one key with its qualifiers, None where the value is none (length, characters, check digit)."""
    return KEYS[code].build(value, {} if qualifiers is None else qualifiers)


def lot_of(item: Identifier, lot: str) -> Identifier | None:
    """The lot numbered `lot` of the same GTIN as `item`; None where either has none."""
    start = len(ROOT) + len("01/")
    if item.text[:start] != f"{ROOT}01/":
        return None
    return gs1_key("01", item.text[start : start + 14], {"10": lot})


def looks_like(code: str, value: str) -> bool:
    """Whether `value` has the shape of the key `code` names, before any check digit is looked at."""
    key = KEYS.get(code)
    return key is not None and key.digits <= len(value) <= key.most and DIGITS.issuperset(value[: key.digits])
