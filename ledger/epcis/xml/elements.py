"""Reads the elements of the grammar, each kind in its way (EPCIS.md, Forms)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ledger.base.errors import Code, FormError
from ledger.base.limits import CONTEXT_BYTES, EVENT_BYTES
from ledger.epcis.json_text import json_text
from ledger.epcis.xml.foreign import Foreign, add, foreign
from ledger.epcis.xml.frames import Attributes, Frame, State, local_name, unexpected
from ledger.epcis.xml.grammar import DRAFT_NAMES, EVENTS, QUANTITY_EVENT, WRAPPERS, Element, Kind, Member
from ledger.epcis.xml.values import CONTEXT, INSTANCE, JSON_EVENT, SPACE, boolean, number, time
from ledger.trade.slices import parse


class _Leaf(Frame):
    """TEXT, STRING, NUMBER, BOOLEAN: an element of text."""

    __slots__ = ()

    def end(self, text: str, /) -> Any:
        return None if self.member is None else _plain(self.member.element, text)


class _List(Frame):
    """LIST: one child, any number of times."""

    __slots__ = ("item", "value")

    def __init__(self, member: Member, attributes: Attributes, state: State) -> None:
        super().__init__(member.element.name, state, member)
        self.item = member.element.members[0]
        self.value: list[Any] = []
        if attributes:
            _read_attributes(member.element, attributes, {}, state)

    def child(self, name: str, attributes: Attributes, /) -> Frame:
        if self.state.names.own(name) != self.item.element.name:
            raise unexpected(f"<{self.item.element.name}>", name)
        return _opened(self.item, attributes, self.state)

    def take(self, _frame: Frame, value: Any, /) -> None:
        self.value.append(value)

    def end(self, text: str, /) -> list[Any]:
        self.said(text)
        if self.item.is_needed and not self.value:
            raise FormError(Code.MALFORMED, f"expected at least one <{self.item.element.name}>, got none")
        return self.value


class _Object(Frame):
    """OBJECT: attributes and children in their order, and where it is open, what others add."""

    __slots__ = ("at", "element", "is_ordered", "repeated", "value")

    def __init__(
        self, member: Member, attributes: Attributes, state: State, value: dict[str, Any] | None = None
    ) -> None:
        super().__init__(member.element.name, state, member)
        self.element = member.element
        self.is_ordered = member.element.is_ordered and not state.is_former
        self.value: dict[str, Any] = {} if value is None else value
        self.at = 0
        self.repeated: set[str] = set()
        if attributes or self.element.attributes:
            _read_attributes(self.element, attributes, self.value, state)

    def child(self, name: str, attributes: Attributes, /) -> Frame:
        local = self.state.names.own(name)
        place = None if local is None else self.element.places.get(local)
        if place is None and local in DRAFT_NAMES and self.state.is_former:
            place = self.element.places.get(DRAFT_NAMES[local])
        if place is None:
            return self._other(name, local, attributes)
        member = self.element.members[place]
        if self.is_ordered:
            if place < self.at or self._missing(place):
                raise unexpected(self._expected(), name)
            self.at = place if member.is_repeated else place + 1
        if not member.is_repeated and member.name in self.value:
            raise unexpected(f"<{local}> once", name)
        return _opened(member, attributes, self.state)

    def _other(self, name: str, local: str | None, attributes: Attributes) -> Frame:
        """A wrapper, or an element of somebody else's; those stand behind EPCIS's own."""
        if self.element.is_open and local in WRAPPERS:
            return _Wrapper(self)
        if local is not None or not self.element.is_open or self._missing(len(self.element.members)):
            raise unexpected(self._expected(), name)
        self.at = len(self.element.members)
        return foreign(name, attributes, self.state)

    def _missing(self, until: int) -> Member | None:
        """The first child that must stand before place `until` and does not; None where the order is not judged."""
        if self.is_ordered:
            for member in self.element.members[self.at : until]:
                if member.is_needed and member.name not in self.value:
                    return member
        return None

    def _expected(self) -> str:
        """The children that may come next, up to the first that must."""
        names = []
        for member in self.element.members[self.at :] if self.is_ordered else self.element.members:
            if member.is_repeated or member.name not in self.value:
                names.append(f"<{member.element.name}>")
                if member.is_needed and self.is_ordered:
                    return " or ".join(names)
        if self.element.is_open:
            names.append("an element of another namespace")
        return " or ".join(names) or f"the end of <{self.element.name}>"

    def take(self, frame: Frame, value: Any, /) -> None:
        member = frame.member
        if member is None:
            if isinstance(frame, Foreign):
                add(self.value, self.repeated, frame, value)
        elif member.is_repeated:
            self.value.setdefault(member.name, []).append(value)
        else:
            self.value[member.name] = value

    def end(self, text: str, /) -> Any:
        self.said(text)
        for member in self.element.members:
            if member.is_needed and member.name not in self.value:
                raise FormError(Code.MALFORMED, f"expected <{member.element.name}>, got none")
        return self.value


class _Wrapper(_Object):
    """`extension` around members that came later: its children are those of the element around it."""

    __slots__ = ()

    def __init__(self, around: _Object) -> None:
        super().__init__(Member(around.element, around.element.name), {}, around.state, around.value)
        self.name = "extension"
        self.member = None
        self.repeated = around.repeated

    def _missing(self, _until: int) -> Member | None:
        """Nothing must be in a wrapper."""
        return None

    def end(self, text: str, /) -> None:
        self.said(text)


class _Event(_Object):
    """One event; comes to its JSON text as soon as it ends, so that a long list stays small in memory."""

    __slots__ = ()

    def end(self, text: str, /) -> bytes:
        value = super().end(text)
        if self.element is QUANTITY_EVENT:
            value = _observed(value)
        data = json_text(value).encode()
        if len(data) > EVENT_BYTES:
            raise FormError(
                Code.TOO_LARGE, f"expected an event of at most {EVENT_BYTES} bytes, got {len(data)}"
            )
        return data


class _JsonEvent(Frame):
    """An event that XML cannot say, carried as JSON (EPCIS.md, Forms)."""

    __slots__ = ()

    def end(self, text: str, /) -> bytes:
        data = text.strip(SPACE).encode()
        if type(parse(data, EVENT_BYTES)) is not dict:
            raise FormError(Code.MALFORMED, f"expected an event as a JSON object, got {data[:32]!a}")
        return data


class _Events(Frame):
    """EVENTS: any of the events, in any order."""

    __slots__ = ()

    def child(self, name: str, attributes: Attributes, /) -> Frame:
        if name == JSON_EVENT:
            return _JsonEvent("event", self.state)
        if self.state.names.own(name) in WRAPPERS:
            return _Events("extension", self.state)
        return event(name, attributes, self.state)

    def take(self, frame: Frame, value: Any, /) -> None:
        if not isinstance(frame, _Events):
            self.state.events.append(value)

    def end(self, text: str, /) -> list[None]:
        """Where the events stood, as `ledger.trade.slices` tells it of JSON."""
        self.said(text)
        return [None] * len(self.state.events)


class _Pair(Frame):
    """PAIR: text and one attribute; where it is open, elements of anybody's in place of the text."""

    __slots__ = ("body", "held", "value")

    def __init__(self, member: Member, attributes: Attributes, state: State) -> None:
        super().__init__(member.element.name, state, member)
        self.held = member.element.members[0]
        self.value: dict[str, Any] = {}
        _read_attributes(member.element, attributes, self.value, state)
        self.body = Foreign(member.element.name, {}, state) if member.element.is_open else None

    def child(self, name: str, attributes: Attributes, /) -> Frame:
        return super().child(name, attributes) if self.body is None else self.body.child(name, attributes)

    def take(self, frame: Frame, value: Any, /) -> None:
        if self.body is not None:
            self.body.take(frame, value)

    def said(self, text: str, /) -> None:
        if self.body is not None:
            self.body.said(text)

    def end(self, text: str, /) -> dict[str, Any]:
        self.value[self.held.name] = (
            _plain(self.held.element, text) if self.body is None else self.body.end(text)
        )
        return self.value


