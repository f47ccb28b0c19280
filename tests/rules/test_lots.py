"""Quantities of lots: attested first, nothing counted twice, both sides or neither."""

from __future__ import annotations

import pytest

from ledger.base import limits
from ledger.trade.rules.balances import balance_key, inside
from ledger.trade.rules.outcomes import BOUND_TOO
from ledger.trade.statement import Flag
from tests.rules.stage import (
    BOL,
    CARRIER,
    CASE,
    CRATE,
    CUSTOMS,
    FORWARDER,
    ITEM,
    LOT,
    LOT_B,
    MAKER,
    OTHER,
    OUTSIDE,
    PALLET,
    PREFIX,
    RIVAL,
    Action,
    Outcome,
    Role,
    Stage,
    lot_key,
)  # fmt: skip
from tests.world.world import lot


def made(amount: int = 10) -> Stage:
    stage = Stage()
    stage.make_lot(amount)
    return stage


def of(amount: int, scale: int = 0, unit: str = "") -> tuple[str, int, int, str]:
    return (LOT, amount, scale, unit)


def lot_object(amount: int) -> tuple[Role, str, tuple[int, int, str]]:
    return (Role.OBJECT, LOT, (amount, 0, ""))


def test_a_grantee_makes_attested_quantity_and_adds_to_it() -> None:
    stage = made()
    stage.make_lot(5)
    stage.make_lot(7, who=RIVAL)
    assert (stage.balance(MAKER), stage.balance(RIVAL)) == ((15, 0), (0, 7))


def test_scales_are_kept_and_units_never_mixed() -> None:
    stage = made()
    stage.make_lot(25, scale=1)
    assert stage.balance(MAKER) == (125, 0)
    assert stage.make_lot(1, unit="KGM")[f"{LOT}@{MAKER}"] == Outcome.NOT_BALANCED
    assert stage.pack(CASE, of(1, 0, "KGM"))[f"{LOT}@{CASE}#0"] == Outcome.NOT_BALANCED
    assert stage.balance(MAKER) == (125, 0)


def test_quantities_stay_within_what_is_kept() -> None:
    stage = made(limits.QUANTITY_MAX)
    assert stage.make_lot(1)[f"{LOT}@{MAKER}"] == Outcome.NOT_BALANCED
    assert stage.pack(CASE, of(1, 6))[f"{LOT}@{MAKER}"] == Outcome.NOT_BALANCED
    assert stage.make_lot(1, scale=6)[f"{LOT}@{MAKER}"] == Outcome.NOT_BALANCED
    assert stage.balance(MAKER) == (limits.QUANTITY_MAX, 0)


def test_packing_moves_quantity_attested_first() -> None:
    stage = made()
    stage.accept(of(6), who=MAKER, source_of=RIVAL)
    assert stage.balance(MAKER) == (10, 6)
    outcomes = stage.pack(CASE, of(12))
    assert outcomes[f"{LOT}@{MAKER}"] == Outcome.LOT_MOVED_OUT
    assert (stage.balance(MAKER), stage.balance_in(CASE)) == ((0, 4), (10, 2))


def test_what_leaves_beyond_the_balance_is_unattested_wherever_it_goes() -> None:
    stage = made()
    assert stage.pack(CASE, of(15))[f"{LOT}@{MAKER}"] == Outcome.LOT_EXCEEDED
    assert (stage.balance(MAKER), stage.balance_in(CASE)) == ((0, 0), (10, 5))
    stage.hand_over(CASE)
    stage.unpack_all(CASE, who=FORWARDER)
    assert stage.balance(FORWARDER) == (10, 5)


def test_a_quantity_travels_with_its_container_and_generation() -> None:
    stage = made()
    stage.pack(CASE, of(4))
    stage.unpack_all(CASE)
    stage.pack(CASE, of(3))
    stage.hand_over(CASE)
    assert (stage.balance(MAKER), stage.balance_in(CASE), stage.balance_in(CASE, generation=1)) == (
        (7, 0),
        (0, 0),
        (3, 0),
    )
    stage.unpack(CASE, of(2), who=FORWARDER)
    assert (stage.balance(FORWARDER), stage.balance_in(CASE, generation=1)) == ((2, 0), (1, 0))


