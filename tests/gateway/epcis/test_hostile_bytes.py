"""Bytes on the ledger that no honest validator would have let in: they spoil no answer, and the index goes on behind them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from ledger.chain.signing import prepare_event, sign_events
from ledger.chain.transaction import Mode
from ledger.trade.extract import extract
from node.local.protocol import StoredPayload
from tests.gateway.epcis.told import BUNDLE, Told, derived, event, events_in, tell

BYTES = (
    b'{"type":"ObjectEvent","eventID":"urn:a\\ud800","urn:x:f":"\\udc00","readPoint":{"id":"urn:\\ud800"}}',
    b'{"a\\ud800":1,"type":"ObjectEvent","bizTransactionList":[{"type":"\\ud800","bizTransaction":"\\ud800"}]}',
    b"\xff",
    b'"a"',
    b"",
    b'{"type":"ObjectEvent","a":NaN}',
    b'{"type":"ObjectEvent","a":1,"a":2}',
    b'{"type":"ObjectEvent","a":' + 900 * b"[" + 900 * b"]" + b"}",
    b'{"@context":[{"ex":{"@id":[]}}],"type":"ObjectEvent","ledger:x":3}',
    b'{"@context":5,"type":7,"eventID":8}',
    b'{"type":"ObjectEvent","eventID":8,"recordTime":[]}',
    b'{"type":"ObjectEvent","urn:x:n":"' + 9000 * b"9" + b'","sensorElementList":[{"sensorReport":[{"value":"'
    + 9000 * b"9" + b'","uom":"CEL"},{"value":"1e999999999999999999999999","uom":"FAH"}]}]}',
)  # fmt: skip


async def put(told: Told, data: bytes, number: int) -> bytes:
    """An item whose extract says one thing and whose bytes another, in a block of its own."""
    said = json.dumps(event(number)).encode()
    one = prepare_event(told.world.network, data, None, extract(said, None), told.world.salt)
    (signed,) = sign_events(
        told.world.keys["maker"], "maker", [one], expiry_ms=told.world.now_ms + 60_000, mode=Mode.EACH_ON_ITS_OWN,
        random_bytes=told.world.salt,
    )  # fmt: skip
    told.validator.payloads[one.item.event_hash] = StoredPayload(one.item.event_hash, *one.payload, None)
    told.validator.commit(signed.transaction.to_bytes())
    return one.item.event_hash


@pytest.mark.parametrize("form", ["application/json", "application/xml"])
def test_no_bytes_spoil_an_answer(tmp_path: Path, form: str) -> None:
    async def act(told: Told) -> None:
        hashes = [await put(told, data, number) for number, data in enumerate(BYTES, 2)]
        await told.record(event(1), indexed=False)
        await asyncio.wait_for(told.catch_up(), 30)
        told.http.headers["accept"] = form
        for path in ("/events", *(f"/events/{derived(one)}" for one in hashes)):
            response = await told.http.get(path)
            assert response.status_code == 200, response.text
        bundle = await told.http.get(f"/events/{derived(hashes[0])}", headers=BUNDLE)
        assert bundle.status_code == 200

    tell(tmp_path, act)


def test_what_is_no_event_is_told_by_its_extract(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        hashes = [await put(told, data, number) for number, data in enumerate(BYTES, 2)]
        await asyncio.wait_for(told.catch_up(), 30)
        shown: list[dict[str, Any]] = events_in(await told.http.get("/events"))
        assert [one["ledger2:eventHash"] for one in shown] == [one.hex() for one in hashes]
        assert [one.get("ledger2:bytes") for one in shown] == 10 * ["unreadable"] + 2 * [None]
        assert all(one["epcList"] for one in shown[:10])
        assert shown[0]["eventID"] != "urn:a\ud800"

    tell(tmp_path, act)


def test_a_page_token_is_bound_to_the_prefixes_of_its_request_too(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        await told.record(*(event(number, **{"urn:x:a": "1"}) for number in (1, 2)))
        first = await told.http.get(
            "/events", params={"EQ_p:a": "1", "perPage": "1"}, headers={"GS1-Extensions": "p=urn:x:"}
        )
        link = first.headers["link"].split(">")[0][1:].removeprefix("/epcis")
        for prefixes, status in (("p=urn:x:", 200), ("p=urn:y:", 400), ("", 400)):
            response = await told.http.get(link, headers={"GS1-Extensions": prefixes})
            assert response.status_code == status, response.text

    tell(tmp_path, act)
