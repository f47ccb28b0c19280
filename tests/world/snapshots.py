"""A world as a snapshot at its last checkpoint, with the history that completes it."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.base import merkle
from ledger.base.encoding import decode, encode
from ledger.chain.block import Block
from ledger.chain.epoch import EpochChange, parse_change
from ledger.state import snapshot
from ledger.state.backfill import StoredLink, SubjectLinks
from ledger.state.links import entry_hash
from ledger.state.snapshot import Manifest, WindowBlock
from ledger.trade.record import SubjectKey, state_key
from tests.world.world import World

Pairs = tuple[tuple[bytes, bytes], ...]


class Taken:
    """Parts of one world's snapshot, made from scratch."""

    def __init__(self, world: World, windows: int = 1) -> None:
        self.world = world
        self.network, self.depth = world.network, world.genesis.state_depth
        self.keys = sorted({key for execution in world.executions for key in execution.records})
        self.records = {state_key(self.network, key): encode(world.record(key)) for key in self.keys}
        size = world.state.log.size
        self.level = snapshot.state_level(size, self.depth)
        self.state = [self._below(index) for index in range(1 << 2 * self.level)]
        self.state_parts = [snapshot.state_part(pairs) for pairs in self.state]
        self.registry = snapshot.registry_part(world.state.registry, self._changes())
        self.window_parts = self._windows(windows)
        self.manifest = Manifest(
            world.checkpoints[-1],
            tuple(world.closings),
            tuple(self.node(index, pairs) for index, pairs in enumerate(self.state)),
            tuple(self._log_node(index) for index in range(snapshot.log_parts(size))),
            tuple(world.state.log.peaks),
            len(self.window_parts),
        )

    def node(self, index: int, pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
        return snapshot.state_node(self.network, self.depth, self.level, index, pairs)

    def _changes(self) -> tuple[tuple[int, EpochChange], ...]:
        """(height, change) of every epoch that was closed."""
        return tuple(
            (checkpoint.header.height, parse_change(transactions[0].items[0]))
            for checkpoint, transactions in zip(self.world.checkpoints, self.world.blocks, strict=True)
            if checkpoint.header.closes_epoch
        )

    def _below(self, index: int) -> Pairs:
        shift = 32 - 2 * self.level
        return tuple(
            (key, self.records[key])
            for key in sorted(self.records)
            if int.from_bytes(key[:4], "big") >> shift == index
        )

    def _log_node(self, index: int) -> bytes:

        places = snapshot.log_part(self.world.state.log.size, index)
        return merkle.root([entry_hash(self.network, self.world.rows[at].changes.entry) for at in places])

    def _windows(self, count: int) -> list[bytes]:
        world = self.world
        blocks = [
            WindowBlock(
                Block(checkpoint.header, ()), checkpoint.outcome, tuple(t.header for t in transactions)
            )
            for checkpoint, transactions in zip(world.checkpoints, world.blocks, strict=True)
        ][::-1]
        size = -(-len(blocks) // count)
        return [snapshot.window_part(blocks[at : at + size]) for at in range(0, len(blocks), size)]

    def window(self) -> list[WindowBlock]:
        anchor = snapshot.first_anchor(self.manifest)
        blocks: list[WindowBlock] = []
        for part in self.window_parts:
            found, anchor = snapshot.check_window_part(self.manifest, anchor, part)
            blocks += found
        return blocks

    # ---- history

    def entries(self, index: int) -> tuple[object, ...]:
        places = snapshot.log_part(self.world.state.log.size, index)
        return plain(tuple(self.world.rows[at].changes.entry for at in places))

    def links_of(self, key: SubjectKey) -> SubjectLinks:
        sides: tuple[list[StoredLink], list[StoredLink]] = ([], [])
        for row in self.world.rows:
            changes = row.changes
            legs = tuple(element for owner, element in changes.legs if owner == key)
            for new in changes.links:
                if new.key == key:
                    shown = StoredLink(
                        changes.entry.sequence, new.link.code, new.link.custodian, bool(new.move),
                        () if new.aside else legs,
                    )  # fmt: skip
                    sides[new.aside].append(shown)
        return SubjectLinks(key, tuple(sides[0]), tuple(sides[1]))

    def hash_of_entry(self, sequence: int) -> bytes | None:
        rows = self.world.rows
        return rows[sequence].changes.entry_hash if 0 <= sequence < len(rows) else None


def plain(value: object) -> tuple[object, ...]:
    """What a decoder would give for it."""
    decoded: tuple[object, ...] = decode(encode(value), max_bytes=100_000_000)
    return decoded
