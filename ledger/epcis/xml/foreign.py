"""What is foreign to EPCIS: extension elements and attributes as JSON members, whole (EPCIS.md, Forms; EPCIS 2.0 §9.1).

An element of text is a string, one of elements an object, and one that is repeated an array; a child without a namespace
is a member without a prefix. Attributes become members too; an element of text that has some is an object whose text is
its `rdf:value`. What documents of this ledger mark (`values.KIND`) is read as the JSON that it was.
"""

from __future__ import annotations

from typing import Any, Final

from ledger.base.errors import Code, FormError
from ledger.base.limits import EVENT_BYTES
from ledger.epcis.xml.frames import Attributes, Frame, State
from ledger.epcis.xml.values import INSTANCE, KIND, SPACE, boolean, number
from ledger.trade.slices import parse
from ledger.trade.vocabulary import EXTENSION_NAMESPACE

_RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_LANGUAGE: Final = "http://www.w3.org/XML/1998/namespace lang xml"
_SPACING: Final = "http://www.w3.org/XML/1998/namespace space xml"
# Custody terms that are not text, so that who writes them in XML need not mark them (EXTRACT.md §6).
_OWN_KINDS: Final = {f"{EXTENSION_NAMESPACE} count": "number", f"{EXTENSION_NAMESPACE} legs": "array"}
_KINDS: Final = frozenset({"number", "boolean", "null", "array", "json"})


class Foreign(Frame):
    """An element of another namespace, or one inside it; `key` is its name in JSON."""

    __slots__ = ("is_preserved", "key", "kind", "language", "members", "repeated", "text")

    def __init__(self, key: str, attributes: Attributes, state: State, kind: str | None = None) -> None:
        super().__init__(key, state)
        self.key = key
        self.kind = kind
        self.members: dict[str, Any] = {}
        self.repeated: set[str] = set()
        self.text: list[str] = []
        self.language: str | None = None
        self.is_preserved = False
        for name, text in attributes.items():
            self._attribute(name, text)

    def _attribute(self, name: str, text: str) -> None:
        if name == KIND:
            if text not in _KINDS:
                raise FormError(Code.MALFORMED, f"expected a kind of value, got {text[:32]!a}")
            self.kind = text
        elif name == _LANGUAGE:
            self.language = text
        elif name == _SPACING:
            self.is_preserved = text == "preserve"
        elif not name.startswith(INSTANCE):
            self.members[self.state.names.member(name)] = text

    def child(self, name: str, attributes: Attributes, /) -> Frame:
        """Any element may stand in one that is foreign."""
        return foreign(name, attributes, self.state)

    def take(self, frame: Frame, value: Any, /) -> None:
        """Each child is a member."""
        if isinstance(frame, Foreign):
            add(self.members, self.repeated, frame, value)

    def said(self, text: str, /) -> None:
        """Text between elements is kept as well."""
        self.text.append(text)

    def end(self, text: str, /) -> Any:
        """A string, an object, or what the element is marked to be."""
        text = "".join(self.text) + text if self.text else text
        if self.members:
            value = self._object(text.strip(SPACE))
        else:
            value = self._plain(text if self.is_preserved else text.strip(SPACE))
        return [value] if self.kind == "array" else value

    def _object(self, text: str) -> dict[str, Any]:
        if text:
            self.members[f"{self.state.names.prefix('rdf', _RDF)}:value"] = text
        if self.language is not None:
            self.members["@language"] = self.language
        return self.members

    def _plain(self, text: str) -> Any:
        if self.kind == "number":
            return number(text)
        if self.kind == "boolean":
            return boolean(text)
        if self.kind == "null":
            return None
        if self.kind == "json":
            return parse(text.encode(), EVENT_BYTES)
        return text if self.language is None else {"@value": text, "@language": self.language}


def foreign(name: str, attributes: Attributes, state: State) -> Foreign:
    """The frame of an element that is not EPCIS's own."""
    kind = None
    if name.startswith(EXTENSION_NAMESPACE):
        kind = _OWN_KINDS.get(name.rpartition(" ")[0])
    return Foreign(state.names.member(name), attributes, state, kind)


def add(members: dict[str, Any], repeated: set[str], frame: Foreign, value: Any) -> None:
    """Add what a foreign element came to: a member, or one more of an array that repeats it."""
    key = frame.key
    if key not in members:
        members[key] = value
        if frame.kind == "array":
            repeated.add(key)
    elif key in repeated:
        members[key] += value if frame.kind == "array" else [value]
    else:
        repeated.add(key)
        members[key] = [members[key], *value] if frame.kind == "array" else [members[key], value]
