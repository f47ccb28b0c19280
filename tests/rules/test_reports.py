"""What those without standing say: kept apart, counted, capped; and bytes that contradict an extract."""

from __future__ import annotations

import pytest

from ledger.base import limits
from ledger.chain.transaction import Kind, event_hash
from ledger.state.mismatch import mismatch_extract
from ledger.trade.rules import Outcome
from ledger.trade.statement import Action, Role
from tests.rules.stage import CASE, CUSTOMS, ITEM, MAKER, OTHER, RIVAL, Stage


def test_reports_of_one_organisation_on_one_subject_end_at_a_number() -> None:
    stage = Stage()
    stage.make(ITEM)
    for _ in range(limits.ASIDES_PER_ORGANISATION + 3):
        assert stage.act(RIVAL, Action.OBSERVE, (Role.OBJECT, ITEM)) == {ITEM: Outcome.OBSERVED}
    assert stage.of(ITEM).asides.length == limits.ASIDES_PER_ORGANISATION
    stage.make(OTHER)
    stage.act(RIVAL, Action.OBSERVE, (Role.OBJECT, OTHER))
    assert stage.of(OTHER).asides.length == 1


def test_a_report_changes_nothing_but_its_chain() -> None:
    stage = Stage()
    stage.make(ITEM)
    stage.pack(CASE, ITEM)
    before = stage.of(ITEM)
    for number, action in enumerate((Action.DISPUTE, Action.OBSERVE, Action.REJECT), 1):
        stage.act(RIVAL, action, (Role.OBJECT, ITEM))
        assert stage.of(ITEM)._replace(asides=before.asides) == before
        assert stage.of(ITEM).asides.length == number


def test_an_authority_has_standing_about_everything() -> None:
    stage = Stage()
    stage.make(ITEM)
    stage.act(CUSTOMS, Action.OBSERVE, (Role.OBJECT, ITEM))
    assert (stage.of(ITEM).links.length, stage.of(ITEM).asides.length) == (2, 0)


def test_more_contradictions_than_are_kept_still_get_their_links() -> None:
    stage = Stage()
    stage.make(ITEM)
    for _ in range(limits.OPEN_CONTRADICTIONS + 2):
        stage.act(MAKER, Action.DISPUTE, (Role.OBJECT, ITEM))
    assert len(stage.of(ITEM).contradictions) == limits.OPEN_CONTRADICTIONS
    assert stage.of(ITEM).links.length == limits.OPEN_CONTRADICTIONS + 3


@pytest.mark.parametrize(("author", "stands"), [(MAKER, True), (RIVAL, False)])
def test_bytes_that_contradict_an_extract_count_against_their_author_only(author: str, stands: bool) -> None:
    stage = Stage()
    stage.make(ITEM)
    salt, event = bytes(16), b"{}"
    item = stage.item(
        Action.OBSERVE, [(Role.OBJECT, ITEM)], event_hash=event_hash(stage.network, salt, None, event)
    )
    stage.run(author, item)
    sequence = stage.rows[-1].changes.entry.sequence
    stated = mismatch_extract(item, author, event, None)
    published = item._replace(statement=stated.statement, subjects=stated.subjects)
    transaction = stage.sign(RIVAL, (published, sequence, salt, None, event), kind=Kind.MISMATCH)
    execution = stage.commit(transaction)
    assert [code for _, code in execution.rows[0].outcomes] == [Outcome.BYTES_MISMATCH]
    assert [c.organisation for c in stage.of(ITEM).contradictions] == ([author] if stands else [])
    if stands:  # its author takes it back
        assert stage.correct(item.event_hash, (Role.OBJECT, ITEM)) == {ITEM: Outcome.CORRECTED}
        assert stage.of(ITEM).contradictions == ()
