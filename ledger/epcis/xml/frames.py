"""An element that is being read: what a reader of one kind of element answers to (EPCIS.md, Forms)."""

from __future__ import annotations

from typing import Any

from ledger.base.errors import Code, FormError
from ledger.epcis.xml.grammar import Member
from ledger.epcis.xml.names import Names
from ledger.epcis.xml.values import SPACE

Attributes = dict[str, str]


class State:
    """What the frames of one document share."""

    def __init__(self) -> None:
        self.names = Names()
        self.events: list[bytes] = []
        self.is_former = False
        """EPCIS 1.x: the order of elements is not judged."""


class Frame:
    """One open element: makes frames of its children, takes what they come to, and comes to a value itself."""

    __slots__ = ("member", "name", "state")

    def __init__(self, name: str, state: State, member: Member | None = None) -> None:
        self.name = name
        self.state = state
        self.member = member

    def child(self, name: str, _attributes: Attributes, /) -> Frame:
        """The frame of a child element. Raises FormError where none may stand here."""
        raise unexpected("text only", name)

    def take(self, _frame: Frame, _value: Any, /) -> None:
        """Take what a child came to."""

    def said(self, text: str, /) -> None:
        """Take text that stands before a child element."""
        if text.strip(SPACE):
            raise FormError(Code.MALFORMED, f"expected elements only, got text {text.strip(SPACE)[:32]!a}")

    def end(self, text: str, /) -> Any:
        """What the element comes to; `text` is what follows its last child."""
        self.said(text)


def unexpected(expected: str, name: str) -> FormError:
    """The error for an element, by its XML name, where something else was expected."""
    return FormError(Code.MALFORMED, f"expected {expected}, got <{local_name(name)[:64]}>")


def local_name(name: str) -> str:
    """The local part of `local`, `uri local` or `uri local prefix`."""
    return name.split(" ", 2)[1] if " " in name else name
