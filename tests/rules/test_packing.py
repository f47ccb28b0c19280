"""Rows 6, 7, 8 and an authority's part in them (24)."""

from __future__ import annotations

import itertools

import pytest

from ledger.base import limits
from ledger.state.item import ItemView
from ledger.trade.record import Origin, Record, Space, Status, SubjectKey
from ledger.trade.rules.view import episode_key
from tests.rules.stage import (
    BOL,
    CARRIER,
    CASE,
    CONTAINER,
    CRATE,
    CUSTOMS,
    EXCISE,
    FORWARDER,
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
    sscc,
    thing,
)  # fmt: skip


def packed() -> Stage:
    """The maker's item in a case on a pallet."""
    stage = Stage()
    stage.make(ITEM)
    stage.pack(CASE, ITEM)
    stage.pack(PALLET, CASE)
    return stage


def test_pack_into_an_unknown_container() -> None:
    stage = Stage()
    stage.make(ITEM)
    assert stage.pack(CASE, ITEM) == {CASE: Outcome.PARENT_BORN, ITEM: Outcome.PACKED}
    case, item = stage.of(CASE), stage.of(ITEM)
    assert (case.origin, case.custodian, case.children, case.levels) == (Origin.UNATTESTED, MAKER, 1, 1)
    assert (item.parent, item.parent_generation) == (CASE, 0)


def test_an_unknown_child_is_born_unattested_without_custodian() -> None:
    stage = Stage()
    stage.pack(CASE, ITEM)
    assert (stage.of(ITEM).origin, stage.of(ITEM).custodian, stage.holder(ITEM)) == (
        Origin.UNATTESTED,
        None,
        MAKER,
    )


def test_packing_what_another_holds_is_a_claim() -> None:
    stage = Stage()
    stage.make(ITEM)
    assert stage.pack(CASE, ITEM, who=RIVAL) == {CASE: Outcome.PARENT_BORN, ITEM: Outcome.CLAIMED}
    assert (stage.of(ITEM).parent, stage.holder(ITEM)) == (None, MAKER)


def test_packing_into_anothers_container_is_a_claim_on_it_and_moves_nothing() -> None:
    stage = Stage()
    stage.pack(CASE, OTHER, who=FORWARDER)
    stage.make(ITEM)
    assert stage.pack(CASE, ITEM) == {CASE: Outcome.CLAIMED, ITEM: Outcome.NOT_TOGETHER}
    assert stage.of(ITEM).parent is None


def test_packing_what_is_known_and_held_by_nobody_claims_it() -> None:
    stage = Stage()
    stage.act(RIVAL, Action.OBSERVE, (Role.OBJECT, ITEM))
    stage.pack(CASE, ITEM)
    stage.unpack(CASE, ITEM)
    assert (stage.of(ITEM).custodian, stage.of(ITEM).claimed) == (MAKER, True)


def test_repacking_leaves_the_old_container_and_links_both() -> None:
    stage = Stage()
    stage.make(ITEM)
    stage.pack(CASE, ITEM)
    links = stage.of(CASE).links.length
    assert stage.pack(CRATE, ITEM) == {CRATE: Outcome.PARENT_BORN, ITEM: Outcome.PACKED}
    assert (stage.of(CASE).children, stage.of(CRATE).children, stage.of(ITEM).parent) == (0, 1, CRATE)
    assert stage.of(CASE).links.length == links + 1


def test_packing_it_where_it_is_changes_nothing() -> None:
    stage = packed()
    assert stage.pack(CASE, ITEM)[ITEM] == Outcome.OBSERVED
    assert (stage.of(CASE).children, stage.of(ITEM).parent) == (1, CASE)


def test_a_cycle_and_a_self_parent_have_no_effect() -> None:
    stage = packed()
    assert stage.pack(CASE, PALLET)[PALLET] == Outcome.CYCLE
    assert stage.of(PALLET).parent is None
    assert stage.of(CASE).parent == PALLET


def test_a_cycle_is_seen_before_anybody_walks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stage, reads, read = packed(), 0, ItemView.record

    def counted(view: ItemView, key: SubjectKey) -> Record:
        nonlocal reads
        reads += 1
        assert reads < 1_000, "walking in a circle"
        return read(view, key)

    monkeypatch.setattr(ItemView, "record", counted)
    assert stage.pack(CASE, PALLET)[PALLET] == Outcome.CYCLE


