"""What an act says, in lines that a person reads before approving it. Made here from the item itself, never from its sender's words."""

from __future__ import annotations

from typing import Any, Final

from ledger.base.keys import key_id
from ledger.chain.transaction import Item, Kind, Transaction, item_from_wire
from ledger.proof.narrate import instant
from ledger.state.approval import policy_name
from ledger.trade.statement import Action

_SHOWN: Final = 10
_LONGEST: Final = 200


def act_lines(transaction: Transaction, place: int) -> list[list[str]]:
    """Pairs of what and how it is, for the item at `place`; FormError for an item of the wrong form."""
    header, raw = transaction.header, transaction.items[place]
    if header.kind == Kind.EVENTS:
        item = item_from_wire(raw)
        lines = [["act", Action(item.statement.action).name.lower()], *_event(item)]
    else:
        name = policy_name(header.kind, raw) or Kind(header.kind).name.lower()
        lines = [["act", name]]
        fields = raw if type(raw) is tuple else (raw,)
        lines += [[f"field {number}", _plain(field)] for number, field in enumerate(fields)]
    return [
        *lines,
        ["organisation", header.organisation],
        ["signed by key", key_id(header.public_key).hex()],
        ["expires", instant(header.expiry_ms)],
    ]


def _event(item: Item) -> list[list[str]]:
    said = item.statement
    more = len(item.subjects) - _SHOWN
    lines = [["subject", subject.identifier] for subject in item.subjects[:_SHOWN]]
    if more > 0:
        lines.append(["subject", f"and {more} more"])
    if said.counterparty is not None:
        lines.append(["counterparty", said.counterparty])
    if said.place is not None:
        lines.append(["place", said.place])
    lines += [["document", document] for document in said.documents]
    if said.measure is not None:
        lines += [["case", said.measure.case], ["legal basis", said.measure.basis]]
    if said.cites is not None:
        lines.append(["about event", said.cites.hex()])
    return [*lines, ["time stated", instant(said.time_ms)]]


def _plain(value: Any) -> str:
    """A field of an item in words, shortened."""
    if type(value) is bytes:
        return value.hex()[:_LONGEST]
    if type(value) is tuple:
        return "[" + ", ".join(_plain(one) for one in value[:_SHOWN])[:_LONGEST] + "]"
    if value is None or type(value) is bool:
        return "none" if value is None else "yes" if value else "no"
    return str(value)[:_LONGEST]
