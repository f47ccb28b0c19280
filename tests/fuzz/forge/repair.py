"""Makes an altered proof fit again, as far as anybody can who has no quorum's keys.

Everything but the signatures follows from the parts: item hashes and related roots go into entries, entries into links,
links into the heads of chains, those into the records before later entries and at the checkpoint, records into the state
root, the roots into the outcome, the outcome into what the validators signed. `refitted` computes all of that anew, in
the order of the ledger; what is left is a certificate that nobody can make.
"""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from typing import Final

from ledger.base import merkle
from ledger.base.buckets import StateProof, bucket_hash
from ledger.base.hashing import Tag
from ledger.base.keys import SIGNATURE_BYTES
from ledger.chain.certificate import Certificate, Checkpoint
from ledger.chain.transaction import item_hash_of, statement_hash, subject_leaf
from ledger.chain.votes import finalise
from ledger.members.registry import leaf as registry_leaf
from ledger.members.registry import registry_root
from ledger.proof.bundle import ASIDE, MAIN, Bundle, ShownEntry
from ledger.state.links import Link, entry_hash, extended, related_leaf, related_root
from ledger.trade.record import EMPTY, Chain, Record, SubjectKey, record_hash, state_key
from tests.fuzz.forge.honest import Scene

_START: Final = Chain(0, EMPTY.links.head)


class _Heads:
    """Heads of the chains shown, as they are with entries renamed."""

    def __init__(self, bundle: Bundle, names: dict[bytes, bytes]) -> None:
        self._network = bundle.network
        self._names = names
        self._links = {(shown.key, shown.kind): shown.links for shown in bundle.chains if shown.first == 1}
        self._moving = _moving_links(bundle)

    def at(self, key: SubjectKey, kind: int, length: int, old: Chain) -> Chain:
        """The chain's head after `length` links, `old` where the chain is not shown that far."""
        links = self._links.get((key, kind))
        if links is None or length > len(links):
            return old
        return self._folded(links[:length])

    def moves(self, key: SubjectKey, record: Record) -> Chain:
        links = self._links.get((key, MAIN))
        if links is None or record.links.length > len(links):
            return record.moves
        moved = [
            link for place, link in enumerate(links[: record.links.length]) if place in self._moving[key]
        ]
        folded = self._folded(tuple(moved))
        return folded if folded.length == record.moves.length else record.moves

    def _folded(self, links: tuple[Link, ...]) -> Chain:
        chain = _START
        for link in links:
            chain = extended(
                self._network, chain, link._replace(entry=self._names.get(link.entry, link.entry))
            )
        return chain

    def record(self, key: SubjectKey, record: Record) -> Record:
        """The record with the heads that follow."""
        return record._replace(
            links=self.at(key, MAIN, record.links.length, record.links),
            asides=self.at(key, ASIDE, record.asides.length, record.asides),
            moves=self.moves(key, record),
        )


def _moving_links(bundle: Bundle) -> dict[SubjectKey, set[int]]:
    """Which links of each subject are moves, by how the number of moves grows."""
    seen: dict[SubjectKey, dict[int, int]] = defaultdict(dict)
    for shown in bundle.entries:
        for opening in shown.related:
            seen[opening.key][opening.record.links.length] = opening.record.moves.length
    for record in bundle.records:
        if record.record is not None:
            seen[record.key][record.record.links.length] = record.record.moves.length
    return defaultdict(set, {
        key: {at for at in lengths if lengths.get(at + 1, 0) > lengths[at]} for key, lengths in seen.items()
    })  # fmt: skip


def refitted(bundle: Bundle, names: dict[bytes, int], depth: int) -> Bundle:
    """The bundle with every hash anew. `names`: the sequence of the entry behind each entry hash that links use."""
    network = bundle.network
    new_names: dict[bytes, bytes] = {}
    entries = []
    heads = _Heads(bundle, new_names)
    by_sequence = {sequence: name for name, sequence in names.items()}
    for shown in sorted(bundle.entries, key=lambda one: one.entry.sequence):
        fitted = _fitted_entry(network, shown, heads)
        entries.append(fitted)
        old = by_sequence.get(shown.entry.sequence)
        if old is not None:
            new_names[old] = entry_hash(network, fitted.entry)
    records = []
    for one in bundle.records:
        record = None if one.record is None else heads.record(one.key, one.record)
        records.append(one._replace(record=record, proof=_with_value(network, one.key, record, one.proof)))
    chains = tuple(
        chain._replace(
            links=tuple(link._replace(entry=new_names.get(link.entry, link.entry)) for link in chain.links)
        )
        for chain in bundle.chains
    )
    proofs, state_root = _refitted_state(network, depth, [(one.key, one.proof) for one in records])
    shown_records = tuple(one._replace(proof=proof) for one, proof in zip(records, proofs, strict=True))
    outcome = bundle.checkpoint.outcome._replace(
        state_root=state_root or bundle.checkpoint.outcome.state_root
    )
    checkpoint = bundle.checkpoint._replace(outcome=outcome)
    fitted_bundle = bundle._replace(
        checkpoint=checkpoint, records=shown_records, chains=chains, entries=tuple(entries)
    )
    return with_claim(refitted_registry(fitted_bundle))


