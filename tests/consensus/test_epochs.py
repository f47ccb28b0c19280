"""The end of an epoch, and the beginning of the next (CONSENSUS 10, 22, 24, 29, 30)."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.base.encoding import decode, encode
from ledger.base.keys import SigningKey
from ledger.chain.approvers import Approvers
from ledger.chain.block import Block, Header
from ledger.chain.epoch import (
    EpochChange,
    approve,
    make_change,
    prove_possession,
    with_approvals,
)
from ledger.chain.genesis import Seat
from ledger.chain.transaction import Kind as TransactionKind
from ledger.chain.transaction import Transaction, sign_transaction, transaction_from_bytes
from ledger.chain.votes import Kind, Proposal, Vote, finalise, notarise, nullify
from ledger.consensus import Start
from ledger.consensus.interface import (
    FOLLOWER,
    Alarm,
    BatchHeld,
    Commit,
    Connected,
    Drop,
    Effect,
    EndEpoch,
    Parameters,
    Send,
    SendClosing,
    Serve,
)
from ledger.consensus.messages import (
    Announcement,
    Blocks,
    FetchBatches,
    FetchCertificates,
    FetchRange,
    Position,
    Range,
)
from ledger.members.members import Use
from ledger.members.registry import Entry, Period, Registry
from ledger.members.registry import Kind as RegistryKind
from tests.consensus.bench import (
    ANCHOR_OUTCOME,
    GENESIS,
    NETWORK,
    WALL_MS,
    Bench,
    commits,
    digest,
    messages,
    of_kind,
    transactions_of,
    votes,
)

NAMES = [f"org{index}" for index in range(5)]
APPROVER_KEYS = {name: SigningKey.from_seed(digest(f"approver of {name}")) for name in NAMES[:4]}
NEXT_KEYS = {name: SigningKey.from_seed(digest(f"next key of {name}")) for name in NAMES}


def entry(kind: RegistryKind, name: str, data: Any) -> Entry:
    return Entry(int(kind), name, (Period(0, None, data),))


APPROVERS = Approvers(
    NETWORK,
    Registry(
        NETWORK,
        [entry(RegistryKind.ORGANISATION, name, (name, "NL", (), False)) for name in NAMES]
        + [
            entry(RegistryKind.KEY, key.public_key.hex(), (name, int(Use.APPROVER), None, None))
            for name, key in APPROVER_KEYS.items()
        ],
    ),
    0,
)


FEWER = Approvers(
    NETWORK,
    Registry(NETWORK, [entry(RegistryKind.ORGANISATION, name, (name, "NL", (), False)) for name in NAMES]),
    0,
)
"""Of whom nobody has a vote any more."""


def change_of(epoch: int = 0, approvals: int = 3) -> EpochChange:
    seats = [Seat(name, NEXT_KEYS[name].public_key, digest(f"pin of {name}")) for name in NAMES]
    delivered = [
        (seat, prove_possession(NEXT_KEYS[seat.organisation], NETWORK, epoch, seat)) for seat in seats
    ]
    change = make_change(epoch, delivered, protocol=1)
    return with_approvals(
        change, [approve(APPROVER_KEYS[name], name, NETWORK, change) for name in NAMES[:approvals]]
    )


def carried(
    change: EpochChange, *, expiry_ms: int = WALL_MS + 600_000, key: SigningKey = APPROVER_KEYS["org0"]
) -> Transaction:
    raw = decode(encode(change), max_bytes=100_000)
    made = sign_transaction(
        key, NETWORK, "org0", (raw,), nonce=bytes(16), expiry_ms=expiry_ms,
        kind=TransactionKind.EPOCH_CHANGE,
    )  # fmt: skip
    return transaction_from_bytes(made.to_bytes(), NETWORK)


def held(name: str, change: Transaction) -> BatchHeld:
    """A batch of that name whose only transaction is the change."""
    return BatchHeld(digest(name), 0, transactions_of(name), 650, 1, change)


GOOD = held("change", carried(change_of()))


def ready(*names: str, me: int = 3, change: BatchHeld | None = GOOD) -> Bench:
    bench = Bench(me, approvers=APPROVERS)
    if change is not None:
        bench.give(change)
    bench.hold(*names)
    return bench


def closing(bench: Bench, view: int = 1, parent: Header = GENESIS, **changes: object) -> Block:
    return bench.block(view, parent, **{"names": ("change",), "closes_epoch": True, **changes})  # type: ignore[arg-type]


def close_view(bench: Bench, view: int, block: Block, parent_outcome: bytes = ANCHOR_OUTCOME) -> list[Effect]:
    """The view notarises and finalises the block, which is executed."""
    effects = bench.notarise_view(view, block)
    effects += bench.execute(block, parent_outcome)
    return effects + bench.finalise_view(view, block, parent_outcome)


# ---- proposing


def test_a_leader_proposes_a_pending_change_alone_and_before_everything_else() -> None:
    bench = Bench(1, approvers=APPROVERS)  # leads view 2
    bench.hold("a", "b")
    bench.give(GOOD)
    bench.nullify_view(1)
    (proposal,) = messages(bench.effects, Proposal)
    assert proposal.block.batches == (GOOD.digest,)
    assert proposal.block.header.closes_epoch


@pytest.mark.parametrize(
    "change",
    [
        held("change", carried(change_of(epoch=1))),
        held("change", carried(change_of(approvals=2))),
        held("change", carried(change_of(), expiry_ms=WALL_MS - 40_000)),
        held("change", carried(change_of(), expiry_ms=WALL_MS + 4_000_000)),
        held("change", carried(change_of(), key=NEXT_KEYS["org0"])),
    ],
    ids=["another epoch", "too few approvals", "expired", "expires too late", "sent by no approver"],
)
def test_a_change_that_may_not_close_this_epoch_is_neither_pending_nor_proposed(change: BatchHeld) -> None:
    bench = ready(me=0, change=change)
    bench.wait(1_000)
    assert not messages(bench.effects, Proposal)
    assert not messages(bench.effects, Vote), "no timers run for it"
    bench.hold("a")
    (proposal,) = set(messages(bench.effects, Proposal))
    assert (proposal.block.batches, proposal.block.header.closes_epoch) == ((digest("a"),), False)


def test_a_change_whose_time_runs_out_is_let_go() -> None:
    bench = ready(change=held("change", carried(change_of(), expiry_ms=WALL_MS + 1_000)))
    assert bench.machine.held
    bench.wall_ms += 60_000
    bench.wait(10)
    assert not bench.machine.held


def test_without_approvers_no_change_is_taken_up() -> None:
    bench = Bench(0)
    bench.give(GOOD)
    assert not messages(bench.effects, Proposal)


def test_an_old_change_gives_way_to_others_when_it_may_no_longer_be_ordered() -> None:
    """The leader asks for what it would notarise itself: the expiry is judged by the block's time."""
    bench = ready("a", me=0, change=held("change", carried(change_of(), expiry_ms=WALL_MS - 10_000)))
    (proposal,) = messages(bench.effects, Proposal)
    assert proposal.block.batches == (digest("a"),)


