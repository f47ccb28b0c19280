"""The executor over real stores: undone, executed on another branch, made final, redone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from client.acts import sign_acts
from ledger.base.encoding import encode
from ledger.base.errors import Code, ConsensusError, StorageError
from ledger.base.keys import SigningKey
from ledger.chain.batch import Batch
from ledger.chain.block import Block, Header, batches_hash, transactions_root
from ledger.chain.certificate import Certificate, make_certificate
from ledger.chain.transaction import Kind
from ledger.chain.validators import Validator, ValidatorSet
from ledger.chain.votes import finalise
from ledger.members.governance import proposal_id
from ledger.members.registry import Kind as RegistryKind
from ledger.trade.record import EMPTY
from node.init import MadeNetwork
from node.local.protocol import State, Submission
from node.storage.folder import NodeFolder
from node.storage.keystore import Keystore
from node.storage.stores import Stores, open_stores
from node.validator.clock import Clock
from node.validator.execution import Executor, FinalBlockData, stored_block
from node.validator.mempool import Mempool
from node.validator.tables import TABLES, registry_key
from tests.bench.load import Author
from tests.validator.network import item
from tests.world.world import seed


@dataclass
class Node:
    """An executor and what feeds it, without consensus."""

    made: MadeNetwork
    folder: NodeFolder
    stores: Stores
    executor: Executor
    mempool: Mempool
    is_closed: bool = False

    @classmethod
    def open(cls, made: MadeNetwork, has_room: Callable[[int, int], bool] = lambda *_: True) -> Node:
        genesis = made.genesis
        folder = NodeFolder.open(made.folders["maker"], genesis.network)
        stores = open_stores(folder, TABLES)
        seats = [Validator(seat.organisation, seat.public_key) for seat in genesis.validators]
        executor = Executor(genesis, ValidatorSet(genesis.network, seats), stores.blocks, stores.state)
        mempool = Mempool(executor, Clock(0, 1), 0, 1, has_room)
        return cls(made, folder, stores, executor, mempool)

    def close(self) -> None:
        """Close the files. What of the state was not flushed is lost, as in a crash."""
        if not self.is_closed:
            self.is_closed = True
            self.stores.close()
            self.folder.close()

    def author(self) -> Author:
        key = Keystore(self.made.folders["maker"] / "keys").load("sign")
        return Author(key, "maker", self.made.genesis.network)

    def batch(self, *numbers: int, is_first: bool = True) -> Batch:
        status = self.mempool.submit(self.author().submission(numbers, is_first=is_first))
        assert status.state is State.PENDING, status
        made = self.mempool.next_batch()
        assert made is not None
        return made[0]

    def acts(self, who: str, *items: tuple[object, ...]) -> Batch:
        """A batch with one transaction of acts of governance by an organisation's approver."""
        key = Keystore(self.made.folders[who] / "keys").load_plain("approver")
        now_ms = time.time_ns() // 1_000_000
        signed = sign_acts(key, self.made.genesis.network, who, Kind.GOVERNANCE, items, now_ms=now_ms)
        status = self.mempool.submit(Submission(signed.to_bytes()))
        assert status.state is State.PENDING, status
        made = self.mempool.next_batch()
        assert made is not None
        return made[0]

    def block(self, parent: Header, *batches: Batch) -> Block:
        network = self.made.genesis.network
        digests = tuple(batch.digest for batch in batches)
        ids = [known for batch in batches for known in batch.ids]
        header = Header(
            parent.version, network, 0, False, parent.height + 1, parent.hash, parent.time_ms + 1, 0,
            transactions_root(ids), batches_hash(network, digests),
        )  # fmt: skip
        return Block(header, digests)

    def certificate(self, block: Block) -> Certificate:
        outcome = self.executor.state.tip.outcome.hash_in(self.made.genesis.network)
        claim = finalise(0, block.header.height, block.header.hash, outcome)
        return make_certificate(self.executor.validators, claim, dict.fromkeys(range(4), bytes(64)))

    def execute(self, block: Block, *batches: Batch) -> None:
        self.executor.execute(block.header.hash, block, batches)

    def commit(self, block: Block, *batches: Batch) -> FinalBlockData:
        if self.executor.state.tip.header != block.header:
            self.execute(block, *batches)
        outcome = self.executor.state.tip.outcome
        return self.executor.commit(block.header.hash, block, outcome, self.certificate(block), batches)


