"""Networks that change their validators while they run: over real sockets and disks."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from ledger.base.errors import Code, StorageError, UnavailableError
from ledger.chain.batch import make_batch
from ledger.chain.block import Block
from ledger.chain.closing import Closing
from ledger.chain.epoch import EpochChange
from ledger.chain.evidence import make_evidence
from ledger.chain.genesis import LEADER_TIMEOUT_MS
from ledger.chain.transaction import Transaction, transaction_from_bytes
from ledger.chain.votes import Proposal, notarise
from ledger.consensus.messages import encode_message
from ledger.proof.anchor import anchor_from_genesis
from ledger.proof.verify import verify
from node.changes import Delivered, approved, carry, compose, deliver_key
from node.config import FILE, GENESIS_FILE
from node.init import DEMONSTRATION, OrganisationPlan, party
from node.local.protocol import State, Submission, TransactionStatus
from node.storage.keystore import Keystore
from node.validator.batches import encode_frame, open_event
from node.validator.epochs import StoredKeys
from node.validator.frames import BATCH_FRAME, CONSENSUS_FRAME
from tests.validator.network import Network, item, until, with_made

BROKER = OrganisationPlan("broker", "Broker", "NL", ("logistics",), (party(9),), is_validator=False)
FOUR = ("carrier", "customs", "forwarder", "maker")


class Changing(Network):
    """Four validators, and a fifth organisation that is to become one."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, (*DEMONSTRATION, BROKER))
        self.names = FOUR
        delivered = self.deliver("broker", 1)
        base = self.port_base + 4
        for name in FOUR:
            settings = self.made.folders[name] / FILE
            peer = _peer("broker", base, delivered.transport_key)
            settings.write_text(settings.read_text() + peer)
        lines = [
            'organisation = "broker"', f'genesis = "{GENESIS_FILE}"',
            "[validator]", f'listen = "127.0.0.1:{base}"', "[gateway]", f'listen = "127.0.0.1:{base + 1_000}"', "",
        ]  # fmt: skip
        keys = {name: self.key(name, "transport").public_key for name in FOUR}
        peers = [_peer(name, self.port_base + place, keys[name]) for place, name in enumerate(FOUR)]
        (self.made.folders["broker"] / FILE).write_text("\n".join(lines) + "".join(peers))

    def deliver(self, name: str, epoch: int) -> Delivered:
        keystore = Keystore(self.made.folders[name] / "keys")
        return deliver_key(keystore, name, self.network, epoch, None)

    def change(
        self, epoch: int, names: tuple[str, ...], *, leader_timeout_ms: int | None = None
    ) -> EpochChange:
        """The change to the set of `epoch`, approved by three."""
        parameters = [] if leader_timeout_ms is None else [(LEADER_TIMEOUT_MS, leader_timeout_ms)]
        change = compose(
            [self.deliver(name, epoch) for name in names], parameters, self.made.genesis.protocol
        )
        for name in FOUR[:3]:
            change = approved(change, self.key(name, "approver"), name, self.network)
        return change

    def carried(self, change: EpochChange, by: str = "maker") -> Transaction:
        return carry(
            change, self.key(by, "approver"), by, self.network,
            now_ms=time.time_ns() // 1_000_000, random_bytes=os.urandom,
        )  # fmt: skip

    async def close_epoch(self, change: EpochChange, via: str = "maker") -> TransactionStatus:
        submission = Submission(self.carried(change).to_bytes(), (), ())
        (status,) = await self.clients[via].submit((submission,))
        return status

    async def in_epoch(self, number: int) -> None:
        await until(lambda: all(v.epoch.number == number for v in self.running.values()))

    def key_files(self, name: str) -> list[str]:
        return [
            key for key in Keystore(self.made.folders[name] / "keys").names() if key.startswith("validator-")
        ]


def _peer(name: str, port: int, key: bytes) -> str:
    return (
        f'\n[[peers]]\norganisation = "{name}"\naddress = "127.0.0.1:{port}"\ntransport_key = "{key.hex()}"\n'
    )


def with_changing(tmp_path: Path, scenario: Callable[[Changing], Awaitable[None]]) -> None:
    with_made(lambda: Changing(tmp_path), scenario)


