"""What a check says of a document: the place, what was expected there, and what came (EPCIS.md, What is refused).

Places are JSON pointers (RFC 6901). While a document is walked a place is a chain of keys, which costs nothing; the
pointer is spelt only for what is found.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, NamedTuple

from ledger.base.errors import Code, FormError
from ledger.base.limits import FINDINGS
from ledger.trade.extract.context import Prefixes
from ledger.trade.slices import Number

Place = tuple[Any, "str | int"] | None
"""The key of a value and the place it stands in; None is the whole document."""

_SHOWN_CHARACTERS: Final = 96
_KINDS: Final = {dict: "an object", list: "an array", bool: "true or false", type(None): "null"}


class Grade(StrEnum):
    """What a finding means for what it was found in."""

    REFUSED = "refused"
    """It is wrong, or could be read in two ways."""
    NOTED = "noted"
    """It is not as the standard says, and can be read in one way only: whoever captures is told."""


class Finding(NamedTuple):
    """One thing that is not as the standard says. `str(finding)` is one sentence."""

    place: str
    """JSON pointer; "" is the whole document."""
    expected: str
    came: str
    code: Code = Code.MALFORMED
    grade: Grade = Grade.REFUSED

    def __str__(self) -> str:
        return f"{self.place or '(document)'}: expected {self.expected}, got {self.came}"


class Findings:
    """The first `FINDINGS` of each grade in one event or frame: more would help nobody and cost memory."""

    def __init__(self) -> None:
        self._found: list[Finding] = []
        self.refused = 0
        """How many refuse it, also of those that are not kept."""
        self._noted = 0

    def add(self, place: Place, expected: str, came: str, code: Code = Code.MALFORMED) -> None:
        """Add one that refuses."""
        self.refused += 1
        if self.refused <= FINDINGS:
            self._found.append(Finding(pointer(place), expected, came, code))

    def note(self, place: Place, expected: str, came: str) -> None:
        """Add one that does not."""
        self._noted += 1
        if self._noted <= FINDINGS:
            self._found.append(Finding(pointer(place), expected, came, grade=Grade.NOTED))

    def refuse(self, place: Place, error: FormError) -> None:
        """Add what a reader refused: its sentence says what was expected and what came."""
        _, _, sentence = error.message.partition("expected ")
        expected, separator, came = sentence.partition(", got ")
        self.add(place, expected or error.message, came if separator else "something else", error.code)

    def all(self) -> tuple[Finding, ...]:
        """Those kept, in the order they were found."""
        return tuple(self._found)


class Reading:
    """One event or frame while it is checked: the names in force there, and where findings go."""

    __slots__ = ("findings", "is_open", "is_xml", "prefixes")

    def __init__(self, findings: Findings, prefixes: Prefixes, *, is_open: bool, is_xml: bool) -> None:
        self.findings = findings
        self.prefixes = prefixes
        self.is_open = is_open  # an address in the context may bind prefixes that are not known here
        self.is_xml = is_xml

    def found(self, place: Place, key: str | int, expected: str, value: Any) -> None:
        """A value at `key` of `place` that is not what was expected."""
        self.findings.add((place, key), expected, shown(value))

    def noted(self, place: Place, key: str | int, expected: str, value: Any) -> None:
        """A value at `key` of `place` that is not what was expected, and plain all the same."""
        self.findings.note((place, key), expected, shown(value))


def shown(value: Any) -> str:
    """A value in a sentence: texts and numbers as written and cut, others by their kind."""
    if type(value) is str:
        return f"{value[:_SHOWN_CHARACTERS]!a}"
    return value.text[:_SHOWN_CHARACTERS] if type(value) is Number else _KINDS.get(type(value), "nothing")


def pointer(place: Place) -> str:
    """The JSON pointer of a place."""
    keys: list[str] = []
    while place is not None:
        place, key = place
        keys.append(f"{key}".replace("~", "~0").replace("/", "~1"))
    return "".join(f"/{key}" for key in reversed(keys))
