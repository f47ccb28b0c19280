"""Erasure by a signed tombstone: the author takes back an event's bytes, the ledger keeps that it did (PROTOCOL.md §7.5).

    item = [sequence, event hash, reason]      of a transaction of kind ERASURE; `sequence`: of the author's own event

What stands on the ledger stays: the extract, the links, the entry, the event hash. The bytes, and the salt without which the
hash confirms no guess at them, are to be removed by every node that sees the tombstone final; that is a node's work and no part
of execution. Execution leaves one record, so that a proof can show that, when, by whom and why the bytes went.

The record is kept by event hash and organisation, since anybody may put anybody's event hash on the ledger: who erases takes back
what it said itself, and nobody else's bytes. A tombstone is never undone.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

from ledger.base.encoding import take_array, take_bytes, take_int
from ledger.base.errors import Code, EntitlementError, FormError, RuleError
from ledger.base.hashing import HASH_BYTES
from ledger.state.item import ItemChanges, Records, subjectless_changes
from ledger.state.links import Entry
from ledger.trade.record import EMPTY, Record, Space, Status, SubjectKey
from ledger.trade.statement import Action


class Reason(IntEnum):
    """Why an author has bytes erased."""

    UNSTATED = 0
    PERSONAL_DATA = 1  # a person asked for it, or has a right to it
    CONFIDENTIAL = 2  # what was shown was not to be shown
    MISTAKE = 3  # it should not have been recorded
    RETENTION = 4  # the period for which it had to be kept is over
    ORDER = 5  # a court or an authority ordered it


class Tombstone(NamedTuple):
    """One item of a transaction of kind ERASURE."""

    sequence: int
    """Of the author's entry whose event is erased."""
    event_hash: bytes
    reason: int


class Erasure(NamedTuple):
    """What the state keeps of a tombstone."""

    event_hash: bytes
    organisation: str
    reason: Reason
    erased: int
    """Sequence of the entry whose event it is."""
    tombstone: int
    """Sequence of the tombstone's entry."""
    time_ms: int
    """Block time of the tombstone."""


def tombstone_from_wire(value: Any) -> Tombstone:
    """A tombstone from a decoded array; FormError."""
    fields = take_array(value, "erasure", len(Tombstone._fields))
    return Tombstone(
        take_int(fields[0], "sequence"),
        take_bytes(fields[1], "event_hash", HASH_BYTES),
        take_int(fields[2], "reason", 0, max(Reason)),
    )


def erasure_key(event_hash: bytes, organisation: str) -> SubjectKey:
    """Where the state keeps that an organisation erased an event of its own."""
    return SubjectKey(Space.ERASURE, event_hash.hex(), organisation)


def erasure_of(record: Record) -> Erasure | None:
    """The erasure that a record of `Space.ERASURE` says, None where there is none."""
    if record.custodian is None or record.source is None:
        return None
    try:
        event_hash, reason = bytes.fromhex(record.source), Reason(record.generation)
    except ValueError:  # only a quorum of liars certifies such a record
        return None
    return Erasure(event_hash, record.custodian, reason, record.passed, record.moved, record.handed)


def is_erased(records: Records, event_hash: bytes, organisation: str) -> bool:
    """Whether an organisation erased an event of its own."""
    return records.record(erasure_key(event_hash, organisation)) != EMPTY


def apply_erasure(
    network: bytes, records: Records, tombstone: Tombstone, original: ItemChanges | None, entry: Entry
) -> ItemChanges:
    """Execute a tombstone; `original`: what stands at its sequence.

    Raises FormError malformed where no event with that hash stands there, EntitlementError not_entitled where it is another
    organisation's, RuleError erased where it is already. (`repeated` is of whole transactions.)
    """
    item = None if original is None else original.item
    if (
        original is None
        or item is None
        or item.statement.action == Action.MISMATCH
        or item.event_hash != tombstone.event_hash
    ):
        raise FormError(
            Code.MALFORMED,
            f"expected event {tombstone.event_hash.hex()[:16]} at sequence {tombstone.sequence} of the ledger, it is not there",
        )
    author = original.entry.organisation
    if author != entry.organisation:
        raise EntitlementError(
            Code.NOT_ENTITLED, f"expected {author} to erase its own event, {entry.organisation} wants to"
        )
    if is_erased(records, tombstone.event_hash, author):
        raise RuleError(
            Code.ERASED, f"expected an event that {author} has not erased, it has erased this one"
        )
    erased = Record(
        status=Status.ENDED,
        custodian=author,
        source=tombstone.event_hash.hex(),
        generation=tombstone.reason,
        passed=tombstone.sequence,
        moved=entry.sequence,
        handed=entry.time_ms,
    )
    changes = subjectless_changes(network, entry)
    return changes._replace(records={erasure_key(tombstone.event_hash, author): erased})
