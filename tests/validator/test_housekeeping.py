"""What is let go of while a node runs is durable elsewhere by then (STORAGE.md §4)."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from ledger.base.merkle import EMPTY_ROOT
from ledger.chain.block import Block, Header, batches_hash
from node.storage.block_store import BlockStore, StoredBlock
from node.storage.pending_store import PendingStore
from node.validator.housekeeping import BATCH, Housekeeper
from tests.storage.memory_files import MemoryFileSystem

NETWORK = bytes(range(32))
DIGEST = b"d" * 32


def final_block() -> Block:
    digests = (DIGEST,)
    header = Header(1, NETWORK, 0, False, 1, bytes(32), 1, 0, EMPTY_ROOT, batches_hash(NETWORK, digests))
    return Block(header, digests)


def test_batches_are_let_go_of_only_once_their_block_is_durable() -> None:
    """Whenever the power goes, a final block or its batches are there, and with the block the bytes of its events."""
    files = MemoryFileSystem()
    blocks, pending = BlockStore(files, NETWORK), PendingStore(files, NETWORK)
    blocks_when_synced: list[int | None] = []
    payload = SimpleNamespace(
        write_index=lambda: None, sync=lambda: blocks_when_synced.append(blocks.synced_height)
    )
    votes = SimpleNamespace(bytes_since_replaced=0)
    stores = SimpleNamespace(blocks=blocks, pending=pending, payload=payload, votes=votes)

    async def run() -> None:
        housekeeper = Housekeeper(cast("Any", stores), cast("Any", None), cast("Any", None), lambda _: None)
        pending.put(BATCH, DIGEST, b"batch")
        pending.sync()
        blocks.append(StoredBlock(1, b"header", b"outcome", b"", b"body"))
        housekeeper.finalised(final_block())
        housekeeper._make_chain_durable()
        assert (BATCH, DIGEST) not in pending
        assert blocks_when_synced == [None]
        pending.sync()  # of a later turn, before it votes

    asyncio.run(run())
    after = files.crash()
    assert BlockStore(after, NETWORK).last_height == 1 or (BATCH, DIGEST) in PendingStore(after, NETWORK)