# ---- notarising


def test_a_block_with_an_approved_change_alone_is_notarised() -> None:
    bench = ready()
    assert votes(bench.propose(1, closing(bench)), Kind.NOTARISE)


def test_a_change_that_is_missing_is_fetched_and_then_judged() -> None:
    bench = ready(change=None)
    effects = bench.propose(1, closing(bench))
    assert messages(effects, FetchBatches)
    assert votes(bench.give(GOOD), Kind.NOTARISE)


@pytest.mark.parametrize(
    ("block", "change"),
    [
        ({"closes_epoch": False}, GOOD),
        ({"names": ("a",)}, GOOD),
        ({"names": ()}, GOOD),
        ({"names": ("change", "a")}, GOOD),
        ({"names": ("change", "a"), "closes_epoch": False}, GOOD),
        ({}, held("change", carried(change_of(approvals=2)))),
        ({}, held("change", carried(change_of(epoch=1)))),
        ({}, held("change", carried(change_of(), expiry_ms=WALL_MS - 1))),
    ],
    ids=["not said", "other batch", "empty", "not alone", "hidden", "not approved", "other epoch", "expired"],
)
def test_a_block_that_does_not_close_its_epoch_rightly_is_invalid(
    block: dict[str, Any], change: BatchHeld
) -> None:
    bench = ready("a", change=None)
    effects = bench.propose(1, closing(bench, **block))
    effects += bench.give(change)
    assert not votes(effects, Kind.NOTARISE)
    assert votes(effects, Kind.NULLIFY), "invalid, not a reason to wait"


