"""`custody node persons ...`: who may approve acts at this gateway, and what was approved (PERSONS.md §4).

The commands work on the node's folder, also while its gateway runs. Whoever may read that folder decides who approves.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from ledger.base.errors import Code, CustodyError, StorageError
from node.config import load_config, load_genesis
from node.terminal import FOLDER_OPTION, ended

app = typer.Typer(
    add_completion=False,
    help="Who approves acts with a passkey, and what was approved.",
    no_args_is_help=True,
)


@app.command()
def invite(
    folder: Annotated[Path, FOLDER_OPTION] = Path(),
    label: Annotated[str, typer.Option(help="A note of your own, which stays in this folder.")] = "",
) -> None:
    """Print a link under which one person registers one passkey, within an hour."""
    from node.gateway.persons.service import invite as make_invitation
    from node.gateway.persons.store import PersonStore

    try:
        origin = load_config(folder).persons_origin
        if origin is None:
            raise StorageError(
                Code.USAGE,
                'expected [persons] with an origin in node.toml, as origin = "https://approve.example"',
            )
        ticket = make_invitation(PersonStore(folder), label, time.time_ns() // 1_000_000)
    except CustodyError as error:
        raise ended(error) from None
    typer.echo(f"{origin}/approve#invitation={ticket}")


@app.command(name="list")
def list_persons(
    folder: Annotated[Path, FOLDER_OPTION] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """The persons registered: id, label, counter, and whether they were removed."""
    from node.gateway.persons.store import PersonStore

    try:
        persons = PersonStore(folder).read()["persons"]
    except CustodyError as error:
        raise ended(error) from None
    if as_json:
        typer.echo(json.dumps({"persons": persons}))
        return
    for one in persons:
        removed = "  removed" if one["removed"] else ""
        typer.echo(f"{one['person']}  counter {one['counter']}  {one['label']}{removed}")


@app.command()
def remove(
    person: Annotated[str, typer.Argument(help="The person's id, or how it begins.")],
    folder: Annotated[Path, FOLDER_OPTION] = Path(),
) -> None:
    """Let a person approve nothing more."""
    from node.gateway.persons.service import remove as remove_person
    from node.gateway.persons.store import PersonStore

    try:
        remove_person(PersonStore(folder), person)
    except CustodyError as error:
        raise ended(error) from None


@app.command()
def check(
    folder: Annotated[Path, FOLDER_OPTION] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Verify every assertion kept here again: that it approves that act, under that key, with the hashes on the ledger."""
    from node.gateway.persons.service import check_kept, party_of
    from node.gateway.persons.store import PersonStore

    found: list[dict[str, Any]] = []
    try:
        config = load_config(folder)
        network = load_genesis(config).network
        party = party_of(config.persons_origin or "")
        found += [
            {"act": one["act"], "person": one["person"], "id": one["id"], **check_kept(party, network, one)}
            for one in PersonStore(folder).acts()
            if "assertion" in one
        ]
    except CustodyError as error:
        raise ended(error) from None
    if as_json:
        typer.echo(json.dumps({"approvals": found}))
    else:
        for one in found:
            typer.echo(
                f"{'holds' if one['holds'] else 'DOES NOT HOLD: ' + one['reason']}  {one['act']}  by {one['person']}"
            )
    if not all(one["holds"] for one in found):
        raise typer.Exit(1)
