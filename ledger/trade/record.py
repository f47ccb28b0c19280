"""The record of a subject: what custody is now, and the heads of its chains (DESIGN §4 Record; PROTOCOL.md §5).

There is one record per `SubjectKey`. The same fields serve all kinds of subject; those that a kind does not use stay
empty. A record is a value: rules return new ones. Its hash is what the state tree holds and what related roots open,
so one proven record proves its whole chain.

Invariants: `links`, `moves` and `asides` only grow; a record is never deleted; `children`, `levels` and `inside` change
without a link of the record's own (they sum up what lies below) and are therefore taken from certified records, never
re-derived, by the offline verifier (CUSTODY_RULES, "What a random model found", 5).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from enum import IntEnum
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

from ledger.base.encoding import encode
from ledger.base.errors import Code, FormError
from ledger.base.hashing import ZERO_HASH, Tag


class Space(IntEnum):
    """Namespaces of the state: what kind of thing a key names."""

    THING = 0  # items, logistic units, containers, assets, everything else that is moved
    LOT = 1  # a lot as such: origin, recalls
    BALANCE = 2  # a lot's quantity with one holder: an organisation, or a container and generation
    DOCUMENT = 3
    TRANSFORMATION = 4
    EPISODE = 5  # what an unpack-all left: (parent, generation)
    PLACE = 6  # the read point, of an event without objects
    DEVICE = 7  # highest counter a device attested with, and how many
    ATTESTED = 8  # (device, counter): present once executed
    REPORTS = 9  # asides of one organisation about one subject: a counter
    ERASURE = 10  # (event hash, organisation): that organisation erased its event (`ledger.state.erasure`)
    APPROVAL = 11  # (item hash, organisation): a person approved that act (`ledger.state.approval`)


class SubjectKey(NamedTuple):
    """What a record is about. `holder` is the second part of the key for balances, episodes and the like, else ""."""

    space: int
    identifier: str
    holder: str = ""


class Status(IntEnum):
    """Where a subject is in its life."""

    UNBORN = 0  # nothing was ever recorded
    LIVE = 1
    CONSUMED = 2  # by a transformation
    ENDED = 3  # destroyed, decommissioned, sold or dispensed


class Origin(IntEnum):
    """What is known of where it comes from."""

    NONE = 0
    UNATTESTED = 1  # first seen, or made by someone without the prefix grant
    ATTESTED = 2  # made by the holder of the prefix grant


class Chain(NamedTuple):
    """The length and head of a hash chain of links."""

    length: int
    head: bytes


class Amount(NamedTuple):
    """A stated quantity: `amount` / 10^`scale` of `unit`."""

    amount: int
    scale: int
    unit: str


class Offer(NamedTuple):
    """An open offer (rows 10, 11); `receiver` None: any member may take. `quantity`: of a lot, what was offered."""

    sequence: int
    event: bytes
    offerer: str
    receiver: str | None
    lapse_ms: int
    quantity: Amount | None
    chain: Chain  # of the subject's links, as it stood when it was offered


class Claim(NamedTuple):
    """An open claim (row 15): `claimant` says to hold it, while `custodian` was the effective custodian."""

    sequence: int
    event: bytes
    claimant: str
    custodian: str | None
    quantity: Amount | None  # of a lot, what was claimed


class Unconfirmed(NamedTuple):
    """An open offer was taken by `event`; until confirmed or `until_ms` the offerer may void it (row 13)."""

    sequence: int
    event: bytes
    taker: str
    offerer: str
    until_ms: int


class Hold(NamedTuple):
    """An official hold (row 21)."""

    authority: str
    case: str
    basis: str
    seize: bool
    since_ms: int  # block time of the hold


class LivePermit(NamedTuple):
    """A permit to move under hold (row 29): legs (sender, receiver) of organisations, the first `used` are spent."""

    authority: str
    generation: int
    legs: tuple[tuple[str, str], ...]
    used: int
    until_ms: int
    seal: str | None


class Binding(NamedTuple):
    """A document bound to a subject (row 25), live while the document's generation is the same."""

    document: str
    generation: int
    declarant: str


class Contradiction(NamedTuple):
    """An open contradiction: who said it, by which event, breaking which row."""

    sequence: int
    event: bytes
    organisation: str
    row: int


class Quantity(NamedTuple):
    """A lot balance: attested and unattested amounts, scaled by 10^scale, of a unit."""

    attested: int
    unattested: int
    scale: int
    unit: str


class LastEffect(NamedTuple):
    """What a correction needs to undo the last effect (row 1)."""

    sequence: int
    event: bytes
    organisation: str
    row: int
    status: int
    custodian: str | None
    parent: str | None
    parent_generation: int
    origin: int
    maker: str | None
    claimed: bool
    seals: tuple[str, ...]
    bindings: tuple[Binding, ...]
    quantity: Quantity | None  # of a lot balance, what it was before


