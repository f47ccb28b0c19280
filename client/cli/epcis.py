"""`custody epcis`: EPCIS documents as they are, without a ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from client.cli.main import CANNOT_READ, REFUSED, Stop
from client.cli.options import JSON, readable
from client.cli.output import data, json_data, note
from client.prepare import is_xml
from ledger.base.errors import FormError
from ledger.base.limits import DOCUMENT_BYTES
from ledger.epcis.check import check_document
from ledger.epcis.document import Document, Form, read_document
from ledger.epcis.event_hash import Mode, event_hashes, prehashes
from ledger.epcis.findings import Grade

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="EPCIS documents, JSON or XML, without a ledger.",
)
FILE = Annotated[Path, typer.Argument(help="An EPCIS document, query document, list of events or event.")]


@app.command("hash")
def hash_events(
    file: FILE,
    mode: Annotated[
        Mode,
        typer.Option("--mode", help="standard: as CBV 2.0 says. reference: as its authors' program does."),
    ] = Mode.STANDARD,
    strings: Annotated[
        bool, typer.Option("--strings", help="The strings that are hashed, in place of the hashes.")
    ] = False,
) -> None:
    """Print the CBV 2.0 event hash of each event, one a line, in the document's order."""
    document = _read(file)
    try:
        for line in (prehashes if strings else event_hashes)(document, mode):
            data(line)
    except FormError as error:
        raise Stop(CANNOT_READ, f"{file}: {error}") from None


@app.command("check")
def check(file: FILE, as_json: JSON = False) -> None:
    """Say what is not as EPCIS 2.0 and CBV 2.0 have it, one finding a line, and where. Exit code 1 where that refuses the document.

    What is noted can be read in one way only and is taken all the same.
    """
    content = readable(file, DOCUMENT_BYTES)
    try:
        document, findings = check_document(content, _form(content))
    except FormError as error:
        raise Stop(CANNOT_READ, f"{file}: {error}") from None
    if as_json:
        json_data({"events": len(document.events), "findings": [finding._asdict() for finding in findings]})
    for finding in findings if not as_json else ():
        data(f"{finding.grade.value:<9}{finding}")
    refused = sum(finding.grade is Grade.REFUSED for finding in findings)
    note(f"{file}: events: {len(document.events)}, refusing: {refused}, noted: {len(findings) - refused}")
    if refused:
        raise typer.Exit(REFUSED)


def _read(file: Path) -> Document:
    content = readable(file, DOCUMENT_BYTES)
    try:
        return read_document(content, _form(content))
    except FormError as error:
        raise Stop(CANNOT_READ, f"{file}: {error}") from None


def _form(content: bytes) -> Form:
    return Form.XML if is_xml(content) else Form.JSON
