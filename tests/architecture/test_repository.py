"""What the repository as a whole keeps: names, addresses, declared dependencies, scripts that at least parse."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.conftest import PROJECT_ROOT

FORBIDDEN_MODULE_NAMES = frozenset(
    {"common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}
)
PUBLIC_HOSTS = frozenset({"pypi.org", "files.pythonhosted.org"})
# A path that only exists on somebody's machine. Preceded by a letter, digit or brace it is part of an address.
MACHINE_PATH = re.compile(r"(?<![\w.}>~*/-])/(?:work|root|Users/\w+|home/\w+|tmp/\w+)(?:/|(?=[\s\"'`]))")
# Where naming such a path is the point.
MAY_NAME_PATHS = frozenset({"tests/architecture/test_repository.py"})
IGNORED_FOLDERS = frozenset(
    {".git", ".venv", ".tools", "__pycache__", "build", "dist", "demo-output", "bench-output", "network"}
)


def _project_files() -> list[Path]:
    """The files under version control; in an unpacked archive, all files but those that the scripts make."""
    if (PROJECT_ROOT / ".git").exists():
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, check=True).stdout
        files = [PROJECT_ROOT / name for name in listed.decode().split("\0") if name]
    else:
        files = [
            path
            for path in PROJECT_ROOT.rglob("*")
            if not IGNORED_FOLDERS & set(path.relative_to(PROJECT_ROOT).parts)
        ]
    return sorted(path for path in files if path.is_file())


def _name(path: Path) -> str:
    return path.relative_to(PROJECT_ROOT).as_posix()


def machine_paths(text: str) -> list[str]:
    """Every mention of a path of one machine."""
    return [
        f"line {text.count(chr(10), 0, found.start()) + 1}: {found[0]}"
        for found in MACHINE_PATH.finditer(text)
    ]


def foreign_addresses(lock: str) -> list[str]:
    """Every address in a lock file that is not the public index, and every local source."""
    addresses = re.findall(r'"((?:[a-z+]+)://[^"]*)"', lock)
    foreign = [address for address in addresses if urlsplit(address).hostname not in PUBLIC_HOSTS]
    foreign += [
        address for address in addresses if not address.startswith("https://") and address not in foreign
    ]
    return foreign + re.findall(r"\{ (?:path|directory|git) = .*\}", lock)


def undeclared_imports(source: str, declared: frozenset[str], own: frozenset[str]) -> Iterator[str]:
    """Third-party modules that `source` imports though their distribution is not among `declared`."""
    distributions = packages_distributions()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        for top in (name.split(".")[0] for name in names):
            if top in own or top in sys.stdlib_module_names:
                continue
            if not {_normal(name) for name in distributions.get(top, [])} & declared:
                yield f"line {node.lineno}: {top}"


def _normal(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def test_no_file_names_a_path_of_one_machine() -> None:
    found = []
    for path in _project_files():
        if _name(path) in MAY_NAME_PATHS or path.suffix in {".png", ".custody"}:
            continue
        found += [
            f"{_name(path)}: {mention}"
            for mention in machine_paths(path.read_text(encoding="utf-8", errors="replace"))
        ]
    assert found == []


@pytest.mark.parametrize(
    "planted", ["cd /work/tree", 'open("/root/x")', "see /home/somebody/a", "`/tmp/scratch/x`"]
)
def test_a_planted_machine_path_is_found(planted: str) -> None:
    assert machine_paths(planted)


@pytest.mark.parametrize(
    "kept", ["GET /v1/blocks/{height}/root", "the state/root", "../shared/data", "/workflow", "`/livez`"]
)
def test_an_address_is_no_machine_path(kept: str) -> None:
    assert machine_paths(kept) == []


def test_the_lock_file_names_the_public_index_only() -> None:
    assert foreign_addresses((PROJECT_ROOT / "uv.lock").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "planted",
    [
        'source = { registry = "https://mirror.example/simple" }',
        'url = "http://pypi.org/simple"',
        'url = "file:///opt/wheels/a.whl"',
        'source = { path = "../a.whl" }',
        'source = { git = "https://pypi.org/a" }',
    ],
)
def test_a_planted_foreign_address_is_found(planted: str) -> None:
    assert foreign_addresses(planted)


def test_no_module_has_a_name_that_says_nothing() -> None:
    named = [_name(path) for path in _project_files() if path.suffix == ".py"]
    assert named
    assert [name for name in named if FORBIDDEN_MODULE_NAMES & set(Path(name).with_suffix("").parts)] == []


def test_each_package_declares_what_it_imports() -> None:
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    base = frozenset(_normal(line) for line in project["dependencies"])
    extras = {
        name: frozenset(map(_normal, lines)) for name, lines in project["optional-dependencies"].items()
    }
    own = frozenset({"ledger", "node", "client"})
    found = []
    for package, extra in (("ledger", ()), ("client", ()), ("node", extras["node"])):
        for path in sorted((PROJECT_ROOT / package).rglob("*.py")):
            source = path.read_text(encoding="utf-8")
            declared = base | (extras["scan"] if path.parent.name == "scan" else frozenset(extra))
            declared |= extras["persons"] if path.parent.name == "persons" else frozenset()
            for name, extra_name in (("node/storage/token.py", "hsm"), ("node/gateway/people.py", "oidc")):
                declared |= extras[extra_name] if path == PROJECT_ROOT / name else frozenset()
            found += [f"{_name(path)}: {line}" for line in undeclared_imports(source, declared, own)]
    assert found == []


def test_a_planted_undeclared_import_is_found() -> None:
    source = "import os\nimport fastapi\nfrom nacl.signing import SigningKey\nimport nowhere_to_be_found"
    found = list(undeclared_imports(source, frozenset({"pynacl"}), frozenset()))
    assert found == ["line 2: fastapi", "line 4: nowhere_to_be_found"]


def test_shell_scripts_parse_and_stop_at_errors() -> None:
    scripts = [
        path for path in _project_files() if path.suffix == ".sh" or _first_line(path).endswith("bash")
    ]
    assert scripts
    for path in scripts:
        assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0, path
        if path.suffix != ".sh":
            assert "set -euo pipefail" in path.read_text(encoding="utf-8"), (
                f"{_name(path)} goes on after an error"
            )


def _first_line(path: Path) -> str:
    first = path.read_bytes()[:80].split(b"\n", maxsplit=1)[0]
    return first.decode(errors="replace") if first.startswith(b"#!") else ""


def test_decisions_are_numbered_one_after_another() -> None:
    decisions = sorted((PROJECT_ROOT / "ledger/spec/adr").iterdir())
    assert [int(path.name.partition("-")[0]) for path in decisions] == list(range(1, len(decisions) + 1))
    for number, path in enumerate(decisions, start=1):
        assert path.read_text(encoding="utf-8").startswith(f"# {number}. "), path.name
