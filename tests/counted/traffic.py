"""What is counted over: transactions of events as a packaging line sends them, the same bytes on every run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import count

from ledger.base.encoding import decode, encode
from ledger.base.keys import Signer
from ledger.chain.transaction import Item, event_hash, sign_transaction
from ledger.trade.extract import extract
from node.local.protocol import OpenBytes, Submission
from tests.bench.load import event_of


def _drawn() -> Iterator[bytes]:
    for number in count():
        yield hashlib.sha256(b"counted %d" % number).digest()


class Line:
    """A packaging line whose organisation signs what it makes; `expiry_ms` of all its transactions."""

    def __init__(self, key: Signer, organisation: str, network: bytes, expiry_ms: int) -> None:
        self._key = key
        self._organisation = organisation
        self._network = network
        self._expiry_ms = expiry_ms
        self._drawn = _drawn()

    def _random(self) -> bytes:
        return next(self._drawn)[:16]

    def submission(self, numbers: Sequence[int], *, is_first: bool = True) -> Submission:
        """One transaction with an open event for each item number, and their bytes."""
        items, payloads = [], []
        for number in numbers:
            event = event_of(number, is_first=is_first)
            salt = self._random()
            statement, subjects = extract(event, None)
            hashed = event_hash(self._network, salt, None, event)
            items.append(Item(statement, subjects, self._random(), hashed, None, None))
            payloads.append(OpenBytes(salt, None, event))
        signed = sign_transaction(
            self._key,
            self._network,
            self._organisation,
            decode(encode(items), max_bytes=10_000_000),
            nonce=self._random(),
            expiry_ms=self._expiry_ms,
        )
        return Submission(signed.to_bytes(), (), tuple(payloads))
