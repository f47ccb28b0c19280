"""The events of a large EPCIS document, one after another, never the whole document in memory (EXTRACT.md §1).

The file is read twice: once to find where its events stand and that the frame around them is sound, once more as events are
taken. What stands around the events is read by the same strict reader as any document, with an empty event in their place; each
event is a verbatim slice of the file, judged when it is extracted. JSON only, as a document or a list of events; one list, for
what stood in another would not be taken.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Final, NamedTuple

from ledger.base.errors import Code, FormError, StorageError
from ledger.base.limits import EVENT_BYTES
from ledger.epcis.document import Form, read_document

FRAME_BYTES: Final = 8_000_000
"""Of what stands before the events, and of what stands behind them."""
PIECE_BYTES: Final = 1_048_576
_LISTS: Final = (
    (),
    (b'"eventList"',),
    (b'"epcisBody"', b'"eventList"'),
    (b'"epcisBody"', b'"queryResults"', b'"resultsBody"', b'"eventList"'),
)
"""Names of the members that lead to a list of events; none lead to a list that is the whole file."""
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"|[{}\[\]:"]', re.DOTALL)
_BRACKET: Final = re.compile(rb'[^"{}\[\]]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"{}\[\]]*+)*+[{}\[\]]', re.DOTALL)
"""Everything up to and with the next bracket that stands in no text."""
_SPACE: Final = re.compile(rb"[ \t\n\r]*+")
_OPENING: Final = b"{["
_STAND_IN: Final = b"{}"


class Slice(NamedTuple):
    """An event and where it stands in the file, in bytes."""

    start: int
    end: int
    event: bytes


class Surveyed(NamedTuple):
    """What one reading of a file found."""

    digest: bytes
    """SHA-256 of the file."""
    size: int
    first: int
    """Where the first event may begin."""
    events: int
    """How many there are, at least one."""
    context: bytes | None


def survey(path: Path) -> Surveyed:
    """Read a file once.

    Raises StorageError unavailable; FormError: malformed and what `read_document` says, usage for XML.
    """
    try:
        with path.open("rb") as file:
            return _survey(file)
    except OSError as error:
        raise StorageError(Code.UNAVAILABLE, f"expected to read {path}: {error.strerror}") from None


def events_from(path: Path, at: int) -> Iterator[Slice]:
    """The events from the one that begins at or after `at`, to the end of their list. Raises as `survey`."""
    try:
        with path.open("rb") as file:
            yield from _Reader(file, at).events(first=False)
    except OSError as error:
        raise StorageError(Code.UNAVAILABLE, f"expected to read {path}: {error.strerror}") from None


def _survey(file: BufferedReader) -> Surveyed:
    head, at = _head(file)
    digest = hashlib.sha256(head)
    reader = _Reader(file, at, digest.update)
    count = sum(1 for _ in reader.events(first=True))
    if not count:
        raise FormError(Code.MALFORMED, "expected at least one event in the file, got none")
    document = read_document(head + _STAND_IN + reader.rest(), Form.JSON)
    if document.events != (_STAND_IN,):
        raise FormError(Code.MALFORMED, "expected one list of events in the file, got several")
    return Surveyed(digest.digest(), reader.offset, at, count, document.context)


def _head(file: BufferedReader) -> tuple[bytes, int]:
    """What stands before the first event, up to and with the bracket that opens their list; and where that is."""
    data = b""
    while len(data) < FRAME_BYTES:
        piece = file.read(max(PIECE_BYTES, len(data)))
        data += piece
        if data.lstrip()[:1] == b"<":
            raise FormError(
                Code.USAGE, "expected JSON; an XML document of up to 64 MB is taken by custody submit"
            )
        at = _list_in(data)
        if at is not None:
            return data[:at], at
        if not piece:
            break
    raise FormError(
        Code.MALFORMED,
        f"expected an EPCIS document or a list of events, which begins in the first {FRAME_BYTES} bytes; found none",
    )


def _list_in(data: bytes) -> int | None:
    """The offset behind the bracket that opens the list of events, None where it is not in `data`."""
    path: list[bytes | None] = []
    text = b""
    for match in _TOKEN.finditer(data):
        token = match[0]
        if token == b'"':  # a text that goes on beyond what was read
            return None
        if token[:1] == b'"':
            text = token
        elif token == b":":
            if path:
                path[-1] = text
        elif token in (b"{", b"["):
            if token == b"[" and tuple(path) in _LISTS:
                return match.end()
            path.append(None)
        elif path:
            path.pop()
    return None


class _Reader:
    """Reads a file from an offset on, a piece at a time."""

    def __init__(
        self,
        file: BufferedReader,
        at: int,
        noted: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        """`noted` gets every byte from `at` on."""
        file.seek(at)
        self._file = file
        self._noted = noted
        self._data = b""
        self._at = 0  # in `_data`
        self._base = at  # of `_data` in the file

    @property
    def offset(self) -> int:
        """Where in the file this reader is."""
        return self._base + self._at

    def events(self, *, first: bool) -> Iterator[Slice]:
        """The events up to the bracket that closes their list, which is left unread. `first`: none came before."""
        while True:
            came = self._next_byte()
            if came == b"]":
                return
            if came == b"," and not first:
                self._at += 1
                came = self._next_byte()
            if came != b"{":
                raise self._refuse("an event or the end of the list")
            start = self.offset
            event = self._event()
            yield Slice(start, self.offset, event)
            first = False
            if self._next_byte() not in (b",", b"]"):
                raise self._refuse("a comma or the end of the list")

    def rest(self) -> bytes:
        """Everything from here to the end of the file."""
        while len(self._data) - self._at <= FRAME_BYTES:
            if not self._more():
                found = self._data[self._at :]
                self._at = len(self._data)
                return found
        raise FormError(Code.TOO_LARGE, f"expected at most {FRAME_BYTES} bytes behind the events, got more")

    def _more(self) -> bool:
        piece = self._file.read(PIECE_BYTES)
        self._noted(piece)
        self._base += self._at
        self._data = self._data[self._at :] + piece
        self._at = 0
        return bool(piece)

    def _next_byte(self) -> bytes:
        while True:
            space = _SPACE.match(self._data, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._data):
                return self._data[self._at : self._at + 1]
            if not self._more():
                raise self._refuse("more")

    def _event(self) -> bytes:
        while True:
            end = self._end_of_value()
            if end is not None:
                event = self._data[self._at : end]
                self._at = end
                return event
            if len(self._data) - self._at > EVENT_BYTES:
                raise FormError(
                    Code.TOO_LARGE,
                    f"expected events of at most {EVENT_BYTES} bytes, got one at {self.offset}",
                )
            if not self._more():
                raise self._refuse("an event that ends")

    def _end_of_value(self) -> int | None:
        depth, at = 0, self._at
        while True:
            match = _BRACKET.match(self._data, at)
            if match is None:
                return None
            at = match.end()
            depth += 1 if self._data[at - 1] in _OPENING else -1
            if depth == 0:
                return at

    def _refuse(self, expected: str) -> FormError:
        came = self._data[self._at : self._at + 16]
        return FormError(
            Code.MALFORMED,
            f"expected {expected} at byte {self.offset}, got {f'{came!a}' if came else 'the end of the file'}",
        )
