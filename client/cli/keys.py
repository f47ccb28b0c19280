"""`custody keys`: private keys at rest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from client.cli.options import DESCRIPTOR, JSON, passphrases
from client.cli.output import data, json_data, note, table
from client.keys import SIGN, USES, create_key, inspect, key_files
from ledger.base.errors import CustodyError
from ledger.base.keyfile import KeyFile
from ledger.base.keys import is_hybrid, key_id

app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True, help="Keys at rest."
)


@app.command()
def create(
    path: Annotated[Path, typer.Argument(help="The file to make, as keys/sign.key.")],
    use: Annotated[str, typer.Option("--use", help=f"What for: {', '.join(USES)}.")] = SIGN,
    unencrypted: Annotated[
        bool, typer.Option("--unencrypted", help="Store it in the clear. For demonstrations and tests.")
    ] = False,
    hybrid: Annotated[
        bool,
        typer.Option("--hybrid", help="Ed25519 and ML-DSA-65 together, for a network that asks for both."),
    ] = False,
    descriptor: DESCRIPTOR = None,
    as_json: JSON = False,
) -> None:
    """Make a key. It is sealed with a passphrase, from the terminal, CUSTODY_PASSPHRASE or --passphrase-fd."""
    passphrase = None if unencrypted else passphrases(descriptor).read(f"for the new key {path}", twice=True)
    key = create_key(path, use, passphrase, hybrid=hybrid)
    _show(path, KeyFile(use, key.public_key, is_sealed=not unencrypted), as_json=as_json)
    if unencrypted:
        note(f"{path} is stored in the clear: whoever reads it signs as its owner")


@app.command("list")
def list_keys(
    folder: Annotated[Path, typer.Argument(help="The folder of keys.")] = Path("keys"), as_json: JSON = False
) -> None:
    """List the keys in a folder, without opening them."""
    rows = []
    for path in key_files(folder):
        try:
            found = inspect(path)
            rows.append(
                (
                    path.name,
                    found.use,
                    key_id(found.public_key).hex(),
                    "sealed" if found.is_sealed else "IN THE CLEAR",
                )
            )
        except CustodyError as error:
            rows.append((path.name, "?", "", str(error)))
    if as_json:
        json_data([dict(zip(("file", "use", "public_key", "protection"), row, strict=True)) for row in rows])
    else:
        data(table(("FILE", "USE", "PUBLIC KEY", "PROTECTION"), rows))


@app.command()
def show(path: Annotated[Path, typer.Argument(help="A key file.")], as_json: JSON = False) -> None:
    """Show use and public key of a key file, without its passphrase."""
    _show(path, inspect(path), as_json=as_json)


def _show(path: Path, key: KeyFile, *, as_json: bool) -> None:
    protection = "sealed" if key.is_sealed else "IN THE CLEAR"
    suite = "hybrid" if is_hybrid(key.public_key) else "ed25519"
    if as_json:
        shown = {"file": str(path), "use": key.use, "suite": suite, "key_id": key_id(key.public_key).hex()}
        json_data({**shown, "public_key": key.public_key.hex(), "protection": protection})
        return
    lines = [f"file        {path}", f"use         {key.use}", f"suite       {suite}"]
    if is_hybrid(key.public_key):
        lines.append(f"key id      {key_id(key.public_key).hex()}")
    data("\n".join([*lines, f"public key  {key.public_key.hex()}", f"protection  {protection}"]))
