"""How commands speak: data on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


def data(text: str) -> None:
    """Data, for a person or a program."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")


def json_data(value: Any) -> None:
    """Data for a program."""
    data(json.dumps(value, indent=2, ensure_ascii=False))


def note(text: str) -> None:
    """A word to whoever runs the command."""
    sys.stderr.write(text + "\n")


def is_colourful(stream: Any) -> bool:
    """Whether colour may go to a stream."""
    import os

    return bool(stream.isatty()) and "NO_COLOR" not in os.environ


@contextmanager
def progress(label: str) -> Iterator[None]:
    """A sign of life on standard error while something takes long; nothing where that is no terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(label):
        yield


def counted(items: Sequence[T], label: str) -> Iterable[T]:
    """The items, with a bar on standard error where they are many and that is a terminal."""
    if len(items) < 20 or not sys.stderr.isatty():
        return items
    from rich.console import Console
    from rich.progress import track

    return track(items, description=label, console=Console(stderr=True))


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows in columns, as plain text."""
    widths = [max(len(row[place]) for row in (headings, *rows)) for place in range(len(headings))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (headings, *rows)
    ]
    return "\n".join(lines)
