"""Write the tables of `ledger/spec/ACCESS.md` from the code, or check that they are what the code says.

What stands between two marks, `<!-- table: NAME -->` and `<!-- end -->`, is the code's: who may do which act on the ledger, and who
may use which route of a gateway.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from ledger.members.acts import RIGHTS  # noqa: E402 - found from here whatever the working directory
from ledger.members.members import ROLES, Use  # noqa: E402
from node.gateway import permissions  # noqa: E402

DOCUMENT: Final = ROOT / "ledger" / "spec" / "ACCESS.md"
_MARKED: Final = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
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


def current(text: str) -> str:
    """`text` with every marked table as the code gives it now."""
    return _MARKED.sub(lambda found: f"{found[1]}{TABLES[found[2]]()}\n{found[3]}", text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write, or with --check compare; 1 where something differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only")
    options = parser.parse_args(arguments)
    text = DOCUMENT.read_text(encoding="utf-8")
    wanted = current(text)
    if text == wanted:
        return 0
    if options.check:
        print(f"{DOCUMENT.relative_to(ROOT)} is not what the code gives: run scripts/make_access_tables.py")
        return 1
    DOCUMENT.write_text(wanted, encoding="utf-8")
    print(f"wrote {DOCUMENT.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
