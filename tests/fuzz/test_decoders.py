"""Every decoder, on any bytes: an answer or a documented error, and one form of what is accepted (`python -m tests.fuzz` for more)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.base.encoding import decode, encode
from ledger.base.errors import FormError
from tests.fuzz import samples
from tests.fuzz.__main__ import defused
from tests.fuzz.checking import Finding, check, run_drawn
from tests.fuzz.decoders import BY_NAME, DECODERS, Decoder

all_decoders = pytest.mark.parametrize("decoder", DECODERS, ids=lambda decoder: decoder.name)


def test_each_has_a_name_of_its_own() -> None:
    assert len(BY_NAME) == len(DECODERS)


@all_decoders
def test_samples_are_accepted(decoder: Decoder) -> None:
    """Else altering them reaches nothing. Samples of several kinds may serve one decoder: one that is taken is needed."""
    found = [check(decoder, sample) for sample in decoder.samples()]
    assert [one for one in found if isinstance(one, Finding)] == []
    assert any(found) or decoder.name == "authorization"


@all_decoders
@given(seed=st.integers(0, 2**64))
def test_altered_samples(decoder: Decoder, seed: int) -> None:
    assert run_drawn(decoder, seed, 4).findings == ()


@all_decoders
@given(data=st.binary(max_size=300))
def test_any_bytes(decoder: Decoder, data: bytes) -> None:
    assert not isinstance(check(decoder, data), Finding)


def _altered(sample: bytes, place: int, new: object) -> bytes:
    value = list(decode(sample, max_bytes=100_000))
    value[place] = new
    return encode(value)


def _with_code(sample: bytes, code: int) -> bytes:
    rows = [list(row) for row in decode(sample, max_bytes=100_000)]
    rows[0][1] = (rows[0][1][0], code, rows[0][1][2])
    return encode(rows)


_STANDING = b'{"id": "ab", "status": "final", "receipts": [{"place": %s}]}'
FOUND: dict[str, tuple[str, bytes]] = {
    "a record whose holds are a number": ("record", _altered(samples.records()[0], 18, 7)),
    "a record whose bindings are an empty text": ("record", _altered(samples.records()[0], 22, "")),
    "an answered record of one field": ("record answered", encode((((),), 1, 1))),
    "a link of an unknown outcome": ("history", _with_code(samples.histories()[0], 1)),
    "a place that is infinite": ("standing", _STANDING % b"1e999"),
    "the home of nobody": ("client settings", b'key = "~nobody-of-that-name/sign.key"'),
    "a path with a zero byte": ("client settings", b'key = "a\\u0000b"'),
    "settings nested too deep": ("client settings", b"a = " + b"[" * 5_000),
    "node settings nested too deep": ("node settings", b"a = " + b"[" * 5_000),
    "a port of many digits": ("node settings", b'organisation = "a"\n[validator]\nlisten = "a:' + b"9" * 5_000 + b'"\n'),
    "an integer of many digits in a plan": ("plan", b"a = " + b"9" * 5_000),
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_once_is_refused(name: str) -> None:
    decoder, data = FOUND[name]
    assert check(BY_NAME[decoder], data) is False


def test_bombs_within_bounded_memory() -> None:
    """Of 20 kB here; of the most that each decoder takes in the command."""
    found = defused(20_000)
    assert found["findings"] == []
    assert found["bombs"] > 2_000


def _lax(data: bytes) -> bytes:
    try:
        return bytes(len(decode(data, max_bytes=100_000)))
    except FormError:
        return data[:-1] + b"\0"


@pytest.mark.parametrize(
    ("read", "what"),
    [(lambda data: data.decode(), "escaped UnicodeDecodeError"), (_lax, "accepted another form"),
     (lambda data: [][data[0]], "escaped IndexError")],
)  # fmt: skip
def test_a_decoder_that_breaks_its_word_is_found(read: object, what: str) -> None:
    broken = Decoder("broken", (), read, samples.genesis, "msgpack", 1_000)  # type: ignore[arg-type]
    assert any(what in one.what for one in run_drawn(broken, 1, 50).findings)
