"""Days of the Gregorian calendar as numbers: Unix days from dates, and back, in integers only.

The standard library's answers depend on its version (years beyond 9999, leap seconds, text forms); these do not.
"""

from __future__ import annotations

from typing import Final

_DAYS_TO_EPOCH: Final = 719_468
"""From 1 March of year 0 to 1 January 1970: years begin in March here, so that the leap day ends one."""
_DAYS_OF_ERA: Final = 146_097
"""Of 400 years."""


def days_from_date(year: int, month: int, day: int) -> int:
    """The Unix day of a date, not checked to exist: a month of 13 or a day of 31 too many count on."""
    shifted = year - (month <= 2)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return shifted * 365 + shifted // 4 - shifted // 100 + shifted // 400 + day_of_year - _DAYS_TO_EPOCH


def date_from_days(days: int) -> tuple[int, int, int]:
    """Year, month and day of a Unix day."""
    era, of_era = divmod(days + _DAYS_TO_EPOCH, _DAYS_OF_ERA)
    year_of_era = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    day_of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9
    return era * 400 + year_of_era + (month <= 2), month, day_of_year - (153 * shifted_month + 2) // 5 + 1
