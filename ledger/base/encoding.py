"""Deterministic msgpack: one value, one encoding (DESIGN §4; WIRE.md §1).

The value space is nil, booleans, integers of -2^63 .. 2^64-1, byte strings, UTF-8 text and arrays. There are no maps,
floats or extension types. Integers and lengths take their shortest form. `decode` accepts exactly the image of
`encode`: it re-encodes what it read and compares, because stock decoders take `cd 00 01` for 1. Arrays decode as
tuples, so decoded values are hashable and cannot be changed behind a hash.

The `take_*` checks are the vocabulary of every wire parser: they compare exact types (`type(x) is int`, so that True is
never 1) and name the field they refuse.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgpack

from ledger.base.errors import Code, FormError
from ledger.base.limits import DECODE_DEPTH

type_name = {
    type(None): "nil",
    bool: "a boolean",
    int: "an integer",
    bytes: "bytes",
    str: "text",
    tuple: "an array",
}

_Packer = msgpack.Packer
_BUFFER_BYTES: Final = 256
"""What a packer begins with, and grows beyond; its own default of 256 KiB costs more than most values take to encode."""
_PLAIN: Final = frozenset({type(None), bool, int, bytes, str})
_UINT64_MAX: Final = 2**64 - 1
_VISIBLE: Final = bytes(range(0x21, 0x7F))


def encode(value: Any) -> bytes:
    """Encode a value (nil, bool, int, bytes, str, tuple or list) canonically.

    Only for values the caller built: types are not checked here, `decode` checks what came from outside.
    """
    # One packer a value: one that threads share is interrupted within a value, when memory is collected, and mixes them up.
    return _Packer(use_bin_type=True, buf_size=_BUFFER_BYTES).pack(value)  # type: ignore[call-arg]  # since 1.1, the stubs lack it


def encoder() -> Callable[[Any], bytes]:
    """`encode` for several values in a row. To be used up by the function that made it, never kept: see there."""
    return _Packer(use_bin_type=True, buf_size=_BUFFER_BYTES).pack  # type: ignore[call-arg]


def decode(data: bytes, *, max_bytes: int, max_depth: int = DECODE_DEPTH) -> Any:
    """Decode exactly one canonical value of at most `max_bytes` bytes and `max_depth` nested arrays.

    Raises FormError: too_large, too_deep, malformed (not msgpack, trailing bytes, a map, a float, an extension) or
    not_canonical (a longer form than needed).
    """
    if len(data) > max_bytes:
        raise FormError(
            Code.TOO_LARGE, f"expected at most {max_bytes} bytes of encoded value, got {len(data)}"
        )
    try:
        value = msgpack.unpackb(
            data, use_list=False, raw=False, strict_map_key=True, max_map_len=0, max_ext_len=0
        )
    except Exception as error:  # noqa: BLE001 - the C decoder raises half a dozen unrelated classes on bad input
        raise FormError(
            Code.MALFORMED, f"expected one canonical msgpack value, {_ill_formed(error)}"
        ) from None
    _check_shape(value, max_depth)
    if encode(value) != data:
        raise FormError(Code.NOT_CANONICAL, "expected the shortest encoding of each integer and length")
    return value


def decode_known(data: bytes) -> Any:
    """Decode what `encode` is known to have made: bytes whose hash is one that was made here, never what came from outside."""
    return msgpack.unpackb(data, use_list=False, raw=False)


def _ill_formed(error: Exception) -> str:
    """What the decoder's refusal means to whoever holds the bytes."""
    if isinstance(error, msgpack.ExtraData):
        return "bytes follow it"
    if isinstance(error, UnicodeDecodeError):
        return "a text in it is not UTF-8"
    if isinstance(error, msgpack.StackError):
        return "its arrays are nested too deeply"
    if isinstance(error, msgpack.FormatError):
        return "a byte in it begins no value"
    return "it is cut short, or has a map or an extension in it"


def _check_shape(value: Any, depth: int) -> None:
    """Refuse anything but the types of the value space, and deep nesting, anywhere inside `value`."""
    kind = type(value)
    if kind is tuple:
        if depth == 0:
            raise FormError(Code.TOO_DEEP, "expected fewer nested arrays")
        for member in value:
            if type(member) not in _PLAIN:
                _check_shape(member, depth - 1)
    elif kind not in _PLAIN:
        # A float, a map or an extension, of which the decoder lets an empty one through its cap of 0.
        raise FormError(Code.MALFORMED, f"expected no {kind.__name__} in a canonical value")


def _wrong(field: str, expected: str, value: Any) -> FormError:
    return FormError(
        Code.MALFORMED, f"{field}: expected {expected}, got {type_name.get(type(value), 'another type')}"
    )


def take_array(
    value: Any, field: str, length: int | None = None, *, most: int | None = None
) -> tuple[Any, ...]:
    """`value` as an array of exactly `length`, or of at most `most`, members."""
    if type(value) is not tuple:
        raise _wrong(field, "an array", value)
    if length is not None and len(value) != length:
        raise FormError(Code.MALFORMED, f"{field}: expected {length} members, got {len(value)}")
    if most is not None and len(value) > most:
        raise FormError(Code.TOO_LARGE, f"{field}: expected at most {most} members, got {len(value)}")
    return value


def take_int(value: Any, field: str, low: int = 0, high: int = _UINT64_MAX) -> int:
    """`value` as an integer of low .. high."""
    if type(value) is not int:
        raise _wrong(field, "an integer", value)
    if not low <= value <= high:
        raise FormError(Code.MALFORMED, f"{field}: expected {low} .. {high}, got {value}")
    return value


def take_bool(value: Any, field: str) -> bool:
    """`value` as a boolean."""
    if type(value) is not bool:
        raise _wrong(field, "a boolean", value)
    return value


def take_bytes(value: Any, field: str, length: int | None = None, *, most: int | None = None) -> bytes:
    """`value` as a byte string of exactly `length`, or of at most `most`, bytes."""
    if type(value) is not bytes:
        raise _wrong(field, "bytes", value)
    if length is not None and len(value) != length:
        raise FormError(Code.MALFORMED, f"{field}: expected {length} bytes, got {len(value)}")
    if most is not None and len(value) > most:
        raise FormError(Code.TOO_LARGE, f"{field}: expected at most {most} bytes, got {len(value)}")
    return value


def take_optional_bytes(value: Any, field: str, length: int) -> bytes | None:
    """nil, or a byte string of exactly `length` bytes."""
    return None if value is None else take_bytes(value, field, length)


def take_ascii(value: Any, field: str, most: int, *, least: int = 1) -> str:
    """`value` as printable ASCII text (0x21 .. 0x7e) of least .. most characters."""
    if type(value) is not str:
        raise _wrong(field, "text", value)
    if not least <= len(value) <= most:
        raise FormError(Code.TOO_LARGE, f"{field}: expected {least} .. {most} characters, got {len(value)}")
    if not value.isascii() or value.encode().translate(None, _VISIBLE):
        raise FormError(Code.MALFORMED, f"{field}: expected printable ASCII without spaces")
    return value


def take_optional_ascii(value: Any, field: str, most: int) -> str | None:
    """nil, or printable ASCII text of 1 .. most characters."""
    return None if value is None else take_ascii(value, field, most)
