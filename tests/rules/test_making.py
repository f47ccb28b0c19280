"""Rows 2, 3 and 4: origin is attested once, by the holder of the prefix grant; nothing said too early stands against it."""

from __future__ import annotations

import pytest

from ledger.trade.record import Origin, Status
from tests.rules.stage import (
    CASE,
    FORWARDER,
    ITEM,
    LOT,
    MAKER,
    OTHER,
    OUTSIDE,
    RIVAL,
    Action,
    Outcome,
    Role,
    Stage,
    serial,
)  # fmt: skip


def test_the_grantee_makes_and_holds() -> None:
    stage = Stage()
    assert stage.make(ITEM) == {ITEM: Outcome.MADE}
    record = stage.of(ITEM)
    assert (record.origin, record.maker, record.custodian) == (Origin.ATTESTED, MAKER, MAKER)


def test_anyone_else_makes_unattested() -> None:
    stage = Stage()
    assert stage.make(ITEM, who=RIVAL) == {ITEM: Outcome.MADE_UNATTESTED}
    assert (stage.of(ITEM).origin, stage.holder(ITEM)) == (Origin.UNATTESTED, RIVAL)


def test_a_late_make_sets_the_origin_and_custody_only_of_what_nobody_holds() -> None:
    stage = Stage()
    stage.act(RIVAL, Action.OBSERVE, (Role.OBJECT, ITEM))
    stage.accept(OTHER, who=RIVAL)
    assert stage.make(ITEM, OTHER) == {ITEM: Outcome.ORIGIN_SET, OTHER: Outcome.ORIGIN_SET}
    assert (stage.holder(ITEM), stage.holder(OTHER)) == (MAKER, RIVAL)
    assert stage.of(OTHER).maker == MAKER


def test_a_late_make_of_what_left_to_an_external_takes_no_custody() -> None:
    stage = Stage()
    stage.accept(ITEM, who=RIVAL)
    stage.offer(ITEM, who=RIVAL, to=None, counterparty=OUTSIDE)
    assert stage.make(ITEM) == {ITEM: Outcome.ORIGIN_SET}
    assert stage.holder(ITEM) == f"ext:{OUTSIDE}"


def test_a_late_make_of_what_lies_in_a_container_leaves_it_there() -> None:
    stage = Stage()
    stage.pack(CASE, ITEM, who=RIVAL)
    assert stage.make(ITEM) == {ITEM: Outcome.ORIGIN_SET}
    assert (stage.holder(ITEM), stage.of(ITEM).parent) == (RIVAL, CASE)


def test_the_origin_is_set_once() -> None:
    stage = Stage()
    stage.act(RIVAL, Action.OBSERVE, (Role.OBJECT, ITEM))
    stage.make(ITEM)
    assert stage.make(ITEM) == {ITEM: Outcome.RESTATED}


def test_who_made_it_unattested_and_then_got_the_grant_attests_it() -> None:
    stage = Stage(grants={"9521234": RIVAL})
    stage.make(ITEM, who=MAKER)
    assert stage.make(ITEM, who=RIVAL) == {ITEM: Outcome.ORIGIN_SET}


def test_restated_before_the_first_offer_contested_after() -> None:
    stage = Stage()
    stage.make(ITEM)
    assert stage.make(ITEM) == {ITEM: Outcome.RESTATED}
    stage.offer(ITEM)
    assert stage.make(ITEM) == {ITEM: Outcome.CONTESTED}
    assert [stated.row for stated in stage.of(ITEM).contradictions] == [3]


def test_contested_after_it_went_out_inside_a_case_even_if_it_came_back() -> None:
    stage = Stage()
    stage.make(ITEM)
    stage.pack(CASE, ITEM)
    assert stage.make(ITEM) == {ITEM: Outcome.RESTATED}
    stage.hand_over(CASE)
    assert stage.make(ITEM) == {ITEM: Outcome.CONTESTED}
    stage.hand_over(CASE, who=FORWARDER, to=MAKER)
    assert stage.make(ITEM) == {ITEM: Outcome.CONTESTED}


def test_a_maker_who_never_held_it_restates_what_was_not_sent_out() -> None:
    stage = Stage()
    stage.accept(ITEM, who=FORWARDER)
    stage.make(ITEM)
    assert stage.make(ITEM) == {ITEM: Outcome.RESTATED}


def test_a_container_that_travelled_before_does_not_make_a_restatement_contested() -> None:
    stage = Stage()
    stage.pack(CASE, OTHER)
    stage.hand_over(CASE)
    stage.hand_over(CASE, who=FORWARDER, to=MAKER)
    stage.make(ITEM)
    stage.pack(CASE, ITEM)
    assert stage.make(ITEM) == {ITEM: Outcome.RESTATED}


