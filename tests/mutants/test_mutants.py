"""The planted bugs fit the code, a few of them die as they should, and the harness cannot be fooled into calling one dead.

All of them: `./scripts/mutants`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.mutants.catalogue import ALL, AREAS
from tests.mutants.harness import ROOT, Fate, Harness
from tests.mutants.mutant import Mutant, PatchError, check_patches, patched
from tests.mutants.run import report

SAMPLE = ("votes", "vote log", "storage", "codec", "rules", "proofs")


def test_every_patch_applies_once_and_compiles_and_its_test_exists() -> None:
    assert check_patches(ALL, ROOT) == []


def test_every_mutant_says_what_it_does_and_which_rule_it_breaks() -> None:
    for mutant in ALL:
        assert mutant.what.endswith("."), mutant.name
        assert mutant.rule, mutant.name
        assert mutant.find != mutant.replace, mutant.name


def test_one_bug_of_each_area_dies() -> None:
    sample = [AREAS[area][0] for area in SAMPLE]
    with Harness(jobs=2) as harness:
        results = harness.judge(sample)
    assert {
        result.mutant.name: (result.fate, result.why) for result in results if result.fate is not Fate.KILLED
    } == {}


# --- the harness, on a project of its own

SOURCE = """
def half(number: int) -> int:
    if number < 0:
        raise ValueError("expected a number of 0 or more")
    return number // 2
"""
TESTS = """
import pytest
from ledger.sums import half

def test_half() -> None:
    assert half(8) == 4

def test_of_nothing() -> None:
    assert half(8) >= 0

def test_refusal() -> None:
    with pytest.raises(ValueError, match="expected"):
        half(-1)

def test_of_one_value() -> None:
    (found,) = [number for number in range(3) if half(number) == 1]
    assert found == 2

def test_that_never_held() -> None:
    assert half(8) == 5

def test_that_skips() -> None:
    if half(8) == 4:
        pytest.skip("no reason")
"""


def bug(find: str, replace: str, killer: str) -> Mutant:
    return Mutant(
        "a-bug", "It is one.", "none", "ledger/sums.py", find, replace, f"tests/test_sums.py::{killer}"
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of one module and its tests."""
    (tmp_path / "ledger").mkdir()
    (tmp_path / "tests/mutants").mkdir(parents=True)
    (tmp_path / "ledger/__init__.py").write_text("")
    (tmp_path / "ledger/sums.py").write_text(SOURCE)
    (tmp_path / "tests/test_sums.py").write_text(TESTS)
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\npythonpath = ['.']\n")
    shutil.copy(ROOT / "tests/mutants/judge.py", tmp_path / "tests/mutants/judge.py")
    return tmp_path


CASES = (
    (bug("// 2", "// 3", "test_half"), Fate.KILLED, "assert 2 == 4"),
    (bug("number < 0", "number < -1", "test_refusal"), Fate.KILLED, "DID NOT RAISE"),
    (bug("number // 2", "number", "test_of_one_value"), Fate.KILLED, "assert 1 == 2"),
    (bug("number // 2", "7", "test_of_one_value"), Fate.KILLED, "not enough values to unpack"),
    (bug("// 2", "// 3", "test_of_nothing"), Fate.SURVIVED, "passes with it"),
    (bug("number // 2", "numbr // 2", "test_half"), Fate.BROKEN, "NameError"),
    (bug("number // 2", "number // 'two'", "test_half"), Fate.BROKEN, "TypeError"),
    (
        bug("\ndef half", "import nothing_like_it\ndef half", "test_half"),
        Fate.BROKEN,
        "no test was found",
    ),
    (bug("number // 2", "[][number]", "test_half"), Fate.BROKEN, "IndexError"),
    (bug("// 2", "// 3", "test_that_never_held"), Fate.BROKEN, "does not pass on the real code"),
    (bug("// 2", "// 3", "test_that_skips"), Fate.BROKEN, "does not pass on the real code"),
    (bug("// 2", "// 3", "test_that_is_not_there"), Fate.BROKEN, "does not pass on the real code"),
)


def test_a_bug_is_dead_only_if_its_test_lived_before_and_died_of_an_oracle(project: Path) -> None:
    with Harness(jobs=1, source=project) as harness:
        results = harness.judge(
            mutant._replace(name=f"bug-{place}") for place, (mutant, _, _) in enumerate(CASES)
        )
    for result, (mutant, fate, why) in zip(results, CASES, strict=True):
        assert result.mutant[1:] == mutant[1:]
        assert (result.fate, why in result.why) == (fate, True), result
    assert (project / "ledger/sums.py").read_text() == SOURCE
    account = report(["sums"] * len(results), results, 1.0)
    assert (account["planted"], account["killed"], len(account["broken"])) == (12, 4, 7)
    assert account["survivors"] == ["bug-4"]
    assert account["areas"] == {"sums": {"planted": 12, "killed": 4}}


def test_a_test_that_does_not_end_kills_nothing_and_the_next_one_runs(project: Path) -> None:
    endless = bug("return number", "import time\n    time.sleep(600)\n    return number", "test_half")
    with Harness(jobs=1, source=project, limit_s=8) as harness:
        results = harness.judge([endless, bug("// 2", "// 3", "test_half")])
    assert [result.fate for result in results] == [Fate.SURVIVED, Fate.KILLED]
    assert "not over" in results[0].why


@pytest.mark.parametrize(
    ("find", "replace", "wrong"),
    [
        ("number // 4", "number", "found it 0 times"),
        ("number", "numbers", "found it 4 times"),
        ("return number", "return (number", "a patch that compiles"),
        ("// 2", " //  2", "changes only its text"),
    ],
)
def test_a_patch_that_does_not_fit_is_told(project: Path, find: str, replace: str, wrong: str) -> None:
    mutant = bug(find, replace, "test_half")
    with pytest.raises(PatchError, match=wrong):
        patched(mutant, SOURCE)
    assert wrong in check_patches((mutant,), project)[0]


def test_a_missing_test_and_a_name_used_twice_are_told(project: Path) -> None:
    mutant = bug("// 2", "// 3", "test_that_is_not_there")
    assert check_patches((mutant, mutant), project) == [
        "a-bug: expected a test tests/test_sums.py::test_that_is_not_there, there is none",
        "a-bug: expected a test tests/test_sums.py::test_that_is_not_there, there is none",
        "a-bug: expected each name once",
    ]
