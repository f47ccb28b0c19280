"""EPCIS documents of the world's maker, to be captured."""

from __future__ import annotations

import json
from typing import Any

from tests.gateway.stage import item_id

CONTEXT = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"
JSON = {"Content-Type": "application/json"}
PROCEED = {"GS1-Capture-Error-Behaviour": "proceed"}
XML = b"""<?xml version="1.0" encoding="UTF-8"?>
<epcis:EPCISDocument xmlns:epcis="urn:epcglobal:epcis:xsd:2" schemaVersion="2.0" creationDate="2026-01-15T09:00:00Z">
  <EPCISBody>
    <EventList>
      <ObjectEvent>
        <eventTime>2026-01-15T08:30:00.000Z</eventTime>
        <eventTimeZoneOffset>+01:00</eventTimeZoneOffset>
        <epcList><epc>urn:epc:id:sgtin:9521234.000001.1</epc></epcList>
        <action>ADD</action>
        <bizStep>urn:epcglobal:cbv:bizstep:commissioning</bizStep>
      </ObjectEvent>
    </EventList>
  </EPCISBody>
</epcis:EPCISDocument>
"""


def uuid(number: int) -> str:
    """An eventID."""
    return f"urn:uuid:00000000-0000-4000-8000-{number:012}"


def event(number: int = 1, *, event_id: str | None = None, **more: Any) -> dict[str, Any]:
    """The commissioning of item `number`."""
    named = {} if event_id is None else {"eventID": event_id}
    return {
        "type": "ObjectEvent",
        **named,
        "eventTime": "2026-01-15T08:30:00.000Z",
        "eventTimeZoneOffset": "+01:00",
        "action": "ADD",
        "bizStep": "commissioning",
        "epcList": [item_id(number)],
    } | more


def document(*events: dict[str, Any]) -> bytes:
    return json.dumps(
        {
            "@context": [CONTEXT, {"example": "https://ns.example.org/"}],
            "type": "EPCISDocument",
            "schemaVersion": "2.0",
            "creationDate": "2026-01-15T09:00:00Z",
            "epcisBody": {"eventList": list(events)},
        }
    ).encode()


def alone(found: dict[str, Any]) -> bytes:
    return json.dumps({"@context": CONTEXT} | found).encode()
