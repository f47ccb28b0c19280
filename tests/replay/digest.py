"""Play random histories and print one digest of every root, receipt, bundle and verdict. Run by the tests beside it."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from ledger.base.encoding import encode
from ledger.proof.anchor import anchor_from_genesis
from ledger.proof.build import build
from ledger.proof.verdict import assess
from tests.proof.histories import history, subjects_of
from tests.world.past import Past

SEEDS = range(12)
LENGTH = 40


def digest() -> str:
    """The digest, 64 hexadecimal characters."""
    found = hashlib.sha256()
    for seed in SEEDS:
        world = history(seed, LENGTH)
        found.update(world.genesis.to_bytes())
        for execution in world.executions:
            found.update(encode(execution.outcome))
            found.update(encode(execution.receipts))
        anchor = anchor_from_genesis(world.genesis)
        for key in subjects_of(world)[::3]:
            data = build(Past(world), [key])
            found.update(data)
            found.update(repr(assess(data, anchor, now_ms=world.now_ms).to_json()).encode())
    return found.hexdigest()


if __name__ == "__main__":
    print(digest())
