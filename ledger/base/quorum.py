"""The only quorum arithmetic there is, for validators and for votes (CONSENSUS 1; WIRE_CONSENSUS §1).

Of n of which at most f = (n - 1) // 3 lie, a quorum is q = (n + f) // 2 + 1: two quorums always share an honest one, and the
honest ones alone are a quorum. 2f + 1 would be unsafe wherever n is not 3f + 1.
"""

from __future__ import annotations


def max_faulty(count: int) -> int:
    """f: how many of `count` may be Byzantine."""
    return (count - 1) // 3


def quorum(count: int) -> int:
    """q: how many of `count` must sign the same thing for it to stand."""
    return (count + max_faulty(count)) // 2 + 1
