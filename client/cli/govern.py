"""`custody govern`: propose a change of the network, vote on it, and see how every vote went (GOVERNANCE.md).

What is shown was verified first: the registry comes with its proof, and a node that leaves a ballot out is found out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from client.cli.council import ID_SHOWN, KEY, Desk, proposal_json
from client.cli.options import (
    ANCHOR,
    DESCRIPTOR,
    GATEWAY,
    JSON,
    ORGANISATION,
    OUTPUT,
    now_ms,
    readable,
)
from client.cli.output import data, json_data, note, table
from client.cli.proposing import app as propose
from client.files import write_over
from ledger.base.errors import Code, FormError
from ledger.base.limits import BUNDLE_BYTES
from ledger.members.constitution import ChangeKind

if TYPE_CHECKING:
    from client.governing import Proposal
    from ledger.proof.registry import VerifiedRegistry

app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True,
    help="Propose changes of the network, vote on them, see how every vote went.",
)  # fmt: skip
app.add_typer(propose, name="propose")

ID = Annotated[
    str, typer.Argument(help="The proposal's id, or the digits it begins with.", show_default=False)
]
FROM_FILE = Annotated[
    Path | None, typer.Option("--registry", help="A registry file instead of a gateway.", show_default=False)
]


# --- vote


@app.command()
def vote(
    proposal: ID,
    choice: Annotated[str, typer.Argument(help="yes or no.", show_default=False)],
    organisation: ORGANISATION = None,
    key: KEY = None,
    descriptor: DESCRIPTOR = None,
    gateways: GATEWAY = None,
    anchor: ANCHOR = None,
    as_json: JSON = False,
) -> None:
    """Vote on a proposal, for good: one vote an organisation."""
    from client.governing import ballot_item, describe, needed, proposal_of
    from ledger.chain.epoch import approve, parse_change

    if choice not in ("yes", "no"):
        raise FormError(Code.USAGE, f"expected yes or no, got {choice[:32]!a}")
    desk = Desk(organisation, key, descriptor, gateways, anchor)
    with desk.open() as client:
        before = desk.registry(client)
        found = proposal_of(before.registry, proposal)
        note(
            f"{desk.organisation} votes {choice} on the proposal of {found.proposer} to {describe(found.change)}"
        )
        approval = None
        if choice == "yes" and found.change[0] == ChangeKind.VALIDATORS:
            change = parse_change(found.change[1])
            approval = approve(desk.key(), desk.organisation, desk.network, change).signature
        item = ballot_item(found.id, yes=choice == "yes", approval=approval)
        height = desk.submit(client, item)
        after = desk.registry(client)
    now = proposal_of(after.registry, found.id.hex())
    votes, of = needed(after, int(now.change[0]))
    if as_json:
        json_data(proposal_json(now, after) | {"final": height})
        return
    word = now.word(after.checkpoint.header.time_ms)
    told = f" of {votes} needed ({of} have a vote)" if now.settled is None else ""
    data(f"final at height {height}; {len(now.votes(yes=True))} yes{told}: {word}")
    if word == "enacted" and now.change[0] == ChangeKind.VALIDATORS:
        note(f"next: custody govern enact {now.id.hex()[:ID_SHOWN]}")


@app.command()
def withdraw(
    proposal: ID,
    organisation: ORGANISATION = None,
    key: KEY = None,
    descriptor: DESCRIPTOR = None,
    gateways: GATEWAY = None,
    anchor: ANCHOR = None,
) -> None:
    """Take one's own proposal back while it is open."""
    from client.governing import proposal_of, withdraw_item

    desk = Desk(organisation, key, descriptor, gateways, anchor)
    with desk.open() as client:
        chosen = proposal_of(desk.registry(client).registry, proposal)
        height = desk.submit(client, withdraw_item(chosen.id))
    data(f"withdrawn at height {height}")