def test_only_who_may_pack_moves_quantity() -> None:
    stage = made()
    stage.pack(CASE, of(4))
    outcomes = stage.unpack(CASE, of(4), who=RIVAL)
    assert outcomes[f"{LOT}@{CASE}#0"] == outcomes[f"{LOT}@{RIVAL}"] == Outcome.NOT_TOGETHER
    assert (stage.balance_in(CASE), stage.balance(RIVAL)) == ((4, 0), None)


def test_an_authority_packs_the_custodians_quantity() -> None:
    stage = made()
    stage.pack(CASE, of(4))
    stage.pack(CASE, of(2), who=CUSTOMS)
    assert (stage.balance(MAKER), stage.balance_in(CASE)) == ((4, 0), (6, 0))
    stage.unpack(CASE, of(6), who=CUSTOMS)
    assert (stage.balance(MAKER), stage.balance(CUSTOMS)) == ((10, 0), None)


def test_a_65th_lot_in_a_container_is_recorded_only() -> None:
    stage = Stage()
    lots = [lot(PREFIX, 7, f"N{number}") for number in range(limits.LOTS_PER_CONTAINER + 1)]
    stage.pack(CASE, *((name, 1) for name in lots[:-1]))
    outcomes = stage.pack(CASE, (lots[-1], 1), (lots[0], 1))
    assert outcomes[f"{lots[-1]}@{CASE}#0"] == outcomes[f"{lots[-1]}@{MAKER}"] == Outcome.LOTS_FULL
    assert stage.balance_in(CASE, lots[0]) == (0, 2)
    assert len(stage.of(CASE).lots) == limits.LOTS_PER_CONTAINER
    stage.unpack_all(CASE)
    assert (stage.of(CASE).lots, stage.balance(MAKER, lots[5])) == ((), (0, 1))


def test_an_event_that_brings_too_many_lots_at_once_is_refused() -> None:
    stage = Stage()
    lots = [lot(PREFIX, 7, f"N{number}") for number in range(limits.LOTS_PER_CONTAINER + 1)]
    with pytest.raises(KeyError, match="limit"):
        stage.pack(CASE, *((name, 1) for name in lots))


def test_two_containers_of_one_lot_emptied_by_one_event() -> None:
    stage = made()
    stage.pack(CASE, of(3))
    stage.pack(CRATE, of(4))
    stage.act(MAKER, Action.END, (Role.OBJECT, CRATE), (Role.OBJECT, CASE))
    assert (stage.balance(MAKER), stage.balance_in(CASE), stage.balance_in(CRATE)) == (
        (10, 0),
        (0, 0),
        (0, 0),
    )


def test_emptied_containers_in_different_units_keep_what_cannot_be_added() -> None:
    stage = Stage()
    stage.pack(CASE, of(3, 0, "KGM"), who=MAKER)
    stage.act(MAKER, Action.PACK, (Role.PARENT, CRATE), (Role.CHILD, LOT_B, (1, 0, "")))
    stage.unpack_all(CASE)
    assert stage.record(balance_key(LOT, MAKER)).quantity == (0, 3, 0, "KGM")
    stage.make_lot(1, of=LOT_B)
    stage.unpack_all(CRATE)
    assert stage.balance(MAKER, LOT_B) == (1, 1)
    stage.pack(PALLET, of(1), who=FORWARDER)
    stage.hand_over(PALLET, who=FORWARDER, to=MAKER)
    stage.unpack_all(PALLET)
    assert stage.record(balance_key(LOT, MAKER)).quantity == (0, 3, 0, "KGM")
    assert stage.balance_in(PALLET) == (0, 1)


def test_an_event_does_not_move_one_balance_twice() -> None:
    stage = made()
    stage.pack(CASE, of(3))
    with pytest.raises(KeyError, match="duplicate_subject"):
        stage.act(MAKER, Action.END, (Role.OBJECT, CASE), lot_object(1))
    assert (stage.balance(MAKER), stage.balance_in(CASE)) == ((7, 0), (3, 0))


