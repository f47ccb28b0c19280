"""Write the tables of `ledger/spec/RULES.md` from the code, or check that they are what the code says.

The text of RULES.md is written by hand; what stands between two marks, `<!-- table: NAME -->` and `<!-- end -->`, is the
code's: the rows of the rule table, the fields of records, the outcome codes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import document_tables  # noqa: E402 - found from here whatever the working directory

from ledger.state.links import MOVE_FIELDS, SUM_FIELDS  # noqa: E402
from ledger.trade import record  # noqa: E402
from ledger.trade.rules.outcomes import Outcome, is_applied, row_of  # noqa: E402
from ledger.trade.rules.table import ROWS  # noqa: E402

DOCUMENT: Final = ROOT / "ledger" / "spec" / "RULES.md"
_PARTS: Final = (
    record.Amount, record.Offer, record.Claim, record.Unconfirmed, record.Hold, record.LivePermit, record.Binding,
    record.Contradiction, record.Quantity, record.LastEffect, record.Chain,
)  # fmt: skip


def rows() -> str:
    """The rule table, in one line a row."""
    lines = ["| row | pattern | who | effect |", "|---|---|---|---|"]
    lines += [f"| {row.number} | {row.pattern} | {row.signer} | {row.effect} |" for row in ROWS]
    return "\n".join(lines)


def fields() -> str:
    """The fields of a record and of the arrays in it, in the order of the wire; moves and sums marked."""
    marks = {**dict.fromkeys(MOVE_FIELDS, " (m)"), **dict.fromkeys(SUM_FIELDS, " (s)")}
    lines = ["- *record*: " + ", ".join(f"{name}{marks.get(name, '')}" for name in record.Record._fields)]
    lines += [f"- *{_name(part)}*: {', '.join(part._fields)}" for part in _PARTS]
    return "\n".join(lines)


def _name(part: Any) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", " ", part.__name__).lower()


def outcomes() -> str:
    """Every outcome code; a code of row r is 10 r plus a variant."""
    lines = ["| row | codes (recorded ones in italics) |", "|---|---|"]
    for row in sorted({row_of(code) for code in Outcome}):
        words = [f"{code} {code.name}" for code in Outcome if row_of(code) == row]
        applied = [is_applied(code) for code in Outcome if row_of(code) == row]
        shown = [word if is_one else f"*{word}*" for word, is_one in zip(words, applied, strict=True)]
        lines.append(f"| {row} | {', '.join(shown)} |")
    return "\n".join(lines)


TABLES: Final[dict[str, Callable[[], str]]] = {"rows": rows, "fields": fields, "outcomes": outcomes}


if __name__ == "__main__":
    sys.exit(document_tables.main("make_rules_tables.py", __doc__, DOCUMENT, TABLES))
