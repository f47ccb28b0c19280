"""The committed vectors are what their sources give; only `./scripts/vectors` writes them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def test_vectors_are_current() -> None:
    run = subprocess.run(
        [sys.executable, ROOT / "scripts" / "make_vectors.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
