"""`custody anchor`: what a verifier trusts before it sees a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from client.anchor import (
    MAGIC,
    AnchorFolder,
    Trusted,
    anchor_from_bytes,
    anchor_to_bytes,
    load_anchor,
    shown_in,
)
from client.cli.main import CANNOT_READ, REFUSED, Stop
from client.cli.options import ANCHOR, JSON, anchor_path, readable, settings
from client.cli.output import data, json_data, note
from client.files import write_once
from ledger.base.encoding import decode
from ledger.base.errors import CustodyError, FormError, ProofError
from ledger.base.keys import key_id
from ledger.base.limits import BUNDLE_BYTES
from ledger.proof.narrate import instant

app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True, help="Trust anchors."
)
_GENESIS_FIELDS = 6
_FOLDER = Path("anchor")


@app.command()
def add(
    file: Annotated[
        Path, typer.Argument(help="A genesis or anchor file to begin with; then checkpoints or bundles.")
    ],
    anchor: ANCHOR = None,
    network: Annotated[
        str | None,
        typer.Option(
            "--network",
            help="The network id (64 hex digits) as told by somebody trusted.",
            show_default=False,
        ),
    ] = None,
    as_json: JSON = False,
) -> None:
    """Begin a folder of trust with a genesis, or pin the checkpoint in a file once the folder's anchor verifies it.

    The folder only grows. A checkpoint that contradicts a pinned one is kept as evidence, and exit code 1 says so.
    """
    folder = AnchorFolder(anchor or settings().anchor or _FOLDER)
    content = readable(file, BUNDLE_BYTES)
    try:
        is_root = _is_root(content)
        if (
            is_root
            and network is not None
            and anchor_from_bytes(content).network.hex() != network.strip().lower()
        ):
            raise Stop(
                REFUSED,
                f"expected network {network[:64]}, {file} is of {anchor_from_bytes(content).network.hex()}; do not trust it",
            )
        added = folder.begin(content) if is_root else folder.pin(*shown_in(content))
    except FormError as error:
        raise Stop(CANNOT_READ, f"{file}: {error}") from None
    except ProofError as error:
        raise Stop(REFUSED, f"{file}: {error}") from None
    if is_root and added.is_new and network is None:
        note(
            "compare the network id with what a trusted party tells you; everything verified later rests on it"
        )
    if not added.is_new:
        note("nothing new: this is known, or older than what is pinned")
    _show(load_anchor(folder.path), folder.path, as_json=as_json)


def _is_root(content: bytes) -> bool:
    value = decode(content, max_bytes=BUNDLE_BYTES)
    return type(value) is tuple and bool(value) and (value[0] == MAGIC or len(value) == _GENESIS_FIELDS)


@app.command("list")
def list_pinned(anchor: ANCHOR = None, as_json: JSON = False) -> None:
    """List pinned checkpoints and evidence of forks."""
    path = anchor_path(settings(), anchor or _default())
    folder = AnchorFolder(path)
    rows = [
        {"height": one.header.height, "as_of": instant(one.header.time_ms), "block": one.header.hash.hex()}
        for one in folder.checkpoints()
    ]
    evidence = [str(file) for file in folder.evidence()]
    if as_json:
        json_data({"anchor": str(path), "checkpoints": rows, "evidence": evidence})
        return
    data(
        "\n".join(f"{row['height']:>10}  {row['as_of']}  {row['block']}" for row in rows)
        or "no checkpoint is pinned"
    )
    for file in evidence:
        data(f"FORK      {file}")


def _default() -> Path | None:
    return None if settings().anchor is not None or not _FOLDER.is_dir() else _FOLDER


@app.command()
def show(anchor: ANCHOR = None, as_json: JSON = False) -> None:
    """Show what is trusted: network, validators, height."""
    path = anchor_path(settings(), anchor or _default())
    try:
        _show(load_anchor(path), path, as_json=as_json)
    except CustodyError as error:
        raise Stop(CANNOT_READ, str(error)) from None


@app.command()
def export(
    output: Annotated[Path, typer.Argument(help="The file to make.")],
    anchor: ANCHOR = None,
    as_json: JSON = False,
) -> None:
    """Write the anchor, as pinned now, to one small file for somebody who trusts you."""
    path = anchor_path(settings(), anchor or _default())
    trusted = load_anchor(path)
    write_once(output, anchor_to_bytes(trusted.anchor))
    _show(trusted, output, as_json=as_json)


def _show(trusted: Trusted, path: Path, *, as_json: bool) -> None:
    anchor = trusted.anchor
    rows = {
        "anchor": str(path),
        "name": anchor.name,
        "network": anchor.network.hex(),
        "validators": [
            f"{member.organisation} {key_id(member.public_key).hex()}" for member in anchor.validators
        ],
        "quorum": f"{anchor.validators.quorum} of {len(anchor.validators)}",
        "epoch": anchor.epoch,
        "height": anchor.height,
        "as_of": instant(anchor.time_ms),
        "evidence": [str(file) for file in trusted.evidence],
    }
    if as_json:
        json_data(rows)
        return
    for name, value in rows.items():
        for place, line in enumerate(value if isinstance(value, list) else [value]):
            data(f"{name if place == 0 else '':<12}{line}")
