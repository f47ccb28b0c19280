"""Ceremonies without a browser: what an authenticator of our own answers is taken when it is right, and refused when it is not."""

from __future__ import annotations

import asyncio
import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import bytes_to_base64url

from ledger.base.encoding import encode
from ledger.base.errors import CustodyError, UnavailableError
from ledger.chain.transaction import Kind, Transaction, transaction_from_bytes
from ledger.state.approval import Approval
from ledger.trade.statement import Action, Role
from node.gateway.persons.ceremony import thumbprint
from node.gateway.persons.service import Persons, check_kept, invite, party_of, remove
from node.gateway.persons.store import PersonStore
from node.local.protocol import State, TransactionStatus
from tests.world.world import World, serial

ORIGIN = "https://approve.example"
PRESENT, VERIFIED, ATTESTED = 1, 4, 64


class Software:
    """An authenticator in software (WebAuthn Level 3 §6): every part of its answers can be made wrong."""

    def __init__(self) -> None:
        self._key = ec.derive_private_key(7, ec.SECP256R1())
        self.credential = hashlib.sha256(b"credential").digest()
        self.counter = 0
        self.flags = PRESENT | VERIFIED
        self.origin = ORIGIN
        self.rp_id = "approve.example"

    @property
    def public_key(self) -> bytes:
        numbers = self._key.public_key().public_numbers()
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)})

    def _client_data(self, kind: str, challenge: str) -> bytes:
        return json.dumps(
            {"type": f"webauthn.{kind}", "challenge": challenge, "origin": self.origin}
        ).encode()

    def _data(self, flags: int) -> bytes:
        self.counter += 1
        return hashlib.sha256(self.rp_id.encode()).digest() + struct.pack(">BI", flags, self.counter)

    def _answer(self, **response: bytes) -> dict[str, Any]:
        name = bytes_to_base64url(self.credential)
        spelled = {field: bytes_to_base64url(value) for field, value in response.items()}
        return {"id": name, "rawId": name, "type": "public-key", "response": spelled}

    def create(self, options: dict[str, Any]) -> dict[str, Any]:
        attested = bytes(16) + struct.pack(">H", len(self.credential)) + self.credential + self.public_key
        data = self._data(self.flags | ATTESTED) + attested
        return self._answer(
            clientDataJSON=self._client_data("create", options["challenge"]),
            attestationObject=cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data}),
        )

    def get(self, options: dict[str, Any]) -> dict[str, Any]:
        client, data = self._client_data("get", options["challenge"]), self._data(self.flags)
        signed = self._key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(clientDataJSON=client, authenticatorData=data, signature=signed)


class Desk:
    """A gateway's ceremonies over a world, with one person registered."""

    def __init__(self, folder: Path) -> None:
        self.world = World(gateways=("customs",))
        self.store = PersonStore(folder)
        self.party = party_of(ORIGIN)
        self.now_ms = self.world.now_ms
        self.submitted: list[Transaction] = []
        self.is_away = False
        self.refusal = ""
        self.persons = Persons(
            self.store, self.party, self.world.network, "customs", self.world.gateways["customs"], self.submit,
            lambda: self.now_ms,
        )  # fmt: skip
        self.device = Software()

    async def submit(self, data: bytes) -> TransactionStatus:
        if self.is_away:
            raise UnavailableError("unavailable", "expected a validator, it is away")  # type: ignore[arg-type]
        transaction = transaction_from_bytes(data, self.world.network)
        transaction.check_signature()
        if self.refusal:
            return TransactionStatus(transaction.id, State.REFUSED, self.refusal, "refused")
        self.submitted.append(transaction)
        return TransactionStatus(transaction.id, State.FINAL, height=9)

    def register(self) -> dict[str, Any]:
        ticket = invite(self.store, "officer", self.now_ms)
        return self.persons.register(ticket, self.device.create(self.persons.begin_registration(ticket)))

    def release(self, number: int = 1) -> Transaction:
        subject = (Role.OBJECT, serial("9521234", 1, number))
        return self.world.sign("customs", self.world.item(Action.RELEASE, [subject], measure=("1", "law")))

    def hand_in(self, transaction: Transaction) -> tuple[str, str]:
        (told,) = self.persons.hand_in(encode([(transaction.to_bytes(), [None])]))
        act, _, ticket = told["link"].partition("#")[2].partition(".")
        return act, ticket

    def approve(self, act: str, ticket: str) -> dict[str, Any]:
        options = self.persons.begin_approval(act, ticket)["options"]
        return asyncio.run(self.persons.approve(act, ticket, self.device.get(options)))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path)
    made.register()
    return made


def test_an_approval_goes_to_the_ledger_with_hashes_only(desk: Desk) -> None:
    release = desk.release()
    act, ticket = desk.hand_in(release)
    assert act == release.item_hashes[0].hex()
    assert asyncio.run(desk.persons.status(act))["status"] == "waiting"
    told = desk.approve(act, ticket)
    assert (told["status"], told["height"]) == ("approved", 9)
    (made,) = desk.submitted
    assert (made.header.kind, made.header.public_key) == (
        Kind.APPROVAL, desk.world.gateways["customs"].public_key,
    )  # fmt: skip
    approval = Approval(*made.items[0])
    assert approval.act == release.item_hashes[0]
    assert approval.thumbprint == thumbprint(desk.device.public_key)
    assert desk.device.credential not in made.to_bytes()
    assert asyncio.run(desk.persons.status(act))["status"] == "approved"
    assert check_kept(desk.party, desk.world.network, desk.store.act(act))["holds"]


