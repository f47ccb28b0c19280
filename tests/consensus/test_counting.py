"""Votes held unverified, verified at a quorum; evidence and alarms (CONSENSUS 17, 26, 27)."""

from __future__ import annotations

from ledger.base.limits import FINALISE_VIEWS_HELD
from ledger.chain.certificate import make_certificate
from ledger.chain.evidence import check_evidence
from ledger.chain.votes import Kind, finalise, notarise, nullify
from ledger.consensus.interface import Accuse, Alarm, Drop
from tests.consensus.bench import Bench, digest, of_kind, votes
from tests.simulation.keys import stub_verifier

X, Y, Z = digest("x"), digest("y"), digest("z")


def ready() -> Bench:
    bench = Bench(3)
    bench.hold("a")
    return bench


def test_a_bad_vote_is_found_at_the_quorum_and_drops_its_peer() -> None:
    bench = ready()
    block = bench.block(1)
    claim = notarise(0, 1, block.header.hash)
    bench.propose(1, block)
    assert not of_kind(bench.hear(0, bench.vote(0, claim)._replace(signature=bytes(64))), Drop)
    effects = bench.hear(1, bench.vote(1, claim))
    assert [drop.peer for drop in of_kind(effects, Drop)] == [0]
    assert bench.machine.view == 1
    bench.hear(0, bench.vote(0, claim))
    assert bench.machine.view == 2


def test_a_vote_in_somebody_else_s_name_drops_its_sender() -> None:
    bench = ready()
    effects = bench.hear(0, bench.vote(1, nullify(0, 1)))
    assert [drop.peer for drop in of_kind(effects, Drop)] == [0]


def test_a_certificate_that_does_not_hold_drops_its_sender() -> None:
    bench = ready()
    good = bench.certificate(nullify(0, 1))
    effects = bench.hear(2, good._replace(signatures=good.signatures[:-1] + b"\0"))
    assert [drop.peer for drop in of_kind(effects, Drop)] == [2]
    assert bench.machine.view == 1


def test_signatures_verified_as_votes_are_not_trusted_for_another_claim() -> None:
    bench = ready()
    bench.hear_votes(nullify(0, 1), 2)
    other = bench.certificate(nullify(0, 2))
    mixed = other._replace(signatures=bench.certificate(nullify(0, 1)).signatures)
    assert of_kind(bench.hear(2, mixed), Drop)


def test_a_certificate_with_another_signature_than_the_vote_counted_is_verified() -> None:
    """Who voted here is known by that one signature, not by name: a certificate has to hold everywhere."""
    bench = ready()
    bench.wait(200)
    claim = nullify(0, 1)
    assert claim in votes(bench.effects, Kind.NULLIFY)
    signatures = {peer: bench.vote(peer, claim).signature for peer in (1, 2)}
    forged = make_certificate(bench.validators, claim, {**signatures, 3: bytes(64)})
    assert [drop.peer for drop in of_kind(bench.hear(2, forged), Drop)] == [2]
    assert bench.machine.view == 1


def test_two_votes_of_one_kind_are_evidence() -> None:
    bench = ready()
    bench.hear(0, bench.vote(0, notarise(0, 1, X)))
    (accuse,) = of_kind(bench.hear(0, bench.vote(0, notarise(0, 1, Y))), Accuse)
    assert check_evidence(bench.validators, accuse.evidence, stub_verifier) == bench.validators[0]
    assert not of_kind(bench.hear(0, bench.vote(0, notarise(0, 1, Z))), Accuse), "once a view"


def test_finalise_and_nullify_are_evidence_in_either_order() -> None:
    for first, second in ((finalise(0, 1, X, Y), nullify(0, 1)), (nullify(0, 1), finalise(0, 1, X, Y))):
        bench = ready()
        bench.hear(0, bench.vote(0, first))
        (accuse,) = of_kind(bench.hear(0, bench.vote(0, second)), Accuse)
        check_evidence(bench.validators, accuse.evidence, stub_verifier)


def test_notarise_then_nullify_is_no_evidence() -> None:
    bench = ready()
    bench.hear(0, bench.vote(0, notarise(0, 1, X)))
    assert not of_kind(bench.hear(0, bench.vote(0, nullify(0, 1))), Accuse)


def test_a_late_contradiction_is_evidence_too() -> None:
    bench = ready()
    bench.hear(0, bench.vote(0, notarise(0, 1, X)))
    bench.nullify_view(1)
    assert of_kind(bench.hear(0, bench.vote(0, notarise(0, 1, Y))), Accuse)


def test_two_proposals_are_evidence_and_the_first_stands() -> None:
    bench = ready()
    bench.hold("b")
    first, second = bench.block(1), bench.block(1, names=("b",))
    bench.propose(1, first)
    effects = bench.propose(1, second)
    (accuse,) = of_kind(effects, Accuse)
    check_evidence(bench.validators, accuse.evidence, stub_verifier)
    assert not votes(effects, Kind.NOTARISE)
    assert not of_kind(bench.propose(1, first), Accuse)


