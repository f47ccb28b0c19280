"""Row 1: undone iff still the last effect and nothing it hung on has moved since; else both statements stand."""

from __future__ import annotations

from collections.abc import Callable

from ledger.trade.record import Origin, Status
from tests.rules.stage import (
    BOL,
    CARRIER,
    CASE,
    CONTAINER,
    CRATE,
    CUSTOMS,
    FORWARDER,
    ITEM,
    LOT,
    MAKER,
    OTHER,
    PALLET,
    RIVAL,
    Action,
    Outcome,
    Role,
    Stage,
)  # fmt: skip

OBJECT, CHILD, PARENT = (Role.OBJECT, ITEM), (Role.CHILD, ITEM), (Role.PARENT, CASE)


def packed() -> tuple[Stage, bytes]:
    stage = Stage()
    stage.make(ITEM)
    stage.pack(CASE, ITEM)
    return stage, stage.event


def test_a_make_is_undone() -> None:
    stage = Stage()
    stage.make(ITEM)
    assert stage.correct(stage.event, OBJECT) == {ITEM: Outcome.CORRECTED}
    record = stage.of(ITEM)
    assert (record.status, record.origin, record.custodian, record.maker) == (
        Status.UNBORN,
        Origin.NONE,
        None,
        None,
    )
    assert stage.make(ITEM) == {ITEM: Outcome.MADE}


def test_a_late_make_is_undone_to_what_was_there() -> None:
    stage = Stage()
    stage.accept(ITEM, who=CARRIER)
    stage.make(ITEM)
    assert stage.correct(stage.event, OBJECT) == {ITEM: Outcome.CORRECTED}
    assert (stage.of(ITEM).origin, stage.of(ITEM).maker, stage.holder(ITEM)) == (
        Origin.UNATTESTED,
        None,
        CARRIER,
    )


def test_a_make_is_not_undone_under_contents() -> None:
    stage = Stage()
    stage.make(CONTAINER)
    made = stage.event
    stage.pack(CONTAINER, ITEM)
    assert stage.correct(made, (Role.OBJECT, CONTAINER))[CONTAINER] == Outcome.CORRECTION_STANDS
    assert stage.of(CONTAINER).status == Status.LIVE


def test_a_pack_is_undone_subject_by_subject() -> None:
    stage = Stage()
    stage.make(ITEM, OTHER)
    stage.pack(CASE, ITEM, OTHER)
    pack = stage.event
    stage.unpack(CASE, OTHER)
    outcomes = stage.correct(pack, PARENT, CHILD, (Role.CHILD, OTHER))
    assert (outcomes[ITEM], outcomes[OTHER]) == (Outcome.CORRECTED, Outcome.CORRECTION_STANDS)
    assert (stage.of(ITEM).parent, stage.of(CASE).children, stage.holder(ITEM)) == (None, 0, MAKER)


def test_a_repacking_is_undone_into_the_container_it_came_from() -> None:
    stage, _ = packed()
    stage.pack(CRATE, ITEM)
    assert stage.correct(stage.event, (Role.PARENT, CRATE), CHILD)[ITEM] == Outcome.CORRECTED
    assert (stage.of(ITEM).parent, stage.of(CASE).children, stage.of(CRATE).children) == (CASE, 1, 0)


def test_an_unpacking_is_undone() -> None:
    stage, _ = packed()
    stage.unpack(CASE, ITEM)
    assert stage.correct(stage.event, PARENT, CHILD)[ITEM] == Outcome.CORRECTED
    assert (stage.of(ITEM).parent, stage.of(CASE).children) == (CASE, 1)


def test_not_by_another_organisation() -> None:
    stage, pack = packed()
    assert stage.correct(pack, CHILD, who=RIVAL) == {ITEM: Outcome.CONTRADICTION}
    assert (stage.of(ITEM).contradictions, stage.of(ITEM).parent) == ((), CASE)


def test_not_once_more_and_not_without_an_original() -> None:
    stage, pack = packed()
    stage.correct(pack, CHILD)
    assert stage.correct(pack, CHILD) == {ITEM: Outcome.CORRECTION_STANDS}
    assert stage.act(MAKER, Action.CORRECT, CHILD) == {ITEM: Outcome.CORRECTION_INERT}
    assert stage.correct(bytes(32), (Role.OBJECT, OTHER)) == {OTHER: Outcome.CORRECTION_INERT}


