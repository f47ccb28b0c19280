"""The reader's token: where it is kept, and who bears it."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest
from starlette.requests import HTTPConnection

from ledger.base.errors import Code, CustodyError, StorageError
from node.gateway.access import TOKEN_FILE, ReaderToken, is_loopback, make_token, read_token
from node.gateway.callers import Callers


def test_a_token_is_made_once_for_the_owner_only(tmp_path: Path) -> None:
    path = tmp_path / TOKEN_FILE
    make_token(path)
    text = path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    make_token(path)
    assert path.read_text() == text
    assert read_token(path).is_borne_by(f"Bearer {text.strip()}")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o777])
def test_a_token_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / TOKEN_FILE
    make_token(path)
    path.chmod(mode)
    with pytest.raises(StorageError, match="0600"):
        read_token(path)


@pytest.mark.parametrize("content", [b"", b"short\n", b"x" * 600, b"spaces " * 8, b"\xff" * 40])
def test_what_is_no_token_is_refused_without_showing_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / TOKEN_FILE
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(StorageError) as caught:
        read_token(path)
    assert caught.value.code == Code.USAGE
    assert "spaces" not in caught.value.message


def test_a_missing_token_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=TOKEN_FILE):
        read_token(tmp_path / TOKEN_FILE)


def test_neither_its_text_nor_its_errors_show_the_token() -> None:
    token = ReaderToken("s" * 40)
    connection = HTTPConnection(
        {"type": "http", "headers": [(b"authorization", b"Bearer " + b"u" * 40)], "client": ("192.0.2.1", 1)}
    )
    with pytest.raises(CustodyError) as caught:
        asyncio.run(Callers(token).caller(connection))
    assert "u" * 40 not in str(caught.value)
    assert "s" * 40 not in repr(token) + str(vars(type(token)))


@pytest.mark.parametrize(
    ("header", "is_borne"),
    [
        ("Bearer " + "s" * 40, True),
        ("bearer " + "s" * 40, True),
        ("Bearer  " + "s" * 40 + " ", True),
        ("Bearer " + "s" * 39, False),
        ("Basic " + "s" * 40, False),
        ("s" * 40, False),
        ("Bearer \udcff", False),
        (None, False),
    ],
)
def test_who_bears_it(header: str | None, is_borne: bool) -> None:
    assert ReaderToken("s" * 40).is_borne_by(header) is is_borne


@pytest.mark.parametrize(
    ("host", "is_near"),
    [
        (None, True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("::ffff:127.0.0.1", True),
        ("::ffff:192.0.2.1", False), ("192.0.2.1", False), ("localhost", False), ("", False),
    ],
)  # fmt: skip
def test_who_is_on_this_machine(host: str | None, is_near: bool) -> None:
    assert is_loopback(host) is is_near
