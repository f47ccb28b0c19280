"""`custody prove`: fetch the file that proves the history of subjects, from anything one has in hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from client.cli.main import CANNOT_READ, USAGE, Stop
from client.cli.options import ANCHOR, GATEWAY, JSON, gateway, now_ms, settings
from client.cli.output import data, json_data, note, progress
from client.files import write_over
from client.spelling import bill, logistic_unit, subject
from client.verify import verify_file
from ledger.base.errors import CustodyError
from ledger.trade.identifiers import Identifier, container, declaration, reference

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_Texts = list[str] | None


@app.command()
def prove(
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write, as shipment.custody.")],
    epc: Annotated[
        _Texts, typer.Option("--epc", help="Any identifier, as (01)...(21)...; repeatable.")
    ] = None,
    sscc: Annotated[_Texts, typer.Option("--sscc", help="A logistic unit; repeatable.")] = None,
    box: Annotated[_Texts, typer.Option("--container", help="A container number; repeatable.")] = None,
    mrn: Annotated[_Texts, typer.Option("--mrn", help="A declaration; repeatable.")] = None,
    ucr: Annotated[_Texts, typer.Option("--ucr", help="A consignment reference; repeatable.")] = None,
    bol: Annotated[
        _Texts, typer.Option("--bol", help="A bill of lading, CARRIER:NUMBER; repeatable.")
    ] = None,
    anchor: ANCHOR = None,
    gateways: GATEWAY = None,
    as_json: JSON = False,
) -> None:
    """Fetch the file that proves the history of everything named, and of every subject bound to a document named.

    The file is checked here when a trust anchor is at hand; custody verify does the same with no network.
    """
    readers = (
        (epc, subject),
        (sscc, logistic_unit),
        (box, container),
        (mrn, declaration),
        (ucr, reference),
        (bol, bill),
    )
    named: list[Identifier] = [read(text) for texts, read in readers for text in texts or ()]
    if not named:
        raise Stop(USAGE, "expected something to prove: --epc, --sscc, --container, --mrn, --ucr or --bol")
    found = settings()
    with gateway(found, gateways) as client, progress("fetching the proof"):
        content = client.bundle([identifier.text for identifier in dict.fromkeys(named)])
    write_over(output, content)
    headline = _headline(output, anchor or found.anchor)
    if as_json:
        shown = [identifier.text for identifier in named]
        json_data({"file": str(output), "bytes": len(content), "subjects": shown, "headline": headline})
        return
    note(f"wrote {output}, {len(content)} bytes")
    data(headline or f"not checked: no trust anchor is at hand; custody verify {output} --anchor GENESIS")


def _headline(output: Path, anchor: Path | None) -> str | None:
    if anchor is None:
        return None
    try:
        return verify_file(output, anchor, now_ms=now_ms()).verdict.headline
    except CustodyError as error:
        raise Stop(CANNOT_READ, str(error)) from None
