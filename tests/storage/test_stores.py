"""A vote is durable only together with what it rests on: its batch and the bytes of its open events (CONSENSUS 23)."""

from __future__ import annotations

import pytest

from ledger.base.errors import StorageError
from node.storage.block_store import BlockStore
from node.storage.payload_store import Payload, PayloadStore
from node.storage.pending_store import PendingStore
from node.storage.state_store import StateStore
from node.storage.stores import Stores
from node.storage.vote_log import VoteLog
from tests.storage.memory_backend import MemoryBackend
from tests.storage.memory_files import MemoryFileSystem

NETWORK = bytes(range(32))
DIGEST, EVENT = b"d" * 32, b"e" * 32


def open_on(files: MemoryFileSystem, *, may_begin: bool) -> Stores:
    return Stores(
        VoteLog(files, NETWORK, may_begin=may_begin),
        BlockStore(files, NETWORK),
        PendingStore(files, NETWORK),
        PayloadStore(files, MemoryBackend(), NETWORK),
        StateStore(MemoryBackend(), ()),
    )


def filled(files: MemoryFileSystem) -> Stores:
    """Stores just before the sync of a turn that votes for a batch with one open event."""
    stores = open_on(files, may_begin=True)
    stores.pending.put(1, DIGEST, b"batch")
    stores.payload.put(Payload(EVENT, b"salt", b"event"))
    stores.votes.append(b"vote")
    return stores


def found_after_a_crash(files: MemoryFileSystem) -> tuple[bool, bool, bool]:
    """Whether the vote, the batch and the event are there when the power is back."""
    again = open_on(files.crash(), may_begin=False)
    return bool(again.votes.records), (1, DIGEST) in again.pending, again.payload.get(EVENT) is not None


def test_what_a_vote_rests_on_is_durable_with_it() -> None:
    files = MemoryFileSystem()
    stores = filled(files)
    assert found_after_a_crash(files) == (False, False, False)
    stores.sync_before_sending()
    assert found_after_a_crash(files) == (True, True, True)


@pytest.mark.parametrize("syncs", range(4))
def test_a_vote_is_durable_only_after_what_it_rests_on(syncs: int) -> None:
    """The power goes after any number of syncs."""
    files = MemoryFileSystem()
    stores = filled(files)
    left = syncs

    def fault(operation: str, path: str) -> None:
        nonlocal left
        if operation == "sync":
            left -= 1
            if left < 0:
                raise OSError(5, "power is going")

    files.fault = fault
    try:
        stores.sync_before_sending()
    except StorageError:
        assert syncs < 3
    vote, batch, event = found_after_a_crash(files)
    assert (batch and event) or not vote
    assert vote is (syncs == 3)
