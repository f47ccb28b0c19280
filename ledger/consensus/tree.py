"""Blocks above the last committed one, linked by hash (CONSENSUS 10-12, 17, 18).

The root is the last committed block. Everything here is bounded: a commit drops what it leaves behind, and views (which
bring blocks) are bounded by the rules for accepting them.
"""

from __future__ import annotations

from collections.abc import Iterator

from ledger.chain.block import Block, Outcome


class Node:
    """One block: who its parent is, whether the vote log has it, and what executing it gave."""

    __slots__ = ("block", "hash", "height", "logged", "outcome", "outcome_hash", "parent")

    def __init__(self, block_hash: bytes, block: Block) -> None:
        self.hash = block_hash
        self.block = block
        self.height = block.header.height
        self.parent = block.header.parent
        self.logged = False
        self.outcome: Outcome | None = None
        self.outcome_hash: bytes | None = None

    @property
    def is_executed(self) -> bool:
        """Whether its outcome is known."""
        return self.outcome_hash is not None


class Tree:
    """The blocks known above, and including, the last committed one."""

    def __init__(self, root: Block, outcome_hash: bytes) -> None:
        self.root = Node(root.header.hash, root)
        self.root.outcome_hash = outcome_hash
        self._nodes = {self.root.hash: self.root}
        self._executed = self.root
        """The highest block that stands."""

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes.values())

    def get(self, block_hash: bytes) -> Node | None:
        """The node of a block, if the block is known."""
        return self._nodes.get(block_hash)

    def add(self, block_hash: bytes, block: Block) -> Node:
        """The node of `block`, made if it is new. Blocks at or below the root are not kept."""
        node = self._nodes.get(block_hash)
        if node is None:
            node = Node(block_hash, block)
            if node.height > self.root.height:
                self._nodes[block_hash] = node
        return node

    def path(self, block_hash: bytes) -> tuple[list[Node], bytes | None]:
        """The nodes above the root down to `block_hash`, lowest first, and the hash of the first unknown block, if any.

        A path that misses the root (a dead fork) reports its lowest block's parent as unknown.
        """
        nodes: list[Node] = []
        while block_hash != self.root.hash:
            node = self._nodes.get(block_hash)
            if node is None:
                return nodes[::-1], block_hash
            nodes.append(node)
            block_hash = node.parent
        return nodes[::-1], None

    def stand(self, node: Node) -> None:
        """A block was executed on its parent: both stand, and everything beside was undone for it."""
        self._executed = node

    def standing(self) -> list[Node]:
        """The nodes above the root that were executed and not undone for another branch, as far as the machine was told."""
        return self.path(self._executed.hash)[0]

    def commit(self, node: Node) -> None:
        """Make `node` the root and drop every block that no longer can be above it.

        Where it had been undone it is executed again by its commit, and nothing else stands any more.
        """
        if node not in self.standing():
            self._executed = node
        self.root = node
        dropped: set[bytes] = set()
        for block_hash, other in sorted(self._nodes.items(), key=lambda item: item[1].height):
            if other is not node and (other.height <= node.height or other.parent in dropped):
                dropped.add(block_hash)
                del self._nodes[block_hash]
