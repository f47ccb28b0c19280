"""Keys whose order as texts is that of the values they stand for."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.index.units import measured
from node.index.values import NUMBER, TEXT, TEXT_CHARACTERS, TIME, number_key, text_key, time_key, typed_keys

digits = st.text("0123456789", min_size=1, max_size=12)
numbers = st.builds(
    lambda sign, whole, fraction, exponent: f"{sign}{whole}{fraction}{exponent}",
    st.sampled_from(("", "-")),
    digits.map(lambda text: text.lstrip("0") or "0"),
    st.one_of(st.just(""), digits.map(lambda text: "." + text)),
    st.one_of(st.just(""), st.integers(-40, 40).map(lambda power: f"e{power}")),
)


@given(left=numbers, right=numbers)
def test_numbers_are_ordered_as_numbers(left: str, right: str) -> None:
    one, other = Fraction(left), Fraction(right)
    assert (number_key(left) < number_key(right)) == (one < other)
    assert (number_key(left) == number_key(right)) == (one == other)


@pytest.mark.parametrize(
    "texts", [("0", "-0", "0.00", "0e9"), ("100", "1e2", "1.00E+2", "100.0"), ("-2.5e-1", "-0.25")]
)
def test_one_number_has_one_key(texts: tuple[str, ...]) -> None:
    assert len({number_key(text) for text in texts}) == 1


@pytest.mark.parametrize("text", ["", "-", ".", "one", "1e", "0x1", "1_0", "٣"])
def test_what_is_no_number_has_no_key(text: str) -> None:
    with pytest.raises(ValueError, match="expected a number"):
        number_key(text)


def test_numbers_of_any_size_have_keys() -> None:
    sizes = ["-1e999999999999", "-1e30", "-1e-30", "0", "1e-999999999999", "1e-30", "1e30", "1e999999999999"]
    keys = [number_key(text) for text in sizes]
    assert keys == sorted(keys)
    assert max(map(len, keys)) < 30


@given(left=st.integers(-62_135_596_800_000, 253_402_300_799_999), right=st.integers(-(10**6), 10**6))
def test_times_are_ordered_as_times(left: int, right: int) -> None:
    assert (time_key(left) < time_key(right)) == (left < right)


def test_an_extensions_value_has_every_type_it_can_be_read_as() -> None:
    assert typed_keys("7") == (NUMBER + number_key("7"), TEXT + "7")
    assert typed_keys("2026-01-01T00:00:00Z") == (
        TIME + time_key(1_767_225_600_000),
        TEXT + "2026-01-01T00:00:00Z",
    )
    for text in ("", "007", "-", "2026-13-01T00:00:00Z", "2026-01-01", "1 "):
        assert typed_keys(text) == (TEXT + text,)


def test_long_texts_differ_where_they_differ() -> None:
    long = "x" * TEXT_CHARACTERS
    assert text_key(long) == long
    keys = {text_key(long + end) for end in ("a", "b", "ab", "\0")} | {text_key("\0"), text_key("\ufffd")}
    assert len(keys) == 6
    assert all("\0" not in key and len(key) <= TEXT_CHARACTERS for key in keys)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (("212", "FAH"), ("100", "CEL")), (("-459.67", "FAH"), ("0", "KEL")), (("1", "LBR"), ("453.59237", "GRM")),
        (("3.6", "KMH"), ("1", "MTS")), (("1", "SMI"), ("1609344", "MMT")), (("2", "HUR"), ("7200", "SEC")),
        (("0", "CEL"), ("491.67", "A48")), (("1", "XYZ"), ("1.0", "XYZ")),
    ],
)  # fmt: skip
def test_amounts_compare_in_whatever_unit_they_are_said(
    left: tuple[str, str], right: tuple[str, str]
) -> None:
    assert measured("value", left[1], left[0]) == measured("value", right[1], right[0])


def test_amounts_of_different_things_do_not() -> None:
    names = {measured("value", unit, "1")[0] for unit in ("KGM", "MTR", "CEL", "SEC", "XYZ", "XYA")}
    assert len(names) == 6