def test_a_breached_emptying_moves_no_quantity() -> None:
    stage = made()
    stage.pack(CASE, of(3))
    stage.hold(CASE)
    stage.unpack_all(CASE)
    assert stage.balance_in(CASE) == (3, 0)


def test_ending_and_sampling_reduce() -> None:
    stage = made()
    assert stage.act(MAKER, Action.END, lot_object(3))[f"{LOT}@{MAKER}"] == Outcome.LOT_REDUCED
    stage.act(CUSTOMS, Action.SAMPLE, (Role.INPUT, LOT, (1, 0, "")), (Role.OUTPUT, ITEM), source_of=MAKER)
    assert stage.balance(MAKER) == (6, 0)
    assert stage.act(MAKER, Action.END, lot_object(9))[f"{LOT}@{MAKER}"] == Outcome.LOT_EXCEEDED
    assert stage.balance(MAKER) == (0, 0)


def test_a_lot_on_hold_does_not_move() -> None:
    stage = made()
    stage.pack(CASE, of(3))
    stage.hold(LOT)
    for outcomes in (
        stage.pack(CRATE, of(1)), stage.unpack(CASE, of(1)), stage.offer(of(1)), stage.accept(of(1), source_of=MAKER),
        stage.act(MAKER, Action.END, lot_object(1)),
        stage.act(MAKER, Action.TRANSFORM, (Role.INPUT, LOT, (1, 0, "")), (Role.OUTPUT, ITEM)),
        stage.act(MAKER, Action.SAMPLE, (Role.INPUT, LOT, (1, 0, "")), (Role.OUTPUT, OTHER)),
    ):  # fmt: skip
        balances = {name: code for name, code in outcomes.items() if name.startswith(f"{LOT}@")}
        assert set(balances.values()) == {Outcome.BREACH}
    assert (stage.balance(MAKER), stage.balance_in(CASE)) == ((7, 0), (3, 0))
    assert stage.make_lot(1)[f"{LOT}@{MAKER}"] == Outcome.LOT_MADE


# --- handovers


def test_offered_and_accepted_in_part_with_reservation() -> None:
    stage = made()
    assert stage.offer(of(8))[f"{LOT}@{MAKER}"] == Outcome.OFFERED
    assert stage.balance(MAKER) == (10, 0)
    outcomes = stage.accept(of(5), source_of=MAKER, flags=Flag.FEWER)
    assert outcomes[f"{LOT}@{FORWARDER}"] == Outcome.ACCEPTED_WITH_RESERVATION
    assert (stage.balance(MAKER), stage.balance(FORWARDER)) == ((5, 0), (5, 0))
    assert stage.record(balance_key(LOT, MAKER)).offers == ()


def test_more_than_was_offered_or_by_another_is_a_claim() -> None:
    stage = made()
    stage.offer(of(8))
    assert stage.accept(of(9), source_of=MAKER)[f"{LOT}@{FORWARDER}"] == Outcome.CLAIMED
    assert stage.accept(of(8), who=RIVAL, source_of=MAKER)[f"{LOT}@{RIVAL}"] == Outcome.CLAIMED
    assert stage.accept(of(2), who=CARRIER)[f"{LOT}@{CARRIER}"] == Outcome.CLAIMED
    assert (stage.balance(MAKER), stage.balance(FORWARDER), stage.balance(RIVAL)) == ((10, 0), (0, 9), (0, 8))


def test_offers_reserve_nothing_and_are_compared_across_scales() -> None:
    stage = made()
    stage.offer(of(8))
    stage.offer(of(80, 1), to=CARRIER)
    assert stage.accept(of(8), who=CARRIER, source_of=MAKER)[f"{LOT}@{CARRIER}"] == Outcome.ACCEPTED
    assert stage.accept(of(8), source_of=MAKER)[f"{LOT}@{MAKER}"] == Outcome.LOT_EXCEEDED
    assert (stage.balance(CARRIER), stage.balance(FORWARDER), stage.balance(MAKER)) == (
        (8, 0),
        (2, 6),
        (0, 0),
    )


