"""Eleven ways to get a false history past an officer, each really tried, each left behind as a file.

Everything here works on honest bundles of the story and on keys an attacker could have: one validator's, one
organisation's. What it makes is judged by a fresh `custody verify`, nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from client.events.draft import Circumstances, Draft
from client.events.goods import make
from client.events.handover import accept, offer
from client.events.notes import observe
from client.prepare import prepare
from client.spelling import Thing
from demonstration import cast
from demonstration.stage import Stage
from demonstration.story import shipment
from ledger.base import merkle
from ledger.base.keys import Signer
from ledger.chain.block import Header, Outcome
from ledger.chain.certificate import Certificate, Checkpoint
from ledger.chain.evidence import Evidence, make_evidence
from ledger.chain.transaction import Item, item_hash, leaf_salt, subject_leaves
from ledger.chain.votes import finalise
from ledger.members.registry import Kind
from ledger.proof import bundle as wire
from ledger.proof.anchor import Anchor
from ledger.state.links import (
    Entry,
    Link,
    counted,
    entry_hash,
    linked,
    related_leaf,
    related_root,
    related_salt,
)
from ledger.trade.identifiers import Identifier, canonical
from ledger.trade.record import Record, SubjectKey, record_hash
from ledger.trade.rules import Outcome as Code
from ledger.trade.rules.handover import accept as accept_rule
from ledger.trade.rules.view import Act, Leg
from ledger.trade.statement import Role

CONTRADICTED: Final = 7
STALE: Final = 3
NOT_PROVEN: Final = 1
UNREADABLE: Final = 5


class Attempt(NamedTuple):
    """One attempt: what is tried, the file it leaves, how to check it, and the exit codes that mean it was caught."""

    name: str
    told: str
    data: bytes
    arguments: tuple[str, ...]
    codes: tuple[int, ...]


class Loot(NamedTuple):
    """What the attacker starts from."""

    anchor: Anchor
    early: bytes
    """The container's bundle from before customs came."""
    item: bytes
    container: bytes
    repacked: bytes
    """An item of the case that customs took off the pallet."""
    offered: bytes
    """An item offered to the forwarder, who never answered."""
    contested: bytes
    """An item that somebody else commissioned again."""
    misstated: bytes
    """An item whose author put on the ledger what its document does not say; the document kept back."""
    misstated_payload: wire.ShownPayload
    foreign: bytes
    """A bundle of another network."""
    proposer: tuple[int, Signer]
    """One validator's index and key."""
    receiver_key: bytes
    """The forwarder's public key."""


def attempts(loot: Loot) -> list[Attempt]:
    """All attempts, in the order in which they are told."""
    plain: list[tuple[str, str, Callable[[Loot], bytes], tuple[int, ...]]] = [
        ("flipped-byte", "one byte of an item's bundle is flipped", flipped_byte, (NOT_PROVEN, UNREADABLE)),
        ("event-left-out", "the last event of the container is left out", event_left_out, (NOT_PROVEN,)),
        ("segment-left-out", "the container's last move is left out of an item's bundle", segment_left_out, (NOT_PROVEN,)),
        ("repacked-left-out", "the same through a case that was taken off its pallet", repacked_left_out, (NOT_PROVEN,)),
        ("unsigned-receipt", "a handover the receiver never signed is shown as two-sided", unsigned_receipt, (NOT_PROVEN,)),
        ("two-blocks", "a validator signs a second block, the bundle is on the losing one", losing_block, (NOT_PROVEN,)),
        ("invented-outcome", "the proposer invents an outcome in which customs never came", invented_outcome, (NOT_PROVEN,)),
        ("other-network", "a true bundle of another network", lambda given: given.foreign, (NOT_PROVEN,)),
        ("second-commissioning", "somebody else commissions the same serial", lambda given: given.contested, (CONTRADICTED,)),
        ("false-extract", "an extract that does not follow from its document", false_extract, (CONTRADICTED,)),
    ]  # fmt: skip
    found = [Attempt(name, told, forge(loot), (), codes) for name, told, forge, codes in plain]
    label = Attempt(
        "cloned-label", "a copied label on other goods: the seal is another", loot.item,
        ("--container", cast.CONTAINER, "--seal", "XX-0001"), (CONTRADICTED,),
    )  # fmt: skip
    stale = Attempt(
        "stale",
        "a true bundle from before customs came, shown later",
        loot.early,
        ("--max-age", "1s"),
        (STALE,),
    )
    return [*found, label, stale]


# --- on paper


def flipped_byte(loot: Loot) -> bytes:
    """Flip a bit of a subject's salt: the file stays well formed."""
    bundle = wire.bundle_from_bytes(loot.item)
    salt = next(shown.subjects[0].salt for shown in bundle.entries if shown.subjects)
    place = loot.item.index(salt)
    return loot.item[:place] + bytes([loot.item[place] ^ 1]) + loot.item[place + 1 :]


