"""Name the files and functions that have grown past what reads well. A hint for review, never a failure.

Nothing is split to meet a number, only to read better.
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("ledger", "node", "client")
FILE_LINES = 350
FUNCTION_LINES = 50


def main() -> None:
    """Print what is over either mark, or one line that says nothing is."""
    files, functions = [], []
    for path in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        name = path.relative_to(ROOT)
        lines = source.count("\n")
        if lines > FILE_LINES:
            files.append(f"  {lines:5}  {name}")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > FUNCTION_LINES:
                    functions.append(f"  {length:5}  {name}:{node.lineno} {node.name}")
    for mark, what, found in ((FILE_LINES, "files", files), (FUNCTION_LINES, "functions", functions)):
        print(f"{what} over {mark} lines: {len(found) or 'none'}")
        print("".join(f"{line}\n" for line in found), end="")


if __name__ == "__main__":
    main()
