"""bundle + trust anchor -> what is proven (DESIGN §7; PROOF.md §6). No network, no clock of its own.

First everything in the bundle is tied to the checkpoint: its certificate by the validators of its epoch, to whom the
anchor's lead change by change; records by the state root, look-ups by the registry root, items by their entries, records before an event by related roots. Then the
replay runs on nothing but those parts. At the end every part must have been used: a bundle proves, or it is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ledger.base import merkle
from ledger.base.buckets import verify_state
from ledger.base.errors import Code, CustodyError, ProofError
from ledger.chain.certificate import Checkpoint
from ledger.chain.transaction import (
    context_hash,
    event_hash,
    extract_hash,
    is_attested,
    item_hash_of,
    statement_hash,
    subject_leaf,
)
from ledger.members.members import Members
from ledger.members.registry import Entry as RegistryEntry
from ledger.members.registry import verify_registry
from ledger.proof.anchor import Anchor, check_against
from ledger.proof.bundle import ASIDE, MAIN, MOVES, Bundle, ShownEntry, ShownPayload, bundle_from_bytes
from ledger.proof.narrate import licensor_of
from ledger.proof.replay import PROVABLE, Opened
from ledger.proof.sources import NestedReplay, replay_with_sources
from ledger.state.erasure import Erasure, erasure_key, erasure_of
from ledger.state.links import Link, entry_hash, related_leaf, related_root
from ledger.trade.extract import extract
from ledger.trade.record import EMPTY, Record, SubjectKey, record_hash, state_key
from ledger.trade.statement import Action, Openness, Subject


class BytesShown(NamedTuple):
    """Whether an event's bytes are in the bundle, and whether the extract follows from them."""

    event_hash: bytes
    agree: bool
    payload: ShownPayload


class Findings(NamedTuple):
    """What a bundle proves; the verdict is said from this."""

    anchor: Anchor
    """As it was before."""
    known: Anchor
    """With the epochs that the bundle shows."""
    checkpoint: Checkpoint
    nested: NestedReplay
    members: Members
    payloads: dict[bytes, BytesShown]
    """By entry hash."""
    erasures: dict[bytes, Erasure]
    """By hash of the entry whose event its author erased."""
    size: int
    """Bytes of the bundle."""


