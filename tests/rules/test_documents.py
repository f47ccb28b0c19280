"""Row 25: documents and goods, seen from both sides."""

from __future__ import annotations

import pytest

from ledger.base import limits
from ledger.trade.record import EMPTY, Origin
from ledger.trade.rules.balances import balance_key
from ledger.trade.rules.outcomes import BOUND_TOO
from tests.rules.stage import (
    BOL,
    CARRIER,
    CASE,
    CUSTOMS,
    FORWARDER,
    ITEM,
    LOT,
    LOT_B,
    MAKER,
    OTHER,
    RIVAL,
    UCR,
    Action,
    Outcome,
    Role,
    Stage,
    document_key,
    thing,
)  # fmt: skip


def made(**settings: object) -> Stage:
    stage = Stage(**settings)
    stage.make(ITEM, OTHER)
    return stage


def document(stage: Stage, identifier: str = BOL) -> object:
    return stage.record(document_key(identifier))


def test_a_binding_stands_on_the_goods_and_on_the_documents_list() -> None:
    stage = made()
    assert stage.bind(BOL, ITEM, OTHER) == {
        ITEM: Outcome.BOUND_UNVERIFIED, OTHER: Outcome.BOUND_UNVERIFIED, BOL: Outcome.BOUND_UNVERIFIED,
    }  # fmt: skip
    record = stage.record(document_key(BOL))
    assert (record.maker, record.custodian, record.origin, record.legs.length) == (
        MAKER,
        MAKER,
        Origin.UNATTESTED,
        2,
    )
    gained = stage.rows[-1].changes.legs
    assert [(key, leg) for key, (leg, _) in gained] == [
        (document_key(BOL), thing(ITEM)),
        (document_key(BOL), thing(OTHER)),
    ]


def test_a_document_belongs_to_the_grantee_of_its_issuer_part_whoever_declares_first() -> None:
    stage = made(issuers={"MAEU": CARRIER})
    assert stage.bind(BOL, ITEM)[BOL] == Outcome.BOUND_FOREIGN
    record = stage.record(document_key(BOL))
    assert (record.custodian, record.maker, record.origin) == (CARRIER, MAKER, Origin.ATTESTED)
    stage.make(CASE, who=CARRIER)
    assert stage.bind(BOL, CASE, who=CARRIER)[BOL] == Outcome.BOUND


@pytest.mark.parametrize("named", [LOT, LOT.partition("/10/")[0]], ids=["a lot", "a class"])
@pytest.mark.parametrize(
    ("handover", "expected"),
    [(0, Outcome.ALREADY_BOUND), (Action.OFFER, Outcome.OFFERED_OPEN), (Action.ACCEPT, Outcome.WITHIN)],
)
def test_what_is_no_document_is_bound_to_nothing_in_the_role_of_one(
    named: str, handover: int, expected: Outcome
) -> None:
    stage = made()
    outcomes = stage.act(MAKER, Action.BIND, (Role.OBJECT, ITEM), (Role.DOCUMENT, named), handover=handover)
    assert outcomes[ITEM] == expected
    goods = (Role.OBJECT, LOT_B, (3, 0, ""))
    stage.act(MAKER, Action.BIND, goods, (Role.DOCUMENT, named), handover=handover)
    assert (stage.of(ITEM).bindings, stage.record(balance_key(LOT_B, MAKER)).bindings) == ((), ())
    assert stage.record(document_key(named)) == EMPTY


def test_only_the_custodian_or_an_authority_binds() -> None:
    stage = made()
    assert stage.bind(BOL, ITEM, who=RIVAL)[ITEM] == Outcome.CONTRADICTION
    assert (stage.of(ITEM).bindings, stage.of(ITEM).contradictions) == ((), ())
    assert stage.bind(UCR, ITEM, who=CUSTOMS)[ITEM] == Outcome.BOUND_UNVERIFIED


def test_a_stranger_who_declares_first_has_no_power_over_what_others_bind() -> None:
    stage = made()
    stage.bind(BOL, ITEM, who=RIVAL)
    assert stage.bind(BOL, ITEM)[BOL] == Outcome.BOUND_FOREIGN
    assert stage.act(RIVAL, Action.UNBIND_ALL, (Role.DOCUMENT, BOL)) == {BOL: Outcome.CONTRADICTION}
    assert (
        stage.act(RIVAL, Action.UNBIND, (Role.OBJECT, ITEM), (Role.DOCUMENT, BOL))[ITEM]
        == Outcome.CONTRADICTION
    )
    assert [binding.declarant for binding in stage.of(ITEM).bindings] == [MAKER]
    assert stage.act(CUSTOMS, Action.UNBIND_ALL, (Role.DOCUMENT, BOL)) == {BOL: Outcome.UNBOUND_ALL}


def test_the_owner_frees_the_document_by_its_next_generation() -> None:
    stage = made()
    stage.bind(BOL, ITEM, OTHER)
    assert stage.act(MAKER, Action.UNBIND_ALL, (Role.DOCUMENT, BOL)) == {BOL: Outcome.UNBOUND_ALL}
    assert stage.record(document_key(BOL)).generation == 1
    assert (
        stage.act(MAKER, Action.UNBIND, (Role.OBJECT, ITEM), (Role.DOCUMENT, BOL))[ITEM] == Outcome.NOT_BOUND
    )
    assert stage.bind(BOL, ITEM)[ITEM] == Outcome.BOUND_UNVERIFIED
    assert [binding.generation for binding in stage.of(ITEM).bindings] == [1]


