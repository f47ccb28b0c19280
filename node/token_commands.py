"""`custody node token-key`: a key that is made in a PKCS#11 token and never leaves it (node/OPERATING.md).

It is a key of the folder like any other: `epoch-key` delivers `validator-3` from a token, a certificate is issued with `authority`
from one. Whoever has the folder and its passphrase but not the token signs nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from ledger.base.errors import Code, CustodyError, FormError
from ledger.base.keys import key_id
from node.storage.keystore import Keystore, epoch_of_key
from node.storage.token import destroy_token_key, make_token_key
from node.terminal import FOLDER_OPTION, ended, read_passphrase

app = typer.Typer(add_completion=False)

USES: Final = ("authority", "approver", "sign", "capture")
"""What a key in a token is for goes by its name, beside `validator-<epoch>`."""


@app.command("token-key")
def token_key(
    name: Annotated[str, typer.Argument(help=f"validator-EPOCH, {', '.join(USES)}.")],
    library: Annotated[Path, typer.Option(help="The PKCS#11 library, as /usr/lib/softhsm/libsofthsm2.so.")],
    label: Annotated[str, typer.Option("--token", help="The token's label.")],
    pin_file: Annotated[Path, typer.Option(help="File whose first line is the token's PIN.")],
    folder: Annotated[Path, FOLDER_OPTION] = Path(),
    passphrase_file: Annotated[
        Path | None, typer.Option("--passphrase-file", help="File whose first line opens this node's keys.")
    ] = None,
    unsealed: Annotated[
        bool, typer.Option("--unsealed", help="Leave the PIN in the key's file unencrypted, for trials.")
    ] = False,
    hybrid: Annotated[
        bool, typer.Option("--hybrid", help="With an ML-DSA-65 half, which stays in the file.")
    ] = False,
) -> None:
    """Make a key in a token, and keys/NAME.key, which says where it is and holds the PIN, sealed."""
    try:
        if (passphrase_file is None) != unsealed:
            raise FormError(Code.USAGE, "expected either --passphrase-file or, for trials, --unsealed")
        use = "validator" if epoch_of_key(name) is not None else name
        if use not in ("validator", *USES):
            raise FormError(Code.USAGE, f"expected validator-EPOCH or one of {', '.join(USES)}, got {name!a}")
        keystore = Keystore(folder / "keys")
        keystore.check()
        if name in keystore.names():
            raise FormError(
                Code.USAGE, f"expected no key at {keystore.path(name)}, there is one; move it away first"
            )
        passphrase = None if passphrase_file is None else read_passphrase(passphrase_file)
        made = make_token_key(str(library), label, read_passphrase(pin_file), hybrid=hybrid)
        try:
            keystore.save(name, made, use, passphrase)
        except CustodyError:
            destroy_token_key(made)
            raise
    except CustodyError as error:
        raise ended(error) from None
    typer.echo(f"{use} key {key_id(made.public_key).hex()} in the token {label}, file {keystore.path(name)}")