def test_a_strangers_second_commissioning_is_a_third_partys_report() -> None:
    stage = Stage()
    stage.make(ITEM)
    assert stage.make(ITEM, who=RIVAL) == {ITEM: Outcome.CONTESTED}
    assert stage.of(ITEM).contradictions == ()
    assert stage.of(ITEM).asides.length == 1


def test_a_former_custodians_second_commissioning_contradicts() -> None:
    stage = Stage()
    stage.make(ITEM)
    stage.hand_over(ITEM)
    stage.hand_over(ITEM, who=FORWARDER, to=RIVAL)
    stage.make(ITEM, who=FORWARDER)
    assert [stated.organisation for stated in stage.of(ITEM).contradictions] == [FORWARDER]


def test_an_ended_thing_is_not_made_again() -> None:
    stage = Stage()
    stage.make(ITEM)
    stage.act(MAKER, Action.END, (Role.OBJECT, ITEM))
    stage.make(ITEM)
    assert stage.of(ITEM).status == Status.ENDED


@pytest.mark.parametrize(
    "action",
    [Action.REJECT, Action.DISPUTE, Action.WITHDRAW, Action.COMMERCIAL_HOLD, Action.CONFIRM, Action.END],
)
def test_nothing_said_of_the_unborn_stands_against_what_is_made_later(action: Action) -> None:
    stage = Stage()
    fields = {"cites": bytes(32)} if action == Action.CONFIRM else {}
    stage.act(RIVAL, action, (Role.OBJECT, ITEM), **fields)
    assert stage.make(ITEM) == {ITEM: Outcome.ORIGIN_SET}
    record = stage.of(ITEM)
    assert (record.contradictions, record.custodian, record.status) == ((), MAKER, Status.LIVE)


def test_using_up_a_serial_before_it_is_made_does_not_stop_its_maker() -> None:
    stage = Stage()
    stage.act(RIVAL, Action.TRANSFORM, (Role.INPUT, ITEM), (Role.OUTPUT, serial("4012345", 1, 1)))
    assert stage.make(ITEM) == {ITEM: Outcome.ORIGIN_SET}
    assert stage.of(ITEM).status == Status.LIVE


def test_other_steps_never_make() -> None:
    stage = Stage()
    assert stage.act(MAKER, Action.OBSERVE, (Role.OBJECT, ITEM)) == {ITEM: Outcome.FIRST_SEEN}
    assert (stage.of(ITEM).origin, stage.of(ITEM).maker) == (Origin.UNATTESTED, None)


def test_serials_of_a_lot_name_it_and_consume_it() -> None:
    stage = Stage()
    stage.act(MAKER, Action.MAKE, (Role.OBJECT, LOT, (10, 0, "")))
    stage.act(MAKER, Action.MAKE, (Role.OBJECT, ITEM), (Role.OBJECT, OTHER), (Role.LOT, LOT, (2, 0, "")))
    assert stage.balance(MAKER) == (8, 0)
    assert stage.of(ITEM).source == f"|{LOT}"


def test_a_recall_of_the_lot_holds_its_serials() -> None:
    stage = Stage()
    stage.act(MAKER, Action.MAKE, (Role.OBJECT, ITEM), (Role.LOT, LOT, (1, 0, "")))
    stage.hold(LOT)
    assert stage.offer(ITEM) == {ITEM: Outcome.BREACH}
    stage.release(LOT)
    assert stage.offer(ITEM) == {ITEM: Outcome.OFFERED}


def test_a_class_is_not_made() -> None:
    stage = Stage()
    class_ = ITEM[: ITEM.index("/21/")]
    assert stage.act(MAKER, Action.MAKE, (Role.OBJECT, class_, (5, 0, ""))) == {class_: Outcome.NOT_BALANCED}


def test_persons_are_refused_unless_genesis_allows() -> None:
    person = "https://id.gs1.org/8018/952123400000000017"
    with pytest.raises(KeyError, match="person_identifier"):
        Stage().act(MAKER, Action.OBSERVE, (Role.OBJECT, person))
    with pytest.raises(KeyError, match="person_identifier"):
        Stage().act(MAKER, Action.OBSERVE, (Role.OBJECT, ITEM), counterparty=person)
    assert Stage(persons=True).act(MAKER, Action.OBSERVE, (Role.OBJECT, person)) == {
        person: Outcome.FIRST_SEEN
    }


def test_an_identifier_that_is_not_canonical_is_refused_wherever_it_stands() -> None:
    with pytest.raises(KeyError, match="not_canonical"):
        Stage().act(MAKER, Action.OFFER, (Role.OBJECT, ITEM), counterparty="HTTPS://ID.gs1.org/417/1")
