"""Counting what costs time: SHA-256, encoding, decoding, and Ed25519, wherever `ledger` and `node` call them.

The primitives themselves are replaced, in every module that has them by whatever name, so moving code does not change a
count. What was bound before (a hash object copied from one made at import, a packer's bound method) is not seen: make such
things in a function. Memories of functions are emptied first, so that a count does not depend on which tests ran before.
"""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final, Self

import msgpack
from nacl import bindings

from ledger.base.hashing import Tag

_PACKAGES: Final = ("ledger", "node", "client")
_TAG_BYTES: Final = 16
_TAGS: Final = {bytes(tag): bytes(tag).rstrip(b"\0").decode() for tag in Tag}
_MERKLE: Final = {0: "Merkle leaf", 1: "Merkle node"}

_sha256 = hashlib.sha256
_Packer = msgpack.Packer
_unpackb = msgpack.unpackb
_check = bindings.crypto_sign_open
_sign = bindings.crypto_sign


@dataclass
class Counts:
    """What ran since it was made, or cleared."""

    hashes: Counter[str] = field(default_factory=Counter)
    """By tag (`ledger.base.hashing`); of Merkle trees, which hash without one, leaves and nodes."""
    encodings: int = 0
    decodings: int = 0
    checks: Counter[bytes] = field(default_factory=Counter)
    """Ed25519 signatures checked, by public key."""
    signatures: int = 0

    def clear(self) -> None:
        """Begin again."""
        self.hashes.clear()
        self.checks.clear()
        self.encodings = self.decodings = self.signatures = 0

    def hashed(self) -> dict[str, int]:
        """Hashes by tag, as a plain dictionary."""
        return dict(sorted(self.hashes.items()))


class _CountedHash:
    """A hash object that is counted when it is asked for its digest."""

    def __init__(self, counts: Counts, inner: Any, begun: bytes) -> None:
        self._counts = counts
        self._inner = inner
        self._begun = begun

    def update(self, data: bytes) -> None:
        self._begun = (self._begun + data[:_TAG_BYTES])[:_TAG_BYTES]
        self._inner.update(data)

    def copy(self) -> Self:
        return type(self)(self._counts, self._inner.copy(), self._begun)

    def digest(self) -> bytes:
        self._counts.hashes[_name(self._begun)] += 1
        return bytes(self._inner.digest())

    def hexdigest(self) -> str:
        return self.digest().hex()


def _name(begun: bytes) -> str:
    return _TAGS.get(begun) or (_MERKLE.get(begun[0], "other") if begun else "other")


def _replacements(counts: Counts) -> dict[int, tuple[Any, Any]]:
    """By identity: each primitive, and what counts and then does it."""

    def sha256(data: Any = b"", **options: Any) -> Any:
        return _CountedHash(counts, _sha256(data, **options), bytes(data[:_TAG_BYTES]))

    class Packer(_Packer):
        def pack(self, value: Any) -> bytes:
            counts.encodings += 1
            return bytes(super().pack(value))

    def packb(value: Any, **options: Any) -> bytes:
        return Packer(**options).pack(value)

    def unpackb(data: bytes, **options: Any) -> Any:
        counts.decodings += 1
        return _unpackb(data, **options)

    def crypto_sign_open(signed: bytes, public_key: bytes) -> bytes:
        counts.checks[public_key] += 1
        return bytes(_check(signed, public_key))

    def crypto_sign(message: bytes, secret: bytes) -> bytes:
        counts.signatures += 1
        return bytes(_sign(message, secret))

    pairs = (
        (_sha256, sha256),
        (_Packer, Packer),
        (msgpack.packb, packb),
        (_unpackb, unpackb),
        (_check, crypto_sign_open),
        (_sign, crypto_sign),
    )
    return {id(plain): (plain, counted) for plain, counted in pairs}


def _modules() -> list[ModuleType]:
    own = [module for name, module in list(sys.modules.items()) if name.partition(".")[0] in _PACKAGES]
    return [hashlib, msgpack, bindings, *own]


@contextmanager
def counting() -> Iterator[Counts]:
    """Within: every use of the primitives by the ledger and the node is counted."""
    counts = Counts()
    replaced = _replacements(counts)
    before: list[tuple[ModuleType, str, Any]] = []
    for module in _modules():
        for name, value in list(vars(module).items()):
            if hasattr(value, "cache_clear"):
                value.cache_clear()
            if id(value) in replaced:
                plain, counted = replaced[id(value)]
                before.append((module, name, plain))
                setattr(module, name, counted)
    try:
        yield counts
    finally:
        for module, name, plain in before:
            setattr(module, name, plain)


__all__ = ["Counts", "counting"]
