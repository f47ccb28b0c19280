"""The identifier vectors hold, spelling by spelling."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ledger.base.errors import CustodyError
from ledger.trade import identifiers

VECTORS: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parent / "identifiers.json").read_text(encoding="ascii")
)


@pytest.mark.parametrize("vector", VECTORS["spellings"], ids=lambda vector: vector["uri"][:60])
def test_spelling(vector: dict[str, str]) -> None:
    identifier = identifiers.canonical(vector["uri"])
    assert identifier._asdict() == {name: vector[name] for name in ("text", "kind", "digits", "issuer")}


@pytest.mark.parametrize("vector", VECTORS["numbers"], ids=lambda vector: " ".join(vector["texts"]))
def test_number(vector: dict[str, Any]) -> None:
    function = getattr(identifiers, vector["function"])
    if "error" in vector:
        with pytest.raises(CustodyError) as refused:
            function(*vector["texts"])
        assert refused.value.code.value == vector["error"]
    else:
        identifier = function(*vector["texts"])
        assert (identifier.text, identifier.issuer) == (vector["text"], vector["issuer"])
