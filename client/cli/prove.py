"""`custody prove`: fetch the file that proves the history of subjects, from anything one has in hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from client.cli.main import CANNOT_READ, USAGE, Stop
from client.cli.options import ANCHOR, GATEWAY, JSON, gateway, now_ms, settings
from client.cli.output import data, json_data, note, progress
from client.files import write_over
from client.spelling import bill, logistic_unit, subject
from client.verify import verify_file
from ledger.base.errors import CustodyError
from ledger.proof.bundle import bundle_from_bytes
from ledger.trade.identifiers import Identifier, Kind, container, declaration, reference
from ledger.trade.record import Space

if TYPE_CHECKING:
    from client.gateway import Gateway

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_Texts = list[str] | None
SUBJECTS_MOST: Final = 100
"""Of one file, as gateways make them."""


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
    alone: Annotated[bool, typer.Option("--alone", help="Of documents, not what is bound to them.")] = False,
    without_bytes: Annotated[
        bool, typer.Option("--without-bytes", help="Without the events as their authors wrote them: smaller.")
    ] = False,
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
        texts = list(dict.fromkeys(identifier.text for identifier in named))
        documents = [identifier.text for identifier in named if identifier.kind is Kind.DOCUMENT]
        if documents and not alone:
            texts = _with_bound(client, texts, documents)
        content = client.bundle(texts, *([] if without_bytes else [("payloads", "true")]))
    write_over(output, content)
    headline = _headline(output, anchor or found.anchor)
    if as_json:
        json_data({"file": str(output), "bytes": len(content), "subjects": texts, "headline": headline})
        return
    note(f"wrote {output}, {len(content)} bytes")
    data(headline or f"not checked: no trust anchor is at hand; custody verify {output} --anchor GENESIS")


def _with_bound(client: Gateway, texts: list[str], documents: list[str]) -> list[str]:
    """What was asked for, and every thing that was ever bound to the documents; the bundle of these names them all."""
    shown = bundle_from_bytes(client.bundle(documents))
    bound = [key.identifier for legs in shown.legs for key, _ in legs.elements if key.space == Space.THING]
    found = list(dict.fromkeys((*texts, *bound)))
    if len(found) > SUBJECTS_MOST:
        note(
            f"{len(found)} subjects are bound, a file holds {SUBJECTS_MOST}: {SUBJECTS_MOST} are proven; name the others"
        )
    return found[:SUBJECTS_MOST]


def _headline(output: Path, anchor: Path | None) -> str | None:
    if anchor is None:
        return None
    try:
        return verify_file(output, anchor, now_ms=now_ms()).verdict.headline
    except CustodyError as error:
        raise Stop(CANNOT_READ, str(error)) from None
