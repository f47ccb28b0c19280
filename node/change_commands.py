"""`custody node epoch-key`, `propose-change`, `show-change`, `approve-change`, `submit-change` (node/OPERATING.md).

Each writes one file that the next one reads. None but `submit-change` needs a network, and none but `submit-change` and
`epoch-key` without `--epoch` a running node.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from ledger.base.encoding import encode
from ledger.base.errors import Code, CustodyError, FormError, StorageError, UnavailableError
from ledger.base.keys import Signer, key_id
from ledger.chain.block import check_version
from ledger.chain.epoch import EpochChange
from ledger.chain.genesis import Genesis
from node.changes import (
    APPROVER,
    approved,
    carry,
    compose,
    deliver_key,
    describe,
    merged,
    read_change,
    read_seat,
)
from node.config import NodeConfig, load_config, load_genesis
from node.local.client import LocalClient
from node.local.protocol import NodeStatus, State, Submission
from node.storage.filesystem import RealFileSystem, write_atomically
from node.storage.folder import NodeFolder
from node.storage.keystore import Keystore
from node.terminal import FOLDER_OPTION, ended, read_passphrase

app = typer.Typer(add_completion=False)

_PASSPHRASE: Final = typer.Option("--passphrase-file", help="File whose first line opens this node's keys.")
_OUT: Final = typer.Option("--out", "-o", help="The file to write.")
_CHANGES: Final = typer.Argument(help="Change files.", show_default=False)


@app.command("epoch-key")
def epoch_key(
    folder: Annotated[Path, FOLDER_OPTION] = Path(),
    epoch: Annotated[
        int | None, typer.Option(help="The epoch it is for; else the one after the running node's.")
    ] = None,
    out: Annotated[Path | None, _OUT] = None,
    passphrase_file: Annotated[Path | None, _PASSPHRASE] = None,
    unsealed: Annotated[
        bool, typer.Option("--unsealed", help="Leave a new key unencrypted, for trials.")
    ] = False,
) -> None:
    """Make this organisation's validator key of a coming epoch; write the seat file to deliver."""
    try:
        config = load_config(folder)
        network = load_genesis(config).network
        keystore = Keystore(folder / "keys")
        passphrase = _passphrase(passphrase_file)
        if (
            passphrase is None
            and not unsealed
            and any(keystore.inspect(n).is_sealed for n in keystore.names())
        ):
            raise FormError(
                Code.USAGE, "expected --passphrase-file, as for this folder's other keys, or --unsealed"
            )
        number = asyncio.run(_next_epoch(_opened(folder))) if epoch is None else epoch
        delivered = deliver_key(keystore, config.organisation, network, number, passphrase)
        _write(out or Path(f"seat-{config.organisation}-{number}.json"), delivered.to_text().encode())
    except CustodyError as error:
        raise ended(error) from None
    typer.echo(f"key of {config.organisation} for epoch {number}: {key_id(delivered.seat.public_key).hex()}")
    typer.echo("keep keys/ as it is; hand the file to whoever composes the change")


@app.command("propose-change")
def propose_change(
    seats: Annotated[list[Path], typer.Argument(help="The seat file of every validator of the next epoch.")],
    folder: Annotated[Path, FOLDER_OPTION] = Path(),
    out: Annotated[Path, _OUT] = Path("change.custody"),
    parameters: Annotated[
        list[str] | None, typer.Option("--set", help="name=number, for example leader_timeout_ms=200.")
    ] = None,
    protocol: Annotated[
        int | None,
        typer.Option(
            help="Protocol version of the next epoch; else that of the running node, or of genesis."
        ),
    ] = None,
) -> None:
    """Compose a change of validators out of seat files."""
    try:
        genesis = load_genesis(load_config(folder))
        settings = [_setting(text) for text in parameters or ()]
        version = _protocol(folder, genesis) if protocol is None else check_version(protocol)
        change = compose([read_seat(path, genesis.network) for path in seats], settings, version)
        _write(out, encode(change))
    except CustodyError as error:
        raise ended(error) from None
    _show(describe(change, genesis))