def test_a_badly_signed_second_claim_accuses_nobody_and_drops_its_sender() -> None:
    bench = ready()
    bench.hear(0, bench.vote(0, notarise(0, 1, X)))
    effects = bench.hear(0, bench.vote(0, notarise(0, 1, Y))._replace(signature=bytes(64)))
    assert not of_kind(effects, Accuse)
    assert of_kind(effects, Drop)
    bench = ready()
    bench.hear(0, bench.vote(0, notarise(0, 1, X))._replace(signature=bytes(64)))
    effects = bench.hear(0, bench.vote(0, notarise(0, 1, Y)))
    assert not of_kind(effects, Accuse)
    assert of_kind(effects, Drop)
    bench = ready()
    bench.propose(1, bench.block(1))
    bad = bench.proposal(1, bench.block(1, names=("b",)))._replace(signature=bytes(64))
    assert not of_kind(bench.hear(0, bad), Accuse)


def test_differing_outcomes_of_one_block_raise_an_alarm_at_once() -> None:
    bench = ready()
    assert not of_kind(bench.hear(0, bench.vote(0, finalise(0, 1, X, Y))), Alarm)
    assert not of_kind(bench.hear(1, bench.vote(1, finalise(0, 1, Z, Y))), Alarm)
    (alarm,) = of_kind(bench.hear(2, bench.vote(2, finalise(0, 1, X, Z))), Alarm)
    assert "[0]" in alarm.message
    assert "[2]" in alarm.message
    forged = ready()
    forged.hear(0, forged.vote(0, finalise(0, 1, X, Y)))
    effects = forged.hear(2, forged.vote(2, finalise(0, 1, X, Z))._replace(signature=bytes(64)))
    assert not of_kind(effects, Alarm)


def test_votes_are_accepted_in_the_current_view_and_the_next_two() -> None:
    bench = ready()
    for peer in (0, 1, 2):
        bench.hear(peer, bench.vote(peer, nullify(0, 4)))
    assert bench.machine.view == 1
    for peer in (0, 1, 2):
        bench.hear(peer, bench.vote(peer, nullify(0, 3)))
    assert bench.machine.view == 4


def test_certificates_of_any_view_are_accepted() -> None:
    bench = ready()
    bench.hear(0, bench.certificate(nullify(0, 500)))
    assert bench.machine.view == 501


def test_finalise_votes_count_in_every_view_above_the_last_final_one() -> None:
    """Also after the view was left, and long before it is entered."""
    bench = ready()
    block = bench.block(1)
    bench.notarise_view(1, block)
    bench.nullify_view(2)
    bench.nullify_view(3)
    bench.execute(block)
    bench.finalise_view(1, block)
    assert bench.machine.final_view == 1
    ahead = ready()
    for peer in (0, 1, 2):
        ahead.hear(peer, ahead.vote(peer, finalise(0, 50, X, Y)))
    assert (ahead.machine.final_view, ahead.machine.view) == (50, 51)


def test_finalise_votes_of_one_signer_are_bounded_and_the_lowest_goes_first() -> None:
    bench = ready()
    for view in range(2, FINALISE_VIEWS_HELD + 20):
        bench.hear(0, bench.vote(0, finalise(0, view, X, Y)))
    held = [view.number for view in bench.machine._views if view.claims_of(0, Kind.FINALISE)]
    assert sorted(held) == list(range(20, FINALISE_VIEWS_HELD + 20))
    bench.hear(0, bench.vote(0, finalise(0, 1, X, Y)))
    assert not bench.machine._views.at(1).claims_of(0, Kind.FINALISE)


def test_at_most_two_claims_of_a_kind_are_kept_of_one_signer() -> None:
    bench = ready()
    for index in range(50):
        bench.hear(0, bench.vote(0, notarise(0, 1, digest(f"block {index}"))))
    assert len(bench.machine._views.at(1).claims_of(0, Kind.NOTARISE)) == 2


def test_what_concerns_committed_views_is_forgotten() -> None:
    bench = ready()
    bench.hold("b")
    first = bench.block(1)
    bench.hear(2, bench.vote(2, notarise(0, 1, X)))
    bench.hear(2, bench.vote(2, notarise(0, 1, Y)))
    bench.notarise_view(1, first)
    bench.execute(first)
    bench.finalise_view(1, first)
    second = bench.block(2, first.header, ("b",))
    bench.notarise_view(2, second)
    outcome = bench.certificate_claim(1, first).outcome
    assert outcome is not None
    bench.execute(second, outcome)
    bench.finalise_view(2, second, outcome)
    assert bench.machine.committed_height == 2
    assert min(view.number for view in bench.machine._views) == 2
    assert not bench.machine._teller._accused
