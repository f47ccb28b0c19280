"""GET /v1/events/{hash}: an event's bytes, for who may read them and for nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.requests import Request

from ledger.base.encoding import decode
from ledger.base.errors import Code, EntitlementError
from ledger.chain.transaction import event_hash
from node.gateway.permissions import Caller, Role
from node.gateway.routes import events
from tests.gateway.stage import Stage, check_problem, play

SALT = bytes(range(16))


def test_an_open_event_is_answered_with_what_its_hash_needs(tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        hashed = stage.validator.hold(SALT, b"{}", b'{"type": "ObjectEvent"}')
        response = await stage.http.get(f"/v1/events/{hashed.hex()}")
        assert (response.status_code, response.headers["content-type"]) == (200, "application/msgpack")
        salt, context, event = decode(response.content, max_bytes=1_000)
        assert event_hash(stage.world.network, salt, context, event) == hashed
        check_problem(await stage.http.get(f"/v1/events/{'0' * 64}"), Code.NOT_FOUND)
        check_problem(await stage.http.get("/v1/events/none"), Code.MALFORMED)
        check_problem(
            await stage.http.get(f"/v1/events/{hashed.hex()}", headers={"Authorization": ""}),
            Code.UNAUTHORISED,
        )

    play(tmp_path, act)


@pytest.mark.parametrize(("asker", "is_shown"), [(None, True), ("carrier", True), ("forwarder", False)])
def test_restricted_bytes_go_to_their_readers_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asker: str | None, *, is_shown: bool
) -> None:
    monkeypatch.setattr(events, "organisation_of", lambda _request: asker)

    async def act(stage: Stage) -> None:
        hashed = stage.validator.hold(SALT, None, b"secret", ("carrier", "maker"))
        never = await stage.http.get(f"/v1/events/{'0' * 64}")
        response = await stage.http.get(f"/v1/events/{hashed.hex()}")
        assert (response.status_code == 200) is is_shown
        assert (b"secret" in response.content) is is_shown
        if not is_shown:  # nothing tells it from what never was
            told, other = response.json(), never.json()
            assert told["detail"].replace(hashed.hex()[:16], "") == other["detail"].replace("0" * 16, "")

    play(tmp_path, act)


def test_who_asks_is_who_showed_it() -> None:
    def asked_by(*roles: Role, organisation: str | None) -> str | None:
        request = Request({"type": "http", "headers": []})
        request.state.caller = Caller(frozenset(roles), "somebody", organisation)
        return events.organisation_of(request)

    assert asked_by(Role.READER, organisation=None) is None, "the node itself"
    assert asked_by(Role.MEMBER, organisation="carrier") == "carrier"
    with pytest.raises(EntitlementError):
        asked_by(Role.MEMBER, organisation=None)
