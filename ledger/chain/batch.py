"""Batches of transactions, which blocks name by digest (CONSENSUS 5; WIRE_TRANSPORT.md).

    batch = [origin, number, [transaction bytes, ...]]                  its digest is over exactly these bytes

What is checked here depends on bytes alone, never on state, so every validator judges alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ledger.base import limits
from ledger.base.encoding import decode, encode, take_array, take_bytes, take_int
from ledger.base.errors import Code, FormError
from ledger.base.hashing import Tag, tagged_hash
from ledger.chain.block import COUNTER_MAX
from ledger.chain.epoch import change_of
from ledger.chain.transaction import Kind, Transaction, check_protocol, transaction_from_bytes


class BatchHead(NamedTuple):
    """What a batch says beside its transactions: with these in order, its bytes are made again."""

    origin: int
    number: int
    transactions: int
    """How many transactions it has."""


class Batch(NamedTuple):
    """A batch whose transactions were parsed; whether they were checked is the maker's business."""

    digest: bytes
    data: bytes
    transactions: tuple[Transaction, ...]

    @property
    def size(self) -> int:
        """Bytes that count against BLOCK_BYTES."""
        return len(self.data)

    @property
    def change(self) -> Transaction | None:
        """The change of epoch that is its one transaction, if it is one."""
        first = self.transactions[0]
        return first if first.header.kind == Kind.EPOCH_CHANGE else None

    @property
    def subjects(self) -> int:
        """Subjects that count against SUBJECTS_PER_BLOCK."""
        return sum(transaction.subject_count for transaction in self.transactions)

    @property
    def ids(self) -> tuple[bytes, ...]:
        """Transaction ids, in order."""
        return tuple(transaction.id for transaction in self.transactions)


def make_batch(
    network: bytes, origin: int, number: int, transactions: Sequence[Transaction], encoded: Sequence[bytes]
) -> Batch:
    """A batch of checked transactions; `encoded` are their bytes."""
    data = encode((origin, number, encoded))
    return Batch(batch_digest(network, data), data, tuple(transactions))


def batch_digest(network: bytes, data: bytes) -> bytes:
    """The digest by which blocks name a batch."""
    return tagged_hash(Tag.BATCH, network, data)


def take_apart(batches: Iterable[bytes]) -> tuple[tuple[BatchHead, ...], tuple[bytes, ...]]:
    """The heads and the encoded transactions of stored batches, in order."""
    heads, transactions = [], []
    for data in batches:
        origin, number, encoded = decode(data, max_bytes=limits.BLOCK_BYTES)
        heads.append(BatchHead(origin, number, len(encoded)))
        transactions += encoded
    return tuple(heads), tuple(transactions)


def put_together(heads: Iterable[BatchHead], transactions: Sequence[bytes]) -> tuple[bytes, ...]:
    """The batches that `take_apart` took apart; FormError if the heads count more or fewer transactions."""
    batches, start = [], 0
    for head in heads:
        batches.append(
            encode((head.origin, head.number, tuple(transactions[start : start + head.transactions])))
        )
        start += head.transactions
    if start != len(transactions):
        raise FormError(
            Code.MALFORMED, f"expected {start} transactions, as the batches count, got {len(transactions)}"
        )
    return tuple(batches)


def parse_batch_head(value: Any) -> BatchHead:
    """A BatchHead from its array; FormError."""
    origin, number, count = take_array(value, "batch head", 3)
    return BatchHead(
        take_int(origin, "batch origin", 0, limits.VALIDATORS_MAX - 1),
        take_int(number, "batch number", 0, COUNTER_MAX),
        take_int(count, "batch count", 1, limits.TRANSACTIONS_PER_BLOCK),
    )


def batch_from_bytes(
    data: bytes, network: bytes, *, digest: bytes | None = None, check_signatures: bool = True
) -> Batch:
    """Parse a batch and check form, caps and signatures; FormError or SignatureError.

    `digest` is of who has made it of `data` already. `check_signatures=False` is for batches that this node checked before it
    stored them.
    """
    origin, number, encoded = take_array(decode(data, max_bytes=limits.BLOCK_BYTES), "batch", 3)
    take_int(origin, "batch origin", 0, limits.VALIDATORS_MAX - 1)
    take_int(number, "batch number", 0, COUNTER_MAX)
    take_array(encoded, "batch transactions", most=limits.TRANSACTIONS_PER_BLOCK)
    transactions = tuple(
        transaction_from_bytes(take_bytes(member, "transaction"), network) for member in encoded
    )
    batch = Batch(digest or batch_digest(network, data), data, transactions)
    if not transactions:
        raise FormError(Code.MALFORMED, "expected a batch of at least one transaction, got none")
    if batch.subjects > limits.SUBJECTS_PER_BLOCK:
        raise FormError(
            Code.LIMIT,
            f"expected at most {limits.SUBJECTS_PER_BLOCK} subjects in a batch, got {batch.subjects}",
        )
    if any(change_of(transaction) is not None for transaction in transactions) and len(transactions) > 1:
        raise FormError(Code.MALFORMED, "expected a change of epoch in a batch of its own")
    if check_signatures:
        for transaction in transactions:
            transaction.check_signature()
    return batch


def check_batch_protocol(batch: Batch, protocol: int) -> None:
    """Raise FormError unless blocks of the protocol version may have all transactions of the batch."""
    for transaction in batch.transactions:
        check_protocol(transaction.header, protocol)
