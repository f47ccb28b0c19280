"""How the demonstration is told: to a person as it goes, or to a program as one JSON object at the end."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table


class Teller:
    """Says what happens. With `as_json` it keeps quiet and prints one object at the end."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._console = Console(
            file=sys.stderr if as_json else sys.stdout, quiet=as_json, highlight=False, soft_wrap=True
        )
        self.found: dict[str, Any] = {}

    def title(self, text: str) -> None:
        """A chapter begins."""
        self._console.rule(f"[bold]{text}", align="left")

    def line(self, who: str, what: str, outcome: str) -> None:
        """One step: who did what, and what came of it."""
        self._console.print(f"  [cyan]{who:<13}[/] {what} [dim]→ {outcome}[/]")

    def say(self, text: str) -> None:
        """A sentence."""
        self._console.print(f"  {text}")

    def verdict(self, text: str, exit_code: int) -> None:
        """A verdict's first line, with the exit code of `custody verify`."""
        colour = {0: "green", 4: "yellow", 3: "yellow", 6: "magenta"}.get(exit_code, "red")
        self._console.print(f"  [{colour}]{text}[/] [dim](exit {exit_code})[/]")

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table of figures."""
        table = Table(*columns, box=None, pad_edge=False, header_style="bold")
        for row in rows:
            table.add_row(*row)
        self._console.print(table)

    def end(self) -> None:
        """Print the object, if that is what was asked for."""
        if self._as_json:
            json.dump(self.found, sys.stdout, indent=1, sort_keys=False)
            sys.stdout.write("\n")
