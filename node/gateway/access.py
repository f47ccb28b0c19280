"""Who may read: bearers of the token in `keys/reader.token` (DESIGN §6; API.md §2).

Transactions authenticate themselves, so submitting needs no token. `/livez`, `/readyz` and `/metrics` are open to callers on
the loopback interface, as probes and collectors expect, and ask others for the token. A proxy on the same host makes
every caller a loopback caller; it must guard these three itself.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from ledger.base.errors import Code, StorageError

TOKEN_FILE: Final = "reader.token"  # noqa: S105 - a file's name
_TOKEN_BYTES: Final = 32
_SHORTEST: Final = 32
_LONGEST: Final = 512


class ReaderToken:
    """The token, kept as its SHA-256 so that neither a traceback nor a log can show it."""

    __slots__ = ("_digest",)

    def __init__(self, text: str) -> None:
        self._digest = hashlib.sha256(text.encode()).digest()

    def is_borne_by(self, authorization: str | None) -> bool:
        """Whether the value of an Authorization header bears this token; compared in constant time."""
        scheme, _, value = (authorization or "").partition(" ")
        offered = hashlib.sha256(value.strip().encode("utf-8", "surrogateescape")).digest()
        return hmac.compare_digest(offered, self._digest) and scheme.lower() == "bearer"


def is_loopback(host: str | None) -> bool:
    """Whether a peer's address is of this machine. A peer without an address came over a local socket."""
    if host is None:
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def read_token(path: Path) -> ReaderToken:
    """The token in a 0600 file. StorageError: usage when it is missing, open to others or no token."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_bytes()[: _LONGEST + 2].decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(
            Code.USAGE,
            f"expected a reader's token in {path}, {type(error).__name__} came; make the file anew",
        ) from error
    if mode & 0o077:
        raise StorageError(
            Code.USAGE, f"expected {path} to be readable by its owner only (0600), it is {mode:04o}; chmod it"
        )
    if not _SHORTEST <= len(text) <= _LONGEST or any(not "!" <= character <= "~" for character in text):
        raise StorageError(
            Code.USAGE,
            f"expected {_SHORTEST} .. {_LONGEST} printable characters in {path}, got {len(text)}; make it anew",
        )
    return ReaderToken(text)


def make_token(path: Path) -> None:
    """Write a new token of 256 random bits to `path` (0600) if there is no file yet."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(_TOKEN_BYTES) + "\n")
