"""The validator process: everything put together, from opening the folder to leaving it in order (DESIGN §6).

The order of a start is what safety asks for: whose folder it is and that nobody else has it, the keys, the stores with the
vote log first, the chain redone up to its last certified block, the machine with the votes it cast, and only then the
network and the socket. Anything wrong on the way refuses the start with one sentence and leaves the data as it was.

Only this process opens the validator key. Its transport key is another one.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger.base import limits
from ledger.base.errors import Code, ConsensusError, CustodyError, FormError, StorageError, UnavailableError
from ledger.base.keys import Signer
from ledger.chain.batch import Batch, batch_digest, batch_from_bytes, check_batch_protocol
from ledger.chain.block import Block, Outcome
from ledger.chain.epoch import change_of, check_change
from ledger.chain.evidence import Evidence
from ledger.chain.genesis import Genesis
from ledger.chain.transaction import Kind, Transaction, sign_transaction
from ledger.chain.validators import Validator as Seat
from ledger.chain.validators import ValidatorSet
from ledger.chain.votes import Proposal
from ledger.consensus import Consensus, Setup, Start
from ledger.consensus.interface import BatchHeld, Begin, Commit, Connected, OthersChanged, Received
from ledger.consensus.messages import (
    Blocks,
    FetchBatches,
    FetchBlocks,
    Record,
    Request,
    decode_message,
    decode_record,
    encode_message,
)
from node.config import NodeConfig, load_config, load_genesis
from node.local.protocol import NodeStatus, PeerStatus, State
from node.logs import Log
from node.metrics import render_metrics
from node.storage.folder import NodeFolder
from node.storage.keystore import Keystore
from node.storage.snapshots import SnapshotStore
from node.storage.stores import Stores, open_stores
from node.validator.batches import (
    OpenEvent,
    check_open_bytes,
    encode_frame,
    events_of_frame,
    open_event,
    open_frame,
    open_items,
)
from node.validator.chain import Chain
from node.validator.clock import Clock
from node.validator.company import Company
from node.validator.driver import Driver
from node.validator.epochs import StoredKeys, ValidatorKeys, check_known, epoch_under_way, own_key
from node.validator.erasing import Eraser
from node.validator.execution import Executor
from node.validator.frames import (
    ANSWER_FRAME,
    ASK_FRAME,
    BATCH_FRAME,
    CONSENSUS_FRAME,
    KINDS,
    REPLY_FRAME,
)
from node.validator.host import REAL, Connections, Host
from node.validator.housekeeping import BATCH, Housekeeper
from node.validator.mempool import Mempool
from node.validator.proving import Prover
from node.validator.service import Service
from node.validator.snapshotting import Snapshotter
from node.validator.syncing import Sync
from node.validator.tables import TABLES
from node.validator.transport_keys import TransportKeys

_EVIDENCE_EXPIRY_MS: Final = 1_800_000
_ALARMS: Final = 20


@dataclass(frozen=True, slots=True)
class Member:
    """What a validator is started with, read and checked before anything is opened for writing."""

    folder: NodeFolder
    config: NodeConfig
    genesis: Genesis
    validators: ValidatorSet
    """Of the first epoch."""
    keys: ValidatorKeys
    transport: TransportKeys


def open_member(path: Path, passphrase: bytes | None = None) -> Member:
    """Open an organisation's folder for its validator; raises CustodyError with the folder given up again."""
    config = load_config(path)
    genesis = load_genesis(config)
    folder = NodeFolder.open(path, genesis.network)
    try:
        keystore = Keystore(folder.keys)
        keystore.check()
        transport = TransportKeys.stored(keystore, passphrase)
    except BaseException:
        folder.close()
        raise
    members = [Seat(seat.organisation, seat.public_key) for seat in genesis.validators]
    keys = StoredKeys(keystore, passphrase)
    return Member(folder, config, genesis, ValidatorSet(genesis.network, members), keys, transport)


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
            self._accused: set[int] = set()
            self._reported: dict[bytes, Evidence] = {}
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
        self.alarms: deque[str] = deque(maxlen=_ALARMS)
        self.alarm_count = 0
        self.failure: CustodyError | None = None
        self.stopped = asyncio.Event()
        self._is_clock_off = False

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
        self._accused.clear()
        self.clock.forget_peers(self.epoch.validators.faulty)
        self.machine = self._make_machine()
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

    def _make_machine(self) -> Consensus:
        executor, epoch = self.executor, self.epoch
        checkpoint = None if executor.final_header.closes_epoch else executor.checkpoint
        try:
            records = tuple(decode_record(data) for data in self.stores.votes.records)
        except CustodyError as error:
            raise StorageError(
                Code.DAMAGED, f"expected a vote log of votes, found something else: {error.message}"
            ) from None
        start = Start(
            executor.final_header,
            executor.final_outcome.hash_in(self.network),
            None if checkpoint is None else checkpoint.certificate,
            tuple(executor.recent),
            records,
        )
        setup = Setup(
            epoch.validators,
            epoch.number,
            self.key,
            epoch.parameters,
            others=self._roster.others,
            approvers=executor.approvers,
            protocol=epoch.protocol,
        )
        return Consensus(setup, start)

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
        self._warn_of_clock_behind_chain()
        self.eraser.sweep()
        self.driver.post(Begin())
        for digest in tuple(self.stores.pending.keys(BATCH)):
            self._take_up_pending(digest)
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

    def _take_up_pending(self, digest: bytes) -> None:
        """Hold a stored batch that no final block has.

        A full disk or a failed sync may have kept the batch and lost bytes of its items: then it is not held.
        """
        data = self.stores.pending.get(BATCH, digest)
        if data is not None and self.chain.batch_place(digest) is None:
            batch = batch_from_bytes(data, self.network, check_signatures=False)
            if not self._is_past_change(batch) and self._shown(batch) is not None:
                self._hold(batch, self.me)
                return
        self.stores.pending.forget(BATCH, (digest,))

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
                self._batch_came(peer, body)
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
            self._warn_of_clock()
        self.driver.post(Received(peer, message))

    def _is_of_its_proposer(self, peer: int, proposal: Proposal) -> bool:
        """Whether a proposal is a validator's own fresh one of this epoch: its time is that of the peer's clock."""
        is_validator = peer < len(self.epoch.validators) and proposal.epoch == self.epoch.number
        return is_validator and proposal.block.header.proposer == peer

    def _batch_came(self, peer: int, body: bytes) -> None:
        """A batch was pushed, or fetched: take it if it is new and there is room, once it is whole and checked."""
        data, contexts, events = open_frame(body)
        digest = batch_digest(self.network, data)
        if self.mempool.held(digest) is not None:
            return
        is_wanted = self.machine.wants_batch(digest)
        if not is_wanted and (
            self.chain.batch_place(digest) is not None or not self.machine.has_room(peer, len(data))
        ):
            return
        batch = batch_from_bytes(data, self.network, digest=digest)
        if not self._is_of_this_epoch(batch):
            return
        shown = check_open_bytes(
            batch.transactions,
            events_of_frame(self.network, contexts, events),
            lambda event: self._may_lack(event, digest),
        )
        came = {payload.event_hash for payload, _ in shown}  # any order: membership only
        self.eraser.lacks(
            event
            for transaction in batch.transactions
            for event, _ in open_items(transaction)
            if event not in came
        )
        self.sync.mender.wake()
        self._store(batch, shown)
        self._hold(batch, peer if peer in range(len(self.epoch.validators)) else self.me)

    # ---- changes of epoch

    def _is_of_this_epoch(self, batch: Batch) -> bool:
        """Whether blocks of this epoch may have the batch; its origin may be in a later one, whose version has more kinds."""
        try:
            check_batch_protocol(batch, self.epoch.protocol)
        except FormError:
            return False
        return batch.change is None or self._is_change_due(batch.change)

    def _is_change_due(self, change: Transaction) -> bool:
        """Whether a change is of the epoch under way. Raises CustodyError if it is, and nobody honest has it."""
        found = change_of(change)
        if found is None or found.epoch != self.epoch.number:
            return False
        epoch = self.epoch
        state = self.executor.state
        check_change(
            found,
            epoch.number,
            epoch.validators,
            state.approvers(state.tip.header.height + 1),
            protocol=epoch.protocol,
            time_ms=state.tip.header.time_ms,
        )
        return True

    def _is_past_change(self, batch: Batch) -> bool:
        """Whether a batch is a change that closes an epoch that is over."""
        found = None if batch.change is None else change_of(batch.change)
        return found is not None and found.epoch < self.epoch.number

    def end_epoch(self) -> None:
        """The epoch is over: make its chain durable, then go on in the next one with its set, key and parameters."""
        names, before = self._roster.names, self.machine
        self.stores.sync_before_sending()
        self.stores.blocks.sync()
        self._begin_epoch()
        self.driver.replace(self.machine)
        self.driver.post(Begin())
        for key in self.mesh.connected:
            self.driver.post(Connected(self._index_of[key]))
        places = {member.organisation: place for place, member in enumerate(self.epoch.validators)}
        origins = {held.digest: places.get(names.get(held.origin, "")) for held in before.held}
        for batch in self.mempool.batches:
            if self._is_past_change(batch):
                self.mempool.drop(batch.digest)
                self.stores.pending.forget(BATCH, (batch.digest,))
                continue
            origin = origins.get(batch.digest)
            self._post_held(batch, self.me if origin is None else origin)
        if self.key is None:
            self.mempool.follow()
        else:
            self.mempool.me = self.me
            self._report_again()

    def send_closing(self, peer: int, epoch: int) -> None:
        """Send a peer the finalisation of the block that closed an epoch, if it is here."""
        key = self._key_of.get(peer)
        try:
            closings = self.executor.closings(epoch, epoch + 1)
        except UnavailableError:  # another peer has it
            return
        if key is not None and closings:
            message = encode_message(closings[0].checkpoint.certificate)
            self.mesh.send(key, CONSENSUS_FRAME, message)

    # ---- batches

    def _store(self, batch: Batch, events: tuple[OpenEvent, ...]) -> None:
        """Write a batch and bytes of events; the sync of this turn covers them."""
        self.stores.pending.put(BATCH, batch.digest, batch.data)
        payload = self.stores.payload
        for event, context in events:
            payload.put(event)
            if event.context_hash is not None and context is not None:
                payload.put_context(event.context_hash, context)

    def _may_lack(self, event_hash: bytes, digest: bytes) -> bool:
        """Whether a batch is whole without the bytes of an open event: they were erased, or are of a block that is final.

        Behind a final block a quorum had all bytes when it voted. Whoever is behind may ask after all others have erased some,
        and reads in a later block that they had to.
        """
        return self.stores.payload.is_erased(event_hash) or self.machine.is_settled(digest)

    def _hold(self, batch: Batch, origin: int) -> None:
        self.mempool.hold(batch)
        self._post_held(batch, origin)

    def _post_held(self, batch: Batch, origin: int) -> None:
        held = BatchHeld(batch.digest, origin, batch.ids, batch.size, batch.subjects, batch.change)
        self.driver.post(held)

    def wake(self) -> None:
        """Transactions wait to be put into a batch."""
        self.driver.wake()

    def before_step(self) -> None:
        """Put what was handed in since the last turn into batches, and push them to all."""
        while self.mempool.has_queued:
            made = self.mempool.next_batch()
            if made is None:
                return
            batch, events, restricted = made
            self._store(batch, (*events, *restricted))
            self.mesh.broadcast(BATCH_FRAME, encode_frame(batch.data, events))
            self._hold(batch, self.me)

    # ---- the driver's surroundings

    def send(self, peer: int, data: bytes) -> None:
        """Send an encoded message to one validator."""
        key = self._key_of.get(peer)
        if key is not None:  # no address is known of one whom node.toml does not list
            self.mesh.send(key, CONSENSUS_FRAME, data)

    def broadcast(self, data: bytes) -> None:
        """Send an encoded message to all validators."""
        self.mesh.broadcast(CONSENSUS_FRAME, data)

    def serve(self, peer: int, request: Request) -> None:
        """Answer from the stores what another validator lacks; what is not here is left out."""
        key = self._key_of.get(peer)
        if key is None:
            return
        if isinstance(request, FetchBatches):
            is_pruned = False
            for digest in request.digests:
                frame = self._batch_frame(digest)
                if frame is None:
                    is_pruned = is_pruned or self.chain.is_batch_pruned(digest)
                elif not self.mesh.send(key, BATCH_FRAME, frame):
                    return
            if is_pruned:
                self.sync.tell_pruned(key)
        elif isinstance(request, FetchBlocks):
            found = tuple(
                block
                for block in (self.chain.block_by_hash(block_hash) for block_hash in request.hashes)
                if block is not None
            )
            if found:
                self.mesh.send(key, REPLY_FRAME, encode_message(Blocks(found)))
        elif self.chain.is_pruned(request.from_height):
            self.sync.tell_pruned(key)
        else:
            members = self.chain.range(request.from_height)
            if members is not None:
                self.mesh.send(key, REPLY_FRAME, encode_message(members))

    def _batch_frame(self, digest: bytes) -> bytes | None:
        """A batch with the bytes of its open items, from memory or from the chain."""
        held = self.mempool.held(digest)
        data = held.data if held is not None else self.chain.batch(digest)
        if data is None:
            return None
        events = self._shown(held or batch_from_bytes(data, self.network, check_signatures=False))
        return None if events is None else encode_frame(data, events)

    def _shown(self, batch: Batch) -> tuple[OpenEvent, ...] | None:
        """The bytes of a batch's open items, of those erased none; None if any other is not here."""
        store = self.stores.payload
        events = []
        for transaction in batch.transactions:
            for event_hash, _ in open_items(transaction):
                payload = store.get_for(event_hash, None)
                if payload is None and store.is_erased(event_hash):
                    continue
                if payload is None:
                    return None
                context = None if payload.context_hash is None else store.get_context(payload.context_hash)
                if context is None and payload.context_hash is not None:
                    return None
                events.append(open_event(self.network, payload.salt, context, payload.event))
        return tuple(events)

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
        if evidence.signer in self._accused or self.key is None:
            return
        self._accused.add(evidence.signer)
        self._report(self.key, evidence)

    def _report(self, key: Signer, evidence: Evidence) -> None:
        """Put evidence on the ledger under the key of this epoch."""
        transaction = sign_transaction(
            key,
            self.network,
            self.member.config.organisation,
            (evidence,),
            nonce=self._host.random_bytes(16),
            expiry_ms=max(self.clock.wall_ms(), self.executor.final_header.time_ms) + _EVIDENCE_EXPIRY_MS,
            kind=Kind.EVIDENCE,
        )
        self._reported[transaction.id] = evidence
        self.mempool.submit_own(transaction.to_bytes())
        self.driver.wake()

    def _report_again(self) -> None:
        """Evidence that did not make it before its epoch ended was signed with a key that counts no more."""
        reported, self._reported = self._reported, {}
        for known, evidence in reported.items():
            status = self.mempool.status(known)
            is_settled = status.state is State.FINAL and not status.receipts[0].refusal
            if self.key is not None and not is_settled:
                self._report(self.key, evidence)

    def alarm(self, message: str) -> None:
        """Tell the operator."""
        self.alarms.append(message)
        self.alarm_count += 1
        self.log.error("alarm", reason=message)
        self._warn_of_clock()

    def drop(self, peer: int, reason: str) -> None:
        """Close the connection to a peer that sent something it cannot have meant honestly."""
        key = self._key_of.get(peer)
        self.log.warning("dropping a peer", peer=self._name(peer), reason=reason)
        if key is not None:
            self.mesh.drop(key, reason)

    # ---- what it says of itself

    def _warn_of_clock(self) -> None:
        warning = self.clock.warning()
        if (warning is not None) != self._is_clock_off:
            self._is_clock_off = warning is not None
            if warning is not None:
                self.log.error("clock", code=Code.CLOCK.value, reason=warning)
            else:
                self.log.info("clock right again")

    def _warn_of_clock_behind_chain(self) -> None:
        ahead_ms = self.executor.final_header.time_ms - self.clock.wall_ms()
        if ahead_ms > limits.CLOCK_AHEAD_MS:
            message = (
                f"expected this clock not to be behind the last final block, it is {ahead_ms / 1000:.1f} s behind: "
                "this validator cannot vote until the clock is set"
            )
            self.alarms.append(message)
            self.log.error("clock", code=Code.CLOCK.value, reason=message)

    def genesis(self) -> bytes:
        """The genesis file."""
        return self.member.genesis.to_bytes()

    def status(self) -> NodeStatus:
        """How the validator is doing."""
        executor, machine = self.executor, self.machine
        connected = set(self.mesh.connected)
        peers = tuple(
            PeerStatus(peer.organisation, str(peer.address), peer.transport_key in connected)
            for peer in self.company.config.peers
        )
        clock = self.clock.warning()
        past = self.sync.completer.said()
        said = (clock, past, self.eraser.said(), *self.company.warnings, *self.alarms)
        warnings = tuple(sentence for sentence in said if sentence is not None)
        checkpoint = executor.checkpoint
        return NodeStatus(
            self.network,
            self.member.genesis.name,
            self.member.config.organisation,
            self.phase,
            executor.final_header.height,
            executor.final_header.time_ms,
            0 if checkpoint is None else checkpoint.header.height,
            machine.view,
            self._name(machine.leader),
            self.mempool.pending_transactions,
            self.mempool.queued_bytes + self.mempool.held_bytes,
            peers,
            warnings,
            os.getpid(),
            self.started_ms,
            self.epoch.number,
            self.key is not None,
            self.epoch.protocol,
        )

    def metrics(self) -> bytes:
        """Prometheus text format."""
        return render_metrics(self)
