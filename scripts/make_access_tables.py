"""Write the tables of `ledger/spec/ACCESS.md` from the code, or check that they are what the code says.

What stands between two marks, `<!-- table: NAME -->` and `<!-- end -->`, is the code's: who may do which act on the ledger, and who
may use which route of a gateway.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import document_tables  # noqa: E402 - found from here whatever the working directory

from ledger.members.acts import RIGHTS  # noqa: E402 - found from here whatever the working directory
from ledger.members.members import ROLES, Use  # noqa: E402
from node.gateway import permissions  # noqa: E402

DOCUMENT: Final = ROOT / "ledger" / "spec" / "ACCESS.md"
_YES: Final = "●"
_NO: Final = "·"


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _marks(every: Sequence[object], which: object) -> list[str]:
    return [_YES if one in which else _NO for one in every]  # type: ignore[operator]


def acts() -> str:
    """Every act: which roles of an organisation, which uses of a key, and which suspensions bar it."""
    uses = [use for use in Use if any(use in right.uses for right in RIGHTS.values())]
    head = ["act", *(role.replace("_", " ") for role in ROLES), *(f"*{use.name.lower()}*" for use in uses), "barred by suspension"]  # fmt: skip
    lines = [
        [
            act.replace("_", " "),
            *_marks(ROLES, right.roles),
            *_marks(uses, right.uses),
            right.bar.name.lower(),
        ]
        for act, right in RIGHTS.items()
    ]
    return _table(head, lines)


def roles() -> str:
    """Who a caller is."""
    return _table(["role", "who"], [[role.value, text] for role, text in permissions.MEANING.items()])


def routes() -> str:
    """Every route and role."""
    head = ["route", *(role.value for role in permissions.Role)]
    lines = [
        [f"`{row.method} {row.path}`", *_marks(list(permissions.Role), row.roles)] for row in permissions.ROWS
    ]
    return _table(head, lines)


TABLES: Final[dict[str, Callable[[], str]]] = {"acts": acts, "roles": roles, "routes": routes}


if __name__ == "__main__":
    sys.exit(document_tables.main("make_access_tables.py", __doc__, DOCUMENT, TABLES))
