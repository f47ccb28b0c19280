"""Real documents go through: every event of GS1's and the product-passport examples, and a bundle for every subject."""

from __future__ import annotations

from pathlib import Path

from demonstration.documents import parties, play, prove, read, subjects
from ledger.proof.anchor import anchor_from_genesis
from ledger.proof.verdict import Word
from tests.story.memory import MemoryStage


def test_every_event_of_the_published_examples_is_taken_and_every_subject_proven(shared_data: Path) -> None:
    folders = (shared_data / "epcis" / "gs1" / "JSON", shared_data / "epcis" / "dpp")
    paths = sorted(
        path for folder in folders for path in folder.rglob("*") if path.suffix in {".json", ".jsonld"}
    )
    assert len(paths) >= 50
    given = read(paths)
    stage = MemoryStage(parties(given))
    judged = list(play(stage, given, None))
    refused = [(one.given.path.name, one.why) for one in judged if one.word == "refused"]
    assert refused == []
    anchor = anchor_from_genesis(stage.genesis)
    for subject in subjects(given):
        _, verdict = prove(stage, anchor, subject)
        assert verdict.status != Word.NOT_PROVEN, (subject.text, verdict.headline)
        assert "SIMULATED" in verdict.headline
