"""Keys in a PKCS#11 token, SoftHSM's: made there, signing there, opened by the folder's passphrase, destroyed there."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from typer.testing import CliRunner

from client.authority import endorsed, enrolment, issue
from client.keys import Passphrases, load_key
from ledger.base.errors import Code, CustodyError, SignatureError, StorageError
from ledger.base.keyfile import Cost, TokenKey, TokenPlace, inspect_key
from ledger.base.keys import HybridKey, is_hybrid, is_signature, key_id
from ledger.chain.genesis import Seat
from ledger.chain.transaction import Kind
from ledger.members.members import Use, key_data
from ledger.members.registry import Kind as RegistryKind
from node.changes import deliver_key, read_seat
from node.cli import app
from node.local.protocol import State
from node.storage.folder import NETWORK_FILE, NodeFolder
from node.storage.keystore import Keystore
from node.storage.token import TokenSigner, destroy_token_key, make_token_key, open_token_key
from tests.interop.softhsm import PIN, Token
from tests.validator.network import Network, with_made
from tests.world.world import World

MESSAGE = bytes(range(32))
PASSPHRASE = b"open it"
QUICK = Cost(1, 8)


@pytest.mark.parametrize("hybrid", [False, True])
def test_a_key_is_made_and_signs_in_the_token_and_its_file_opens_it_again(
    tmp_path: Path, softhsm: Token, hybrid: bool
) -> None:
    made = make_token_key(softhsm.library, softhsm.label, PIN, hybrid=hybrid)
    assert is_hybrid(made.public_key) == hybrid
    store = Keystore(tmp_path / "keys")
    store.save("validator-1", made, "validator", PASSPHRASE, cost=QUICK)
    data = store.path("validator-1").read_bytes()
    assert PIN not in data
    assert inspect_key(data).token == made.place
    signer = store.load("validator-1", PASSPHRASE, use="validator")
    assert isinstance(signer, HybridKey if hybrid else TokenSigner)
    assert signer.public_key == made.public_key
    for number in range(3):
        assert is_signature(
            made.public_key, MESSAGE + bytes([number]), signer.sign(MESSAGE + bytes([number]))
        )
    with pytest.raises(SignatureError, match="does not open this file"):
        store.load("validator-1", b"another", use="validator")
    with pytest.raises(SignatureError, match="expected an Ed25519 key in the file"):
        store.load_plain("validator-1", PASSPHRASE)
    store.destroy("validator-1", PASSPHRASE)
    assert store.names() == ()
    with pytest.raises(StorageError, match="NoSuchKey"):
        open_token_key(made)


def test_a_token_key_that_is_not_what_its_file_says_is_refused(softhsm: Token) -> None:
    made = make_token_key(softhsm.library, softhsm.label, PIN)
    other = make_token_key(softhsm.library, softhsm.label, PIN)
    with pytest.raises(SignatureError, match=r"expected key .* in the token") as caught:
        open_token_key(TokenKey(made.public_key, other.place, PIN))
    assert caught.value.code is Code.BAD_KEY
    for place in (
        made.place._replace(label="nowhere"),
        made.place._replace(library="/nonexistent.so"),
        made.place._replace(identifier=bytes(16)),
    ):
        with pytest.raises(StorageError) as unavailable:
            open_token_key(TokenKey(made.public_key, place, PIN))
        assert unavailable.value.code is Code.UNAVAILABLE
        assert PIN.decode() not in unavailable.value.message.replace(str(place), "")
    for key in (made, other):
        destroy_token_key(key)
        destroy_token_key(key)


def test_a_wrong_signature_of_a_token_is_not_handed_out(softhsm: Token) -> None:
    made = make_token_key(softhsm.library, softhsm.label, PIN)

    class Failing:
        def sign(self, message: bytes, *, mechanism: object) -> bytes:
            return bytes(64)

    signer = TokenSigner(TokenPlace("library", "failing", b""), made.public_key, Failing(), None)
    with pytest.raises(StorageError, match="got one that does not hold"):
        signer.sign(MESSAGE)


def test_a_validators_key_of_a_coming_epoch_is_delivered_from_a_token(tmp_path: Path, softhsm: Token) -> None:
    pin, passphrase = tmp_path / "pin", tmp_path / "passphrase"
    pin.write_bytes(PIN + b"\n")
    passphrase.write_bytes(PASSPHRASE)
    arguments = ["--library", softhsm.library, "--token", softhsm.label, "--pin-file", str(pin)]
    arguments += ["--folder", str(tmp_path), "--passphrase-file", str(passphrase)]
    run = CliRunner().invoke(app, ["token-key", "validator-1", *arguments, "--hybrid"])
    assert run.exit_code == 0, run.output
    again = CliRunner().invoke(app, ["token-key", "validator-1", *arguments])
    assert again.exit_code != 0
    assert CliRunner().invoke(app, ["token-key", "transport", *arguments]).exit_code != 0
    network = bytes(32)
    delivered = deliver_key(Keystore(tmp_path / "keys"), "maker", network, 1, PASSPHRASE)
    assert isinstance(delivered.seat, Seat)
    assert is_hybrid(delivered.seat.public_key)
    seat = tmp_path / "seat.json"
    seat.write_text(delivered.to_text())
    assert read_seat(seat, network) == delivered


def test_a_validator_votes_with_a_token_in_the_process_that_speaks_tls(
    tmp_path: Path, softhsm: Token
) -> None:
    """SoftHSM shares OpenSSL with this process, and leaves errors in its queue."""

    async def scenario(network: Network) -> None:
        (status,) = await network.clients["maker"].submit((network.author().submission(range(2)),))
        assert status.state is State.FINAL
        keys = [validator.key for validator in network.running.values()]
        assert sum(isinstance(key, TokenSigner) for key in keys) == 3  # so no quorum but with tokens

    made = {
        name: make_token_key(softhsm.library, softhsm.label, PIN)
        for name in ("carrier", "customs", "forwarder")
    }
    with_made(lambda: TokenNetwork(tmp_path, made), scenario)


class TokenNetwork(Network):
    """Three of the four have their first validator key in the token: genesis lists it, and the seeds are gone."""

    def __init__(self, root: Path, tokens: dict[str, TokenKey]) -> None:
        super().__init__(root)
        genesis = self.made.genesis
        seats = [
            seat._replace(public_key=tokens[seat.organisation].public_key)
            if seat.organisation in tokens
            else seat
            for seat in genesis.validators
        ]
        changed = genesis._replace(validators=tuple(seats))
        self.network = changed.network
        self.made = dataclasses.replace(self.made, genesis=changed)
        for name, folder in self.made.folders.items():
            (folder / "genesis.custody").write_bytes(changed.to_bytes())
            (folder / NETWORK_FILE).unlink()
            NodeFolder.create(folder, changed.network)
            if name in tokens:
                (folder / "keys/validator-0.key").unlink()
                Keystore(folder / "keys").save("validator-0", tokens[name], "validator", None)


@pytest.mark.parametrize("hybrid", [False, True])
def test_an_authority_in_a_token_certifies_what_execution_accepts(
    tmp_path: Path, softhsm: Token, hybrid: bool
) -> None:
    made = make_token_key(softhsm.library, softhsm.label, PIN, hybrid=hybrid)
    Keystore(tmp_path / "keys").save("authority", made, "authority", None)
    authority = load_key(tmp_path / "keys/authority.key", Passphrases(), use="authority")
    assert authority.public_key == made.public_key
    world = World(hybrid=("",) if hybrid else ())
    listed = (
        int(RegistryKind.KEY),
        key_id(made.public_key).hex(),
        key_data("maker", Use.AUTHORITY, made.public_key),
    )
    world.state.registry = world.state.registry.amended(world.state.tip.header.height, [listed])
    key = world.key("a new key")
    now_ms = world.now_ms
    data = issue(
        authority,
        key.public_key,
        "maker",
        Use.SIGN,
        label="a key",
        valid_ms=(now_ms - 1_000, now_ms + 10**9),
    )
    item = enrolment(world.network, data, key, endorsed(world.network, data, authority))
    execution = world.commit(world.sign("maker", item, kind=Kind.REGISTRATION, key=authority))
    assert [receipt.refusal for receipt in execution.receipts] == [""]
    destroy_token_key(made)


def test_what_the_file_of_a_token_key_may_not_hold(softhsm: Token) -> None:
    made = make_token_key(softhsm.library, softhsm.label, PIN, hybrid=True)
    with pytest.raises(CustodyError):
        TokenKey(made.public_key, made.place, PIN)
    with pytest.raises(CustodyError):
        TokenKey(made.public_key, made.place, PIN, bytes(32))
    assert PIN.decode() not in repr(made)
    destroy_token_key(made)
