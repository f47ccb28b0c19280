"""`custody authority`: an organisation's own keys, delegates and licences on the ledger (KEYS.md)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer

from client.cli.joining import joined
from client.cli.options import (
    ANCHOR,
    DESCRIPTOR,
    GATEWAY,
    JSON,
    KEY,
    ORGANISATION,
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
from client.cli.output import data, json_data
from client.files import write_once
from client.keys import inspect, load_key
from client.settings import Settings, missing
from ledger.base.errors import Code, FormError
from ledger.base.keys import PUBLIC_KEY_BYTES, Signer, key_id
from ledger.base.limits import CERTIFICATE_BYTES
from ledger.chain.transaction import Kind
from ledger.members.registration import ENROLLED, Act, Reason

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Keys, delegates and licences on the ledger.",
)

AUTHORITY: Final = "authority"
_DAY_MS: Final = 86_400_000
_USES: Final = {use.name.lower(): use for use in ENROLLED}
_REASONS: Final = {reason.name.lower(): reason for reason in Reason}

_AUTHORITY_KEY = Annotated[
    Path | None,
    typer.Option("--authority", help="The authority's key; else authority.key beside the signing key."),
]
_USE = Annotated[
    str | None, typer.Option("--use", help=f"What for: {', '.join(_USES)}; else as the key's file says.")
]
_DAYS = Annotated[int, typer.Option("--days", min=1, max=36_500, help="How long the certificate is valid.")]
_LABEL = Annotated[str | None, typer.Option("--label", help="What the key is called; else its file's name.")]
_TARGET = Annotated[str, typer.Argument(help="A key file, or a key id in hexadecimal.")]
_UNTIL = Annotated[str | None, typer.Option("--until", help="Until when, ISO 8601.")]


@app.command()
def issue(
    target: _TARGET,
    output: Annotated[Path, typer.Option("-o", "--output", help="The certificate (DER) to make.")],
    use: _USE = None,
    days: _DAYS = 365,
    label: _LABEL = None,
    authority: _AUTHORITY_KEY = None,
    organisation: ORGANISATION = None,
    descriptor: DESCRIPTOR = None,
) -> None:
    """Make a certificate for a key, without a network. Of a hybrid authority use enrol, which endorses it too."""
    found = settings()
    ca = _authority_key(found, authority, descriptor)
    public_key, named = _public_key(target)
    made = _issued(
        ca, public_key, organisation_of(found, organisation), use or named, days, label or Path(target).stem
    )
    write_once(output, made)
    data(f"certificate of {key_id(public_key).hex()} in {output}")


def shared(
    organisation: ORGANISATION = None,
    anchor: ANCHOR = None,
    gateways: GATEWAY = None,
    descriptor: DESCRIPTOR = None,
    as_json: JSON = False,
) -> None:
    """Declare the options of every command that acts on the ledger."""


class Desk:
    """Who acts on which network, and through which gateway."""

    def __init__(
        self,
        organisation: str | None,
        anchor: Path | None,
        gateways: list[str] | None,
        descriptor: int | None,
        *,
        as_json: bool,
    ) -> None:
        self.settings = settings()
        self.who = organisation_of(self.settings, organisation)
        self.network = directory(self.settings, anchor).network
        self.descriptor = descriptor
        self.as_json = as_json
        self._gateways = gateways

    def authority_key(self, given: Path | None = None) -> Signer:
        """The key of the organisation's authority."""
        return _authority_key(self.settings, given, self.descriptor)

    def load(self, path: Path) -> Signer:
        """A key from its file."""
        return load_key(path, passphrases(self.descriptor))

    def act(self, key: Signer, item: Sequence[Any]) -> int:
        """Sign the item and hand it in; the height at which it is final."""
        from client.acts import act

        with gateway(self.settings, self._gateways) as client:
            standing = act(client, key, self.network, self.who, Kind.REGISTRATION, [item], now_ms=now_ms())
        return standing.height or 0


def _on_ledger(name: str) -> Callable[[Callable[..., _Told]], Callable[..., _Told]]:
    """Register `f(desk, ...)`, which acts and says what it did, as a command with the shared options."""

    def finish(common: dict[str, Any], build: Callable[..., _Told], own: dict[str, Any]) -> None:
        desk = Desk(**common)
        told = build(desk, **own)
        if desk.as_json:
            json_data(told.facts)
        else:
            data(told.sentence)

    return joined(app, name, shared, finish)


class _Told(NamedTuple):
    """What a command did, for programs and for people."""

    facts: dict[str, Any]
    sentence: str


def _of_key(identifier: bytes, what: str, height: int) -> _Told:
    return _Told(
        {"key": identifier.hex(), "done": what, "height": height},
        f"{identifier.hex()} {what} at height {height}; it holds from the block after",
    )


