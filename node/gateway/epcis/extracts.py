"""An event whose bytes nobody here can read, as its extract tells it (EPCIS.md "Query"; EXTRACT.md).

What an author restricted, what was erased, and what this node does not hold still stands on the ledger as an extract. It is answered
as an event of a standard type where the extract leaves no doubt about type and action (TransformationEvent, Aggregation- and
AssociationEvents that add or delete, TransactionEvents that bind or unbind, ObjectEvents that make); else as an event of the type
`ledger:Extract`. Nothing is guessed: what an extract does not tell apart (read point or business location, owning or possessing
party, what was written beside it) stands in `ledger:statement` in the ledger's words, and nowhere else.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ledger.chain.transaction import Item
from ledger.trade.slices import Number
from ledger.trade.statement import Action, Flag, Quantity, Role, Statement, Subject
from ledger.trade.vocabulary import Disposition, Step
from node.gateway.rendering import statement_json

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ADDS: Final = frozenset({Action.MAKE, Action.PACK, Action.BIND})
_NESTS: Final = frozenset({Action.PACK, Action.UNPACK, Action.UNPACK_ALL})
_BINDS: Final = frozenset({Action.BIND, Action.UNBIND, Action.UNBIND_ALL})


def event_of(item: Item, start: str) -> dict[str, Any]:
    """The event that an item's extract tells, without id and record time; values as `ledger.trade.slices` reads them.

    `start`: what names of our own begin with.
    """
    statement = item.statement
    event: dict[str, Any] = {"type": f"{start}Extract", **_times(statement)}
    if statement.action == Action.TRANSFORM:
        event |= _words(statement, "TransformationEvent") | _transformed(item)
    elif statement.action in _NESTS:
        is_association = statement.flags & Flag.ASSOCIATION
        event |= _words(statement, "AssociationEvent" if is_association else "AggregationEvent")
        event |= _parent(item) | _lists(_of(item, Role.CHILD), "childEPCs", "childQuantityList")
    elif statement.action in _BINDS:
        event |= _words(statement, "TransactionEvent") | _parent(item)
        event |= _lists(_of(item, Role.OBJECT), "epcList", "quantityList")
        documents = [subject.identifier for subject in _of(item, Role.DOCUMENT)]
        event["bizTransactionList"] = [{"bizTransaction": document} for document in documents]
    elif statement.action == Action.MAKE:
        objects = _lists(_of(item, Role.OBJECT), "epcList", "quantityList")
        event |= _words(statement, "ObjectEvent") | (objects or {"epcList": []})
    return event | {start + name: value for name, value in _told(item).items()}


def _words(statement: Statement, kind: str) -> dict[str, Any]:
    """Type, action, step and disposition."""
    said: dict[str, Any] = {"type": kind}
    if statement.action != Action.TRANSFORM:
        said["action"] = "ADD" if statement.action in _ADDS else "DELETE"
    if statement.step:
        said["bizStep"] = Step(statement.step).name.lower()
    if statement.disposition:
        said["disposition"] = Disposition(statement.disposition).name.lower()
    return said


def _times(statement: Statement) -> dict[str, Any]:
    """The time the author gave, in UTC: its own offset is not in the extract."""
    moment = _EPOCH + timedelta(milliseconds=statement.time_ms)
    text = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"eventTime": text, "eventTimeZoneOffset": "+00:00"}


def _transformed(item: Item) -> dict[str, Any]:
    said = _lists(_of(item, Role.INPUT), "inputEPCList", "inputQuantityList")
    said |= _lists(_of(item, Role.OUTPUT), "outputEPCList", "outputQuantityList")
    if item.statement.transformation is not None:
        said["transformationID"] = item.statement.transformation
    return said


def _parent(item: Item) -> dict[str, Any]:
    parents = _of(item, Role.PARENT)
    return {"parentID": parents[0].identifier} if parents else {}


def _lists(subjects: list[Subject], instances: str, classes: str) -> dict[str, Any]:
    plain = [subject.identifier for subject in subjects if subject.quantity is None]
    counted = [
        {"epcClass": subject.identifier, **_amount(subject.quantity)}
        for subject in subjects
        if subject.quantity is not None
    ]
    return ({instances: plain} if plain else {}) | ({classes: counted} if counted else {})


def _of(item: Item, role: Role) -> list[Subject]:
    return [subject for subject in item.subjects if subject.role == role]


def _amount(quantity: Quantity) -> dict[str, Any]:
    return {"quantity": number_of(quantity)} | ({"uom": quantity.unit} if quantity.unit else {})


def number_of(quantity: Quantity) -> Number:
    """The amount as a decimal number."""
    digits = str(quantity.amount).rjust(quantity.scale + 1, "0")
    whole = digits[: len(digits) - quantity.scale]
    return Number(f"{whole}.{digits[-quantity.scale :]}" if quantity.scale else whole)


def _told(item: Item) -> dict[str, Any]:
    """The whole extract in the ledger's words, as API.md §4 shows it."""
    subjects: list[dict[str, Any]] = []
    for subject in item.subjects:
        shown: dict[str, Any] = {"role": Role(subject.role).name.lower(), "id": subject.identifier}
        if subject.quantity is not None:
            shown |= _amount(subject.quantity)
        subjects.append(shown)
    statement = _numbered(statement_json(item.statement))
    return {"statement": statement, "subjects": subjects}


def _numbered(value: Any) -> Any:
    """A rendered value with its integers as numbers of the strict reader."""
    if type(value) is int:
        return Number(str(value))
    if type(value) is list:
        return [_numbered(member) for member in value]
    if type(value) is dict:
        return {name: _numbered(member) for name, member in value.items()}
    return value
