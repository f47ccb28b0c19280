"""`custody follow`: blocks as they become final, one JSON object a line."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from client.cli.options import GATEWAY, gateway, settings
from client.cli.output import data

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def follow(
    start: Annotated[int, typer.Option("--from", min=0, help="The height to begin at.")] = 1,
    most: Annotated[
        int | None, typer.Option("--most", min=1, help="End after so many.", show_default=False)
    ] = None,
    gateways: GATEWAY = None,
) -> None:
    """Print each final block as a line of JSON, from a height on, over connections that may break."""
    import sys

    with gateway(settings(), gateways) as client:
        for number, notice in enumerate(client.follow(start), 1):
            data(json.dumps(notice.data, ensure_ascii=False))
            sys.stdout.flush()
            if most is not None and number >= most:
                return
