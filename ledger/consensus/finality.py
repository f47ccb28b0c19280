"""From the last committed block to the final one and the notarised tip: what to execute, what to commit, what is missing.

(CONSENSUS 16, 17, 28.) A finalisation may be known before its block is, and several blocks before they are executed; a
validator that is far behind links ranges of committed blocks to its chain by hash and by certificate. Blocks are
committed up to the lowest directly certified one, once the outcome computed here is the certified one.
"""

from __future__ import annotations

from ledger.base.limits import BLOCKS_PER_RANGE
from ledger.chain.block import Block
from ledger.chain.certificate import Certificate
from ledger.consensus.tree import Node, Tree
from ledger.consensus.views import View, Views


class Finality:
    """The certified part of the tree above its root."""

    def __init__(self, tree: Tree, views: Views) -> None:
        self._tree = tree
        self._views = views
        self._certified: dict[bytes, Certificate] = {}
        self._linked_hash = tree.root.hash

    def certify(self, block_hash: bytes, certificate: Certificate) -> None:
        """Remember the finalisation of a block that is not committed yet."""
        if block_hash != self._tree.root.hash:
            self._certified[block_hash] = certificate

    def height(self) -> int:
        """The height of the newest block known to be final."""
        certificate = self._views.final_certificate
        block_hash = None if certificate is None else certificate.claim.block
        node = None if block_hash is None else self._tree.get(block_hash)
        return self._tree.root.height if node is None else max(self._tree.root.height, node.height)

    def highest_notarised(self) -> tuple[View, Node] | None:
        """The highest view that notarised a block known here, and that block."""
        highest: tuple[View, Node] | None = None
        for view in self._views:
            if highest is not None and view.number < highest[0].number:
                continue
            block_hash = view.certified_block()
            node = None if block_hash is None else self._tree.get(block_hash)
            if node is not None:
                highest = view, node
        return highest

    def is_tip_unfinal(self) -> bool:
        """Whether the highest notarised block known is above the final one."""
        highest = self.highest_notarised()
        return highest is not None and highest[1].height > self.height()

    def is_closed(self, epoch: int) -> bool:
        """Whether the final block is known to be the last of `epoch`: what is left is to execute it."""
        certificate = self._views.final_certificate
        block_hash = None if certificate is None else certificate.claim.block
        node = None if block_hash is None else self._tree.get(block_hash)
        return node is not None and node.block.header.closes_epoch and node.block.header.epoch == epoch

    # ---- executing and committing

    def waiting(self) -> list[Node]:
        """The blocks to execute on the way to the final block, else to the highest notarised one, lowest first.

        Those executed before and undone for another branch are among them as long as a block above is to be executed.
        """
        waiting = self._to_execute(self._final_path())
        highest = self.highest_notarised()
        if waiting or highest is None:
            return waiting
        path, missing = self._tree.path(highest[1].hash)
        return [] if missing is not None else self._to_execute(path)

    def _to_execute(self, path: list[Node]) -> list[Node]:
        if all(node.is_executed for node in path):
            return []
        standing = set(self._tree.standing())
        return [node for node in path if node not in standing]

    def committable(self) -> tuple[list[Node], Certificate] | None:
        """The executed blocks up to the lowest directly certified one, and its finalisation."""
        path = self._final_path()
        for place, node in enumerate(path):
            if not node.is_executed:
                return None
            certificate = self._certified.get(node.hash)
            if certificate is not None:
                return path[: place + 1], certificate
        return None

    def commit(self, node: Node) -> None:
        """Make `node` the root."""
        self._tree.commit(node)
        self._certified = {block: held for block, held in self._certified.items() if self._tree.get(block)}
        self._certified.pop(node.hash, None)

    def is_settled(self, digest: bytes) -> bool:
        """Whether one of the final blocks above the root has this batch."""
        return any(digest in node.block.batches for node in self._final_path())

    def _final_path(self) -> list[Node]:
        """The final blocks above the root: all of them, or those that ranges linked so far."""
        final = self._views.final_certificate
        if final is None or final.claim.block is None:
            return []
        path, missing = self._tree.path(final.claim.block)
        return path if missing is None else self._tree.path(self.linked().hash)[0]

    # ---- catching up

    def linked(self) -> Node:
        """The block up to which ranges linked the final chain to the root."""
        node = self._tree.get(self._linked_hash)
        return self._tree.root if node is None else node

    def range_from(self) -> int | None:
        """From which height on committed blocks are missing; None if none are, or enough wait to be executed."""
        final = self._views.final_certificate
        if final is None or final.claim.block is None:
            return None
        _, missing = self._tree.path(final.claim.block)
        linked = self.linked().height
        if missing is None or linked - self._tree.root.height > BLOCKS_PER_RANGE:
            return None
        return linked + 1

    def link(self, blocks: list[Block]) -> None:
        """Take over consecutive blocks on top of the linked one; the last is certified."""
        for block in blocks:
            self._linked_hash = block.header.hash
            self._tree.add(self._linked_hash, block)

    def is_forked(self) -> bool:
        """Whether the final block stands on another block than the root at the root's height."""
        final = self._views.final_certificate
        if final is None or final.claim.block is None:
            return False
        path, missing = self._tree.path(final.claim.block)
        return bool(path) and missing == path[0].parent and path[0].height <= self._tree.root.height + 1