class _Value(Frame):
    """VALUE: the value of a query parameter, text or an array of `string`; None for one that has no value."""

    __slots__ = ("is_array", "is_void", "strings")

    def __init__(self, member: Member, attributes: Attributes, state: State) -> None:
        super().__init__(member.element.name, state, member)
        said = next((text for name, text in attributes.items() if name.startswith(f"{INSTANCE} type")), "")
        self.is_array = said.endswith("ArrayOfString")
        self.is_void = said.endswith("VoidHolder")
        self.strings: list[str] = []

    def child(self, name: str, _attributes: Attributes, /) -> Frame:
        if self.state.names.own(name) != _STRING.name:
            raise unexpected("<string>", name)
        self.is_array = True
        return _Leaf(_STRING.name, self.state, _STRING)

    def take(self, _frame: Frame, value: Any, /) -> None:
        self.strings.append(value)

    def end(self, text: str, /) -> str | list[str] | None:
        if self.is_array:
            self.said(text)
            return self.strings
        return None if self.is_void else text.strip(SPACE)


_MEANINGLESS: Final = (
    INSTANCE,
    "http://www.w3.org/XML/1998/namespace",
)  # attributes that say nothing of a value
_STRING: Final = Member(Element("string", Kind.STRING), "string")
_EVENT_MEMBERS: Final = {name: Member(element, name) for name, element in EVENTS.items()}
_QUANTITY_MEMBER: Final = Member(QUANTITY_EVENT, QUANTITY_EVENT.name)
_FRAMES: Final[dict[Kind, Callable[[Member, Attributes, State], Frame]]] = {
    Kind.LIST: _List,
    Kind.OBJECT: _Object,
    Kind.PAIR: _Pair,
    Kind.VALUE: _Value,
}


