"""Which media type a client gets, and how long answers leave."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest
from starlette.requests import Request

from ledger.base.errors import Code, FormError
from node.gateway.answers import JSON, MSGPACK, PIECE_BYTES, LongAnswer, chosen


def asking(*accept: str) -> Request:
    return Request({"type": "http", "headers": [(b"accept", one.encode("latin-1")) for one in accept]})


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ((), JSON),
        (("*/*",), JSON),
        (("application/*",), JSON),
        ((MSGPACK,), MSGPACK),
        ((MSGPACK + ";q=0.5, " + JSON + ";q=0.4",), MSGPACK),
        ((JSON + ";q=0.4", MSGPACK + ";q=0.5"), MSGPACK),
        ((JSON + ";q=0, */*",), MSGPACK),
        (("*/*;q=0.1, " + MSGPACK,), MSGPACK),
        (("text/html, " + JSON + ";q=0.9",), JSON),
        (("APPLICATION/MSGPACK",), MSGPACK),
        ((MSGPACK + "; q=1; charset=x",), MSGPACK),
    ],
)
def test_the_media_type_liked_best(accept: tuple[str, ...], expected: str) -> None:
    assert chosen(asking(*accept), (JSON, MSGPACK)) == expected


@pytest.mark.parametrize("accept", ["text/csv", "*/*;q=0", JSON + ";q=x", ",;,", "nan/nan;q=nan", "*/json"])
def test_nothing_that_is_liked(accept: str) -> None:
    with pytest.raises(FormError) as caught:
        chosen(asking(accept), (JSON, MSGPACK))
    assert caught.value.code == Code.NOT_ACCEPTABLE


def test_a_long_answer_leaves_in_pieces() -> None:
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError

    body = bytes(range(256)) * 1_000
    asyncio.run(LongAnswer(body)({"type": "http"}, receive, send))
    assert sent[0]["type"] == "http.response.start"
    assert (b"content-length", str(len(body)).encode()) in sent[0]["headers"]
    assert b"".join(message["body"] for message in sent[1:]) == body
    assert max(len(message["body"]) for message in sent[1:]) == PIECE_BYTES
    assert [message["more_body"] for message in sent[1:]] == [True] * (len(sent) - 2) + [False]
