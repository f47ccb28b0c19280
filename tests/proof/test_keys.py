"""What verdicts say of keys and licences: by what right it was made, and which keys are known to have been in other hands."""

from __future__ import annotations

import pytest

from ledger.base.errors import ProofError
from ledger.base.keys import Signer
from ledger.chain.transaction import Kind
from ledger.members.members import Key
from ledger.members.registration import Act, Reason
from ledger.proof.verdict import SubjectVerdict, Word, assess
from ledger.proof.verify import verify
from ledger.trade.rules.view import thing
from ledger.trade.statement import Action, Role
from tests.proof import forgery
from tests.world.world import World, serial

ITEM = serial("9521234", 1, 1)


def judged(world: World) -> SubjectVerdict:
    data = forgery.prove(world, thing(ITEM))
    return assess(data, forgery.anchor_of(world), now_ms=world.now_ms).subjects[0]


def said(verdict: SubjectVerdict, name: str) -> list[tuple[str, str]]:
    return [(check.state, check.sentence) for check in verdict.checks if check.name == name]


def register(world: World, item: tuple[object, ...], key: Signer, by: str = "maker") -> None:
    (receipt,) = world.commit(world.sign(by, item, kind=Kind.REGISTRATION, key=key)).receipts
    assert receipt.refusal == ""


def test_what_was_made_under_a_licence_names_the_licensor_of_that_time() -> None:
    world = World(certifying=True, grants={"9521234": "maker"})
    register(world, (Act.LICENSE, "9521234", "carrier", None), world.keys["maker"])
    world.do("carrier", Action.MAKE, [(Role.OBJECT, ITEM)])
    register(world, (Act.END_LICENCE, "9521234", "carrier"), world.keys["maker"])  # what it made stays made
    verdict = judged(world)
    assert verdict.status == Word.CONSISTENT
    assert said(verdict, "origin") == [("ok", "made by carrier under licence of maker")]
    assert any("under licence" in line for line in verdict.timeline)


def test_events_since_a_key_was_compromised_are_flagged_and_those_before_are_not() -> None:
    world = World(certifying=True)
    world.do("maker", Action.MAKE, [(Role.OBJECT, ITEM)])
    assert said(judged(world), "keys") == []
    world.do("maker", Action.OBSERVE, [(Role.OBJECT, ITEM)])  # block 2
    world.do("maker", Action.OBSERVE, [(Role.OBJECT, ITEM)])
    register(world, (Act.COMPROMISED, world.keys["maker"].public_key, 2), world.approvers["maker"])
    verdict = judged(world)
    assert verdict.status == Word.CONSISTENT_WITH_GAPS
    assert [state for state, _ in said(verdict, "keys")] == ["gap", "gap"]
    register(world, (Act.COMPROMISED, world.keys["maker"].public_key, 1), world.approvers["maker"])
    assert len(said(judged(world), "keys")) == 3


def test_a_mark_is_read_of_a_key_that_was_revoked_before() -> None:
    world = World(certifying=True)
    world.do("maker", Action.MAKE, [(Role.OBJECT, ITEM)])
    register(
        world, (Act.REVOKE, world.keys["maker"].public_key, Reason.SUPERSEDED), world.authorities["maker"]
    )
    assert said(judged(world), "keys") == []
    register(world, (Act.COMPROMISED, world.keys["maker"].public_key, 1), world.authorities["maker"])
    assert len(said(judged(world), "keys")) == 1


def test_a_device_that_was_compromised_is_flagged_too() -> None:
    world = World(certifying=True)
    item = world.attested("maker", world.item(Action.MAKE, [(Role.OBJECT, ITEM)]), 1)
    world.commit(world.sign("maker", item))
    register(world, (Act.COMPROMISED, world.devices["maker"].public_key, 0), world.authorities["maker"])
    assert [line.split(" was")[0] for _, line in said(judged(world), "keys")] == ["the device of maker"]


def test_an_event_by_a_key_that_was_marked_already_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quorum that lets it in all the same convinces nobody: the rules are run again."""
    world = World(certifying=True)
    world.do("maker", Action.MAKE, [(Role.OBJECT, ITEM)])
    register(world, (Act.COMPROMISED, world.keys["maker"].public_key, 1), world.authorities["maker"])
    with monkeypatch.context() as lenient:
        lenient.setattr(Key, "check_in_force", lambda *_: None)
        world.do("maker", Action.OBSERVE, [(Role.OBJECT, ITEM)])
        data = forgery.prove(world, thing(ITEM))
        verify(data, forgery.anchor_of(world))
    with pytest.raises(ProofError, match="compromised"):
        verify(data, forgery.anchor_of(world))