def with_claim(bundle: Bundle) -> Bundle:
    """The certificate's claim made to name the header and outcome shown; its signatures are as they were."""
    header, outcome, certificate = bundle.checkpoint
    outcome = outcome._replace(header_hash=header.hash)
    claim = finalise(
        header.epoch, max(1, certificate.claim.view), header.hash, outcome.hash_in(header.network)
    )
    return bundle._replace(checkpoint=Checkpoint(header, outcome, certificate._replace(claim=claim)))


def _fitted_entry(network: bytes, shown: ShownEntry, heads: _Heads) -> ShownEntry:
    parts, subjects = shown.parts, shown.subjects
    leaves = {one.place: subject_leaf(network, one.salt, one.subject) for one in subjects}
    fitted = refitted_tree(leaves, {one.place: one.path for one in subjects}, parts.subject_count)
    if fitted is not None:
        parts = parts._replace(subjects_root=fitted[1])
        subjects = tuple(one._replace(path=fitted[0][one.place]) for one in subjects)
    related = tuple(one._replace(record=heads.record(one.key, one.record)) for one in shown.related)
    leaves = {
        one.place: related_leaf(network, one.salt, one.role, one.key, record_hash(network, one.record))
        for one in related
    }
    root = shown.entry.related_root
    fitted = refitted_tree(leaves, {one.place: one.path for one in related}, shown.related_count)
    if fitted is not None:
        related = tuple(one._replace(path=fitted[0][one.place]) for one in related)
        root = related_root(network, shown.related_count, shown.named, fitted[1])
    item = item_hash_of(
        network, statement_hash(network, parts.statement), parts.subjects_root, parts.subject_count, parts.event_hash,
        parts.context_hash, parts.attestation,
    )  # fmt: skip
    entry = shown.entry._replace(item_hash=item, related_root=root)
    return shown._replace(entry=entry, parts=parts, subjects=subjects, related=related)


Paths = dict[int, tuple[bytes, ...]]


def refitted_tree(leaves: dict[int, bytes], paths: Paths, size: int) -> tuple[Paths, bytes] | None:
    """Paths and root that all these leaves of one RFC 6962 tree lead to together; None if they cannot be of one."""
    if not leaves or any(
        not 0 <= place < size or len(paths[place]) != merkle.inclusion_path_length(place, size)
        for place in leaves
    ):
        return None
    nodes = {place: merkle.leaf_hash(leaf) for place, leaf in leaves.items()}
    at = {place: place for place in leaves}
    new: dict[int, list[bytes]] = {place: [] for place in leaves}
    last = size - 1
    while last:
        above: dict[int, bytes] = {}
        for place, position in at.items():
            node = nodes[position]
            if position & 1 or position < last:
                sibling = nodes.get(position ^ 1, paths[place][len(new[place])])
                new[place].append(sibling)
                node = merkle.node_hash(sibling, node) if position & 1 else merkle.node_hash(node, sibling)
            above[position >> 1] = node
        at = {place: position >> 1 for place, position in at.items()}
        nodes, last = above, last >> 1
    return {place: tuple(path) for place, path in new.items()}, nodes[0]


# --- the state


def _with_value(network: bytes, key: SubjectKey, record: Record | None, proof: StateProof) -> StateProof:
    """The proof with the record's own value in it, where it shows one."""
    name = state_key(network, key)
    if record is None:
        return proof
    value = record_hash(network, record)
    return proof._replace(
        neighbours=tuple(
            (at, found, value if found == name else old, path) for at, found, old, path in proof.neighbours
        )
    )


