"""Rows 9 to 18: custody passes when both sides have signed; everything else is said to be one-sided, and moves nothing."""

from __future__ import annotations

import pytest

from ledger.base import limits
from ledger.trade.record import Status
from ledger.trade.statement import Flag
from tests.rules.stage import (
    BOL,
    CARRIER,
    CASE,
    CRATE,
    CUSTOMS,
    DAY_MS,
    FORWARDER,
    ITEM,
    LOT,
    LOT_B,
    MAKER,
    OTHER,
    OUTSIDE,
    PALLET,
    RIVAL,
    UCR,
    Action,
    Outcome,
    Role,
    Stage,
    document_key,
    serial,
)  # fmt: skip
from tests.world.world import World


def made(*things: str) -> Stage:
    stage = Stage()
    stage.make(*(things or (ITEM,)))
    return stage


def packed() -> Stage:
    stage = made(ITEM)
    stage.pack(CASE, ITEM)
    stage.pack(PALLET, CASE)
    return stage


# --- 10, 12: two-sided


def test_offered_and_accepted() -> None:
    stage = made()
    chain = stage.of(ITEM).links
    assert stage.offer(ITEM) == {ITEM: Outcome.OFFERED}
    offer = stage.of(ITEM).offer
    assert offer is not None
    assert (offer.offerer, offer.receiver, offer.chain) == (MAKER, FORWARDER, chain)
    assert stage.holder(ITEM) == MAKER
    assert stage.accept(ITEM) == {ITEM: Outcome.ACCEPTED}
    assert (stage.holder(ITEM), stage.of(ITEM).former, stage.of(ITEM).offer) == (FORWARDER, (MAKER,), None)


def test_a_containers_custody_passes_with_all_inside_in_one_step() -> None:
    stage = packed()
    before = stage.of(ITEM)
    stage.hand_over(PALLET)
    assert stage.of(ITEM) == before
    assert stage.holder(ITEM) == FORWARDER


def test_what_is_named_beside_its_container_travels_inside() -> None:
    stage = packed()
    assert stage.offer(PALLET, ITEM)[ITEM] == Outcome.TRAVELS_INSIDE
    assert stage.accept(PALLET, ITEM) == {PALLET: Outcome.ACCEPTED, ITEM: Outcome.TRAVELS_INSIDE}
    assert (stage.of(ITEM).parent, stage.holder(ITEM)) == (CASE, FORWARDER)


def test_an_offer_of_a_packed_subject_unpacks_it_at_acceptance() -> None:
    stage = packed()
    stage.offer(ITEM)
    assert stage.of(ITEM).parent == CASE
    stage.accept(ITEM)
    assert (stage.of(ITEM).parent, stage.holder(ITEM), stage.holder(CASE), stage.of(CASE).children) == (
        None,
        FORWARDER,
        MAKER,
        0,
    )


def test_one_open_offer_until_it_lapses() -> None:
    stage = made()
    stage.offer(ITEM, lapse_ms=stage.now_ms + 60_000)
    assert stage.offer(ITEM, to=CARRIER) == {ITEM: Outcome.ALREADY_OFFERED}
    assert stage.accept(ITEM, who=CARRIER) == {ITEM: Outcome.CLAIMED}
    stage.wait(60_000)
    assert stage.accept(ITEM) == {ITEM: Outcome.CLAIMED}
    assert stage.offer(ITEM, to=RIVAL) == {ITEM: Outcome.OFFERED}


def test_an_offer_lapses_after_thirty_days_and_at_most_a_year() -> None:
    stage = made(ITEM, OTHER)
    stage.offer(ITEM)
    stage.offer(OTHER, lapse_ms=stage.now_ms + 1_000 * DAY_MS)
    spans = [
        offer.lapse_ms - stage.now_ms for name in (ITEM, OTHER) if (offer := stage.of(name).offer) is not None
    ]
    assert spans == [limits.OFFER_LAPSE_DEFAULT_MS - 1_000, limits.OFFER_LAPSE_MAX_MS]


def test_offering_or_receiving_ones_own_is_a_movement_within() -> None:
    stage = made()
    assert stage.offer(ITEM, to=MAKER) == {ITEM: Outcome.WITHIN}
    assert stage.accept(ITEM, who=MAKER) == {ITEM: Outcome.WITHIN}