def state_of(node: Node) -> tuple[object, ...]:
    state = node.executor.state
    return state.tip, state.tree.root, state.log.root(), dict(state.remembered)


def test_what_is_undone_was_never_there_and_what_is_final_only_is_read(node: Node) -> None:
    genesis = node.executor.state.tip.header
    before = state_of(node)
    left, right = node.batch(1, 2), node.batch(2, 3)
    first, second = node.block(genesis, left), node.block(genesis, right)
    node.execute(first, left)
    assert node.executor.state.record(item(1)).custodian == "maker"
    assert node.executor.committed_record(item(1)) == EMPTY
    node.execute(second, right)
    assert node.executor.state.record(item(1)) == EMPTY
    node.commit(second, right)
    assert node.executor.committed_record(item(3)).custodian == "maker"
    assert node.executor.committed_record(item(1)) == EMPTY
    node.executor.execute(first.header.hash, third := node.block(second.header, left), (left,))
    assert node.executor.state.tip.header == third.header
    assert not node.executor.is_at_checkpoint
    assert state_of(node) != before


def test_what_is_executed_is_acknowledged_only_once_it_is_final(node: Node) -> None:
    batch = node.batch(1)
    block = node.block(node.executor.final_header, batch)
    node.execute(block, batch)
    assert node.mempool.status(batch.ids[0]).state is not State.FINAL
    node.commit(block, batch)
    assert node.mempool.status(batch.ids[0]).state is State.FINAL


def test_a_block_undone_for_another_branch_is_executed_again_when_it_becomes_final(node: Node) -> None:
    genesis = node.executor.state.tip.header
    left, right = node.batch(1), node.batch(2)
    first, second = node.block(genesis, left), node.block(genesis, right)
    node.execute(first, left)
    outcome, certificate = node.executor.state.tip.outcome, node.certificate(first)
    node.execute(second, right)
    node.executor.commit(first.header.hash, first, outcome, certificate, (left,))
    assert node.executor.is_at_checkpoint
    assert node.executor.final_header == first.header
    assert node.executor.committed_record(item(2)) == EMPTY


def test_a_block_on_nothing_known_is_refused(node: Node) -> None:
    batch = node.batch(1)
    orphan = node.block(node.executor.state.tip.header._replace(time_ms=1), batch)
    with pytest.raises(ConsensusError) as refused:
        node.execute(orphan, batch)
    assert refused.value.code is Code.DIVERGED


def grow(node: Node, blocks: int, first: int = 0) -> None:
    for number in range(first, first + blocks):
        batch = node.batch(number, 1_000 + number)
        node.commit(node.block(node.executor.state.tip.header, batch), batch)


def test_a_crash_before_the_state_was_written_is_redone_from_the_chain(made: MadeNetwork, node: Node) -> None:
    grow(node, 3)
    node.stores.blocks.sync()
    node.stores.state.flush(node.stores.blocks.synced_height)
    grow(node, 3, first=3)
    node.stores.blocks.sync()
    expected = state_of(node)
    node.close()
    again = Node.open(made)
    assert again.executor.state.tip.header.height == 3
    again.executor.redo()
    assert state_of(again) == expected
    assert again.executor.recent == node.executor.recent
    assert again.executor.checkpoint == node.executor.checkpoint
    grow(again, 1, first=6)
    again.close()