def test_nesting_ends_at_twelve_levels() -> None:
    stage = Stage()
    boxes = [sscc("9521234", 100 + level) for level in range(limits.NESTING_LEVELS + 2)]
    outcomes = [stage.pack(outer, inner)[inner] for inner, outer in itertools.pairwise(boxes)]
    assert outcomes == [Outcome.PACKED] * limits.NESTING_LEVELS + [Outcome.TOO_DEEP]
    assert stage.pack(sscc("9521234", 99), ITEM)[ITEM] == Outcome.PACKED
    assert stage.pack(boxes[0], sscc("9521234", 99))[sscc("9521234", 99)] == Outcome.TOO_DEEP


def test_nothing_ended_is_packed() -> None:
    stage = Stage()
    stage.make(ITEM)
    stage.act(MAKER, Action.END, (Role.OBJECT, ITEM))
    assert stage.pack(CASE, ITEM)[ITEM] == Outcome.CONTRADICTION
    stage.make(OTHER)
    stage.act(MAKER, Action.END, (Role.OBJECT, CASE))
    assert stage.pack(CASE, OTHER)[OTHER] == Outcome.NOT_TOGETHER


def test_documents_and_lots_are_no_containers() -> None:
    stage = Stage()
    assert stage.pack(BOL, ITEM)[ITEM] == Outcome.NOT_TOGETHER
    assert stage.pack(LOT, OTHER)[OTHER] == Outcome.NOT_TOGETHER
    assert stage.pack(CASE, BOL)[BOL] == Outcome.OBSERVED
    assert stage.record(SubjectKey(Space.DOCUMENT, BOL)).parent is None


def test_unpack_frees_in_the_roots_custody() -> None:
    stage = packed()
    stage.hand_over(PALLET)
    assert stage.unpack(CASE, ITEM, who=FORWARDER) == {CASE: Outcome.CONTENTS_REMOVED, ITEM: Outcome.UNPACKED}
    item = stage.of(ITEM)
    assert (item.parent, item.custodian, item.former) == (None, FORWARDER, (MAKER,))
    assert stage.of(CASE).children == 0


def test_unpacking_by_a_stranger_is_a_claim_by_the_former_custodian_too() -> None:
    stage = packed()
    stage.hand_over(PALLET)
    assert stage.unpack(CASE, ITEM, who=MAKER)[ITEM] == Outcome.CLAIMED
    assert stage.unpack(CASE, ITEM, who=RIVAL)[ITEM] == Outcome.CLAIMED
    assert stage.of(ITEM).parent == CASE


def test_unpacking_from_where_it_is_not() -> None:
    stage = packed()
    assert stage.unpack(PALLET, ITEM)[ITEM] == Outcome.CONTRADICTION
    assert stage.unpack(CRATE, ITEM)[ITEM] == Outcome.CONTRADICTION
    assert stage.of(ITEM).parent == CASE


def test_an_unknown_child_is_first_seen_as_it_comes_out_with_the_holds_of_what_it_came_from() -> None:
    stage = packed()
    stage.hold(PALLET)
    assert stage.unpack(CASE, OTHER, who=CUSTOMS)[OTHER] == Outcome.FIRST_SEEN_UNPACKED
    assert stage.holder(OTHER) == MAKER
    assert [held.authority for held in stage.of(OTHER).holds] == [CUSTOMS]


def test_a_child_inherits_holds_bindings_and_the_unconfirmed_mark() -> None:
    stage = packed()
    stage.bind(BOL, PALLET)
    stage.offer(PALLET, to=None)
    stage.accept(PALLET, who=CARRIER)
    stage.hold(PALLET)
    stage.unpack(CASE, ITEM, who=CUSTOMS)
    item = stage.of(ITEM)
    assert item.unconfirmed is not None
    assert (item.unconfirmed.taker, [b.document for b in item.bindings]) == (CARRIER, [BOL])
    assert [held.case for held in item.holds] == ["1"]


def test_unpack_all_is_one_step_and_children_resolve_when_touched() -> None:
    stage = packed()
    stage.pack(CASE, OTHER)
    stage.hand_over(PALLET)
    assert stage.unpack_all(CASE, who=FORWARDER) == {CASE: Outcome.UNPACKED_ALL}
    case, episode = stage.of(CASE), stage.record(episode_key(CASE, 0))
    assert (case.generation, case.children, case.levels, case.parent) == (1, 0, 0, PALLET)
    assert (episode.custodian, episode.children, episode.links) == (FORWARDER, 2, case.links)
    assert (stage.of(ITEM).parent, stage.holder(ITEM)) == (CASE, FORWARDER)
    stage.act(FORWARDER, Action.OBSERVE, (Role.OBJECT, ITEM))
    assert (stage.of(ITEM).parent, stage.of(ITEM).custodian, stage.of(ITEM).last) == (None, FORWARDER, None)


