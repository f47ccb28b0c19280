"""A stretch of events -> signed transactions, the same ones whenever it is made again.

What is drawn at random elsewhere, salts and nonces, is here drawn from the journal's seed: SHAKE-256 of the seed, the stretch
and the attempt, so nobody without the seed can tell it from chance. Salts do not depend on the attempt, so an event keeps its
hash when it has to be signed anew; nonces do, so that is another transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from client.capture.document import Slice
from client.events.draft import Draft
from client.prepare import prepare
from client.signing import Submission
from ledger.base.errors import Code, FormError
from ledger.base.keys import Signer
from ledger.base.limits import SUBJECTS_PER_TRANSACTION
from ledger.chain.signing import sign_events
from ledger.chain.transaction import Mode
from ledger.trade.extract import extract
from ledger.trade.statement import Extract

SEED_BYTES: Final = 32
STRETCH_BYTES: Final = 1_500_000
"""Of events and their contexts in one transaction: with the extracts well below what a request holds."""
_BLOCK: Final = 8_192


class Taken(NamedTuple):
    """An event of a file: where it stands, its bytes, and what they say or why they say nothing."""

    place: int
    """Among all, from 0."""
    start: int
    """In the file, in bytes."""
    end: int
    event: bytes
    extract: Extract | None
    error: FormError | None


class Drawn:
    """Bytes that look drawn at random and are the same for the same seed and purpose."""

    def __init__(self, seed: bytes, *purpose: int) -> None:
        self._key = seed + b"".join(number.to_bytes(8, "big") for number in purpose)
        self._block = 0
        self._held = b""

    def __call__(self, size: int) -> bytes:
        """The next `size` bytes."""
        while len(self._held) < size:
            stream = hashlib.shake_256(self._key + self._block.to_bytes(8, "big"))
            self._held += stream.digest(_BLOCK)
            self._block += 1
        found, self._held = self._held[:size], self._held[size:]
        return found


def taken(place: int, found: Slice, context: bytes | None) -> Taken:
    """Read one event."""
    try:
        return Taken(place, *found, extract(found.event, context), None)
    except FormError as error:
        return Taken(place, *found, None, error)


class Maker:
    """Signs stretches of one file for one organisation."""

    def __init__(
        self, network: bytes, organisation: str, key: Signer, seed: bytes, context: bytes | None
    ) -> None:
        self.network = network
        self._organisation = organisation
        self._key = key
        self._seed = seed
        self._context = context

    def made(self, number: int, events: Sequence[Taken], attempt: int, expiry_ms: int) -> Submission:
        """A stretch as one signed transaction, of those events that can be read, at least one.

        FormError too_large where they do not fit into one, which `STRETCH_BYTES` and the caps of subjects keep from happening.
        """
        salts = Drawn(self._seed, number)
        prepared = [
            prepare(self.network, Draft(one.event, self._context, one.extract), random_bytes=salts)
            for one in events
            if one.extract is not None
        ]
        signed = sign_events(
            self._key,
            self._organisation,
            prepared,
            expiry_ms=expiry_ms,
            mode=Mode.EACH_ON_ITS_OWN,
            random_bytes=Drawn(self._seed, number, attempt),
        )
        if len(signed) != 1:
            raise FormError(
                Code.TOO_LARGE, f"expected stretch {number} to fit into one transaction, it does not"
            )
        return Submission(self.network, signed)


def stretches(events: Iterable[Taken], per_transaction: int, context: bytes | None) -> Iterator[list[Taken]]:
    """Consecutive events, as many as one transaction carries and at most `per_transaction`."""
    held: list[Taken] = []
    size = subjects = 0
    for one in events:
        weight = len(one.event) + len(context or b"")
        more = 0 if one.extract is None else len(one.extract.subjects)
        is_full = (
            len(held) == per_transaction
            or size + weight > STRETCH_BYTES
            or subjects + more > SUBJECTS_PER_TRANSACTION
        )
        if held and is_full:
            yield held
            held, size, subjects = [], 0, 0
        held.append(one)
        size += weight
        subjects += more
    if held:
        yield held
