"""GET /v1/blocks/{height}, /v1/checkpoint and /v1/genesis."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.base.encoding import decode
from ledger.base.errors import Code
from ledger.chain.certificate import check_checkpoint, parse_checkpoint
from node.local.protocol import parse_final_block
from tests.gateway.stage import Stage, check_problem, play


def test_a_block_is_shown_with_its_receipts(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        sent = [stage.made(1), stage.made(2)]
        await stage.submit(*sent)
        found = (await stage.http.get("/v1/blocks/2")).json()
        assert found["header"]["height"] == 2
        assert found["header"]["hash"] == stage.world.state.tip.header.hash.hex()
        assert found["outcome"]["state_root"] == stage.world.state.tree.root.hex()
        assert found["certificate"]["signers"] == [0, 1, 2]
        assert [one["id"] for one in found["transactions"]] == [sent[1].id.hex()]

    play(tmp_path, act)


def test_a_block_comes_in_the_ledgers_encoding_when_asked_for(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        sent = stage.made(1)
        await stage.submit(sent)
        response = await stage.http.get("/v1/blocks/1", headers={"Accept": "application/msgpack"})
        assert response.headers["content-type"] == "application/msgpack"
        block = parse_final_block(decode(response.content, max_bytes=10_000_000))
        assert block.transactions == (sent.to_bytes(),)

    play(tmp_path, act)


def test_a_checkpoint_that_was_fetched_verifies(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        for number in range(3):
            await stage.submit(stage.made(number))
        response = await stage.http.get("/v1/checkpoint", headers={"Accept": "application/msgpack"})
        checkpoint = parse_checkpoint(decode(response.content, max_bytes=100_000))
        check_checkpoint(stage.world.validators, checkpoint)
        assert checkpoint.header.height == 3
        shown = (await stage.http.get("/v1/checkpoint", params={"height": 2})).json()
        assert shown["header"]["height"] == 2
        assert shown["certificate"]["kind"] == "finalise"
        assert len(shown["certificate"]["signatures"]) == 3

    play(tmp_path, act)


def test_the_genesis_file_is_the_default_and_json_says_who_the_network_is(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        response = await stage.http.get("/v1/genesis")
        assert response.content == stage.world.genesis.to_bytes()
        shown = (await stage.http.get("/v1/genesis", headers={"Accept": "application/json"})).json()
        assert shown["network"] == stage.world.network.hex()
        assert [one["organisation"] for one in shown["validators"]] == list(stage.world.organisations)
        (maker,) = (one for one in shown["organisations"] if one["id"] == "maker")
        assert {key["use"] for key in maker["keys"]} == {"sign", "device", "approver"}

    play(tmp_path, act)


@pytest.mark.parametrize(
    ("height", "code"),
    [("9", Code.UNKNOWN_BLOCK), ("-1", Code.MALFORMED), ("x", Code.MALFORMED), ("9" * 30, Code.MALFORMED)],
)
def test_a_block_that_is_not_there(tmp_path: Path, height: str, code: Code) -> None:
    async def act(stage: Stage) -> None:
        check_problem(await stage.http.get(f"/v1/blocks/{height}"), code)

    play(tmp_path, act)


@pytest.mark.parametrize("path", ["/v1/blocks/1", "/v1/checkpoint", "/v1/genesis"])
def test_what_nobody_can_render_is_not_acceptable(tmp_path: Path, path: str) -> None:
    async def act(stage: Stage) -> None:
        await stage.submit(stage.made(1))
        check_problem(await stage.http.get(path, headers={"Accept": "text/csv"}), Code.NOT_ACCEPTABLE)
        check_problem(
            await stage.http.get(path, headers={"Accept": "application/json;q=0, application/msgpack;q=0"}),
            Code.NOT_ACCEPTABLE,
        )

    play(tmp_path, act)
