"""Names: what an XML name is called in JSON, and the `@context` that says so (EPCIS.md, Forms; EPCIS 2.0 §10.1).

An element of somebody else's namespace becomes a member `prefix:name`, under the prefix the author wrote wherever it can
be kept, and the namespaces so named become the `@context`. A prefix is renamed where it would redefine a term, a scheme
or another prefix of the same document. Every cap on names is here: a document can neither fill memory with names nor
make each of them long.
"""

from __future__ import annotations

from typing import Any, Final

from ledger.base.errors import Code, FormError
from ledger.base.limits import CONTEXT_BYTES, IDENTIFIER_BYTES, XML_NAMES
from ledger.epcis.xml.grammar import NAMESPACES
from ledger.trade.extract.context import BUILT_IN, FIXED, SCHEMES
from ledger.trade.vocabulary import MASTER_DATA_NAMESPACE, RESERVED_TERMS

EPCIS_CONTEXT: Final = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"
# The prefixes that the EPCIS context itself binds.
STANDARD_PREFIXES: Final = {name: BUILT_IN[name] for name in ("epcis", "cbv", "cbvmda", "gs1")} | {
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "owl": "http://www.w3.org/2002/07/owl#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "dcterms": "http://purl.org/dc/terms/",
}
UNRESOLVED: Final = "urn:custody:prefix:"
"""The namespace of a prefix whose meaning is in a context that is not here: the writer makes it, the reader undoes it."""
MASTER_DATA_XML: Final = MASTER_DATA_NAMESPACE.rstrip(":")


class Names:
    """The names of one document, as expat gives them: `local`, `uri local` or `uri local prefix`."""

    def __init__(self) -> None:
        self._own: dict[str, str | None] = {}
        self._members: dict[str, str] = {}
        self._bound: dict[str, str] = {}
        self._bytes = 0
        self._chosen: dict[tuple[str, str], str] = {}
        self._taken: dict[str, int] = {}
        self.respelled: dict[str, str] = {}
        """By prefix, a namespace as the XML has it where JSON has another for the same."""

    def own(self, name: str) -> str | None:
        """The local name of an element of EPCIS's own, None for one of another namespace.

        Elements of EPCIS stand in no namespace; many write them in that of the document, which is taken as well.
        """
        try:
            return self._own[name]
        except KeyError:
            pass
        uri, separator, rest = name.partition(" ")
        local = name if not separator else rest.partition(" ")[0] if uri in NAMESPACES else None
        self._count()
        self._own[name] = local
        return local

    def member(self, name: str) -> str:
        """The JSON name of an element or attribute of anybody's."""
        try:
            return self._members[name]
        except KeyError:
            pass
        uri, separator, rest = name.partition(" ")
        local, _, prefix = rest.partition(" ")
        self._count()
        member = f"{self.prefix(prefix, uri)}:{local}" if separator else name
        self._members[name] = member
        return member

    def prefix(self, written: str, uri: str) -> str:
        """The prefix that stands for the namespace `uri` from here on: `written` unless that is taken."""
        chosen = self._chosen.get((written, uri))
        if chosen is not None:
            return chosen
        meant = MASTER_DATA_NAMESPACE if uri == MASTER_DATA_XML else uri
        number, prefix = self._taken.get(written, 1), written or "ns"
        while not self._binds(prefix, meant):
            number += 1
            prefix = f"{written or 'ns'}{number}"
        self._taken[written] = number
        self._chosen[written, uri] = prefix
        if meant != uri:
            self.respelled[prefix] = uri
        return prefix

    def _binds(self, prefix: str, uri: str) -> bool:
        if prefix in self._bound:
            return self._bound[prefix] == uri
        if uri != UNRESOLVED + prefix:  # what nobody could resolve in JSON stays as it was there
            if not prefix or prefix in RESERVED_TERMS or prefix in SCHEMES:
                return False
            if prefix in FIXED and BUILT_IN[prefix] != uri:
                return False
        self._bytes += len(prefix) + len(uri)
        if self._bytes > CONTEXT_BYTES // 2:
            raise FormError(
                Code.TOO_LARGE, f"expected namespaces of at most {CONTEXT_BYTES // 2} characters in all"
            )
        self._bound[prefix] = uri
        return True

    def _count(self) -> None:
        if len(self._own) + len(self._members) >= XML_NAMES:
            raise FormError(
                Code.TOO_LARGE, f"expected at most {XML_NAMES} different names in one document, got more"
            )

    def context(self, said: Any = None) -> list[Any]:
        """The `@context` of what was read: `said`, where the document carries one, and the prefixes it does not say."""
        parts = said if type(said) is list else [EPCIS_CONTEXT] if said is None else [said]
        known = dict(STANDARD_PREFIXES)
        for part in parts:
            if type(part) is dict:
                known |= {prefix: uri for prefix, uri in part.items() if type(uri) is str}
        more = {
            prefix: uri
            for prefix, uri in self._bound.items()
            if known.get(prefix) != uri and not uri.startswith(UNRESOLVED)
        }
        return [*parts, more] if more else list(parts)


def check_namespace(uri: str | None) -> None:
    """Refuse a namespace that is longer than any identifier: expat repeats it with every name in it."""
    if uri is not None and len(uri) > IDENTIFIER_BYTES:
        raise FormError(
            Code.TOO_LARGE, f"expected a namespace of at most {IDENTIFIER_BYTES} characters, got {len(uri)}"
        )
