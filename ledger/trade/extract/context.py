"""What an author's `@context` may say, and what it then means (EXTRACT.md §3).

An author's context may add prefixes and terms of its own; it may not change what an EPCIS term, a CBV word or a custody
term means, nor how an identifier reads. Contexts named by address are never fetched: the EPCIS context is built in, and
any other is taken to add nothing, which its `@protected` terms guarantee for those read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from ledger.base.errors import Code, FormError
from ledger.base.limits import CONTEXT_BYTES, IDENTIFIER_BYTES
from ledger.trade.slices import Number, parse
from ledger.trade.vocabulary import (
    CBV_NAMESPACE,
    EPCIS_NAMESPACE,
    EXTENSION_NAMESPACE,
    MASTER_DATA_NAMESPACE,
    RESERVED_TERMS,
)

# Prefixes everybody has. Those whose meaning decides anything here cannot be bound to something else.
BUILT_IN: Final = {
    "epcis": EPCIS_NAMESPACE,
    "cbv": CBV_NAMESPACE,
    "custody": EXTENSION_NAMESPACE,
    "cbvmda": MASTER_DATA_NAMESPACE,
    "gs1": "https://gs1.org/voc/",
}
FIXED: Final = frozenset({"epcis", "cbv", "custody"})
# A prefix of these names would change how identifiers read.
SCHEMES: Final = frozenset(
    {"urn", "http", "https", "ni", "geo", "did", "tag", "data", "ftp", "file", "mailto", "tel", "sms", "acct"}
)
_HARMLESS_KEYWORDS: Final = frozenset({"@version", "@protected", "@language", "@direction"})
_GUARDED: Final = (EPCIS_NAMESPACE, CBV_NAMESPACE, EXTENSION_NAMESPACE)
_CHAIN: Final = 8  # prefixes that stand on prefixes


class Prefixes:
    """The prefixes in force for one event."""

    def __init__(self, bound: Mapping[str, str]) -> None:
        self._bound = bound

    def expanded(self, text: str) -> str:
        """`text` with a compact prefix replaced by what it stands for; other text unchanged."""
        prefix, separator, rest = text.partition(":")
        if separator and not rest.startswith("//") and prefix in self._bound:
            return self._bound[prefix] + rest
        return text

    def extended(self, context: Any) -> Prefixes:
        """These prefixes and those of an event's own `@context` value."""
        return Prefixes(_merged(dict(self._bound), context))


@lru_cache(maxsize=64)
def prefixes_of(context: bytes | None) -> Prefixes:
    """The prefixes of a document's `@context` slice; None is the EPCIS context alone.

    Raises FormError: those of `slices.parse`, malformed for a value that is no context, context_redefines.
    """
    if context is None:
        return Prefixes(dict(BUILT_IN))
    return Prefixes(_merged(dict(BUILT_IN), parse(context, CONTEXT_BYTES)))


def _merged(bound: dict[str, str], context: Any) -> dict[str, str]:
    """`bound` with what each part of `context` adds, the parts in order, as JSON-LD merges them."""
    for part in context if type(context) is list else [context]:
        if type(part) is str:
            continue
        if type(part) is not dict:
            raise _redefines("each part of a context to be an address or an object", part)
        targets = {term: _target(term, meaning) for term, meaning in part.items()}
        for term, text in targets.items():
            bound.pop(term, None)
            if text is not None and ":" not in term:
                bound[term] = text
        for term, text in targets.items():
            if text is not None:
                _bind(bound, term, text)
    return bound


def _target(term: str, meaning: Any) -> str | None:
    """The text `term` stands for, None where it is a keyword or cleared; FormError where it may not be an author's."""
    if term in _HARMLESS_KEYWORDS:
        return None
    if term[:1] == "@" or term in RESERVED_TERMS or not term:
        raise _redefines(f"a context that only adds prefixes and terms, without {term!a}", meaning)
    if term in SCHEMES:
        raise _redefines(f"{term}: to begin a URI", meaning)
    if type(meaning) is dict:
        meaning = meaning.get("@id", meaning.get("@reverse"))
    if meaning is None and term not in FIXED:
        return term if ":" in term else None
    if type(meaning) is not str:
        raise _redefines(f"the meaning of {term!a} to be text", meaning)
    return meaning


def _bind(bound: dict[str, str], term: str, text: str) -> None:
    """Resolve what `term` stands for; it may be no second name of a term that is read here, nor of a keyword."""
    for compact in (term, text) if ":" in term else (text,):
        resolved = _resolved(bound, compact)
        is_namespace = resolved in _GUARDED and ":" not in term
        if resolved[:1] == "@" or (resolved.startswith(_GUARDED) and not is_namespace):
            raise _redefines(f"{term!a} to be no second name of an EPCIS, CBV or custody term", resolved)
        if term in FIXED and resolved != BUILT_IN[term]:
            raise _redefines(f"{term} to stand for {BUILT_IN[term]}", resolved)
        if ":" not in term:
            bound[term] = resolved


def _resolved(bound: Mapping[str, str], text: str) -> str:
    for _ in range(_CHAIN):
        prefix, separator, rest = text.partition(":")
        if len(text) > IDENTIFIER_BYTES:
            raise _redefines(f"prefixes of at most {IDENTIFIER_BYTES} characters", text)
        if not separator or rest.startswith("//") or prefix not in bound:
            return text
        text = bound[prefix] + rest
    raise _redefines("prefixes that end in an address", text)


def _redefines(expected: str, came: Any) -> FormError:
    shown = came.text if type(came) is Number else came
    return FormError(Code.CONTEXT_REDEFINES, f"expected {expected}, got {f'{shown!a}'[:96]}")
