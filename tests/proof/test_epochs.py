"""Proofs across changes of validators, offline: from any anchor on the way, and against whoever has a former set's keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from ledger.base.errors import Code, ProofError
from ledger.chain.certificate import Checkpoint, make_certificate
from ledger.chain.closing import Closing, check_closing
from ledger.chain.validators import ValidatorSet
from ledger.chain.votes import finalise
from ledger.proof.anchor import Anchor, ForkError, anchor_from_genesis, followed, is_of_an_ended_epoch, pinned
from ledger.proof.bundle import bundle_from_bytes
from ledger.proof.verdict import Verdict, Word, assess
from ledger.proof.verify import verify
from tests.proof.size import bound_of
from tests.world.epochs import BLOCKS_PER_EPOCH, EPOCHS, ChangingWorld, seats_of
from tests.world.world import World

DAYS_MS = 86_400_000


@pytest.fixture(scope="module")
def world() -> ChangingWorld:
    return ChangingWorld()


@pytest.fixture(scope="module")
def anchors(world: ChangingWorld) -> list[Anchor]:
    """The genesis, and one of every epoch."""
    return [anchor_from_genesis(world.genesis), *world.anchors]


def judged(data: bytes, anchor: Anchor, world: World) -> Verdict:
    return assess(data, anchor, now_ms=world.now_ms, max_age_ms=DAYS_MS)


def line(verdict: Verdict, name: str) -> tuple[str, str]:
    return next((check.state, check.sentence) for check in verdict.checks if check.name == name)


def closings_replaced(data: bytes, closings: Sequence[Closing]) -> bytes:
    return bundle_from_bytes(data)._replace(closings=tuple(closings)).to_bytes()


# --- what holds


def test_ten_changes_verify_from_genesis_and_from_every_epoch(
    world: ChangingWorld, anchors: list[Anchor]
) -> None:
    data = world.prove()
    assert [closing.epoch for closing in bundle_from_bytes(data).closings] == list(range(EPOCHS))
    for anchor in anchors:
        findings = verify(data, anchor)
        assert findings.anchor == anchor
        assert [epoch.validators for epoch in findings.known.epochs] == list(world.state.sets)
        verdict = judged(data, anchor, world)
        assert verdict.status is Word.CONSISTENT
        state, sentence = line(verdict, "validators")
        assert state == "ok"
        changes = EPOCHS - anchor.epoch
        assert sentence.startswith(
            f"validators changed {'once' if changes == 1 else f'{changes} times'} between"
            if changes
            else "no change of validators"
        )


def test_the_signers_named_are_those_of_the_bundles_epoch(
    world: ChangingWorld, anchors: list[Anchor]
) -> None:
    _, sentence = line(judged(world.prove(), anchors[0], world), "certified")
    last = world.state.sets[-1]
    signers = [member.organisation for member in last][: last.quorum]
    assert f"signed by {last.quorum} of {len(last)} validators ({', '.join(signers)})" in sentence


def test_a_bundle_shows_what_it_must_from_the_epoch_it_states_and_no_more(
    world: ChangingWorld, anchors: list[Anchor]
) -> None:
    for from_epoch in range(EPOCHS + 1):
        data = world.prove(from_epoch)
        assert len(bundle_from_bytes(data).closings) == EPOCHS - from_epoch
        for anchor in anchors:
            if anchor.epoch >= from_epoch:
                verify(data, anchor)
            else:
                with pytest.raises(ProofError) as refused:
                    verify(data, anchor)
                assert refused.value.code == Code.INCOMPLETE


def test_a_bundle_older_than_the_anchor_verifies_by_its_own_epoch_and_is_never_current(
    world: ChangingWorld, anchors: list[Anchor]
) -> None:
    for epoch, data in enumerate(world.bundles):
        for anchor in anchors:
            verdict = judged(data, anchor, world)
            is_newer = anchor.epoch > epoch
            assert verdict.status is (Word.STALE if is_newer else Word.CONSISTENT)
            state, sentence = line(verdict, "validators")
            assert state == ("gap" if is_newer else "ok")
            if is_newer:
                assert "was not checked" in sentence
                assert "validators signed it whose epoch is over" in verdict.headline


def test_the_last_block_of_an_epoch_is_known_by_itself(world: ChangingWorld) -> None:
    """Not by the keys that signed it: an anchor that knows the epoch's end knows this very block and outcome."""
    for epoch, closing in enumerate(world.closings):
        known = followed(anchor_from_genesis(world.genesis), world.closings)
        assert (
            pinned(known, closing.checkpoint, world.closings[:epoch]).height
            == closing.checkpoint.header.height
        )
        assert not is_of_an_ended_epoch(known, closing.checkpoint)
        assert is_of_an_ended_epoch(known, world.checkpoints[BLOCKS_PER_EPOCH * epoch])


