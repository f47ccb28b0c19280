"""`./scripts/scoreboard FILE ...`: tests/SCOREBOARD.md from what soaks printed. The table is never written by hand.

Of several files, parts of later ones replace those of earlier ones: a part can be run again alone. The soak's own object is kept beside it as tests/scoreboard.json, and a test holds that one gives the other.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from tests.soak.parts import PARTS

_TESTS: Final = Path(__file__).resolve().parents[1]
FIGURES: Final = _TESTS / "scoreboard.json"
TABLE: Final = _TESTS / "SCOREBOARD.md"
_HEAD: Final = """# Scoreboard

What was done to break the ledger, how much of it, and what broke. Written by `./scripts/scoreboard` from what
the parts of `./scripts/soak` printed on {cores} cores under CPython {python}; never by hand. How long each ran stands below. Bugs that
were found on the way are in the changelog.

| tried | how much | what came out | |
|---|---|---|---|
"""


def table(found: dict[str, Any]) -> str:
    """The scoreboard of one soak. A part without figures is shown as failed, one that did not run as not run."""
    machine = found["machine"]
    text = _HEAD.format(cores=machine["cores"], python=machine["python"])
    for part in PARTS:
        result = found["parts"].get(part.name)
        if result is None or "figures" not in result:
            said = "not run" if result is None else result["error"]
            text += f"| {part.name} | | {said} | FAILED |\n"
            continue
        for line in part.lines(result["figures"]):
            text += (
                f"| {line.tried} | {line.amount} | {line.wrong} | {'holds' if line.is_good else 'FAILED'} |\n"
            )
    text += "\n| part | command | seconds |\n|---|---|---|\n"
    for part in PARTS:
        result = found["parts"].get(part.name)
        if result is not None:
            text += (
                f"| {part.name} | `python -m {' '.join(result['command'])}` | {result.get('seconds', '')} |\n"
            )
    return text


def main() -> int:
    """Take soaks' objects from files, keep them as one, and write the table."""
    if len(sys.argv) < 2:
        print("usage: ./scripts/scoreboard FILE ...   (what ./scripts/soak --json printed)", file=sys.stderr)
        return 2
    found: dict[str, Any]
    told = [json.loads(Path(name).read_text()) for name in sys.argv[1:]]
    found = {"machine": told[-1]["machine"], "parts": {}}
    for one in told:
        found["parts"].update(one["parts"])
    for result in found["parts"].values():
        for mutant in result.get("figures", {}).get("mutants", ()):
            mutant.pop("why", None)  # it quotes a failing test, with the paths of this machine in it
    TABLE.write_text(table(found))
    FIGURES.write_text(json.dumps(found, indent=1) + "\n")
    print(TABLE.read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
