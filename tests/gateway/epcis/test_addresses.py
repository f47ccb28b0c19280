"""Addresses of the EPCIS interface: identifiers in paths, too long ones, methods, errors in EPCIS's terms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from node.gateway.epcis.problems import EpcisError, Exceptional
from node.gateway.epcis.raw_path import ADDRESS_BYTES, RawPath, path_value
from tests.gateway.epcis.epcis_stage import EpcisStage, play_epcis

LINK = "https%3A%2F%2Fid.gs1.org%2F01%2F09521234000013%2F21%2F7"


def passed_on(path: str, raw: bytes, kind: str = "http") -> str:
    """The path that the application behind is given."""
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["path"])

    scope = {"type": kind, "path": path, "raw_path": raw, "query_string": b""}
    with pytest.raises(StopIteration):
        RawPath(app)(scope, None, None).send(None)  # type: ignore[arg-type]
    return seen[0]


def test_paths_of_epcis_stay_as_they_were_sent() -> None:
    decoded = "/epcis/epcs/https://id.gs1.org/01/09521234000013/21/7/events"
    raw = f"/epcis/epcs/{LINK}/events"
    assert passed_on(decoded, raw.encode()) == raw
    assert passed_on(decoded, raw.encode(), "websocket") == raw
    assert passed_on("/v1/a b", b"/v1/a%20b") == "/v1/a b"
    assert passed_on("/epcisx/a b", b"/epcisx/a%20b") == "/epcisx/a b"


def test_the_value_in_a_path_is_decoded_once() -> None:
    assert path_value(LINK) == "https://id.gs1.org/01/09521234000013/21/7"
    assert path_value("urn:epc:id:sgtin:1.2.a%252Fb") == "urn:epc:id:sgtin:1.2.a%2Fb"
    assert path_value("%C3%BC") == "ü"
    for text in ("", "%FF", "%00", "a%0Ab", "x" * 3_000):
        with pytest.raises(EpcisError) as caught:
            path_value(text)
        assert caught.value.exception is Exceptional.NO_SUCH_NAME


def test_too_long_an_address_is_refused_before_anything(tmp_path: Path) -> None:
    async def act(stage: EpcisStage) -> None:
        del stage.http.headers["Authorization"]
        response = await stage.http.get("/", params={"EQ_bizStep": "x" * ADDRESS_BYTES})
        document = response.json()
        assert response.status_code == document["status"] == 414
        assert document["type"] == "epcisException:URITooLongException"
        assert document["request"] == response.headers["x-request-id"]

    play_epcis(tmp_path, act)


def test_errors_of_the_framework_are_told_in_terms_of_epcis(tmp_path: Path) -> None:
    async def act(stage: EpcisStage) -> None:
        missing = (await stage.http.get("/nothing")).json()
        assert (missing["type"], missing["status"]) == ("epcisException:NoSuchNameException", 404)
        wrong = await stage.http.put("/", headers={"Accept": "application/xml"})
        assert wrong.status_code == 405
        assert wrong.headers["content-type"].startswith("application/problem+xml")
        del stage.http.headers["Authorization"]
        nobody = (await stage.http.get("/")).json()
        assert (nobody["type"], nobody["status"]) == ("epcisException:SecurityException", 401)

    play_epcis(tmp_path, act)
