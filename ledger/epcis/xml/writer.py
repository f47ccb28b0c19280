"""Writes JSON-LD documents as EPCIS 2.0 XML, by the grammar that the reader follows (EPCIS.md, Forms; EPCIS 2.0 §9).

Total over events, and lossless: an event that XML has no way to say stands in the list as JSON, in an element of ours
where the schema leaves room for others, so that no answer fails over one event. What is written is read back as the same
value, and is valid by the schema of the standard where the event is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ledger.base.errors import Code, FormError
from ledger.epcis.json_text import json_text
from ledger.epcis.vocabulary import CbvFormat
from ledger.epcis.xml.elements_writing import Writing
from ledger.epcis.xml.escaping import UnsayableError, in_attribute, in_text, is_name, json_safe
from ledger.epcis.xml.foreign_writing import write_member
from ledger.epcis.xml.grammar import (
    DOCUMENT,
    EVENT_LIST,
    HEADER,
    NAMESPACE,
    POLL,
    QUERY_DOCUMENT,
    QUERY_NAMESPACE,
    RESULTS,
)
from ledger.epcis.xml.header import SAID, header_of
from ledger.epcis.xml.values import INSTANCE
from ledger.epcis.xml.writing_names import OURS, Namespaces
from ledger.trade.vocabulary import EXTENSION_NAMESPACE

_ROOTS: Final = {DOCUMENT.name: ("epcis", NAMESPACE), QUERY_DOCUMENT.name: ("epcisq", QUERY_NAMESPACE)}
_FRAMING: Final = frozenset({"@context", "type", "schemaVersion", "epcisHeader", "epcisBody", *SAID})


def document_xml(document: Mapping[str, Any], words: CbvFormat = CbvFormat.NO_PREFERENCE) -> bytes:
    """The XML of an EPCISDocument or an EPCISQueryDocument, given as the value of its JSON.

    Members of the document beside the standard's are written as extensions, or as attributes where they are text without
    a prefix; others are left out. Raises FormError malformed for a value that is no such document.
    """
    body, name = document.get("epcisBody"), document.get("type")
    if type(body) is not dict or name not in _ROOTS:
        raise FormError(
            Code.MALFORMED, "expected an EPCISDocument or an EPCISQueryDocument, got another value"
        )
    names = Namespaces(document.get("@context"))
    out: list[str] = []
    try:
        header = header_of(document)
        if header:
            Writing(out, names, words).member(HEADER, header)
        out.append("<EPCISBody>")
        if name == DOCUMENT.name:
            _write_events(out, body.get("eventList"), names, words)
        else:
            _write_results(out, body.get("queryResults"), names, words)
        out.append("</EPCISBody>")
        attributes = _write_more(out, document, names)
    except UnsayableError:
        raise FormError(
            Code.MALFORMED,
            "expected a header and a frame of events that XML can hold, got others; ask for JSON",
        ) from None
    return _rooted(name, attributes, names, out)


def poll_xml(query_name: str, parameters: Mapping[str, str | Sequence[str] | None], created: str) -> bytes:
    """The XML of a query: the way back of `ledger.epcis.xml.reader.read_poll`.

    Raises FormError malformed for text that XML cannot hold.
    """
    params = [{"name": name, "value": said} for name, said in parameters.items()]
    names = Namespaces(None)
    out = ["<EPCISBody>"]
    try:
        Writing(out, names, CbvFormat.AS_WRITTEN).member(POLL, {"queryName": query_name, "params": params})
        created = in_attribute(created)
    except UnsayableError:
        raise FormError(
            Code.MALFORMED, "expected a query of text that XML can hold, got other characters"
        ) from None
    out.append("</EPCISBody>")
    return _rooted(QUERY_DOCUMENT.name, f' schemaVersion="2.0" creationDate="{created}"', names, out)


def _rooted(name: str, attributes: str, names: Namespaces, inner: Sequence[str]) -> bytes:
    prefix, namespace = _ROOTS[name]
    declared = f' xmlns:{prefix}="{namespace}" xmlns:xsi="{INSTANCE}"{names.attributes()}'
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{prefix}:{name}{declared}{attributes}>'
    return "".join([text, *inner, f"</{prefix}:{name}>\n"]).encode()


def _write_more(out: list[str], document: Mapping[str, Any], names: Namespaces) -> str:
    """Write what a document says beside its header and body; the attributes are returned."""
    attributes = ' schemaVersion="2.0"'
    for name, value in document.items():
        if name in _FRAMING:
            continue
        if ":" in name:
            write_member(out, name, value, names)
        elif type(value) is str and is_name(name):
            attributes += f' {name}="{in_attribute(value)}"'
    return attributes


def _write_results(out: list[str], results: Any, names: Namespaces, words: CbvFormat) -> None:
    if type(results) is not dict or type(results.get("resultsBody")) is not dict:
        raise UnsayableError
    element = RESULTS.element
    out.append(f"<{element.prefix}:{element.name}>")
    writing = Writing(out, names, words)
    for member in element.members[:-1]:
        if member.name in results:
            writing.member(member, results[member.name])
    body = element.members[-1]
    out.append(f"<{body.element.name}>")
    _write_events(out, results[body.name].get("eventList"), names, words)
    out.append(f"</{body.element.name}>")
    for name, value in results.items():
        if ":" in name:
            write_member(out, name, value, names)
    out.append(f"</{element.prefix}:{element.name}>")


def _write_events(out: list[str], events: Any, names: Namespaces, words: CbvFormat) -> None:
    if type(events) is not list or not all(type(event) is dict for event in events):
        raise UnsayableError
    name = EVENT_LIST.element.name
    out.append(f"<{name}>")
    for event in events:
        _write_event(out, event, names, words)
    out.append(f"</{name}>")


def _write_event(out: list[str], event: dict[str, Any], names: Namespaces, words: CbvFormat) -> None:
    inner: list[str] = []
    own = Namespaces(event["@context"], names) if "@context" in event else names
    try:
        name = Writing(inner, own, words).event(event)
        attributes = own.attributes() if own is not names else ""
    except UnsayableError:
        names.is_needed = True
        names.declare(OURS, EXTENSION_NAMESPACE)
        said = in_text(json_safe(json_text(event)))
        out.append(f"<extension><{OURS}:event>{said}</{OURS}:event></extension>")
        return
    out.append(f"<{name}{attributes}>")
    out += inner
    out.append(f"</{name}>")