def test_only_the_declarant_or_an_authority_unbinds_even_after_a_handover() -> None:
    stage = made()
    stage.bind(BOL, ITEM)
    stage.hand_over(ITEM)
    unbind = ((Role.OBJECT, ITEM), (Role.DOCUMENT, BOL))
    assert stage.act(FORWARDER, Action.UNBIND, *unbind)[ITEM] == Outcome.CONTRADICTION
    assert stage.bind(BOL, ITEM, who=FORWARDER)[ITEM] == Outcome.ALREADY_BOUND
    assert [binding.declarant for binding in stage.of(ITEM).bindings] == [MAKER]
    assert stage.act(MAKER, Action.UNBIND, *unbind) == {ITEM: Outcome.UNBOUND, BOL: Outcome.UNBOUND}
    assert stage.of(ITEM).bindings == ()


def test_what_is_not_bound_is_not_unbound() -> None:
    stage = made()
    outcomes = stage.act(MAKER, Action.UNBIND, (Role.OBJECT, ITEM), (Role.DOCUMENT, BOL))
    assert outcomes == {ITEM: Outcome.NOT_BOUND, BOL: Outcome.NOT_BOUND}
    assert stage.act(MAKER, Action.UNBIND_ALL, (Role.DOCUMENT, UCR)) == {UCR: Outcome.NOT_BOUND}


def test_binding_and_handing_over_in_one_event() -> None:
    stage = made()
    outcomes = stage.bind(BOL, ITEM, handover=Action.OFFER, to=FORWARDER)
    assert outcomes[ITEM] == Outcome.OFFERED + BOUND_TOO
    outcomes = stage.bind(UCR, ITEM, who=FORWARDER, handover=Action.ACCEPT)
    assert outcomes[ITEM] == Outcome.ACCEPTED + BOUND_TOO
    assert [binding.document for binding in stage.of(ITEM).bindings] == [BOL, UCR]
    assert stage.holder(ITEM) == FORWARDER


def test_a_claim_binds_nothing() -> None:
    stage = made()
    assert stage.bind(BOL, ITEM, who=RIVAL, handover=Action.ACCEPT)[ITEM] == Outcome.CLAIMED
    assert stage.of(ITEM).bindings == ()


def test_bindings_are_kept_up_to_a_number_and_dead_ones_make_room() -> None:
    stage = made()
    documents = [f"urn:custody:doc:bol:MAEU:{number}" for number in range(limits.BINDINGS + 1)]
    outcomes = [stage.bind(name, ITEM)[ITEM] for name in documents]
    assert outcomes == [Outcome.BOUND_UNVERIFIED] * limits.BINDINGS + [Outcome.BINDINGS_FULL]
    stage.act(MAKER, Action.UNBIND_ALL, (Role.DOCUMENT, documents[3]))
    assert stage.bind(documents[-1], ITEM)[ITEM] == Outcome.BOUND_UNVERIFIED
    assert len(stage.of(ITEM).bindings) == limits.BINDINGS


def test_a_lot_is_bound_on_the_signers_balance() -> None:
    stage = made()
    stage.make_lot(10)
    assert stage.bind(BOL, LOT)[f"{LOT}@{MAKER}"] == Outcome.BOUND_UNVERIFIED
    bound = stage.record(balance_key(LOT, MAKER))
    assert [binding.document for binding in bound.bindings] == [BOL]
    stage.act(MAKER, Action.UNBIND, (Role.OBJECT, LOT), (Role.DOCUMENT, BOL))
    assert stage.record(balance_key(LOT, MAKER)).bindings == ()


def test_a_strangers_unbinding_is_a_report_aside_on_the_document_too() -> None:
    stage = made()
    stage.bind(BOL, ITEM)
    links = stage.record(document_key(BOL)).links
    stage.act(RIVAL, Action.UNBIND, (Role.OBJECT, ITEM), (Role.DOCUMENT, BOL))
    record = stage.record(document_key(BOL))
    assert (record.links, record.asides.length) == (links, 1)


@pytest.mark.parametrize("action", [Action.MAKE, Action.OFFER, Action.ACCEPT, Action.END, Action.WITHDRAW])
def test_acts_upon_goods_do_nothing_to_documents(action: Action) -> None:
    stage = made()
    stage.bind(BOL, ITEM)
    before = stage.record(document_key(BOL))
    stage.act(RIVAL, action, (Role.OBJECT, BOL))
    stage.act(MAKER, action, (Role.OBJECT, BOL))
    after = stage.record(document_key(BOL))
    assert after._replace(links=before.links, asides=before.asides) == before


def test_documents_are_mentioned_without_being_bound() -> None:
    """Neither where an event only lists them, nor where one names them as subjects without binding."""
    stage = made()
    stage.act(MAKER, Action.OBSERVE, (Role.OBJECT, ITEM), documents=(BOL,))
    assert document(stage) == document(stage, UCR)
    stage.act(MAKER, Action.OBSERVE, (Role.OBJECT, ITEM), (Role.DOCUMENT, UCR))
    assert stage.record(document_key(UCR)).maker is None
    assert stage.of(ITEM).bindings == ()