def event_left_out(loot: Loot) -> bytes:
    """Cut the subject's last link, and its entry with it."""
    bundle = wire.bundle_from_bytes(loot.container)
    return _without_last(bundle, bundle.asked[0], wire.MAIN, 1).to_bytes()


def segment_left_out(loot: Loot) -> bytes:
    """Cut the last move of the container that the item is in."""
    bundle = wire.bundle_from_bytes(loot.item)
    return _without_last(bundle, SubjectKey(0, shipment().container.text), wire.MOVES, 1).to_bytes()


def repacked_left_out(loot: Loot) -> bytes:
    """Cut the container's last move before customs took the item's case off the pallet."""
    bundle = wire.bundle_from_bytes(loot.repacked)
    return _without_last(bundle, SubjectKey(0, shipment().container.text), wire.MOVES, 1).to_bytes()


def _without_last(bundle: wire.Bundle, key: SubjectKey, kind: int, number: int) -> wire.Bundle:
    """The bundle without the last links of the last run of that chain, and without entries nobody names any more."""
    runs = [shown for shown in bundle.chains if (shown.key, shown.kind) == (key, kind)]
    last = runs[-1]
    chains = []
    for shown in bundle.chains:
        links = shown.links[:-number] if shown == last else shown.links
        if links:
            chains.append(shown._replace(links=links))
    named = {link.entry for shown in chains for link in shown.links}
    entries = tuple(one for one in bundle.entries if entry_hash(bundle.network, one.entry) in named)
    return bundle._replace(chains=tuple(chains), entries=entries)


# --- with a key


class _OpenedView:
    """Just enough of a rule's view to work out what the receiver's signature would have done."""

    def __init__(self, records: dict[SubjectKey, Record]) -> None:
        self._records = records
        self.documents: tuple[str, ...] = ()

    def record(self, key: SubjectKey) -> Record:
        return self._records[key]

    def role(self, key: SubjectKey) -> int:
        return Role.OBJECT if key in self._records else 255


def unsigned_receipt(loot: Loot) -> bytes:
    """Invent the receiver's event: entry, link and record follow from it as they should. Only the ledger never saw it."""
    bundle = wire.bundle_from_bytes(loot.offered)
    network, key = bundle.network, bundle.asked[0]
    shown = next(one for one in bundle.records if one.key == key)
    before = shown.record
    if before is None:
        raise ValueError("the offered item is on the ledger")
    header, size = bundle.checkpoint.header, bundle.checkpoint.outcome.event_log_size
    at = Circumstances(header.time_ms, place=cast.place(cast.FORWARDER))
    draft = accept(at, [Thing(_identifier(key))])
    item = prepare(network, draft).item
    leaf = related_leaf(
        network, related_salt(network, item.subject_salt, key), Role.OBJECT, key, record_hash(network, before)
    )
    entry = Entry(
        size - 1, item_hash(network, item), bytes(32), 0, header.height, header.time_ms, cast.FORWARDER,
        loot.receiver_key, related_root(network, 1, counted(()), merkle.root([leaf])),
    )  # fmt: skip
    after = _accepted(before, key, entry, item)
    link = Link(entry_hash(network, entry), Code.ACCEPTED, cast.FORWARDER)
    forged = linked(network, before, after, link, entry.sequence, aside=False)
    opened = wire.ShownEntry(
        entry,
        _parts(network, item),
        (wire.SubjectOpening(0, leaf_salt(network, item.subject_salt, 0), item.subjects[0], ()),),
        1,
        counted(()),
        (
            wire.RelatedOpening(
                0, related_salt(network, item.subject_salt, key), Role.OBJECT, key, before, ()
            ),
        ),
    )
    wanted = {
        (Kind.KEY, loot.receiver_key.hex()),
        (Kind.ORGANISATION, cast.FORWARDER),
        (Kind.JURISDICTION, cast.FORWARDER),
    }
    known = {(one.kind, one.name): one for one in wire.bundle_from_bytes(loot.item).registry}
    lookups = {one[:3]: one for one in (*bundle.registry, *(known[name] for name in wanted))}
    return bundle._replace(
        registry=tuple(lookups[name] for name in sorted(lookups)),
        records=tuple(one._replace(record=forged) if one.key == key else one for one in bundle.records),
        chains=tuple(
            one._replace(links=(*one.links, link)) if (one.key, one.kind) == (key, wire.MAIN) else one
            for one in bundle.chains
        ),
        entries=(*bundle.entries, opened),
    ).to_bytes()


def _identifier(key: SubjectKey) -> Identifier:
    return canonical(key.identifier)


def _accepted(before: Record, key: SubjectKey, entry: Entry, item: Item) -> Record:
    act = Act(
        item.statement,
        item.event_hash,
        cast.FORWARDER,
        None,
        entry.time_ms,
        entry.sequence,
        None,
        None,
        authority=False,
    )
    view = _OpenedView({key: before})
    decision = accept_rule(act, Leg(key, Role.OBJECT, None, key.identifier), view)  # type: ignore[arg-type]
    return decision.record


