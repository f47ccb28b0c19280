"""A mismatch: the bytes of an event on the ledger, whose extract does not follow from them (PROTOCOL.md §7.4).

    item = [item, sequence, salt, context | nil, event]      of a transaction of kind MISMATCH

Its extract is fixed by the event's own and by what the bytes say, so that whoever publishes it states nothing of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger.base import limits
from ledger.base.encoding import take_array, take_bytes, take_int
from ledger.base.errors import Code, CustodyError, FormError, RuleError
from ledger.chain.transaction import Item, event_hash, item_from_wire
from ledger.state.erasure import is_erased
from ledger.state.item import ItemChanges, Records
from ledger.trade.extract import extract
from ledger.trade.statement import Action, Extract, Openness, Subject


def shown_item(
    network: bytes, records: Records, row_of: Callable[[int], ItemChanges | None], raw: Any
) -> Item:
    """The item that a mismatch states, once its bytes have shown it; `row_of`: what the item at a place in the event log did.

    FormError for bytes that are not those on the ledger, or agree with their extract; RuleError(erased).
    """
    fields = take_array(raw, "mismatch", 5)
    item = item_from_wire(fields[0])
    sequence = take_int(fields[1], "sequence")
    salt = take_bytes(fields[2], "salt", most=64)
    context = None if fields[3] is None else take_bytes(fields[3], "context", most=limits.CONTEXT_BYTES)
    event = take_bytes(fields[4], "event", most=limits.EVENT_BYTES)
    original = row_of(sequence)
    if original is None or original.item is None:
        raise FormError(Code.MALFORMED, f"expected the sequence of an event on the ledger, got {sequence}")
    if is_erased(records, original.item.event_hash, original.entry.organisation):
        raise RuleError(
            Code.ERASED,
            f"expected an event whose bytes may be published, {original.entry.organisation} has erased this one",
        )
    if event_hash(network, salt, context, event) != original.item.event_hash:
        raise FormError(Code.MALFORMED, "expected the bytes whose hash stands on the ledger, got others")
    stated = mismatch_extract(original.item, original.entry.organisation, event, context)
    if item.extract != stated or item.event_hash != original.item.event_hash:
        raise FormError(
            Code.MALFORMED, "expected the extract of a mismatch that follows from the bytes, got another"
        )
    return item


def mismatch_extract(original: Item, organisation: str, event: bytes, context: bytes | None) -> Extract:
    """The extract of a mismatch item: the original cited, every subject of its extract and of the derived one.

    Raises FormError if the bytes agree with the original's extract.
    """
    try:
        derived = extract(event, context, original.statement.version, Openness(original.statement.openness))
    except CustodyError:
        derived = None
    if derived == original.extract:
        raise FormError(Code.MALFORMED, "expected bytes that contradict the extract, they agree with it")
    named = {subject.identifier: subject for subject in (derived.subjects if derived else ())}
    named.update({subject.identifier: subject for subject in original.subjects})
    subjects = tuple(Subject(named[name].role, name, None) for name in sorted(named))[
        : limits.SUBJECTS_PER_EVENT
    ]
    statement = original.statement._replace(
        action=Action.MISMATCH,
        handover=0,
        counterparty=organisation,
        cites=original.event_hash,
        measure=None,
        permit=None,
        openness=Openness.RESTRICTED,
    )
    return Extract(statement, subjects)
