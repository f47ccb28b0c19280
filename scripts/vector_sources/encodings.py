"""Values and their one encoding, and bytes that encode nothing (WIRE.md §1)."""

from __future__ import annotations

from typing import Any

from ledger.base.encoding import decode, encode
from ledger.base.errors import FormError

VALUES: tuple[tuple[str, Any], ...] = (
    ("nil", None), ("false", False), ("true", True), ("0", 0), ("127", 127), ("128", 128), ("256", 256), ("65536", 65_536),
    ("2^32", 2**32), ("2^64 - 1", 2**64 - 1), ("-1", -1), ("-32", -32), ("-33", -33), ("-129", -129), ("-2^63", -(2**63)),
    ("empty text", ""), ("text", "custody"), ("text of 32 characters", "a" * 32), ("text beyond ASCII", "ü"),
    ("empty bytes", b""), ("bytes", bytes(range(4))), ("256 bytes", bytes(256)), ("empty array", ()),
    ("nested arrays", (1, (2, (None, "x")))), ("array of 16", (0,) * 16),
)  # fmt: skip
REFUSED = (
    "", "cc01", "cd0001", "d0ff", "d90161", "c5000100", "dc000100", "ce0000ffff", "0000", "91", "a261", "c1", "a1ff", "a3eda080",
    "80", "8100c0", "ca00000000", "cb0000000000000000", "c70000", "d40000", "d6ff00000000", "ddffffffff", "91" * 17 + "00",
)  # fmt: skip


def _code(data: bytes) -> str:
    try:
        decode(data, max_bytes=1_000)
    except FormError as error:
        return error.code.value
    raise ValueError(data.hex())


def generate() -> Any:
    """Values with their bytes in hexadecimal; bytes with the code they are refused with."""
    return {
        "values": [{"name": name, "bytes": encode(value).hex()} for name, value in VALUES],
        "refused": [{"bytes": text, "code": _code(bytes.fromhex(text))} for text in REFUSED],
    }
