"""Options that several commands share, and what they come to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from client.cli.main import CANNOT_READ, Stop
from client.files import read_bytes
from client.keys import SIGN, Passphrases, load_key, read_private
from client.settings import Settings, load_settings, missing
from ledger.base.errors import Code, CustodyError, FormError

if TYPE_CHECKING:
    from client.directory import Directory
    from client.gateway import Gateway
    from client.parallel import Parallel
    from client.protocol import Address, Policy
    from client.request_signing import RequestSigner
    from ledger.base.keys import Signer

JSON = Annotated[bool, typer.Option("--json", help="Say it in JSON, for programs.")]
OUTPUT = Annotated[
    Path | None, typer.Option("-o", "--output", help="Write to this file.", show_default=False)
]
ORGANISATION = Annotated[str | None, typer.Option("--org", help="The member that signs.", show_default=False)]
KEY = Annotated[Path | None, typer.Option("--key", help="Its signing key.", show_default=False)]
DESCRIPTOR = Annotated[
    int | None,
    typer.Option("--passphrase-fd", help="File descriptor to read a passphrase from.", show_default=False),
]
GATEWAY = Annotated[
    list[str] | None, typer.Option("--gateway", help="URL of a gateway; may be repeated.", show_default=False)
]
ANCHOR = Annotated[
    Path | None,
    typer.Option(
        "--anchor", help="What is trusted: a genesis, an anchor file or folder.", show_default=False
    ),
]
_TOKEN_BYTES: Final = 4_096


def now_ms() -> int:
    """This machine's clock, Unix milliseconds."""
    return time.time_ns() // 1_000_000


def local_offset_minutes(time_ms: int) -> int:
    """Minutes east of UTC of this machine's zone at a time."""
    offset = datetime.fromtimestamp(time_ms / 1_000).astimezone().utcoffset() or timedelta()
    return int(offset.total_seconds()) // 60


def instant(text: str | None) -> tuple[int, int]:
    """(Unix milliseconds, offset in minutes) of an ISO 8601 time; of now without one. FormError bad_time otherwise."""
    if text is None:
        at_ms = now_ms()
        return at_ms, local_offset_minutes(at_ms)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise FormError(
            Code.BAD_TIME, f"expected a time as 2026-04-19T13:35:18+02:00, got {text[:64]!a}"
        ) from None
    aware = moment if moment.tzinfo is not None else moment.astimezone()
    offset = aware.utcoffset() or timedelta()
    return round(aware.timestamp() * 1_000), int(offset.total_seconds()) // 60


def length_ms(text: str) -> int:
    """A length of time as 90min, 24h or 7d in milliseconds."""
    from client.verify import age_ms

    return age_ms(text)


def ask(prompt: str) -> str:
    """A passphrase from the terminal, unseen."""
    from getpass import getpass

    return getpass(prompt)


def passphrases(descriptor: int | None) -> Passphrases:
    """Where passphrases come from: the descriptor, the environment, and the terminal if there is one."""
    import sys

    return Passphrases(descriptor, ask if sys.stdin.isatty() else None)


def settings() -> Settings:
    """The settings in force."""
    return load_settings()


def organisation_of(found: Settings, given: str | None) -> str:
    """Who signs; FormError usage where nobody said."""
    who = given or found.organisation
    if who is None:
        raise missing("organisation", "--org")
    return who


def signing_key(found: Settings, given: Path | None, descriptor: int | None) -> Signer:
    """The signing key; FormError usage where none is named."""
    path = given or found.key
    if path is None:
        raise missing("key", "--key")
    return load_key(path, passphrases(descriptor), use=SIGN)


def anchor_path(found: Settings, given: Path | None) -> Path:
    """Where the trust anchor is; FormError usage where nobody said."""
    path = given or found.anchor
    if path is None:
        raise missing("anchor", "--anchor")
    return path


def directory(found: Settings, given: Path | None = None) -> Directory:
    """The network and its members."""
    from client.directory import load_directory

    return load_directory(anchor_path(found, given))


@contextmanager
def gateway(found: Settings, given: list[str] | None, patience_s: float | None = None) -> Iterator[Gateway]:
    """An open client of the gateways named, with the reader's token if there is one."""
    from client.gateway import Gateway
    from client.protocol import Policy

    addresses, signer = _access(found, given)
    policy = Policy() if patience_s is None else Policy(patience_s=patience_s)
    with Gateway(addresses, policy=policy, signer=signer) as client:
        yield client


def parallel_gateways(found: Settings, given: list[str] | None, in_flight: int, policy: Policy) -> Parallel:
    """A client that keeps many submissions under way at the gateways named, yet to be entered."""
    from client.parallel import Parallel

    addresses, signer = _access(found, given)
    return Parallel(addresses, in_flight=in_flight, policy=policy, signer=signer)


def _access(found: Settings, given: list[str] | None) -> tuple[list[Address], RequestSigner | None]:
    """The gateways named, and how requests show whose they are: by token or by signature."""
    from client.protocol import Address

    urls = tuple(given or ()) or found.gateways
    if not urls:
        raise missing("gateway", "--gateway")
    signer, token = _request_signer(found), None
    # A newcomer hands acts in at another member's gateway before its own has run and made a token.
    if signer is None and found.token_file is not None and not (given and not found.token_file.exists()):
        token = read_private(found.token_file, _TOKEN_BYTES).decode("ascii", "replace").strip()
    return [Address(url, token) for url in urls], signer


def _request_signer(found: Settings) -> RequestSigner | None:
    """What signs requests where the settings say so: the member's own key, which prevails over a token."""
    if not found.sign_requests:
        return None
    from client.request_signing import RequestSigner

    if found.key is None:
        raise missing("key", "--key")
    return RequestSigner(load_key(found.key, passphrases(None)))


def readable(path: Path, most: int) -> bytes:
    """The bytes of a file a command was given; one that cannot be read ends the command with exit code 5."""
    try:
        return read_bytes(path, most)
    except CustodyError as error:
        raise Stop(CANNOT_READ, str(error)) from None
