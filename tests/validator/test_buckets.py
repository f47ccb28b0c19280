"""The state tree of a node: read back from the hashes of its buckets, and from the records only where it is asked."""

from __future__ import annotations

import pytest

from ledger.base.errors import Code, StorageError
from node.init import MadeNetwork
from node.storage.lmdb_backend import LmdbBackend
from node.validator import tables
from node.validator.buckets import bucket_rows
from tests.validator.test_execution import Node


def grow(node: Node, *numbers: int) -> None:
    batch = node.batch(*numbers)
    node.commit(node.block(node.executor.state.tip.header, batch), batch)
    node.stores.blocks.sync()


def flush(node: Node) -> None:
    assert node.stores.state.flush(node.stores.blocks.synced_height)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tables that ranges were read of, in order."""
    found: list[str] = []
    read_range = LmdbBackend.read_range

    def noting(
        self: LmdbBackend, table: str, start: bytes, end: bytes | None, limit: int, *, reverse: bool
    ) -> list[tuple[bytes, bytes]]:
        found.append(table)
        return read_range(self, table, start, end, limit, reverse=reverse)

    monkeypatch.setattr(LmdbBackend, "read_range", noting)
    return found


def test_a_start_reads_the_hashes_of_buckets_and_no_record(
    node: Node, made: MadeNetwork, reads: list[str]
) -> None:
    grow(node, *range(50))
    grow(node, *range(50, 80))
    flush(node)
    root = node.executor.state.tree.root
    node.close()
    reads.clear()
    again = Node.open(made)
    try:
        assert (again.executor.state.tree.root, "records" in reads) == (root, False)
        stored = again.executor.tables
        assert list(stored.buckets.range()) == list(bucket_rows(stored.network, 8, stored.records.range()))
        again.executor.redo()
        grow(again, *range(70, 100))
        assert "records" in reads
    finally:
        again.close()


def test_undone_blocks_leave_what_buckets_are_read_from(node: Node) -> None:
    """Blocks undone above records that are on disk, in the overlay, and in a block that is not final."""
    grow(node, *range(40))
    flush(node)
    grow(node, *range(40, 60))
    state = node.executor.state
    root, header = state.tree.root, state.tip.header
    first, second = node.batch(*range(60, 90)), node.batch(*range(30, 50), is_first=False)
    one = node.block(header, first)
    node.execute(one, first)
    node.execute(node.block(one.header, second), second)
    other = node.batch(*range(100, 120))
    node.execute(node.block(header, other), other)
    changed = state.tree.root
    node.executor.execute(b"", node.block(header), ())
    assert state.tree.root == root != changed
    rows = list(bucket_rows(node.executor.network, 8, node.executor.tables.records.range()))
    assert list(node.executor.tables.buckets.range()) == rows


def test_a_record_that_differs_is_refused_when_its_bucket_is_read(node: Node, made: MadeNetwork) -> None:
    grow(node, *range(30))
    flush(node)
    key, data = next(node.executor.tables.records.range())
    height = node.stores.state.height
    node.close()
    backend = LmdbBackend(node.folder.state, made.genesis.network, tables.TABLES)
    backend.begin()
    backend.stage("records", [(key, data[:-1] + bytes([data[-1] ^ 1]))])
    backend.write(height or 0)
    backend.settle()
    backend.close()
    again = Node.open(made)
    try:
        with pytest.raises(StorageError) as refused:
            again.executor.state.tree.get(key)
        assert refused.value.code == Code.DAMAGED
    finally:
        again.close()


def test_tables_of_another_layout_are_refused(
    node: Node, made: MadeNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    grow(node, 1)
    flush(node)
    node.close()
    monkeypatch.setattr(tables, "LAYOUT", b"\x09")
    with pytest.raises(StorageError) as refused:
        Node.open(made)
    assert refused.value.code == Code.UNSUPPORTED_VERSION
    assert "layout 09" in refused.value.message
