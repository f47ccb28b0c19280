"""Extracts of events that differ only in when, by which id and about which serial (EXTRACT.md §4).

What a line, a gate or a till sends is the same text again and again but for three values: the event's id, its time, and the
serial of the one item it is about. Such an event is not read as JSON anew: an extract says nothing of the id, the time it
says as `time_ms` reads it, and of the serial nothing but the subject.

Invariant: what comes of it is what `extract` gives (tests/trade/test_alike.py). So the values are visible ASCII without quotes
or escapes, the item is a serialised GTIN in its canonical text, with the same GTIN, and everything else is the same bytes.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from ledger.base.errors import CustodyError
from ledger.trade.extract.event import extract_read, members_of
from ledger.trade.extract.fields import Event, time_ms
from ledger.trade.identifiers import plain_class
from ledger.trade.statement import EXTRACTOR_VERSION, Extract, Openness, Role, Statement, Subject

_KEPT: Final = 8
"""How many forms are remembered."""
_KEPT_BYTES: Final = 8_192
"""Of an event whose form is; there are few longer ones, and they are hardly alike."""
_SERIAL_BYTES: Final = 20
_BEFORE_SERIAL: Final = "/21/"
_NAMES: Final = ("eventID", "eventTime", "epcList")
_ID, _TIME, _SERIAL = range(3)
_TEXT: Final = rb'[ \t\n\r]*"([^"]*)"'
_PLACES: Final = (
    re.compile(rb'"eventID"[ \t\n\r]*:' + _TEXT),
    re.compile(rb'"eventTime"[ \t\n\r]*:' + _TEXT),
    re.compile(rb'"epcList"[ \t\n\r]*:[ \t\n\r]*\[' + _TEXT + rb"[ \t\n\r]*\]"),
)  # fmt: skip
_VISIBLE: Final = bytes(range(0x21, 0x7F))
_PLAIN: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-"
_new: Final[Any] = tuple.__new__
_TIME_FIELD: Final = Statement._fields.index("time_ms")


class _Form(NamedTuple):
    """One event, cut where others may differ."""

    context: bytes | None
    openness: int
    pieces: tuple[bytes, ...]
    """What stands before, between and after the values."""
    values: tuple[int, ...]
    """Which value stands after each piece but the last."""
    time: bytes
    start: str
    """Of the identifier, before the serial."""
    statement: Statement


class Alike:
    """Extracts events, of which it remembers the last forms."""

    def __init__(self) -> None:
        self._forms: list[_Form] = []

    def extract(
        self, event: bytes, context: bytes | None, version: int, openness: Openness = Openness.OPEN
    ) -> Extract:
        """`extract` of the same."""
        if version == EXTRACTOR_VERSION and b"\\" not in event:
            for place, form in enumerate(self._forms):
                known = _by_form(form, event) if form[:2] == (context, openness) else None
                if known is not None:
                    if place:
                        self._forms.insert(0, self._forms.pop(place))
                    return known
        members, prefixes = members_of(event, context, version)
        found = extract_read(members, prefixes, openness)
        new = _form_of(event, members, context, found)
        if new is not None:
            self._forms[_KEPT - 1 :] = ()
            self._forms.insert(0, new)
        return found


def _by_form(form: _Form, event: bytes) -> Extract | None:
    """The extract of an event of this form, None for any that is not plainly of it."""
    at, values = 0, [b"", b"", b""]
    for piece, value in zip(form.pieces, form.values, strict=False):
        if not event.startswith(piece, at):
            return None
        at += len(piece)
        end = event.find(b'"', at)
        if end < 0:
            return None
        values[value], at = event[at:end], end
    known, time, serial = values
    if event[at:] != form.pieces[-1] or known.translate(None, _VISIBLE) or serial.translate(None, _PLAIN):
        return None
    if not 0 < len(serial) <= _SERIAL_BYTES:
        return None
    statement = form.statement
    if time != form.time:
        try:
            at_ms = time_ms(time.decode("ascii"), _NAMES[_TIME])
        except (CustodyError, UnicodeDecodeError):  # whoever reads it all says so, or something else
            return None
        statement = _new(Statement, (*statement[:_TIME_FIELD], at_ms, *statement[_TIME_FIELD + 1 :]))
    subject = _new(Subject, (Role.OBJECT, form.start + serial.decode("ascii"), None))
    found: Extract = _new(Extract, (statement, (subject,)))
    return found


def _form_of(event: bytes, members: Event, context: bytes | None, found: Extract) -> _Form | None:
    """The form of an event, None where it is not plain what others of that form would come to."""
    statement, subjects = found
    text = subjects[0].identifier
    start = plain_class(text)
    if (
        len(event) > _KEPT_BYTES
        or b"\\" in event
        or subjects != ((Role.OBJECT, text, None),)
        or start is None
    ):
        return None
    if members.get("epcList") != [text]:
        return None
    spans = []
    for value, (name, place) in enumerate(zip(_NAMES, _PLACES, strict=True)):
        quoted, match = b'"%b"' % name.encode("ascii"), place.search(event)
        if name == "eventID" and name not in members and quoted not in event:
            continue
        if name not in members or event.count(quoted) != 1 or match is None:  # once: it is the member
            return None
        spans.append(
            (
                match.start(1) + (len(start) + len(_BEFORE_SERIAL) if value == _SERIAL else 0),
                match.end(1),
                value,
            )
        )
    spans.sort()
    edges = [0, *[edge for first, last, _ in spans for edge in (first, last)], len(event)]
    pieces = tuple([event[edges[i] : edges[i + 1]] for i in range(0, len(edges), 2)])
    time = members["eventTime"].encode("ascii")
    return _Form(
        context,
        statement.openness,
        pieces,
        tuple([value for _, _, value in spans]),
        time,
        start + _BEFORE_SERIAL,
        statement,
    )
