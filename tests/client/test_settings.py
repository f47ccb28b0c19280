"""Settings: a file, the environment above it, and one sentence for what is wrong or missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from client.settings import Settings, load_settings, missing
from ledger.base.errors import Code, FormError, StorageError

FILE = """
gateway = ["http://one:8100", "http://two:8100"]
token_file = "keys/reader.token"
organisation = "forwarder"
key = "/elsewhere/sign.key"
anchor = "anchor"
place = "9521200000016"
"""


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "custody.toml").write_text(FILE)
    found = load_settings({"HOME": "/nonexistent"}, tmp_path)
    assert found == Settings(
        gateways=("http://one:8100", "http://two:8100"),
        token_file=tmp_path / "keys" / "reader.token",
        organisation="forwarder",
        key=Path("/elsewhere/sign.key"),
        anchor=tmp_path / "anchor",
        place="9521200000016",
    )


def test_the_environment_prevails(tmp_path: Path) -> None:
    (tmp_path / "custody.toml").write_text(FILE)
    variables = {
        "HOME": "/nonexistent",
        "CUSTODY_GATEWAY": "http://three:8100, http://four:8100",
        "CUSTODY_ORG": "carrier",
        "CUSTODY_KEY": "here.key",
        "CUSTODY_PLACE": "",
    }
    found = load_settings(variables, tmp_path)
    assert found.gateways == ("http://three:8100", "http://four:8100")
    assert (found.organisation, found.key, found.place) == ("carrier", Path("here.key"), "9521200000016")


def test_requests_are_signed_where_the_file_or_the_environment_says_so(tmp_path: Path) -> None:
    (tmp_path / "custody.toml").write_text("sign_requests = true")
    assert load_settings({}, tmp_path).sign_requests
    assert not load_settings({"CUSTODY_SIGN_REQUESTS": "false"}, tmp_path).sign_requests
    with pytest.raises(FormError, match="CUSTODY_SIGN_REQUESTS: expected true or false"):
        load_settings({"CUSTODY_SIGN_REQUESTS": "yes"}, tmp_path)


def test_the_file_is_the_one_named_else_here_else_at_home(tmp_path: Path) -> None:
    home, here, named = tmp_path / "home", tmp_path / "here", tmp_path / "named.toml"
    (home / ".config" / "custody").mkdir(parents=True)
    here.mkdir()
    variables = {"HOME": str(home)}
    assert load_settings(variables, here) == Settings()
    (home / ".config" / "custody" / "custody.toml").write_text('organisation = "home"')
    assert load_settings(variables, here).organisation == "home"
    (here / "custody.toml").write_text('organisation = "here"')
    assert load_settings(variables, here).organisation == "here"
    named.write_text('organisation = "named"')
    assert load_settings(variables | {"CUSTODY_CONFIG": str(named)}, here).organisation == "named"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"organisation =", "expected TOML"),
        (b"\xff", "expected TOML"),
        (b'passphrase = "x"', "got 'passphrase'"),
        (b"organisation = 7", "organisation as text"),
        (b"gateway = [7]", "gateway as text"),
        (b'key = ["a"]', "key as text"),
        (b'sign_requests = "true"', "sign_requests as true or false"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "custody.toml").write_bytes(content)
    with pytest.raises(FormError, match=sentence) as raised:
        load_settings({}, tmp_path)
    assert "custody.toml" in str(raised.value)
    assert raised.value.code is Code.USAGE


def test_a_file_named_and_absent_is_said(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"none\.toml"):
        load_settings({"CUSTODY_CONFIG": str(tmp_path / "none.toml")}, tmp_path)


def test_what_misses_says_the_three_ways_to_give_it() -> None:
    sentence = str(missing("key", "--key"))
    assert all(way in sentence for way in ("--key", "CUSTODY_KEY", "custody.toml"))