def test_not_a_pack_after_the_container_was_handed_over() -> None:
    stage, pack = packed()
    stage.hand_over(CASE)
    assert stage.correct(pack, PARENT, CHILD)[ITEM] == Outcome.CORRECTION_STANDS
    assert stage.holder(ITEM) == FORWARDER


def test_not_a_pack_after_the_container_went_and_came_back() -> None:
    stage, pack = packed()
    stage.hand_over(CASE)
    stage.hand_over(CASE, who=FORWARDER, to=MAKER)
    assert stage.correct(pack, CHILD)[ITEM] == Outcome.CORRECTION_STANDS


def test_not_a_pack_into_a_box_that_changed_hands_inside_another_and_came_out_by_an_unpack_all() -> None:
    stage, pack = packed()
    stage.pack(PALLET, CASE)
    # the box moved into the pallet, so the pack is no longer undone; and no more after the pallet was emptied elsewhere
    stage.make(OTHER)
    stage.pack(CASE, OTHER)
    inner = stage.event
    stage.hand_over(PALLET)
    stage.unpack_all(PALLET, who=FORWARDER)
    assert stage.correct(pack, CHILD)[ITEM] == Outcome.CORRECTION_STANDS
    assert stage.correct(inner, (Role.CHILD, OTHER))[OTHER] == Outcome.CORRECTION_STANDS
    assert (stage.holder(ITEM), stage.holder(OTHER)) == (FORWARDER, FORWARDER)


def test_not_an_unpacking_from_a_container_of_another_generation() -> None:
    stage, _ = packed()
    stage.unpack(CASE, ITEM)
    unpack = stage.event
    stage.unpack_all(CASE)
    assert stage.correct(unpack, CHILD)[ITEM] == Outcome.CORRECTION_STANDS
    assert stage.of(ITEM).parent is None


def test_not_an_unpacking_from_a_container_that_moved_or_ended_or_is_held_or_offered() -> None:
    disturbances: tuple[Callable[[Stage], object], ...] = (
        lambda stage: stage.hand_over(CASE),
        lambda stage: stage.act(MAKER, Action.END, (Role.OBJECT, CASE)),
        lambda stage: stage.hold(CASE),
        lambda stage: stage.offer(CASE),
        lambda stage: stage.pack(PALLET, CASE),
    )
    for disturb in disturbances:
        stage, _ = packed()
        stage.unpack(CASE, ITEM)
        unpack = stage.event
        disturb(stage)
        assert stage.correct(unpack, CHILD)[ITEM] == Outcome.CORRECTION_STANDS


def test_not_into_a_cycle() -> None:
    stage, _ = packed()
    stage.pack(ITEM, OTHER)
    stage.unpack(CASE, ITEM)
    unpack = stage.event
    stage.pack(ITEM, CASE)
    assert stage.of(CASE).parent == ITEM
    assert stage.correct(unpack, CHILD)[ITEM] == Outcome.CORRECTION_STANDS


def test_not_of_what_is_held() -> None:
    stage, pack = packed()
    stage.hold(ITEM)
    stage.release(ITEM)
    assert stage.correct(pack, CHILD)[ITEM] == Outcome.CORRECTION_STANDS


def test_not_a_handover() -> None:
    stage = Stage()
    stage.make(ITEM)
    stage.offer(ITEM)
    stage.accept(ITEM)
    assert stage.correct(stage.event, OBJECT, who=FORWARDER)[ITEM] == Outcome.CORRECTION_STANDS
    assert stage.holder(ITEM) == FORWARDER


def test_a_make_is_not_undone_after_it_was_offered() -> None:
    stage = Stage()
    stage.make(ITEM)
    make = stage.event
    stage.offer(ITEM)
    assert stage.correct(make, OBJECT)[ITEM] == Outcome.CORRECTION_STANDS


def test_seals_and_bindings_are_restored() -> None:
    stage = Stage()
    stage.pack(CONTAINER, ITEM, seals=["A"])
    stage.act(MAKER, Action.OBSERVE, (Role.OBJECT, CONTAINER), seals=["B"])
    assert stage.correct(stage.event, (Role.OBJECT, CONTAINER)) == {CONTAINER: Outcome.CORRECTED}
    assert stage.of(CONTAINER).seals == ("A",)
    stage.bind(BOL, CONTAINER)
    bind = stage.event
    outcomes = stage.correct(bind, (Role.OBJECT, CONTAINER), (Role.DOCUMENT, BOL))
    assert outcomes == {CONTAINER: Outcome.CORRECTED, BOL: Outcome.CORRECTION_STANDS}
    assert stage.of(CONTAINER).bindings == ()


