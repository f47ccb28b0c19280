"""What a snapshot leaves in the tables of who joins at it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from ledger.base.encoding import decode
from ledger.members.members import entry_from_wire
from ledger.members.registry import Entry, Registry
from ledger.state.snapshot import Changes, WindowBlock, check_registry_part, remembered_ids
from node.storage.snapshots import SnapshotReader
from node.validator.past import tables_of
from tests.world.council import Council, add
from tests.world.snapshots import Taken


class Read:
    """What of `SnapshotReader` the tables are made from, over a world's parts."""

    def __init__(self, taken: Taken) -> None:
        self.taken = taken
        self.manifest = taken.manifest
        self.depth = taken.world.genesis.state_depth

    def records(self) -> Iterator[tuple[tuple[bytes, bytes], ...]]:
        yield tuple(self.taken.records.items())

    def registry_and_changes(self) -> tuple[Registry, Changes]:
        return check_registry_part(self.taken.world.genesis, self.manifest, self.taken.registry)

    def window(self) -> list[WindowBlock]:
        return self.taken.window()

    def remembered(self, registry: Registry) -> Iterator[tuple[bytes, int]]:
        world = self.taken.world
        return remembered_ids(self.window(), registry, world.state.sets, world.now_ms)


def test_who_joins_has_everything_that_votes_set() -> None:
    council = Council()
    council.pass_(add())
    council.world.close_epoch()
    tables: dict[str, dict[bytes, bytes]] = {}
    reader = cast("SnapshotReader", Read(Taken(council.world)))
    for table, pairs in tables_of(reader):
        tables.setdefault(table, {}).update(pairs)
    entries: list[Entry] = [
        entry_from_wire(decode(data, max_bytes=1_000_000)) for _, data in sorted(tables["registry"].items())
    ]
    assert entries == council.world.state.registry.entries
    assert len(tables["epochs"]) == 1
