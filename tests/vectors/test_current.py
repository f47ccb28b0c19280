"""The committed vectors are what their sources give, under any hash seed, locale and optimisation."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize(
    ("options", "surroundings"),
    [((), {}), (("-O",), {"PYTHONHASHSEED": "1", "LC_ALL": "C"}), (("-OO",), {"PYTHONHASHSEED": "77", "LC_ALL": "tr_TR.UTF-8"})],
    ids=["plain", "optimised", "turkish"],
)  # fmt: skip
def test_vectors_are_current(options: tuple[str, ...], surroundings: dict[str, str]) -> None:
    run = subprocess.run(
        [sys.executable, *options, ROOT / "scripts" / "make_vectors.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | surroundings,
    )
    assert run.returncode == 0, run.stdout + run.stderr
