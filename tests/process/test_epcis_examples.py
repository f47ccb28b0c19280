"""`./scripts/epcis-examples` as a newcomer runs it, over some of the examples: a real network, one table, no process left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOME = (
    "gs1/JSON/Example_9.6.",
    "gs1/XML/Example_9.6.",
    "dpp/eu/textile",
    "Invalid/Combination",
    "Invalid/ObjectEvent_with_w",
)


def test_the_table_by_command(shared_data: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts"), "CUSTODY_TEST_DATA": str(shared_data)}
    done = subprocess.run(
        [sys.executable, "-m", "epcis_examples", "--json", "--only", *SOME],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    table = json.loads(done.stdout)
    assert table["good"] is True
    assert table["counted"] == {"captured, as it is to be": 6, "refused, as it is to be": 4}
    assert table["events"] >= 6
    for row in table["examples"]:
        assert row["good"] is True, row
        assert row["reasons"] or row["fate"] == "captured", row
