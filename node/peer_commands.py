"""`custody node join`, `peers`, `reload`, `transport-key`: how nodes come to know each other (node/OPERATING.md).

None stops a node. `join`, `peers` and `transport-key` write files and need no network; `reload` lets the running node of the
folder read its peers, and a transport key made since, again.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Final

import typer

from ledger.base.errors import Code, CustodyError, FormError, StorageError
from node.config import load_config
from node.local.client import LocalClient
from node.newcomer import make_folder, network_id, own_table, peer_table
from node.storage.filesystem import RealFileSystem, write_atomically
from node.storage.folder import NodeFolder
from node.storage.keystore import Keystore
from node.terminal import FOLDER_OPTION, ended, read_passphrase
from node.validator.transport_keys import COMING, TRANSPORT, put_in_place

app = typer.Typer(add_completion=False)

_PASSPHRASE: Final = typer.Option("--passphrase-file", help="File whose first line seals or opens the keys.")
_UNSEALED: Final = typer.Option("--unsealed", help="Leave new keys unencrypted, for trials.")


@app.command()
def join(
    folder: Annotated[Path, typer.Argument(help="The folder to make.")],
    organisation: Annotated[str, typer.Option(help="The id that the organisation has, or is to have.")],
    genesis: Annotated[Path, typer.Option(help="The network's genesis file.")],
    network: Annotated[str, typer.Option(help="The network's id, from people you trust.")],
    peers: Annotated[Path, typer.Option(help="File of peers, as `custody node peers` writes it.")],
    listen: Annotated[str, typer.Option(help="host:port at which the others reach this node.")],
    gateway: Annotated[str, typer.Option(help="host:port of this node's gateway.")],
    passphrase_file: Annotated[Path | None, _PASSPHRASE] = None,
    unsealed: Annotated[bool, _UNSEALED] = False,
) -> None:
    """Make a newcomer's folder: keys, settings, and the files that members take it in with."""
    try:
        passphrase = _sealed_by(passphrase_file, unsealed=unsealed)
        made = make_folder(
            folder.resolve(), organisation, genesis, network_id(network), peers, listen, gateway, passphrase
        )
        table, application = Path(f"peer-{organisation}.toml"), Path(f"application-{organisation}.toml")
        _write(table, made.peer.encode())
        _write(application, made.application.encode())
    except CustodyError as error:
        raise ended(error) from None
    typer.echo(f"every other node: cat {table} >> node.toml && custody node reload")
    typer.echo(f"fill in {application}; a member: custody govern propose add {application}")


@app.command()
def peers(
    folder: Annotated[Path, FOLDER_OPTION] = Path(),
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The file to write.")] = None,
    own: Annotated[bool, typer.Option("--own", help="This node alone.")] = False,
) -> None:
    """This node and its peers as TOML tables, for a newcomer's `join` or another's node.toml."""
    try:
        config = load_config(folder)
        tables = own_table(config, Keystore(folder / "keys").inspect(TRANSPORT).public_key)
        if not own:
            tables += "".join(peer_table(peer) for peer in config.peers)
        if out is not None:
            _write(out, tables.encode())
            return
    except CustodyError as error:
        raise ended(error) from None
    typer.echo(tables.strip())


@app.command()
def reload(folder: Annotated[Path, FOLDER_OPTION] = Path()) -> None:
    """Let the running node read its peers and transport keys again; what is wrong leaves all as it was."""

    async def ask(path: Path) -> tuple[str, ...]:
        async with LocalClient(path) as validator:
            return await validator.reload()

    try:
        opened = NodeFolder.open(folder.resolve(), lock=False)
        said = asyncio.run(ask(opened.validator_socket))
    except CustodyError as error:
        raise ended(error) from None
    for sentence in said or ("nothing changed",):
        typer.echo(sentence)


@app.command("transport-key")
def transport_key(
    folder: Annotated[Path, FOLDER_OPTION] = Path(),
    passphrase_file: Annotated[Path | None, _PASSPHRASE] = None,
    unsealed: Annotated[bool, _UNSEALED] = False,
    put_it_in_place: Annotated[
        bool,
        typer.Option(
            "--in-place", help="Let the next key be the key now, for a node that was away meanwhile."
        ),
    ] = False,
) -> None:
    """Make this node's next transport key; it is proven to peers as soon as the ledger lists it."""
    try:
        if put_it_in_place:
            opened = NodeFolder.open(folder.resolve())  # locked: not beside a running node
            try:
                put_in_place(Keystore(opened.keys))
            finally:
                opened.close()
            typer.echo("the next transport key is the key now, the one before is destroyed")
            return
        keystore = Keystore(folder / "keys")
        if COMING in keystore.names():
            raise StorageError(
                Code.USAGE,
                f"expected no rotation under way, {keystore.path(COMING)} waits: enrol it, and revoke the key before it",
            )
        made = keystore.generate(COMING, TRANSPORT, _sealed_by(passphrase_file, unsealed=unsealed))
    except CustodyError as error:
        raise ended(error) from None
    typer.echo(f"next transport key: {made.public_key.hex()}")
    typer.echo("1. custody node reload, so that this node has it")
    typer.echo("2. let the organisation's authority issue its certificate, and enrol it on the ledger")
    typer.echo("3. revoke the key before it; then this node destroys that one")


def _sealed_by(passphrase_file: Path | None, *, unsealed: bool) -> bytes | None:
    if (passphrase_file is None) != unsealed:
        raise FormError(Code.USAGE, "expected either --passphrase-file or, for trials, --unsealed")
    return None if passphrase_file is None else read_passphrase(passphrase_file)


def _write(path: Path, data: bytes) -> None:
    if not path.parent.is_dir():
        raise StorageError(Code.USAGE, f"expected a folder at {path.parent}, there is none")
    write_atomically(RealFileSystem(path.parent), path.name, data)
    typer.echo(f"wrote {path}")
