"""Snapshots made while blocks go on: exactly the state of their checkpoint, whole or not there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest
import structlog

from ledger.base import limits
from ledger.base.errors import CustodyError
from ledger.base.keys import Signer
from ledger.chain.certificate import Certificate, make_certificate
from ledger.chain.votes import finalise
from node.init import MadeNetwork
from node.storage.keystore import Keystore
from node.storage.snapshots import MANIFEST, SnapshotReader, SnapshotStore, open_snapshot, parts_of
from node.validator.snapshotting import Snapshotter
from tests.storage.memory_files import MemoryFileSystem
from tests.validator.test_execution import Node, state_of


class SigningNode(Node):
    """An executor whose blocks a quorum signs at once, with real keys."""

    def sign(self, block_hash: bytes, height: int) -> Certificate:
        network = self.made.genesis.network
        claim = finalise(0, height, block_hash, self.executor.state.tip.outcome.hash_in(network))
        message = claim.signing_message(network)
        return make_certificate(
            self.executor.validators, claim, {place: key.sign(message) for place, key in enumerate(self.keys)}
        )

    @property
    def keys(self) -> list[Signer]:
        names = [seat.organisation for seat in self.executor.validators]
        return [Keystore(self.made.folders[name] / "keys").load("validator-0") for name in names]


@pytest.fixture
def node(made: MadeNetwork) -> Iterator[SigningNode]:
    opened = SigningNode.open(made)
    assert isinstance(opened, SigningNode)
    opened.executor.redo()
    yield opened
    opened.close()


def grow(node: SigningNode, snapshotter: Snapshotter | None, numbers: range) -> None:
    """One block a number, each with a new item and an event on one that is there."""
    for number in numbers:
        batch = node.batch(number, 1_000 + number)
        block = node.block(node.executor.state.tip.header, batch)
        node.execute(block, batch)
        certificate = node.sign(block.header.hash, block.header.height)
        outcome = node.executor.state.tip.outcome
        node.executor.commit(block.header.hash, block, outcome, certificate, (batch,))
        if snapshotter is not None:
            snapshotter.finalised(node.executor.checkpoint)


def snapshotter_of(node: SigningNode, files: MemoryFileSystem, every: int = 10) -> Snapshotter:
    return Snapshotter(node.stores, node.executor, SnapshotStore(files), every, structlog.get_logger())


async def done(snapshotter: Snapshotter) -> None:
    while snapshotter.is_busy:  # noqa: ASYNC110 - it has no event to wait for
        await asyncio.sleep(0)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await scenario()

    asyncio.run(whole())


def reader(node: Node, files: MemoryFileSystem, height: int) -> SnapshotReader:
    return open_snapshot(SnapshotStore(files), height, node.made.genesis)


def test_a_snapshot_is_the_state_of_its_checkpoint_though_blocks_go_on(
    node: SigningNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SNAPSHOT_RECORDS_PER_PART", 4)
    files = MemoryFileSystem()

    async def scenario() -> None:
        snapshotter = snapshotter_of(node, files)
        grow(node, snapshotter, range(9))
        is_busy_early = snapshotter.is_busy
        grow(node, snapshotter, range(9, 10))
        assert (is_busy_early, snapshotter.is_busy) == (False, True)
        records = dict(node.executor.tables.records.range())
        remembered = dict(node.executor.state.remembered)
        tip = node.executor.state.tip
        number = 10
        while snapshotter.is_busy:
            await asyncio.sleep(0)
            grow(node, None, range(number, number + 1))
            node.stores.blocks.sync()
            if not node.stores.state.is_flushing:
                node.stores.state.flush(node.stores.blocks.synced_height)
            number += 1
        assert snapshotter.made == 1
        assert number > 12
        found = reader(node, files, 10)
        assert (found.manifest.checkpoint.header, found.manifest.checkpoint.outcome) == tip
        assert len(found.manifest.state) > 1
        assert dict(pair for part in found.records() for pair in part) == records
        registry = found.registry()
        assert registry.root == tip.outcome.registry_root
        assert dict(found.remembered(registry)) == remembered
        assert len(remembered) == 10

    run(scenario)


def test_the_last_two_are_kept_and_are_of_the_same_heights_everywhere(node: SigningNode) -> None:
    files = MemoryFileSystem()

    async def scenario() -> None:
        snapshotter = snapshotter_of(node, files)
        for start in range(0, 45, 5):
            grow(node, snapshotter, range(start, start + 5))
            await done(snapshotter)
        assert SnapshotStore(files).heights == (30, 40)
        assert snapshotter.newest == 40
        again = snapshotter_of(node, files)
        grow(node, again, range(45, 48))
        assert not again.is_busy
        for height in (30, 40):
            assert reader(node, files, height).manifest.height == height

    run(scenario)


def test_a_crash_at_any_point_leaves_whole_snapshots_only(node: SigningNode) -> None:
    files = MemoryFileSystem()

    async def scenario() -> None:
        first = snapshotter_of(node, files)
        grow(node, first, range(10))
        await done(first)
        operations: list[str] = []
        files.fault = lambda operation, _path: operations.append(operation)
        second = snapshotter_of(node, files)
        grow(node, second, range(10, 20))
        await done(second)
        files.fault = lambda _operation, _path: None
        total = len(operations)
        assert second.newest == 20
        height = 20
        for stop in range(0, total, 2):
            left = [stop]
            height += 10

            def fail(_operation: str, _path: str, left: list[int] = left) -> None:
                left[0] -= 1
                if left[0] < 0:
                    raise OSError(5, "power cut")

            broken = snapshotter_of(node, files)
            files.fault = fail
            grow(node, broken, range(height - 10, height))
            await done(broken)
            files.fault = lambda _operation, _path: None
            after = files.crash()
            kept = SnapshotStore(after)
            assert kept.heights
            for whole in kept.heights:
                found = reader(node, after, whole)
                for part in parts_of(found.manifest):
                    kept.read(whole, part)
                list(found.records())
                list(found.window())
            kept.clean(kept.heights)
            names = {name[:19] for name in after.list_folder("snapshots")}
            assert names == {f"{whole:019d}" for whole in kept.heights}

    run(scenario)


def test_every_flipped_byte_of_a_snapshot_file_is_told_by_the_name_of_the_file(node: SigningNode) -> None:
    files = MemoryFileSystem()

    async def scenario() -> None:
        snapshotter = snapshotter_of(node, files, every=2)
        grow(node, snapshotter, range(2))
        await done(snapshotter)

    run(scenario)
    store = SnapshotStore(files)
    manifest = reader(node, files, 2).manifest
    for part in (MANIFEST, *parts_of(manifest)):
        (path,) = [name for name in files.names if name.endswith(part.name)]
        content = files.names[path].content
        for place in range(len(content)):
            content[place] ^= 1 << place % 8
            with pytest.raises(CustodyError, match=path):
                store.read(2, part)
            content[place] ^= 1 << place % 8
        store.read(2, part)
    assert state_of(node)
