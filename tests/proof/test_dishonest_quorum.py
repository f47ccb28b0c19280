"""What even a quorum of liars cannot certify of the subject asked for: the rules are run again, and they say otherwise.

The evidence here is that of an honest prover with one lie in it, chain heads and certified records made to fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ledger.base.errors import ProofError
from ledger.members.members import Use
from ledger.members.registry import Entry, Kind, Period
from ledger.proof.build import RecordingEvidence
from ledger.proof.replay import Opened, Replayed, check_legs, replay
from ledger.state.links import Link, extended
from ledger.trade.record import EMPTY, Chain, Origin, Record, Status, SubjectKey
from ledger.trade.rules import Outcome
from ledger.trade.rules.view import thing
from ledger.trade.statement import Action, Role
from tests.world.past import Past
from tests.world.world import World, serial, sscc

MAKER = "9521234"
ITEM, CASE = serial(MAKER, 1, 1), sscc(MAKER, 1)
KEY = thing(ITEM)


class Liar(RecordingEvidence):
    """Honest but for: `link` (put in the place of the only one), `record` (fields certified), `key`, `opened`."""

    def __init__(self, world: World) -> None:
        super().__init__(Past(world))
        self.link: dict[str, Any] = {}
        self.record: dict[str, Any] = {}
        self.registered: dict[str, Any] = {}
        self.opened: dict[str, Any] = {}
        self.moved: dict[str, Any] = {}

    def _lied(self, link: Link) -> Link:
        return link._replace(**self.link)

    def chain(self, key: SubjectKey, *, aside: bool) -> Sequence[Link]:
        links = super().chain(key, aside=aside)
        return tuple(self._lied(link) for link in links) if key == KEY else links

    def current(self, key: SubjectKey) -> Record:
        found = super().current(key)
        if key != KEY:
            return found._replace(**self.moved)
        if self.link:
            last = self._history.link(KEY, 1, aside=False)
            head = extended(self.network, Chain(0, EMPTY.links.head), self._lied(last))
            found = found._replace(links=head, moves=head)
        return found._replace(**self.record)

    def exact(self, kind: int, name: str) -> Entry | None:
        found = super().exact(kind, name)
        if kind == Kind.KEY and name in self.registered:
            return Entry(int(kind), name, (Period(0, None, self.registered[name]),))
        return found

    def open(self, entry: bytes) -> Opened:
        found = super().open(entry)
        changed = {name: change(getattr(found, name)) for name, change in self.opened.items()}
        return found._replace(**changed)

    def run(self, height: int = 99, size: int = 99) -> Replayed:
        return replay(self, KEY, height, size)


@pytest.fixture
def made() -> Liar:
    world = World()
    item = world.attested("maker", world.item(Action.MAKE, [(Role.OBJECT, ITEM)]), 1)
    world.commit(world.sign("maker", item))
    return Liar(world)


@pytest.fixture
def packed() -> Liar:
    world = World()
    world.do("maker", Action.MAKE, [(Role.OBJECT, ITEM)])
    world.do("maker", Action.PACK, [(Role.PARENT, CASE), (Role.CHILD, ITEM)])
    world.do("maker", Action.OFFER, [(Role.OBJECT, CASE)], to="carrier")
    world.do("carrier", Action.ACCEPT, [(Role.OBJECT, CASE)])
    return Liar(world)


def test_without_a_lie_it_holds(made: Liar, packed: Liar) -> None:
    assert made.run().custodian == "maker"
    assert packed.run().custodian == "carrier"


@pytest.mark.parametrize(
    "lie",
    [
        {"code": int(Outcome.MADE_UNATTESTED)},
        {"custodian": "carrier"},
        {"custodian": None},
        {"code": int(Outcome.OBSERVED)},
    ],
)
def test_another_outcome_or_custodian(made: Liar, lie: dict[str, Any]) -> None:
    made.link = lie
    with pytest.raises(ProofError, match="expected outcome 20 and custodian maker"):
        made.run()


@pytest.mark.parametrize(
    "lie",
    [
        {"origin": Origin.UNATTESTED}, {"maker": "carrier"}, {"custodian": "carrier"}, {"status": Status.ENDED}, {"seals": ("S",)},
        {"former": ("carrier",)}, {"source": "|lot"}, {"moved": 7}, {"last": None}, {"shipped": True}, {"claimed": True},
    ],
)  # fmt: skip
def test_another_record(made: Liar, lie: dict[str, Any]) -> None:
    made.record = lie
    with pytest.raises(ProofError, match="follow from the events shown"):
        made.run()


def test_sums_of_what_lies_below_are_taken_as_certified(made: Liar) -> None:
    """PROOF.md §1 says so: they change without a link of the record's own."""
    made.record = {"children": 5, "levels": 2}
    assert made.run().record.children == 5


def test_a_key_or_device_of_somebody_else(made: Liar) -> None:
    world = World()
    signer, device = world.keys["maker"].public_key.hex(), world.devices["maker"].public_key.hex()
    for name, data in (
        (signer, ("carrier", int(Use.SIGN), None, None)), (signer, ("maker", int(Use.DEVICE), None, None)), (signer, None),
        (device, ("carrier", int(Use.DEVICE), None, None)), (device, ("maker", int(Use.SIGN), None, None)), (device, None),
    ):  # fmt: skip
        made.registered = {name: data}
        made._members.clear()
        with pytest.raises(ProofError, match="to be registered for maker"):
            made.run()


def test_an_event_after_the_checkpoint(made: Liar) -> None:
    for height, size in ((0, 99), (99, 0)):
        with pytest.raises(ProofError, match="expected entries up to height"):
            made.run(height, size)


def test_an_item_that_does_not_name_the_subject(made: Liar) -> None:
    made.opened = {"subjects": lambda _: ()}
    with pytest.raises(ProofError, match="to name"):
        made.run()
    made.opened = {"subjects": lambda subjects: tuple(one._replace(role=Role.PARENT) for one in subjects)}
    with pytest.raises(ProofError, match="to be the author's"):
        made.run()


def test_an_official_act_without_jurisdiction(made: Liar) -> None:
    made.opened = {"statement": lambda statement: statement._replace(action=int(Action.DISMISS))}
    with pytest.raises(ProofError, match="expected rules that accept entry 0: expected an authority"):
        made.run()


def test_a_custodian_that_no_event_explains(packed: Liar) -> None:
    packed.moved = {"custodian": "forwarder"}
    with pytest.raises(ProofError, match="no change of"):
        packed.run()


def test_a_list_of_legs_that_is_not_all_of_it(made: Liar) -> None:
    network = made.network
    legs = [(KEY, 250), (thing(CASE), 250)]
    chain = EMPTY.legs
    for leg in legs:
        chain = extended(network, chain, leg)
    record = EMPTY._replace(legs=chain)
    check_legs(network, record, legs)
    for wrong in (legs[:1], legs[::-1], [*legs, legs[0]], [(KEY, 251), legs[1]], []):
        with pytest.raises(ProofError, match="expected the list of all 2 subjects"):
            check_legs(network, record, wrong)
