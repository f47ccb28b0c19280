"""Ed25519 with one answer everywhere (CONSENSUS 3; RFC 8032 §5.1.7).

Libraries differ on edge cases (libsodium and OpenSSL were measured to), and a ledger whose replicas differ on one
signature forks. So a signature is valid iff

1. S < L,
2. A and R are canonical encodings (y < p, and not the "negative zero" x) and not of small order,
3. the cofactorless equation [S]B = R + [k]A holds, which libsodium decides by recomputing R and comparing bytes.

1 and 2 are checked here, before any library sees the bytes. There is no batch verification. The identity of a signed
thing is the hash of what is signed, never of the signature.
"""

from __future__ import annotations

from typing import Final

from nacl import bindings
from nacl.exceptions import BadSignatureError

from ledger.base.errors import Code, SignatureError

PUBLIC_KEY_BYTES: Final = 32
SEED_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
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


def is_valid_public_key(public_key: bytes) -> bool:
    """Whether `public_key` is 32 bytes, canonical, on the curve's main subgroup and not of small order."""
    if len(public_key) != PUBLIC_KEY_BYTES or not is_canonical_point(public_key):
        return False
    return bool(bindings.crypto_core_ed25519_is_valid_point(public_key))


def is_signature(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` (64 bytes) by `public_key` (32 bytes) over `message` holds under the rules above."""
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


def check_signature(public_key: bytes, message: bytes, signature: bytes) -> None:
    """Raise SignatureError(bad_signature) unless `is_signature`."""
    if not is_signature(public_key, message, signature):
        raise SignatureError(
            Code.BAD_SIGNATURE,
            f"expected a valid Ed25519 signature by key {public_key.hex()[:16]}, it does not hold",
        )


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
