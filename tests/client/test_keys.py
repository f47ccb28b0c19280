"""Keys at rest: owner-only, sealed unless asked otherwise, and silent about secrets."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from client.keys import PASSPHRASE_VARIABLE, Passphrases, create_key, inspect, key_files, load_key
from ledger.base.errors import CustodyError, FormError, SignatureError, StorageError
from ledger.base.keyfile import Cost, KeyFile

CHEAP = Cost(1, 8)
SECRET = b"correct horse"


@pytest.fixture(autouse=True)
def no_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSPHRASE_VARIABLE, raising=False)


def test_a_key_is_sealed_owner_only_and_opens_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keys" / "sign.key"
    made = create_key(path, "sign", SECRET, cost=CHEAP)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert made.seed not in path.read_bytes()
    assert inspect(path) == KeyFile("sign", made.public_key, is_sealed=True)
    monkeypatch.setenv(PASSPHRASE_VARIABLE, SECRET.decode())
    assert load_key(path, Passphrases(), use="sign").public_key == made.public_key


def test_a_key_never_replaces_another(tmp_path: Path) -> None:
    path = tmp_path / "sign.key"
    first = create_key(path, "sign", None)
    with pytest.raises(StorageError, match="expected no file"):
        create_key(path, "sign", None)
    assert load_key(path, Passphrases()).public_key == first.public_key
    assert list(tmp_path.iterdir()) == [path]


def test_a_clear_key_asks_for_nothing(tmp_path: Path) -> None:
    path = tmp_path / "device.key"
    create_key(path, "device", None)
    assert not inspect(path).is_sealed
    load_key(path, Passphrases(), use="device")
    assert key_files(tmp_path) == (path,)
    assert key_files(tmp_path / "none") == ()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o610])
def test_a_key_that_others_may_touch_is_refused_not_mended(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "sign.key"
    create_key(path, "sign", None)
    path.chmod(mode)
    with pytest.raises(StorageError, match="readable by its owner only"):
        load_key(path, Passphrases())
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_each_error_names_the_file_and_no_secret(tmp_path: Path) -> None:
    path = tmp_path / "sign.key"
    key = create_key(path, "sign", SECRET, cost=CHEAP)
    missing = tmp_path / "none.key"
    wrong = Passphrases(ask=lambda _: "wrong horse")
    attempts: list[Callable[[], object]] = [
        lambda: load_key(path, wrong),
        lambda: load_key(path, Passphrases()),
        lambda: load_key(path, Passphrases(ask=lambda _: "")),
        lambda: load_key(path, wrong, use="device"),
        lambda: load_key(missing, wrong),
        lambda: load_key(tmp_path, wrong),
    ]
    for attempt in attempts:
        with pytest.raises(CustodyError) as raised:
            attempt()
        assert str(tmp_path) in str(raised.value)
        for secret in ("wrong horse", SECRET.decode(), key.seed.hex()):
            assert secret not in str(raised.value)


def test_other_bytes_are_no_key(tmp_path: Path) -> None:
    path = tmp_path / "sign.key"
    path.write_bytes(b"not a key")
    path.chmod(0o600)
    for read in (inspect, lambda file: load_key(file, Passphrases())):
        with pytest.raises(FormError, match=r"sign\.key"):
            read(path)
    with pytest.raises(FormError, match="a key for one of"):
        create_key(tmp_path / "x.key", "everything", None)


def test_a_descriptor_goes_before_the_environment_and_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "from the environment")
    reader, writer = os.pipe()
    os.write(writer, b"from the descriptor\nmore\n")
    os.close(writer)
    try:
        assert Passphrases(reader, lambda _: "typed").read("to open it") == b"from the descriptor"
    finally:
        os.close(reader)
    assert Passphrases(None, lambda _: "typed").read("to open it") == b"from the environment"


def test_a_person_types_a_new_passphrase_twice() -> None:
    assert Passphrases(ask=lambda _: "typed").read("for it", twice=True) == b"typed"
    answers = iter(["one", "two"])
    with pytest.raises(SignatureError, match="two different ones"):
        Passphrases(ask=lambda _: next(answers)).read("for it", twice=True)
    with pytest.raises(SignatureError, match="an empty one"):
        Passphrases(ask=lambda _: "").read("for it", twice=True)
    reader, writer = os.pipe()
    os.close(writer)
    with pytest.raises(SignatureError, match="an empty line"):
        Passphrases(reader).read("for it")
    os.close(reader)
    with pytest.raises(SignatureError, match="file descriptor"):
        Passphrases(reader).read("for it")
