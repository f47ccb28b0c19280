"""Names on the way out: JSON members as XML names, and the namespaces that must be declared for them (EPCIS.md, Forms)."""

from __future__ import annotations

import re
from typing import Any, Final

from ledger.base.limits import IDENTIFIER_BYTES
from ledger.epcis.contexts import is_open
from ledger.epcis.json_text import json_text
from ledger.epcis.xml.escaping import UnsayableError, in_attribute, is_name, json_safe
from ledger.epcis.xml.grammar import HEADER_NAMESPACE, NAMESPACES
from ledger.epcis.xml.header import PREFIX
from ledger.epcis.xml.names import MASTER_DATA_XML, STANDARD_PREFIXES, UNRESOLVED
from ledger.epcis.xml.values import INSTANCE
from ledger.trade.vocabulary import EXTENSION_NAMESPACE, MASTER_DATA_NAMESPACE

OURS: Final = "custody"
_OWN_PREFIXES: Final = frozenset({"epcis", "epcisq", "xsi"})  # what the writer declares for itself
_TAKEN: Final = NAMESPACES | {
    INSTANCE,
    "http://www.w3.org/XML/1998/namespace",
    "http://www.w3.org/2000/xmlns/",
}
_URI: Final = re.compile(rf"[!-~]{{1,{IDENTIFIER_BYTES}}}")


class Namespaces:
    """The prefixes in force, and those that were used: of a document, or of an event with a `@context` of its own."""

    def __init__(self, context: Any, around: Namespaces | None = None) -> None:
        self.context = context
        self.declared: dict[str, str] = {}
        """Prefix and namespace of every name written here."""
        self.is_needed = False
        """Whether values stand here that are read by the context, so that the context must stand here as well."""
        self._around = around
        self._bound: dict[str, str] = {}
        for part in context if type(context) is list else [context]:
            if type(part) is dict:
                self._bound |= {prefix: uri for prefix, uri in part.items() if type(uri) is str}

    def name(self, member: str) -> str:
        """The XML name of a member, its namespace declared. Raises UnsayableError where it can have none."""
        prefix, colon, local = member.partition(":")
        if not colon:
            if not is_name(member):
                raise UnsayableError
            return member
        if not is_name(prefix) or not is_name(local) or prefix in _OWN_PREFIXES:
            raise UnsayableError
        uri = self.meaning(prefix) or UNRESOLVED + prefix
        if _URI.fullmatch(uri) is None or uri in _TAKEN:
            raise UnsayableError
        self.declare(prefix, MASTER_DATA_XML if uri == MASTER_DATA_NAMESPACE else uri)
        return member

    def declare(self, prefix: str, uri: str) -> None:
        """Have a prefix declared where it is bound: on the event, or else on the document."""
        if self._around is None or prefix in self._bound:
            self.declared[prefix] = uri
        else:
            self._around.declare(prefix, uri)

    def meaning(self, prefix: str) -> str | None:
        """What a prefix stands for here, None where nobody says."""
        if prefix == OURS:
            return EXTENSION_NAMESPACE
        if prefix in self._bound:
            return self._bound[prefix]
        if prefix == PREFIX:
            return HEADER_NAMESPACE
        return STANDARD_PREFIXES.get(prefix) if self._around is None else self._around.meaning(prefix)

    def mention(self, text: str) -> None:
        """Note a value that may be a compact URI."""
        prefix, colon, _ = text.partition(":")
        if colon and prefix in self._bound:
            self.is_needed = True
        elif colon and self._around is not None:
            self._around.mention(text)

    def attributes(self) -> str:
        """Declarations, and the context itself where namespaces do not say all of it."""
        said = "".join(f' xmlns:{prefix}="{in_attribute(uri)}"' for prefix, uri in self.declared.items())
        if self.context is None or not (
            self.is_needed or is_open(self.context) or not _is_plain(self.context)
        ):
            return said
        if OURS not in self.declared:
            said += f' xmlns:{OURS}="{EXTENSION_NAMESPACE}"'
        return f'{said} {OURS}:context="{in_attribute(json_safe(json_text(self.context)))}"'


def _is_plain(context: Any) -> bool:
    """Whether a context only binds prefixes."""
    for part in context if type(context) is list else [context]:
        if type(part) is dict and not all(_is_prefix(name, meaning) for name, meaning in part.items()):
            return False
    return True


def _is_prefix(name: str, meaning: Any) -> bool:
    return type(meaning) is str and ":" not in name and name[:1] != "@"