class BundleEvidence:
    """A bundle's parts, each authenticated, and each noted as it is used."""

    def __init__(self, bundle: Bundle, anchor: Anchor) -> None:
        self.network = bundle.network
        self.protocol = bundle.checkpoint.header.version
        if bundle.network != anchor.network:
            raise ProofError(
                Code.FOREIGN_ANCHOR,
                f"expected a bundle of network {anchor.network.hex()[:16]}, got one of {bundle.network.hex()[:16]}",
            )
        self.known = check_against(anchor, bundle.checkpoint, bundle.closings)
        self._unused: set[tuple[Any, ...]] = set()
        self._members: dict[int, Members] = {}
        self._records = self._authentic_records(bundle, anchor.depth)
        self._lookups = self._authentic_lookups(bundle)
        self._chains = {(shown.key, shown.kind, shown.first): shown.links for shown in bundle.chains}
        self._note("chain", self._chains)
        self._legs = {shown.key: shown.elements for shown in bundle.legs}
        self._note("legs", self._legs)
        self._entries: dict[bytes, tuple[ShownEntry, Opened]] = {}
        for shown in bundle.entries:
            self._entries[entry_hash(self.network, shown.entry)] = (shown, self._authentic_entry(shown))
        for hashed, (shown, _) in self._entries.items():
            self._unused.add(("entry", hashed))
            self._unused.update(("subject", hashed, opening.subject) for opening in shown.subjects)
            self._unused.update(("related", hashed, opening.key) for opening in shown.related)

    def _note(self, kind: str, parts: dict[Any, Any]) -> None:
        self._unused.update((kind, key) for key in parts)

    def _use(self, *part: Any) -> None:
        self._unused.discard(part)

    def check_all_used(self) -> None:
        """Raise ProofError(unused_bytes) if the proof did not need every part."""
        if self._unused:
            kinds = sorted({str(part[0]) for part in self._unused})
            raise ProofError(
                Code.UNUSED_BYTES,
                f"expected nothing but the proof, got {len(self._unused)} parts it does not use: {', '.join(kinds)}",
            )

    # --- authentication

    def _authentic_records(self, bundle: Bundle, depth: int) -> dict[SubjectKey, Record]:
        root = bundle.checkpoint.outcome.state_root
        records = {}
        for shown in bundle.records:
            value = verify_state(self.network, depth, root, state_key(self.network, shown.key), shown.proof)
            given = None if shown.record is None else record_hash(self.network, shown.record)
            if value != given:
                raise ProofError(
                    Code.NOT_PROVEN,
                    f"expected the record of {shown.key.identifier} that the state root commits to",
                )
            records[shown.key] = EMPTY if shown.record is None else shown.record
        self._note("record", records)
        return records

    def _authentic_lookups(self, bundle: Bundle) -> dict[tuple[int, str, bool], RegistryEntry | None]:
        root = bundle.checkpoint.outcome.registry_root
        lookups = {
            (shown.kind, shown.name, shown.is_prefix): verify_registry(
                self.network, root, shown.proof, shown.kind, shown.name, prefix=shown.is_prefix
            )
            for shown in bundle.registry
        }
        self._note("registry", lookups)
        return lookups

    def _authentic_entry(self, shown: ShownEntry) -> Opened:
        network, entry, parts = self.network, shown.entry, shown.parts
        stated = statement_hash(network, parts.statement)
        item = item_hash_of(
            network,
            stated,
            parts.subjects_root,
            parts.subject_count,
            parts.event_hash,
            parts.context_hash,
            parts.attestation,
        )
        if item != entry.item_hash:
            raise ProofError(
                Code.NOT_PROVEN, f"expected the item that entry {entry.sequence} commits to, got another"
            )
        for opening in shown.subjects:
            leaf = subject_leaf(network, opening.salt, opening.subject)
            found = merkle.root_from_inclusion(leaf, opening.place, parts.subject_count, opening.path)
            if found != parts.subjects_root:
                raise ProofError(
                    Code.NOT_PROVEN, f"expected a subject of entry {entry.sequence}, got another"
                )
        for record in shown.related:
            hashed = record_hash(network, record.record)
            leaf = related_leaf(network, record.salt, record.role, record.key, hashed)
            found = merkle.root_from_inclusion(leaf, record.place, shown.related_count, record.path)
            if related_root(network, shown.related_count, shown.named, found) != entry.related_root:
                raise ProofError(
                    Code.NOT_PROVEN,
                    f"expected a record as certified before entry {entry.sequence}, got another",
                )
        attestation = parts.attestation
        if attestation is not None:
            attested = extract_hash(network, stated, parts.subjects_root, parts.subject_count)
            if not is_attested(network, entry.organisation, parts.event_hash, attested, attestation):
                raise ProofError(
                    Code.NOT_PROVEN, f"expected the attestation of entry {entry.sequence} to hold"
                )
        return Opened(
            entry,
            parts.statement,
            parts.event_hash,
            attestation is not None,
            None if attestation is None else attestation.device_key,
            tuple(opening.subject for opening in shown.subjects),
            {record.key: (record.role, record.record) for record in shown.related},
            shown.named,
        )

    # --- evidence

    def current(self, key: SubjectKey) -> Record:
        """The record at the checkpoint."""
        if key not in self._records:
            raise ProofError(
                Code.INCOMPLETE, f"expected the current record of {key.identifier}, it is not shown"
            )
        self._use("record", key)
        return self._records[key]

    def chain(self, key: SubjectKey, *, aside: bool) -> Sequence[Link]:
        """All links of a chain, as far as shown; the replay checks that they are all."""
        place = (key, ASIDE if aside else MAIN, 1)
        self._use("chain", place)
        return self._chains.get(place, ())

    def moves(self, key: SubjectKey, first: int, last: int) -> Sequence[Link]:
        """Some moves, as far as shown; the replay checks that they are all."""
        place, length = (key, MOVES, first), last - first + 1
        links = self._chains.get(place, ())
        if length <= 0:
            return ()
        if length >= len(links):
            self._use("chain", place)
        return links[:length]  # another walk may need the same run further

    def open(self, entry: bytes) -> Opened:
        """The item behind an entry."""
        if entry not in self._entries:
            raise ProofError(
                Code.INCOMPLETE, f"expected the event behind link {entry.hex()[:16]}, it is not shown"
            )
        self._use("entry", entry)
        return self._entries[entry][1]

    def elements(self, key: SubjectKey) -> Sequence[tuple[SubjectKey, int]]:
        """All legs of a document or transformation; the replay checks that they are all."""
        self._use("legs", key)
        return self._legs.get(key, ())

    def members(self, height: int) -> Members:
        """The registry as in force at `height`, as far as shown."""
        found = self._members.get(height)
        if found is None:
            found = self._members[height] = Members(self, height)
        return found

    def exact(self, kind: int, name: str) -> RegistryEntry | None:
        """An exact look-up in the registry."""
        return self._look_up(kind, name, is_prefix=False)

    def prefix(self, kind: int, digits: str) -> RegistryEntry | None:
        """A prefix look-up in the registry."""
        return self._look_up(kind, digits, is_prefix=True)

    def _look_up(self, kind: int, name: str, *, is_prefix: bool) -> RegistryEntry | None:
        place = (kind, name, is_prefix)
        if place not in self._lookups:
            raise ProofError(Code.INCOMPLETE, f"expected registry entry {kind}:{name}, it is not shown")
        self._use("registry", place)
        return self._lookups[place]

    def erasure(self, event_hash: bytes, organisation: str) -> Record:
        """The record of a tombstone, EMPTY if none is shown."""
        key = erasure_key(event_hash, organisation)
        record = self._records.get(key, EMPTY)
        if record != EMPTY:  # that there is none is not for a bundle to show
            self._use("record", key)
        return record

    def use_subject(self, entry: bytes, subject: Subject) -> None:
        """The replay used this subject."""
        self._use("subject", entry, subject)

    def use_related(self, entry: bytes, key: SubjectKey) -> None:
        """The replay used this record."""
        self._use("related", entry, key)


