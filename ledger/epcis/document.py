"""What the body of a capture or of a query answer comes to, whichever form it is written in (EPCIS.md, Forms; EPCIS 2.0 §9, §10).

Both forms lead to the same value, so that nothing behind this module asks how an event was written: each event is JSON
text. Of a JSON document that text is the author's own bytes, never re-serialised.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from ledger.epcis.xml.reader import read_events
from ledger.trade.slices import document_slices


class Form(StrEnum):
    """How a document is written."""

    JSON = "json"
    XML = "xml"


class Shape(StrEnum):
    """What a body holds its events in."""

    DOCUMENT = "EPCISDocument"
    QUERY_DOCUMENT = "EPCISQueryDocument"
    EVENTS = "events"
    EVENT = "event"


class Document(NamedTuple):
    """A document that was read. `frame` is what stands around the events, without `@context`; each event in it is None."""

    context: bytes | None
    """JSON text of the document's `@context`: verbatim (JSON) or made of the namespaces (XML)."""
    events: tuple[bytes, ...]
    """JSON text of each event, in order: verbatim (JSON) or converted (XML)."""
    form: Form
    version: str
    """`schemaVersion`: "2.0" or "1.2"; "2.0" where a body has none, for lists and single events have no place for it."""
    shape: Shape
    frame: dict[str, Any]
    """`id`, `creationDate`, `epcisHeader`, `epcisBody`... as `ledger.trade.slices` reads values; empty without a frame."""
    namespaces: Mapping[str, str] = MappingProxyType({})
    """By prefix, namespaces as an XML document writes them where its context has another for the same (master data)."""


_NEWEST: Final = "2.0"


def read_document(data: bytes, form: Form) -> Document:
    """Read an EPCIS document, a query document, a list of events (JSON only) or a single event; XML also of EPCIS 1.x.

    Only the form is judged: that it can be read, within the caps, and where its events are. Whether an event holds what
    an event must is `ledger.epcis.check`.

    Raises FormError: malformed, too_large, too_deep, duplicate_key or unsupported_version, with the place.
    """
    if form is Form.XML:
        read = read_events(data)
        shape = _shape(read.frame or None)
        return Document(read.context, read.events, form, read.version, shape, read.frame, read.namespaces)
    slices = document_slices(data)
    shape = _shape(slices.frame)
    frame = (
        {name: member for name, member in slices.frame.items() if name != "@context"}
        if isinstance(slices.frame, dict)
        else {}
    )
    version = frame.get("schemaVersion", _NEWEST)
    return Document(
        slices.context, slices.events, form, version if isinstance(version, str) else _NEWEST, shape, frame
    )


def _shape(frame: dict[str, Any] | list[None] | None) -> Shape:
    if frame is None:
        return Shape.EVENT
    if isinstance(frame, list):
        return Shape.EVENTS
    body = frame.get("epcisBody")
    if isinstance(body, dict) and "queryResults" in body:
        return Shape.QUERY_DOCUMENT
    return Shape.DOCUMENT
