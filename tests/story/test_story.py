"""The story holds: every scene comes out as told, and the border's verdicts are the ones it leads to."""

from __future__ import annotations

import pytest

from demonstration import cast
from demonstration.story import differs, scenes, shipment
from ledger.proof.anchor import anchor_from_genesis
from ledger.proof.presented import Presented
from ledger.proof.verdict import Verdict, Word, assess
from ledger.trade.identifiers import Identifier
from tests.story.memory import MemoryStage


@pytest.fixture(scope="module")
def stage() -> MemoryStage:
    played = MemoryStage()
    for scene in scenes():
        assert differs(scene, scene.play(played)) is None
    return played


def verdict(stage: MemoryStage, subject: Identifier, presented: Presented | None = None) -> Verdict:
    bundle = stage.bundle([subject], payloads=True)
    return assess(bundle, anchor_from_genesis(stage.genesis), now_ms=stage.now_ms(), presented=presented)


def test_the_item_is_consistent_with_gaps_because_its_container_was_received_with_reservation(
    stage: MemoryStage,
) -> None:
    said = verdict(stage, shipment().witness)
    assert said.status == Word.CONSISTENT_WITH_GAPS
    assert said.subjects[0].custodian == cast.FORWARDER
    assert "reservation" in said.headline


def test_the_case_that_customs_keep_is_held(stage: MemoryStage) -> None:
    said = verdict(stage, shipment().held_case)
    assert said.status == Word.HELD
    assert f"{cast.CASE}-7" in said.headline


def test_the_container_is_released(stage: MemoryStage) -> None:
    said = verdict(stage, shipment().container)
    assert said.status == Word.CONSISTENT_WITH_GAPS


def test_a_missing_item_stayed_with_the_carrier(stage: MemoryStage) -> None:
    said = verdict(stage, shipment().missing[0])
    assert said.subjects[0].custodian == cast.CARRIER


def test_the_declaration_lists_the_container(stage: MemoryStage) -> None:
    said = verdict(stage, shipment().declaration)
    assert said.status in {Word.CONSISTENT, Word.CONSISTENT_WITH_GAPS}


def test_the_wrong_seal_contradicts(stage: MemoryStage) -> None:
    seen = Presented(seal="XX-0000", container=shipment().container.text)
    assert verdict(stage, shipment().witness, seen).exit_code == 7


def test_the_seal_on_record_agrees(stage: MemoryStage) -> None:
    seen = Presented(seal=cast.CUSTOMS_SEAL, container=shipment().container.text)
    said = verdict(stage, shipment().witness, seen)
    assert "not checked" not in said.headline
    assert said.exit_code == 4


def test_a_container_and_its_declaration_are_compared_with_what_is_seen_of_the_container(
    stage: MemoryStage,
) -> None:
    goods = shipment()
    bundle = stage.bundle([goods.declaration, goods.container])
    seen = Presented(container=goods.container.text, seal=cast.CUSTOMS_SEAL, inside=1, by=cast.FORWARDER)
    said = assess(bundle, anchor_from_genesis(stage.genesis), now_ms=stage.now_ms(), presented=seen)
    assert said.exit_code == 4
    wrong = assess(
        bundle, anchor_from_genesis(stage.genesis), now_ms=stage.now_ms(), presented=seen._replace(inside=2)
    )
    assert wrong.exit_code == 7
