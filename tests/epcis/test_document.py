"""EPCIS.md, Forms: what a body comes to, whichever form it is written in."""

from __future__ import annotations

import pytest

from ledger.base.errors import Code, FormError
from ledger.epcis.document import Document, Form, Shape, read_document

EVENT = b'{ "type":"ObjectEvent", "x":1.50 }'


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            b'{"@context":["c"],"type":"EPCISDocument","schemaVersion":"2.0","epcisBody":{"eventList":[%b, %b]}}',
            Document(
                b'["c"]', (EVENT, EVENT), Form.JSON, "2.0", Shape.DOCUMENT,
                {"type": "EPCISDocument", "schemaVersion": "2.0", "epcisBody": {"eventList": [None, None]}},
            ),
        ),
        (
            b'{"schemaVersion":"1.9","epcisBody":{"queryResults":{"queryName":"q","resultsBody":{"eventList":[%b]}}}}',
            Document(
                None, (EVENT,), Form.JSON, "1.9", Shape.QUERY_DOCUMENT,
                {"schemaVersion": "1.9", "epcisBody": {"queryResults": {"queryName": "q", "resultsBody": {"eventList": [None]}}}},
            ),
        ),
        (b"[%b]", Document(None, (EVENT,), Form.JSON, "2.0", Shape.EVENTS, {})),
        (b" %b ", Document(None, (EVENT,), Form.JSON, "2.0", Shape.EVENT, {})),
    ],
    ids=["document", "query document", "events", "event"],
)  # fmt: skip
def test_a_json_body_keeps_the_bytes_of_its_events(body: bytes, expected: Document) -> None:
    assert read_document(body.replace(b"%b", EVENT), Form.JSON) == expected


def test_what_is_no_document_is_refused() -> None:
    with pytest.raises(FormError) as refused:
        read_document(b'{"epcisBody":{"eventList":[1]}}', Form.JSON)
    assert refused.value.code is Code.MALFORMED


def test_a_time_in_xml_without_seconds_is_given_them() -> None:
    body = (
        b"<ObjectEvent><eventTime>2026-03-01T13:00Z</eventTime><recordTime>2026-03-01T13:00+01:00</recordTime>"
        b"<eventTimeZoneOffset>+01:00</eventTimeZoneOffset><epcList/><action>ADD</action></ObjectEvent>"
    )
    (event,) = read_document(body, Form.XML).events
    assert b'"eventTime":"2026-03-01T13:00:00Z"' in event
    assert b'"recordTime":"2026-03-01T13:00:00+01:00"' in event
