"""What is a query, and what is refused by name; what its parameters mean is `tests.index.test_agreement`'s."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ledger.base.errors import Code, FormError
from ledger.trade.slices import parse
from node.index.parameters import VALUES_MOST, query_from_json, query_from_url
from node.index.query import EventQuery

CONTEXT = b'{"ex":"https://example.org/terms/"}'


def of_url(text: str) -> EventQuery:
    return query_from_url(
        [(name, value) for name, _, value in (part.partition("=") for part in text.split("&"))], CONTEXT
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("EQ_bizStep=urn:epcglobal:cbv:bizstep:shipping", "EQ_bizStep=shipping"),
        ("EQ_bizStep=https://ref.gs1.org/cbv/BizStep-shipping", "EQ_bizStep=shipping"),
        ("EQ_bizStep=shipping|packing", "EQ_bizStep=shipping&EQ_bizStep=packing"),
        (
            "MATCH_epc=urn:epc:id:sgtin:9521234.000101.1",
            "MATCH_epc=https://example.com/01/09521234001010/21/1",
        ),
        ("EQ_ex:field=1", "EQ_https://example.org/terms/field=1"),
        ("EQ_type=gs1:Temperature", "EQ_type=Temperature"),
        ("EQ_source_urn:epcglobal:cbv:sdt:location=ex:1", "EQ_source_location=https://example.org/terms/1"),
        (
            "GE_eventTime=2026-01-01T01:00:00%2B01:00".replace("%2B", "+"),
            "GE_eventTime=2026-01-01T00:00:00.000Z",
        ),
        ("eventType=epcis:ObjectEvent", "eventType=ObjectEvent"),
        ("EQ_quantity_GRM=500", "EQ_quantity_KGM=0.5"),
    ],
)
def test_spellings_of_one_query(one: str, other: str) -> None:
    def bare(query: EventQuery) -> Any:
        return [condition._replace(parameter="") for condition in query.conditions], query.times

    assert bare(of_url(one)) == bare(of_url(other))


def test_a_flag_that_is_not_set_asks_nothing() -> None:
    for value in ("false", "0"):
        assert of_url(f"EXISTS_errorDeclaration={value}&EXISTS_ex:field={value}") == EventQuery()
    for given in ("EXISTS_errorDeclaration=true", "EXISTS_errorDeclaration=", "EXISTS_ex:field=true"):
        assert len(of_url(given).conditions) == 1
    assert len(query_from_json({"EXISTS_errorDeclaration": None}).conditions) == 1


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("EQ_bizstep=shipping", "EQ_bizstep"), ("perPage=3", "perPage"), ("EQ_=1", "EQ_"), ("eventTypes=ObjectEvent", "eventTypes"),
        ("EQ_action=MOVE", "EQ_action"), ("EQ_action=", "EQ_action"), ("EQ_bizStep=", "EQ_bizStep"), ("MATCH_epc=", "MATCH_epc"),
        ("GE_eventTime=2026-01-01", "GE_eventTime"), ("GE_eventTime=2026-01-01T00:00:00", "GE_eventTime"),
        ("GE_eventTime=2026-01-01T00:00:00Z&GE_eventTime=2026-01-02T00:00:00Z", "GE_eventTime"),
        ("GT_eventTime=2026-01-01T00:00:00Z", "GT_eventTime"), ("GE_quantity=many", "GE_quantity"),
        ("GE_quantity=1|2", "GE_quantity"), ("EQ_quantity=1|x", "EQ_quantity"), ("EQ_percRank_KGM=1", "EQ_percRank_KGM"),
        ("GE_ex:field=text", "GE_ex:field"), ("EQ_booleanValue=yes", "EQ_booleanValue"), ("orderBy=bizStep", "orderBy"),
        ("orderBy=eventTime&orderDirection=UP", "orderDirection"), ("eventCountLimit=3", "eventCountLimit"),
        ("orderBy=eventTime&eventCountLimit=0", "eventCountLimit"), ("maxEventCount=-1", "maxEventCount"),
        ("orderBy=eventTime&eventCountLimit=1&maxEventCount=1", "maxEventCount"),
        ("MATCH_epc=urn:epc:idpat:sgtin:*.000101.1", "MATCH_epc"), ("MATCH_epc=urn:epc:idpat:what:1.*", "MATCH_epc"),
        ("MATCH_epc=urn:epc:idpat:sgtin:9521234.000101.[1-5]", "MATCH_epc"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(text: str, named: str) -> None:
    with pytest.raises(FormError) as caught:
        of_url(text)
    assert caught.value.code == Code.MALFORMED
    assert named in caught.value.message


def test_queries_have_bounds() -> None:
    for wrong in (
        {"EQ_bizStep": ["a"] * (VALUES_MOST + 1)},
        {f"EQ_ex:field{number}": 1 for number in range(100)},
        {"MATCH_epc": [f"urn:epc:idpat:sgtin:9521234.{number:06}.*" for number in range(50)]},
    ):
        with pytest.raises(FormError):
            query_from_json(wrong)


@pytest.mark.parametrize(
    "query", [[], "x", {"EQ_bizStep": {}}, {"EQ_bizStep": [["a"]]}, {"@context": {"id": "x:"}}]
)
def test_json_that_is_no_query_is_refused(query: Any) -> None:
    with pytest.raises(FormError):
        query_from_json(query)


def test_json_as_the_strict_reader_gives_it() -> None:
    data = b'{"EQ_quantity":[1.50,2],"GE_ex:n":3,"EQ_booleanValue":true,"@context":{"ex":"https://example.org/"},"maxEventCount":5}'
    assert query_from_json(parse(data, 1_000)) == query_from_json(json.loads(data))
    assert query_from_json(parse(data, 1_000)).max_event_count == 5


def test_every_parameter_of_the_standard_is_known(shared_data: Path) -> None:
    """The query schema and the OpenAPI, with one example for each pattern of names."""
    schema = json.loads((shared_data / "epcis/schema/query-schema.json").read_text())["definitions"][
        "EPCIS-Query"
    ]
    openapi = json.loads((shared_data / "epcis/schema/openapi.json").read_text())
    names = dict(schema["properties"])
    for pattern, kind in schema["patternProperties"].items():
        name = pattern.strip("^$").replace("[a-z][a-zA-Z0-9]*\\\\:\\\\w+", "ex:field")
        name = (
            name.replace("[A-Z0-9]{2,4}", "KGM")
            .replace("[a-z][a-zA-Z0-9_]+", "po")
            .replace("\\\\w+_\\\\w+", "bizLocation_ex")
        )
        assert re.fullmatch(r"[\w:]+", name), name
        names[name] = kind
    for parameter in openapi["paths"]["/events"]["get"]["parameters"]:
        known = (
            openapi["components"]["parameters"][parameter["$ref"].rpartition("/")[2]]
            if "$ref" in parameter
            else parameter
        )
        if known["in"] == "query" and known["name"] not in ("perPage", "nextPageToken"):
            names.setdefault(known["name"], known["schema"])
    assert len(names) > 150
    del names["@context"], names["eventCountLimit"]
    for name in names:
        query_from_json({name: _value(name)}, {"ex": "https://example.org/"})


def _value(name: str) -> Any:
    if name.startswith("EXISTS"):
        return None
    if "ime" in name and not name.startswith("EQ"):
        return "recordTime" if name == "orderBy" else "2026-01-01T00:00:00Z"
    special = {
        "EQ_action": ["ADD"],
        "orderBy": "eventTime",
        "orderDirection": "ASC",
        "EQ_booleanValue": True,
        "eventType": ["ObjectEvent"],
    }
    measured = re.search(r"alue|quantity|percRank|sDev|Count|[GL][TE]_", name) is not None
    return special.get(
        name, [1] if measured and name.startswith("EQ") else 1 if measured else ["urn:example:1"]
    )