@_on_ledger("enrol")
def enrol(
    desk: Desk,
    path: Annotated[Path, typer.Argument(help="The file of the key.")],
    certificate: Annotated[
        Path | None, typer.Option("--certificate", help="Its certificate (DER); else one is issued.")
    ] = None,
    use: _USE = None,
    days: _DAYS = 365,
    label: _LABEL = None,
    authority: _AUTHORITY_KEY = None,
) -> _Told:
    """Enrol a key: certify it, let it show that it is held, hand it in. It signs from the block after."""
    from client.authority import endorsed, enrolment

    key, ca = desk.load(path), desk.authority_key(authority)
    named = use or inspect(path).use
    made = (
        _issued(ca, key.public_key, desk.who, named, days, label or path.stem)
        if certificate is None
        else readable(certificate, CERTIFICATE_BYTES)
    )
    height = desk.act(ca, enrolment(desk.network, made, key, endorsed(desk.network, made, ca)))
    return _of_key(key_id(key.public_key), f"enrolled for {named}", height)


@_on_ledger("revoke")
def revoke(
    desk: Desk,
    target: _TARGET,
    reason: Annotated[str, typer.Option("--reason", help=f"Why: {', '.join(_REASONS)}.")] = "unspecified",
    by: Annotated[
        Path | None,
        typer.Option("--by", help="The key that signs: the authority's, an approver's, or the key itself."),
    ] = None,
) -> _Told:
    """End a key for good. It signs in no block after the one that says so."""
    if reason not in _REASONS:
        raise FormError(Code.USAGE, f"expected a reason of {', '.join(_REASONS)}, got {reason[:64]!a}")
    identifier = key_id(_public_key(target)[0])
    key = desk.authority_key() if by is None else desk.load(by)
    height = desk.act(key, (int(Act.REVOKE), identifier, int(_REASONS[reason])))
    return _of_key(identifier, "revoked", height)


@_on_ledger("compromised")
def compromised(
    desk: Desk,
    target: _TARGET,
    since: Annotated[
        int, typer.Option("--since", min=0, help="The height from which it was in other hands.")
    ],
    by: Annotated[
        Path | None, typer.Option("--by", help="The key that signs: the authority's or an approver's.")
    ] = None,
) -> _Told:
    """Mark a key as compromised: it signs no more, and verdicts flag what it signed since."""
    identifier = key_id(_public_key(target)[0])
    key = desk.authority_key() if by is None else desk.load(by)
    height = desk.act(key, (int(Act.COMPROMISED), identifier, since))
    return _of_key(identifier, f"marked as compromised since height {since}", height)


@_on_ledger("delegate")
def delegate(
    desk: Desk,
    path: Annotated[Path, typer.Argument(help="The file of the one-time key.")],
    document: Annotated[
        str, typer.Option("--document", help="Canonical identifier of the consignment's document.")
    ],
    until: Annotated[str, typer.Option("--until", help="Until when, ISO 8601.")],
    key: KEY = None,
) -> _Told:
    """List a one-time key that signs handovers of one consignment until a date."""
    from client.authority import delegation

    one_time = desk.load(path)
    item = delegation(desk.network, desk.who, one_time, document, instant(until)[0])
    height = desk.act(signing_key(desk.settings, key, desk.descriptor), item)
    return _of_key(key_id(one_time.public_key), f"delegated for {document}", height)


@_on_ledger("licence")
def licence(
    desk: Desk,
    prefix: Annotated[str, typer.Argument(help="GS1 company prefix that the organisation holds.")],
    licensee: Annotated[str, typer.Argument(help="The member that may make under it.")],
    until: _UNTIL = None,
    end: Annotated[bool, typer.Option("--end", help="End the licence.")] = False,
    key: KEY = None,
) -> _Told:
    """License a contract manufacturer to make under one's prefix, or end that."""
    until_ms = None if until is None else instant(until)[0]
    item = (int(Act.END_LICENCE), prefix, licensee) if end else (int(Act.LICENSE), prefix, licensee, until_ms)
    height = desk.act(signing_key(desk.settings, key, desk.descriptor), item)
    return _Told(
        {"prefix": prefix, "licensee": licensee, "ended": end, "height": height},
        f"licence of {licensee} under {prefix} {'ended' if end else 'given'} at height {height}",
    )


def _authority_key(found: Settings, given: Path | None, descriptor: int | None) -> Signer:
    path = given if given is not None or found.key is None else found.key.with_name("authority.key")
    if path is None:
        raise missing("key", "--authority")
    return load_key(path, passphrases(descriptor), use=AUTHORITY)


def _public_key(target: str) -> tuple[bytes, str]:
    """The public key, or key id, that a target names, and its file's use."""
    if len(target) == 2 * PUBLIC_KEY_BYTES and not target.strip("0123456789abcdef"):
        return bytes.fromhex(target), ""
    about = inspect(Path(target))
    return about.public_key, about.use


def _issued(ca: Signer, public_key: bytes, who: str, use: str, days: int, label: str) -> bytes:
    from client.authority import issue

    if use not in _USES:
        raise FormError(Code.USAGE, f"expected --use, one of {', '.join(_USES)}, got {use[:64]!a}")
    begin = now_ms()
    # The clock of the ledger may be a little behind this machine's, and judges.
    valid_ms = (begin - 300_000, begin + days * _DAY_MS)
    return issue(ca, public_key, who, _USES[use], label=label, valid_ms=valid_ms)
