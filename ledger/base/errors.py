"""One tree of errors, each with a documented code.

Every error a caller may see descends from `CustodyError` and carries a `Code`. The message is one sentence that
names what was expected and what came; it never holds a secret. Raising leaves all state unchanged.

    CustodyError
    +-- FormError          untrusted bytes or values of the wrong form (also: over a cap, not canonical)
    +-- SignatureError     a signature, key or attestation that does not hold
    +-- EntitlementError   well formed and signed, by somebody not entitled to it
    +-- RuleError          an item that execution refuses (a failed receipt)
    +-- ProofError         a bundle, proof or certificate that does not prove what it claims
    |     +-- ForkError    certified by a quorum, and contradicting what is pinned (`ledger.proof.anchor`)
    +-- ConsensusError     a validator must stop: its own state contradicts what a quorum certified
    +-- StorageError       files that are damaged, foreign, locked or full
    +-- UnavailableError   asked for something that is not (yet) here
"""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """Stable machine-readable codes; problem types are `urn:custody:<code>`."""

    # Form
    MALFORMED = "malformed"
    NOT_CANONICAL = "not_canonical"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    DUPLICATE_KEY = "duplicate_key"
    DUPLICATE_SUBJECT = "duplicate_subject"
    BAD_IDENTIFIER = "bad_identifier"
    BAD_CHECK_DIGIT = "bad_check_digit"
    BAD_TIME = "bad_time"
    UNSUPPORTED_VERSION = "unsupported_version"
    CONTEXT_REDEFINES = "context_redefines"
    PERSON_IDENTIFIER = "person_identifier"
    # Authentication and entitlement
    BAD_SIGNATURE = "bad_signature"
    BAD_KEY = "bad_key"
    UNKNOWN_KEY = "unknown_key"
    WRONG_USE = "wrong_use"
    WRONG_NETWORK = "wrong_network"
    WRONG_EPOCH = "wrong_epoch"
    NOT_APPROVED = "not_approved"
    EXPIRED = "expired"
    KEY_EXPIRED = "key_expired"
    NOT_YET_VALID = "not_yet_valid"
    REVOKED = "revoked"
    COMPROMISED = "compromised"
    EXPIRY_TOO_FAR = "expiry_too_far"
    REPEATED = "repeated"
    NOT_ENTITLED = "not_entitled"
    ATTESTATION_REPEATED = "attestation_repeated"
    EXTRACT_DIFFERS = "extract_differs"
    ROLLED_BACK = "rolled_back"
    SUSPENDED = "suspended"
    NOT_APPLICABLE = "not_applicable"
    NOT_OPEN = "not_open"
    ALREADY_VOTED = "already_voted"
    ERASED = "erased"
    LIMIT = "limit"
    # Proof
    NOT_PROVEN = "not_proven"
    UNUSED_BYTES = "unused_bytes"
    FOREIGN_ANCHOR = "foreign_anchor"
    INCOMPLETE = "incomplete"
    # Node
    DIVERGED = "diverged"
    DAMAGED = "damaged"
    LOCKED = "locked"
    FOREIGN_DATA = "foreign_data"
    DISK_FULL = "disk_full"
    UNKNOWN_SUBJECT = "unknown_subject"
    UNKNOWN_TRANSACTION = "unknown_transaction"
    UNKNOWN_BLOCK = "unknown_block"
    HISTORY_INCOMPLETE = "history_incomplete"
    PRUNED = "pruned"
    OVERLOADED = "overloaded"
    UNAVAILABLE = "unavailable"
    UNAUTHORISED = "unauthorised"
    PORT_IN_USE = "port_in_use"
    CLOCK = "clock"
    USAGE = "usage"
    # Interfaces
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    NOT_ACCEPTABLE = "not_acceptable"
    TIMED_OUT = "timed_out"
    INTERNAL = "internal"


class CustodyError(Exception):
    """Base of every error of this project: a `code` and one clear sentence."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.message} [{self.code.value}]"


class FormError(CustodyError):
    """Untrusted bytes or values of the wrong form."""


class SignatureError(CustodyError):
    """A signature, key or attestation that does not hold."""


class EntitlementError(CustodyError):
    """Well formed and signed, by somebody not entitled to it."""


class RuleError(CustodyError):
    """An item that execution refuses."""


class ProofError(CustodyError):
    """A proof that does not prove what it claims."""


class ConsensusError(CustodyError):
    """A validator must stop: its own state contradicts what a quorum certified."""


class StorageError(CustodyError):
    """Files that are damaged, foreign, locked or full."""


class UnavailableError(CustodyError):
    """Asked for something that is not (yet) here."""
