"""GET /v1/subjects, /v1/subjects/history and /v1/bundle."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ledger.base.errors import Code
from ledger.proof.build import build
from ledger.trade.record import Space, SubjectKey
from ledger.trade.statement import Action, Role
from tests.gateway.stage import Stage, check_problem, item_id, play
from tests.world.past import Past
from tests.world.world import lot, place, sscc

PALLET = sscc("9521234", 5)
SERIAL = item_id(7)
SPELLINGS = {
    "canonical": SERIAL,
    "another host": SERIAL.replace("id.gs1.org", "example.com"),
    "http, parameters": SERIAL.replace("https://id.gs1.org", "http://Example.COM") + "?17=261231",
    "EPC URN": "urn:epc:id:sgtin:9521234.000001.7",
}


async def tell(stage: Stage) -> None:
    """An item made, packed, shipped and received, and looked at by a stranger."""
    item = stage.world.item
    steps = (
        ("maker", item(Action.MAKE, [(Role.OBJECT, SERIAL)])),
        ("maker", item(Action.PACK, [(Role.PARENT, PALLET), (Role.CHILD, SERIAL)])),
        ("maker", item(Action.OFFER, [(Role.OBJECT, PALLET)], to="carrier")),
        ("carrier", item(Action.ACCEPT, [(Role.OBJECT, PALLET)])),
        ("forwarder", item(Action.OBSERVE, [(Role.OBJECT, SERIAL)])),
    )
    for organisation, one in steps:
        assert (await stage.submit(stage.world.sign(organisation, one))).status_code == 200


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_any_spelling_finds_the_record(tmp_path: Path, spelling: str) -> None:
    async def act(stage: Stage) -> None:
        await tell(stage)
        response = await stage.http.get("/v1/subjects", params={"id": spelling})
        assert response.status_code == 200
        found = response.json()
        assert found["subject"] == {"id": SERIAL, "space": "thing"}
        assert found["height"] == 5
        assert found["time"].endswith("Z")
        record = found["record"]
        assert (record["status"], record["origin"], record["maker"]) == ("live", "attested", "maker")
        assert record["parent"] == PALLET
        assert record["links"]["length"] == 2
        assert "holds" not in record

    play(tmp_path, act)


def test_the_chain_is_shown_in_order_and_in_pages(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        await tell(stage)
        response = await stage.http.get("/v1/subjects/history", params={"id": SERIAL})
        found = response.json()
        assert found["next"] is None
        assert [link["outcome"]["name"] for link in found["links"]] == ["made", "packed"]
        assert [link["statement"]["action"] for link in found["links"]] == ["make", "pack"]
        assert [link["position"] for link in found["links"]] == [1, 2]
        assert found["links"][1]["named_as"] == [{"role": "child", "id": SERIAL}]
        assert found["links"][1]["subjects"] == 2
        assert found["links"][1]["entry"]["organisation"] == "maker"
        assert found["links"][1]["entry"]["height"] == 2
        assert found["links"][1]["statement"]["place"] == place(1)
        first = (await stage.http.get("/v1/subjects/history", params={"id": SERIAL, "limit": 1})).json()
        assert (first["links"], first["next"]) == (found["links"][:1], 2)
        rest = (await stage.http.get("/v1/subjects/history", params={"id": SERIAL, "from": 2})).json()
        assert (rest["links"], rest["next"]) == (found["links"][1:], None)
        beyond = (await stage.http.get("/v1/subjects/history", params={"id": SERIAL, "from": 9})).json()
        assert beyond["links"] == []

    play(tmp_path, act)


def test_reports_by_third_parties_stand_aside(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        await tell(stage)
        response = await stage.http.get("/v1/subjects/history", params={"id": SERIAL, "aside": "true"})
        (link,) = response.json()["links"]
        assert link["entry"]["organisation"] == "forwarder"

    play(tmp_path, act)


def test_a_bundle_comes_as_the_prover_made_it(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        await tell(stage)
        params = {"id": [*SPELLINGS.values(), PALLET]}
        response = await stage.http.get("/v1/bundle", params=params)
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/vnd.custody.bundle"
        keys = [SubjectKey(Space.THING, SERIAL), SubjectKey(Space.THING, PALLET)]
        assert response.content == build(Past(stage.world), keys)
        assert int(response.headers["content-length"]) == len(response.content)

    play(tmp_path, act)


@pytest.mark.parametrize("path", ["/v1/subjects", "/v1/subjects/history", "/v1/bundle"])
def test_an_unknown_subject_is_named(tmp_path: Path, path: str) -> None:
    async def act(stage: Stage) -> None:
        await tell(stage)
        detail = check_problem(await stage.http.get(path, params={"id": item_id(99)}), Code.UNKNOWN_SUBJECT)
        assert item_id(99) in detail

    play(tmp_path, act)


def test_a_history_that_is_not_whole_is_never_answered_with_less(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        stage.validator.fault = (Code.HISTORY_INCOMPLETE, "expected the whole history, it begins at block 9")
        response = await stage.http.get("/v1/bundle", params={"id": SERIAL})
        assert response.status_code == 503
        check_problem(response, Code.HISTORY_INCOMPLETE)

    play(tmp_path, act)


def test_documents_are_found_by_their_bare_number(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        await tell(stage)
        number = "06DE586600006143E1"
        name = f"urn:custody:doc:mrn:{number}"
        bound = stage.world.item(Action.BIND, [(Role.OBJECT, PALLET), (Role.DOCUMENT, name)])
        (sent,) = (await stage.submit(stage.world.sign("carrier", bound))).json()["transactions"]
        assert sent["receipts"][0]["refusal"] is None, sent
        by_number = await stage.http.get("/v1/subjects", params={"id": number, "type": "mrn"})
        assert by_number.json()["subject"] == {"id": name, "space": "document"}

    play(tmp_path, act)


def test_a_place_is_found_where_something_was_recorded_of_it(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        seen = stage.world.item(Action.OBSERVE, [(Role.PLACE, place(3))])
        await stage.submit(stage.world.sign("carrier", seen))
        found = (await stage.http.get("/v1/subjects", params={"id": place(3)})).json()
        assert found["subject"] == {"id": place(3), "space": "place"}
        chain = (await stage.http.get("/v1/subjects/history", params={"id": place(3)})).json()
        assert [link["outcome"]["name"] for link in chain["links"]] == ["first_seen"]

    play(tmp_path, act)


def test_a_lot_and_its_balances_are_records_of_their_own(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        batch = lot("9521234", 1, "B7")
        made = stage.world.item(Action.MAKE, [(Role.OBJECT, batch, (100, 0, ""))])
        await stage.submit(stage.world.sign("maker", made))
        whole = (await stage.http.get("/v1/subjects", params={"id": batch})).json()
        assert whole["subject"] == {"id": batch, "space": "lot"}
        balance = (await stage.http.get("/v1/subjects", params={"id": batch, "holder": "maker"})).json()
        assert balance["subject"] == {"id": batch, "space": "balance", "holder": "maker"}
        assert balance["record"]["quantity"]["attested"] == 100

    play(tmp_path, act)


Params = list[tuple[str, str | int | float | bool | None]]
WRONG: dict[str, Params] = {
    "no id": [],
    "empty": [("id", "")],
    "too long": [("id", "x" * 3_000)],
    "bad aside": [("id", SERIAL), ("aside", "perhaps")],
    "from zero": [("id", SERIAL), ("from", "0")],
    "from text": [("id", SERIAL), ("from", "x")],
    "from far": [("id", SERIAL), ("from", "9" * 30)],
    "too many": [("id", SERIAL), ("limit", "1001")],
    "unknown type": [("id", SERIAL), ("type", "visa")],
}


@pytest.mark.parametrize("params", WRONG.values(), ids=WRONG)
def test_parameters_that_do_not_fit_are_named(tmp_path: Path, params: Params) -> None:
    async def act(stage: Stage) -> None:
        response = await stage.http.get("/v1/subjects/history", params=params)
        assert response.status_code == 400
        name = params[-1][0] if params else "id"
        assert check_problem(response).startswith(f"{name}: expected ")

    play(tmp_path, act)


@pytest.mark.parametrize("count", [0, 101])
def test_a_bundle_is_of_a_bounded_number_of_subjects(tmp_path: Path, count: int) -> None:
    async def act(stage: Stage) -> None:
        response = await stage.http.get("/v1/bundle", params=[("id", item_id(n)) for n in range(count)])
        check_problem(response, Code.MALFORMED)

    play(tmp_path, act)


@pytest.mark.parametrize("text", ["", "x" * 3_000])
def test_each_subject_of_a_bundle_is_checked(tmp_path: Path, text: str) -> None:
    async def act(stage: Stage) -> None:
        response = await stage.http.get("/v1/bundle", params={"id": [item_id(1), text]})
        assert check_problem(response, Code.MALFORMED).startswith("id.1: expected at ")

    play(tmp_path, act)


ODD = [
    "\x00",
    "%",
    "urn:epc:id:sgtin:1.2.3",
    "https://id.gs1.org/01/1/21/1",
    "a b",
    "ü",
    "\U0001f600",
    "\ud800",
]


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_odd_identifiers_are_unknown_or_refused(tmp_path: Path, text: str) -> None:
    async def act(stage: Stage) -> None:
        quoted = "".join(f"%{byte:02x}" for byte in text.encode("utf-8", "surrogatepass"))
        response = await stage.http.get(f"/v1/subjects?id={quoted}")
        assert response.status_code in (400, 404)
        check_problem(response)

    play(tmp_path, act)


def test_more_proofs_than_may_be_made_at_a_time_are_told_to_come_again(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        stage.validator.is_silent = True
        asked = [asyncio.create_task(stage.http.get("/v1/bundle", params={"id": SERIAL})) for _ in range(5)]
        done, pending = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        (answered,) = done
        check_problem(answered.result(), Code.OVERLOADED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    play(tmp_path, act)
