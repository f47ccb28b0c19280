"""A border laptop verifies with neither network nor consensus: what the verify path loads, directly or through others.

The contract reads every import that is written down, also inside functions; the fresh interpreter shows what a start
really loads. `client.cli` imports each command's module when it runs, so only the modules named here are held.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import grimp
import pytest

from tests.conftest import PROJECT_ROOT

OFFLINE = ("client.verify", "client.report", "client.anchor")
FORBIDDEN = (
    "asyncio",
    "cryptography",
    "fastapi",
    "httpx",
    "ledger.consensus",
    "node",
    "socket",
    "ssl",
    "urllib",
)


def _chains(graph: grimp.ImportGraph, modules: Iterable[str]) -> list[str]:
    """For each way from an offline module (or what is inside it) to a forbidden one: the shortest chain of imports."""
    return [
        " -> ".join(chain)
        for module in modules
        for forbidden in FORBIDDEN
        if forbidden in graph.modules
        and (chain := graph.find_shortest_chain(module, forbidden, as_packages=True))
    ]


def _offline_modules(graph: grimp.ImportGraph) -> list[str]:
    if "client.cli" in graph.modules:
        assert "client.verify" in graph.modules, "expected the verify path in client.verify"
    return [module for module in OFFLINE if module in graph.modules]


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    """The project's imports, those of other libraries included, less the one that only a hybrid key brings about."""
    found = grimp.build_graph("ledger", "client", "node", include_external_packages=True, cache_dir=None)
    found.remove_import(importer="ledger.base.mldsa", imported="cryptography")
    return found


def test_the_verify_path_imports_neither_network_nor_consensus(graph: grimp.ImportGraph) -> None:
    assert _chains(graph, _offline_modules(graph)) == []


def test_a_fresh_interpreter_loads_neither_network_nor_consensus(graph: grimp.ImportGraph) -> None:
    modules = _offline_modules(graph)
    program = "import json, sys; [__import__(name) for name in sys.argv[1:]]; print(json.dumps(sorted(sys.modules)))"
    command = [sys.executable, "-c", program, *modules]
    run = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    loaded = set(json.loads(run.stdout))
    # The standard library loads urllib and its like for its own ends; what counts are the libraries and our own.
    assert loaded & {"cryptography", "httpx", "fastapi", "asyncio", "ledger.consensus", "node"} == set()


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("verify", "import httpx"),
        ("verify", "def f():\n    import socket"),
        ("verify", "import client.submit"),
        ("anchor", "from ledger.consensus import step"),
        ("report", "from urllib import request"),
    ],
)
def test_a_planted_import_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, source: str
) -> None:
    files = {
        "verify": "",
        "anchor": "",
        "report": "",
        "submit": "import httpx\n",
        "__init__": "",
        module: source,
    }
    (tmp_path / "planted").mkdir()
    for name, text in files.items():
        (tmp_path / "planted" / f"{name}.py").write_text(
            text.replace("client.", "planted."), encoding="utf-8"
        )
    monkeypatch.syspath_prepend(tmp_path)
    graph = grimp.build_graph("planted", "ledger", include_external_packages=True, cache_dir=None)
    assert _chains(graph, [f"planted.{module}"])
