"""`custody init`: a network whose members set up together, from a plan in TOML (DESIGN §6).

    [[organisation]]
    id = "carrier"
    name = "Carrier"
    country = "NL"
    lei = "529900T8BM49AURSDO55"          # Legal Entity Identifier, if it has one
    roles = ["logistics"]
    parties = ["https://id.gs1.org/417/9521234900027"]
    prefixes = ["9529012"]                # GS1 company prefixes
    jurisdiction = ["*"]                  # authorities only: prefixes of places, or everywhere
    validator = true

Without a plan it makes the four organisations of the demonstration. Unknown settings are refused by name.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ledger.base.errors import Code, CustodyError, FormError
from node.init import DEMONSTRATION, GATEWAY_PORTS, PORT_BASE, OrganisationPlan, create_network
from node.terminal import ended, read_passphrase

app = typer.Typer(add_completion=False, help="Make a network: folders, keys and genesis.")

_PLAN_BYTES: Final = 10_000_000
_TEXT_LISTS: Final = ("roles", "parties", "prefixes", "issuers", "jurisdiction")


@app.command()
def init(
    root: Annotated[Path, typer.Argument(help="Where: one folder for each organisation is made in it.")],
    plan: Annotated[
        Path | None, typer.Option(help="A plan in TOML; else four example organisations.")
    ] = None,
    name: Annotated[str, typer.Option(help="The network's name.")] = "custody",
    port_base: Annotated[int, typer.Option(help="Port of the first validator on this machine.")] = PORT_BASE,
    passphrase_file: Annotated[
        Path | None, typer.Option(help="File whose first line seals all keys.")
    ] = None,
    unsealed: Annotated[bool, typer.Option("--unsealed", help="Leave keys unencrypted, for trials.")] = False,
    hybrid: Annotated[
        bool,
        typer.Option("--hybrid", help="Sign with Ed25519 and ML-DSA-65 together, against quantum computers."),
    ] = False,
) -> None:
    """Make keys, a genesis and a folder for each organisation. Hand each folder to its organisation; keep none."""
    try:
        if (passphrase_file is None) != unsealed:
            raise FormError(Code.USAGE, "expected either --passphrase-file or, for trials, --unsealed")
        plans = DEMONSTRATION if plan is None else read_plan(plan)
        passphrase = None if passphrase_file is None else read_passphrase(passphrase_file)
        made = create_network(
            root, plans, name=name, port_base=port_base, passphrase=passphrase, hybrid=hybrid
        )
    except CustodyError as error:
        raise ended(error) from None
    typer.echo(f"network {made.genesis.name}, id {made.genesis.network.hex()}")
    validators = sorted(plan.identifier for plan in plans if plan.is_validator)
    width = max(len(str(folder)) for folder in made.folders.values())
    for who, folder in sorted(made.folders.items()):
        port = port_base + validators.index(who) if who in validators else None
        where = (
            "" if port is None else f"  validator 127.0.0.1:{port}, gateway 127.0.0.1:{port + GATEWAY_PORTS}"
        )
        typer.echo(f"  {who:<16} {folder!s:<{width}}{where}")
    again = "" if passphrase_file is None else f" --passphrase-file {passphrase_file}"
    typer.echo(f"next: custody node run --folder FOLDER{again}, once for each; then, as that organisation:")
    typer.echo("      custody --config FOLDER/custody.toml record --help")


def read_plan(path: Path) -> tuple[OrganisationPlan, ...]:
    """The organisations of a plan; FormError names the setting that is wrong."""
    try:
        data = path.read_bytes()[: _PLAN_BYTES + 1]
        settings = tomllib.loads(data.decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # also no UTF-8, an integer of too many digits
        raise FormError(Code.USAGE, f"expected a plan in TOML at {path}: {error}") from None
    found = settings.pop("organisation", None)
    if settings or not isinstance(found, list) or not found:
        raise FormError(Code.USAGE, f"expected [[organisation]] tables and nothing else in {path}")
    plans = tuple(_plan_of(one, number) for number, one in enumerate(found, 1))
    for place, plan in enumerate(plans):
        if plan.identifier in [other.identifier for other in plans[:place]]:
            raise FormError(
                Code.USAGE,
                f"organisation {place + 1}: expected another id than {plan.identifier}, it is taken",
            )
    return plans


def _plan_of(one: Any, number: int) -> OrganisationPlan:
    where = f"organisation {number}"
    if not isinstance(one, dict):
        raise FormError(Code.USAGE, f"{where}: expected a table")
    known = dict(one)
    texts = {field: _text(known.pop(field, None), f"{where}: {field}") for field in ("id", "name", "country")}
    lei = None if "lei" not in known else _text(known.pop("lei"), f"{where}: lei")
    lists = {field: _texts(known.pop(field, []), f"{where}: {field}") for field in _TEXT_LISTS}
    flags = {
        field: known.pop(field, default) for field, default in (("validator", True), ("simulated", False))
    }
    if known or not all(isinstance(flag, bool) for flag in flags.values()):
        raise FormError(
            Code.USAGE, f"{where}: expected no setting {', '.join(known) or 'that is not true or false'}"
        )
    return OrganisationPlan(
        texts["id"],
        texts["name"],
        texts["country"],
        lists["roles"],
        parties=lists["parties"],
        prefixes=lists["prefixes"],
        issuers=lists["issuers"],
        jurisdiction=lists["jurisdiction"],
        lei=lei,
        is_simulated=flags["simulated"],
        is_validator=flags["validator"],
    )


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise FormError(Code.USAGE, f"{where}: expected text")
    return value


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise FormError(Code.USAGE, f"{where}: expected a list of texts")
    return tuple(_text(one, where) for one in value)
