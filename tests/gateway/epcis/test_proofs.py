"""Proof in answers: the bundle of an EPC shows whether a list of its events is whole, and that of an event that it is there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from ledger.base.limits import ASIDES_PER_ORGANISATION
from ledger.epcis.spelling import EpcFormat
from ledger.epcis.vocabulary import CbvFormat
from ledger.proof.anchor import anchor_from_genesis
from ledger.proof.verify import Findings, verify
from ledger.trade.record import SubjectKey
from ledger.trade.statement import Action
from node.gateway.epcis.subscriptions.feed import Heading
from node.gateway.epcis.subscriptions.source import IndexSource
from node.index.index import Index, IndexedEvent
from node.index.tables import events as event_table
from tests.gateway.epcis.told import BUNDLE, Told, check_exception, derived, event, events_in, quoted, tell
from tests.gateway.stage import item_id
from tests.world.world import lot, party, place, sscc

ITEM = item_id(1)
PALLET = sscc("9521234", 5)


def observed(number: int, **more: Any) -> dict[str, Any]:
    return event(number, action="OBSERVE", bizStep="inspecting", epcList=[ITEM]) | more


def sent(step: str, to: int, **more: Any) -> dict[str, Any]:
    parties = {"destinationList": [{"type": "possessing_party", "destination": party(to)}]} if to else {}
    return event(1, action="OBSERVE", bizStep=step, epcList=[PALLET]) | parties | more


async def travel(told: Told) -> None:
    """An item made, packed, shipped in its pallet, received, looked at by a stranger, unpacked, corrected."""
    packing = {"type": "AggregationEvent", "parentID": PALLET, "childEPCs": [ITEM, item_id(2)]}
    await told.record(event(1), event(2))
    await told.record(event(3, bizStep="packing", action="ADD") | packing)
    await told.record(sent("shipping", 3))
    await told.record(sent("receiving", 0), by="carrier")
    await told.record(observed(6), by="forwarder")
    unpacking = packing | {"childEPCs": [ITEM], "action": "DELETE", "bizStep": "unpacking"}
    await told.record(event(7) | unpacking, by="carrier")
    (wrong,) = await told.record(observed(8, eventID="urn:uuid:wrong"), by="carrier")
    declaration = {"declarationTime": "2023-11-14T11:00:00Z", "reason": "incorrect_data"}
    declaration["custody:original"] = wrong.hex()
    await told.record(observed(8, eventID="urn:uuid:wrong", errorDeclaration=declaration), by="carrier")
    await told.record(event(9, epcList=[item_id(9)]))


def proven(told: Told, data: bytes) -> Findings:
    """What the file proves to somebody who has the genesis file and nothing else."""
    return verify(data, anchor_from_genesis(told.world.genesis))


def event_hashes(findings: Findings, identifier: str) -> set[str]:
    """The events that name the identifier, all of them: its chains fold into the certified record."""
    return {
        step.opened.event_hash.hex()
        for key, shown in findings.nested.proven.items()
        for step in shown.replayed.steps
        if key.identifier == step.key.identifier == identifier
        and not step.inside
        and step.opened.statement.action != Action.MISMATCH
        and any(subject.identifier == identifier for subject in step.opened.subjects)
    }


async def answered_and_proven(told: Told, identifier: str) -> tuple[set[str], set[str]]:
    answered = {one["ledger:eventHash"] for one in await told.events(f"/epcs/{quoted(identifier)}/events")}
    bundle = await told.http.get(f"/epcs/{quoted(identifier)}/events", headers=BUNDLE)
    assert bundle.headers["content-type"] == "application/vnd.custody.bundle"
    return answered, event_hashes(proven(told, bundle.content), identifier)


def test_the_events_of_an_epc_are_those_of_its_bundle_and_no_others(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        await travel(told)
        for identifier, count in ((ITEM, 6), (PALLET, 4), (item_id(2), 2), (item_id(9), 1)):
            answered, shown = await answered_and_proven(told, identifier)
            assert len(answered) == count
            assert answered == shown

    tell(tmp_path, act)


def test_reports_beyond_the_cap_are_answered_though_they_leave_no_link(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        await told.record(event(1))
        await told.record(*(observed(number) for number in range(34)), by="forwarder")
        response = await told.http.get(f"/epcs/{quoted(ITEM)}/events", params={"perPage": 100})
        answered = {one["ledger:eventHash"] for one in events_in(response)}
        bundle = await told.http.get(f"/epcs/{quoted(ITEM)}", headers=BUNDLE)
        shown = event_hashes(proven(told, bundle.content), ITEM)
        assert shown < answered
        assert len(answered - shown) == 34 - ASIDES_PER_ORGANISATION

    tell(tmp_path, act)


def test_an_index_that_hides_an_event_is_caught_by_the_bundle(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        await travel(told)
        (hidden,) = await told.events(f"/epcs/{quoted(ITEM)}/events", EQ_bizStep="unpacking")
        with told.epcis.index._engine.begin() as connection:
            connection.execute(
                delete(event_table).where(
                    event_table.c.event_hash == bytes.fromhex(hidden["ledger:eventHash"])
                )
            )
        answered, shown = await answered_and_proven(told, ITEM)
        assert shown - answered == {hidden["ledger:eventHash"]}

    tell(tmp_path, act)


def test_an_index_that_lags_says_so_and_the_bundle_shows_what_it_lacks(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        await told.record(event(1))
        (late,) = await told.record(observed(2), indexed=False)
        response = await told.http.get(f"/epcs/{quoted(ITEM)}/events")
        assert response.headers["custody-height"] == "1" == str(response.json()["ledger:height"])
        answered, shown = await answered_and_proven(told, ITEM)
        assert shown - answered == {late.hex()}
        await told.catch_up()
        answered, shown = await answered_and_proven(told, ITEM)
        assert answered == shown
        assert (await told.http.get("/events")).headers["custody-height"] == "2"

    tell(tmp_path, act)


def test_an_answer_claims_no_block_whose_events_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(told: Told) -> None:
        await told.record(event(1, eventID="urn:uuid:1"))
        loop, before = asyncio.get_running_loop(), Index.by_event_id

        def and_another_comes(index: Index, event_id: str) -> tuple[IndexedEvent, ...]:
            found = before(index, event_id)
            monkeypatch.setattr(Index, "by_event_id", before)
            said = {"declarationTime": "2023-11-14T11:00:00Z", "reason": "did_not_occur"}
            later = told.record(event(1, eventID="urn:uuid:1", errorDeclaration=said))
            asyncio.run_coroutine_threadsafe(later, loop).result(30)
            return found

        monkeypatch.setattr(Index, "by_event_id", and_another_comes)
        response = await told.http.get("/events/urn:uuid:1")
        assert response.headers["custody-height"] == "1"
        response = await told.http.get("/events/urn:uuid:1")
        assert response.headers["custody-height"] == "2"
        assert len(response.json()["epcisBody"]["queryResults"]["resultsBody"]["eventList"]) == 2

    tell(tmp_path, act)


def test_a_delivery_claims_no_block_whose_corrections_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(told: Told) -> None:
        await told.record(event(1, eventID="urn:uuid:1"))
        index, loop, before = told.epcis.index, asyncio.get_running_loop(), Index.corrections

        def and_another_comes(index: Index, about: Sequence[IndexedEvent]) -> Any:
            found = before(index, about)
            monkeypatch.setattr(Index, "corrections", before)
            said = {"declarationTime": "2023-11-14T11:00:00Z", "reason": "did_not_occur"}
            later = told.record(event(1, eventID="urn:uuid:1", errorDeclaration=said))
            asyncio.run_coroutine_threadsafe(later, loop).result(30)
            return found

        monkeypatch.setattr(Index, "corrections", and_another_comes)
        source = IndexSource(index, told.epcis.queries, told.epcis.reader.grants)
        heading = Heading("one", 1, 0, 1, EpcFormat.AS_WRITTEN, CbvFormat.AS_WRITTEN)
        body = json.loads(await source.document("all", index.by_event_id("urn:uuid:1"), heading))
        source.close()
        assert index.position().height == 2
        assert body["ledger:height"] == 1

    tell(tmp_path, act)


def test_the_link_in_an_event_leads_to_the_file_that_proves_its_bytes(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        await travel(told)
        for found in await told.events():
            response = await told.http.get(f"http://gateway{found['ledger:proof']}", headers=BUNDLE)
            findings = proven(told, response.content)
            shown = {one.event_hash.hex(): one for one in findings.payloads.values() if one.agree}
            payload = shown[found["ledger:eventHash"]].payload
            written = json.loads(payload.event)
            assert {name: found[name] for name in written if name != "recordTime"} == written
            (entry,) = {
                step.opened.entry.height
                for replayed in findings.nested.every()
                for step in replayed.steps
                if step.opened.event_hash.hex() == found["ledger:eventHash"]
            }
            assert entry == found["ledger:height"]

    tell(tmp_path, act)


def test_an_event_is_proven_also_where_its_declaration_came_before_it(tmp_path: Path) -> None:
    """A name may be that of several events, about other things: its bundle proves each of them."""

    async def act(told: Told) -> None:
        declaration = {"declarationTime": "2023-11-14T11:00:00Z", "reason": "did_not_occur"}
        early = event(1, eventID="urn:x:e1", errorDeclaration=declaration)
        hashes = [*await told.record(early), *await told.record(event(2, eventID="urn:x:e1"))]
        for name in (*map(derived, hashes), "urn:x:e1"):
            response = await told.http.get(f"/events/{quoted(name)}", headers=BUNDLE)
            shown = {one.event_hash for one in proven(told, response.content).payloads.values() if one.agree}
            wanted = set(hashes) if name == "urn:x:e1" else {bytes.fromhex(name.rpartition(":")[2])}
            assert wanted <= shown

    tell(tmp_path, act)


def test_a_lot_has_its_bundle_under_epcs_too(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        batch = lot("9521234", 1, "B7")
        made = {"epcList": [], "quantityList": [{"epcClass": batch, "quantity": 10}]}
        (event_hash,) = await told.record(event(1) | made)
        response = await told.http.get(f"/epcs/{quoted(batch)}", headers=BUNDLE)
        assert event_hash.hex() in event_hashes(proven(told, response.content), batch)
        response = await told.http.get(f"/events/{quoted(derived(event_hash))}", headers=BUNDLE)
        assert event_hash.hex() in event_hashes(proven(told, response.content), batch)

    tell(tmp_path, act)


def test_subjects_that_no_list_of_the_event_names_are_in_their_answers_too(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        batch = lot("9521234", 1, "B7")
        await travel(told)
        await told.record(event(20, epcList=[item_id(20)], ilmd={"cbvmda:lotNumber": "B7"}))
        missing = {"custody:missing": [item_id(2)]}
        await told.record(sent("shipping", 1), by="carrier")
        await told.record(sent("receiving", 0, disposition="damaged", **missing), by="maker")
        await told.record(observed(21, bizStep="sampling", epcList=[item_id(20)]), restricted=True)
        for identifier, last in ((batch, "commissioning"), (item_id(2), "receiving"), (item_id(20), None)):
            answered, shown = await answered_and_proven(told, identifier)
            assert answered == shown
            steps = [one.get("bizStep") for one in await told.events(f"/epcs/{quoted(identifier)}/events")]
            assert last in steps

    tell(tmp_path, act)


def test_an_event_about_a_place_alone_is_proven_too(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        said = event(1, action="OBSERVE", bizStep="sensor_reporting", epcList=[], readPoint={"id": place(1)})
        (event_hash,) = await told.record(said, by="carrier")
        response = await told.http.get(f"/events/{quoted(derived(event_hash))}", headers=BUNDLE)
        assert event_hash.hex() in event_hashes(proven(told, response.content), place(1))

    tell(tmp_path, act)


def test_what_cannot_be_proven_is_no_bundle(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        await told.record(event(1))
        for address in (
            f"/epcs/{quoted(item_id(9))}",
            f"/epcs/{quoted(item_id(9))}/events",
            "/events/urn:uuid:9",
        ):
            check_exception(await told.http.get(address, headers=BUNDLE), "NoSuchNameException", 404)
        for address in ("/events", "/epcs", "/bizSteps/shipping", "/bizSteps/shipping/events"):
            check_exception(await told.http.get(address, headers=BUNDLE), "NotAcceptableException", 406)

    tell(tmp_path, act)


def test_original_correction_and_effect_are_told_together(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        (wrong,) = await told.record(event(1, eventID="urn:uuid:wrong"))
        said = {
            "declarationTime": "2023-11-14T11:00:00Z",
            "reason": "incorrect_data",
            "custody:original": wrong.hex(),
        }
        await told.record(event(1, eventID="urn:uuid:wrong", errorDeclaration=said))
        original, declaration = await told.events("/events/urn:uuid:wrong")
        assert "errorDeclaration" not in original
        assert declaration["errorDeclaration"]["reason"] == "incorrect_data"
        assert original["ledger:correctedBy"] == [f"urn:custody:event:{declaration['ledger:eventHash']}"]
        assert declaration["ledger:corrects"] == f"urn:custody:event:{original['ledger:eventHash']}"
        assert (declaration["ledger:outcome"], declaration["ledger:applied"]) == (["corrected"], True)
        by_hash = await told.events(f"/events/{quoted(declaration['ledger:corrects'])}")
        assert [one["ledger:eventHash"] for one in by_hash] == [
            original["ledger:eventHash"], declaration["ledger:eventHash"],
        ]  # fmt: skip
        (found,) = await told.events(EXISTS_errorDeclaration="true")
        assert found == declaration

    tell(tmp_path, act)


def test_a_declaration_by_somebody_else_stands_without_effect(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        (original,) = await told.record(event(1, eventID="urn:uuid:1"))
        declaration = {"declarationTime": "2023-11-14T11:00:00Z", "reason": "did_not_occur"}
        declaration["custody:original"] = original.hex()
        said = event(1, eventID="urn:uuid:1", errorDeclaration=declaration)
        await told.record(said, by="forwarder")
        first, second = await told.events("/events/urn:uuid:1")
        assert (first["ledger:applied"], second["ledger:applied"]) == (True, False)
        assert second["ledger:outcome"] != ["corrected"]
        assert first["ledger:correctedBy"]

    tell(tmp_path, act)


def test_a_key_of_another_space_is_not_mixed_in(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        await travel(told)
        response = await told.http.get(f"/epcs/{quoted(PALLET)}", headers=BUNDLE)
        keys = set(proven(told, response.content).nested.asked)
        assert {SubjectKey(0, PALLET)} == keys
        assert len(events_in(await told.http.get(f"/epcs/{quoted(PALLET)}/events"))) == 4

    tell(tmp_path, act)