def test_any_view_may_finalise_a_closing(world: ChangingWorld, anchors: list[Anchor]) -> None:
    data = world.prove()
    again = [
        closing._replace(checkpoint=world.certify(*closing.checkpoint[:2], view=99))
        for closing in world.closings
    ]
    for anchor in anchors:
        verify(closings_replaced(data, again), anchor)
        verify(closings_replaced(data, [*world.closings[:5], *again[5:]]), anchor)


def test_an_anchor_grows_the_same_whichever_way_it_came(world: ChangingWorld, anchors: list[Anchor]) -> None:
    start, last = anchors[0], world.checkpoints[-1]
    at_once = pinned(start, last, world.closings)
    step_by_step = start
    for epoch in range(EPOCHS + 1):
        for place in range(BLOCKS_PER_EPOCH - (epoch == EPOCHS)):
            checkpoint = world.checkpoints[BLOCKS_PER_EPOCH * epoch + place]
            step_by_step = pinned(step_by_step, checkpoint, world.closings[max(epoch - 1, 0) : epoch])
    assert step_by_step == at_once
    assert pinned(at_once, world.checkpoints[0]) == at_once, "an older checkpoint takes nothing back"


# --- splices


def _of_another_network(_world: ChangingWorld) -> list[Closing]:
    other = World(("maker", "forwarder", "carrier", "customs"), name="other")
    for _ in range(EPOCHS):
        other.close_epoch()
    return other.closings


SPLICES: dict[str, Callable[[ChangingWorld], Sequence[Any]]] = {
    "none": lambda _: [],
    "the first left out": lambda world: world.closings[1:],
    "the last left out": lambda world: world.closings[:-1],
    "one left out": lambda world: world.closings[:4] + world.closings[5:],
    "two exchanged": lambda world: [*world.closings[:4], world.closings[5], world.closings[4], *world.closings[6:]],
    "backwards": lambda world: world.closings[::-1],
    "one twice": lambda world: [*world.closings[:4], *world.closings[3:]],
    "one too many": lambda world: [*world.closings, world.closings[-1]],
    "of another network": _of_another_network,
    "one of another network": lambda world: [*world.closings[:4], _of_another_network(world)[4], *world.closings[5:]],
    "the next set of another": lambda world: [
        *world.closings[:4], world.closings[4]._replace(members=world.closings[5].members), *world.closings[5:],
    ],
    "an ordinary block of the epoch": lambda world: [
        *world.closings[:4],
        world.closings[4]._replace(checkpoint=world.checkpoints[4 * BLOCKS_PER_EPOCH]), *world.closings[5:],
    ],
    "a certificate of another": lambda world: [
        *world.closings[:4],
        world.closings[4]._replace(
            checkpoint=world.closings[4].checkpoint._replace(certificate=world.closings[5].checkpoint.certificate)
        ),
        *world.closings[5:],
    ],
    "an outcome of another": lambda world: [
        *world.closings[:4],
        world.closings[4]._replace(
            checkpoint=world.closings[4].checkpoint._replace(outcome=world.closings[5].checkpoint.outcome)
        ),
        *world.closings[5:],
    ],
}  # fmt: skip
STILL_WHOLE_FROM = {"the first left out": 1, "none": EPOCHS}
"""From which epoch on a splice is nothing but a shorter proof."""


@pytest.mark.parametrize("what", sorted(SPLICES))
def test_spliced_closings_prove_nothing(what: str, world: ChangingWorld, anchors: list[Anchor]) -> None:
    data = closings_replaced(world.prove(), SPLICES[what](world))
    for anchor in anchors:
        if anchor.epoch >= STILL_WHOLE_FROM.get(what, EPOCHS + 1):
            verify(data, anchor)
            continue
        with pytest.raises(ProofError):
            verify(data, anchor)


def test_an_ordinary_block_closes_nothing(world: ChangingWorld) -> None:
    """It names its own set as the next one: with that set's keys, leaked, it would lead into an epoch of the thief's."""
    validators = world.state.sets[4]
    ordinary = Closing(world.checkpoints[4 * BLOCKS_PER_EPOCH], validators.members)
    assert ordinary.epoch == 4
    with pytest.raises(ProofError) as refused:
        check_closing(validators, 4, ordinary)
    assert refused.value.code == Code.WRONG_EPOCH


