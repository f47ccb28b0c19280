"""Rows 20 to 24, 26, 27 and 29: what authorities do to goods, and what that forbids everybody else."""

from __future__ import annotations

import pytest

from ledger.base import limits
from ledger.trade.record import Status
from ledger.trade.statement import Flag, Leg, Permit
from ledger.trade.vocabulary import Step
from tests.rules.stage import (
    CARRIER,
    CASE,
    CONTAINER,
    CUSTOMS,
    DAY_MS,
    EXCISE,
    FORWARDER,
    HEIR,
    ITEM,
    LOT,
    MAKER,
    OTHER,
    OUTSIDE,
    PALLET,
    RIVAL,
    THIRD,
    Action,
    Outcome,
    Role,
    Stage,
    serial,
)  # fmt: skip

SAMPLE = serial("9521234", 9, 1)


def packed() -> Stage:
    stage = Stage()
    stage.make(ITEM)
    stage.pack(CASE, ITEM)
    stage.pack(PALLET, CASE)
    return stage


def permit(
    stage: Stage,
    thing: str,
    *legs: tuple[str, str],
    who: str = CUSTOMS,
    days: int = 1,
    seal: str | None = None,
) -> Outcome:
    steps = tuple(Leg(_party(stage, sender), _party(stage, receiver)) for sender, receiver in legs)
    terms = Permit(steps, stage.now_ms + days * DAY_MS, seal)
    return stage.act(who, Action.PERMIT, (Role.OBJECT, thing), measure=("1", ""), permit=terms)[thing]


def _party(stage: Stage, name: str) -> str:
    return name if name.startswith("https:") else stage.party_of(name)


# --- 20 to 23


def test_a_commercial_hold_is_the_custodians_note() -> None:
    stage = packed()
    assert stage.act(MAKER, Action.COMMERCIAL_HOLD, (Role.OBJECT, ITEM)) == {ITEM: Outcome.COMMERCIAL_HOLD}
    assert stage.act(RIVAL, Action.COMMERCIAL_HOLD, (Role.OBJECT, ITEM)) == {ITEM: Outcome.CONTRADICTION}
    assert stage.offer(PALLET) == {PALLET: Outcome.OFFERED}


def test_a_hold_is_counted_on_every_container() -> None:
    stage = packed()
    assert stage.hold(ITEM) == {ITEM: Outcome.HELD}
    assert (stage.of(CASE).inside, stage.of(PALLET).inside) == (((CUSTOMS, 1),), ((CUSTOMS, 1),))
    assert stage.hold(ITEM) == {ITEM: Outcome.ALREADY_HELD}
    stage.hold(ITEM, case="2")
    assert stage.of(PALLET).inside == ((CUSTOMS, 1),)
    stage.release(ITEM)
    assert stage.of(PALLET).inside == ((CUSTOMS, 1),)
    stage.release(ITEM, case="2")
    assert stage.of(PALLET).inside == ()


def test_official_acts_by_others_are_refused() -> None:
    stage = packed()
    for action in (Action.HOLD, Action.RELEASE, Action.DISMISS):
        with pytest.raises(KeyError, match="not_entitled"):
            stage.act(MAKER, action, (Role.OBJECT, ITEM), measure=("1", ""), cites=bytes(32))
    with pytest.raises(KeyError, match="not_entitled"):
        permit(stage, ITEM, (MAKER, FORWARDER), who=MAKER)


def test_only_the_same_authority_or_its_successor_releases_that_hold() -> None:
    stage = packed()
    stage.hold(ITEM)
    stage.hold(ITEM, who=EXCISE)
    assert stage.release(ITEM, who=EXCISE, case="2") == {ITEM: Outcome.NO_SUCH_HOLD}
    assert stage.release(ITEM, who=HEIR) == {ITEM: Outcome.RELEASED}
    assert [held.authority for held in stage.of(ITEM).holds] == [EXCISE]
    assert stage.release(ITEM, who=HEIR) == {ITEM: Outcome.NO_SUCH_HOLD}
    assert stage.offer(ITEM) == {ITEM: Outcome.BREACH}
    stage.release(ITEM, who=EXCISE)
    assert stage.offer(ITEM) == {ITEM: Outcome.OFFERED}