def test_blocks_without_a_finalisation_at_the_end_are_executed_again(made: MadeNetwork, node: Node) -> None:
    grow(node, 2)
    expected = state_of(node)
    batch = node.batch(50)
    block = node.block(node.executor.state.tip.header, batch)
    node.stores.blocks.append(stored_block(block, node.executor.state.tip.outcome, None, (batch.data,)))
    node.stores.blocks.sync()
    node.close()
    again = Node.open(made)
    again.executor.redo()
    assert state_of(again) == expected
    again.commit(block, batch)
    assert again.executor.blocks.last_height == 3
    again.close()


def test_a_chain_that_gives_another_outcome_is_damage(made: MadeNetwork, node: Node) -> None:
    batch = node.batch(1)
    block = node.block(node.executor.state.tip.header, batch)
    node.execute(block, batch)
    wrong = node.executor.state.tip.outcome._replace(state_root=bytes(32))
    node.stores.blocks.append(stored_block(block, wrong, node.certificate(block), (batch.data,)))
    node.close()
    again = Node.open(made)
    with pytest.raises(StorageError) as refused:
        again.executor.redo()
    assert refused.value.code is Code.DAMAGED
    again.close()


def test_a_state_of_another_root_is_refused(made: MadeNetwork, node: Node) -> None:
    batch = node.batch(1)
    block = node.block(node.executor.state.tip.header, batch)
    node.execute(block, batch)
    certified = node.executor.state.tip.outcome._replace(state_root=bytes(32))
    node.stores.blocks.append(stored_block(block, certified, node.certificate(block), (batch.data,)))
    node.stores.blocks.sync()
    node.stores.state.commit(1)
    assert node.stores.state.flush(1)
    node.close()
    with pytest.raises(StorageError, match="remove the state folder") as refused:
        Node.open(made)
    assert refused.value.code is Code.DAMAGED


def test_ids_are_remembered_until_they_expire_also_when_a_block_is_undone(node: Node) -> None:
    genesis = node.executor.state.tip.header
    batch, other = node.batch(1), node.batch(2)
    first = node.block(genesis, batch)
    node.commit(first, batch)
    (known,) = batch.ids
    expiry = node.executor.state.remembered[known]
    late = Block(
        node.block(first.header, other).header._replace(time_ms=expiry),
        node.block(first.header, other).batches,
    )
    node.execute(late, other)
    assert known not in node.executor.state.remembered
    soon = node.block(first.header, other)
    node.execute(soon, other)
    assert node.executor.state.remembered[known] == expiry
    again = node.block(soon.header, batch)
    outcome = node.executor.execute(again.header.hash, again, (batch,))
    assert outcome.event_log_size == 2
    node.execute(Block(again.header._replace(time_ms=expiry), again.batches), batch)
    assert known not in node.executor.state.remembered


def test_a_transaction_that_failed_as_a_whole_may_come_again(node: Node) -> None:
    genesis = node.executor.state.tip.header
    batch = node.batch(1)
    (known,) = batch.ids
    expiry = batch.transactions[0].header.expiry_ms
    early = Block(
        node.block(genesis, batch).header._replace(time_ms=expiry - 4_000_000),
        node.block(genesis, batch).batches,
    )
    node.commit(early, batch)
    status = node.mempool.status(known)
    assert [receipt.refusal for receipt in status.receipts] == ["expiry_too_far"]
    assert node.executor.tables.failures_of(1) == {0: "expiry_too_far"}
    second = node.block(early.header._replace(time_ms=expiry - 1_000), batch)
    second = Block(second.header._replace(parent=early.header.hash), second.batches)
    node.commit(second, batch)
    status = node.mempool.status(known)
    assert (status.height, [receipt.refusal for receipt in status.receipts]) == (2, [""])