@app.command()
def enact(
    proposal: ID,
    organisation: ORGANISATION = None,
    key: KEY = None,
    descriptor: DESCRIPTOR = None,
    gateways: GATEWAY = None,
    anchor: ANCHOR = None,
) -> None:
    """Close the epoch with the change of validators that was voted: its ballots carry the approvals."""
    from client.acts import act
    from client.governing import proposal_of
    from ledger.chain.proposed import collect
    from ledger.chain.transaction import Kind

    desk = Desk(organisation, key, descriptor, gateways, anchor)
    with desk.open() as client:
        found = desk.registry(client)
        chosen = proposal_of(found.registry, proposal)
        height = found.checkpoint.header.height + 1
        change = collect(desk.network, found.registry, height, chosen.id, now_ms())
        standing = act(
            client, desk.key(), desk.network, desk.organisation, Kind.EPOCH_CHANGE, [change], now_ms=now_ms()
        )
    data(f"epoch {change.epoch} ended at height {standing.height}, epoch {change.epoch + 1} has begun")


# --- see


@app.command()
def show(
    proposal: Annotated[
        str | None, typer.Argument(help="One proposal; else all.", show_default=False)
    ] = None,
    from_file: FROM_FILE = None,
    gateways: GATEWAY = None,
    anchor: ANCHOR = None,
    as_json: JSON = False,
) -> None:
    """Show what was proposed, who voted how, and how many votes are needed."""
    from client.governing import proposal_of, proposals

    desk = Desk(None, None, None, gateways, anchor)
    found = _registry(desk, from_file)
    if proposal is None:
        chosen: Sequence[Proposal] = proposals(found.registry)
    else:
        chosen = [proposal_of(found.registry, proposal)]
    if as_json:
        json_data([proposal_json(one, found) for one in chosen])
        return
    if not chosen:
        data("nothing was ever proposed")
    for one in chosen:
        data("\n".join(_lines(one, found)) + "\n")
    note(_as_of(found))


@app.command()
def log(
    from_file: FROM_FILE = None, gateways: GATEWAY = None, anchor: ANCHOR = None, as_json: JSON = False
) -> None:
    """List every proposal, ballot and decision there ever was, by height."""
    from client.governing import describe, history

    found = _registry(Desk(None, None, None, gateways, anchor), from_file)
    facts = list(history(found.registry))
    if as_json:
        json_data([{"height": height, "what": what, "proposal": one.id.hex()} for height, what, one in facts])
        return
    rows = [(str(height), one.id.hex()[:ID_SHOWN], what, describe(one.change)) for height, what, one in facts]
    data(table(("HEIGHT", "PROPOSAL", "WHAT", "TO"), rows))
    note(_as_of(found))


@app.command()
def fetch(output: OUTPUT = Path("registry.custody"), gateways: GATEWAY = None, anchor: ANCHOR = None) -> None:
    """Write the registry file: every member, key, grant and vote there ever was, for use without a network."""
    desk = Desk(None, None, None, gateways, anchor)
    with desk.open() as client:
        content = client.registry()
    found = desk.verified(content)
    path = output or Path("registry.custody")
    write_over(path, content)
    data(f"{path}: {len(found.registry.entries)} entries, {len(content):,} bytes")
    note(_as_of(found))


def _registry(desk: Desk, path: Path | None) -> VerifiedRegistry:
    if path is not None:
        return desk.verified(readable(path, BUNDLE_BYTES))
    with desk.open() as client:
        return desk.registry(client)


def _as_of(found: VerifiedRegistry) -> str:
    from ledger.proof.narrate import instant

    header = found.checkpoint.header
    return f"proven as of block {header.height}, {instant(header.time_ms)}"


def _lines(one: Proposal, found: VerifiedRegistry) -> list[str]:
    from client.governing import describe, needed
    from ledger.proof.narrate import instant

    votes, of = needed(found, int(one.change[0]))
    time_ms = found.checkpoint.header.time_ms
    yes, no = one.votes(yes=True), one.votes(yes=False)
    lines = [
        f"{one.id.hex()}  {one.word(time_ms).upper()}",
        f"  {one.proposer} proposed at height {one.height} to {describe(one.change)}",
    ]
    lines += [f"  because: {one.reason}"] if one.reason else []
    cast = f"{', '.join(yes) or 'nobody'}; no: {', '.join(no) or 'nobody'}"
    if one.settled is None:
        lines.append(f"  yes {len(yes)} of {votes} needed ({of} have a vote): {cast}")
        lines.append(f"  open until {instant(one.expires_ms)}")
    else:
        lines.append(f"  settled at height {one.settled}; yes {len(yes)}: {cast}")
    return lines