def test_nothing_ended_is_offered_or_accepted() -> None:
    stage = made()
    stage.offer(ITEM, to=CARRIER)
    stage.act(MAKER, Action.WITHDRAW, (Role.OBJECT, ITEM))
    stage.act(MAKER, Action.END, (Role.OBJECT, ITEM))
    assert stage.of(ITEM).status == Status.ENDED
    assert stage.offer(ITEM) == {ITEM: Outcome.CONTRADICTION}
    assert stage.accept(ITEM, who=MAKER) == {ITEM: Outcome.CONTRADICTION}


def test_an_offer_dies_when_the_container_passes_and_stays_dead_when_it_comes_back() -> None:
    stage = packed()
    stage.offer(ITEM, to=RIVAL)
    stage.hand_over(PALLET)
    assert stage.accept(ITEM, who=RIVAL) == {ITEM: Outcome.CLAIMED}
    stage.hand_over(PALLET, who=FORWARDER, to=MAKER)
    stage.act(CUSTOMS, Action.DISMISS, (Role.OBJECT, ITEM), cites=stage.of(ITEM).claims[0].event)
    assert stage.accept(ITEM, who=RIVAL) == {ITEM: Outcome.CLAIMED}
    assert stage.holder(ITEM) == MAKER


def test_an_offer_stays_alive_when_its_container_was_handled_before_the_subject_came_into_it() -> None:
    stage = made()
    stage.pack(CRATE, OTHER, who=FORWARDER)
    stage.pack(CASE, ITEM)
    stage.offer(ITEM, to=RIVAL)
    stage.hand_over(CRATE, who=FORWARDER, to=MAKER)
    assert stage.pack(CRATE, CASE)[CASE] == Outcome.PACKED
    assert stage.accept(ITEM, who=RIVAL) == {ITEM: Outcome.ACCEPTED}


def test_nothing_below_an_offered_container_is_handed_over() -> None:
    stage = packed()
    stage.offer(ITEM, to=RIVAL)
    stage.offer(PALLET)
    assert stage.accept(ITEM, who=RIVAL) == {ITEM: Outcome.OFFER_STANDS}
    assert stage.offer(CASE) == {CASE: Outcome.OFFER_STANDS}
    assert stage.offer(CASE, to=None, counterparty=OUTSIDE) == {CASE: Outcome.OFFER_STANDS}
    assert stage.holder(ITEM) == MAKER


# --- 11, 13: open offers


def test_an_open_offer_is_taken_one_sided_until_confirmed() -> None:
    stage = made()
    assert stage.offer(ITEM, to=None) == {ITEM: Outcome.OFFERED_OPEN}
    assert stage.accept(ITEM, who=CARRIER) == {ITEM: Outcome.TAKEN}
    taking = stage.event
    assert stage.act(CARRIER, Action.END, (Role.OBJECT, ITEM)) == {ITEM: Outcome.CONFIRMATION_WAITS}
    assert (
        stage.act(MAKER, Action.CONFIRM, (Role.OBJECT, ITEM), cites=bytes(32))[ITEM] == Outcome.CONTRADICTION
    )
    assert stage.act(RIVAL, Action.CONFIRM, (Role.OBJECT, ITEM), cites=taking)[ITEM] == Outcome.CONTRADICTION
    assert stage.act(MAKER, Action.CONFIRM, (Role.OBJECT, ITEM), cites=taking) == {ITEM: Outcome.CONFIRMED}
    assert stage.act(CARRIER, Action.END, (Role.OBJECT, ITEM)) == {ITEM: Outcome.ENDED}


def test_after_seven_days_the_taker_may_use_it_up_and_nobody_may_void() -> None:
    stage = made()
    stage.offer(ITEM, to=None)
    stage.accept(ITEM, who=CARRIER)
    stage.wait(limits.UNCONFIRMED_MS)
    assert stage.act(MAKER, Action.WITHDRAW, (Role.OBJECT, ITEM)) == {ITEM: Outcome.CONTRADICTION}
    assert stage.act(CARRIER, Action.END, (Role.OBJECT, ITEM)) == {ITEM: Outcome.ENDED}