def test_a_closing_block_waits_until_its_approvers_are_final_here() -> None:
    bench = ready()
    bench.approvers = None
    effects = bench.propose(1, closing(bench))
    assert not votes(effects, Kind.NOTARISE)
    assert not votes(effects, Kind.NULLIFY)
    bench.approvers = APPROVERS
    assert votes(bench.hold("a"), Kind.NOTARISE)


def test_a_pending_change_whose_approvers_lost_their_votes_is_let_go() -> None:
    bench = Bench(1, approvers=APPROVERS)  # leads view 2
    bench.give(GOOD)
    bench.hold("a")
    bench.approvers = FEWER
    bench.nullify_view(1)
    (proposal,) = messages(bench.effects, Proposal)
    assert (proposal.block.batches, proposal.block.header.closes_epoch) == ((digest("a"),), False)
    assert digest("change") not in {held.digest for held in bench.machine.held}


def test_a_block_of_another_version_than_its_epochs_is_invalid() -> None:
    bench = ready("a", change=None)
    assert votes(bench.propose(1, bench.block(1, version=2)), Kind.NULLIFY)
    assert not votes(bench.effects, Kind.NOTARISE)


def test_nothing_but_itself_stands_on_a_notarised_closing_block() -> None:
    bench = ready("a")
    block = closing(bench)
    bench.notarise_view(1, block)
    effects = bench.propose(2, bench.block(2, block.header))
    assert not votes(effects, Kind.NOTARISE)
    assert votes(effects, Kind.NULLIFY)


def test_a_notarised_closing_block_is_proposed_again_by_the_next_leader() -> None:
    bench = ready("a", me=1)
    block = closing(bench)
    bench.notarise_view(1, block)
    assert not messages(bench.effects, Proposal), "nothing new on it, not even waiting batches"
    bench.wait(100)
    assert {proposal.block for proposal in messages(bench.effects, Proposal)} == {block}


def test_a_closing_block_proposed_again_is_notarised() -> None:
    bench = ready("a")
    block = closing(bench)
    bench.notarise_view(1, block)
    assert votes(bench.propose(2, block), Kind.NOTARISE)


def test_no_heartbeat_follows_a_closing_block() -> None:
    bench = Bench(1, approvers=APPROVERS, parameters=Parameters(heartbeat_ms=1_000))
    bench.give(GOOD)
    block = closing(bench)
    bench.notarise_view(1, block)
    bench.hear(0, bench.certificate(bench.certificate_claim(1, block)))
    bench.wait(3_000)
    assert not messages(bench.effects, Proposal)
    assert not votes(bench.effects, Kind.NULLIFY), "final: nothing is pending but its execution"


# ---- the end


def test_the_final_closing_block_is_committed_and_ends_the_machine() -> None:
    bench = ready("a")
    effects = close_view(bench, 1, closing(bench))
    kinds = [type(effect) for effect in effects if isinstance(effect, Commit | EndEpoch)]
    assert kinds == [Commit, EndEpoch]
    (commit,) = of_kind(effects, Commit)
    assert commit.certificate is not None
    assert isinstance(effects[-1], EndEpoch)
    assert bench.machine.is_ended
    assert not bench.hold("b") + bench.wait(1_000) + bench.hear(0, Position(0, 9, 0, 0))


def test_the_end_is_known_from_the_certificate_alone() -> None:
    bench = ready(change=None)
    block = closing(bench)
    bench.hear(0, bench.certificate(bench.certificate_claim(5, block)))
    assert messages(bench.effects, FetchRange)
    bench.hear(0, Range(((block, bench.certificate(bench.certificate_claim(5, block))),)))
    assert messages(bench.effects, FetchBatches)
    effects = bench.give(GOOD) + bench.execute(block)
    assert of_kind(effects, EndEpoch)


def test_finalisations_of_a_closing_block_in_two_views_are_both_valid() -> None:
    bench = ready()
    block = closing(bench)
    bench.notarise_view(1, block)
    bench.notarise_view(2, block)
    effects = bench.hear(0, bench.certificate(bench.certificate_claim(1, block)))
    effects += bench.hear(1, bench.certificate(bench.certificate_claim(2, block)))
    assert not of_kind(effects, Drop)
    assert not of_kind(effects, Alarm)
    (commit,) = of_kind(bench.execute(block), Commit)
    assert commit.certificate is not None
    assert commit.certificate.claim.view in (1, 2)


