"""Event streams arrive in any pieces, with any line ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.stream import EVENT_BYTES, Notice, Parser
from ledger.base.errors import UnavailableError

LINES = [
    ": a comment",
    "retry: 1000",
    "",
    "id: 1",
    "event: block",
    'data: {"height":',
    "data: 1}",
    "",
    'data:{"height": 2}',
    "id:2",
    "unknown: field",
    "",
    "id: 3",
    "",
    "data: null",
    "",
]
NOTICES = [
    Notice("block", "1", {"height": 1}),
    Notice("message", "2", {"height": 2}),
    Notice("message", "3", None),
]


@given(end=st.sampled_from(["\n", "\r\n", "\r"]), data=st.data())
def test_any_pieces_and_line_ends_give_the_same_notices(end: str, data: st.DataObject) -> None:
    text = "".join(line + end for line in LINES).encode() + b": still here\n"
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=12)))
    parser = Parser()
    found: list[Notice] = []
    for start, stop in zip([0, *cuts], [*cuts, len(text)], strict=True):
        found += parser.feed(text[start:stop])
    assert found == NOTICES


def test_an_event_without_end_or_json_is_refused() -> None:
    parser = Parser()
    for _ in range(EVENT_BYTES // 1_000_000):
        parser.feed(b"data: " + b"x" * 999_990 + b"\n")
    with pytest.raises(UnavailableError, match="at most"):
        parser.feed(b"data: " + b"x" * 1_000_000)
    with pytest.raises(UnavailableError, match="expected JSON"):
        Parser().feed(b"data: {\n\n")
