"""history -> bundle (PROOF.md §5): the replay itself tells what a bundle has to hold.

`build` runs the same replay as the verifier, over a node's stores, and notes everything it reads. What was read is put
into the bundle with its proofs; nothing else is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ledger.base import merkle
from ledger.base.errors import Code, UnavailableError
from ledger.chain.transaction import leaf_salt, subject_leaves
from ledger.members.members import Members
from ledger.members.registry import Entry as RegistryEntry
from ledger.proof import bundle as wire
from ledger.proof.history import History
from ledger.proof.replay import PROVABLE, Opened
from ledger.proof.sources import NestedReplay, replay_with_sources
from ledger.proof.verify import describe, erasures_of
from ledger.state.erasure import erasure_key
from ledger.state.item import ItemChanges
from ledger.state.links import Link, counted, related_leaf, related_salt
from ledger.trade.record import EMPTY, Record, Space, SubjectKey
from ledger.trade.statement import Subject


class _Used:
    """What of one entry the replay relied on."""

    def __init__(self, row: ItemChanges) -> None:
        self.row = row
        self.subjects: set[Subject] = set()
        self.related: set[SubjectKey] = set()


class RecordingEvidence:
    """A prover's evidence: reads a history, and notes what was read."""

    def __init__(self, history: History) -> None:
        self.network = history.network
        self.protocol = history.checkpoint.header.version
        self._history = history
        self.records: dict[SubjectKey, Record] = {}
        self.lookups: set[tuple[int, str, bool]] = set()
        self.chains: dict[tuple[SubjectKey, int, int], tuple[Link, ...]] = {}
        self.entries: dict[bytes, _Used] = {}
        self.legs: dict[SubjectKey, tuple[tuple[SubjectKey, int], ...]] = {}
        self._opened: dict[bytes, Opened] = {}
        self._members: dict[int, Members] = {}

    # --- registry source
    def exact(self, kind: int, name: str) -> RegistryEntry | None:
        """An exact look-up, noted."""
        self.lookups.add((kind, name, False))
        return self._history.registry.exact(kind, name)

    def prefix(self, kind: int, digits: str) -> RegistryEntry | None:
        """A prefix look-up, noted."""
        self.lookups.add((kind, digits, True))
        return self._history.registry.prefix(kind, digits)

    # --- evidence
    def members(self, height: int) -> Members:
        """The registry at `height`, each look-up noted."""
        found = self._members.get(height)
        if found is None:
            found = self._members[height] = Members(self, height)
        return found

    def current(self, key: SubjectKey) -> Record:
        """The record at the checkpoint, noted."""
        found = self.records.get(key)
        if found is None:
            found = self.records[key] = self._history.record(key)
        return found

    def chain(self, key: SubjectKey, *, aside: bool) -> Sequence[Link]:
        """All links of a chain, noted."""
        record = self.current(key)
        length = record.asides.length if aside else record.links.length
        kind = wire.ASIDE if aside else wire.MAIN
        links = tuple(self._history.link(key, place, aside=aside) for place in range(1, length + 1))
        if links:
            self.chains[key, kind, 1] = links
        return links

    def moves(self, key: SubjectKey, first: int, last: int) -> Sequence[Link]:
        """Some moves, noted."""
        links = tuple(self._history.move(key, place) for place in range(first, last + 1))
        if len(links) > len(self.chains.get((key, wire.MOVES, first), ())):
            self.chains[key, wire.MOVES, first] = links
        return links

    def open(self, entry: bytes) -> Opened:
        """The whole item; only what is then used is shown."""
        found = self._opened.get(entry)
        if found is None:
            row = self._history.row(entry)
            item = row.item
            if item is None:
                raise UnavailableError(
                    Code.HISTORY_INCOMPLETE, "expected an event behind a link, got evidence"
                )
            self.entries[entry] = _Used(row)
            attestation = item.attestation
            found = self._opened[entry] = Opened(
                row.entry,
                item.statement,
                item.event_hash,
                attestation is not None,
                None if attestation is None else attestation.device_key,
                item.subjects,
                {leaf.key: (leaf.role, leaf.record) for leaf in row.related},
                counted(leaf.role for leaf in row.related),
            )
        return found

    def elements(self, key: SubjectKey) -> Sequence[tuple[SubjectKey, int]]:
        """All legs of a document or transformation, from the rows of its chain, noted."""
        elements: list[tuple[SubjectKey, int]] = []
        for link in self.chain(key, aside=False):
            elements += leg_elements(self._history.row(link.entry), key)
        if elements:
            self.legs[key] = tuple(elements)
        return elements

    def erasure(self, event_hash: bytes, organisation: str) -> Record:
        """The record of a tombstone, EMPTY and not noted if there is none: that an event was not erased is not proven."""
        key = erasure_key(event_hash, organisation)
        return EMPTY if self._history.record(key) == EMPTY else self.current(key)

    def use_subject(self, entry: bytes, subject: Subject) -> None:
        """Show this subject."""
        self.entries[entry].subjects.add(subject)

    def use_related(self, entry: bytes, key: SubjectKey) -> None:
        """Show this record before the item."""
        self.entries[entry].related.add(key)


