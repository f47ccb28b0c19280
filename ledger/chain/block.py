"""Blocks and what executing them gives (DESIGN §4; WIRE_CONSENSUS §2).

A *header* is what is proposed; its tagged hash is the block's identity. It commits to the exact batches (`batches
hash`) as well as to the transactions in them (`transactions root`), so two blocks with the same transactions out of
different batches are different blocks. An *outcome* is what executing the block on its parent's state gives; it names
its parent's outcome, so one certified outcome certifies all below it. Nothing here depends on how blocks are ordered.

The genesis block has height 0, no batches and no parent (32 zero bytes); its outcome carries the roots that the
genesis document leads to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from ledger.base import merkle
from ledger.base.encoding import encode, take_array, take_bool, take_bytes, take_int
from ledger.base.errors import Code, FormError
from ledger.base.hashing import HASH_BYTES, ZERO_HASH, Tag, tagged_hash
from ledger.base.limits import BATCHES_PER_BLOCK, VALIDATORS_MAX

PROTOCOL_OLDEST: Final = 1
PROTOCOL_NEWEST: Final = 2
"""The protocol versions that this software knows: 2 added governance, registration, erasure and approval by persons."""
HYBRID_SINCE: Final = 2
"""The protocol version from which on keys may be hybrid."""
COUNTER_MAX: Final = 2**63 - 1  # epochs, views, heights, times: fits a signed 64-bit integer everywhere


class Header(NamedTuple):
    """What is proposed and voted on."""

    version: int
    """Protocol version, that of the block's epoch."""
    network: bytes
    """Network id, 32 bytes."""
    epoch: int
    """Which validator set orders it, from 0."""
    closes_epoch: bool
    """Whether it is the last block of its epoch."""
    height: int
    """Distance from genesis, which is 0."""
    parent: bytes
    """Header hash of the block before, 32 bytes."""
    time_ms: int
    """Block time, Unix milliseconds, above the parent's."""
    proposer: int
    """Index of the validator that made it (0 in genesis)."""
    transactions_root: bytes
    """RFC 6962 root over the transaction ids of all batches in order."""
    batches_hash: bytes
    """Tagged hash over the list of batch digests."""

    @property
    def hash(self) -> bytes:
        """The block's identity, 32 bytes."""
        return tagged_hash(Tag.HEADER, self.network, encode(self))


class Block(NamedTuple):
    """A header and the digests (32 bytes each, distinct) of the batches it orders."""

    header: Header
    batches: tuple[bytes, ...]


class Outcome(NamedTuple):
    """What executing a block on its parent's state gives; every member but the size is 32 bytes."""

    header_hash: bytes
    parent_outcome_hash: bytes
    """32 zero bytes in genesis."""
    receipts_root: bytes
    """RFC 6962 root over the receipts of the block, in order."""
    event_log_root: bytes
    """Root of the append-only log over all entries of the chain up to this block."""
    event_log_size: int
    """How many entries that log has."""
    state_root: bytes
    registry_root: bytes
    validators_hash: bytes
    """Hash of the set that certifies this block."""
    next_validators_hash: bytes
    """Hash of the set that certifies the next one."""

    def hash_in(self, network: bytes) -> bytes:
        """The outcome hash that finalise votes sign, 32 bytes."""
        return tagged_hash(Tag.OUTCOME, network, encode(self))


def batches_hash(network: bytes, digests: Sequence[bytes]) -> bytes:
    """The hash by which a header commits to its list of batch digests."""
    return tagged_hash(Tag.BATCHES, network, encode(digests))


def transactions_root(transaction_ids: Sequence[bytes]) -> bytes:
    """The RFC 6962 root over transaction ids in order."""
    return merkle.root(transaction_ids)


def genesis_header(network: bytes, time_ms: int, version: int) -> Header:
    """The header of height 0."""
    return Header(
        version=version,
        network=network,
        epoch=0,
        closes_epoch=False,
        height=0,
        parent=ZERO_HASH,
        time_ms=time_ms,
        proposer=0,
        transactions_root=merkle.EMPTY_ROOT,
        batches_hash=batches_hash(network, ()),
    )


def genesis_outcome(
    header: Header, *, state_root: bytes, registry_root: bytes, validators_hash: bytes
) -> Outcome:
    """The outcome of height 0: nothing executed, the given roots, the first validators."""
    return Outcome(
        header_hash=header.hash,
        parent_outcome_hash=ZERO_HASH,
        receipts_root=merkle.EMPTY_ROOT,
        event_log_root=merkle.EMPTY_ROOT,
        event_log_size=0,
        state_root=state_root,
        registry_root=registry_root,
        validators_hash=validators_hash,
        next_validators_hash=validators_hash,
    )


def parse_header(value: Any) -> Header:
    """A header from its wire form (10 members); FormError."""
    fields = take_array(value, "header", 10)
    return Header(
        version=check_version(take_int(fields[0], "header version")),
        network=take_bytes(fields[1], "header network", HASH_BYTES),
        epoch=take_int(fields[2], "header epoch", 0, COUNTER_MAX),
        closes_epoch=take_bool(fields[3], "header closes epoch"),
        height=take_int(fields[4], "header height", 0, COUNTER_MAX),
        parent=take_bytes(fields[5], "header parent", HASH_BYTES),
        time_ms=take_int(fields[6], "header time", 0, COUNTER_MAX),
        proposer=take_int(fields[7], "header proposer", 0, VALIDATORS_MAX - 1),
        transactions_root=take_bytes(fields[8], "header transactions root", HASH_BYTES),
        batches_hash=take_bytes(fields[9], "header batches hash", HASH_BYTES),
    )


def check_version(version: int) -> int:
    """The protocol version, if this software knows it; FormError."""
    if not PROTOCOL_OLDEST <= version <= PROTOCOL_NEWEST:
        raise FormError(
            Code.UNSUPPORTED_VERSION,
            f"expected protocol version {PROTOCOL_OLDEST} .. {PROTOCOL_NEWEST}, got {version}: install software that knows it",
        )
    return version


def parse_block(value: Any) -> Block:
    """A block from its wire form, `[header, [digest, ...]]`; FormError, also if the header names other batches."""
    header_value, digest_values = take_array(value, "block", 2)
    header = parse_header(header_value)
    digests = take_array(digest_values, "block batches", most=BATCHES_PER_BLOCK)
    for digest in digests:
        take_bytes(digest, "block batch digest", HASH_BYTES)
    if batches_hash(header.network, digests) != header.batches_hash:
        raise FormError(Code.MALFORMED, "expected the batch digests that the header commits to, got others")
    return Block(header, digests)


def parse_outcome(value: Any) -> Outcome:
    """An outcome from its wire form (9 members); FormError."""
    fields = take_array(value, "outcome", 9)
    for name, field in zip(Outcome._fields, fields, strict=True):
        if name == "event_log_size":
            take_int(field, "outcome event log size", 0, COUNTER_MAX)
        else:
            take_bytes(field, f"outcome {name}", HASH_BYTES)
    return Outcome(*fields)