async def record(network: Changing, number: int, via: str = "maker") -> TransactionStatus:
    (status,) = await network.clients[via].submit((network.author().submission((number,)),))
    return status


def test_four_become_five_and_four_again_and_all_stays_provable(tmp_path: Path) -> None:
    async def scenario(network: Changing) -> None:
        anchor = anchor_from_genesis(network.made.genesis)
        await network.start("broker")
        assert (await record(network, 1)).state is State.FINAL
        await network.same_height()
        follower = network.running["broker"]
        assert not (await network.clients["broker"].status()).is_validator
        assert follower.chain.height == 1

        status = await network.close_epoch(network.change(1, (*FOUR, "broker"), leader_timeout_ms=170))
        assert (status.state, status.receipts[0].refusal) == (State.FINAL, "")
        await network.in_epoch(1)
        shown = await network.clients["broker"].status()
        assert (shown.epoch, shown.is_validator) == (1, True)
        assert all(len(v.epoch.validators) == 5 for v in network.running.values())
        assert all(v.epoch.parameters.leader_timeout_ms == 170 for v in network.running.values())
        for number in range(2, 12):
            assert (await record(network, number, ("maker", "broker")[number % 2])).state is State.FINAL
        assert all(network.key_files(name) == ["validator-1"] for name in network.running)
        assert await network.same_height() == 12
        proposers = {(await network.clients["maker"].block(h)).header.proposer for h in range(3, 13)}
        assert len(proposers) > 1

        await network.close_epoch(network.change(2, ("broker", "carrier", "forwarder", "maker")))
        await network.in_epoch(2)
        shown = await network.clients["customs"].status()
        assert (shown.epoch, shown.is_validator) == (2, False)
        (refused,) = await network.clients["customs"].submit((network.author().submission((90,)),))
        assert (refused.state, refused.code) == (State.REFUSED, Code.UNAVAILABLE)
        assert (await record(network, 12)).state is State.FINAL
        assert await network.same_height() == 14
        assert network.key_files("customs") == []
        for name in network.running:
            verify(await network.clients[name].prove([item(1), item(12)]), anchor)

    with_changing(tmp_path, scenario)


def test_a_replaced_key_is_used_from_the_next_epoch_on_and_the_old_one_is_gone(tmp_path: Path) -> None:
    async def scenario(network: Changing) -> None:
        old = {name: network.key(name, "validator-0") for name in FOUR}
        await network.close_epoch(network.change(1, FOUR))
        await network.in_epoch(1)
        assert {v.machine.final_view for v in network.running.values()} == {0}, "views start again"
        await network.stop("customs")
        await network.start("customs")
        assert network.running["customs"].machine.final_view == 0, "also for one that woke up on the anchor"
        assert (await record(network, 1)).state is State.FINAL
        for name in FOUR:
            seat = network.running[name].epoch.seat_of(name)
            assert seat is not None
            assert seat.public_key != old[name].public_key
            assert network.key_files(name) == ["validator-1"]

    with_changing(tmp_path, scenario)


def test_each_may_restart_before_during_and_after_a_change(tmp_path: Path) -> None:
    async def scenario(network: Changing) -> None:
        await network.stop("customs")
        await network.close_epoch(network.change(1, FOUR))
        await until(lambda: all(v.epoch.number == 1 for v in network.running.values()))
        assert (await record(network, 1)).state is State.FINAL
        await network.start("customs")  # wakes up in the epoch before
        await network.in_epoch(1)
        await network.same_height()
        assert network.key_files("customs") == ["validator-1"]
        for name in FOUR:
            await network.stop(name)
            others = [other for other in FOUR if other != name]
            assert (await record(network, 10 + FOUR.index(name), others[0])).state is State.FINAL
            await network.start(name)
            await network.same_height()
        await network.stop()
        await network.start()
        assert (await record(network, 30)).state is State.FINAL
        verify(await network.clients["maker"].prove([item(30)]), anchor_from_genesis(network.made.genesis))

    with_changing(tmp_path, scenario)


