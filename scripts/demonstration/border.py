"""The border: no network, a file, what the officer sees. Every verdict is a fresh `custody verify`, a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

_VERIFY: Final = "import sys; from client.cli import main; sys.exit(main())"


class Checked(NamedTuple):
    """What one run of `custody verify` said."""

    exit_code: int
    headline: str
    caught_by: str
    """The first check that came out badly, or why nothing is proven."""
    command: str
    """How to run it again from the project's folder."""
    verdict: dict[str, Any]


def check(anchor: Path, file: Path, arguments: Sequence[str] = (), *, html: Path | None = None) -> Checked:
    """Run `custody verify` on a file."""
    words = ["verify", str(file), "--anchor", str(anchor), *arguments]
    page = [] if html is None else ["--html", str(html)]
    command = [sys.executable, "-c", _VERIFY, *words, *page, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    try:
        said = json.loads(done.stdout)
    except json.JSONDecodeError:
        said = {"headline": done.stderr.strip(), "checks": [], "subjects": []}
    checks = [
        *said.get("checks", ()),
        *(one for subject in said.get("subjects", ()) for one in subject["checks"]),
    ]
    bad = [one["sentence"] for one in checks if one["state"] == "bad"]
    shown = " ".join([".venv/bin/custody", *words])
    return Checked(done.returncode, said["headline"], bad[0] if bad else "", shown, said)
