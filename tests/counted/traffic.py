"""What is counted over: transactions of events as a packaging line sends them, the same bytes on every run."""

from __future__ import annotations

import hashlib
from itertools import count

from ledger.base.keys import Signer
from tests.bench.load import Author


def line(key: Signer, organisation: str, network: bytes, expiry_ms: int) -> Author:
    """A packaging line whose organisation signs what it makes; `expiry_ms` of all its transactions."""
    numbers = count()

    def drawn(length: int) -> bytes:
        return hashlib.sha256(b"counted %d" % next(numbers)).digest()[:length]

    return Author(key, organisation, network, drawn=drawn, expiry_ms=expiry_ms)
