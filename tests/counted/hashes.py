"""Hashes of one transaction of 100 events at each validator: what tests hold, and the bench reckons with."""

from __future__ import annotations

from typing import Final

MADE: Final = {
    "Merkle leaf": 400,  # each of: receipt, event log, related root of one record, bucket of one entry
    "Merkle node": 198,  # 99 over receipts, 99 to append to the event log
    "chain head": 101,  # the subject's main chain, and the moves chain, which begins alike; of the first of things alike both
    "entry": 100,
    "header": 1,
    "outcome": 1,
    "receipt": 100,
    "record": 100,  # after; that before, which the related leaf names, is the empty one, whose hash is remembered
    "related leaf": 100,  # the subject alone
    "related root": 100,
    "related salt": 100,
    "state bucket": 100,
    "state key": 100,
    "state node": 544,  # 9 levels over 2^18 buckets, 100 paths that meet towards the root
}
"""Executing a block of it, by what they are of; every event makes an item that was not there."""

TAKEN_IN: Final = {
    "Merkle leaf": 200,
    "Merkle node": 99,
    "batch": 1,
    "event": 100,
    "item": 100,
    "statement": 1,  # all say the same
    "subject leaf": 100,
    "subject salt": 100,
    "transaction": 1,
}
"""Taking it in from another validator."""
