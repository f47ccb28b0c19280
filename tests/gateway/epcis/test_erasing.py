"""Tombstones on the ledger empty the gateway: index, captured XML documents, the files of both."""

from __future__ import annotations

import asyncio
from pathlib import Path

from httpx import Response

from ledger.base.encoding import decode
from ledger.chain.transaction import Kind
from tests.gateway.epcis.documents import XML
from tests.gateway.epcis.epcis_stage import READER, EpcisStage, play_epcis, staged_epcis
from tests.gateway.epcis.told import Told, derived, event, quoted, tell
from tests.gateway.stage import until

SECRET = b"JaneDoeOfAnyStreet"
SECRET_XML = XML.replace(
    b"</bizStep>", b"</bizStep><ex:who xmlns:ex='urn:example:x'>" + SECRET + b"</ex:who>"
)


def files(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("*.db*"))


def sequence_of(stage: EpcisStage | Told, event_hash: bytes, by: str) -> int:
    for sequence, row in enumerate(stage.world.rows):
        item = row.changes.item
        if item is not None and item.event_hash == event_hash and row.changes.entry.organisation == by:
            return sequence
    raise AssertionError("no such event")


async def erase(stage: EpcisStage | Told, *event_hashes: bytes, by: str = "maker") -> None:
    items = [(sequence_of(stage, one, by), one, 1) for one in event_hashes]
    block = stage.validator.commit(stage.world.sign(by, *items, kind=Kind.ERASURE).to_bytes())
    assert [receipt.refusal for receipt in block.receipts[0].receipts] == [""] * len(items)
    if by == "maker":
        for one in event_hashes:
            stage.validator.payloads.pop(one)
    await stage.catch_up()


async def captured(stage: EpcisStage, content: bytes) -> Response:
    response = await stage.http.post("/capture", content=content, headers={"Content-Type": "application/xml"})
    assert response.status_code == 202, response.text
    await stage.epcis.jobs.wait(1)
    await stage.catch_up()
    return response


def hashes_of(stage: EpcisStage) -> list[bytes]:
    transaction = stage.validator.submissions[0].transaction
    return [item[3] for item in decode(transaction, max_bytes=1_000_000)[1]]


