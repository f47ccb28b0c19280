"""A bundle file, a trust anchor and this machine's clock -> a verdict (DESIGN §7). No network.

Everything that decides is `ledger.proof`; this module only reads files and the officer's words. It imports neither HTTP
nor consensus nor cryptography beyond Ed25519, so that a border laptop starts it in a blink.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final, NamedTuple

from client.anchor import AnchorFolder, Trusted, identity, load_anchor, shown_in
from client.files import read_bytes
from client.spelling import place, subject
from ledger.base.errors import Code, CustodyError, FormError
from ledger.base.limits import BUNDLE_BYTES
from ledger.proof.presented import Presented
from ledger.proof.verdict import DAY_MS, Verdict, Word, assess
from ledger.trade.identifiers import container, seal_number

CANNOT_READ: Final = 5
USAGE: Final = 2
_AGE: Final = re.compile(r"([0-9]{1,6})\s*(s|min|m|h|d)")
_UNITS_MS: Final = {"s": 1_000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": DAY_MS}
_ORGANISATION: Final = re.compile(r"[!-~]{1,32}")


class Verified(NamedTuple):
    """A verdict and what it was reached from."""

    verdict: Verdict
    file: Path
    sha256: str
    """Of the bundle file."""
    size: int
    now_ms: int
    """By this machine's clock."""
    max_age_ms: int
    trusted: Trusted
    presented: Presented


def verify_file(
    file: Path, anchor: Path, *, now_ms: int, max_age_ms: int = DAY_MS, presented: Presented | None = None
) -> Verified:
    """Verify the bundle in `file` against the anchor at that path.

    Raises StorageError or FormError only for what cannot be read as a file or as an anchor; whatever is wrong with the
    bundle's bytes is the verdict.
    """
    trusted = load_anchor(anchor)
    data = read_bytes(file, BUNDLE_BYTES)
    seen = presented or Presented()
    verdict = assess(
        data,
        trusted.anchor,
        now_ms=now_ms,
        max_age_ms=max_age_ms,
        presented=seen if seen.is_anything else None,
    )
    fork = _fork(data, anchor, trusted, verdict)
    if fork is not None:
        verdict = verdict._replace(
            status=Word.NOT_PROVEN, exit_code=Word.NOT_PROVEN.exit_code, headline=fork, subjects=()
        )
    return Verified(
        verdict, file, hashlib.sha256(data).hexdigest(), len(data), now_ms, max_age_ms, trusted, seen
    )


def _fork(data: bytes, anchor: Path, trusted: Trusted, verdict: Verdict) -> str | None:
    """The first line where the bundle's block is certified, and a pinned one of the same height is another."""
    if verdict.height is None or verdict.height not in trusted.pinned_heights:
        return None
    shown, _ = shown_in(data)
    for known in AnchorFolder(anchor).checkpoints():
        if known.header.height == verdict.height and identity(known) != identity(shown):
            return (
                f"NOT PROVEN: the bundle stands on block {shown.header.hash.hex()[:16]} at height {verdict.height}, the "
                f"anchor has pinned {known.header.hash.hex()[:16]} there, and a quorum signed both: the ledger forked; "
                f"keep the file and run custody anchor add on it."
            )
    return None


def age_ms(text: str) -> int:
    """A length of time as `90min`, `24h` or `7d` in milliseconds; FormError usage otherwise."""
    match = _AGE.fullmatch(text.strip())
    if match is None:
        raise FormError(Code.USAGE, f"expected an age as 90min, 24h or 7d, got {text[:32]!a}")
    return int(match[1]) * _UNITS_MS[match[2]]


def presented_from(
    *,
    by: str | None = None,
    at: str | None = None,
    container_number: str | None = None,
    seal: str | None = None,
    count: int | None = None,
) -> Presented:
    """What the officer sees, in the ledger's spelling; FormError usage names what cannot be read."""
    try:
        return Presented(
            by=None if by is None else _organisation(by),
            place=None if at is None else place(at).text,
            container=None if container_number is None else _container(container_number),
            seal=None if seal is None else seal_number(seal),
            inside=count,
        )
    except CustodyError as error:
        raise FormError(Code.USAGE, error.message) from None


def _organisation(text: str) -> str:
    if _ORGANISATION.fullmatch(text) is None:
        raise FormError(Code.USAGE, f"expected a member's id, as carrier, got {text[:64]!a}")
    return text


def _container(text: str) -> str:
    """A container's number, or any unit in any spelling: an item may also be presented in a pallet."""
    return (
        subject(text).text if ":" in text or text.startswith("(") or text.isdigit() else container(text).text
    )
