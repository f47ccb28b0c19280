"""Events that bind goods to trade documents (CUSTODY_RULES row 25)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from client.events.draft import Circumstances, Draft, check_some, drafted, listed, mention, side
from client.spelling import Thing
from ledger.base.errors import Code, FormError
from ledger.trade.identifiers import Identifier


def bind(
    at: Circumstances,
    documents: Sequence[Identifier],
    things: Sequence[Thing],
    *,
    to: Identifier | None = None,
) -> Draft:
    """Declare things under documents; with `to`, offer them to that party in the same event (rows 25 and 10)."""
    check_some(things, "what is bound")
    step = {} if to is None else {"bizStep": "shipping", "destinationList": side("destination", to)}
    return _bound(at, documents, things, "ADD", step)


def unbind(at: Circumstances, documents: Sequence[Identifier], things: Sequence[Thing] = ()) -> Draft:
    """Take things off documents; without things, everything bound to them."""
    return _bound(at, documents, things, "DELETE", {})


def _bound(
    at: Circumstances,
    documents: Sequence[Identifier],
    things: Sequence[Thing],
    verb: str,
    step: Mapping[str, object],
) -> Draft:
    if not documents:
        raise FormError(Code.MALFORMED, "expected at least one document, got none")
    members = {
        "action": verb,
        "bizTransactionList": [mention(document) for document in documents],
        **listed(things, "epcList", "quantityList"),
        **step,
    }
    return drafted("TransactionEvent", at, members)
