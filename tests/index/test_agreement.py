"""SQLite and the reference (`tests.index.agreement`); PostgreSQL is asked the same in `tests/interop`."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from node.index.index import Index
from tests.index.agreement import NETWORK, check

# Each seed is 24 events and 60 queries.
_profile = settings()


@settings(max_examples=max(10, _profile.max_examples // 8))
@given(seed=st.integers(0, 2**32))
def test_sqlite_and_the_reference_agree(seed: int) -> None:
    index = Index.open("sqlite://", NETWORK)
    try:
        check(index, seed)
    finally:
        index.close()