def test_an_unconfirmed_taking_is_voided_also_from_inside_a_container() -> None:
    stage = made()
    stage.offer(ITEM, to=None)
    stage.accept(ITEM, who=CARRIER)
    stage.pack(CASE, ITEM, who=CARRIER)
    assert (
        stage.act(CARRIER, Action.TRANSFORM, (Role.INPUT, ITEM), (Role.OUTPUT, OTHER))[ITEM]
        == Outcome.CONFIRMATION_WAITS
    )
    assert stage.act(RIVAL, Action.WITHDRAW, (Role.OBJECT, ITEM)) == {ITEM: Outcome.CONTRADICTION}
    assert stage.act(MAKER, Action.WITHDRAW, (Role.OBJECT, ITEM)) == {ITEM: Outcome.VOIDED}
    assert (stage.holder(ITEM), stage.of(ITEM).parent, stage.of(CASE).children) == (MAKER, None, 0)


def test_what_the_taker_passed_on_is_not_voided_even_if_it_came_back() -> None:
    stage = made(ITEM, OTHER)
    stage.offer(ITEM, OTHER, to=None)
    stage.accept(ITEM, OTHER, who=CARRIER)
    stage.hand_over(ITEM, who=CARRIER, to=RIVAL)
    stage.hand_over(ITEM, who=RIVAL, to=CARRIER)
    stage.pack(CASE, OTHER, who=CARRIER)
    stage.hand_over(CASE, who=CARRIER, to=RIVAL)
    stage.hand_over(CASE, who=RIVAL, to=CARRIER)
    stage.unpack_all(CASE, who=CARRIER)
    for name in (ITEM, OTHER):
        assert stage.act(MAKER, Action.WITHDRAW, (Role.OBJECT, name)) == {name: Outcome.CONTRADICTION}
        assert stage.holder(name) == CARRIER


def test_an_open_taking_is_voided_after_unpack_all_thing_by_thing_and_only_of_what_is_still_held() -> None:
    stage = made(ITEM, OTHER)
    stage.pack(CASE, ITEM, OTHER)
    stage.offer(CASE, to=None)
    stage.accept(CASE, who=CARRIER)
    stage.unpack_all(CASE, who=CARRIER)
    stage.hand_over(OTHER, who=CARRIER, to=RIVAL)
    stage.act(MAKER, Action.WITHDRAW, (Role.OBJECT, CASE))
    assert (stage.holder(CASE), stage.holder(ITEM), stage.holder(OTHER)) == (MAKER, CARRIER, RIVAL)
    assert stage.act(MAKER, Action.WITHDRAW, (Role.OBJECT, ITEM), (Role.OBJECT, OTHER)) == {
        ITEM: Outcome.VOIDED, OTHER: Outcome.CONTRADICTION,
    }  # fmt: skip


def test_the_takers_own_goods_that_it_put_into_the_container_later_are_not_voided() -> None:
    stage = made(ITEM)
    stage.pack(CASE, ITEM)
    stage.make(serial("4012345", 1, 1), who=CARRIER)
    own = serial("4012345", 1, 1)
    stage.offer(CASE, to=None)
    stage.accept(CASE, who=CARRIER)
    stage.pack(CASE, own, who=CARRIER)
    stage.unpack(CASE, own, who=CARRIER)
    assert stage.act(MAKER, Action.WITHDRAW, (Role.OBJECT, own)) == {own: Outcome.CONTRADICTION}
    assert stage.act(CARRIER, Action.END, (Role.OBJECT, own)) == {own: Outcome.ENDED}


def test_a_dead_mark_cannot_be_confirmed_to_wipe_claims() -> None:
    stage = made()
    stage.offer(ITEM, to=None)
    stage.accept(ITEM, who=CARRIER)
    taking = stage.event
    stage.pack(CASE, ITEM, who=CARRIER)
    stage.hand_over(CASE, who=CARRIER, to=FORWARDER)
    stage.accept(ITEM, who=RIVAL)
    stage.act(MAKER, Action.CONFIRM, (Role.OBJECT, ITEM), cites=taking)
    assert [held.claimant for held in stage.of(ITEM).claims] == [RIVAL]


# --- 14 and 9: reservations, missing, contents


