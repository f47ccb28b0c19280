"""Acts that are no custody events: votes, registrations, erasures, approvals (`ledger.chain.transaction.Kind`).

They carry nothing beside them, so one signed transaction is all there is. `done` turns what the ledger said of it into a
receipt for each item, or into the error it was refused with.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from client.protocol import Wait
from client.signing import LIFETIME_MS
from ledger.base.encoding import decode, encode
from ledger.base.errors import Code, CustodyError, UnavailableError
from ledger.base.limits import TRANSACTION_BYTES
from ledger.chain.signing import RandomBytes
from ledger.chain.transaction import NONCE_BYTES, Kind, Mode, Transaction, sign_transaction

if TYPE_CHECKING:
    from client.gateway import Gateway
    from client.protocol import Standing
    from ledger.base.keys import Signer


def sign_acts(
    key: Signer,
    network: bytes,
    organisation: str,
    kind: Kind,
    items: Sequence[Any],
    *,
    now_ms: int,
    random_bytes: RandomBytes = os.urandom,
) -> Transaction:
    """The items of one kind as a transaction that executes all of them or none."""
    wire = decode(encode(tuple(items)), max_bytes=TRANSACTION_BYTES)
    return sign_transaction(
        key,
        network,
        organisation,
        wire,
        nonce=random_bytes(NONCE_BYTES),
        expiry_ms=now_ms + LIFETIME_MS,
        kind=kind,
        mode=Mode.ALL_OR_NOTHING,
    )


def act(
    client: Gateway,
    key: Signer,
    network: bytes,
    organisation: str,
    kind: Kind,
    items: Sequence[Any],
    *,
    now_ms: int,
) -> Standing:
    """Sign the items, hand them in, and wait until all are executed; raises as `done` does where they are not."""
    signed = sign_acts(key, network, organisation, kind, items, now_ms=now_ms)
    return done(client.hand_in([signed])[0])


def request_body(transactions: Sequence[Transaction]) -> bytes:
    """The body of a POST to /v1/transactions for transactions without payloads."""
    return encode([(one.to_bytes(), [None] * len(one.items)) for one in transactions])


def done(standing: Standing) -> Standing:
    """The standing if every item was executed.

    Raises CustodyError with the code of the first item that was refused, or of the transaction as a whole;
    UnavailableError where it is not final.
    """
    refused = next(
        (one for one in standing.receipts if one.refusal and one.refusal != Code.ROLLED_BACK), None
    )
    if refused is not None and refused.refusal:
        raise CustodyError(
            Code(refused.refusal),
            f"expected item {refused.place + 1} to be executed, the ledger refused it: {refused.refusal}",
        )
    if standing.status != Wait.FINAL:
        code = Code(standing.code or Code.UNAVAILABLE)
        raise UnavailableError(
            code, standing.detail or f"expected a final transaction, it is {standing.status}"
        )
    return standing
