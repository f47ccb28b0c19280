"""Writes the elements of the grammar: the way back of `ledger.epcis.xml.elements` (EPCIS.md, Forms)."""

from __future__ import annotations

from typing import Any, Final

from ledger.epcis.vocabulary import CbvFormat
from ledger.epcis.xml.escaping import UnsayableError, in_attribute, in_text
from ledger.epcis.xml.foreign_writing import attribute, write_member
from ledger.epcis.xml.grammar import EVENTS, Element, Kind, Member
from ledger.epcis.xml.values import SPACE, plain_decimal
from ledger.epcis.xml.writing_names import Namespaces
from ledger.trade.slices import Number

_TEXTS: Final = frozenset({Kind.TEXT, Kind.TIME, Kind.STRING, Kind.NUMBER, Kind.DECIMAL, Kind.BOOLEAN})
_UNCERTIFIED: Final = "certificationInfo"


class Writing:
    """Writes values of the grammar into `out`. Every method raises UnsayableError for a value that is none of it."""

    def __init__(self, out: list[str], names: Namespaces, words: CbvFormat) -> None:
        self._out = out
        self._names = names
        self._words = words

    def event(self, value: dict[str, Any]) -> str:
        """Write what is in an event, and say which element it is in."""
        element = EVENTS.get(value.get("type", "")) if type(value.get("type")) is str else None
        if element is None:
            raise UnsayableError
        members = {name: member for name, member in value.items() if name not in {"type", "@context"}}
        certified = members.get(_UNCERTIFIED)
        if type(certified) is list and len(certified) == 1:
            members[_UNCERTIFIED] = certified[0]
        self._inside(element, members)
        return element.name

    def member(self, member: Member, value: Any) -> None:
        """Write a member: one element, or one for each of an array."""
        if member.within is not None:
            self._out.append(f"<{member.within}>")
        if not member.is_repeated:
            self._element(member.element, value)
        elif type(value) is list and (value or not member.is_needed):
            for one in value:
                self._element(member.element, one)
        else:
            raise UnsayableError
        if member.within is not None:
            self._out.append(f"</{member.within}>")

    def _element(self, element: Element, value: Any) -> None:
        name = f"{element.prefix}:{element.name}" if element.prefix else element.name
        if element.kind in _TEXTS:
            self._out.append(f"<{name}>{in_text(self._plain(element, value))}</{name}>")
        elif element.kind is Kind.LIST:
            self._list(element, value)
        elif element.kind is Kind.PAIR:
            self._pair(element, value)
        elif element.kind is Kind.VALUE:
            self._value(element, value)
        elif element.kind is Kind.OBJECT and type(value) is dict:
            self._out.append(f"<{name}{self._said(element, value)}>")
            self._inside(element, value)
            self._out.append(f"</{name}>")
        else:
            raise UnsayableError

    def _list(self, element: Element, value: Any) -> None:
        item = element.members[0]
        if type(value) is not list:
            raise UnsayableError
        if value:
            self._out.append(f"<{element.name}>")
            for one in value:
                self._element(item.element, one)
            self._out.append(f"</{element.name}>")
        elif not item.is_needed:
            self._out.append(f"<{element.name}/>")

    def _pair(self, element: Element, value: Any) -> None:
        held = element.members[0]
        if (
            type(value) is not dict
            or held.name not in value
            or not value.keys() <= element.attributes.keys() | {held.name}
        ):
            raise UnsayableError
        said, content = self._said(element, value), value[held.name]
        if element.is_open and type(content) is dict:
            self._out.append(f"<{element.name}{said}>")
            for name, member in content.items():
                write_member(self._out, name, member, self._names)
            self._out.append(f"</{element.name}>")
        else:
            self._out.append(
                f"<{element.name}{said}>{in_text(self._plain(held.element, content))}</{element.name}>"
            )

    def _value(self, element: Element, value: Any) -> None:
        if value is None:
            self._out.append(f'<{element.name} xsi:type="epcisq:VoidHolder"/>')
        elif type(value) is str:
            if value != value.strip(SPACE):
                raise UnsayableError
            self._out.append(f"<{element.name}>{in_text(value)}</{element.name}>")
        else:
            strings = "".join(f"<string>{in_text(text)}</string>" for text in value)
            self._out.append(f'<{element.name} xsi:type="epcisq:ArrayOfString">{strings}</{element.name}>')

    def _said(self, element: Element, value: dict[str, Any]) -> str:
        """The attributes of an element."""
        said = []
        for name, member in element.attributes.items():
            if member.name in value:
                said.append(f' {name}="{in_attribute(self._plain(member.element, value[member.name]))}"')
            elif member.is_needed:
                raise UnsayableError
        if element.attributes and not element.members:
            said += [
                attribute(name, held, self._names)
                for name, held in value.items()
                if name not in element.attributes
            ]
        return "".join(said)

    def _inside(self, element: Element, value: dict[str, Any]) -> None:
        """The children of an element."""
        if element.attributes and not element.members:
            return
        members = {member.name for member in element.members} | element.attributes.keys()
        others = [name for name in value if name not in members]
        if others and not element.is_open:
            raise UnsayableError
        if not element.is_ordered:
            self._others(others, value)
        for place, member in enumerate(element.members):
            if member.name in value:
                self.member(member, value[member.name])
            elif member.is_needed:
                raise UnsayableError
            elif member.is_nil and any(later.name in value for later in element.members[place + 1 :]):
                self._out.append(f'<{member.element.name} xsi:nil="true"/>')
        if element.is_ordered:
            self._others(others, value)

    def _others(self, others: list[str], value: dict[str, Any]) -> None:
        for name in others:
            if ":" not in name:  # no member of the standard, and none that anybody else could have defined
                raise UnsayableError
            write_member(self._out, name, value[name], self._names)

    def _plain(self, element: Element, value: Any) -> str:
        """The text of a value."""
        if element.kind in {Kind.TEXT, Kind.TIME} and type(value) is str and value == value.strip(SPACE):
            self._names.mention(value)
            return value if element.vocabulary is None else element.vocabulary.spelled(value, self._words)
        if element.kind is Kind.STRING and type(value) is str:
            return value
        if element.kind is Kind.NUMBER and type(value) is Number:
            return value.text
        if element.kind is Kind.DECIMAL and type(value) is Number:
            spelled = plain_decimal(value.text)
            if spelled is not None:
                return spelled
        if element.kind is Kind.BOOLEAN and type(value) is bool:
            return "true" if value else "false"
        raise UnsayableError
