"""Timers, skips and re-sends (CONSENSUS 19-22): what keeps the chain going, and an idle network silent."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from ledger.base.limits import SUBJECTS_PER_BLOCK
from ledger.chain.certificate import Certificate
from ledger.chain.votes import Kind, Proposal, Vote, notarise, nullify
from ledger.consensus.interface import (
    BatchHeld,
    Broadcast,
    Connected,
    Effect,
    Executed,
    Parameters,
    Send,
    SetTimer,
)
from ledger.consensus.messages import Announcement, Position
from ledger.consensus.pacing import Pacing
from tests.consensus.bench import Bench, digest, messages, of_kind, outcome_of, transactions_of, votes

T_L = 150


def ready(*names: str, me: int = 3, count: int = 4) -> Bench:
    bench = Bench(me, count=count)
    bench.hold(*(names or ("a",)))
    return bench


def nullified_after(bench: Bench, limit_ms: int = 3_000) -> int:
    """Milliseconds until this validator nullifies its current view."""
    view = bench.machine.view
    started = bench.now_ms
    while bench.now_ms < started + limit_ms:
        if nullify(0, view) in votes(bench.wait(5), Kind.NULLIFY):
            return bench.now_ms - started
    raise AssertionError(f"view {view} not nullified within {limit_ms} ms")


# ---- the size of blocks


def test_blocks_are_as_large_as_can_be_executed_in_half_of_t_l() -> None:
    pacing = Pacing(Bench().validators, 0, Parameters())
    assert pacing.subjects_in_time() == SUBJECTS_PER_BLOCK
    pacing.executed(99, 5_000)  # of a few subjects: mostly what any block costs
    assert pacing.subjects_in_time() == SUBJECTS_PER_BLOCK
    pacing.executed(1_000, 100)
    assert pacing.subjects_in_time() == 750
    pacing.executed(1_000, 500)  # a busy moment counts for a quarter
    assert pacing.subjects_in_time() == 375
    for _ in range(50):
        pacing.executed(1_000, 1)
    assert pacing.subjects_in_time() == SUBJECTS_PER_BLOCK


def test_blocks_that_one_slow_moment_made_small_grow_again_though_all_are_small() -> None:
    pacing = Pacing(Bench().validators, 0, Parameters())
    pacing.executed(100, 1_000)
    assert pacing.subjects_in_time() == 7
    for _ in range(40):
        pacing.executed(7, 0)
    assert pacing.subjects_in_time() >= 500
    pacing.executed(7, 1_000)  # it does not tell that a subject takes longer
    assert pacing.subjects_in_time() >= 500


def test_a_leader_proposes_no_more_than_it_can_execute_in_time() -> None:
    bench = Bench(2)
    bench.give(BatchHeld(digest("large"), 0, transactions_of("large"), 650, 1_000))
    block = bench.block(1, names=("large",))
    bench.notarise_view(1, block)
    bench.give(Executed(block.header.hash, outcome_of(block), took_ms=1_000))
    bench.hold(*(str(number) for number in range(50)))  # of two subjects each
    (proposal,) = messages(bench.nullify_view(2), Proposal)
    assert len(proposal.block.batches) == 37


# ---- timers


def test_an_idle_network_is_silent() -> None:
    bench = Bench(3)
    bench.effects.clear()
    bench.wait(20_000)
    assert not of_kind(bench.effects, Broadcast)
    assert not of_kind(bench.effects, Send)


def test_timers_run_from_the_later_of_entering_and_work_arriving() -> None:
    bench = Bench(3)
    bench.wait(1_000)
    bench.hold("a")
    assert nullified_after(bench) == T_L


def test_a_view_with_a_proposal_is_given_up_after_t_a() -> None:
    bench = ready()
    bench.propose(1, bench.block(1))
    assert nullified_after(bench) == T_L * 3 // 2


def test_a_proposal_that_waits_for_data_counts_as_a_proposal() -> None:
    bench = ready("other")
    bench.propose(1, bench.block(1, names=("absent",)))
    assert nullified_after(bench) == T_L * 3 // 2


def test_an_unfinal_tip_is_work() -> None:
    bench = ready()
    block = bench.block(1)
    bench.notarise_view(1, block)
    assert nullified_after(bench) == T_L
    bench = ready()
    bench.notarise_view(1, block)
    bench.execute(block)
    bench.finalise_view(1, block)
    bench.effects.clear()
    bench.wait(2_000)
    assert not votes(bench.effects, Kind.NULLIFY)


def test_time_outs_double_three_times_at_most_and_fall_back_on_finality() -> None:
    bench = ready("a", "b", me=3)
    seen = []
    for view in range(1, 8):
        if bench.leads(view):
            bench.hear(0, bench.certificate(nullify(0, view)))
            seen.append(0)
            continue
        seen.append(nullified_after(bench))
        for peer in (0, 1):
            bench.hear(peer, bench.vote(peer, nullify(0, view)))
        assert bench.machine.view == view + 1
        bench.hear(2, bench.vote(2, nullify(0, view)))
    assert seen == [150, 300, 600, 0, 1200, 1200, 1200]


def test_f_plus_one_nullify_votes_pull_a_validator_in() -> None:
    bench = ready()
    assert not votes(bench.hear(0, bench.vote(0, nullify(0, 1))), Kind.NULLIFY)
    effects = bench.hear(1, bench.vote(1, nullify(0, 1)))
    assert votes(effects, Kind.NULLIFY) == [nullify(0, 1)]
    assert bench.machine.view == 2


def test_f_nullify_votes_pull_nobody_in() -> None:
    bench = ready(me=0, count=7)
    for peer in (1, 2):
        assert not votes(bench.hear(peer, bench.vote(peer, nullify(0, 1))), Kind.NULLIFY)
    assert votes(bench.hear(3, bench.vote(3, nullify(0, 1))), Kind.NULLIFY)


def test_early_and_repeated_ticks_are_harmless() -> None:
    bench = ready()
    bench.effects.clear()
    for _ in range(20):
        bench.wait(5)
        bench.now_ms -= 5
        bench.wall_ms -= 5
    assert not of_kind(bench.effects, Broadcast)


def test_a_timer_is_always_set_for_what_is_due_next() -> None:
    bench = ready()
    assert min(timer.at_ms for timer in of_kind(bench.effects, SetTimer)) <= bench.now_ms + T_L


# ---- re-sends (rule 22)


def stuck(effects: Iterable[Effect]) -> list[str]:
    return [type(e.message).__name__ for e in effects if isinstance(e, Broadcast)]


def test_while_stuck_everything_that_may_help_is_sent_again() -> None:
    bench = ready("a", "b")
    first = bench.block(1)
    bench.notarise_view(1, first)
    bench.execute(first)
    bench.propose(2, bench.block(2, first.header, ("b",)))
    effects = bench.wait(T_L)
    assert {(v.claim.kind, v.claim.view) for v in messages(effects, Vote)} == {
        (Kind.NOTARISE, 2),
        (Kind.FINALISE, 1),
    }
    assert [c.claim for c in messages(effects, Certificate)] == [notarise(0, 1, first.header.hash)]
    assert messages(effects, Announcement) == [Announcement((digest("a"), digest("b")))]
    assert messages(effects, Position) == [Position(0, 2, 0, 0)]
    assert len(stuck(bench.wait(T_L))) >= 4, "and again after another interval"


def test_a_stuck_leader_sends_its_proposal_again() -> None:
    bench = ready(me=0)
    (proposal,) = messages(bench.effects, Proposal)
    assert messages(bench.wait(T_L), Proposal) == [proposal]


def test_re_sends_do_not_slow_down_with_doubled_time_outs() -> None:
    bench = ready()
    for view in range(1, 4):
        bench.nullify_view(view)
    bench.effects.clear()
    bench.wait(10 * T_L)
    assert len(messages(bench.effects, Position)) >= 9


def test_a_stuck_peer_is_answered_with_what_leads_out_of_its_view_once_per_half_t_l() -> None:
    bench = ready()
    block = bench.block(1)
    bench.notarise_view(1, block)
    late = bench.vote(2, notarise(0, 1, block.header.hash))
    assert not messages(bench.hear(2, late), Certificate), "the usual last voter is not stuck"
    bench.wait(T_L)
    assert [c.claim for c in messages(bench.hear(2, late), Certificate)] == [
        notarise(0, 1, block.header.hash)
    ]
    assert not messages(bench.hear(2, late), Certificate)
    bench.now_ms += T_L // 2
    assert messages(bench.hear(2, late), Certificate)


def test_a_peer_stuck_below_the_final_view_gets_the_newest_finalisation() -> None:
    bench = ready()
    block = bench.block(1)
    bench.notarise_view(1, block)
    bench.execute(block)
    bench.finalise_view(1, block)
    bench.wait(T_L)
    (certificate,) = messages(bench.hear(2, bench.vote(2, nullify(0, 1))), Certificate)
    assert certificate.claim.kind == Kind.FINALISE


# ---- positions


def test_a_new_connection_is_told_where_this_validator_stands() -> None:
    assert messages(Bench(3).give(Connected(1)), Position) == [Position(0, 1, 0, 0)]


def test_peers_that_are_behind_are_led_on_and_those_ahead_are_asked() -> None:
    bench = ready()
    block = bench.block(1)
    bench.notarise_view(1, block)
    (certificate,) = messages(bench.hear(1, Position(0, 1, 0, 0)), Certificate)
    assert certificate.claim.kind == Kind.NOTARISE
    assert messages(bench.hear(2, Position(0, 9, 0, 0)), Position) == [Position(0, 2, 0, 0)]
    assert not bench.hear(2, Position(0, 9, 0, 0)), "once per t_l / 2"
    bench.execute(block)
    bench.finalise_view(1, block)
    bench.wait(T_L)
    (certificate,) = messages(bench.hear(1, Position(0, 2, 0, 0)), Certificate)
    assert certificate.claim.kind == Kind.FINALISE
    assert not messages(bench.hear(0, bench.machine._exchange.position()), Position)


def test_a_message_of_a_later_epoch_makes_the_receiver_say_where_it_stands() -> None:
    bench = ready()
    claim = nullify(1, 1)
    assert messages(bench.hear(1, bench.vote(1, claim)), Position) == [Position(0, 1, 0, 0)]
    assert not votes(bench.hear(0, bench.vote(0, claim)), Kind.NULLIFY), "and counts for nothing"


def test_every_heartbeat_one_peer_in_turn_is_told() -> None:
    bench = Bench(3, parameters=Parameters(heartbeat_ms=0))
    bench.wait(95_000)
    told = [e.peer for e in bench.effects if isinstance(e, Send) and isinstance(e.message, Position)]
    assert told == [0, 1, 2, 0]


# ---- whom not to wait for (rule 21)


def pacing(me: int = 3) -> Pacing:
    made = Pacing(Bench(0).validators, me, Parameters())
    made.restart(10, 0)
    return made


def through(made: Pacing, views: range, voters: tuple[int, ...], now_ms: int = 0) -> None:
    for view in views:
        for voter in voters:
            made.voted(voter, view, now_ms)
        made.view_notarised()
        made.enter(view + 1, now_ms)


def test_unknown_after_a_restart_counts_as_active() -> None:
    made = pacing()
    assert not any(made.is_skipped(leader) for leader in range(4))


def test_a_leader_that_sent_no_timely_vote_in_n_views_is_skipped_while_a_quorum_votes() -> None:
    made = pacing()
    through(made, range(10, 14), (0, 2))
    assert not made.is_skipped(1)
    through(made, range(14, 15), (0, 2))
    assert made.is_skipped(1)
    made.voted(1, 15, 0)
    assert not made.is_skipped(1), "any timely vote lifts it"


def test_nobody_is_skipped_where_no_quorum_votes() -> None:
    made = pacing()
    through(made, range(10, 20), (0,))
    assert not made.is_skipped(1)


def test_nobody_skips_itself() -> None:
    made = pacing(1)
    through(made, range(10, 20), (0, 2, 3))
    assert not made.is_skipped(1)


@pytest.mark.parametrize(("delay_ms", "skipped"), [(T_L, False), (T_L + 1, True)])
def test_a_vote_is_timely_until_t_l_after_its_view_was_left(delay_ms: int, *, skipped: bool) -> None:
    made = pacing()
    through(made, range(10, 20), (0, 2))
    made.voted(1, 19, delay_ms)
    assert made.is_skipped(1) is skipped


def test_a_leader_that_missed_two_turns_is_skipped_until_it_proposes() -> None:
    made = pacing()
    through(made, range(10, 20), (0, 1, 2))
    made.turn_missed(1)
    assert not made.is_skipped(1)
    made.turn_missed(1)
    assert made.is_skipped(1)
    made.voted(1, 20, 0)
    assert made.is_skipped(1), "votes do not lift it"
    made.proposed(1, 19, T_L + 1)
    assert made.is_skipped(1), "nor a late proposal"
    made.proposed(1, 19, T_L)
    assert not made.is_skipped(1)


def test_nobody_is_skipped_after_n_nullified_views_in_a_row() -> None:
    made = pacing()
    through(made, range(10, 20), (0, 2))
    for view in range(20, 24):
        assert made.is_skipped(1)
        made.view_nullified(by_skip=True)
        for voter in (0, 2):
            made.voted(voter, view, 0)
        made.enter(view + 1, 0)
    assert not made.is_skipped(1)
    made.view_notarised()
    assert made.is_skipped(1)


def test_skips_do_not_double_time_outs() -> None:
    made = pacing()
    made.view_nullified(by_skip=True)
    assert made.leader_timeout_ms == T_L
    made.view_nullified(by_skip=False)
    assert made.leader_timeout_ms == 2 * T_L
    made.view_notarised()
    assert made.leader_timeout_ms == 2 * T_L
    made.progressed()
    assert made.leader_timeout_ms == T_L


def test_a_validator_that_jumps_ahead_knows_nothing_about_the_others() -> None:
    made = pacing()
    through(made, range(10, 20), (0, 2))
    made.enter(200, 0)
    assert not made.is_skipped(1)


def test_a_vote_far_ahead_does_not_keep_its_signer_awake_for_ever() -> None:
    made = pacing()
    made.voted(1, 10**9, 0)
    through(made, range(10, 20), (0, 2))
    assert made.is_skipped(1)


def test_a_skipped_leader_s_view_is_nullified_at_once_when_there_is_work() -> None:
    bench = ready("a", me=3)
    bench.machine._pacing._missed_turns[1] = 2
    block = bench.block(1)
    effects = bench.notarise_view(1, block)
    assert nullify(0, 2) in votes(effects, Kind.NULLIFY)


def test_a_leader_whose_two_turns_timed_out_is_skipped_at_its_third() -> None:
    bench = ready("a")
    waited = []
    for view in range(1, 11):
        if bench.validators.leader(0, view) == 1:
            is_skipped = nullify(0, view) in votes(bench.effects, Kind.NULLIFY)
            waited.append(0 if is_skipped else nullified_after(bench))
        bench.hear_votes(nullify(0, view), 3)
        assert bench.machine.view == view + 1
        bench.machine._pacing.progressed()
    assert waited == [T_L, T_L, 0]
