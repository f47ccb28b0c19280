"""What decides roots and verdicts comes out the same whatever surrounds it: hash seed, locale, time zone, `-O`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.replay.digest import digest

PROGRAM = Path(__file__).with_name("digest.py")


@pytest.fixture(scope="module")
def here() -> str:
    return digest()


@pytest.mark.parametrize(
    ("options", "surroundings"),
    [
        ((), {"PYTHONHASHSEED": "0"}),
        (("-O",), {"PYTHONHASHSEED": "1", "LC_ALL": "C", "TZ": "Pacific/Apia"}),
        (("-OO",), {"PYTHONHASHSEED": "4242", "LC_ALL": "tr_TR.UTF-8", "PYTHONUTF8": "0"}),
        (("-X", "dev", "-I"), {"PYTHONHASHSEED": "77"}),
    ],
    ids=["seed 0", "optimised", "turkish", "isolated"],
)
def test_roots_bundles_and_verdicts_are_the_same(
    here: str, options: tuple[str, ...], surroundings: dict[str, str]
) -> None:
    run = subprocess.run(
        [sys.executable, *options, PROGRAM],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | surroundings,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == here
