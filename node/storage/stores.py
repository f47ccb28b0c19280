"""Everything a validator keeps, opened and closed in the order that safety asks for (CONSENSUS 23-25; STORAGE.md §1).

The vote log is opened first: whether it may begin anew depends on there being no chain data yet, and the other stores make
some. The state must not be ahead of the block log that it is redone from.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger.base.errors import Code, StorageError
from node.storage.block_store import BlockStore
from node.storage.folder import NodeFolder
from node.storage.journal import Journal
from node.storage.lmdb_backend import LmdbBackend
from node.storage.packing import PackedBackend
from node.storage.payload_store import INDEX_TABLES, PayloadStore
from node.storage.pending_store import PendingStore
from node.storage.state_store import Backend, StateStore
from node.storage.vote_log import VoteLog

PACKED_TABLES: Final = ("records",)
"""Of the state: their values are packed on the disk."""
OpenTables = Callable[[Path, bytes, Iterable[str]], Backend]
"""(folder, network, names of tables) -> the tables."""


@dataclass(frozen=True, slots=True)
class Stores:
    """The stores of one validator."""

    votes: VoteLog
    blocks: BlockStore
    pending: PendingStore
    payload: PayloadStore
    state: StateStore

    def sync_before_sending(self) -> None:
        """Make durable what this turn's messages rest on, the votes last: then the messages may leave."""
        self.payload.sync()
        self.pending.sync()
        self.votes.sync()

    def close(self) -> None:
        """Close all, making durable what is not; the first error is raised after all were tried."""
        with ExitStack() as stack:
            for close in _closers(self):
                stack.callback(close)


def _closers(stores: Stores) -> tuple[Callable[[], None], ...]:
    return (
        stores.state.close,
        stores.votes.close,
        stores.blocks.close,
        stores.pending.close,
        stores.payload.close,
    )


def open_stores(
    folder: NodeFolder,
    tables: Iterable[str],
    *,
    open_tables: OpenTables = LmdbBackend,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> Stores:
    """Open or begin the stores of an opened folder; `tables` are the state's. Raises StorageError."""
    names = tuple(tables)
    files, network = folder.files, folder.network
    with ExitStack() as opened:
        votes = VoteLog(files, network, may_begin=not folder.has_chain_data, random_bytes=random_bytes)
        opened.callback(votes.close)
        blocks = BlockStore(files, network, random_bytes=random_bytes)
        opened.callback(blocks.close)
        pending = PendingStore(files, network, random_bytes=random_bytes)
        opened.callback(pending.close)
        index = open_tables(folder.payload_index, network, INDEX_TABLES)
        payload = PayloadStore(files, index, network, random_bytes=random_bytes)
        opened.callback(payload.close)
        state = open_state(folder, names, open_tables)
        opened.callback(state.close)
        if state.is_half_installed:
            raise StorageError(
                Code.DAMAGED,
                f"expected whole tables in {folder.state}, filling them from a snapshot was interrupted; remove "
                f"{folder.state}, it is rebuilt from the chain, or rejoin the network with an empty folder",
            )
        if state.height is not None and (blocks.last_height is None or state.height > blocks.last_height):
            raise StorageError(
                Code.DAMAGED,
                f"expected the state to be at most at block {blocks.last_height}, where the chain ends, it is at "
                f"{state.height}; remove {folder.state}, it is rebuilt from the chain",
            )
        opened.pop_all()
    return Stores(votes, blocks, pending, payload, state)


def open_state(
    folder: NodeFolder, tables: Iterable[str], open_tables: OpenTables = LmdbBackend
) -> StateStore:
    """Open or begin the state's tables. Raises StorageError."""
    names = tuple(tables)
    backend = open_tables(folder.state, folder.network, names)
    try:
        return StateStore(PackedBackend(backend, PACKED_TABLES), names, Journal(folder.files))
    except BaseException:
        backend.close()
        raise