def test_a_tombstone_empties_the_index(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        (gone, kept) = await told.record(
            event(1, eventID="urn:uuid:1", **{"ex:name": SECRET.decode()}),
            event(2),
            context=b'{"ex": "https://e.example/"}',
        )
        assert SECRET in files(tmp_path)
        await erase(told, gone)
        await until(lambda: SECRET not in files(tmp_path))
        found = await told.events()
        assert sorted(one.get("ledger:bytes", "") for one in found) == ["", "erased"]
        response = await told.http.get(f"/events/{quoted(derived(gone))}")
        assert SECRET.decode() not in response.text
        assert (await told.http.get("/events/urn:uuid:1")).status_code == 404
        assert (await told.events(EQ_eventID=derived(kept)))[0]["epcList"] == event(2)["epcList"]

    tell(tmp_path, act)


def test_bytes_that_come_after_the_tombstone_stay_out(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        (gone,) = await told.record(event(1, **{"ex:name": SECRET.decode()}), indexed=False)
        late = told.validator.payloads[gone]
        await erase(told, gone)
        told.validator.payloads[gone] = late
        await told.epcis.follower._complete(0)
        (found,) = await told.events()
        assert found["ledger:bytes"] == "erased"
        await until(lambda: SECRET not in files(tmp_path))

    tell(tmp_path, act)


def test_who_only_repeats_a_hash_empties_nothing(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        (gone,) = await told.record(event(1, eventID="urn:uuid:1"))
        item = told.world.rows[0].changes.item
        assert item is not None
        copied = item._replace(subject_salt=told.world.salt())
        told.validator.commit(told.world.sign("carrier", copied).to_bytes())
        await erase(told, gone, by="carrier")
        assert (await told.http.get("/events/urn:uuid:1")).status_code == 200
        await erase(told, gone)
        assert [one["ledger:bytes"] for one in await told.events()] == ["erased", "erased"]

    tell(tmp_path, act)


def test_the_document_that_an_event_came_in_goes_with_it(tmp_path: Path) -> None:
    async def act(stage: EpcisStage) -> None:
        response = await captured(stage, SECRET_XML)
        kept = response.headers["location"].removeprefix("/epcis") + "/document"
        assert (await stage.http.get(kept, headers=READER)).content == SECRET_XML
        await erase(stage, *hashes_of(stage))
        told = await stage.http.get(kept, headers=READER)
        assert (told.status_code, told.json()["code"]) == (404, "erased")
        await until(lambda: SECRET not in files(tmp_path))
        again = await stage.http.post(
            "/capture", content=SECRET_XML, headers={"Content-Type": "application/xml"}
        )
        assert again.status_code == 202
        assert (await stage.http.get(kept, headers=READER)).json()["code"] == "erased"

    play_epcis(tmp_path, act)


def test_a_document_that_repeats_an_event_goes_with_it_too(tmp_path: Path) -> None:
    named = SECRET_XML.replace(
        b"<eventTimeZoneOffset>+01:00</eventTimeZoneOffset>",
        b"<eventTimeZoneOffset>+01:00</eventTimeZoneOffset><eventID>urn:uuid:00000000-0000-4000-8000-000000000001</eventID>",
    )
    one = named[named.index(b"<ObjectEvent>") : named.index(b"</ObjectEvent>") + len(b"</ObjectEvent>")]
    other = (
        one.replace(b"000000001</eventID>", b"000000002</eventID>")
        .replace(SECRET, b"nobody")
        .replace(b"000001.1", b"000001.2")
    )
    both = named.replace(one, one + other)

    async def act(stage: EpcisStage) -> None:
        await captured(stage, named)
        second = await stage.http.post("/capture", content=both, headers={"Content-Type": "application/xml"})
        await stage.epcis.jobs.wait(2)
        await stage.catch_up()
        assert len(stage.validator.submissions) == 2
        await erase(stage, hashes_of(stage)[0])
        told = await stage.http.get(
            second.headers["location"].removeprefix("/epcis") + "/document", headers=READER
        )
        assert told.status_code == 404
        assert told.json()["code"] == "erased"
        await until(lambda: SECRET not in files(tmp_path))

    play_epcis(tmp_path, act)


def test_a_document_whose_erasure_somebody_else_indexed_goes_at_the_next_start(tmp_path: Path) -> None:
    async def run() -> None:
        async with staged_epcis(tmp_path) as stage:
            response = await captured(stage, SECRET_XML)
            hashes = hashes_of(stage)
            stage.epcis.follower._on_erased = None
            await erase(stage, *hashes)
            kept = response.headers["location"].removeprefix("/epcis") + "/document"
            assert (await stage.http.get(kept, headers=READER)).status_code == 200
            validator = stage.validator
        async with staged_epcis(tmp_path, validator) as stage:
            told = await stage.http.get(kept, headers=READER)
            assert told.status_code == 404
        assert told.json()["code"] == "erased"
        assert SECRET not in files(tmp_path)

    asyncio.run(run())


def test_erasing_is_the_services_only_for_its_own_organisation(tmp_path: Path) -> None:
    async def act(stage: EpcisStage) -> None:
        await captured(stage, SECRET_XML)
        (hashed,) = hashes_of(stage)
        item = stage.world.rows[0].changes.item
        assert item is not None
        copied = item._replace(subject_salt=stage.world.salt())
        stage.validator.commit(stage.world.sign("carrier", copied).to_bytes())
        await erase(stage, hashed, by="carrier")
        assert SECRET in files(tmp_path)

    play_epcis(tmp_path, act)