def test_a_successor_releases_its_own_hold_before_its_predecessors() -> None:
    stage = packed()
    stage.hold(ITEM)
    stage.hold(ITEM, who=HEIR)
    stage.release(ITEM, who=HEIR)
    assert [held.authority for held in stage.of(ITEM).holds] == [CUSTOMS]
    stage.release(ITEM, who=HEIR)
    assert stage.of(ITEM).holds == ()


def test_holds_are_kept_up_to_a_number_and_seizures_said() -> None:
    stage = packed()
    outcomes = [stage.hold(ITEM, case=str(case), flags=Flag.SEIZE)[ITEM] for case in range(limits.HOLDS + 1)]
    assert outcomes == [Outcome.HELD] * limits.HOLDS + [Outcome.HOLDS_FULL]
    assert all(held.seize for held in stage.of(ITEM).holds)


@pytest.mark.parametrize("held", [ITEM, CASE, PALLET])
def test_nobody_else_moves_what_is_held_or_lies_in_or_holds_what_is(held: str) -> None:
    stage = packed()
    stage.hold(held)
    before = {name: (stage.of(name).parent, stage.holder(name)) for name in (ITEM, CASE, PALLET)}
    breaches = [
        stage.offer(CASE)[CASE],
        stage.accept(CASE)[CASE],
        stage.offer(CASE, to=None, counterparty=OUTSIDE)[CASE],
        stage.unpack(PALLET, CASE)[CASE],
        stage.unpack_all(CASE)[CASE],
        stage.pack(CONTAINER, CASE)[CASE],
        stage.act(MAKER, Action.TRANSFORM, (Role.INPUT, CASE), (Role.OUTPUT, THIRD))[CASE],
        stage.act(MAKER, Action.END, (Role.OBJECT, CASE))[CASE],
        stage.act(MAKER, Action.WITHDRAW, (Role.OBJECT, CASE))[CASE],
        stage.act(FORWARDER, Action.REJECT, (Role.OBJECT, CASE))[CASE],
        stage.act(MAKER, Action.DISPUTE, (Role.OBJECT, CASE))[CASE],
    ]
    assert breaches == [Outcome.BREACH] * len(breaches)
    assert before == {name: (stage.of(name).parent, stage.holder(name)) for name in (ITEM, CASE, PALLET)}


def test_a_breach_that_claims_to_precede_the_hold_says_so() -> None:
    stage = packed()
    stage.hold(ITEM)
    assert stage.offer(ITEM, time_ms=stage.now_ms - DAY_MS) == {ITEM: Outcome.BREACH_CLAIMED_EARLIER}


def test_an_open_offer_made_before_the_hold_is_not_accepted_under_it() -> None:
    stage = packed()
    stage.offer(PALLET)
    stage.hold(ITEM)
    assert stage.accept(PALLET) == {PALLET: Outcome.BREACH}
    assert stage.holder(PALLET) == MAKER


def test_a_hold_on_a_container_goes_with_what_leaves_it_by_an_unpack_all() -> None:
    stage = packed()
    stage.hold(CASE)
    stage.unpack_all(CASE, who=CUSTOMS)
    stage.release(CASE)
    assert stage.offer(ITEM) == {ITEM: Outcome.BREACH}
    assert stage.release(ITEM) == {ITEM: Outcome.RELEASED}
    assert stage.offer(ITEM) == {ITEM: Outcome.OFFERED}


# --- 24


