"""What this validator signs, when, and what never (CONSENSUS 10-18). It is validator 3; views 1, 2, 3 are led by 0, 1, 2."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.base.errors import SignatureError
from ledger.base.limits import BATCH_WINDOW_BLOCKS, BLOCK_BYTES, CLOCK_AHEAD_MS, CLOCK_BEHIND_MS
from ledger.chain.block import Block
from ledger.chain.certificate import Certificate
from ledger.chain.votes import Kind, Proposal, notarise, nullify
from ledger.consensus import Consensus, Setup, Start
from ledger.consensus.interface import (
    Alarm,
    BatchHeld,
    Broadcast,
    Commit,
    Drop,
    Execute,
    Executed,
    Halt,
    Parameters,
    Persist,
    Received,
)
from ledger.consensus.messages import Blocks, FetchBatches, FetchCertificates, Record
from ledger.consensus.safety import may_finalise, may_notarise, may_nullify, may_propose
from ledger.consensus.views import View
from tests.consensus.bench import (
    ANCHOR_OUTCOME,
    GENESIS,
    NETWORK,
    Bench,
    commits,
    digest,
    executions,
    messages,
    of_kind,
    outcome_of,
    transactions_of,
    votes,
)
from tests.simulation.keys import StubKey, real_key, stub_verifier


def ready(*names: str, me: int = 3, count: int = 4, **parameters: int) -> Bench:
    bench = Bench(me, count=count, parameters=Parameters(**{"heartbeat_ms": 0, **parameters}))
    bench.hold(*(names or ("a",)))
    return bench


# ---- the healthy path


def test_a_view_from_proposal_to_commit() -> None:
    bench = ready()
    block = bench.block(1)
    effects = bench.propose(1, block)
    assert votes(effects, Kind.NOTARISE) == [notarise(0, 1, block.header.hash)]
    effects = bench.hear_votes(notarise(0, 1, block.header.hash))
    assert bench.machine.view == 2
    assert executions(effects) == [block]
    effects = bench.execute(block)
    assert [claim.block for claim in votes(effects, Kind.FINALISE)] == [block.header.hash]
    effects = bench.finalise_view(1, block)
    assert commits(effects) == [block]
    (commit,) = of_kind(effects, Commit)
    assert commit.outcome == outcome_of(block)
    assert commit.certificate is not None
    assert commit.certificate.claim.view == 1
    assert bench.machine.committed_height == 1


def test_the_leader_proposes_what_is_unordered_and_votes_for_it() -> None:
    bench = Bench(0)
    assert not messages(bench.effects, Proposal)
    effects = bench.hold("a")
    (proposal,) = messages(effects, Proposal)
    assert proposal.block.batches == (digest("a"),)
    assert proposal.parent_view == 0
    assert proposal.block.header.proposer == 0
    assert proposal.block.header.time_ms == bench.wall_ms
    assert votes(effects, Kind.NOTARISE) == [notarise(0, 1, proposal.block.header.hash)]
    assert not messages(bench.hold("b"), Proposal), "one proposal in a view"


def test_the_next_leader_broadcasts_certificates_and_proposes_at_once() -> None:
    bench = ready("a", "b", me=1)
    block = bench.block(1)
    effects = bench.notarise_view(1, block)
    (certificate,) = messages(effects, Certificate)
    assert certificate.claim == notarise(0, 1, block.header.hash)
    (proposal,) = messages(effects, Proposal)
    assert (proposal.view, proposal.parent_view) == (2, 1)
    assert proposal.block.batches == (digest("b"),), "what the parent orders is not ordered again"
    assert proposal.block.header.time_ms == max(bench.wall_ms, block.header.time_ms + 1)
    bench.execute(block)
    assert messages(bench.finalise_view(1, block), Certificate)


def test_others_leave_certificates_of_blocks_to_the_next_leader_and_pass_nullifications_on() -> None:
    bench = ready()
    assert not messages(bench.notarise_view(1, bench.block(1)), Certificate)
    assert messages(bench.nullify_view(2), Certificate)


def test_records_come_before_everything_that_leaves() -> None:
    bench = ready()
    block = bench.block(1)
    for effects in (
        bench.propose(1, block),
        bench.hear_votes(notarise(0, 1, block.header.hash)),
        bench.execute(block),
    ):
        sent = [place for place, effect in enumerate(effects) if isinstance(effect, Broadcast)]
        logged = [place for place, effect in enumerate(effects) if isinstance(effect, Persist)]
        assert not sent or logged[0] < sent[0]


@pytest.mark.parametrize("kind", [Kind.NOTARISE, Kind.NULLIFY, Kind.FINALISE])
def test_every_vote_that_leaves_is_in_the_log_of_its_step(kind: Kind) -> None:
    bench = ready()
    block = bench.block(1)
    if kind == Kind.NULLIFY:
        effects = bench.wait(400)
    else:
        effects = bench.propose(1, block)
        if kind == Kind.FINALISE:
            bench.hear_votes(notarise(0, 1, block.header.hash))
            effects = bench.execute(block)
    spoken = votes(effects, kind)
    assert spoken
    assert {record.claim for record in bench.log if not isinstance(record, Blocks)} >= set(spoken)


def test_the_block_is_logged_with_its_notarise_vote_and_the_notarisation_before_finalise() -> None:
    bench = ready()
    block = bench.block(1)
    (persist,) = of_kind(bench.propose(1, block), Persist)
    assert Blocks((block,)) in persist.records
    bench.hear_votes(notarise(0, 1, block.header.hash))
    before = list(bench.log)
    assert any(isinstance(r, Certificate) and r.claim == notarise(0, 1, block.header.hash) for r in before)
    bench.execute(block)
    assert any(not isinstance(r, Blocks) and r.claim.kind == Kind.FINALISE for r in bench.log[len(before) :])


def test_own_proposals_are_logged() -> None:
    bench = Bench(0)
    (proposal,) = messages(bench.hold("a"), Proposal)
    assert proposal in bench.log


# ---- quorum


@pytest.mark.parametrize(("count", "others"), [(4, 2), (5, 3), (6, 3), (7, 4)])
def test_one_vote_less_than_a_quorum_certifies_nothing(count: int, others: int) -> None:
    leader = Bench(0, count=count).validators.leader(0, 1)
    bench = ready(me=(leader + 1) % count, count=count)
    block = bench.block(1)
    bench.propose(1, block)
    bench.hear_votes(notarise(0, 1, block.header.hash), others - 1)
    assert bench.machine.view == 1
    bench.hear_votes(notarise(0, 1, block.header.hash), others)
    assert bench.machine.view == 2


def test_votes_for_different_blocks_or_outcomes_do_not_add_up() -> None:
    bench = ready()
    block, other = bench.block(1), bench.block(1, names=("b",))
    bench.propose(1, block)
    bench.hear(0, bench.vote(0, notarise(0, 1, block.header.hash)))
    bench.hear(1, bench.vote(1, notarise(0, 1, other.header.hash)))
    assert bench.machine.view == 1
    bench.hear(2, bench.vote(2, notarise(0, 1, block.header.hash)))
    assert bench.machine.view == 2


def test_the_same_vote_twice_counts_once() -> None:
    bench = ready()
    block = bench.block(1)
    bench.propose(1, block)
    for _ in range(3):
        bench.hear(0, bench.vote(0, notarise(0, 1, block.header.hash)))
    assert bench.machine.view == 1


# ---- never contradict oneself


def test_no_second_proposal_of_a_view_is_notarised() -> None:
    bench = ready("a", "b")
    assert votes(bench.propose(1, bench.block(1)), Kind.NOTARISE)
    assert not votes(bench.propose(1, bench.block(1, names=("b",))), Kind.NOTARISE)


def test_nothing_is_notarised_after_nullify() -> None:
    bench = ready()
    assert votes(bench.wait(200), Kind.NULLIFY)
    assert not votes(bench.propose(1, bench.block(1)), Kind.NOTARISE)


def test_nullify_follows_notarise_when_no_certificate_comes() -> None:
    bench = ready()
    assert votes(bench.propose(1, bench.block(1)), Kind.NOTARISE)
    assert set(votes(bench.wait(400), Kind.NULLIFY)) == {nullify(0, 1)}


def test_nothing_is_finalised_after_nullify() -> None:
    bench = ready()
    block = bench.block(1)
    bench.propose(1, block)
    assert votes(bench.wait(300), Kind.NULLIFY)
    effects = bench.hear_votes(notarise(0, 1, block.header.hash))
    assert bench.machine.view == 2, "its notarisation is taken all the same"
    assert executions(effects) == [block]
    assert not votes(bench.execute(block), Kind.FINALISE)


def test_a_view_is_finalised_also_after_it_was_left() -> None:
    bench = ready("a", "b")
    first = bench.block(1)
    bench.notarise_view(1, first)
    bench.notarise_view(2, bench.block(2, first.header, ("b",)))
    assert bench.machine.view == 3
    assert [claim.view for claim in votes(bench.execute(first), Kind.FINALISE)] == [1]


def test_a_view_is_not_nullified_after_it_was_finalised() -> None:
    """Cannot arise while running; after a restart the log alone says so."""
    bench = ready()
    block = bench.block(1)
    bench.notarise_view(1, block)
    bench.execute(block)
    only_votes: list[Record] = [r for r in bench.log if not isinstance(r, Certificate | Blocks)]
    bench.log = only_votes
    again = bench.restart(batches=["a"])
    assert again.machine.view == 1
    effects = again.hear_votes(nullify(0, 1)) + again.wait(500)
    assert not [claim for claim in votes(effects, Kind.NULLIFY) if claim.view == 1]


def test_nothing_is_proposed_in_a_view_that_was_nullified() -> None:
    bench = Bench(0)
    for peer in (1, 2):
        bench.hear(peer, bench.vote(peer, nullify(0, 1))._replace(signature=bytes(64)))
    assert votes(bench.effects, Kind.NULLIFY) == [nullify(0, 1)]
    assert bench.machine.view == 1
    assert not messages(bench.hold("a"), Proposal)


@pytest.mark.parametrize(
    ("said", "propose", "notarise_too", "nullify_too", "finalise_too"),
    [
        ((), True, True, True, True),
        ((Kind.NOTARISE,), False, False, True, True),
        ((Kind.NULLIFY,), False, False, False, False),
        ((Kind.FINALISE,), False, True, False, False),
        ((Kind.NOTARISE, Kind.NULLIFY), False, False, False, False),
        ((Kind.NOTARISE, Kind.FINALISE), False, False, False, False),
    ],
)
def test_what_may_follow_what(
    said: tuple[Kind, ...], *, propose: bool, notarise_too: bool, nullify_too: bool, finalise_too: bool
) -> None:
    bench = Bench(0)
    view = View(5)
    view.own = {kind: bench.vote(0, nullify(0, 5)) for kind in said}
    assert may_propose(view, 5) is propose
    assert may_notarise(view, 5) is notarise_too
    assert may_nullify(view, 5) is nullify_too
    assert may_finalise(view, 4) is finalise_too
    for current in (4, 6):
        assert not may_propose(view, current)
        assert not may_notarise(view, current)
        assert not may_nullify(view, current)
    assert not may_finalise(view, 5), "what is final needs no vote"


def test_only_the_current_view_is_voted_in() -> None:
    bench = ready("a", "b")
    first = bench.block(1)
    second = bench.block(2, first.header, ("b",))
    assert not votes(bench.propose(2, second), Kind.NOTARISE)
    bench.nullify_view(1)
    assert bench.machine.view == 2
    assert not votes(bench.propose(1, first), Kind.NOTARISE)


def test_a_proposal_for_the_next_view_is_kept_until_the_view_is_entered() -> None:
    bench = ready("a", "b")
    first = bench.block(1)
    second = bench.block(2, first.header, ("b",))
    bench.propose(2, second)
    effects = bench.notarise_view(1, first)
    assert notarise(0, 2, second.header.hash) in votes(effects, Kind.NOTARISE)


# ---- parents


def test_a_proposal_on_a_parent_nobody_notarised_waits_and_its_notarisation_is_fetched_from_the_leader() -> (
    None
):
    bench = ready("a", "b")
    first = bench.block(1)
    bench.nullify_view(1)
    effects = bench.propose(2, bench.block(2, first.header, ("b",)))
    assert not votes(effects, Kind.NOTARISE)
    assert FetchCertificates(0, ((Kind.NOTARISE, 1),)) in messages(effects, FetchCertificates)
    effects = bench.hear(1, bench.certificate(notarise(0, 1, first.header.hash)))
    effects += bench.hear(1, Blocks((first,)))
    assert [claim.view for claim in votes(effects, Kind.NOTARISE)] == [2]


def test_a_skipped_view_must_be_nullified() -> None:
    """A leader that builds past a notarised view without its nullification would fork the chain."""
    bench = ready("a", "b")
    bench.notarise_view(1, bench.block(1))
    stale = bench.block(2, GENESIS, ("b",))
    effects = bench.propose(2, stale, parent_view=0)
    assert not votes(effects, Kind.NOTARISE)
    assert FetchCertificates(0, ((Kind.NULLIFY, 1),)) in messages(effects, FetchCertificates)
    effects = bench.hear(1, bench.certificate(nullify(0, 1)))
    assert [claim.view for claim in votes(effects, Kind.NOTARISE)] == [2]


def test_every_skipped_view_must_be_nullified() -> None:
    bench = ready("a", "b")
    bench.hear(0, bench.certificate(nullify(0, 2)))
    assert bench.machine.view == 3
    stale = bench.block(3, GENESIS, ("b",))
    assert not votes(bench.propose(3, stale, parent_view=0), Kind.NOTARISE)
    assert votes(bench.hear(0, bench.certificate(nullify(0, 1))), Kind.NOTARISE)


def test_the_nullification_of_one_skipped_view_does_not_stand_for_another() -> None:
    bench = ready("a", "b", "c")
    bench.nullify_view(1)
    bench.notarise_view(2, bench.block(2), 0)
    assert bench.machine.view == 3
    stale = bench.block(3, GENESIS, ("c",))
    effects = bench.hear(bench.validators.leader(0, 3), bench.proposal(3, stale, 0))
    assert not votes(effects, Kind.NOTARISE)
    assert FetchCertificates(0, ((Kind.NULLIFY, 2),)) in messages(effects, FetchCertificates)


def test_a_parent_below_the_final_view_is_invalid() -> None:
    bench = ready("a", "b")
    first = bench.block(1)
    bench.notarise_view(1, first)
    bench.execute(first)
    bench.finalise_view(1, first)
    effects = bench.propose(2, bench.block(2, GENESIS, ("b",)), parent_view=0)
    assert votes(effects, Kind.NULLIFY) == [nullify(0, 2)]


def test_a_parent_other_than_the_view_notarised_is_invalid() -> None:
    bench = ready("a", "b")
    first = bench.block(1)
    bench.notarise_view(1, first)
    elsewhere = bench.block(2, first.header._replace(closes_epoch=True), ("b",))
    assert elsewhere.header.height == 2
    effects = bench.propose(2, elsewhere, parent_view=1)
    assert votes(effects, Kind.NULLIFY) == [nullify(0, 2)]


def test_the_leader_builds_on_the_highest_notarised_view_past_nullified_ones() -> None:
    bench = ready("a", "b")
    first = bench.block(1)
    bench.notarise_view(1, first)
    bench.nullify_view(2)
    effects = bench.nullify_view(3)
    (proposal,) = messages(effects, Proposal)
    assert (proposal.view, proposal.parent_view) == (4, 1)
    assert proposal.block.header.parent == first.header.hash


def test_a_leader_that_does_not_know_what_came_before_fetches_and_then_proposes() -> None:
    bench = ready("a", "b")
    bench.hear(0, bench.certificate(nullify(0, 3)))
    assert bench.machine.view == 4
    asked = messages(bench.effects, FetchCertificates)
    assert FetchCertificates(0, ((Kind.NOTARISE, 2), (Kind.NULLIFY, 2))) in asked
    assert not messages(bench.effects, Proposal)
    bench.hear(0, bench.certificate(nullify(0, 2)))
    effects = bench.hear(0, bench.certificate(nullify(0, 1)))
    (proposal,) = messages(effects, Proposal)
    assert (proposal.view, proposal.parent_view) == (4, 0)


# ---- what makes a fresh block invalid, and what only makes it wait

LATE = CLOCK_BEHIND_MS + 1
INVALID: dict[str, dict[str, Any]] = {
    "another network": {"network": digest("x")},
    "another epoch": {"epoch": 1},
    "it closes the epoch": {"closes_epoch": True},
    "a height left out": {"height": 2},
    "another proposer": {"proposer": 2},
    "a time before the parent's": {"time_ms": GENESIS.time_ms},
    "another transactions root": {"transactions_root": digest("x")},
}


@pytest.mark.parametrize("name", INVALID)
def test_an_invalid_proposal_is_nullified_at_once(name: str) -> None:
    bench = ready()
    block = bench.block(1, **INVALID[name])
    effects = bench.propose(1, block, 0)
    assert votes(effects, Kind.NULLIFY) == [nullify(0, 1)]
    assert not votes(effects, Kind.NOTARISE)
    assert of_kind(effects, Alarm)


@pytest.mark.parametrize(
    ("offset_ms", "valid"),
    [
        (0, True),
        (CLOCK_AHEAD_MS, True),
        (CLOCK_AHEAD_MS + 1, False),
        (-CLOCK_BEHIND_MS, True),
        (-LATE, False),
    ],
)
def test_block_times_stay_within_the_window_around_the_own_clock(offset_ms: int, *, valid: bool) -> None:
    bench = ready()
    bench.wall_ms += 100_000
    effects = bench.propose(1, bench.block(1, time_ms=bench.wall_ms + offset_ms), 0)
    assert bool(votes(effects, Kind.NOTARISE)) is valid
    assert bool(votes(effects, Kind.NULLIFY)) is not valid


def test_a_block_not_after_its_parent_is_invalid() -> None:
    bench = ready()
    assert votes(bench.propose(1, bench.block(1, time_ms=GENESIS.time_ms), 0), Kind.NULLIFY)


def test_parent_plus_one_is_never_too_late() -> None:
    bench = ready()
    bench.wall_ms = GENESIS.time_ms - 60_000
    assert votes(bench.propose(1, bench.block(1, time_ms=GENESIS.time_ms + 1), 0), Kind.NOTARISE)
    slow = ready()
    slow.wall_ms = GENESIS.time_ms - 60_000
    assert votes(slow.propose(1, slow.block(1, time_ms=GENESIS.time_ms + 2), 0), Kind.NULLIFY)


def test_a_slow_clock_stamps_parent_plus_one() -> None:
    bench = Bench(0)
    bench.wall_ms = GENESIS.time_ms - 60_000
    (proposal,) = messages(bench.hold("a"), Proposal)
    assert proposal.block.header.time_ms == GENESIS.time_ms + 1


def test_an_absent_batch_means_wait_and_fetch_never_invalid() -> None:
    bench = ready("other")
    block = bench.block(1, names=("a", "b"))
    effects = bench.propose(1, block, 0)
    assert not votes(effects, Kind.NOTARISE)
    assert not votes(effects, Kind.NULLIFY)
    assert messages(effects, FetchBatches) == [FetchBatches((digest("a"), digest("b")))]
    assert bench.machine.wants_batch(digest("a"))
    assert not votes(bench.hold("b"), Kind.NOTARISE)
    assert votes(bench.hold("a"), Kind.NOTARISE)
    assert not bench.machine.wants_batch(digest("a"))


def test_a_batch_twice_or_in_the_parent_is_invalid() -> None:
    bench = ready("a", "b")
    assert votes(bench.propose(1, bench.block(1, names=("a", "a")), 0), Kind.NULLIFY)
    bench = ready("a", "b")
    first = bench.block(1)
    bench.notarise_view(1, first)
    assert votes(bench.propose(2, bench.block(2, first.header, ("b", "a"))), Kind.NULLIFY) == [nullify(0, 2)]


@pytest.mark.parametrize(
    ("distance", "valid"), [(BATCH_WINDOW_BLOCKS, False), (BATCH_WINDOW_BLOCKS + 1, True)]
)
def test_a_batch_may_come_again_only_after_64_blocks(distance: int, *, valid: bool) -> None:
    """`distance` from the block that has the batch to the new one, whose parent is not committed."""
    committed = distance - 2
    recent = (((digest("a"),),) + ((),) * committed)[-BATCH_WINDOW_BLOCKS:]
    bench = Bench(3, start=Start(GENESIS._replace(height=committed), ANCHOR_OUTCOME, None, recent))
    anchor = GENESIS._replace(height=committed)
    bench.hold("b")
    first = bench.block(1, anchor, ("b",))
    bench.notarise_view(1, first)
    second = bench.block(2, first.header, ("a",))
    effects = bench.propose(2, second)
    assert bool(votes(effects, Kind.NULLIFY)) is not valid
    assert bool(messages(effects, FetchBatches)) is valid


def test_blocks_over_the_caps_are_invalid_and_never_proposed() -> None:
    bench = Bench(3)
    for name in ("a", "b"):
        bench.give(BatchHeld(digest(name), 0, transactions_of(name), BLOCK_BYTES // 2 + 1, 2))
    assert votes(bench.propose(1, bench.block(1, names=("a", "b"))), Kind.NULLIFY)
    leader = Bench(0)
    leader.give(BatchHeld(digest("c"), 0, transactions_of("c"), BLOCK_BYTES, 2))
    (proposal,) = messages(leader.effects, Proposal)
    assert proposal.block.batches == (digest("c"),)


def test_an_empty_block_is_valid_only_as_a_heartbeat_that_is_due() -> None:
    bench = ready(heartbeat_ms=30_000)
    assert votes(bench.propose(1, bench.block(1, names=()), 0), Kind.NULLIFY)
    bench = ready(heartbeat_ms=30_000)
    bench.wall_ms = GENESIS.time_ms + 30_000
    assert votes(bench.propose(1, bench.block(1, names=()), 0), Kind.NOTARISE)
    bench = ready()
    bench.wall_ms = GENESIS.time_ms + 30_000
    assert votes(bench.propose(1, bench.block(1, names=()), 0), Kind.NULLIFY)


def test_an_idle_chain_gets_a_heartbeat() -> None:
    bench = Bench(0, parameters=Parameters(heartbeat_ms=1_000))
    assert not messages(bench.wait(995), Proposal)
    (proposal,) = messages(bench.wait(50), Proposal)
    assert proposal.block.batches == ()
    assert proposal.block.header.time_ms >= GENESIS.time_ms + 1_000


def test_validators_nullify_the_view_of_a_leader_that_owes_a_heartbeat() -> None:
    bench = Bench(3, parameters=Parameters(heartbeat_ms=1_000))
    assert not votes(bench.wait(1_100), Kind.NULLIFY)
    assert votes(bench.wait(100), Kind.NULLIFY)


# ---- bounds (rule 18)


def test_two_unexecuted_blocks_hold_up_fresh_blocks_until_one_is_executed() -> None:
    bench = ready("a", "b", "c")
    first = bench.block(1)
    second = bench.block(2, first.header, ("b",))
    third = bench.block(3, second.header, ("c",))
    bench.notarise_view(1, first)
    bench.notarise_view(2, second)
    effects = bench.propose(3, third)
    assert not votes(effects, Kind.NOTARISE)
    assert not votes(effects, Kind.NULLIFY)
    effects = bench.execute(first)
    assert notarise(0, 3, third.header.hash) in votes(effects, Kind.NOTARISE)


def test_eight_unfinal_blocks_hold_up_fresh_ones_but_not_a_re_proposal() -> None:
    bench = Bench(3)
    parent, outcome = GENESIS, ANCHOR_OUTCOME
    block = bench.block(1)
    for view in range(1, 9):
        effects = bench.hold(f"batch {view}")
        block = bench.block(view, parent, (f"batch {view}",))
        if bench.leads(view):
            block = messages(effects, Proposal)[0].block
        bench.notarise_view(view, block)
        bench.hear_votes(notarise(0, view, block.header.hash), 3)
        bench.execute(block, outcome)
        parent, outcome = block.header, outcome_of(block, outcome).hash_in(NETWORK)
    assert bench.machine.view == 9
    bench.hold("batch 9")
    effects = bench.propose(9, bench.block(9, parent, ("batch 9",)))
    assert not votes(effects, Kind.NOTARISE)
    assert not votes(effects, Kind.NULLIFY)
    bench.nullify_view(9)
    assert votes(bench.propose(10, block, parent_view=8), Kind.NOTARISE)


# ---- re-proposal (rule 12)


def test_a_notarised_tip_is_proposed_again_after_t_r_as_the_same_block() -> None:
    bench = ready(me=1)
    block = bench.block(1)
    assert not messages(bench.notarise_view(1, block), Proposal)
    assert not messages(bench.wait(70), Proposal)
    (proposal,) = messages(bench.wait(10), Proposal)
    assert (proposal.view, proposal.parent_view, proposal.block) == (2, 1, block)


def test_t_r_does_not_double_with_nullified_views() -> None:
    bench = ready("a", me=3)
    bench.nullify_view(1)
    bench.nullify_view(2)
    block = bench.block(3)
    bench.notarise_view(3, block, 0)
    assert bench.machine.view == 4
    assert messages(bench.wait(80), Proposal)


def test_a_re_proposal_is_judged_by_currency_own_votes_and_certificates_alone() -> None:
    """Its proposer, time and batches were right in the view that notarised it; now they would not be."""
    bench = Bench(3)
    block = bench.block(1, names=("unknown",))
    bench.hear(0, bench.certificate(notarise(0, 1, block.header.hash)))
    bench.hear(0, Blocks((block,)))
    bench.wall_ms += 600_000
    effects = bench.propose(2, block, parent_view=1)
    assert votes(effects, Kind.NOTARISE) == [notarise(0, 2, block.header.hash)]


def test_a_re_proposal_needs_the_nullifications_between() -> None:
    bench = ready()
    block = bench.block(1)
    bench.notarise_view(1, block)
    second = bench.block(2, block.header, ("b",))
    bench.hold("b")
    bench.notarise_view(2, second)
    assert bench.machine.view == 3
    assert not votes(bench.propose(3, block, parent_view=1), Kind.NOTARISE)
    assert votes(bench.hear(0, bench.certificate(nullify(0, 2))), Kind.NOTARISE)


def test_a_block_notarised_again_is_finalised_in_the_later_view_too() -> None:
    bench = ready()
    block = bench.block(1)
    bench.notarise_view(1, block)
    bench.notarise_view(2, block)
    effects = bench.execute(block)
    assert sorted(claim.view for claim in votes(effects, Kind.FINALISE)) == [1, 2]
    assert commits(bench.finalise_view(2, block)) == [block]
    assert bench.machine.final_view == 2


# ---- outcomes and finality (rule 17)


def test_a_descendant_s_finality_commits_its_ancestors_in_order() -> None:
    bench = ready("a", "b")
    first = bench.block(1)
    second = bench.block(2, first.header, ("b",))
    bench.notarise_view(1, first)
    bench.execute(first)
    bench.notarise_view(2, second)
    middle = outcome_of(first).hash_in(NETWORK)
    bench.execute(second, middle)
    effects = bench.finalise_view(2, second, middle)
    assert commits(effects) == [first, second]
    assert [commit.certificate is None for commit in of_kind(effects, Commit)] == [True, False]


def test_nothing_is_committed_before_it_is_executed() -> None:
    bench = ready()
    block = bench.block(1)
    bench.notarise_view(1, block)
    effects = []
    for peer in (0, 1, 2):
        effects += bench.hear(peer, bench.vote(peer, bench.certificate_claim(1, block)))
    assert bench.machine.final_view == 1
    assert not commits(effects)
    assert commits(bench.execute(block)) == [block]


def test_a_block_undone_for_another_branch_is_executed_again_before_what_stands_on_it() -> None:
    """Both branches were notarised, each where the other was not heard of; the first one goes on."""
    bench = ready("a", "b", "c")
    first, other = bench.block(1), bench.block(2, names=("b",))
    bench.notarise_view(1, first)
    bench.execute(first)
    bench.nullify_view(1)
    bench.hear(0, bench.certificate(notarise(0, 2, other.header.hash)))
    assert executions(bench.hear(0, Blocks((other,)))) == [other]
    bench.execute(other)
    bench.nullify_view(2)
    above = bench.block(4, first.header, ("c",))
    bench.nullify_view(3)
    bench.hear(0, bench.certificate(notarise(0, 4, above.header.hash)))
    assert executions(bench.hear(0, Blocks((above,)))) == [first]
    assert executions(bench.execute(first)) == [above]
    middle = outcome_of(first).hash_in(NETWORK)
    assert not executions(bench.execute(above, middle))
    assert commits(bench.finalise_view(4, above, middle)) == [first, above]


def test_blocks_are_executed_one_at_a_time() -> None:
    bench = ready("a", "b")
    first = bench.block(1)
    second = bench.block(2, first.header, ("b",))
    assert executions(bench.notarise_view(1, first)) == [first]
    assert not executions(bench.notarise_view(2, second))
    assert executions(bench.execute(first)) == [second]


def test_a_different_certified_outcome_halts_with_a_clear_error() -> None:
    bench = ready()
    block = bench.block(1)
    bench.notarise_view(1, block)
    bench.give(Executed(block.header.hash, outcome_of(block, state="mine")))
    effects = []
    for peer in (0, 1, 2):
        effects += bench.hear(peer, bench.vote(peer, bench.certificate_claim(1, block)))
    (halt,) = of_kind(effects, Halt)
    assert "rebuild" in halt.error.message
    assert not commits(effects)
    assert of_kind(effects, Alarm), "and the differing votes raise an alarm at once"
    assert bench.machine.is_halted
    assert bench.wait(500) == []


def test_an_outcome_of_another_parent_halts() -> None:
    bench = ready()
    block = bench.block(1)
    bench.notarise_view(1, block)
    assert of_kind(bench.execute(block, digest("another parent outcome")), Halt)


def test_two_finalisations_of_one_view_halt() -> None:
    bench = ready()
    block = bench.block(1)
    bench.notarise_view(1, block)
    bench.execute(block)
    bench.finalise_view(1, block)
    other = bench.certificate(bench.certificate_claim(1, bench.block(1, names=("b",))))
    assert of_kind(bench.hear(0, other), Halt)


def test_a_finalisation_on_another_chain_halts() -> None:
    bench = ready("a", "b")
    first = bench.block(1)
    bench.notarise_view(1, first)
    bench.execute(first)
    bench.finalise_view(1, first)
    foreign = bench.block(2, bench.block(1, names=("b",)).header, ("c",))
    bench.propose(2, foreign, 1)
    assert of_kind(bench.hear(0, bench.certificate(bench.certificate_claim(2, foreign))), Halt)


def test_execution_goes_one_block_at_a_time_on_executed_parents() -> None:
    bench = ready("a", "b")
    first = bench.block(1)
    second = bench.block(2, first.header, ("b",))
    bench.notarise_view(1, first)
    bench.notarise_view(2, second)
    assert executions(bench.effects) == [first]
    assert executions(bench.execute(first)) == [second]


def test_a_block_of_a_lost_view_gives_way_to_the_one_built_past_it() -> None:
    bench = ready("a", "b")
    lost = bench.block(1)
    bench.notarise_view(1, lost)
    bench.execute(lost)
    bench.hear(0, bench.certificate(nullify(0, 1)))
    kept = bench.block(2, GENESIS, ("b",))
    bench.notarise_view(2, kept, 0)
    assert executions(bench.effects) == [lost, kept]
    bench.execute(kept)
    assert commits(bench.finalise_view(2, kept)) == [kept]
    assert [e for e in bench.effects if isinstance(e, Execute)][-1].block == kept


# ---- who may say what


def test_a_key_that_is_not_in_the_set_is_refused() -> None:
    bench = Bench(0)
    stranger = StubKey(real_key(20).public_key)
    with pytest.raises(SignatureError):
        Consensus(
            Setup(bench.validators, 0, stranger, verifier=stub_verifier), Start(GENESIS, ANCHOR_OUTCOME)
        )


def test_messages_from_oneself_or_nobody_are_ignored() -> None:
    bench = ready()
    claim = notarise(0, 1, digest("x"))
    for peer in (3, -1, 4):
        assert not of_kind(bench.give(Received(peer, bench.vote(0, claim))), Drop)


def test_a_proposal_by_another_than_the_leader_drops_its_sender() -> None:
    bench = ready()
    effects = bench.hear(2, bench.proposal(1, bench.block(1)))
    assert [drop.peer for drop in of_kind(effects, Drop)] == [2]
    assert not votes(effects, Kind.NOTARISE)


def test_a_proposal_that_another_than_the_leader_signed_is_not_taken() -> None:
    """Even one that is right in everything else: the view is not its signer's to fill."""
    bench = ready()
    draft = bench.proposal(1, bench.block(1))
    signature = bench.keys[2].sign(draft.claim.signing_message(NETWORK))
    effects = bench.hear(2, draft._replace(signature=signature))
    assert not votes(effects, Kind.NOTARISE)
    assert [drop.peer for drop in of_kind(effects, Drop)] == [2]


def test_a_proposal_with_a_bad_signature_drops_the_leader() -> None:
    bench = ready()
    effects = bench.hear(0, bench.proposal(1, bench.block(1))._replace(signature=bytes(64)))
    assert of_kind(effects, Drop)
    assert votes(bench.propose(1, bench.block(1)), Kind.NOTARISE)


def test_proposals_far_ahead_are_not_kept() -> None:
    bench = ready()
    block: Block = bench.block(1)
    bench.hear(0, bench.proposal(5, block, 0))
    assert bench.machine._views.get(5) is None
