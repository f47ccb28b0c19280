"""`custody init`: folders for the organisations of a plan, and one clear sentence for a plan that is none."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typer.testing import CliRunner

from ledger.chain.genesis import genesis_from_bytes
from ledger.members.members import Members, Use
from node.founding import app
from node.gateway.rendering import genesis_json

PLAN = """
[[organisation]]
id = "{id}"
name = "Organisation {id}"
country = "NL"
roles = ["logistics"]
prefixes = ["95212{digit}"]
"""


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(words))
    return result.exit_code, result.output


def plan_file(folder: Path, text: str) -> str:
    path = folder / "plan.toml"
    path.write_text(text)
    return str(path)


def four() -> str:
    return "".join(
        PLAN.format(id=name, digit=digit) for digit, name in enumerate(("ada", "bob", "cyd", "dee"))
    )


def test_every_folder_holds_the_same_genesis_and_keys_nobody_else_may_read(tmp_path: Path) -> None:
    code, said = run(
        str(tmp_path / "net"), "--plan", plan_file(tmp_path, four()), "--unsealed", "--name", "trial"
    )
    assert code == 0, said
    files = [
        (tmp_path / "net" / who / "genesis.custody").read_bytes() for who in ("ada", "bob", "cyd", "dee")
    ]
    assert len(set(files)) == 1
    genesis = genesis_from_bytes(files[0])
    assert genesis.name == "trial"
    assert genesis.network.hex() in said
    assert Members(genesis.registry(), 1).grantee("952122000000") == "cyd"
    own = tomllib.loads((tmp_path / "net" / "bob" / "custody.toml").read_text())
    assert (own["organisation"], own["gateway"]) == ("bob", "http://127.0.0.1:8101")
    authority = x509.load_pem_x509_certificate((tmp_path / "net" / "ada" / "ca.pem").read_bytes())
    registered = Members(genesis.registry(), 1).key(
        authority.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    )
    assert registered is not None
    assert (registered.organisation, registered.use) == ("ada", Use.AUTHORITY)
    key = tmp_path / "net" / "ada" / "keys" / "validator-0.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_an_organisation_with_an_lei_is_founded_and_shown_with_it(tmp_path: Path) -> None:
    plan = plan_file(tmp_path, four() + 'lei = "529900T8BM49AURSDO55"\n')
    code, said = run(str(tmp_path / "net"), "--plan", plan, "--unsealed")
    assert code == 0, said
    genesis = genesis_from_bytes((tmp_path / "net" / "ada" / "genesis.custody").read_bytes())
    organisation = Members(genesis.registry(), 1).organisation("dee")
    assert organisation is not None
    assert organisation.lei == "529900T8BM49AURSDO55"
    shown = {one["id"]: one.get("lei") for one in genesis_json(genesis)["organisations"]}
    assert shown == {"ada": None, "bob": None, "cyd": None, "dee": "529900T8BM49AURSDO55"}


def test_a_passphrase_seals_all_keys(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("correct horse\n")
    code, said = run(
        str(tmp_path / "net"), "--plan", plan_file(tmp_path, four()), "--passphrase-file", str(secret)
    )
    assert code == 0, said
    assert b"correct horse" not in (tmp_path / "net" / "ada" / "keys" / "sign.key").read_bytes()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (four().replace("country", "land"), "country: expected text"),
        (four() + "colour = 'red'\n", "colour"),
        ("colour = 'red'\n" + four(), "nothing else"),
        ("", "[[organisation]]"),
        ("[[organisation]\n", "TOML"),
        (four().replace('"dee"', '"ada"'), "ada"),
        (PLAN.format(id="ada", digit=1), "at least 4"),
        (
            four().replace("95212", "9521", 1).replace('prefixes = ["95210"]', 'prefixes = ["9521"]'),
            "prefix-free",
        ),
        (four() + 'lei = "529900T8BM49AURSDO56"\n', "check digits"),
        (four() + 'lei = "short"\n', "18 capital letters"),
        (four() + 'parties = ["https://id.gs1.org/417/9521234900020"]\n', "check digit of GLN"),
    ],
)
def test_a_wrong_plan_is_refused_in_one_sentence_and_makes_nothing(
    tmp_path: Path, text: str, expected: str
) -> None:
    code, said = run(str(tmp_path / "net"), "--plan", plan_file(tmp_path, text), "--unsealed")
    assert code == 2, said
    assert expected in said.replace("\n", " ")
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "net").exists()


def test_a_choice_about_sealing_is_asked_for(tmp_path: Path) -> None:
    code, said = run(str(tmp_path / "net"))
    assert code == 2
    assert "--unsealed" in said


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    plan = plan_file(tmp_path, four())
    run(str(tmp_path / "net"), "--plan", plan, "--unsealed")
    before = (tmp_path / "net" / "ada" / "genesis.custody").read_bytes()
    code, said = run(str(tmp_path / "net"), "--plan", plan, "--unsealed")
    assert code == 2
    assert "there is one" in said
    assert (tmp_path / "net" / "ada" / "genesis.custody").read_bytes() == before
