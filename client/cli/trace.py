"""`custody trace`: the history of a subject, newest last. An answer of a gateway, not a proof."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from client.cli.options import GATEWAY, JSON, gateway, settings
from client.cli.output import data, json_data, note, table
from client.cli.show import SUBJECT
from client.report import display_text
from client.spelling import subject

if TYPE_CHECKING:
    from client.gateway import Gateway

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def trace(
    identifier: SUBJECT,
    aside: Annotated[bool, typer.Option("--third-parties", help="Reports of third parties instead.")] = False,
    gateways: GATEWAY = None,
    as_json: JSON = False,
) -> None:
    """Show every event that names a subject: when, by whom, what came of it, and the event's hash."""
    text = subject(identifier).text
    with gateway(settings(), gateways) as client:
        links = list(links_of(client, text, aside=aside))
    if as_json:
        json_data(links)
        return
    data(display_text(text))
    data(
        table(
            ("BLOCK TIME", "WHO", "WHAT CAME OF IT", "THEN HELD BY", "EVENT HASH"),
            [_row(link) for link in links],
        )
    )
    note("this is what a gateway says; custody prove gives what can be checked")


def links_of(client: Gateway, identifier: str, *, aside: bool) -> Iterator[dict[str, Any]]:
    """All links, page by page."""
    position: int | None = None
    while True:
        params = [("aside", "true")] if aside else []
        params += [("from", str(position))] if position is not None else []
        page = client.history(identifier, *params)
        yield from page.get("links", ())
        following = page.get("next")
        if type(following) is not int or (position is not None and following <= position):
            return
        position = following


def _row(link: dict[str, Any]) -> tuple[str, ...]:
    entry, outcome = link.get("entry", {}), link.get("outcome", {})
    return (
        str(entry.get("time", "")),
        str(entry.get("organisation", "")),
        str(outcome.get("name", outcome)).replace("_", " "),
        str(link.get("custodian") or "nobody"),
        str(link.get("event", "")),
    )
