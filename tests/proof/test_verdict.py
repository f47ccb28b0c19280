"""Each word of a verdict, what it takes, its exit code, and which goes first."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.base import limits
from ledger.proof.anchor import Anchor
from ledger.proof.checks import span
from ledger.proof.narrate import SENTENCES, display, instant
from ledger.proof.presented import Presented
from ledger.proof.verdict import DAY_MS, SubjectVerdict, Verdict, Word, assess
from ledger.trade.record import Space, SubjectKey
from ledger.trade.rules import Outcome
from ledger.trade.rules.balances import balance_key
from ledger.trade.rules.documents import document_key
from ledger.trade.rules.view import thing
from ledger.trade.statement import Action, Flag, Leg, Permit, Role
from tests.proof import forgery
from tests.world.world import World, lot, place, serial, sscc

MAKER = "9521234"
ITEM, OTHER = serial(MAKER, 1, 1), serial(MAKER, 1, 2)
CASE, CONTAINER = sscc(MAKER, 1), "urn:epc:id:bic:CSQU3054383"
LOT = lot(MAKER, 2, "A")
OWNED, FREE = "urn:custody:doc:mrn:24NL00051234567AK0", "urn:custody:doc:ucr:4NL123456-7"
OUTSIDER = "https://id.gs1.org/417/4000001000005"


@pytest.fixture
def world() -> World:
    """An item made; documents of one office belong to customs."""
    world = World(issuers={"NL0005": "maker"}, delegates={"driver": ("carrier", OWNED, 2**50)})
    world.do("maker", Action.MAKE, [(Role.OBJECT, ITEM)])
    return world


def judge(world: World, *keys: SubjectKey, **options: Any) -> Verdict:
    data = forgery.prove(world, *(keys or (thing(ITEM),)))
    return assess(data, forgery.anchor_of(world), now_ms=options.pop("now_ms", world.now_ms), **options)


def one(world: World, name: str = ITEM, **options: Any) -> SubjectVerdict:
    return judge(world, thing(name), **options).subjects[0]


def said(verdict: SubjectVerdict, name: str, state: str) -> list[str]:
    return [check.sentence for check in verdict.checks if (check.name, check.state) == (name, state)]


def hand_over(world: World, name: str, sender: str, receiver: str, **fields: Any) -> None:
    world.do(sender, Action.OFFER, [(Role.OBJECT, name)], to=receiver)
    world.do(receiver, Action.ACCEPT, [(Role.OBJECT, name)], **fields)


# --- the six words


def test_consistent(world: World) -> None:
    hand_over(world, ITEM, "maker", "carrier")
    verdict = judge(world)
    assert (verdict.status, verdict.exit_code, verdict.status.word) == (Word.CONSISTENT, 0, "CONSISTENT")
    assert verdict.headline.startswith(
        f"CONSISTENT: (01){ITEM[22:36]}(21)1, held by carrier, complete and agreed by a quorum as of "
    )
    assert verdict.headline.endswith("; physical match not checked.")
    assert said(verdict.subjects[0], "handovers", "ok") == ["1 two-sided handovers"]
    assert (verdict.height, verdict.time_ms, verdict.network) == (3, world.now_ms, world.network.hex())


def test_gaps(world: World) -> None:
    world.do("carrier", Action.ACCEPT, [(Role.OBJECT, ITEM)])
    verdict = judge(world)
    assert (verdict.status, verdict.exit_code) == (Word.CONSISTENT_WITH_GAPS, 4)
    assert "ONE-SIDED: carrier claims it, maker did not sign" in verdict.headline


def test_stale(world: World) -> None:
    verdict = judge(world)
    for age_ms, code in ((DAY_MS, 0), (DAY_MS + 1, 3)):
        verdict = judge(world, now_ms=world.now_ms + age_ms)
        assert verdict.exit_code == code
    assert "older than accepted" in verdict.headline
    assert judge(world, now_ms=world.now_ms + 3_000, max_age_ms=2_999).status == Word.STALE


def test_held(world: World) -> None:
    world.do("customs", Action.HOLD, [(Role.OBJECT, ITEM)], measure=("C-1", "UCC-198"), flags=Flag.SEIZE)
    verdict = judge(world)
    assert (verdict.status, verdict.exit_code) == (Word.HELD, 6)
    assert "seized by customs since" in verdict.headline
    assert "case C-1, under UCC-198" in verdict.headline


def test_contradicted(world: World) -> None:
    world.do("maker", Action.OFFER, [(Role.OBJECT, ITEM)], to="carrier")
    world.do("carrier", Action.MAKE, [(Role.OBJECT, ITEM)])
    verdict = judge(world)
    assert (verdict.status, verdict.exit_code) == (Word.CONTRADICTED, 7)
    assert "SECOND COMMISSIONING claimed by carrier" in verdict.headline


def test_not_proven(world: World) -> None:
    data = forgery.prove(world, thing(ITEM))
    anchor = forgery.anchor_of(world)
    torn = assess(data[:-1], anchor, now_ms=0)
    assert (torn.status, torn.exit_code, torn.subjects) == (Word.NOT_PROVEN, 5, ())
    assert torn.headline.startswith("NOT PROVEN: this file cannot be read as a bundle: ")
    foreign = assess(data, Anchor(*anchor._replace(network=bytes(32))), now_ms=0)
    assert (foreign.status, foreign.exit_code) == (Word.NOT_PROVEN, 1)
    assert foreign.headline.startswith("NOT PROVEN: this file proves nothing: ")
    assert json.loads(json.dumps(foreign.to_json()))["as_of"] is None


def test_the_first_that_holds_is_the_verdict(world: World) -> None:
    """Gaps, then stale, then held, then contradicted: each takes the word from the one before."""
    world.do("carrier", Action.ACCEPT, [(Role.OBJECT, ITEM)])
    later = world.now_ms + 3 * DAY_MS
    assert judge(world, now_ms=world.now_ms).exit_code == 4
    assert judge(world, now_ms=later).exit_code == 3
    world.do("customs", Action.HOLD, [(Role.OBJECT, ITEM)], measure=("C", "B"))
    assert judge(world, now_ms=later).exit_code == 6
    assert judge(world, now_ms=later, presented=Presented(by="carrier")).exit_code == 7


def test_the_worst_subject_names_the_file(world: World) -> None:
    world.do("maker", Action.MAKE, [(Role.OBJECT, OTHER)])
    world.do("customs", Action.HOLD, [(Role.OBJECT, OTHER)], measure=("C", "B"))
    verdict = judge(world, thing(ITEM), thing(OTHER))
    assert verdict.status == Word.HELD
    assert [subject.status for subject in verdict.subjects] == [Word.CONSISTENT, Word.HELD]
    assert verdict.headline.startswith("HELD: 2 subjects, 1 of them HELD, as of ")


def test_a_clock_behind_the_ledger_is_told(world: World) -> None:
    verdict = judge(world, now_ms=world.now_ms - 3_600_000)
    assert any("ahead of this device's clock" in check.sentence for check in verdict.checks)


def test_json_has_every_line(world: World) -> None:
    verdict = judge(world)
    value = json.loads(json.dumps(verdict.to_json()))
    assert (value["verdict"], value["exit_code"], value["headline"]) == ("CONSISTENT", 0, verdict.headline)
    assert value["subjects"][0]["id"] == ITEM
    assert len(value["subjects"][0]["checks"]) == len(verdict.subjects[0].checks)
    assert value["subjects"][0]["timeline"] == list(verdict.subjects[0].timeline)


# --- checks


def test_origins(world: World) -> None:
    world.do("carrier", Action.MAKE, [(Role.OBJECT, OTHER)])
    assert said(one(world, OTHER), "origin", "gap") == [
        "claimed to be made by carrier, prefix not granted to it"
    ]
    seen = serial(MAKER, 1, 3)
    world.do("carrier", Action.OBSERVE, [(Role.OBJECT, seen)])
    assert "origin unattested" in said(one(world, seen), "origin", "gap")[0]
    world.do("maker", Action.PACK, [(Role.PARENT, CONTAINER), (Role.CHILD, ITEM)])
    assert "unit of transport" in said(one(world, CONTAINER), "origin", "ok")[0]


def test_transformations(world: World) -> None:
    made, mixed = serial(MAKER, 3, 1), serial(MAKER, 3, 2)
    world.do("maker", Action.TRANSFORM, [(Role.INPUT, ITEM), (Role.OUTPUT, made)])
    assert said(one(world, made), "origin", "ok") == ["made by maker from 1 inputs, 0 of them unattested"]
    assert said(one(world), "status", "gap") == ["this subject is consumed in a transformation"]
    world.do("carrier", Action.MAKE, [(Role.OBJECT, OTHER)])
    world.do("maker", Action.TRANSFORM, [(Role.INPUT, OTHER), (Role.INPUT, made), (Role.OUTPUT, mixed)])
    gap = said(one(world, mixed), "origin", "gap")[0]
    assert "1 recorded only" in gap
    assert "1 of them unattested" in gap
    nested = forgery.check(world, thing(mixed)).nested
    assert {thing(made), thing(ITEM)} <= set(nested.proven)


def test_inputs_that_are_not_opened_are_said_and_are_a_gap(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = serial(MAKER, 3, 1)
    world.do("maker", Action.TRANSFORM, [(Role.INPUT, ITEM), (Role.OUTPUT, made)])
    monkeypatch.setattr(limits, "TRANSFORMATION_INPUTS", 0)
    assert "1 not opened here" in said(one(world, made), "origin", "gap")[0]


def test_an_output_of_a_contradicted_input_is_a_gap(world: World) -> None:
    """A second commissioning does not wash off in a transformation."""
    world.do("maker", Action.OFFER, [(Role.OBJECT, ITEM)], to="carrier")
    world.do("carrier", Action.MAKE, [(Role.OBJECT, ITEM)])
    world.do("maker", Action.WITHDRAW, [(Role.OBJECT, ITEM)])
    made = serial(MAKER, 3, 1)
    world.do("maker", Action.TRANSFORM, [(Role.INPUT, ITEM), (Role.OUTPUT, made)])
    assert "1 contradicted by somebody with standing" in said(one(world, made), "origin", "gap")[0]


def test_handovers_in_words(world: World) -> None:
    hand_over(world, ITEM, "maker", "carrier", flags=Flag.RESERVATION)
    assert "received with reservation by carrier" in said(one(world), "handovers", "gap")[0]
    world.do("carrier", Action.OFFER, [(Role.OBJECT, ITEM)])
    world.do("forwarder", Action.ACCEPT, [(Role.OBJECT, ITEM)])
    taking = world.rows[-1].changes.item
    assert taking is not None
    assert any("not confirmed by the sender" in line for line in said(one(world), "handovers", "gap"))
    world.do("carrier", Action.CONFIRM, [(Role.OBJECT, ITEM)], cites=taking.event_hash)
    assert not any("not confirmed" in line for line in said(one(world), "handovers", "gap"))
    world.do("forwarder", Action.OFFER, [(Role.OBJECT, ITEM)], counterparty=OUTSIDER)
    verdict = one(world)
    assert any("who is no member" in line for line in said(verdict, "handovers", "gap"))
    assert said(verdict, "custody", "gap") == [f"last left to {OUTSIDER}, outside the ledger"]
    world.do("customs", Action.ACCEPT, [(Role.OBJECT, ITEM)])
    assert any("nobody handed it over" in line for line in said(one(world), "handovers", "gap"))
    assert "(claimed)" in one(world).headline


def test_a_delegates_handover_is_said_to_be_one(world: World) -> None:
    world.do("maker", Action.BIND, [(Role.OBJECT, ITEM), (Role.DOCUMENT, OWNED)])
    world.do("maker", Action.OFFER, [(Role.OBJECT, ITEM)], to="carrier")
    world.do("carrier", Action.ACCEPT, [(Role.OBJECT, ITEM)], key=world.delegates["driver"])
    verdict = one(world)
    assert said(verdict, "handovers", "ok") == ["1 delegated handovers"]
    assert any("by a delegate's key" in line for line in verdict.timeline)


def test_missing_and_breaches(world: World) -> None:
    world.do("maker", Action.PACK, [(Role.PARENT, CASE), (Role.CHILD, ITEM)])
    world.do("maker", Action.OFFER, [(Role.OBJECT, CASE)], to="carrier")
    world.do("carrier", Action.ACCEPT, [(Role.PARENT, CASE), (Role.MISSING, ITEM)])
    assert "reported missing by carrier" in said(one(world), "handovers", "gap")[0]
    world.do("customs", Action.HOLD, [(Role.OBJECT, CASE)], measure=("C", "B"))
    world.do("carrier", Action.OFFER, [(Role.OBJECT, CASE)], to="maker")
    assert any("BREACH: carrier acted" in line for line in said(one(world, CASE), "handovers", "gap"))


def test_holds_above_below_and_permits(world: World) -> None:
    world.do("maker", Action.PACK, [(Role.PARENT, CASE), (Role.CHILD, ITEM)])
    world.do("customs", Action.HOLD, [(Role.OBJECT, ITEM)], measure=("C", "B"))
    assert said(one(world, CASE), "holds", "bad") == ["1 subjects inside are held by customs"]
    world.do("customs", Action.HOLD, [(Role.OBJECT, CASE)], measure=("D", "B"))
    assert any("(on what it is in or comes from)" in line for line in said(one(world), "holds", "bad"))
    permit = Permit((Leg(world.party_of("maker"), world.party_of("carrier")),), world.now_ms + 10**8, None)
    world.do("customs", Action.PERMIT, [(Role.OBJECT, CASE)], measure=("D", "B"), permit=permit)
    assert "0 of 1 legs used" in said(one(world, CASE), "permits", "ok")[0]


def test_recalled_lots(world: World) -> None:
    world.do("maker", Action.MAKE, [(Role.OBJECT, LOT, (10, 0, ""))])
    world.do("maker", Action.MAKE, [(Role.OBJECT, serial(MAKER, 2, 1)), (Role.LOT, LOT, (1, 0, ""))])
    world.do("customs", Action.HOLD, [(Role.OBJECT, LOT)], measure=("R", "B"))
    assert one(world, serial(MAKER, 2, 1)).status == Word.HELD
    verdict = judge(world, balance_key(LOT, "maker")).subjects[0]
    assert verdict.status == Word.HELD
    assert "with maker" in verdict.headline


def test_unattested_quantities(world: World) -> None:
    world.do("carrier", Action.MAKE, [(Role.OBJECT, LOT, (15, 1, "KGM"))])
    verdict = judge(world, balance_key(LOT, "carrier")).subjects[0]
    assert said(verdict, "quantity", "gap") == ["0.0 attested, 1.5 unattested KGM on balance"]


def test_documents(world: World) -> None:
    world.do("maker", Action.BIND, [(Role.OBJECT, ITEM), (Role.DOCUMENT, OWNED)])
    assert said(one(world), "documents", "ok") == [f"declared under {OWNED} by maker"]
    world.do("maker", Action.BIND, [(Role.OBJECT, ITEM), (Role.DOCUMENT, FREE)])
    assert said(one(world), "documents", "gap") == [f"declared under {FREE} by maker, unverified declarant"]
    document = judge(world, document_key(FREE)).subjects[0]
    assert said(document, "members", "ok") == ["1 subjects listed, the list is complete"]
    assert "an unverified declarant" in said(document, "origin", "ok")[0]
    world.do("maker", Action.UNBIND_ALL, [(Role.DOCUMENT, OWNED)])
    assert said(one(world), "documents", "ok") == []


def test_a_lot_named_as_a_document_is_none_and_the_event_is_proven_all_the_same(world: World) -> None:
    named = [(Role.OBJECT, ITEM), (Role.DOCUMENT, LOT), (Role.DOCUMENT, OWNED)]
    assert world.do("maker", Action.BIND, named)[:2] == (Outcome.BOUND, Outcome.FIRST_SEEN)
    assert said(one(world), "documents", "ok") == [f"declared under {OWNED} by maker"]
    world.do("maker", Action.BIND, [(Role.OBJECT, ITEM), (Role.DOCUMENT, LOT)])
    assert said(one(world), "documents", "ok") == [f"declared under {OWNED} by maker"]


def test_devices_and_ends(world: World) -> None:
    item = world.attested("maker", world.item(Action.END, [(Role.OBJECT, ITEM)]), 1)
    world.commit(world.sign("maker", item))
    verdict = one(world)
    assert said(verdict, "devices", "ok") == ["1 events were attested by a device at capture"]
    assert said(verdict, "status", "gap") == ["this subject is ended: destroyed, decommissioned or sold"]
    assert any("(attested by a device at capture)" in line for line in verdict.timeline)


def test_who_captured_is_told() -> None:
    """A gateway signs for clients that cannot: its organisation answers for it, and the history says so."""
    world = World(gateways=("maker",))
    made = world.item(Action.MAKE, [(Role.OBJECT, ITEM)])
    world.commit(world.sign("maker", made, key=world.gateways["maker"]))
    world.do("maker", Action.OBSERVE, [(Role.OBJECT, ITEM)])
    captured, signed = one(world).timeline
    assert captured.endswith("made by maker, holder of the prefix grant (signed by its gateway)")
    assert "gateway" not in signed


def test_simulated_parties_are_named() -> None:
    world = World(simulated=("maker",))
    world.do("maker", Action.MAKE, [(Role.OBJECT, ITEM)])
    assert judge(world).headline.endswith(" SIMULATED parties: maker.")


# --- what the officer sees


@pytest.mark.parametrize(
    ("presented", "word", "name"),
    [
        (Presented(by="maker"), Word.CONSISTENT, "presented by"), (Presented(by="carrier"), Word.CONTRADICTED, "presented by"),
        (Presented(place=place(1)), Word.CONSISTENT, "place"), (Presented(place=place(7)), Word.CONTRADICTED, "place"),
        (Presented(container=CASE), Word.CONSISTENT, "container"), (Presented(container=CONTAINER), Word.CONTRADICTED, "container"),
        (Presented(seal="S1"), Word.CONSISTENT, "seal"), (Presented(seal="S2"), Word.CONTRADICTED, "seal"),
    ],
)  # fmt: skip
def test_the_physical_match(world: World, presented: Presented, word: Word, name: str) -> None:
    world.do("maker", Action.PACK, [(Role.PARENT, CASE), (Role.CHILD, ITEM)], seals=("S1",))
    verdict = judge(world, presented=presented)
    assert verdict.status == word
    assert "physical match not checked" not in verdict.headline
    states = {check.name: check.state for check in verdict.subjects[0].checks}
    assert states[name] == ("ok" if word == Word.CONSISTENT else "bad")
    assert sum(state == "not checked" for state in states.values()) == 4


def test_counts(world: World) -> None:
    world.do("maker", Action.PACK, [(Role.PARENT, CASE), (Role.CHILD, ITEM)])
    for count, word in ((1, Word.CONSISTENT), (2, Word.CONTRADICTED)):
        assert judge(world, thing(CASE), presented=Presented(inside=count)).status == word
    assert judge(world, presented=Presented()).headline.endswith("physical match not checked.")


# --- words


def test_every_outcome_has_a_sentence() -> None:
    assert set(SENTENCES) == set(Outcome)


@given(st.integers(-(10**14), 10**14))
def test_instants_are_those_of_the_calendar(time_ms: int) -> None:
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    try:
        expected = epoch + dt.timedelta(milliseconds=time_ms // 60_000 * 60_000)
    except OverflowError:
        assert instant(time_ms).endswith(" UTC")
        return
    assert instant(time_ms) == f"{expected.year:04d}-{expected:%m-%d %H:%M} UTC"


@pytest.mark.parametrize(
    ("time_ms", "text"),
    [(0, "1970-01-01 00:00 UTC"), (951_782_400_000, "2000-02-29 00:00 UTC"), (-1, "1969-12-31 23:59 UTC"),
     (253_402_300_800_000, "10000-01-01 00:00 UTC"), (4_107_542_400_000, "2100-03-01 00:00 UTC")],
)  # fmt: skip
def test_known_instants(time_ms: int, text: str) -> None:
    assert instant(time_ms) == text


def test_spans() -> None:
    assert [span(minutes * 60_000) for minutes in (0, 119, 120, 2879, 2880)] == [
        "0 min",
        "119 min",
        "2 h",
        "47 h",
        "2 days",
    ]


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (thing(serial(MAKER, 1, 1)), "(01)09521234000013(21)1"), (thing(CONTAINER), "container CSQU3054383"),
        (SubjectKey(Space.DOCUMENT, OWNED), "mrn 24NL00051234567AK0"), (thing("urn:other"), "urn:other"),
        (balance_key(LOT, "maker"), "(01)09521234000020(10)A with maker"),
    ],
)  # fmt: skip
def test_identifiers_as_people_know_them(key: SubjectKey, text: str) -> None:
    assert display(key) == text
