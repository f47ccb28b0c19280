from __future__ import annotations

from pathlib import Path

import pytest

from ledger.base.encoding import decode, encode
from ledger.base.errors import Code, CustodyError, FormError, SignatureError, StorageError
from ledger.base.keyfile import (
    Cost,
    KeyFile,
    TokenKey,
    TokenPlace,
    inspect_key,
    open_key,
    seal_key,
    write_unsealed_key,
)
from ledger.base.keys import SigningKey, is_signature
from ledger.base.mldsa import LatticeKey
from node.storage.filesystem import write_atomically
from node.storage.keystore import Keystore, epoch_of_key, overwrite, validator_key_name
from tests.storage.memory_files import MemoryFileSystem

KEY = SigningKey.from_seed(bytes(range(32)))
QUICK = Cost(1, 8)
PASSPHRASE = "correct horse ñ".encode()


def sealed(cost: Cost = QUICK) -> bytes:
    return seal_key(KEY, "sign", PASSPHRASE, salt=bytes(16), nonce=bytes(24), cost=cost)


def test_a_sealed_key_opens_with_its_passphrase_only() -> None:
    assert open_key(sealed(), PASSPHRASE)[0] == "sign"
    assert open_key(sealed(), PASSPHRASE)[1].public_key == KEY.public_key
    for wrong in (b"", None, b"wrong", PASSPHRASE + b" "):
        with pytest.raises(SignatureError) as caught:
            open_key(sealed(), wrong)
        assert caught.value.code is Code.BAD_KEY
        assert "wrong" not in caught.value.message.split(";")[0]


def test_the_format_stays_what_it_is() -> None:
    """Salt, nonce and cost fixed: the bytes a second implementation must give."""
    assert sealed().hex() == (
        "96ab637573746f6479206b657901a47369676ec42003a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
        "95a86172676f6e3269640108c41000000000000000000000000000000000c41800000000000000000000000000000000000000000000"
        "0000c430" + sealed()[-48:].hex()
    )


def test_default_cost_is_that_of_rfc_9106() -> None:
    assert Cost() == (3, 65_536)


def test_every_flipped_byte_of_a_key_file_is_refused() -> None:
    data = sealed()
    for index in range(len(data)):
        flipped = bytearray(data)
        flipped[index] ^= 1
        with pytest.raises((FormError, SignatureError)):
            open_key(bytes(flipped), PASSPHRASE)


def test_a_key_in_the_clear_says_so_and_is_checked() -> None:
    data = write_unsealed_key(KEY, "device")
    assert inspect_key(data) == KeyFile("device", KEY.public_key, is_sealed=False)
    assert open_key(data, None)[1].public_key == KEY.public_key
    with pytest.raises(SignatureError):
        open_key(data[:-1] + b"\0", None)


def test_a_file_cannot_ask_for_endless_work() -> None:
    for cost in (Cost(17, 8), Cost(1, 1_048_577), Cost(0, 8), Cost(1, 7)):
        data = sealed().replace(
            b"\xa8argon2id\x01\x08", b"\xa8argon2id" + pack(cost.passes) + pack(cost.memory_kib)
        )
        with pytest.raises(FormError):
            open_key(data, PASSPHRASE)


def pack(number: int) -> bytes:
    return bytes((number,)) if number < 128 else b"\xce" + number.to_bytes(4, "big")


def test_an_empty_passphrase_seals_nothing() -> None:
    with pytest.raises(FormError):
        seal_key(KEY, "sign", b"", salt=bytes(16), nonce=bytes(24))


