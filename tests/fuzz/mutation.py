"""Alters valid bytes: as bytes, and as the values they stand for, encoded again so that the outer form still holds.

Random bytes die at the first field. A value of which one node, anywhere, is another type, a boundary, doubled, dropped, or
taken from elsewhere gets as far as the check of that node; sometimes two or three are altered at once.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgpack

from tests.proof.forgery import alterations, replaced

Path = tuple[int, ...]
_INTEGERS: Final = (
    0,
    1,
    -1,
    127,
    128,
    255,
    256,
    65_535,
    65_536,
    2**31,
    2**32,
    2**53,
    2**53 + 1,
    2**63 - 1,
    2**63,
    2**64 - 1,
    -(2**63),
)
_ODD: Final[tuple[Any, ...]] = (
    None, True, False, *_INTEGERS, 1.5, float("nan"), float("inf"), {}, {"a": 1}, "", b"", (), "x" * 600, b"\0" * 33, b"\0" * 32,
    "\udfff".encode("utf-8", "surrogatepass"), "ä", "\u202e", "a b", "\0", ((),) * 20, (0,) * 70, msgpack.ExtType(5, b"x"),
    msgpack.Timestamp(1, 2), (((((((((((((((((),),),),),),),),),),),),),),),),),
)  # fmt: skip
_HEADS: Final = tuple(bytes((head,)) for head in (0x80, 0x90, 0x9F, 0xA0, 0xC0, 0xC1, 0xC4, 0xC6, 0xC7, 0xCA, 0xCB, 0xCC, 0xCD,
                                                  0xCE, 0xCF, 0xD0, 0xD3, 0xD4, 0xD9, 0xDB, 0xDC, 0xDD, 0xDF, 0xFF))  # fmt: skip
_JSON: Final[tuple[Any, ...]] = (
    None,
    True,
    -1,
    0,
    10**18,
    10**400,
    1e308,
    float("inf"),
    float("nan"),
    "",
    "@id",
    "urn:",
    [],
    {},
    [[]] * 40,
    "x" * 700,
    "\ud800",
    "\0",
)
_TOKENS: Final = tuple(
    token.encode()
    for token in (
        '"', "\\", "\\ud800", "\\u0000", "{", "}", "[", "]", ",", ":", "9" * 20, "1e999", "-0", "NaN", "Infinity", "null", "[" * 40,
        '{"a":' * 40, "\ufeff", "\u2028", "\n", "\r", "=", "''", '"""', "#", "true", "1979-05-27T07:32:00Z", "%00", "%", "urn:epc:",
        "(01)", "://", "\0", "inf", "0x" + "f" * 5_000, "[[peers]]\n", "x.y.z = 1\n",
    )
)  # fmt: skip


_MARKUP: Final = tuple(
    token.encode()
    for token in (
        "<", ">", "</", "/>", "<a>", "</a>", "<a/>", "&", "&lt;", "&#0;", "&#x110000;", "&x;", "<![CDATA[", "]]>", "<!--", "-->", "<?a?>",
        "<!DOCTYPE a>", '<!DOCTYPE a [<!ENTITY x "y">]>', ' xmlns="a"', ' xmlns:b="c"', ' xmlns:custody="https://custody-ledger.org/ns/"',
        ' custody:kind="json"', ' custody:kind="number"', ' custody:kind="array"', ' custody:kind="null"', " custody:context='[{}]'",
        "<custody:event>{}</custody:event>", ' xml:lang="en"', ' xml:space="preserve"', ' xsi:nil="true"', "<extension>", "</extension>",
        "<epcis:a/>", "<b:c/>", "text", "NaN", "INF", "-0", "1e999", "\ufeff", "<QuantityEvent>", 'schemaVersion="1.2"',
    )
)  # fmt: skip
_TOKENS_OF: Final = {"msgpack": _HEADS, "binary": _HEADS, "xml": _MARKUP}


def mutate(data: bytes, form: str, others: Sequence[bytes], draw: random.Random) -> bytes:
    """Another input made from `data`; `others` are what parts are taken from."""
    by_value = _BY_VALUE.get(form)
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        if by_value is not None and draw.random() < 0.7:
            data = by_value(data, others, draw)
        else:
            data = _bytes_altered(data, form, others, draw)
    return data