@pytest.mark.parametrize("flag", [Flag.RESERVATION, Flag.OTHER_SEAL, Flag.FEWER])
def test_accepted_with_reservation(flag: Flag) -> None:
    stage = made(ITEM, OTHER)
    stage.offer(ITEM)
    stage.offer(OTHER, to=None)
    assert stage.accept(ITEM, flags=flag, seals=["X"]) == {ITEM: Outcome.ACCEPTED_WITH_RESERVATION}
    assert stage.accept(OTHER, flags=flag) == {OTHER: Outcome.TAKEN_WITH_RESERVATION}
    assert (stage.holder(ITEM), stage.of(ITEM).seals) == (FORWARDER, ("X",))


def test_a_missing_child_stays_with_the_offerer_iff_the_acceptance_applies() -> None:
    stage = packed()
    stage.pack(CASE, OTHER)
    missing = ((Role.OBJECT, PALLET), (Role.MISSING, ITEM))
    assert stage.act(CARRIER, Action.ACCEPT, *missing)[ITEM] == Outcome.OBSERVED
    stage.offer(PALLET)
    assert stage.act(FORWARDER, Action.ACCEPT, *missing)[ITEM] == Outcome.MISSING
    assert (stage.holder(ITEM), stage.holder(OTHER), stage.of(CASE).children) == (MAKER, FORWARDER, 1)


def test_a_missing_child_takes_the_holds_with_it() -> None:
    stage = packed()
    stage.hold(CASE)
    stage.hold(ITEM, case="2")
    stage.act(
        CUSTOMS,
        Action.PERMIT,
        (Role.OBJECT, PALLET),
        measure=("1", ""),
        permit=permit_for(stage, MAKER, FORWARDER),
    )
    stage.offer(PALLET)
    assert (
        stage.act(FORWARDER, Action.ACCEPT, (Role.OBJECT, PALLET), (Role.MISSING, ITEM))[ITEM]
        == Outcome.MISSING
    )
    assert [held.case for held in stage.of(ITEM).holds] == ["2", "1"]
    assert stage.offer(ITEM) == {ITEM: Outcome.BREACH}
    assert stage.of(PALLET).inside == ((CUSTOMS, 1),)


def permit_for(stage: World, sender: str, receiver: str) -> object:
    from ledger.trade.statement import Leg, Permit

    return Permit((Leg(stage.party_of(sender), stage.party_of(receiver)),), stage.now_ms + DAY_MS, None)


def test_contents_are_compared_and_nothing_moves() -> None:
    stage = packed()
    stage.make(OTHER)
    stage.offer(PALLET)
    outcomes = stage.act(
        FORWARDER, Action.ACCEPT, (Role.PARENT, PALLET), (Role.CONTENT, ITEM), (Role.CONTENT, OTHER)
    )
    assert outcomes == {
        PALLET: Outcome.ACCEPTED,
        ITEM: Outcome.CONTENT_AGREES,
        OTHER: Outcome.CONTENT_NOT_INSIDE,
    }
    assert (stage.holder(ITEM), stage.holder(OTHER)) == (FORWARDER, MAKER)


# --- 15: claims


def test_a_claim_is_noted_beside_the_custodian_and_moves_nothing() -> None:
    stage = made()
    assert stage.accept(ITEM, who=RIVAL) == {ITEM: Outcome.CLAIMED}
    record = stage.of(ITEM)
    assert [(held.claimant, held.custodian) for held in record.claims] == [(RIVAL, MAKER)]
    assert (record.custodian, record.contradictions) == (MAKER, ())
    assert stage.accept(ITEM, who=RIVAL) == {ITEM: Outcome.CLAIM_NOT_NOTED}
    assert len(stage.of(ITEM).claims) == 1


def test_an_offer_to_another_does_not_let_a_rival_receive() -> None:
    stage = made()
    stage.offer(ITEM)
    assert stage.accept(ITEM, who=RIVAL) == {ITEM: Outcome.CLAIMED}
    assert stage.accept(ITEM) == {ITEM: Outcome.ACCEPTED}


def test_the_first_claimant_of_what_nobody_holds_has_claimed_custody() -> None:
    stage = Stage()
    assert stage.accept(ITEM, who=CARRIER) == {ITEM: Outcome.CLAIMED_CUSTODY}
    assert (stage.holder(ITEM), stage.of(ITEM).claimed) == (CARRIER, True)
    assert stage.accept(ITEM, who=RIVAL) == {ITEM: Outcome.CLAIMED}
    stage.hand_over(ITEM, who=CARRIER, to=FORWARDER)
    assert stage.of(ITEM).claimed is False


