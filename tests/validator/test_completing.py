"""What a node does that joined and has not got its whole past yet: it waits rather than execute with less."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import structlog

from ledger.base.encoding import decode, encode
from ledger.base.keys import SigningKey
from ledger.chain.batch import Batch
from ledger.chain.transaction import Kind, sign_transaction, transaction_from_wire
from node.storage.snapshots import SnapshotStore
from node.validator.completing import Completer
from node.validator.erasing import Eraser
from node.validator.past import Progress, read_progress, write_progress
from node.validator.peers import Peers
from tests.storage.memory_files import MemoryFileSystem
from tests.validator.test_snapshotting import SigningNode, grow, node

__all__ = ["node"]


def completer_of(opened: SigningNode) -> Completer:
    peers = Peers(structlog.get_logger(), tuple, lambda _peer, _data: True, lambda _p, _r: None, bytes.hex)
    return Completer(
        opened.made.genesis,
        opened.executor,
        opened.stores,
        SnapshotStore(MemoryFileSystem()),
        peers,
        structlog.get_logger(),
        lambda: None,
        Eraser(opened.executor, opened.stores.payload, structlog.get_logger()),
    )


def mismatch(opened: SigningNode, sequence: int) -> Batch:
    """A batch with one transaction that reads the item at that place of the event log."""
    network = opened.made.genesis.network
    row = opened.executor.tables.whole_row(0, opened.executor.tables.final)
    item = (row or (None, None))[1]
    raw = decode(encode(((item, sequence, bytes(16), None, b"{}"),)), max_bytes=100_000)
    key = SigningKey.from_seed(bytes(32))
    signed = sign_transaction(key, network, "maker", raw, nonce=bytes(16), expiry_ms=1, kind=Kind.MISMATCH)
    wire = decode(signed.to_bytes(), max_bytes=100_000)
    return Batch(bytes(32), b"", (transaction_from_wire(wire, network),))


def test_a_block_that_reads_an_item_that_has_not_come_waits_for_it(node: SigningNode) -> None:
    async def scenario() -> None:
        grow(node, None, range(4))
        tables = node.executor.tables
        row = tables.rows.get(1, tables.final)
        assert row is not None
        tables.rows.fill([(1, b"")])
        batch = mismatch(node, 1)
        assert not completer_of(node).lacks([batch]), "nothing is missing where nothing was joined"
        write_progress(tables, Progress(4, 0, 0))
        waiting = completer_of(node)
        assert waiting.progress == Progress(4, 0, 0)
        assert waiting.lacks([batch])
        assert not waiting.lacks([mismatch(node, 2)]), "that item is here"
        assert not waiting.lacks([mismatch(node, 10**9)]), "there never was such an item: it is refused"
        tables.rows.fill([(1, row)])
        assert not waiting.lacks([batch])

    asyncio.run(scenario())


def test_how_far_it_is_survives_with_what_was_filled_in(node: SigningNode) -> None:
    grow(node, None, range(2))
    tables = node.executor.tables
    before = (read_progress(tables), tables.lacks_history)
    write_progress(tables, Progress(2, 7, 3))
    assert (before, read_progress(tables), tables.lacks_history) == ((None, False), Progress(2, 7, 3), True)
    node.stores.blocks.sync()
    node.stores.state.flush(node.stores.blocks.synced_height)
    assert node.stores.state.durable_height == 2
    write_progress(tables, None)
    assert node.stores.state.flush(node.stores.blocks.synced_height), "written though no block came"
    assert read_progress(tables) is None


@pytest.mark.parametrize("sequence", ["text", -1, True, None])
def test_a_place_of_another_shape_reads_nothing(node: SigningNode, sequence: Any) -> None:
    async def scenario() -> None:
        grow(node, None, range(2))
        write_progress(node.executor.tables, Progress(2, 0, 0))
        assert not completer_of(node).lacks([mismatch(node, sequence)])

    asyncio.run(scenario())
