"""From a final block and the bytes behind it to the rows of the index (EPCIS.md, Index).

Refused items have no entry and are not in the repository; recorded ones, which contradict what stood before, are. An event
whose bytes are not here is indexed by its extract: what the ledger knows of it for certain, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Any, Final, NamedTuple

from ledger.base.encoding import decode_known, encode
from ledger.base.errors import FormError
from ledger.base.hashing import HASH_BYTES
from ledger.base.keys import key_id
from ledger.chain.transaction import Header, Item, Kind, is_open
from ledger.state.erasure import tombstone_from_wire
from ledger.trade.identifiers import Kind as IdentifierKind
from ledger.trade.identifiers import canonical
from ledger.trade.statement import Action, Flag, Quantity, Role, Statement, Subject
from ledger.trade.vocabulary import Disposition, Step
from node.index.facets import Derived, Facet, derive
from node.index.units import measured
from node.index.values import number_key
from node.local.protocol import FinalBlock

DERIVED_ID: Final = "urn:custody:event:"
NAMING: Final = (
    "epc", "inputEPC", "outputEPC", "parentID", "epcClass", "inputEPCClass", "outputEPCClass",
)  # fmt: skip
"""The facets of what an event is about."""
ALSO_NAMED: Final = "alsoNamed"
"""The facet of subjects that stand in none of these."""


class State(IntEnum):
    """Whether an event's bytes can be shown."""

    SHOWN = 0
    RESTRICTED = 1  # the author's choice, and this node is no reader
    ERASED = 2
    MISSING = 3  # open, and not here (yet)


class Body(NamedTuple):
    """An author's bytes."""

    context: bytes | None
    event: bytes


class EventRow(NamedTuple):
    """One event as it is written down."""

    event_hash: bytes
    event_id: str
    is_derived: bool
    transaction: bytes
    place: int
    event_time_ms: int
    organisation: str
    public_key: bytes
    outcomes: bytes
    item: bytes
    state: State
    body: Body | None
    facets: frozenset[Facet]


class Erased(NamedTuple):
    """A tombstone: whose bytes go if that organisation put the hash on the ledger first (PROTOCOL.md §7.5)."""

    event_hash: bytes
    organisation: str


class BlockEvents(NamedTuple):
    """The events of one block, and where in which chain it stands."""

    height: int
    header_hash: bytes
    parent: bytes
    outcome_hash: bytes
    time_ms: int
    events: tuple[EventRow, ...]
    erased: tuple[Erased, ...] = ()
    """What tombstones of the block name; no event need have it."""


class Author(NamedTuple):
    """The transaction an item came in, and who signed it."""

    transaction: bytes
    organisation: str
    public_key: bytes


class Recorded(NamedTuple):
    """An item of an event that has an entry on the ledger."""

    author: Author
    place: int
    wire: Any
    """Its decoded array."""
    outcomes: tuple[int, ...]

    @property
    def event_hash(self) -> bytes:
        """What the author's bytes hash to."""
        digest: bytes = self.wire[3]
        return digest


class Opened(NamedTuple):
    """What a block says to the index: the items that are in the repository, and the tombstones, in order."""

    recorded: list[Recorded]
    erased: list[Erased]


def open_block(block: FinalBlock) -> Opened:
    """Take the transactions of a block apart. They were executed here, so their form is not judged again."""
    recorded: list[Recorded] = []
    erased: list[Erased] = []
    for data, status in zip(block.transactions, block.receipts, strict=True):
        fields, items, _signature = decode_known(data)
        header = Header._make(fields)
        shown = [receipt for receipt in status.receipts if receipt.entry is not None]
        if header.kind == Kind.EVENTS:
            author = Author(status.transaction, header.organisation, key_id(header.public_key))
            recorded += [
                Recorded(author, receipt.place, items[receipt.place], receipt.outcomes) for receipt in shown
            ]
        elif header.kind == Kind.ERASURE:
            erased += [
                Erased(tombstone_from_wire(items[receipt.place]).event_hash, header.organisation)
                for receipt in shown
            ]
    return Opened(recorded, erased)


def read_block(
    network: bytes, block: FinalBlock, opened: Opened, bodies: Mapping[bytes, Body]
) -> BlockEvents:
    """The rows of a block; `bodies`: by event hash, as many as are here."""
    header = block.header
    return BlockEvents(
        header.height,
        header.hash,
        header.parent,
        block.outcome.hash_in(network),
        header.time_ms,
        tuple(read_item(*item, bodies.get(item.event_hash)) for item in opened.recorded),
        tuple(opened.erased),
    )


def known_item(wire: Any) -> Item:
    """An item that the ledger executed, from its decoded array."""
    statement, subjects, *rest = wire
    return Item(
        Statement._make(statement),
        tuple(
            Subject(role, identifier, None if quantity is None else Quantity._make(quantity))
            for role, identifier, quantity in subjects
        ),
        *rest,
    )


