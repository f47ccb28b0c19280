"""In CI nothing skips: the hooks of tests/conftest.py turn a skip into a failure, save where a marker gives the reason."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.conftest import PROJECT_ROOT

CASES = """
from __future__ import annotations
import pytest

def test_passes() -> None: pass
def test_skips_itself() -> None: pytest.skip("no reason is good enough")
@pytest.mark.skipif(True, reason="never mind")
def test_is_skipped() -> None: pass
@pytest.fixture
def absent() -> None: pytest.skip("nothing there")
def test_needs_the_absent(absent: None) -> None: pass
@pytest.mark.may_skip("cannot be had on this kind of machine")
def test_may_skip() -> None: pytest.skip("as the marker says")
@pytest.mark.may_skip
def test_marker_without_reason() -> None: pytest.skip("why")
@pytest.mark.xfail(strict=True)
def test_is_known_to_fail() -> None: assert False
"""

MODULE = 'import pytest\npytest.skip("the whole module", allow_module_level=True)\n'


def _outcomes(folder: Path, ci: str) -> dict[str, str]:
    """Run the cases under the project's own conftest and read what became of each."""
    (folder / "conftest.py").write_text(
        (PROJECT_ROOT / "tests/conftest.py").read_text(encoding="utf-8"), encoding="utf-8"
    )
    (folder / "test_cases.py").write_text(CASES, encoding="utf-8")
    (folder / "test_module.py").write_text(MODULE, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = may_skip(reason)\n", encoding="utf-8")
    report = folder / "report.xml"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-p",
        "no:cov",
    ]
    command += ["--continue-on-collection-errors", f"--junitxml={report}", str(folder)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "COV_"))}
    subprocess.run(command, cwd=folder, env={**environment, "CI": ci}, capture_output=True, check=False)
    outcomes = {}
    for case in ET.parse(report).getroot().iter("testcase"):
        bad = case.find("failure") is not None or case.find("error") is not None
        skipped = case.find("skipped")
        xfailed = skipped is not None and skipped.get("type") == "pytest.xfail"
        outcomes[str(case.get("name"))] = (
            "failed" if bad else "xfailed" if xfailed else "skipped" if skipped is not None else "passed"
        )
    return outcomes


@pytest.mark.parametrize(("ci", "skip"), [("true", "failed"), ("", "skipped")])
def test_a_skip_fails_in_ci_only(tmp_path: Path, ci: str, skip: str) -> None:
    assert _outcomes(tmp_path, ci) == {
        "test_passes": "passed",
        "test_skips_itself": skip,
        "test_is_skipped": skip,
        "test_needs_the_absent": skip,
        "test_may_skip": "skipped",
        "test_marker_without_reason": skip,
        "test_is_known_to_fail": "xfailed",
        "test_module": skip,
    }
