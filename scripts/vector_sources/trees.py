"""RFC 6962 trees and proofs, the state tree and the registry tree (WIRE.md §3)."""

from __future__ import annotations

from typing import Any

from ledger.base import merkle
from ledger.base.buckets import BucketTree
from ledger.base.hashing import Tag, tagged_hash
from ledger.members.registry import Entry, Kind, Period, Registry

NETWORK = bytes(range(32))
SIZES = (0, 1, 2, 3, 7, 8, 11)


def _leaves(count: int) -> list[bytes]:
    return [b"leaf %d" % number for number in range(count)]


def _log(size: int) -> dict[str, Any]:
    leaves = _leaves(size)
    tree = merkle.MerkleTree(leaves)
    return {
        "size": size,
        "root": tree.root.hex(),
        "inclusion": [[step.hex() for step in tree.inclusion_proof(index)] for index in range(size)],
        "consistency": [
            {"from": old, "proof": [step.hex() for step in merkle.consistency_proof(leaves, old)]}
            for old in range(1, size + 1)
        ],
    }


def _state() -> dict[str, Any]:
    tree = BucketTree(NETWORK, 8)
    empty = tree.root.hex()
    keys = [tagged_hash(Tag.STATE_KEY, NETWORK, b"key %d" % number) for number in range(300)]
    tree.update({key: tagged_hash(Tag.RECORD, NETWORK, key) for key in keys})
    asked = [*keys[:2], bytes(32), b"\xff" * 32]
    proofs = []
    for key in asked:
        proof, value = tree.prove(key), tree.get(key)
        proofs.append({
            "key": key.hex(),
            "value": None if value is None else value.hex(),
            "size": proof.size,
            "neighbours": [[i, k.hex(), v.hex(), [step.hex() for step in path]] for i, k, v, path in proof.neighbours],
            "siblings": [step.hex() for step in proof.siblings],
        })  # fmt: skip
    return {"depth": 8, "empty_root": empty, "root": tree.root.hex(), "proofs": proofs}


def _registry() -> dict[str, Any]:
    names = ((Kind.PARTY, "p"), (Kind.GRANT, "4012345"), (Kind.GRANT, "952"), (Kind.ISSUER, "NL0005"))
    made = Registry(NETWORK, [Entry(int(kind), name, (Period(0, None, "maker"),)) for kind, name in names])
    looked_up = (
        (Kind.GRANT, "9521234", True),
        (Kind.GRANT, "96", True),
        (Kind.PARTY, "p", False),
        (Kind.PARTY, "q", False),
    )
    proofs = []
    for kind, name, is_prefix in looked_up:
        proof = made.prove_prefix(kind, name) if is_prefix else made.prove_exact(kind, name)
        found = made.prefix(kind, name) if is_prefix else made.exact(kind, name)
        proofs.append({
            "kind": int(kind), "name": name, "is_prefix": is_prefix, "found": None if found is None else found.name,
            "shown": [[index, entry.kind, entry.name, [step.hex() for step in path]] for index, entry, path in proof.shown],
        })  # fmt: skip
    return {"size": len(names), "root": made.root.hex(), "proofs": proofs}


def generate() -> Any:
    """Trees over the leaves `leaf 0`, `leaf 1` ...; a state tree of 300 keys; a registry of four entries."""
    return {
        "network": NETWORK.hex(),
        "log": [_log(size) for size in SIZES],
        "state": _state(),
        "registry": _registry(),
    }