def test_a_checkpoint_of_one_epoch_under_the_closings_of_another(
    world: ChangingWorld, anchors: list[Anchor]
) -> None:
    for epoch, data in enumerate(world.bundles[:-1]):
        for closings in (world.closings[: epoch + 1], world.closings):
            for anchor in anchors:
                with pytest.raises(ProofError):
                    verify(closings_replaced(data, closings), anchor)


# --- all keys of a former set, leaked


def thief(epoch: int) -> ChangingWorld:
    """The same past up to the first blocks of `epoch`, whose keys are had; the sets after it are the thief's own."""
    return ChangingWorld(epoch, thief_from=epoch + 1)


def knows_the_end(anchors: list[Anchor], epoch: int) -> list[Anchor]:
    return [anchor for anchor in anchors if anchor.epoch > epoch]


@pytest.mark.parametrize("epoch", range(EPOCHS))
def test_leaked_keys_do_not_extend_their_epoch(
    epoch: int, world: ChangingWorld, anchors: list[Anchor]
) -> None:
    forged = thief(epoch)
    for _ in range(3):  # at the height where the epoch ended, and above it
        forged.commit()
        data = forged.prove()
        assert verify(data, anchors[0]), "the thief's file holds, but for what the anchor knows"
        for anchor in knows_the_end(anchors, epoch):
            with pytest.raises(ForkError) as refused:
                verify(data, anchor)
            assert refused.value.checkpoint == forged.checkpoints[-1]
            assert judged(data, anchor, world).status is Word.NOT_PROVEN


@pytest.mark.parametrize("epoch", range(EPOCHS))
def test_leaked_keys_do_not_close_their_epoch_again(
    epoch: int, world: ChangingWorld, anchors: list[Anchor]
) -> None:
    for blocks in (0, 2):  # at the height where it ended, and later
        forged = thief(epoch)
        for _ in range(blocks):
            forged.commit()
        forged.close_epoch(seats_of(epoch + 1))
        forged.play_epoch()
        assert len(forged.state.sets) == epoch + 2
        data = forged.prove()
        assert verify(data, anchors[0])
        for anchor in knows_the_end(anchors, epoch):
            with pytest.raises(ForkError) as refused:
                verify(data, anchor)
            assert refused.value.checkpoint == forged.closings[-1].checkpoint
            with pytest.raises(ProofError):
                verify(closings_replaced(data, []), anchor)
            with pytest.raises(ProofError):
                verify(closings_replaced(data, world.closings[: epoch + 1]), anchor)


@pytest.mark.parametrize("epoch", range(EPOCHS))
def test_leaked_keys_do_not_close_their_epoch_before_its_end(
    epoch: int, world: ChangingWorld, anchors: list[Anchor]
) -> None:
    forged = ChangingWorld(epoch, thief_from=epoch + 1)
    honest = world.checkpoints[BLOCKS_PER_EPOCH * epoch + 1]
    header = honest.header._replace(closes_epoch=True, time_ms=honest.header.time_ms + 1)
    following = ValidatorSet(
        forged.network,
        [member._replace(public_key=forged.epoch_key(member.organisation, epoch + 1).public_key)
         for member in world.state.sets[epoch]],
    )  # fmt: skip
    outcome = honest.outcome._replace(header_hash=header.hash, next_validators_hash=following.hash)
    closing = Closing(forged.certify(header, outcome), following.members)
    for anchor in anchors:
        if anchor.epoch < epoch:
            continue
        if anchor.epoch == epoch:
            assert followed(anchor, [closing]).epoch == epoch + 1
            continue
        with pytest.raises(ForkError):
            followed(anchor, [closing])


@pytest.mark.parametrize("epoch", range(EPOCHS))
def test_leaked_keys_certify_nothing_in_a_later_epoch(
    epoch: int, world: ChangingWorld, anchors: list[Anchor]
) -> None:
    bundle = bundle_from_bytes(world.prove())
    keys, leaked = world.epoch_keys[epoch], world.state.sets[epoch]
    for later in range(epoch + 1, EPOCHS + 1):
        header = bundle.checkpoint.header._replace(epoch=later)
        outcome = bundle.checkpoint.outcome._replace(
            header_hash=header.hash, validators_hash=leaked.hash, next_validators_hash=leaked.hash
        )
        claim = finalise(later, 1, header.hash, outcome.hash_in(world.network))
        message = claim.signing_message(world.network)
        certificate = make_certificate(leaked, claim, {i: key.sign(message) for i, key in enumerate(keys)})
        for said in (outcome, outcome._replace(validators_hash=world.state.sets[later].hash)):
            forged = bundle._replace(
                checkpoint=Checkpoint(header, said, certificate), closings=tuple(world.closings[:later])
            )
            for anchor in (anchors[0], anchors[epoch + 1], anchors[-1]):
                with pytest.raises(ProofError):
                    verify(forged.to_bytes(), anchor)


