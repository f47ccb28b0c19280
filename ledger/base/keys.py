"""Ed25519, alone or with ML-DSA-65 beside it, with one answer everywhere (CONSENSUS 3; WIRE.md §3; RFC 8032 §5.1.7).

Libraries differ on edge cases (libsodium and OpenSSL were measured to), and a ledger whose replicas differ on one
signature forks. So a signature is valid iff

1. S < L,
2. A and R are canonical encodings (y < p, and not the "negative zero" x) and not of small order,
3. the cofactorless equation [S]B = R + [k]A holds, which libsodium decides by recomputing R and comparing bytes.

1 and 2 are checked here, before any library sees the bytes. There is no batch verification. The identity of a signed
thing is the hash of what is signed, never of the signature.

A *hybrid* key is an Ed25519 key and an ML-DSA-65 key, one after the other; so are its signatures, and BOTH halves must hold.
Both sign H(hybrid, key id ‖ message): neither half of a hybrid signature holds as a plain one, nor beside another half. Which a
key is shows in its length, so plain keys and signatures are the bytes they always were. A key is known by its *key id*, 32
bytes: a plain one is its own, a hybrid one's is H(key id, key).
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from nacl import bindings
from nacl.exceptions import BadSignatureError

from ledger.base import mldsa
from ledger.base.encoding import take_bytes
from ledger.base.errors import Code, SignatureError
from ledger.base.hashing import ZERO_HASH, Tag, tagged_hash

PUBLIC_KEY_BYTES: Final = 32
SEED_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
KEY_ID_BYTES: Final = 32
HYBRID_PUBLIC_KEY_BYTES: Final = PUBLIC_KEY_BYTES + mldsa.PUBLIC_KEY_BYTES
HYBRID_SEED_BYTES: Final = SEED_BYTES + mldsa.SEED_BYTES
HYBRID_SIGNATURE_BYTES: Final = SIGNATURE_BYTES + mldsa.SIGNATURE_BYTES
_P: Final = 2**255 - 19
_L: Final = 2**252 + 27742317777372353535851937790883648493
_SIGN_BIT: Final = 2**255

# The y coordinates of the eight points of small order (orders 1, 2, 4 and 8); with either sign bit none is acceptable.
_SMALL_ORDER_Y: Final = frozenset(
    {
        0,
        1,
        _P - 1,
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
    }
)


def is_canonical_point(encoded: bytes) -> bool:
    """Whether 32 bytes are a canonical point encoding (y < p) that is not one of the small-order points."""
    y = int.from_bytes(encoded, "little") & (_SIGN_BIT - 1)
    return y < _P and y not in _SMALL_ORDER_Y


def key_id(public_key: bytes) -> bytes:
    """What the ledger knows a key by, 32 bytes; of 32 bytes these themselves, so the id of an id is the id."""
    if len(public_key) == PUBLIC_KEY_BYTES:
        return public_key
    return tagged_hash(Tag.KEY_ID, ZERO_HASH, public_key)


def is_hybrid(public_key: bytes) -> bool:
    """Whether a public key is a hybrid one, by its length."""
    return len(public_key) == HYBRID_PUBLIC_KEY_BYTES


def signature_bytes(public_key: bytes) -> int:
    """How long the signatures of a key are."""
    return HYBRID_SIGNATURE_BYTES if is_hybrid(public_key) else SIGNATURE_BYTES


def take_public_key(value: Any, field: str) -> bytes:
    """`value` as a plain or a hybrid public key, by its length; FormError. That it is valid is not checked here."""
    if type(value) is bytes and len(value) == HYBRID_PUBLIC_KEY_BYTES:
        return value
    return take_bytes(value, field, PUBLIC_KEY_BYTES)


def take_signature(value: Any, field: str) -> bytes:
    """`value` as a signature by a plain or a hybrid key, by its length; FormError."""
    if type(value) is bytes and len(value) == HYBRID_SIGNATURE_BYTES:
        return value
    return take_plain_signature(value, field)


def take_plain_signature(value: Any, field: str) -> bytes:
    """`value` as a signature by a plain key; FormError."""
    return take_bytes(value, field, SIGNATURE_BYTES)


def is_valid_public_key(public_key: bytes) -> bool:
    """Whether `public_key` is 32 bytes, canonical, on the curve's main subgroup and not of small order; or begins so and is hybrid.

    Every string of 1,952 bytes is the encoding of an ML-DSA-65 key (FIPS 204 algorithm 23).
    """
    if len(public_key) == HYBRID_PUBLIC_KEY_BYTES:
        public_key = public_key[:PUBLIC_KEY_BYTES]
    if len(public_key) != PUBLIC_KEY_BYTES or not is_canonical_point(public_key):
        return False
    return bool(bindings.crypto_core_ed25519_is_valid_point(public_key))


def is_signature(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` by `public_key` over `message` holds under the rules above; False for lengths that are none."""
    if len(public_key) == HYBRID_PUBLIC_KEY_BYTES:
        return _is_hybrid_signature(public_key, message, signature)
    if len(signature) != SIGNATURE_BYTES or len(public_key) != PUBLIC_KEY_BYTES:
        return False
    if int.from_bytes(signature[32:], "little") >= _L:
        return False
    if not is_canonical_point(public_key) or not is_canonical_point(signature[:32]):
        return False
    try:
        bindings.crypto_sign_open(signature + message, public_key)
    except (BadSignatureError, ValueError):
        return False
    return True


