"""Events and the names by which they are found, over the real application."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.gateway.epcis.told import Told, check_exception, derived, event, events_in, quoted, tell
from tests.gateway.stage import item_id
from tests.world.world import lot, place, sscc

PALLET = sscc("9521234", 5)
URN = "urn:epc:id:sgtin:9521234.000001.1"
RESOURCES = ("eventTypes", "epcs", "bizSteps", "bizLocations", "readPoints", "dispositions")


def shipped(**more: Any) -> dict[str, Any]:
    return event(
        1, action="OBSERVE", bizStep="https://ref.gs1.org/cbv/BizStep-shipping", disposition="in_transit",
        readPoint={"id": place(1)}, bizLocation={"id": place(2)}, eventID="urn:uuid:1",
    ) | more  # fmt: skip


def test_an_event_is_answered_with_id_block_time_and_what_the_ledger_knows(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        (event_hash,) = await told.record(
            event(1, **{"example:n": 1.50}), context=b'{"example": "https://ns.example.org/"}'
        )
        response = await told.http.get("/events", headers={"GS1-EPC-Format": "Never_Translates"})
        document = response.json()
        assert document["type"] == "EPCISQueryDocument"
        assert document["epcisBody"]["queryResults"]["queryName"] == "SimpleEventQuery"
        (found,) = events_in(response)
        own = {name: found[name] for name in found if not name.startswith("ledger:")}
        block = told.validator.blocks[0]
        assert own == event(1, **{"example:n": 1.5}) | {
            "eventID": derived(event_hash), "recordTime": "2023-11-14T22:13:21.000Z",
        }  # fmt: skip
        assert '"example:n":1.50' in response.text or '"example:n":1.5' in response.text
        assert found["ledger:eventHash"] == event_hash.hex()
        assert found["ledger:proof"] == f"/epcis/events/{quoted(derived(event_hash))}"
        assert (found["ledger:height"], found["ledger:organisation"]) == (1, "maker")
        assert (found["ledger:applied"], found["ledger:outcome"]) == (True, ["made"])
        assert "ledger:bytes" not in found
        standard, terms = document["@context"]
        assert standard.startswith("https://ref.gs1.org/")
        assert terms == {"ledger": "https://custody-ledger.org/answer/", "example": "https://ns.example.org/"}
        assert response.headers["custody-height"] == "1" == str(document["ledger:height"])
        assert (
            response.headers["custody-header-hash"]
            == block.header.hash.hex()
            == document["ledger:headerHash"]
        )
        assert response.headers["custody-time"] == "2023-11-14T22:13:21.000Z" == document["ledger:time"]
        assert response.headers["gs1-epcis-version"] == response.headers["gs1-cbv-version"] == "2.0.0"
        assert response.headers["content-type"] == "application/json"

    tell(tmp_path, act)


def test_the_author_s_own_record_time_and_id_are_kept_apart(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        await told.record(event(1, recordTime="1999-01-01T00:00:00Z", eventID="urn:uuid:7"))
        (found,) = await told.events()
        assert found["recordTime"] == "2023-11-14T22:13:21.000Z"
        assert found["eventID"] == "urn:uuid:7"
        for name in ("urn:uuid:7", found["ledger:proof"].rpartition("/")[2].replace("%3A", ":")):
            assert await told.events(f"/events/{quoted(name)}") == [found]

    tell(tmp_path, act)


def test_parameters_restrict_and_wrong_ones_are_named(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        await told.record(event(1), event(2, eventID="urn:uuid:2"), shipped())
        assert await told.ids(EQ_bizStep="shipping") == ["urn:uuid:1"]
        assert await told.ids(MATCH_epc=item_id(2)) == ["urn:uuid:2"]
        assert len(await told.ids(MATCH_anyEPC=URN)) == 2
        assert await told.ids(EQ_bizStep="packing") == []
        for parameters, named in (
            ({"EQ_action": "SELL"}, "EQ_action"),
            ({"EQ_bizStap": "shipping"}, "EQ_bizStap"),
            ({"perPage": "0"}, "perPage"),
            ({"GE_eventTime": "yesterday"}, "GE_eventTime"),
            ({"nextPageToken": "x"}, "nextPageToken"),
        ):
            response = await told.http.get("/events", params=parameters)
            assert named in check_exception(response, "QueryParameterException", 400)
        response = await told.http.get("/events?EQ_bizStep=%FF")
        check_exception(response, "QueryParameterException", 400)
        response = await told.http.get("/events", params={"maxEventCount": "2"})
        check_exception(response, "QueryTooLargeException", 413)

    tell(tmp_path, act)


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("eventTypes", ["ObjectEvent", "https://ref.gs1.org/epcis/ObjectEvent"]),
        ("epcs", [item_id(1), URN, item_id(1).replace("id.gs1.org", "example.com")]),
        (
            "bizSteps",
            ["shipping", "urn:epcglobal:cbv:bizstep:shipping", "https://ref.gs1.org/cbv/BizStep-shipping"],
        ),
        ("bizLocations", [place(2)]),
        ("readPoints", [place(1), place(1).replace("https", "http")]),
        ("dispositions", ["in_transit", "urn:epcglobal:cbv:disp:in_transit"]),
    ],
)
def test_events_are_found_by_their_names_in_any_spelling(tmp_path: Path, path: str, names: list[str]) -> None:
    async def act(told: Told) -> None:
        await told.record(shipped())
        for name in names:
            for spelt in (quoted(name), name):  # encoded, and as a client that does not encode
                assert await told.ids(f"/{path}/{spelt}/events") == ["urn:uuid:1"], spelt
                found = (await told.http.get(f"/{path}/{spelt}")).json()
                assert (found["type"], found["member"]) == ("Collection", ["events"])
        assert await told.ids(f"/{path}/{quoted(names[0])}/events", EQ_action="ADD") == []

    tell(tmp_path, act)


@pytest.mark.parametrize(
    "path", ["epcs", "bizLocations", "readPoints", "eventTypes", "bizSteps", "dispositions"]
)
def test_a_name_that_no_event_has_is_no_resource(tmp_path: Path, path: str) -> None:
    async def act(told: Told) -> None:
        await told.record(shipped())
        for name in (
            item_id(9),
            "https://example.org/other",
            "nothing",
            "%00",
            "%ff",
            "x" * 3000,
            "a%2Fevents",
        ):
            for address in (f"/{path}/{name}", f"/{path}/{name}/events"):
                for method in ("GET", "OPTIONS"):
                    response = await told.http.request(method, address)
                    check_exception(response, "NoSuchNameException", 404)

    tell(tmp_path, act)


def test_standard_words_and_types_are_always_there(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        for address in ("/bizSteps/receiving", "/dispositions/active", "/eventTypes/TransformationEvent"):
            assert (await told.http.get(address)).status_code == 200
            assert await told.ids(address + "/events") == []

    tell(tmp_path, act)


def test_the_names_that_occur_are_listed_in_pages(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        await told.record(
            *(event(number) for number in range(1, 8)), shipped(bizStep="https://example.org/steps/other")
        )
        listed: list[str] = []
        address = "/epcis/epcs?perPage=3"
        while address:
            response = await told.http.get(f"http://gateway{address}")
            listed += response.json()["member"]
            link = response.headers.get("link", "")
            assert ("gs1-next-page-token-expires" in response.headers) == bool(link)
            address = link.partition(">")[0][1:]
        assert listed == sorted(item_id(number) for number in range(1, 8))
        steps = (await told.http.get("/bizSteps", params={"perPage": 100})).json()["member"]
        assert len(steps) == 42
        assert {"shipping", "https://example.org/steps/other"} <= set(steps)
        pages = []
        link = "/epcis/bizSteps?perPage=20"
        while link:
            response = await told.http.get(f"http://gateway{link}")
            pages.append(response.json()["member"])
            link = response.headers.get("link", "").partition(">")[0][1:]
        assert [name for page in pages for name in page] == steps
        types = (await told.http.get("/eventTypes")).json()["member"]
        assert len(types) == 5

    tell(tmp_path, act)


def test_a_lot_is_found_under_epcs_too(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        batch = lot("9521234", 1, "B7")
        await told.record(
            event(1, epcList=[], quantityList=[{"epcClass": batch, "quantity": 10}], eventID="urn:uuid:9")
        )
        assert await told.ids(f"/epcs/{quoted(batch)}/events") == ["urn:uuid:9"]

    tell(tmp_path, act)


def test_pages_stay_what_they_were_while_events_arrive(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        await told.record(*(event(number, eventID=f"urn:uuid:{number}") for number in range(1, 8)))
        parameters = {"perPage": "3", "orderBy": "eventTime", "orderDirection": "ASC"}
        response = await told.http.get("/events", params=parameters)
        seen = [one["eventID"] for one in events_in(response)]
        number = 100
        while "link" in response.headers:
            address = response.headers["link"].partition(">")[0][1:]
            await told.record(event(number, eventTime="2001-01-01T00:00:00Z"), event(number + 1))
            number += 2
            again = await told.http.get(f"http://gateway{address}")
            response = await told.http.get(f"http://gateway{address}")
            assert events_in(again) == events_in(response)
            seen += [one["eventID"] for one in events_in(response)]
        assert seen == [f"urn:uuid:{number}" for number in range(1, 8)]
        assert number == 104
        assert response.headers["custody-height"] == "3"

    tell(tmp_path, act)


def test_a_token_given_back_leads_nowhere(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        await told.record(event(1), event(2))
        response = await told.http.get("/events", params={"perPage": 1})
        address = response.headers["link"].partition(">")[0][1:]
        assert (await told.http.get(f"http://gateway{address}")).status_code == 200
        token = address.rpartition("nextPageToken=")[2]
        deleted = await told.http.delete(f"/nextPageToken/{token}")
        assert (deleted.status_code, deleted.content) == (204, b"")
        check_exception(await told.http.get(f"http://gateway{address}"), "QueryParameterException", 400)
        assert (await told.http.delete("/nextPageToken/never-was-one")).status_code == 204

    tell(tmp_path, act)


def test_every_resource_says_its_methods_and_needs_the_reader_s_token(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        await told.record(shipped())
        here = {
            "": "OPTIONS, GET", "/": "OPTIONS, GET", "/events": "OPTIONS, GET, POST", "/events/urn:uuid:1": "OPTIONS, GET",
            "/queries": "OPTIONS, GET, POST", "/nextPageToken/x": "OPTIONS, DELETE",
        }  # fmt: skip
        here |= {f"/{name}": "OPTIONS, GET" for name in RESOURCES}
        here |= {"/bizSteps/shipping": "OPTIONS, GET", "/bizSteps/shipping/events": "OPTIONS, GET"}
        for address, allow in here.items():
            response = await told.http.options(address)
            assert response.status_code == 204, address
            assert response.headers["allow"] == allow
            assert response.headers["gs1-epcis-max"] == "2.0.0"
            wrong = await told.http.patch(address)
            check_exception(wrong, "ImplementationException", 405)
            assert wrong.headers["allow"] == allow
            for method in allow.split(", "):
                if (method, address) != ("POST", "/events"):
                    nobody = await told.http.request(method, address, headers={"Authorization": "Bearer no"})
                    check_exception(nobody, "SecurityException", 401)

    tell(tmp_path, act)


def test_a_client_that_reads_other_versions_only_is_refused(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        await told.record(shipped())
        for address in ("/", "/events", "/events/urn:uuid:1", "/epcs", "/bizSteps/shipping", "/queries"):
            for method in ("GET", "OPTIONS"):
                response = await told.http.request(method, address, headers={"GS1-EPCIS-Min": "2.1"})
                check_exception(response, "NotAcceptableException", 406)
            response = await told.http.get(address, headers={"Accept": "text/csv"})
            check_exception(response, "NotAcceptableException", 406)
            response = await told.http.get(address, headers={"Accept": "application/ld+json"})
            assert response.headers["content-type"] == "application/ld+json"

    tell(tmp_path, act)


def test_prefixes_of_parameters_come_with_the_extensions(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        await told.record(event(1, **{"ex:colour": "red"}), context=b'{"ex": "https://ns.example.org/"}')
        headers = {"GS1-Extensions": "own=https://ns.example.org/"}
        response = await told.http.get("/events", params={"EQ_own:colour": "red"}, headers=headers)
        assert len(events_in(response)) == 1
        response = await told.http.get("/events", params={"EQ_own:colour": "red"})
        assert events_in(response) == []
        response = await told.http.get(
            "/events", headers={"GS1-Extensions": "custody=https://elsewhere.example/"}
        )
        check_exception(response, "NotAcceptableException", 406)

    tell(tmp_path, act)
