"""Genesis: what everybody starts from, and everything a founder may get wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.base.encoding import decode, encode
from ledger.base.errors import CustodyError, FormError
from ledger.base.keys import SigningKey
from ledger.chain.genesis import ALLOW_PERSONS, Genesis, genesis_from_bytes
from ledger.members.members import Use
from ledger.members.registry import Kind
from tests.world.world import World

GENESIS = World(persons=True).genesis
FIELDS = list(Genesis._fields)


def altered(field: str, change: Callable[[Any], Any]) -> bytes:
    value = list(decode(GENESIS.to_bytes(), max_bytes=100_000))
    value[FIELDS.index(field)] = change(value[FIELDS.index(field)])
    return encode(value)


def with_entry(*entry: Any) -> bytes:
    return altered("entries", lambda entries: (*entries, entry))


def test_a_genesis_reads_as_it_was_written() -> None:
    assert genesis_from_bytes(GENESIS.to_bytes()) == GENESIS
    assert GENESIS.parameter(ALLOW_PERSONS) is True
    assert GENESIS.parameter("other") is None
    assert genesis_from_bytes(GENESIS.to_bytes()).network == GENESIS.network


def test_the_network_is_every_byte_of_it() -> None:
    others = {
        altered("name", lambda _: "other"),
        altered("time_ms", lambda time: time + 1),
        altered("state_depth", lambda _: 16),
    }
    networks = {genesis_from_bytes(data).network for data in others}
    assert len(networks) == 3
    assert GENESIS.network not in networks


@pytest.mark.parametrize(
    ("name", "data"),
    {
        "version": altered("version", lambda _: 2),
        "depth": altered("state_depth", lambda _: 17),
        "no name": altered("name", lambda _: ""),
        "time": altered("time_ms", lambda _: -1),
        "three validators": altered("validators", lambda seats: seats[:3]),
        "a validator twice": altered("validators", lambda seats: (*seats[:3], seats[0])),
        "a stranger validates": altered("validators", lambda seats: (*seats[:3], ("stranger", *seats[3][1:]))),
        "a bad key": altered("validators", lambda seats: (*seats[:3], (seats[3][0], bytes(32), seats[3][2]))),
        "a short pin": altered("validators", lambda seats: (*seats[:3], (*seats[3][:2], b"x"))),
        "too many": altered("validators", lambda seats: seats * 8),
        "not an array": altered("entries", lambda _: None),
        "entry twice": altered("entries", lambda entries: (*entries, entries[0])),
        "overlapping grants": with_entry(int(Kind.GRANT), "95212345", ((0, None, "maker"),)),
        "grant to a stranger": with_entry(int(Kind.GRANT), "4", ((0, None, "stranger"),)),
        "party of a stranger": with_entry(int(Kind.PARTY), "p", ((0, None, "stranger"),)),
        "authority that is no member": with_entry(int(Kind.JURISDICTION), "stranger", ((0, None, ("*",)),)),
        "successor that is no member": with_entry(int(Kind.SUCCESSOR), "customs", ((0, None, "stranger"),)),
        "successor of a stranger": with_entry(int(Kind.SUCCESSOR), "stranger", ((0, None, "customs"),)),
        "key of a stranger": with_entry(int(Kind.KEY), "11" * 32, ((0, None, ("stranger", 0, None, None)),)),
        "key of small order": with_entry(int(Kind.KEY), "00" * 32, ((0, None, ("maker", 0, None, None)),)),
        "validator key in the registry": with_entry(
            int(Kind.KEY), SigningKey.from_seed(bytes(32)).public_key.hex(), ((0, None, ("maker", int(Use.VALIDATOR), None, None)),)
        ),
        "odd organisation": with_entry(int(Kind.ORGANISATION), "a|b", ((0, None, ("A", "NL", (), False)),)),
        "trailing byte": GENESIS.to_bytes() + b"\0",
        "empty": b"",
    }.items(),
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_a_genesis_may_not_be(name: str, data: bytes) -> None:
    with pytest.raises(CustodyError):
        genesis_from_bytes(data)


@pytest.mark.parametrize("name", ["zz" * 32, "11", "11" * 33, "AA" * 32, "1" * 63])
def test_a_key_is_named_by_its_lower_case_hexadecimal(name: str) -> None:
    data = with_entry(int(Kind.KEY), name, ((0, None, ("maker", 0, None, None)),))
    with pytest.raises(FormError):
        genesis_from_bytes(data)
