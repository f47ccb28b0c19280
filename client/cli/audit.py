"""`custody audit`: execute a whole chain again, and name the first height that is not what it says (PROTOCOL.md §10).

Exit codes: 0 the chain is what it says; 1 it differs, at the height named; 2 usage; 5 a block could not be had; 130
interrupted. After 5 and 130 the audit can be taken up again with `--from`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from client.anchor import AnchorFolder, load_anchor
from client.cli.main import CANNOT_READ, INTERRUPTED, REFUSED, USAGE, Stop
from client.cli.options import ANCHOR, GATEWAY, JSON, gateway, settings
from client.cli.output import data, json_data, note
from ledger.base.errors import CustodyError, FormError, ProofError, SignatureError, UnavailableError
from ledger.proof.narrate import instant
from ledger.state.audit import Audit, Difference
from ledger.state.audit_source import Source

if TYPE_CHECKING:
    from ledger.chain.certificate import Checkpoint
    from ledger.proof.anchor import Anchor

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
SOURCES: Final = "custody.sources"
PROGRESS_BLOCKS: Final = 1_000


@app.command()
def audit(
    folder: Annotated[
        Path | None,
        typer.Option("--folder", "-f", help="A node's own folder, running or not.", show_default=False),
    ] = None,
    gateways: GATEWAY = None,
    anchor: ANCHOR = None,
    start: Annotated[
        int,
        typer.Option(
            "--from",
            min=1,
            help="Where an earlier audit stopped: below it nothing is believed but signatures, certificates and events.",
        ),
    ] = 1,
    end: Annotated[
        int | None,
        typer.Option("--to", min=1, help="The last height; the newest without it.", show_default=False),
    ] = None,
    consistency: Annotated[
        tuple[int, int] | None,
        typer.Option(
            "--consistency",
            metavar="A B",
            help="Show that the event log at height B extends the one at height A.",
            show_default=False,
        ),
    ] = None,
    as_json: JSON = False,
) -> None:
    """Execute every block again from genesis: hash links, batches, signatures, receipts, roots and certificates."""
    if consistency is not None and not 0 <= consistency[0] <= consistency[1]:
        raise Stop(
            USAGE, f"expected --consistency A B with A at most B, got {consistency[0]} {consistency[1]}"
        )
    trusted, pinned = _trusted(anchor)
    with _source(folder, gateways) as source:
        if trusted is not None and source.genesis.network != trusted.network:
            raise Stop(
                REFUSED,
                f"expected the network of the anchor, {trusted.network.hex()}, {source.name} is of "
                f"{source.genesis.network.hex()}",
            )
        last = source.last if end is None else min(end, source.last)
        if consistency is not None and consistency[1] > last:
            raise Stop(USAGE, f"expected --consistency A B up to block {last}, got {consistency[1]}")
        report = Report(source, trusted is not None, pinned, start, last, consistency)
        report.run()
    report.show(as_json=as_json)
    raise typer.Exit(report.exit_code)


def _trusted(given: Path | None) -> tuple[Anchor | None, dict[int, bytes]]:
    """The anchor, if there is one, and the header hashes that it knows by height: pinned ones and ends of epochs."""
    path = given or settings().anchor
    if path is None:
        return None, {}
    try:
        trusted = load_anchor(path).anchor
        checkpoints: tuple[Checkpoint, ...] = AnchorFolder(path).checkpoints() if path.is_dir() else ()
    except CustodyError as error:
        raise Stop(CANNOT_READ, str(error)) from None
    pinned = {checkpoint.header.height: checkpoint.header.hash for checkpoint in checkpoints}
    ends = {epoch.last.height: epoch.last.header_hash for epoch in trusted.epochs if epoch.last is not None}
    return trusted, ends | pinned | {trusted.height: trusted.header_hash}


@contextmanager
def _source(folder: Path | None, gateways: list[str] | None) -> Iterator[Source]:
    """The chain to audit: a folder's, or the first gateway's alone, so that no other answers for it."""
    if folder is not None:
        if gateways:
            raise Stop(USAGE, "expected --folder or --gateway, got both")
        source = _folder_source(folder.resolve())
        try:
            yield source
        finally:
            source.close()
        return
    from client.auditing import GatewaySource

    found = settings()
    urls = list(gateways or found.gateways)[:1]
    with gateway(found, urls) as client:
        try:
            fetched = GatewaySource(client, urls[0] if urls else "")
        except FormError as error:
            raise Stop(REFUSED, f"{urls[0]}: {error}") from None
        yield fetched


def _folder_source(folder: Path) -> Source:
    from importlib.metadata import entry_points

    found = next(iter(entry_points(group=SOURCES, name="folder")), None)
    if found is None:
        raise Stop(
            CANNOT_READ,
            "expected the node extra for custody audit --folder, it is not installed; pip install 'custody-ledger[node]'",
        )
    source: Source = found.load()(folder)
    return source


class Report:
    """One audit and what it comes to."""

    def __init__(
        self,
        source: Source,
        is_anchored: bool,
        pinned: dict[int, bytes],
        start: int,
        end: int,
        consistency: tuple[int, int] | None,
    ) -> None:
        self.source = source
        self.start = start
        self.end = end
        self.difference: Difference | None = None
        self.stopped: tuple[int, str] | None = None
        """(exit code, why) where the audit did not come to its end."""
        self.proof: tuple[bytes, ...] | None = None
        self.consistency = consistency
        self._is_anchored = is_anchored
        self._pinned = pinned
        base = source.base()
        if base is not None and consistency is not None:
            raise Stop(
                USAGE,
                f"expected every block from 1 on for --consistency, {source.name} has them from {base.tip.header.height + 1} on",
            )
        self.audit = Audit(
            source.genesis, events=source.events, sizes=consistency or (), trusted_below=start, base=base
        )

    @property
    def exit_code(self) -> int:
        """See the module."""
        if self.difference is not None or self.audit.events.damaged:
            return REFUSED
        return 0 if self.stopped is None else self.stopped[0]

    def run(self) -> None:
        """Audit block by block up to the end, the first difference, or an obstacle."""
        self.difference = self._differs_from_pin(self.audit.first)
        if self.difference is not None:
            return
        try:
            if all(self._step(height) for height in range(self.audit.first + 1, self.end + 1)):
                self._conclude()
        except KeyboardInterrupt:
            self.stopped = (INTERRUPTED, "interrupted")

    def _step(self, height: int) -> bool:
        """Audit one block; whether to go on."""
        try:
            block = self.source.block(height)
        except (FormError, SignatureError) as error:
            self.difference = Difference(height, "form", error.message)
            return False
        except CustodyError as error:
            self.stopped = (CANNOT_READ, f"block {height}: {error}")
            return False
        try:
            self.difference = self.audit.check(block) or self._differs_from_pin(height)
        except UnavailableError as error:
            self.stopped = (CANNOT_READ, error.message)
            return False
        if height % PROGRESS_BLOCKS == 0:
            note(f"block {height} of {self.end}")
        return self.difference is None

    def _differs_from_pin(self, height: int) -> Difference | None:
        pin, found = self._pinned.get(height), self.audit.header.hash
        if pin is None or pin == found:
            return None
        return Difference(
            height, "pinned", f"expected the block pinned in the anchor, {pin.hex()}, got {found.hex()}"
        )

    def _conclude(self) -> None:
        newest = max(self._pinned, default=0)
        if self.source.last < newest:
            self.difference = Difference(
                self.source.last + 1,
                "length",
                f"expected a chain up to the checkpoint pinned at {newest}, it ends at {self.source.last}",
            )
            return
        if self.consistency is not None:
            try:
                self.proof = self.audit.consistency(*self.consistency)
            except ProofError as error:
                self.difference = Difference(self.consistency[1], "consistency", error.message)

    # ---- showing it

    def show(self, *, as_json: bool) -> None:
        """Say it."""
        if as_json:
            json_data(self._json())
            return
        audit, network = self.audit, self.source.genesis
        if self.difference is not None:
            data(f"DIFFERS at block {self.difference.height}: {self.difference.what}")
            data(f"  {self.difference.detail}")
        elif self.stopped is not None:
            data(f"NOT FINISHED at block {audit.height + 1}: {self.stopped[1]}")
        else:
            data(f"CLEAN up to block {audit.height}: executed again, every block is what it says")
        data(f"  {self.source.name}, network {network.name} ({network.network.hex()})")
        as_of = instant(audit.header.time_ms)
        if audit.first:
            data(f"  begun at the snapshot of block {audit.first}, which its checkpoint proves")
        data(
            f"  blocks {audit.first + 1} .. {audit.height} hold, as of {as_of}, certified up to {audit.certified_height}"
        )
        data(f"  {audit.transactions} transactions, {audit.tip.event_log_size} entries")
        if self.source.events is not None:
            counts = ", ".join(f"{count} {name}" for name, count in audit.events._asdict().items())
            data(f"  events and their bytes: {counts}")
        for found in audit.findings:
            data(f"  block {found.height}: {found.what}: {found.detail}")
        if self.proof is not None and self.consistency is not None:
            old, new = self.consistency
            data(f"  the event log at block {new} extends that at block {old} ({len(self.proof)} hashes)")
        self._advise()

    def _advise(self) -> None:
        if not self._is_anchored:
            note(
                "no anchor: compare the network id with what a trusted party tells you, or name one with --anchor"
            )
        if self.difference is None and self.audit.height > 0 and self.stopped is not None:
            note(f"go on with --from {self.audit.height + 1}")
        sys.stdout.flush()

    def _json(self) -> dict[str, Any]:
        audit = self.audit
        old_new = None
        if self.proof is not None and self.consistency is not None:
            old_new = {
                "from": self.consistency[0],
                "to": self.consistency[1],
                "proof": [node.hex() for node in self.proof],
            }
        return {
            "clean": self.exit_code == 0,
            "source": self.source.name,
            "network": self.source.genesis.network.hex(),
            "anchored": self._is_anchored,
            "from": self.start,
            "snapshot": audit.first or None,
            "height": audit.height,
            "certified_height": audit.certified_height,
            "header": audit.header.hash.hex(),
            "outcome": audit.tip.hash_in(audit.network).hex(),
            "state_root": audit.tip.state_root.hex(),
            "transactions": audit.transactions,
            "entries": audit.tip.event_log_size,
            "difference": None if self.difference is None else self.difference._asdict(),
            "stopped": None if self.stopped is None else self.stopped[1],
            "resume": audit.height + 1,
            "events": None if self.source.events is None else audit.events._asdict(),
            "findings": [found._asdict() for found in audit.findings],
            "consistency": old_new,
        }