@pytest.mark.parametrize("epoch", range(EPOCHS))
def test_leaked_keys_write_another_past_that_is_never_current(
    epoch: int, world: ChangingWorld, anchors: list[Anchor]
) -> None:
    """Below the end of their epoch, which no anchor can tell from an old proof, unless it pinned that height."""
    forged = ChangingWorld(epoch, thief_from=epoch + 1)
    header, outcome, _ = world.checkpoints[BLOCKS_PER_EPOCH * epoch + 1]
    other = header._replace(proposer=1)
    checkpoint = forged.certify(other, outcome._replace(header_hash=other.hash))
    ended = knows_the_end(anchors, epoch)
    for anchor in ended:
        assert pinned(anchor, checkpoint).height == anchor.height
        assert is_of_an_ended_epoch(anchor, checkpoint)
        assert judged(forged.prove(), anchor, world).status is Word.STALE
        later = other._replace(time_ms=header.time_ms + 5_000)
        with pytest.raises(ForkError, match="times to ascend"):
            pinned(anchor, forged.certify(later, outcome._replace(header_hash=later.hash)))
    with pytest.raises(ForkError):
        pinned(world.anchors[epoch]._replace(height=header.height, header_hash=header.hash, time_ms=header.time_ms),
               checkpoint)  # fmt: skip


def test_an_epoch_does_not_begin_before_the_one_before_it_ended(
    world: ChangingWorld, anchors: list[Anchor]
) -> None:
    header, outcome, _ = world.checkpoints[BLOCKS_PER_EPOCH * 5]
    early = header._replace(height=2, time_ms=world.checkpoints[1].header.time_ms)
    checkpoint = world.certify(early, outcome._replace(header_hash=early.hash))
    with pytest.raises(ForkError):
        pinned(anchors[0], checkpoint, world.closings[:5])


def test_an_outcome_beside_the_pinned_one_is_a_fork(world: ChangingWorld) -> None:
    anchor = world.anchors[3]
    header, outcome, _ = world.checkpoints[BLOCKS_PER_EPOCH * 3]
    with pytest.raises(ForkError, match="the pinned block"):
        pinned(anchor, world.certify(header, outcome._replace(state_root=bytes(32))))


def test_a_block_that_closes_nothing_leaves_the_validators(
    world: ChangingWorld, anchors: list[Anchor]
) -> None:
    header, outcome, _ = world.checkpoints[1]
    sneaked = outcome._replace(next_validators_hash=world.state.sets[1].hash)
    with pytest.raises(ProofError, match="closes no epoch"):
        pinned(anchors[0], world.certify(header, sneaked))


def test_nobody_certifies_the_block_of_genesis(world: ChangingWorld, anchors: list[Anchor]) -> None:
    header, outcome, _ = world.checkpoints[0]
    first = header._replace(height=0)
    with pytest.raises(ProofError):
        pinned(anchors[0], world.certify(first, outcome._replace(header_hash=first.hash)))


def test_an_epoch_does_not_end_below_a_block_of_it_that_is_pinned(world: ChangingWorld) -> None:
    first, second = world.checkpoints[3 * BLOCKS_PER_EPOCH : 3 * BLOCKS_PER_EPOCH + 2]
    anchor = pinned(world.anchors[3], second)
    header = first.header._replace(closes_epoch=True)
    outcome = first.outcome._replace(header_hash=header.hash)
    closing = Closing(world.certify(header, outcome), world.state.sets[3].members)
    assert followed(world.anchors[2], [*world.closings[2:3], closing]).epoch == 4
    with pytest.raises(ForkError, match="which is pinned"):
        followed(anchor, [closing])


def test_a_change_of_validators_costs_a_proof_about_a_kilobyte(world: ChangingWorld) -> None:
    whole, without = world.prove(), world.prove(EPOCHS)

    assert bundle_from_bytes(without).closings == ()
    assert len(whole) - len(without) <= bound_of(whole) - bound_of(without) <= 1_200 * EPOCHS
    assert len(whole) <= bound_of(whole)
