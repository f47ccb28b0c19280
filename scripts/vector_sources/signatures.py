"""Ed25519 as the ledger accepts it: good signatures, and those on which libraries differ (CONSENSUS 3)."""

from __future__ import annotations

from typing import Any

from ledger.base.keys import SigningKey, is_signature, is_valid_public_key

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
SMALL_ORDER = (
    0, 1, P - 1, 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
    0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
)  # fmt: skip


def generate() -> Any:
    """Keys with whether they are valid; (key, message, signature) with whether it holds."""
    key = SigningKey.from_seed(bytes(range(32)))
    message = b"a message"
    signature = key.sign(message)
    scalar = int.from_bytes(signature[32:], "little")
    small = [(y | sign << 255).to_bytes(32, "little") for y in SMALL_ORDER for sign in (0, 1)]
    large = [y.to_bytes(32, "little") for y in (P, P + 1, P + 2, 2**255 - 1)]
    cases = [
        ("as signed", key.public_key, message, signature),
        ("another message", key.public_key, b"another", signature),
        ("S not reduced", key.public_key, message, signature[:32] + (scalar + L).to_bytes(32, "little")),
        ("S and R zero", key.public_key, message, bytes(64)),
        ("short", key.public_key, message, signature[:63]),
        *(
            (f"R of small order {n}", key.public_key, message, point + signature[32:])
            for n, point in enumerate(small)
        ),
        *(
            (f"A and R of small order {n}", point, message, point + bytes(32))
            for n, point in enumerate(small)
        ),
        *((f"A not reduced {n}", point, message, signature) for n, point in enumerate(large)),
    ]
    return {
        "keys": [
            {"public_key": point.hex(), "valid": is_valid_public_key(point)}
            for point in (key.public_key, *small, *large)
        ],
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