def test_a_child_packed_before_and_one_packed_after_an_unpack_all_are_told_apart() -> None:
    stage = Stage()
    stage.make(ITEM, OTHER)
    stage.pack(CASE, ITEM)
    stage.unpack_all(CASE)
    stage.pack(CASE, OTHER)
    stage.hand_over(CASE)
    assert (stage.holder(ITEM), stage.holder(OTHER)) == (MAKER, FORWARDER)
    assert stage.of(CASE).children == 1


def test_nested_containers_emptied_in_turn_and_touched_late() -> None:
    stage = packed()
    stage.hand_over(PALLET)
    stage.unpack_all(PALLET, who=FORWARDER)
    stage.hand_over(CASE, who=FORWARDER, to=CARRIER)
    stage.unpack_all(CASE, who=CARRIER)
    assert stage.holder(ITEM) == CARRIER
    stage.act(CARRIER, Action.OBSERVE, (Role.OBJECT, ITEM))
    assert stage.of(ITEM).custodian == CARRIER


def test_nested_containers_emptied_by_one_event_have_the_right_custodian_in_their_links() -> None:
    stage = packed()
    stage.hand_over(PALLET)
    stage.unpack_all(PALLET, CASE, who=FORWARDER)
    links = {new.key: new.link for new in stage.rows[-1].changes.links}
    assert links[thing(CASE)].custodian == FORWARDER
    assert stage.holder(ITEM) == stage.holder(CASE) == FORWARDER


def test_bindings_end_with_the_episode_and_children_inherit_them() -> None:
    stage = packed()
    stage.bind(BOL, CASE)
    stage.unpack_all(CASE)
    stage.pack(CASE, OTHER)
    stage.act(MAKER, Action.OBSERVE, (Role.OBJECT, ITEM))
    assert (stage.of(CASE).bindings, [b.document for b in stage.of(ITEM).bindings]) == ((), [BOL])
    stage.unpack(CASE, OTHER)
    assert stage.of(OTHER).bindings == ()


def test_seals_end_with_the_episode() -> None:
    stage = Stage()
    stage.pack(CONTAINER, ITEM, seals=["NL-1"])
    assert stage.of(CONTAINER).seals == ("NL-1",)
    stage.unpack_all(CONTAINER)
    assert stage.of(CONTAINER).seals == ()
    stage.pack(CONTAINER, OTHER, seals=["NL-2"])
    assert stage.of(CONTAINER).seals == ("NL-2",)


def test_an_authority_unpacks_and_packs_and_custody_stays() -> None:
    stage = packed()
    assert stage.unpack(CASE, ITEM, who=CUSTOMS)[ITEM] == Outcome.UNPACKED
    assert stage.holder(ITEM) == MAKER
    assert stage.pack(CASE, ITEM, who=CUSTOMS)[ITEM] == Outcome.PACKED
    assert stage.holder(ITEM) == MAKER
    assert stage.unpack_all(CASE, who=CUSTOMS) == {CASE: Outcome.UNPACKED_ALL}
    assert stage.holder(ITEM) == MAKER


def test_an_authority_cannot_pack_one_partys_goods_into_anothers() -> None:
    stage = packed()
    stage.pack(CRATE, THIRD, who=FORWARDER)
    assert stage.pack(CRATE, CASE, who=CUSTOMS)[CASE] == Outcome.NOT_TOGETHER
    assert stage.holder(CASE) == MAKER


def test_an_authority_is_custodian_of_what_it_packs_into_its_own() -> None:
    stage = Stage()
    stage.make(ITEM)
    stage.hand_over(ITEM, to=CUSTOMS)
    assert stage.pack(CASE, ITEM, OTHER, who=CUSTOMS) == {
        CASE: Outcome.PARENT_BORN, ITEM: Outcome.PACKED, OTHER: Outcome.PACKED,
    }  # fmt: skip
    stage.pack(CRATE, THIRD)
    assert stage.pack(CRATE, CASE, who=CUSTOMS)[CASE] == Outcome.NOT_TOGETHER
    assert stage.holder(ITEM) == CUSTOMS


def test_things_left_to_an_external_come_back_as_claims_out_of_their_container() -> None:
    stage = packed()
    stage.offer(PALLET, to=None, counterparty=OUTSIDE)
    assert stage.accept(ITEM, who=CARRIER) == {ITEM: Outcome.CLAIMED_CUSTODY}
    assert (stage.of(ITEM).custodian, stage.of(ITEM).claimed, stage.of(ITEM).parent) == (CARRIER, True, None)
    assert stage.unpack(PALLET, CASE, who=FORWARDER) == {
        PALLET: Outcome.CLAIMED_CUSTODY,
        CASE: Outcome.UNPACKED,
    }
    assert (stage.holder(CASE), stage.of(CASE).claimed, stage.holder(PALLET)) == (FORWARDER, True, FORWARDER)


