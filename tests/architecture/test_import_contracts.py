"""The import contracts of pyproject.toml can fail: each is shown to catch a planted import."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT_ROOT

LINT_IMPORTS = str(Path(sys.executable).parent / "lint-imports")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The skeleton of the house: its packages without their content, under the project's own contracts."""
    folder = tmp_path_factory.mktemp("house")
    shutil.copy(PROJECT_ROOT / "pyproject.toml", folder)
    layers = ("base", "trade", "members", "chain", "state", "proof", "consensus", "epcis")
    modules = [
        "node",
        "client",
        "client/verify",
        "client/submit",
        "ledger",
        *(f"ledger/{layer}" for layer in layers),
    ]
    for module in modules:
        (folder / module).mkdir(parents=True, exist_ok=True)
        (folder / module / "__init__.py").touch()
    (folder / "ledger/base/mldsa.py").write_text("def f():\n    import cryptography\n")  # the one exception
    return folder


def _broken_contracts(house: Path, module: str, source: str) -> list[str]:
    path = house / module
    before = path.read_text(encoding="utf-8") if path.exists() else None
    path.write_text(source, encoding="utf-8")
    try:
        command = [LINT_IMPORTS, "--no-logo", "--no-cache"]
        run = subprocess.run(command, cwd=house, capture_output=True, text=True, check=False)
    finally:
        path.write_text(before, encoding="utf-8") if before is not None else path.unlink()
    assert "Contracts:" in run.stdout, run.stdout + run.stderr
    return [line.partition(" BROKEN")[0] for line in run.stdout.splitlines() if " BROKEN" in line]


def test_the_empty_house_keeps_every_contract(house: Path) -> None:
    assert _broken_contracts(house, "ledger/base/extra.py", "import hashlib\n") == []


@pytest.mark.parametrize(
    ("module", "source", "contract"),
    [
        ("node/extra.py", "import client", "node and client"),
        ("client/extra.py", "import node", "node and client"),
        ("ledger/extra.py", "import node", "node and client"),
        ("ledger/base/extra.py", "import cryptography", "ledger is pure"),
        ("ledger/base/extra.py", "import ledger.chain", "the layers inside ledger"),
        ("ledger/trade/extra.py", "import ledger.members", "the layers inside ledger"),
        ("ledger/proof/extra.py", "import ledger.consensus", "the layers inside ledger"),
        ("ledger/state/extra.py", "def f():\n    from ledger import proof", "the layers inside ledger"),
        ("ledger/epcis/extra.py", "import ledger.chain", "EPCIS documents"),
        ("ledger/epcis/extra.py", "import ledger.proof", "the layers inside ledger"),
        ("ledger/proof/extra.py", "import ledger.epcis", "the layers inside ledger"),
        ("ledger/state/extra.py", "import time", "ledger is pure"),
        ("ledger/chain/extra.py", "from os import path", "ledger is pure"),
        ("ledger/extra.py", "import httpx", "ledger is pure"),
        ("ledger/surplus.py", "", "the layers inside ledger"),
        ("client/extra.py", "import tests.conftest", "installed code"),
        ("node/extra.py", "import pytest", "installed code"),
    ],
)
def test_a_planted_import_breaks_its_contract(house: Path, module: str, source: str, contract: str) -> None:
    broken = _broken_contracts(house, module, source)
    assert any(name.startswith(contract) for name in broken), broken