def test_an_authority_inspects_reseals_and_samples_and_custody_stays() -> None:
    stage = packed()
    stage.hand_over(PALLET)
    inspected = stage.act(CUSTOMS, Action.OBSERVE, (Role.OBJECT, PALLET), step=Step.INSPECTING)
    assert inspected == {PALLET: Outcome.INTERVENED}
    assert stage.act(CUSTOMS, Action.OBSERVE, (Role.OBJECT, PALLET), flags=Flag.RESEAL, seals=["NL-2"]) == {
        PALLET: Outcome.INTERVENED
    }
    assert (stage.of(PALLET).seals, stage.holder(PALLET)) == (("NL-2",), FORWARDER)
    sampled = stage.act(CUSTOMS, Action.SAMPLE, (Role.INPUT, ITEM), (Role.OUTPUT, SAMPLE))
    assert sampled == {ITEM: Outcome.SAMPLED, SAMPLE: Outcome.SAMPLE_MADE}
    assert (stage.holder(ITEM), stage.holder(SAMPLE)) == (FORWARDER, CUSTOMS)


def test_the_custodian_samples_its_own_others_do_not() -> None:
    stage = packed()
    assert stage.act(MAKER, Action.SAMPLE, (Role.INPUT, ITEM), (Role.OUTPUT, SAMPLE))[ITEM] == Outcome.SAMPLED
    assert (
        stage.act(RIVAL, Action.SAMPLE, (Role.INPUT, ITEM), (Role.OUTPUT, OTHER))[ITEM]
        == Outcome.CONTRADICTION
    )
    stage.hold(ITEM)
    assert stage.act(MAKER, Action.SAMPLE, (Role.INPUT, ITEM), (Role.OUTPUT, THIRD))[ITEM] == Outcome.BREACH
    assert (
        stage.act(CUSTOMS, Action.SAMPLE, (Role.INPUT, ITEM), (Role.OUTPUT, SAMPLE))[SAMPLE]
        == Outcome.CONTESTED
    )


def test_an_inspection_or_new_seals_by_others_are_observations() -> None:
    stage = packed()
    assert stage.act(RIVAL, Action.OBSERVE, (Role.OBJECT, PALLET), flags=Flag.RESEAL, seals=["X"]) == {
        PALLET: Outcome.OBSERVED
    }
    assert (stage.of(PALLET).seals, stage.of(PALLET).asides.length) == ((), 1)


# --- 26


def test_the_custodian_ends_what_is_not_held() -> None:
    stage = packed()
    assert stage.act(RIVAL, Action.END, (Role.OBJECT, CASE)) == {CASE: Outcome.CONTRADICTION}
    assert stage.act(CUSTOMS, Action.END, (Role.OBJECT, CASE)) == {CASE: Outcome.CONTRADICTION}
    assert stage.act(MAKER, Action.END, (Role.OBJECT, CASE)) == {CASE: Outcome.ENDED}
    assert (stage.of(CASE).status, stage.of(CASE).generation, stage.of(PALLET).children) == (
        Status.ENDED,
        1,
        0,
    )
    assert stage.holder(ITEM) == MAKER


def test_what_is_held_is_ended_by_its_authority_alone() -> None:
    stage = packed()
    stage.hold(ITEM)
    stage.hold(ITEM, who=EXCISE)
    assert stage.act(CUSTOMS, Action.END, (Role.OBJECT, ITEM)) == {ITEM: Outcome.BREACH}
    stage.release(ITEM, who=EXCISE)
    assert stage.act(MAKER, Action.END, (Role.OBJECT, ITEM)) == {ITEM: Outcome.BREACH}
    assert stage.act(CUSTOMS, Action.END, (Role.OBJECT, ITEM)) == {ITEM: Outcome.ENDED}
    assert (stage.of(CASE).children, stage.of(CASE).inside) == (0, ())


def test_nobody_uses_up_what_nobody_holds() -> None:
    stage = Stage()
    stage.act(RIVAL, Action.OBSERVE, (Role.OBJECT, ITEM))
    stage.act(RIVAL, Action.END, (Role.OBJECT, ITEM))
    assert stage.of(ITEM).status == Status.LIVE