def read_item(
    author: Author, place: int, wire: Any, outcomes: tuple[int, ...], body: Body | None
) -> EventRow:
    """The row of one item; `wire` is its decoded array."""
    item = known_item(wire)
    state = State.SHOWN if body is not None else State.MISSING if is_open(item) else State.RESTRICTED
    derived = facets_of(item, body)
    return EventRow(
        item.event_hash,
        derived.event_id or DERIVED_ID + item.event_hash.hex(),
        derived.event_id is None,
        author.transaction,
        place,
        item.statement.time_ms,
        author.organisation,
        author.public_key,
        encode(outcomes),
        encode(wire),
        state,
        body,
        derived.facets,
    )


def facets_of(item: Item, body: Body | None) -> Derived:
    """What can be searched of an event: all its bytes say, or without them what its extract says."""
    if body is not None:
        try:
            derived = derive(body.event, body.context)
            return Derived(derived.event_id, _completed(derived.facets, item))
        except FormError:
            pass  # bytes that are not what their item says stand on the ledger as such (RULES.md, MISMATCH)
    return Derived(None, _completed(frozenset(_of_extract(item)), item))


def _completed(found: frozenset[Facet], item: Item) -> frozenset[Facet]:
    """What was read of an event, and what the ledger knows of it besides: every subject is found, in whatever way it is named
    (as missing, as the lot that serials come from), so that a list of a subject's events can be whole.
    """
    more = {
        (ALSO_NAMED, subject.identifier)
        for subject in item.subjects
        if not any((name, subject.identifier) in found for name in NAMING)
    }
    if item.statement.action == Action.CORRECT and item.statement.cites is not None:
        more.add(("declares", item.statement.cites.hex()))
    return found | more if more else found


_TYPES: Final = {
    Action.TRANSFORM: "TransformationEvent",
    Action.BIND: "TransactionEvent",
    Action.UNBIND: "TransactionEvent",
    Action.UNBIND_ALL: "TransactionEvent",
    Action.MAKE: "ObjectEvent",
}
_NESTING: Final = frozenset({Action.PACK, Action.UNPACK, Action.UNPACK_ALL})
_VERBS: Final = {
    Action.MAKE: "ADD",
    Action.PACK: "ADD",
    Action.BIND: "ADD",
    Action.UNPACK: "DELETE",
    Action.UNPACK_ALL: "DELETE",
    Action.UNBIND: "DELETE",
    Action.UNBIND_ALL: "DELETE",
}
_ROLES: Final = {
    Role.OBJECT: "epc",
    Role.PARENT: "parentID",
    Role.CHILD: "epc",
    Role.CONTENT: "epc",
    Role.INPUT: "inputEPC",
    Role.OUTPUT: "outputEPC",
}
_CLASSES: Final = frozenset({IdentifierKind.CLASS, IdentifierKind.LOT})


def _of_extract(item: Item) -> Iterator[Facet]:
    """What an extract says for certain of the event it was read from: a sample's objects, for one, may be either list."""
    said = item.statement
    action = Action(said.action)
    if action == Action.CORRECT:
        yield "errorDeclaration", ""
    if action in _NESTING:
        yield "type", "AssociationEvent" if said.flags & Flag.ASSOCIATION else "AggregationEvent"
    elif action in _TYPES:
        yield "type", _TYPES[action]
    if action in _VERBS:
        yield "action", _VERBS[action]
    if said.step:
        yield "bizStep", Step(said.step).name.lower()
    if said.disposition:
        yield "disposition", Disposition(said.disposition).name.lower()
    if said.transformation is not None:
        yield "transformationID", said.transformation
    for subject in item.subjects:
        if subject.role == Role.PLACE:
            yield "readPoint", subject.identifier
        elif action not in (Action.SAMPLE, Action.CORRECT):
            yield from _of_subject(subject)


def _of_subject(subject: Subject) -> Iterator[Facet]:
    name = _ROLES.get(Role(subject.role))
    if name is None:
        return
    if name == "parentID" or canonical(subject.identifier).kind not in _CLASSES:
        yield name, subject.identifier
        return
    yield f"{name}Class", subject.identifier
    if subject.quantity is not None:
        amount = f"{subject.quantity.amount}e-{subject.quantity.scale}"
        yield "quantity", number_key(amount)
        if subject.quantity.unit:
            yield measured("quantity", subject.quantity.unit, amount)


def hash_in(event_id: str) -> bytes | None:
    """The event hash in an eventID of ours, None in any other."""
    if not event_id.startswith(DERIVED_ID) or len(event_id) != len(DERIVED_ID) + 2 * HASH_BYTES:
        return None
    try:
        return bytes.fromhex(event_id[len(DERIVED_ID) :])
    except ValueError:
        return None
