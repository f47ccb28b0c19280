"""The file that proves: one canonical msgpack value, `.custody` (DESIGN §7; PROOF.md §3; WIRE.md §7).

    bundle   = [version, network, closings, checkpoint, asked, records, registry, chains, entries, legs, payloads]
    closings = [[checkpoint, members of the next set], ...]        of the epochs before the checkpoint's, from one on
    records  = [[key, record | nil, state proof], ...]            at the checkpoint; nil: proven absent
    registry = [[kind, name, is prefix, registry proof], ...]
    chains   = [[key, MAIN | ASIDE | MOVES, number of the first, [link, ...]], ...]
    entries  = [[entry, item parts, subject openings, number of related leaves, [how many of each of COUNTED_ROLES],
                 related openings], ...]
    legs     = [[key, [[key, outcome code], ...]], ...]            of documents and transformations
    payloads = [[event hash, salt, context | nil, event], ...]

All lists are sorted and without duplicates, runs of links and lists of legs are never empty, and what was parsed must encode
to the same bytes: equal proofs from the same epoch on are equal files, save for which q validators' signatures a checkpoint
shows, and in which view (nobody can tell a verifier who else signed). Every part is authenticated by the checkpoint's certificate, and a verifier refuses a
bundle with a part that the proof does not use.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final, NamedTuple

from ledger.base import limits
from ledger.base.buckets import StateProof
from ledger.base.encoding import (
    decode,
    encode,
    take_array,
    take_ascii,
    take_bool,
    take_bytes,
    take_int,
    take_optional_bytes,
)
from ledger.base.errors import Code, FormError
from ledger.base.hashing import HASH_BYTES
from ledger.chain.certificate import Checkpoint, parse_checkpoint
from ledger.chain.closing import Closing, parse_closing
from ledger.chain.transaction import SALT_BYTES, Attestation, attestation_from_wire
from ledger.members.members import entry_from_wire as registry_entry_from_wire
from ledger.members.registry import RegistryProof
from ledger.state.links import COUNTED_ROLES, Entry, Link, entry_from_wire, link_from_wire
from ledger.trade.record import Record, Space, SubjectKey, record_from_wire
from ledger.trade.statement import Statement, Subject, statement_from_wire, subject_from_wire

VERSION: Final = 1
MAIN, ASIDE, MOVES = 0, 1, 2
_PATH_MOST: Final = 64


class ShownRecord(NamedTuple):
    """A record at the checkpoint, or its absence."""

    key: SubjectKey
    record: Record | None
    proof: StateProof


class ShownRegistry(NamedTuple):
    """One look-up in the registry."""

    kind: int
    name: str
    is_prefix: bool
    proof: RegistryProof


class ShownChain(NamedTuple):
    """A run of links: a whole main or aside chain, or some moves of a container."""

    key: SubjectKey
    kind: int
    first: int
    links: tuple[Link, ...]


class ItemParts(NamedTuple):
    """What the item hash is over."""

    statement: Statement
    subjects_root: bytes
    subject_count: int
    event_hash: bytes
    context_hash: bytes | None
    attestation: Attestation | None


class SubjectOpening(NamedTuple):
    """One subject of an item, with the way to its subjects root."""

    place: int
    salt: bytes
    subject: Subject
    path: tuple[bytes, ...]


class RelatedOpening(NamedTuple):
    """One record as it stood before an item, with the way to the entry's related root."""

    place: int
    salt: bytes
    role: int
    key: SubjectKey
    record: Record
    path: tuple[bytes, ...]


class ShownEntry(NamedTuple):
    """An item as far as it is shown."""

    entry: Entry
    parts: ItemParts
    subjects: tuple[SubjectOpening, ...]
    related_count: int
    named: tuple[int, ...]
    """How many related leaves there are of each of `links.COUNTED_ROLES`."""
    related: tuple[RelatedOpening, ...]


class ShownLegs(NamedTuple):
    """All subjects of a document or transformation, with what came of each."""

    key: SubjectKey
    elements: tuple[tuple[SubjectKey, int], ...]


