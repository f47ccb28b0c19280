"""EPCIS documents of answers, in JSON (EPCIS.md "Query"; EPCIS 2.0 §10, §12).

Events go out as copies: values as the strict reader gave them, so that a number is written as its author wrote it. One
`@context` stands for the whole document where its parts cannot disagree; an event whose context may mean something else keeps
it beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ledger.base.limits import CONTEXT_BYTES, JSON_DEPTH
from ledger.epcis import original
from ledger.epcis.json_text import json_text
from ledger.epcis.xml.names import EPCIS_CONTEXT
from ledger.trade.slices import parse

CONTEXT: Final = EPCIS_CONTEXT
_STANDARD: Final = frozenset(
    {
        CONTEXT,
        "https://ref.gs1.org/standards/epcis/epcis-context.jsonld",
        "https://gs1.github.io/EPCIS/epcis-context.jsonld",
    }
)
"""Addresses under which the context of EPCIS 2.0 is known; one stands for all of them."""
_DROPPED: Final = frozenset({original.TERM})
"""Terms that a gateway adds when it captures; they say something of one document, not of the events."""
_DEPTH: Final = JSON_DEPTH + 8


def written(value: Any) -> bytes:
    """The JSON text of an answer, whose values are those of the strict reader and deeper by its frame."""
    return json_text(value, _DEPTH).encode()


def collection(members: Sequence[str]) -> dict[str, Any]:
    """A list of names."""
    return {"@context": CONTEXT, "type": "Collection", "member": list(members)}


def query_document(
    events: Sequence[dict[str, Any]],
    context: list[Any],
    *,
    created: str,
    query_name: str,
    subscription_id: str | None = None,
    more: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """An EPCISQueryDocument. `more`: members of our namespace."""
    results: dict[str, Any] = {"queryName": query_name}
    if subscription_id is not None:
        results["subscriptionID"] = subscription_id
    results["resultsBody"] = {"eventList": list(events)}
    return {
        "@context": context,
        "type": "EPCISQueryDocument",
        "schemaVersion": "2.0",
        "creationDate": created,
        **(more or {}),
        "epcisBody": {"queryResults": results},
    }


def joined_contexts(
    contexts: Iterable[bytes | None], ours: Mapping[str, str]
) -> tuple[list[Any], dict[bytes, list[Any]]]:
    """One context for a document whose events come from documents with these, and those that do not fit into it.

    A single one always fits. Of several, one fits if it names no address beside the standard one or what all others
    name, binds no term that another binds differently, and sets no keyword. What does not fit is to stand in its events.
    """
    distinct = list(dict.fromkeys(contexts))
    terms: dict[str, Any] = dict(ours)
    apart: dict[bytes, list[Any]] = {}
    addresses: list[str] | None = None
    for context in distinct:
        parts = _parts(context)
        named = [part for part in parts if type(part) is str and part not in _STANDARD]
        bound = {term: meaning for part in parts if type(part) is dict for term, meaning in part.items()}
        is_plain = len(distinct) == 1 or not any(term.startswith("@") for term in bound)
        # An address is never fetched, so what it says beside another one nobody knows.
        fits = is_plain and all(terms.get(term, meaning) == meaning for term, meaning in bound.items())
        if fits and (addresses is None or named == addresses):
            addresses = named
            terms |= bound
        elif context is not None:
            apart[context] = parts
    return [CONTEXT, *(addresses or []), *([terms] if terms else [])], apart


def _parts(context: bytes | None) -> list[Any]:
    if context is None:
        return []
    value = parse(context, CONTEXT_BYTES)
    parts = value if type(value) is list else [value]
    return [
        {term: meaning for term, meaning in part.items() if term not in _DROPPED}
        if type(part) is dict
        else part
        for part in parts
    ]