# --- 5


def test_a_transformation_counts_what_it_consumed_recorded_and_could_not_attest() -> None:
    stage = Stage()
    stage.make(ITEM)
    stage.make(OTHER, who=FORWARDER)
    stage.accept(THIRD)
    foreign = serial("9521234", 1, 9)
    out = serial("9521234", 2, 1)
    stage.make(foreign, who=MAKER)
    stage.hand_over(foreign)
    stage.make_lot(10)
    outcomes = stage.act(
        MAKER, Action.TRANSFORM, (Role.INPUT, ITEM), (Role.INPUT, foreign), (Role.INPUT, LOT, (12, 0, "")),
        (Role.INPUT, serial("9521234", 1, 8)), (Role.OUTPUT, out),
    )  # fmt: skip
    assert outcomes[ITEM] == Outcome.CONSUMED
    assert outcomes[foreign] == Outcome.CLAIMED
    assert outcomes[serial("9521234", 1, 8)] == Outcome.INPUT_RECORDED
    assert outcomes[f"{LOT}@{MAKER}"] == Outcome.LOT_EXCEEDED
    source = stage.of(out).source
    assert source is not None
    key = next(new.key for new in stage.rows[-1].changes.links if new.key.space == 4)
    assert source == f"{key.holder}|{key.identifier}"
    assert stage.record(key).tally == (2, 2, 2)
    assert stage.record(key).legs.length == 5


def test_held_foreign_and_unconfirmed_inputs_are_not_consumed() -> None:
    stage = Stage()
    stage.make(ITEM, OTHER, THIRD)
    stage.hold(ITEM)
    stage.offer(OTHER, to=None)
    stage.accept(OTHER, who=CARRIER)
    out = serial("9521234", 2, 1)
    inputs = ((Role.INPUT, ITEM), (Role.INPUT, OTHER), (Role.INPUT, THIRD))
    outcomes = stage.act(CARRIER, Action.TRANSFORM, *inputs, (Role.OUTPUT, out))
    assert [outcomes[name] for name in (ITEM, OTHER, THIRD)] == [
        Outcome.BREACH,
        Outcome.CONFIRMATION_WAITS,
        Outcome.CLAIMED,
    ]
    assert outcomes[out] == Outcome.MADE_UNATTESTED
    assert {stage.of(name).status for name in (ITEM, OTHER, THIRD)} == {Status.LIVE}


def test_an_input_is_unpacked_and_emptied_first() -> None:
    stage = packed()
    stage.act(MAKER, Action.TRANSFORM, (Role.INPUT, CASE), (Role.OUTPUT, OTHER))
    assert (stage.of(CASE).status, stage.of(PALLET).children, stage.holder(ITEM)) == (
        Status.CONSUMED,
        0,
        MAKER,
    )
    assert stage.offer(ITEM) == {ITEM: Outcome.OFFERED}


def test_an_output_seen_before_is_made_late_by_the_grantee_and_contested_by_others() -> None:
    stage = Stage()
    stage.act(RIVAL, Action.OBSERVE, (Role.OBJECT, OTHER))
    stage.make(ITEM)
    assert (
        stage.act(MAKER, Action.TRANSFORM, (Role.INPUT, ITEM), (Role.OUTPUT, OTHER))[OTHER]
        == Outcome.ORIGIN_SET
    )
    assert stage.of(OTHER).source is not None
    assert (
        stage.act(RIVAL, Action.TRANSFORM, (Role.INPUT, THIRD), (Role.OUTPUT, OTHER))[OTHER]
        == Outcome.CONTESTED
    )


# --- 27