def test_an_open_offer_of_a_lot_is_answered_by_a_claim() -> None:
    stage = made()
    assert stage.offer(of(4), to=None)[f"{LOT}@{MAKER}"] == Outcome.OFFERED_OPEN
    assert stage.accept(of(4), who=CARRIER, source_of=MAKER)[f"{LOT}@{CARRIER}"] == Outcome.CLAIMED
    assert stage.balance(MAKER) == (10, 0)
    assert stage.offer(of(4), to=CARRIER)[f"{LOT}@{CARRIER}"] == Outcome.COMPLETED
    assert (stage.balance(MAKER), stage.balance(CARRIER)) == ((6, 0), (4, 0))


def test_offers_lapse_are_withdrawn_rejected_and_at_most_eight() -> None:
    stage = made()
    stage.offer(of(1), lapse_ms=stage.now_ms + 10_000)
    stage.wait(10_000)
    assert stage.accept(of(1), source_of=MAKER)[f"{LOT}@{FORWARDER}"] == Outcome.CLAIMED
    outcomes = [stage.offer(of(1), to=RIVAL)[f"{LOT}@{MAKER}"] for _ in range(limits.LOT_OFFERS + 1)]
    assert outcomes == [Outcome.OFFERED] * limits.LOT_OFFERS + [Outcome.ALREADY_OFFERED]
    rejected = stage.act(RIVAL, Action.REJECT, (Role.OBJECT, LOT), source_of=MAKER)
    assert rejected[f"{LOT}@{MAKER}"] == Outcome.REJECTED
    stage.offer(of(1), to=CARRIER)
    assert (
        stage.act(MAKER, Action.WITHDRAW, (Role.OBJECT, LOT), to=CARRIER)[f"{LOT}@{MAKER}"]
        == Outcome.WITHDRAWN
    )
    assert stage.record(balance_key(LOT, MAKER)).offers == ()


def test_a_late_completion_proves_only_what_the_claimant_still_has_and_the_sender_had() -> None:
    stage = made()
    stage.accept(of(6), source_of=MAKER)
    stage.act(FORWARDER, Action.END, lot_object(4))
    stage.offer(of(6))
    assert (stage.balance(MAKER), stage.balance(FORWARDER)) == ((4, 0), (2, 0))
    stage.accept(of(6), source_of=MAKER)
    stage.offer(of(6))
    assert (stage.balance(MAKER), stage.balance(FORWARDER)) == ((0, 0), (6, 2))


def test_a_claim_is_completed_once_and_not_by_more_than_it_was() -> None:
    stage = made()
    stage.accept(of(2), source_of=MAKER)
    assert stage.offer(of(3))[f"{LOT}@{MAKER}"] == Outcome.OFFERED
    assert stage.offer(of(2))[f"{LOT}@{MAKER}"] == Outcome.COMPLETED
    assert stage.offer(of(2))[f"{LOT}@{MAKER}"] == Outcome.OFFERED
    assert (stage.balance(MAKER), stage.balance(FORWARDER)) == ((8, 0), (2, 0))


def test_claims_on_a_lot_are_ruled_upon() -> None:
    stage = made()
    stage.accept(of(2), source_of=MAKER)
    first = stage.event
    stage.accept(of(3), source_of=MAKER)
    second = stage.event
    confirmed = stage.act(MAKER, Action.CONFIRM, lot_object(2), to=FORWARDER, cites=first)
    assert confirmed[f"{LOT}@{FORWARDER}"] == Outcome.CONFIRMED
    assert stage.record(lot_key(LOT)).contradictions == ()
    dismissed = stage.act(CUSTOMS, Action.DISMISS, lot_object(3), to=FORWARDER, source_of=MAKER, cites=second)
    assert dismissed[f"{LOT}@{FORWARDER}"] == Outcome.DISMISSED
    assert (stage.balance(MAKER), stage.balance(FORWARDER)) == ((8, 0), (2, 3))
    assert stage.record(balance_key(LOT, FORWARDER)).claims == ()