def test_offering_what_nobody_holds_claims_it_first() -> None:
    stage = Stage()
    assert stage.offer(ITEM, who=CARRIER) == {ITEM: Outcome.OFFERED}
    assert (stage.holder(ITEM), stage.of(ITEM).claimed) == (CARRIER, True)
    assert stage.accept(ITEM) == {ITEM: Outcome.ACCEPTED}


def test_at_most_eight_claims_are_open() -> None:
    names = tuple(f"member{number}" for number in range(12))
    world = World((MAKER, FORWARDER, CARRIER, CUSTOMS, *names))
    world.do(MAKER, Action.MAKE, [(Role.OBJECT, ITEM)])
    outcomes = [world.do(name, Action.ACCEPT, [(Role.OBJECT, ITEM)])[0] for name in names]
    assert outcomes == [Outcome.CLAIMED] * 8 + [Outcome.CLAIM_NOT_NOTED] * 4


def test_claims_lapse_at_a_two_sided_handover_also_inside_a_container() -> None:
    stage = packed()
    stage.accept(ITEM, who=RIVAL)
    stage.hand_over(PALLET)
    stage.unpack(CASE, ITEM, who=FORWARDER)
    assert stage.of(ITEM).claims == ()
    stage.accept(ITEM, who=RIVAL)
    stage.hand_over(ITEM, who=FORWARDER, to=CARRIER)
    assert stage.of(ITEM).claims == ()


# --- 16: completion


def test_a_late_signature_completes_a_claim() -> None:
    stage = packed()
    stage.accept(ITEM, who=FORWARDER)
    assert stage.offer(ITEM, to=FORWARDER) == {ITEM: Outcome.COMPLETED}
    assert (stage.holder(ITEM), stage.of(ITEM).claims, stage.of(ITEM).parent) == (FORWARDER, (), None)


def test_only_the_claimant_is_completed() -> None:
    stage = made()
    stage.accept(ITEM, who=RIVAL)
    assert stage.offer(ITEM, to=FORWARDER) == {ITEM: Outcome.OFFERED}
    assert stage.holder(ITEM) == MAKER


def test_no_completion_after_a_resale_nor_after_it_came_back() -> None:
    stage = packed()
    stage.accept(ITEM, who=RIVAL)
    stage.hand_over(PALLET)
    assert stage.offer(ITEM, to=RIVAL) == {ITEM: Outcome.CLAIMED}
    stage.hand_over(PALLET, who=FORWARDER, to=MAKER)
    assert stage.offer(ITEM, to=RIVAL) == {ITEM: Outcome.OFFERED}
    assert stage.holder(ITEM) == MAKER


def test_a_late_signature_after_somebody_took_it_is_a_note() -> None:
    stage = packed()
    stage.accept(ITEM, who=RIVAL)
    stage.offer(PALLET, to=None)
    stage.accept(PALLET, who=CARRIER)
    assert stage.offer(ITEM, to=RIVAL) == {ITEM: Outcome.COMPLETION_TOO_LATE}
    stage.act(MAKER, Action.WITHDRAW, (Role.OBJECT, PALLET))
    assert stage.offer(ITEM, to=RIVAL) == {ITEM: Outcome.OFFERED}
    assert [held.claimant for held in stage.of(ITEM).claims] == [RIVAL]


def test_a_claim_survives_a_one_sided_taking_of_its_container() -> None:
    stage = packed()
    stage.accept(ITEM, who=RIVAL)
    stage.offer(PALLET, to=None)
    stage.accept(PALLET, who=CARRIER)
    stage.unpack(CASE, ITEM, who=CARRIER)
    assert [held.claimant for held in stage.of(ITEM).claims] == [RIVAL]


def test_a_claim_survives_that_the_thing_left_and_was_claimed_back() -> None:
    stage = made()
    stage.accept(ITEM, who=RIVAL)
    stage.offer(ITEM, to=None, counterparty=OUTSIDE)
    stage.accept(ITEM, who=MAKER)
    assert [held.claimant for held in stage.of(ITEM).claims] == [RIVAL]


