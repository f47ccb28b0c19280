from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pytest

from ledger.base.errors import Code, StorageError
from node.storage.block_store import StoredBlock
from node.storage.filesystem import RealFileSystem, read_whole, write_atomically
from node.storage.folder import NodeFolder
from node.storage.payload_store import Payload
from node.storage.stores import open_stores
from tests.storage.memory_files import MemoryFileSystem

NETWORK = bytes(range(32))
OTHER = bytes(32)
TABLES = ("records",)


def test_a_folder_is_made_once_and_opened(tmp_path: Path) -> None:
    path = tmp_path / "maker"
    NodeFolder.create(path, NETWORK)
    NodeFolder.create(path, NETWORK)
    folder = NodeFolder.open(path, NETWORK)
    assert sorted(entry.name for entry in path.iterdir()) == [
        "chain", "index", "keys", "network.id", "payload", "reads", "run", "state", "votes",
    ]  # fmt: skip
    assert all(entry.stat().st_mode & 0o077 == 0 for entry in path.iterdir())
    assert folder.network == NETWORK
    assert not folder.has_chain_data
    folder.close()


def test_a_folder_of_another_network_names_both(tmp_path: Path) -> None:
    NodeFolder.create(tmp_path / "maker", NETWORK)
    for call in (NodeFolder.create, NodeFolder.open):
        with pytest.raises(StorageError) as caught:
            call(tmp_path / "maker", OTHER)
        assert caught.value.code is Code.FOREIGN_DATA
        assert NETWORK.hex() in caught.value.message
        assert OTHER.hex() in caught.value.message


def test_a_second_user_is_told_the_folder(tmp_path: Path) -> None:
    NodeFolder.create(tmp_path, NETWORK)
    folder = NodeFolder.open(tmp_path)
    with pytest.raises(StorageError) as caught:
        NodeFolder.open(tmp_path)
    assert caught.value.code is Code.LOCKED
    assert str(tmp_path) in caught.value.message
    NodeFolder.open(tmp_path, lock=False).close()
    folder.close()
    NodeFolder.open(tmp_path).close()


def test_no_folder_and_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="make one"):
        NodeFolder.open(tmp_path)
    (tmp_path / "network.id").write_text("not hexadecimal")
    with pytest.raises(StorageError) as caught:
        NodeFolder.open(tmp_path)
    assert caught.value.code is Code.DAMAGED


def fill(path: Path) -> None:
    NodeFolder.create(path, NETWORK)
    folder = NodeFolder.open(path)
    stores = open_stores(folder, TABLES)
    stores.payload.put(Payload(bytes(32), b"salt", b"event"))
    stores.pending.put(1, bytes(32), b"batch")
    stores.votes.append(b"vote")
    stores.sync_before_sending()
    stores.blocks.append(StoredBlock(1, b"header", b"outcome", b"", b"body"))
    stores.blocks.sync()
    stores.state.begin()
    stores.state.table("records").put(b"key", b"record")
    stores.state.commit(1)
    stores.state.flush(stores.blocks.synced_height)
    stores.close()
    folder.close()


def test_all_stores_together(tmp_path: Path) -> None:
    fill(tmp_path)
    folder = NodeFolder.open(tmp_path, NETWORK)
    assert folder.has_chain_data
    stores = open_stores(folder, TABLES)
    assert stores.votes.records == (b"vote",)
    assert stores.blocks.get(1).body == b"body"
    assert stores.pending.get(1, bytes(32)) == b"batch"
    assert stores.payload.get(bytes(32)) == Payload(bytes(32), b"salt", b"event")
    assert stores.state.height == 1
    assert stores.state.table("records").get(b"key") == b"record"
    stores.close()
    folder.close()


def test_chain_data_whose_votes_are_gone_never_starts(tmp_path: Path) -> None:
    fill(tmp_path)
    for entry in (tmp_path / "votes").iterdir():
        entry.unlink()
    folder = NodeFolder.open(tmp_path)
    with pytest.raises(StorageError, match="new key"):
        open_stores(folder, TABLES)
    folder.close()


def test_a_state_ahead_of_the_chain_is_refused(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "chain" / "blocks-00000000.seg").unlink()
    folder = NodeFolder.open(tmp_path)
    with pytest.raises(StorageError, match="rebuilt from the chain"):
        open_stores(folder, TABLES)
    folder.close()


def test_paths_never_leave_the_root(tmp_path: Path) -> None:
    files = RealFileSystem(tmp_path)
    for path in ("../x", "/etc/passwd", "a//b", "a/./b", "a/../../b"):
        with pytest.raises(ValueError, match="plain relative path"):
            files.open(path)


def test_whoever_cannot_be_locked_out_is_named(tmp_path: Path) -> None:
    """A folder that is a file, a keys folder that cannot be made, a network file that is too long."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        NodeFolder.create(tmp_path / "file" / "node", NETWORK)
    (tmp_path / "network.id").write_text("00" * 200)
    with pytest.raises(StorageError, match="at most"):
        NodeFolder.open(tmp_path)


def test_a_small_file_is_put_in_place_whole_or_not_at_all() -> None:
    for seed in range(60):
        draw = random.Random(seed)
        files = MemoryFileSystem()
        write_atomically(files, "name", b"before" * 200)
        left = draw.randrange(5)

        def fault(operation: str, path: str) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise OSError(28, "no")

        files.fault = fault
        with contextlib.suppress(StorageError):
            write_atomically(files, "name", b"after" * 200)
        after = files.crash(draw.randrange)
        assert read_whole(after, "name", most=2000) in (b"before" * 200, b"after" * 200)
        write_atomically(after, "name", b"again")
        assert read_whole(after.crash(), "name", most=10) == b"again"


def test_reading_a_file_that_is_not_there() -> None:
    with pytest.raises(StorageError) as caught:
        read_whole(MemoryFileSystem(), "name", most=10)
    assert caught.value.code is Code.DAMAGED