class ShownPayload(NamedTuple):
    """The author's bytes of one event."""

    event_hash: bytes
    salt: bytes
    context: bytes | None
    event: bytes


class Bundle(NamedTuple):
    """The whole file."""

    version: int
    network: bytes
    closings: tuple[Closing, ...]
    checkpoint: Checkpoint
    asked: tuple[SubjectKey, ...]
    records: tuple[ShownRecord, ...]
    registry: tuple[ShownRegistry, ...]
    chains: tuple[ShownChain, ...]
    entries: tuple[ShownEntry, ...]
    legs: tuple[ShownLegs, ...]
    payloads: tuple[ShownPayload, ...]

    def to_bytes(self) -> bytes:
        """The file."""
        return encode(self)


def bundle_from_bytes(data: bytes) -> Bundle:
    """Parse a bundle; FormError if it is not one. Nothing is verified here."""
    value = decode(data, max_bytes=limits.BUNDLE_BYTES)
    bundle = _bundle(value)
    if bundle.to_bytes() != data:
        raise FormError(Code.NOT_CANONICAL, "expected each field in its only form")
    return bundle


def _bundle(value: Any) -> Bundle:
    fields = take_array(value, "bundle", len(Bundle._fields))
    version = take_int(fields[0], "version")
    if version != VERSION:
        raise FormError(Code.UNSUPPORTED_VERSION, f"expected bundle version {VERSION}, got {version}")
    return Bundle(
        version,
        take_bytes(fields[1], "network", HASH_BYTES),
        tuple(
            parse_closing(closing)
            for closing in take_array(fields[2], "closings", most=limits.CLOSINGS_PER_BUNDLE)
        ),
        parse_checkpoint(fields[3]),
        _sorted([_key(key) for key in take_array(fields[4], "asked")], "asked"),
        _sorted([_record(shown) for shown in take_array(fields[5], "records")], "records", 1),
        _sorted([_registry(shown) for shown in take_array(fields[6], "registry")], "registry", 3),
        _sorted([_shown_chain(shown) for shown in take_array(fields[7], "chains")], "chains", 3),
        _sorted([_entry(shown) for shown in take_array(fields[8], "entries")], "entries", 1),
        _sorted([_legs(shown) for shown in take_array(fields[9], "legs")], "legs", 1),
        _sorted([_payload(shown) for shown in take_array(fields[10], "payloads")], "payloads", 1),
    )


def _sorted(values: list[Any], field: str, width: int = 0) -> tuple[Any, ...]:
    """The values as a tuple if their first `width` fields (0: the whole) ascend strictly."""
    keys = [value[:width] if width else value for value in values]
    for first, second in pairwise(keys):
        if not first < second:
            raise FormError(Code.NOT_CANONICAL, f"{field}: expected ascending order without duplicates")
    return tuple(values)


def _some(value: Any, field: str) -> tuple[Any, ...]:
    if not take_array(value, field):
        raise FormError(Code.NOT_CANONICAL, f"{field}: expected at least one, an empty list is left out")
    return tuple(value)


def _key(value: Any) -> SubjectKey:
    space, identifier, holder = take_array(value, "key", 3)
    if type(holder) is not str or len(holder) > limits.IDENTIFIER_BYTES + 32:
        raise FormError(Code.MALFORMED, "key: expected a holder of text")
    return SubjectKey(
        take_int(space, "space", 0, max(Space)),
        take_ascii(identifier, "identifier", 2 * limits.IDENTIFIER_BYTES),
        holder,
    )


def _path(value: Any) -> tuple[bytes, ...]:
    return tuple(take_bytes(step, "path", HASH_BYTES) for step in take_array(value, "path", most=_PATH_MOST))