def _parts(network: bytes, item: Item) -> wire.ItemParts:
    leaves = subject_leaves(network, item.subject_salt, item.subjects)
    return wire.ItemParts(
        item.statement, merkle.root(leaves), len(leaves), item.event_hash, item.context_hash, item.attestation
    )


# --- with a validator's key


def losing_block(loot: Loot) -> bytes:
    """A second block at the same height, finalised by the one validator that signed both."""
    bundle = wire.bundle_from_bytes(loot.container)
    _, rival = _equivocation(loot, bundle.checkpoint)
    return bundle._replace(checkpoint=rival).to_bytes()


def equivocation(loot: Loot) -> Evidence:
    """The two signatures that name the culprit."""
    checkpoint = wire.bundle_from_bytes(loot.container).checkpoint
    index, key = loot.proposer
    honest = checkpoint.certificate.claim
    _, rival = _equivocation(loot, checkpoint)
    network = loot.anchor.network
    return make_evidence(
        index,
        honest,
        key.sign(honest.signing_message(network)),
        rival.certificate.claim,
        rival.certificate.signatures,
    )


def _equivocation(loot: Loot, checkpoint: Checkpoint) -> tuple[Header, Checkpoint]:
    header = checkpoint.header._replace(time_ms=checkpoint.header.time_ms + 1)
    outcome = checkpoint.outcome._replace(header_hash=header.hash)
    return header, _certified(loot, header, outcome, checkpoint, alone=True)


def invented_outcome(loot: Loot) -> bytes:
    """The state from before customs came, dressed up as the newest block; two of three signatures are made up."""
    early, newest = wire.bundle_from_bytes(loot.early), wire.bundle_from_bytes(loot.container).checkpoint
    outcome = newest.outcome._replace(
        state_root=early.checkpoint.outcome.state_root, registry_root=early.checkpoint.outcome.registry_root
    )
    return early._replace(checkpoint=_certified(loot, newest.header, outcome, newest, alone=False)).to_bytes()


def _certified(
    loot: Loot, header: Header, outcome: Outcome, honest: Checkpoint, *, alone: bool
) -> Checkpoint:
    """A checkpoint with the attacker's one good signature, alone or among two that are not over this."""
    index, key = loot.proposer
    claim = finalise(
        header.epoch, honest.certificate.claim.view, header.hash, outcome.hash_in(loot.anchor.network)
    )
    signature = key.sign(claim.signing_message(loot.anchor.network))
    quorum = loot.anchor.validators.quorum
    others = [number for number in range(len(loot.anchor.validators)) if number != index][: quorum - 1]
    signers = [index] if alone else sorted([index, *others])
    bitmap = bytearray((len(loot.anchor.validators) + 7) // 8)
    for number in signers:
        bitmap[number // 8] |= 1 << number % 8
    borrowed = honest.certificate.signatures[:64]
    signatures = b"".join(signature if number == index else borrowed for number in signers)
    engine = honest.certificate.engine
    return Checkpoint(header, outcome, Certificate(engine, claim, bytes(bitmap), signatures))


def false_extract(loot: Loot) -> bytes:
    """Not forged at all: the author lied, and somebody who has the document shows it."""
    bundle = wire.bundle_from_bytes(loot.misstated)
    return bundle._replace(payloads=(loot.misstated_payload,)).to_bytes()


# --- playing what the attacks need on the ledger


class Prepared(NamedTuple):
    """Subjects that attacks are about, once their events are on the ledger."""

    offered: Identifier
    contested: Identifier
    misstated: Identifier
    payload: wire.ShownPayload


def play_false_events(stage: Stage) -> Prepared:
    """An unanswered offer, a second commissioning, a false extract: statements that really stand on the ledger."""
    at = Circumstances(stage.now_ms(), place=cast.place(cast.MANUFACTURER))
    offered, misstated = cast.item(cast.ITEMS + 1), cast.item(cast.ITEMS + 2)
    contested = cast.item(411)
    stage.submit(cast.MANUFACTURER, [make(at, [Thing(offered), Thing(misstated)])])
    stage.submit(cast.MANUFACTURER, [offer(at, [Thing(offered)], cast.party(cast.FORWARDER))])
    again = make(Circumstances(stage.now_ms(), place=cast.place(cast.FORWARDER)), [Thing(contested)])
    stage.submit(cast.FORWARDER, [again])
    draft = _lie(stage, misstated)
    [played] = stage.submit(cast.MANUFACTURER, [draft], restricted=True)
    payload = stage.payload(played.event_hash)
    return Prepared(
        offered,
        contested,
        misstated,
        wire.ShownPayload(played.event_hash, payload.salt, payload.context, payload.event),
    )


def _lie(stage: Stage, subject: Identifier) -> Draft:
    """A document of an inspection, and an extract that names another place."""
    at = Circumstances(stage.now_ms(), place=cast.place(cast.CARRIER))
    draft = observe(at, [Thing(subject)])
    statement = draft.extract.statement._replace(place=cast.place(cast.CUSTOMS).text)
    return draft._replace(extract=draft.extract._replace(statement=statement))
