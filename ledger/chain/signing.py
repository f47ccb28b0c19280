"""Events with their bytes -> few signed transactions (DESIGN §4 Item, Bytes, Transaction; WIRE.md §4).

Whoever signs does it here: a member's client with its own key, a gateway with its capture key for clients that have none.
Salts and nonces come from the caller, this package draws nothing. Two salts belong to every event: its own hides the bytes
behind the event hash and is erased with them; the subject salt lets one subject be shown without the others.

Invariant: the events of a transaction keep their order, and with their bytes it fits into one request (`SUBMISSION_BYTES`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from ledger.base import limits
from ledger.base.encoding import decode, encode
from ledger.base.errors import Code, FormError, SignatureError
from ledger.base.keys import Signer, signature_bytes
from ledger.chain.transaction import (
    NONCE_BYTES,
    SALT_BYTES,
    Item,
    Mode,
    Transaction,
    context_hash,
    event_hash,
    item_from_wire,
    sign_transaction,
)
from ledger.trade.statement import Extract

RandomBytes = Callable[[int], bytes]
_PAYLOAD_BYTES: Final = 40  # salt and heads of a payload's members
_HEADER_BYTES: Final = (
    904  # more than header and array heads of a transaction take, its key and signature aside
)


class Payload(NamedTuple):
    """The bytes behind an event hash. Wire form: an array of these fields."""

    salt: bytes
    context: bytes | None
    event: bytes

    @property
    def weight(self) -> int:
        """At least what it adds to a request, in bytes."""
        return _PAYLOAD_BYTES + len(self.event) + len(self.context or b"")


class Prepared(NamedTuple):
    """An event ready to be attested or signed."""

    network: bytes
    item: Item
    payload: Payload


class Signed(NamedTuple):
    """A transaction and the payloads of its items, in order."""

    transaction: Transaction
    payloads: tuple[Payload, ...]

    @property
    def weight(self) -> int:
        """At least what it adds to a request, in bytes."""
        return self.transaction.size + sum(payload.weight for payload in self.payloads)

    def prepared(self) -> tuple[Prepared, ...]:
        """Its events as they were before they were signed. FormError where an item is of the wrong form."""
        network = self.transaction.header.network
        pairs = zip(self.transaction.items, self.payloads, strict=True)
        return tuple(Prepared(network, item_from_wire(item), payload) for item, payload in pairs)


def prepare_event(
    network: bytes, event: bytes, context: bytes | None, extract: Extract, random_bytes: RandomBytes
) -> Prepared:
    """The item and payload of an event's bytes, whose extract the caller derived from them."""
    salt, subject_salt = random_bytes(SALT_BYTES), random_bytes(SALT_BYTES)
    item = Item(
        extract.statement,
        extract.subjects,
        subject_salt,
        event_hash(network, salt, context, event),
        context_hash(network, context),
        None,
    )
    return Prepared(network, item, Payload(salt, context, event))


def sign_events(
    key: Signer,
    organisation: str,
    events: Sequence[Prepared],
    *,
    expiry_ms: int,
    mode: Mode,
    random_bytes: RandomBytes,
) -> tuple[Signed, ...]:
    """Events of one network as few transactions signed by `key`, in order.

    Raises FormError: usage for none, too_large where all-or-nothing events do not fit into one transaction.
    """
    if not events:
        raise FormError(Code.USAGE, "expected at least one event to sign, got none")
    groups = list(_groups(events, _HEADER_BYTES + len(key.public_key) + signature_bytes(key.public_key)))
    if mode == Mode.ALL_OR_NOTHING and len(groups) > 1:
        raise FormError(
            Code.TOO_LARGE,
            f"expected events of one all-or-nothing transaction within {limits.ITEMS_PER_TRANSACTION} items, "
            f"{limits.SUBJECTS_PER_TRANSACTION} subjects and {limits.TRANSACTION_BYTES} bytes, got more",
        )
    return tuple(_signed(key, organisation, group, expiry_ms, mode, random_bytes) for group in groups)


def _signed(
    key: Signer,
    organisation: str,
    group: list[Prepared],
    expiry_ms: int,
    mode: Mode,
    random_bytes: RandomBytes,
) -> Signed:
    # Read back from its bytes: what is hashed and signed is what others will decode.
    items = decode(encode([prepared.item for prepared in group]), max_bytes=limits.TRANSACTION_BYTES)
    transaction = sign_transaction(
        key,
        group[0].network,
        organisation,
        items,
        nonce=random_bytes(NONCE_BYTES),
        expiry_ms=expiry_ms,
        mode=mode,
    )
    return Signed(transaction, tuple(prepared.payload for prepared in group))


def _groups(events: Sequence[Prepared], head: int) -> Iterator[list[Prepared]]:
    group: list[Prepared] = []
    subjects = size = carried = 0
    for prepared in events:
        if prepared.network != events[0].network:
            raise SignatureError(Code.WRONG_NETWORK, "expected events of one network, got several")
        more = len(prepared.item.subjects)
        weight = len(encode(prepared.item))
        beside = prepared.payload.weight
        is_full = (
            len(group) == limits.ITEMS_PER_TRANSACTION
            or subjects + more > limits.SUBJECTS_PER_TRANSACTION
            or size + weight > limits.TRANSACTION_BYTES - head
            or size + weight + carried + beside > limits.SUBMISSION_BYTES - 2 * head
        )
        if group and is_full:
            yield group
            group, subjects, size, carried = [], 0, 0, 0
        group.append(prepared)
        subjects += more
        size += weight
        carried += beside
    if group:
        yield group
