"""Hybrid keys as the ledger accepts them: a signature, and what lacks either half of one (SIGNATURES 1).

ML-DSA signs with fresh randomness, so no signature can be made twice: the one in the file is kept as long as it holds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ledger.base.keys import SIGNATURE_BYTES, HybridKey, SigningKey, is_signature, key_id

KEPT = Path(__file__).resolve().parent.parent.parent / "tests" / "vectors" / "hybrid.json"
SEED = bytes(range(64))
MESSAGE = b"a message"


def generate() -> Any:
    """A key of two seeds with its id; (key, message, signature) with whether it holds."""
    key = HybridKey.from_seed(SEED)
    signature = _kept(key)
    plain = SigningKey.from_seed(SEED[:32])
    first, second = signature[:SIGNATURE_BYTES], signature[SIGNATURE_BYTES:]
    cases = [
        ("as signed", key.public_key, MESSAGE, signature),
        ("another message", key.public_key, b"another", signature),
        ("a bit of the Ed25519 half", key.public_key, MESSAGE, _flipped(signature, 40)),
        ("a bit of the ML-DSA half", key.public_key, MESSAGE, _flipped(signature, 2_000)),
        ("the last bit of the hints", key.public_key, MESSAGE, _flipped(signature, len(signature) - 1)),
        ("the Ed25519 half alone", key.public_key, MESSAGE, first),
        ("the ML-DSA half alone", key.public_key, MESSAGE, second),
        ("halves exchanged", key.public_key, MESSAGE, second + first),
        ("an Ed25519 half over the bare message", key.public_key, MESSAGE, plain.sign(MESSAGE) + second),
        ("the Ed25519 half as of the plain key", plain.public_key, MESSAGE, first),
        ("another key's lattice half", _flipped(key.public_key, 1_000), MESSAGE, signature),
    ]
    return {
        "seed": SEED.hex(),
        "public_key": key.public_key.hex(),
        "key_id": key_id(key.public_key).hex(),
        "signatures": [
            {
                "name": name,
                "public_key": a.hex(),
                "message": m.hex(),
                "signature": s.hex(),
                "holds": is_signature(a, m, s),
            }
            for name, a, m, s in cases
        ],
    }


def _kept(key: HybridKey) -> bytes:
    if KEPT.is_file():
        kept = bytes.fromhex(json.loads(KEPT.read_text(encoding="ascii"))["signatures"][0]["signature"])
        if is_signature(key.public_key, MESSAGE, kept):
            return kept
    return key.sign(MESSAGE)


def _flipped(data: bytes, place: int) -> bytes:
    changed = bytearray(data)
    changed[place] ^= 1
    return bytes(changed)
