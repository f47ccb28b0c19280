"""When a standing query runs: the schedule of EPCIS 2.0 §8.2.5.3, in UTC.

A field is a list of numbers and ranges, `5`, `[1-5]` or `[1-5],7`; `first/step` stands for every step-th number from the first on,
as an example of the standard's interface has it. A moment fits when every field fits: `dayOfMonth` *and* `dayOfWeek`, which is not
what cron does. A field left out fits always if a finer one is given, and else only at its first value: hour 1 and minute 5 mean once
a day, 01:05:00, and not sixty times within that minute. Days of the week go from 1, Monday, to 7.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from ledger.base.errors import Code, FormError

_FIELD_CHARACTERS: Final = 400
_DIGITS: Final = frozenset("0123456789")
_YEARS: Final = 40
"""How far a day may be away: 29 February comes on a given day of the week at least once in so many years."""


class _Field(NamedTuple):
    name: str
    least: int
    most: int


_FIELDS: Final = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("dayOfMonth", 1, 31),
    _Field("month", 1, 12),
    _Field("dayOfWeek", 1, 7),
)
FIELDS: Final = tuple(field.name for field in _FIELDS)
_COARSENESS: Final = {"second": 0, "minute": 1, "hour": 2, "dayOfMonth": 3, "dayOfWeek": 3, "month": 4}


class Schedule(NamedTuple):
    """The numbers that fit, ascending, for each field."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]

    def next_after(self, time_ms: int) -> int:
        """The first moment after `time_ms` that fits, in Unix milliseconds of a whole second."""
        start = datetime.fromtimestamp(time_ms // 1000, UTC) + timedelta(seconds=1)
        found = self._on_day(start)
        day = start.replace(hour=0, minute=0, second=0)
        while found is None:
            day += timedelta(days=1)
            found = self._on_day(day)
        return int(found.timestamp()) * 1000

    def _is_day(self, day: datetime) -> bool:
        return day.month in self.months and day.day in self.days and day.isoweekday() in self.weekdays

    def _on_day(self, start: datetime) -> datetime | None:
        """The first moment from `start` on, within its day."""
        if not self._is_day(start):
            return None
        for hour in self.hours:
            if hour < start.hour:
                continue
            for minute in self.minutes:
                if (hour, minute) < (start.hour, start.minute):
                    continue
                for second in self.seconds:
                    if (hour, minute, second) >= (start.hour, start.minute, start.second):
                        return start.replace(hour=hour, minute=minute, second=second)
        return None

    def has_day(self) -> bool:
        """Whether any day fits at all: the 31st of February does not."""
        day = datetime(2024, 1, 1, tzinfo=UTC)
        return any(self._is_day(day + timedelta(days=number)) for number in range(366 * _YEARS))


def schedule_from_fields(fields: Mapping[str, str]) -> Schedule:
    """The schedule in the fields of a subscription; at least one. FormError names the field."""
    given = [name for name in FIELDS if name in fields]
    if not given:
        raise FormError(
            Code.MALFORMED, f"schedule: expected at least one of {', '.join(FIELDS)}, got none of them"
        )
    finest = min(_COARSENESS[name] for name in given)
    found = Schedule(*(_numbers(field, fields.get(field.name), finest) for field in _FIELDS))
    if not found.has_day():
        raise FormError(
            Code.MALFORMED, "schedule: expected days that the calendar has, got none that ever comes"
        )
    return found


def _numbers(field: _Field, text: str | None, finest: int) -> tuple[int, ...]:
    everything = range(field.least, field.most + 1)
    if text is None:
        is_finer = _COARSENESS[field.name] < finest
        return (field.least,) if is_finer else tuple(everything)
    if len(text) > _FIELD_CHARACTERS:
        raise FormError(
            Code.TOO_LARGE,
            f"schedule.{field.name}: expected at most {_FIELD_CHARACTERS} characters, got {len(text)}",
        )
    numbers: set[int] = set()
    for element in text.split(","):
        numbers.update(_element(field, element))
    return tuple(sorted(numbers))


def _element(field: _Field, text: str) -> range:
    """The numbers of one element: `5`, `[1-5]`, `0/15`."""
    first, last, step = text, text, "1"
    if text.startswith("[") and text.endswith("]"):
        first, _, last = text[1:-1].partition("-")
    elif "/" in text:
        first, _, step = text.partition("/")
        last = str(field.most)
    low, high, stride = (_number(part) for part in (first, last, step))
    if low is None or high is None or not stride or not field.least <= low <= high <= field.most:
        raise FormError(
            Code.MALFORMED,
            f"schedule.{field.name}: expected numbers and ranges [a-b] of {field.least} .. {field.most}, "
            f"with commas between them, got {text[:40]!a}",
        )
    return range(low, high + 1, stride)


def _number(text: str) -> int | None:
    return int(text) if 0 < len(text) <= 2 and set(text) <= _DIGITS else None
