"""What the EPCIS interface stands on: its store, its tokens, its place in the gateway."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.base.errors import Code, StorageError, UnavailableError
from ledger.base.keyfile import Cost
from ledger.base.keys import SigningKey
from node.gateway.epcis.access import tokens_in
from node.gateway.epcis.store import LocalStore
from node.gateway.run import capture_key, make_server
from node.storage.keystore import Keystore
from tests.gateway.epcis.epcis_stage import CAPTURER, READER, EpcisStage, play_epcis

SCHEMA = "CREATE TABLE IF NOT EXISTS notes (text TEXT NOT NULL UNIQUE) STRICT"


def noting(text: str, *, fails: bool = False) -> Callable[[sqlite3.Connection], None]:
    def work(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO notes VALUES (?)", (text,))
        if fails:
            raise LookupError(text)

    return work


def notes(connection: sqlite3.Connection) -> list[str]:
    return [text for (text,) in connection.execute("SELECT text FROM notes ORDER BY rowid")]


def test_what_the_store_answered_is_there_after_a_restart_and_what_it_raised_is_not(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"

    async def act() -> None:
        store = LocalStore(path, [SCHEMA])
        await store.open()
        await store.run(noting("one"))
        with pytest.raises(LookupError):
            await store.run(noting("two", fails=True))
        await store.run(noting("three"))
        await store.close()
        again = LocalStore(path, [SCHEMA])
        await again.open()
        assert await again.run(notes) == ["one", "three"]
        with pytest.raises(StorageError, match=r"gateway\.db"):
            await again.run(noting("one"))
        await again.close()

    asyncio.run(act())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_store_of_a_later_version_or_of_other_bytes_is_refused(tmp_path: Path) -> None:
    later, other = tmp_path / "later.db", tmp_path / "other.db"
    with sqlite3.connect(later) as connection:
        connection.execute("PRAGMA user_version = 9")
    connection.close()
    other.write_bytes(b"no database" * 100)

    async def code_of(path: Path) -> Code:
        store = LocalStore(path, [SCHEMA])
        try:
            with pytest.raises(StorageError) as caught:
                await store.open()
        finally:
            await store.close()
        return caught.value.code

    assert asyncio.run(code_of(later)) == Code.FOREIGN_DATA
    assert asyncio.run(code_of(other)) == Code.DAMAGED


def test_tokens_are_made_named_and_refused_when_others_may_read_them(tmp_path: Path) -> None:
    tokens_in(tmp_path)
    first = (tmp_path / "capture.token").read_text().strip()
    assert stat.S_IMODE((tmp_path / "capture.token").stat().st_mode) == 0o600
    more = tmp_path / "capture-warehouse.token"
    more.write_text("w" * 40)
    more.chmod(0o600)
    tokens = tokens_in(tmp_path)
    assert list(tokens) == ["capture", "warehouse"]
    assert tokens["capture"].is_borne_by(f"Bearer {first}")
    assert tokens["warehouse"].is_borne_by(f"Bearer {'w' * 40}")
    more.chmod(0o640)
    with pytest.raises(StorageError, match="0640"):
        tokens_in(tmp_path)


def test_the_top_asks_for_a_token_and_says_what_there_is(tmp_path: Path) -> None:
    async def act(stage: EpcisStage) -> None:
        for headers in (CAPTURER, READER):
            answer = await stage.http.get("/", headers=headers)
            assert answer.status_code == 200
            assert {"capture", "events", "queries"} <= set(answer.json()["member"])
        assert (await stage.http.options("/")).status_code == 204
        assert (await stage.http.get("/", headers={"Authorization": "Bearer x"})).status_code == 401

    play_epcis(tmp_path, act)


def test_without_a_capture_key_nothing_is_signed(tmp_path: Path) -> None:
    async def act(stage: EpcisStage) -> None:
        with pytest.raises(UnavailableError, match="capture key"):
            stage.epcis.signing_key()

    play_epcis(tmp_path, act, has_key=False)


def test_a_server_that_stops_ends_what_waits_for_finality(tmp_path: Path) -> None:
    async def act(stage: EpcisStage) -> None:
        server = make_server(stage.epcis.gateway, stage.epcis)
        server.servers = []  # as if it listened

        async def wait() -> None:
            async with stage.epcis.gateway.finality():
                await server.shutdown()
                await asyncio.Event().wait()

        with pytest.raises(TimeoutError):
            await wait()

    play_epcis(tmp_path, act)


def test_a_sealed_capture_key_is_opened_by_its_passphrase_or_left(tmp_path: Path) -> None:
    key = SigningKey.from_seed(bytes(32))
    Keystore(tmp_path).save("capture", key, "capture", b"open it", cost=Cost(1, 8))
    opened = capture_key(tmp_path, b"open it")
    assert opened is not None
    assert opened.public_key == key.public_key
    assert capture_key(tmp_path, None) is None
    assert capture_key(tmp_path, b"another") is None
    Keystore(tmp_path / "other").save("capture", key, "sign", None)
    assert capture_key(tmp_path / "other", None) is None, "a key for something else signs no capture"
    assert capture_key(tmp_path / "empty", None) is None


def test_a_halted_index_is_not_ready_and_says_why(tmp_path: Path) -> None:
    async def act(stage: EpcisStage) -> None:
        address = stage.http.base_url.join("/readyz")
        assert (await stage.http.get(address)).status_code == 200
        stage.epcis.follower.halted = StorageError(Code.DIVERGED, "expected the index to follow this chain")
        answer = await stage.http.get(address)
        assert answer.status_code == 503
        assert "index to follow this chain" in answer.json()["detail"]

    play_epcis(tmp_path, act)
