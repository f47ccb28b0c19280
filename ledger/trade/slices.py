"""A strict JSON reader that keeps the author's bytes (EXTRACT.md §1).

What an author signs is the verbatim slice of each event and of the document's `@context`; nothing is ever re-serialised.
This reader finds those slices and reads one slice into plain values. It is ours because stock parsers differ by version
and environment in what they accept: here depth, sizes and digits are capped, and a duplicate key, a lone surrogate (raw
or escaped), NaN or Infinity, a byte order mark, a control character, ill-formed UTF-8 or a trailing byte is refused.
Where all of that is out of the question or is looked for, in slices of few brackets without escapes, the stock scanner reads,
which is quicker; whatever it does not like is read again here, so that the answer is always this reader's (`read_exactly`).

Values: dict in document order, list, str, `Number` (the digits as written: no value is ever a float), bool, None.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, NoReturn

from ledger.base.errors import Code, FormError
from ledger.base.limits import CONTEXT_BYTES, DOCUMENT_BYTES, EVENT_BYTES, JSON_DEPTH, JSON_DIGITS


class Number(NamedTuple):
    """A JSON number as it is written."""

    text: str


class Slices(NamedTuple):
    """The verbatim slices of one document, its `@context` value (None without one) and each event, and what frames them.

    `frame` is the document as a value in which the place of each slice holds None: of a list of events nothing but
    their number, and None of a single event, which is a slice wholly.
    """

    context: bytes | None
    events: tuple[bytes, ...]
    frame: dict[str, Any] | list[None] | None


class _Shape(NamedTuple):
    """Which parts of a document to mark: members by name, elements of an array, or the value itself.

    A marked value is checked, its place is kept and the value dropped, so that a large document stays small in memory.
    """

    mark: str | None = None
    members: Mapping[str, _Shape] | None = None
    elements: _Shape | None = None


_CONTEXT: Final = "context"
_EVENT: Final = "event"
_EVENTS: Final = _Shape(elements=_Shape(_EVENT))
_DOCUMENT: Final = _Shape(
    members={
        "@context": _Shape(_CONTEXT),
        "epcisBody": _Shape(
            members={
                "eventList": _EVENTS,
                "queryResults": _Shape(members={"resultsBody": _Shape(members={"eventList": _EVENTS})}),
            },
        ),
        "eventList": _EVENTS,
    },
    elements=_Shape(_EVENT),
)

_SPACES: Final = rb"[ \t\n\r]*"
_QUOTED: Final = rb'"([^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})[^"\\\x00-\x1f]*)*)"'
_SPACE: Final = re.compile(_SPACES)
_STRING: Final = re.compile(_QUOTED)
_MEMBER: Final = re.compile(_QUOTED + _SPACES + b":" + _SPACES)
_PLAIN: Final = rb'"([^"\\\x00-\x1f]*)"'
_PAIR: Final = re.compile(
    _PLAIN + _SPACES + b":" + _SPACES + _PLAIN + _SPACES + rb"(?:(,)" + _SPACES + rb"|\})"
)
"""A member whose name and value are text without escapes, and the comma or brace behind it: most members there are."""
_COMMA: Final = re.compile(_SPACES + b"," + _SPACES)
_NUMBER: Final = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_ESCAPE: Final = re.compile(r'\\(?:u([0-9A-Fa-f]{4})|(["\\/bfnrt]))')
_SHORT: Final = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORDS: Final = {b"true": True, b"false": False, b"null": None}
_NUMBER_BYTES: Final = JSON_DIGITS + 8  # sign, point, exponent mark and sign beside the digits


def document_slices(data: bytes) -> Slices:
    """The slices of an EPCIS 2.0 document, query document, array of events, or single event.

    Raises FormError: malformed, too_large, too_deep or duplicate_key, naming the byte offset. A single event keeps a
    `@context` of its own inside its slice; the context of the result is then None.
    """
    if len(data) > DOCUMENT_BYTES:
        raise FormError(
            Code.TOO_LARGE, f"expected a document of at most {DOCUMENT_BYTES} bytes, got {len(data)}"
        )
    reader = _Reader(data)
    start = reader.space(0)
    value, end = reader.value(start, JSON_DEPTH, _DOCUMENT)
    if reader.space(end) != len(data):
        raise reader.refuse(end, "the end of the document")
    if type(value) is dict and "epcisBody" not in value and "eventList" not in value:
        return Slices(None, (_capped(data[start:end], EVENT_BYTES, "an event"),), None)
    if type(value) is not dict and type(value) is not list:
        raise reader.refuse(start, "an EPCIS document, a list of events or an event")
    events = tuple(
        _capped(data[first:last], EVENT_BYTES, "an event") for first, last in reader.marks.get(_EVENT, ())
    )
    if not events:
        raise FormError(Code.MALFORMED, "expected at least one event under epcisBody, got none")
    for event in events:
        if event[:1] != b"{":
            raise FormError(Code.MALFORMED, f"expected each event to be an object, got {event[:32]!a}")
    contexts = reader.marks.get(_CONTEXT, ())
    context = _capped(data[contexts[0][0] : contexts[0][1]], CONTEXT_BYTES, "a context") if contexts else None
    return Slices(context, events, value)


def parse(data: bytes, most: int) -> Any:
    """The value of exactly one JSON slice of at most `most` bytes, without space around it.

    Raises FormError: malformed, too_large, too_deep or duplicate_key, naming the byte offset.
    """
    _capped(data, most, "a slice")
    if b"\\" not in data and data.count(b"{") + data.count(b"[") <= JSON_DEPTH:
        try:
            text = data.decode("utf-8")
            value, end = _SCANNER.raw_decode(text)
        except ValueError:  # the reader below knows why, or better
            return read_exactly(data)
        if end == len(text):
            return value
    return read_exactly(data)


def read_exactly(data: bytes) -> Any:
    """What `parse` gives, by this module's own reader alone."""
    reader = _Reader(data)
    value, end = reader.value(0, JSON_DEPTH, None)
    if end != len(data):
        raise reader.refuse(end, "the end of the slice")
    return value


