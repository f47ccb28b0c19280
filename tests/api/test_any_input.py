"""Whatever comes in: never a 5xx, always either a documented answer or a problem document."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import msgpack
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.base.encoding import encode
from tests.gateway.stage import MSGPACK, Stage, body_of, check_problem, staged

BATCH = 8
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.binary(max_size=80)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=6),
    max_leaves=30,
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
PATHS = st.sampled_from(
    [
        "/v1/transactions", "/v1/transactions/", "/v1/subjects", "/v1/subjects/history", "/v1/bundle", "/v1/blocks/",
        "/v1/checkpoint", "/v1/genesis", "/v1/status", "/livez", "/readyz", "/metrics", "/openapi.json", "/docs", "/",
    ]
)  # fmt: skip
HEADER_TEXT = st.text(
    st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40
)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["Accept", "Content-Type", "Content-Length", "Last-Event-ID", "X-Forwarded-For", "Range"]
    ),
    HEADER_TEXT
    | st.sampled_from(["application/json", "application/msgpack", "*/*;q=x", "1", "-1", "9" * 40]),
    max_size=3,
)


def check_answer(response: httpx.Response) -> None:
    assert response.status_code < 500, response.text
    assert response.headers["x-content-type-options"] == "nosniff"
    if response.status_code >= 400:
        check_problem(response)


def on_stage(act: Any) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with staged(Path(folder), read_s=0.5, final_s=0.5, body_s=0.5) as stage:
                await act(stage)

    asyncio.run(run())


@settings(max_examples=30)
@given(st.lists(VALUES, min_size=BATCH, max_size=BATCH), st.lists(st.binary(max_size=200), max_size=BATCH))
def test_any_value_and_any_bytes_as_body(values: list[Any], raw: list[bytes]) -> None:
    async def act(stage: Stage) -> None:
        for body in [*(msgpack.packb(value) for value in values), *raw]:
            response = await stage.http.post("/v1/transactions", content=body, headers=MSGPACK)
            check_answer(response)
            assert response.status_code >= 400
        assert stage.validator.submissions == []

    on_stage(act)


@settings(max_examples=30)
@given(st.data())
def test_a_good_body_with_bytes_changed(data: st.DataObject) -> None:
    async def act(stage: Stage) -> None:
        good = body_of(stage.made(1), stage.made(2))
        for _ in range(BATCH):
            body = bytearray(good)
            for _ in range(data.draw(st.integers(1, 3))):
                body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
            cut = data.draw(st.sampled_from([len(body), len(body) - 1, len(body) // 2]))
            response = await stage.http.post("/v1/transactions", content=bytes(body[:cut]), headers=MSGPACK)
            check_answer(response)

    on_stage(act)


@settings(max_examples=30)
@given(st.lists(st.tuples(VALUES, VALUES), min_size=BATCH, max_size=BATCH))
def test_a_good_transaction_with_any_payloads(pairs: list[tuple[Any, Any]]) -> None:
    async def act(stage: Stage) -> None:
        for number, (payload, other) in enumerate(pairs):
            data = stage.made(number).to_bytes()
            for payloads in ([payload], payload, [payload, other], [[payload, other, b""]]):
                body = encode([(data, payloads)])
                check_answer(await stage.http.post("/v1/transactions", content=body, headers=MSGPACK))

    on_stage(act)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "BREW"]),
            PATHS,
            TEXT,
            st.lists(
                st.tuples(
                    st.sampled_from(["id", "from", "limit", "aside", "type", "holder", "height", "wait"]),
                    TEXT,
                ),
                max_size=3,
            ),
            HEADERS,
        ),
        min_size=BATCH,
        max_size=BATCH,
    )
)
def test_any_request_line_and_headers(
    requests: list[tuple[str, str, str, Any, Any]],
) -> None:
    async def act(stage: Stage) -> None:
        await stage.submit(stage.made(1))
        for method, path, tail, params, headers in requests:
            whole = path + quote(tail, safe="") if path.endswith("/") else path
            url = httpx.URL("http://gateway" + whole).copy_merge_params(params)
            sent = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
            request = stage.http.build_request(method, url, headers=[*stage.http.headers.raw, *sent])
            response = await stage.http.send(request)
            if method == "HEAD":
                assert response.status_code < 500
            else:
                check_answer(response)

    on_stage(act)