def _bytes_altered(data: bytes, form: str, others: Sequence[bytes], draw: random.Random) -> bytes:
    at = draw.randint(0, len(data))
    until = min(len(data), at + draw.choice((0, 1, 1, 2, 4, 9, 33)))
    other = draw.choice(others)
    start = draw.randint(0, len(other))
    put: bytes = draw.choice((
        b"", bytes((draw.randrange(256),)), draw.choice(_TOKENS_OF.get(form, _TOKENS)),
        data[at:until] * 2, draw.randbytes(draw.choice((1, 4, 8))), other[start : start + 40],
        draw.choice(_INTEGERS).to_bytes(9, "big", signed=True)[-draw.choice((1, 2, 4, 8)) :],
    ))  # fmt: skip
    if draw.random() < 0.05:
        return data[:at]
    return data[:at] + put + data[until:]


# --- msgpack values


def _unpacked(data: bytes) -> Any:
    return msgpack.unpackb(
        data, use_list=False, raw=False, strict_map_key=False, unicode_errors="surrogateescape"
    )


def random_node(value: Any, draw: random.Random) -> tuple[Path, Any]:
    """A node of a tree of arrays and the way to it; deep ones as likely as shallow ones."""
    path: Path = ()
    while type(value) is tuple and value and draw.random() < 0.85:
        place = draw.randrange(len(value))
        path, value = (*path, place), value[place]
    return path, value


def _msgpack_altered(data: bytes, others: Sequence[bytes], draw: random.Random) -> bytes:
    try:
        value = _unpacked(data)
        path, node = random_node(value, draw)
        return _packed(replaced(value, path, _another(node, others, draw)))
    except (ValueError, OverflowError, TypeError, msgpack.UnpackException, RecursionError):
        return _bytes_altered(data, "msgpack", others, draw)


def _packed(value: Any) -> bytes:
    return msgpack.packb(value, use_bin_type=True, unicode_errors="surrogateescape")


def _another(node: Any, others: Sequence[bytes], draw: random.Random) -> Any:
    roll = draw.random()
    if roll < 0.35:
        return draw.choice(list(alterations(node)))
    if roll < 0.55:
        return draw.choice(_ODD)
    if roll < 0.65 and type(node) is tuple and node:
        return node * draw.choice((2, 3, 40))
    if roll < 0.72 and type(node) is int:
        return draw.choice(_INTEGERS)
    if roll < 0.8:
        return (node,) if draw.random() < 0.5 else ((node, node),)
    other = _unpacked(draw.choice(others))
    taken = random_node(other, draw)[1]
    for _ in range(6):  # of the same type, if one is met
        if type(taken) is type(node):
            break
        taken = random_node(other, draw)[1]
    return taken


# --- JSON values


def _json_nodes(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict):
        for name in value:
            yield from _json_nodes(value[name], (*path, name))
    elif isinstance(value, list):
        for place, member in enumerate(value):
            yield from _json_nodes(member, (*path, place))


def _json_altered(data: bytes, others: Sequence[bytes], draw: random.Random) -> bytes:
    try:
        value, other = json.loads(data), json.loads(draw.choice(others))
        paths = list(_json_nodes(value))
        path = draw.choice(paths)
        taken = _json_at(other, draw.choice(list(_json_nodes(other))))
        new = draw.choice((draw.choice(_JSON), taken, taken, _json_at(value, draw.choice(paths))))
        if not path:
            return json.dumps(new).encode("utf-8", "surrogatepass")
        holder = _json_at(value, path[:-1])
        if draw.random() < 0.25:
            del holder[path[-1]]
        elif isinstance(holder, dict) and draw.random() < 0.3:
            holder[draw.choice((*_names(other), "@context", "custody:", "__proto__", "a:b"))] = new
        else:
            holder[path[-1]] = new
        return json.dumps(value, ensure_ascii=draw.random() < 0.7).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        return _bytes_altered(data, "json", others, draw)


def _json_at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def _names(value: Any) -> tuple[str, ...]:
    return tuple(value) if isinstance(value, dict) else ()


_BY_VALUE: Final[dict[str, Callable[[bytes, Sequence[bytes], random.Random], bytes]]] = {
    "msgpack": _msgpack_altered,
    "json": _json_altered,
}