def _refitted_state(
    network: bytes, depth: int, shown: list[tuple[SubjectKey, StateProof]]
) -> tuple[list[StateProof], bytes | None]:
    """The proofs made to lead to one root, all together, and that root."""
    levels = depth // 2
    if any(len(proof.siblings) != 3 * levels for _, proof in shown):
        return [proof for _, proof in shown], None
    index = [int.from_bytes(state_key(network, key)[:4], "big") >> (32 - depth) for key, _ in shown]
    proofs = [proof for _, proof in shown]
    nodes: dict[int, bytes] = {}
    for bucket in sorted(set(index)):
        inside = [place for place, found in enumerate(index) if found == bucket]
        entries = {at: name + value for place in inside for at, name, value, _ in proofs[place].neighbours}
        paths = {at: path for place in inside for at, _, _, path in proofs[place].neighbours}
        size = proofs[inside[0]].size
        fitted = refitted_tree(entries, paths, size)
        root = merkle.EMPTY_ROOT if fitted is None else fitted[1]
        nodes[bucket] = bucket_hash(network, size, root)
        for place in inside if fitted is not None else ():
            again = tuple((at, name, value, fitted[0][at]) for at, name, value, _ in proofs[place].neighbours)  # type: ignore[index]
            proofs[place] = proofs[place]._replace(neighbours=again)
    siblings: list[list[bytes]] = [[] for _ in shown]
    for level in range(levels):
        above: dict[int, bytes] = {}
        for place, at in enumerate(index):
            given = proofs[place].siblings[3 * level : 3 * level + 3]
            first = at & ~3
            others = [child for child in range(first, first + 4) if child != at]
            hashes = [nodes.get(child, old) for child, old in zip(others, given, strict=True)]
            siblings[place] += hashes
            whole = [*hashes[: at & 3], nodes[at], *hashes[at & 3 :]]
            above[at >> 2] = hashlib.sha256(Tag.STATE_NODE + network + b"".join(whole)).digest()
        index = [at >> 2 for at in index]
        nodes = above
    fitted_proofs = [proof._replace(siblings=tuple(new)) for proof, new in zip(proofs, siblings, strict=True)]
    return fitted_proofs, nodes.get(0)


def refitted_registry(bundle: Bundle) -> Bundle:
    """The look-ups made to lead to one registry root, and the outcome to name it."""
    network = bundle.network
    shown = [one for look_up in bundle.registry for one in look_up.proof.shown]
    sizes = [look_up.proof.size for look_up in bundle.registry]
    if not shown:
        return bundle
    size = max(set(sizes), key=sizes.count)
    leaves = {place: registry_leaf(network, entry) for place, entry, _ in shown}
    fitted = refitted_tree(leaves, {place: path for place, _, path in shown}, size)
    if fitted is None:
        return bundle
    registry = tuple(
        look_up._replace(
            proof=look_up.proof._replace(
                shown=tuple((place, entry, fitted[0][place]) for place, entry, _ in look_up.proof.shown)
            )
        )
        for look_up in bundle.registry
    )
    outcome = bundle.checkpoint.outcome._replace(registry_root=registry_root(network, size, fitted[1]))
    return bundle._replace(registry=registry, checkpoint=bundle.checkpoint._replace(outcome=outcome))


# --- what cannot be made


def resigned(bundle: Bundle, scene: Scene, draw: random.Random) -> Bundle:
    """The certificate as well as anybody can make it: with keys that do not validate, and one that does."""
    certificate, validators = bundle.checkpoint.certificate, scene.anchor.validators
    message = certificate.claim.signing_message(bundle.network)
    known = scene.anchor.epochs[min(certificate.claim.epoch, scene.anchor.epoch)].validators
    keys = [one for one in scene.member_keys if one.public_key not in {member.public_key for member in known}]
    place, key = scene.corrupt
    own = key.sign(message)
    strangers = [draw.choice(keys).sign(message) for _ in range(validators.quorum)]
    old = [
        certificate.signatures[at : at + SIGNATURE_BYTES]
        for at in range(0, len(certificate.signatures), SIGNATURE_BYTES)
    ]
    signers = certificate.signer_indices()
    kind = draw.randrange(8)
    if kind == 0:  # as it was, over another claim
        return bundle
    if kind == 1:  # strangers in the validators' places
        made = (signers, strangers)
    elif kind == 2:  # one validator, the rest strangers
        made = ([0, 1, place], [*strangers[:-1], own])
    elif kind == 3:  # one validator, the rest as over the old claim
        made = ([0, 1, place], [*old[:2], own])
    elif kind == 4:  # one validator in every place
        made = ([0, 1, place], [own] * validators.quorum)
    elif kind == 5:  # q - 1 and nobody
        made = ([0, place], [old[0], own])
    elif kind == 6:  # q - 1 and the same again, its bit set once
        made = ([0, place], [old[0], own, own])
    else:  # one more than there are validators
        made = ([0, place, len(validators)], [old[0], own, draw.choice(strangers)])
    return bundle._replace(checkpoint=bundle.checkpoint._replace(certificate=_assembled(certificate, *made)))


def _assembled(certificate: Certificate, signers: list[int], signatures: list[bytes]) -> Certificate:
    bits = 0
    for signer in signers:
        bits |= 1 << signer
    return certificate._replace(
        signers=bits.to_bytes(max(1, len(certificate.signers)), "little"), signatures=b"".join(signatures)
    )
