"""ACCESS.md says what the code says."""

from __future__ import annotations

import re
import runpy
from typing import Any

from document_tables import current

from tests.conftest import PROJECT_ROOT

TABLES: dict[str, Any] = runpy.run_path(str(PROJECT_ROOT / "scripts" / "make_access_tables.py"))


def test_the_tables_are_what_the_code_gives() -> None:
    text = TABLES["DOCUMENT"].read_text(encoding="utf-8")
    assert current(text, TABLES["TABLES"]) == text, "run scripts/make_access_tables.py"


def test_a_change_of_any_table_shows() -> None:
    text = TABLES["DOCUMENT"].read_text(encoding="utf-8")
    for name in TABLES["TABLES"]:
        altered = re.sub(rf"(<!-- table: {name} -->\n)\|", r"\1", text)
        assert altered != text, name
        assert current(altered, TABLES["TABLES"]) == text, name