def test_no_batch_is_made_that_the_consensus_has_no_room_for(made: MadeNetwork) -> None:
    room = [1_500]
    node = Node.open(made, has_room=lambda _, size: size < room[0])
    node.executor.redo()
    assert node.mempool.submit(node.author().submission(range(10))).state is State.PENDING
    assert node.mempool.next_batch() is None
    assert node.mempool.has_queued
    room[0] = 1_000_000
    assert node.mempool.next_batch() is not None
    node.close()


def test_small_submissions_share_a_batch_and_a_large_one_goes_alone(node: Node) -> None:
    for number in range(5):
        node.mempool.submit(node.author().submission((number,)))
    made = node.mempool.next_batch()
    assert made is not None
    batch, events, _ = made
    assert len(batch.transactions) == len(events) == 5
    assert node.mempool.next_batch() is None
    assert not node.mempool.has_queued


def govern(node: Node, name: str, voters: Sequence[str]) -> None:
    """A proposal that adds an organisation, and ballots for it, each in a block of its own."""
    header = node.executor.final_header
    change = (
        0,
        name,
        name.title(),
        "NL",
        ("logistics",),
        False,
        (),
        None,
        SigningKey(seed(name)).public_key,
        False,
    )
    item = (0, change, header.time_ms + 1_000_000, "")
    batch = node.acts("maker", item)
    node.commit(node.block(header, batch), batch)
    proposal = proposal_id(node.made.genesis.network, "maker", item)
    for who in voters:
        batch = node.acts(who, (1, proposal, True, None))
        node.commit(node.block(node.executor.final_header, batch), batch)


def test_what_votes_set_is_there_after_a_restart_whether_it_was_flushed_or_is_redone(
    made: MadeNetwork, node: Node
) -> None:
    govern(node, "broker", ("maker", "forwarder", "carrier"))
    node.stores.blocks.sync()
    node.stores.state.flush(node.stores.blocks.synced_height)
    govern(node, "agent", ("maker", "forwarder"))
    node.stores.blocks.sync()
    registry, expected = node.executor.state.registry, state_of(node)
    assert registry.root != made.genesis.registry().root
    node.close()
    again = Node.open(made)
    assert again.executor.state.registry.root == again.executor.state.tip.outcome.registry_root
    assert again.executor.state.registry.exact(RegistryKind.ORGANISATION, "broker") is not None
    again.executor.redo()
    assert state_of(again) == expected
    assert again.executor.state.registry.entries == registry.entries
    govern(again, "agent2", ("maker", "forwarder", "customs"))
    assert again.executor.state.registry.exact(RegistryKind.ORGANISATION, "agent2") is not None
    again.close()


def test_an_undone_vote_leaves_nothing_and_the_final_registry_is_that_of_the_final_block(node: Node) -> None:
    before = node.executor.state.registry
    change = (0, "broker", "Broker", "NL", (), False, (), None, SigningKey(seed("b")).public_key, False)
    batch = node.acts("maker", (0, change, node.executor.final_header.time_ms + 1_000_000, ""))
    node.execute(node.block(node.executor.final_header, batch), batch)
    assert node.executor.final_registry is before
    assert node.executor.state.registry.root != before.root
    other = node.batch(1)
    node.execute(node.block(node.executor.final_header, other), other)
    assert node.executor.state.registry is before
    assert not node.executor.tables.read_registry()


def test_a_registry_on_disk_that_is_not_the_certified_one_is_refused(made: MadeNetwork, node: Node) -> None:
    govern(node, "broker", ("maker", "forwarder", "carrier"))
    executor = node.executor
    batch = node.batch(1)
    block = node.block(executor.final_header, batch)
    node.execute(block, batch)
    entry = executor.state.registry.exact(RegistryKind.ORGANISATION, "broker")
    assert entry is not None
    executor.tables.registry.put(registry_key(entry), encode(entry._replace(periods=())))
    node.commit(block, batch)
    node.stores.blocks.sync()
    node.stores.state.flush(node.stores.blocks.synced_height)
    node.close()
    with pytest.raises(StorageError, match="registry of block 5"):
        Node.open(made)
