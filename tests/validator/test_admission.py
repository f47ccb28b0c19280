"""Overload at one node: what is too much is refused for next to nothing, told when to come again, and starves nobody."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger.base.errors import Code
from ledger.base.keys import Signer, SigningKey
from ledger.chain.transaction import Kind, header_ahead, sign_transaction, transaction_from_bytes
from node.local.protocol import State, Submission, TransactionStatus
from node.storage.keystore import Keystore
from node.validator.admission import SLICE_EVENTS
from node.validator.clock import Clock
from node.validator.fair_queue import QUANTUM
from node.validator.mempool import Mempool
from tests.bench.load import Author
from tests.counted.counting import counting
from tests.validator.test_execution import Node

ROOM = 200_000
"""Of the queue, in bytes; a transaction of ten events takes about 11,000 with them."""
UNDER_WAY = 33
"""Three transactions of ten events."""


class Ticking(Clock):
    """Monotonic time by hand."""

    at_ms = 0

    def now_ms(self) -> int:
        return self.at_ms


class Overloaded:
    """A node with little room."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.clock = Ticking(0, 1)
        self.mempool = Mempool(
            node.executor,
            self.clock,
            0,
            1,
            lambda *_: True,
            queue_bytes=ROOM,
            under_way=(UNDER_WAY, 2 * UNDER_WAY),
        )
        self._numbers = iter(range(0, 1_000_000, 10))

    def made(self, who: str = "maker", count: int = 10) -> Submission:
        key = self.key(who)
        first = next(self._numbers)
        author = Author(key, who, self.node.made.genesis.network)
        return author.submission(range(first, first + count), is_first=who == "maker")

    def key(self, who: str) -> Signer:
        return Keystore(self.node.made.folders[who] / "keys").load("sign")

    def submit(self, who: str = "maker") -> TransactionStatus:
        return self.mempool.submit(self.made(who))

    def flood(self, who: str = "maker", times: int = 50) -> list[TransactionStatus]:
        return [self.submit(who) for _ in range(times)]

    def batch(self) -> list[str]:
        """Whose transactions are in the next batch; it is held. Empty if there is none yet."""
        found = self.mempool.next_batch()
        if found is None:
            return []
        self.mempool.hold(found[0])
        return [one.header.organisation for one in found[0].transactions]

    def commit(self) -> None:
        """Everything under way becomes final, in one block."""
        batches = self.mempool.batches
        parent = self.node.executor.final_header
        self.mempool.finalised(self.node.commit(self.node.block(parent, *batches), *batches))


@pytest.fixture
def busy(node: Node) -> Overloaded:
    return Overloaded(node)


def test_one_who_floods_a_node_starves_nobody_there(busy: Overloaded) -> None:
    states = [status.state for status in busy.flood(times=50)]
    assert states[0] is State.PENDING
    assert states[-1] is State.REFUSED
    assert busy.mempool.queued_bytes <= ROOM // 2  # the rest is for others
    assert busy.submit("carrier").state is State.PENDING
    assert busy.submit("forwarder").state is State.PENDING
    served = busy.batch()
    assert served == ["maker", "maker", "maker"]  # as much as may be under way; its turn came first
    assert busy.batch() == []
    taken = served
    for _ in range(10):
        busy.clock.at_ms += 1_000
        busy.commit()
        busy.flood(times=10)
        taken = taken + busy.batch()
    assert len(taken) == 33
    assert taken.count("carrier") == taken.count("forwarder") == 1
    assert (
        max(taken.index("carrier"), taken.index("forwarder")) <= QUANTUM // 11 + 2
    )  # one turn of the one who floods


def test_no_more_is_under_way_than_a_bound_and_what_waits_leaves_when_some_is_final(busy: Overloaded) -> None:
    admitted = [status for status in busy.flood(times=5) if status.state is State.PENDING]
    assert len(busy.batch()) == 3
    assert busy.batch() == []
    assert busy.mempool.has_queued == (len(admitted) > 3)
    busy.submit()
    assert busy.batch() == []
    busy.commit()
    assert busy.batch() != []


def test_more_is_under_way_where_more_becomes_final_in_a_second(busy: Overloaded) -> None:
    under_way = 0
    for step_ms, most in ((1_000, 3), (500, 6), (100, 6), (5_000, 3)):  # of ten subjects each
        for _ in range(20):
            busy.flood(times=7)
            while busy.batch():
                pass
            busy.clock.at_ms += step_ms
            under_way = sum(len(batch.transactions) for batch in busy.mempool.batches)
            busy.commit()
        assert under_way == most, step_ms


def test_what_is_under_way_is_bounded_and_all_of_it_is_let_go_of(busy: Overloaded) -> None:
    for _ in range(20):
        busy.flood(times=3)
        while busy.batch():
            assert sum(len(batch.transactions) for batch in busy.mempool.batches) <= 3
        busy.commit()
    for _ in range(20):
        busy.batch()
        busy.commit()
    assert (busy.mempool.queued_bytes, busy.mempool.held_bytes, busy.mempool.pending_transactions) == (
        0,
        0,
        0,
    )
    assert not busy.mempool._under_way
    assert busy.mempool._work_under_way == 0