def test_unpacking_an_unheld_child_beside_a_held_one_is_no_breach() -> None:
    stage = packed()
    stage.pack(CASE, OTHER)
    stage.hold(OTHER)
    assert stage.unpack(CASE, ITEM) == {CASE: Outcome.CONTENTS_REMOVED, ITEM: Outcome.UNPACKED}
    assert stage.unpack(CASE, OTHER)[OTHER] == Outcome.BREACH
    assert stage.unpack_all(CASE) == {CASE: Outcome.BREACH}
    assert stage.pack(CASE, ITEM)[ITEM] == Outcome.PACKED


def test_another_authoritys_hold_binds_an_authority_too() -> None:
    stage = packed()
    stage.hold(CASE, who=EXCISE)
    assert stage.unpack(CASE, ITEM, who=CUSTOMS)[ITEM] == Outcome.BREACH
    assert stage.unpack(CASE, ITEM, who=EXCISE)[ITEM] == Outcome.UNPACKED


def test_nothing_at_or_below_an_offer_is_packed_unpacked_or_transformed() -> None:
    stage = packed()
    stage.offer(PALLET)
    assert stage.unpack(CASE, ITEM)[ITEM] == Outcome.OFFER_STANDS
    assert stage.unpack_all(CASE) == {CASE: Outcome.OFFER_STANDS}
    assert stage.pack(CASE, OTHER)[OTHER] == Outcome.NOT_TOGETHER
    assert stage.pack(CRATE, PALLET)[PALLET] == Outcome.OFFER_STANDS
    assert (
        stage.act(MAKER, Action.TRANSFORM, (Role.INPUT, ITEM), (Role.OUTPUT, THIRD))[ITEM]
        == Outcome.OFFER_STANDS
    )
    assert stage.act(MAKER, Action.END, (Role.OBJECT, ITEM))[ITEM] == Outcome.OFFER_STANDS
    stage.act(MAKER, Action.WITHDRAW, (Role.OBJECT, PALLET))
    assert stage.unpack(CASE, ITEM)[ITEM] == Outcome.UNPACKED


def test_a_container_and_its_contents_ended_in_one_event() -> None:
    stage = packed()
    stage.pack(CONTAINER, PALLET)
    stage.hold(ITEM)
    stage.release(ITEM)
    outcomes = stage.act(MAKER, Action.END, (Role.OBJECT, PALLET), (Role.OBJECT, CASE), (Role.OBJECT, ITEM))
    assert set(outcomes.values()) == {Outcome.ENDED}
    assert {stage.of(name).status for name in (PALLET, CASE, ITEM)} == {Status.ENDED}
    for name in (CONTAINER, PALLET, CASE):
        assert (stage.of(name).children, stage.of(name).levels, stage.of(name).inside) == (0, 0, ())


def test_a_thing_moved_with_the_box_it_lies_in_is_counted_once() -> None:
    stage = Stage()
    stage.make(ITEM)
    stage.pack(CASE, ITEM)
    stage.hold(ITEM)
    outcomes = stage.pack(PALLET, CASE, ITEM, who=CUSTOMS)
    assert (
        outcomes[ITEM] == Outcome.NOT_TOGETHER
    )  # the pallet is born in the authority's custody, the goods are not
    stage.pack(CRATE, OTHER)
    stage.pack(CRATE, CASE, ITEM, who=CUSTOMS)
    assert (stage.of(CRATE).inside, stage.of(CASE).inside) == (((CUSTOMS, 1),), ())
    assert (stage.of(CRATE).children, stage.of(CASE).children) == (3, 0)


def test_claimed_custody_is_marked_alike_however_it_comes_out() -> None:
    marks = []
    for empties in (False, True):
        stage = Stage()
        stage.accept(CASE, who=MAKER)
        stage.make(ITEM)
        stage.pack(CASE, ITEM)
        stage.pack(PALLET, CASE)
        if empties:
            stage.unpack_all(CASE)
            stage.act(MAKER, Action.OBSERVE, (Role.OBJECT, ITEM))
        else:
            stage.unpack(CASE, ITEM)
        marks.append((stage.of(CASE).claimed, stage.of(ITEM).claimed))
    assert marks == [(True, False), (True, False)]


def test_many_children_at_once() -> None:
    stage = Stage()
    items = [serial("9521234", 5, number) for number in range(200)]
    stage.make(*items)
    stage.pack(CASE, *items)
    assert stage.of(CASE).children == 200
    stage.hand_over(CASE)
    stage.unpack_all(CASE, who=FORWARDER)
    assert {stage.holder(name) for name in items} == {FORWARDER}
