"""Whatever bytes come, the extractor answers with an extract of the wire form or with a FormError, always the same one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from ledger.base.encoding import decode, encode
from ledger.base.errors import FormError
from ledger.trade.extract import extract, persons_in
from ledger.trade.slices import document_slices
from ledger.trade.statement import Extract, statement_from_wire, subject_from_wire

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "vectors" / "extracts.json").read_text(encoding="ascii")
)
EVENTS = [vector["event"].encode("ascii") for vector in VECTORS]
CONTEXTS = [None, *{vector["context"].encode("ascii") for vector in VECTORS}]
MEMBERS = sorted({name for vector in VECTORS if "encoded" in vector for name in json.loads(vector["event"])})
VALUES = [
    value for vector in VECTORS if "encoded" in vector for value in json.loads(vector["event"]).values()
]
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 10**18)
    | st.sampled_from(["", "@id", "cbv:", "urn:", "https://"])
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*MEMBERS, "id", "@id"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def said_of(event: bytes, context: bytes | None) -> Extract | FormError:
    try:
        return extract(event, context)
    except FormError as error:
        return error


def answer(event: bytes, context: bytes | None) -> str:
    """What the extractor says, checked for form; any exception but FormError fails the test."""
    found = said_of(event, context)
    if isinstance(found, FormError):
        assert str(found).isascii()
        assert len(str(found)) < 1_000
        return found.code.value
    encoded = encode(found)
    statement, subjects = decode(encoded, max_bytes=2_000_000)
    assert statement_from_wire(statement) == found.statement
    assert tuple(subject_from_wire(subject) for subject in subjects) == found.subjects
    identifiers = [subject.identifier for subject in found.subjects]
    assert 0 < len(identifiers) == len(set(identifiers))
    persons_in(found)
    return encoded.hex()


@given(st.sampled_from(EVENTS), st.data(), st.sampled_from(CONTEXTS))
def test_bytes_changed_dropped_and_doubled(event: bytes, data: st.DataObject, context: bytes | None) -> None:
    at = data.draw(st.integers(0, len(event)))
    until = data.draw(st.integers(at, min(len(event), at + 12)))
    put = data.draw(
        st.binary(max_size=4)
        | st.sampled_from(
            [b'"', b"\\", b"\\ud800", b"{", b"[", b",", b"9" * 20, b"null", event[at:until] * 2]
        )
    )
    changed = event[:at] + put + event[until:]
    assert answer(changed, context) == answer(changed, context)


@given(
    st.sampled_from([vector for vector in VECTORS if "encoded" in vector]),
    st.data(),
    st.sampled_from(CONTEXTS),
)
def test_members_exchanged(vector: dict[str, Any], data: st.DataObject, context: bytes | None) -> None:
    members = json.loads(vector["event"])
    for name in data.draw(st.lists(st.sampled_from(MEMBERS), max_size=3)):
        members[name] = data.draw(st.sampled_from(VALUES) | json_values)
    answer(json.dumps(members).encode("ascii"), context)


@given(
    json_values
    | st.dictionaries(st.sampled_from(["x", "urn", "epcList", "x:y", "@base"]), json_values, max_size=4)
)
@example([{"x": "x:"}])
def test_any_context(value: Any) -> None:
    answer(EVENTS[0], json.dumps(value).encode("ascii"))


@given(
    st.binary(max_size=200)
    | st.lists(st.sampled_from(EVENTS), max_size=3).map(lambda events: b"[" + b",".join(events) + b"]")
)
def test_any_document(data: bytes) -> None:
    try:
        slices = document_slices(data)
    except FormError:
        return
    assert all(event in data and event[:1] == b"{" for event in slices.events)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60))
def test_nesting(moves: list[int]) -> None:
    opening = "".join(['{"a":', "[", '{"b":[', "[["][move] for move in moves)
    assert answer(opening.encode("ascii"), None) in ("malformed", "too_deep")