def refused(desk: Desk, act: str, ticket: str) -> str:
    with pytest.raises(CustodyError) as caught:
        desk.approve(act, ticket)
    assert desk.submitted == []
    assert "transaction" not in desk.store.act(act)
    return caught.value.code.value


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("origin", "https://evil.example"),
        ("origin", "https://approve.example:444"),
        ("origin", "http://approve.example"),
        ("rp_id", "evil.example"),
        ("flags", PRESENT),
        ("flags", VERIFIED),
        ("counter", -1),
    ],
)
def test_an_assertion_that_does_not_hold_changes_nothing(desk: Desk, field: str, value: Any) -> None:
    act, ticket = desk.hand_in(desk.release())
    if field == "counter":
        desk.approve(*desk.hand_in(desk.release(2)))  # the counter the gateway knows is ahead of a copy's
        desk.submitted.clear()
        value = desk.device.counter - 1
    right = getattr(desk.device, field)
    setattr(desk.device, field, value)
    assert refused(desk, act, ticket) == "bad_signature"
    setattr(desk.device, field, right + 1 if field == "counter" else right)
    assert desk.approve(act, ticket)["status"] == "approved"


def test_an_assertion_over_another_act_approves_nothing(desk: Desk) -> None:
    act, ticket = desk.hand_in(desk.release())
    other = desk.persons.begin_approval(*desk.hand_in(desk.release(2)))["options"]
    with pytest.raises(CustodyError, match="over this very act"):
        asyncio.run(desk.persons.approve(act, ticket, desk.device.get(other)))
    assert desk.submitted == []


def test_a_link_an_invitation_and_a_person_end(desk: Desk) -> None:
    act, ticket = desk.hand_in(desk.release())
    assert refused(desk, act, ticket + "x") == "unauthorised"
    ticket_used = invite(desk.store, "", desk.now_ms)
    desk.now_ms += 3_600_000
    with pytest.raises(CustodyError, match="invitation"):
        desk.persons.begin_registration(ticket_used)
    assert refused(desk, act, ticket) == "expired"
    desk.now_ms = desk.world.now_ms
    (person,) = desk.store.read()["persons"]
    options = desk.persons.begin_approval(act, ticket)["options"]
    remove(desk.store, person["person"])
    with pytest.raises(CustodyError, match="registered here"):
        asyncio.run(desk.persons.approve(act, ticket, desk.device.get(options)))
    assert refused(desk, act, ticket) == "not_found"


def test_a_passkey_is_registered_once_and_by_a_verified_person(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.device.flags = PRESENT
    with pytest.raises(CustodyError, match="verified person"):
        desk.register()
    assert desk.store.read()["persons"] == []
    desk.device.flags |= VERIFIED
    desk.register()
    with pytest.raises(CustodyError, match="registered already"):
        desk.register()
    assert len(desk.store.read()["persons"]) == 1


def test_the_gateways_own_acts_and_those_of_others_are_not_taken(desk: Desk) -> None:
    item = desk.release().items[0]
    for who, key in (("customs", desk.world.gateways["customs"]), ("maker", desk.world.keys["maker"])):
        signed = desk.world.sign(who, item, key=key)
        with pytest.raises(CustodyError, match="expected acts"):
            desk.hand_in(signed)
    assert desk.store.acts() == []


def test_an_approval_that_did_not_reach_the_ledger_is_handed_in_again(desk: Desk) -> None:
    act, ticket = desk.hand_in(desk.release())
    desk.is_away = True
    assert desk.approve(act, ticket)["status"] == "signed"
    assert asyncio.run(desk.persons.status(act))["status"] == "signed"
    desk.is_away = False
    assert asyncio.run(desk.persons.status(act))["status"] == "approved"
    assert len(desk.submitted) == 1
    with pytest.raises(CustodyError, match="nobody approved yet"):
        desk.hand_in(transaction_of(desk, act))


def transaction_of(desk: Desk, act: str) -> Transaction:
    desk.world._counter = 0
    made = desk.release()
    assert made.item_hashes[0].hex() == act
    return made


def test_files_are_their_owners_only(desk: Desk) -> None:
    act, _ = desk.hand_in(desk.release())
    for path in desk.store._folder.rglob("*"):
        assert not path.stat().st_mode & 0o077, path
    (desk.store._folder / "acts" / f"{act}.json").chmod(0o644)
    with pytest.raises(CustodyError, match="0600"):
        desk.store.act(act)


@pytest.mark.parametrize(
    "origin", ["http://approve.example", "approve.example", "https://a/b", "https://", "http://127.0.0.1:1"]
)
def test_origins_at_which_browsers_allow_no_passkeys(origin: str) -> None:
    with pytest.raises(CustodyError, match="origin"):
        party_of(origin)
