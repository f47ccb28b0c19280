"""An event converted from XML leads to the document it was converted from."""

from __future__ import annotations

import json

import pytest

from ledger.base.errors import FormError
from ledger.epcis.original import TERM, name_of, original_of, with_original
from ledger.trade.extract import extract

EVENT = json.dumps(
    {
        "type": "ObjectEvent",
        "action": "OBSERVE",
        "epcList": ["urn:epc:id:sgtin:0614141.107346.2017"],
        "eventTime": "2026-01-15T08:30:00Z",
        "eventTimeZoneOffset": "+00:00",
    }
).encode()
CONTEXTS = [
    None,
    b'"https://example.org/c.jsonld"',
    b"[]",
    b'[ "https://example.org/c.jsonld" , {"a": "urn:a:"} ] ',
    b'{"a": "urn:a:"}',
]


def test_the_name_is_that_of_rfc_6920() -> None:
    assert (
        name_of(b"Hello World!") == "ni:///sha-256;f4OxZX_x_FO5LcGBSKHWXfwtSx-j1ncoSt3SABJtkGk"
    )  # RFC 6920 §8.1


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_context_names_the_document_and_says_what_it_said(context: bytes | None) -> None:
    made = with_original(context, b"<epcis/>")
    assert original_of(made) == name_of(b"<epcis/>")
    assert original_of(context) is None
    *before, last = json.loads(made)
    assert last == {TERM: name_of(b"<epcis/>")}
    if context is not None:
        said = json.loads(context)
        assert before == (said if isinstance(said, list) else [said])
    assert extract(EVENT, made) == extract(EVENT, None)


@pytest.mark.parametrize(
    "context",
    [
        b'{"capturedDocument": 1}',
        b'["capturedDocument"]',
        b'{"capturedDocument"',
        b'{"capturedDocument":"https://example.org/"}',
    ],
)
def test_what_names_no_document_is_none(context: bytes) -> None:
    assert original_of(context) is None


def test_a_context_that_redefines_is_still_refused() -> None:
    with pytest.raises(FormError):
        extract(EVENT, with_original(b'{"epcis": "urn:other:"}', b"<epcis/>"))