def test_claims_are_kept_up_to_a_number() -> None:
    stage = made()
    outcomes = [
        stage.accept(of(1), source_of=MAKER)[f"{LOT}@{FORWARDER}"] for _ in range(limits.OPEN_CLAIMS + 1)
    ]
    assert outcomes == [Outcome.CLAIMED] * limits.OPEN_CLAIMS + [Outcome.CLAIM_NOT_NOTED]
    assert stage.balance(FORWARDER) == (0, limits.OPEN_CLAIMS)


def test_a_quantity_leaves_the_ledgers_view() -> None:
    stage = made()
    assert stage.offer(of(4), to=None, counterparty=OUTSIDE)[f"{LOT}@{MAKER}"] == Outcome.LEFT_TO_EXTERNAL
    assert stage.balance(MAKER) == (6, 0)


def test_a_container_emptied_by_an_external_holder_keeps_its_books() -> None:
    stage = made()
    stage.pack(CASE, of(4))
    stage.offer(CASE, to=None, counterparty=OUTSIDE)
    stage.unpack(CASE, of(4), who=CARRIER)
    assert (stage.balance(CARRIER), stage.balance_in(CASE)) == ((4, 0), (0, 0))


def test_missing_quantity_goes_back_to_the_offerer_and_compared_contents_do_not_move() -> None:
    stage = made()
    stage.pack(CASE, of(8))
    stage.offer(CASE)
    stage.act(
        FORWARDER, Action.ACCEPT, (Role.PARENT, CASE), (Role.MISSING, LOT, (3, 0, "")), flags=Flag.FEWER
    )
    assert (stage.balance(MAKER), stage.balance_in(CASE)) == ((5, 0), (5, 0))
    stage.offer(CASE, who=FORWARDER, to=CARRIER)
    stage.act(CARRIER, Action.ACCEPT, (Role.PARENT, CASE), (Role.CONTENT, LOT, (5, 0, "")))
    assert (stage.balance(CARRIER), stage.balance_in(CASE)) == (None, (5, 0))


def test_outputs_of_a_transformation_come_from_it() -> None:
    stage = made()
    stage.act(MAKER, Action.TRANSFORM, (Role.INPUT, LOT, (4, 0, "")), (Role.OUTPUT, LOT_B, (2, 0, "")))
    assert (stage.balance(MAKER), stage.balance(MAKER, LOT_B)) == ((6, 0), (2, 0))
    assert stage.record(lot_key(LOT_B)).source is not None


def test_no_lot_no_quantity_is_not_balanced() -> None:
    stage = made()
    class_ = LOT[: LOT.index("/10/")]
    assert stage.act(MAKER, Action.OFFER, (Role.OBJECT, class_, (1, 0, "")), to=FORWARDER) == {
        class_: Outcome.NOT_BALANCED
    }
    assert stage.offer(LOT) == {LOT: Outcome.NOT_BALANCED}
    assert stage.act(MAKER, Action.OBSERVE, (Role.OBJECT, LOT, (1, 0, ""))) == {LOT: Outcome.OBSERVED}


def test_a_holder_has_standing_about_its_lot_a_stranger_has_none() -> None:
    stage = made()
    stage.offer(of(4))
    stage.accept(of(4), source_of=MAKER)
    stage.act(FORWARDER, Action.OBSERVE, lot_object(1))
    before = stage.record(lot_key(LOT))
    stage.act(FORWARDER, Action.OBSERVE, lot_object(1))
    stage.act(RIVAL, Action.OBSERVE, lot_object(1))
    record = stage.record(lot_key(LOT))
    assert record.links.length == before.links.length + 1
    assert record.asides.length == before.asides.length + 1


def test_a_pallet_of_cases_with_quantities_ended() -> None:
    stage = made()
    stage.pack(CASE, of(4))
    stage.pack(PALLET, CASE)
    stage.act(MAKER, Action.END, (Role.OBJECT, PALLET))
    assert (stage.balance(MAKER), stage.balance_in(CASE), stage.of(CASE).lots) == ((6, 0), (4, 0), (LOT,))
    assert inside(CASE, 0) == f"{CASE}#0"


