"""`custody verify`: what an officer runs. It must start fast and needs no network (DESIGN §7)."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from client.cli.main import CANNOT_READ, USAGE, Stop
from client.cli.output import data, is_colourful, json_data, note
from client.verify import Verified, age_ms, presented_from, verify_file
from ledger.base.errors import Code, CustodyError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="The file that is to prove something.")],
    anchor: Annotated[
        Path | None,
        typer.Option(
            "--anchor", help="What is trusted: a genesis, an anchor file or folder.", show_default=False
        ),
    ] = None,
    max_age: Annotated[
        str, typer.Option("--max-age", help="How old the proof may be: 90min, 24h, 7d.")
    ] = "24h",
    presented_by: Annotated[
        str | None,
        typer.Option("--presented-by", help="The member that presents the goods.", show_default=False),
    ] = None,
    place: Annotated[
        str | None, typer.Option("--place", help="Where they are seen.", show_default=False)
    ] = None,
    container: Annotated[
        str | None,
        typer.Option("--container", help="The container or unit they are seen in.", show_default=False),
    ] = None,
    seal: Annotated[
        str | None, typer.Option("--seal", help="The seal that is seen.", show_default=False)
    ] = None,
    count: Annotated[
        int | None,
        typer.Option("--count", min=0, help="How many things are directly inside.", show_default=False),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", help="Also write one printable page to this file.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Say it in JSON, for programs.")] = False,
    brief: Annotated[bool, typer.Option("--brief", help="Only the first line.")] = False,
) -> None:
    """Check a bundle against a trust anchor, offline, and say what it is worth.

    The first line is the verdict. Exit codes, the first that holds: 2 usage, 5 cannot read, 1 NOT PROVEN, 7 CONTRADICTED,
    6 HELD, 3 STALE, 4 CONSISTENT WITH GAPS, 0 CONSISTENT.
    """
    try:
        seen = presented_from(by=presented_by, at=place, container_number=container, seal=seal, count=count)
        accepted_ms = age_ms(max_age)
        trusted = anchor or _configured_anchor()
    except CustodyError as error:
        raise Stop(USAGE, str(error)) from None
    now_ms = time.time_ns() // 1_000_000
    try:
        verified = verify_file(file, trusted, now_ms=now_ms, max_age_ms=accepted_ms, presented=seen)
    except CustodyError as error:
        raise Stop(USAGE if error.code == Code.USAGE else CANNOT_READ, str(error)) from None
    _show(verified, html=html, as_json=as_json, brief=brief)
    raise typer.Exit(verified.verdict.exit_code)


def _configured_anchor() -> Path:
    from client.settings import load_settings, missing

    found = load_settings().anchor
    if found is None:
        raise missing("anchor", "--anchor")
    return found


def _show(verified: Verified, *, html: Path | None, as_json: bool, brief: bool) -> None:
    from client.report import as_page, as_text, warnings

    if html is not None:
        from client.files import write_over

        write_over(html, as_page(verified).encode())
        note(f"wrote {html}")
    if as_json:
        shown = verified.verdict.to_json()
        shown |= {"file": str(verified.file), "sha256": verified.sha256, "warnings": list(warnings(verified))}
        json_data(shown)
    elif brief:
        data(verified.verdict.headline)
    else:
        data(as_text(verified, colour=is_colourful(sys.stdout)))
