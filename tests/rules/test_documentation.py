"""RULES.md says what the code does: its tables are the code's, and every row has a line in both."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ledger.trade.rules.outcomes import Outcome
from ledger.trade.rules.table import ROWS

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_tables_of_the_specification_are_current() -> None:
    run = subprocess.run(
        [sys.executable, ROOT / "scripts" / "make_rules_tables.py", "--check"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_row_is_described_and_every_table_filled() -> None:
    text = (ROOT / "ledger" / "spec" / "RULES.md").read_text(encoding="utf-8")
    assert [row.number for row in ROWS] == list(range(1, 30))
    for row in ROWS:
        assert f"| {row.number} | {row.pattern} |" in text
    assert text.count("<!-- table:") == text.count("<!-- end -->") == 3


def test_codes_are_ten_times_the_row_and_a_variant() -> None:
    assert {code // 10 for code in Outcome} <= set(range(1, 32))
