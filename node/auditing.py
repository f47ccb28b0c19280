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
from ledger.state.audit import ShownEvent, SuppliedBlock
from node.config import load_config, load_genesis
from node.storage.block_store import BlockStore
from node.storage.folder import NodeFolder
from node.storage.frozen import FrozenFileSystem
from node.storage.payload_store import PayloadStore
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
        self.last = self._blocks.last_height or 0
        first = self._blocks.first_height
        if first is not None and first > 1:
            raise UnavailableError(
                Code.HISTORY_INCOMPLETE,
                f"expected every block from 1 on in {path}, bodies below {first} are not kept here; audit a node that keeps "
                "them all, as custody audit --gateway URL",
            )

    @property
    def events(self) -> FolderSource:
        """The bytes of events are here too."""
        return self

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
