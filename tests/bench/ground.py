"""Subjects that all fall into one bucket of the state tree: what somebody who grinds identifiers can do at most."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from ledger.base.encoding import encode
from ledger.base.limits import BUCKET_ENTRIES
from ledger.trade import record
from ledger.trade.record import Space, SubjectKey
from node.init import create_network
from tests.bench.command import work_folder
from tests.bench.load import BATCH, serial
from tests.bench.replica import TRANSACTIONS, Ran, Replica

GROUND: Final = 10_000
_FIRST: Final = 5_000_000_000
_PREFIX: Final = bytes(4)


@contextmanager
def _as_if_ground() -> Iterator[None]:
    """Within: the keys of ground identifiers begin alike, as those that a grinder keeps do."""
    plain = record.state_key_of
    subjects = (SubjectKey(Space.THING, serial(number), "") for number in range(_FIRST, _FIRST + GROUND))
    encodings = frozenset(map(encode, subjects))  # any order: membership only

    def ground(network: bytes, encoded: bytes) -> bytes:
        found = plain(network, encoded)
        return _PREFIX + found[len(_PREFIX) :] if encoded in encodings else found

    places = [
        module
        for module in list(sys.modules.values())
        if getattr(module, "state_key_of", None) is plain and module.__name__.startswith(("ledger", "node"))
    ]
    try:
        for module in places:
            vars(module)["state_key_of"] = ground
        yield
    finally:
        for module in places:
            vars(module)["state_key_of"] = plain


def bucket(seconds: float, depth: int) -> dict[str, Any]:
    """How many of 10^4 are taken in, and what observing those costs beside observing as many anywhere.

    In whole blocks, and in blocks of one event each: then nothing else shares what it costs to hash the bucket.
    """
    with work_folder("bucket") as root:
        create_network(root / "network", state_depth=depth)
        with _as_if_ground(), Replica(root / "network" / "maker") as replica:
            made = Ran()
            anywhere, ground = (range(first, first + GROUND) for first in (_FIRST + GROUND, _FIRST))
            _run(replica, anywhere, Ran(), is_first=True)
            _run(replica, ground, made, is_first=True)
            taken_in = made.events - made.refused
            if (
                not BUCKET_ENTRIES // 2 < taken_in <= BUCKET_ENTRIES
            ):  # one of the others may have come into it
                raise SystemExit(f"bench: expected one bucket to fill up, it took in {taken_in}")
            kept = range(_FIRST, _FIRST + taken_in)
            costs = [_cost(replica, numbers, seconds / 4) for numbers in (anywhere, kept)]
            alone = [_cost_alone(replica, numbers, seconds / 4) for numbers in (anywhere, kept)]
    return {
        "ground": made.events,
        "taken_in": taken_in,
        "us_per_event_making": round(1e6 * made.cpu_seconds / made.events, 1),
        "us_per_event_anywhere": costs[0],
        "us_per_event_in_one_bucket": costs[1],
        "us_per_block_of_one_anywhere": alone[0],
        "us_per_block_of_one_in_one_bucket": alone[1],
    }


def _cost(replica: Replica, numbers: range, seconds: float) -> float:
    ran = Ran()
    while ran.seconds < seconds:
        _run(replica, numbers, ran, is_first=False)
    return round(1e6 * ran.cpu_seconds / ran.events, 1)


def _cost_alone(replica: Replica, numbers: range, seconds: float) -> float:
    ran = Ran()
    while ran.seconds < seconds:
        for number in numbers[:100]:
            signed = replica.author.transaction((number,), replica.now_ms, is_first=False)
            replica.run(replica.batches([signed]), ran)
    return round(1e6 * ran.cpu_seconds / ran.events, 1)


def _run(replica: Replica, numbers: range, ran: Ran, *, is_first: bool) -> None:
    """All numbers, in whole transactions, in blocks."""
    whole = [numbers[at : at + BATCH] for at in range(0, len(numbers), BATCH)]
    sign: Callable[..., bytes] = replica.author.transaction
    for at in range(0, len(whole), TRANSACTIONS):
        some = whole[at : at + TRANSACTIONS]
        signed = [sign(part, replica.now_ms, is_first=is_first) for part in some]
        replica.run(replica.batches(signed), ran)
