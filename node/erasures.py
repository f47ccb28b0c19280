"""`custody node erasures`: what authors erased, and whether this node keeps nothing of it (PROTOCOL.md §7.5)."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from ledger.base.errors import CustodyError
from ledger.state.erasure import Reason
from node.local.client import LocalClient
from node.local.protocol import ToldErasure
from node.storage.folder import NodeFolder
from node.terminal import FOLDER_OPTION, ended

app = typer.Typer(add_completion=False)


@app.command()
def erasures(
    folder: Annotated[Path, FOLDER_OPTION] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False,
) -> None:
    """What authors erased on this ledger, and whether this node still keeps any bytes of it."""
    try:
        socket = NodeFolder.open(folder.resolve(), lock=False).validator_socket
        found = [told(one) for one in asyncio.run(_ask(socket))]
    except CustodyError as error:
        raise ended(error) from None
    if as_json:
        typer.echo(json.dumps(found))
        return
    for one in found:
        kept = "" if one["gone"] else "  STILL HERE"
        typer.echo(
            f"{one['time']}  {one['organisation']:<16}{one['reason']:<14} {one['event']}"
            f"  (event {one['sequence']}, erased by {one['tombstone']}){kept}"
        )
    left = sum(not one["gone"] for one in found)
    typer.echo(f"{len(found)} erased, {left} of them with bytes still here")


async def _ask(socket: Path) -> tuple[ToldErasure, ...]:
    async with LocalClient(socket) as validator:
        return await validator.erasures()


def told(one: ToldErasure) -> dict[str, Any]:
    """One tombstone in words."""
    return {
        "event": one.event_hash.hex(),
        "organisation": one.organisation,
        "reason": Reason(one.reason).name.lower().replace("_", "-"),
        "time": datetime.fromtimestamp(one.time_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        "sequence": one.erased,
        "tombstone": one.tombstone,
        "gone": one.is_gone,
    }
