"""A validator on a virtual clock, network and disk: the driver's contract (ledger/consensus/__init__.py), in small."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from ledger.base.merkle import EMPTY_ROOT
from ledger.chain.block import Block, Outcome
from ledger.chain.certificate import Certificate
from ledger.chain.votes import Proposal, Vote
from ledger.consensus import Consensus, Start
from ledger.consensus.interface import (
    Accuse,
    BatchHeld,
    Begin,
    Broadcast,
    Commit,
    Connected,
    Drop,
    Effect,
    Execute,
    Executed,
    Halt,
    Input,
    Persist,
    Received,
    Send,
    Serve,
    SetTimer,
    Tick,
)
from ledger.consensus.messages import (
    Blocks,
    FetchBatches,
    FetchBlocks,
    FetchRange,
    Message,
    Range,
    Record,
    decode_message,
    encode_message,
)

if TYPE_CHECKING:
    from tests.simulation.world import World

_RANGE = 16


class Batch(NamedTuple):
    """What travels between drivers: here only what the consensus is told of it."""

    digest: bytes
    transactions: tuple[bytes, ...]
    size: int


class Committed(NamedTuple):
    block_hash: bytes
    block: Block
    outcome: Outcome
    outcome_hash: bytes
    certificate: Certificate | None


class Disk:
    """Append-only stores of which a crash keeps what was synced and, in order, some of the rest."""

    def __init__(self) -> None:
        self.payload: list[Batch] = []
        self.log: list[Record] = []
        self.chain: list[Committed] = []
        self.synced = (0, 0, 0)

    def size(self) -> tuple[int, int, int]:
        return (len(self.payload), len(self.log), len(self.chain))

    def crash(self, world: World) -> None:
        payload, log, chain = self.synced
        kept_payload = world.draw(payload, len(self.payload))
        # The log is written after the payload is synced, so no record outlives what it speaks of.
        kept_log = world.draw(log, len(self.log)) if kept_payload == len(self.payload) else log
        del self.payload[kept_payload:]
        del self.log[kept_log:]
        del self.chain[world.draw(chain, len(self.chain)) :]
        self.synced = self.size()


def outcome_of(world: World, block_hash: bytes, parent_outcome_hash: bytes, height: int) -> Outcome:
    state = hashlib.sha256(b"state" + parent_outcome_hash + block_hash).digest()
    validators_hash = world.validators.hash
    return Outcome(
        block_hash,
        parent_outcome_hash,
        EMPTY_ROOT,
        EMPTY_ROOT,
        height,
        state,
        EMPTY_ROOT,
        validators_hash,
        validators_hash,
    )


class Validator:
    """An honest validator. Adversaries override `emit` or `serve`."""

    is_honest = True

    def __init__(self, world: World, index: int, instance: int) -> None:
        self.world = world
        self.index = index
        self.instance = instance
        self.disk = Disk()
        self.machine: Consensus | None = None
        self.run = 0
        self.halted: str | None = None
        self.drops = 0
        self._stored: set[bytes] = set()
        self._outcomes: dict[bytes, bytes] = {}
        self._waiting: list[tuple[tuple[int, int, int], Effect]] = []
        self._is_syncing = False

    # ---- life

    def start(self) -> None:
        """Start, or start again from what is on disk."""
        self.run += 1
        world, disk = self.world, self.disk
        while disk.chain and disk.chain[-1].certificate is None:
            disk.chain.pop()
        disk.synced = disk.size()
        self._waiting, self._is_syncing = [], False
        self._stored = {batch.digest for batch in disk.payload}
        self._outcomes = {world.genesis.hash: world.genesis_outcome_hash}
        self._outcomes.update({entry.block_hash: entry.outcome_hash for entry in disk.chain})
        recent = tuple(entry.block.batches for entry in disk.chain[-64:])
        if disk.chain:
            last = disk.chain[-1]
            start = Start(last.block.header, last.outcome_hash, last.certificate, recent, tuple(disk.log))
        else:
            start = Start(world.genesis, world.genesis_outcome_hash, None, (), tuple(disk.log))
        self.machine = Consensus(world.setup(self.index), start)
        self.step(Begin())
        committed = {digest for entry in disk.chain for digest in entry.block.batches}
        for batch in disk.payload:
            if batch.digest not in committed:
                self.hold(batch, self.index)
        for other in world.instances():
            if other.index != self.index and other.machine is not None:
                self.step(Connected(other.index))
                other.step(Connected(self.index))

    def crash(self) -> None:
        if self.machine is not None:
            self.machine = None
            self.run += 1
            self.disk.crash(self.world)

    @property
    def is_up(self) -> bool:
        return self.machine is not None

    @property
    def height(self) -> int:
        return len(self.disk.chain)

    # ---- inputs

    def step(self, event: Input) -> None:
        if self.machine is None:
            return
        world = self.world
        effects = self.machine.step(world.now_us // 1000, world.wall_ms(self.index), event)
        for effect in effects:
            if isinstance(effect, Persist):
                self.disk.log.extend(effect.records)
            elif isinstance(effect, Execute):
                self._execute(effect)
            elif isinstance(effect, SetTimer):
                self.world.at(effect.at_ms * 1000, self._tick, self.run)
            else:
                self._waiting.append((self.disk.size(), effect))
        self._release()

    def submit(self, batch: Batch) -> None:
        """A client's batch: store it, hold it, push it to all."""
        if self.machine is None or not self.machine.has_room(self.index, batch.size):
            return
        self._store(batch)
        for peer in range(len(self.world.validators)):
            if peer != self.index:
                self.push(peer, batch)
        self.hold(batch, self.index)

    def push(self, peer: int, batch: Batch) -> None:
        self.world.send(self, peer, batch)

    def hold(self, batch: Batch, origin: int) -> None:
        self.step(BatchHeld(batch.digest, origin, batch.transactions, batch.size, len(batch.transactions)))

    def receive(self, peer: int, message: Message | Batch, run: int) -> None:
        if self.machine is None or run != self.run:
            return
        if isinstance(message, Batch):
            wanted = self.machine.wants_batch(message.digest)
            if wanted or (message.digest not in self._stored and self.machine.has_room(peer, message.size)):
                self._store(message)
                self.hold(message, peer)
            return
        self.step(Received(peer, message))

    def _store(self, batch: Batch) -> None:
        if batch.digest not in self._stored:
            self._stored.add(batch.digest)
            self.disk.payload.append(batch)

    def _tick(self, run: int) -> None:
        if run == self.run:
            self.step(Tick())

    def _execute(self, effect: Execute) -> None:
        parent = self._outcomes.get(effect.block.header.parent)
        assert parent is not None, "a block is executed on an executed parent"
        assert all(digest in self._stored for digest in effect.block.batches), "all its batches are held"
        outcome = outcome_of(self.world, effect.block_hash, parent, effect.block.header.height)
        self.world.at(
            self.world.now_us + self.world.execute_us, self._executed, self.run, effect.block_hash, outcome
        )

    def _executed(self, run: int, block_hash: bytes, outcome: Outcome) -> None:
        if run == self.run:
            self._outcomes[block_hash] = outcome.hash_in(self.world.validators.network)
            self.step(Executed(block_hash, outcome))

    # ---- effects, after the sync that they wait for

    def _release(self) -> None:
        synced = self.disk.synced
        ready = 0
        for needed, _ in self._waiting:
            if needed[0] > synced[0] or needed[1] > synced[1]:
                break
            ready += 1
        released, self._waiting = self._waiting[:ready], self._waiting[ready:]
        for _, effect in released:
            self._perform(effect)
        if self._waiting and not self._is_syncing:
            self._is_syncing = True
            self.world.at(self.world.now_us + self.world.sync_us, self._sync_done, self.run, self.disk.size())

    def _sync_done(self, run: int, size: tuple[int, int, int]) -> None:
        if run != self.run:
            return
        self._is_syncing = False
        self.disk.synced = size
        self._release()
        self._compact()

    def _compact(self) -> None:
        """Now and then replace the vote log by what still matters, once every commit is durable."""
        if self.machine is not None and self.disk.synced == self.disk.size() and self.world.draw(0, 40) == 0:
            self.disk.log = list(self.machine.live_records())
            self.disk.synced = self.disk.size()

    def _perform(self, effect: Effect) -> None:
        if isinstance(effect, Broadcast | Send):
            self.emit(effect)
        elif isinstance(effect, Commit):
            self._commit(effect)
        elif isinstance(effect, Serve):
            self.serve(effect)
        elif isinstance(effect, Accuse):
            self.world.oracles.accused(self, effect.evidence)
        elif isinstance(effect, Drop):
            self.drops += 1
            self.world.oracles.dropped(self, effect.peer, effect.reason)
        elif isinstance(effect, Halt):
            self.halted = effect.error.message
            self.world.oracles.halted(self, effect.error.message)

    def _commit(self, effect: Commit) -> None:
        outcome_hash = effect.outcome.hash_in(self.world.validators.network)
        self._outcomes[effect.block_hash] = outcome_hash
        self.disk.chain.append(
            Committed(effect.block_hash, effect.block, effect.outcome, outcome_hash, effect.certificate)
        )
        self.world.oracles.committed(self, effect, outcome_hash)

    def emit(self, effect: Broadcast | Send) -> None:
        """Let a message leave."""
        message = effect.message
        if isinstance(message, Vote | Proposal):
            self.world.oracles.said(self, message)
        if isinstance(effect, Send):
            self.world.send(self, effect.peer, message)
        else:
            for peer in range(len(self.world.validators)):
                if peer != self.index:
                    self.world.send(self, peer, message)

    def serve(self, effect: Serve) -> None:
        """Answer from the stores."""
        request, peer = effect.request, effect.peer
        if isinstance(request, FetchBatches):
            for batch in self.disk.payload:
                if batch.digest in request.digests:
                    self.world.send(self, peer, batch)
        elif isinstance(request, FetchBlocks):
            known = tuple(e.block for e in self.disk.chain if e.block_hash in request.hashes)
            if known:
                self.emit(Send(peer, Blocks(known)))
        elif isinstance(request, FetchRange):
            entries = self.disk.chain[request.from_height - 1 :][:_RANGE]
            while entries and entries[-1].certificate is None:
                entries.pop()
            if entries:
                self.emit(Send(peer, Range(tuple((e.block, e.certificate) for e in entries))))


def over_the_wire(message: Message) -> Message:
    """The message as its bytes say."""
    return decode_message(encode_message(message))