def _is_hybrid_signature(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """The plain half first: it costs a quarter of the other."""
    if len(signature) != HYBRID_SIGNATURE_BYTES:
        return False
    bound = _bound(public_key, message)
    return is_signature(public_key[:PUBLIC_KEY_BYTES], bound, signature[:SIGNATURE_BYTES]) and mldsa.holds(
        public_key[PUBLIC_KEY_BYTES:], bound, signature[SIGNATURE_BYTES:]
    )


def _bound(public_key: bytes, message: bytes) -> bytes:
    """What both halves of a hybrid key sign."""
    return tagged_hash(Tag.HYBRID, ZERO_HASH, key_id(public_key) + message)


def check_signature(public_key: bytes, message: bytes, signature: bytes) -> None:
    """Raise SignatureError(bad_signature) unless `is_signature`."""
    if not is_signature(public_key, message, signature):
        raise SignatureError(
            Code.BAD_SIGNATURE,
            f"expected a valid signature by key {key_id(public_key).hex()[:16]}, it does not hold",
        )


class Signer(Protocol):
    """Whatever signs as one public key: a key in memory, plain or hybrid, or one that never leaves a token."""

    @property
    def public_key(self) -> bytes:
        """32 bytes, or 1,984 of a hybrid key."""

    def sign(self, message: bytes) -> bytes:
        """A signature over `message` that `is_signature` under the public key; SignatureError where it cannot be had."""


class SigningKey:
    """An Ed25519 private key. Its representation never shows the secret."""

    __slots__ = ("_secret", "public_key")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise SignatureError(Code.BAD_KEY, f"expected a seed of {SEED_BYTES} bytes, got {len(seed)}")
        self.public_key, self._secret = bindings.crypto_sign_seed_keypair(seed)

    @classmethod
    def from_seed(cls, seed: bytes) -> SigningKey:
        """The key derived from a 32-byte seed (RFC 8032 §5.1.5)."""
        return cls(seed)

    @property
    def seed(self) -> bytes:
        """The 32-byte seed, for storing the key encrypted."""
        return self._secret[:SEED_BYTES]

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature over `message`."""
        return bindings.crypto_sign(message, self._secret)[:SIGNATURE_BYTES]

    def __repr__(self) -> str:
        return f"SigningKey({self.public_key.hex()[:16]}...)"


class HybridKey:
    """An Ed25519 signer, in memory or in a token, and an ML-DSA-65 key that sign together."""

    __slots__ = ("classical", "_lattice", "public_key")

    def __init__(self, classical: Signer, lattice: mldsa.LatticeKey) -> None:
        self.classical = classical
        """The Ed25519 half, for what only knows Ed25519: certificates, HTTP message signatures."""
        self._lattice = lattice
        self.public_key = classical.public_key + lattice.public_key

    @classmethod
    def from_seed(cls, seed: bytes) -> HybridKey:
        """The key of an Ed25519 seed and an ML-DSA-65 seed, 32 bytes each."""
        return cls(SigningKey(seed[:SEED_BYTES]), mldsa.LatticeKey(seed[SEED_BYTES:]))

    @property
    def seed(self) -> bytes:
        """Both seeds (64 bytes), for storing the key encrypted; SignatureError bad_key where a token keeps one."""
        if not isinstance(self.classical, SigningKey):
            raise SignatureError(
                Code.BAD_KEY, "expected a key whose seeds are known, a token keeps one of this one's"
            )
        return self.classical.seed + self._lattice.seed

    def sign(self, message: bytes) -> bytes:
        """The signature over `message`, 3,373 bytes."""
        bound = _bound(self.public_key, message)
        return self.classical.sign(bound) + self._lattice.sign(bound)

    def __repr__(self) -> str:
        return f"HybridKey({key_id(self.public_key).hex()[:16]}...)"