def test_the_keystore_writes_0600_and_never_over_a_key(tmp_path: Path) -> None:
    store = Keystore(tmp_path / "keys")
    key = store.generate("validator", "validator", PASSPHRASE, cost=QUICK)
    path = tmp_path / "keys" / "validator.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert store.names() == ("validator",)
    assert store.load("validator", PASSPHRASE, use="validator").public_key == key.public_key
    assert store.inspect("validator") == KeyFile("validator", key.public_key, is_sealed=True)
    with pytest.raises(StorageError, match="move it away"):
        store.generate("validator", "validator", None)
    with pytest.raises(SignatureError) as caught:
        store.load("validator", PASSPHRASE, use="sign")
    assert caught.value.code is Code.WRONG_USE


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    store = Keystore(tmp_path)
    store.generate("sign", "sign", None)
    for mode in (0o644, 0o640, 0o602):
        store.path("sign").chmod(mode)
        with pytest.raises(StorageError, match="0600") as caught:
            store.load("sign")
        assert f"{mode:04o}" in caught.value.message
    store.path("sign").chmod(0o400)
    store.load("sign")


def test_errors_name_the_file_and_show_no_secret(tmp_path: Path) -> None:
    store = Keystore(tmp_path)
    key = store.generate("sign", "sign", PASSPHRASE, cost=QUICK)
    said = [repr(key), repr(store), repr(Cost())]
    for wrong in ("guess", "horse"):
        with pytest.raises(CustodyError) as caught:
            store.load("sign", wrong.encode())
        assert str(store.path("sign")) in caught.value.message
        said.append(str(caught.value))
        assert wrong not in str(caught.value)
    store.path("sign").write_bytes(store.path("sign").read_bytes()[:-1])
    with pytest.raises(FormError) as damaged:
        store.load("sign", PASSPHRASE)
    said.append(str(damaged.value))
    assert all(key.seed.hex() not in text and repr(key.seed) not in text for text in said)
    with pytest.raises(StorageError) as missing:
        store.load("other")
    assert missing.value.code is Code.UNKNOWN_KEY
    assert "sign" in missing.value.message
    for name in ("", "../sign", "a/b", "é"):
        with pytest.raises(StorageError):
            store.path(name)


def test_one_process_holds_a_key(tmp_path: Path) -> None:
    store = Keystore(tmp_path)
    store.generate("validator", "validator", None)
    held = store.lock("validator")
    with pytest.raises(StorageError) as caught:
        store.lock("validator")
    assert caught.value.code is Code.LOCKED
    held.release()
    store.lock("validator").release()


def test_a_destroyed_key_is_nowhere_on_the_disk() -> None:
    """Neither under its name nor under none: what the file was made of is overwritten, durably, before it loses its name."""
    files = MemoryFileSystem()
    secret = write_unsealed_key(KEY, "validator")
    write_atomically(files, "validator-0.key", secret)
    inode = files.names["validator-0.key"]
    assert inode.durable == secret
    overwrite(files, "validator-0.key")
    assert "validator-0.key" not in files.crash().names
    assert (bytes(inode.content), inode.durable) == (bytes(len(secret)), bytes(len(secret)))
    overwrite(files, "validator-0.key")


@pytest.mark.parametrize("steps", range(5))
def test_a_key_is_destroyed_whenever_the_power_goes(steps: int) -> None:
    """What is left is the key as it was, or no key; a second call leaves none."""
    files = MemoryFileSystem()
    secret = write_unsealed_key(KEY, "validator")
    write_atomically(files, "validator-0.key", secret)
    left = steps

    def fault(operation: str, path: str) -> None:
        nonlocal left
        if operation in {"write", "sync", "remove", "sync_folder"}:
            left -= 1
            if left < 0:
                raise OSError(5, "power is going")

    files.fault = fault
    try:
        overwrite(files, "validator-0.key")
    except StorageError:
        assert steps < 4
    after = files.crash()
    kept = [inode.durable for inode in after.names.values()]
    assert kept in ([], [secret], [bytes(len(secret))])
    overwrite(after, "validator-0.key")
    assert not after.crash().names


def test_a_destroyed_key_leaves_neither_its_name_nor_its_bytes(tmp_path: Path) -> None:
    store = Keystore(tmp_path)
    store.generate("validator-3", "validator", None)
    path = store.path("validator-3")
    (tmp_path / "kept").hardlink_to(path)
    store.destroy("validator-3")
    store.destroy("validator-3")
    assert store.names() == ()
    assert set((tmp_path / "kept").read_bytes()) == {0}