def test_a_lapsed_claim_counts_as_absent_for_its_claimant() -> None:
    stage = packed()
    stage.accept(ITEM, who=RIVAL)
    lapsed = stage.event
    stage.hand_over(PALLET)
    assert stage.act(FORWARDER, Action.CONFIRM, (Role.OBJECT, ITEM), cites=lapsed) == {
        ITEM: Outcome.NOTHING_TO_RULE
    }
    assert stage.accept(ITEM, who=RIVAL) == {ITEM: Outcome.CLAIMED}
    assert [held.custodian for held in stage.of(ITEM).claims] == [FORWARDER]


def test_the_receiver_of_a_lapsed_offer_has_no_standing() -> None:
    stage = made()
    stage.offer(ITEM, to=RIVAL)
    stage.wait(limits.OFFER_LAPSE_DEFAULT_MS)
    assert stage.make(ITEM, who=RIVAL) == {ITEM: Outcome.CONTESTED}
    assert stage.of(ITEM).contradictions == ()


def test_an_event_has_one_parent_and_serials_one_lot() -> None:
    stage = packed()
    with pytest.raises(KeyError, match="malformed"):
        stage.act(MAKER, Action.PACK, (Role.PARENT, CASE), (Role.PARENT, CRATE), (Role.CHILD, OTHER))
    with pytest.raises(KeyError, match="malformed"):
        stage.act(
            MAKER,
            Action.MAKE,
            (Role.OBJECT, OTHER),
            (Role.LOT, LOT, (1, 0, "")),
            (Role.LOT, LOT_B, (1, 0, "")),
        )


# --- 17, 18


def test_the_offerer_withdraws_what_is_unanswered() -> None:
    stage = made()
    stage.offer(ITEM)
    assert stage.act(RIVAL, Action.WITHDRAW, (Role.OBJECT, ITEM)) == {ITEM: Outcome.CONTRADICTION}
    assert stage.of(ITEM).contradictions == ()
    assert stage.act(MAKER, Action.WITHDRAW, (Role.OBJECT, ITEM)) == {ITEM: Outcome.WITHDRAWN}
    assert stage.accept(ITEM) == {ITEM: Outcome.CLAIMED}
    assert stage.act(MAKER, Action.WITHDRAW, (Role.OBJECT, ITEM)) == {ITEM: Outcome.OBSERVED}


def test_nobody_withdraws_what_was_accepted() -> None:
    stage = made()
    stage.hand_over(ITEM)
    assert stage.act(MAKER, Action.WITHDRAW, (Role.OBJECT, ITEM)) == {ITEM: Outcome.CONTRADICTION}
    assert stage.holder(ITEM) == FORWARDER


def test_the_receiver_rejects() -> None:
    stage = made()
    stage.offer(ITEM)
    assert stage.act(RIVAL, Action.REJECT, (Role.OBJECT, ITEM)) == {ITEM: Outcome.CONTRADICTION}
    assert stage.act(FORWARDER, Action.REJECT, (Role.OBJECT, ITEM)) == {ITEM: Outcome.REJECTED}
    assert (stage.of(ITEM).offer, stage.holder(ITEM)) == (None, MAKER)


@pytest.mark.parametrize("who", [MAKER, FORWARDER])
def test_either_side_disputes_and_takes_it_back(who: str) -> None:
    stage = made()
    stage.hand_over(ITEM)
    assert stage.act(who, Action.DISPUTE, (Role.OBJECT, ITEM)) == {ITEM: Outcome.DISPUTED}
    dispute = stage.event
    assert [stated.row for stated in stage.of(ITEM).contradictions] == [18]
    assert stage.correct(dispute, (Role.OBJECT, ITEM), who=RIVAL) == {ITEM: Outcome.CORRECTION_STANDS}
    assert stage.correct(dispute, (Role.OBJECT, ITEM), who=who) == {ITEM: Outcome.CORRECTED}
    assert stage.of(ITEM).contradictions == ()


def test_a_third_party_disputes_aside() -> None:
    stage = made()
    stage.hand_over(ITEM)
    assert stage.act(RIVAL, Action.DISPUTE, (Role.OBJECT, ITEM)) == {ITEM: Outcome.CONTRADICTION}
    assert (stage.of(ITEM).contradictions, stage.of(ITEM).asides.length) == ((), 1)


# --- outside the membership


