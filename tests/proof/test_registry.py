"""The registry file: complete, certified, and of one network; whoever alters it or leaves something out is found out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger.base.errors import Code, CustodyError, FormError, ProofError
from ledger.members.registry import Entry, Kind, Period
from ledger.proof.anchor import Anchor, anchor_from_genesis
from ledger.proof.registry import (
    RegistryFile,
    build_registry_file,
    registry_file_from_bytes,
    verify_registry_file,
)
from tests.world.epochs import ChangingWorld
from tests.world.past import Past
from tests.world.world import World


@pytest.fixture(scope="module")
def world() -> ChangingWorld:
    return ChangingWorld()


@pytest.fixture(scope="module")
def data(world: ChangingWorld) -> bytes:
    return build_registry_file(Past(world, {}))


@pytest.fixture(scope="module")
def anchor(world: ChangingWorld) -> Anchor:
    return anchor_from_genesis(world.genesis)


def test_it_proves_the_whole_registry_and_its_past_from_genesis(
    world: ChangingWorld, data: bytes, anchor: Anchor
) -> None:
    found = verify_registry_file(anchor, data)
    assert found.registry.root == world.state.registry.root
    assert list(found.registry.entries) == world.state.registry.entries
    assert found.checkpoint.header == world.state.tip.header
    ended = [one for one in found.registry.entries if one.kind == Kind.VALIDATOR and one.periods[0].until]
    assert ended, "expected the seats of past epochs, with the heights they ended at"


def _without(shown: RegistryFile, place: int) -> RegistryFile:
    return shown._replace(entries=shown.entries[:place] + shown.entries[place + 1 :])


ALTERED: dict[str, Callable[[RegistryFile], RegistryFile]] = {
    "an entry left out": lambda shown: _without(shown, 3),
    "the last entry left out": lambda shown: _without(shown, len(shown.entries) - 1),
    "an entry put in": lambda shown: shown._replace(
        entries=(*shown.entries, Entry(Kind.POLICY, "z", (Period(0, None, None),)))
    ),
    "entries in another order": lambda shown: shown._replace(entries=shown.entries[::-1]),
    "a period that never ended": lambda shown: shown._replace(
        entries=tuple(
            one._replace(periods=tuple(period._replace(until=None) for period in one.periods))
            for one in shown.entries
        )
    ),
    "no closings": lambda shown: shown._replace(closings=()),
    "a closing left out": lambda shown: shown._replace(closings=shown.closings[1:]),
}


@pytest.mark.parametrize("altered", ALTERED)
def test_whatever_is_altered_is_refused(data: bytes, anchor: Anchor, altered: str) -> None:
    made = ALTERED[altered](registry_file_from_bytes(data)).to_bytes()
    assert made != data
    with pytest.raises(CustodyError) as caught:
        verify_registry_file(anchor, made)
    assert caught.value.code in (Code.NOT_PROVEN, Code.INCOMPLETE, Code.MALFORMED)


def test_no_flipped_byte_is_believed(data: bytes, anchor: Anchor) -> None:
    for place in range(0, len(data), max(1, len(data) // 400)):
        flipped = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(CustodyError):
            verify_registry_file(anchor, flipped)


def test_one_of_another_network_is_named_as_such(data: bytes) -> None:
    with pytest.raises(ProofError) as caught:
        verify_registry_file(anchor_from_genesis(World(name="other").genesis), data)
    assert caught.value.code == Code.FOREIGN_ANCHOR


def test_another_version_is_refused(data: bytes) -> None:
    with pytest.raises(FormError) as caught:
        registry_file_from_bytes(registry_file_from_bytes(data)._replace(version=2).to_bytes())
    assert caught.value.code == Code.UNSUPPORTED_VERSION
