"""Ways to get a false history past the verifier that need an author, a prover or a file of one's own, each tried."""

from __future__ import annotations

import pytest

from ledger.base.errors import CustodyError
from ledger.trade.rules.view import thing
from ledger.trade.statement import Action, Role
from tests.proof import forgery
from tests.world.world import World, serial, sscc

MAKER = "9521234"
ITEM = serial(MAKER, 1, 1)
CASE = sscc(MAKER, 5)
LOW, HIGH = sscc(MAKER, 1), sscc(MAKER, 2)


def handed_over(world: World, name: str, sender: str, receiver: str) -> None:
    world.do(sender, Action.OFFER, [(Role.OBJECT, name)], to=receiver)
    world.do(receiver, Action.ACCEPT, [(Role.OBJECT, name)])


def test_a_second_parent_cannot_hide_where_the_case_really_went(monkeypatch: pytest.MonkeyPatch) -> None:
    """An author names two parents; the case is in one, and its proof walks the other, whose custody never changed.

    Execution refuses such an event; the verifier has to stand without that.
    """
    monkeypatch.setattr("ledger.state.block.check_entitled", lambda *_args, **_settings: None)
    world = World()
    world.do("maker", Action.MAKE, [(Role.OBJECT, ITEM)])
    world.do("maker", Action.PACK, [(Role.PARENT, CASE), (Role.CHILD, ITEM)])
    world.do("maker", Action.PACK, [(Role.PARENT, LOW), (Role.PARENT, HIGH), (Role.CHILD, CASE)])
    assert world.record(thing(CASE)).parent == LOW
    handed_over(world, LOW, "maker", "carrier")
    handed_over(world, LOW, "carrier", "maker")
    honest = forgery.check(world, thing(ITEM)).nested.proven[thing(ITEM)].replayed
    assert [step.link.custodian for step in honest.steps][-2:] == ["carrier", "maker"]
    forgery.hiding(monkeypatch, lambda opened, key: opened.entry.sequence == 2 and key == thing(LOW))
    with pytest.raises(CustodyError):
        forgery.check(world, thing(ITEM))
