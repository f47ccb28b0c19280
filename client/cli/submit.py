"""`custody submit`: signed or prepared events, or EPCIS documents, to the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from client.cli.main import CANNOT_READ, REFUSED, USAGE, Stop
from client.cli.options import (
    ANCHOR,
    DESCRIPTOR,
    GATEWAY,
    JSON,
    KEY,
    ORGANISATION,
    OUTPUT,
    directory,
    gateway,
    now_ms,
    organisation_of,
    readable,
    settings,
    signing_key,
)
from client.cli.output import counted, data, json_data, note, progress
from client.files import write_over
from client.prepare import is_document, prepare_document
from client.protocol import Receipt, Standing, Wait
from client.report import display_text
from client.signing import FILE_BYTES, PreparedFile, Submission, read_file, sign
from ledger.base.errors import CustodyError, SignatureError
from ledger.chain.signing import Prepared
from ledger.chain.transaction import Mode
from ledger.trade.statement import Action, Openness

if TYPE_CHECKING:
    from ledger.base.keys import Signer

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def submit(
    files: Annotated[
        list[Path], typer.Argument(help="Signed or prepared events, or EPCIS documents, JSON or XML.")
    ],
    organisation: ORGANISATION = None,
    key: KEY = None,
    descriptor: DESCRIPTOR = None,
    anchor: ANCHOR = None,
    gateways: GATEWAY = None,
    wait: Annotated[str, typer.Option("--wait", help="accepted or final.")] = "final",
    all_or_nothing: Annotated[
        bool, typer.Option("--all-or-nothing", help="One refused event of a file refuses them all.")
    ] = False,
    restricted: Annotated[
        bool, typer.Option("--restricted", help="Of EPCIS documents: keep the bytes, send the extracts.")
    ] = False,
    output: OUTPUT = None,
    as_json: JSON = False,
) -> None:
    """Submit events and say what came of each.

    A signed file may be submitted again, at any gateway, until it expires: it is one transaction however often it
    arrives. What is prepared or EPCIS is signed here; -o keeps the signed file. Of XML the converted events are signed, with the
    document's SHA-256: keep the document. Exit code 1 when any event was refused.
    """
    found = settings()
    network = directory(found, anchor).network
    waiting = waited(wait)
    signer: Signer | None = None
    parts: list[Submission] = []
    for file in files:
        content = readable(file, FILE_BYTES)
        try:
            opened = _opened(network, content, Openness.RESTRICTED if restricted else Openness.OPEN)
        except CustodyError as error:
            raise Stop(
                REFUSED if isinstance(error, SignatureError) else CANNOT_READ, f"{file}: {error}"
            ) from None
        if not isinstance(opened, Submission):
            who = organisation_of(found, organisation)
            if isinstance(opened, PreparedFile) and opened.organisation != who:
                raise Stop(
                    REFUSED, f"{file}: expected events prepared for {who}, they are for {opened.organisation}"
                )
            events: Sequence[Prepared] = opened.events if isinstance(opened, PreparedFile) else opened
            signer = signer or signing_key(found, key, descriptor)
            mode = Mode.ALL_OR_NOTHING if all_or_nothing else Mode.EACH_ON_ITS_OWN
            opened = sign(signer, who, events, now_ms=now_ms(), mode=mode)
        parts.append(opened)
    submission = Submission(network, tuple(one for part in parts for one in part.signed))
    if output is not None:
        write_over(output, submission.to_bytes(), mode=0o600)
        note(f"wrote {output}")
    standings: list[Standing] = []
    with gateway(found, gateways) as client, progress("waiting for the ledger"):
        for part in counted(list(submission.parts()), "submitting"):
            standings += client.submit(part, waiting)
    report(submission, standings, as_json=as_json)


def _opened(
    network: bytes, content: bytes, openness: Openness
) -> Submission | PreparedFile | tuple[Prepared, ...]:
    if is_document(content):
        return prepare_document(network, content, openness=openness)
    return read_file(content, network)


def waited(text: str) -> Wait:
    """The word of --wait."""
    try:
        return Wait(text)
    except ValueError:
        raise Stop(USAGE, f"expected --wait accepted or final, got {text[:32]!a}") from None


def report(submission: Submission, standings: Sequence[Standing], *, as_json: bool) -> None:
    """Say what came of each event; ends with exit code 1 when any was refused, 5 when any is not final in time."""
    rows = list(_rows(submission, standings))
    if as_json:
        json_data({"transactions": [_standing_json(one) for one in standings], "events": rows})
    else:
        for row in rows:
            data(
                f"{row['result']:<9} {row['action']:<12} {row['about']}{row['detail']}  [{row['event'][:16]}]"
            )
    if any(row["result"] == "refused" for row in rows):
        raise typer.Exit(REFUSED)
    if any(one.status == Wait.ACCEPTED for one in standings):
        note(
            "accepted promises nothing: submit the same file again, or ask with custody show, until it is final"
        )


def _standing_json(standing: Standing) -> dict[str, Any]:
    shown = standing._asdict()
    shown["receipts"] = [receipt._asdict() for receipt in standing.receipts]
    return shown


def _rows(submission: Submission, standings: Sequence[Standing]) -> list[dict[str, Any]]:
    """One row an event: what it is, and whether it was applied, recorded, refused or only accepted."""
    rows = []
    by_id = {one.id: one for one in standings}
    for signed in submission.signed:
        standing = by_id.get(signed.transaction.id.hex())
        receipts = {} if standing is None else {receipt.place: receipt for receipt in standing.receipts}
        for number, prepared in enumerate(signed.prepared()):
            item = prepared.item
            first, more = item.subjects[0], len(item.subjects) - 1
            receipt = receipts.get(number)
            result, detail = _result(standing, receipt)
            rows.append(
                {
                    "event": item.event_hash.hex(),
                    "action": Action(item.statement.action).name.lower(),
                    "about": display_text(first.identifier) + (f" and {more} more" if more else ""),
                    "result": result,
                    "detail": detail,
                    "height": None if standing is None else standing.height,
                    "outcomes": [] if receipt is None else list(receipt.outcomes),
                }
            )
    return rows


def _result(standing: Standing | None, receipt: Receipt | None) -> tuple[str, str]:
    if standing is None:
        return "unknown", ""
    if standing.status == "refused":
        return "refused", f": {standing.detail or standing.code}"
    if standing.status == Wait.ACCEPTED or receipt is None:
        return "accepted", ""
    result, why = receipt.result()
    return result, f": {why}" if why else ""