@app.command("show-change")
def show_change(
    files: Annotated[list[Path], _CHANGES], folder: Annotated[Path, FOLDER_OPTION] = Path()
) -> None:
    """Say what a change holds and who approved it."""
    try:
        genesis = load_genesis(load_config(folder))
        lines = describe(_read(files), genesis)
    except CustodyError as error:
        raise ended(error) from None
    _show(lines)


@app.command("approve-change")
def approve_change(
    file: Annotated[Path, typer.Argument(help="The change file; the approval is added to it.")],
    folder: Annotated[Path, FOLDER_OPTION] = Path(),
    passphrase_file: Annotated[Path | None, _PASSPHRASE] = None,
) -> None:
    """Approve a change with this organisation's approver key. Read it first: show-change."""
    try:
        config = load_config(folder)
        genesis = load_genesis(config)
        change = approved(
            read_change(file), _approver(folder, passphrase_file), config.organisation, genesis.network
        )
        _write(file, encode(change))
    except CustodyError as error:
        raise ended(error) from None
    _show(describe(change, genesis))


@app.command("submit-change")
def submit_change(
    files: Annotated[list[Path], _CHANGES],
    folder: Annotated[Path, FOLDER_OPTION] = Path(),
    passphrase_file: Annotated[Path | None, _PASSPHRASE] = None,
) -> None:
    """Send an approved change through the validator that runs in this folder; copies of it are merged."""
    try:
        config = load_config(folder)
        change = _read(files)
        asyncio.run(_submit(_opened(folder), config, change, _approver(folder, passphrase_file)))
    except CustodyError as error:
        raise ended(error) from None
    typer.echo(f"epoch {change.epoch} is closed, epoch {change.epoch + 1} has begun")


async def _submit(opened: NodeFolder, config: NodeConfig, change: EpochChange, key: Signer) -> None:
    made = carry(
        change, key, config.organisation, opened.network,
        now_ms=time.time_ns() // 1_000_000, random_bytes=os.urandom,
    )  # fmt: skip
    async with LocalClient(opened.validator_socket) as validator:
        (status,) = await validator.submit([Submission(made.to_bytes(), (), ())])
    refusal = "" if status.state is not State.FINAL else status.receipts[0].refusal
    if status.state is not State.FINAL or refusal:
        code = Code(status.code or refusal or Code.UNAVAILABLE)
        raise UnavailableError(code, status.message or "expected the change to be executed, it was refused")


def _opened(folder: Path) -> NodeFolder:
    return NodeFolder.open(folder.resolve(), lock=False)


async def _next_epoch(opened: NodeFolder) -> int:
    return (await _running(opened)).epoch + 1


async def _running(opened: NodeFolder) -> NodeStatus:
    async with LocalClient(opened.validator_socket) as validator:
        return await validator.status()


def _protocol(folder: Path, genesis: Genesis) -> int:
    """The version of the epoch under way, as the node that runs in the folder knows it; without one that of genesis."""
    opened = _opened(folder)
    return asyncio.run(_running(opened)).protocol if opened.validator_socket.exists() else genesis.protocol


def _read(files: Sequence[Path]) -> EpochChange:
    return merged([read_change(path) for path in files])


def _approver(folder: Path, passphrase_file: Path | None) -> Signer:
    return Keystore(folder / "keys").load(APPROVER, _passphrase(passphrase_file), use=APPROVER)


def _passphrase(path: Path | None) -> bytes | None:
    return None if path is None else read_passphrase(path)


def _setting(text: str) -> tuple[str, int]:
    name, _, value = text.partition("=")
    if not value.isascii() or not value.isdecimal():
        raise FormError(Code.USAGE, f"--set: expected name=number, got {text!r}")
    return name, int(value)


def _write(path: Path, data: bytes) -> None:
    if not path.parent.is_dir():
        raise StorageError(Code.USAGE, f"expected a folder at {path.parent}, there is none")
    write_atomically(RealFileSystem(path.parent), path.name, data)
    typer.echo(f"wrote {path}")


def _show(lines: Sequence[str]) -> None:
    for line in lines:
        typer.echo(line)
