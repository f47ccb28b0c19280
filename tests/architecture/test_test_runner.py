"""`scripts/test` does not call green what did not run."""

from __future__ import annotations

from pathlib import Path

import pytest

import run_tests
from run_tests import Result, Tier

ALONE = ["-p", "no:cacheprovider", "-p", "no:cov", "-W", "ignore::pytest.PytestConfigWarning", "--rootdir"]


def _folder(tmp_path: Path, source: str) -> list[str]:
    (tmp_path / "test_it.py").write_text(source, encoding="utf-8")
    return [*ALONE, str(tmp_path), str(tmp_path)]


def test_a_tier_without_tests_fails(tmp_path: Path) -> None:
    result = run_tests._pytest("none", _folder(tmp_path, ""))
    assert (result.ok, result.note) == (False, "expected tests, collected none")


def test_a_selection_that_leaves_nothing_did_not_run(tmp_path: Path) -> None:
    arguments = [*_folder(tmp_path, "def test_a(): pass"), "-k", "nothing_like_it"]
    assert run_tests._pytest("none", arguments, selective=True).ok is None


def test_passes_failures_and_skips_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    source = """
import pytest
def test_a(): pass
def test_b(): assert 0
def test_c(): pytest.skip("a reason")
@pytest.fixture
def broken(): raise ValueError
def test_d(broken): pass
@pytest.mark.xfail(strict=True)
def test_e(): assert 0
"""
    result = run_tests._pytest("mixed", _folder(tmp_path, source))
    assert (result.ok, result.passed, result.failed, result.skips) == (False, 2, 2, ["test_c: a reason"])


def test_an_interrupted_collection_fails(tmp_path: Path) -> None:
    result = run_tests._pytest("broken", _folder(tmp_path, "import nowhere_to_be_found"))
    assert result.ok is False
    assert result.failed == 1


@pytest.mark.parametrize(
    ("outcomes", "code"), [([True, None], 0), ([True, False], 1), ([None, None], 1), ([], 1)]
)
def test_the_exit_code_is_zero_only_when_something_ran_and_nothing_broke(
    outcomes: list[bool | None], code: int
) -> None:
    assert run_tests._summarise([Result("step", ok, "") for ok in outcomes], 0.0) == code


def test_a_folder_that_is_not_there_yet_has_no_tests() -> None:
    assert not run_tests._has_tests(Tier("later", "tests/no_such_folder"))
    assert run_tests._has_tests(Tier("here", "tests/architecture"))
