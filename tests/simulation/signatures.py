"""A stand-in for Ed25519's two primitives: as fast as a hash, and as good in a simulation where nobody forges one.

It is put under `ledger.base.keys`, so everything above it is the real thing: forms, sizes and canonical points are checked,
and every signature is made and verified where the real node does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from nacl import bindings
from nacl.exceptions import BadSignatureError

from ledger.base import keys


def _stub(public_key: bytes, message: bytes) -> bytes:
    """64 bytes with the form of a signature: R below p, S below L."""
    digest = hashlib.sha512(public_key + message).digest()
    return digest[:31] + b"\x01" + digest[32:63] + b"\x00"


class StubBindings:
    """What `ledger.base.keys` uses of nacl.bindings."""

    crypto_core_ed25519_is_valid_point = staticmethod(bindings.crypto_core_ed25519_is_valid_point)
    crypto_sign_seed_keypair = staticmethod(bindings.crypto_sign_seed_keypair)

    @staticmethod
    def crypto_sign(message: bytes, secret: bytes) -> bytes:
        return _stub(secret[32:], message) + message

    @staticmethod
    def crypto_sign_open(signed: bytes, public_key: bytes) -> bytes:
        if _stub(public_key, signed[64:]) != signed[:64]:
            raise BadSignatureError
        return signed[64:]


class RememberingBindings:
    """The real primitives, each signature verified once: all nodes of a simulation stand in one process."""

    crypto_core_ed25519_is_valid_point = staticmethod(bindings.crypto_core_ed25519_is_valid_point)
    crypto_sign_seed_keypair = staticmethod(bindings.crypto_sign_seed_keypair)
    crypto_sign = staticmethod(bindings.crypto_sign)
    crypto_sign_open = staticmethod(lru_cache(maxsize=20_000)(bindings.crypto_sign_open))


@contextmanager
def signatures(*, real: bool) -> Iterator[None]:
    """Within: real signatures, or the stand-in."""
    before = vars(keys)["bindings"]
    try:
        vars(keys)["bindings"] = RememberingBindings if real else StubBindings
        yield
    finally:
        vars(keys)["bindings"] = before
