"""A parser of untrusted XML: expat, with everything off that a document could turn against its reader (EPCIS.md, Forms).

Refused: a document type that declares anything, and with it entities of any kind; encodings other than UTF-8, UTF-16, US-ASCII and
ISO 8859-1; elements nested deeper, tags longer and attributes more than the caps. Nothing is ever fetched. The standard
library's expat was chosen over a wrapper: it is the one XML parser that a reader without other dependencies has, all that
wrappers of it do is refuse what is refused here, and the caps on tags and names are theirs neither.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from xml.parsers import expat

from ledger.base.errors import Code, FormError
from ledger.base.limits import DOCUMENT_BYTES, XML_TOKEN_BYTES
from ledger.epcis.xml.names import check_namespace

_PIECE: Final = 262_144
_ENCODINGS: Final = frozenset({"utf-8", "utf-16", "us-ascii", "iso-8859-1"})
_FOLD: Final = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}

Start = Callable[[str, dict[str, str]], None]
End = Callable[[str], None]
Text = Callable[[str], object]


class Parser:
    """Reads one document and tells what it meets; where it is, is `line`."""

    def __init__(self, start: Start, end: End, text: Text) -> None:
        # Without interning: names are counted and kept by `Names`, not by the parser.
        self._expat = expat.ParserCreate(namespace_separator=" ", intern=None)
        self._expat.namespace_prefixes = True
        self._expat.buffer_text = True
        self._expat.StartElementHandler = start
        self._expat.EndElementHandler = end
        self._expat.CharacterDataHandler = text
        self._expat.XmlDeclHandler = self._declared
        self._expat.StartDoctypeDeclHandler = self._refuse_type
        self._expat.StartNamespaceDeclHandler = lambda _prefix, uri: check_namespace(uri)

    @property
    def line(self) -> int:
        """The line that is being read, from 1."""
        return self._expat.CurrentLineNumber

    def read(self, data: bytes) -> None:
        """Read a whole document.

        Raises FormError: malformed, too_large, and what the callbacks raise.
        """
        if len(data) > DOCUMENT_BYTES:
            raise FormError(
                Code.TOO_LARGE, f"expected a document of at most {DOCUMENT_BYTES} bytes, got {len(data)}"
            )
        try:
            for at in range(0, len(data), _PIECE):
                self._expat.Parse(data[at : at + _PIECE], False)  # noqa: FBT003 - expat takes no names
                if at + _PIECE - self._expat.CurrentByteIndex > XML_TOKEN_BYTES:
                    raise FormError(
                        Code.TOO_LARGE, f"expected no tag or comment of more than {XML_TOKEN_BYTES} bytes"
                    )
            self._expat.Parse(b"", True)  # noqa: FBT003
        except expat.ExpatError as error:
            raise FormError(
                Code.MALFORMED, f"expected well-formed XML, got: {expat.ErrorString(error.code)}"
            ) from None

    def _declared(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.translate(_FOLD) not in _ENCODINGS:
            raise FormError(
                Code.MALFORMED,
                f"expected XML in UTF-8, UTF-16, US-ASCII or ISO-8859-1, got {encoding[:32]!a}; convert it",
            )

    def _refuse_type(self, _name: str, system: str | None, public: str | None, has_subset: int) -> None:
        # A bare <!DOCTYPE name> stands in examples of the standard and declares nothing.
        if system is not None or public is not None or has_subset:
            raise FormError(
                Code.MALFORMED,
                "expected a document that declares no document type and no entities, got one that does",
            )
