"""Whom the consensus hears as which validator (CONSENSUS 5, 29)."""

from __future__ import annotations

from pathlib import Path

from ledger.base.keys import SigningKey
from ledger.chain.genesis import Seat
from ledger.chain.validators import Validator, ValidatorSet
from ledger.consensus.interface import Parameters
from node.config import Address, NodeConfig, PeerAddress, SnapshotConfig, transport_pin
from node.validator.epochs import Epoch, Roster

NETWORK = bytes(range(32))
NAMES = ("a", "b", "c", "d")


def key(name: str) -> bytes:
    return SigningKey.from_seed(name.encode().ljust(32, b"-")).public_key


SEATS = tuple(Seat(name, key(f"vote {name}"), transport_pin(key(name))) for name in NAMES)
EPOCH = Epoch(
    1,
    SEATS,
    ValidatorSet(NETWORK, [Validator(seat.organisation, seat.public_key) for seat in SEATS]),
    Parameters(),
)


def roster(**keys: str) -> Roster:
    """Of validator a; `keys`: by which transport key's name node.toml knows a peer."""
    address = Address("127.0.0.1", 1)
    peers = tuple(PeerAddress(name, address, key(keys.get(name, name))) for name in (*NAMES[1:], "e"))
    return Roster(EPOCH, NodeConfig("a", Path(), address, address, peers, 0, SnapshotConfig(0, 0, 0)))


def test_peers_are_numbered_as_the_set_has_them_and_others_after() -> None:
    found = roster()
    assert {found.names[found.index_of[key(name)]] for name in (*NAMES[1:], "e")} == {"b", "c", "d", "e"}
    assert [found.index_of[key(name)] for name in (*NAMES[1:], "e")] == [1, 2, 3, 4]
    assert found.warnings == ()


def test_a_peer_speaks_as_a_validator_only_with_the_transport_key_that_its_seat_pins() -> None:
    found = roster(c="stolen or old")
    assert found.index_of[key("stolen or old")] >= len(NAMES)
    assert 2 not in found.key_of
    assert any("c" in warning for warning in found.warnings)
