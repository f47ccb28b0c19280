"""A network whose state begins with many subjects: a snapshot that its own validators certify, put in place as by joining.

The records are what making an item leaves, one for each subject; only the head of its chain differs. They go through the
same proofs and the same installing as a snapshot from peers. What is not there is the past below them: no links and items
of old events. The event log is as long as there are subjects, of one entry repeated, so that it need not be hashed.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from ledger.base import merkle
from ledger.base.buckets import root_of_level
from ledger.base.encoding import encode
from ledger.base.merkle import LogFrontier
from ledger.chain.block import Block, Header, Outcome, batches_hash, genesis_header, transactions_root
from ledger.chain.certificate import Checkpoint, make_certificate
from ledger.chain.validators import Validator, ValidatorSet
from ledger.chain.votes import finalise
from ledger.state import snapshot
from ledger.state.snapshot import Manifest, WindowBlock
from ledger.trade.record import Space, SubjectKey, state_key
from ledger.trade.statement import Action, Role
from node.init import MadeNetwork
from node.storage.block_store import BlockStore
from node.storage.folder import NodeFolder
from node.storage.keystore import Keystore, validator_key_name
from node.storage.snapshots import Part, PartKind, SnapshotReader
from node.storage.stores import open_state, open_stores
from node.validator.past import heads_of, tables_of
from node.validator.tables import HISTORY, TABLES
from tests.bench.load import serial
from tests.world.world import World

FIRST: Final = 1_000_000_000
"""The number of the first subject; all have as many digits."""
_EMPTY_LOG: Final = b"\xff" * 32


def subject(number: int) -> SubjectKey:
    """The key of prefilled subject `number`, from 0."""
    return SubjectKey(Space.THING, serial(FIRST + number))


class _Log:
    """An event log of one entry repeated: everything about it follows from its length."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._full = [merkle.leaf_hash(_EMPTY_LOG)]
        while len(self._full) < 64:
            self._full.append(merkle.node_hash(self._full[-1], self._full[-1]))

    def _peaks(self, size: int) -> tuple[bytes, ...]:
        return tuple(self._full[bit] for bit in reversed(range(size.bit_length())) if size >> bit & 1)

    def frontier(self) -> LogFrontier:
        return LogFrontier(self.size, self._peaks(self.size))

    def nodes(self) -> tuple[bytes, ...]:
        bits = snapshot.log_bits(self.size)
        whole, rest = divmod(self.size, 1 << bits)
        last = (LogFrontier(rest, self._peaks(rest)).root(),) if rest else ()
        return (self._full[bits],) * whole + last


class _Records:
    """The records in parts, in order of key, spooled to a file."""

    def __init__(self, network: bytes, depth: int, count: int, spool: IO[bytes]) -> None:
        self._network = network
        self._spool = spool
        self._places: list[tuple[int, int]] = []
        self.level = snapshot.state_level(count, depth)
        self.nodes: list[bytes] = []
        shift = 32 - 2 * self.level
        numbers = [array("I") for _ in range(1 << 2 * self.level)]
        for number in range(count):
            key = state_key(network, subject(number))
            numbers[int.from_bytes(key[:4], "big") >> shift].append(number)
        before, after = _template()
        for index, held in enumerate(numbers):
            pairs = sorted(
                (state_key(network, subject(number)), before + _drawn(number) + after) for number in held
            )
            self.nodes.append(snapshot.state_node(network, depth, self.level, index, pairs))
            data = snapshot.state_part(pairs)
            self._places.append((spool.tell(), len(data)))
            spool.write(data)

    def part(self, index: int) -> bytes:
        offset, size = self._places[index]
        self._spool.seek(offset)
        return self._spool.read(size)


def _drawn(number: int) -> bytes:
    return hashlib.sha256(b"chain %d" % number).digest()


def _template() -> tuple[bytes, bytes]:
    """The encoded record of an item just made, before and after the head of its chain of links."""
    world = World()
    key = subject(0)
    world.commit(world.sign("maker", world.item(Action.MAKE, [(Role.OBJECT, key.identifier)])))
    record = world.state.record(key)
    before, _, after = encode(record).partition(record.links.head)
    return before, after


def _snapshot(made: MadeNetwork, count: int, spool: IO[bytes]) -> SnapshotReader:
    genesis = made.genesis
    network = genesis.network
    seats = ValidatorSet(network, [Validator(s.organisation, s.public_key) for s in genesis.validators])
    records, log = _Records(network, genesis.state_depth, count, spool), _Log(count)
    first = genesis_header(network, genesis.time_ms, genesis.protocol)
    now_ms = max(first.time_ms + 1, time.time_ns() // 1_000_000)
    header = Header(
        first.version, network, 0, False, 1, first.hash, now_ms, 0,
        transactions_root([]), batches_hash(network, []),
    )  # fmt: skip
    frontier, registry = log.frontier(), genesis.registry()
    outcome = Outcome(
        header_hash=header.hash,
        parent_outcome_hash=bytes(32),
        receipts_root=merkle.EMPTY_ROOT,
        event_log_root=frontier.root(),
        event_log_size=count,
        state_root=root_of_level(network, records.nodes),
        registry_root=registry.root,
        validators_hash=seats.hash,
        next_validators_hash=seats.hash,
    )
    claim = finalise(0, 1, header.hash, outcome.hash_in(network))
    keys = [Keystore(made.folders[seat.organisation] / "keys").load(validator_key_name(0)) for seat in seats]
    signatures = {
        place: key.sign(claim.signing_message(network))
        for place, key in enumerate(keys)
        if place < seats.quorum
    }
    checkpoint = Checkpoint(header, outcome, make_certificate(seats, claim, signatures))
    manifest = Manifest(checkpoint, (), tuple(records.nodes), log.nodes(), tuple(frontier.peaks), 1)
    small = {
        PartKind.MANIFEST: manifest.to_bytes(),
        PartKind.REGISTRY: snapshot.registry_part(registry),
        PartKind.WINDOW: snapshot.window_part([WindowBlock(Block(header, ()), outcome, ())]),
    }

    def read(part: Part) -> bytes:
        return small[part.kind] if part.kind in small else records.part(part.number)

    return SnapshotReader(read, genesis)


def fill(made: MadeNetwork, count: int, *organisations: str) -> None:
    """Give these organisations' validators a chain whose first block has `count` subjects below it. They must not run."""
    with tempfile.TemporaryFile(dir=made.folders[organisations[0]]) as spool:
        reader = _snapshot(made, count, spool)
        for organisation in organisations:
            _install(made.folders[organisation], reader)


def _install(path: Path, reader: SnapshotReader) -> None:
    folder = NodeFolder.open(path, reader.network)
    try:
        open_stores(folder, TABLES).close()  # the vote log begins before there is a chain
        blocks = BlockStore(folder.files, folder.network)
        blocks.append_heads(heads_of(reader))
        blocks.close()
        state = open_state(folder, TABLES)
        try:
            for _ in state.install(_without_past(reader), reader.manifest.height):
                pass
        finally:
            state.close()
    finally:
        folder.close()


def _without_past(reader: SnapshotReader) -> Iterator[tuple[str, list[tuple[bytes, bytes]]]]:
    """What joining puts in the tables, but for the note that the past is to be fetched: there is none."""
    for table, pairs in tables_of(reader):
        yield table, [pair for pair in pairs if table != "meta" or pair[0] != HISTORY]
