"""A node's transport keys on disk: exchanged once, whatever cuts it off (STORAGE.md §8)."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.base.errors import Code, StorageError
from node.changes import deliver_key
from node.config import transport_pin
from node.storage.keystore import Keystore
from node.validator.transport_keys import COMING, TRANSPORT, TransportKeys, put_in_place

NETWORK = bytes(range(32))


def made(tmp_path: Path) -> tuple[Keystore, bytes, bytes]:
    """A keystore with both keys, and their public halves."""
    keystore = Keystore(tmp_path / "keys")
    first, second = (keystore.generate(name, TRANSPORT, None).public_key for name in (TRANSPORT, COMING))
    return keystore, first, second


def shown(keys: TransportKeys) -> tuple[bytes, bytes | None]:
    return keys.current.public_key, None if keys.coming is None else keys.coming.public_key


def test_both_are_there_until_the_first_is_let_go_of(tmp_path: Path) -> None:
    keystore, first, second = made(tmp_path)
    keys = TransportKeys.stored(keystore, None)
    assert shown(keys) == (first, second)
    keys.advance()
    assert shown(keys) == (second, None)
    assert keystore.names() == (TRANSPORT,)
    keys.advance()
    assert keys.current.public_key == second


def test_a_key_made_while_the_node_runs_is_found_when_it_looks_again(tmp_path: Path) -> None:
    keystore = Keystore(tmp_path / "keys")
    keystore.generate(TRANSPORT, TRANSPORT, None)
    keys = TransportKeys.stored(keystore, None)
    keys.look_again()
    assert shown(keys) == (keys.current.public_key, None)
    second = keystore.generate(COMING, TRANSPORT, None).public_key
    keys.look_again()
    assert shown(keys) == (keys.current.public_key, second)


@pytest.mark.parametrize("renames", [1, 2])
def test_what_a_power_cut_left_undone_is_done_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    keystore, _, second = made(tmp_path)
    rename, left = Keystore.rename, [renames]

    def cut(self: Keystore, name: str, to: str) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        rename(self, name, to)

    monkeypatch.setattr(Keystore, "rename", cut)
    monkeypatch.setattr(Keystore, "destroy", lambda _self, _name: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        put_in_place(keystore)
    monkeypatch.undo()
    keys = TransportKeys.stored(keystore, None)
    assert shown(keys) == (second, None)
    assert keystore.names() == (TRANSPORT,)


def test_without_a_next_key_nothing_is_let_go_of(tmp_path: Path) -> None:
    keystore = Keystore(tmp_path / "keys")
    keystore.generate(TRANSPORT, TRANSPORT, None)
    with pytest.raises(StorageError) as refused:
        put_in_place(keystore)
    assert refused.value.code is Code.USAGE
    assert keystore.names() == (TRANSPORT,)


def test_a_seat_pins_the_next_key_where_there_is_one(tmp_path: Path) -> None:
    keystore, _, second = made(tmp_path)
    delivered = deliver_key(keystore, "maker", NETWORK, 1, None)
    assert delivered.transport_key == second
    assert delivered.seat.tls_pin == transport_pin(second)