def document(element: Element, attributes: Attributes, state: State, value: dict[str, Any]) -> Frame:
    """The frame of a document element, which fills `value`. What it is said to be in attributes of no namespace is kept."""
    known = {name: text for name, text in attributes.items() if " " in name or name in element.attributes}
    value |= {name: text for name, text in attributes.items() if name not in known}
    return _Object(Member(element, element.name), known, state, value)


def event(name: str, attributes: Attributes, state: State) -> Frame:
    """The frame of an event, which comes to its JSON text. Raises FormError for any other element."""
    local = state.names.own(name) or ""
    member = _EVENT_MEMBERS.get(local)
    if member is None and local == QUANTITY_EVENT.name and state.is_former:
        member = _QUANTITY_MEMBER
    if member is None:
        raise unexpected(f"an event ({', '.join(EVENTS)})", name)
    value: dict[str, Any] = {"type": local}
    context = attributes.pop(CONTEXT, None)
    if context is not None:
        value["@context"] = parse(context.encode(), CONTEXT_BYTES)
    return _Event(member, attributes, state, value)


def _observed(value: dict[str, Any]) -> dict[str, Any]:
    """A QuantityEvent as what EPCIS 1.1 and later write instead: an ObjectEvent that observes one quantity."""
    quantity = {"epcClass": value.pop("epcClass"), "quantity": value.pop("quantity")}
    return value | {"type": "ObjectEvent", "action": "OBSERVE", "quantityList": [quantity]}


def _opened(member: Member, attributes: Attributes, state: State) -> Frame:
    """The frame of an element of the grammar."""
    element = member.element
    frame = _FRAMES.get(element.kind)
    if frame is not None:
        return frame(member, attributes, state)
    if element.kind is Kind.EVENTS:
        return _Events(element.name, state, member)
    if attributes:
        _read_attributes(element, attributes, {}, state)
        if any(
            name.startswith(f"{INSTANCE} nil") and text in {"true", "1"} for name, text in attributes.items()
        ):
            return _Leaf(element.name, state)  # said to have no value: no member
    return _Leaf(element.name, state, member)


def _read_attributes(element: Element, attributes: Attributes, value: dict[str, Any], state: State) -> None:
    """Read attributes into `value`.

    Raises FormError for one that the element does not have, and where one is missing that it must have.
    """
    for name, text in attributes.items():
        member = element.attributes.get(name)
        if member is not None:
            value[member.name] = _plain(member.element, text)
        elif " " not in name or not (element.is_open or name.startswith(_MEANINGLESS)):
            raise FormError(
                Code.MALFORMED,
                f"expected no attribute {local_name(name)[:64]!a} of <{element.name}>, got one",
            )
        elif not name.startswith(_MEANINGLESS):
            value[state.names.member(name)] = text
    for name, member in element.attributes.items():
        if member.is_needed and name not in attributes:
            raise FormError(Code.MALFORMED, f"expected the attribute {name} of <{element.name}>, got none")


def _plain(element: Element, text: str) -> Any:
    """The value of text: a string, a bare CBV word, a number or a boolean."""
    if element.kind is Kind.STRING:
        return text
    text = text.strip(SPACE)
    if element.vocabulary is not None:
        return element.vocabulary.bare(text)
    if element.kind is Kind.NUMBER or element.kind is Kind.DECIMAL:
        return number(text)
    if element.kind is Kind.BOOLEAN:
        return boolean(text)
    return time(text) if element.kind is Kind.TIME else text
