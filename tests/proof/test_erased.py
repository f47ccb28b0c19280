"""What a bundle proves of erased events: that they were, by whom, when; never that one was not."""

from __future__ import annotations

import pytest

from ledger.base.encoding import encode
from ledger.base.errors import ProofError
from ledger.proof.build import build
from ledger.proof.bundle import bundle_from_bytes
from ledger.proof.verdict import Verdict, Word, assess
from ledger.proof.verify import verify
from ledger.state.erasure import Reason, erasure_key
from ledger.trade.record import Space
from ledger.trade.rules.view import thing
from tests.proof import forgery
from tests.proof.documents import Desk, event_of
from tests.world.past import Past
from tests.world.world import World, serial

MAKER = "9521234"
ITEM = serial(MAKER, 1, 1)


@pytest.fixture
def desk() -> Desk:
    """An item made and looked at, both with bytes."""
    desk = Desk(World())
    desk.put("maker", desk.item(event_of(ITEM)))
    desk.put("maker", desk.item(event_of(ITEM, step="inspecting", action="OBSERVE")))
    return desk


def bundle_of(desk: Desk, *, kept: bool = False) -> bytes:
    """With all bytes that a node has: those of erased events only where it `kept` them."""
    gone = {
        row.changes.item.event_hash
        for row in desk.world.rows
        if row.changes.item is not None
        and desk.world.state.record(erasure_key(row.changes.item.event_hash, "maker")).custodian
    }
    payloads = {hashed: one for hashed, one in desk.payloads.items() if kept or hashed not in gone}
    return build(Past(desk.world, payloads), [thing(ITEM)], payloads=True)


def judged(desk: Desk, data: bytes) -> Verdict:
    return assess(data, forgery.anchor_of(desk.world), now_ms=desk.world.now_ms)


def lines(verdict: Verdict, name: str) -> list[tuple[str, str]]:
    checks = (*verdict.checks, *verdict.subjects[0].checks)
    return [(check.state, check.sentence) for check in checks if check.name == name]


def test_a_bundle_says_what_was_erased_and_proves_the_rest(desk: Desk) -> None:
    before = judged(desk, bundle_of(desk))
    assert lines(before, "erased") == []
    assert desk.world.erase("maker", 0, Reason.PERSONAL_DATA) == ""
    after = judged(desk, bundle_of(desk))
    assert (after.status, after.exit_code) == (before.status, before.exit_code) == (Word.CONSISTENT, 0)
    ((state, sentence),) = lines(after, "erased")
    assert state == "ok"
    assert sentence.startswith("maker erased the document of its event of ")
    assert sentence.endswith("(event 2 of the ledger), for a person's data; what it stated stands"), sentence
    ((_, told),) = lines(after, "bytes")
    assert told == (
        "1 of 2 events' documents are shown and agree with the ledger; 1 was erased, as the ledger says"
    )
    assert [line.endswith("[document erased]") for line in after.subjects[0].timeline] == [True, False]
    assert [one["name"] for one in after.to_json()["subjects"][0]["checks"]].count("erased") == 1


def test_a_copy_that_somebody_kept_still_agrees_and_is_told(desk: Desk) -> None:
    assert desk.world.erase("maker", 0) == ""
    verdict = judged(desk, bundle_of(desk, kept=True))
    ((_, sentence),) = lines(verdict, "erased")
    assert sentence.endswith("; whoever made this file kept a copy, and shows it")
    ((state, told),) = lines(verdict, "bytes")
    assert (state, told) == ("ok", "2 of 2 events' documents are shown and agree with the ledger")


def test_all_erased(desk: Desk) -> None:
    for sequence in (0, 1):
        assert desk.world.erase("maker", sequence) == ""
    ((state, told),) = lines(judged(desk, bundle_of(desk)), "bytes")
    assert state == "not checked"
    assert told.endswith("; 2 were erased, as the ledger says")


def test_an_old_bundle_verifies_after_the_erasure(desk: Desk) -> None:
    old = bundle_of(desk)
    assert desk.world.erase("maker", 0) == ""
    assert judged(desk, old).status is Word.CONSISTENT


def test_a_tombstone_cannot_be_invented_and_not_shown_for_nothing(desk: Desk) -> None:
    hashed = desk.world.rows[0].changes.item
    assert hashed is not None
    honest = bundle_from_bytes(bundle_of(desk))
    absent = desk.world.state.prove(erasure_key(hashed.event_hash, "maker"))
    world = desk.world
    assert world.erase("maker", 0) == ""
    erased = bundle_from_bytes(bundle_of(desk))
    shown = [one for one in erased.records if one.key.space == Space.ERASURE]
    assert len(shown) == 1
    anchor = forgery.anchor_of(world)
    invented = honest._replace(records=tuple(sorted((*honest.records, shown[0]))))
    empty = shown[0]._replace(record=None, proof=absent)
    idle = honest._replace(records=tuple(sorted((*honest.records, empty), key=lambda one: one.key)))
    for forged, code in ((invented, "not_proven"), (idle, "unused_bytes")):
        with pytest.raises(ProofError) as refused:
            verify(encode(forged), anchor)
        assert refused.value.code == code
    silent = erased._replace(records=tuple(one for one in erased.records if one.key.space != Space.ERASURE))
    assert verify(encode(silent), anchor).erasures == {}, "who hides a tombstone shows nothing by it"


def test_a_claim_on_anothers_hash_erases_nothing_of_the_author(desk: Desk) -> None:
    item = desk.world.rows[0].changes.item
    assert item is not None
    desk.put("carrier", item._replace(subject_salt=desk.world.salt()))
    assert desk.world.erase("carrier", 2) == ""
    findings = verify(build(Past(desk.world), [thing(ITEM)]), forgery.anchor_of(desk.world))
    assert [one.organisation for one in findings.erasures.values()] == ["carrier"]