def _record(value: Any) -> ShownRecord:
    key, record, proof = take_array(value, "record", 3)
    size, neighbours, siblings = take_array(proof, "state proof", 3)
    shown = []
    for neighbour in take_array(neighbours, "neighbours", most=2):
        place, name, hashed, path = take_array(neighbour, "neighbour", 4)
        shown.append(
            (
                take_int(place, "place"),
                take_bytes(name, "name", HASH_BYTES),
                take_bytes(hashed, "value", HASH_BYTES),
                _path(path),
            )
        )
    state = StateProof(take_int(size, "size", 0, limits.BUCKET_ENTRIES), tuple(shown), _path(siblings))
    return ShownRecord(
        _key(key), None if record is None else record_from_wire(take_array(record, "record")), state
    )


def _registry(value: Any) -> ShownRegistry:
    kind, name, is_prefix, proof = take_array(value, "registry", 4)
    size, shown = take_array(proof, "registry proof", 2)
    entries = []
    for one in take_array(shown, "shown", most=2):
        place, entry, path = take_array(one, "shown entry", 3)
        entries.append((take_int(place, "place"), registry_entry_from_wire(entry), _path(path)))
    return ShownRegistry(
        take_int(kind, "kind", 0, 255),
        take_ascii(name, "name", limits.IDENTIFIER_BYTES),
        take_bool(is_prefix, "is_prefix"),
        RegistryProof(take_int(size, "size"), tuple(entries)),
    )


def _shown_chain(value: Any) -> ShownChain:
    key, kind, first, links = take_array(value, "chain", 4)
    return ShownChain(
        _key(key),
        take_int(kind, "kind", 0, 2),
        take_int(first, "first", 1),
        tuple(link_from_wire(link) for link in _some(links, "links")),
    )


def _entry(value: Any) -> ShownEntry:
    entry, parts, subjects, related_count, named, related = take_array(value, "entry", 6)
    fields = take_array(parts, "item parts", 6)
    return ShownEntry(
        entry_from_wire(entry),
        ItemParts(
            statement_from_wire(fields[0]),
            take_bytes(fields[1], "subjects_root", HASH_BYTES),
            take_int(fields[2], "subject_count", 1, limits.SUBJECTS_PER_EVENT),
            take_bytes(fields[3], "event_hash", HASH_BYTES),
            take_optional_bytes(fields[4], "context_hash", HASH_BYTES),
            attestation_from_wire(fields[5]),
        ),
        _sorted([_subject_opening(one) for one in take_array(subjects, "subjects")], "subjects", 1),
        take_int(related_count, "related_count", 0, limits.RELATED_PER_EVENT),
        tuple(
            take_int(number, "named", 0, related_count)
            for number in take_array(named, "named", len(COUNTED_ROLES))
        ),
        _sorted([_related_opening(one) for one in take_array(related, "related")], "related", 1),
    )


def _subject_opening(value: Any) -> SubjectOpening:
    place, salt, subject, path = take_array(value, "subject opening", 4)
    return SubjectOpening(
        take_int(place, "place"),
        take_bytes(salt, "salt", SALT_BYTES),
        subject_from_wire(subject),
        _path(path),
    )


def _related_opening(value: Any) -> RelatedOpening:
    place, salt, role, key, record, path = take_array(value, "related opening", 6)
    return RelatedOpening(
        take_int(place, "place"),
        take_bytes(salt, "salt", SALT_BYTES),
        take_int(role, "role", 0, 255),
        _key(key),
        record_from_wire(take_array(record, "record")),
        _path(path),
    )


def _legs(value: Any) -> ShownLegs:
    key, elements = take_array(value, "legs", 2)
    taken = []
    for element in _some(elements, "elements"):
        subject, code = take_array(element, "element", 2)
        taken.append((_key(subject), take_int(code, "code", 0, 100_000)))
    return ShownLegs(_key(key), tuple(taken))


def _payload(value: Any) -> ShownPayload:
    event_hash, salt, context, event = take_array(value, "payload", 4)
    return ShownPayload(
        take_bytes(event_hash, "event_hash", HASH_BYTES),
        take_bytes(salt, "salt", most=64),
        None if context is None else take_bytes(context, "context", most=limits.CONTEXT_BYTES),
        take_bytes(event, "event", most=limits.EVENT_BYTES),
    )
