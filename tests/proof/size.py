"""What a bundle may weigh, computed from what is in it (DESIGN §8), and where its bytes go."""

from __future__ import annotations

from typing import Any

from ledger.base.encoding import encode
from ledger.chain.closing import Closing
from ledger.proof.bundle import MOVES, Bundle, bundle_from_bytes

BASE = 700
CLOSING = 580
MEMBER = 48
SIGNATURE = 64
RECORD = 1_400
STATEMENT = 650
LINK = 300
RELATED_OR_KEY = 400
HASH = 32


def counts_of(bundle: Bundle) -> dict[str, int]:
    """How many of each kind of part."""
    hashes = sum(len(path) for shown in bundle.records for *_, path in shown.proof.neighbours)
    hashes += sum(len(path) for shown in bundle.registry for *_, path in shown.proof.shown)
    for entry in bundle.entries:
        hashes += sum(len(opening.path) for opening in entry.subjects)
        hashes += sum(len(opening.path) for opening in entry.related)
    return {
        "records": len(bundle.records),
        "statements": len(bundle.entries),
        "links": sum(len(chain.links) for chain in bundle.chains),
        "related": sum(len(entry.related) for entry in bundle.entries),
        "keys": len(bundle.registry),
        "hashes": hashes,
    }


def bound_of(data: bytes) -> int:
    """The most that a bundle with these parts may weigh, bytes shown apart."""
    bundle = bundle_from_bytes(data)
    found = counts_of(bundle)
    legs = sum(len(encode(shown)) for shown in bundle.legs)
    shown = sum(len(payload.event) + len(payload.context or b"") + 100 for payload in bundle.payloads)
    return (
        BASE
        + sum(_closing(closing) for closing in bundle.closings)
        + RECORD * found["records"]
        + STATEMENT * found["statements"]
        + LINK * found["links"]
        + RELATED_OR_KEY * (found["related"] + found["keys"])
        + HASH * found["hashes"]
        + legs
        + shown
    )


def _closing(closing: Closing) -> int:
    """Of one change of validators: header, outcome, signatures of the former set, members of the next."""
    return (
        CLOSING
        + SIGNATURE * len(closing.checkpoint.certificate.signer_indices())
        + MEMBER * len(closing.members)
    )


def parts_of(data: bytes) -> dict[str, Any]:
    """Bytes by part, and the counts."""
    bundle = bundle_from_bytes(data)
    related = sum(len(encode(opening.record)) for entry in bundle.entries for opening in entry.related)
    siblings = sum(len(encode(shown.proof)) for shown in bundle.records)
    return {
        "whole": len(data),
        "bound": bound_of(data),
        "closings": len(encode(bundle.closings)),
        "checkpoint": len(encode(bundle.checkpoint)),
        "records": len(encode(bundle.records)),
        "of these state proofs": siblings,
        "registry": len(encode(bundle.registry)),
        "chains": len(encode(bundle.chains)),
        "moves": sum(len(encode(chain)) for chain in bundle.chains if chain.kind == MOVES),
        "entries": len(encode(bundle.entries)),
        "of these records before": related,
        "of these statements": sum(len(encode(entry.parts)) for entry in bundle.entries),
        "legs": len(encode(bundle.legs)),
        **counts_of(bundle),
    }