def test_two_epochs_are_caught_up_with_by_one_who_slept(tmp_path: Path) -> None:
    async def scenario(network: Changing) -> None:
        for name in FOUR:
            for epoch in (1, 2):
                network.deliver(name, epoch)
        await network.stop("carrier")
        for epoch in (1, 2):
            await network.close_epoch(network.change(epoch, FOUR))
            await network.in_epoch(epoch)
            assert (await record(network, epoch)).state is State.FINAL
        await network.start("carrier")
        await network.in_epoch(2)
        await network.same_height()
        assert network.key_files("carrier") == ["validator-2"]
        await network.stop("customs")
        assert (await record(network, 3)).state is State.FINAL, "the one who slept is needed now"

    with_changing(tmp_path, scenario)


@pytest.mark.parametrize(
    "point", ["before the chain is durable", "before the key is destroyed", "in between", "after"]
)
def test_a_crash_at_any_point_of_the_end_of_an_epoch_comes_up_right(
    tmp_path: Path, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is on the disk at the crash is copied and started in its place."""

    async def scenario(network: Changing) -> None:
        victim = network.running["forwarder"]
        folder = network.made.folders["forwarder"]
        copy = tmp_path / "crashed"

        def crash() -> None:
            shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*.sock"))

        keys = victim.member.keys
        assert isinstance(keys, StoredKeys)
        destroy_before, sync = keys.destroy_before, victim.stores.blocks.sync

        def destroying(epoch: int) -> None:
            if point == "before the key is destroyed":
                crash()
            destroy_before(epoch)
            if point == "in between":
                crash()
                name = copy / "keys" / "validator-0.key"
                name.write_bytes(bytes(99))  # overwritten, not removed yet
                name.chmod(0o600)
            if point == "after":
                crash()

        def syncing() -> None:
            if point == "before the chain is durable" and victim.chain.height == 1 and not copy.exists():
                crash()
                (copy / "chain" / "blocks-00000000.seg").unlink()  # never reached the disk
            sync()

        monkeypatch.setattr(keys, "destroy_before", destroying)
        monkeypatch.setattr(victim.stores.blocks, "sync", syncing)
        await network.close_epoch(network.change(1, FOUR))
        await network.in_epoch(1)
        await network.stop("forwarder")
        shutil.rmtree(folder)
        copy.rename(folder)
        await network.start("forwarder")
        if point != "before the chain is durable":
            assert network.running["forwarder"].epoch.number == 1
        await network.in_epoch(1)
        assert network.key_files("forwarder") == ["validator-1"]
        await network.stop("customs")
        assert (await record(network, 1)).state is State.FINAL, "it has its vote"

    with_changing(tmp_path, scenario)


def test_a_change_that_nobody_would_vote_for_is_refused_with_its_reason(tmp_path: Path) -> None:
    async def scenario(network: Changing) -> None:
        good = network.change(1, FOUR)
        cases = [
            (good._replace(approvals=good.approvals[:2]), Code.NOT_APPROVED),
            (network.change(2, FOUR), Code.WRONG_EPOCH),
            (good._replace(seats=good.seats[::-1], possessions=good.possessions[::-1]), Code.NOT_CANONICAL),
        ]
        for change, code in cases:
            status = await network.close_epoch(change)
            assert (status.state, status.code) == (State.REFUSED, code)
        assert (await record(network, 1)).state is State.FINAL
        await network.close_epoch(good)
        await network.in_epoch(1)

    with_changing(tmp_path, scenario)


def test_two_changes_of_one_epoch_and_much_else_at_once(tmp_path: Path) -> None:
    """One closes the epoch, the other is over with it; what else was handed in is ordered before or after."""

    async def scenario(network: Changing) -> None:
        author = network.author()
        changes = [network.change(1, FOUR), network.change(1, FOUR, leader_timeout_ms=180)]
        closing = [
            asyncio.create_task(network.close_epoch(change, via))
            for change, via in zip(changes, ("maker", "customs"), strict=True)
        ]
        submissions = [author.submission((number,)) for number in range(100)]
        given = [
            network.clients[FOUR[number % 4]].submit((submission,))
            for number, submission in enumerate(submissions)
        ]
        answers = await asyncio.gather(*given)
        closed = await asyncio.gather(*closing)
        assert sorted(status.state for status in closed) == sorted([State.FINAL, State.REFUSED])
        assert all(status.state is State.FINAL for (status,) in answers)
        await network.in_epoch(1)
        await network.same_height()

    with_changing(tmp_path, scenario)


def test_a_seat_without_its_key_stops_and_says_so(tmp_path: Path) -> None:
    async def scenario(network: Changing) -> None:
        change = network.change(1, FOUR)
        lost = network.made.folders["customs"] / "keys" / "validator-1.key"
        kept = lost.read_bytes()
        lost.unlink()
        await network.close_epoch(change)
        customs = network.running["customs"]
        await customs.stopped.wait()
        assert isinstance(customs.failure, StorageError)
        assert customs.failure.code is Code.UNKNOWN_KEY
        assert "epoch 1" in customs.failure.message
        assert (await record(network, 1)).state is State.FINAL
        await network.stop("customs")
        with pytest.raises(StorageError):
            await network.start("customs")
        lost.write_bytes(kept)
        lost.chmod(0o600)
        await network.start("customs")
        await network.in_epoch(1)
        await network.same_height()

    with_changing(tmp_path, scenario)


def test_one_that_lost_its_chain_follows_through_past_epochs_and_votes_again(tmp_path: Path) -> None:
    async def scenario(network: Changing) -> None:
        await record(network, 1)
        await network.close_epoch(network.change(1, FOUR))
        await network.in_epoch(1)
        await network.stop("customs")
        for name in ("chain", "payload", "state"):
            shutil.rmtree(network.made.folders["customs"] / name)
            (network.made.folders["customs"] / name).mkdir(mode=0o700)
        assert network.key_files("customs") == ["validator-1"]
        await network.start("customs")
        assert network.running["customs"].key is None
        await record(network, 2)
        await network.in_epoch(1)
        await until(lambda: network.running["customs"].key is not None)
        await network.same_height()

    with_changing(tmp_path, scenario)


def test_what_one_without_a_seat_pushes_is_not_taken(tmp_path: Path) -> None:
    async def scenario(network: Changing) -> None:
        await network.start("broker")
        await network.connected()
        data = network.author().submission((1,))
        transaction = transaction_from_bytes(data.transaction, network.network)
        batch = make_batch(network.network, 0, 1, [transaction], [data.transaction])
        payload = data.payloads[0]
        frame = encode_frame(batch.data, [open_event(network.network, payload.salt, None, payload.event)])
        maker = network.running["maker"]
        for sender, is_taken in (("broker", False), ("carrier", True)):
            maker._message_came(network.key(sender, "transport").public_key, BATCH_FRAME, frame)
            assert (maker.mempool.held(batch.digest) is not None) == is_taken, sender

    with_changing(tmp_path, scenario)


def test_a_validator_without_the_address_of_another_says_so_and_goes_on(tmp_path: Path) -> None:
    async def scenario(network: Changing) -> None:
        settings = network.made.folders["carrier"] / FILE
        await network.stop("carrier")
        whole = settings.read_text()
        settings.write_text(whole[: whole.index('\n[[peers]]\norganisation = "broker"')])
        await network.start("carrier", "broker")
        await network.close_epoch(network.change(1, (*FOUR, "broker")))
        await network.in_epoch(1)
        status = await network.clients["carrier"].status()
        assert any("broker" in warning for warning in status.warnings)
        assert status.is_validator
        for number in range(5):
            assert (await record(network, number, FOUR[number % 4])).state is State.FINAL
        await network.stop("customs")
        assert (await record(network, 9, "forwarder")).state is State.FINAL
        await network.start("customs")  # asks everybody, the one without an address as well
        await network.same_height()

    with_changing(tmp_path, scenario)


def test_evidence_that_its_epoch_left_behind_is_reported_again_under_the_next_key(tmp_path: Path) -> None:
    async def scenario(network: Changing) -> None:
        culprit = network.key("carrier", "validator-0")
        maker = network.running["maker"]
        claims = [notarise(0, 50, bytes((number,)) * 32) for number in (1, 2)]
        signed = [culprit.sign(claim.signing_message(network.network)) for claim in claims]
        evidence = make_evidence(0, claims[0], signed[0], claims[1], signed[1])
        maker.accuse(evidence)
        (made, *_) = maker.accusing._reported
        maker.mempool._queue.clear()  # it was pushed to nobody when the epoch ended
        maker.mempool._queued_ids.clear()
        await network.close_epoch(network.change(1, FOUR), "customs")
        await network.in_epoch(1)
        await until(lambda: bool(maker.accusing._reported) and made not in maker.accusing._reported)
        (again,) = maker.accusing._reported
        await until(lambda: maker.mempool.status(again).state is State.FINAL)
        assert maker.mempool.status(again).receipts[0].refusal == ""

    with_changing(tmp_path, scenario)


def test_what_one_that_lost_its_seat_holds_is_let_go_of_when_it_has_expired(tmp_path: Path) -> None:
    async def scenario(network: Changing) -> None:
        customs = network.running["customs"]
        await network.start("broker")
        await network.close_epoch(network.change(1, ("broker", "carrier", "forwarder", "maker")))
        await network.in_epoch(1)
        data = network.author().submission((1,)).transaction
        transaction = transaction_from_bytes(data, network.network)
        customs.mempool.hold(make_batch(network.network, 1, 1, [transaction], [data]))
        told: list[TransactionStatus] = []
        customs.mempool.when_final(transaction.id, told.append)
        assert not customs.mempool.drop_expired(transaction.header.expiry_ms - 1)
        assert customs.mempool.drop_expired(transaction.header.expiry_ms)
        assert [(status.state, status.code) for status in told] == [(State.REFUSED, Code.EXPIRED)]
        assert not customs.mempool.pending_transactions

    with_changing(tmp_path, scenario)


def test_one_key_is_used_by_one_process(tmp_path: Path) -> None:
    """From whatever folder it comes: a link to the key file of another."""

    async def scenario(network: Changing) -> None:
        twin = tmp_path / "twin"
        shutil.copytree(network.made.folders["maker"], twin, ignore=shutil.ignore_patterns("*.sock"))
        key = twin / "keys" / "validator-0.key"
        key.unlink()
        key.hardlink_to(network.made.folders["maker"] / "keys" / "validator-0.key")
        keys = StoredKeys(Keystore(twin / "keys"), None)
        with pytest.raises(StorageError) as refused:
            keys.load(0)
        assert refused.value.code is Code.LOCKED
        await network.stop("maker")
        assert keys.load(0).public_key == network.key("maker", "validator-0").public_key
        keys.close()
        await network.start("maker")

    with_changing(tmp_path, scenario)


def test_only_proposals_of_validators_of_this_epoch_tell_the_time(tmp_path: Path) -> None:
    """A node without a seat, and one that proposes in another epoch, must not make clocks look wrong."""

    async def scenario(network: Changing) -> None:
        await network.start("broker")
        await network.connected()
        maker = network.running["maker"]
        header = maker.executor.final_header._replace(time_ms=maker.clock.wall_ms() + 90_000, height=1)
        for name in ("broker", "carrier", "customs"):
            key = network.key(name, "transport").public_key
            epoch = 0 if name == "broker" else 1
            block = Block(header._replace(proposer=maker._index_of[key]), ())
            proposal = Proposal(epoch, 1, 0, block, bytes(64))
            maker._message_came(key, CONSENSUS_FRAME, encode_message(proposal))
        assert maker.clock.offset_ms() is None

    with_changing(tmp_path, scenario)


def test_an_end_of_an_epoch_that_is_not_here_is_not_sent_and_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(network: Changing) -> None:
        await network.close_epoch(network.change(1, FOUR))
        await network.in_epoch(1)
        maker = network.running["maker"]

        def missing(first: int, end: int) -> tuple[Closing, ...]:
            raise UnavailableError(Code.HISTORY_INCOMPLETE, f"expected {first} .. {end}, joined later")

        monkeypatch.setattr(maker.executor, "closings", missing)
        maker.send_closing(0, 0)
        maker.send_closing(0, 7)
        assert (await record(network, 1)).state is State.FINAL

    with_changing(tmp_path, scenario)
