"""Every attempt of the demonstration is caught with its code, on the story played in memory."""

from __future__ import annotations

import pytest

from demonstration import cast
from demonstration.attacks import Attempt, Loot, attempts, equivocation, play_false_events
from demonstration.foreign import foreign_bundle
from demonstration.story import scenes, shipment
from ledger.chain.evidence import check_evidence
from ledger.proof.anchor import anchor_from_genesis
from ledger.proof.presented import Presented
from ledger.proof.verdict import MAX_AGE_MS, assess
from ledger.trade.identifiers import container
from tests.story.memory import MemoryStage


def loot_of(stage: MemoryStage) -> Loot:
    goods = shipment()
    early = b""
    for scene in scenes():
        if scene.title == "Detained":
            early = stage.bundle([goods.container])
        scene.play(stage)
    false = play_false_events(stage)
    world = stage.world
    return Loot(
        anchor=anchor_from_genesis(stage.genesis),
        early=early,
        item=stage.bundle([goods.witness]),
        container=stage.bundle([goods.container]),
        repacked=stage.bundle([cast.item(301)]),
        offered=stage.bundle([false.offered]),
        contested=stage.bundle([false.contested]),
        misstated=stage.bundle([false.misstated]),
        misstated_payload=false.payload,
        foreign=foreign_bundle(
            stage.genesis, world.validator_keys, world.keys[cast.MANUFACTURER], goods.witness
        ),
        proposer=(2, world.validator_keys[2]),
        receiver_key=world.keys[cast.FORWARDER].public_key,
    )


@pytest.fixture(scope="module")
def stage() -> MemoryStage:
    return MemoryStage()


@pytest.fixture(scope="module")
def loot(stage: MemoryStage) -> Loot:
    return loot_of(stage)


@pytest.mark.parametrize("place", range(12))
def test_every_attempt_is_caught_with_its_code(stage: MemoryStage, loot: Loot, place: int) -> None:
    attempt: Attempt = attempts(loot)[place]
    options = dict(zip(attempt.arguments[::2], attempt.arguments[1::2], strict=True))
    presented = None
    if "--seal" in options:
        presented = Presented(seal=options["--seal"], container=container(options["--container"]).text)
    max_age_ms = 1_000 if "--max-age" in options else MAX_AGE_MS
    verdict = assess(
        attempt.data, loot.anchor, now_ms=stage.now_ms() + 1_000, max_age_ms=max_age_ms, presented=presented
    )
    assert verdict.exit_code in attempt.codes, (attempt.name, verdict.headline)


def test_the_honest_bundles_prove(stage: MemoryStage, loot: Loot) -> None:
    for data in (loot.early, loot.item, loot.container, loot.repacked, loot.offered, loot.misstated):
        verdict = assess(data, loot.anchor, now_ms=stage.now_ms())
        assert verdict.exit_code in {0, 4, 6}, verdict.headline


def test_evidence_names_the_culprit(loot: Loot) -> None:
    evidence = equivocation(loot)
    check_evidence(loot.anchor.validators, evidence)
    assert evidence.signer == 2