def test_a_lot_is_bound_and_handed_over_in_one_event() -> None:
    stage = made()
    outcomes = stage.bind(BOL, of(4), handover=Action.OFFER, to=FORWARDER)
    assert outcomes[f"{LOT}@{MAKER}"] == Outcome.OFFERED + BOUND_TOO
    outcomes = stage.bind(BOL, of(4), who=FORWARDER, handover=Action.ACCEPT, source_of=MAKER)
    assert outcomes[f"{LOT}@{FORWARDER}"] == Outcome.ACCEPTED + BOUND_TOO
    bound = stage.record(balance_key(LOT, FORWARDER)).bindings
    assert [(binding.document, binding.declarant) for binding in bound] == [(BOL, FORWARDER)]
    assert (
        stage.bind(BOL, of(1), who=FORWARDER, handover=Action.OFFER, to=MAKER)[f"{LOT}@{FORWARDER}"]
        == Outcome.OFFERED
    )


def test_a_quantity_offered_to_oneself_or_ruled_upon_without_a_claimant_moves_nothing() -> None:
    stage = made()
    assert stage.offer(of(4), to=MAKER) == {LOT: Outcome.NOT_BALANCED}
    assert stage.act(MAKER, Action.CONFIRM, lot_object(1), cites=bytes(32)) == {LOT: Outcome.OBSERVED}
    outcomes = stage.act(MAKER, Action.CONFIRM, lot_object(1), to=FORWARDER, cites=bytes(32))
    assert outcomes[f"{LOT}@{MAKER}"] == Outcome.NOTHING_TO_RULE


def test_a_ruling_on_a_claim_needs_a_fitting_quantity_and_no_hold() -> None:
    stage = made()
    stage.accept(of(2), source_of=MAKER)
    claim = stage.event
    more = stage.act(MAKER, Action.CONFIRM, lot_object(3), to=FORWARDER, cites=claim)
    assert more[f"{LOT}@{MAKER}"] == Outcome.NOT_BALANCED
    stage.hold(LOT)
    held = stage.act(MAKER, Action.CONFIRM, lot_object(2), to=FORWARDER, cites=claim)
    assert held[f"{LOT}@{FORWARDER}"] == Outcome.BREACH
    assert (stage.balance(MAKER), stage.balance(FORWARDER)) == ((10, 0), (0, 2))


def test_offers_of_a_lot_on_hold_are_not_withdrawn() -> None:
    stage = made()
    stage.offer(of(2))
    stage.hold(LOT)
    assert stage.act(MAKER, Action.WITHDRAW, (Role.OBJECT, LOT))[f"{LOT}@{MAKER}"] == Outcome.BREACH


def test_a_correction_of_a_lot_without_an_original_is_inert() -> None:
    stage = made()
    assert stage.act(MAKER, Action.CORRECT, lot_object(10))[f"{LOT}@{MAKER}"] == Outcome.CORRECTION_INERT
    stage.bind(BOL, LOT)
    assert stage.correct(stage.event, (Role.OBJECT, LOT))[f"{LOT}@{MAKER}"] == Outcome.CORRECTED
    assert stage.record(balance_key(LOT, MAKER)).bindings == ()
    assert stage.balance(MAKER) == (10, 0)


def test_a_claim_in_another_unit_than_what_is_held_is_not_balanced() -> None:
    stage = made()
    stage.accept(of(2), source_of=MAKER)
    assert stage.accept(of(2, 0, "KGM"), source_of=MAKER)[f"{LOT}@{FORWARDER}"] == Outcome.NOT_BALANCED
    assert stage.offer(of(1, 0, "KGM"))[f"{LOT}@{MAKER}"] == Outcome.OFFERED
    accepted = stage.accept(of(1, 0, "KGM"), source_of=MAKER)
    assert accepted[f"{LOT}@{MAKER}"] == accepted[f"{LOT}@{FORWARDER}"] == Outcome.NOT_BALANCED
