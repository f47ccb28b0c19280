"""After a restart the log is the vote state (CONSENSUS 23, 24)."""

from __future__ import annotations

import pytest

from ledger.chain.certificate import Certificate
from ledger.chain.votes import Kind, Proposal, Vote, notarise, nullify
from ledger.consensus import Start
from ledger.consensus.interface import Broadcast, Send
from ledger.consensus.messages import Blocks, Position, Record, decode_record, encode_message
from tests.consensus.bench import (
    ANCHOR_OUTCOME,
    GENESIS,
    NETWORK,
    Bench,
    commits,
    digest,
    executions,
    messages,
    outcome_of,
    votes,
)


def ready(*names: str, me: int = 3) -> Bench:
    bench = Bench(me)
    bench.hold(*(names or ("a",)))
    return bench


def test_recorded_votes_are_sent_again_as_they_were() -> None:
    bench = ready()
    block = bench.block(1)
    (vote,) = messages(bench.propose(1, block), Vote)
    again = bench.restart(batches=["a"])
    assert vote in messages(again.effects, Vote)
    assert again.machine.view == 1


def test_a_recorded_proposal_is_sent_again_and_never_made_anew() -> None:
    bench = ready("a", me=0)
    (proposal,) = messages(bench.effects, Proposal)
    again = bench.restart(batches=["a", "b"])
    again.wall_ms += 10_000
    again.hold("c")
    assert set(messages(again.effects, Proposal)) == {proposal}
    again.wait(100)
    assert set(messages(again.effects, Proposal)) == {proposal}


def test_a_notarised_view_is_not_notarised_otherwise_after_a_restart() -> None:
    bench = ready("a", "b")
    first = bench.block(1)
    bench.propose(1, first)
    again = bench.restart(batches=["a", "b"])
    effects = again.propose(1, again.block(1, names=("b",)))
    assert {claim.block for claim in votes(again.effects + effects, Kind.NOTARISE)} == {first.header.hash}


def test_nullify_may_follow_a_recorded_notarise() -> None:
    """Forbidding that would stop four validators of which one is dead."""
    bench = ready()
    bench.propose(1, bench.block(1))
    again = bench.restart(batches=["a"])
    assert nullify(0, 1) in votes(again.wait(300), Kind.NULLIFY)


def test_whatever_the_log_does_not_forbid_may_be_signed_after_a_restart() -> None:
    bench = ready()
    block = bench.block(1)
    again = bench.restart(batches=["a"])
    assert votes(again.propose(1, block), Kind.NOTARISE)


def test_finalise_does_not_follow_a_recorded_nullify() -> None:
    bench = ready()
    block = bench.block(1)
    bench.propose(1, block)
    bench.wait(300)
    again = bench.restart(batches=["a"])
    again.hear_votes(notarise(0, 1, block.header.hash))
    assert again.machine.view == 2
    assert not votes(again.execute(block), Kind.FINALISE)


def test_nullify_does_not_follow_a_recorded_finalise() -> None:
    bench = ready()
    block = bench.block(1)
    bench.notarise_view(1, block)
    bench.execute(block)
    again = bench.restart(batches=["a"])
    again.hear_votes(nullify(0, 1), 3)
    again.wait(1_000)
    assert nullify(0, 1) not in votes(again.effects, Kind.NULLIFY)


def test_a_logged_notarisation_puts_the_validator_in_the_next_view_and_has_its_block_executed() -> None:
    bench = ready()
    block = bench.block(1)
    bench.notarise_view(1, block)
    again = bench.restart(batches=["a"])
    assert again.machine.view == 2
    assert executions(again.effects) == [block]
    assert [claim.view for claim in votes(again.execute(block), Kind.FINALISE)] == [1]


def test_a_logged_finalisation_is_final_after_a_restart() -> None:
    bench = ready()
    block = bench.block(1)
    bench.notarise_view(1, block)
    bench.execute(block)
    bench.finalise_view(1, block)
    again = bench.restart(batches=["a"])
    assert again.machine.final_view == 1
    assert commits(again.execute(block)) == [block]


def test_the_view_of_the_last_own_word_is_kept_even_without_its_certificate() -> None:
    bench = ready("a", "b")
    first = bench.block(1)
    bench.notarise_view(1, first)
    bench.propose(2, bench.block(2, first.header, ("b",)))
    bench.log = [record for record in bench.log if not isinstance(record, Certificate)]
    assert bench.restart(batches=["a", "b"]).machine.view == 2


def committed_bench() -> tuple[Bench, Start]:
    """Block 1 committed; block 2 notarised in view 2 and executed."""
    bench = ready("a", "b")
    first = bench.block(1)
    bench.notarise_view(1, first)
    bench.execute(first)
    bench.finalise_view(1, first)
    outcome = outcome_of(first).hash_in(NETWORK)
    second = bench.block(2, first.header, ("b",))
    bench.notarise_view(2, second)
    bench.execute(second, outcome)
    certificate = bench.certificate(bench.certificate_claim(1, first))
    return bench, Start(first.header, outcome, certificate, ((digest("a"),),))


def test_a_restart_from_a_committed_block() -> None:
    bench, start = committed_bench()
    again = bench.restart(start, batches=["b"])
    assert (again.machine.view, again.machine.final_view, again.machine.committed_height) == (3, 1, 1)
    (block,) = executions(again.effects)
    assert block.header.height == 2
    again.execute(block, start.outcome_hash)
    assert commits(again.finalise_view(2, block, start.outcome_hash)) == [block]


def test_batches_of_recent_blocks_are_not_held_again() -> None:
    bench, start = committed_bench()
    again = bench.restart(start, batches=["a", "b"])
    assert digest("a") not in again.machine._batches
    assert digest("b") in again.machine._batches


def test_the_compacted_log_leads_to_the_same_state() -> None:
    bench, start = committed_bench()
    whole = bench.restart(start, batches=["b"])
    kept = bench.machine.live_records()
    assert len(kept) < len(bench.log)
    bench.log = list(kept)
    compacted = bench.restart(start, batches=["b"])
    for name in ("view", "final_view", "committed_height"):
        assert getattr(compacted.machine, name) == getattr(whole.machine, name)
    assert executions(compacted.effects) == executions(whole.effects)
    assert {v.number: v.own for v in compacted.machine._views} == {
        v.number: v.own for v in whole.machine._views
    }


@pytest.mark.parametrize("whole", [True, False])
def test_the_log_speaks_of_the_epoch_it_is_in(*, whole: bool) -> None:
    """Records of another epoch settle nothing here."""
    bench = ready()
    block = bench.block(1)
    bench.propose(1, block)
    if not whole:
        bench.log = [r if isinstance(r, Blocks) else _of_epoch_1(r) for r in bench.log]
    again = bench.restart(batches=["a"])
    assert bool(again.machine._views.at(1).own) is whole


def _of_epoch_1(record: Record) -> Record:
    assert isinstance(record, Vote)
    return record._replace(claim=record.claim._replace(epoch=1))


def test_records_survive_their_encoding() -> None:
    bench, _ = committed_bench()
    leader = ready("a", me=0)
    assert bench.log
    for record in [*bench.log, *leader.log]:
        assert decode_record(encode_message(record)) == record


def test_on_start_one_peer_is_told_where_this_validator_stands() -> None:
    bench = ready()
    told = [e for e in bench.effects if isinstance(e, Send) and isinstance(e.message, Position)]
    assert [e.message for e in told] == [Position(0, 1, 0, 0)]
    assert not [e for e in bench.effects if isinstance(e, Broadcast)]
    assert GENESIS.height == 0
    assert ANCHOR_OUTCOME
