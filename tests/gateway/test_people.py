"""People by access tokens of an identity provider: who comes in as what, and every token that must not hold (RFC 8725, RFC 9068)."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from starlette.requests import HTTPConnection

from ledger.base.errors import Code, CustodyError, FormError
from node.config import OidcConfig, load_config
from node.gateway import people as module
from node.gateway.access import ReaderToken
from node.gateway.callers import Callers
from node.gateway.people import People
from node.gateway.permissions import Caller, Role
from tests.gateway.stage import Stage, play

NOW_S = 1_800_000_000
ISSUER = "https://login.example"
ROLES = {"custody-reader": "reader", "custody-operator": "operator"}
KEY = ECKey.generate_key("P-256", {"kid": "one"})
OTHER = ECKey.generate_key("P-256", {"kid": "other"})
CLAIMS: dict[str, Any] = {
    "iss": ISSUER, "aud": "custody", "sub": "8c1f", "exp": NOW_S + 300, "iat": NOW_S, "roles": ["custody-reader", "else"],
}  # fmt: skip


def jwk_set(*keys: Any) -> bytes:
    return json.dumps({"keys": [key.as_dict(private=False) for key in keys]}).encode()


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    path = tmp_path / "oidc.jwks.json"
    path.write_bytes(jwk_set(KEY))
    return path


def provider(keys: Path | str) -> People:
    return People(OidcConfig(ISSUER, "custody", keys, "roles", ROLES), "maker", lambda: NOW_S)


def signed(key: Any = KEY, alg: str = "ES256", header: dict[str, Any] | None = None, **claims: Any) -> str:
    kept = {name: value for name, value in (CLAIMS | claims).items() if value is not None}
    return jwt.encode({"alg": alg, "kid": key.kid} | (header or {}), kept, key, algorithms=[alg])


def came(people: People | None, *authorization: str) -> Caller:
    callers = Callers(ReaderToken("t" * 43), "maker")
    callers.people = people
    headers = [(b"authorization", text.encode()) for text in authorization]
    connection = HTTPConnection({"type": "http", "headers": headers, "client": ("192.0.2.1", 1)})
    return asyncio.run(callers.caller(connection))


def refused(people: People, token: str) -> Code:
    with pytest.raises(CustodyError) as caught:
        came(people, f"Bearer {token}")
    assert token not in str(caught.value)
    return caught.value.code


# --- who comes in


def test_a_person_comes_as_what_the_provider_calls_them(keys_file: Path) -> None:
    caller = came(provider(keys_file), f"Bearer {signed()}")
    assert caller.roles == {Role.ANYONE, Role.READER}
    assert (caller.name, caller.organisation) == ("person 8c1f", "maker")


@pytest.mark.parametrize(
    ("named", "roles"),
    [
        (["custody-reader", "custody-operator"], {Role.READER, Role.OPERATOR}),
        ("custody-operator", {Role.OPERATOR}),
        (["capturer", "reader"], set()),  # our own words for roles are nobody's to claim
        (None, set()),
        ([7, {}, None], set()),
        ({"custody-reader": 1}, set()),
    ],
)
def test_only_what_is_mapped_is_a_role(keys_file: Path, named: Any, roles: set[Role]) -> None:
    caller = came(provider(keys_file), f"Bearer {signed(roles=named)}")
    assert caller.roles == roles | {Role.ANYONE}
    assert caller.is_known


@pytest.mark.parametrize(
    ("key", "alg"),
    [
        (OKPKey.generate_key("Ed25519", {"kid": "ed"}), "Ed25519"),
        (RSAKey.generate_key(2048, {"kid": "rsa"}), "RS256"),
        (RSAKey.generate_key(2048, {"kid": "pss"}), "PS256"),
    ],
)
def test_other_algorithms_of_the_list(tmp_path: Path, key: Any, alg: str) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(jwk_set(KEY, key))
    assert came(provider(path), f"Bearer {signed(key, alg)}").is_known


def test_tokens_of_the_node_count_as_before(keys_file: Path) -> None:
    people = provider(keys_file)
    assert came(people, "Bearer " + "t" * 43).name == "reader"
    assert refused(people, "u" * 43) == Code.UNAUTHORISED
    with pytest.raises(CustodyError):
        came(None, f"Bearer {signed()}")  # without [oidc] nobody comes in by a token of anybody


# --- who does not


REFUSED: dict[str, Callable[[], str]] = {
    "another issuer": lambda: signed(iss="https://login.example.evil"),
    "no issuer": lambda: signed(iss=None),
    "another audience": lambda: signed(aud="another"),
    "no audience": lambda: signed(aud=None),
    "expired": lambda: signed(exp=NOW_S - 61),
    "no expiry": lambda: signed(exp=None),
    "not yet": lambda: signed(nbf=NOW_S + 61),
    "no subject": lambda: signed(sub=None),
    "a subject of control characters": lambda: signed(sub="a\nb"),
    "a subject too long": lambda: signed(sub="a" * 257),
    "an unknown key": lambda: signed(OTHER),
    "another key under a known name": lambda: signed(ECKey.generate_key("P-256", {"kid": "one"})),
    "a symmetric key made of the public one": lambda: signed(
        OctKey.import_key(jwk_set(KEY), {"kid": "one"}), "HS256"
    ),
    "a token that names its own key": lambda: signed(OTHER, header={"jwk": OTHER.as_dict(private=False)}),
    "another type": lambda: signed(header={"typ": "logout+jwt"}),
    "no algorithm": lambda: "eyJhbGciOiJub25lIiwia2lkIjoib25lIn0." + signed().split(".")[1] + ".",
    "an altered claim": lambda: ".".join((signed().split(".")[0], signed(sub="root").split(".")[1], signed().split(".")[2])),
    "no JSON": lambda: "a.b.c",
    "nothing": lambda: "..",
    "too long": lambda: signed(roles=["r" * 20_000]),
}  # fmt: skip


@pytest.mark.parametrize("token", REFUSED)
def test_a_token_that_does_not_hold_is_refused(keys_file: Path, token: str) -> None:
    assert refused(provider(keys_file), REFUSED[token]()) == Code.UNAUTHORISED


def test_clocks_may_differ_by_a_minute(keys_file: Path) -> None:
    assert came(provider(keys_file), f"Bearer {signed(exp=NOW_S - 59)}").is_known


def test_a_person_reads_what_the_role_may_and_nothing_else(tmp_path: Path, keys_file: Path) -> None:
    async def act(stage: Stage) -> None:
        stage.gateway.callers.people = provider(keys_file)

        async def status(path: str, token: str) -> int:
            return (await stage.http.get(path, headers={"Authorization": f"Bearer {token}"})).status_code

        reader, operator = signed(), signed(roles="custody-operator")
        assert [await status("/v1/genesis", one) for one in (reader, operator, signed(roles=None))] == [
            200,
            403,
            403,
        ]
        assert await status("/v1/genesis", signed(exp=NOW_S - 61)) == 401

    play(tmp_path, act, organisation="maker")


# --- the provider's keys


def test_keys_are_read_again_when_the_file_changes_and_a_broken_one_leaves_those_known(
    keys_file: Path,
) -> None:
    people = provider(keys_file)
    assert refused(people, signed(OTHER)) == Code.UNAUTHORISED
    keys_file.write_bytes(jwk_set(OTHER))
    os.utime(keys_file, (1, 1))
    assert came(people, f"Bearer {signed(OTHER)}").is_known
    assert refused(people, signed(KEY)) == Code.UNAUTHORISED
    keys_file.write_bytes(b"{")
    os.utime(keys_file, (2, 2))
    assert came(people, f"Bearer {signed(OTHER)}").is_known


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b'{"keys": []}', b'{"keys": [7]}', b'{"keys": [{"kty": "oct", "k": "AAAA"}]}', b"[" * 100_000, b" " * 300_000],
)  # fmt: skip
def test_what_is_no_set_of_public_keys_is_said_at_the_start(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(content)
    with pytest.raises(FormError):
        provider(path)
    with pytest.raises(FormError):
        provider(tmp_path / "absent.json")


def test_keys_from_an_address_are_fetched_once_a_minute_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    served = [jwk_set(KEY)]
    now = [1_000.0]

    def fetched(address: str) -> bytes:
        asked.append(address)
        return served[0]

    monkeypatch.setattr(module, "_fetched", fetched)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    people = provider("https://login.example/keys")
    assert came(people, f"Bearer {signed()}").is_known
    served[0] = jwk_set(OTHER)
    assert refused(people, signed(OTHER)) == Code.UNAUTHORISED
    assert len(asked) == 1, "a stranger's token does not make the gateway ask again and again"
    now[0] += 61
    assert came(people, f"Bearer {signed(OTHER)}").is_known
    assert len(asked) == 2


def test_without_keys_nobody_is_let_in_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_fetched", lambda _: b"")
    assert refused(provider("https://login.example/keys"), signed()) == Code.UNAVAILABLE


# --- node.toml


SETTINGS = """organisation = "maker"
[validator]
listen = "127.0.0.1:7100"
[gateway]
listen = "127.0.0.1:8100"
[oidc]
issuer = "https://login.example"
audience = "custody"
keys = "oidc.jwks.json"
[oidc.roles]
"custody-reader" = "reader"
"""


def test_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_text(SETTINGS)
    found = load_config(tmp_path).oidc
    assert found == OidcConfig(
        ISSUER, "custody", tmp_path / "oidc.jwks.json", "roles", {"custody-reader": "reader"}
    )
    for wrong, named in (
        (('= "reader"', '= "member"'), "oidc.roles.custody-reader"),
        (('keys = "oidc.jwks.json"', 'keys = "http://login.example/keys"'), "oidc.keys"),
        (('"custody-reader" = "reader"\n', ""), "oidc.roles"),
        (('audience = "custody"\n', ""), "oidc.audience"),
        (('audience = "custody"\n', 'audience = "custody"\nclient = "x"\n'), "oidc.client"),
    ):
        file.write_text(SETTINGS.replace(*wrong))
        with pytest.raises(FormError, match=named):
            load_config(tmp_path)
