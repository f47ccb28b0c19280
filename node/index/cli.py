"""`custody node index status` and `rebuild`: the query index beside the chain (EPCIS.md, Index).

Both may be used while the node runs: a gateway notices an index that was made again and goes on from where it stands.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledger.base.errors import CustodyError
from node.config import load_config, load_genesis
from node.local.client import LocalClient
from node.local.protocol import NodeStatus
from node.storage.folder import NodeFolder
from node.terminal import FOLDER_OPTION, ended

if TYPE_CHECKING:
    from node.index.index import Index

app = typer.Typer(
    add_completion=False, help="The index that EPCIS queries are answered from.", no_args_is_help=True
)

_POLL_S = 0.1


@app.command()
def status(
    folder: Annotated[Path, FOLDER_OPTION] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """How far the index has followed the chain."""
    try:
        found = asyncio.run(_status(folder.resolve()))
    except CustodyError as error:
        raise ended(error) from None
    if as_json:
        typer.echo(json.dumps(found))
        return
    behind = (
        "the validator does not answer" if found["behind"] is None else f"{found['behind']} blocks behind"
    )
    typer.echo(f"block {found['height']} ({found['header_hash'][:16]}), {found['events']} events, {behind}")
    typer.echo(f"  {found['without_bytes']} of them without their bytes")


@app.command()
def rebuild(folder: Annotated[Path, FOLDER_OPTION] = Path()) -> None:
    """Empty the index and make it again from the chain of this node's validator, which has to run."""
    try:
        events, height = asyncio.run(_rebuild(folder.resolve()))
    except CustodyError as error:
        raise ended(error) from None
    typer.echo(f"indexed {events} events up to block {height}")


def _opened(folder: Path) -> tuple[str, bytes, Path]:
    """The index's URL, the network, and the validator's socket."""
    config = load_config(folder)
    network = load_genesis(config).network
    opened = NodeFolder.open(folder, network, lock=False)
    return config.index_url, network, opened.validator_socket


async def _status(folder: Path) -> dict[str, Any]:
    from node.index.index import Index

    url, network, socket = _opened(folder)
    index = Index.open(url, network)
    try:
        position = index.position()
        told = await _told(socket)
        return {
            "height": position.height,
            "header_hash": position.header_hash.hex(),
            "time_ms": position.time_ms,
            "events": position.sequence,
            "without_bytes": index.count_without_bytes(),
            "behind": None if told is None else max(0, told.height - position.height),
        }
    finally:
        index.close()


async def _told(socket: Path) -> NodeStatus | None:
    try:
        async with LocalClient(socket) as validator:
            return await validator.status()
    except CustodyError:
        return None


async def _rebuild(folder: Path) -> tuple[int, int]:
    from node.index.index import Index, rebuild
    from node.logs import set_up_logs

    url, network, socket = _opened(folder)
    set_up_logs("warning", role="index")
    async with LocalClient(socket) as validator:
        height = (await validator.status()).height
        if height:
            await validator.block(1)  # else nothing is emptied that could not be filled again
    rebuild(url, network)
    index = Index.open(url, network)
    try:
        return await _followed(socket, index, network, height)
    finally:
        index.close()


async def _followed(socket: Path, index: Index, network: bytes, height: int) -> tuple[int, int]:
    """Follow up to a block at least; the number of events, and the block."""
    from node.index.follower import Follower

    follower = Follower(socket, index, network)
    follower.start()
    try:
        while (position := await asyncio.to_thread(index.position)).height < height:
            if follower.halted is not None:
                raise follower.halted
            await asyncio.sleep(_POLL_S)
    finally:
        await follower.close()
    return position.sequence, position.height
