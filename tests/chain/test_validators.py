from __future__ import annotations

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.base.encoding import decode, encode
from ledger.base.errors import Code, CustodyError, FormError, SignatureError
from ledger.base.keys import SigningKey
from ledger.base.quorum import max_faulty, quorum
from ledger.chain.validators import (
    Validator,
    ValidatorSet,
    parse_validators,
)

NETWORK = hashlib.sha256(b"a network").digest()
KEYS = [SigningKey.from_seed(hashlib.sha256(b"seat %d" % index).digest()) for index in range(32)]


def seats(count: int) -> list[Validator]:
    return [Validator(f"org{index:02d}", KEYS[index].public_key) for index in range(count)]


@pytest.mark.parametrize(("count", "expected"), [(4, 3), (5, 4), (6, 4), (7, 5), (16, 11), (31, 21)])
def test_quorum_sizes_of_the_text(count: int, expected: int) -> None:
    assert quorum(count) == expected


@given(st.integers(1, 10_000))
def test_two_quorums_share_an_honest_validator_and_the_honest_are_a_quorum(count: int) -> None:
    faulty = max_faulty(count)
    assert 3 * faulty < count <= 3 * faulty + 3
    assert 2 * quorum(count) - count >= faulty + 1
    assert count - faulty >= quorum(count)
    # One less would not do.
    assert 2 * (quorum(count) - 1) - count < faulty + 1


def test_members_are_sorted_by_organisation_whatever_order_they_come_in() -> None:
    members = seats(7)
    assert ValidatorSet(NETWORK, reversed(members)) == ValidatorSet(NETWORK, members)
    assert [member.organisation for member in ValidatorSet(NETWORK, reversed(members))] == sorted(
        member.organisation for member in members
    )


def test_an_index_survives_a_change_of_key() -> None:
    before = ValidatorSet(NETWORK, seats(4))
    changed = [*seats(4)[:1], Validator("org01", KEYS[20].public_key), *seats(4)[2:]]
    after = ValidatorSet(NETWORK, changed)
    assert after.index_of(KEYS[20].public_key) == before.index_of(KEYS[1].public_key) == 1
    assert after.index_of(KEYS[1].public_key) is None
    assert after.hash != before.hash


def test_the_hash_names_network_and_members() -> None:
    one = ValidatorSet(NETWORK, seats(4))
    assert one.hash != ValidatorSet(bytes(32), seats(4)).hash
    assert one.hash != ValidatorSet(NETWORK, seats(5)).hash
    assert one != ValidatorSet(bytes(32), seats(4))
    assert len({one, ValidatorSet(NETWORK, seats(4))}) == 1


@pytest.mark.parametrize("count", [0, 1, 3, 32])
def test_other_sizes_than_4_to_31_are_refused(count: int) -> None:
    with pytest.raises(FormError) as caught:
        ValidatorSet(NETWORK, seats(count))
    assert caught.value.code == Code.LIMIT


def test_31_validators_are_accepted() -> None:
    assert ValidatorSet(NETWORK, seats(31)).quorum == 21


def test_a_second_seat_of_one_organisation_or_key_is_refused() -> None:
    with pytest.raises(FormError):
        ValidatorSet(NETWORK, [*seats(4), Validator("org00", KEYS[9].public_key)])
    with pytest.raises(FormError):
        ValidatorSet(NETWORK, [*seats(4), Validator("zorg", KEYS[0].public_key)])


def test_a_key_that_is_no_point_or_of_small_order_is_refused() -> None:
    for bad in (bytes(32), (1).to_bytes(32, "little"), b"\xff" * 32, b"\x02" + bytes(31)):
        with pytest.raises(SignatureError):
            ValidatorSet(NETWORK, [*seats(4), Validator("zorg", bad)])


def test_leaders_rotate_through_all_and_epochs_start_elsewhere() -> None:
    chosen = ValidatorSet(NETWORK, seats(7))
    views = [chosen.leader(0, view) for view in range(1, 29)]
    assert sorted(set(views)) == list(range(7))
    assert all((b - a) % 7 == 1 for a, b in pairwise(views))
    assert len({chosen.leader_offset(epoch) for epoch in range(64)}) > 1
    assert chosen.leader(5, 3) == (3 + chosen.leader_offset(5)) % 7


def test_wire_form_round_trips_and_refuses_another_order() -> None:
    chosen = ValidatorSet(NETWORK, seats(5))
    data = encode(chosen.members)
    assert parse_validators(NETWORK, decode(data, max_bytes=10_000)) == chosen
    with pytest.raises(FormError) as caught:
        parse_validators(NETWORK, tuple(tuple(seat) for seat in reversed(seats(5))))
    assert caught.value.code == Code.NOT_CANONICAL


@pytest.mark.parametrize(
    "value",
    [
        None,
        (),
        5,
        ((),),
        (("a", b"x"),) * 4,
        tuple(("a b", KEYS[i].public_key) for i in range(4)),
        ((1, 2),) * 4,
    ],
)
def test_malformed_sets_raise_the_documented_errors(value: object) -> None:
    with pytest.raises(CustodyError):
        parse_validators(NETWORK, value)


def test_conformance_hash() -> None:
    """Changes only with the wire format, and then on purpose."""
    assert ValidatorSet(NETWORK, seats(4)).hash.hex() == (
        "7a761e8b3cb22ae93912e79ca5d918976f38af1de48bbfebd7da118da8f9463c"
    )
