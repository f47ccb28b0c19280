"""The extract vectors hold: what each event states, and what each refusal is called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ledger.base.encoding import decode, encode
from ledger.base.errors import CustodyError
from ledger.trade.extract import extract
from ledger.trade.statement import Action, Flag, Role, statement_from_wire, subject_from_wire

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "extracts.json").read_text(encoding="ascii")
)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_extract(vector: dict[str, Any]) -> None:
    event, context = vector["event"].encode("ascii"), vector["context"].encode("ascii")
    if "error" in vector:
        with pytest.raises(CustodyError) as refused:
            extract(event, context)
        assert refused.value.code.value == vector["error"]
        return
    found = extract(event, context)
    assert encode(found).hex() == vector["encoded"]
    said = vector["statement"]
    statement = found.statement
    assert Action(statement.action).name == said["action"]
    assert [flag.name for flag in Flag if flag in Flag(statement.flags)] == said["flags"]
    for field in (
        "time_ms",
        "step",
        "disposition",
        "counterparty",
        "source",
        "place",
        "lapse_ms",
        "transformation",
    ):
        assert getattr(statement, field) == said[field]
    assert [
        [Role(role).name, identifier, None if quantity is None else list(quantity)]
        for role, identifier, quantity in found.subjects
    ] == vector["subjects"]


@pytest.mark.parametrize(
    "vector", [vector for vector in VECTORS if "encoded" in vector], ids=lambda vector: vector["name"]
)
def test_extracts_are_of_the_wire_form(vector: dict[str, Any]) -> None:
    statement, subjects = decode(bytes.fromhex(vector["encoded"]), max_bytes=10_000)
    found = extract(vector["event"].encode("ascii"), vector["context"].encode("ascii"))
    assert statement_from_wire(statement) == found.statement
    assert tuple(subject_from_wire(subject) for subject in subjects) == found.subjects


def test_every_action_and_flag_has_a_vector() -> None:
    stated = {vector["statement"]["action"] for vector in VECTORS if "statement" in vector}
    assert stated == {action.name for action in Action} - {"MISMATCH"}  # an item kind, never an event
    flagged = {flag for vector in VECTORS if "statement" in vector for flag in vector["statement"]["flags"]}
    assert flagged == {flag.name for flag in Flag}
    roles = {subject[0] for vector in VECTORS if "subjects" in vector for subject in vector["subjects"]}
    assert roles == {role.name for role in Role}
