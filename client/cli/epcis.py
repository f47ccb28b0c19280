"""`custody epcis`: EPCIS documents as they are, without a ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from client.cli.main import CANNOT_READ, Stop
from client.cli.options import readable
from client.cli.output import data
from ledger.base.errors import FormError
from ledger.base.limits import DOCUMENT_BYTES
from ledger.epcis.document import Document, Form, read_document
from ledger.epcis.event_hash import Mode, event_hashes, prehashes

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="EPCIS documents, JSON or XML, without a ledger.",
)
FILE = Annotated[Path, typer.Argument(help="An EPCIS document, query document, list of events or event.")]


@app.callback()
def group() -> None:
    """Keep the subcommand's name on the command line, however few there are."""


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


def _read(file: Path) -> Document:
    content = readable(file, DOCUMENT_BYTES)
    try:
        return read_document(content, Form.XML if is_xml(content) else Form.JSON)
    except FormError as error:
        raise Stop(CANNOT_READ, f"{file}: {error}") from None


def is_xml(content: bytes) -> bool:
    """Whether a document is written in XML; anything else is taken for JSON."""
    return content.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"
