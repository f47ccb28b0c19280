"""Every threat that the specification lists names a test, and that test exists."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
THREATS = ROOT / "ledger" / "spec" / "THREATS.md"
HEAD = "| threat | position | what stops it | test |"


def rows() -> list[list[str]]:
    lines = [line for line in THREATS.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line != HEAD]


def functions_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_threat_names_a_test_that_exists() -> None:
    found = [row for row in rows() if set(row[0]) != {"-"}]
    assert len(found) > 40
    for row in found:
        assert len(row) == 4, row
        for named in row[3].split(", "):
            path, _, function = named.strip("`").partition("::")
            assert function, f"expected the test of {row[0]!r} as path::name, got {named}"
            assert function in functions_of(ROOT / path), named
