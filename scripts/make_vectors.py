"""Write the JSON vectors under `tests/vectors/` from their sources, or check that they are what the sources give.

Nothing else writes a vector: a changed vector is a changed format, and is read and committed as such. Each file
`scripts/vector_sources/<name>.py` has one function `generate()` that returns a JSON value, always the same one; it is
written to `tests/vectors/<name>.json`. Whoever adds a source needs to change nothing here.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "scripts" / "vector_sources"
VECTORS = ROOT / "tests" / "vectors"


def names() -> list[str]:
    """The names of all sources, in order."""
    return sorted(path.stem for path in SOURCES.glob("*.py") if not path.stem.startswith("_"))


def generated(name: str) -> str:
    """The text of one vector file as its source gives it now."""
    specification = importlib.util.spec_from_file_location(f"vector_source_{name}", SOURCES / f"{name}.py")
    if specification is None or specification.loader is None:
        raise FileNotFoundError(SOURCES / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    value: Any = module.generate()
    return json.dumps(value, indent=1, ensure_ascii=True) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write, or with --check compare; 1 where something differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="name", help=f"which vectors (all): {', '.join(names())}")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 where a file is not current"
    )
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.names if name not in names()]
    if unknown:
        parser.error(f"expected names of vectors ({', '.join(names())}), got {', '.join(unknown)}")
    sys.path.insert(0, str(ROOT))
    stale = 0
    for name in chosen.names or names():
        text, path = generated(name), VECTORS / f"{name}.json"
        if path.is_file() and path.read_text(encoding="ascii") == text:
            print(f"{name}: current")
        elif chosen.check:
            print(f"{name}: differs from what its source gives")
            stale = 1
        else:
            path.write_text(text, encoding="ascii")
            print(f"{name}: written")
    return stale


if __name__ == "__main__":
    sys.exit(main())
