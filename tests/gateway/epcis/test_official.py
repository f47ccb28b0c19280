"""Requests drawn from GS1's own OpenAPI document are answered as it says (a sample; EPCIS.md "Query").

`python -m tests.gateway.epcis.official --examples 100` for more. That a breach is found is shown on a repository that has one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.epcis.official import corrected, exercise, official

EXAMPLES = 2


def test_drawn_requests_are_answered_as_the_standard_s_document_says(shared_data: Path) -> None:
    document = official(shared_data)
    found = exercise(document, EXAMPLES)
    assert found.findings == ()
    assert {"200", "204", "400", "404", "406"} <= set(found.by_status)
    assert len(found.by_operation) == sum(
        method in ("get", "post", "delete", "options")
        for path in document["paths"].values()
        for method in path
    )


def test_an_undocumented_answer_is_found(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError

    document = official(shared_data)
    document["paths"]["/dispositions"]["get"]["responses"].pop("200")
    assert any("200" in one for one in exercise(document, 3, only="/dispositions").findings)
    monkeypatch.setattr("node.gateway.epcis.resources.collection_response", broken)
    assert any("500" in one for one in exercise(document, 3, only="/dispositions").findings)


def test_what_is_put_right_was_wrong(shared_data: Path) -> None:
    """Each correction changes something: when GS1 mends its document, this says so."""
    text = (shared_data / "epcis" / "schema" / "openapi.json").read_bytes()
    before: dict[str, Any] = json.loads(text)
    after = corrected(json.loads(text))
    assert "400" not in before["paths"]["/events"]["get"]["responses"]
    assert before != after
    assert before["components"]["schemas"]["Link"]["format"] == "uri"
    assert before["components"]["parameters"]["Disposition"]["schema"]["format"] == "uri"
