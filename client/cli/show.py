"""`custody show`: what the ledger holds of a subject now. An answer of a gateway, not a proof."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from client.cli.options import GATEWAY, JSON, gateway, settings
from client.cli.output import data, json_data, note
from client.report import display_text
from client.spelling import subject

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
SUBJECT = Annotated[str, typer.Argument(help="An identifier in any spelling.")]


@app.command()
def show(identifier: SUBJECT, gateways: GATEWAY = None, as_json: JSON = False) -> None:
    """Show a subject's record: status, origin, custodian, holds, offers, claims."""
    with gateway(settings(), gateways) as client:
        found = client.subject(subject(identifier).text)
    if as_json:
        json_data(found)
        return
    data(
        f"{display_text(str(found['subject']['id']))}  as of {found.get('time')}, block {found.get('height')}"
    )
    for name, value in found.get("record", {}).items():
        if _is_empty(value):
            continue
        for place, line in enumerate(_lines(value)):
            data(f"  {name.replace('_', ' ') if place == 0 else '':<16}{line}")
    note("this is what a gateway says; custody prove gives what can be checked")


def _is_empty(value: Any) -> bool:
    """A chain without links says nothing."""
    return isinstance(value, dict) and value.get("length") == 0


def _lines(value: Any) -> list[str]:
    if isinstance(value, list):
        return [line for one in value for line in _lines(one)] or ["none"]
    if isinstance(value, dict) and {"sequence", "event", "row"} <= value.keys():
        return [f"row {value['row']} of the rules, by {value['organisation']}, event {value['event']}"]
    if isinstance(value, dict):
        return [", ".join(f"{name.replace('_', ' ')} {_plain(member)}" for name, member in value.items())]
    return [_plain(value)]


def _plain(value: Any) -> str:
    if value is None:
        return "nobody"
    if isinstance(value, list | dict):
        return " / ".join(_lines(value))
    return str(value)