def test_the_custodian_or_an_authority_confirms_a_claim() -> None:
    for judge in (MAKER, CUSTOMS):
        stage = packed()
        stage.accept(ITEM, who=FORWARDER)
        claim = stage.event
        assert stage.act(RIVAL, Action.CONFIRM, (Role.OBJECT, ITEM), cites=claim) == {
            ITEM: Outcome.CONTRADICTION
        }
        assert stage.act(judge, Action.CONFIRM, (Role.OBJECT, ITEM), cites=claim) == {ITEM: Outcome.CONFIRMED}
        assert (stage.holder(ITEM), stage.of(ITEM).claims, stage.of(CASE).children) == (FORWARDER, (), 0)


def test_the_claimant_does_not_confirm_itself() -> None:
    stage = packed()
    stage.accept(ITEM, who=RIVAL)
    assert stage.act(RIVAL, Action.CONFIRM, (Role.OBJECT, ITEM), cites=stage.event) == {
        ITEM: Outcome.CONTRADICTION
    }
    assert stage.holder(ITEM) == MAKER


def test_a_claimant_that_came_to_hold_it_otherwise_does_not_confirm_itself() -> None:
    stage = packed()
    stage.accept(PALLET, who=CARRIER)
    claim = stage.event
    stage.offer(PALLET, to=None)
    stage.accept(PALLET, who=CARRIER)
    assert stage.act(CARRIER, Action.CONFIRM, (Role.OBJECT, PALLET), cites=claim) == {
        PALLET: Outcome.NOTHING_TO_RULE
    }
    assert stage.act(MAKER, Action.WITHDRAW, (Role.OBJECT, PALLET)) == {PALLET: Outcome.VOIDED}
    assert stage.holder(PALLET) == MAKER


def test_an_authority_dismisses_claims_and_contradictions() -> None:
    stage = packed()
    stage.accept(ITEM, who=RIVAL)
    assert stage.act(CUSTOMS, Action.DISMISS, (Role.OBJECT, ITEM), cites=stage.event) == {
        ITEM: Outcome.DISMISSED
    }
    assert stage.of(ITEM).claims == ()
    stage.act(MAKER, Action.DISPUTE, (Role.OBJECT, ITEM))
    assert stage.act(CUSTOMS, Action.DISMISS, (Role.OBJECT, ITEM), cites=stage.event) == {
        ITEM: Outcome.DISMISSED
    }
    assert stage.of(ITEM).contradictions == ()
    assert stage.act(CUSTOMS, Action.DISMISS, (Role.OBJECT, ITEM), cites=bytes(32)) == {
        ITEM: Outcome.NOTHING_TO_RULE
    }


def test_a_custodian_confirming_a_claim_moves_nothing_that_is_held_or_below_an_offer() -> None:
    stage = packed()
    stage.accept(ITEM, who=FORWARDER)
    claim = stage.event
    stage.offer(PALLET, to=CARRIER)
    assert stage.act(MAKER, Action.CONFIRM, (Role.OBJECT, ITEM), cites=claim) == {ITEM: Outcome.OFFER_STANDS}
    stage.hold(PALLET)
    assert stage.act(MAKER, Action.CONFIRM, (Role.OBJECT, ITEM), cites=claim) == {ITEM: Outcome.BREACH}


# --- 29


def test_a_permit_lets_each_leg_be_moved_once_in_order() -> None:
    stage = packed()
    stage.hold(PALLET)
    assert permit(stage, PALLET, (MAKER, FORWARDER), (FORWARDER, CARRIER)) == Outcome.PERMITTED
    assert stage.offer(PALLET, to=CARRIER) == {PALLET: Outcome.BREACH}
    stage.hand_over(PALLET)
    assert stage.of(PALLET).permits[0].used == 1
    stage.hand_over(PALLET, who=FORWARDER, to=CARRIER)
    assert stage.offer(PALLET, who=CARRIER, to=MAKER) == {PALLET: Outcome.BREACH}
    assert stage.of(PALLET).permits[0].used == 2


