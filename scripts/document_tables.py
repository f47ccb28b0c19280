"""Tables of a document that the code writes: what stands between `<!-- table: NAME -->` and `<!-- end -->` is the code's."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

_MARKED: Final = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
Tables = Mapping[str, Callable[[], str]]


def current(text: str, tables: Tables) -> str:
    """`text` with every marked table as the code gives it now."""
    return _MARKED.sub(lambda found: f"{found[1]}{tables[found[2]]()}\n{found[3]}", text)


def main(
    script: str,
    description: str | None,
    document: Path,
    tables: Tables,
    arguments: Sequence[str] | None = None,
) -> int:
    """Write, or with --check compare; 1 where something differs. `script`: what to run then."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--check", action="store_true", help="compare only")
    options = parser.parse_args(arguments)
    text = document.read_text(encoding="utf-8")
    wanted = current(text, tables)
    if text == wanted:
        return 0
    if options.check:
        print(f"{document.name} is not what the code gives: run scripts/{script}")
        return 1
    document.write_text(wanted, encoding="utf-8")
    print(f"wrote {document.name}")
    return 0
