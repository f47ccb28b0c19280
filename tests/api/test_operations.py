"""Probes, numbers, status; and what they say while the validator is away."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ledger.base.errors import Code
from tests.gateway.stage import BEARER, TOKEN, Stage, check_problem, item_id, play, until

READS = (
    "/v1/transactions/" + "0" * 64,
    "/v1/subjects?id=" + item_id(1),
    "/v1/subjects/history?id=" + item_id(1),
    "/v1/bundle?id=" + item_id(1),
    "/v1/blocks/1",
    "/v1/checkpoint",
    "/v1/genesis",
    "/v1/follow",
    "/v1/status",
)


def test_alive_ready_and_how_it_is_doing(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        assert (await stage.http.get("/livez")).json() == {"status": "alive"}
        assert (await stage.http.get("/readyz")).json() == {"status": "ready", "height": 0}
        status = (await stage.http.get("/v1/status")).json()
        assert (status["phase"], status["organisation"]) == ("ready", "maker")
        assert status["peers"] == [{"organisation": "carrier", "connected": True}]

    play(tmp_path, act)


@pytest.mark.parametrize("phase", ["starting", "catching up", "halted", "stopping"])
def test_a_validator_that_is_behind_is_not_ready(tmp_path: Path, phase: str) -> None:
    async def act(stage: Stage) -> None:
        stage.validator.phase = phase
        assert phase in check_problem(await stage.http.get("/readyz"), Code.UNAVAILABLE)
        assert (await stage.http.get("/livez")).status_code == 200

    play(tmp_path, act)


def test_without_a_validator_every_question_is_answered_with_503(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        for path in (*READS, "/readyz"):
            if path != "/v1/follow":
                detail = check_problem(await stage.http.get(path), Code.UNAVAILABLE)
                assert str(tmp_path) not in detail
        check_problem(await stage.submit(stage.made(1)), Code.UNAVAILABLE)
        assert (await stage.http.get("/livez")).status_code == 200
        assert "custody_gateway_validator_connected 0.0" in (await stage.http.get("/metrics")).text

    play(tmp_path, act, starts=False)


def test_the_gateway_finds_the_validator_again(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        assert (await stage.submit(stage.made(1))).status_code == 200
        await stage.validator.stop()
        check_problem(await stage.http.get("/readyz"), Code.UNAVAILABLE)
        await stage.validator.start()
        assert (await stage.http.get("/readyz")).status_code == 200
        assert (await stage.submit(stage.made(2))).status_code == 200

    play(tmp_path, act)


def test_a_validator_that_goes_away_while_asked_costs_that_answer_only(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        stage.validator.is_finalising = False
        waiting = asyncio.create_task(stage.submit(stage.made(1)))
        await until(lambda: bool(stage.validator.submissions))
        await stage.validator.stop()
        check_problem(await waiting, Code.UNAVAILABLE)
        stage.validator.is_finalising = True
        await stage.validator.start()
        assert (await stage.submit(stage.made(2))).status_code == 200

    play(tmp_path, act)


def test_a_validator_that_hangs_costs_a_deadline(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        stage.validator.is_silent = True
        detail = check_problem(await stage.http.get("/v1/checkpoint"), Code.UNAVAILABLE)
        assert "within 0.05 s" in detail

    play(tmp_path, act, read_s=0.05)


def test_a_validator_that_speaks_another_version_is_no_fault_of_the_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(stage: Stage) -> None:
        monkeypatch.setattr(stage.validator, "_node_status", lambda: (1, 2, 3))
        monkeypatch.setattr(stage.validator, "_status", lambda _: (1, 2, 3))
        assert "version" in check_problem(await stage.http.get("/v1/status"), Code.INTERNAL)
        check_problem(await stage.http.get(f"/v1/transactions/{'0' * 64}"), Code.INTERNAL)

    play(tmp_path, act)


def test_a_fault_of_the_gateway_is_a_problem_that_shows_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def act(stage: Stage) -> None:
        async def fail() -> None:
            raise RuntimeError("secret of the house")

        monkeypatch.setattr(stage.gateway.validator, "status", fail)
        response = await stage.http.get("/v1/status")
        check_problem(response, Code.INTERNAL)
        assert "secret" not in response.text
        assert response.json()["request"] in capsys.readouterr().out

    play(tmp_path, act)


def test_questions_beyond_the_cap_are_refused_at_once(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        stage.validator.is_silent = True
        asked = [asyncio.create_task(stage.http.get("/v1/checkpoint")) for _ in range(4)]
        answers = await asyncio.gather(*asked)
        assert sorted(answer.status_code for answer in answers) == [429, 429, 503, 503]

    play(tmp_path, act, read_s=0.1, reads=2)


def test_numbers_are_readable_and_bounded_whatever_clients_send(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        await stage.submit(stage.made(1))
        for number in range(20):
            await stage.http.get(f"/nowhere/{number}")
            await stage.http.request(f"METHOD{number}", "/livez")
            await stage.http.get(f"/v1/blocks/{number}")
        text = (await stage.http.get("/metrics")).text
        families = {family.name: family for family in text_string_to_metric_families(text)}
        assert "custody_validator_height" in families
        labels = {
            (sample.labels.get("route"), sample.labels.get("method"))
            for sample in families["custody_gateway_requests"].samples
            if sample.name.endswith("_total")
        }
        assert labels == {
            ("/v1/transactions", "POST"), ("none", "GET"), ("/livez", "other"), ("/v1/blocks/{height}", "GET"),
        }  # fmt: skip

    play(tmp_path, act)


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", f"Basic {TOKEN}", "Bearer x", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", TOKEN],
)
def test_reads_need_the_token(tmp_path: Path, header: str | None) -> None:
    async def act(stage: Stage) -> None:
        del stage.http.headers["Authorization"]
        headers = {} if header is None else {"Authorization": header}
        for path in READS:
            response = await stage.http.get(path, headers=headers)
            check_problem(response, Code.UNAUTHORISED)
            assert TOKEN not in response.text
        assert stage.validator.asked == []

    play(tmp_path, act)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_probes_are_open_on_loopback_and_want_the_token_from_afar(tmp_path: Path, path: str) -> None:
    async def act(stage: Stage) -> None:
        for address, headers, status in (
            ("127.0.0.1", {}, 200),
            ("::1", {}, 200),
            ("::ffff:127.0.0.1", {}, 200),
            ("192.0.2.7", {}, 401),
            ("192.0.2.7", BEARER, 200),
            ("not an address", {}, 401),
        ):
            transport = httpx.ASGITransport(stage.app, client=(address, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
                assert (await http.get(path, headers=headers)).status_code == status

    play(tmp_path, act)
