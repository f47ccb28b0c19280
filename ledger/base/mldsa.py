"""ML-DSA-65 (FIPS 204), the lattice half of a hybrid key (WIRE.md §3; ADR 7).

This is the one module of the pure core that calls `cryptography`, and only once a hybrid key is met: a network of plain
keys never loads it. Verifying is a function of bytes: FIPS 204 fixes the encodings, and §3.6.2 bids a verifier refuse
lengths, hints and responses that are not exact, so that libraries cannot differ as they do on Ed25519. Signing is hedged with
randomness of the library's own; nothing may depend on two signatures over one message being equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ledger.base.errors import Code, SignatureError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey

PUBLIC_KEY_BYTES: Final = 1_952
SEED_BYTES: Final = 32
SIGNATURE_BYTES: Final = 3_309


def holds(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` by `public_key` over `message` (empty context) is valid; False for wrong lengths."""
    if len(public_key) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  # see above
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey  # noqa: PLC0415

    try:
        MLDSA65PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


class LatticeKey:
    """An ML-DSA-65 private key. Its representation never shows the secret."""

    __slots__ = ("_private", "public_key", "seed")

    def __init__(self, seed: bytes) -> None:
        """From the seed ξ of FIPS 204 algorithm 6, 32 bytes; SignatureError for another length."""
        if len(seed) != SEED_BYTES:
            raise SignatureError(Code.BAD_KEY, f"expected a seed of {SEED_BYTES} bytes, got {len(seed)}")
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey  # noqa: PLC0415

        self._private: MLDSA65PrivateKey = MLDSA65PrivateKey.from_seed_bytes(seed)
        self.seed = seed
        self.public_key = self._private.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """A signature over `message`, 3,309 bytes, another one each time."""
        return self._private.sign(message)

    def __repr__(self) -> str:
        return f"LatticeKey({self.public_key.hex()[:16]}...)"