def leg_elements(row: ItemChanges, key: SubjectKey) -> list[tuple[SubjectKey, int]]:
    """What one item added to the legs of `key`: see `ledger.state.item`."""
    return [element for owner, element in row.legs if owner == key]


def possible_keys(identifier: str) -> tuple[SubjectKey, ...]:
    """Every record that a ledger may keep of a canonical identifier as such: thing, lot, document, place.

    What an identifier names depends on how events name it (any URI may be declared as a document), so all are asked.
    """
    return tuple(
        SubjectKey(space, identifier) for space in (Space.THING, Space.LOT, Space.DOCUMENT, Space.PLACE)
    )


def known_keys(record: Callable[[SubjectKey], Record], identifier: str) -> tuple[SubjectKey, ...]:
    """Those of `possible_keys` that `record` knows."""
    return tuple(key for key in possible_keys(identifier) if record(key) != EMPTY)


def build(
    history: History, asked: Sequence[SubjectKey], *, payloads: bool = False, from_epoch: int = 0
) -> bytes:
    """The bundle that proves the given subjects at the history's checkpoint; `payloads`: with the authors' bytes.

    It shows every change of validators from `from_epoch` on, so any anchor that knows that epoch can follow.
    Raises UnavailableError (unknown_subject, history_incomplete).
    """
    evidence = RecordingEvidence(history)
    checkpoint = history.checkpoint
    keys = tuple(sorted(set(asked)))
    for key in keys:
        if key.space not in PROVABLE or history.record(key) == EMPTY:
            raise UnavailableError(
                Code.UNKNOWN_SUBJECT,
                f"expected a subject that the ledger knows, {key.identifier} is not on it",
            )
    height, size = checkpoint.header.height, checkpoint.outcome.event_log_size
    shown = replay_with_sources(evidence, keys, height, size)
    describe(evidence, shown, height)
    erasures_of(evidence, shown)
    made = wire.Bundle(
        wire.VERSION,
        history.network,
        tuple(history.closings(from_epoch)),
        checkpoint,
        keys,
        tuple(_shown_record(history, key, evidence.records[key]) for key in sorted(evidence.records)),
        tuple(_shown_lookup(history, *lookup) for lookup in sorted(evidence.lookups)),
        tuple(wire.ShownChain(*place, evidence.chains[place]) for place in sorted(evidence.chains)),
        tuple(
            sorted(
                (_shown_entry(history.network, used) for used in evidence.entries.values()), key=_by_sequence
            )
        ),
        tuple(wire.ShownLegs(key, evidence.legs[key]) for key in sorted(evidence.legs)),
        _payloads(history, shown) if payloads else (),
    )
    return made.to_bytes()


def _by_sequence(shown: wire.ShownEntry) -> int:
    return shown.entry.sequence


def _shown_record(history: History, key: SubjectKey, record: Record) -> wire.ShownRecord:
    return wire.ShownRecord(key, None if record == EMPTY else record, history.state_proof(key))


def _shown_lookup(history: History, kind: int, name: str, is_prefix: bool) -> wire.ShownRegistry:
    registry = history.registry
    proof = registry.prove_prefix(kind, name) if is_prefix else registry.prove_exact(kind, name)
    return wire.ShownRegistry(kind, name, is_prefix, proof)


def _shown_entry(network: bytes, used: _Used) -> wire.ShownEntry:
    row, item = used.row, used.row.item
    if item is None:
        raise UnavailableError(Code.HISTORY_INCOMPLETE, "expected an event behind a link, got evidence")
    subjects = merkle.MerkleTree(subject_leaves(network, item.subject_salt, item.subjects))
    salts = [related_salt(network, item.subject_salt, leaf.key) for leaf in row.related]
    related = merkle.MerkleTree(
        [
            related_leaf(network, salt, leaf.role, leaf.key, leaf.record_hash)
            for salt, leaf in zip(salts, row.related, strict=True)
        ]
    )
    return wire.ShownEntry(
        row.entry,
        wire.ItemParts(
            item.statement,
            subjects.root,
            len(item.subjects),
            item.event_hash,
            item.context_hash,
            item.attestation,
        ),
        tuple(
            wire.SubjectOpening(
                place, leaf_salt(network, item.subject_salt, place), subject, subjects.inclusion_proof(place)
            )
            for place, subject in enumerate(item.subjects)
            if subject in used.subjects
        ),
        related.size,
        counted(leaf.role for leaf in row.related),
        tuple(
            wire.RelatedOpening(
                place, salts[place], leaf.role, leaf.key, leaf.record, related.inclusion_proof(place)
            )
            for place, leaf in enumerate(row.related)
            if leaf.key in used.related
        ),
    )


def _payloads(history: History, shown: NestedReplay) -> tuple[wire.ShownPayload, ...]:
    hashes = sorted({step.opened.event_hash for one in shown.every() for step in one.steps})
    found: list[wire.ShownPayload] = []
    for event_hash in hashes:
        payload = history.payload(event_hash)
        if payload is not None:
            found.append(wire.ShownPayload(event_hash, payload.salt, payload.context, payload.event))
    return tuple(found)
