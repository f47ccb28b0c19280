"""What the node's commands have in common: their options, and how they end (DESIGN §7)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import typer

from ledger.base.errors import Code, CustodyError, FormError

FOLDER_OPTION: Final = typer.Option("--folder", "-f", help="The organisation's folder.")
_EXIT_FAILED: Final = 1
_EXIT_USAGE: Final = 2
_EXIT_UNREADABLE: Final = 5


def ended(error: CustodyError) -> typer.Exit:
    """Say what was wrong on stderr; the exit code says of which kind it was."""
    typer.echo(f"custody node: {error}", err=True)
    if error.code is Code.USAGE or isinstance(error, FormError):
        return typer.Exit(_EXIT_USAGE)
    if error.code in (Code.DAMAGED, Code.FOREIGN_DATA, Code.LOCKED, Code.BAD_KEY, Code.UNKNOWN_KEY):
        return typer.Exit(_EXIT_UNREADABLE)
    return typer.Exit(_EXIT_FAILED)


def read_passphrase(path: Path) -> bytes:
    """The first line of a file, without its end."""
    try:
        return path.read_bytes().split(b"\n", 1)[0]
    except OSError as error:
        raise FormError(Code.USAGE, f"expected a passphrase in {path}: {error.strerror}") from None
