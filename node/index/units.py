"""Amounts in one unit per quantity, so that 212 FAH equals 100 CEL (EPCIS 2.0 §8.2.7.1: a pair of value and uom also matches "a
corresponding pair when an alternative uom is applied"; EPCIS.md, Index).

Codes are those of UN/ECE Recommendation 20. Only factors that are exact by definition stand here, and each quantity's common unit
is chosen so that none needs a division: amounts stay exact decimals. A unit that is not here compares with itself alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from node.index.values import number_key


class _Decimal(NamedTuple):
    """`digits` times ten to the `exponent`."""

    digits: int
    exponent: int


class _Unit(NamedTuple):
    """An amount is (itself + `zero`) times `factor` of what `quantity` is counted in."""

    quantity: str
    factor: _Decimal
    zero: _Decimal


_NUMBER: Final = re.compile(r"(-?[0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,24}))?")
_APART: Final = 400
"""Numbers this many digits apart do not change each other where they are added."""
_FAR: Final = 10**6
"""Exponents beyond this are alike to `number_key`."""

# Counted in: kg, m, m2, m3, s, Pa, J, W, Hz, V, A; speeds in eighteenths of m/s, temperatures in ninths of K.
_QUANTITIES: Final = {
    "mass": "KGM 1, GRM 1e-3, MGM 1e-6, MC 1e-9, CGM 1e-5, DJ 1e-2, HGM 1e-1, TNE 1e3, 2U 1e3, LBR 0.45359237, "
    "ONZ 0.028349523125, STN 907.18474, LTN 1016.0469088",
    "length": "MTR 1, DMT 1e-1, CMT 1e-2, MMT 1e-3, 4H 1e-6, C45 1e-9, KMT 1e3, INH 0.0254, FOT 0.3048, YRD 0.9144, "
    "SMI 1609.344, NMI 1852",
    "area": "MTK 1, DMK 1e-2, CMK 1e-4, MMK 1e-6, KMK 1e6, HAR 1e4, INK 0.00064516, FTK 0.09290304, YDK 0.83612736",
    "volume": "MTQ 1, DMQ 1e-3, CMQ 1e-6, MMQ 1e-9, LTR 1e-3, DLT 1e-4, CLT 1e-5, MLT 1e-6, HLT 1e-1, GLL 0.003785411784, "
    "GLI 0.00454609, INQ 0.000016387064, FTQ 0.028316846592, BLL 0.158987294928",
    "time": "SEC 1, C26 1e-3, B98 1e-6, MIN 60, HUR 3600, DAY 86400, WEE 604800",
    "pressure": "PAL 1, A97 100, KPA 1e3, MPA 1e6, BAR 1e5, MBR 100, ATM 101325",
    "energy": "JOU 1, KJO 1e3, 3B 1e6, WHR 3600, KWH 3.6e6",
    "power": "WTT 1, KWT 1e3, MAW 1e6",
    "frequency": "HTZ 1, KHZ 1e3, MHZ 1e6, A86 1e9",
    "voltage": "VLT 1, 2Z 1e-3, KVT 1e3",
    "current": "AMP 1, 4K 1e-3",
    "speed": "MTS 18, KMH 5, KNT 9.26, HM 8.04672",
    "temperature": "KEL 9, CEL 9 273.15, FAH 5 459.67, A48 5",
}


def _decimal(text: str) -> _Decimal:
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ValueError(f"expected a number, got {text[:64]!a}")
    fraction = match[2] or ""
    return _Decimal(int(match[1] + fraction), int(match[3] or "0") - len(fraction))


def _table() -> Mapping[str, _Unit]:
    units = {}
    for quantity, entries in _QUANTITIES.items():
        for entry in entries.split(", "):
            code, factor, *zero = entry.split(" ")
            units[code] = _Unit(quantity, _decimal(factor), _decimal(zero[0] if zero else "0"))
    return units


_UNITS: Final = _table()


def measured(name: str, unit: str, number: str) -> tuple[str, str]:
    """Name and key of the facet of an amount: `name` is what was measured, `number` as JSON writes it."""
    known = _UNITS.get(unit)
    if known is None:
        return f"{name}_{unit}", number_key(number)
    amount = _sum(_decimal(number), known.zero)
    digits, exponent = amount.digits * known.factor.digits, amount.exponent + known.factor.exponent
    return f"{name}_{known.quantity}", number_key(f"{digits}e{max(-_FAR, min(_FAR, exponent))}")


def _sum(left: _Decimal, right: _Decimal) -> _Decimal:
    if not left.digits or not right.digits:
        return left if left.digits else right
    low, high = sorted((left, right), key=lambda one: one.exponent)
    if high.exponent - low.exponent > _APART:
        return high
    return _Decimal(high.digits * 10 ** (high.exponent - low.exponent) + low.digits, low.exponent)
