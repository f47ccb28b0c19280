"""What clients saw, and what the nodes say afterwards: the two sides that `checker` holds against each other.

Times are of one monotonic clock in nanoseconds: all clients are in this process, so `returned < called` is real-time order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Receipt(NamedTuple):
    """What a client is told, and a block says, of a transaction's only item."""

    refusal: str | None
    entry: str | None
    outcomes: tuple[int, ...]


class Acknowledgement(NamedTuple):
    """The promise: final, at that height, with that receipt."""

    height: int
    receipt: Receipt


@dataclass(slots=True)
class Write:
    """One submission about one subject. Without an acknowledgement it may have happened, now or later, or never."""

    transaction: str
    subject: str
    called: int
    returned: int | None = None
    acknowledgement: Acknowledgement | None = None


class Read(NamedTuple):
    """An answer about a subject that its reader took: as of which block, how many links, and the last of them."""

    subject: str
    node: str
    called: int
    returned: int
    height: int
    length: int
    head: str


class Placed(NamedTuple):
    """A transaction as it stands in a block."""

    transaction: str
    receipt: Receipt


class BlockSeen(NamedTuple):
    """A final block as one node tells of it."""

    hash: str
    outcome: str
    placed: tuple[Placed, ...]


class Standing(NamedTuple):
    """A subject at the end: the length of its chain and its head."""

    length: int
    head: str


@dataclass(slots=True)
class NodeView:
    """All that one node says at the end: blocks from height 1, and every subject's standing."""

    blocks: Sequence[BlockSeen]
    standings: dict[str, Standing]


@dataclass(slots=True)
class History:
    """What all clients of a run saw."""

    writes: list[Write] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    behind: int = 0
    """Answers as of a block below one that their reader knew of: allowed to a node, said by its height, not taken."""
    unreadable: int = 0
    """Reads given up."""

    @property
    def acknowledged(self) -> list[Write]:
        """The submissions that were promised something."""
        return [write for write in self.writes if write.acknowledgement is not None]