def test_the_epoch_of_a_key_is_in_its_name() -> None:
    assert [epoch_of_key(name) for name in ("validator-0", "validator-12", "validator-", "validator-x", "sign")] == [
        0, 12, None, None, None,
    ]  # fmt: skip
    assert epoch_of_key(validator_key_name(7)) == 7


def test_a_start_looks_at_every_secret_and_at_the_folder(tmp_path: Path) -> None:
    store = Keystore(tmp_path / "keys")
    store.check()
    store.generate("sign", "sign", PASSPHRASE, cost=QUICK)
    store.generate("approver", "approver", PASSPHRASE, cost=QUICK, hybrid=True)
    (store.folder / "reader.token").write_text("secret")
    (store.folder / "reader.token").chmod(0o600)
    (store.folder / "ca.pem").write_text("public")
    store.check()
    for name, mode, closed in (
        ("approver.key", 0o640, 0o600),
        ("reader.token", 0o604, 0o600),
        (".", 0o770, 0o700),
    ):
        path = store.folder / name
        path.chmod(mode)
        with pytest.raises(StorageError, match="closed to others") as caught:
            store.check()
        assert caught.value.code is Code.BAD_KEY
        path.chmod(closed)
    store.check()


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_a_hybrid_key_is_stored_and_opens_again(tmp_path: Path, passphrase: bytes | None) -> None:
    store = Keystore(tmp_path / "keys")
    made = store.generate("approver", "approver", passphrase, cost=QUICK, hybrid=True)
    data = store.path("approver").read_bytes()
    assert (made.seed in data) == (passphrase is None)
    assert inspect_key(data) == KeyFile("approver", made.public_key, is_sealed=passphrase is not None)
    found = store.load("approver", passphrase, use="approver")
    assert is_signature(made.public_key, b"message", found.sign(b"message"))
    with pytest.raises(SignatureError, match="expected an Ed25519 key in the file"):
        store.load_plain("approver", passphrase)
    for index in (*range(20), 30, 200, 1_990, len(data) - 1) if passphrase else (30, 200, len(data) - 1):
        altered = bytearray(data)
        altered[index] ^= 1
        with pytest.raises((FormError, SignatureError)):
            open_key(bytes(altered), passphrase)


def test_a_plain_key_has_one_form_only() -> None:
    fields = list(decode(write_unsealed_key(KEY, "sign"), max_bytes=4_096))
    with pytest.raises(FormError, match="of version 1"):
        inspect_key(encode([*fields[:1], 2, *fields[2:4], None, *fields[4:]]))


def test_the_file_of_a_key_in_a_token_says_where_and_hides_the_pin() -> None:
    lattice = LatticeKey(bytes(32))
    place = TokenPlace("/usr/lib/token.so", "custody", b"0123456789abcdef")
    for key in (
        TokenKey(KEY.public_key, place, b"secret PIN"),
        TokenKey(KEY.public_key + lattice.public_key, place, b"secret PIN", bytes(32)),
    ):
        data = seal_key(key, "validator", PASSPHRASE, salt=bytes(16), nonce=bytes(24), cost=QUICK)
        assert b"secret PIN" not in data
        assert "secret PIN" not in repr(key)
        assert inspect_key(data) == KeyFile("validator", key.public_key, is_sealed=True, token=place)
        use, found = open_key(data, PASSPHRASE)
        assert isinstance(found, TokenKey)
        assert (use, found.place, found.pin, found.lattice_seed) == (
            "validator",
            place,
            b"secret PIN",
            key.lattice_seed,
        )
    with pytest.raises(SignatureError, match="expected the lattice seed"):
        TokenKey(KEY.public_key + lattice.public_key, place, b"secret PIN", bytes(31) + b"1")