class Record(NamedTuple):
    """Everything execution and proofs need of one subject. Wire form: an array of these fields in this order."""

    status: int = Status.UNBORN
    origin: int = Origin.NONE
    maker: str | None = None
    shipped: bool = False  # it was offered at least once (row 3)
    custodian: str | None = None  # of a packed subject: who brought it in; the root's counts
    claimed: bool = False  # custody rests on a claim on an ownerless record (row 15)
    former: tuple[str, ...] = ()  # at most 8, latest last
    passed: int = 0  # sequence of the entry by which custody passed last
    handed: int = 0  # the same, by which it passed with both sides' signatures: older claims have lapsed
    parent: str | None = None
    parent_generation: int = 0
    parent_since: int = 0  # sequence of the entry by which it came into its parent
    generation: int = 0
    children: int = 0
    levels: int = 0  # an upper bound of how deep things lie below
    offer: Offer | None = None
    claims: tuple[Claim, ...] = ()
    unconfirmed: Unconfirmed | None = None
    holds: tuple[Hold, ...] = ()
    inside: tuple[tuple[str, int], ...] = ()  # per authority, sorted: how many held subjects lie below
    permits: tuple[LivePermit, ...] = ()
    seals: tuple[str, ...] = ()
    bindings: tuple[Binding, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    last: LastEffect | None = None
    quantity: Quantity | None = None
    lots: tuple[str, ...] = ()  # lots with a balance in this container's generation, at most 64
    offers: tuple[Offer, ...] = ()  # of a lot balance, at most 8
    source: str | None = None  # where it comes from: "organisation|transformation", or "|lot"
    legs: Chain = Chain(0, ZERO_HASH)  # documents and transformations: (subject, outcome code) of each leg
    tally: tuple[int, int, int] = (0, 0, 0)  # transformation: inputs consumed, recorded only, unattested
    moved: int = 0  # sequence of the last entry that changed anything but counts
    links: Chain = Chain(0, ZERO_HASH)
    moves: Chain = Chain(0, ZERO_HASH)
    asides: Chain = Chain(0, ZERO_HASH)


EMPTY: Final = Record()
_STATE_KEY, _RECORD = bytes(Tag.STATE_KEY), bytes(Tag.RECORD)
_sha256 = hashlib.sha256
_new: Final[Any] = tuple.__new__


_PLACES: Final = {name: place for place, name in enumerate(Record._fields)}


def _replaced(self: Record, **fields: Any) -> Record:
    """`NamedTuple._replace`, which looks at all 35 fields one by one where most rows change one to eight of them."""
    values = list(self)
    for name, value in fields.items():
        values[_PLACES[name]] = value
    made: Record = _new(Record, values)
    return made


Record._replace = _replaced  # type: ignore[method-assign, assignment]


def state_key(network: bytes, key: SubjectKey) -> bytes:
    """The 32-byte key of a subject in the state tree."""
    return state_key_of(network, encode(key))


def state_key_of(network: bytes, encoded: bytes) -> bytes:
    """The key in the state tree of a subject whose key has that encoding."""
    return _sha256(_STATE_KEY + network + encoded).digest()


def record_hash(network: bytes, record: Record) -> bytes:
    """What the state tree holds for a record."""
    return encoded_record_hash(network, encode(record))


def encoded_record_hash(network: bytes, data: bytes) -> bytes:
    """What the state tree holds for a record with that encoding."""
    return _sha256(_RECORD + network + data).digest()


_Named = TypeVar("_Named", bound=NamedTuple)


def _made(kind: type[_Named], value: Any) -> _Named:
    """The fields of a named tuple from a decoded array of as many."""
    if type(value) is not tuple or len(value) != len(kind._fields):
        raise FormError(
            Code.MALFORMED, f"record: expected the {len(kind._fields)} fields of a {kind.__name__}"
        )
    made: _Named = _new(kind, value)
    return made


def _each(make: Callable[[Any], _Named], value: Any) -> tuple[_Named, ...]:
    if type(value) is not tuple:
        raise FormError(Code.MALFORMED, "record: expected an array")
    return tuple(make(member) for member in value) if value else ()


def _quantity(value: Any) -> Quantity | None:
    return None if value is None else _made(Quantity, value)


def _amount(value: Any) -> Amount | None:
    return None if value is None else _made(Amount, value)


def _last_from_wire(value: Any) -> LastEffect:
    last = _made(LastEffect, value)
    if last.bindings == () and last.quantity is None:
        return last
    return LastEffect(*last[:-2], _each(_binding, last.bindings), _quantity(last.quantity))


def _offer(value: Any) -> Offer:
    offer = _made(Offer, value)
    return Offer(*offer[:-2], _amount(offer.quantity), _chain(offer.chain))


def _claim(value: Any) -> Claim:
    claim = _made(Claim, value)
    return claim if claim.quantity is None else claim._replace(quantity=_amount(claim.quantity))


_chain = partial(_made, Chain)
_binding = partial(_made, Binding)
_hold = partial(_made, Hold)
_permit = partial(_made, LivePermit)
_contradiction = partial(_made, Contradiction)


def record_from_wire(value: tuple[Any, ...]) -> Record:
    """A Record from a decoded array whose hash was, or will at once be, checked against a certified root.

    Because the hash binds the exact encoding, and only validators produce records, this rebuilds types without judging
    single fields; FormError for another shape. What it takes encodes to what it was decoded from.
    """
    if type(value) is not tuple or len(value) != len(Record._fields):
        raise FormError(Code.MALFORMED, f"record: expected the {len(Record._fields)} fields of a Record")
    (
        *first, offer, claims, unconfirmed, holds, inside, permits, seals, bindings, contradictions, last, quantity,
        lots, offers, source, legs, tally, moved, links, moves, asides,
    ) = value  # fmt: skip
    made: Record = _new(
        Record,
        (
            *first,
            None if offer is None else _offer(offer),
            ()
            if claims == ()
            else _each(_claim, claims),  # most have none: a call for each is a fifth of it all
            None if unconfirmed is None else _made(Unconfirmed, unconfirmed),
            () if holds == () else _each(_hold, holds),
            inside,
            () if permits == () else _each(_permit, permits),
            seals,
            () if bindings == () else _each(_binding, bindings),
            () if contradictions == () else _each(_contradiction, contradictions),
            None if last is None else _last_from_wire(last),
            None if quantity is None else _quantity(quantity),
            lots,
            () if offers == () else _each(_offer, offers),
            source,
            _chain(legs),
            tally,
            moved,
            _chain(links),
            _chain(moves),
            _chain(asides),
        ),
    )
    return made
