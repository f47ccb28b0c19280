"""`ledger` keeps the rules that its agreement rests on; and each rule can fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.architecture.house_rules import Breach, broken_rules, secrets_in_text
from tests.conftest import PROJECT_ROOT


def _modules(*packages: str) -> list[Path]:
    return sorted(path for package in packages for path in (PROJECT_ROOT / package).rglob("*.py"))


def _told(paths: list[Path], check: Callable[[str], list[Breach]]) -> list[str]:
    return [
        f"{path.relative_to(PROJECT_ROOT)}: {breach}"
        for path in paths
        for breach in check(path.read_text(encoding="utf-8"))
    ]


def _check_none(breaches: list[str]) -> None:
    if breaches:
        pytest.fail("\n".join(breaches), pytrace=False)


def test_ledger_keeps_the_house_rules() -> None:
    modules = _modules("ledger")
    assert len(modules) > 5
    _check_none(_told(modules, broken_rules))


def test_no_secret_is_written_into_text() -> None:
    _check_none(_told(_modules("ledger", "node", "client"), secrets_in_text))


@pytest.mark.parametrize(
    ("planted", "rule"),
    [
        ("import time", "import of time"),
        ("def f():\n    from os.path import join", "import of os.path"),
        ("import urllib.parse", "import of urllib.parse"),
        ("x = 0.5", "float literal"),
        ("x = 1 / 2", "true division"),
        ("x = 4\nx /= 2", "true division"),
        ("x = 2 ** -1", "negative power"),
        ("x = float(3)", "float()"),
        ("def f(x):\n    assert x", "assert"),
        ("if __debug__:\n    pass", "__debug__"),
        ("x = hash('a')", "hash()"),
        ("x = id(3)", "id()"),
        ("open('a')", "open()"),
        ("print(1)", "print()"),
        ("x = isinstance(1, int)", "isinstance"),
        ("x = isinstance(1, (str, int))", "isinstance"),
        ("x = 'A'.lower()", ".lower()"),
        ("x = f'{y.lower()}'", ".lower()"),
        ("def f(x):\n    raise ValueError(x.lower())", ".lower()"),
        ("x = '1'.isdigit()", ".isdigit()"),
        ("x = datetime.now()", ".now()"),
        ("x = date.fromisoformat('2020-01-01')", ".fromisoformat()"),
        ("x = ' a'.strip()", ".strip() without"),
        ("import re\nx = re.compile('\\\\d+')", "\\d takes more"),
        ("import re\nx = re.compile('a', re.IGNORECASE)", "re.IGNORECASE"),
        ("for x in {1, 2}:\n    pass", "order of a set"),
        ("x = [y for y in set('ab')]", "order of a set"),
        ("def f(a: set[int]):\n    return tuple(a)", "order of a set"),
        ("def f(a):\n    b = set(a)\n    for c in b:\n        yield c", "order of a set"),
        ("def f(a: frozenset[str]):\n    return ','.join(a)", "order of a set"),
        ("def f(a: set[int]):\n    return a.pop()", "order of a set"),
        ("def f(a: set[int], b: set[int]):\n    return [c for c in a | b]", "order of a set"),
        ("def f(a: set[int]):\n    return (*a, 1)", "order of a set"),
    ],
)
def test_a_planted_breach_is_found(planted: str, rule: str) -> None:
    found = [str(breach) for breach in broken_rules(planted)]
    assert any(rule in breach for breach in found), found


@pytest.mark.parametrize(
    "kept",
    [
        "x = 7 // 2",
        "x = 2 ** 3",
        "def f(a: set[int]):\n    return sorted(a)",
        "def f(a: set[int]):\n    return any(b > 1 for b in a)",
        "def f(a: set[int]):\n    return {b + 1 for b in a}",
        "def f(a: set[int], b: bytearray):\n    for c in a:  # any order: disjoint slices\n        b[c] = 1",
        "def f(a: dict[int, int]):\n    return list(a)",
        '"""A docstring may speak of \\\\d."""',
        "x = type(3) is int",
        "x = isinstance(3, str)",
        "x = ' a'.strip(' ')",
        "def f(kind):\n    raise ValueError(f'got {kind.name.lower()}')",
        "class A:\n    def __hash__(self):\n        return hash((1, 2))",
        "import re\nx = re.compile('[0-9]+')",
    ],
)
def test_what_is_allowed_is_left_alone(kept: str) -> None:
    assert broken_rules(kept) == []


@pytest.mark.parametrize(
    "planted", ["f'{seed}'", "f'key {self.private_key.hex()}'", "f'{reader_token!r}'", "f'x {passphrase}'"]
)
def test_a_secret_in_text_is_found(planted: str) -> None:
    assert secrets_in_text(planted)


@pytest.mark.parametrize("kept", ["f'Bearer {token}'", "f'{token_path}'", "f'{len(seed)} bytes'", "'seed'"])
def test_what_only_speaks_of_a_secret_is_left_alone(kept: str) -> None:
    assert secrets_in_text(kept) == []
