"""`custody erase`: take back the bytes of one's own events, everywhere, for good (PROTOCOL.md §7.5).

What an event stated stays on the ledger: its extract, what followed from it, its hash. Every node removes the bytes, and the salt
without which the hash confirms no guess at them. A proof shows that, when, by whom and why the bytes went.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from client.acts import act
from client.cli.main import REFUSED, USAGE, Stop
from client.cli.options import (
    DESCRIPTOR,
    GATEWAY,
    JSON,
    KEY,
    ORGANISATION,
    directory,
    gateway,
    now_ms,
    organisation_of,
    settings,
    signing_key,
)
from client.cli.output import data, json_data, note, table
from client.cli.show import SUBJECT
from client.cli.trace import links_of
from client.spelling import subject
from ledger.base.limits import ITEMS_PER_TRANSACTION
from ledger.chain.transaction import Kind
from ledger.state.erasure import Reason, Tombstone

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
REASONS: Final = {reason.name.lower().replace("_", "-"): reason for reason in Reason}
_MISMATCH: Final = "mismatch"


@app.command()
def erase(
    identifier: SUBJECT,
    events: Annotated[
        list[str] | None, typer.Option("--event", help="An event's hash; repeatable.", show_default=False)
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every event of the subject that this member signed.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", help=f"Why: {', '.join(REASONS)}.")] = "unstated",
    organisation: ORGANISATION = None,
    key: KEY = None,
    descriptor: DESCRIPTOR = None,
    gateways: GATEWAY = None,
    as_json: JSON = False,
) -> None:
    """Erase the bytes of own events at every node, for good. What they stated stands, and proofs say what was erased.

    Without --event and --all: list what could be erased.
    """
    why = REASONS.get(reason)
    if why is None:
        raise Stop(USAGE, f"expected a --reason of {', '.join(REASONS)}, got {reason[:40]!a}")
    found = settings()
    who = organisation_of(found, organisation)
    with gateway(found, gateways) as client:
        own = own_events(links_of(client, subject(identifier).text, aside=False), who)
        own |= own_events(links_of(client, subject(identifier).text, aside=True), who)
        if not events and not every:
            return _list(own, who, as_json=as_json)
        chosen = list(own) if every else _chosen(events or [], own, who)
        if not chosen:
            raise Stop(REFUSED, f"expected an event of {who} about this subject, there is none")
        items = [Tombstone(own[name]["entry"]["sequence"], bytes.fromhex(name), int(why)) for name in chosen]
        signer, network = signing_key(found, key, descriptor), directory(found).network
        for start in range(0, len(items), ITEMS_PER_TRANSACTION):
            some = items[start : start + ITEMS_PER_TRANSACTION]
            act(client, signer, network, who, Kind.ERASURE, some, now_ms=now_ms())
    if as_json:
        json_data({"erased": chosen, "reason": reason})
        return None
    data(f"erased the bytes of {len(chosen)} events; every node that sees this final removes them")
    note("what was copied elsewhere is beyond a ledger; what the events stated stands, and proofs say so")
    return None


def own_events(links: Any, organisation: str) -> dict[str, dict[str, Any]]:
    """What a member said itself of a subject, by event hash: its first word for each."""
    found: dict[str, dict[str, Any]] = {}
    for link in links:
        is_own = link.get("entry", {}).get("organisation") == organisation
        is_event = "event" in link and link.get("statement", {}).get("action") != _MISMATCH
        if is_own and is_event:
            found.setdefault(link["event"], link)
    return found


def _chosen(events: list[str], own: dict[str, Any], organisation: str) -> list[str]:
    names = list(dict.fromkeys(text.lower().removeprefix("urn:custody:event:") for text in events))
    strange = [name for name in names if name not in own]
    if strange:
        raise Stop(
            USAGE,
            f"expected the hash of an event that {organisation} signed about this subject, got {strange[0][:64]!a};"
            " without --event it is listed what there is",
        )
    return names


def _list(own: dict[str, dict[str, Any]], organisation: str, *, as_json: bool) -> None:
    if as_json:
        json_data([{"event": name, "time": link["entry"].get("time")} for name, link in own.items()])
        return
    rows = [
        (str(link["entry"].get("time", "")), str(link.get("statement", {}).get("action", "")), name)
        for name, link in own.items()
    ]
    data(table(("BLOCK TIME", "WHAT", "EVENT HASH"), rows))
    note(f"name what is to go: --event HASH, or --all that {organisation} signed")
