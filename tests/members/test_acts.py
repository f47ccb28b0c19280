"""Who may do which act: the table, cell by cell, as it is written and as blocks execute it."""

from __future__ import annotations

from typing import Any, Final

import pytest

from ledger.base.errors import Code, EntitlementError, FormError
from ledger.chain.transaction import Kind
from ledger.members.acts import (
    AUTHORITIES,
    CUSTODY,
    GOVERNANCE,
    OFFICIAL,
    REGISTRATION,
    RIGHTS,
    Bar,
    check_jurisdiction,
    check_may,
    governance_act,
    registration_act,
)
from ledger.members.members import ROLES, Delegation, Key, Members, Use
from ledger.state.block import SIGNERS
from ledger.trade.statement import Action, Leg, Permit, Role
from tests.world.world import World, party, serial

EXPECTED: Final = {
    "observe": "S..CD",
    "make": "S..C.",
    "transform": "S..C.",
    "pack": "S..C.",
    "unpack": "S..C.",
    "unpack_all": "S..C.",
    "offer": "S..CD",
    "accept": "S..CD",
    "withdraw_offer": "S..CD",
    "reject": "S..CD",
    "dispute": "S..CD",
    "commercial_hold": "S..C.",
    "hold": "S..C. official",
    "release": "S..C. official",
    "permit": "S..C. official",
    "bind": "S..CD",
    "unbind": "S..C.",
    "unbind_all": "S..C.",
    "end": "S..C.",
    "confirm": "S..C.",
    "dismiss": "S..C. official",
    "correct": "S..C.",
    "sample": "S..C.",
    "mismatch": "S..CD",
    "evidence": "S..CD never",
    "propose": ".A... voted",
    "vote": ".A... voted",
    "withdraw": ".A... voted",
    "enrol": "SAU..",
    "revoke": "SAU.. never",
    "compromised": ".AU.. never",
    "delegate": "S....",
    "licence": "S....",
    "end_licence": "S....",
    "policy": ".A...",
    "erase": "S.... never",
    "approve": "S..C. voted",
}
"""Signing, approver, authority (U), capture and delegate keys; what bars it where that is not any suspension. No other key acts."""
_LETTERS: Final = {
    "S": Use.SIGN, "A": Use.APPROVER, "U": Use.AUTHORITY, "C": Use.CAPTURE, "D": Use.DELEGATE,
}  # fmt: skip
_ITEM: Final = serial("9521234", 1, 1)


def allowed(act: str) -> set[Use]:
    return {_LETTERS[letter] for letter in EXPECTED[act].partition(" ")[0] if letter != "."}


def test_every_act_has_its_row() -> None:
    names = [Action(number).name.lower() for number in range(len(Action))]
    names[Action.WITHDRAW] = "withdraw_offer"
    assert tuple(names) == CUSTODY
    acts = {*CUSTODY, *GOVERNANCE, *REGISTRATION.values(), "evidence", "erase", "approve"}
    assert set(RIGHTS) == acts == set(EXPECTED)
    assert {*SIGNERS, Kind.EPOCH_CHANGE} == set(Kind)


@pytest.mark.parametrize("use", Use)
@pytest.mark.parametrize("act", RIGHTS)
def test_every_cell_of_act_and_key(act: str, use: Use) -> None:
    if use in allowed(act):
        check_may(act, use, is_authority=True)
        return
    with pytest.raises(EntitlementError, match=f"to {act}") as caught:
        check_may(act, use, is_authority=True)
    assert caught.value.code == Code.NOT_ENTITLED


@pytest.mark.parametrize("act", RIGHTS)
def test_every_act_and_jurisdiction(act: str) -> None:
    use = min(allowed(act))
    if "official" not in EXPECTED[act]:
        check_may(act, use, is_authority=False)
        assert RIGHTS[act].roles == ROLES
        return
    assert RIGHTS[act].roles == AUTHORITIES
    with pytest.raises(EntitlementError, match="jurisdiction"):
        check_may(act, use, is_authority=False)


@pytest.mark.parametrize("role", ROLES)
def test_every_role_and_jurisdiction(role: str) -> None:
    if role in {"customs", "regulator"}:
        check_jurisdiction("somebody", ("logistics", role))
        return
    with pytest.raises(EntitlementError, match="customs, regulator, somebody is"):
        check_jurisdiction("somebody", (role,))


