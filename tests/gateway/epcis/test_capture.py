"""POST and GET /capture, GET /capture/{captureID}, POST /events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ledger.base.encoding import decode
from ledger.base.errors import Code, StorageError
from ledger.chain.transaction import Mode, context_hash, transaction_from_bytes
from ledger.epcis.original import name_of, original_of
from node.gateway.epcis import job_store, jobs
from node.gateway.epcis.job_store import document_of
from node.gateway.epcis.preparing import LIFETIME_MS, ROLLBACK_EVENTS
from tests.gateway.epcis.documents import JSON, PROCEED, XML, alone, document, event, uuid
from tests.gateway.epcis.epcis_stage import ERP_TOKEN, READER, EpcisStage, play_epcis, staged_epcis
from tests.gateway.stage import until


async def sent(stage: EpcisStage, data: bytes, **headers: str) -> httpx.Response:
    return await stage.http.post("/capture", content=data, headers=JSON | headers)


async def finished(stage: EpcisStage, response: httpx.Response) -> dict[str, Any]:
    """The job that a capture led to, when it is."""
    assert response.status_code == 202, response.text
    location = response.headers["location"].removeprefix("/epcis")
    while True:
        job: dict[str, Any] = (await stage.http.get(location)).json()
        if not job["running"]:
            assert job["finishedAt"]
            return job
        await asyncio.sleep(0.001)


def header_of(stage: EpcisStage, place: int = -1) -> Any:
    return transaction_from_bytes(stage.validator.submissions[place].transaction, stage.world.network).header


def test_a_document_is_captured_signed_by_the_gateway_and_told_of_by_its_job(tmp_path: Path) -> None:
    async def act(stage: EpcisStage) -> None:
        data = document(event(1, event_id=uuid(1)), event(2))
        response = await sent(stage, data)
        assert response.headers["gs1-capture-error-behaviour"] == "rollback"
        assert response.headers["gs1-epcis-version"] == "2.0.0"
        job = await finished(stage, response)
        assert job["success"] is True, job
        assert job["errors"] == []
        assert job["captureErrorBehaviour"] == "rollback"
        assert job["custody:capturedBy"] == "capture"
        (transaction,) = job["custody:transactions"]
        assert transaction["height"] == 1
        first, second = job["custody:events"]
        assert first == {
            "place": "/epcisBody/eventList/0", "eventID": uuid(1), "applied": True, "outcomes": ["made"],
        }  # fmt: skip
        assert second["eventID"].startswith("urn:custody:event:")
        header = header_of(stage)
        assert header.public_key == stage.world.gateways["maker"].public_key
        assert header.organisation == "maker"
        assert header.mode == Mode.ALL_OR_NOTHING
        assert header.id().hex() == transaction["id"]
        (submission,) = stage.validator.submissions
        slices = json.loads(data)["epcisBody"]["eventList"]
        assert [json.loads(one.event) for one in submission.payloads] == slices
        assert all(one.event in data for one in submission.payloads)

    play_epcis(tmp_path, act)


def test_a_rollback_is_all_or_nothing_on_the_ledger_too(tmp_path: Path) -> None:
    async def act(stage: EpcisStage) -> None:
        hold = event(2, action="OBSERVE", bizStep="holding")
        hold |= {"custody:measure": "detain", "custody:case": "case-7", "custody:basis": "UCC-art-198"}
        job = await finished(stage, await sent(stage, document(event(1), hold)))
        assert job["success"] is False
        first, second = job["errors"]
        assert first["code"] == Code.ROLLED_BACK
        assert "another one was refused" in first["detail"]
        assert (second["code"], second["place"]) == (Code.NOT_ENTITLED, "/epcisBody/eventList/1")
        assert second["type"] == "epcisException:SecurityException"
        job = await finished(stage, await sent(stage, document(event(1), hold), **PROCEED))
        assert job["success"] is False
        (error,) = job["errors"]
        assert (error["code"], error["place"]) == (Code.NOT_ENTITLED, "/epcisBody/eventList/1")
        assert [one.get("outcomes") for one in job["custody:events"]] == [["made"], None]

    play_epcis(tmp_path, act)


def test_what_contradicts_is_captured_and_told_as_recorded(tmp_path: Path) -> None:
    async def act(stage: EpcisStage) -> None:
        declaration = {"declarationTime": "2026-01-17T08:30:00Z", "reason": "incorrect_data"}
        job = await finished(stage, await sent(stage, document(event(1, errorDeclaration=declaration))))
        assert job["success"] is True, job
        (shown,) = job["custody:events"]
        assert (shown["applied"], shown["outcomes"]) == (False, ["correction_inert"])

    play_epcis(tmp_path, act)


def test_form_that_is_wrong_is_refused_with_every_place_or_left_out(tmp_path: Path) -> None:
    async def act(stage: EpcisStage) -> None:
        wrong = [event(1, eventTime="yesterday"), event(2), event(3, type="RumourEvent")]
        response = await sent(stage, document(*wrong))
        assert response.status_code == 400
        problem = response.json()
        assert problem["type"] == "epcisException:ValidationException"
        places = [error["place"] for error in problem["errors"]]
        assert [place[:22] for place in places] == ["/epcisBody/eventList/0", "/epcisBody/eventList/2"]
        assert "yesterday" in problem["errors"][0]["detail"]
        assert stage.validator.submissions == []
        job = await finished(stage, await sent(stage, document(*wrong), **PROCEED))
        assert (job["success"], len(job["errors"]), len(job["custody:events"])) == (False, 2, 1)
        assert header_of(stage).mode == Mode.EACH_ON_ITS_OWN
        assert (await sent(stage, document(*wrong[::2]), **PROCEED)).status_code == 400

    play_epcis(tmp_path, act)


def test_what_deviates_and_can_be_read_in_one_way_is_taken_and_noted(tmp_path: Path) -> None:
    async def act(stage: EpcisStage) -> None:
        plain = event(1, event_id=uuid(1), bizStep="urn:epcglobal:cbv:bizstep:commissioning")
        job = await finished(stage, await sent(stage, document(plain, event(2))))
        assert job["success"] is True, job
        (notice,) = job["custody:notices"]
        assert (notice["place"], notice["eventID"]) == ("/epcisBody/eventList/0/bizStep", uuid(1))
        assert "expected" in notice["detail"]

    play_epcis(tmp_path, act)


def test_more_than_one_transaction_holds_is_refused_or_split(tmp_path: Path) -> None:
    async def act(stage: EpcisStage) -> None:
        data = document(*(event(number) for number in range(ROLLBACK_EVENTS + 1)))
        response = await sent(stage, data)
        assert response.status_code == 413
        assert response.json()["type"] == "epcisException:CaptureLimitExceededException"
        assert response.headers["gs1-epcis-capture-limit"] == "1000"
        assert response.headers["gs1-epcis-capture-file-size-limit"] == "8000000"
        job = await finished(stage, await sent(stage, data, **PROCEED))
        assert [one["height"] for one in job["custody:transactions"]] == [1, 2]
        assert job["success"] is True, job
        many = [
            event(place, epcList=[item["epcList"][0] for item in map(event, range(900))])
            for place in range(3)
        ]
        assert (await sent(stage, document(*many))).status_code == 413
        assert (await sent(stage, b" " * 8_000_001)).status_code == 413

    play_epcis(tmp_path, act)


def test_the_same_bytes_again_are_no_error_and_other_bytes_under_the_same_id_are(tmp_path: Path) -> None:
    async def act(stage: EpcisStage) -> None:
        data = document(event(1, event_id=uuid(1)), event(2, event_id=uuid(2)))
        await finished(stage, await sent(stage, data))
        other = document(event(1, event_id=uuid(1), bizLocation={"id": "urn:epc:id:sgln:9521234.00001.0"}))
        in_flight = await finished(stage, await sent(stage, other))
        assert in_flight["success"] is False
        assert in_flight["errors"][0]["code"] == Code.REPEATED
        assert "capture" in in_flight["errors"][0]["detail"]
        await stage.catch_up()
        again = await finished(stage, await sent(stage, data))
        assert again["success"] is True
        assert [one["unchanged"] for one in again["custody:events"]] == [True, True]
        refused = await finished(stage, await sent(stage, other))
        assert refused["errors"][0]["type"] == "epcisException:ResourceAlreadyExistsException"
        mixed = document(event(1, event_id=uuid(1)), event(3, event_id=uuid(3)))
        assert (await finished(stage, await sent(stage, mixed)))["success"] is True
        twice = document(event(4, event_id=uuid(4)), event(5, event_id=uuid(4)))
        assert (await sent(stage, twice)).json()["errors"][0]["place"] == "/epcisBody/eventList/1/eventID"
        same = document(event(4, event_id=uuid(4)), event(4, event_id=uuid(4)))
        shown = (await finished(stage, await sent(stage, same)))["custody:events"]
        assert [(one["place"][-1], "unchanged" in one) for one in shown] == [("1", True), ("0", False)]
        assert len(stage.validator.submissions) == 3

    play_epcis(tmp_path, act)


def test_an_event_id_that_came_to_nothing_is_free_again(tmp_path: Path) -> None:
    async def act(stage: EpcisStage) -> None:
        hold = event(2, event_id=uuid(2), action="OBSERVE", bizStep="holding")
        hold |= {"custody:measure": "detain", "custody:case": "case-7", "custody:basis": "UCC-art-198"}
        rolled_back = document(event(1, event_id=uuid(1)), hold)
        assert (await finished(stage, await sent(stage, rolled_back)))["success"] is False
        serials = [one["epcList"][0] for one in map(event, range(900))]
        many = [event(place, event_id=uuid(place), epcList=serials) for place in range(3, 6)]
        assert (await sent(stage, document(*many))).status_code == 413
        again = document(*(event(place, event_id=uuid(place)) for place in range(1, 6)))
        job = await finished(stage, await sent(stage, again))
        assert job["success"] is True, job["errors"]

    play_epcis(tmp_path, act)


def test_an_event_id_that_is_taken_rolls_back_what_came_with_it(tmp_path: Path) -> None:
    async def act(stage: EpcisStage) -> None:
        await finished(stage, await sent(stage, document(event(1, event_id=uuid(1)))))
        await stage.catch_up()
        both = document(event(2, event_id=uuid(1)), event(3, event_id=uuid(3)))
        job = await finished(stage, await sent(stage, both))
        assert job["success"] is False
        assert [(one["code"], one["place"][-1]) for one in job["errors"]] == [(Code.REPEATED, "0")]
        assert stage.world.state.tip.header.height == 1
        job = await finished(stage, await sent(stage, both, **PROCEED))
        assert (job["success"], len(job["errors"])) == (False, 1)
        assert stage.world.state.tip.header.height == 2

    play_epcis(tmp_path, act)


def test_what_cannot_be_kept_is_not_handed_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise StorageError(Code.UNAVAILABLE, "expected room on the disk, there is none")

    async def act(stage: EpcisStage) -> None:
        data = document(event(1, event_id=uuid(1)))
        with monkeypatch.context() as patched:
            patched.setattr(job_store, "begin", full)
            assert (await sent(stage, data)).status_code == 503
        assert stage.validator.submissions == []
        assert (await finished(stage, await sent(stage, data)))[
            "success"
        ] is True  # its eventID is free again

    play_epcis(tmp_path, act)


def test_a_declaration_of_error_stands_under_the_id_of_what_it_declares(tmp_path: Path) -> None:
    async def act(stage: EpcisStage) -> None:
        await finished(stage, await sent(stage, document(event(1, event_id=uuid(1)))))
        declared = event(1, event_id=uuid(1))
        declared["errorDeclaration"] = {"declarationTime": "2026-01-17T08:30:00Z", "reason": "incorrect_data"}
        job = await finished(stage, await sent(stage, document(declared)))
        assert job["success"] is True, job
        assert (await finished(stage, await sent(stage, document(declared))))[
            "success"
        ] is False  # not indexed yet
        await stage.catch_up()
        assert (await finished(stage, await sent(stage, document(declared))))["success"] is True

    play_epcis(tmp_path, act)


def test_a_single_event_is_there_when_it_is_answered(tmp_path: Path) -> None:
    async def act(stage: EpcisStage) -> None:
        data = alone(event(1, event_id=uuid(1)))
        response = await stage.http.post("/events", content=data, headers=JSON)
        assert response.status_code == 201, response.text
        assert response.content == data
        assert response.headers["location"] == "/epcis/events/" + uuid(1).replace(":", "%3A")
        await stage.catch_up()
        for body in (data, alone(event(2, event_id=uuid(1)))):
            again = await stage.http.post("/events", content=body, headers=JSON)
            assert again.status_code == 409
            assert again.json()["type"] == "epcisException:ResourceAlreadyExistsException"
        nameless = await stage.http.post("/events", content=alone(event(3)), headers=JSON)
        assert nameless.headers["location"].startswith("/epcis/events/urn%3Acustody%3Aevent%3A")
        shown = nameless.json()
        assert shown.pop("eventID").startswith("urn:custody:event:")
        assert shown == json.loads(alone(event(3)))
        two = await stage.http.post("/events", content=document(event(4), event(5)), headers=JSON)
        assert two.status_code == 413
        wrong = await stage.http.post("/events", content=alone(event(6, action="EAT")), headers=JSON)
        assert wrong.status_code == 400

    play_epcis(tmp_path, act)


def test_who_may_capture_and_who_did(tmp_path: Path) -> None:
    async def act(stage: EpcisStage) -> None:
        for token in (READER["Authorization"], "Bearer " + "x" * 43, "", f"Basic {ERP_TOKEN}"):
            for path in ("/capture", "/events"):
                data = alone(event(1))
                response = await stage.http.post(path, content=data, headers=JSON | {"Authorization": token})
                assert response.status_code == (403 if token == READER["Authorization"] else 401)
                assert response.json()["type"] == "epcisException:SecurityException"
        response = await sent(stage, document(event(1)), Authorization=f"Bearer {ERP_TOKEN}")
        assert (await finished(stage, response))["custody:capturedBy"] == "erp"
        path = response.headers["location"].removeprefix("/epcis")
        assert (await stage.http.get(path, headers=READER)).status_code == 200
        assert (await stage.http.get(path, headers={"Authorization": ""})).status_code == 401

    play_epcis(tmp_path, act)


def test_without_a_capture_key_capture_says_so(tmp_path: Path) -> None:
    async def act(stage: EpcisStage) -> None:
        response = await sent(stage, document(event(1)))
        assert response.status_code == 503
        assert "capture key" in response.json()["detail"]

    play_epcis(tmp_path, act, has_key=False)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/plain"}, 415),
        ({"GS1-Capture-Error-Behaviour": "ignore"}, 400),
        ({"GS1-EPCIS-Version": "3.0.0"}, 406),
        ({"Custody-Readers": "no such, org!"}, 400),
    ],
)
def test_headers_that_ask_for_what_there_is_not(tmp_path: Path, headers: dict[str, str], status: int) -> None:
    async def act(stage: EpcisStage) -> None:
        assert (await sent(stage, document(event(1)), **headers)).status_code == status
        assert stage.validator.submissions == []

    play_epcis(tmp_path, act)


def test_a_body_that_does_not_come_is_not_waited_for(tmp_path: Path) -> None:
    async def drip() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(60)

    async def act(stage: EpcisStage) -> None:
        response = await stage.http.post("/capture", content=drip(), headers=JSON)
        assert response.status_code == 408
        assert response.json()["code"] == Code.TIMED_OUT
        assert (await finished(stage, await sent(stage, document(event(1)))))["success"] is True

    play_epcis(tmp_path, act, body_s=0.5)


def test_an_event_that_is_not_final_in_time_leads_to_its_job(tmp_path: Path) -> None:
    async def act(stage: EpcisStage) -> None:
        stage.validator.is_finalising = False
        response = await stage.http.post("/events", content=alone(event(1)), headers=JSON)
        assert response.status_code == 503
        path = "/capture/" + response.json()["detail"].partition("/capture/")[2][:32]
        assert (await stage.http.get(path)).json()["running"] is True

    play_epcis(tmp_path, act, final_s=0.2)


def test_restricted_bytes_are_kept_for_those_named(tmp_path: Path) -> None:
    async def act(stage: EpcisStage) -> None:
        await finished(
            stage, await sent(stage, document(event(1)), **{"Custody-Readers": "carrier, customs"})
        )
        (submission,) = stage.validator.submissions
        assert submission.payloads[0].readers == ("carrier", "customs", "maker")

    play_epcis(tmp_path, act)


def test_jobs_are_listed_in_pages_the_newest_first(tmp_path: Path) -> None:
    async def act(stage: EpcisStage) -> None:
        for number in range(5):
            await finished(stage, await sent(stage, document(event(number))))
        seen: list[str] = []
        path = "/capture?perPage=2"
        while path:
            page = await stage.http.get(path)
            found = page.json()
            assert 1 <= len(found) <= 2
            seen += [job["captureID"] for job in found]
            path = page.links["next"]["url"].removeprefix("/epcis") if "next" in page.links else ""
            await finished(stage, await sent(stage, document(event(100 + len(seen)))))
        assert len(seen) == len(set(seen)) == 5
        assert (await stage.http.get("/capture?perPage=0")).status_code == 400
        assert (await stage.http.get("/capture?nextPageToken=abc")).status_code == 400
        assert (await stage.http.get("/capture/" + "0" * 32)).status_code == 404
        xml = await stage.http.get(f"/capture/{seen[0]}", headers={"Accept": "application/xml"})
        assert f'captureID="{seen[0]}" running="false" success="true"' in xml.text

    play_epcis(tmp_path, act)


def test_what_the_capture_interface_says_of_itself(tmp_path: Path) -> None:
    async def act(stage: EpcisStage) -> None:
        response = await stage.http.options("/capture")
        assert response.status_code == 204
        said = response.headers
        assert said["gs1-capture-error-behaviour"] == "all"
        assert said["gs1-epcis-min"] == "1.2.0"
        assert said["gs1-epcis-capture-limit"] == "1000"
        assert {"OPTIONS", "GET", "POST"} == set(said["allow"].split(", "))

    play_epcis(tmp_path, act)


def test_a_gateway_that_was_killed_finishes_what_it_took_and_nothing_twice(tmp_path: Path) -> None:
    async def act() -> None:
        async with staged_epcis(tmp_path) as stage:
            stage.validator.is_finalising = False
            data = document(*(event(number, event_id=uuid(number)) for number in range(1_500)))
            response = await sent(stage, data, **PROCEED)
            assert response.status_code == 202
            await until(lambda: bool(stage.validator.submissions))
            (first,) = stage.validator.submissions
        stage.validator.is_finalising = True
        stage.validator.statuses.clear()
        async with staged_epcis(tmp_path, stage.validator) as again:
            repeated = await sent(again, document(event(7, event_id=uuid(7))))
            assert (await finished(again, repeated))["errors"][0]["code"] == Code.REPEATED
            job = await finished(again, response)
            assert job["success"] is True, job
            assert len(job["custody:events"]) == 1_500
            assert again.validator.submissions[1] == first
            assert len(again.validator.submissions) == 3
            assert again.world.state.tip.header.height == 2
        async with staged_epcis(tmp_path, again.validator) as third:
            assert (await finished(third, response))["success"] is True
            await asyncio.sleep(0)
            assert len(third.validator.submissions) == 3

    asyncio.run(act())


def test_a_validator_that_is_away_or_busy_is_waited_for(tmp_path: Path) -> None:
    async def act(stage: EpcisStage) -> None:
        await stage.validator.stop()
        response = await sent(stage, document(event(1)))
        await asyncio.sleep(0.05)
        stage.validator.refusal = Code.OVERLOADED
        await stage.validator.start()
        await until(lambda: len(stage.validator.submissions) >= 2)
        assert (await stage.http.get(response.headers["location"].removeprefix("/epcis"))).json()["running"]
        stage.validator.refusal = None
        assert (await finished(stage, response))["success"] is True
        assert stage.world.state.tip.header.height == 1
        stage.validator.refusal = Code.BAD_SIGNATURE
        job = await finished(stage, await sent(stage, document(event(2))))
        assert (job["success"], job["errors"][0]["code"]) == (False, Code.BAD_SIGNATURE)

    play_epcis(tmp_path, act)


def test_what_expired_before_it_could_be_ordered_is_signed_anew_and_captured_once(tmp_path: Path) -> None:
    async def act(stage: EpcisStage) -> None:
        stage.validator.refusal = Code.EXPIRED
        response = await sent(stage, document(event(1), event(2)))
        await until(lambda: len(stage.validator.submissions) > 1)
        assert (
            len({one.transaction for one in stage.validator.submissions}) == 1
        )  # it may stand in a block yet
        stage.validator.commit(advance_ms=LIFETIME_MS)
        await stage.catch_up()
        await until(lambda: len({one.transaction for one in stage.validator.submissions}) > 1)
        stage.validator.refusal = None
        job = await finished(stage, response)
        assert job["success"] is True, job
        signed = [
            transaction_from_bytes(one.transaction, stage.world.network)
            for one in stage.validator.submissions
        ]
        assert len({one.item_hashes[0] for one in signed}) == 1
        assert job["custody:transactions"][0]["id"] == signed[-1].id.hex()
        assert stage.world.state.tip.header.height == 2

    play_epcis(tmp_path, act)


def test_what_expired_but_is_in_the_repository_is_not_captured_again(tmp_path: Path) -> None:
    async def act(stage: EpcisStage) -> None:
        def signed() -> set[bytes]:
            return {one.transaction for one in stage.validator.submissions}

        stage.validator.is_finalising = False
        response = await sent(stage, document(event(1)))
        await until(lambda: bool(stage.validator.submissions))
        await stage.validator.stop()
        stage.validator.refusal = Code.EXPIRED
        await stage.validator.start()
        await until(lambda: len(stage.validator.submissions) > 2)
        # It stood in a block all the time, of which the validator that refuses it and the index hear only now.
        stage.validator.commit(stage.validator.submissions[0].transaction)
        await stage.catch_up()
        stage.validator.commit(advance_ms=LIFETIME_MS)
        await stage.catch_up()
        await until(lambda: not stage.epcis.jobs._tasks or len(signed()) > 1)
        assert len(signed()) == 1
        job = await finished(stage, response)
        assert (job["success"], job["errors"][0]["code"]) == (False, Code.EXPIRED)
        assert stage.world.state.tip.header.height == 2

    play_epcis(tmp_path, act)


def test_a_client_that_goes_away_leaves_its_capture_whole(tmp_path: Path) -> None:
    async def act(stage: EpcisStage) -> None:
        asked = asyncio.create_task(sent(stage, document(event(1, event_id=uuid(1)))))
        await until(lambda: bool(stage.epcis.jobs._beginning))
        asked.cancel()
        await until(lambda: stage.world.state.tip.header.height == 1)
        await until(lambda: not stage.epcis.jobs._tasks)
        (job,) = (await stage.http.get("/capture")).json()
        assert (job["running"], job["success"]) == (False, True)

    play_epcis(tmp_path, act)


def test_room_for_captures_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(stage: EpcisStage) -> None:
        stage.validator.is_finalising = False
        assert (await sent(stage, document(event(1)))).status_code == 202
        monkeypatch.setattr(jobs, "UNFINISHED_BYTES", 100)
        response = await sent(stage, document(event(2)))
        assert (response.status_code, response.json()["code"]) == (429, Code.OVERLOADED)
        assert int(response.headers["retry-after"]) >= 1

    play_epcis(tmp_path, act)


def test_the_bytes_of_a_submission_are_gone_once_its_fate_is_known(tmp_path: Path) -> None:
    async def act(stage: EpcisStage) -> None:
        await finished(stage, await sent(stage, document(event(1))))
        rows = await stage.epcis.store.run(
            lambda found: found.execute("SELECT submission FROM capture_parts").fetchall()
        )
        assert rows == [(None,)]

    play_epcis(tmp_path, act)


def test_what_is_kept_is_what_is_handed_in(tmp_path: Path) -> None:
    async def act(stage: EpcisStage) -> None:
        await finished(stage, await sent(stage, document(event(1))))
        (submission,) = stage.validator.submissions
        items = decode(submission.transaction, max_bytes=1_000_000)[1]
        assert len(items) == len(submission.payloads) == 1
        assert submission.contexts[0].startswith(b"[")

    play_epcis(tmp_path, act)


def test_an_xml_document_is_kept_and_named_under_the_signature(tmp_path: Path) -> None:
    async def act(stage: EpcisStage) -> None:
        response = await stage.http.post("/capture", content=XML, headers={"Content-Type": "application/xml"})
        job = await finished(stage, response)
        assert job["success"] is True, job
        name = name_of(XML)
        assert job["custody:document"] == name
        submission = stage.validator.submissions[0]
        assert original_of(submission.contexts[0]) == name
        (item,) = decode(submission.transaction, max_bytes=1_000_000)[1]
        assert item[4] == context_hash(stage.world.network, submission.contexts[0])
        assert json.loads(submission.payloads[0].event)["epcList"] == ["urn:epc:id:sgtin:9521234.000001.1"]
        kept = response.headers["location"].removeprefix("/epcis") + "/document"
        told = await stage.http.get(kept, headers=READER)
        assert (told.content, told.headers["content-type"]) == (XML, "application/xml")
        assert (await stage.http.get(kept)).status_code == 403
        other = await sent(stage, document(event(2)))
        none = other.headers["location"].removeprefix("/epcis") + "/document"
        assert (await stage.http.get(none, headers=READER)).status_code == 404
        wrong = XML.replace(b"<action>ADD", b"<action>EAT")
        refused = await stage.http.post("/capture", content=wrong, headers={"Content-Type": "text/xml"})
        assert refused.status_code == 400
        assert await stage.epcis.store.run(lambda found: document_of(found, name_of(wrong))) is None

    play_epcis(tmp_path, act)
