"""Domain-separated SHA-256 (WIRE.md §2).

    tagged_hash(tag, network, data) = SHA-256(tag padded with zeros to 16 bytes || network id (32 bytes) || data)

No two kinds of thing, and no two networks, share a preimage: a hash of a link can never be shown as one of a record,
nor a proof of one network in another. The genesis, which names the network, is hashed under 32 zero bytes.
"""

from __future__ import annotations

import hashlib
from enum import Enum
from typing import Final

HASH_BYTES: Final = 32
ZERO_HASH: Final = bytes(HASH_BYTES)


class Tag(bytes, Enum):
    """What is hashed or signed. Each tag is ASCII, padded to 16 bytes, and used for one thing only."""

    GENESIS = b"genesis".ljust(16, b"\0")
    EVENT = b"event".ljust(16, b"\0")
    CONTEXT = b"context".ljust(16, b"\0")
    STATEMENT = b"statement".ljust(16, b"\0")
    EXTRACT = b"extract".ljust(16, b"\0")
    SUBJECT_LEAF = b"subject leaf".ljust(16, b"\0")
    SUBJECT_SALT = b"subject salt".ljust(16, b"\0")
    ITEM = b"item".ljust(16, b"\0")
    ATTESTATION = b"attestation".ljust(16, b"\0")
    TRANSACTION = b"transaction".ljust(16, b"\0")
    ENTRY = b"entry".ljust(16, b"\0")
    LINK = b"link".ljust(16, b"\0")
    CHAIN_HEAD = b"chain head".ljust(16, b"\0")
    RECORD = b"record".ljust(16, b"\0")
    RELATED_LEAF = b"related leaf".ljust(16, b"\0")
    RELATED_SALT = b"related salt".ljust(16, b"\0")
    RELATED_ROOT = b"related root".ljust(16, b"\0")
    STATE_KEY = b"state key".ljust(16, b"\0")
    STATE_BUCKET = b"state bucket".ljust(16, b"\0")
    STATE_NODE = b"state node".ljust(16, b"\0")
    REGISTRY_LEAF = b"registry leaf".ljust(16, b"\0")
    REGISTRY_ROOT = b"registry root".ljust(16, b"\0")
    RECEIPT = b"receipt".ljust(16, b"\0")
    BATCHES = b"batches".ljust(16, b"\0")
    BATCH = b"batch".ljust(16, b"\0")
    HEADER = b"header".ljust(16, b"\0")
    OUTCOME = b"outcome".ljust(16, b"\0")
    VALIDATORS = b"validators".ljust(16, b"\0")
    PROPOSAL = b"proposal".ljust(16, b"\0")
    NOTARISE = b"notarise".ljust(16, b"\0")
    NULLIFY = b"nullify".ljust(16, b"\0")
    FINALISE = b"finalise".ljust(16, b"\0")
    EVIDENCE = b"evidence".ljust(16, b"\0")
    LEADER = b"leader".ljust(16, b"\0")
    POSSESSION = b"possession".ljust(16, b"\0")
    APPROVAL = b"approval".ljust(16, b"\0")
    ENROLMENT = b"enrolment".ljust(16, b"\0")
    CERTIFICATE = b"certificate".ljust(16, b"\0")
    KEY_ID = b"key id".ljust(16, b"\0")
    HYBRID = b"hybrid".ljust(16, b"\0")
    CREDENTIAL = b"credential".ljust(16, b"\0")
    ASSERTION = b"assertion".ljust(16, b"\0")
    GOVERNANCE = b"governance".ljust(16, b"\0")


def tagged_hash(tag: Tag, network: bytes, data: bytes) -> bytes:
    """SHA-256 over tag (16 bytes), network id (32 bytes) and data: 32 bytes."""
    return hashlib.sha256(tag + network + data).digest()


def signing_message(tag: Tag, network: bytes, data: bytes) -> bytes:
    """What an Ed25519 signature over `data` covers: the tagged hash itself (32 bytes)."""
    return tagged_hash(tag, network, data)