def test_what_bars_which_act() -> None:
    words = {"never": Bar.NEVER, "voted": Bar.VOTED}
    for act, right in RIGHTS.items():
        assert right.bar == words.get(EXPECTED[act].rpartition(" ")[2], Bar.ANY), act


@pytest.mark.parametrize("first", [-1, 3, True, None, "0", 2**70])
def test_what_is_no_item_of_governance(first: Any) -> None:
    with pytest.raises(FormError, match="propose, vote, withdraw"):
        governance_act(first)


@pytest.mark.parametrize("first", [-1, 4, 9, True, None, "0"])
def test_what_is_no_item_of_registration(first: Any) -> None:
    with pytest.raises(FormError, match="enrol, revoke"):
        registration_act(first)


# --- as blocks execute it


def refusal(monkeypatch: pytest.MonkeyPatch, world: World, use: Use, kind: Kind, item: Any) -> str:
    """What executing one item says, signed by the maker's key were it registered for `use`."""
    delegation = Delegation("urn:x:1", 2**50) if use == Use.DELEGATE else None
    with monkeypatch.context() as patch:
        patch.setattr(Members, "key", lambda *_: Key("maker", use, None, delegation))
        return world.commit(world.sign("maker", item, kind=kind)).receipts[0].refusal


@pytest.mark.parametrize("use", Use)
def test_blocks_execute_acts_upon_goods_by_the_table(monkeypatch: pytest.MonkeyPatch, use: Use) -> None:
    world = World(authorities=("maker",))
    measure, permit = ("C-1", "UCC-198"), Permit((Leg(party(1), party(2)),), 2**50, None)
    for number, act in enumerate(CUSTODY[: Action.MISMATCH]):
        item = world.item(
            number,
            [(Role.OBJECT, _ITEM)],
            measure=measure if number in OFFICIAL[:3] else None,
            permit=permit if number == Action.PERMIT else None,
        )
        said = refusal(monkeypatch, world, use, Kind.EVENTS, item)
        if not allowed("observe") & {use}:
            assert said == "wrong_use", (act, use)
        elif use not in allowed(act):
            assert said == "not_entitled", (act, use)
        elif use != Use.DELEGATE:  # whose consignment is the rules' to judge
            assert said not in ("wrong_use", "not_entitled"), (act, use)


def test_blocks_refuse_official_acts_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    for number in OFFICIAL:
        measure = None if number == Action.DISMISS else ("C-1", "UCC-198")
        permit = Permit((Leg(party(1), party(2)),), 2**50, None) if number == Action.PERMIT else None
        item = world.item(number, [(Role.OBJECT, _ITEM)], measure=measure, permit=permit)
        assert refusal(monkeypatch, world, Use.SIGN, Kind.EVENTS, item) == "not_entitled", number


@pytest.mark.parametrize("use", Use)
def test_blocks_execute_acts_upon_the_registry_by_the_table(
    monkeypatch: pytest.MonkeyPatch, use: Use
) -> None:
    world = World()
    items = [(Kind.GOVERNANCE, first, act) for first, act in enumerate(GOVERNANCE)]
    items += [(Kind.REGISTRATION, first, act) for first, act in REGISTRATION.items()]
    for kind, first, act in items:
        said = refusal(monkeypatch, world, use, kind, (first,))
        if use not in SIGNERS[kind]:
            assert said == "wrong_use", (act, use)
        else:
            assert (said == "not_entitled") is (use not in allowed(act)), (act, use, said)


@pytest.mark.parametrize("use", Use)
@pytest.mark.parametrize(
    ("kind", "act"), [(Kind.EVIDENCE, "evidence"), (Kind.ERASURE, "erase"), (Kind.APPROVAL, "approve"), (Kind.MISMATCH, "mismatch")]
)  # fmt: skip
def test_blocks_take_the_other_kinds_by_the_table(
    monkeypatch: pytest.MonkeyPatch, kind: Kind, act: str, use: Use
) -> None:
    world = World()
    item = (
        (world.item(Action.OBSERVE, [(Role.OBJECT, _ITEM)]), 0, b"", None, b"")
        if kind == Kind.MISMATCH
        else (0,)
    )
    said = refusal(monkeypatch, world, use, kind, item)
    assert (said == "wrong_use") is (use not in allowed(act))
    assert said
