"""What every `custody record` command does once it knows its act: show it, sign it, submit it or write it down.

A command's own function takes a `Desk` and its own options and returns a `Draft`. The options that all of them share are
declared once, in `shared`, and joined to each signature by `act`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from client.cli.joining import joined
from client.cli.main import USAGE, Stop
from client.cli.options import (
    ANCHOR,
    DESCRIPTOR,
    GATEWAY,
    JSON,
    KEY,
    ORGANISATION,
    OUTPUT,
    directory,
    gateway,
    instant,
    now_ms,
    organisation_of,
    passphrases,
    readable,
    settings,
    signing_key,
)
from client.cli.output import data, note
from client.events import Circumstances, Draft
from client.files import write_over
from client.keys import DEVICE, load_key
from client.prepare import prepare
from client.signing import PreparedFile, Submission, sign
from client.spelling import Thing, place, subject, thing
from client.summary import summary
from ledger.base.errors import Code, FormError, UnavailableError
from ledger.base.limits import DOCUMENT_BYTES
from ledger.chain.signing import Prepared
from ledger.trade.statement import Openness

if TYPE_CHECKING:
    from client.directory import Directory
    from client.settings import Settings
    from ledger.trade.identifiers import Identifier

_HERE, _SIGNING, _AFTER = "When and where", "Signing", "What becomes of it"


def shared(
    place: Annotated[
        str | None,
        typer.Option(
            "--place", help="Where: GLN, gln:extension or URI.", rich_help_panel=_HERE, show_default=False
        ),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(
            "--time", help="When (ISO 8601); now unless said.", rich_help_panel=_HERE, show_default=False
        ),
    ] = None,
    document: Annotated[
        list[str] | None,
        typer.Option(
            "--document", help="A document to mention, as mrn:...; repeatable.", rich_help_panel=_HERE
        ),
    ] = None,
    seal: Annotated[
        list[str] | None,
        typer.Option("--seal", help="A seal number, as on record; repeatable.", rich_help_panel=_HERE),
    ] = None,
    other_seal: Annotated[
        list[str] | None,
        typer.Option("--other-seal", help="A seal that differs from the record.", rich_help_panel=_HERE),
    ] = None,
    new_seal: Annotated[
        list[str] | None,
        typer.Option("--new-seal", help="A seal put on in place of the old.", rich_help_panel=_HERE),
    ] = None,
    from_file: Annotated[
        Path | None,
        typer.Option(
            "--from-file", help="More identifiers, one a line.", rich_help_panel=_HERE, show_default=False
        ),
    ] = None,
    organisation: ORGANISATION = None,
    key: KEY = None,
    device: Annotated[
        Path | None,
        typer.Option(
            "--device", help="A device key that attests to it.", rich_help_panel=_SIGNING, show_default=False
        ),
    ] = None,
    descriptor: DESCRIPTOR = None,
    anchor: ANCHOR = None,
    restricted: Annotated[
        bool,
        typer.Option(
            "--restricted", help="Keep the event's bytes; only its extract travels.", rich_help_panel=_AFTER
        ),
    ] = False,
    submit: Annotated[bool, typer.Option("--submit", help="Submit it now.", rich_help_panel=_AFTER)] = False,
    later: Annotated[
        bool,
        typer.Option(
            "--later", help="With -o: prepare it now, sign it when it is submitted.", rich_help_panel=_AFTER
        ),
    ] = False,
    output: OUTPUT = None,
    gateways: GATEWAY = None,
    wait: Annotated[str, typer.Option("--wait", help="accepted or final.", rich_help_panel=_AFTER)] = "final",
    event: Annotated[
        bool, typer.Option("--event", help="Print the EPCIS event and nothing else.", rich_help_panel=_AFTER)
    ] = False,
    as_json: JSON = False,
) -> None:
    """Declare the shared options."""


class Shared(NamedTuple):
    """The shared options of one call."""

    place: str | None
    time: str | None
    document: list[str] | None
    seal: list[str] | None
    other_seal: list[str] | None
    new_seal: list[str] | None
    from_file: Path | None
    organisation: str | None
    key: Path | None
    device: Path | None
    descriptor: int | None
    anchor: Path | None
    restricted: bool
    submit: bool
    later: bool
    output: Path | None
    gateways: list[str] | None
    wait: str
    event: bool
    as_json: bool


class Desk:
    """What a builder needs beside its own options: circumstances, and readers of what people type."""

    def __init__(self, options: Shared) -> None:
        self.options = options
        self.settings: Settings = settings()
        self.at = self._circumstances()
        self._directory: Directory | None = None

    def _circumstances(self) -> Circumstances:
        options = self.options
        time_ms, offset = instant(options.time)
        where = options.place or self.settings.place
        return Circumstances(
            time_ms,
            offset,
            place=None if where is None else place(where),
            documents=tuple(subject(text) for text in options.document or ()),
            seals=tuple(options.seal or ()),
            other_seals=tuple(options.other_seal or ()),
            new_seals=tuple(options.new_seal or ()),
        )

    @property
    def directory(self) -> Directory:
        """The network and its members."""
        if self._directory is None:
            self._directory = directory(self.settings, self.options.anchor)
        return self._directory

    def things(self, texts: list[str] | None) -> list[Thing]:
        """Things as typed, and those of --from-file behind them."""
        lines = list(texts or ())
        if self.options.from_file is not None:
            content = readable(self.options.from_file, DOCUMENT_BYTES)
            try:
                lines += [line.strip() for line in content.decode("utf-8").splitlines()]
            except UnicodeDecodeError:
                raise FormError(
                    Code.USAGE, f"{self.options.from_file}: expected UTF-8, one identifier a line"
                ) from None
        return [thing(line) for line in lines if line]

    def party(self, text: str) -> Identifier:
        """A member by its id, or a party in any spelling."""
        if self.options.anchor is None and self.settings.anchor is None:
            from client.spelling import party

            return party(text)
        return self.directory.party(text)

    def me(self) -> Identifier | None:
        """The party of whoever signs, where that is known."""
        who = self.options.organisation or self.settings.organisation
        if who is None or (self.options.anchor is None and self.settings.anchor is None):
            return None
        found = self.directory.parties_of(who)
        return None if not found else self.directory.party(who)

    def name(self, text: str) -> str | None:
        """The member that a party stands for, where that is known."""
        if self.options.anchor is None and self.settings.anchor is None:
            return None
        return self.directory.name_of(text)


def act(app: typer.Typer, name: str) -> Callable[[Callable[..., Draft]], Callable[..., Draft]]:
    """Register a builder `f(desk, ...)` as the command `name`, with its own options and the shared ones."""

    def finish(common: dict[str, Any], build: Callable[..., Draft], own: dict[str, Any]) -> None:
        desk = Desk(Shared(**common))
        _finish(desk, build(desk, **own))

    return joined(app, name, shared, finish)


def _finish(desk: Desk, draft: Draft) -> None:
    """Show a draft; sign, write and submit it as asked."""
    options = desk.options
    if options.restricted:
        draft = draft.with_openness(Openness.RESTRICTED)
    if options.event:
        data(draft.event.decode())
    if options.later and (options.submit or options.output is None):
        raise Stop(USAGE, "expected --later with -o FILE and without --submit")
    if not (options.submit or options.output):
        _show(desk, draft)
        if not options.event:
            note("nothing is signed; add --submit, or -o FILE")
        return
    if options.restricted and options.output is None:
        raise Stop(
            USAGE,
            "expected -o FILE with --restricted: the event's bytes do not travel, and must be kept somewhere",
        )
    organisation = organisation_of(desk.settings, options.organisation)
    prepared = prepare(desk.directory.network, draft)
    device = options.device or desk.settings.device_key
    if device is not None:
        prepared = _attested(prepared, organisation, device, options.descriptor)
    _show(desk, draft)
    if options.later and options.output is not None:
        write_over(
            options.output, PreparedFile(prepared.network, organisation, (prepared,)).to_bytes(), mode=0o600
        )
        note(f"wrote {options.output}; submit signs it")
        return
    signer = signing_key(desk.settings, options.key, options.descriptor)
    submission = sign(signer, organisation, [prepared], now_ms=now_ms())
    if options.output is not None:
        write_over(options.output, submission.to_bytes(), mode=0o600)
        note(f"wrote {options.output}")
    if options.submit:
        _submit(desk, submission)


def _attested(prepared: Prepared, organisation: str, path: Path, descriptor: int | None) -> Prepared:
    from client.attest import attest, counter_path, next_counter

    device = load_key(path, passphrases(descriptor), use=DEVICE)
    counter = next_counter(counter_path(path))
    return attest(device, prepared, organisation, counter=counter, time_ms=now_ms())


def _show(desk: Desk, draft: Draft) -> None:
    if desk.options.event:
        return
    who = desk.options.organisation or desk.settings.organisation
    text = summary(draft, who, desk.name)
    if desk.options.submit or desk.options.as_json:
        note(text)
    else:
        data(text)


def _submit(desk: Desk, submission: Submission) -> None:
    from client.cli.submit import report, waited

    waiting = waited(desk.options.wait)
    with gateway(desk.settings, desk.options.gateways) as client:
        try:
            standings = client.submit(submission, waiting)
        except UnavailableError:
            if desk.options.output is None:
                note(
                    "the signed event was not kept; with -o FILE it is, and can be submitted again as the same"
                )
            raise
    report(submission, standings, as_json=desk.options.as_json)


def event_hash(text: str) -> bytes:
    """An event hash as typed: 64 hexadecimal digits."""
    try:
        found = bytes.fromhex(text.strip())
    except ValueError:
        found = b""
    if len(found) != 32:
        raise FormError(Code.USAGE, f"expected an event's hash in 64 hexadecimal digits, got {text[:80]!a}")
    return found
