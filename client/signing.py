"""Prepared events -> signed transactions, and the files they are carried in (DESIGN §4 Transaction).

Two kinds of file, both canonical msgpack and told apart by their first member:

    ["custody prepared", 1, network, organisation, [[item, payload] ...]]          unsigned, perhaps attested by a device
    ["custody submission", 1, network, [[transaction, [payload ...]] ...]]         signed, of use until it expires

A signature lasts for an hour of block time at most, so what a driver captured offline travels as prepared events and is
signed when it is submitted. A submission is what retries repeat byte by byte: its transaction ids are the idempotency
keys. Files keep all payloads; those of restricted events never leave with the request (`request_body`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from client.prepare import check_prepared, payload_from_wire, prepared_from_wire, wire_of
from ledger.base import limits
from ledger.base.encoding import decode, encode, take_array, take_ascii, take_bytes, take_int
from ledger.base.errors import Code, FormError, SignatureError
from ledger.base.hashing import HASH_BYTES
from ledger.base.keys import Signer
from ledger.chain.signing import Payload, Prepared, RandomBytes, Signed, sign_events
from ledger.chain.transaction import (
    ORGANISATION_BYTES,
    Kind,
    Mode,
    transaction_from_bytes,
)
from ledger.trade.statement import Openness, Statement

LIFETIME_MS: Final = 30 * 60_000
"""How long a signature is of use by default: half of what the ledger takes, so that clocks may differ."""
FILE_BYTES: Final = 256_000_000
PREPARED: Final = "custody prepared"
SUBMISSION: Final = "custody submission"
_VERSION: Final = 1
_HEADER_BYTES: Final = 1_000  # more than header, signature and array heads of a transaction take


class Submission(NamedTuple):
    """Signed transactions of one network, in the order in which they are meant."""

    network: bytes
    signed: tuple[Signed, ...]

    def to_bytes(self) -> bytes:
        """The file."""
        return encode(
            (
                SUBMISSION,
                _VERSION,
                self.network,
                tuple((s.transaction.to_bytes(), s.payloads) for s in self.signed),
            )
        )

    @property
    def expiry_ms(self) -> int:
        """When the first of its transactions expires, in block time."""
        return min(one.transaction.header.expiry_ms for one in self.signed)

    def parts(self) -> Iterator[Submission]:
        """The submission in pieces, each small enough for one request."""
        held: list[Signed] = []
        size = 0
        for one in self.signed:
            weight = one.weight
            is_full = size + weight > limits.SUBMISSION_BYTES - _HEADER_BYTES
            if held and (is_full or len(held) == limits.SUBMISSION_TRANSACTIONS):
                yield Submission(self.network, tuple(held))
                held, size = [], 0
            held.append(one)
            size += weight
        if held:
            yield Submission(self.network, tuple(held))

    def prepared(self) -> tuple[Prepared, ...]:
        """All events, in order."""
        return tuple(event for one in self.signed for event in one.prepared())

    def request_body(self) -> bytes:
        """The body of a POST to /v1/transactions: `[[transaction, [payload | nil ...]] ...]`, restricted bytes left out."""
        return encode(
            [(one.transaction.to_bytes(), [travelling(*pair) for pair in _pairs(one)]) for one in self.signed]
        )


class PreparedFile(NamedTuple):
    """Prepared events of one organisation, to be signed later."""

    network: bytes
    organisation: str
    events: tuple[Prepared, ...]

    def to_bytes(self) -> bytes:
        """The file."""
        return encode((PREPARED, _VERSION, self.network, self.organisation, wire_of(self.events)))


def _pairs(signed: Signed) -> Iterator[tuple[Any, Payload]]:
    return zip(signed.transaction.items, signed.payloads, strict=True)


def travelling(item: Any, payload: Payload) -> Payload | None:
    """The payload that goes with an item of a transaction: none where the author keeps the bytes back."""
    return payload if Statement._make(item[0]).openness == Openness.OPEN else None


def sign(
    key: Signer,
    organisation: str,
    events: Sequence[Prepared],
    *,
    now_ms: int,
    lifetime_ms: int = LIFETIME_MS,
    mode: Mode = Mode.EACH_ON_ITS_OWN,
    random_bytes: RandomBytes = os.urandom,
) -> Submission:
    """Events of one network as few transactions signed by `key`, in order.

    Raises FormError: usage for none, too_large where all-or-nothing events do not fit into one transaction.
    """
    signed = sign_events(
        key, organisation, events, expiry_ms=now_ms + lifetime_ms, mode=mode, random_bytes=random_bytes
    )
    return Submission(events[0].network, signed)


def read_file(data: bytes, network: bytes) -> Submission | PreparedFile:
    """A file of either kind, of that network; FormError or SignatureError (wrong_network) otherwise."""
    members = decode(data, max_bytes=FILE_BYTES)
    if type(members) is not tuple or not members or members[0] not in (PREPARED, SUBMISSION):
        raise FormError(Code.MALFORMED, "expected a file of prepared or signed events, got something else")
    fields = take_array(members, "file", 5 if members[0] == PREPARED else 4)
    if take_int(fields[1], "version") != _VERSION:
        raise FormError(Code.UNSUPPORTED_VERSION, f"expected file version {_VERSION}, got {fields[1]}")
    found = take_bytes(fields[2], "network", HASH_BYTES)
    if found != network:
        raise SignatureError(
            Code.WRONG_NETWORK,
            f"expected a file of network {network.hex()[:16]}, got one of {found.hex()[:16]}",
        )
    if fields[0] == PREPARED:
        organisation = take_ascii(fields[3], "organisation", ORGANISATION_BYTES)
        events = take_array(fields[4], "events")
        return PreparedFile(
            network, organisation, tuple(prepared_from_wire(network, organisation, event) for event in events)
        )
    return Submission(network, tuple(_signed(one, network) for one in take_array(fields[3], "transactions")))


def _signed(value: Any, network: bytes) -> Signed:
    data, payloads = take_array(value, "signed transaction", 2)
    transaction = transaction_from_bytes(take_bytes(data, "transaction"), network)
    if transaction.header.kind != Kind.EVENTS:
        raise FormError(Code.MALFORMED, "expected a transaction of events, got another kind")
    transaction.check_signature()
    taken = take_array(payloads, "payloads", len(transaction.items))
    signed = Signed(transaction, tuple(payload_from_wire(payload) for payload in taken))
    for prepared in signed.prepared():
        check_prepared(prepared, transaction.header.organisation)
    return signed
