"""Requests drawn from the OpenAPI document are answered as it says, and nothing gets round the token (a sample).

`python -m tests.api.exercise --examples 300` for more. That a breach is found is shown on an application that has one.
"""

from __future__ import annotations

from typing import Any

import pytest

from node.gateway.access import ReaderToken
from tests.api.exercise import exercise

EXAMPLES = 12


def test_drawn_requests_are_answered_as_documented() -> None:
    found = exercise(EXAMPLES)
    assert found.findings == ()
    assert found.requests > 20 * EXAMPLES
    assert {"200", "400", "404"} <= set(found.by_status)
    assert {name.partition(" ")[0] for name in found.by_operation} == {"GET", "POST"}


def test_a_way_round_the_token_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    real = ReaderToken.is_borne_by

    def lax(self: ReaderToken, authorization: str | None) -> bool:
        return real(self, authorization) or (authorization or "").startswith("Bearer")

    monkeypatch.setattr(ReaderToken, "is_borne_by", lax)
    assert any("unguarded" in one for one in exercise(1, only="/v1/subjects").findings)


def test_an_undocumented_answer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr("node.gateway.routes.subjects.record_at_json", broken)
    assert any("500" in one for one in exercise(1, only="/v1/subjects").findings)
