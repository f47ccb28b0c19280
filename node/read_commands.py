"""`custody node reads ...`: who read what at this gateway, and whether anybody changed the log of it (ACCESS.md §3).

The commands read beside a running gateway and change nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from ledger.base.errors import Code, CustodyError, FormError, StorageError
from ledger.base.hashing import HASH_BYTES
from node.storage.folder import NodeFolder
from node.storage.frozen import FrozenFileSystem
from node.storage.read_log import FOLDER, Entry, Head, ReadLog
from node.terminal import FOLDER_OPTION, ended

app = typer.Typer(add_completion=False, help="Who read what at this gateway.", no_args_is_help=True)
_JSON = typer.Option("--json", help="One JSON object.")


@app.command()
def show(
    folder: Annotated[Path, FOLDER_OPTION] = Path(),
    about: Annotated[
        str | None, typer.Option(help="Only reads that asked for something with this text in it.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="Only those of this caller, or its organisation.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """The reads, the oldest first. Queries, blocks and deliveries are found by what was asked for, not by what was answered."""
    with _opened(folder) as log:
        for entry in log.follow():
            read = entry.read
            if about is not None and not any(about in value for _, value in read.asked):
                continue
            if by is not None and by not in (read.caller, read.organisation):
                continue
            typer.echo(json.dumps(_told(entry)) if as_json else _line(entry))


@app.command()
def verify(
    folder: Annotated[Path, FOLDER_OPTION] = Path(),
    head: Annotated[
        str | None,
        typer.Option(help="A head noted earlier, as `reads head` prints it: it must be in the log."),
    ] = None,
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Follow the whole log. Names the first record that does not follow, or says that a noted head is missing."""
    with _opened(folder) as log:
        noted = None if head is None else _head(head)
        is_found = noted is None or noted.length == 0
        first, last = None, log.head
        for entry in log.follow():
            first = entry.number if first is None else first
            last = Head(entry.number + 1, entry.hash)
            is_found = is_found or last == noted
        if not is_found:
            raise StorageError(
                Code.DAMAGED,
                f"expected the noted head {head} in the log, it ends with {last} and has another record there or none: "
                "the log was cut or made anew",
            )
    if as_json:
        typer.echo(json.dumps({"first": first, "count": last.length, "head": str(last)}))
    else:
        typer.echo(f"every record follows the one before, from {first or 0} on; head {last}")


@app.command()
def head(folder: Annotated[Path, FOLDER_OPTION] = Path()) -> None:
    """How far the log goes, `COUNT:HASH`: to be noted where whoever may write this folder cannot change it."""
    with _opened(folder) as log:
        typer.echo(str(log.head))


@contextmanager
def _opened(folder: Path) -> Iterator[ReadLog]:
    try:
        opened = NodeFolder.open(folder.resolve(), lock=False)
        if not (opened.path / FOLDER).is_dir():
            raise StorageError(
                Code.USAGE,
                f"expected a log of reads in {opened.path / FOLDER}; a gateway begins it when it starts",
            )
        log = ReadLog(FrozenFileSystem(opened.path), opened.network)
        try:
            yield log
        finally:
            log.close()
    except CustodyError as error:
        raise ended(error) from None


def _head(text: str) -> Head:
    count, _, digits = text.partition(":")
    try:
        found = Head(int(count), bytes.fromhex(digits))
    except ValueError:
        found = Head(-1, b"")
    if found.length < 0 or len(found.hash) != HASH_BYTES:
        raise FormError(Code.USAGE, f"expected a head as COUNT:HASH, got {text[:80]!a}")
    return found


def _time(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1_000, UTC).isoformat(timespec="milliseconds")


def _told(entry: Entry) -> dict[str, Any]:
    fields = entry.read._asdict()
    time = _time(fields.pop("time_ms"))
    return {"number": entry.number, "time": time, **fields, "hash": entry.hash.hex()}


def _line(entry: Entry) -> str:
    read = entry.read
    asked = " ".join(f"{name}={value}" for name, value in read.asked)
    size = "stream" if read.size is None else f"{read.size} B"
    who = read.caller if read.organisation is None else f"{read.caller}@{read.organisation}"
    text = f"{entry.number}  {_time(read.time_ms)}  {who}  {read.route}  {asked}  {read.status}  {size}"
    return text.encode("ascii", "backslashreplace").decode()