def verify(data: bytes, anchor: Anchor) -> Findings:
    """What the bundle proves against the anchor. Raises FormError (not a bundle) or ProofError (does not prove)."""
    bundle = bundle_from_bytes(data)
    if not bundle.asked:
        raise ProofError(Code.NOT_PROVEN, "expected a bundle about at least one subject, it names none")
    evidence = BundleEvidence(bundle, anchor)
    for key in bundle.asked:
        if key.space not in PROVABLE or evidence.current(key) == EMPTY:
            raise ProofError(
                Code.UNKNOWN_SUBJECT,
                f"expected a subject on the ledger, it has no record of {key.identifier}",
            )
    header, outcome = bundle.checkpoint.header, bundle.checkpoint.outcome
    nested = replay_with_sources(evidence, bundle.asked, header.height, outcome.event_log_size)
    describe(evidence, nested, header.height)
    erasures = erasures_of(evidence, nested)
    payloads = _check_payloads(bundle, nested)
    evidence.check_all_used()
    return Findings(
        anchor,
        evidence.known,
        bundle.checkpoint,
        nested,
        evidence.members(header.height),
        payloads,
        erasures,
        len(data),
    )


def describe(evidence: Any, nested: NestedReplay, height: int) -> None:
    """Look up every organisation that the verdict names, so that prover and verifier read the same."""
    members = evidence.members(height)
    for organisation in organisations_of(nested):
        members.organisation(organisation)
    for replayed in nested.every():
        for step in replayed.steps:
            if step.opened.device_key is not None:
                members.key(step.opened.device_key)
            if (licensor := licensor_of(members, step)) is not None:
                members.organisation(licensor)


def erasures_of(evidence: Any, nested: NestedReplay) -> dict[bytes, Erasure]:
    """Which of the events shown their authors erased, by entry hash, so far as tombstones are shown."""
    found: dict[bytes, Erasure] = {}
    for replayed in nested.every():
        for step in replayed.steps:
            opened = step.opened
            record = evidence.erasure(opened.event_hash, opened.entry.organisation)
            erasure = erasure_of(record)
            if erasure is not None and opened.statement.action != Action.MISMATCH:
                found[step.link.entry] = erasure
    return found


def organisations_of(nested: NestedReplay) -> tuple[str, ...]:
    """Every organisation that appears in the replays, sorted."""
    found = {step.opened.entry.organisation for replayed in nested.every() for step in replayed.steps}
    for replayed in nested.every():
        found.update(hold.authority for record in replayed.whole for hold in record.holds)
    return tuple(sorted(found))


def _check_payloads(bundle: Bundle, nested: NestedReplay) -> dict[bytes, BytesShown]:
    """Of each event whose bytes are shown, by its entry: whether its extract follows from them.

    Anybody may put an event hash on the ledger that somebody else's event has, with an extract of their own; so each entry
    is judged by what it says itself. Bytes that do not hash to an event of this proof are refused.
    """
    said: dict[bytes, dict[bytes, Opened]] = {}
    for replayed in nested.every():
        for step in replayed.steps:
            said.setdefault(step.opened.event_hash, {})[step.link.entry] = step.opened
    shown = {entry_hash(bundle.network, one.entry): one for one in bundle.entries} if bundle.payloads else {}
    found = {}
    for payload in bundle.payloads:
        if payload.event_hash not in said:
            raise ProofError(Code.UNUSED_BYTES, "expected bytes of an event that the proof shows, got others")
        hashed = event_hash(bundle.network, payload.salt, payload.context, payload.event)
        if hashed != payload.event_hash:
            raise ProofError(
                Code.NOT_PROVEN, "expected the bytes whose hash stands on the ledger, got others"
            )
        for entry, opened in said[payload.event_hash].items():
            if opened.statement.action != Action.MISMATCH:  # whose extract is about another's
                agree = _agrees(payload, shown[entry], bundle.network)
                found[entry] = BytesShown(payload.event_hash, agree, payload)
    return found


def _agrees(payload: ShownPayload, shown: ShownEntry, network: bytes) -> bool:
    parts = shown.parts
    if context_hash(network, payload.context) != parts.context_hash:
        return False
    try:
        derived = extract(
            payload.event, payload.context, parts.statement.version, Openness(parts.statement.openness)
        )
    except CustodyError:
        return False
    if derived.statement != parts.statement or len(derived.subjects) != parts.subject_count:
        return False
    return all(derived.subjects[one.place] == one.subject for one in shown.subjects)
