"""`custody capture`: a file of any number of EPCIS events, in parallel, resumed where it stopped."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from client.capture.document import Surveyed, survey
from client.capture.journal import Header, Journal
from client.capture.making import SEED_BYTES, Maker
from client.capture.progress import Progress
from client.capture.running import Capture, Outcome
from client.cli.main import REFUSED
from client.cli.options import (
    ANCHOR,
    DESCRIPTOR,
    GATEWAY,
    JSON,
    KEY,
    ORGANISATION,
    directory,
    now_ms,
    organisation_of,
    parallel_gateways,
    settings,
    signing_key,
)
from client.cli.output import data, note
from client.protocol import Policy
from ledger.base.limits import ITEMS_PER_TRANSACTION

if TYPE_CHECKING:
    from client.parallel import Parallel

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
SUFFIX: Final = ".custody-journal"
_SHOWN_EVERY_S: Final = (1.0, 10.0)
"""On a terminal, elsewhere."""
_POLICY: Final = Policy(patience_s=600.0, reach_s=60.0)


@app.command()
def capture(
    file: Annotated[Path, typer.Argument(help="An EPCIS document or a list of events, JSON, of any length.")],
    organisation: ORGANISATION = None,
    key: KEY = None,
    descriptor: DESCRIPTOR = None,
    anchor: ANCHOR = None,
    gateways: GATEWAY = None,
    journal: Annotated[
        Path | None,
        typer.Option("--journal", help=f"Where it is noted how far it is; FILE{SUFFIX}.", show_default=False),
    ] = None,
    per_transaction: Annotated[
        int,
        typer.Option("--per-transaction", min=1, max=ITEMS_PER_TRANSACTION, help="Events in a transaction."),
    ] = 100,
    in_flight: Annotated[
        int, typer.Option("--in-flight", min=1, max=512, help="Transactions under way at a time.")
    ] = 32,
    any_order: Annotated[
        bool, typer.Option("--any-order", help="No event of the file depends on another one.")
    ] = False,
    as_json: JSON = False,
) -> None:
    """Sign and submit every event of a large file, many transactions at a time, and say what came of it.

    However it ends, by kill, crash or a network that went away: the same command goes on from there, and every event is on the
    ledger once. Each event stands on its own. Those that were refused, or recorded without effect, are named on standard
    output. Exit code 1 when any was refused.
    """
    found = settings()
    who = organisation_of(found, organisation)
    network = directory(found, anchor).network
    signer = signing_key(found, key, descriptor)
    surveyed = survey(file)
    header = Header(
        network.hex(),
        who,
        signer.public_key.hex(),
        surveyed.digest.hex(),
        surveyed.events,
        per_transaction,
        os.urandom(SEED_BYTES).hex(),
    )
    kept = Journal.open(journal or file.with_name(file.name + SUFFIX), header)
    with closing(kept):
        if not kept.is_done:
            seed = bytes.fromhex(kept.header.seed)
            maker = Maker(network, who, signer, seed, surveyed.context)
            clients = parallel_gateways(found, gateways, in_flight, _POLICY)
            asyncio.run(_run(file, surveyed, kept, maker, clients, is_ordered=not any_order, as_json=as_json))
    counts = kept.counts
    if as_json:
        said = {"events": counts.done, "applied": counts.applied, "recorded": counts.recorded}
        data(json.dumps(said | {"refused": counts.refused}))
    else:
        note(
            f"{counts.done:,} events: {counts.applied:,} applied, {counts.recorded:,} recorded without effect, "
            f"{counts.refused:,} refused"
        )
    if counts.refused:
        raise typer.Exit(REFUSED)


async def _run(
    file: Path,
    surveyed: Surveyed,
    journal: Journal,
    maker: Maker,
    clients: Parallel,
    *,
    is_ordered: bool,
    as_json: bool,
) -> None:
    def tell(outcome: Outcome) -> None:
        if as_json:
            data(json.dumps(outcome._asdict(), ensure_ascii=False))
        else:
            data(f"{outcome.result:<9} event {outcome.place}: {outcome.detail}")

    if journal.counts.done:
        note(f"going on: {journal.counts.done:,} of {surveyed.events:,} events are done")
    async with clients as network:
        work = Capture(
            file,
            surveyed,
            journal,
            maker,
            network,
            keeps_order=is_ordered,
            now_ms=now_ms,
            told=tell,
        )
        showing = asyncio.create_task(_show(journal))
        try:
            await work.run()
        finally:
            showing.cancel()
            with suppress(asyncio.CancelledError):
                await showing


async def _show(journal: Journal) -> None:
    is_terminal = sys.stderr.isatty()
    progress = Progress(journal.header.events, journal.counts.done, time.monotonic())
    try:
        while True:
            await asyncio.sleep(_SHOWN_EVERY_S[0 if is_terminal else 1])
            line = progress.line(journal.counts, time.monotonic())
            if is_terminal:
                sys.stderr.write(f"\r\x1b[K{line}")
                sys.stderr.flush()
            else:
                note(line)
    finally:
        if is_terminal:
            note("")
