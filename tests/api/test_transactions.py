"""POST /v1/transactions and GET /v1/transactions/{id}."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ledger.base import limits
from ledger.base.encoding import encode
from ledger.base.errors import Code
from ledger.chain.transaction import Mode
from ledger.trade.statement import Action, Role
from node.gateway import submission
from tests.gateway.stage import MSGPACK, Stage, body_of, check_problem, item_id, play, until
from tests.world.world import World


def test_a_transaction_becomes_final_and_is_found_by_its_id(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        made = stage.made(1)
        response = await stage.submit(made)
        assert response.status_code == 200
        (found,) = response.json()["transactions"]
        assert found["id"] == made.id.hex()
        assert found["status"] == "final"
        assert found["height"] == 1
        (receipt,) = found["receipts"]
        assert receipt["place"] == 0
        assert receipt["refusal"] is None
        assert len(receipt["entry"]) == 64
        assert receipt["outcomes"] == [{"code": 20, "name": "made", "applied": True, "row": 2}]
        again = await stage.http.get(f"/v1/transactions/{made.id.hex()}")
        assert again.json() == found

    play(tmp_path, act)


def test_several_transactions_are_answered_in_order(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        sent = [stage.made(number) for number in range(5)]
        response = await stage.submit(*sent)
        assert [one["id"] for one in response.json()["transactions"]] == [one.id.hex() for one in sent]

    play(tmp_path, act)


def test_the_same_transaction_again_is_answered_with_what_became_of_it(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        made = stage.made(1)
        first, second = await stage.submit(made), await stage.submit(made)
        assert first.json() == second.json()
        assert stage.world.state.tip.header.height == 1

    play(tmp_path, act)


def test_an_item_that_execution_refuses_says_why_in_its_place(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        world = stage.world
        good = world.item(Action.MAKE, [(Role.OBJECT, item_id(1))])
        hold = world.item(Action.HOLD, [(Role.OBJECT, item_id(2))], measure=("case-7", "Art.198"))
        sent = world.sign("maker", good, hold, mode=Mode.ALL_OR_NOTHING)
        (found,) = (await stage.submit(sent)).json()["transactions"]
        assert found["status"] == "final"
        assert [receipt["refusal"] for receipt in found["receipts"]] == ["rolled_back", "not_entitled"]
        assert [receipt["entry"] for receipt in found["receipts"]] == [None, None]

    play(tmp_path, act)


def test_accepted_is_answered_at_once_and_promises_nothing(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        made = stage.made(1)
        response = await stage.submit(made, wait="accepted")
        assert response.status_code == 202
        assert response.json() == {"transactions": [{"id": made.id.hex(), "status": "accepted"}]}

    play(tmp_path, act)


def test_waiting_ends_with_what_is_known(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        stage.validator.is_finalising = False
        response = await stage.submit(stage.made(1))
        assert response.status_code == 202
        assert response.json()["transactions"][0]["status"] == "accepted"

    play(tmp_path, act, final_s=0.05)


def test_a_validator_that_took_nothing_is_told_from_one_that_is_slow(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        stage.validator.is_silent = True
        response = await stage.submit(stage.made(1))
        check_problem(response, Code.UNAVAILABLE)

    play(tmp_path, act, final_s=0.05, read_s=0.05)


def test_a_refused_transaction_carries_code_and_sentence(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        stage.validator.refusal = Code.UNKNOWN_KEY
        response = await stage.submit(stage.made(1))
        assert response.status_code == 200
        (found,) = response.json()["transactions"]
        assert (found["status"], found["code"]) == ("refused", "unknown_key")
        assert found["detail"] == "expected another one"

    play(tmp_path, act)


def test_an_overloaded_validator_is_429_with_retry_after(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        stage.validator.refusal = Code.OVERLOADED
        response = await stage.submit(stage.made(1))
        assert response.status_code == 429
        assert response.headers["retry-after"] == "1"
        check_problem(response, Code.OVERLOADED)
        stage.validator.retry_after_ms = 6_001
        assert (await stage.submit(stage.made(2))).headers["retry-after"] == "7"

    play(tmp_path, act)


def test_payloads_reach_the_validator_with_each_context_once(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        items = [stage.world.item(Action.OBSERVE, [(Role.OBJECT, item_id(n))]) for n in range(3)]
        sent = stage.world.sign("maker", *items)
        payloads = [(b"s" * 16, b'["x"]', b"{}"), None, (b"t" * 16, b'["x"]', b"[]")]
        response = await stage.http.post(
            "/v1/transactions", content=encode([(sent.to_bytes(), payloads)]), headers=MSGPACK
        )
        assert response.status_code == 200
        (handed,) = stage.validator.submissions
        assert handed.contexts == (b'["x"]',)
        assert [(one.salt, one.context, one.event) for one in handed.payloads] == [
            (b"s" * 16, 0, b"{}"),
            (b"t" * 16, 0, b"[]"),
        ]
        # The world's items are restricted: this node keeps the bytes for their author.
        assert {one.readers for one in handed.payloads} == {("maker",)}

    play(tmp_path, act)


FOREIGN = World(name="another")
WRONG = {
    "nothing": (b"", Code.MALFORMED),
    "no msgpack": (b"\xc1", Code.MALFORMED),
    "no array": (encode(1), Code.MALFORMED),
    "no transaction": (encode([]), Code.MALFORMED),
    "a map": (b"\x81\x01\x02", Code.MALFORMED),
    "a longer integer": (b"\x91\x92\xcd\x00\x01\x90", Code.NOT_CANONICAL),
    "trailing bytes": (encode([]) + b"\x00", Code.MALFORMED),
    "deep": (b"\x91" * 20 + b"\x01", Code.TOO_DEEP),
    "very deep": (b"\x91" * 100_000 + b"\x01", Code.MALFORMED),
    "no pair": (encode([[b""]]), Code.MALFORMED),
    "text for bytes": (encode([["x", []]]), Code.MALFORMED),
    "no payloads": (encode([[b"\x93\x01\x02\x03", []]]), Code.MALFORMED),
    "too many": (encode([[b"", []]] * (limits.SUBMISSION_TRANSACTIONS + 1)), Code.TOO_LARGE),
    "another network": (
        body_of(FOREIGN.sign("maker", FOREIGN.item(Action.OBSERVE, [(Role.OBJECT, item_id(1))]))),
        Code.WRONG_NETWORK,
    ),
}


@pytest.mark.parametrize(("body", "code"), WRONG.values(), ids=WRONG)
def test_a_wrong_body_is_refused_whole(tmp_path: Path, body: bytes, code: Code) -> None:
    async def act(stage: Stage) -> None:
        response = await stage.http.post("/v1/transactions", content=body, headers=MSGPACK)
        check_problem(response, code)
        assert stage.validator.submissions == []

    play(tmp_path, act)


def test_a_signature_that_does_not_hold_names_its_transaction(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        bad = stage.made(2)
        bad.signature = bytes(64)
        detail = check_problem(await stage.submit(stage.made(1), bad), Code.BAD_SIGNATURE)
        assert detail.startswith("transaction 1: ")
        assert stage.validator.submissions == []

    play(tmp_path, act)


@pytest.mark.parametrize("count", [0, 2])
def test_there_is_a_payload_or_nil_for_each_item(tmp_path: Path, count: int) -> None:
    async def act(stage: Stage) -> None:
        body = encode([(stage.made(1).to_bytes(), [None] * count)])
        response = await stage.http.post("/v1/transactions", content=body, headers=MSGPACK)
        assert "payloads: expected 1 members" in check_problem(response, Code.MALFORMED)

    play(tmp_path, act)


@pytest.mark.parametrize("kind", [None, "", "application/json", "text/plain; charset=utf-8", "x" * 5_000])
def test_only_msgpack_is_taken(tmp_path: Path, kind: str | None) -> None:
    async def act(stage: Stage) -> None:
        headers = {} if kind is None else {"Content-Type": kind}
        response = await stage.http.post("/v1/transactions", content=body_of(stage.made(1)), headers=headers)
        check_problem(response, Code.UNSUPPORTED_MEDIA_TYPE)

    play(tmp_path, act)


def test_a_body_that_is_too_large_is_refused_by_its_announcement_and_by_its_bytes(tmp_path: Path) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(limits.SUBMISSION_BYTES // 100_000 + 2):
            yield bytes(100_000)

    async def act(stage: Stage) -> None:
        announced = MSGPACK | {"Content-Length": str(limits.SUBMISSION_BYTES + 1)}
        response = await stage.http.post("/v1/transactions", content=endless(), headers=announced)
        check_problem(response, Code.TOO_LARGE)
        response = await stage.http.post("/v1/transactions", content=endless(), headers=MSGPACK)
        check_problem(response, Code.TOO_LARGE)
        assert stage.gateway.metrics.body_bytes._value.get() == 0

    play(tmp_path, act)


def test_a_body_that_does_not_come_is_given_up(tmp_path: Path) -> None:
    async def stalled() -> AsyncIterator[bytes]:
        yield b"\x91"
        await asyncio.sleep(60)

    async def act(stage: Stage) -> None:
        response = await stage.http.post("/v1/transactions", content=stalled(), headers=MSGPACK)
        check_problem(response, Code.TIMED_OUT)

    play(tmp_path, act, body_s=0.05)


def test_where_memory_is_short_the_body_longest_on_its_way_gives_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stalled() -> AsyncIterator[bytes]:
        yield bytes(1_000)
        await asyncio.sleep(60)

    async def act(stage: Stage) -> None:
        monkeypatch.setattr(submission, "GRACE_S", 0)
        stage.gateway.intake._bytes_left = 1_500
        slow = asyncio.create_task(stage.http.post("/v1/transactions", content=stalled(), headers=MSGPACK))
        await until(lambda: stage.gateway.intake._bytes_left < 1_500)
        sent = [stage.made(number) for number in range(3)]
        check_problem(await stage.submit(*sent), Code.OVERLOADED)
        check_problem(await slow, Code.TIMED_OUT)
        assert (await stage.submit(*sent)).status_code == 200
        assert stage.gateway.intake._bytes_left == 1_500

    play(tmp_path, act)


def test_more_waiting_requests_than_places_are_told_to_come_again(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        stage.validator.is_finalising = False
        stage.gateway.intake._places_left = 2
        sent = [asyncio.create_task(stage.submit(stage.made(number))) for number in range(3)]
        answers = await asyncio.gather(*sent)
        assert sorted(answer.status_code for answer in answers) == [202, 202, 429]
        stage.validator.is_finalising = True
        assert (await stage.submit(stage.made(9))).status_code == 200

    play(tmp_path, act, final_s=0.1)


def test_no_token_is_needed_to_hand_in(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        del stage.http.headers["Authorization"]
        assert (await stage.submit(stage.made(1))).status_code == 200
        response = await stage.http.get(f"/v1/transactions/{'0' * 64}")
        check_problem(response, Code.UNAUTHORISED)
        assert response.headers["www-authenticate"].startswith("Bearer")

    play(tmp_path, act)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("0" * 64, Code.UNKNOWN_TRANSACTION),
        ("0" * 63, Code.MALFORMED),
        ("X" * 64, Code.MALFORMED),
        ("%00", Code.MALFORMED),
    ],
)
def test_an_id_that_is_unknown_or_no_id(tmp_path: Path, name: str, code: Code) -> None:
    async def act(stage: Stage) -> None:
        check_problem(await stage.http.get(f"/v1/transactions/{name}"), code)

    play(tmp_path, act)
