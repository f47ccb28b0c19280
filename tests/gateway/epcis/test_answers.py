"""How events are answered: in XML, with contexts joined, and by their extract where nobody can read their bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ledger.chain.transaction import Item
from ledger.epcis.check import check_document
from ledger.epcis.document import Form, read_document
from ledger.epcis.findings import Grade
from ledger.trade.extract import extract
from ledger.trade.slices import Number
from ledger.trade.statement import Action, Openness, Quantity
from node.gateway.epcis.documents import CONTEXT, joined_contexts
from node.gateway.epcis.extracts import event_of, number_of
from tests.epcis.meaning import meanings
from tests.gateway.epcis.told import WRITTEN, Told, derived, event, events_in, quoted, tell
from tests.gateway.stage import item_id
from tests.world.world import lot, party, place, sscc

XML = {"Accept": "application/xml", **WRITTEN}
OURS = {"ledger": "https://custody-ledger.org/answer/"}
OTHER = "https://example.org/other-context.jsonld"


def test_xml_says_the_same_as_json(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        context = b'["https://gs1.github.io/EPCIS/epcis-context.jsonld", {"ex": "https://ns.example.org/"}]'
        said = event(1, bizLocation={"id": place(1)}, **{"ex:weight": 1.5, "ex:inner": {"ex:name": "a<b"}})
        await told.record(said, event(2, disposition="active"), context=context)
        for address in ("/events", "/bizSteps/commissioning/events", f"/epcs/{quoted(item_id(1))}/events"):
            xml = await told.http.get(address, headers=XML)
            assert xml.headers["content-type"] == "application/xml"
            plain = await told.http.get(address, headers=WRITTEN)
            assert xml.headers["custody-height"] == plain.headers["custody-height"]
            assert meanings(read_document(xml.content, Form.XML)) == meanings(
                read_document(plain.content, Form.JSON)
            )
        urns = await told.http.get("/events", headers=XML | {"GS1-CBV-XML-Format": "Always_URN"})
        assert "urn:epcglobal:cbv:bizstep:commissioning" in urns.text
        web = await told.http.get("/events", headers=XML | {"GS1-CBV-XML-Format": "Always_Web_URI"})
        assert "https://ref.gs1.org/cbv/BizStep-commissioning" in web.text

    tell(tmp_path, act)


def test_numbers_are_written_as_their_authors_wrote_them(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        text = json.dumps(event(1)).replace("{", '{"ex:n": 1.50, "ex:big": 12345678901234567e2, ', 1)
        await told.record(text.encode(), context=b'{"ex": "https://ns.example.org/"}')
        response = await told.http.get("/events")
        assert '"ex:n":1.50,' in response.text
        assert '"ex:big":12345678901234567e2,' in response.text

    tell(tmp_path, act)


def test_events_of_different_contexts_keep_their_meaning(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        await told.record(event(1, **{"ex:a": 1}), context=b'[{"ex": "https://one.example/"}]')
        await told.record(event(2, **{"ex:a": 2}), context=b'[{"ex": "https://two.example/"}]')
        await told.record(event(3))
        response = await told.http.get(
            "/events", params={"orderBy": "eventTime", "orderDirection": "ASC"}, headers=WRITTEN
        )
        first, second, third = events_in(response)
        assert response.json()["@context"] == [CONTEXT, OURS | {"ex": "https://one.example/"}]
        assert "@context" not in first
        assert second["@context"] == [{"ex": "https://two.example/"}]
        assert "@context" not in third

    tell(tmp_path, act)


def test_an_author_s_own_use_of_our_prefix_is_respected(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        await told.record(event(1, **{"ledger:page": 7}), context=b'[{"ledger": "https://books.example/"}]')
        response = await told.http.get("/events", headers=WRITTEN)
        (found,) = events_in(response)
        own = {"ledger": "https://books.example/", "ledger2": "https://custody-ledger.org/answer/"}
        assert response.json()["@context"] == [CONTEXT, own]
        assert found["ledger:page"] == 7
        assert found["ledger2:applied"] is True
        assert response.json()["ledger2:height"] == 1
        assert (await told.http.get("/events", headers={"Accept": "application/xml"})).status_code == 200

    tell(tmp_path, act)


def test_no_author_speaks_as_the_node(tmp_path: Path) -> None:
    forged = (
        b'"ledger:correctedBy":["x"],',
        b'"l\\u0065dger:correctedBy":["x"],',
        b'"mine:correctedBy":["x"],',
        b'"https://custody-ledger.org/answer/correctedBy":["x"],',
        b'"term":["x"],',
    )
    context = json.dumps(
        {"ledger": OURS["ledger"], "mine": OURS["ledger"], "term": OURS["ledger"] + "correctedBy"}
    ).encode()

    async def act(told: Told) -> None:
        data = [json.dumps(event(number)).encode() for number in range(len(forged))]
        said = [b"{" + one + member[1:] for one, member in zip(forged, data, strict=True)]
        await told.record(*said, context=context)
        response = await told.http.get("/events", headers=WRITTEN)
        assert "correctedBy" not in response.text.replace('"term": "https', "").split("epcisBody")[1]
        assert len(events_in(response)) == len(forged)
        # Bound to somebody else's meaning in letters that are escaped, our words stand elsewhere.
        await told.record(event(9), context=b'{"l\\u0065dger": "https://books.example/"}')
        response = await told.http.get("/events", headers=WRITTEN)
        assert all(one["ledger2:applied"] is True for one in events_in(response))

    tell(tmp_path, act)


JOINED: list[tuple[list[Any], list[Any], list[Any]]] = [
    ([None], [CONTEXT, OURS], []),
    ([[CONTEXT]], [CONTEXT, OURS], []),
    ([OTHER], [CONTEXT, OTHER, OURS], []),
    ([{"@vocab": "https://v.example/"}], [CONTEXT, OURS | {"@vocab": "https://v.example/"}], []),
    ([None, {"@vocab": "https://v.example/"}], [CONTEXT, OURS], [{"@vocab": "https://v.example/"}]),
    ([None, OTHER], [CONTEXT, OURS], [OTHER]),
    ([[OTHER, {"a": "https://a.example/"}], [OTHER, {"b": "https://b.example/"}]],
     [CONTEXT, OTHER, OURS | {"a": "https://a.example/", "b": "https://b.example/"}], []),
    ([{"a": "https://a.example/"}, {"a": "https://b.example/"}], [CONTEXT, OURS | {"a": "https://a.example/"}],
     [{"a": "https://b.example/"}]),
    ([{"capturedDocument": "ni:///1"}, {"capturedDocument": "ni:///2"}], [CONTEXT, OURS], []),
]  # fmt: skip


@pytest.mark.parametrize(("contexts", "whole", "apart"), JOINED)
def test_contexts_are_joined_where_they_cannot_disagree(
    contexts: list[Any], whole: list[Any], apart: list[Any]
) -> None:
    given = [None if context is None else json.dumps(context).encode() for context in contexts]
    found, left = joined_contexts(given, OURS)
    assert found == whole
    assert list(left.values()) == [part if isinstance(part, list) else [part] for part in apart]


def item_of(said: dict[str, Any]) -> Item:
    data = json.dumps(said).encode()
    made = extract(data, None, openness=Openness.RESTRICTED)
    return Item(made.statement, made.subjects, bytes(16), bytes(32), None, None)


PALLET = sscc("9521234", 5)
CONCLUSIVE: dict[str, dict[str, Any]] = {
    "make": event(1, disposition="active"),
    "make a lot": event(1, epcList=[], quantityList=[{"epcClass": lot("9521234", 1, "B"), "quantity": 2.5, "uom": "KGM"}]),
    "pack": event(1) | {"type": "AggregationEvent", "parentID": PALLET, "childEPCs": [item_id(1)], "bizStep": "packing"},
    "associate": event(1) | {"type": "AssociationEvent", "parentID": PALLET, "childEPCs": [item_id(1)]},
    "unpack": event(1) | {"type": "AggregationEvent", "parentID": PALLET, "childEPCs": [item_id(1)], "action": "DELETE"},
    "unpack all": event(1) | {"type": "AggregationEvent", "parentID": PALLET, "childEPCs": [], "action": "DELETE"},
    "transform": event(1) | {
        "type": "TransformationEvent", "inputEPCList": [item_id(1)], "outputEPCList": [item_id(2)],
        "transformationID": "urn:uuid:0f0c8a7b-e2d1-4c90-8f0c-8a7be2d14c90",
    },
    "bind": event(1) | {
        "type": "TransactionEvent", "bizTransactionList": [{"type": "po", "bizTransaction": "urn:uuid:2"}],
        "bizStep": "inspecting",
    },
}  # fmt: skip


def without(said: dict[str, Any], *names: str) -> dict[str, Any]:
    return {
        name: value for name, value in said.items() if name not in names and not name.startswith("ledger:")
    }


@pytest.mark.parametrize("name", CONCLUSIVE)
def test_an_extract_that_leaves_no_doubt_is_told_as_the_event_it_was(name: str) -> None:
    said = CONCLUSIVE[name]
    of_type = {
        "TransformationEvent": ("epcList", "action"), "AggregationEvent": ("epcList",), "AssociationEvent": ("epcList",),
    }.get(said["type"], ())  # fmt: skip
    told = without(event_of(item_of(without(said, *of_type)), "ledger:"))
    expected = without(said, *of_type) | {"eventTimeZoneOffset": "+00:00"}
    if name == "bind":
        expected["bizTransactionList"] = told["bizTransactionList"]
        assert [set(one) for one in told["bizTransactionList"]] == [{"bizTransaction"}]
    if name == "make a lot":
        assert told["quantityList"] == [
            {"epcClass": lot("9521234", 1, "B"), "quantity": Number("2.5"), "uom": "KGM"}
        ]
        expected = expected | {"quantityList": told["quantityList"]}
    assert {key: value for key, value in told.items() if value != []} == {
        key: value for key, value in expected.items() if value != []
    }


DOUBTFUL: dict[str, dict[str, Any]] = {
    "ship": event(1, action="OBSERVE", bizStep="shipping", sourceList=[{"type": "owning_party", "source": party(1)}],
                  destinationList=[{"type": "possessing_party", "destination": party(3)}]),
    "end": event(1, action="OBSERVE", bizStep="destroying"),
    "place": event(1, action="OBSERVE", epcList=[], readPoint={"id": place(1)}),
}  # fmt: skip


@pytest.mark.parametrize("name", DOUBTFUL)
def test_one_that_leaves_doubt_is_told_in_the_ledger_s_words_alone(name: str) -> None:
    told = event_of(item_of(DOUBTFUL[name]), "ledger:")
    assert set(told) == {"type", "eventTime", "eventTimeZoneOffset", "ledger:statement", "ledger:subjects"}
    assert told["type"] == "ledger:Extract"
    assert told["eventTime"] == "2023-11-14T10:00:01.000Z"


def test_amounts_are_exact() -> None:
    for quantity, text in (
        (Quantity(25, 1, ""), "2.5"), (Quantity(7, 0, ""), "7"), (Quantity(5, 6, ""), "0.000005"), (Quantity(0, 0, ""), "0"),
    ):  # fmt: skip
        assert number_of(quantity).text == text


def test_restricted_events_are_answered_by_their_extract_and_marked(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        (event_hash,) = await told.record(event(1, eventID="urn:uuid:secret"), restricted=True)
        for headers in (WRITTEN, XML):
            response = await told.http.get("/events", params={"MATCH_epc": item_id(1)}, headers=headers)
            assert "urn:uuid:secret" not in response.text
            assert "restricted" in response.text
        (found,) = await told.events(MATCH_epc=item_id(1))
        assert found["eventID"] == derived(event_hash)
        assert found["ledger:bytes"] == "restricted"
        assert (found["type"], found["action"], found["epcList"]) == ("ObjectEvent", "ADD", [item_id(1)])
        assert found["ledger:statement"]["action"] == "make"
        assert found["ledger:subjects"] == [{"role": "object", "id": item_id(1)}]
        assert found["recordTime"] == "2023-11-14T22:13:21.000Z"
        await told.record(
            event(2, action="OBSERVE", bizStep="shipping", epcList=[item_id(1)]), restricted=True
        )
        (offered,) = await told.events(EQ_bizStep="shipping")
        assert (offered["type"], offered["ledger:statement"]["step"]) == ("ledger:Extract", "shipping")

    tell(tmp_path, act)


def test_erased_events_are_answered_by_their_extract_and_marked(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        (event_hash,) = await told.record(
            event(1, eventID="urn:uuid:1", **{"ex:name": "Jane"}), context=b'{"ex": "https://e.example/"}'
        )
        assert told.epcis.index.erase([event_hash]) == 1
        (found,) = await told.events()
        assert (found["ledger:bytes"], found["eventID"]) == ("erased", derived(event_hash))
        response = await told.http.get(f"/events/{quoted(derived(event_hash))}")
        assert response.status_code == 200
        assert "Jane" not in response.text
        assert (await told.http.get("/events/urn:uuid:1")).status_code == 404

    tell(tmp_path, act)


def test_events_whose_bytes_did_not_come_yet_say_so(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        (event_hash,) = await told.record(event(1), indexed=False)
        stored = told.validator.payloads.pop(event_hash)
        await told.catch_up()
        (found,) = await told.events()
        assert found["ledger:bytes"] == "missing"
        assert stored.event

    tell(tmp_path, act)


def test_epcs_are_spelt_as_the_client_asks(tmp_path: Path) -> None:
    link, urn = item_id(1), "urn:epc:id:sgtin:9521234.000001.1"
    foreign = "https://id.gs1.org/01/04012345123456/21/9"

    async def act(told: Told) -> None:
        await told.record(event(1, epcList=[urn], readPoint={"id": "urn:epc:id:sgln:9521234.00001.0"}))
        await told.record(event(2, action="OBSERVE", epcList=[link, foreign]))
        spelt = {
            None: ([link], [link, foreign]),
            "Always_GS1_Digital_Link": ([link], [link, foreign]),
            "Always_EPC_URN": ([urn], [urn, foreign]),  # nobody here knows the prefix of the other
            "Never_Translates": ([urn], [link, foreign]),
            "No_Preference": ([urn], [link, foreign]),
        }
        for wanted, expected in spelt.items():
            headers = {} if wanted is None else {"GS1-EPC-Format": wanted}
            for accept in ("application/json", "application/xml"):
                response = await told.http.get(
                    "/events",
                    params={"orderBy": "eventTime", "orderDirection": "ASC"},
                    headers=headers | {"Accept": accept},
                )
                document = read_document(response.content, Form.XML if accept.endswith("xml") else Form.JSON)
                assert tuple(json.loads(one)["epcList"] for one in document.events) == expected, wanted
        for path, plain, other in (
            ("/epcs", link, urn), ("/readPoints", "https://id.gs1.org/414/9521234000013", "urn:epc:id:sgln:9521234.00001.0"),
        ):  # fmt: skip
            assert plain in (await told.http.get(path)).json()["member"]
            named = (await told.http.get(path, headers={"GS1-EPC-Format": "Always_EPC_URN"})).json()["member"]
            assert other in named
            assert plain not in named

    tell(tmp_path, act)


def test_an_answer_can_be_captured_again_elsewhere(tmp_path: Path) -> None:
    async def act(told: Told) -> None:
        context = b'[{"ex": "https://ns.example.org/"}]'
        said = event(1, **{"ex:n": 1})
        await told.record(said, event(2, action="OBSERVE", bizStep="inspecting"), context=context)
        for headers, form in ((WRITTEN, Form.JSON), (XML, Form.XML)):
            response = await told.http.get("/events", headers=headers)
            document, found = check_document(response.content, form)
            assert [finding for finding in found if finding.grade is Grade.REFUSED] == []
            for one in document.events:
                made = extract(one, document.context)
                assert made.statement.action in (Action.MAKE, Action.OBSERVE)

    tell(tmp_path, act)