def test_who_is_refused_is_told_when_to_come_again_by_how_fast_blocks_become_final(busy: Overloaded) -> None:
    for at_s in range(4):  # 33 subjects and transactions in 10 s
        busy.clock.at_ms = 10_000 * at_s
        busy.flood(times=3)
        assert len(busy.batch()) == 3
        busy.commit()
    statuses = busy.flood(times=20)
    waiting = len([status for status in statuses if status.state is State.PENDING])
    refused = statuses[-1]
    assert (refused.state, refused.code) == (State.REFUSED, Code.OVERLOADED.value)
    assert refused.retry_after_s == -(-11 * waiting * 10 // 33)
    assert f"in {refused.retry_after_s} s" in refused.message
    assert statuses[0].retry_after_s is None


def test_refusing_what_is_too_much_reads_and_checks_nothing_of_it(busy: Overloaded) -> None:
    busy.flood(times=20)
    again = busy.made()
    with counting() as counts:
        status = busy.mempool.submit(again)
    assert (status.state, status.code) == (State.REFUSED, Code.OVERLOADED.value)
    assert status.transaction == transaction_from_bytes(again.transaction, busy.node.executor.network).id
    assert (counts.decodings, sum(counts.checks.values()), counts.hashed()) == (0, 0, {"transaction": 1})


def test_what_is_known_is_answered_also_where_there_is_no_room(busy: Overloaded) -> None:
    first = busy.made()
    assert busy.mempool.submit(first).state is State.PENDING
    assert busy.flood(times=20)[-1].state is State.REFUSED
    assert busy.mempool.submit(first).state is State.PENDING


def test_naming_another_organisation_takes_nothing_of_its_room(busy: Overloaded) -> None:
    key = SigningKey.from_seed(bytes(32))
    stranger = Author(key, "carrier", busy.node.executor.network)
    for number in range(20):
        status = busy.mempool.submit(stranger.submission(range(number, number + 10)))
        assert (status.state, status.code) == (State.REFUSED, Code.UNKNOWN_KEY.value)
    assert busy.mempool.queued_bytes == 0


def test_a_stranger_costs_no_more_the_more_is_sent(busy: Overloaded) -> None:
    """Whoever makes a key can sign; what a gateway passes on is 8 MB, and a second of work, or none."""
    stranger = Author(SigningKey.from_seed(bytes(32)), "carrier", busy.node.executor.network)
    mempool = Mempool(busy.node.executor, busy.clock, 0, 1, lambda *_: True)
    large = stranger.submission(range(1_000))
    with counting() as counts:
        status = mempool.submit(large)
    assert (status.state, status.code) == (State.REFUSED, Code.UNKNOWN_KEY.value)
    assert (counts.decodings, sum(counts.checks.values()), counts.hashed()) == (0, 0, {"transaction": 1})


def test_mismatches_of_any_number_of_subjects_are_not_hashed(busy: Overloaded) -> None:
    """The form counts the subjects of events: 700,000 in a member's mismatches would take every validator seconds."""
    mempool = Mempool(busy.node.executor, busy.clock, 0, 1, lambda *_: True)
    item = ((1,), ((0, "a", None),) * 700, b"", b"", None, None)
    network = busy.node.executor.network
    for count, found in ((2, (State.PENDING, "")), (3, (State.REFUSED, Code.TOO_LARGE.value))):
        signed = sign_transaction(
            busy.key("maker"), network, "maker", ((item, 0, b"", None, b""),) * count,
            nonce=bytes([count] * 16), expiry_ms=busy.clock.wall_ms() + 60_000, kind=Kind.MISMATCH,
        )  # fmt: skip
        with counting() as counts:
            status = mempool.submit(Submission(signed.to_bytes()))
        assert ((status.state, status.code), counts.decodings > 0) == (found, count == 2)


@pytest.mark.parametrize(
    "cut", [lambda data: data[:40], lambda _: b"", lambda _: b"\xc1", lambda data: b"\x93" + data]
)
def test_what_has_no_header_is_refused_for_its_form(busy: Overloaded, cut: Callable[[bytes], bytes]) -> None:
    busy.flood(times=20)
    data = cut(busy.made().transaction)
    assert header_ahead(data) is None
    status = busy.mempool.submit(Submission(data))
    assert status.state is State.REFUSED
    assert status.code != Code.OVERLOADED.value


def test_a_large_transaction_is_checked_in_slices(busy: Overloaded) -> None:
    mempool = Mempool(busy.node.executor, busy.clock, 0, 1, lambda *_: True)
    for count, slices in ((1, 0), (SLICE_EVENTS, 0), (SLICE_EVENTS + 1, 1), (10 * SLICE_EVENTS, 10)):
        submission = busy.made(count=count)
        assert len(list(mempool.admit(submission))) == slices, count
        assert mempool.submit(submission).state is State.PENDING


def test_what_comes_twice_at_a_time_is_taken_in_once(busy: Overloaded) -> None:
    mempool = Mempool(busy.node.executor, busy.clock, 0, 1, lambda *_: True)
    submission = busy.made(count=2 * SLICE_EVENTS)
    slowly = mempool.admit(submission)
    next(slowly)
    assert mempool.submit(submission).state is State.PENDING
    assert not list(slowly)
    assert (mempool.admitted, mempool.pending_transactions) == (1, 1)
