"""The extract: what the rules need to know of an EPCIS event, and nothing else (DESIGN §4; EXTRACT.md).

An *extract* is a `Statement` (what is said of all subjects) and its `Subject`s (of what it is said). It holds no free
text and no natural person. Consensus and the offline verifier work on extracts only; `trade.extract` derives them from
the author's bytes, and anybody holding the bytes can check that derivation.

Invariants: all text is printable ASCII; every enumeration value is a small integer that is never reused; no identifier
stands twice among the subjects of one event.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Any, Final, NamedTuple

from ledger.base import limits
from ledger.base.encoding import (
    take_array,
    take_ascii,
    take_int,
    take_optional_ascii,
    take_optional_bytes,
)
from ledger.base.errors import Code, FormError
from ledger.base.hashing import HASH_BYTES

EXTRACTOR_VERSION: Final = 1


class Action(IntEnum):
    """What the event's form says was done (CUSTODY_RULES, column "EPCIS pattern"); the rules decide what it means.

    The row numbers are those of the table; signer and state choose among them.
    """

    OBSERVE = 0  # 19, 24, also unknown steps and everything without custody effect
    MAKE = 1  # 2, 3: Object ADD; commissioning, creating_class_instance, no step
    TRANSFORM = 2  # 5
    PACK = 3  # 6, 24
    UNPACK = 4  # 7, 24: DELETE, children listed
    UNPACK_ALL = 5  # 8, 24: DELETE, none listed
    OFFER = 6  # 10, 11, 16: OUT; without counterparty an open offer
    ACCEPT = 7  # 9, 12-15: IN
    WITHDRAW = 8  # 17: void_shipping
    REJECT = 9  # 18
    DISPUTE = 10  # 18
    COMMERCIAL_HOLD = 11  # 20: holding without a measure
    HOLD = 12  # 21: holding + measure detain / seize
    RELEASE = 13  # 22
    PERMIT = 14  # 29
    BIND = 15  # 25: Transaction ADD
    UNBIND = 16  # 25: Transaction DELETE with objects
    UNBIND_ALL = 17  # 25: Transaction DELETE without objects
    END = 18  # 26: destroying, decommissioning, Object DELETE, retail_selling, dispensing
    CONFIRM = 19  # 27: ruling
    DISMISS = 20  # 27: ruling
    CORRECT = 21  # 1: any + errorDeclaration
    MISMATCH = 23  # `cites`' bytes contradict its extract; `counterparty` is its author's organisation id
    SAMPLE = 22  # 24: sampling; INPUT is what is sampled, OUTPUT the sample


class Role(IntEnum):
    """How the event names a subject."""

    OBJECT = 0  # epcList, quantityList of an object or transaction event
    PARENT = 1
    CHILD = 2  # childEPCs, childQuantityList of a pack or unpack
    INPUT = 3
    OUTPUT = 4
    DOCUMENT = 5  # bizTransactionList of a transaction event
    PLACE = 6  # the read point, of an event without objects
    MISSING = 7  # named by the receiver as not having come (row 14)
    CONTENT = 8  # children compared in an acceptance of their parent (row 9)
    LOT = 9  # the lot that the serials made in this event come from, with their number as quantity (lots)
    # 255 is reserved: an ancestor that the event does not name (related root)


class Flag(IntFlag):
    """Further facts of the statement that rules or verdicts use."""

    NONE = 0
    RESERVATION = 1  # damaged, mismatch_*, non_conformant: accepted with reservation (row 14)
    OTHER_SEAL = 2  # the receiver names a seal and says it differs
    FEWER = 4  # the receiver names missing items
    SEIZE = 8  # measure seize rather than detain
    RESEAL = 16  # `seals` replace those on record
    ASSOCIATION = 32  # AssociationEvent rather than AggregationEvent
    UNKNOWN_STEP = 64  # a bizStep outside the closed table
    OPAQUE = 128  # some identifier claims GS1 and does not parse
    UNREADABLE_PARTY = 256  # a destination party is given that names no canonical party


class Openness(IntEnum):
    """Whether the event's bytes travel with the batch."""

    OPEN = 0
    RESTRICTED = 1


class Quantity(NamedTuple):
    """`amount` / 10^`scale` of `unit` (UN/ECE Rec 20 code, or "" for pieces)."""

    amount: int
    scale: int
    unit: str


class Subject(NamedTuple):
    """One identifier the event is about."""

    role: int
    identifier: str
    quantity: Quantity | None


class Measure(NamedTuple):
    """An official act's reference: the authority's case and its legal basis."""

    case: str
    basis: str


class Leg(NamedTuple):
    """One leg of a permitted movement: from organisation to organisation, by canonical party identifiers."""

    sender: str
    receiver: str


class Permit(NamedTuple):
    """A permit to move under hold (row 29): ordered legs, each used once, its end, and the seal it demands."""

    legs: tuple[Leg, ...]
    until_ms: int
    seal: str | None