def test_new_seals_on_a_container_end_what_may_be_undone_of_it() -> None:
    stage = Stage()
    stage.make(CONTAINER)
    make = stage.event
    stage.pack(CONTAINER, ITEM, seals=["A"])
    stage.unpack(CONTAINER, ITEM)
    assert stage.correct(make, (Role.OBJECT, CONTAINER)) == {CONTAINER: Outcome.CORRECTION_STANDS}


def test_a_claim_is_taken_back_by_its_author() -> None:
    stage = Stage()
    stage.make(ITEM)
    stage.accept(ITEM, who=RIVAL)
    assert stage.correct(stage.event, OBJECT, who=RIVAL) == {ITEM: Outcome.CORRECTED}
    assert stage.of(ITEM).claims == ()


def test_a_movement_of_a_lot_is_undone_on_both_sides() -> None:
    stage = Stage()
    stage.make_lot(10)
    stage.pack(CASE, (LOT, 4))
    outcomes = stage.correct(stage.event, PARENT, (Role.CHILD, LOT, (4, 0, "")))
    assert outcomes[f"{LOT}@{MAKER}"] == outcomes[f"{LOT}@{CASE}#0"] == Outcome.CORRECTED
    assert (stage.balance(MAKER), stage.balance_in(CASE)) == ((10, 0), (0, 0))
    stage.pack(CASE, (LOT, 4))
    stage.unpack(CASE, (LOT, 3))
    stage.correct(stage.event, PARENT, (Role.CHILD, LOT, (3, 0, "")))
    assert (stage.balance(MAKER), stage.balance_in(CASE)) == ((6, 0), (4, 0))


def test_a_movement_of_a_lot_is_undone_on_neither_side_if_one_has_gone_on() -> None:
    disturbances: tuple[Callable[[Stage], object], ...] = (
        lambda stage: stage.act(MAKER, Action.END, (Role.OBJECT, LOT, (1, 0, ""))),
        lambda stage: stage.pack(CASE, (LOT, 1)),
        lambda stage: stage.hand_over(CASE),
        lambda stage: stage.unpack_all(CASE),
        lambda stage: stage.hold(LOT),
        lambda stage: stage.hold(CASE),
        lambda stage: stage.offer(CASE),
    )
    for disturb in disturbances:
        stage = Stage()
        stage.make_lot(10)
        stage.pack(CASE, (LOT, 4))
        pack = stage.event
        disturb(stage)
        before = (stage.balance(MAKER), stage.balance_in(CASE))
        stage.correct(pack, PARENT, (Role.CHILD, LOT, (4, 0, "")))
        assert (stage.balance(MAKER), stage.balance_in(CASE)) == before


def test_a_movement_of_a_lot_is_not_undone_by_naming_one_side() -> None:
    """Or the packer has its quantity again, and the container keeps it."""
    stage = Stage()
    stage.make_lot(10)
    stage.pack(CASE, (LOT, 4))
    stage.correct(stage.event, (Role.OBJECT, LOT, (4, 0, "")))
    assert (stage.balance(MAKER), stage.balance_in(CASE)) == ((6, 0), (4, 0))


def test_a_make_of_a_lot_is_undone_while_it_is_the_last_effect() -> None:
    stage = Stage()
    stage.make_lot(10)
    stage.make_lot(5)
    assert stage.correct(stage.event, (Role.OBJECT, LOT, (5, 0, "")))[f"{LOT}@{MAKER}"] == Outcome.CORRECTED
    assert stage.balance(MAKER) == (10, 0)


def test_what_serials_consumed_of_a_lot_stays_consumed() -> None:
    stage = Stage()
    stage.make_lot(10)
    stage.act(MAKER, Action.MAKE, OBJECT, (Role.LOT, LOT, (1, 0, "")))
    outcomes = stage.correct(stage.event, OBJECT, (Role.LOT, LOT, (1, 0, "")))
    assert outcomes[ITEM] == Outcome.CORRECTED
    assert (stage.balance(MAKER), stage.of(ITEM).source) == ((9, 0), None)


def test_an_authority_corrects_its_own_unpacking() -> None:
    stage, _ = packed()
    stage.unpack(CASE, ITEM, who=CUSTOMS)
    assert stage.correct(stage.event, PARENT, CHILD, who=CUSTOMS)[ITEM] == Outcome.CORRECTED
    assert (stage.of(ITEM).parent, stage.holder(ITEM)) == (CASE, MAKER)