def test_a_range_is_taken_up_to_the_end_of_the_epoch() -> None:
    bench = ready()
    block = closing(bench)
    certificate = bench.certificate(bench.certificate_claim(1, block))
    bench.hear(0, certificate)
    later = bench.block(1, block.header, ("b",), epoch=1)
    foreign = certificate._replace(claim=finalise(1, 1, later.header.hash, bytes(32)))
    effects = bench.hear(0, Range(((block, certificate), (later, foreign))))
    assert not of_kind(effects, Drop)
    assert of_kind(bench.execute(block), EndEpoch)


# ---- between epochs


def test_what_is_said_in_a_past_epoch_is_answered_with_its_closing_finalisation() -> None:
    for message in (
        Position(0, 3, 1, 1),
        FetchCertificates(0, ((Kind.NOTARISE, 2),)),
        Vote(nullify(0, 2), 1, bytes(64)),
    ):
        bench = Bench(3, epoch=1)
        assert of_kind(bench.hear(1, message), SendClosing) == [SendClosing(1, 0)]
        assert not of_kind(bench.hear(1, message), SendClosing), "once per t_l / 2"
        bench.wait(100)
        assert of_kind(bench.hear(1, message), SendClosing)


def test_one_removed_is_told_as_well_and_otherwise_only_answered() -> None:
    bench = Bench(3, epoch=1)
    stranger = len(bench.validators) + 2
    assert of_kind(bench.hear(stranger, Vote(notarise(0, 2, bytes(32)), 1, bytes(64))), SendClosing)
    assert of_kind(bench.hear(stranger, FetchRange(1)), Serve)
    assert messages(bench.give(Connected(stranger)), Position)
    claim = notarise(1, 1, digest("block"))
    for _ in range(4):
        assert not bench.hear(stranger, bench.vote(0, claim)), "it has no vote"
    assert not bench.hear(stranger, Announcement((digest("batch"),))), "it has no batches"


def test_certificates_of_a_past_epoch_are_never_answered() -> None:
    """They are the answer: two validators that told each other would never stop."""
    bench = Bench(3, epoch=1)
    certificate = Bench(2).certificate(finalise(0, 1, digest("block"), digest("outcome")))
    assert bench.hear(1, certificate) == []


def test_what_is_said_in_a_later_epoch_makes_one_say_where_one_stands() -> None:
    bench = Bench(3)
    (position,) = messages(bench.hear(1, Vote(nullify(1, 2), 1, bytes(64))), Position)
    assert position.epoch == 0


def test_votes_of_another_epoch_count_for_nothing() -> None:
    bench = ready()
    block = closing(bench)
    bench.propose(1, block)
    for peer in bench.others():
        claim = notarise(1, 1, block.header.hash)
        bench.hear(peer, bench.vote(peer, claim))
    assert bench.machine.view == 1


@pytest.mark.parametrize("epoch", [0, 2])
def test_votes_of_epochs_before_and_after_skip_no_view(epoch: int) -> None:
    bench, _ = anchored()
    for peer in bench.others(3):
        bench.hear(peer, bench.vote(peer, nullify(epoch, 1)))
    assert bench.machine.view == 1
    bench.hear_votes(nullify(1, 1), 3)
    assert bench.machine.view == 2


# ---- the next epoch


def anchored(me: int = 3, *, approvers: Approvers | None = APPROVERS) -> tuple[Bench, Block]:
    """A machine of epoch 1, on the block that closed epoch 0."""
    block = closing(Bench(0))
    start = Start(block.header, digest("closing outcome"), None, (block.batches,))
    return Bench(me, start=start, epoch=1, approvers=approvers), block


def test_views_start_again_on_the_block_that_closed_the_epoch_before() -> None:
    bench, block = anchored()
    assert (bench.machine.view, bench.machine.final_view) == (1, 0)
    bench.hold("a")
    fresh = bench.block(1, block.header)
    assert votes(bench.notarise_view(1, fresh) if not bench.leads(1) else [], Kind.NOTARISE)
    bench.execute(fresh, digest("closing outcome"))
    effects = bench.finalise_view(1, fresh, digest("closing outcome"))
    assert commits(effects) == [fresh]


def test_a_past_change_is_dropped_and_the_next_one_taken_up() -> None:
    bench, _ = anchored()
    bench.give(held("late", carried(change_of(epoch=0))))
    assert not bench.machine.held
    bench.give(held("next", carried(change_of(epoch=1))))
    assert [batch.digest for batch in bench.machine.held] == [digest("next")]


