"""Asserts of tests, and of what tests share, are executed: also under `python -O`, which drops all others.

`./scripts/test --optimised` runs everything that way, this test among it; here it looks at -O in a process of its own too.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.asserting import must

ROOT = Path(__file__).resolve().parents[2]


def test_an_assert_of_a_test_stands() -> None:
    with pytest.raises(AssertionError):
        assert not sys.path, "there is a path"


def test_an_assert_of_what_tests_share_stands() -> None:
    with pytest.raises(AssertionError):
        must(False)


@pytest.mark.may_skip("under -O it is the process that it would start")
@pytest.mark.skipif(sys.flags.optimize > 0, reason="this is that process")
def test_they_stand_when_optimised() -> None:
    command = [
        sys.executable,
        "-O",
        "-m",
        "pytest",
        "-q",
        "-W",
        "ignore::pytest.PytestConfigWarning",
        __file__,
    ]
    environment = {**os.environ, "PYTHONOPTIMIZE": "1", "CI": ""}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