class Statement(NamedTuple):
    """What an event says of all its subjects. Wire form: an array of these fields in this order."""

    version: int
    action: int
    handover: int  # BIND only: OFFER or ACCEPT, what the same event does to its objects; else 0
    time_ms: int  # the author's claim, Unix milliseconds
    step: int  # code of the closed bizStep table, 0 none or unknown
    disposition: int  # code of the closed disposition table, 0 none or unknown
    counterparty: str | None  # destination possessing_party, else owning_party; canonical
    source: str | None  # source possessing_party, else owning_party; canonical
    place: str | None  # read point, else business location; canonical
    documents: tuple[str, ...]  # documents mentioned without binding
    flags: int
    openness: int
    cites: bytes | None  # CORRECT: the original's event hash; CONFIRM/DISMISS: that of the event ruled upon
    measure: Measure | None  # HOLD, RELEASE, PERMIT
    permit: Permit | None  # PERMIT
    lapse_ms: int | None  # OFFER: when an unanswered offer lapses
    seals: tuple[str, ...]  # seal numbers stated
    transformation: str | None  # transformationID, canonical


class Extract(NamedTuple):
    """A statement and its subjects, in the order in which the event names them."""

    statement: Statement
    subjects: tuple[Subject, ...]


_new: Final[Any] = tuple.__new__  # half the price of a call of the class, for what every event has
_ACTIONS: Final = int(max(Action))
_ROLES: Final = int(max(Role))
_FLAGS: Final = sum(Flag)
# Named once: every statement is asked, and a member of an enumeration costs a call of its metaclass.
_PERMIT: Final = int(Action.PERMIT)
_OFFICIAL: Final = (int(Action.HOLD), int(Action.RELEASE), _PERMIT)
_HANDED: Final = (int(Action.OFFER), int(Action.ACCEPT))


def statement_from_wire(value: Any) -> Statement:
    """A Statement from a decoded array; FormError names the field that is wrong."""
    fields = take_array(value, "statement", len(Statement._fields))
    version = take_int(fields[0], "version", 1, 255)
    if version != EXTRACTOR_VERSION:
        raise FormError(
            Code.UNSUPPORTED_VERSION, f"expected extractor version {EXTRACTOR_VERSION}, got {version}"
        )
    action = take_int(fields[1], "action", 0, _ACTIONS)
    handover = take_int(fields[2], "handover", 0, _ACTIONS)
    if handover and (handover not in _HANDED or action != Action.BIND):
        raise FormError(
            Code.MALFORMED, f"handover: expected offer or accept, in a binding only, got {handover}"
        )
    ident = limits.IDENTIFIER_BYTES
    documents = take_array(fields[9], "documents", most=limits.DOCUMENTS_PER_EVENT)
    seals = take_array(fields[16], "seals", most=limits.SEALS)
    statement = Statement(
        version,
        action,
        handover,
        take_int(fields[3], "time_ms", -(2**53), 2**53),
        take_int(fields[4], "step", 0, 65_535),
        take_int(fields[5], "disposition", 0, 65_535),
        take_optional_ascii(fields[6], "counterparty", ident),
        take_optional_ascii(fields[7], "source", ident),
        take_optional_ascii(fields[8], "place", ident),
        tuple([take_ascii(document, "documents", ident) for document in documents]),
        take_int(fields[10], "flags", 0, _FLAGS),
        take_int(fields[11], "openness", 0, 1),
        take_optional_bytes(fields[12], "cites", HASH_BYTES),
        None if fields[13] is None else _measure_from_wire(fields[13]),
        None if fields[14] is None else _permit_from_wire(fields[14]),
        None if fields[15] is None else take_int(fields[15], "lapse_ms", 0, 2**53),
        tuple([take_ascii(seal, "seals", limits.TEXT_BYTES) for seal in seals]),
        take_optional_ascii(fields[17], "transformation", ident),
    )
    if statement.measure is None and action in _OFFICIAL:
        raise FormError(Code.MALFORMED, "measure: expected the case and basis of an official act, got nil")
    if (action == _PERMIT) != (statement.permit is not None):
        raise FormError(Code.MALFORMED, "permit: expected its terms in a permit, and nowhere else")
    return statement


def _measure_from_wire(value: Any) -> Measure:
    fields = take_array(value, "measure", 2)
    return Measure(*(take_ascii(text, "measure", limits.TEXT_BYTES, least=0) for text in fields))


def _permit_from_wire(value: Any) -> Permit:
    legs, until_ms, seal = take_array(value, "permit", 3)
    taken = []
    for leg in take_array(legs, "legs", most=limits.PERMIT_LEGS):
        ends = take_array(leg, "leg", 2)
        taken.append(Leg(*(take_ascii(end, "leg", limits.IDENTIFIER_BYTES) for end in ends)))
    return Permit(
        tuple(taken),
        take_int(until_ms, "until_ms", 0, 2**53),
        take_optional_ascii(seal, "seal", limits.TEXT_BYTES),
    )


def subject_from_wire(value: Any) -> Subject:
    """A Subject from a decoded array; FormError names the field that is wrong."""
    role, identifier, quantity = take_array(value, "subject", 3)
    subject: Subject = _new(
        Subject,
        (
            take_int(role, "role", 0, _ROLES),
            take_ascii(identifier, "identifier", limits.IDENTIFIER_BYTES),
            None if quantity is None else _quantity_from_wire(quantity),
        ),
    )
    return subject


def _quantity_from_wire(value: Any) -> Quantity:
    amount, scale, unit = take_array(value, "quantity", 3)
    return Quantity(
        take_int(amount, "amount", 0, limits.QUANTITY_MAX),
        take_int(scale, "scale", 0, limits.SCALE_MAX),
        take_ascii(unit, "unit", 8, least=0),
    )
