"""The validator process: everything put together, from opening the folder to leaving it in order (DESIGN §6).

The order of a start is what safety asks for: whose folder it is and that nobody else has it, the keys, the stores with the
vote log first, the chain redone up to its last certified block, the machine with the votes it cast, and only then the
network and the socket. Anything wrong on the way refuses the start with one sentence and leaves the data as it was.

Only this process opens the validator key. Its transport key is another one.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack

from ledger.base.errors import Code, ConsensusError, CustodyError, FormError, StorageError
from ledger.chain.block import Block, Outcome
from ledger.chain.evidence import Evidence
from ledger.chain.votes import Proposal
from ledger.consensus.interface import Begin, Commit, Connected, OthersChanged, Received
from ledger.consensus.messages import Record, Request, decode_message
from node.local.protocol import NodeStatus
from node.logs import Log
from node.metrics import render_metrics
from node.storage.snapshots import SnapshotStore
from node.storage.stores import Stores, open_stores
from node.validator.accusing import Accusing
from node.validator.chain import Chain
from node.validator.clock import Clock
from node.validator.company import Company
from node.validator.driver import Driver
from node.validator.epochs import check_known, epoch_under_way, make_machine, own_key
from node.validator.erasing import Eraser
from node.validator.execution import Executor
from node.validator.frames import ANSWER_FRAME, ASK_FRAME, BATCH_FRAME, CONSENSUS_FRAME, KINDS
from node.validator.holding import Holding
from node.validator.host import REAL, Connections, Host
from node.validator.housekeeping import BATCH, Housekeeper
from node.validator.member import Member
from node.validator.mempool import Mempool
from node.validator.proving import Prover
from node.validator.service import Service
from node.validator.serving import Serving
from node.validator.snapshotting import Snapshotter
from node.validator.syncing import Sync
from node.validator.tables import TABLES
from node.validator.telling import Alarms, status_of


class Validator:
    """One running validator: `Driver`'s surroundings and `Service`'s node."""

    def __init__(self, member: Member, log: Log, host: Host = REAL, *, join_after_s: float = 0.0) -> None:
        """Open the stores and redo the chain; nothing listens yet. Raises StorageError.

        `join_after_s`: how long from now on not to stop for joining at a snapshot, however far ahead peers are.
        """
        self.member = member
        self._host = host
        self.log = log
        self.network = member.genesis.network
        self._folder = member.folder
        self.phase = "starting"
        self.stores: Stores = open_stores(
            member.folder, TABLES, open_tables=host.open_tables, random_bytes=host.random_bytes
        )
        try:
            self.executor = Executor(
                member.genesis,
                member.validators,
                self.stores.blocks,
                self.stores.state,
                memory_bytes=member.config.state_memory * 2 // 3,
            )
            self.executor.redo(self._note_progress)
            self.clock = Clock(member.config.clock_offset_ms, member.validators.faulty, host)
            self.started_ms = self.clock.wall_ms()
            self.company = Company(member.folder.path, member.config, member.transport, log)
            self._begin_epoch()
        except BaseException:
            member.keys.close()
            self.stores.close()
            raise
        self.driver = Driver(self.machine, self.stores, self.clock, self)
        self.mempool = Mempool(
            self.executor,
            self.clock,
            self.me,
            self.clock.wall_ms() * 1_000,
            self._has_room,
        )
        self.chain = Chain(self.executor)
        self.eraser = Eraser(self.executor, self.stores.payload, log)
        self.prover = Prover(self.executor, self.stores.payload, self.driver.resume)
        self.snapshots = SnapshotStore(member.folder.files)
        self.snapshotter = Snapshotter(
            self.stores, self.executor, self.snapshots, member.config.snapshots.every, log, host
        )
        self.housekeeper = Housekeeper(
            self.stores,
            self.executor,
            self._live_records,
            self.fail,
            host,
            keep_bodies=member.config.snapshots.keep_bodies,
            overlay_bytes=member.config.state_memory // 3,
            newest_snapshot=lambda: self.snapshotter.newest,
        )
        self.service = Service(
            member.folder.validator_socket,
            self,
            self.executor,
            self.chain,
            self.mempool,
            self.stores.payload,
            self.prover,
            host,
        )
        self.mesh = self.company.connections = self._make_mesh()
        self.sync = Sync(
            member.genesis,
            self.executor,
            self.stores,
            self.snapshots,
            self.mempool,
            log,
            join_ahead=member.config.snapshots.join_ahead,
            join_after_s=join_after_s,
            connections=lambda: self.mesh,
            ask=lambda peer, data: self.mesh.send(peer, ASK_FRAME, data),
            name=self._name_of,
            resume=self.driver.resume,
            eraser=self.eraser,
            stop=self.stop,
            fail=self.fail,
        )
        self.holding = Holding(
            self,
            self.stores,
            self.executor,
            self.mempool,
            self.chain,
            self.eraser,
            self.driver.post,
            self.sync.mender.wake,
        )
        self.serving = Serving(
            self.executor,
            self.chain,
            self.mempool,
            self.stores.payload,
            self.mesh.send,
            self.sync.tell_pruned,
        )
        self.accusing = Accusing(
            member.config.organisation,
            self.executor,
            self.mempool,
            self.clock,
            host.random_bytes,
            self.driver.wake,
        )
        self.alarms = Alarms(self.clock, log)
        self.failure: CustodyError | None = None
        self.stopped = asyncio.Event()

    def _note_progress(self, height: int, last: int) -> None:
        if height % 1_000 == 0 or height == last:
            self.log.info("redoing the chain", height=height, last=last)

    @property
    def me(self) -> int:
        """Own index in the set of the epoch, FOLLOWER without a seat."""
        return self.machine.me

    def _has_room(self, origin: int, size: int) -> bool:
        return self.machine.has_room(origin, size)

    def _live_records(self) -> tuple[Record, ...]:
        return self.machine.live_records()

    # ---- putting it together

    def _begin_epoch(self) -> None:
        """Stand in the epoch after the last final block; destroy the keys of those before.

        The chain is durable up to its last certified block, so no key is destroyed too soon (CONSENSUS 30).
        """
        member = self.member
        self.epoch = epoch_under_way(self.executor, member.genesis)
        check_known(self.epoch, self._host.protocol_newest)
        member.keys.destroy_before(self.epoch.number)
        self.key = own_key(self.epoch, member.config.organisation, member.keys)
        self._stand()
        self.clock.forget_peers(self.epoch.validators.faulty)
        votes, others = self.stores.votes, self._roster.others
        self.machine = make_machine(self.executor, self.epoch, self.key, votes, others)
        self.log.info(
            "epoch",
            number=self.epoch.number,
            validators=", ".join(seat.organisation for seat in self.epoch.seats),
            role="follower" if self.key is None else "validator",
        )

    def _stand(self) -> None:
        """See who is let in, and as whom, by the epoch and the registry of the last final block."""
        header = self.executor.final_header
        self._registry_root = self.executor.final_outcome.registry_root
        self.company.stand(self.epoch, self.executor.state.registry, header.height + 1)
        self._roster = self.company.roster
        self._index_of, self._key_of = self._roster.index_of, self._roster.key_of

    def _look_around(self) -> None:
        """While an epoch lasts: the same, and tell the consensus what is new."""
        before = self._index_of
        self._stand()
        self.driver.post(OthersChanged(self._roster.others))
        for key in self.mesh.connected:
            if key in self._index_of and self._index_of[key] != before.get(key):
                self.driver.post(Connected(self._index_of[key]))

    def reload(self) -> tuple[str, ...]:
        """Read the peers of node.toml again; what changed. Raises CustodyError, then all stays as it was."""
        said = self.company.read_again()
        self._look_around()
        return said

    def _make_mesh(self) -> Connections:
        config = self.member.config
        return self._host.connect(
            self.company.key,
            self.network,
            self.company.peers,
            self._message_came,
            self._peer_connected,
            self._peer_lost,
            kinds=KINDS,
            name=config.organisation,
            host=config.validator.host,
            port=config.validator.port,
            on_refused=lambda whom, reason: self.log.warning(
                "refused a connection", whom=whom, reason=reason
            ),
        )

    # ---- life

    async def start(self) -> None:
        """Listen and take part. Raises UnavailableError port_in_use."""
        await self.mesh.start()
        await self.service.start()
        self.alarms.check_clock(self.executor.final_header.time_ms)
        self.eraser.sweep()
        self.driver.post(Begin())
        for digest in tuple(self.stores.pending.keys(BATCH)):
            self.holding.take_up(digest)
        self.housekeeper.start()
        self.sync.start()
        self.phase = "ready"
        self.log.info(
            "ready",
            height=self.chain.height,
            network=self.network.hex(),
            organisation=self.member.config.organisation,
            port=self.mesh.port,
            process=os.getpid(),
        )

    async def close(self) -> None:
        """Stop taking part and leave everything in order."""
        self.phase = "stopping"
        async with AsyncExitStack() as closing:
            closing.callback(self._folder.close)
            closing.callback(self.member.keys.close)
            closing.callback(self.stores.close)
            closing.push_async_callback(self.housekeeper.close)
            closing.push_async_callback(self.snapshotter.close)
            closing.push_async_callback(self.sync.close)
            closing.push_async_callback(self.mesh.close)
            closing.push_async_callback(self.service.close)
            self.driver.stop()
            self.prover.stop()
        self.log.info("stopped", height=self.chain.height)

    def fail(self, error: CustodyError) -> None:
        """This node must stop; `failure` says why."""
        if self.failure is None:
            self.failure = error
            self.phase = "halted" if isinstance(error, ConsensusError) else "stopping"
            self.log.error(
                "stopping",
                code=error.code.value,
                reason=error.message,
                exc_info=error.__cause__ is not None and error,
            )
            self.driver.stop()
            self.stopped.set()

    def stop(self) -> None:
        """Asked to stop."""
        self.stopped.set()

    # ---- messages of peers

    def _peer_connected(self, key: bytes) -> None:
        self.log.info("connected", peer=self._name(self._index_of[key]))
        self.driver.post(Connected(self._index_of[key]))
        self.sync.connected(key)

    def _peer_lost(self, key: bytes, reason: str) -> None:
        index = self._index_of.get(key)  # None: it is no peer any more
        self.log.info("disconnected", peer=key.hex() if index is None else self._name(index), reason=reason)
        self.sync.lost(key)

    def _name(self, index: int) -> str:
        return self._roster.names[index]

    def _name_of(self, key: bytes) -> str:
        index = self._index_of.get(key)
        return key.hex()[:16] if index is None else self._name(index)

    def _message_came(self, key: bytes, kind: int, body: bytes) -> None:
        peer = self._index_of.get(key)
        if peer is None:
            return
        if kind == BATCH_FRAME:
            try:
                self.holding.came(peer, body)
            except StorageError as error:
                self.fail(error)  # it is this disk that is bad, not the peer
            return
        if kind == ASK_FRAME:
            self.sync.ask_came(key, body)
            return
        if kind == ANSWER_FRAME:
            self.sync.answer_came(key, body)
            return
        try:
            message = decode_message(body)
        except FormError as error:
            if error.code is not Code.UNSUPPORTED_VERSION:
                raise
            return  # of a peer that is in a later epoch, of a version that this software does not know: not its fault
        if isinstance(message, Proposal) and self._is_of_its_proposer(peer, message):
            self.clock.saw(peer, message.block.header.time_ms)
            self.alarms.watch_clock()
        self.driver.post(Received(peer, message))

    def _is_of_its_proposer(self, peer: int, proposal: Proposal) -> bool:
        """Whether a proposal is a validator's own fresh one of this epoch: its time is that of the peer's clock."""
        is_validator = peer < len(self.epoch.validators) and proposal.epoch == self.epoch.number
        return is_validator and proposal.block.header.proposer == peer

    # ---- changes of epoch

    def end_epoch(self) -> None:
        """The epoch is over: make its chain durable, then go on in the next one with its set, key and parameters."""
        names, before = self._roster.names, self.machine
        self.stores.sync_before_sending()
        self.stores.blocks.sync()
        self._begin_epoch()
        self.accusing.begin_epoch()
        self.driver.replace(self.machine)
        self.driver.post(Begin())
        for key in self.mesh.connected:
            self.driver.post(Connected(self._index_of[key]))
        places = {member.organisation: place for place, member in enumerate(self.epoch.validators)}
        origins = {held.digest: places.get(names.get(held.origin, "")) for held in before.held}
        for batch in self.mempool.batches:
            if self.holding.is_past_change(batch):
                self.mempool.drop(batch.digest)
                self.stores.pending.forget(BATCH, (batch.digest,))
                continue
            origin = origins.get(batch.digest)
            self.holding.tell(batch, self.me if origin is None else origin)
        if self.key is None:
            self.mempool.follow()
        else:
            self.mempool.me = self.me
            self.accusing.report_again(self.key)

    def wake(self) -> None:
        """Transactions wait to be put into a batch."""
        self.driver.wake()

    # ---- the driver's surroundings

    def before_step(self) -> None:
        """Put what was handed in since the last turn into batches, and push them to all."""
        if self.holding.push_own(lambda frame: self.mesh.broadcast(BATCH_FRAME, frame)):
            self.mesh.send_now()  # while this node syncs they are on their way

    def send(self, peer: int, data: bytes) -> None:
        """Send an encoded message to one validator."""
        key = self._key_of.get(peer)
        if key is not None:  # no address is known of one whom node.toml does not list
            self.mesh.send(key, CONSENSUS_FRAME, data)

    def broadcast(self, data: bytes) -> None:
        """Send an encoded message to all validators."""
        self.mesh.broadcast(CONSENSUS_FRAME, data)

    def send_now(self) -> None:
        """Let what was sent leave before other work of this turn."""
        self.mesh.send_now()

    def serve(self, peer: int, request: Request) -> None:
        """Answer from the stores what another validator lacks."""
        key = self._key_of.get(peer)
        if key is not None:
            self.serving.serve(key, request)

    def send_closing(self, peer: int, epoch: int) -> None:
        """Send a peer the finalisation of the block that closed an epoch, if it is here."""
        key = self._key_of.get(peer)
        if key is not None:
            self.serving.send_closing(key, epoch)

    def may_execute(self, block: Block) -> bool:
        """Whether to execute now, or to wait until proofs are made, or for an old item that the block reads."""
        return self.prover.may_execute() and self.sync.may_execute(block)

    def execute(self, block_hash: bytes, block: Block) -> Outcome:
        """Execute a block on its parent's state."""
        return self.executor.execute(block_hash, block, self.mempool.held_all(block.batches))

    def commit(self, effect: Commit) -> None:
        """A block is final: keep it, tell those who wait, make proofs."""
        block = effect.block
        final = self.executor.commit(
            effect.block_hash,
            block,
            effect.outcome,
            effect.certificate,
            self.mempool.held_all(block.batches),
        )
        self.eraser.finalised(final)
        self.mempool.finalised(final)
        self.service.send_answers()
        if self.mempool.has_queued:
            self.driver.wake()  # there may be room for another batch
        if self.key is None:
            self.stores.pending.forget(BATCH, self.mempool.drop_expired(block.header.time_ms))
        self.chain.finalised(final)
        self.housekeeper.finalised(block)
        self.snapshotter.finalised(self.executor.checkpoint if effect.certificate is not None else None)
        self.prover.serve()
        if self.executor.final_outcome.registry_root != self._registry_root:
            self._look_around()

    def accuse(self, evidence: Evidence) -> None:
        """A validator contradicted itself: put it on the ledger, once per culprit."""
        culprit = self._name(evidence.signer)
        self.alarm(
            f"expected {culprit} to say one thing, its validator signed two that contradict each other"
        )
        self.accusing.accuse(self.key, evidence)

    def alarm(self, message: str) -> None:
        """Tell the operator."""
        self.alarms.raise_alarm(message)

    def drop(self, peer: int, reason: str) -> None:
        """Close the connection to a peer that sent something it cannot have meant honestly."""
        key = self._key_of.get(peer)
        self.log.warning("dropping a peer", peer=self._name(peer), reason=reason)
        if key is not None:
            self.mesh.drop(key, reason)

    # ---- what it says of itself

    def genesis(self) -> bytes:
        """The genesis file."""
        return self.member.genesis.to_bytes()

    def status(self) -> NodeStatus:
        """How the validator is doing."""
        return status_of(self)

    def metrics(self) -> bytes:
        """Prometheus text format."""
        return render_metrics(self)
