"""Two events are the same as EPCIS or they are not: the comparison behind the table of examples sees every difference."""

from __future__ import annotations

import json
from typing import Any

import pytest

from epcis_examples.comparing import difference

CONTEXT = {"ex": "https://example.org/a/"}
OTHER = {"e": "https://example.org/a/", "ex": "https://example.org/b/"}
EVENT = {
    "type": "ObjectEvent",
    "epcList": ["urn:x:1", "urn:x:2"],
    "ex:note": {"ex:deep": 1.50},
    "readPoint": {"id": "ex:gate"},
}


def told(event: dict[str, Any], context: dict[str, Any]) -> tuple[bytes, bytes]:
    return json.dumps(event).encode(), json.dumps(context).encode()


@pytest.mark.parametrize(
    "answered",
    [
        EVENT,
        dict(reversed(EVENT.items())),
        EVENT | {"recordTime": "2026-03-01T00:00:00Z", "eventID": "urn:custody:event:00"},
        EVENT | {"https://custody-ledger.org/answer/height": 7},
    ],
)
def test_what_an_answer_adds_and_order_of_members_make_no_difference(answered: dict[str, Any]) -> None:
    assert difference(told(EVENT, CONTEXT), told(answered, CONTEXT)) is None


def test_names_and_values_are_what_they_stand_for() -> None:
    same = {
        "type": "ObjectEvent",
        "epcList": EVENT["epcList"],
        "e:note": {"e:deep": 1.5},
        "readPoint": {"id": "e:gate"},
    }
    assert difference(told(EVENT, CONTEXT), told(same, OTHER)) is None
    assert difference(told(EVENT, CONTEXT), told(EVENT, OTHER)) is not None


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"type": "AggregationEvent"}, "/type"),
        ({"epcList": ["urn:x:2", "urn:x:1"]}, "/epcList/0"),
        ({"epcList": ["urn:x:1"]}, "/epcList (2 and 1 values)"),
        ({"ex:note": {"ex:deep": 1.51}}, "/https://example.org/a/note/https://example.org/a/deep"),
        ({"ex:note": {"ex:deep": "1.5"}}, "/https://example.org/a/note/https://example.org/a/deep"),
        ({"ex:note": {"ex:deep": True}}, "/https://example.org/a/note/https://example.org/a/deep"),
        ({"bizStep": "shipping"}, "/bizStep"),
        ({"readPoint": "ex:gate"}, "/readPoint"),
    ],
)
def test_every_difference_is_seen_and_where(changed: dict[str, Any], place: str) -> None:
    assert difference(told(EVENT, CONTEXT), told(EVENT | changed, CONTEXT)) == place


def test_an_author_s_event_id_is_kept() -> None:
    named = EVENT | {"eventID": "urn:x:e1"}
    assert difference(told(named, CONTEXT), told(named | {"eventID": "urn:x:e2"}, CONTEXT)) == "/eventID"
    assert difference(told(named, CONTEXT), told(EVENT, CONTEXT)) == "/eventID"