def test_a_permit_is_not_used_twice() -> None:
    stage = packed()
    stage.hold(PALLET)
    permit(stage, PALLET, (MAKER, FORWARDER), (FORWARDER, MAKER))
    stage.hand_over(PALLET)
    stage.hand_over(PALLET, who=FORWARDER, to=MAKER)
    assert stage.offer(PALLET) == {PALLET: Outcome.BREACH}


def test_every_holding_authority_has_to_permit() -> None:
    stage = packed()
    stage.hold(PALLET)
    stage.hold(ITEM, who=EXCISE)
    permit(stage, PALLET, (MAKER, FORWARDER))
    assert stage.offer(PALLET) == {PALLET: Outcome.BREACH}
    permit(stage, PALLET, (MAKER, FORWARDER), who=EXCISE)
    assert stage.offer(PALLET) == {PALLET: Outcome.OFFERED}
    stage.hold(OTHER, who=HEIR)
    assert stage.accept(PALLET) == {PALLET: Outcome.ACCEPTED}


def test_an_authority_without_a_hold_permits_nothing() -> None:
    stage = packed()
    stage.hold(PALLET)
    assert permit(stage, PALLET, (MAKER, FORWARDER), who=EXCISE) == Outcome.NO_SUCH_HOLD
    assert permit(stage, PALLET, (MAKER, FORWARDER), who=HEIR) == Outcome.PERMITTED
    assert stage.of(PALLET).permits[0].authority == CUSTOMS
    stage.hand_over(PALLET)


def test_a_permit_ends_in_time_and_demands_its_seal() -> None:
    stage = packed()
    stage.hold(PALLET)
    permit(stage, PALLET, (MAKER, FORWARDER), seal="NL-7")
    assert stage.offer(PALLET) == {PALLET: Outcome.BREACH}
    stage.act(MAKER, Action.OBSERVE, (Role.OBJECT, PALLET), seals=["NL-7"])
    assert stage.offer(PALLET) == {PALLET: Outcome.OFFERED}
    assert stage.accept(PALLET, seals=["NL-8"]) == {PALLET: Outcome.BREACH}
    assert stage.accept(PALLET, seals=["NL-7"], time_ms=0) == {PALLET: Outcome.ACCEPTED}
    permit(stage, PALLET, (FORWARDER, CARRIER))
    stage.wait(DAY_MS)
    assert stage.offer(PALLET, who=FORWARDER, to=CARRIER) == {PALLET: Outcome.BREACH}


def test_a_permit_dies_at_unpack_all_and_covers_no_unpacking() -> None:
    stage = packed()
    stage.hold(PALLET)
    permit(stage, PALLET, (MAKER, FORWARDER))
    assert stage.unpack(PALLET, CASE)[CASE] == Outcome.BREACH
    stage.unpack_all(PALLET, who=CUSTOMS)
    assert stage.of(PALLET).permits == ()
    assert stage.offer(PALLET) == {PALLET: Outcome.BREACH}


def test_a_permitted_container_does_not_free_what_lies_in_it() -> None:
    stage = packed()
    stage.hold(PALLET)
    permit(stage, PALLET, (MAKER, FORWARDER))
    assert stage.offer(ITEM) == {ITEM: Outcome.BREACH}


def test_a_permit_to_leave_the_ledgers_view() -> None:
    stage = packed()
    stage.hold(PALLET)
    permit(stage, PALLET, (MAKER, OUTSIDE))
    assert stage.offer(PALLET, to=None, counterparty=OUTSIDE) == {PALLET: Outcome.LEFT_TO_EXTERNAL}
    assert [held.authority for held in stage.of(PALLET).holds] == [CUSTOMS]


def test_a_late_signature_completes_a_permitted_leg() -> None:
    stage = packed()
    stage.hold(PALLET)
    permit(stage, PALLET, (MAKER, FORWARDER))
    assert stage.accept(PALLET) == {PALLET: Outcome.CLAIMED}
    assert stage.offer(PALLET) == {PALLET: Outcome.COMPLETED}
    assert stage.of(PALLET).permits[0].used == 1