def test_what_leaves_to_no_member_is_never_two_sided_and_comes_back_as_a_claim() -> None:
    stage = packed()
    assert stage.offer(CASE, to=None, counterparty=OUTSIDE) == {CASE: Outcome.LEFT_TO_EXTERNAL}
    assert stage.holder(ITEM) == f"ext:{OUTSIDE}"
    assert (stage.of(CASE).parent, stage.of(PALLET).children) == (None, 0)
    assert stage.accept(CASE, who=CARRIER) == {CASE: Outcome.CLAIMED_CUSTODY}
    assert (stage.holder(ITEM), stage.of(CASE).claimed) == (CARRIER, True)


def test_a_destination_that_cannot_be_read_is_no_open_offer() -> None:
    stage = made()
    assert (
        stage.offer(ITEM, to=None, counterparty=ITEM.replace("/1/", "/2/"), flags=Flag.UNREADABLE_PARTY)[ITEM]
        == Outcome.LEFT_TO_EXTERNAL
    )
    assert stage.of(ITEM).offer is None


def delegate_stage(until_ms: int = 2**50) -> Stage:
    stage = Stage(delegates={"driver": (MAKER, UCR, until_ms)})
    stage.make(ITEM, OTHER)
    stage.bind(UCR, ITEM)
    return stage


def test_a_delegate_signs_handovers_of_its_consignment_only() -> None:
    stage = delegate_stage()
    key = stage.delegates["driver"]
    assert stage.offer(ITEM, key=key) == {ITEM: Outcome.OFFERED}
    assert stage.offer(OTHER, key=key) == {OTHER: Outcome.CONTRADICTION}
    other = stage.of(OTHER)
    assert (other.offer, other.contradictions, other.asides.length) == (None, (), 1)


def test_a_delegate_cannot_widen_its_consignment_by_binding_more_to_it() -> None:
    stage = delegate_stage()
    key = stage.delegates["driver"]
    assert stage.bind(UCR, OTHER, key=key)[OTHER] == Outcome.CONTRADICTION
    assert stage.bind(UCR, OTHER, key=key, handover=Action.OFFER, to=RIVAL)[OTHER] == Outcome.CONTRADICTION
    assert stage.bind(BOL, ITEM, key=key)[ITEM] == Outcome.BOUND_UNVERIFIED
    assert stage.of(OTHER).bindings == ()


def test_a_delegates_power_ends_with_the_documents_generation_and_with_its_time() -> None:
    stage = delegate_stage()
    key = stage.delegates["driver"]
    stage.act(MAKER, Action.UNBIND_ALL, (Role.DOCUMENT, UCR))
    assert stage.offer(ITEM, key=key) == {ITEM: Outcome.CONTRADICTION}
    late = delegate_stage(until_ms=1)
    with pytest.raises(KeyError, match="expired"):
        late.offer(ITEM, key=late.delegates["driver"])


def test_a_delegates_power_ends_at_its_very_time() -> None:
    until_ms = delegate_stage().now_ms + 1_000
    late, just_in_time = delegate_stage(until_ms), delegate_stage(until_ms + 1)
    assert just_in_time.offer(ITEM, key=just_in_time.delegates["driver"]) == {ITEM: Outcome.OFFERED}
    with pytest.raises(KeyError, match="expired"):
        late.offer(ITEM, key=late.delegates["driver"])


@pytest.mark.parametrize(
    "action", [Action.MAKE, Action.PACK, Action.END, Action.UNBIND, Action.CORRECT, Action.CONFIRM]
)
def test_a_delegate_does_nothing_else(action: Action) -> None:
    stage = delegate_stage()
    with pytest.raises(KeyError, match="not_entitled"):
        stage.act(MAKER, action, (Role.OBJECT, ITEM), key=stage.delegates["driver"])


def test_a_delegate_acts_for_things_inside_what_is_bound() -> None:
    stage = delegate_stage()
    stage.pack(CASE, OTHER)
    stage.bind(UCR, CASE)
    assert stage.offer(OTHER, key=stage.delegates["driver"]) == {OTHER: Outcome.OFFERED}


def test_documents_and_lots_without_quantity_are_only_mentioned() -> None:
    stage = Stage()
    assert stage.offer(BOL) == {BOL: Outcome.FIRST_SEEN}
    assert stage.record(document_key(BOL)).custodian is None
    assert stage.offer(LOT) == {LOT: Outcome.NOT_BALANCED}
