"""Reading single fields of an event strictly (EXTRACT.md §4): texts, lists, times, quantities, references."""

from __future__ import annotations

import re
from typing import Any, Final

from ledger.base.calendar import days_from_date
from ledger.base.errors import Code, FormError
from ledger.base.limits import QUANTITY_MAX, SCALE_MAX
from ledger.trade.identifiers.alphabet import DIGITS, UPPER, is_of
from ledger.trade.slices import Number
from ledger.trade.statement import Quantity

Event = dict[str, Any]

_TIME: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,12}))?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_OFFSET: Final = re.compile(r"[+-][0-9]{2}:[0-9]{2}")
_NUMBER: Final = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?")
_UNIT_CHARACTERS: Final = 8
_EXPONENT_MOST: Final = 36
_OFFSET_MINUTES_MOST: Final = 14 * 60


def refused(field: str, expected: str, value: Any) -> FormError:
    """The error for a field that is not what EPCIS says."""
    shown = value.text if type(value) is Number else value
    return FormError(Code.MALFORMED, f"{field}: expected {expected}, got {f'{shown!a}'[:96]}")


def text_of(event: Event, field: str) -> str | None:
    """A text field; None where it is absent or null."""
    value = event.get(field)
    if value is not None and type(value) is not str:
        raise refused(field, "text", value)
    return value


def list_of(event: Event, field: str) -> list[Any]:
    """An array field; empty where it is absent or null."""
    value = event.get(field)
    if value is None:
        return []
    if type(value) is not list:
        raise refused(field, "an array", value)
    return value


def object_of(event: Event, field: str) -> Event | None:
    """An object field; None where it is absent or null. A context of its own inside it is refused."""
    value = event.get(field)
    return None if value is None else as_object(value, field)


def as_object(value: Any, field: str) -> Event:
    """`value` as an object without a context of its own."""
    if type(value) is not dict:
        raise refused(field, "an object", value)
    if "@context" in value:
        raise FormError(Code.CONTEXT_REDEFINES, f"{field}: expected no @context inside it, got one")
    return value


def time_ms(text: str, field: str) -> int:
    """Unix milliseconds of an xsd:dateTimeStamp; digits beyond milliseconds are cut off.

    FormError bad_time for any other form: no zone, 24:00:00, a leap second, a date that does not exist.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise _bad_time(field, text)
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not (year >= 1 and 1 <= month <= 12 and hour < 24 and minute < 60 and second < 60):
        raise _bad_time(field, text)
    if not 1 <= day <= (28 + leap if month == 2 else 30 + (month + month // 8) % 2):
        raise _bad_time(field, text)
    hours = days_from_date(year, month, day) * 24 + hour
    seconds = (hours * 60 + minute - offset_minutes(match[8], field)) * 60 + second
    return seconds * 1000 + int(((match[7] or "") + "000")[:3])


def offset_minutes(text: str, field: str) -> int:
    """Minutes east of UTC of `Z` or +hh:mm, at most 14 hours either way."""
    if text == "Z":
        return 0
    if _OFFSET.fullmatch(text) is None or int(text[4:]) > 59:
        raise _bad_time(field, text)
    minutes = int(text[1:3]) * 60 + int(text[4:])
    if minutes > _OFFSET_MINUTES_MOST:
        raise _bad_time(field, text)
    return -minutes if text[0] == "-" else minutes


def _bad_time(field: str, text: str) -> FormError:
    return FormError(
        Code.BAD_TIME,
        f"{field}: expected a time with its zone, as 2026-04-19T13:35:18.250-05:00, got {text[:64]!a}",
    )


def quantity_of(element: Event, field: str) -> Quantity | None:
    """`quantity` and `uom` of a quantity element as an exact integer and scale; None where no quantity is said."""
    value = element.get("quantity")
    unit = text_of(element, "uom") or ""
    if not is_of(unit, DIGITS | UPPER, 0, _UNIT_CHARACTERS):
        raise refused(f"{field} uom", "a UN/ECE Recommendation 20 code", unit)
    if value is None:
        return None
    if type(value) is not Number:
        raise refused(f"{field} quantity", "a number", value)
    amount, scale = scaled(value, f"{field} quantity")
    return Quantity(amount, scale, unit)


def scaled(number: Number, field: str) -> tuple[int, int]:
    """The least (amount, scale) with amount / 10^scale equal to `number`; FormError if it is negative or too fine."""
    match = _NUMBER.fullmatch(number.text)
    if match is None or len(match[4] or "") > 3:
        raise refused(field, "a number", number)
    fraction = match[3] or ""
    digits, scale = (match[2] + fraction), len(fraction) - int(match[4] or "0")
    while scale > 0 and digits[-1:] == "0":
        digits, scale = digits[:-1], scale - 1
    amount = int(digits or "0")
    if amount == 0:
        return 0, 0
    if match[1] or scale > SCALE_MAX or scale < -_EXPONENT_MOST:
        raise refused(field, f"zero or more, with at most {SCALE_MAX} decimals", number)
    if scale < 0:
        zeros = -scale
        amount, scale = amount * 10**zeros, 0
    if amount > QUANTITY_MAX:
        raise FormError(
            Code.TOO_LARGE,
            f"{field}: expected at most {QUANTITY_MAX} units of 10^-{scale}, got {number.text}",
        )
    return amount, scale
