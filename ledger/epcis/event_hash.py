"""The event hash of the Core Business Vocabulary, for those who name events by it (EPCIS.md, Event hash; CBV 2.0 §8.9.2).

It is the SHA-256 of an event's pre-hash string (`ledger.epcis.prehash`) in a `ni:` URI (RFC 6920). It is a name for
interchange and no commitment: fields are left out and separators are missing, so that different events may share one.
What the ledger commits to are an event's bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from json import JSONDecoder
from typing import Any, Final

from ledger.base.limits import CONTEXT_BYTES
from ledger.epcis.document import Document, Form
from ledger.epcis.prehash import Mode, Writer
from ledger.trade.slices import parse

__all__ = ["Mode", "event_hashes", "prehashes"]

_DECODER: Final = JSONDecoder(parse_float=str, parse_int=str)


def event_hashes(document: Document, mode: Mode) -> Iterator[str]:
    """The hash of each event of a document, in order, as `ni:///sha-256;<hex>?ver=CBV2.0`.

    Raises FormError malformed for an event without a type.
    """
    for text in prehashes(document, mode):
        yield f"ni:///sha-256;{hashlib.sha256(text.encode('utf-8')).hexdigest()}?ver=CBV2.0"


def prehashes(document: Document, mode: Mode) -> Iterator[str]:
    """The string that is hashed, of each event of a document, in order."""
    namespaces = {} if document.context is None else _namespaces(parse(document.context, CONTEXT_BYTES))
    is_xml = document.form is Form.XML
    ignored = _ignored(document.frame) if mode is Mode.REFERENCE else frozenset()
    writer = Writer(mode, {**namespaces, **document.namespaces}, is_xml=is_xml, ignored=ignored)
    for data in document.events:
        # The document's reader was strict about these bytes: no member twice, no NaN, no lone surrogate, no depth.
        event = _DECODER.decode(data.decode("utf-8"))
        own = event.get("@context")
        if own is None:
            yield writer.event(event)
        else:
            both = {**namespaces, **document.namespaces, **_namespaces(own)}
            yield Writer(mode, both, is_xml=is_xml, ignored=ignored).event(event)


def _namespaces(context: Any) -> dict[str, str]:
    """The prefixes that a context binds itself; those of a context named by address are not looked up."""
    bound: dict[str, str] = {}
    for part in context if isinstance(context, list) else [context]:
        if isinstance(part, dict):
            for term, meaning in part.items():
                text = meaning.get("@id") if isinstance(meaning, dict) else meaning
                if isinstance(text, str) and term[:1] != "@":
                    bound[term] = text
    return bound


def _ignored(frame: Mapping[str, Any]) -> frozenset[str]:
    """The members of events that a document's `ignoreFields` names, an extension that the reference knows."""
    return frozenset(
        name
        for key, value in frame.items()
        if key.rpartition(":")[2] == "ignoreFields" and isinstance(value, dict)
        for name in value
    )
