"""Every builder's event extracts to the act it is meant to be, about exactly the things it was given."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client import events
from client.events import Circumstances, Draft
from client.events.draft import CONTEXT, spelled_time
from client.spelling import Thing
from ledger.base.errors import FormError
from ledger.trade.extract import extract
from ledger.trade.identifiers import Identifier, canonical
from ledger.trade.slices import document_slices
from ledger.trade.statement import Action, Flag, Openness, Quantity, Role
from tests.client.strategies import CIRCUMSTANCES, CONTAINERS, DOCUMENTS, PARTIES, SERIALS, THINGS
from tests.world.world import lot, serial

AT = Circumstances(1_700_000_000_000)
CONTAINER = canonical("urn:epc:id:bic:CSQU3054383")
ITEM = Thing(canonical(serial("9521234", 1, 1)))
PARTY = canonical("https://id.gs1.org/417/9521200000016")
DOCUMENT = canonical("urn:custody:doc:ucr:4NL123456789-A7")

Build = Callable[[Circumstances, Sequence[Thing]], Draft]
SIMPLE: dict[str, tuple[Action, Role, Build]] = {
    "make": (Action.MAKE, Role.OBJECT, events.make),
    "pack": (Action.PACK, Role.CHILD, lambda at, things: events.pack(at, CONTAINER, things)),
    "mount": (Action.PACK, Role.CHILD, lambda at, things: events.pack(at, CONTAINER, things, mounted=True)),
    "unpack": (Action.UNPACK, Role.CHILD, lambda at, things: events.unpack(at, CONTAINER, things)),
    "transform": (Action.TRANSFORM, Role.INPUT, lambda at, things: events.transform(at, things, ())),
    "transform into": (Action.TRANSFORM, Role.OUTPUT, lambda at, things: events.transform(at, (), things)),
    "offer": (Action.OFFER, Role.OBJECT, lambda at, things: events.offer(at, things, PARTY)),
    "open offer": (Action.OFFER, Role.OBJECT, events.open_offer),
    "accept": (Action.ACCEPT, Role.OBJECT, events.accept),
    "compare": (
        Action.ACCEPT,
        Role.CONTENT,
        lambda at, things: events.accept(at, [Thing(CONTAINER)], contents=things),
    ),
    "reject": (Action.REJECT, Role.OBJECT, events.reject),
    "dispute": (Action.DISPUTE, Role.OBJECT, events.dispute),
    "withdraw": (Action.WITHDRAW, Role.OBJECT, events.withdraw),
    "observe": (Action.OBSERVE, Role.OBJECT, events.observe),
    "holding": (Action.COMMERCIAL_HOLD, Role.OBJECT, events.holding),
    "hold": (Action.HOLD, Role.OBJECT, lambda at, things: events.hold(at, things, case="C/1")),
    "release": (Action.RELEASE, Role.OBJECT, lambda at, things: events.release(at, things, case="C/1")),
    "confirm": (
        Action.CONFIRM,
        Role.OBJECT,
        lambda at, things: events.confirm(at, things, event_hash=bytes(32)),
    ),
    "dismiss": (
        Action.DISMISS,
        Role.OBJECT,
        lambda at, things: events.dismiss(at, things, event_hash=bytes(32)),
    ),
    "destroy": (Action.END, Role.OBJECT, events.end),
    "sell": (Action.END, Role.OBJECT, lambda at, things: events.end(at, things, how="retail_selling")),
    "sample": (Action.SAMPLE, Role.INPUT, lambda at, things: events.sample(at, things, [Thing(CONTAINER)])),
    "bind": (Action.BIND, Role.OBJECT, lambda at, things: events.bind(at, [DOCUMENT], things)),
    "unbind": (Action.UNBIND, Role.OBJECT, lambda at, things: events.unbind(at, [DOCUMENT], things)),
}


@pytest.mark.parametrize("name", SIMPLE)
@given(at=CIRCUMSTANCES, things=THINGS)
def test_each_event_is_the_act_it_is_meant_to_be(name: str, at: Circumstances, things: list[Thing]) -> None:
    action, role, build = SIMPLE[name]
    draft = build(at, things)
    said = draft.extract.statement
    assert draft.action is action
    assert draft.extract == extract(draft.event, draft.context)
    named = {one.identifier: one.quantity for one in draft.extract.subjects if one.role == role}
    assert named == {one.identifier.text: one.quantity for one in things}
    assert said.time_ms == at.time_ms
    assert said.place == next((one.text for one in (at.place, at.location) if one is not None), None)
    assert said.seals == at.seals
    if action not in (Action.BIND, Action.UNBIND):
        assert said.documents == tuple(one.text for one in at.documents)
    assert said.flags & ~Flag.ASSOCIATION == 0


@given(at=CIRCUMSTANCES, things=THINGS)
def test_an_event_stands_alone_and_in_a_document_as_the_same_bytes(
    at: Circumstances, things: list[Thing]
) -> None:
    draft = events.hold(at, things, case="C/1")
    assert draft.context == CONTEXT
    document = b'{"@context":%b,"type":"EPCISDocument","epcisBody":{"eventList":[%b]}}' % (
        CONTEXT,
        draft.event,
    )
    slices = document_slices(document)
    assert (slices.context, slices.events) == (draft.context, (draft.event,))
    assert json.loads(draft.event)["eventTime"]


@given(
    at=CIRCUMSTANCES,
    things=THINGS,
    to=PARTIES,
    sender=st.none() | PARTIES,
    lapses_ms=st.none() | st.integers(0, 4_000_000_000_000),
)
def test_an_offer_says_to_whom_from_whom_and_until_when(
    at: Circumstances, things: list[Thing], to: Identifier, sender: Identifier | None, lapses_ms: int | None
) -> None:
    said = events.offer(at, things, to, sender=sender, lapses_ms=lapses_ms).extract.statement
    assert (said.counterparty, said.lapse_ms) == (to.text, lapses_ms)
    assert said.source == (None if sender is None else sender.text)
    assert events.open_offer(at, things).extract.statement.counterparty is None


@given(things=THINGS, missing=SERIALS, box=CONTAINERS)
def test_an_acceptance_says_what_is_wrong(things: list[Thing], missing: Thing, box: Thing) -> None:
    if missing in things:
        return
    at = AT._replace(other_seals=("77-B",))
    draft = events.accept(at, [box], missing=[missing], damaged=True, count=len(things), contents=things)
    said = draft.extract.statement
    assert said.flags == Flag.RESERVATION | Flag.OTHER_SEAL | Flag.FEWER
    assert said.seals == ("77-B",)
    by_role = {role: [one.identifier for one in draft.extract.subjects if one.role == role] for role in Role}
    assert by_role[Role.MISSING] == [missing.identifier.text]
    assert sorted(by_role[Role.CONTENT]) == sorted(one.identifier.text for one in things)
    parent = next(one for one in draft.extract.subjects if one.role == Role.PARENT)
    assert parent.quantity == Quantity(len(things), 0, "")


@given(at=CIRCUMSTANCES, things=THINGS, to=PARTIES, document=DOCUMENTS)
def test_a_binding_may_offer_in_the_same_event(
    at: Circumstances, things: list[Thing], to: Identifier, document: Identifier
) -> None:
    said = events.bind(at, [document], things, to=to).extract.statement
    assert (said.action, said.handover, said.counterparty) == (Action.BIND, Action.OFFER, to.text)
    emptied = events.unbind(at, [document])
    assert emptied.action is Action.UNBIND_ALL
    assert [one.identifier for one in emptied.extract.subjects] == [document.text]


@given(
    things=THINGS,
    legs=st.lists(st.tuples(PARTIES, PARTIES), min_size=1, max_size=8),
    until_ms=st.integers(0, 4_000_000_000_000),
)
def test_a_permit_says_its_legs_end_and_seal(
    things: list[Thing], legs: list[tuple[Identifier, Identifier]], until_ms: int
) -> None:
    at = AT._replace(seals=("NL-1",))
    terms = events.permit(at, things, case="C/1", legs=legs, until_ms=until_ms).extract.statement.permit
    assert terms is not None
    assert [(leg.sender, leg.receiver) for leg in terms.legs] == [(a.text, b.text) for a, b in legs]
    assert (terms.until_ms, terms.seal) == (until_ms, "NL-1")


def test_emptying_names_the_parent_alone() -> None:
    draft = events.unpack_all(AT, CONTAINER)
    assert draft.action is Action.UNPACK_ALL
    assert [one.identifier for one in draft.extract.subjects] == [CONTAINER.text]


def test_a_hold_says_case_basis_and_seizure() -> None:
    said = events.hold(AT, [ITEM], case="2023/0815", basis="UCC-198", measure="seize").extract.statement
    assert said.measure == ("2023/0815", "UCC-198")
    assert said.flags == Flag.SEIZE


def test_serials_name_the_lot_they_come_from() -> None:
    draft = events.make(AT, [ITEM], lot="L7")
    assert draft.extract.subjects[1][:2] == (Role.LOT, lot("9521234", 1, "L7"))


def test_a_place_may_be_observed_without_goods() -> None:
    draft = events.observe(AT._replace(place=canonical("https://id.gs1.org/414/9521200000016")), [])
    assert [one.role for one in draft.extract.subjects] == [Role.PLACE]


@pytest.mark.parametrize("name", SIMPLE)
@given(at=CIRCUMSTANCES, things=THINGS)
def test_a_correction_is_about_exactly_the_subjects_of_its_original(
    name: str, at: Circumstances, things: list[Thing]
) -> None:
    original = SIMPLE[name][2](at, things)
    corrected = events.correct(AT, original.event, original.context, original=bytes(range(32)))
    said = corrected.extract.statement
    assert corrected.action is Action.CORRECT
    assert said.cites == bytes(range(32))
    assert corrected.extract.subjects == original.extract.subjects
    assert corrected.event.startswith(original.event[:-1])


def test_a_correction_of_an_event_that_is_on_no_ledger_cites_nothing() -> None:
    original = events.make(AT, [ITEM])
    assert events.correct(AT, original.event, original.context, original=None).extract.statement.cites is None


def test_what_is_corrected_already_is_not_corrected_again() -> None:
    original = events.make(AT, [ITEM])
    once = events.correct(AT, original.event, None, original=None)
    with pytest.raises(FormError, match="no correction itself"):
        events.correct(AT, once.event, None, original=None)


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: events.make(AT, []), "at least one identifier"),
        (lambda: events.accept(AT, []), "at least one identifier"),
        (lambda: events.unbind(AT, []), "at least one document"),
        (lambda: events.transform(AT, [], []), "inputs or outputs"),
        (lambda: events.end(AT, [ITEM], how="losing"), "an end by destroying"),
        (lambda: events.hold(AT, [ITEM], case="1", measure="keep"), "detain or seize"),
        (lambda: events.hold(AT, [ITEM], case=""), "case"),
        (lambda: events.observe(AT, [ITEM], step="shipping"), "only observes"),
        (lambda: events.observe(AT, [ITEM], step="flying"), "business step"),
        (lambda: events.observe(AT, []), "read point"),
        (lambda: events.accept(AT, [ITEM, Thing(CONTAINER)], contents=[ITEM]), "contents of one unit"),
        (lambda: events.make(AT, [ITEM, ITEM]), "once"),
        (lambda: events.pack(AT, CONTAINER, [Thing(CONTAINER)]), "once"),
        (lambda: events.correct(AT, b"[]", None, original=None), "JSON object"),
    ],
)
def test_what_makes_no_event_is_said_in_one_sentence(build: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(FormError, match=sentence):
        build()


def test_openness_changes_nothing_but_itself() -> None:
    draft = events.make(AT, [ITEM])
    restricted = draft.with_openness(Openness.RESTRICTED)
    assert restricted.event == draft.event
    assert restricted.extract == extract(draft.event, draft.context, openness=Openness.RESTRICTED)


def test_times_are_spelled_at_their_offset() -> None:
    assert spelled_time(1_700_000_000_123, 330) == "2023-11-15T03:43:20.123+05:30"
    assert spelled_time(-1) == "1969-12-31T23:59:59.999+00:00"
    with pytest.raises(FormError, match="years 1 to 9999"):
        spelled_time(10**18)