def _object_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    return members if len(members) == len(pairs) else _leave(pairs)


def _short_number(text: str) -> Number:
    return Number(text) if len(text) <= JSON_DIGITS and text.isascii() else _leave(text)


def _leave(value: object) -> NoReturn:
    """Leave a slice to `read_exactly`: a key twice, a number that may be too long, NaN or Infinity."""
    raise ValueError(value)


_SCANNER: Final = json.JSONDecoder(
    object_pairs_hook=_object_once, parse_int=_short_number, parse_float=_short_number, parse_constant=_leave
)


def _capped(data: bytes, most: int, what: str) -> bytes:
    if len(data) > most:
        raise FormError(Code.TOO_LARGE, f"expected {what} of at most {most} bytes, got {len(data)}")
    return data


class _Reader:
    """Reads values of one byte string; each method takes an offset and returns the offset after what it read."""

    def __init__(self, data: bytes) -> None:
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise FormError(
                Code.MALFORMED, f"expected UTF-8, got other bytes at offset {error.start}"
            ) from None
        self._data = data
        self._ascii = data.decode("ascii") if data.isascii() else None
        self.marks: dict[str, list[tuple[int, int]]] = {}

    def refuse(self, at: int, expected: str) -> FormError:
        """The error for bytes at `at` that are not what the grammar expects there."""
        came = self._data[at : at + 16]
        return FormError(
            Code.MALFORMED,
            f"expected {expected} at offset {at}, got {f'{came!a}' if came else 'the end of the bytes'}",
        )

    def space(self, at: int) -> int:
        """The offset after any JSON whitespace."""
        match = _SPACE.match(self._data, at)
        return at if match is None else match.end()

    def value(self, at: int, depth: int, shape: _Shape | None) -> tuple[Any, int]:
        """The value that begins at `at`."""
        first = self._data[at : at + 1]
        if first == b'"':
            match = _STRING.match(self._data, at)
            if match is None:
                raise self.refuse(
                    at, "a string without control characters or unknown escapes, closed by a quote"
                )
            return self._text(match), match.end()
        if first == b"{":
            return self._object(at, depth, None if shape is None else shape.members)
        if first == b"[":
            return self._array(at, depth, None if shape is None else shape.elements)
        for word, meaning in _WORDS.items():
            if self._data.startswith(word, at):
                return meaning, at + len(word)
        return self._number(at)

    def _marked(self, at: int, depth: int, shape: _Shape) -> tuple[Any, int]:
        if shape.mark is None:
            return self.value(at, depth, shape)
        end = self._skimmed(at, depth) or self.value(at, depth, shape)[1]
        self.marks.setdefault(shape.mark, []).append((at, end))
        return None, end

    def _skimmed(self, at: int, depth: int) -> int | None:
        """The offset after the value at `at` by the stock scanner, where that cannot say otherwise than `value` (`parse`)."""
        if self._ascii is None:
            return None
        try:
            _, end = _SCANNER.raw_decode(self._ascii, at)
        except (ValueError, RecursionError):
            return None
        brackets = self._data.count(b"{", at, end) + self._data.count(b"[", at, end)
        return None if brackets > depth or self._data.find(b"\\", at, end) >= 0 else end

    def _object(self, at: int, depth: int, shapes: Mapping[str, _Shape] | None) -> tuple[dict[str, Any], int]:
        members: dict[str, Any] = {}
        at = self._opened(at, depth)
        if self._data[at : at + 1] == b"}":
            return members, at + 1
        while True:
            pair = _PAIR.match(self._data, at)
            if pair is not None:
                key = pair[1].decode("utf-8")
                if key not in members and (shapes is None or key not in shapes):
                    members[key] = pair[2].decode("utf-8")
                    at = pair.end()
                    if pair[3] is None:
                        return members, at
                    continue
            match = _MEMBER.match(self._data, at)
            if match is None:
                raise self.refuse(at, "a member name and a colon")
            key = self._text(match)
            if key in members:
                raise FormError(
                    Code.DUPLICATE_KEY, f"expected each member once, got {key[:64]!a} again at offset {at}"
                )
            shape = None if shapes is None else shapes.get(key)
            if shape is None:
                members[key], at = self.value(match.end(), depth - 1, None)
            else:
                members[key], at = self._marked(match.end(), depth - 1, shape)
            comma = _COMMA.match(self._data, at)
            if comma is None:
                return members, self._closed(at, b"}")
            at = comma.end()

    def _array(self, at: int, depth: int, shape: _Shape | None) -> tuple[list[Any], int]:
        elements: list[Any] = []
        at = self._opened(at, depth)
        if self._data[at : at + 1] == b"]":
            return elements, at + 1
        while True:
            element, at = (
                self.value(at, depth - 1, None) if shape is None else self._marked(at, depth - 1, shape)
            )
            elements.append(element)
            comma = _COMMA.match(self._data, at)
            if comma is None:
                return elements, self._closed(at, b"]")
            at = comma.end()

    def _opened(self, at: int, depth: int) -> int:
        if depth == 0:
            raise FormError(
                Code.TOO_DEEP, f"expected at most {JSON_DEPTH} nested values, got more at offset {at}"
            )
        return self.space(at + 1)

    def _closed(self, at: int, close: bytes) -> int:
        at = self.space(at)
        if self._data[at : at + 1] != close:
            raise self.refuse(at, f"a comma or {close.decode('ascii')}")
        return at + 1

    def _number(self, at: int) -> tuple[Number, int]:
        match = _NUMBER.match(self._data, at)
        if match is None:
            raise self.refuse(at, "a JSON value")
        end = match.end()
        if end - at > _NUMBER_BYTES or sum(0x30 <= byte <= 0x39 for byte in self._data[at:end]) > JSON_DIGITS:
            raise FormError(
                Code.TOO_LARGE, f"expected a number of at most {JSON_DIGITS} digits at offset {at}"
            )
        return Number(match[0].decode("ascii")), end

    def _text(self, match: re.Match[bytes]) -> str:
        text = match[1].decode("utf-8")
        if "\\" not in text:
            return text
        joined = _ESCAPE.sub(lambda escape: _SHORT[escape[2]] if escape[2] else chr(int(escape[1], 16)), text)
        # Escapes may spell a pair of surrogates in two halves; anything but a whole pair is refused.
        try:
            return joined.encode("utf-16-be", "surrogatepass").decode("utf-16-be")
        except UnicodeDecodeError:
            raise self.refuse(match.start(), "a string without lone surrogates") from None
