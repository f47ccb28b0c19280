"""The chain in an organisation's own folder, for `custody audit --folder` (PROTOCOL.md §10, STORAGE.md §9).

Read as it stands, beside a running node or without one: no lock is taken and nothing is changed. `state/` is left out: it
cannot be read safely while a node writes it, and the node compares it with the chain at every start. Registered through the
entry-point group `custody.sources`, since neither the client nor the node knows the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ledger.base.errors import Code, UnavailableError
from ledger.chain.genesis import Genesis
from ledger.state.audit_source import Base, ShownEvent, SuppliedBlock
from ledger.state.state import Tip
from node.config import load_config, load_genesis
from node.storage.block_store import BlockStore
from node.storage.folder import NodeFolder
from node.storage.frozen import FrozenFileSystem
from node.storage.payload_store import PayloadStore
from node.storage.snapshots import FOLDER as SNAPSHOTS
from node.storage.snapshots import SnapshotStore, open_snapshot
from node.validator.execution import batches_of, block_of, certificate_of, outcome_of


class NoTables:
    """Durable tables that hold nothing and take nothing: an index over a log is then made in memory, at opening."""

    height: int | None = None

    def get(self, table: str, key: bytes) -> bytes | None:
        """Nothing is stored."""

    def read_range(
        self, table: str, start: bytes, end: bytes | None, limit: int, *, reverse: bool
    ) -> list[tuple[bytes, bytes]]:
        """Nothing is stored."""
        del table, start, end, limit, reverse
        return []

    def begin(self) -> None:
        """Nothing is written."""

    def stage(self, table: str, changes: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Nothing is written."""

    def write(self, height: int) -> None:
        """Nothing is written."""

    def settle(self) -> None:
        """Nothing is written."""

    def abandon(self) -> None:
        """Nothing is written."""

    def close(self) -> None:
        """Nothing is open."""


class FolderSource:
    """The final blocks and the bytes of events in a node's folder: a `ledger.state.audit.Source`."""

    def __init__(self, path: Path) -> None:
        """Raises FormError for settings or genesis that do not hold, StorageError for damage met at opening."""
        self.name = str(path)
        self.genesis: Genesis = load_genesis(load_config(path))
        network = NodeFolder.open(path, self.genesis.network, lock=False).network
        files = FrozenFileSystem(path)
        self._blocks = BlockStore(files, network)
        self._payload = PayloadStore(files, NoTables(), network)
        self._files = files
        self.last = self._blocks.last_height or 0

    @property
    def events(self) -> FolderSource:
        """The bytes of events are here too."""
        return self

    def base(self) -> Base | None:
        """The oldest snapshot above which all blocks are here with their bodies; None where they are from 1 on.

        Raises UnavailableError history_incomplete if there is none, ProofError for a part that its checkpoint does not prove.
        """
        first = self._blocks.first_height or 1
        if first == 1:
            return None
        heights = SnapshotStore(self._files).heights if self._files.exists(SNAPSHOTS) else ()
        height = next((height for height in heights if first - 1 <= height <= self.last), None)
        if height is None:
            raise UnavailableError(
                Code.HISTORY_INCOMPLETE,
                f"expected every block from 1 on in {self.name}, or from a snapshot on; bodies below {first} are not kept "
                "here. Audit a node that keeps them all, as custody audit --gateway URL",
            )
        reader = open_snapshot(SnapshotStore(self._files), height, self.genesis)
        registry = reader.registry()
        header, outcome, _ = reader.manifest.checkpoint
        return Base(
            Tip(header, outcome),
            registry,
            tuple(reader.sets),
            (pair for part in reader.records() for pair in part),
            reader.manifest.peaks,
            dict(reader.remembered(registry)),
        )

    def block(self, height: int) -> SuppliedBlock:
        """A block as it is stored; StorageError damaged, FormError for bytes that are no block."""
        stored = self._blocks.get(height)
        block, outcome = block_of(stored), outcome_of(stored)
        return SuppliedBlock(block.header, outcome, certificate_of(stored), batches_of(stored), None)

    def find(self, event: bytes) -> ShownEvent | None:
        """The bytes of an event, open or not: the folder is its owner's."""
        found = self._payload.get(event)
        if found is None:
            return None
        context = None if found.context_hash is None else self._payload.get_context(found.context_hash)
        return ShownEvent(found.salt, context, found.event)

    def is_erased(self, event: bytes) -> bool:
        """Whether it was erased here."""
        return self._payload.is_erased(event)

    def close(self) -> None:
        """Let go of the files. The stores are not closed: that would write."""
