"""Reads EPCIS XML into the values its JSON would have (EPCIS.md, Forms; EPCIS 2.0 §9, §10; EPCIS 1.2 §9).

Driven by the grammar: a child that is unknown, stands elsewhere or is missing is refused with its line and its way from
the root. In EPCIS 1.x the order is not judged, since what came later than the form was put in it in several ways;
wrappers are opened in both. What is foreign to EPCIS is carried whole. Nothing of an event is guessed or filled in.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from ledger.base.errors import Code, FormError
from ledger.base.limits import CONTEXT_BYTES, XML_ATTRIBUTES, XML_DEPTH
from ledger.epcis.json_text import json_text
from ledger.epcis.xml.elements import document, event
from ledger.epcis.xml.frames import Attributes, Frame, State, local_name, unexpected
from ledger.epcis.xml.grammar import DOCUMENT, FORMER_NAMESPACES, HEADER, QUERY_DOCUMENT, RESULTS_MEMBERS
from ledger.epcis.xml.header import said_by_header
from ledger.epcis.xml.parser import Parser
from ledger.epcis.xml.values import CONTEXT
from ledger.trade.slices import parse


class XmlDocument(NamedTuple):
    """What an XML body comes to: the JSON text of its context and of each event, and what frames them."""

    context: bytes
    events: tuple[bytes, ...]
    version: str
    frame: dict[str, Any]
    """As the JSON document would have it, without `@context` and events; empty for a single event."""
    namespaces: dict[str, str]
    """By prefix, namespaces as they are written where the context has another for the same."""


class Poll(NamedTuple):
    """A query that is asked for in XML: its name and its parameters, each text, an array of text, or None."""

    query_name: str
    parameters: dict[str, str | list[str] | None]


_DOCUMENTS: Final = {element.name: element for element in (DOCUMENT, QUERY_DOCUMENT)}
_EVENT_LIST: Final = "EventList"
_VERSIONS: Final = {"1": "1.0", "1.0": "1.0", "1.1": "1.1", "1.2": "1.2", "2": "2.0", "2.0": "2.0"}


def read_events(data: bytes) -> XmlDocument:
    """Read an EPCISDocument, an EPCISQueryDocument with results, or a single event; EPCIS 2.0 or 1.x.

    Raises FormError: malformed, too_large, too_deep, unsupported_version, with the line and the way from the root.
    """
    root = _read(data)
    if "resultsBody" in root.frame:  # some leave out the body and what is around the results
        results = {name: root.frame.pop(name) for name in RESULTS_MEMBERS if name in root.frame}
        root.frame.setdefault("epcisBody", {})["queryResults"] = results
    root.frame |= said_by_header(root.frame.get(HEADER.name))
    if not root.state.events:
        raise FormError(Code.MALFORMED, "expected at least one event, got none")
    context = json_text(root.state.names.context(root.context)).encode()
    return XmlDocument(
        context, tuple(root.state.events), root.version, root.frame, root.state.names.respelled
    )


def read_poll(data: bytes) -> Poll:
    """Read an EPCISQueryDocument that asks for a query (`Poll`).

    Raises FormError: as `read_events`.
    """
    root = _read(data)
    poll = root.frame.get("epcisBody", {}).get("poll")
    if poll is None:
        raise FormError(Code.MALFORMED, "expected an <EPCISQueryDocument> with <Poll> in it, got none")
    parameters: dict[str, str | list[str] | None] = {}
    for parameter in poll["params"]:
        if parameter["name"] in parameters:
            raise FormError(
                Code.DUPLICATE_KEY, f"expected each parameter once, got {parameter['name'][:64]!a} again"
            )
        parameters[parameter["name"]] = parameter["value"]
    return Poll(poll["queryName"], parameters)


class _Root(Frame):
    """What stands around the document element."""

    __slots__ = ("context", "frame", "version")

    def __init__(self) -> None:
        super().__init__("", State())
        self.context: Any = None
        self.frame: dict[str, Any] = {}
        self.version = "2.0"

    def child(self, name: str, attributes: Attributes, /) -> Frame:
        self.version = _version(name, attributes)
        uri = name.partition(" ")[0]
        self.state.is_former = uri in FORMER_NAMESPACES or self.version[0] == "1"
        context = attributes.pop(CONTEXT, None)
        if context is not None:
            self.context = parse(context.encode(), CONTEXT_BYTES)
        element = _DOCUMENTS.get(self.state.names.own(name) or "")
        if element is not None:
            self.frame["type"] = element.name
            return document(element, attributes, self.state, self.frame)
        if local_name(name)[-5:] != "Event":
            raise unexpected(f"{', '.join(_DOCUMENTS)} or an event", name)
        # A lone event says of itself what a document would.
        for said in ("schemaVersion", "creationDate"):
            attributes.pop(said, None)
        return event(name, attributes, self.state)

    def take(self, _frame: Frame, value: Any, /) -> None:
        if type(value) is bytes:
            self.state.events.append(value)


def _version(name: str, attributes: Attributes) -> str:
    said = attributes.get("schemaVersion")
    if said is None:
        return "1.2" if name.partition(" ")[0] in FORMER_NAMESPACES else "2.0"
    version = _VERSIONS.get(said)
    if version is None:
        raise FormError(
            Code.UNSUPPORTED_VERSION, f"expected schemaVersion 2.0, 1.2, 1.1 or 1.0, got {said[:16]!a}"
        )
    return version


class _Reading:
    """One document being read: the open elements, from the root."""

    def __init__(self) -> None:
        self.root = _Root()
        self.open: list[Frame] = [self.root]
        self.text: list[str] = []
        self.parser = Parser(self.start, self.end, self.text.append)

    def start(self, name: str, attributes: Attributes) -> None:
        top = self.open[-1]
        if self.text:
            top.said("".join(self.text))
            self.text.clear()
        if len(self.open) > XML_DEPTH:
            raise FormError(Code.TOO_DEEP, f"expected at most {XML_DEPTH} nested elements, got more")
        if len(attributes) > XML_ATTRIBUTES:
            raise FormError(
                Code.TOO_LARGE, f"expected at most {XML_ATTRIBUTES} attributes, got {len(attributes)}"
            )
        self.open.append(top.child(name, attributes))

    def end(self, _name: str) -> None:
        frame = self.open[-1]
        value = frame.end("".join(self.text))
        self.text.clear()
        self.open.pop()
        self.open[-1].take(frame, value)

    def place(self) -> str:
        """Where the reader is: the line and the open elements."""
        way = "".join(f"/{frame.name}" for frame in self.open[1:])
        if any(frame.name == _EVENT_LIST for frame in self.open):
            way += f" (event {len(self.root.state.events) + 1})"
        return f"line {self.parser.line}{', ' if way else ''}{way}"


def _read(data: bytes) -> _Root:
    reading = _Reading()
    try:
        reading.parser.read(data)
    except FormError as error:
        raise FormError(error.code, f"{reading.place()}: {error.message}") from None
    return reading.root
