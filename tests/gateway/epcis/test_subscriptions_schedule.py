"""When a standing query runs: against a search through every second, and by the standard's own examples."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.base.errors import FormError
from node.gateway.epcis.subscriptions.schedule import schedule_from_fields


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def shown(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(
    ("fields", "after", "expected"),
    [
        # every morning at 1.05, once
        ({"hour": "1", "minute": "5"}, "2026-11-26T01:04:59.999Z", "2026-11-26T01:05:00Z"),
        ({"hour": "1", "minute": "5"}, "2026-11-26T01:05:00Z", "2026-11-27T01:05:00Z"),
        # every minute, at a second
        ({"second": "30"}, "2026-11-26T23:59:30Z", "2026-11-27T00:00:30Z"),
        ({"second": "0/30"}, "2026-11-26T10:00:01Z", "2026-11-26T10:00:30Z"),
        ({"minute": "0"}, "2026-11-26T10:00:00.5Z", "2026-11-26T11:00:00Z"),
        # ranges and lists
        ({"hour": "[8-10],17"}, "2026-11-26T10:00:00Z", "2026-11-26T17:00:00Z"),
        ({"second": "[58-59],0"}, "2026-11-26T10:00:59Z", "2026-11-26T10:01:00Z"),
        # Monday is 1, Sunday 7
        ({"dayOfWeek": "1"}, "2026-11-26T10:00:00Z", "2026-11-30T00:00:00Z"),
        ({"dayOfWeek": "7", "hour": "6"}, "2026-11-26T10:00:00Z", "2026-11-29T06:00:00Z"),
        # both days must fit: Friday the 13th
        ({"dayOfWeek": "5", "dayOfMonth": "13"}, "2026-11-26T10:00:00Z", "2027-08-13T00:00:00Z"),
        # a date that most years have not
        ({"dayOfMonth": "29", "month": "2"}, "2097-01-01T00:00:00Z", "2104-02-29T00:00:00Z"),
        ({"month": "3"}, "2026-11-26T10:00:00Z", "2027-03-01T00:00:00Z"),
        ({"dayOfMonth": "31"}, "2026-11-26T10:00:00Z", "2026-12-31T00:00:00Z"),
    ],
)  # fmt: skip
def test_the_next_moment(fields: dict[str, str], after: str, expected: str) -> None:
    assert shown(schedule_from_fields(fields).next_after(ms(after))) == expected


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"year": "2026"},
        {"second": "60"},
        {"minute": "-1"},
        {"hour": "24"},
        {"dayOfMonth": "0"},
        {"month": "13"},
        {"dayOfWeek": "0"},
        {"dayOfWeek": "8"},
        {"second": ""},
        {"second": "1,"},
        {"second": "1-5"},
        {"second": "[5-1]"},
        {"second": "[1-5"},
        {"second": "[1-5-9]"},
        {"second": "*"},
        {"second": " 1"},
        {"second": "٣"},
        {"second": "0/0"},
        {"second": "001"},
        {"second": "1," * 300 + "1"},
        {"dayOfMonth": "31", "month": "[2-2],4"},
        {"dayOfMonth": "30", "month": "2"},
    ],
)
def test_what_is_no_schedule(fields: dict[str, str]) -> None:
    with pytest.raises(FormError, match=r"schedule.*expected .* got "):
        schedule_from_fields(fields)


def field(least: int, most: int) -> st.SearchStrategy[str]:
    number = st.integers(least, most)
    span = st.tuples(number, number).map(lambda pair: f"[{min(pair)}-{max(pair)}]")
    return st.lists(number.map(str) | span, min_size=1, max_size=3).map(",".join)


@given(
    st.fixed_dictionaries({"second": field(0, 59)}, optional={"minute": field(0, 59), "hour": field(0, 23)}),
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001 - by `timezones`
)
def test_no_moment_is_passed_over(fields: dict[str, str], after: datetime) -> None:
    """Between a moment and the next one that fits there is none that fits."""
    schedule = schedule_from_fields(fields)
    found = schedule.next_after(int(after.timestamp() * 1000))
    moment = after.replace(microsecond=0)
    for _ in range(86_400):
        moment += timedelta(seconds=1)
        if fits(fields, moment):
            break
    assert found == int(moment.timestamp() * 1000)


def fits(fields: dict[str, str], moment: datetime) -> bool:
    values = {"second": moment.second, "minute": moment.minute, "hour": moment.hour}
    return all(
        any(
            int(low.strip("[]")) <= values[name] <= int((high or low).strip("[]"))
            for low, _, high in (part.partition("-") for part in text.split(","))
        )
        for name, text in fields.items()
    )
