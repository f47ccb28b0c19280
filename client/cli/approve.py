"""`custody approve`: signed events, shown to a person who approves them with a passkey (PERSONS.md §4)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from client.cli.main import REFUSED, USAGE, Stop
from client.cli.options import (
    ANCHOR,
    GATEWAY,
    JSON,
    directory,
    gateway,
    length_ms,
    now_ms,
    readable,
    settings,
)
from client.cli.output import data, json_data, note
from client.cli.submit import report
from client.protocol import Wait
from client.signing import FILE_BYTES, Submission, read_file
from ledger.base.errors import Code, CustodyError

if TYPE_CHECKING:
    from client.gateway import Gateway

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
_POLL_S: Final = 1.0
APPROVED: Final = "approved"


@app.command()
def approve(
    file: Annotated[Path, typer.Argument(help="Signed events, as custody record -o writes them.")],
    anchor: ANCHOR = None,
    gateways: GATEWAY = None,
    submit: Annotated[
        bool, typer.Option("--submit", help="Submit them as soon as all are approved.")
    ] = False,
    wait: Annotated[str, typer.Option("--wait", help="How long to wait for the person: 30min.")] = "30min",
    as_json: JSON = False,
) -> None:
    """Hand signed events to the own gateway, and print for each a link under which a person approves it.

    The link is a secret: it goes to the person who is to approve, and nowhere else. Approvals are by another key than the
    events', and stand on the ledger before the events do. Exit code 1 when any was not approved in time.
    """
    found = settings()
    opened = read_file(readable(file, FILE_BYTES), directory(found, anchor).network)
    if not isinstance(opened, Submission):
        raise Stop(
            USAGE, f"{file}: expected signed events, these are to be signed yet: custody submit -o FILE"
        )
    until_ms = min(now_ms() + length_ms(wait), opened.expiry_ms)
    with gateway(found, gateways) as client:
        told = asked(client, [part.request_body() for part in opened.parts()], until_ms)
        if not as_json:
            for one in told:
                data(
                    f"{one['status']:<9} {one['act']}"
                    + (f"  block {one['height']}" if "height" in one else "")
                )
        elif not submit:
            json_data({"acts": told})
        if any(one["status"] != APPROVED for one in told):
            raise typer.Exit(REFUSED)
        if submit:
            standings = [one for part in opened.parts() for one in client.submit(part, Wait.FINAL)]
            report(opened, standings, as_json=as_json)


def asked(client: Gateway, bodies: Sequence[bytes], until_ms: int) -> list[dict[str, object]]:
    """Print the link to each act of these requests, wait for a person, and say what became of each."""
    acts = [one for body in bodies for one in client.ask_approval(body)["acts"]]
    for act in acts:
        words = ", ".join(str(line[1]) for line in act["lines"][:2])
        note(f"{words}: {act['link']}")
    return [_waited(client, act["act"], until_ms) for act in acts]


def _waited(client: Gateway, act: str, until_ms: int) -> dict[str, object]:
    """What became of an act, once it is approved or it is too late."""
    while True:
        try:
            told = client.approval(act)
        except CustodyError as error:
            if error.code != Code.UNAVAILABLE:
                raise
            told = {"act": act, "status": "unknown"}
        if told["status"] == APPROVED or now_ms() >= until_ms:
            return told
        time.sleep(_POLL_S)
