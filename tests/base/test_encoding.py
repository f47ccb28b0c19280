"""One value, one encoding: what is decoded re-encodes to the same bytes, and nothing else is decoded."""

from __future__ import annotations

import gc
import sys
import threading
from typing import Any, NamedTuple

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.base import encoding
from ledger.base.errors import Code, FormError

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.binary(max_size=40)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5).map(tuple),
    max_leaves=20,
)


@given(VALUES)
def test_values_come_back_as_they_were(value: object) -> None:
    data = encoding.encode(value)
    back = encoding.decode(data, max_bytes=100_000)
    assert back == value
    assert encoding.encode(back) == data


@given(st.binary(max_size=60))
def test_any_bytes_are_one_canonical_value_or_refused(data: bytes) -> None:
    try:
        value = encoding.decode(data, max_bytes=100)
    except FormError:
        return
    assert encoding.encode(value) == data


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("cd0001", Code.NOT_CANONICAL),
        ("d10001", Code.NOT_CANONICAL),
        ("d9 01 61", Code.NOT_CANONICAL),
        ("c5 0001 61", Code.NOT_CANONICAL),
        ("dc 0001 01", Code.NOT_CANONICAL),
        ("cb 0000000000000000", Code.MALFORMED),
        ("91 ca 00000000", Code.MALFORMED),
        ("80", Code.MALFORMED),
        ("91 81 01 01", Code.MALFORMED),
        ("d4 01 01", Code.MALFORMED),
        ("c7 00 00", Code.MALFORMED),
        ("91 c7 00 05", Code.MALFORMED),
        ("d6 ff 00000000", Code.MALFORMED),
        ("01 01", Code.MALFORMED),
        ("", Code.MALFORMED),
        ("92 01", Code.MALFORMED),
        ("a1 ff", Code.MALFORMED),
        ("c1", Code.MALFORMED),
        ("91" * 18 + "01", Code.TOO_DEEP),
        ("91" * 5_000 + "01", None),
        ("c4 ff" + "00" * 255, Code.TOO_LARGE),
    ],
)
def test_what_is_not_canonical_is_refused(data: str, code: Code | None) -> None:
    with pytest.raises(FormError) as refused:
        encoding.decode(bytes.fromhex(data), max_bytes=200 if code == Code.TOO_LARGE else 10_000)
    assert code is None or refused.value.code == code


def test_a_boolean_is_no_integer_and_an_integer_no_boolean() -> None:
    with pytest.raises(FormError):
        encoding.take_int(encoding.decode(b"\xc3", max_bytes=1), "n")
    with pytest.raises(FormError):
        encoding.take_bool(1, "flag")
    assert encoding.take_bool(True, "flag") is True


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (lambda v: encoding.take_array(v, "f", 2), (1, 2), (1,)),
        (lambda v: encoding.take_array(v, "f", most=2), (1, 2), (1, 2, 3)),
        (lambda v: encoding.take_array(v, "f"), (), [1]),
        (lambda v: encoding.take_int(v, "f", 1, 3), 3, 4),
        (lambda v: encoding.take_int(v, "f"), 0, -1),
        (lambda v: encoding.take_bytes(v, "f", 2), b"ab", b"abc"),
        (lambda v: encoding.take_bytes(v, "f", most=2), b"", b"abc"),
        (lambda v: encoding.take_bytes(v, "f"), b"", "ab"),
        (lambda v: encoding.take_optional_bytes(v, "f", 2), None, b"a"),
        (lambda v: encoding.take_ascii(v, "f", 3), "a~!", "a b"),
        (lambda v: encoding.take_ascii(v, "f", 3), "abc", "abcd"),
        (lambda v: encoding.take_ascii(v, "f", 3), "abc", ""),
        (lambda v: encoding.take_ascii(v, "f", 3), "abc", "é"),
        (lambda v: encoding.take_ascii(v, "f", 3), "abc", b"abc"),
        (lambda v: encoding.take_ascii(v, "f", 9), "x", "a\x7f"),
        (lambda v: encoding.take_optional_ascii(v, "f", 3), None, "toolong"),
    ],
)
def test_checks_name_the_field(check, good, bad) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    assert check(good) == good
    with pytest.raises(FormError, match="f: expected"):
        check(bad)


def test_lists_and_named_tuples_encode_as_arrays() -> None:
    assert encoding.encode([1, (2, b"x")]) == msgpack.packb((1, (2, b"x")))


class Row(NamedTuple):
    """What most values are made of; walking through one makes an object that is collected later."""

    number: int
    data: bytes
    rows: tuple[Any, ...]


class Collected:
    """Something that only the collector finds, and whose end is Python code: where a thread may be interrupted."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        for _ in range(50):
            pass


def test_threads_that_encode_beside_each_other_do_not_mix_their_values() -> None:
    values = [
        Row(n, bytes([n]) * 40, tuple(Row(m, bytes([n]) * 8, ((1,), (2,))) for m in range(20)))
        for n in (1, 2, 3)
    ]
    wanted = [encoding.encode(value) for value in values]
    wrong = [0, 0, 0]

    def work(place: int) -> None:
        for _ in range(8_000):
            Collected()
            wrong[place] += encoding.encode(values[place]) != wanted[place]

    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-5)
    gc.set_threshold(50, 5, 5)
    try:
        threads = [threading.Thread(target=work, args=(place,)) for place in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
        gc.set_threshold(*thresholds)
    assert wrong == [0, 0, 0]