def test_votes_logged_in_a_later_epoch_survive_and_bind_when_it_begins() -> None:
    """A power cut took the end of epoch 0 from the chain, not the votes of epoch 1 from the log."""
    bench, block = anchored()
    bench.hold("a", "b")
    first = bench.block(1, block.header, ("a",))
    bench.propose(1, first)
    log = tuple(bench.log)
    assert any(isinstance(record, Vote) for record in log)

    back = Bench(3, approvers=APPROVERS, start=Start(GENESIS, ANCHOR_OUTCOME, records=log))
    kept = back.machine.live_records()
    assert set(kept) >= set(log), "compaction in the earlier epoch keeps them"

    again = Bench(
        3,
        start=Start(block.header, digest("closing outcome"), None, (block.batches,), kept),
        epoch=1,
        approvers=APPROVERS,
    )
    again.hold("a", "b")
    effects = again.propose(1, again.block(1, block.header, ("b",)))
    spoken = votes(again.effects + effects, Kind.NOTARISE)
    assert {claim.block for claim in spoken} == {first.header.hash}


def test_votes_of_a_past_epoch_bind_nobody() -> None:
    before = ready("a")
    before.propose(1, before.block(1))
    block = closing(before)
    start = Start(block.header, digest("closing outcome"), None, (block.batches,), tuple(before.log))
    bench = Bench(3, start=start, epoch=1)
    bench.hold("b")
    assert not messages(bench.effects, Vote)
    assert votes(bench.propose(1, bench.block(1, block.header, ("b",))), Kind.NOTARISE)
    assert not [record for record in bench.machine.live_records() if record in before.log]


# ---- followers


def test_a_follower_executes_and_commits_and_signs_nothing() -> None:
    bench = Bench(FOLLOWER)
    bench.hold("a", "b")
    block = bench.block(1)
    bench.propose(1, block)
    for peer in range(3):
        bench.hear(peer, bench.vote(peer, notarise(0, 1, block.header.hash)))
    bench.execute(block)
    for peer in range(3):
        bench.hear(peer, bench.vote(peer, bench.certificate_claim(1, block)))
    assert commits(bench.effects) == [block]
    bench.wait(2_000)
    assert not messages(bench.effects, Vote)
    assert not messages(bench.effects, Proposal)
    assert not [record for record in bench.log if isinstance(record, Vote | Proposal)]


def test_batches_are_no_work_to_a_follower() -> None:
    """It cannot have them ordered: else one that nobody takes would keep its timers running for ever."""
    bench = Bench(FOLLOWER)
    bench.hold("a")
    bench.wait(2_000)
    assert not messages(bench.effects, Announcement)
    assert len(messages(bench.effects, Position)) == 1


def test_a_follower_catches_up_and_sees_the_epoch_end() -> None:
    bench = Bench(FOLLOWER, approvers=APPROVERS)
    block = closing(bench)
    certificate = bench.certificate(bench.certificate_claim(1, block))
    assert messages(bench.hear(2, certificate), FetchRange)
    bench.hear(2, Range(((block, certificate),)))
    bench.give(GOOD)
    assert of_kind(bench.execute(block), EndEpoch)


def test_those_beyond_the_set_are_asked_too() -> None:
    """Of an old set perhaps nobody is left."""
    bench = Bench(FOLLOWER, others=2)
    block = bench.block(1)
    certificate = bench.certificate(bench.certificate_claim(1, block))
    bench.hear(5, certificate)
    asked = [effect for effect in bench.wait(2_000) if isinstance(effect, Send)]
    assert {effect.peer for effect in asked if isinstance(effect.message, FetchRange)} == set(range(6))
    bench.hold("a")
    bench.hear(5, Range(((block, certificate),)))
    assert commits(bench.execute(block)) == [block]


def test_a_follower_has_no_room_for_batches_of_its_own_nor_for_those_of_strangers() -> None:
    bench = Bench(3)
    assert bench.machine.has_room(0, 100)
    assert not bench.machine.has_room(4, 100)


def test_logged_blocks_of_two_epochs_are_told_apart() -> None:
    bench, block = anchored()
    records = (Blocks((block,)), Blocks((bench.block(1, block.header),)))
    again = Bench(3, start=Start(GENESIS, ANCHOR_OUTCOME, records=records))
    assert again.machine.live_records() == records
