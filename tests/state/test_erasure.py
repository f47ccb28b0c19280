"""Tombstones executed: who may erase what, once; what the state keeps of it; and what nobody may publish any more."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.chain.transaction import Kind, Mode, Transaction
from ledger.members.members import Use
from ledger.state.erasure import Erasure, Reason, erasure_key, erasure_of
from ledger.trade.record import EMPTY, Record, Status
from ledger.trade.rules.view import thing
from ledger.trade.statement import Action, Role
from tests.state.test_block import event_of, item_over, mismatch_of
from tests.world.world import World, serial

MAKER = "9521234"
ITEM, OTHER = serial(MAKER, 1, 1), serial(MAKER, 1, 2)


@pytest.fixture
def world() -> World:
    world = World(gateways=("maker",))
    world.do("maker", Action.MAKE, [(Role.OBJECT, ITEM)])
    world.do("maker", Action.MAKE, [(Role.OBJECT, OTHER)])
    return world


def hash_at(world: World, sequence: int) -> bytes:
    item = world.rows[sequence].changes.item
    assert item is not None
    return item.event_hash


def tombstone(world: World, organisation: str, *items: Any, mode: Mode = Mode.EACH_ON_ITS_OWN) -> Transaction:
    return world.sign(organisation, *items, kind=Kind.ERASURE, mode=mode)


def refusals(world: World, *transactions: Transaction) -> list[str]:
    return [receipt.refusal for receipt in world.commit(*transactions).receipts]


def test_an_author_erases_an_event_and_the_state_keeps_that_it_did(world: World) -> None:
    before = world.record(thing(ITEM))
    assert world.erase("maker", 0, Reason.PERSONAL_DATA) == ""
    hashed = hash_at(world, 0)
    kept = erasure_of(world.record(erasure_key(hashed, "maker")))
    assert kept == Erasure(hashed, "maker", Reason.PERSONAL_DATA, 0, 2, world.now_ms)
    assert world.record(thing(ITEM)) == before, "what it stated stands"
    assert world.rows[2].changes.item is None
    assert erasure_of(world.record(erasure_key(hashed, "carrier"))) is None


def test_nobody_else_may_and_nobody_twice(world: World) -> None:
    assert world.erase("carrier", 0) == "not_entitled"
    assert world.record(erasure_key(hash_at(world, 0), "maker")) == EMPTY
    assert world.erase("maker", 0) == ""
    assert world.erase("maker", 0) == "erased"
    twice = tombstone(world, "maker", (1, hash_at(world, 1), 0), (1, hash_at(world, 1), 0))
    assert refusals(world, twice) == ["", "erased"]


def test_a_tombstone_names_an_event_by_its_place_and_its_hash(world: World) -> None:
    first, second = hash_at(world, 0), hash_at(world, 1)
    bad = [
        (0, second, 0), (99, first, 0), (-1, first, 0), (0, first, len(Reason)), (0, first, -1), (0, first),
        (0, first[:31], 0), ("0", first, 0), (0, first, True), (0, first, 0, 0), None, 7,
    ]  # fmt: skip
    assert refusals(world, tombstone(world, "maker", *bad)) == ["malformed"] * len(bad)
    assert world.erase("maker", 0) == ""
    assert refusals(world, tombstone(world, "maker", (2, first, 0))) == ["malformed"], (
        "a tombstone is no event"
    )


def test_a_tombstone_may_name_an_event_of_its_own_block(world: World) -> None:
    item = world.item(Action.OBSERVE, [(Role.OBJECT, ITEM)])
    both = world.sign("maker", item), tombstone(world, "maker", (2, item.event_hash, 0))
    assert refusals(world, *both) == ["", ""]


def test_a_failed_transaction_erases_nothing(world: World) -> None:
    items = (0, hash_at(world, 0), 0), (1, hash_at(world, 0), 0)
    assert refusals(world, tombstone(world, "maker", *items, mode=Mode.ALL_OR_NOTHING)) == [
        "rolled_back",
        "malformed",
    ]
    assert world.record(erasure_key(hash_at(world, 0), "maker")) == EMPTY


def test_only_a_signing_key_erases(world: World) -> None:
    signed = world.sign("maker", (0, hash_at(world, 0), 0), kind=Kind.ERASURE, key=world.gateways["maker"])
    assert refusals(world, signed) == ["wrong_use"], Use.CAPTURE


def test_who_puts_anothers_hash_on_the_ledger_erases_its_own_claim_only(world: World) -> None:
    hashed = hash_at(world, 0)
    world.do("carrier", Action.OBSERVE, [(Role.OBJECT, OTHER)], event_hash=hashed)
    assert world.erase("carrier", 2) == ""
    assert erasure_of(world.record(erasure_key(hashed, "maker"))) is None
    assert world.erase("maker", 0) == "", "which does not keep the author from erasing"


def test_nobody_publishes_the_bytes_of_an_erased_event(world: World) -> None:
    event = event_of(OTHER)
    world.commit(world.sign("maker", item_over(world, event, event_of(ITEM))))
    shown = mismatch_of(world, 2, event)
    assert world.erase("maker", 2) == ""
    assert refusals(world, world.sign("carrier", shown, kind=Kind.MISMATCH)) == ["erased"]


def test_a_mismatch_is_not_its_publishers_event(world: World) -> None:
    event = event_of(OTHER)
    world.commit(world.sign("maker", item_over(world, event, event_of(ITEM))))
    world.commit(world.sign("carrier", mismatch_of(world, 2, event), kind=Kind.MISMATCH))
    assert world.erase("carrier", 3) == "malformed"
    assert world.erase("maker", 2) == ""


def test_erasing_is_undone_with_its_block(world: World) -> None:
    root = world.state.tree.root
    assert world.erase("maker", 0) == ""
    world.state.undo(world.executions[-1].undo)
    assert world.state.tree.root == root
    assert world.state.record(erasure_key(hash_at(world, 0), "maker")) == EMPTY


def test_a_record_that_is_none_says_nothing() -> None:
    assert erasure_of(Record(status=Status.ENDED, custodian="maker", source="no hash")) is None
    assert erasure_of(Record(status=Status.ENDED, custodian="maker", source="00", generation=99)) is None
