"""Every EPCIS example of others over the real application: captured, read back equal in the form it came in, and proven.

The ledger is one in memory, so that all of them run here each time; `./scripts/epcis-examples` does the same on real nodes.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from epcis_examples.examples import REFUSED, Example, Fate, examples, rounds
from epcis_examples.judging import Row, judge_all
from epcis_examples.repository import Repository
from ledger.proof.anchor import Anchor, anchor_from_genesis
from tests.gateway.epcis.epcis_stage import staged_epcis
from tests.gateway.fake_validator import FakeValidator
from tests.gateway.stage import TOKEN
from tests.world.chain import ChainedWorld


def judged(folder: Path, part: list[Example], *, anchor: Anchor | None = None) -> list[Row]:
    """`anchor`: by what proofs are verified, if not by that of the ledger itself."""
    folder.mkdir()
    return asyncio.run(_judged(folder, part, anchor))


async def _judged(folder: Path, part: list[Example], anchor: Anchor | None) -> list[Row]:
    validator = FakeValidator(ChainedWorld(gateways=["maker"], persons=True), folder / "v.sock")
    async with staged_epcis(folder, validator) as stage:
        validator.streamed = None
        trusted = anchor or anchor_from_genesis(stage.world.genesis)
        repository = Repository(stage.http, TOKEN, trusted, lambda: stage.world.state.tip.header.time_ms)
        return await judge_all(repository, part)


@pytest.mark.timeout(300)
def test_every_example_comes_out_as_it_is_to(shared_data: Path, tmp_path: Path) -> None:
    rows = []
    for number, part in enumerate(rounds(examples(shared_data / "epcis"))):
        rows += judged(tmp_path / f"{number}", part)
    assert [row for row in rows if not row.good] == []
    assert Counter(row.fate for row in rows) == {
        Fate.CAPTURED: 184, Fate.ASKED: 1, Fate.REFUSED: 18, Fate.AGAINST_THE_RULES: len(REFUSED)
    }  # fmt: skip
    assert all(row.events > 0 and row.subjects > 0 for row in rows if row.fate is Fate.CAPTURED)
    assert all(row.reasons for row in rows if row.fate in {Fate.REFUSED, Fate.AGAINST_THE_RULES})


@pytest.fixture
def one(shared_data: Path) -> Example:
    return next(
        e for e in examples(shared_data / "epcis") if e.name == "gs1/JSON/Example_9.6.2-ObjectEvent.jsonld"
    )


def test_the_judge_sees_what_is_not_as_it_is_to_be(one: Example, tmp_path: Path) -> None:
    broken = one._replace(data=one.data.replace(b'"action"', b'"acting"'))
    taken = one._replace(fate=Fate.REFUSED)
    for place, example in enumerate((broken, taken)):
        (row,) = judged(tmp_path / f"{place}", [example])
        assert not row.good, row


def test_the_judge_believes_no_proof_of_another_network(one: Example, tmp_path: Path) -> None:
    foreign = anchor_from_genesis(ChainedWorld(name="another", gateways=["maker"]).genesis)
    (row,) = judged(tmp_path / "0", [one], anchor=foreign)
    assert (row.good, row.result) == (False, "failed")
    assert "foreign_anchor" in row.reasons[0]


def test_an_event_id_is_captured_once_a_round(one: Example) -> None:
    named = one._replace(data=one.data.replace(b'"eventTime"', b'"eventID": "urn:x:1", "eventTime"', 1))
    assert [len(part) for part in rounds([named, one, named, one])] == [3, 1]
