"""One part of an honest bundle altered, or one journey left out: each is noticed by the one check that ties it down.

The parts altered here are such that nothing else would notice: the rules do not weigh them, or take them as certified.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from ledger.base.errors import ProofError
from ledger.proof import build as building
from ledger.proof import bundle as wire
from ledger.proof import replay as replaying
from ledger.proof.build import RecordingEvidence
from ledger.proof.verdict import Word, assess
from ledger.proof.verify import verify
from ledger.state import attestation as executing
from ledger.state.links import Link
from ledger.trade.record import SubjectKey
from ledger.trade.rules.view import thing
from ledger.trade.statement import Action, Quantity, Role
from tests.proof import forgery
from tests.proof.documents import Desk, event_of
from tests.world.world import World, serial, sscc

MAKER = "9521234"
ITEM, CASE = serial(MAKER, 1, 1), sscc(MAKER, 5)
KEY = thing(ITEM)


@pytest.fixture
def world() -> World:
    """An item in a case that was known before, so that its journey is all that a walk along it shows."""
    world = World()
    world.do("maker", Action.PACK, [(Role.PARENT, CASE), (Role.CHILD, serial(MAKER, 1, 2))])
    world.do("maker", Action.MAKE, [(Role.OBJECT, ITEM)])
    world.do("maker", Action.PACK, [(Role.PARENT, CASE), (Role.CHILD, ITEM)])
    return world


def went_and_came_back(world: World) -> None:
    for sender, receiver in (("maker", "carrier"), ("carrier", "maker")):
        world.do(sender, Action.OFFER, [(Role.OBJECT, CASE)], to=receiver)
        world.do(receiver, Action.ACCEPT, [(Role.OBJECT, CASE)])


# --- a container's journey


def test_a_journey_that_came_back_is_in_the_proof(world: World) -> None:
    went_and_came_back(world)
    proven = forgery.check(world, KEY).nested.proven[KEY].replayed
    assert [step.link.custodian for step in proven.steps if step.key == thing(CASE)] == ["carrier", "maker"]


def test_a_journey_that_came_back_cannot_be_left_out(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    """The case is where it was, in the same custody: only its moves chain tells that it was elsewhere in between."""
    went_and_came_back(world)

    class Hiding(RecordingEvidence):
        def moves(self, key: SubjectKey, first: int, last: int) -> Sequence[Link]:
            return ()

    with monkeypatch.context() as patch:
        patch.setattr(building, "RecordingEvidence", Hiding)
        patch.setattr(replaying.Replay, "_check_fold", lambda *_: None)
        without = forgery.prove(world, KEY)
    with pytest.raises(ProofError, match="moves of"):
        verify(without, forgery.anchor_of(world))


def test_a_restored_parent_is_in_the_proof(world: World) -> None:
    """A correction that puts the item back reads the case that no subject names: it is certified before the event, too."""
    world.do("maker", Action.UNPACK, [(Role.PARENT, CASE), (Role.CHILD, ITEM)])
    unpacked = world.rows[-1].changes.item
    assert unpacked is not None
    world.do("maker", Action.CORRECT, [(Role.CHILD, ITEM)], cites=unpacked.event_hash)
    assert world.record(KEY).parent == CASE
    assert forgery.check(world, KEY).nested.proven[KEY].replayed.containers == (CASE,)


# --- one part


def altered(
    world: World, part: str, change: Callable[[Any], Any], *, of: Callable[[Any], bool] = lambda _: True
) -> bytes:
    """The honest bundle of the item with `change` made to the first of its records or entries for which `of` holds."""
    bundle = wire.bundle_from_bytes(forgery.prove(world, KEY))
    members = list(getattr(bundle, part))
    place = next(place for place, member in enumerate(members) if of(member))
    changed = change(members[place])
    assert changed != members[place]
    members[place] = changed
    parts: dict[str, Any] = {part: tuple(members)}
    return bundle._replace(**parts).to_bytes()


def refusal(world: World, data: bytes) -> str:
    with pytest.raises(ProofError) as caught:
        verify(data, forgery.anchor_of(world))
    return caught.value.message


def test_a_record_is_the_one_under_the_state_root(world: World) -> None:
    """How many things lie in the item: taken as certified, so only the state root tells."""
    data = altered(
        world,
        "records",
        lambda shown: shown._replace(record=shown.record._replace(children=5)),
        of=lambda shown: shown.key == KEY,
    )
    assert "that the state root commits to" in refusal(world, data)


def test_an_item_is_the_one_its_entry_commits_to(world: World) -> None:
    """When the event is said to have been: a claim that no rule weighs."""

    def claimed_otherwise(shown: wire.ShownEntry) -> wire.ShownEntry:
        statement = shown.parts.statement
        return shown._replace(parts=shown.parts._replace(statement=statement._replace(time_ms=1)))

    assert "commits to" in refusal(world, altered(world, "entries", claimed_otherwise))


def test_a_subject_is_one_of_its_item(world: World) -> None:
    """A quantity, which no rule weighs for a serial."""

    def with_quantity(shown: wire.ShownEntry) -> wire.ShownEntry:
        opening = shown.subjects[0]
        subject = opening.subject._replace(quantity=Quantity(7, 0, ""))
        return shown._replace(subjects=(opening._replace(subject=subject), *shown.subjects[1:]))

    assert "expected a subject of entry" in refusal(world, altered(world, "entries", with_quantity))


def test_a_record_before_an_event_is_the_one_certified(world: World) -> None:
    """How many things lay in the item then."""

    def with_children(shown: wire.ShownEntry) -> wire.ShownEntry:
        place = next(place for place, one in enumerate(shown.related) if one.key == KEY)
        related = list(shown.related)
        related[place] = related[place]._replace(record=related[place].record._replace(children=5))
        return shown._replace(related=tuple(related))

    data = altered(world, "entries", with_children, of=lambda shown: shown.entry.sequence == 1)
    assert "as certified before entry 1" in refusal(world, data)


def test_an_attestation_in_a_bundle_has_to_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that a quorum let pass."""
    world = World()
    item = world.attested("maker", world.item(Action.MAKE, [(Role.OBJECT, ITEM)]), 1)
    assert item.attestation is not None
    forged = item._replace(attestation=item.attestation._replace(signature=bytes(64)))
    with monkeypatch.context() as patch:
        patch.setattr(executing, "is_attested", lambda *_: True)
        world.commit(world.sign("maker", forged))
    assert "the attestation of entry 0 to hold" in refusal(world, forgery.prove(world, KEY))


def test_bytes_that_say_something_else_are_found_out(world: World) -> None:
    """Of the same goods, so that the subjects agree and only the statement does not."""
    desk = Desk(world)
    written = event_of(ITEM, step="inspecting", action="OBSERVE")
    desk.put("maker", desk.item(written, said=event_of(ITEM, step="storing", action="OBSERVE")))
    verdict = assess(desk.prove(KEY), forgery.anchor_of(world), now_ms=world.now_ms)
    assert verdict.status == Word.CONTRADICTED
