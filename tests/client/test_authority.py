"""`custody authority` against a ledger: what it hands in is executed, what it may not is said in one sentence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from client.authority import enrolment, issue
from ledger.base.errors import FormError
from ledger.base.keyfile import write_unsealed_key
from ledger.base.keys import HybridKey, SigningKey, key_id
from ledger.members.members import Key, Use
from tests.client.fake_gateway import TOKEN, FakeGateway, served
from tests.client.ledger_files import Ledger
from tests.client.test_command import Shell
from tests.world.world import World, seed

NEW = SigningKey(seed("new"))
WAYBILL = "urn:custody:doc:waybill:1"


@pytest.fixture
def member(tmp_path: Path) -> Iterator[tuple[Shell, FakeGateway]]:
    """The maker's shell: its signing, authority and approver keys, a new key, and a gateway of its network."""
    shell, world = Shell(tmp_path), World(certifying=True)
    keys = {
        "sign": world.keys["maker"], "authority": world.authorities["maker"], "approver": world.approvers["maker"],
        "new": NEW,
    }  # fmt: skip
    with served(Ledger(world)) as gateway:
        (tmp_path / "genesis.custody").write_bytes(world.genesis.to_bytes())
        for name, key in keys.items():
            path = tmp_path / f"{name}.key"
            path.write_bytes(write_unsealed_key(key, "sign" if name == "new" else name))
            path.chmod(0o600)
        token = tmp_path / "reader.token"
        token.write_text(TOKEN)
        token.chmod(0o600)
        (tmp_path / "custody.toml").write_text(
            f'gateway = "{gateway.url}"\ntoken_file = "reader.token"\norganisation = "maker"\nkey = "sign.key"\n'
            'anchor = "genesis.custody"\n'
        )
        yield shell, gateway


def registered(gateway: FakeGateway, key: SigningKey | HybridKey = NEW) -> Key | None:
    state = gateway.ledger.world.state
    return state.members(state.tip.header.height + 1).key(key.public_key)


def test_a_key_is_enrolled_marked_and_revoked(member: tuple[Shell, FakeGateway]) -> None:
    shell, gateway = member
    said = json.loads(shell("authority", "enrol", "new.key", "--days", "30", "--json").stdout)
    assert said == {"key": NEW.public_key.hex(), "done": "enrolled for sign", "height": 1}
    found = registered(gateway)
    assert found is not None
    assert (found.organisation, found.use) == ("maker", Use.SIGN)
    assert found.validity is not None
    assert found.validity.not_after_ms - found.validity.not_before_ms == 30 * 86_400_000 + 300_000
    again = shell("authority", "enrol", "new.key", code=1)
    assert "bad_key" in again.stderr
    marked = shell("authority", "compromised", "new.key", "--since", "1", "--by", "approver.key")
    assert "marked as compromised since height 1" in marked.stdout
    shell("authority", "revoke", NEW.public_key.hex(), "--reason", "key_compromise")
    assert registered(gateway) is None
    assert "unknown_key" in shell("authority", "revoke", "new.key", code=1).stderr
    assert "expected a reason" in shell("authority", "revoke", "sign.key", "--reason", "whim", code=2).stderr
    assert (
        "not_entitled"
        in shell("authority", "compromised", "sign.key", "--since", "0", "--by", "sign.key", code=1).stderr
    )
    assert "superseded" in shell("authority", "revoke", "--help").stdout
    shell("authority", "revoke", "sign.key", "--reason", "superseded", "--by", "sign.key")


def test_a_certificate_is_issued_apart_and_carried_later(member: tuple[Shell, FakeGateway]) -> None:
    shell, gateway = member
    key = NEW.public_key.hex()
    shell("authority", "issue", key, "--use", "device", "--label", "line 4", "-o", "new.der")
    shell("authority", "enrol", "new.key", "--certificate", "new.der")
    found = registered(gateway)
    assert found is not None
    assert found.use == Use.DEVICE
    assert "another" in shell("authority", "enrol", "approver.key", "--certificate", "new.der", code=2).stderr
    assert "--use" in shell("authority", "issue", key, "-o", "other.der", code=2).stderr
    assert "expected" in shell("authority", "issue", key, "--use", "king", "-o", "other.der", code=2).stderr
    assert "expected" in shell("authority", "enrol", "sign.key", "--authority", "sign.key", code=1).stderr


def test_delegates_and_licences_are_given_and_ended(member: tuple[Shell, FakeGateway]) -> None:
    shell, gateway = member
    shell(
        "authority", "delegate", "new.key", "--document", WAYBILL, "--until", "2199-01-01T00:00:00Z", code=1
    )
    until = (datetime.now(UTC) + timedelta(days=3)).isoformat(timespec="seconds")
    shell("authority", "delegate", "new.key", "--document", WAYBILL, "--until", until)
    found = registered(gateway)
    assert found is not None
    assert found.delegation is not None
    assert (found.use, found.delegation.document) == (Use.DELEGATE, WAYBILL)
    shell("authority", "licence", "9521234", "carrier", "--until", until)
    state = gateway.ledger.world.state
    assert state.members(state.tip.header.height + 1).is_licensed("9521234", "carrier", 0)
    ended = json.loads(shell("authority", "licence", "9521234", "carrier", "--end", "--json").stdout)
    assert ended == {"prefix": "9521234", "licensee": "carrier", "ended": True, "height": ended["height"]}
    assert not state.members(state.tip.header.height + 1).is_licensed("9521234", "carrier", 0)
    assert "not_entitled" in shell("authority", "licence", "9521234", "stranger", code=1).stderr


def test_what_is_issued_must_be_of_the_profile() -> None:
    authority = HybridKey.from_seed(seed("a") + seed("b"))
    with pytest.raises(FormError):
        issue(authority, NEW.public_key, "maker", Use.SIGN, label="é", valid_ms=(0, 1_000))
    with pytest.raises(FormError):
        issue(authority, NEW.public_key, "maker", Use.SIGN, label="x" * 65, valid_ms=(0, 1_000))
    with pytest.raises(FormError):
        issue(authority, NEW.public_key, "maker", Use.SIGN, label="x", valid_ms=(2_000, 1_000))
    made = issue(authority, NEW.public_key, "maker", Use.SIGN, label="x", valid_ms=(0, 1_000))
    with pytest.raises(FormError):
        enrolment(bytes(32), made, SigningKey(seed("another")))
    assert key_id(authority.public_key) in made
