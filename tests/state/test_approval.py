"""Approval by a person, on the ledger: which acts wait for it, what it takes, and what a proof shows of it."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.base import limits
from ledger.base.errors import CustodyError, ProofError
from ledger.chain.transaction import Item, Kind, Mode, Transaction, item_hash
from ledger.members.policy import CUSTODY_ACTS, POLICY_ACTS
from ledger.proof import replay as replay_module
from ledger.proof.build import build
from ledger.proof.verdict import assess
from ledger.proof.verify import verify
from ledger.state.approval import ACTIONS, approval_key, standing_of
from ledger.trade.record import EMPTY, Status
from ledger.trade.rules.view import thing
from ledger.trade.statement import Action, Role
from tests.proof import forgery
from tests.world.past import Past
from tests.world.world import World, serial

ITEM, OTHER = serial("9521234", 1, 1), serial("9521234", 1, 2)
CREDENTIAL, THUMBPRINT, ASSERTION = bytes([1]) * 32, bytes([2]) * 32, bytes([3]) * 32


@pytest.fixture
def world() -> World:
    """Goods that customs hold; customs let nobody release or destroy without a person."""
    found = World(gateways=("customs", "maker"))
    found.do("maker", Action.MAKE, [(Role.OBJECT, ITEM), (Role.OBJECT, OTHER)])
    for name in (ITEM, OTHER):
        found.do("customs", Action.HOLD, [(Role.OBJECT, name)], measure=("2026-1", "UCC-art-198"))
    assert codes(found, policy(found, "end", "release")) == [""]
    return found


def policy(world: World, *acts: Any, by: str = "customs", **options: Any) -> Transaction:
    return world.sign(by, (7, acts), kind=Kind.REGISTRATION, **{"key": world.approvers[by], **options})


def release(world: World, name: str = ITEM) -> Item:
    return world.item(Action.RELEASE, [(Role.OBJECT, name)], measure=("2026-1", "UCC-art-198"))


def approval(
    world: World, act: bytes | Item, by: str = "customs", key: Any = None, assertion: bytes = ASSERTION
) -> Transaction:
    hashed = act if isinstance(act, bytes) else item_hash(world.network, act)
    approved = (hashed, CREDENTIAL, THUMBPRINT, assertion)
    return world.sign(by, approved, kind=Kind.APPROVAL, key=key or world.gateways[by])


def codes(world: World, *transactions: Transaction, **options: Any) -> list[str]:
    return [receipt.refusal for receipt in world.commit(*transactions, **options).receipts]


def held(world: World, name: str = ITEM) -> int:
    return len(world.record(thing(name)).holds)


# --- the act


def test_acts_of_custody_are_called_as_their_actions() -> None:
    assert [action.name.lower() for action in ACTIONS] == list(CUSTODY_ACTS) == list(ACTIONS.values())


def test_an_act_under_policy_waits_for_a_person(world: World) -> None:
    act = release(world)
    assert codes(world, world.sign("customs", act)) == ["not_approved"]
    assert held(world) == 1
    assert codes(world, approval(world, act)) == [""]
    assert codes(world, world.sign("customs", act)) == [""]
    assert held(world) == 0


def test_approval_and_act_may_share_a_block_in_that_order(world: World) -> None:
    act, other = release(world), release(world, OTHER)
    assert codes(world, approval(world, act), world.sign("customs", act)) == ["", ""]
    assert codes(world, world.sign("customs", other), approval(world, other)) == ["not_approved", ""]


def test_an_act_that_was_altered_is_another_act(world: World) -> None:
    act = release(world)
    world.commit(approval(world, act))
    altered = act._replace(subjects=release(world, OTHER).subjects)
    assert codes(world, world.sign("customs", altered)) == ["not_approved"]
    resalted = act._replace(subject_salt=bytes(16))
    assert codes(world, world.sign("customs", resalted)) == ["not_approved"]


def test_an_approval_is_used_once(world: World) -> None:
    act = release(world)
    world.commit(approval(world, act))
    assert codes(world, world.sign("customs", act)) == [""]
    assert codes(world, world.sign("customs", act)) == ["not_approved"]
    assert codes(world, approval(world, act)) == ["not_applicable"]
    both = release(world, OTHER)
    world.commit(approval(world, both))
    assert codes(world, world.sign("customs", both, both)) == ["", "not_approved"]


def test_what_is_rolled_back_used_no_approval(world: World) -> None:
    act, waiting = release(world), release(world, OTHER)
    world.commit(approval(world, act))
    signed = world.sign("customs", act, waiting, mode=Mode.ALL_OR_NOTHING)
    assert codes(world, signed) == ["rolled_back", "not_approved"]
    assert codes(world, world.sign("customs", act)) == [""]


def test_the_key_that_acts_cannot_approve(world: World) -> None:
    act = release(world)
    assert codes(world, approval(world, act, key=world.keys["customs"])) == [""]
    assert codes(world, world.sign("customs", act)) == ["not_approved"]
    assert codes(world, world.sign("customs", act, key=world.gateways["customs"])) == [""]


def test_somebody_elses_approval_is_none(world: World) -> None:
    act = release(world)
    assert codes(world, approval(world, act, by="maker")) == [""]
    assert codes(world, world.sign("customs", act)) == ["not_approved"]


def test_an_approval_lapses_and_may_be_given_again(world: World) -> None:
    act = release(world)
    world.commit(approval(world, act))
    assert codes(world, approval(world, act)) == ["not_applicable"]
    world.commit(advance_ms=limits.APPROVAL_LIVE_MS - 2_000)
    late = world.sign("customs", act)
    assert codes(world, world.sign("customs", release(world)), advance_ms=1_000) == ["not_approved"]
    assert codes(world, late, advance_ms=1) == ["not_approved"]
    assert codes(world, approval(world, act)) == [""]
    assert codes(world, world.sign("customs", act), advance_ms=limits.APPROVAL_LIVE_MS) == ["expired"]
    world_now = world.sign("customs", act)
    assert codes(world, world_now, advance_ms=0) == [""]


def test_other_acts_and_other_organisations_need_none(world: World) -> None:
    assert world.do("customs", Action.HOLD, [(Role.OBJECT, ITEM)], measure=("2", "UCC-art-198"))
    assert world.do("maker", Action.OFFER, [(Role.OBJECT, OTHER)], to="carrier")


def test_only_signing_and_capture_keys_approve(world: World) -> None:
    act = release(world)
    for key in (world.approvers["customs"], world.devices["customs"]):
        assert codes(world, approval(world, act, key=key)) == ["wrong_use"]


@pytest.mark.parametrize("item", [(), (b"",) * 4, (bytes(32),) * 3, (bytes(32),) * 5, (1,) * 4, 7])
def test_an_approval_of_another_form_is_refused(world: World, item: Any) -> None:
    signed = world.sign("customs", item, kind=Kind.APPROVAL, key=world.gateways["customs"])
    assert codes(world, signed) == ["malformed"]


def test_undone_with_its_block(world: World) -> None:
    act = release(world)
    key = approval_key(item_hash(world.network, act), "customs")
    execution = world.commit(approval(world, act))
    root = world.state.tree.root
    used = world.commit(world.sign("customs", act))
    assert world.record(key).status == Status.CONSUMED
    world.state.undo(used.undo)
    assert (world.record(key).status, world.state.tree.root) == (Status.LIVE, root)
    world.state.undo(execution.undo)
    assert world.record(key) == EMPTY


def test_what_stands_on_the_ledger_names_nobody(world: World) -> None:
    act = release(world)
    world.commit(approval(world, act))
    world.commit(world.sign("customs", act))
    standing = standing_of(world.record(approval_key(item_hash(world.network, act), "customs")))
    assert standing is not None
    assert (standing.credential, standing.thumbprint, standing.assertion) == (
        CREDENTIAL.hex(), THUMBPRINT.hex(), ASSERTION.hex(),
    )  # fmt: skip
    assert standing.key == world.gateways["customs"].public_key.hex()
    assert standing.given < (standing.used or 0)


# --- the policy


def test_a_policy_holds_from_the_next_block_and_until_it_is_ended(world: World) -> None:
    first, second = world.sign("maker", end(world, ITEM)), world.sign("maker", end(world, OTHER))
    assert codes(world, policy(world, "end", by="maker"), first) == ["", ""]
    assert codes(world, second) == ["not_approved"]
    assert codes(world, policy(world, by="maker"), second) == ["", "repeated"]
    assert codes(world, world.sign("maker", end(world, OTHER))) == [""]


def end(world: World, name: str) -> Item:
    return world.item(Action.END, [(Role.OBJECT, name)])


def test_a_policy_may_guard_itself(world: World) -> None:
    assert codes(world, policy(world, "policy")) == [""]
    loosened = policy(world)
    assert codes(world, loosened) == ["not_approved"]
    again = policy(world)
    assert codes(world, approval(world, again.item_hashes[0]), again) == ["", ""]
    assert codes(world, world.sign("customs", release(world))) == [""]


def test_only_an_approver_key_sets_a_policy(world: World) -> None:
    assert codes(world, policy(world, "end", key=world.keys["customs"])) == ["not_entitled"]


@pytest.mark.parametrize(
    ("acts", "code"),
    [
        (("accept",), "malformed"),
        ((1,), "malformed"),
        (("release", "end"), "not_canonical"),
        (("end", "end"), "not_canonical"),
        (POLICY_ACTS, ""),
    ],
)
def test_a_policy_names_known_acts_in_order(world: World, acts: tuple[Any, ...], code: str) -> None:
    assert codes(world, policy(world, *acts, by="maker")) == [code]


# --- the proof


@pytest.fixture
def released(world: World) -> World:
    act = release(world)
    world.commit(approval(world, act))
    world.commit(world.sign("customs", act))
    return world


def test_a_verdict_says_that_a_person_approved(released: World) -> None:
    data = build(Past(released), [thing(ITEM)])
    found = assess(data, forgery.anchor_of(released), now_ms=released.now_ms)
    (subject,) = found.subjects
    lines = [line for line in subject.timeline if "approved by a person" in line]
    assert len(lines) == 1
    assert "release" in lines[0]
    assert [check.state for check in subject.checks if check.name == "persons"] == ["ok"]


def test_an_act_under_policy_without_its_approval_is_not_proven(
    released: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quorum that let it pass would be found out: the verifier holds acts to the policy by itself."""
    act = release(released, OTHER)
    with monkeypatch.context() as lax:
        lax.setattr("ledger.state.block.use_approval", lambda *_: {})
        released.commit(released.sign("customs", act))
    with pytest.raises(ProofError, match="a person's approval"):
        build(Past(released), [thing(OTHER)])
    with monkeypatch.context() as lax:
        lax.setattr("ledger.proof.replay.is_approved", lambda *_: True)
        data = build(Past(released), [thing(OTHER)])
    with pytest.raises(CustodyError, match="a person's approval"):
        verify(data, forgery.anchor_of(released))


def test_proofs_of_older_ledgers_ask_for_no_policy(released: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as older:
        older.setattr(replay_module, "POLICIES_SINCE", 3)
        data = build(Past(released), [thing(ITEM)])
        assert verify(data, forgery.anchor_of(released))
    with pytest.raises(ProofError, match="it is not shown"):
        verify(data, forgery.anchor_of(released))


@pytest.mark.parametrize("ends", [(1, 1), (2, 0)], ids=["revoked", "compromised"])
def test_an_approval_ends_with_the_key_that_gave_it(world: World, ends: tuple[int, int]) -> None:
    first, second = release(world), release(world, OTHER)
    assert codes(world, approval(world, first), approval(world, second)) == ["", ""]
    act, last = ends
    said = (act, world.gateways["customs"].public_key, last)
    marked = world.sign("customs", said, kind=Kind.REGISTRATION, key=world.approvers["customs"])
    assert codes(world, marked, world.sign("customs", first)) == ["", ""]  # it holds from the next block on
    assert codes(world, world.sign("customs", second)) == ["not_approved"]
